"""Tasks: where sequences come from, and the loss of one step."""

from rnnjax.tasks.add_task import AddTask
from rnnjax.tasks.adding import Adding
from rnnjax.tasks.adding_1997 import Adding1997
from rnnjax.tasks.by_name import named
from rnnjax.tasks.copy import Copy
from rnnjax.tasks.delayed_recall import DelayedRecall
from rnnjax.tasks.delayed_xor import DelayedXOR
from rnnjax.tasks.digits import Digits
from rnnjax.tasks.influence_balancing import InfluenceChain, resting_then
from rnnjax.tasks.logistic_unit import LogisticUnit
from rnnjax.tasks.modular_counting import ModularCounting
from rnnjax.tasks.moving_blobs import MovingBlobs
from rnnjax.tasks.parity import Parity
from rnnjax.tasks.temporal_order import TemporalOrder
from rnnjax.tasks.temporal_order_1997 import TemporalOrder1997
from rnnjax.tasks.temporal_xor import TemporalXOR
from rnnjax.tasks.white_noise import WhiteNoise

__all__ = [
    "AddTask",
    "Adding",
    "Adding1997",
    "Copy",
    "DelayedRecall",
    "DelayedXOR",
    "Digits",
    "InfluenceChain",
    "LogisticUnit",
    "ModularCounting",
    "MovingBlobs",
    "Parity",
    "TemporalOrder",
    "TemporalOrder1997",
    "TemporalXOR",
    "WhiteNoise",
    "named",
    "resting_then",
]
