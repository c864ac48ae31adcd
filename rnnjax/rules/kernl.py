"""KeRNL: a learned kernel in place of the Jacobian.

  dh_t[k] / dw ~ sum_i A[k, i] B_t[i]                       (1)
  B_t[i] = kappa_i B_{t-1}[i] + D_t[i],   kappa = 1 - alpha in [0, 1]                    (2)
  dl_t/dw ~ sum_i (g_t A)[i] B_t[i]                         (3)

A (n_h, n_h) and the rates alpha (n_h,) are learned beside the network from how a perturbation of
the states goes on. With u_t = J_t u_{t-1} + zeta_t the true and A Omega_t the expected effect of
all perturbations zeta so far, the present one included as D_t is in (2),

  Gamma_t = kappa Gamma_{t-1} - Omega_{t-1},   Omega_t = kappa Omega_{t-1} + zeta_t      (4)
  e = A Omega - u,   A <- A - rate e Omega^T / |Omega|^2                                 (5)
  alpha <- alpha - rate (e A) Gamma / |Omega|^2                                          (6)

Roth, Kanitscheider and Fiete, Kernel RNN learning (KeRNL), ICLR 2019. Here the perturbations are
infinitesimal (u is a product with the Jacobian, not a difference of two networks), the steps of (5)
and (6) are divided by |Omega|^2 so that no rate depends on its size, and every `horizon` steps the
perturbation starts afresh, for in a chaotic network it would grow for ever.

The gradient (3) of a step uses A as it was before the update (5) of that step. 1/|Omega|^2 has no
floor: with a single unit a small perturbation makes a large step of (6), and the rate may leave the
true one behind.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics, fields, scaled, scan
from rnnjax.rules import immediate, online, unit_trace
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

_ALPHA = 0.8  # the rates at the start, as in the implementation of Marschall, Cho and Savin


class Kernel(NamedTuple):
    """What is learned: A (n_h, n_h) and alpha (n_h,)."""

    A: Array
    alpha: Array


class Perturbation(NamedTuple):
    """u_t, Omega_t and Gamma_t, (n_h,) each, and the steps since the last start."""

    u: Array
    Omega: Array
    Gamma: Array
    age: Array


class Prepared(NamedTuple):
    """What a step needs: D_t, g_t, J_t, zeta_t and the input."""

    D: Any
    g: Scaled
    residuals: Residuals
    zeta: Array
    x: Array


@fields.dataclass
class KeRNL:
    """Equations (1) to (6), for any cell.

    Attributes:
      rate: of equations (5) and (6), 0 to 1; 0 keeps A = I and alpha = 0.8.
      horizon: steps between two starts of the perturbation, static.
    """

    rate: Array | float = fields.number(default=0.05, at_least=0, at_most=1)
    horizon: int = fields.count(default=32)
    step_axis = "loss"
    exact = False
    stochastic = True
    init = online.init
    __call__ = online.over_sequence

    def untaught(self, cell: Cell, params: Params, batch: Batch) -> Kernel:
        """Return A = I and the rates at the start."""
        h = cell.initial_state()
        return Kernel(jnp.eye(h.size, dtype=h.dtype), jnp.full(h.size, _ALPHA, h.dtype))

    def noise(self, cell: Cell, params: Params, key: Array, n_steps: int) -> Array:
        """Return zeta of every step, (T, n_h)."""
        h = cell.initial_state()
        return jax.random.normal(key, (n_steps, h.size), h.dtype)

    def begin(
        self, cell: Cell, params: Params, x: Array, learned: Kernel
    ) -> tuple[Kernel, Perturbation, Blocks]:
        """Return the kernel, no perturbation and B_0 = 0."""
        zero = jnp.zeros_like(cell.initial_state())
        none = Perturbation(zero, zero, zero, jnp.int32(0))
        return learned, none, unit_trace.begin(cell, params, x)

    def learned(self, memory: tuple[Kernel, Perturbation, Blocks]) -> Kernel:
        """Return the kernel."""
        return memory[0]

    def prepare(
        self, cell: Cell, loss: StepLoss, params: Params, moment: online.Moment
    ) -> Prepared:
        """Return what a step needs."""
        at = moment.trajectory
        residuals = scan.residuals_of_step(cell, params, at)
        D = immediate.direct(cell, params, at, moment.batch.x)
        return Prepared(D, moment.g, residuals, moment.noise, moment.batch.x)

    def step(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        memory: tuple[Kernel, Perturbation, Blocks],
        prepared: Prepared,
    ) -> tuple[tuple[Kernel, Perturbation, Blocks], Blocks]:
        """Return the memory after equations (2) and (4) to (6), and equation (3)."""
        kernel, before, B = memory
        kappa = 1 - kernel.alpha
        now = self._perturbed(cell, params, kappa, before, prepared)
        m = dynamics.entries_per_unit(cell)
        own = jnp.eye(m)[:, :, None] * kappa.reshape(1, m, -1)
        K = scaled.normalise(own.astype(now.u.dtype))
        signal = scaled.normalise(prepared.g.value @ kernel.A, prepared.g.exponent)
        met = unit_trace.arranged(cell, params, prepared.x, K, prepared.D, signal)
        B, grads = unit_trace.followed(cell, params, B, met)
        return (self._taught(kernel, now), now, B), grads

    def _perturbed(
        self, cell: Cell, params: Params, kappa: Array, before: Perturbation, prepared: Prepared
    ) -> Perturbation:
        """Return equation (4) and the true effect u_t."""
        afresh = before.age == self.horizon
        u, Omega, Gamma = (jnp.where(afresh, 0, a) for a in (before.u, before.Omega, before.Gamma))
        moved = prepared.residuals.bound(cell, params).mv(u)
        return Perturbation(
            u=scaled.shift(moved.value, moved.exponent) + prepared.zeta,
            Omega=kappa * Omega + prepared.zeta,
            Gamma=kappa * Gamma - Omega,
            age=jnp.where(afresh, 1, before.age + 1),
        )

    def _taught(self, kernel: Kernel, now: Perturbation) -> Kernel:
        """Return equations (5) and (6)."""
        size = jnp.sum(now.Omega**2)
        rate = jnp.where(size > 0, self.rate / jnp.where(size > 0, size, 1), 0)
        error = kernel.A @ now.Omega - now.u
        by_alpha = (error @ kernel.A) * now.Gamma
        return Kernel(
            A=kernel.A - rate * jnp.outer(error, now.Omega),
            alpha=jnp.clip(kernel.alpha - rate * by_alpha, 0, 1),
        )
