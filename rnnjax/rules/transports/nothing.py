"""No transport: T_t = 0, every step stands alone."""

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.rules.factors import Transport
from rnnjax.rules.problem import Problem
from rnnjax.tangents import Diagonal
from rnnjax.trajectory import Trajectory


@fields.dataclass
class Nothing(Transport):
    """T_t = 0."""

    def tangent(self, problem: Problem, at: Trajectory) -> Diagonal:
        """Return 0."""
        return Diagonal(jnp.zeros_like(at.h_prev))
