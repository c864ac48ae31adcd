"""Slopes of activations that keep their digits where they are tiny, with their own derivatives."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr

from rnnjax import scaled
from rnnjax.scaled import extremes

Array = jax.Array
# Half of what a scaled number can hold (see rnnjax.scaled).
LARGEST_EXPONENT = 2.0**27
_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)
# The only root of the slope of gelu: Phi(x) + x phi(x) = 0.
_GELU_MINIMUM = -0.7517915246935645
_LINEAR = 37.0  # from here on softplus is x to the rounding of float64


def _right(x: Array) -> Array:
    """Return |x|, or whichever of x and -x has no negative real part.

    The bell is even, so that of |x| it is the same analytic function for complex x.
    """
    return jnp.where(x.real < 0, -x, x) if jnp.iscomplexobj(x) else jnp.abs(x)


@jax.custom_jvp
def log_bell(x: Array) -> Array:
    """Return log e / (1 + e)^2, e = exp(-|x|): the log of the slope of the logistic function."""
    x = _right(x)
    return -x - 2 * jnp.log1p(jnp.exp(-x))


# |x| has no derivative at 0, the bell has all of them.
log_bell.defjvps(lambda dx, _, x: -jnp.tanh(x / 2) * dx)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def scaled_bell(x: Array, height: float) -> tuple[Array, Array]:
    """Return height e / (1 + e)^2, e = exp(-|x|), as `scaled_slope` does: one exponential a unit.

    With m = min |x|, e / 2^exponent = exp(m - |x|) exp(-m) / 2^exponent: the first factor is 1 for
    some unit, and the rest is one number.
    """
    x = _right(x)
    least = extremes.smallest_magnitude(x.real)
    least = jnp.where(jnp.isfinite(least), least, 0)
    exponent = jnp.clip(-jnp.floor(least / math.log(2)), -LARGEST_EXPONENT, 0)
    whole = exponent.astype(jnp.int32)
    above = jnp.exp(least - x)
    size = jnp.exp(-(least + exponent * math.log(2)))
    largest = size * scaled.power_of_two(whole, x.real.dtype)  # exp(-least)
    slope = height * size * above / (1 + largest * above) ** 2
    return slope.astype(x.dtype), whole


@scaled_bell.defjvp
def _(height: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    slope, exponent = scaled_bell(x, height)
    none = np.zeros(exponent.shape, jax.dtypes.float0)
    return (slope, exponent), (-jnp.tanh(x / 2) * slope * dx, none)


@jax.custom_jvp
def bell(x: Array) -> Array:
    """Return s(x) s(-x) = e / (1 + e)^2, e = exp(-|x|): the slope of the logistic function."""
    e = jnp.exp(-_right(x))
    return e / (1 + e) ** 2


bell.defjvps(lambda dx, answer, x: -jnp.tanh(x / 2) * answer * dx)


# Gates and units of cells take these: JAX has s (1 - s) and 1 - tanh^2 as derivatives, which are
# 0 in float32 from x = 17 and x = 9 on.
@jax.custom_jvp
def logistic(x: Array) -> Array:
    """Return s(x) = 1 / (1 + e^-x), whose derivative s(x) s(-x) keeps its digits on both sides."""
    return jax.lax.logistic(x)


@jax.custom_jvp
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent; its derivative keeps its digits where it rounds to 1."""
    return jnp.tanh(x)


logistic.defjvps(lambda dx, _, x: bell(x) * dx)
tanh.defjvps(lambda dx, _, x: 4 * bell(2 * x) * dx)


@jax.custom_jvp
def shares(x: Array) -> tuple[Array, Array]:
    """Return s(x) and 1 - s(x) = s(-x), what a gate keeps and lets in; neither cancels."""
    return jax.lax.logistic(x), jax.lax.logistic(-x)


@shares.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
    kept, entering = shares(*primals)
    moved = kept * entering * tangents[0]
    return (kept, entering), (moved, -moved)


_SERIES = [(k + 1) / math.factorial(k + 2) for k in range(14)]


