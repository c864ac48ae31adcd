"""Tasks: where sequences come from, and the loss of one step."""

from rnnjax.tasks.add_task import AddTask
from rnnjax.tasks.adding import Adding
from rnnjax.tasks.by_name import named
from rnnjax.tasks.copy import Copy
from rnnjax.tasks.delayed_xor import DelayedXOR
from rnnjax.tasks.digits import Digits
from rnnjax.tasks.moving_blobs import MovingBlobs
from rnnjax.tasks.temporal_order import TemporalOrder
from rnnjax.tasks.temporal_xor import TemporalXOR
from rnnjax.tasks.white_noise import WhiteNoise

__all__ = [
    "AddTask",
    "Adding",
    "Copy",
    "DelayedXOR",
    "Digits",
    "MovingBlobs",
    "TemporalOrder",
    "TemporalXOR",
    "WhiteNoise",
    "named",
]
