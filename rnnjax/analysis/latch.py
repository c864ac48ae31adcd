"""How long a ring of units remembers which of them was set, at any magnitude.

Every unit passes its value on to the next one of a cycle,

  o_t = f(a P o_{t-1} + b),   P a permutation.                       (1)

At first one unit holds 1, the others 0. The others go on to share one value r, from which the set
one differs by m, the margin by which it can still be told. For f = A + B tanh(c .), with h = c a m
and z = c (a r + b),

  m' = f(r + m) - f(r) = B sinh(h) / (cosh(z) cosh(z + h))           (2)
  r' = A + B tanh(z).                                                (3)

Nothing cancels in (2), so ln m can be carried from step to step in place of m. With f = tanh and
b = 0, r stays 0 and m is the state of one neuron with the recurrent weight a: it vanishes for
a < 1, and for a > 1, where a linear neuron would explode, it stays at the root of m = tanh(a m).
"""

import math

import jax
import jax.numpy as jnp

from rnnjax import activations
from rnnjax.activations import Activation
from rnnjax.errors import shown
from rnnjax.ranges import COUNT, Number, arguments
from rnnjax.types import Array

# f = A + B tanh(c .) as (A, B, c).
_AS_TANH = {activations.tanh.name: (0.0, 1.0, 1.0), activations.sigmoid.name: (0.5, 0.5, 0.5)}
# e^-16 is its own tanh to 1e-14, and smaller numbers need not be written down.
_LOG_SMALL = -16.0


@arguments(gain=Number(at_least=0), bias=Number(), n_steps=COUNT)
def log_margins(activation: Activation, gain: Array, bias: Array, n_steps: int) -> Array:
    """Return ln m of equation (2) after each step.

    Args:
      activation: f, tanh or sigmoid.
      gain: a >= 0, (); the margin is 0 at a = 0.
      bias: b, ().
      n_steps: T.

    Returns:
      (T,), in nats.

    Raises:
      ValueError: the activation is another one, or gain or bias is not as above.
    """
    if not isinstance(activation, Activation):
        raise ValueError(f"activation: expected a value of Activation, got {shown(activation)}")
    if activation.name not in _AS_TANH:
        raise ValueError(
            f"activation: expected one of {', '.join(_AS_TANH)}, got {activation.name}"
        )
    A, B, c = _AS_TANH[activation.name]

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        r, log_m = carry
        z, log_h = c * (gain * r + bias), jnp.log(c * gain) + log_m
        h = jnp.exp(log_h)
        # sinh(h) = tanh(h) cosh(h)
        large = jnp.log(jnp.tanh(jnp.exp(jnp.maximum(log_h, _LOG_SMALL))))
        log_sinh = jnp.where(log_h < _LOG_SMALL, log_h, large) + _log_cosh(h)
        log_m = math.log(B) + log_sinh - _log_cosh(z) - _log_cosh(z + h)
        return (A + B * jnp.tanh(z), log_m), log_m

    nothing = jnp.zeros(jnp.broadcast_shapes(jnp.shape(gain), jnp.shape(bias)))
    return jax.lax.scan(step, (nothing, nothing), None, length=n_steps)[1]


def _log_cosh(z: Array) -> Array:
    return jnp.logaddexp(z, -z) - math.log(2)
