"""From the centres of cells to their edges."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.figures.arrays import Floats

Scale = Literal["linear", "log"]


def cell_edges(centres: ArrayLike, scale: Scale = "linear") -> Floats:
    """Finds the edges of cells: halfway between centres, and as far beyond the first and last.

    Args:
        centres: coordinates of the cells, (n,), strictly rising or strictly falling.
        scale: "linear", or "log" for edges halfway in the logarithm.

    Returns:
        The edges, (n + 1,), in the order of the centres. A single cell is one unit wide
        (2e-6 of its centre if that is more), or one factor of two on a log scale.

    Raises:
        ValueError: the centres are not a finite, strictly monotonic vector, or the scale is
            neither of the two, or is "log" and a centre is not positive.

    Example:
        >>> cell_edges([0, 1, 3]).tolist()
        [-0.5, 0.5, 2.0, 4.0]
        >>> cell_edges([7]).tolist()
        [6.5, 7.5]
    """
    points = np.asarray(centres, dtype=float)
    if scale not in ("linear", "log"):
        raise ValueError(f"expected scale 'linear' or 'log', got {scale!r}")
    if points.ndim != 1 or points.size == 0 or not np.isfinite(points).all():
        raise ValueError(f"expected a vector of finite centres, got {points}")
    steps = np.diff(points)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(f"expected centres that strictly rise or strictly fall, got {points}")
    if scale == "log":
        if points.min() <= 0:
            raise ValueError(f"expected positive centres on a log scale, got {points.min()}")
        edges: Floats = np.exp2(cell_edges(np.log2(points)))
        return edges
    if points.size == 1:
        half = max(0.5, 1e-6 * abs(points[0]))  # a unit is nothing beside 1e30
        return np.array([points[0] - half, points[0] + half])
    inner = points[:-1] + steps / 2
    return np.concatenate(
        ([points[0] - steps[0] / 2], inner, [points[-1] + steps[-1] / 2]), dtype=float
    )
