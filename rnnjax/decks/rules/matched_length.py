"""The control for rules that change the length of a step: the plain direction, as long as theirs.

  g' = g ||u|| / ||g||                                     (1)

with g the gradient of a rule and u what an eligibility ratio makes of it. Where u trains better
than g but not better than g', it was the longer step that helped, not the ratio.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, fields, scaled
from rnnjax.decks.rules.eligibility_ratio import EligibilityRatio
from rnnjax.rules.base import batch_gradient
from rnnjax.rules.wrapper import Wrapper
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class MatchedLength(Wrapper):
    """Equation (1).

    Attributes:
      rule: gives u; the rule inside it gives g.
      matched: 1 for g', 0 for u itself, so that both are one program; may be traced.
    """

    rule: EligibilityRatio = fields.part(
        default=EligibilityRatio(),
        needs=("rule", "scale_steps"),
        expected="a rule such as rnnjax.decks.EligibilityRatio()",
    )
    matched: Array | float = fields.number(default=1.0, at_least=0, at_most=1)

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
        """Return loss and gradient of one sequence; see `rnnjax.types.Rule`."""
        out = self.rule.rule(cell, loss, params, batch, state, per_step=True)
        return self._matched(out, batch.counts, per_step)

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
        """Return loss and gradient of a batch, leaves (B, T, ...), averaged before any ratio."""
        out = batch_gradient(self.rule.rule, cell, loss, params, batch, state, per_step=True)
        return self._matched(out, jnp.any(batch.counts, axis=0), per_step)

    def _matched(self, out: RuleOut, counts: Array, per_step: bool) -> RuleOut:
        steps, ratios = out.grads, self.rule.scale_steps(out.grads, counts)
        g, u = scaled.sum_over_leading(steps), scaled.sum_over_leading(ratios)
        log_factor = scaled.log_norm(u) - scaled.log_norm(g)
        plain, other = (steps, ratios) if per_step else (g, u)
        grads = jax.tree.map(
            lambda p, o: _chosen(self.matched, scaled.times_exp(p, log_factor), o),
            plain,
            other,
            is_leaf=scaled.is_scaled,
        )
        return out._replace(grads=grads)


def _chosen(matched: Array | float, a: Scaled, b: Scaled) -> Scaled:
    return jax.tree.map(lambda x, y: jnp.where(matched == 1, x, y), a, b)
