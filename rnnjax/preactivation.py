"""The weights behind the pre-activations of a cell, found without their names.

  z_t = W s(h_{t-1}) + d(x_t),   d(x) = U x + b                                  (1)

W is what the cell declares. U and b are those of its drive where that is affine in x, however many
parameters they are made of.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics
from rnnjax.found_once import found_once
from rnnjax.types import Array, Params

_WIDE = 3.0  # wider than what weights are usually clipped to


class Weights(NamedTuple):
    """Equation (1).

    Attributes:
      W: (n_z, n_s).
      U: (n_z, n_x).
      b: (n_z,).
    """

    W: Array
    U: Array
    b: Array


def weights(cell: Any, params: Params, x: Array) -> Weights:
    """Return the weights of a cell whose drive is affine; only the shape of x, (n_x,), matters."""
    rest = jnp.zeros_like(x)

    def by_input(direction: Array) -> Array:
        return jax.jvp(lambda x: cell.drive(params, x), (rest,), (direction,))[1]

    columns = jax.vmap(by_input)(jnp.eye(x.size, dtype=x.dtype))
    return Weights(cell.recurrent_weights(params), columns.T, cell.drive(params, rest))


def is_affine(cell: Any, params: Params, x: Array) -> bool:
    """Return whether the drive is affine in its input; only the shape of x, (n_x,), matters."""
    return dynamics.is_affine(lambda x: cell.drive(params, x), x)


def leaves(cell: Any, params: Params, x: Array) -> tuple[int, int, int] | None:
    """Return which leaves of the parameters W, U and b are; None if one of them is no leaf.

    Tried with random parameters, once for all parameters of these shapes.
    """
    given, structure = jax.tree.flatten((cell, params, x))
    like = tuple(
        jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
        if isinstance(leaf, (jax.Array, np.ndarray))
        else leaf
        for leaf in given
    )
    return _leaves(like, structure)


@found_once(maxsize=64)
def _leaves(like: tuple[Any, ...], structure: Any) -> tuple[int, int, int] | None:
    generator = np.random.default_rng(0)
    drawn = [
        _WIDE * generator.standard_normal(leaf.shape) if _is_shape(leaf) else leaf for leaf in like
    ]
    opposite = [-a if _is_shape(leaf) else a for a, leaf in zip(drawn, like, strict=True)]
    # Of both signs: what |W| or a clipped W is made of is not W.
    found, again = (_at(like, structure, numbers) for numbers in (drawn, opposite))
    return found if found == again else None


def _at(like: tuple[Any, ...], structure: Any, numbers: list[Any]) -> tuple[int, int, int] | None:
    with jax.ensure_compile_time_eval():
        given = [
            jnp.asarray(a, leaf.dtype) if _is_shape(leaf) else a
            for a, leaf in zip(numbers, like, strict=True)
        ]
        cell, params, x = jax.tree.unflatten(structure, given)
        own = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
        found = []
        for weight in map(np.asarray, weights(cell, params, x)):
            same = [i for i, leaf in enumerate(own) if np.array_equal(leaf, weight)]
            found.append(same[0] if same else -1)
    return None if -1 in found else tuple(found)  # type: ignore[return-value]


def _is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)
