"""Transport by given factors: T_t = diag(kappa), the time constants of a trace."""

from typing import Any

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.rules.factors import Transport
from rnnjax.rules.problem import Problem
from rnnjax.tangents import Diagonal
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array


@fields.dataclass
class Fixed(Transport):
    """T_t = diag(kappa).

    Attributes:
      kappa: the factor of each state entry, (n_h,); may be traced.
    """

    kappa: Array = fields.array("n_h", real=True)

    def require(self, rule: Any, problem: Problem, x: Array) -> None:
        """Refuse a state of another size."""
        n_h = problem.cell.initial_state().size
        if jnp.shape(self.kappa) != (n_h,):
            raise ValueError(f"kappa: expected shape ({n_h},), got {jnp.shape(self.kappa)}")

    def tangent(self, problem: Problem, at: Trajectory) -> Diagonal:
        """Return diag(kappa)."""
        return Diagonal(jnp.asarray(self.kappa, at.h_prev.dtype))
