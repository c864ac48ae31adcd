"""A cell whose initial state has the dtype that its step returns.

`initial_state` receives neither parameters nor inputs: with float32 parameters in a float64 program
it would return float64 where the step returns float32, but a scan carries a single dtype. If the
step returns half precision, the state is stored as float32, or as float64 if a parameter is, and
its values are those that half precision can represent.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import dynamics
from rnnjax.types import Array, Cell, Params


@struct.dataclass
class OfDtype:
    """A cell whose initial state is converted to a given dtype; all else is that of the cell.

    Attributes:
      cell: the cell.
      dtype: the dtype of the state, static.
    """

    cell: Any
    dtype: Any = struct.field(pytree_node=False)

    @property
    def user_cell(self) -> Any:
        """The cell as it was given."""
        return self.cell

    def initial_state(self) -> Array:
        """Return h_0, (n_h,)."""
        return self.cell.initial_state().astype(self.dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "cell":
            raise AttributeError(name)
        return getattr(self.cell, name)


@struct.dataclass
class InHalf:
    """A cell whose step takes and returns half precision, with its state stored in a wider dtype.

    Attributes:
      cell: the cell.
      of_step: the dtype of the state in the cell's own step, static.
      dtype: the dtype in which the state is stored, static.
    """

    cell: Any
    of_step: Any = struct.field(pytree_node=False)
    dtype: Any = struct.field(pytree_node=False)

    @property
    def user_cell(self) -> Any:
        """The cell as it was given."""
        return self.cell

    def initial_state(self) -> Array:
        """Return h_0, (n_h,)."""
        return self.cell.initial_state().astype(self.of_step).astype(self.dtype)

    def step(self, params: Params, h: Array, x: Array) -> Array:
        """Return h_t, (n_h,)."""
        return self.cell.step(params, h.astype(self.of_step), x).astype(self.dtype)

    def readout(self, params: Params, h: Array) -> Array:
        """Return y_t, (n_y,)."""
        return self.cell.readout(params, h.astype(self.of_step))


def of_state(cell: Cell, params: Params, x: Array) -> Any:
    """Return the dtype that the state has from the first step on.

    Args:
      cell: the cell.
      params: its parameters, or their shapes.
      x: an input, (n_x,), or its shape.
    """
    drive = jax.eval_shape(lambda p, x: dynamics.drive(cell, p, x), params, x)
    return of_drive(cell, params, drive)


def of_drive(cell: Cell, params: Params, drive: Array | jax.ShapeDtypeStruct) -> Any:
    """Return the same dtype, determined from the drive of a step, (n_d,), or from its shape."""

    def step(h: Any) -> Any:
        return jax.eval_shape(lambda p, h, d: dynamics.advance(cell, p, h, d), params, h, drive)

    h = jax.eval_shape(cell.initial_state)
    dtype = h.dtype
    if jnp.issubdtype(drive.dtype, jnp.inexact):
        dtype = jnp.finfo(drive.dtype).dtype
        is_complex = jnp.issubdtype(h.dtype, jnp.complexfloating)
        dtype = jnp.result_type(dtype, jnp.complex64) if is_complex else dtype
    for _ in range(2):
        dtype = step(jax.ShapeDtypeStruct(h.shape, dtype)).dtype
    if not jnp.issubdtype(dtype, jnp.inexact):
        expected = "step to return a state of floating point numbers"
        raise ValueError(f"cell: expected {expected}, got {dtype}{h.shape}")
    return dtype


def in_dtype(cell: Cell, params: Params, dtype: Any) -> Any:
    """Return the cell with its state stored in a dtype of at least 32 bits."""
    given: Any = getattr(cell, "user_cell", cell)
    if jnp.finfo(dtype).bits < 32:
        widths = [jnp.finfo(leaf.dtype).dtype for leaf in jax.tree.leaves(params)]
        return InHalf(given, dtype, jnp.result_type(jnp.float32, *widths))
    if jax.eval_shape(cell.initial_state).dtype == dtype:
        return cell
    return OfDtype(given, dtype)
