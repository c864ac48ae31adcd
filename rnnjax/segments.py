"""Sequences cut into segments of equal length, and what was found in each put together again."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled


def split(tree: Any, n_whole: int, segment: int) -> tuple[Any, Any]:
    """Return (n_whole, segment, ...) and what is left behind it."""
    n = n_whole * segment
    whole = jax.tree.map(lambda a: a[:n].reshape((n_whole, segment, *a.shape[1:])), tree)
    return whole, jax.tree.map(lambda a: a[n:], tree)


def join(pieces: list[Any]) -> Any:
    """Return the pieces of `rnnjax.adjoint.backward` joined along time, leaves (T, ...)."""
    flat = [jax.tree.map(lambda a: a.reshape((-1, *a.shape[2:])), piece) for piece in pieces]
    return jax.tree.map(lambda *a: jnp.concatenate(a), *flat)


def total(pieces: list[Any]) -> Any:
    """Return the sum over segments of pieces that hold trees of `Scaled`."""
    sums = [scaled.sum_over_leading(piece) for piece in pieces]
    return sums[0] if len(sums) == 1 else scaled.add_trees(*sums)
