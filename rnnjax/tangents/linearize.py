"""A step linearised, and what of it differs from step to step.

Along a sequence the weights in J_t are the same at every step. Stored are only the arrays of a
tangent that depend on where the step is linearised (of k I + diag(f') W the slopes, of diag(lambda)
nothing): its residuals. They are found from the program of the linearisation, so that a class of
tangents need not name them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, fields
from rnnjax.found_once import found_once
from rnnjax.ranges import Kind
from rnnjax.tangents.autodiff import Autodiff, BehindPreactivation
from rnnjax.tangents.tangent import Tangent
from rnnjax.types import Array, Cell, Params, Point


def linearize(cell: Cell, params: Params, at: Point, *, by_row: bool = False) -> Tangent:
    """Return J_t = dh_t/dh_{t-1} of one step, as an operator.

    Args:
      cell: the cell.
      params: its parameters.
      at: where, see `rnnjax.dynamics.point`.
      by_row: whether each row of J may have an exponent of its own: for spectra of saturated
        networks, whose slopes no single exponent fits.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from rnnjax import LSTM, dynamics, tangents
      >>> cell = LSTM(n_x=2, n_units=3)
      >>> params, h = cell.init(jax.random.key(0)), cell.initial_state()
      >>> at = dynamics.point(cell, params, h, cell.drive(params, jnp.ones(2)))
      >>> tangents.linearize(cell, params, at).mv(jnp.ones(6)).value.shape
      (6,)
    """
    whole: Any = cell
    if hasattr(cell, "linearize"):
        found: Tangent = whole.linearize(params, at, by_row=by_row)
        return found
    if at.preactivation is not None:
        W = whole.recurrent_weights(params)
        return BehindPreactivation(cell, W, at.h, at.preactivation)
    return Autodiff(cell, params, at.h, at.drive)


_Like = tuple[tuple[tuple[int, ...], Any] | None, ...]  # shape and dtype of each part of a `Point`
_LIKE = Kind(lambda value: isinstance(value, tuple), "shapes and dtypes")


def _like(at: Point) -> _Like:
    return tuple(None if a is None else (a.shape, a.dtype) for a in at)


def _made_by(make: Callable[..., Any], like: _Like) -> Point:
    parts: list[Any] = [None if part is None else make(*part) for part in like]
    return Point(*parts)


@fields.dataclass
class Residuals:
    """What of one tangent depends on where the step was linearised; of many steps, leaves (T, ...).

    Attributes:
      arrays: the arrays of the tangent that do.
      like: shape and dtype of each part of the point, static.
      by_row: see `linearize`, static.
    """

    arrays: tuple[Array, ...]
    like: _Like = fields.declared(_LIKE, static=True)
    by_row: bool = fields.flag()

    def bound(self, cell: Cell, params: Params) -> Tangent:
        """Return the tangent again, with weights from these parameters."""
        # What is computed at 0 is replaced, and XLA leaves it out.
        nowhere = _made_by(jnp.zeros, self.like)
        leaves, structure = jax.tree.flatten(linearize(cell, params, nowhere, by_row=self.by_row))
        own = iter(self.arrays)
        differs = _differing(cell, params, self.like, self.by_row)
        chosen = [next(own) if d else leaf for d, leaf in zip(differs, leaves, strict=True)]
        found: Tangent = jax.tree.unflatten(structure, chosen)
        return found


def residuals(cell: Cell, params: Params, at: Point, *, by_row: bool = False) -> Residuals:
    """Return what has to be stored of the tangent of one step; arguments as in `linearize`."""
    like = _like(at)
    leaves = jax.tree.leaves(linearize(cell, params, at, by_row=by_row))
    differs = _differing(cell, params, like, by_row)
    kept = tuple(leaf for leaf, d in zip(leaves, differs, strict=True) if d)
    # Where all steps have one tangent a stack of residuals still has a length.
    return Residuals(kept or (jnp.zeros((), jnp.int32),), like, by_row)


def _differing(cell: Cell, params: Params, like: _Like, by_row: bool) -> tuple[bool, ...]:
    """Return which leaves of the tangent of a step depend on where it is linearised."""
    leaves, structure = jax.tree.flatten((cell, params))
    shapes = tuple(
        jax.ShapeDtypeStruct(jnp.shape(leaf), leaf.dtype)
        if isinstance(leaf, (jax.Array, np.ndarray))
        else leaf
        for leaf in leaves
    )
    question = (shapes, structure, like, by_row, jax.config.read("jax_enable_x64"))
    return _found(*question)


@found_once(maxsize=256)
def _found(shapes: tuple, structure: Any, like: _Like, by_row: bool, _: bool) -> tuple[bool, ...]:
    are_arrays = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in shapes]

    def tangent(arrays: list[Array], at: Point) -> list[Array]:
        given = iter(arrays)
        leaves = [next(given) if a else leaf for a, leaf in zip(are_arrays, shapes, strict=True)]
        cell, params = jax.tree.unflatten(structure, leaves)
        found = linearize(cell, params, at, by_row=by_row)
        # What is no array is part of the cell.
        return [
            leaf if isinstance(leaf, jax.Array) else jnp.zeros(())
            for leaf in jax.tree.leaves(found)
        ]

    arrays = [shape for shape, a in zip(shapes, are_arrays, strict=True) if a]
    return dynamics.outputs_made_of(tangent, arrays, _made_by(jax.ShapeDtypeStruct, like))
