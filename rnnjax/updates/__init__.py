"""What happens to a gradient after its rule: optax transformations.

The clippings and `plain` stand between a rule and an optimiser; the others are optimisers or parts
of one, for plain gradients, that optax does not have.
"""

from rnnjax.updates.eligibility_ratio import eligibility_ratio
from rnnjax.updates.on_quadratic import descend, first_step, late_rate
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
    "clip_by_norm",
    "clip_by_unit",
    "clip_by_value",
    "descend",
    "eligibility_ratio",
    "first_step",
    "from_scaled",
    "late_rate",
    "plain",
    "quickprop",
]
