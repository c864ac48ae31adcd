"""Activation functions, each with a slope that survives saturation.

Each activation f comes with

  slope(x)      = f'(x)                          (1)
  log_slope(x)  = log |f'(x)|                    (2)
  slope_sign(x) = sign f'(x)                     (3)
  max_slope     = sup_x |f'(x)|  (gamma)         (4)

(2) is written without cancellation: ``1 - tanh(x)**2`` is exactly 0 in float32 beyond |x| = 9,
while ``2 log sech x`` is right for every x. gamma enters the bound of Pascanu, Mikolov and Bengio
(On the difficulty of training recurrent neural networks, ICML 2013, equation 7).

A positively homogeneous f, with f(a x) = a f(x) for a > 0, lets the forward pass carry a scale.
At a kink the slope is the one that automatic differentiation of `fn` gives.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf as _erf
from jax.scipy.special import log_ndtr

from rnnjax import fields
from rnnjax.errors import shown
from rnnjax.ranges import Kind

Array = jax.Array
_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)
# The only root of the slope of gelu: Phi(x) + x phi(x) = 0.
_GELU_MINIMUM = -0.7517915246935645
_LEAK = 0.01
_LINEAR = 37.0  # from here on softplus is x to the rounding of float64
# Half of what a scaled number can hold (see rnnjax.scaled).
_LARGEST_EXPONENT = 2.0**27


@fields.value
class Activation:
    """An elementwise nonlinearity; all functions act elementwise on arrays of any shape.

    Attributes:
      name: its name in configs and cubes.
      fn: x -> f(x).
      slope: x -> f'(x), equation (1).
      log_slope: x -> log |f'(x)| in nats, -inf where the slope is 0, equation (2).
      max_slope: the supremum of |f'|, equation (4).
      homogeneous: whether f(a x) = a f(x) for every a > 0.
      slope_sign: x -> -1, 0 or 1, equation (3); None where the slope is never negative.
      piecewise_linear: whether all slopes are 0 or of order 1.
      bounded: whether |f| has a bound.
      scaled: a faster way to `scaled_slope` than by log_slope, where there is one.
    """

    name: str = fields.declared(Kind(lambda value: isinstance(value, str), "a name"), static=True)
    fn: Callable[[Array], Array] = fields.function(form="x -> f(x)")
    slope: Callable[[Array], Array] = fields.function(form="x -> f'(x)")
    log_slope: Callable[[Array], Array] = fields.function(form="x -> log |f'(x)|")
    max_slope: float = fields.number(at_least=0, infinite=True, static=True)
    homogeneous: bool = fields.flag(default=False)
    slope_sign: Callable[[Array], Array] | None = fields.function(
        default=None, form="x -> sign f'(x)"
    )
    piecewise_linear: bool = fields.flag(default=False)
    bounded: bool = fields.flag(default=False)
    scaled: Callable[[Array], tuple[Array, Array]] | None = fields.function(
        default=None, form="x -> (slope, exponent)"
    )

    def __call__(self, x: Array) -> Array:
        """Return f(x)."""
        return self.fn(x)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is unpickled: one of this module by its name, as the same object."""
        if _by_name().get(self.name) is self:
            return activation_named, (self.name,)
        return fields.reduced(self)

    def __copy__(self) -> "Activation":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Activation":
        return self


@jax.custom_jvp
def _log_bell(x: Array) -> Array:
    """Return log e / (1 + e)^2, e = exp(-|x|): the log of the slope of the logistic function."""
    x = jnp.abs(x)
    return -x - 2 * jnp.log1p(jnp.exp(-x))


# |x| has no derivative at 0, the bell has all of them.
_log_bell.defjvps(lambda dx, _, x: -jnp.tanh(x / 2) * dx)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _scaled_bell(x: Array, height: float) -> tuple[Array, Array]:
    """Return height e / (1 + e)^2, e = exp(-|x|), as `scaled_slope` does: one exponential a unit.

    With m = min |x|, e / 2^exponent = exp(m - |x|) exp(-m) / 2^exponent: the first factor is 1 for
    some unit, and the rest is one number.
    """
    x = jnp.abs(x)
    least = jnp.min(x)
    least = jnp.where(jnp.isfinite(least), least, 0)
    exponent = jnp.clip(-jnp.floor(least / math.log(2)), -_LARGEST_EXPONENT, 0)
    above = jnp.exp(least - x)
    size = height * jnp.exp(-(least + exponent * math.log(2)))
    slope = size * above / (1 + jnp.exp(-least) * above) ** 2
    return slope.astype(x.dtype), exponent.astype(jnp.int32)


