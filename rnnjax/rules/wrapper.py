"""What rules share that change the gradient of another rule."""

from typing import Any

from rnnjax.types import Array, Batch, Cell, Params, Rule

RULE = ("init", "step_axis", "stochastic", "__call__")  # what is asked of the rule inside


class Wrapper:
    """A rule around another one, `rule`, whose state, noise and split of steps it has."""

    rule: Rule
    exact: Any = False

    @property
    def stochastic(self) -> bool:
        """Whether the rule inside is."""
        return self.rule.stochastic

    @property
    def step_axis(self) -> str:
        """How steps are split: as by the rule inside."""
        return self.rule.step_axis

    def init(self, cell: Cell, params: Params, batch: Batch, key: Array | None = None) -> Any:
        """Return the state of the rule inside."""
        return self.rule.init(cell, params, batch, key)
