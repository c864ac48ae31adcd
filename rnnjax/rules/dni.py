"""Synthetic gradients: what the future will send back is predicted from the state.

  delta_t ~ g_t + A f_t,   f_t = [h_t, y_t, 1]              (1)   y_t: the target of the step
  dl/dw ~ sum_t delta_t D_t                                 (2)

A is learned one step later from the same prediction (bootstrap), since what reaches h_{t-1} from
beyond is J_t^T delta_t:

  A <- A - rate (A f_{t-1} - J_t^T delta_t) f_{t-1}^T / |f_{t-1}|^2                      (3)

A predicts what comes from the future alone, not g_t. With A = 0, at the start, this is BPTT with a
window of 1. Jaderberg et al., Decoupled neural interfaces using synthetic gradients, ICML 2017; for
every step of a recurrent network: Marschall, Cho and Savin, Journal of Machine Learning Research,
2020, where A predicts g_t as well. The step is divided by |f|^2, so that no rate depends on the
size of the state.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, scaled, scan
from rnnjax.rules import influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.scan import Trajectory
from rnnjax.tangents import Residuals
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


class Prepared(NamedTuple):
    """What a step needs: f_t, J_t, the step with its input, g_t."""

    features: Array
    residuals: Residuals
    at: Trajectory
    x: Array
    g: scaled.Scaled


@fields.dataclass
class DNI:
    """Equations (1) to (3), for any cell.

    Attributes:
      rate: of equation (3), 0 to 1.
    """

    rate: Array | float = fields.number(default=0.05, at_least=0, at_most=1)
    step_axis = "use"
    exact = False
    stochastic = False
    init = online.init
    noise = online.no_noise
    __call__ = online.over_sequence

    def untaught(self, cell: Cell, params: Params, batch: Batch) -> Array:
        """Return A = 0, (n_h, n_f)."""
        h = cell.initial_state()
        return jnp.zeros((h.size, _features(h, jax.tree.map(lambda a: a[0], batch)).size), h.dtype)

    def begin(self, cell: Cell, params: Params, x: Array, learned: Array) -> tuple[Array, Array]:
        """Return A, and that no step has been seen."""
        return learned, jnp.zeros(learned.shape[1], learned.dtype)

    def learned(self, memory: tuple[Array, Array]) -> Array:
        """Return A."""
        return memory[0]

    def prepare(
        self, cell: Cell, loss: StepLoss, params: Params, moment: online.Moment
    ) -> Prepared:
        """Return what a step needs."""
        at = moment.trajectory
        now = _features(at.plain, moment.batch)
        residuals = scan.residuals_of_step(cell, params, at)
        return Prepared(now, residuals, at, moment.batch.x, moment.g)

    def step(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        memory: tuple[Array, Array],
        prepared: Prepared,
    ) -> tuple[tuple[Array, Array], Blocks]:
        """Return A after equation (3) and f_t, and the gradient of the step, equation (2)."""
        A, before = memory
        now, residuals, at, x, g = prepared

        def delta(A: Array) -> scaled.Scaled:
            return scaled.add(g, scaled.normalise(A @ now))

        sent = delta(A)
        back = residuals.bound(cell, params).rmv(sent.value)
        target = scaled.shift(back.value, sent.exponent + back.exponent)
        size = jnp.sum(before**2)
        rate = jnp.where(size > 0, self.rate / jnp.where(size > 0, size, 1), 0)
        A = A - rate * jnp.outer(A @ before - target, before)
        grads = influence.pull(cell, params, at, x, delta(A))
        return (A, now), grads


def _features(h: Array, at: Batch) -> Array:
    """Return f_t of equation (1), real; a step without weight has no target."""
    target = jnp.atleast_1d(jnp.where(at.mask != 0, at.y, 0))
    parts = [target.real, target.imag] if jnp.iscomplexobj(target) else [target]
    return jnp.concatenate([h, *parts, jnp.ones(1)]).astype(h.dtype)
