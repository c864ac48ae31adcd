"""What happens to a gradient after its rule: optax transformations that know scaled gradients.

A rule hands over a gradient whose norm may be e^400. `clip_by_norm` and `plain` stand between it
and an optax optimiser: both return a `GradientTransformation` that takes `Scaled` leaves.
"""

from typing import Any

import optax

from rnnjax import scaled


class FromScaled(optax.GradientTransformationExtraArgs):
    """An optax transformation whose `update` takes a gradient with `Scaled` leaves."""


def clip_by_norm(max_norm: Any, optimiser: optax.GradientTransformation) -> FromScaled:
    """Construct an optimiser fed with gradients clipped to a norm.

    The direction stays right however large the norm is; see `rnnjax.scaled.clip_norm`.

    Args:
      max_norm: the threshold on the norm over all parameters, > 0; may be traced.
      optimiser: what the clipped gradient goes to.
    """
    return _fed_by(lambda grads: scaled.clip_norm(grads, max_norm), optimiser)


def plain(optimiser: optax.GradientTransformation) -> FromScaled:
    """Construct an optimiser fed with plain gradients: inf or 0 where they do not fit."""
    return _fed_by(scaled.plain, optimiser)


def from_scaled(optimiser: optax.GradientTransformation) -> FromScaled:
    """Return an optimiser that takes scaled gradients: itself if it does, else through `plain`."""
    return optimiser if isinstance(optimiser, FromScaled) else plain(optimiser)


def _fed_by(convert: Any, optimiser: optax.GradientTransformation) -> FromScaled:
    optimiser = optax.with_extra_args_support(optimiser)

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        if not scaled.is_scaled_tree(grads):
            raise ValueError(
                "grads: expected the scaled gradient of a rule, got plain arrays, because "
                "clip_by_norm must be outermost: clip_by_norm(c, optax.chain(...))"
            )
        return optimiser.update(convert(grads), state, params, **extra)

    return FromScaled(optimiser.init, update)
