"""A trained network of flax as a cell: its cell, its head, its embedding, and their parameters.

  d_t = embed(x_t),   (carry_t, y_t) = cell(carry_{t-1}, d_t),   y_hat_t = readout(y_t)      (1)

The state is the carry as one vector, with y_t appended where it is no part of the carry (see
`rnnjax.cells.flat_state`). Without an embedding d_t is x_t; without a readout y_hat_t is y_t.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import trained_checks as checks
from rnnjax.cells.flat_state import FlatState, arranged
from rnnjax.cells.trained_parts import Part, TrainedParams
from rnnjax.ranges import KEY, Kind, arguments
from rnnjax.types import Array, Params, Traits

_PART = Kind(lambda value: value is None or hasattr(value, "apply"), "a part of a network or None")
_CELL = Kind(lambda value: hasattr(value, "carry"), "a part of a network that has a carry")
_STATE = Kind(lambda value: isinstance(value, FlatState), "a FlatState")
_SHAPE = Kind(lambda value: isinstance(value, tuple), "a shape")
_PARAMS = Kind(lambda value: isinstance(value, TrainedParams), "a TrainedParams", static=False)


@fields.dataclass
class TrainedCell:
    """Equation (1), made by `from_linen` or `from_nnx`.

    Attributes:
      trained: the trained parameters; `init` returns them whatever the key.
      constants: the other floating point variables of the modules, by part. They have no
        derivative.
      cell: the recurrent cell, static.
      embed: the embedding, static; None if there is none.
      head: the readout, static; None if the output of the cell is that of the network.
      state: the arrangement of the state, static.
      d_shape: the shape of d_t, static.
      x_shape: the shape of x_t, static: (n_x,), or () for one token a step.
      tokens: whether inputs are integers that the embedding takes, static.
    """

    trained: TrainedParams = fields.declared(_PARAMS, static=False)
    constants: TrainedParams = fields.declared(_PARAMS, static=False)
    cell: Any = fields.declared(_CELL, static=True)
    embed: Part | None = fields.declared(_PART, static=True)
    head: Part | None = fields.declared(_PART, static=True)
    state: FlatState = fields.declared(_STATE, static=True)
    d_shape: tuple[int, ...] = fields.declared(_SHAPE, static=True)
    x_shape: tuple[int, ...] = fields.declared(_SHAPE, static=True)
    tokens: bool = fields.flag(default=False)

    @property
    def n_x(self) -> int | None:
        """Inputs; None for one token a step, x of (T,)."""
        return self.x_shape[0] if self.x_shape else None

    @property
    def n_h(self) -> int:
        """State entries."""
        return self.initial_state().size

    @property
    def n_y(self) -> int:
        """Outputs."""
        return int(jax.eval_shape(self.readout, self.trained, self.initial_state()).size)

    @property
    def traits(self) -> Traits:
        """What the arrangement says: no later step reads an output that is appended."""
        m, n_unread = self.state.entries_per_unit, self.state.n_appended
        return Traits(entries_per_unit=m, n_unread=n_unread, tokens=self.tokens)

    @arguments(key=KEY)
    def init(self, key: Array) -> TrainedParams:
        """Return the trained parameters; the key is not used."""
        return self.trained

    def initial_state(self) -> Array:
        """Return the initial carry, flat, and an output of 0 where one is appended, (n_h,)."""
        carry = jax.tree.leaves(self._carry())
        appended = [jnp.zeros(s, carry[0].dtype) for s in self.state.shapes[len(carry) :]]
        return self.state.flat([*carry, *appended])

    def step(self, params: Params, h: Array, x: Array) -> Array:
        """Return h_t, (n_h,)."""
        return self.advance(params, h, self.drive(params, x))

    def drive(self, params: Params, x: Array) -> Array:
        """Return d_t, flat."""
        if self.embed is not None:
            return jnp.ravel(self.embed.apply(params, self.constants, x))
        whole = not jnp.issubdtype(x.dtype, jnp.inexact)
        return x.astype(_dtype_of(params.cell)) if whole else x

    def advance(self, params: Params, h: Array, d: Array) -> Array:
        """Return h_t, (n_h,), from the state and d_t."""
        leaves, structure = jax.tree.flatten(self._carry())
        arrays = self.state.arrays(h)
        carry = jax.tree.unflatten(structure, arrays[: len(leaves)])
        given = (params, self.constants, carry, d.reshape(self.d_shape))
        return self.state.flat(_arrays_of_step(self.cell, given, self.state.shapes))

    def readout(self, params: Params, h: Array) -> Array:
        """Return y_hat_t, (n_y,)."""
        y = self._y(h)
        return y if self.head is None else self.head.apply(params, self.constants, y)

    def output(self, params: Params, h: Array) -> Array:
        """Return y_t as a vector, what a layer sends on to the next one."""
        return self._y(h).ravel()

    def _y(self, h: Array) -> Array:
        y = self.state.arrays(h)[self.state.output]
        return y.real if self.state.real_output else y

    def _carry(self) -> Any:
        return self.cell.carry(self.trained, self.constants, self.d_shape)


def _arrays_of_step(cell: Any, given: tuple[Any, ...], shapes: Any) -> list[Array]:
    """Return the arrays of the new state."""
    carry, y = cell.apply(*given)
    leaves = jax.tree.leaves(carry)
    return [*leaves, y][: len(shapes)]


def _dtype_of(tree: Any) -> Any:
    leaves = jax.tree.leaves(tree)
    return jnp.result_type(*leaves) if leaves else jnp.result_type(float)


def assembled(
    parts: dict[str, Any],
    params: TrainedParams,
    constants: TrainedParams,
    x_like: jax.ShapeDtypeStruct,
    name: str,
) -> TrainedCell:
    """Return the cell of a network, checked from shapes alone.

    Args:
      parts: the cell, and where there are any the embedding and the readout, by slot.
      params: the trained parameters.
      constants: the constants.
      x_like: shape and dtype of an input.
      name: the name of the cell's class in messages.

    Raises:
      ValueError: the parts are none of a recurrent network with these parameters.
    """
    checks.check_params(params)
    cell, embed, head = (parts.get(slot) for slot in TrainedParams._fields)
    d_like = checks.embedded(embed, params, constants, x_like)
    traced = checks.step_of(cell, params, constants, d_like, name)
    state = _arrangement(cell, _like((params, constants)), d_like, traced)
    n_carry = len(jax.tree.leaves(traced.carry))
    state = state._replace(
        real_output=jnp.issubdtype(traced.y.dtype, jnp.floating),
        n_appended=sum(math.prod(shape) for shape in state.shapes[n_carry:]),
    )
    checks.check_head(head, params, constants, traced.y)
    tokens = not jnp.issubdtype(x_like.dtype, jnp.inexact)
    return TrainedCell(
        params, constants, cell, embed, head, state, d_like.shape, x_like.shape, tokens=tokens
    )


def _like(tree: Any) -> Any:
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tree)


def _arrangement(cell: Any, like: Any, d_like: Any, traced: Any) -> FlatState:
    leaves, structure = jax.tree.flatten((like, d_like))
    carry, of_carry = jax.tree.flatten(traced.carry)
    appended = () if traced.output < len(carry) else (traced.y,)
    return _arranged(cell, structure, tuple(leaves), of_carry, (*carry, *appended), traced.output)


@functools.lru_cache(maxsize=64)
def _arranged(
    cell: Any, structure: Any, like: tuple, of_carry: Any, arrays: tuple, output: int
) -> FlatState:
    """Return the arrangement of the state of a cell, once for each combination of shapes."""
    shapes = [a.shape for a in arrays]

    def step(arrays: list[Array], leaves: tuple[Array, ...]) -> list[Array]:
        (params, constants), d = jax.tree.unflatten(structure, leaves)
        carry = jax.tree.unflatten(of_carry, arrays[: of_carry.num_leaves])
        return _arrays_of_step(cell, (params, constants, carry, d), shapes)

    found: FlatState = arranged(step, (list(arrays), like), shapes, output)
    return found
