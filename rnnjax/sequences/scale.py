"""Mean 0 and variance 1."""

import numpy as np


def by_channel(x: np.ndarray) -> np.ndarray:
    """Return sequences (..., n_x) of mean 0 and variance 1 in each channel; NaN is left out."""
    return _standard(x, tuple(range(x.ndim - 1)))


def as_a_whole(x: np.ndarray) -> np.ndarray:
    """Return an array of mean 0 and variance 1 over all entries.

    For images: in their corners are pixels that are blank in all of them.
    """
    return _standard(x, None)


def _standard(x: np.ndarray, axis: tuple[int, ...] | None) -> np.ndarray:
    centred = x - np.nanmean(x, axis=axis)
    return centred / np.nanstd(centred, axis=axis)
