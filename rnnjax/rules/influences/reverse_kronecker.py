"""The reverse Kronecker estimate of the influence: the vector belongs to the units.

It keeps  dh/d(weight i, j) ~ A[i] B[:, j]  with a random sign nu for each of the n_z sums; with L_t
and a_t of equation (1) of `rnnjax.rules.influences.kronecker_parts`,

  A_t = p_0 A_{t-1}      + p_1 nu_t                                                    (1)
  B_t = T_t B_{t-1} / p_0 + (L_t nu_t) (x) a_t / p_1                                   (2)

and p_0, p_1 that balance the factors. The mean over all sign sequences is M_t. Marschall, Cho and
Savin, A unified framework of online learning algorithms for training recurrent neural networks,
Journal of Machine Learning Research, 2020.
"""

from typing import Any

import jax.numpy as jnp

from rnnjax import fields, scaled
from rnnjax.rules import influence
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
class ReverseKronecker(Influence):
    """Equations (1) and (2), for pre-activation cells.

    Attributes:
      signs: nu of every step, (T, n_z), in place of random ones.
    """

    signs: Array | None = fields.array("T", "n_z", default=None, real=True)
    stochastic = True

    def require(self, rule: Any, problem: Problem, x: Array) -> None:
        """Refuse a cell whose weights do not act through one sum."""
        parts.require_sums(rule, problem, x)

    def noise(self, problem: Problem, key: Array, n_steps: int) -> Array:
        """Return nu of every step, (T, n_z)."""
        shape = (n_steps, parts.n_sums(problem))
        return signs_of(self.signs, key, shape, problem.cell.initial_state().dtype)

    def begin(self, problem: Problem, x: Array, learned: Any) -> Factors:
        """Return factors of 0."""
        h = problem.cell.initial_state()
        a = parts.presynaptic(problem.cell, h, parts.as_numbers(problem.cell, x))
        B = {name: parts.zero((h.size, *v.shape), h.dtype) for name, v in a.items()}
        return Factors(parts.zero((parts.n_sums(problem),), h.dtype), B)

    def direct(self, problem: Problem, observed: ObservedStep) -> Factors:
        """Return the new terms of equations (1) and (2)."""
        L, a = parts.direct(problem, observed)
        nu = scaled.normalise(observed.noise)
        seen = scaled.normalise(L.value @ nu.value, L.exponent + nu.exponent)
        new = {name: parts.product(seen, v) for name, v in a.items()}
        p_1 = log_balance(new, nu)
        return Factors(scaled.times_exp(nu, p_1), times_exp(new, -p_1))

    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> Scaled:
        """Return T_t, value (n_h, n_h)."""
        return matrix(tangent)

    def arranged(self, problem: Problem, x: Array, D: Factors, T: Scaled, s: Scaled) -> Prepared:
        """Return them side by side."""
        return Prepared(T, D, jnp.ones((), T.value.dtype), s, x)

    def step(self, problem: Problem, memory: Factors, prepared: Prepared) -> tuple[Factors, Blocks]:
        """Return A_t and B_t, and A_t (x) (s_t B_t)."""
        T, new, _, s, x = prepared
        onward = influence.transported(T, memory.B)
        moved = {name: scaled.renormalise(block) for name, block in onward.items()}
        p_0 = log_balance(moved, memory.A)
        A = scaled.add(scaled.times_exp(memory.A, p_0), new.A)
        B = scaled.add_trees(times_exp(moved, -p_0), new.B)
        met = {name: parts.of_rows(s, block) for name, block in B.items()}
        return Factors(A, B), parts.outer(problem, x, A, met)
