"""Where a surface is steep: the largest gradient on a grid, the typical one, and the ridge."""

from typing import NamedTuple

import jax.numpy as jnp

from rnnjax.analysis.given import check_shape
from rnnjax.types import Array


class Ridge(NamedTuple):
    """What is read off the norms of the gradient on a grid.

    Attributes:
      largest: the largest norm, ().
      at: the place of it, (2,).
      median: the median norm, ().
      second: the second coordinate of the largest norm of each row, (n_first,).
    """

    largest: Array
    at: Array
    median: Array
    second: Array


def ridge(log_norm: Array, first: Array, second: Array) -> Ridge:
    """Find where the gradient is largest.

    Args:
      log_norm: natural logs of the norm on the grid, (n_first, n_second).
      first: coordinates of the rows, (n_first,).
      second: those of the columns, (n_second,).

    Returns:
      places are NaN where a norm among which they were to be found is.

    Raises:
      ValueError: the shapes are others, or the grid is empty.
    """
    log_norm, first, second = map(jnp.asarray, (log_norm, first, second))
    check_shape("log_norm", log_norm, (first.size, second.size))
    check_shape("first", first, (first.size,))
    check_shape("second", second, (second.size,))
    if not log_norm.size:
        raise ValueError(f"log_norm: expected at least one norm, got shape {log_norm.shape}")
    columns = jnp.argmax(log_norm, axis=1)
    row = jnp.argmax(jnp.max(log_norm, axis=1))
    largest, median = jnp.exp(jnp.max(log_norm)), jnp.exp(jnp.median(log_norm))
    at = jnp.stack([first[row], second[columns[row]]])
    # The largest of numbers with a NaN is NaN, and its place that of the NaN.
    unknown = jnp.any(jnp.isnan(log_norm), axis=1)
    at = jnp.where(jnp.any(unknown), jnp.nan, at)
    return Ridge(largest, at, median, jnp.where(unknown, jnp.nan, second[columns]))
