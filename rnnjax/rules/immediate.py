"""What the weights do to the state at once, in as few numbers as there are.

  D_t = dh_t/dw with h_{t-1} held fixed                                        (1)

Where every weight acts on the entries of one unit alone (see `rnnjax.rules.structure`), D_t is m
numbers a weight, m the entries of a unit, and costs m products from the left: the units are apart.
Otherwise (minimal gated unit, Jordan network) it is kept in full, (n_h, *leaf).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics
from rnnjax.rules import influence, structure
from rnnjax.rules.influence import Blocks
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array


class Compact(NamedTuple):
    """D_t in m numbers a weight: blocks (m, *leaf)."""

    rows: Blocks


def direct(problem: Problem, at: Trajectory, x: Array) -> Compact | Blocks:
    """Return D_t of every recurrent leaf, equation (1): compact, or in full, blocks (n_h, *leaf).

    Args:
      problem: the network.
      at: one step, leaves without T.
      x: its input, (n_x,).
    """
    if structure.units(problem.cell, problem.params, x) is None:
        return influence.direct(problem, at, x)
    m, n_h = dynamics.entries_per_unit(problem.cell), at.h_prev.size
    entries = jnp.repeat(jnp.eye(m, dtype=at.h_prev.dtype), n_h // m, axis=1)
    return Compact(influence.rows(problem, at, x, entries))


def spread(problem: Problem, x: Array, by_unit: Array) -> dict[int, Array]:
    """Return what each unit has, (..., n), at every weight that acts on it: (..., *leaf).

    Args:
      problem: a network each of whose weights acts on one unit alone.
      x: an input, (n_x,); only its shape matters.
      by_unit: (..., n).

    Returns:
      arrays by leaf, as the cell's blocks are kept.
    """
    leading, leaves = by_unit.shape[:-1], jax.tree.leaves(problem.params)
    units = structure.units(problem.cell, problem.params, x) or {}
    found = {
        i: jnp.broadcast_to(_taken(by_unit, unit), (*leading, *leaves[i].shape))
        for i, unit in units.items()
    }
    return influence.grouped(problem.cell, found, len(leading))


def _taken(by_unit: Array, unit: np.ndarray) -> Array:
    """Return by_unit[..., unit], without the look-ups where the units stand in their order."""
    if np.array_equal(unit.reshape(-1), np.arange(by_unit.shape[-1])):
        return by_unit.reshape(*by_unit.shape[:-1], *unit.shape)
    return by_unit[..., unit]


def in_full(problem: Problem, x: Array, D: Compact | Blocks) -> Blocks:
    """Return D_t with an axis of all n_h state entries in front; x as in `spread`."""
    if not isinstance(D, Compact):
        return D
    m = dynamics.entries_per_unit(problem.cell)
    n = problem.cell.initial_state().size // m
    here = spread(problem, x, jnp.eye(n, dtype=bool))

    def one(rows: Scaled, here: Array) -> Scaled:
        full = jnp.where(here[None], rows.value[:, None], 0)
        return Scaled(full.reshape(m * n, *full.shape[2:]), rows.exponent)

    return {i: one(rows, here[i]) for i, rows in D.rows.items()}
