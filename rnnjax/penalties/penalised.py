"""A learning rule with a penalty beside the loss.

  g' = g + weight dP/dw                                    (1)

g is what the rule inside gives for the loss, P a penalty such as `Omega` or `Flossing`: a function
of (cell, loss, params, batch) whose gradient is taken by automatic differentiation. The loss that
is reported is that of the rule alone.
"""

from typing import Any, Protocol

import jax

from rnnjax import fields, rules, scaled
from rnnjax.rules.wrapper import RULE, Wrapper
from rnnjax.types import Array, Batch, Cell, Params, Rule, RuleOut, StepLoss


class Penalty(Protocol):
    """A penalty P on a network that runs over one sequence."""

    def __call__(self, cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> Array:
        """Return P, ()."""
        ...


@fields.dataclass
class Penalised(Wrapper):
    """Equation (1).

    Attributes:
      rule: gives g.
      penalty: gives P of one sequence.
      weight: may be traced.
    """

    rule: Rule = fields.part(needs=RULE, expected="a rule such as rnnjax.BPTT()")
    penalty: Penalty = fields.part(
        needs=("__call__",), expected="a penalty such as rnnjax.penalties.Omega()"
    )
    weight: Array | float = fields.number(default=1.0)

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
        """Return the loss and the gradient of one sequence, equation (1).

        Raises:
          ValueError: the steps are to be kept apart, which a penalty on whole sequences cannot.
        """
        _of_whole_sequences(per_step)
        out = self.rule(cell, loss, params, batch, state)
        return self._with_penalty(cell, loss, params, batch, out)

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
        """Return loss and gradient of a batch, leaves (B, T, ...), the penalty as its mean.

        Raises:
          ValueError: the steps are to be kept apart, which a penalty on whole sequences cannot.
        """
        _of_whole_sequences(per_step)
        out = rules.batch_gradient(self.rule, cell, loss, params, batch, state)
        return self._with_penalty(cell, loss, params, batch, out, batched=True)

    def _with_penalty(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        out: RuleOut,
        *,
        batched: bool = False,
    ) -> RuleOut:
        def penalty(params: Params) -> Array:
            if not batched:
                return self.penalty(cell, loss, params, batch)
            return jax.vmap(lambda b: self.penalty(cell, loss, params, b))(batch).mean()

        gradient = jax.tree.map(lambda g: self.weight * g, jax.grad(penalty)(params))
        return out._replace(grads=scaled.add_trees(out.grads, scaled.normalise_tree(gradient)))


def _of_whole_sequences(per_step: bool) -> None:
    if per_step:
        raise ValueError("per_step: expected False, because a penalty is of a whole sequence")
