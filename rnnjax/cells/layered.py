"""What networks of layers need of the cells that they are made of."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import dynamics, real_view
from rnnjax.ranges import Kind, refusal
from rnnjax.types import Array

_NEEDED = ("n_x", "init", "initial_state", "step")


def _is_cells(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) > 0
        and all(not isinstance(cell, type) and _has_parts(cell) for cell in value)
    )


def _has_parts(cell: Any) -> bool:
    return all(hasattr(cell, name) for name in _NEEDED)


CELLS = Kind(_is_cells, "a tuple of cells with n_x, init, initial_state and step", static=False)


def as_real(h: Array) -> Array:
    """Return a state as real numbers: [Re h, Im h] of a complex one."""
    return real_view.split(h) if jnp.iscomplexobj(h) else h


def entries_per_unit(cell: Any) -> int | None:
    """Return the entries of the real state that a unit has; None if not all have as many."""
    m = dynamics.traits(cell).entries_per_unit
    is_complex = jnp.issubdtype(jax.eval_shape(cell.initial_state).dtype, jnp.complexfloating)
    return m and m * (1 + is_complex)


def seen(cells: tuple[Any, ...], params: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Return every cell with its parameters; a complex one as a real one of twice the size."""
    found = []
    for cell, own in zip(cells, params, strict=True):
        view: Any = real_view.of(cell, own, jnp.zeros(cell.n_x))
        found.append((view.seen, view.inward(own)))
    return found


def drawn(cell: Any, key: Array) -> Any:
    """Return parameters of a cell with None in place of arrays that only its readout needs."""
    params = cell.init(key)
    leaves, structure = jax.tree.flatten(params)

    def used(leaves: list[Array]) -> tuple[Array, Array]:
        own, h = jax.tree.unflatten(structure, leaves), cell.initial_state()
        return cell.step(own, h, jnp.zeros(cell.n_x)), dynamics.output(cell, own, h)

    read = dynamics.inputs_read(used, leaves)
    kept = [leaf if i in read else None for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, kept)


def output_size(cell: Any, number: int) -> int:
    """Return how many numbers a layer sends on.

    Args:
      cell: the layer.
      number: which one, for the error message.

    Raises:
      ValueError: they are no real vector.
    """

    def sent() -> Array:
        return dynamics.output(cell, cell.init(jax.random.key(0)), cell.initial_state())

    shape = jax.eval_shape(sent)
    if len(shape.shape) != 1 or jnp.issubdtype(shape.dtype, jnp.complexfloating):
        message = f"layer {number} to send on a real vector (its method `output`)"
        raise refusal("cells", message, f"{shape.dtype}{shape.shape}")
    size: int = shape.size
    return size
