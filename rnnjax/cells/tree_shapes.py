"""The shapes of the arrays of a tree by name, as error messages compare and list them."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import one_line

Shapes = dict[str, tuple[int, ...]]


def by_name(tree: Any) -> Shapes:
    """Return the shape of every leaf by its path, with the parts of the path joined by dots."""
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): jnp.shape(leaf)
        for path, leaf in found
    }


def listed(shapes: Shapes) -> str:
    """Return names and shapes in one line."""
    return one_line(", ".join(f"{name} {shape}" for name, shape in shapes.items()), 150)


def mismatch(wanted: Shapes, got: Shapes, owner: str) -> str | None:
    """Return ``expected ..., got ...`` for the first difference, None if there is none.

    Args:
      wanted: the expected shapes.
      got: the given ones.
      owner: what they are expected of.
    """
    if wanted.keys() != got.keys():
        return f"expected those of {owner}, {listed(wanted)}, got {listed(got)}"
    for name, shape in wanted.items():
        if got[name] != shape:
            return f"expected {name} {shape} as {owner} draws it, got {got[name]}"
    return None
