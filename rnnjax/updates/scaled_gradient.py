"""What happens to a gradient after its rule: optax transformations that know scaled gradients.

A rule hands over a gradient whose norm may be e^400. `clip_by_norm`, `clip_by_value`,
`clip_by_unit` and `plain` stand between it and an optax optimiser: all return a
`GradientTransformation` that takes `Scaled` leaves. An optimiser subtracts what it is fed, so it is
fed the direction of steepest ascent, which by a complex weight is the conjugate of JAX's gradient,
in the dtype of the parameters.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnnjax import scaled
from rnnjax.ranges import Number, arguments
from rnnjax.scaled import Scaled
from rnnjax.types import Array
from rnnjax.updates import units
from rnnjax.updates.optimisers import OPTIMISER, with_loss

_THRESHOLD = Number(above=0)


class FromScaled(optax.GradientTransformationExtraArgs):
    """An optax transformation whose `update` takes a gradient with `Scaled` leaves."""


@arguments(max_norm=_THRESHOLD, optimiser=OPTIMISER)
def clip_by_norm(max_norm: Array | float, optimiser: optax.GradientTransformation) -> FromScaled:
    """Construct an optimiser fed with gradients clipped to a norm.

    The direction stays right however large the norm is; see `rnnjax.scaled.clip_norm`.

    Args:
      max_norm: the threshold on the norm over all parameters, > 0; may be traced.
      optimiser: what the clipped gradient goes to.
    """
    return _fed_by(lambda grads: scaled.clip_norm(grads, max_norm), optimiser)


@arguments(max_value=_THRESHOLD, optimiser=OPTIMISER)
def clip_by_value(max_value: Array | float, optimiser: optax.GradientTransformation) -> FromScaled:
    """Construct an optimiser fed with gradients each of whose entries is clipped.

    Of a complex entry both parts are. An entry too large for the dtype becomes the threshold, with
    its sign. Mikolov, Statistical language models based on neural networks, PhD thesis, Brno, 2012.

    Args:
      max_value: the threshold on |entry|, > 0; may be traced.
      optimiser: what the clipped gradient goes to.
    """

    def entry_clipped(g: Array) -> Array:
        if jnp.iscomplexobj(g):
            return jax.lax.complex(entry_clipped(g.real), entry_clipped(g.imag))
        return jnp.clip(g, -max_value, max_value)

    def clipped(grads: Any) -> Any:
        return jax.tree.map(entry_clipped, scaled.plain(grads))

    return _fed_by(clipped, optimiser)


@arguments(max_ratio=_THRESHOLD, optimiser=OPTIMISER, smallest=_THRESHOLD)
def clip_by_unit(
    max_ratio: Array | float, optimiser: optax.GradientTransformation, smallest: float = 1e-3
) -> FromScaled:
    """Construct an optimiser fed with gradients clipped unit by unit (adaptive clipping).

    The gradient of a unit's incoming weights, a row of a matrix or an entry of a vector, is scaled
    down to max_ratio times the norm of these weights where it is longer; where a cell lays its
    weights out in another way, its parameters say so (see `rnnjax.updates.units`). Brock, De, Smith
    and Simonyan, High-performance large-scale image recognition without normalization, ICML 2021.

    Args:
      max_ratio: the threshold on |gradient of a unit| / |its weights|, > 0; may be traced.
      optimiser: what the clipped gradient goes to.
      smallest: weights of a smaller norm count as this long, > 0, so that zeros can be left.
    """

    def clip(weights: Array, gradient: Scaled, axes: tuple[int, ...]) -> Array:
        value = units.by_unit(gradient.value, axes)
        rows = scaled.normalise(value, jnp.broadcast_to(gradient.exponent, len(value)))
        most = _longest(units.by_unit(weights, axes), max_ratio, smallest)
        too_long = scaled.log_norm(rows) > scaled.log_norm(most)
        # Not by a factor made of logs, whose rounding grows with their size.
        clipped = rows.value / _lengths(rows.value) * most.value[:, None]
        plain = scaled.shift(rows.value, rows.exponent)
        value = jnp.where(too_long[:, None], scaled.shift(clipped, most.exponent), plain)
        return units.as_leaf(value, weights, axes)

    def clipped(grads: Any, params: Any) -> Any:
        return jax.tree.map(clip, params, grads, units.axes_of_one(params))

    return _fed_by(clipped, optimiser, with_params=True)


@arguments(optimiser=OPTIMISER)
def plain(optimiser: optax.GradientTransformation) -> FromScaled:
    """Construct an optimiser fed with plain gradients: inf or 0 where they do not fit."""
    return _fed_by(scaled.plain, optimiser)


def from_scaled(optimiser: optax.GradientTransformation) -> FromScaled:
    """Return an optimiser that takes scaled gradients: itself if it does, else through `plain`."""
    return optimiser if isinstance(optimiser, FromScaled) else plain(optimiser)


def _ascent(gradient: Scaled) -> Scaled:
    """Return the direction in which a real loss rises most.

    JAX's gradient dL/du - i dL/dv by a complex weight u + i v is the conjugate of that.
    """
    return Scaled(gradient.value.conj(), gradient.exponent)


def _longest(weights: Array, max_ratio: Array | float, smallest: float) -> Scaled:
    """Return how long the gradient of each unit may be, for weights (units, of one unit)."""
    # Squares of weights may leave the dtype where the weights do not.
    rows = scaled.normalise(weights, jnp.zeros(len(weights), jnp.int32))
    is_small = scaled.log_norm(rows) < jnp.log(smallest)
    size = jnp.where(is_small, smallest, _lengths(rows.value)[:, 0])
    return scaled.normalise(max_ratio * size, jnp.where(is_small, 0, rows.exponent))


def _lengths(rows: Array) -> Array:
    """Return the norm of each row, (n, 1), 1 for a row of zeros."""
    lengths = jnp.linalg.norm(rows, axis=1, keepdims=True)
    return jnp.where(lengths == 0, 1, lengths)


def _fed_by(
    convert: Any, optimiser: optax.GradientTransformation, *, with_params: bool = False
) -> FromScaled:
    optimiser = with_loss(optimiser)

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        if not scaled.is_scaled_tree(grads):
            raise ValueError(
                "grads: expected the scaled gradient of a rule, got plain arrays, because "
                "clipping must be outermost: clip_by_norm(c, optax.chain(...))"
            )
        grads = jax.tree.map(_ascent, grads, is_leaf=scaled.is_scaled)
        found = convert(grads, params) if with_params else convert(grads)
        if params is not None:
            found = jax.tree.map(lambda g, p: g.astype(jnp.result_type(p)), found, params)
        return optimiser.update(found, state, params, **extra)

    return FromScaled(optimiser.init, update)
