"""What the weights do to the state: the parts from which forward rules are made.

  M_t = dh_t/dw   (the influence, w: the recurrent weights)
  D_t = dh_t/dw with h_{t-1} held fixed                                        (1)

A rule that goes forward in time keeps M_t, or an approximation of it, and meets the loss with
dl_t/dw = g_t M_t, g_t = dl_t/dh_t. D_t is never formed where v^T D_t, one product from the left,
will do: that costs no more than a gradient of one step.

The recurrent weights are kept as blocks, one for each leaf of params that the step reads: every
block has an exponent of its own, since those of W and b may lie e^100 apart.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import dynamics, gradient, scaled
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Cell, Params

Blocks = dict[int, Scaled]  # by number of leaf of params


def is_scaled(node: Any) -> bool:
    """Return whether a node of a tree is a `Scaled`."""
    return isinstance(node, Scaled)


def pull(cell: Cell, params: Params, at: Trajectory, x: Array, v: Scaled) -> Blocks:
    """Return v^T D_t, blocks shaped as their leaves; complex where the state is.

    Args:
      cell: the cell.
      params: its parameters.
      at: one step, leaves without T.
      x: its input, (n_x,).
      v: value (n_h,).
    """

    def real(v: Scaled) -> Blocks:
        steps = jax.tree.map(lambda a: a[None], (at, x, v))
        return gradient.through_steps(cell, params, *steps)

    if not jnp.iscomplexobj(v.value):
        return real(v)
    # Against real weights only the real part of v^T D comes back; that of -i v^T D is the other.
    parts = real(v), real(Scaled(-1j * v.value, v.exponent))
    return jax.tree.map(_complex, *parts, is_leaf=is_scaled)


def _complex(real: Scaled, imaginary: Scaled) -> Scaled:
    top = jnp.maximum(real.exponent, imaginary.exponent)
    parts = (scaled.lower(part.value, part.exponent - top) for part in (real, imaginary))
    return scaled.normalise(jax.lax.complex(*parts), top)


def direct(cell: Cell, params: Params, at: Trajectory, x: Array) -> Blocks:
    """Return D_t of equation (1), blocks (n_h, *leaf)."""
    h = at.states.value
    eye = jnp.eye(len(h), dtype=h.dtype)
    rows = jax.vmap(lambda v: pull(cell, params, at, x, scaled.normalise(v)))(eye)
    return jax.tree.map(lambda row: scaled.normalise(*scaled.common(row)), rows, is_leaf=is_scaled)


def nothing(cell: Cell, params: Params, x: Array, leading: tuple[int, ...]) -> Blocks:
    """Return zero, blocks (*leading, *leaf) of the state's dtype; x is any input (n_x,)."""
    h = cell.initial_state()
    leaves = jax.tree.leaves(params)
    return {
        i: scaled.normalise(jnp.zeros((*leading, *leaves[i].shape), h.dtype))
        for i in gradient.leaves_read(lambda p: cell.step(p, h, x), params)
    }


def times(g: Scaled, blocks: Blocks) -> Blocks:
    """Return the real part of g^T M for blocks (n_h, *leaf): the change of a real loss."""
    return {
        i: scaled.normalise(jnp.tensordot(g.value, M.value, 1).real, g.exponent + M.exponent)
        for i, M in blocks.items()
    }


def transported(J: Scaled, blocks: Blocks) -> Blocks:
    """Return J M for J (n_h, n_h) and blocks (n_h, *leaf)."""
    return {
        i: scaled.normalise(jnp.tensordot(J.value, M.value, 1), M.exponent + J.exponent)
        for i, M in blocks.items()
    }


def jacobian(cell: Cell, params: Params, at: Trajectory) -> Scaled:
    """Return J_t, value (n_h, n_h), exponent ()."""
    local, exponent = dynamics.local(cell, params, at.h_prev, at.drive)
    return scaled.normalise(dynamics.jacobian(cell, params, local, at.h_prev), exponent)
