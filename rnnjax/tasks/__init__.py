"""Tasks: where sequences come from, and the loss of one step."""

from rnnjax.tasks.add_task import AddTask
from rnnjax.tasks.adding import Adding
from rnnjax.tasks.childrens_book import ChildrensBook
from rnnjax.tasks.copy import Copy
from rnnjax.tasks.data_pairs import DataPairs
from rnnjax.tasks.delayed_xor import DelayedXOR
from rnnjax.tasks.digits import Digits
from rnnjax.tasks.dinner import Dinner
from rnnjax.tasks.dinner_calendar import DinnerCalendar
from rnnjax.tasks.grid_steps import GridSteps
from rnnjax.tasks.moving_blobs import MovingBlobs
from rnnjax.tasks.pulse_memory import PulseMemory
from rnnjax.tasks.temporal_order import TemporalOrder
from rnnjax.tasks.temporal_xor import TemporalXOR
from rnnjax.tasks.two_points import TwoPoints
from rnnjax.tasks.white_noise import WhiteNoise

__all__ = [
    "AddTask",
    "Adding",
    "ChildrensBook",
    "Copy",
    "DataPairs",
    "DelayedXOR",
    "Digits",
    "Dinner",
    "DinnerCalendar",
    "GridSteps",
    "MovingBlobs",
    "PulseMemory",
    "TemporalOrder",
    "TemporalXOR",
    "TwoPoints",
    "WhiteNoise",
]
