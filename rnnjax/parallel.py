"""The states of a sequence without going through it step by step.

A linear recurrence h_t = J_t h_{t-1} + b_t is an associative scan: two stretches of it combine to
one, J = J_2 J_1, b = J_2 b_1 + b_2, in log T rounds. Any other recurrence is solved by Newton's
method, which replaces the step by its tangent at the trajectory h of the iteration before,

  h'_t = f(h_{t-1}) + J_t (h'_{t-1} - h_{t-1}),   J_t = df/dh at h_{t-1}         (1)

At least one more step is right after every iteration, a linear cell is right after one, and where
perturbations die out a handful is enough. Each costs T products of n_h x n_h matrices where the
scan has T products with a vector: it pays on devices with more arithmetic than a scan can use. A
cell whose tangents are `rnnjax.tangents.Diagonal` costs T products of vectors.

Lim, Zhu, Selfridge and Kasim, Parallelizing non-linear sequential models over the sequence length,
ICLR 2024. Blelloch, Prefix sums and their applications, 1990, for the scan.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import boundary, dynamics, real_view, scaled, tangents
from rnnjax.cells import linear
from rnnjax.ranges import Number, arguments, refusal
from rnnjax.scaled import Scaled
from rnnjax.tangents import Tangent
from rnnjax.types import Array, Cell, Params, Point

_ROUNDINGS = 100  # how many of them a converged state may still move by


class Solved(NamedTuple):
    """What Newton's method gives.

    Attributes:
      states: h_1..h_T, (T, n_h); those behind an overflow are not finite, as in the scan.
      n_iterations: the iterations that they took, int32 ().
      converged: whether the last iteration moved no state by more than rounding, bool ().
    """

    states: Array
    n_iterations: Array
    converged: Array


def linear_recurrence(J: Array, b: Array, start: Array) -> Array:
    """Return h_t = J_t h_{t-1} + b_t for t = 1..T, (T, n_h), by an associative scan.

    Args:
      J: (T, n_h, n_h), or (T, n_h) where all are diagonal.
      b: (T, n_h).
      start: h_0, (n_h,).
    """
    product = (lambda a, b: a * b) if J.ndim == b.ndim else jnp.matmul

    def combined(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
        return product(then[0], first[0]), _applied(then[0], first[1]) + then[1]

    b = b.at[0].add(_applied(J[:1], start[None])[0])
    return jax.lax.associative_scan(combined, (J, b))[1]


def linear_states(cell: Cell, params: Params, x: Array) -> Array:
    """Return h_1..h_T of a cell that is linear in its state, (T, n_h), by an associative scan.

    Where the state is a matrix on whose columns A_t acts, T products of A_t with one another are
    computed beside T products with the state. Products of A_t must stay in the range of the dtype,
    as they do where no factor exceeds 1.

    Args:
      cell: a cell with `transition(params, d) -> (A, u)`, memory' = A memory + u: vectors (n,), or
        matrices (k, k) and (k, m) where A multiplies the memory from the left.
      params: its parameters.
      x: inputs, (T, n_x).

    Raises:
      ValueError: the cell has no `transition`.
    """
    given: Any = cell
    if not hasattr(given, "transition"):
        raise refusal("cell", "one that is linear in its state (`transition`)", cell)
    cell, params, x = boundary.admitted_inputs(cell, params, x)
    whole: Any = cell
    d = jax.vmap(lambda x: dynamics.drive(cell, params, x))(x)
    A, u = jax.vmap(lambda d: whole.transition(params, d))(d)
    product = _zero_stays_zero if A.ndim == 2 else jnp.matmul
    start = cell.initial_state()[: u[0].size].reshape(u.shape[1:])
    u = u.at[0].add(product(A[0], start))

    def combined(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
        return product(then[0], first[0]), product(then[0], first[1]) + then[1]

    memory = jax.lax.associative_scan(combined, (A, u))[1]
    return jax.vmap(lambda m, d: linear.state_of(cell, params, m, d))(memory, d)


def _zero_stays_zero(A: Array, u: Array) -> Array:
    """Return A u, and 0 where u is 0 even if a product of factors has left the range."""
    # A finite product is left alone: its derivative by a u of 0 is A.
    return jnp.where((u == 0) & ~jnp.isfinite(A), 0, A * u)


@arguments(max_iterations=Number(at_least=1, whole=True, optional=True))
def unroll(
    cell: Cell, params: Params, x: Array, *, max_iterations: Array | int | None = None
) -> Solved:
    """Run a cell over one sequence by Newton's method, equation (1).

    Its derivatives are those of the sequential scan to rounding: the last iteration is
    differentiated, at whose start the states are right already. Rounding grows on the way as
    perturbations of the network do, and differs from that of the scan.

    Args:
      cell: the cell.
      params: its parameters.
      x: inputs, (T, n_x).
      max_iterations: a number, also a traced one; T if None, which is always enough; with fewer
        see `Solved.converged`.
    """
    cell, params, x = boundary.admitted_inputs(cell, params, x)
    view: Any = real_view.for_jacobians(cell, params, x[0])
    solved = _solved(view.seen, view.inward(params), x, max_iterations)
    return solved._replace(states=jax.vmap(view.state)(solved.states))


def _solved(cell: Cell, params: Params, x: Array, max_iterations: Array | int | None) -> Solved:
    start = cell.initial_state()
    fixed = jax.lax.stop_gradient(params)
    limit = len(x) if max_iterations is None else max_iterations

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        _, moved, n = carry
        return moved & (n < limit)

    def iterate(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        h, _, n = carry
        new = _iteration(cell, fixed, x, start, h)
        return new, _has_moved(h, new), n + 1

    guess = jnp.broadcast_to(start, (len(x), start.size))
    begin = (guess, jnp.array(True), jnp.int32(0))
    h, moved, n = jax.lax.while_loop(goes_on, iterate, begin)
    # T iterations are enough, whatever rounding still moves.
    converged = ~moved | (n >= len(x))
    return Solved(_iteration(cell, params, x, start, jax.lax.stop_gradient(h)), n, converged)


def _iteration(cell: Cell, params: Params, x: Array, start: Array, h: Array) -> Array:
    before = jnp.concatenate([start[None], h[:-1]])

    def linearized(h: Array, x: Array) -> tuple[Array, Array]:
        d = dynamics.drive(cell, params, x)
        stepped, z = dynamics.advance_and_preactivation(cell, params, h, d)
        J = _entries(tangents.linearize(cell, params, Point(h, d, z)))
        # At a solution the derivative of J is multiplied by 0, so it is not taken.
        factor = scaled.power_of_two(J.exponent, h.real.dtype)
        return jax.lax.stop_gradient(J.value * factor), stepped

    J, stepped = jax.vmap(linearized)(before, x)
    new = linear_recurrence(J, stepped - _applied(J, before), start)
    # Where products of Jacobians leave the range, a plain step from the states before still helps.
    return jnp.where(jnp.isfinite(new), new, stepped)


def _entries(tangent: Tangent) -> Scaled:
    """Return J, value (n_h, n_h), or its diagonal, value (n_h,), if that is all of it."""
    if isinstance(tangent, tangents.Diagonal):
        return tangent.diagonal()
    return tangent.as_matrix()


def _applied(J: Array, v: Array) -> Array:
    """Return J_t v_t of all steps, (T, n_h), for J (T, n_h, n_h) or, diagonal, (T, n_h)."""
    return J * v if J.ndim == v.ndim else jnp.einsum("tij,tj->ti", J, v)


def _has_moved(old: Array, new: Array) -> Array:
    """Return whether any state has moved by more than rounding, bool ().

    Rounding is relative to the largest finite state so far: one that grows later does not count.
    """
    size = jnp.max(jnp.where(jnp.isfinite(new), jnp.abs(new), 1), axis=1, keepdims=True)
    allowed = _ROUNDINGS * jnp.finfo(old.dtype).eps * jnp.maximum(jax.lax.cummax(size), 1)
    # A state that is not finite has not converged: a difference of two such states is NaN.
    return ~jnp.all(jnp.abs(new - old) <= allowed)
