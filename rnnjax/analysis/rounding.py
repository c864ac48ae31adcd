"""What rounding leaves of a gradient that was carried through time, step by step.

With deltas d_t and their true values d*_t, at any magnitude,

  log_error_t = ln |d_t - d*_t|,   relative to ln |d*_t|                          (1)

No digit is right from the first step on at which (1) reaches 0, and half of them are wrong where it
reaches ln(eps) / 2. If rounding of d_1 grows as a vector u does, ln |u_t|, then it is expected at

  ln eps + ln |d*_1| + ln |u_t| >= ln |d*_t|                                      (2)
"""

import math

import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.ranges import Number, arguments
from rnnjax.scaled import Scaled
from rnnjax.types import Array


@arguments(epsilon=Number(above=0))
def error_growth(
    deltas: Scaled, true: Scaled, log_growth: Array, epsilon: float
) -> dict[str, Array]:
    """Measure the errors of deltas, equations (1) and (2).

    Args:
      deltas: d_t, value (T, n_h); what is not finite is lost.
      true: d*_t, value (T, n_h).
      log_growth: ln |u_t|, (T,).
      epsilon: relative rounding error of one number.

    Returns:
      ``log_error``: equation (1) relative to ln |d*_t|, (T,), +inf where a delta is lost.
      ``share_finite``: the share of finite deltas, (). ``error_slope`` and ``slope_steps``: growth
      of ln |d_t - d*_t| a step over the later half of the steps before the first that is lost, and
      their number, (). ``half_digits_step``, ``all_digits_step``, ``predicted_step``: the first t
      with half the digits wrong, with none right, and by equation (2), (), +inf if there is none.
    """
    error = scaled.add(deltas, Scaled(-true.value, true.exponent))
    finite = jnp.all(jnp.isfinite(deltas.value), axis=-1)
    log_error = jnp.where(finite, scaled.log_norm(error), jnp.inf)
    log_size = scaled.log_norm(true)
    relative = log_error - log_size
    predicted = math.log(epsilon) + log_size[0] + log_growth - log_size
    slope, steps = late_slope(log_error, finite)
    return {
        "log_error": relative,
        "share_finite": jnp.mean(finite),
        "error_slope": slope,
        "slope_steps": steps,
        "half_digits_step": _first_step(relative >= math.log(epsilon) / 2),
        "all_digits_step": _first_step(relative >= 0),
        "predicted_step": _first_step(predicted >= 0),
    }


def _first_step(there: Array) -> Array:
    """Return the first t at which something is there, (); +inf if it never is."""
    return jnp.where(jnp.any(there), jnp.argmax(there) + 1.0, jnp.inf)


def late_slope(log_error: Array, finite: Array) -> tuple[Array, Array]:
    """Return the growth a step over the later half of the steps before the first that is lost.

    Args:
      log_error: (T,).
      finite: which steps are there, bool (T,).

    Returns:
      The slope, (), NaN without a step, and the number of steps, int ().
    """
    n_finite = jnp.where(jnp.all(finite), len(finite), jnp.argmin(finite))
    last = jnp.maximum(n_finite - 1, 0)
    steps = last - last // 2
    rise = log_error[last] - log_error[last // 2]
    return jnp.where(steps > 0, rise / jnp.maximum(steps, 1), jnp.nan), steps
