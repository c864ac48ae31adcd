"""What happens to a gradient after its rule: optax transformations.

The clippings and `plain` stand between a rule and an optimiser; `quickprop` is an optimiser, for
plain gradients, that optax does not have; `chosen` is one of several, by a number, `minimise`
trains on one function, `path` tells where descent on one sequence goes, and
`learn_in_windows` trains one parameter of a network that never begins anew.
"""

from rnnjax.updates.chosen import chosen
from rnnjax.updates.in_windows import learn_in_windows
from rnnjax.updates.minimise import minimise
from rnnjax.updates.path import Path, path
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
    "Path",
    "chosen",
    "clip_by_norm",
    "clip_by_unit",
    "clip_by_value",
    "from_scaled",
    "learn_in_windows",
    "minimise",
    "path",
    "plain",
    "quickprop",
]
