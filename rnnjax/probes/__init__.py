"""Probes: functions (cell, loss, params, batch) -> dict of arrays, each from one pass."""

from rnnjax.probes import one_number as one_number
from rnnjax.probes.adjoint import log_norm_by_lag, log_norm_by_length
from rnnjax.probes.contributions import step_contributions
from rnnjax.probes.determinant import mean_log_det
from rnnjax.probes.horizon import gradient_horizon
from rnnjax.probes.jacobian import leading_directions, log_singular_values
from rnnjax.probes.layers import log_norm_by_layer_and_lag, lyapunov_spectra_of_layers
from rnnjax.probes.lyapunov import lyapunov_spectrum
from rnnjax.probes.rounding import rounding_of_errors
from rnnjax.probes.states import first_non_finite, is_silent
from rnnjax.probes.surface import curvature_along_gradient, plane

__all__ = [
    "curvature_along_gradient",
    "first_non_finite",
    "gradient_horizon",
    "is_silent",
    "leading_directions",
    "log_norm_by_lag",
    "log_norm_by_layer_and_lag",
    "log_norm_by_length",
    "log_singular_values",
    "lyapunov_spectra_of_layers",
    "lyapunov_spectrum",
    "mean_log_det",
    "plane",
    "rounding_of_errors",
    "step_contributions",
]