@jax.custom_jvp
def held(rate: Array, step: Array) -> Array:
    """Return (exp(rate step) - 1) / rate, the integral of exp(rate t) over a step; step at rate 0.

    By automatic differentiation its derivative by the rate cancels at short steps, and that by the
    step, exp(rate step), is 0 where exp(rate step) - 1 rounds to -1.
    """
    still = rate == 0
    return jnp.where(still, step, jnp.expm1(rate * step) / jnp.where(still, 1, rate))


held.defjvps(
    lambda d_rate, _, rate, step: _held_by_rate(rate, step) * d_rate,
    lambda d_step, _, rate, step: jnp.exp(rate * step) * d_step,
)


def _held_by_rate(rate: Array, step: Array) -> Array:
    """Return the derivative of `held` by the rate, by its series where |rate step| < 1/2."""
    z = rate * step
    near = jnp.abs(z) < 0.5
    small, short, fast = jnp.where(near, z, 0), jnp.where(near, step, 0), jnp.where(near, 1, rate)
    series = jnp.polyval(jnp.array(_SERIES[::-1], z.dtype), small)
    return jnp.where(near, short**2 * series, (step * jnp.exp(z) - jnp.expm1(z) / fast) / fast)


def step(x: Array, where: Array, above: float, below: float) -> Array:
    """Return one of two slopes, NaN at NaN: a comparison alone would turn it into a number."""
    return jnp.where(jnp.isnan(x), x, jnp.where(where, above, below)).astype(x.dtype)


@jax.custom_jvp
def log_gelu_slope(x: Array) -> Array:
    """Return log |Phi(x) + x phi(x)|."""
    # Phi + x phi = phi (x + R) with R = Phi/phi, Mills' ratio: for x < 0 both terms underflow,
    # their quotient by phi does not. Beyond -30 R is its asymptotic series, since the logarithms of
    # Phi and phi leave float32 where R is still an ordinary number.
    near = jnp.clip(x, -30.0, 0.0)
    mills = jnp.exp(log_ndtr(near) + 0.5 * near * near + _LOG_SQRT_2_PI)
    far = 1 / jnp.minimum(x, -30.0)
    series = -far * (1 - far**2 * (1 - 3 * far**2 * (1 - 5 * far**2)))
    log_phi = _log_phi(x)
    below = log_phi + jnp.log(jnp.abs(jnp.minimum(x, 0.0) + jnp.where(x < -30, series, mills)))
    right = jnp.maximum(x, 0.0)
    above = jnp.log(jnp.exp(log_ndtr(right)) + right * jnp.exp(jnp.where(x > 0, log_phi, 0.0)))
    return jnp.where(x < 0, below, above)


@jax.custom_jvp
def gelu_slope(x: Array) -> Array:
    """Return Phi(x) + x phi(x)."""
    return gelu_sign(x) * jnp.exp(log_gelu_slope(x))


def gelu_sign(x: Array) -> Array:
    """Return the sign of the slope of gelu."""
    return jnp.sign(x - _GELU_MINIMUM)


def _log_phi(x: Array) -> Array:
    return -0.5 * x * x - _LOG_SQRT_2_PI


# The slope Phi + x phi has the slope (2 - x^2) phi; the branches above are not differentiated.
gelu_slope.defjvps(lambda dx, _, x: (2 - x * x) * jnp.exp(_log_phi(x)) * dx)
log_gelu_slope.defjvps(
    lambda dx, log, x: (2 - x * x) * gelu_sign(x) * jnp.exp(_log_phi(x) - log) * dx
)


def softplus(x: Array) -> Array:
    """Return log(1 + e^x)."""
    # log(1 + e^x) as it is written has all of its derivatives; max(x, 0) + log(1 + e^-|x|) has none
    # at 0, and a rule of its own is lost where JAX takes jvp of grad of a scan.
    return jnp.where(x > _LINEAR, x, jnp.log1p(jnp.exp(jnp.minimum(x, _LINEAR))))
