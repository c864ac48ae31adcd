"""Learning rules, one a file: functions from (cell, loss, params, batch, state) to a gradient."""

from rnnjax.rules.base import batch_gradient
from rnnjax.rules.bptt import BPTT
from rnnjax.rules.by_name import named
from rnnjax.rules.cost import state_bytes
from rnnjax.rules.discounted_rtrl import DiscountedRTRL
from rnnjax.rules.dni import DNI
from rnnjax.rules.eprop import EProp
from rnnjax.rules.forward import Forward
from rnnjax.rules.forward_errors import ForwardErrors
from rnnjax.rules.in_arithmetic import backward_passes, inverse_growth
from rnnjax.rules.kernl import KeRNL
from rnnjax.rules.kf_rtrl import KFRTRL, ReverseKFRTRL
from rnnjax.rules.node_perturbation import NodePerturbation
from rnnjax.rules.recurrent_weights import gradient_by_lag, recurrent_gradient
from rnnjax.rules.rflo import RFLO
from rnnjax.rules.rtrl import RTRL
from rnnjax.rules.signals.feedback import random_feedback
from rnnjax.rules.snap import SnAp
from rnnjax.rules.taught import taught
from rnnjax.rules.teacher_forcing import TeacherForcing
from rnnjax.rules.truncated_bptt import TruncatedBPTT
from rnnjax.rules.uoro import UORO

__all__ = [
    "BPTT",
    "DNI",
    "KFRTRL",
    "RFLO",
    "RTRL",
    "UORO",
    "DiscountedRTRL",
    "EProp",
    "Forward",
    "ForwardErrors",
    "KeRNL",
    "NodePerturbation",
    "ReverseKFRTRL",
    "SnAp",
    "TeacherForcing",
    "TruncatedBPTT",
    "backward_passes",
    "batch_gradient",
    "gradient_by_lag",
    "inverse_growth",
    "named",
    "random_feedback",
    "recurrent_gradient",
    "state_bytes",
    "taught",
]
