"""An unbiased estimate of the influence as a Kronecker product.

It keeps  dh/d(weight i, j) ~ B[:, i] A[j]  with two random signs nu a step; with L_t and a_t of
equation (1) of `rnnjax.rules.influences.kronecker_parts`,

  A_t = nu_0 p_0 A_{t-1}        + nu_1 p_1 a_t                                         (1)
  B_t = nu_0 / p_0 T_t B_{t-1}  + nu_1 / p_1 L_t                                       (2)
  p_0^2 = |T_t B_{t-1}| / |A_{t-1}|,   p_1^2 = |L_t| / |a_t|                           (3)

The mean over all sign sequences is M_t. Mujika, Meier and Steger, Approximating real-time recurrent
learning with random Kronecker factors, NeurIPS 2018.
"""

from typing import Any

from rnnjax import fields, scaled
from rnnjax.rules.factors import Influence, matrix
from rnnjax.rules.influence import Blocks
from rnnjax.rules.influences import kronecker_parts as parts
from rnnjax.rules.influences.balance import log_balance, signs_of, times_exp
from rnnjax.rules.influences.kronecker_parts import Factors, Prepared
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.types import Array


@fields.dataclass
class Kronecker(Influence):
    """Equations (1) to (3), for pre-activation cells.

    Attributes:
      signs: nu of every step, (T, 2), in place of random ones.
    """

    signs: Array | None = fields.array("T", "2", default=None, real=True)
    stochastic = True

    def require(self, rule: Any, problem: Problem, x: Array) -> None:
        """Refuse a cell whose weights do not act through one sum."""
        parts.require_sums(rule, problem, x)

    def noise(self, problem: Problem, key: Array, n_steps: int) -> Array:
        """Return nu of every step, (T, 2)."""
        return signs_of(self.signs, key, (n_steps, 2), problem.cell.initial_state().dtype)

    def begin(self, problem: Problem, x: Array, learned: Any) -> Factors:
        """Return factors of 0."""
        h = problem.cell.initial_state()
        a = parts.presynaptic(problem.cell, h, parts.as_numbers(problem.cell, x))
        A = {name: parts.zero(v.shape, h.dtype) for name, v in a.items()}
        return Factors(A, parts.zero((h.size, parts.n_sums(problem)), h.dtype))

    def direct(self, problem: Problem, observed: ObservedStep) -> tuple[Factors, Array]:
        """Return the new terms of equations (1) and (2), and nu_0."""
        L, a = parts.direct(problem, observed)
        p_1 = log_balance(L, a)
        sign = observed.noise
        A, B = times_exp(a, p_1), times_exp(L, -p_1)
        return Factors(parts.times(A, sign[1]), parts.times(B, sign[1])), sign[0]

    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> Scaled:
        """Return T_t, value (n_h, n_h)."""
        return matrix(tangent)

    def arranged(
        self, problem: Problem, x: Array, D: tuple[Factors, Array], T: Scaled, s: Scaled
    ) -> Prepared:
        """Return them side by side."""
        return Prepared(T, *D, s, x)

    def step(self, problem: Problem, memory: Factors, prepared: Prepared) -> tuple[Factors, Blocks]:
        """Return A_t and B_t, and (s_t B_t) (x) A_t."""
        T, new, sign, s, x = prepared
        moved = scaled.normalise(T.value @ memory.B.value, memory.B.exponent + T.exponent)
        p_0 = log_balance(moved, memory.A)
        A = scaled.add_trees(parts.times(times_exp(memory.A, p_0), sign), new.A)
        B = scaled.add(parts.times(scaled.times_exp(moved, -p_0), sign), new.B)
        return Factors(A, B), parts.outer(problem, x, parts.of_rows(s, B), A)
