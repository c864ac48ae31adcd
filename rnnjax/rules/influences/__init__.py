"""What is kept of the influence of the weights on the state: the first factor of a forward rule."""

from rnnjax.rules.influences.full import Full
from rnnjax.rules.influences.immediate import Immediate
from rnnjax.rules.influences.kronecker import Kronecker
from rnnjax.rules.influences.pattern import Pattern
from rnnjax.rules.influences.rank_one import RankOne
from rnnjax.rules.influences.reverse_kronecker import ReverseKronecker
from rnnjax.rules.influences.within_units import WithinUnits

__all__ = [
    "Full",
    "Immediate",
    "Kronecker",
    "Pattern",
    "RankOne",
    "ReverseKronecker",
    "WithinUnits",
]
