"""The influence of the weights on the state: the quantities that forward rules are built from.

  M_t = dh_t/dw   (the influence, w: the recurrent weights)
  D_t = dh_t/dw with h_{t-1} held fixed                                        (1)

A rule that runs forward in time stores M_t, or an approximation of it, and computes the gradient as
dl_t/dw = g_t M_t, g_t = dl_t/dh_t. D_t is not formed where the product from the left, v^T D_t,
suffices, which costs no more than the gradient of one step.

The recurrent weights are those that the step reads. They form one vector with one exponent. Only a
positively homogeneous cell (linear, relu, LRU), whose states are unbounded, has one block for each
leaf of params: there W multiplies the state and b multiplies 1, which may differ by a factor e^400.
Where the step reads no parameters, as in a reservoir, there are no blocks.

All numbers here are real: a complex network is passed in its real view (see `rnnjax.real_view`).
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import dynamics, gradient, scaled
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Cell

# By index of the leaf in params, or all leaves in one vector under `ALL`.
Blocks = dict[int, Scaled]
ALL = -1


def pull(problem: Problem, at: Trajectory, x: Array, v: Scaled) -> Blocks:
    """Return v^T D_t, each block shaped as its leaf.

    Args:
      problem: the network.
      at: one step, leaves without T.
      x: its input, (n_x,).
      v: value (n_h,).
    """
    if _is_one_vector(problem, x):
        return {ALL: scaled.normalise(_pull_of_vector(problem, at, x)(v.value), v.exponent)}

    steps = jax.tree.map(lambda a: a[None], (at, x, v))
    return gradient.through_steps(problem.cell, problem.params, *steps)


def direct(problem: Problem, at: Trajectory, x: Array) -> Blocks:
    """Return D_t of equation (1), blocks (n_h, *leaf)."""
    h = at.states.value
    return rows(problem, at, x, jnp.eye(len(h), dtype=h.dtype))


def rows(problem: Problem, at: Trajectory, x: Array, directions: Array) -> Blocks:
    """Return v^T D_t for every row v of directions (r, n_h), blocks (r, *leaf) of one exponent."""
    if _is_one_vector(problem, x):
        value = jax.vmap(_pull_of_vector(problem, at, x))(directions)
        return {ALL: scaled.normalise(value)}
    each = jax.vmap(lambda v: pull(problem, at, x, scaled.normalise(v)))(directions)
    return jax.tree.map(
        lambda row: scaled.normalise(*scaled.common(row)), each, is_leaf=scaled.is_scaled
    )


def nothing(problem: Problem, x: Array, leading: tuple[int, ...]) -> Blocks:
    """Return blocks of zeros, (*leading, *leaf); x is any input (n_x,)."""
    h = problem.cell.initial_state()
    leaves = jax.tree.leaves(problem.params)
    blocks = {
        i: jnp.zeros((*leading, *leaves[i].shape), jnp.result_type(h.dtype, leaves[i].dtype))
        for i in read(problem, x)
    }
    by_block = grouped(problem.cell, blocks, len(leading))
    return {i: scaled.normalise(block) for i, block in by_block.items()}


def read(problem: Problem, x: Array) -> list[int]:
    """Return the indices of the leaves of params that the step reads; x is any input (n_x,)."""
    cell = problem.cell
    h = cell.initial_state()
    return gradient.leaves_read(lambda p: cell.step(p, h, x), problem.params)


def _is_one_vector(problem: Problem, x: Array) -> bool:
    """Return whether the recurrent weights are kept as one vector; where there are none, no."""
    return not dynamics.is_homogeneous(problem.cell) and bool(read(problem, x))


def grouped(cell: Cell, by_leaf: dict[int, Any], n_leading: int = 0) -> dict[int, Any]:
    """Return arrays by leaf, (*leading, *leaf), in the block layout of this cell."""
    if dynamics.is_homogeneous(cell) or not by_leaf:
        return by_leaf
    flat = [jnp.reshape(a, (*a.shape[:n_leading], -1)) for a in by_leaf.values()]
    return {ALL: jnp.concatenate(flat, axis=-1)}


def by_leaf(problem: Problem, x: Array, blocks: Blocks) -> Blocks:
    """Return blocks (*leading, ...) by index of the leaf; their largest entries are of any size."""
    if ALL not in blocks:
        return blocks
    leaves, whole = jax.tree.leaves(problem.params), blocks[ALL]
    found, start = {}, 0
    for i in read(problem, x):
        part = whole.value[..., start : start + leaves[i].size]
        shape = (*whole.value.shape[:-1], *leaves[i].shape)
        found[i] = Scaled(part.reshape(shape), whole.exponent)
        start += leaves[i].size
    return found


def _pull_of_vector(problem: Problem, at: Trajectory, x: Array) -> Any:
    """Return the function v -> v^T D_t, with the recurrent weights as one vector."""
    cell = problem.cell
    leaves, structure = jax.tree.flatten(problem.params)
    numbers = read(problem, x)

    def step(vector: Array) -> Array:
        own, start = list(leaves), 0
        for i in numbers:
            own[i] = vector[start : start + leaves[i].size].reshape(leaves[i].shape)
            start += leaves[i].size
        return cell.step(jax.tree.unflatten(structure, own), at.h_prev, x)

    new, pulled = jax.vjp(step, jnp.concatenate([leaves[i].reshape(-1) for i in numbers]))
    return lambda v: pulled(v.astype(new.dtype))[0]


def times(g: Scaled, blocks: Blocks) -> Blocks:
    """Return g^T M for blocks (n_h, *leaf)."""
    return {
        i: scaled.normalise(jnp.tensordot(g.value, M.value, 1), g.exponent + M.exponent)
        for i, M in blocks.items()
    }


def transported(J: Scaled, blocks: Blocks) -> Blocks:
    """Return J M for J (n_h, n_h) and blocks (n_h, *leaf), not normalised."""
    return {
        i: Scaled(jnp.tensordot(J.value, M.value, 1), M.exponent + J.exponent)
        for i, M in blocks.items()
    }
