"""Learning rules, one a file: functions from (cell, loss, params, batch, state) to a gradient."""

from rnnjax.rules.base import batch_gradient
from rnnjax.rules.bptt import BPTT

__all__ = ["BPTT", "batch_gradient"]
