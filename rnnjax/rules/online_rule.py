"""What all rules that run forward in time share."""

from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, cotangents, real_view
from rnnjax.ranges import KEY, refusal
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

    def restarted(self, problem: Problem, x: Array, fresh: Any, memory: Any) -> Any:
        """Return a memory whose influence begins after this one; all else in it goes on.

        Args:
          problem: the network and its loss.
          x: any input, (n_x,).
          fresh: the memory at the start of the sequence, as `begin` returned it.
          memory: the memory at this step.
        """
        learned = self.learned(memory)
        return self.begin(problem, x, learned) if jax.tree.leaves(learned) else fresh

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

        Raises:
          ValueError: an argument does not fit, or the state is not one of this rule and network.
        """
        problem = Problem(cell, loss, params)
        is_none = is_no_state(state)
        begun = self.init(cell, params, batch) if is_none else state
        if not is_none:
            self.check_state(problem, batch, begun)
        return self.over_sequence(problem, batch, begun, per_step)

    def check_state(self, problem: Problem, batch: Batch, state: Any) -> None:
        """Refuse a state that `init` does not return; its shapes tell.

        Args:
          problem: the network, in its real view, and its loss.
          batch: one sequence.
          state: anything that is given in the place of one.

        Raises:
          ValueError: it is no state of this rule and network.
        """
        name = type(self).__name__
        expected = f"what the method init of {name} returns for this network"
        if not isinstance(state, Carried):
            raise refusal("state", expected, state)
        if self.stochastic and state.key is None:
            raise refusal("state", expected, "one without a key", shown_by=str)
        known = jax.eval_shape(lambda: self.init_learned(problem, batch))
        if state.key is not None:
            KEY.checked("key", state.key)
        if _shapes(known) != _shapes(state.learned):
            raise refusal("state", expected, "one of other shapes", shown_by=str)

    def over_sequence(
        self, problem: Problem, batch: Batch, state: Carried, per_step: bool
    ) -> RuleOut:
        """Return the same, after all checks."""
        return over_sequence.run(self, problem, batch, state, per_step)


def is_no_state(state: Any) -> bool:
    """Return whether a state is left out: the rule begins as before the first sequence."""
    return state is None or (isinstance(state, tuple) and not state)


def _shapes(tree: Any) -> tuple[Any, list[tuple[int, ...]]]:
    return jax.tree.structure(tree), [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]
