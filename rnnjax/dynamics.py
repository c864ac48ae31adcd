"""What the scans use of a cell, whether it offers much or only a `step`.

Beside `step` a cell may offer

  drive(params, x)          the part of the step that does not depend on h, (n_d,): computed for
                            all t at once, outside the scan
  advance(params, h, d)     h_t from h_{t-1} and the drive:
                            step(p, h, x) = advance(p, h, drive(p, x))
  homogeneous               True if advance(p, a h, a d) = a advance(p, h, d) for every a > 0: the
                            forward pass then carries a power-of-two scale and cannot overflow
  local(params, h, d)       what the step's Jacobian J = dh_t/dh_{t-1} needs, as (tree, exponent):
                            J = 2^exponent x (the map that push and pull apply)
  local_of_sum(params, z)   the same from z = W sent(h) + d alone (below): the forward pass then
                            keeps z, and no product of the way there is computed again
  graded_local(params, h, d)   the same with an exponent for each row: J = diag(2^exponents) x the
                            map; for saturated networks, whose slopes no single exponent fits
  push(params, local, v)    J v, without the exponent
  push_columns(params, local, M)   J M for M (n_h, k), without the exponent: one product of matrices
  pull(params, local, v)    J^T v, without the exponent
  jacobian(params, local)   J as a matrix, without the exponent
  diagonal(params, local)   the diagonal of J, where J has no other entries, without the exponent
  output(params, h)         what a layer of this cell sends on to the next one, real (n_o,); the
                            whole state if missing

and, for the rules that need to know how weights and units hang together,

  sent(h), from_sum(h, z)   advance(p, h, d) = from_sum(h, W sent(h) + d) with d = U x + b: the
                            weights enter through one sum z, behind which each unit is alone
  to_sum(params, local, v)  (dh_t/dz)^T v for these cells, without the exponent of `local`
  finite_outputs            True if no state and no output leaves the range of the dtype: those of
                            steps without weight need then not be kept from the loss
  entries_per_unit          m: the state is m vectors of n_h / m units, one behind the other
                            (an LSTM's [h, c] has m = 2); 1 if missing
  n_unread                  state entries that no later step reads, such as an output that is kept
                            for the readout: their columns of J are 0; 0 if missing

Where a method is missing, automatic differentiation of the step takes its place. Its slopes are
those of the dtype: s(z) (1 - s(z)) of a gate is 0 in float32 from z = 17, where a `local` of the
cell's own would carry on.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.types import Array, Cell, Params


def is_homogeneous(cell: Cell) -> bool:
    """Return whether the cell's step may be carried with a scale."""
    return getattr(cell, "homogeneous", False)


def drive(cell: Cell, params: Params, x: Array) -> Array:
    """Return the part of one step that does not depend on the state, (n_d,)."""
    return cell.drive(params, x) if hasattr(cell, "drive") else x


def advance(cell: Cell, params: Params, h: Array, d: Array) -> Array:
    """Return h_t (n_h,) from h_{t-1} (n_h,) and the drive (n_d,)."""
    return cell.advance(params, h, d) if hasattr(cell, "advance") else cell.step(params, h, d)


def local(cell: Cell, params: Params, h: Array, d: Array) -> tuple[Any, Array]:
    """Return what `push` and `pull` need at a step, and the exponent of its Jacobian, int32 ()."""
    if hasattr(cell, "local"):
        return cell.local(params, h, d)
    return (h, d), jnp.zeros((), jnp.int32)


def advance_and_sum(cell: Cell, params: Params, h: Array, d: Array) -> tuple[Array, Array | None]:
    """Return h_t (n_h,), and the sums z_t (n_z,) of a cell whose Jacobian needs nothing else."""
    if not hasattr(cell, "local_of_sum"):
        return advance(cell, params, h, d), None
    summing: Any = cell  # sent and from_sum come with local_of_sum
    z = summing.sent(h) @ params.W.T + d
    return summing.from_sum(h, z), z


def graded_local(cell: Cell, params: Params, h: Array, d: Array) -> tuple[Any, Array]:
    """Return what `push` needs at a step, and the exponents of the rows of J, int32 (n_h,)."""
    if hasattr(cell, "graded_local"):
        return cell.graded_local(params, h, d)
    at, exponent = local(cell, params, h, d)
    return at, jnp.broadcast_to(exponent, h.shape)


def jacobian(cell: Cell, params: Params, at: Any, like: Array) -> Array:
    """Return J (n_h, n_h) without the exponent of `local`; `like` is any state (n_h,)."""
    if hasattr(cell, "jacobian"):
        return cell.jacobian(params, at)
    if hasattr(cell, "diagonal"):
        return jnp.diag(cell.diagonal(params, at))
    eye = jnp.eye(like.size, dtype=like.dtype)
    return push_columns(cell, params, at, eye)


def entries_per_unit(cell: Cell) -> int:
    """Return m, the number of state entries of a unit; 1 where not all units have as many."""
    return getattr(cell, "entries_per_unit", 1) or 1


def n_unread(cell: Cell) -> int:
    """Return the number of state entries that no later step reads; twice as many in a real view."""
    whole: Any = getattr(cell, "user_cell", cell)
    n = getattr(whole, "n_unread", 0)
    return n * (cell.initial_state().size // whole.initial_state().size) if n else 0


def output(cell: Cell, params: Params, h: Array) -> Array:
    """Return what a layer of this cell sends on to the next one, (n_o,)."""
    return cell.output(params, h) if hasattr(cell, "output") else h


def inputs_read(function: Callable[..., Any], arguments: Any) -> set[int]:
    """Return the numbers of the leaves of `arguments` on which the values of a function depend."""
    traced = jax.make_jaxpr(function)(arguments).jaxpr
    needed = {id(v) for v in traced.outvars}
    for equation in reversed(traced.eqns):
        if any(id(v) in needed for v in equation.outvars):
            needed |= {id(v) for v in equation.invars}
    return {i for i, v in enumerate(traced.invars) if id(v) in needed}


def push(cell: Cell, params: Params, at: Any, v: Array) -> Array:
    """Return J v (n_h,) for v (n_h,), without the exponent of `local`."""
    if hasattr(cell, "push"):
        return cell.push(params, at, v)
    h, d = at
    return jax.jvp(lambda h: advance(cell, params, h, d), (h,), (v.astype(h.dtype),))[1]


def push_columns(cell: Cell, params: Params, at: Any, M: Array) -> Array:
    """Return J M (n_h, k) for M (n_h, k), without the exponent of `local`."""
    if hasattr(cell, "push_columns"):
        return cell.push_columns(params, at, M)
    return jax.vmap(lambda v: push(cell, params, at, v), 1, 1)(M)


def pull(cell: Cell, params: Params, at: Any, v: Array) -> Array:
    """Return J^T v (n_h,) for v (n_h,), without the exponent of `local`."""
    if hasattr(cell, "pull"):
        return cell.pull(params, at, v)
    h, d = at
    new, pulled = jax.vjp(lambda h: advance(cell, params, h, d), h)
    return pulled(v.astype(new.dtype))[0]
