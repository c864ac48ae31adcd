"""A learned kernel in place of the Jacobian.

  T_t = diag(kappa),   s_t = g_t A,   kappa = 1 - alpha in [0, 1]              (1)

A (n_h, n_h) and the rates alpha (n_h,) are learned beside the network from how a perturbation of
the states goes on: over k steps the Jacobian is to be A diag(kappa)^k. With u_t = J_t u_{t-1} +
zeta_t the true and A Omega_t the expected effect of all perturbations zeta so far, the present one
included as D_t is in M_t,

  Gamma_t = kappa Gamma_{t-1} - Omega_{t-1},   Omega_t = kappa Omega_{t-1} + zeta_t      (2)
  e = A Omega - u,   A <- A - rate e Omega^T / |Omega|^2                                 (3)
  alpha <- alpha - rate (e A) Gamma / |Omega|^2                                          (4)

Roth, Kanitscheider and Fiete, Kernel RNN learning (KeRNL), ICLR 2019. Here the perturbations are
infinitesimal (u is a product with the Jacobian, not a difference of two networks), the steps of (3)
and (4) are divided by |Omega|^2 so that no rate depends on its size, and every `horizon` steps the
perturbation starts afresh, for in a chaotic network it would grow for ever.

Equation (1) of a step uses A and kappa as they were before the updates of that step. 1/|Omega|^2
has no floor: with a single unit a small perturbation makes a large step of (4), and the rate may
leave the true one behind.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, scaled
from rnnjax.rules.factors import Transport
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.tangents import Diagonal, Residuals
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch

_ALPHA = 0.8  # the rates at the start, as in the implementation of Marschall, Cho and Savin


class Learned(NamedTuple):
    """A (n_h, n_h) and alpha (n_h,)."""

    A: Array
    alpha: Array


class Perturbation(NamedTuple):
    """u_t, Omega_t and Gamma_t, (n_h,) each, and the steps since the last start."""

    u: Array
    Omega: Array
    Gamma: Array
    age: Array


class Prepared(NamedTuple):
    """J_t and zeta_t."""

    residuals: Residuals
    zeta: Array


@fields.dataclass
class Kernel(Transport):
    """Equations (1) to (4), for any cell.

    Attributes:
      rate: of equations (3) and (4), 0 to 1; 0 keeps A = I and alpha = 0.8.
      horizon: steps between two starts of the perturbation, static.
    """

    rate: Array | float = fields.number(default=0.05, at_least=0, at_most=1)
    horizon: int = fields.count(default=32)
    stochastic = True
    learns = True

    def init_learned(self, problem: Problem, batch: Batch) -> Learned:
        """Return A = I and the rates at the start."""
        h = problem.cell.initial_state()
        return Learned(jnp.eye(h.size, dtype=h.dtype), jnp.full(h.size, _ALPHA, h.dtype))

    def noise(self, problem: Problem, key: Array, n_steps: int) -> Array:
        """Return zeta of every step, (T, n_h)."""
        h = problem.cell.initial_state()
        return jax.random.normal(key, (n_steps, h.size), h.dtype)

    def begin(self, problem: Problem, x: Array, learned: Learned) -> tuple[Learned, Perturbation]:
        """Return the kernel and no perturbation."""
        zero = jnp.zeros_like(problem.cell.initial_state())
        return learned, Perturbation(zero, zero, zero, jnp.int32(0))

    def learned(self, memory: tuple[Learned, Perturbation]) -> Learned:
        """Return the kernel."""
        return memory[0]

    def tangent(self, problem: Problem, at: Trajectory) -> Any:
        """Refuse: what the kernel is does not follow from the step.

        Raises:
          TypeError: always; `step` returns T_t.
        """
        raise TypeError("a learned kernel is part of the memory of a rule, see `step`")

    def prepare(self, problem: Problem, observed: ObservedStep) -> Prepared:
        """Return J_t and zeta_t."""
        return Prepared(problem.residuals(observed.trajectory), observed.noise)

    def step(
        self,
        problem: Problem,
        memory: tuple[Learned, Perturbation],
        prepared: Prepared,
        s: Scaled,
    ) -> tuple[tuple[Learned, Perturbation], Diagonal, Scaled]:
        """Return the kernel after equations (2) to (4), and equation (1) before them."""
        kernel, before = memory
        kappa = 1 - kernel.alpha
        now = self._perturbed(problem, kappa, before, prepared)
        through = scaled.normalise(s.value @ kernel.A, s.exponent)
        return (self._updated(kernel, now), now), Diagonal(kappa), through

    def _perturbed(
        self, problem: Problem, kappa: Array, before: Perturbation, prepared: Prepared
    ) -> Perturbation:
        """Return equation (2) and the true effect u_t."""
        afresh = before.age == self.horizon
        u, Omega, Gamma = (jnp.where(afresh, 0, a) for a in (before.u, before.Omega, before.Gamma))
        moved: Any = problem.bound(prepared.residuals).mv(u)
        return Perturbation(
            u=scaled.shift(moved.value, moved.exponent) + prepared.zeta,
            Omega=kappa * Omega + prepared.zeta,
            Gamma=kappa * Gamma - Omega,
            age=jnp.where(afresh, 1, before.age + 1),
        )

    def _updated(self, kernel: Learned, now: Perturbation) -> Learned:
        """Return equations (3) and (4)."""
        size = jnp.sum(now.Omega**2)
        rate = jnp.where(size > 0, self.rate / jnp.where(size > 0, size, 1), 0)
        error = kernel.A @ now.Omega - now.u
        by_alpha = (error @ kernel.A) * now.Gamma
        return Learned(
            A=kernel.A - rate * jnp.outer(error, now.Omega),
            alpha=jnp.clip(kernel.alpha - rate * by_alpha, 0, 1),
        )
