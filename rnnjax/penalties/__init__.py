"""Penalties on how a network carries gradients, and the rule that adds one to another rule."""

from rnnjax.penalties import omega_at_end, sgd_cr, starts
from rnnjax.penalties.flossing import Flossing
from rnnjax.penalties.omega import Omega
from rnnjax.penalties.penalised import Penalised

__all__ = ["Flossing", "Omega", "Penalised", "omega_at_end", "sgd_cr", "starts"]
