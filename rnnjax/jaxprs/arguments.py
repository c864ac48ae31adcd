"""What users hand over beside a loss: trees of arrays, and names of layers."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import one_line, shown


def check_arrays(name: str, tree: Any) -> None:
    """Check that the leaves of an argument are arrays or numbers."""
    bad = [leaf for leaf in jax.tree.leaves(tree) if not _is_array(leaf)]
    if bad:
        raise ValueError(f"{name}: expected a tree of arrays, got {shown(bad[0])}")


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, int | float | complex):
        return True
    kinds = (np.number, np.bool_, jax.dtypes.prng_key)
    dtype = getattr(leaf, "dtype", None) if hasattr(leaf, "shape") else None
    return dtype is not None and any(jnp.issubdtype(dtype, kind) for kind in kinds)


def chosen(layers: Any) -> tuple[str, ...] | None:
    """Return the names of the layers that are asked for, a single one given as text; None for all.

    Raises:
      ValueError: they are no names, or one of them stands twice.
    """
    if layers is None:
        return None
    names = (layers,) if isinstance(layers, str) else layers
    is_listed = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if not is_listed or not names or len(set(names)) < len(names):
        raise ValueError(f"layers: expected one or more different names, got {shown(layers)}")
    return tuple(names)


def check_known(names: Sequence[str], known: Sequence[str]) -> None:
    """Check that names are among those of the recurrences of a program."""
    for name in names:
        if name not in known:
            message = one_line(", ".join(known), 300)
            raise ValueError(f"layers: expected names of {message}, got {shown(name)}")