@_scaled_bell.defjvp
def _(height: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    slope, exponent = _scaled_bell(x, height)
    none = np.zeros(exponent.shape, jax.dtypes.float0)
    return (slope, exponent), (-jnp.tanh(x / 2) * slope * dx, none)


def _step(x: Array, where: Array, above: float, below: float) -> Array:
    """Return one of two slopes, NaN at NaN: a comparison alone would turn it into a number."""
    return jnp.where(jnp.isnan(x), x, jnp.where(where, above, below)).astype(x.dtype)


@jax.custom_jvp
def _log_gelu_slope(x: Array) -> Array:
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
def _gelu_slope(x: Array) -> Array:
    return _gelu_sign(x) * jnp.exp(_log_gelu_slope(x))


def _gelu_sign(x: Array) -> Array:
    return jnp.sign(x - _GELU_MINIMUM)


def _log_phi(x: Array) -> Array:
    return -0.5 * x * x - _LOG_SQRT_2_PI


# The slope Phi + x phi has the slope (2 - x^2) phi; the branches above are not differentiated.
_gelu_slope.defjvps(lambda dx, _, x: (2 - x * x) * jnp.exp(_log_phi(x)) * dx)
_log_gelu_slope.defjvps(
    lambda dx, log, x: (2 - x * x) * _gelu_sign(x) * jnp.exp(_log_phi(x) - log) * dx
)


def _softplus(x: Array) -> Array:
    # log(1 + e^x) as it is written has all of its derivatives; max(x, 0) + log(1 + e^-|x|) has none
    # at 0, and a rule of its own is lost where JAX takes jvp of grad of a scan.
    return jnp.where(x > _LINEAR, x, jnp.log1p(jnp.exp(jnp.minimum(x, _LINEAR))))


identity = Activation(
    "identity",
    fn=lambda x: x,
    slope=jnp.ones_like,  # a constant to the compiler; a state that is NaN has this slope too
    log_slope=jnp.zeros_like,
    max_slope=1.0,
    homogeneous=True,
    piecewise_linear=True,
)
tanh = Activation(
    "tanh",
    fn=jnp.tanh,
    slope=lambda x: 4 * jnp.exp(_log_bell(2 * x)),
    log_slope=lambda x: math.log(4) + _log_bell(2 * x),
    max_slope=1.0,
    scaled=lambda x: _scaled_bell(2 * x, 4.0),
    bounded=True,
)
sigmoid = Activation(
    "sigmoid",
    fn=jax.nn.sigmoid,
    slope=lambda x: jnp.exp(_log_bell(x)),
    log_slope=_log_bell,
    max_slope=0.25,
    scaled=lambda x: _scaled_bell(x, 1.0),
    bounded=True,
)
relu = Activation(
    "relu",
    fn=lambda x: jnp.where(x <= 0, jnp.zeros_like(x), x),  # NaN stays NaN
    slope=lambda x: _step(x, x > 0, 1.0, 0.0),
    log_slope=lambda x: _step(x, x > 0, 0.0, -math.inf),
    max_slope=1.0,
    homogeneous=True,
    piecewise_linear=True,
)
leaky_relu = Activation(
    "leaky_relu",
    fn=lambda x: jnp.where(x >= 0, x, _LEAK * x),
    slope=lambda x: _step(x, x >= 0, 1.0, _LEAK),
    log_slope=lambda x: _step(x, x >= 0, 0.0, math.log(_LEAK)),
    max_slope=1.0,
    homogeneous=True,
    piecewise_linear=True,
)
hard_tanh = Activation(
    "hard_tanh",
    fn=jax.nn.hard_tanh,
    slope=lambda x: _step(x, jnp.abs(x) <= 1, 1.0, 0.0),
    log_slope=lambda x: _step(x, jnp.abs(x) <= 1, 0.0, -math.inf),
    max_slope=1.0,
    piecewise_linear=True,
    bounded=True,
)
softplus = Activation(
    "softplus",
    fn=_softplus,
    slope=jax.nn.sigmoid,
    log_slope=jax.nn.log_sigmoid,
    max_slope=1.0,
)
# Scaled to slope 1 at 0: the activation whose mean-field theory is in closed form.
erf = Activation(
    "erf",
    fn=lambda x: _erf(math.sqrt(math.pi) / 2 * x),
    slope=lambda x: jnp.exp(-math.pi / 4 * x * x),
    log_slope=lambda x: -math.pi / 4 * x * x,
    max_slope=1.0,
    bounded=True,
)
# The steepest slope lies where its derivative (2 - x^2) phi(x) vanishes, at sqrt(2).
gelu = Activation(
    "gelu",
    fn=lambda x: jax.nn.gelu(x, approximate=False),
    slope=_gelu_slope,
    log_slope=_log_gelu_slope,
    max_slope=0.5 * (1 + math.erf(1.0)) + math.exp(-1.0) / math.sqrt(math.pi),
    slope_sign=_gelu_sign,
)


def activation_named(name: str) -> Activation:
    """Return the activation of this name.

    Args:
      name: one of the names of this module's activations.

    Raises:
      ValueError: no activation has this name.
    """
    found = _by_name()
    if not isinstance(name, str) or name not in found:
        raise ValueError(f"activation: expected one of {', '.join(found)}, got {shown(name)}")
    return found[name]


def _by_name() -> dict[str, Activation]:
    return {a.name: a for a in globals().values() if isinstance(a, Activation)}


def field(*, default: Activation) -> Any:
    """Declare the activation of a cell, a static field (see `rnnjax.fields`)."""
    accepts = Kind(
        lambda value: isinstance(value, Activation),
        "an Activation such as rnnjax.activations.tanh",
        _advice,
    )
    return fields.declared(accepts, default=default, static=True)


def _advice(value: Any) -> str:
    """Return which activation was probably meant by a name, or by a function of that name."""
    name = value if isinstance(value, str) else getattr(value, "__name__", "")
    return f"; pass rnnjax.activations.{name}" if name in _by_name() else ""


def scaled_slope(activation: Activation, x: Array) -> tuple[Array, Array]:
    """Return (slope, exponent) with f'(x) = slope x 2^exponent, the largest |slope| of order 1.

    Args:
      activation: the activation.
      x: pre-activations of one step, (n_h,).

    Returns:
      slope (n_h,) and int32 (). However deep the saturation, some entry of slope is not 0, unless
      every true slope is exactly 0.
    """
    if activation.piecewise_linear:
        return activation.slope(x), jnp.zeros((), jnp.int32)
    if activation.scaled is not None:
        return activation.scaled(x)
    log_slope = activation.log_slope(x)
    top = jnp.max(log_slope)
    exponent = jnp.where(jnp.isfinite(top), jnp.ceil(top / math.log(2)), 0.0)
    exponent = jnp.clip(exponent, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    slope = jnp.exp(log_slope - exponent * math.log(2))
    if activation.slope_sign is not None:
        slope = slope * activation.slope_sign(x)
    return slope.astype(x.dtype), exponent.astype(jnp.int32)


def graded_slope(activation: Activation, x: Array) -> tuple[Array, Array]:
    """Return f'(x) unit by unit: f'(x) = slope x 2^exponent, |slope| in [1, 2) or 0.

    Args:
      activation: the activation.
      x: pre-activations, any shape.

    Returns:
      slope and int32 exponent, both shaped as x: exact however the slopes of units differ.
    """
    log_slope = activation.log_slope(x) / math.log(2)
    alive = ~jnp.isneginf(log_slope)  # NaN is no slope of 0
    exponent = jnp.where(alive, jnp.floor(log_slope), 0.0)
    exponent = jnp.clip(exponent, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    slope = jnp.where(alive, jnp.exp2(jnp.where(alive, log_slope - exponent, 0.0)), 0.0)
    if activation.slope_sign is not None:
        slope = slope * activation.slope_sign(x)
    return slope.astype(x.dtype), exponent.astype(jnp.int32)
