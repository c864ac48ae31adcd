"""Tasks: where sequences come from, and the loss of one step."""

from rnnjax.tasks.adding import Adding
from rnnjax.tasks.data_pairs import DataPairs
from rnnjax.tasks.digits import Digits
from rnnjax.tasks.temporal_order import TemporalOrder
from rnnjax.tasks.white_noise import WhiteNoise

__all__ = ["Adding", "DataPairs", "Digits", "TemporalOrder", "WhiteNoise"]
