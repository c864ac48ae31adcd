"""Sequences with their targets from an .npz file, checked against a network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from rnnjax.errors import ConfigError, one_line, printable, suggestion

NAMES = ("x", "y", "mask", "lengths")


class Sequences(NamedTuple):
    """Sequences of one network.

    Attributes:
      x: inputs, 0 behind the end of a sequence, (N, T, n_x).
      mask: weights, (N, T); the last one of a sequence that is not 0 ends it.
      y: targets, 0 where the mask is 0, (N, n_y) or (N, T, n_y), or integer labels (N,) or (N, T);
        None if there are none.
    """

    x: np.ndarray
    mask: np.ndarray
    y: np.ndarray | None

    @property
    def has_labels(self) -> bool:
        """Whether targets are integers."""
        return self.y is not None and self.y.dtype.kind in "iu"

    @property
    def of_every_step(self) -> bool:
        """Whether there is a target at each step."""
        return self.y is not None and self.y.ndim == (2 if self.has_labels else 3)


def read(path: Path, n_x: int, n_y: int | None) -> Sequences:
    """Read sequences for a network of n_x inputs and n_y outputs, None if it has no readout.

    Raises:
        ConfigError: the file cannot be read, or does not fit.
    """
    arrays = _arrays(path)
    x = _numbers("x", arrays["x"])
    if x.ndim != 3 or 0 in x.shape[:2]:
        _refuse("x", "shape (examples, steps, inputs)", x.shape)
    if x.shape[2] != n_x:
        _refuse("x", f"{n_x} inputs, as the weights have, in the last axis", x.shape)
    mask = _mask(arrays, x.shape[:2])
    x = np.where(_counted(mask)[..., None], x, 0)
    if "y" not in arrays:
        return Sequences(x, mask, None)
    if n_y is None:
        _refuse("readout", "--readout with the name of the linear layer that gives y", "none")
    return Sequences(x, mask, _targets(arrays["y"], mask, n_y))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() != ".npz" or not path.is_file():
        _refuse("data", "an .npz file that exists", repr(printable(path)))
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        why = one_line(" ".join(f"{type(error).__name__}: {error}".split()), 120)
        message = f"expected a readable .npz file without pickles, got {printable(path.name)!r}"
        raise ConfigError("data", f"{message} ({why})") from error
    listed = ", ".join(arrays) or "nothing"
    if "x" not in arrays:
        _refuse("data", "an array x (examples, steps, inputs)", listed)
    for name in arrays:
        if name not in NAMES:
            near = suggestion(name, NAMES)
            _refuse("data", f"arrays named {', '.join(NAMES)}", f"{name!r}{near}")
    return arrays


def _numbers(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        _refuse(name, "real numbers", array.dtype)
    return array


def _mask(arrays: Mapping[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    if "lengths" in arrays and "mask" in arrays:
        _refuse("lengths", "mask or lengths", "both")
    if "lengths" in arrays:
        lengths = arrays["lengths"]
        if lengths.dtype.kind not in "iu" or lengths.shape != shape[:1]:
            message = f"{lengths.dtype} {lengths.shape}"
            _refuse("lengths", f"integers of shape {shape[:1]}", message)
        bad = lengths[(lengths < 1) | (lengths > shape[1])]
        if bad.size:
            _refuse("lengths", f"1 to {shape[1]}, the steps of x", bad[0])
        return (np.arange(shape[1]) < lengths[:, None]).astype(float)
    mask = arrays.get("mask", np.ones(shape))
    if mask.dtype.kind not in "fiub" or mask.shape != shape:
        _refuse("mask", f"numbers of shape {shape}", f"{mask.dtype} {mask.shape}")
    mask = mask.astype(float)
    if not np.all(np.isfinite(mask)) or np.any(mask < 0):
        _refuse("mask", "finite weights of at least 0", mask[~(np.isfinite(mask) & (mask >= 0))][0])
    empty = np.flatnonzero(~np.any(mask != 0, axis=1))
    if empty.size:
        _refuse("mask", "a weight other than 0 in each example", f"none in example {empty[0]}")
    return mask


def _counted(mask: np.ndarray) -> np.ndarray:
    """Return which steps belong to the sequences: those up to the last weight that is not 0."""
    return np.flip(np.maximum.accumulate(np.flip(mask != 0, 1), axis=1), 1)


def _targets(y: np.ndarray, mask: np.ndarray, n_y: int) -> np.ndarray:
    n, steps = mask.shape
    y = _numbers("y", y)
    if y.dtype.kind in "iu":
        return _labels(y, mask, n_y)
    if n_y == 1 and y.shape == (n,):
        y = y[:, None]
    if y.shape not in ((n, n_y), (n, steps, n_y)):
        message = f"{(n, n_y)}, {(n, steps, n_y)}, or integer labels"
        _refuse("y", f"numbers of shape {message}", f"{y.dtype} {y.shape}")
    return np.where(mask[..., None] != 0, y, 0) if y.ndim == 3 else y


def _labels(y: np.ndarray, mask: np.ndarray, n_y: int) -> np.ndarray:
    if y.shape not in (mask.shape[:1], mask.shape):
        message = (
            f"labels of shape {mask.shape[:1]} or {mask.shape}, or numbers with a decimal point"
        )
        _refuse("y", message, f"{y.dtype} {y.shape}")
    y = np.where(mask != 0, y, 0) if y.ndim == 2 else y
    bad = y[(y < 0) | (y >= n_y)]
    if bad.size:
        _refuse("y", f"labels from 0 to {n_y - 1}, as there are {n_y} outputs", bad[0])
    return y


def _refuse(key: str, expected: str, got: object) -> NoReturn:
    raise ConfigError(key, f"expected {expected}, got {got}")
