"""Which weights act on which state entries in one step.

The sparsity pattern of D_t = dh_t/dw is a property of the cell's code, not of its values. It is
determined from the derivative at small positive weights, states and inputs, where no activation is
clipped and no terms cancel, and at some normal ones of both signs, for the other branches of maxima
and clips, and is therefore known while a program is traced. Integer inputs may be
numbers or row indices of a table: they are set to 1, and a weight that has no effect at this input
is assumed to act on all state entries. Integers and truth values of the cell itself, such as an
order of units or a mask, keep their values, and where these are traced, they may be any.

If every weight acts on the entries of a single unit, a trace of D_t needs as many numbers as there
are weights (times the entries of a unit) instead of n_h times as many.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, gradient
from rnnjax.compiling import by_work
from rnnjax.every_branch import every_branch
from rnnjax.found_once import found_once
from rnnjax.types import Array, Cell, Params

Pattern = dict[int, np.ndarray]  # by index of the leaf in params
_SMALL = (0.05, 0.1)  # numbers of the cell, such as a threshold
_SMALLER = (5e-4, 1e-3)  # weights, states and inputs: their sums stay below any threshold
_WIDE, _N_WIDE = 3.0, 4  # and normal numbers of both signs, for what a maximum or a clip hides


def reach(cell: Cell, params: Params, x: Array) -> Pattern:
    """Return which state entries each weight acts on in one step, boolean (n_h, *leaf).

    Args:
      cell: the cell.
      params: parameters; only their shapes matter.
      x: an input, (n_x,); only its shape matters.
    """
    leaves, structure = jax.tree.flatten((cell, params, cell.initial_state(), x))
    n_of_cell = len(jax.tree.leaves(cell))
    # Numbers and arrays are replaced by their shapes; other fields of the cell keep their values.
    like = tuple(_like(leaf, is_of_cell=i < n_of_cell) for i, leaf in enumerate(leaves))
    return _reach(like, structure, n_of_cell)


def units(cell: Cell, params: Params, x: Array) -> Pattern | None:
    """Return the unit that each weight acts on, int, shaped as its leaf; None if one acts on more.

    Axes along which the unit is constant have length 1, so that the array broadcasts to the leaf.
    """
    m = dynamics.entries_per_unit(cell)
    found = {}
    for i, pattern in reach(cell, params, x).items():
        by_unit = pattern.reshape(m, -1, *pattern.shape[1:]).any(axis=0)
        if np.any(by_unit.sum(axis=0) > 1):
            return None
        found[i] = _without_repeats(by_unit.argmax(axis=0))
    return found


def connected(cell: Cell, params: Params, x: Array) -> Array:
    """Return which entries of h_{t-1} each entry of h_t may depend on, boolean (n_h, n_h).

    A weight of 0 connects nothing; all other weights count, whatever their size. May be traced.
    """
    generator = np.random.default_rng(0)

    def draws(like: Any) -> Array:
        """Return a small positive number everywhere, and normal ones, (1 + n, *like)."""
        shape = jnp.shape(like)
        wide = _WIDE * generator.standard_normal((_N_WIDE // 2, *shape))
        return jnp.asarray(np.concatenate([np.full((1, *shape), 7e-4), wide, -wide]))

    def at(numbers: tuple[Any, Array]) -> tuple[Array, Array]:
        weights, h = numbers
        stand_in = jax.tree.map(
            lambda p, w: jnp.where(p == 0, 0, w).astype(p.dtype), params, weights
        )
        h = h.astype(cell.initial_state().dtype)
        found = [_sizes(step, stand_in, h, x) for step in (cell.step, every_branch(cell.step))]
        finite = [jnp.isfinite(size) for size in found]
        acts = [(size > 0) & known for size, known in zip(found, finite, strict=True)]
        return acts[0] | acts[1], finite[0] | finite[1]

    numbers = jax.tree.map(draws, params), draws(cell.initial_state())
    acts, finite = jax.lax.map(at, numbers)
    # What is a number nowhere is not known.
    return jnp.any(acts, axis=0) | ~jnp.any(finite, axis=0)


def _sizes(step: Callable[..., Array], params: Params, h: Array, x: Array) -> Array:
    """Return |dh_t/dh_{t-1}| of each pair of entries at a small input, (n_h, n_h)."""

    def parts(h: Array) -> tuple[Array, Array]:
        h_next = step(params, h, _small(x) if _is_inexact(x) else x)
        return h_next.real, h_next.imag

    J = jax.jacfwd(parts)(h) if not jnp.iscomplexobj(h) else jax.jacrev(parts)(h)
    return jnp.abs(J[0]) + jnp.abs(J[1])


@found_once(maxsize=64)
def _reach(like: tuple[Any, ...], structure: Any, n_of_cell: int) -> Pattern:
    def filled(arrays: list[Array]) -> Any:
        given = iter(arrays)
        leaves = [next(given) if _is_shape(leaf) else _known(leaf) for leaf in like]
        return jax.tree.unflatten(structure, leaves)

    def derivatives(arrays: list[Array]) -> list[dict[int, Array]]:
        of_cell = arrays[: sum(map(_is_shape, like[:n_of_cell]))]

        def step(of_cell: list[Array], *at: Any) -> Array:
            return filled([*of_cell, *arrays[len(of_cell) :]])[0].step(*at)

        # What the cell compares its own numbers with is another branch at other numbers.
        at = filled(arrays)[1:]
        return [_derivative(partial(s, of_cell), *at) for s in (step, every_branch(step))]

    generator = np.random.default_rng(0)

    def drawn(leaf: Any, is_of_cell: bool, wide: bool) -> np.ndarray:
        if not _is_inexact(leaf):
            return np.ones(leaf.shape, leaf.dtype)  # of NumPy, as a program may be traced
        if wide and not is_of_cell:
            return (_WIDE * generator.standard_normal(leaf.shape)).astype(leaf.dtype)
        between = _SMALL if is_of_cell else _SMALLER
        return generator.uniform(*between, leaf.shape).astype(leaf.dtype)

    def point(wide: bool) -> list[np.ndarray]:
        return [drawn(v, i < n_of_cell, wide) for i, v in enumerate(like) if _is_shape(v)]

    def opposite(point: list[np.ndarray]) -> list[np.ndarray]:
        inexact = [a.dtype.kind in "fcV" and i >= n_of_cell for i, a in enumerate(point)]
        return [-a if flip else a for a, flip in zip(point, inexact, strict=True)]

    wide = [point(wide=True) for _ in range(_N_WIDE // 2)]
    points = [point(wide=False), *wide, *map(opposite, wide)]
    with jax.ensure_compile_time_eval(), jax.debug_nans(False):
        at = by_work(derivatives)
        # In NumPy: each operation of jax on each shape would be a program of its own.
        found = [one for p in points for one in jax.tree.map(np.asarray, at(p))]
    # With all branches taken a weight that acts through a comparison alone is not read.
    nothing = {i: np.zeros_like(a) for one in found for i, a in one.items()}
    patterns = {i: _acts([one.get(i, zeros) for one in found]) for i, zeros in nothing.items()}
    x = jax.tree.unflatten(structure, like)[3]
    return patterns if _is_inexact(x) else {i: _or_all(p) for i, p in patterns.items()}


def _small(like: Any) -> Array:
    return jnp.full(like.shape, 5e-4 if _is_inexact(like) else 1, like.dtype)


def _or_all(pattern: np.ndarray) -> np.ndarray:
    return pattern | ~pattern.any(axis=0, keepdims=True)


def _acts(found: list[np.ndarray]) -> np.ndarray:
    """Return where any of some derivatives is not 0; what is a number in none is not known."""
    finite = [np.isfinite(one) for one in found]
    return np.any([(a != 0) & f for a, f in zip(found, finite, strict=True)], axis=0) | ~np.any(
        finite, axis=0
    )


def _derivative(step: Callable[..., Array], params: Params, h: Array, x: Array) -> dict[int, Array]:
    read = gradient.leaves_read(lambda p: step(p, h, x), params)
    if not read:
        return {}
    leaves, structure = jax.tree.flatten(params)

    def parts(some: list[Array]) -> tuple[Array, Array]:
        chosen = dict(zip(read, some, strict=True))
        both = [chosen.get(i, leaf) for i, leaf in enumerate(leaves)]
        h_next = step(jax.tree.unflatten(structure, both), h, x)
        return h_next.real, h_next.imag

    real, imaginary = jax.jacrev(parts)([leaves[i] for i in read])
    return {i: jnp.abs(a) + jnp.abs(b) for i, a, b in zip(read, real, imaginary, strict=True)}


def _without_repeats(unit: np.ndarray) -> np.ndarray:
    for axis in range(unit.ndim):
        first = unit.take([0], axis=axis)
        if np.array_equal(unit, np.broadcast_to(first, unit.shape)):
            unit = first
    return unit


class _Values(NamedTuple):
    """An array of integers or truth values by its values, with a hash."""

    data: bytes
    dtype: np.dtype
    shape: tuple[int, ...]
    is_of_numpy: bool


def _like(leaf: Any, is_of_cell: bool) -> Any:
    """Return the shape of a number, or its values where they are those of a cell's structure."""
    if not _is_number(leaf):
        return leaf
    shape, dtype = jnp.shape(leaf), jnp.result_type(leaf)
    is_whole = jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.bool_)
    if not (is_of_cell and is_whole) or isinstance(leaf, jax.core.Tracer):
        return jax.ShapeDtypeStruct(shape, dtype)
    values = np.asarray(leaf)
    return _Values(values.tobytes(), values.dtype, shape, not isinstance(leaf, jax.Array))


def _known(leaf: Any) -> Any:
    if not isinstance(leaf, _Values):
        return leaf
    values = np.frombuffer(leaf.data, leaf.dtype).reshape(leaf.shape)
    return values if leaf.is_of_numpy else jnp.asarray(values)


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (bool, int, float, complex, np.ndarray, jax.Array))


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def _is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)
