"""Whether the drive and the pre-activation of a cell make its step.

Names such as `drive` and `advance` may mean anything in a cell from elsewhere. If the step that is
made of them were another one, every number of rnnjax would be that of another network.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics
from rnnjax.compiling import by_work
from rnnjax.types import Array, Cell, Params

_CLOSE = 1e-3  # of the largest entry: float32 suffices, and the order of sums may differ
_N_TRIED = 2


def check_split(like: tuple[Any, ...], structure: Any, n_leading: int) -> None:
    """Raise a ValueError if the step that is made of the parts of a cell is not its step.

    Both are tried at random numbers. Cells of rnnjax are not: its tests do that; nor are those with
    a loop that ends on a condition, which need not end there.

    Args:
      like: leaves of cell, parameters and sequence, with shapes and dtypes in place of arrays.
      structure: of the three.
      n_leading: the number of axes before that of the steps.
    """
    cell = jax.tree.unflatten(structure, like)[0]
    if not dynamics.is_split(cell) or type(cell).__module__.startswith("rnnjax."):
        return

    @by_work
    def gap(arrays: list[Array]) -> tuple[Array, Array]:
        given = iter(arrays)
        leaves = [next(given) if _is_shape(leaf) else leaf for leaf in like]
        cell, params, batch = jax.tree.unflatten(structure, leaves)
        whole, made = _both_ways(cell, params, batch.x[(0,) * (1 + n_leading)])
        return jnp.max(jnp.abs(whole - made), initial=0), jnp.max(jnp.abs(whole), initial=0)

    generator = np.random.default_rng(0)
    with jax.ensure_compile_time_eval(), jax.debug_nans(False):
        for _ in range(_N_TRIED):
            drawn = [_drawn(generator, leaf) for leaf in like if _is_shape(leaf)]
            if _may_not_end(jax.make_jaxpr(gap)(drawn).jaxpr):
                return
            apart, largest = gap(drawn)
            if isinstance(apart, jax.core.Tracer):  # of an attribute that is traced
                return
            if apart > _CLOSE * largest:
                raise ValueError(_message(cell, float(apart), float(largest)))


def _may_not_end(jaxpr: Any) -> bool:
    """Return whether there is a loop that ends on a condition."""
    for equation in jaxpr.eqns:
        leaves = jax.tree.leaves(equation.params, is_leaf=lambda leaf: hasattr(leaf, "eqns"))
        inner = [leaf for leaf in leaves if hasattr(leaf, "eqns")]
        if equation.primitive.name == "while" or any(map(_may_not_end, inner)):
            return True
    return False


def _both_ways(cell: Cell, params: Params, x: Array) -> tuple[Array, Array]:
    h = cell.initial_state()
    h = h + jnp.linspace(0.3, -0.4, h.size, dtype=h.real.dtype)
    made = dynamics.advance(cell, params, h, dynamics.drive(cell, params, x))
    return cell.step(params, h, x), made


def _message(cell: Any, apart: float, largest: float) -> str:
    if dynamics.has_preactivation(cell):
        made = "step_from_preactivation(h, recurrent_weights @ presynaptic(h) + drive(params, x))"
    else:
        made = "advance(params, h, drive(params, x))"
    return (
        f"cell: expected {made} to be step(params, h, x), because a cell with these methods is"
        f" computed by them, got values {apart:.3g} apart where the largest is {largest:.3g}"
    )


def _drawn(generator: np.random.Generator, like: jax.ShapeDtypeStruct) -> Array:
    if not jnp.issubdtype(like.dtype, jnp.inexact):
        return jnp.ones(like.shape, like.dtype)
    return jnp.asarray(0.5 * generator.standard_normal(like.shape), like.dtype)


def _is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)
