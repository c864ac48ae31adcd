"""A carry of any structure, and the output of its cell, as one flat state vector.

  (carry_t, y_t) = cell(carry_{t-1}, d_t),    h_t = [carry_t, y_t]                 (1)

The output y_t is computed within step t. Where it is an array of the new carry (h of an LSTM), that
part of the state is the output, and nothing is added to the state. Otherwise y_t is appended to the
state, and no later step reads it: the derivative of a loss with respect to y_t is then that of the
state of step t, and rows of the Jacobian, but no columns, belong to it.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells import carried_units
from rnnjax.compiling import options
from rnnjax.every_branch import every_branch
from rnnjax.types import Array


class FlatState(NamedTuple):
    """How arrays are arranged in the state, as a hashable value.

    Attributes:
      shapes: the shapes of the arrays of the carry, then that of an appended output.
      order: the numbers of these arrays in the order of the state.
      entries_per_unit: see `carried_units.Layout`.
      output: the number of the array that is the output.
      real_output: whether the output is real, as that of a complex carry may be.
      n_appended: the entries of an appended output, 0 without one.
    """

    shapes: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    entries_per_unit: int | None
    output: int
    real_output: bool = True
    n_appended: int = 0

    def flat(self, arrays: Sequence[Array]) -> Array:
        """Return the state, (n_h,), of arrays in the order of their numbers."""
        return jnp.concatenate([jnp.ravel(arrays[number]) for number in self.order])

    def arrays(self, h: Array) -> list[Array]:
        """Return the arrays of a state, (n_h,)."""
        sizes = [math.prod(self.shapes[number]) for number in self.order]
        pieces = jnp.split(h, np.cumsum(sizes)[:-1])
        by_number = dict(zip(self.order, pieces, strict=True))
        return [by_number[i].reshape(shape) for i, shape in enumerate(self.shapes)]


def output_number(traced: Any, n_carry: int) -> int:
    """Return which array of the new carry a step returns as its output; n_carry if none is.

    Args:
      traced: the jaxpr of a step, whose last result is the output.
      n_carry: the number of arrays of the carry, which are its first results.
    """
    *carry, output = [_origin(traced, v) for v in traced.outvars]
    return carry.index(output) if output in carry[:n_carry] else n_carry


def _origin(jaxpr: Any, variable: Any) -> tuple[int, ...]:
    """Return what identifies a variable, followed into calls of the same results (jit, remat)."""
    for equation in jaxpr.eqns:
        if any(variable is out for out in equation.outvars):
            number = next(i for i, out in enumerate(equation.outvars) if variable is out)
            for inner in _called(equation):
                return (id(equation), *_origin(inner, inner.outvars[number]))
    return (id(variable),)


def _called(equation: Any) -> list[Any]:
    """Return the program of an equation that is a call, else nothing.

    A loop is no call: its results are those of its last round.
    """
    inner = [
        getattr(equation.params[name], "jaxpr", equation.params[name])
        for name in ("jaxpr", "call_jaxpr")
        if name in equation.params and "length" not in equation.params
    ]
    return [j for j in inner if len(getattr(j, "outvars", ())) == len(equation.outvars)]


def arranged(step: Any, like: tuple[Any, ...], shapes: list[tuple[int, ...]], output: int) -> Any:
    """Return the `FlatState` of a cell, read off the pattern of a step at small positive numbers.

    Args:
      step: (arrays, *others) -> arrays, the arrays of the state.
      like: shapes and dtypes of its arguments.
      shapes: those of the arrays.
      output: the number of the output among them.
    """
    sizes = np.cumsum([0, *(math.prod(shape) for shape in shapes)])

    def flat_step(flat: Array, *others: Any) -> Array:
        pieces = jnp.split(flat, sizes[1:-1])
        arrays = [a.reshape(shape) for a, shape in zip(pieces, shapes, strict=True)]
        return jnp.concatenate([jnp.ravel(a) for a in step(arrays, *others)])

    generator = np.random.default_rng(0)

    def small(leaf: Any) -> np.ndarray:
        return generator.uniform(0.05, 0.1, leaf.shape).astype(leaf.dtype)

    dtype = jnp.result_type(*(a.dtype for a in like[0]))
    given = (small(jax.ShapeDtypeStruct((sizes[-1],), dtype)), *jax.tree.map(small, like[1:]))
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    jacobian = jax.jit(jax.jacrev(every_branch(flat_step), holomorphic=is_complex))
    # Compiled from shapes, and not within `ensure_compile_time_eval`: there flax would run the
    # initialisers with whose shapes it compares those of parameters.
    J = np.asarray(jacobian.lower(*given).compile(compiler_options=options(0))(*given))
    found = carried_units.layout(J != 0, shapes)
    return FlatState(tuple(shapes), found.order, found.entries_per_unit, output)
