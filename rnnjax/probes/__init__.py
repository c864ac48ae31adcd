"""Probes: functions (cell, loss, params, batch) -> dict of arrays, each from one pass."""

from rnnjax.probes.adjoint import log_norm_by_lag, log_norm_by_length
from rnnjax.probes.alignment import by_lag, compared, is_silent, recurrent_gradient, versus
from rnnjax.probes.chain import active_coefficients, chain_coefficients, two_steps
from rnnjax.probes.contributions import step_contributions
from rnnjax.probes.cost import state_bytes
from rnnjax.probes.horizon import e_folding, gradient_horizon, horizon
from rnnjax.probes.jacobian import leading_directions, log_singular_values
from rnnjax.probes.latch import log_margins
from rnnjax.probes.layers import log_norm_by_layer_and_lag, lyapunov_spectra_of_layers
from rnnjax.probes.lyapunov import entropy_rate, kaplan_yorke_dimension, lyapunov_spectrum
from rnnjax.probes.states import first_non_finite
from rnnjax.probes.surface import curvature_along_gradient, plane

__all__ = [
    "active_coefficients",
    "by_lag",
    "chain_coefficients",
    "compared",
    "curvature_along_gradient",
    "e_folding",
    "entropy_rate",
    "first_non_finite",
    "gradient_horizon",
    "horizon",
    "is_silent",
    "kaplan_yorke_dimension",
    "leading_directions",
    "log_margins",
    "log_norm_by_lag",
    "log_norm_by_layer_and_lag",
    "log_norm_by_length",
    "log_singular_values",
    "lyapunov_spectra_of_layers",
    "lyapunov_spectrum",
    "plane",
    "recurrent_gradient",
    "state_bytes",
    "step_contributions",
    "two_steps",
    "versus",
]
