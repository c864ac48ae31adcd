"""What rounding does to a gradient that a rule carries forward in time, in one arithmetic.

  delta_t = dL/dh_t,   dL/dW                                                     (1)

of the rule and of BPTT in one precision stand beside those of BPTT in float64, on the same
trajectory. An error of delta_1 grows as a vector u that is carried along with it,

  ln |J_t^-T .. J_2^-T u| <= -sum_s ln(least slope of step s * least singular value of W)   (2)
"""

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.analysis import error_growth
from rnnjax.rules import ForwardErrors, backward_passes, inverse_growth
from rnnjax.rules.in_arithmetic import Precision
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


def rounding_of_errors(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    rule: ForwardErrors,
    precision: Precision,
    log_smallest: Array,
) -> dict[str, Array]:
    """Measure the rounding errors of a rule and of BPTT; needs a program in float64.

    Args:
      cell: the cell, with a slope for each unit.
      loss: not used; it is the squared error of the readout.
      params: parameters.
      batch: one sequence under n masks, each leaf (n, T, ...), with the same inputs.
      rule: the rule whose errors are measured.
      precision: of its numbers.
      log_smallest: ln of the smallest singular value of W, ().

    Returns:
      ``cosine``, ``cosine_bptt``, ``log_norm_ratio``: equation (1) for W, (n,), NaN where a
      gradient is 0 or no number. The variables of `rnnjax.analysis.error_growth` for each mask;
      ``slope_steps``, the same for all, (). ``log_growth``: equation (2), (T,); ``growth_rate`` and
      ``growth_bound``: its two sides a step, ().
    """
    found = backward_passes(cell, params, batch, rule, precision)
    growth, slopes = inverse_growth(cell, found.params, found.trajectory)
    epsilon = float(jnp.finfo(precision).eps) / 2
    errors = jax.vmap(error_growth, in_axes=(0, 0, None, None))(
        found.rule.deltas, found.exact.deltas, growth, epsilon
    )
    return {
        **errors,
        "slope_steps": errors["slope_steps"][0],
        "cosine": scaled.cosine(found.rule.W, found.exact.W),
        "cosine_bptt": scaled.cosine(found.bptt.W, found.exact.W),
        "log_norm_ratio": scaled.log_norm(found.rule.W) - scaled.log_norm(found.exact.W),
        "log_growth": growth,
        "growth_rate": growth[-1] / max(1, len(growth) - 1),
        "growth_bound": -(log_smallest + jnp.mean(jnp.log(slopes))),
    }
