"""Learning rules, one a file: functions from (cell, loss, params, batch, state) to a gradient."""

from rnnjax.rules.base import batch_gradient
from rnnjax.rules.bptt import BPTT
from rnnjax.rules.eligibility_ratio import EligibilityRatio
from rnnjax.rules.eligibility_trace import EligibilityTrace
from rnnjax.rules.forward_delta_x import ForwardDeltaX
from rnnjax.rules.matched_length import MatchedLength
from rnnjax.rules.slopeless_delta_x import SlopelessDeltaX
from rnnjax.rules.stale_delta_x import StaleDeltaX
from rnnjax.rules.target_shift import TargetShift
from rnnjax.rules.teacher_forcing import TeacherForcing

__all__ = [
    "BPTT",
    "EligibilityRatio",
    "EligibilityTrace",
    "ForwardDeltaX",
    "MatchedLength",
    "SlopelessDeltaX",
    "StaleDeltaX",
    "TargetShift",
    "TeacherForcing",
    "batch_gradient",
]
