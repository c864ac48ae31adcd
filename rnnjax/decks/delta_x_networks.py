"""The networks on which readings of delta x are compared to the gradient, and one that they train.

A Jordan network on pairs of the slides, whose state is its output, and vanilla networks on two
tasks of the field. What a reading can learn is seen in the pulse memory.
"""

from collections.abc import Mapping
from typing import Any

import jax

from rnnjax import cells, scaled, tasks, train
from rnnjax.decks.tasks.data_pairs import DataPairs
from rnnjax.decks.tasks.pulse_memory import PulseMemory
from rnnjax.errors import one_of
from rnnjax.lazy import optax
from rnnjax.types import Array, Batch, Cell, Params, Rule, Task
from rnnjax.updates import clip_by_norm

_TASKS = {"adding": tasks.Adding, "temporal_order": tasks.TemporalOrder}
NETWORKS = ("jordan", *_TASKS)
"""Their names."""


def network(
    name: str, *, gain: Array | float = 1.0, spread: Array | float = 1.5, n_h: int = 16
) -> tuple[Any, Any]:
    """Return a network and its task.

    Args:
      name: one of `NETWORKS`.
      gain: of the recurrent weights at the start.
      spread: standard deviation of the weights of the Jordan network.
      n_h: units of the other ones.

    Raises:
      ValueError: there is no such network.
    """
    if name not in NETWORKS:
        raise ValueError(one_of(name, NETWORKS))
    if name == "jordan":
        cell = cells.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=spread, gain=gain)
        return cell, DataPairs(5)
    task = _TASKS[name](10)
    return cells.Vanilla(task.n_x, n_h, task.n_y, gain=gain), task


def drawn(cell: Cell, task: Any, key: Array, n_sequences: int) -> tuple[Params, Batch, Any]:
    """Draw weights and sequences, and differentiate the mean loss automatically.

    Args:
      cell: a network.
      task: its task; pairs of the slides are always the same.
      key: for the random numbers.
      n_sequences: sequences of other tasks.

    Returns:
      weights, sequences, and the gradient of the mean loss, a tree of `Scaled`.
    """
    key_weights, key_data = jax.random.split(key)
    if isinstance(task, DataPairs):
        sequences = task.training()
    else:
        sequences = jax.vmap(task.sample)(jax.random.split(key_data, n_sequences))
    params = cell.init(key_weights)
    exact = jax.grad(lambda p: train.mean_loss(cell, task.loss, p, sequences))(params)
    return params, sequences, scaled.normalise_tree(exact)


def draw_each(
    networks: Mapping[str, tuple[Cell, Any]], key: Array, n_sequences: int
) -> dict[str, tuple[Params, Batch, Any]]:
    """Draw weights and sequences of several networks, each from a key of its own.

    Args:
      networks: cells with their tasks, by name.
      key: for the random numbers.
      n_sequences: see `drawn`.

    Returns:
      what `drawn` returns, by name.
    """
    return {
        name: drawn(cell, task, jax.random.fold_in(key, number), n_sequences)
        for number, (name, (cell, task)) in enumerate(networks.items())
    }


def pulse_memory_error(
    rule: Rule,
    cell: Cell,
    params: Params,
    *,
    length: int,
    n_updates: int,
    learning_rate: Array | float,
) -> Array:
    """Train a network by Adam to remember a pulse, and measure its mean loss, running freely, ().

    Args:
      rule: gives the gradient.
      cell: the network.
      params: the start.
      length: steps of the pulse memory.
      n_updates: updates, each from all of its sequences.
      learning_rate: of Adam.
    """
    task: Task = PulseMemory(length)
    pairs = PulseMemory(length).pairs()
    optimiser = clip_by_norm(1.0, optax.adam(learning_rate))
    options = {"n_updates": n_updates, "batch": pairs, "params": params}
    trained = train.fit(cell, task, rule, optimiser, jax.random.key(0), **options).params
    return train.mean_loss(cell, task.loss, trained, pairs)
