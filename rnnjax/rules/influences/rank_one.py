"""An unbiased estimate of the influence of rank one.

  M_t ~ u_t theta_t^T                                                              (1)
  u_t     = rho_0 T_t u_{t-1} + rho_1 nu_t                                         (2)
  theta_t = theta_{t-1} / rho_0 + nu_t^T D_t / rho_1                               (3)
  rho_0^2 = |theta_{t-1}| / |T_t u_{t-1}|,   rho_1^2 = |nu_t^T D_t| / |nu_t|       (4)

nu_t are random signs, one a state entry, so E[nu nu^T] = I and the mean over all sign sequences is
M_t itself; (4) balances the two factors and so keeps the variance down. Memory: n_h and one number
a weight. Tallec and Ollivier, Unbiased online recurrent optimization, ICLR 2018.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp

from rnnjax import fields, scaled
from rnnjax.rules import influence
from rnnjax.rules.factors import Influence, Whole
from rnnjax.rules.influence import Blocks
from rnnjax.rules.influences.balance import log_balance, signs_of, times_exp
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.types import Array


class New(NamedTuple):
    """The new part of each factor: rho_1 nu_t, and nu_t^T D_t / rho_1."""

    nu: Scaled
    theta: Blocks


class Prepared(NamedTuple):
    """What is stored of T_t, the new part of each factor, and s_t."""

    T: Any
    new: New
    s: Scaled


@fields.dataclass
class RankOne(Influence):
    """Equations (1) to (4).

    Attributes:
      signs: nu of every step, (T, n_h), in place of random ones: all of them give the exact mean.
        For a complex state (T, 2 n_h): of the real parts, then of the imaginary ones.
    """

    signs: Array | None = fields.array("T", "n_h", default=None, real=True)
    stochastic = True

    def noise(self, problem: Problem, key: Array, n_steps: int) -> Array:
        """Return nu of every step, (T, n_h)."""
        h = problem.cell.initial_state()
        return signs_of(self.signs, key, (n_steps, h.size), h.dtype)

    def begin(self, problem: Problem, x: Array, learned: Any) -> tuple[Scaled, Blocks]:
        """Return u_0 and theta_0, both 0."""
        u = scaled.normalise(jnp.zeros_like(problem.cell.initial_state()))
        return u, influence.nothing(problem, x, ())

    def direct(self, problem: Problem, observed: ObservedStep) -> New:
        """Return rho_1 nu_t and nu_t^T D_t / rho_1."""
        nu = scaled.normalise(observed.noise)
        theta = influence.pull(problem, observed.trajectory, observed.batch.x, nu)
        rho_1 = log_balance(theta, nu)
        return New(scaled.times_exp(nu, rho_1), times_exp(theta, -rho_1))

    def stored(self, problem: Problem, transport: Any, observed: ObservedStep) -> Any:
        """Return what is stored of T_t: a product with one vector needs no matrix."""
        return transport.stored(problem, observed.trajectory)

    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> Whole:
        """Return T_t as it is."""
        return Whole(tangent)

    def arranged(self, problem: Problem, x: Array, D: New, T: Any, s: Scaled) -> Prepared:
        """Return them side by side."""
        return Prepared(T, D, s)

    def step(
        self, problem: Problem, memory: tuple[Scaled, Blocks], prepared: Prepared
    ) -> tuple[tuple[Scaled, Blocks], Blocks]:
        """Return u_t and theta_t, and (s_t u_t) theta_t."""
        u, theta = memory
        moved = problem.bound(prepared.T).mv(u.value)
        moved = scaled.normalise(moved.value, u.exponent + moved.exponent)
        rho_0 = log_balance(theta, moved)
        u = scaled.add(scaled.times_exp(moved, rho_0), prepared.new.nu)
        theta = scaled.add_trees(times_exp(theta, -rho_0), prepared.new.theta)
        return (u, theta), _weighted(prepared.s, u, theta)


def _weighted(s: Scaled, u: Scaled, theta: Blocks) -> Blocks:
    """Return (s u) theta."""
    share = scaled.normalise(jnp.sum(s.value * u.value), s.exponent + u.exponent)
    return {
        i: Scaled(share.value * block.value, share.exponent + block.exponent)
        for i, block in theta.items()
    }
