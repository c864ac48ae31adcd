"""What an optimiser does on a quadratic, where everything is known.

Gradient a x with a = rate x curvature: plain descent x_{k+1} = (1 - a) x_k converges for a < 2.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from rnnjax.ranges import COUNT_OR_ZERO, Number, arguments
from rnnjax.types import Array
from rnnjax.updates.optimisers import OPTIMISER

_LEAST = 1e-280  # of float64, before subnormal numbers are flushed
_N_LATE = 50


@arguments(optimiser=OPTIMISER, a=Number(), n_steps=COUNT_OR_ZERO)
def descend(optimiser: optax.GradientTransformation, a: Array | float, n_steps: int) -> Array:
    """Return x_0 = 1, x_1, .., x_n of an optimiser whose rate is 1, (n_steps + 1,)."""

    def one(carry: tuple, _: None) -> tuple[tuple, Array]:
        x, state = carry
        step, state = optimiser.update(a * x, state)
        return (x + step, state), x

    x = jnp.ones(())
    return jax.lax.scan(one, (x, optimiser.init(x)), None, length=n_steps + 1)[1]


def late_rate(x: Array) -> Array:
    """Return the mean factor |x_k / x_{k-1}| over the last 50 steps that floats hold, ().

    Over all steps of a shorter path. 0 where x has vanished for good before that many steps, inf
    where it diverges, NaN where x is at its goal 50 steps before the last one that is not, and
    where a step of numbers that do not diverge is not defined, such as a ratio of 0 and 0.

    Args:
      x: a path of `descend`, (n_steps + 1,).
    """
    size = jnp.abs(x)
    # A path that swings may be at 0 in a step and go on.
    held = jnp.cumprod(jnp.isfinite(size)) * (size > _LEAST)
    last = jnp.max(jnp.arange(len(size)) * held)
    n_late = jnp.minimum(last, _N_LATE)
    late, before = size[last], size[last - n_late]
    known = (before > _LEAST) & (n_late > 0)
    mean = jnp.where(known, (late / before) ** (1 / jnp.maximum(n_late, 1)), jnp.nan)
    vanished = (last < _N_LATE) & (size[-1] <= _LEAST)
    rate = jnp.where(vanished, 0.0, mean)
    return jnp.where(jnp.all(jnp.isfinite(size)), rate, _lost(size))


def _lost(size: Array) -> Array:
    """Inf where a path diverges, NaN where its next number is undefined before it does, ()."""
    first = jnp.argmax(~jnp.isfinite(size))
    before = jnp.where(first > 0, size[first - 1], 0)
    # Of larger numbers a product or a sum may leave the dtype, and be NaN at once.
    undefined = jnp.isnan(size[first]) & (before < float(jnp.finfo(size.dtype).max) ** 0.5)
    return jnp.where(undefined, jnp.nan, jnp.inf)


def first_step(reached: Array) -> Array:
    """Return the first index that is True, as a float, inf if there is none, ()."""
    return jnp.where(jnp.any(reached), jnp.argmax(reached), jnp.inf)


@arguments(n_steps=COUNT_OR_ZERO)
def over_step_sizes(
    optimisers: Sequence[optax.GradientTransformation], a: Array, n_steps: int
) -> tuple[Array, Array]:
    """Measure how optimisers whose rate is 1 descend at several values of a.

    Args:
      optimisers: the n_optimisers.
      a: rate x curvature, (n_a,).
      n_steps: steps of each descent.

    Returns:
      `late_rate` and the first step that is not finite, inf if all are, (n_optimisers, n_a) each.
    """

    def seen(a: Array) -> tuple[Array, Array]:
        paths = [descend(optimiser, a, n_steps) for optimiser in optimisers]
        rates = jnp.stack([late_rate(x) for x in paths])
        return rates, jnp.stack([first_step(~jnp.isfinite(x)) for x in paths])

    found: tuple[Array, Array] = jax.vmap(seen, out_axes=1)(a)
    return found
