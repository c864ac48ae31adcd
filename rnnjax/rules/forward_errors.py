"""Forward propagation of errors through time: backpropagation run in the direction of time.

With S_t = J_t ... J_2 (S_1 = I) the first error comes from one pass and all others from a second:

  delta_1 = sum_t S_t^T g_t                                 (1)
  delta_{t+1} = J_{t+1}^{-T} (delta_t - g_t)                (2)
  dL/dw = sum_t delta_t D_t                                 (3)

Both passes run forward and keep nothing of the past, n_h^2 numbers in all. In exact arithmetic this
is BPTT. But (2) undoes a contraction: an error of size eps in delta_1 grows to eps prod |J^{-1}|,
in one dimension eps lambda^{-t}, so that rounding takes over after about log(1/eps) / log(1/lambda)
steps; and a J_t that has no inverse (a silent relu unit) ends it. Scale-free numbers keep S_t from
leaving the range of the dtype; they cannot bring back its digits. Zucchet, Pourcel and Ernoult,
Forward propagation of errors through time, 2026.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, cotangents, fields, matrices, scaled, scan
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules.base import without_state
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class ForwardErrors:
    """Equations (1) to (3), for cells whose Jacobian has an inverse.

    Attributes:
      scale_free: whether S_t and delta_t carry an exponent or are plain numbers, static.
    """

    scale_free: bool = fields.flag(default=True)
    step_axis = "use"
    exact = False  # to rounding that grows with T
    stochastic = False
    init = without_state

    @boundary.of_rule(real=True)
    def __call__(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any = (),
        *,
        per_step: bool = False,
    ) -> RuleOut:
        """Return loss and gradient of one sequence; see `rnnjax.types.Rule`."""
        trajectory = scan.of_batch(cell, params, batch)
        h = trajectory.plain
        losses, g = cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
        deltas = self.errors(cell, params, trajectory, g)
        # Behind the end of the sequence it is rounding that is carried on.
        deltas = Scaled(jnp.where(batch.counts[:, None], deltas.value, 0), deltas.exponent)
        grads = gradient_of_deltas(cell, loss, params, trajectory, batch, deltas, per_step=per_step)
        return RuleOut(jnp.sum(losses), grads, ())

    def errors(self, cell: Cell, params: Params, trajectory: Trajectory, g: Scaled) -> Scaled:
        """Return delta_t of t = 1..T, value (T, n_h), exponent (T,).

        Args:
          cell: the cell.
          params: parameters.
          trajectory: T steps.
          g: dl_t/dh_t, value (T, n_h).
        """
        residuals = scan.residuals(cell, params, trajectory)
        like = trajectory.h_prev[0]

        def jacobian(kept: Residuals) -> Scaled:
            J = kept.bound(cell, params).as_matrix()
            return self._number(J.value, J.exponent)

        def accumulate(carry: tuple[Scaled, Scaled], at: Any) -> tuple[tuple, None]:
            S, total = carry
            kept, g = at
            J = jacobian(kept)
            S = self._number(J.value @ S.value, J.exponent + S.exponent)
            part = self._number(S.value.T @ g.value, S.exponent + g.exponent)
            return (S, self._sum(total, part)), None

        def onward(delta: Scaled, at: Any) -> tuple[Scaled, Scaled]:
            kept, g_before = at
            J = jacobian(kept)
            rest = self._sum(delta, Scaled(-g_before.value, g_before.exponent))
            value = matrices.solve(J.value.T, rest.value)
            delta = self._number(value, rest.exponent - J.exponent)
            return delta, delta

        g = jax.vmap(self._number)(g.value, g.exponent)
        first, behind = (jax.tree.map(lambda a, cut=cut: a[cut], g) for cut in (0, slice(1, None)))
        before = jax.tree.map(lambda a: a[:-1], g)
        later = jax.tree.map(lambda a: a[1:], residuals)
        (_, delta_1), _ = jax.lax.scan(accumulate, (self.begin(like)[0], first), (later, behind))
        _, deltas = jax.lax.scan(onward, delta_1, (later, before))
        stacked = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), delta_1, deltas)
        return scaled.renormalise(stacked)

    def begin(self, h: Array) -> tuple[Scaled, Scaled]:
        """Return S_1 and an error of 0, what a pass carries from step to step; like h, (n_h,)."""
        S = self._number(jnp.eye(len(h), dtype=h.dtype), jnp.int32(0))
        return S, self._number(jnp.zeros_like(h), jnp.int32(0))

    def _number(self, value: Array, exponent: Array) -> Scaled:
        """Return value x 2^exponent: with an exponent of its own, or as a plain number."""
        if self.scale_free:
            return scaled.normalise(value, exponent)
        return Scaled(scaled.shift(value, exponent), jnp.zeros_like(exponent))

    def _sum(self, a: Scaled, b: Scaled) -> Scaled:
        return scaled.add(a, b) if self.scale_free else Scaled(a.value + b.value, a.exponent)
