"""Whether a step is holomorphic, found by trying.

A function of complex numbers is holomorphic where its derivative in every direction v satisfies

  J(i v) = i J(v),                                                               (1)

which only then is multiplication by one complex matrix. It is tried at random states, in random
directions, with the branches that a step takes there and with all of them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.compiling import by_work
from rnnjax.every_branch import every_branch
from rnnjax.found_once import found_once
from rnnjax.types import Array, Cell, Params

_N_TRIED = 4  # number of random states, and of directions at each
_CLOSE = {32: 1e-4, 64: 1e-8}  # by the bits of the narrowest number


def is_holomorphic(cell: Cell, params: Params, x: Array) -> bool:
    """Return whether the step is holomorphic in its complex state, tested at random states.

    Every entry of the new state is: a large one does not hide a small one that is not.

    Args:
      cell: the cell.
      params: parameters; only their shapes matter.
      x: an input, (n_x,); only its shape matters.
    """
    leaves, structure = jax.tree.flatten((cell, params, cell.initial_state(), x))
    like = tuple(
        jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf))
        if isinstance(leaf, jax.Array | np.ndarray)
        else leaf
        for leaf in leaves
    )
    return _tried(like, structure)


@found_once(maxsize=64)
def _tried(like: tuple[Any, ...], structure: Any) -> bool:
    def gaps(arrays: list[Array], directions: Array) -> list[Array]:
        given = iter(arrays)
        leaves = [next(given) if _is_shape(leaf) else leaf for leaf in like]
        cell, params, h, x = jax.tree.unflatten(structure, leaves)

        def of(step: Callable[..., Array]) -> Array:
            def pushed(v: Array) -> Array:
                return jax.jvp(lambda h: step(params, h, x), (h,), (v,))[1]

            turned, straight = jax.vmap(lambda v: (pushed(1j * v), 1j * pushed(v)))(directions)
            apart, size = (jnp.max(jnp.abs(a), axis=0) for a in (turned - straight, straight))
            return apart / (1e-30 + size)

        return [of(cell.step), of(every_branch(cell.step))]

    generator = np.random.default_rng(0)
    shapes = [leaf for leaf in like if _is_shape(leaf)]
    h = jax.tree.unflatten(structure, like)[2]
    directions = jax.ShapeDtypeStruct((_N_TRIED, *h.shape), h.dtype)
    with jax.ensure_compile_time_eval(), jax.debug_nans(False):
        tried = by_work(gaps)
        found = [
            tried([_drawn(generator, a) for a in shapes], _drawn(generator, directions))
            for _ in range(_N_TRIED)
        ]
    # With all branches taken a step may leave the range of numbers: then its own one counts.
    own, every = np.moveaxis(np.asarray(found), 1, 0)
    inexact = [a.dtype for a in shapes if jnp.issubdtype(a.dtype, jnp.inexact)]
    close = _CLOSE[max(32, min(jnp.finfo(dtype).bits for dtype in inexact))]
    return bool(np.all(own < close) and np.all(~(every >= close)))


def _drawn(generator: np.random.Generator, like: jax.ShapeDtypeStruct) -> Array:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.zeros(like.shape, like.dtype)
    real, imaginary = generator.standard_normal((2, *like.shape))
    is_complex = jnp.issubdtype(like.dtype, jnp.complexfloating)
    return jnp.asarray(real + 1j * imaginary if is_complex else real, like.dtype)


def _is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)
