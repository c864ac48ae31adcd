"""What happens to a gradient after its rule: optax transformations.

`clip_by_norm` and `plain` stand between a rule and an optimiser; the others are optimisers or parts
of one, for plain gradients, that optax does not have.
"""

from rnnjax.updates.eligibility_ratio import eligibility_ratio
from rnnjax.updates.quickprop import quickprop
from rnnjax.updates.scaled_gradient import FromScaled, clip_by_norm, from_scaled, plain

__all__ = [
    "FromScaled",
    "clip_by_norm",
    "eligibility_ratio",
    "from_scaled",
    "plain",
    "quickprop",
]
