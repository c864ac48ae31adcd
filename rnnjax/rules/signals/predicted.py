"""A learning signal that foresees what the future will send back.

  s_t ~ g_t + A f_t,   f_t = [h_t, y_t, 1]                  (1)   y_t: the target of the step

A is learned one step later from the same prediction (bootstrap), since what reaches h_{t-1} from
beyond is J_t^T s_t:

  A <- A - rate (A f_{t-1} - J_t^T s_t) f_{t-1}^T / |f_{t-1}|^2                          (2)

A predicts what comes from the future alone, not g_t. The step is divided by |f|^2, so that no rate
depends on the size of the state. Jaderberg et al., Decoupled neural interfaces using synthetic
gradients, ICML 2017; for every step of a recurrent network: Marschall, Cho and Savin, Journal of
Machine Learning Research, 2020, where A predicts g_t as well.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, scaled
from rnnjax.rules.influences import Immediate
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.rules.signals.exact import Exact
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.types import Array, Batch


class Prepared(NamedTuple):
    """f_t and J_t."""

    features: Array
    residuals: Residuals


@fields.dataclass
class Predicted(Exact):
    """Equations (1) and (2).

    Attributes:
      rate: of equation (2), 0 to 1.
    """

    rate: Array | float = fields.number(default=0.05, at_least=0, at_most=1)
    exact = False
    learns = True

    def require(self, rule: Any, problem: Problem, x: Array) -> None:
        """Refuse an influence that counts the future a second time."""
        kept = rule.point.influence
        if not isinstance(kept, Immediate):
            raise ValueError(
                "influence: expected Immediate(), because the signal Predicted() already holds "
                f"what later losses send back, got {type(kept).__name__}"
            )

    def init_learned(self, problem: Problem, batch: Batch) -> Array:
        """Return A = 0, (n_h, n_f)."""
        h = problem.cell.initial_state()
        first = jax.tree.map(lambda a: a[0], batch)
        return jnp.zeros((h.size, _features(h, first).size), h.dtype)

    def begin(self, problem: Problem, x: Array, learned: Array) -> tuple[Array, Array]:
        """Return A, and that no step has been seen."""
        return learned, jnp.zeros(learned.shape[1], learned.dtype)

    def learned(self, memory: tuple[Array, Array]) -> Array:
        """Return A."""
        return memory[0]

    def prepare(self, problem: Problem, observed: ObservedStep) -> Prepared:
        """Return f_t and J_t."""
        at = observed.trajectory
        return Prepared(_features(at.plain, observed.batch), problem.residuals(at))

    def step(
        self, problem: Problem, memory: tuple[Array, Array], prepared: Prepared, g: Scaled
    ) -> tuple[tuple[Array, Array], Scaled]:
        """Return A after equation (2) and f_t, and s_t with this A."""
        A, before = memory
        now, residuals = prepared

        def signal(A: Array) -> Scaled:
            return scaled.add(g, scaled.normalise(A @ now))

        sent = signal(A)
        back = problem.bound(residuals).rmv(sent.value)
        target = scaled.shift(back.value, sent.exponent + back.exponent)
        size = jnp.sum(before**2)
        rate = jnp.where(size > 0, self.rate / jnp.where(size > 0, size, 1), 0)
        A = A - rate * jnp.outer(A @ before - target, before)
        return (A, now), signal(A)


def _features(h: Array, at: Batch) -> Array:
    """Return f_t of equation (1), real; a step without weight has no target."""
    target = jnp.where(at.mask != 0, at.y, 0).reshape(-1)
    parts = [target.real, target.imag] if jnp.iscomplexobj(target) else [target]
    return jnp.concatenate([h, *parts, jnp.ones(1)]).astype(h.dtype)
