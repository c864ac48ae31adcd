"""What happens to a gradient after its rule: optax transformations.

The clippings and `plain` stand between a rule and an optimiser; `quickprop` is an optimiser, for
plain gradients, that optax does not have; `chosen` is one of several, by a number, and `minimise`
trains on one function.
"""

from rnnjax.updates.chosen import chosen
from rnnjax.updates.minimise import minimise
from rnnjax.updates.quickprop import quickprop
from rnnjax.updates.scaled_gradient import (
    FromScaled,
    clip_by_norm,
    clip_by_unit,
    clip_by_value,
    from_scaled,
    plain,
)

__all__ = [
    "FromScaled",
    "chosen",
    "clip_by_norm",
    "clip_by_unit",
    "clip_by_value",
    "from_scaled",
    "minimise",
    "plain",
    "quickprop",
]
