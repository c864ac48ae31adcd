"""What all rules that run forward in time share."""

from abc import ABC, abstractmethod
from typing import Any

from rnnjax import boundary, cotangents, real_view
from rnnjax.ranges import KEY
from rnnjax.rules import over_sequence
from rnnjax.rules.influence import Blocks
from rnnjax.rules.online import Carried, ObservedStep
from rnnjax.rules.problem import Problem, no_loss
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


class OnlineRule(ABC):
    """A rule with `begin`, `prepare` and `step`, and defaults for the rest."""

    step_axis: Any = "loss"
    exact: Any = False
    stochastic: Any = False

    @abstractmethod
    def begin(self, problem: Problem, x: Array, learned: Any) -> Any:
        """Return the memory at the start of a sequence whose first input is x, (n_x,)."""

    @abstractmethod
    def prepare(self, problem: Problem, observed: ObservedStep) -> Any:
        """Return what a step needs and the memory has no part in."""

    @abstractmethod
    def step(self, problem: Problem, memory: Any, prepared: Any) -> tuple[Any, Blocks]:
        """Return the memory after a step, and its gradient, equation (1)."""

    def init_learned(self, problem: Problem, batch: Batch) -> Any:
        """Return what the rule knows of the network before the first sequence: nothing."""
        return ()

    def learned(self, memory: Any) -> Any:
        """Return what of the memory outlives a sequence: nothing."""
        return ()

    def noise(self, problem: Problem, key: Array | None, n_steps: int) -> Any:
        """Return the random numbers of a sequence, leading axis T: none."""
        return None

    def signals(self, problem: Problem, h: Array, batch: Batch) -> tuple[Array, Scaled]:
        """Return losses and learning signals g_t of S steps with states h, (S, n_h)."""
        y, mask = batch.y, batch.mask
        return cotangents.readout_source(problem.cell, problem.loss, problem.params, h, y, mask)

    def init(self, cell: Cell, params: Params, batch: Batch, key: Array | None = None) -> Carried:
        """Return the state before the first sequence.

        Raises:
          ValueError: the rule is stochastic and has no key.
        """
        if self.stochastic and key is None:
            name = type(self).__name__
            raise ValueError(f"key: expected a key, because {name} draws random numbers")
        cell, params, batch = boundary.admitted(cell, None, params, batch)
        view = real_view.of(cell, params, batch.x[0])
        learned = self.init_learned(Problem(view.seen, no_loss, view.inward(params)), batch)
        return Carried(KEY.checked("key", key) if self.stochastic else None, learned)

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
        """Return loss and gradient of one sequence, equation (2); see `rnnjax.types.Rule`.

        Without ``per_step`` nothing grows with T. Without a state it starts as before the first
        sequence.
        """
        state = state or self.init(cell, params, batch)
        return self.over_sequence(Problem(cell, loss, params), batch, state, per_step)

    def over_sequence(
        self, problem: Problem, batch: Batch, state: Carried, per_step: bool
    ) -> RuleOut:
        """Return the same, after all checks."""
        return over_sequence.run(self, problem, batch, state, per_step)
