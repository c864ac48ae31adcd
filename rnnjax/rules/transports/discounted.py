"""A discounted Jacobian: T_t = decay J_t, so that lag k counts decay^k."""

from typing import Any, NamedTuple

from rnnjax import fields
from rnnjax.ranges import is_exactly
from rnnjax.rules.factors import Transport
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.tangents import within_units
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array


class Times(NamedTuple):
    """A number times a linear map, or times what is stored of one."""

    factor: Any
    inner: Any

    def bound(self, cell: Any, params: Any) -> "Times":
        """Return the map again."""
        return Times(self.factor, self.inner.bound(cell, params))

    def mv(self, v: Array) -> Scaled:
        """Return the product with v (n_h,)."""
        return self._of(self.inner.mv(v))

    def rmv(self, v: Array) -> Scaled:
        """Return the product of the transpose with v (n_h,)."""
        return self._of(self.inner.rmv(v))

    def mm(self, M: Array) -> Scaled:
        """Return the product with M (n_h, k)."""
        return self._of(self.inner.mm(M))

    def as_matrix(self) -> Scaled:
        """Return the map, value (n_h, n_h)."""
        return self._of(self.inner.as_matrix())

    def _of(self, found: Scaled) -> Scaled:
        return Scaled(self.factor * found.value, found.exponent)


@within_units.register
def _(tangent: Times, m: int) -> Scaled:
    return tangent._of(within_units(tangent.inner, m))


@fields.dataclass
class Discounted(Transport):
    """T_t = decay J_t.

    Attributes:
      decay: 0 to 1; may be traced.
    """

    decay: Array | float = fields.number(default=1.0, at_least=0, at_most=1)

    @property
    def exact(self) -> bool:
        """Whether nothing is discounted."""
        return is_exactly(self.decay, 1)

    def tangent(self, problem: Problem, at: Trajectory) -> Times:
        """Return decay J_t."""
        return Times(self.decay, problem.linearize(at))

    def stored(self, problem: Problem, at: Trajectory) -> Times:
        """Return the decay and the residuals of J_t."""
        return Times(self.decay, problem.residuals(at))
