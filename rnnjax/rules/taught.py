"""What a rule learns about a network that stands still."""

from typing import Any

import jax

from rnnjax.ranges import COUNT, KEY, arguments
from rnnjax.training_kinds import RULE, TASK
from rnnjax.types import Array, Cell, Params, Rule, Task


@arguments(rule=RULE, task=TASK, key=KEY, n_sequences=COUNT)
def taught(
    rule: Rule, cell: Cell, task: Task, params: Params, key: Array, *, n_sequences: int
) -> Any:
    """Return the state of a rule after some sequences with weights that do not change.

    Rules with a model of the network of their own (`KeRNL`, `DNI`) learn it in this time.

    Args:
      rule: the learning rule.
      cell: the cell.
      task: gives the sequences and the loss of a step.
      params: parameters.
      key: all randomness.
      n_sequences: sequences that the rule sees.
    """
    state = rule.init(cell, params, task.sample(key), key)

    def one(state: Any, key: Array) -> tuple[Any, None]:
        return rule(cell, task.loss, params, task.sample(key), state).state, None

    return jax.lax.scan(one, state, jax.random.split(key, n_sequences))[0]
