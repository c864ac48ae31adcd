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
from jax.scipy.special import erf as _erf

from rnnjax import fields, slopes
from rnnjax.errors import shown
from rnnjax.ranges import Kind

Array = jax.Array
_LEAK = 0.01


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


def with_slope(activation: Activation, x: Array) -> Array:
    """Return f(x), whose derivative is equation (1): that of tanh by itself is 0 from |x| = 9 on.

    For steps of cells, wherever their gradient is one of automatic differentiation.
    """
    return activation.fn(x) if activation.piecewise_linear else _with_slope(activation, x)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _with_slope(activation: Activation, x: Array) -> Array:
    return activation.fn(x)


@_with_slope.defjvp
def _(activation: Activation, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (direction,) = primals, tangents
    return activation.fn(x), activation.slope(x) * direction


def _within(x: Array) -> Array:
    """Return where hard_tanh is x, by the comparisons of `fn`: complex numbers have no other."""
    return (x >= -1) & (x <= 1)


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
    slope=lambda x: 4 * jnp.exp(slopes.log_bell(2 * x)),
    log_slope=lambda x: math.log(4) + slopes.log_bell(2 * x),
    max_slope=1.0,
    scaled=lambda x: slopes.scaled_bell(2 * x, 4.0),
    bounded=True,
)
sigmoid = Activation(
    "sigmoid",
    fn=jax.nn.sigmoid,
    slope=lambda x: jnp.exp(slopes.log_bell(x)),
    log_slope=slopes.log_bell,
    max_slope=0.25,
    scaled=lambda x: slopes.scaled_bell(x, 1.0),
    bounded=True,
)
relu = Activation(
    "relu",
    fn=lambda x: jnp.where(x <= 0, jnp.zeros_like(x), x),  # NaN stays NaN
    slope=lambda x: slopes.step(x, x > 0, 1.0, 0.0),
    log_slope=lambda x: slopes.step(x, x > 0, 0.0, -math.inf),
    max_slope=1.0,
    homogeneous=True,
    piecewise_linear=True,
)
leaky_relu = Activation(
    "leaky_relu",
    fn=lambda x: jnp.where(x >= 0, x, _LEAK * x),
    slope=lambda x: slopes.step(x, x >= 0, 1.0, _LEAK),
    log_slope=lambda x: slopes.step(x, x >= 0, 0.0, math.log(_LEAK)),
    max_slope=1.0,
    homogeneous=True,
    piecewise_linear=True,
)
hard_tanh = Activation(
    "hard_tanh",
    fn=jax.nn.hard_tanh,
    slope=lambda x: slopes.step(x, _within(x), 1.0, 0.0),
    log_slope=lambda x: slopes.step(x, _within(x), 0.0, -math.inf),
    max_slope=1.0,
    piecewise_linear=True,
    bounded=True,
)
softplus = Activation(
    "softplus",
    fn=slopes.softplus,
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
    slope=slopes.gelu_slope,
    log_slope=slopes.log_gelu_slope,
    max_slope=0.5 * (1 + math.erf(1.0)) + math.exp(-1.0) / math.sqrt(math.pi),
    slope_sign=slopes.gelu_sign,
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
    top = jnp.max(log_slope.real)
    exponent = jnp.where(jnp.isfinite(top), jnp.ceil(top / math.log(2)), 0.0)
    exponent = jnp.clip(exponent, -slopes.LARGEST_EXPONENT, slopes.LARGEST_EXPONENT)
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
    alive = ~jnp.isneginf(log_slope.real)  # NaN is no slope of 0
    exponent = jnp.where(alive, jnp.floor(log_slope.real), 0.0)
    exponent = jnp.clip(exponent, -slopes.LARGEST_EXPONENT, slopes.LARGEST_EXPONENT)
    slope = jnp.where(alive, jnp.exp2(jnp.where(alive, log_slope - exponent, 0.0)), 0.0)
    if activation.slope_sign is not None:
        slope = slope * activation.slope_sign(x)
    return slope.astype(x.dtype), exponent.astype(jnp.int32)
