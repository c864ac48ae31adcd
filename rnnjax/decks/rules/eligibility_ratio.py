"""The eligibility ratio within a sequence: each step's gradient times the ratio of the two before.

  dw'_t = dw_t m(dw_{t-1}, dw_{t-2})   for t >= 3,    dw' = sum_t dw'_t               (1)

with dw_t the part of step t in the gradient of another rule, split as that rule splits it (see
`Rule.step_axis`). Equations, multipliers and what the ratio may be taken of: `rnnjax.decks.ratios`.

The readings of the formula dw_{1,t=3} = dw_{1,t=3} (dw_{1,t=2} / dw_{1,t=1}) of C. Yuan's slides:

  each weight, raw history                             the formula as it stands
  each weight, recursive=True                          a sheet whose cells refer to scaled cells
  of=EachUnit(cell.layers), mean_first=False           the ratio of dh, before the outer product
  mean_first=False                                     a ratio for each pair, then the average
  of=norms or of=projection                            one ratio for the whole gradient

The sum is no descent direction in general, not even with positive multipliers: steps whose dw_t
differ in sign are weighted differently.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, fields, scaled
from rnnjax.decks import ratios
from rnnjax.decks.ratios import Literal, Multiplier, Of, each_weight
from rnnjax.rules.base import batch_gradient, mean_of_sequences
from rnnjax.rules.bptt import BPTT
from rnnjax.rules.wrapper import RULE, Wrapper
from rnnjax.types import Array, Batch, Cell, Params, Rule, RuleOut, StepLoss


@fields.dataclass
class EligibilityRatio(Wrapper):
    """A rule whose steps are scaled by equation (1).

    Attributes:
      rule: gives dw_t.
      multiplier: m.
      of: what the ratio is taken of, static.
      recursive: take the ratio of scaled steps, static.
      mean_first: average dw_t over a batch before the ratio is taken, static; else each sequence
        has ratios of its own.
    """

    rule: Rule = fields.part(default=BPTT(), needs=RULE, expected="a rule such as rnnjax.BPTT()")
    multiplier: Multiplier = fields.part(
        default=Literal(),
        needs=("__call__",),
        expected="a multiplier such as rnnjax.decks.ratios.Literal()",
    )
    of: Of = fields.function(default=each_weight, form="(newer, older) -> pairs")
    recursive: bool = fields.flag(default=False)
    mean_first: bool = fields.flag(default=True)

    @boundary.of_rule
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
        """Return loss and scaled gradient of one sequence; see `rnnjax.types.Rule`."""
        out = self.rule(cell, loss, params, batch, state, per_step=True)
        return self._scaled(out, batch.counts, per_step)

    @boundary.of_batches
    def batch_gradient(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any,
        *,
        per_step: bool = False,
    ) -> RuleOut:
        """Return loss and scaled gradient of a batch, leaves (B, T, ...)."""
        if not self.mean_first:
            return mean_of_sequences(self, cell, loss, params, batch, state, per_step=per_step)
        out = batch_gradient(self.rule, cell, loss, params, batch, state, per_step=True)
        return self._scaled(out, jnp.any(batch.counts, axis=0), per_step)

    def _scaled(self, out: RuleOut, counts: Array, per_step: bool) -> RuleOut:
        steps = self.scale_steps(out.grads, counts)
        return out._replace(grads=steps if per_step else scaled.sum_over_leading(steps))

    def scale_steps(self, steps: Any, counts: Array | None = None) -> Any:
        """Apply equation (1) along the leading axis of a tree of `Scaled`, leaves (T, ...).

        Steps that do not belong to the sequence, by `counts`, bool (T,), stay as they are: 0.
        """
        first = jax.tree.map(lambda a: a[0], steps)
        if counts is None:
            counts = jnp.ones(len(jax.tree.leaves(steps)[0]), bool)

        def one(history: ratios.History, at: tuple[Any, Array]) -> tuple[ratios.History, Any]:
            d, counts = at
            u, history = ratios.step(self.multiplier, self.of, history, d, recursive=self.recursive)
            return history, jax.tree.map(partial(jnp.where, counts), u, d)

        return jax.lax.scan(one, ratios.no_history(first), (steps, counts))[1]
