"""Weights as arrays by name, from a dict or a file that runs no code when it is read."""

import importlib
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from rnnjax.errors import one_line, printable, shown

_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")
_OF_KERAS = (".h5", ".hdf5", ".keras")


def named(weights: Any) -> Mapping[str, Any]:
    """Return arrays by name.

    Args:
      weights: a mapping, or the path of a ``.safetensors`` or ``.npz`` file.

    Raises:
      ValueError: it is neither, or the file cannot be read.
    """
    if isinstance(weights, str | os.PathLike):
        return _read(Path(weights))
    if isinstance(weights, Mapping) and all(isinstance(name, str) for name in weights):
        return weights
    message = "a dict of arrays by name, or the path of a .safetensors or .npz file"
    raise ValueError(f"weights: expected {message}, got {shown(weights)}")


def _read(path: Path) -> dict[str, Any]:
    readers = {".safetensors": _safetensors, ".npz": _npz}
    suffix = path.suffix.lower()
    if suffix not in readers:
        message = f"weights: expected a .safetensors or .npz file, got {printable(path)!r}"
        raise ValueError(message + _advice(suffix))
    if not path.is_file():
        raise ValueError(f"weights: expected a file that exists, got {printable(path)!r}")
    return readers[suffix](path)


def _advice(suffix: str) -> str:
    if suffix in _PICKLES:
        line = 'safetensors.torch.save_file(model.state_dict(), "model.safetensors")'
        return f", a pickle, which runs code when it is read; in torch: {line}"
    if suffix in _OF_KERAS:
        line = 'np.savez("weights.npz", **{w.path: w.numpy() for w in model.weights})'
        return f"; in Keras: {line}"
    return ""


def _safetensors(path: Path) -> dict[str, Any]:
    try:
        reader = importlib.import_module("safetensors.numpy")
    except ImportError as error:
        raise ValueError(
            "weights: expected the package safetensors for this file, got none; "
            "pip install 'rnnjax[weights]'"
        ) from error
    try:
        found: dict[str, Any] = reader.load_file(path)
    except Exception as error:  # errors of its own kind, and of a dtype that NumPy lacks
        raise _unreadable(path, error) from error
    return found


def _npz(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    why = one_line(" ".join(f"{type(error).__name__}: {error}".split()), 120)
    message = f"expected a readable {path.suffix} file"
    return ValueError(f"weights: {message}, got {printable(path.name)!r} ({why})")


def array(weights: Mapping[str, Any], name: str, *shapes: tuple[int | None, ...]) -> np.ndarray:
    """Return one array, in float32 or float64.

    Args:
      weights: arrays by name.
      name: which of them.
      shapes: those it may have; None stands for any length. Any if there are none.

    Raises:
      ValueError: it is missing, of another shape or dtype, or not finite.
    """
    if name not in weights:
        raise ValueError(f"{_key(name)}: expected an array, got none; there are {listed(weights)}")
    try:
        value = _in_numpy(weights[name])
    except Exception as error:  # whatever a tensor of another package raises
        why = one_line(" ".join(str(error).split()), 120)
        kind = type(weights[name]).__name__
        raise ValueError(f"{_key(name)}: expected an array, got {kind} ({why})") from error
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(f"{_key(name)}: expected floating point numbers, got {value.dtype}")
    if shapes and not any(_fits(value.shape, shape) for shape in shapes):
        message = " or ".join(_shape_text(shape) for shape in shapes)
        raise ValueError(f"{_key(name)}: expected shape {message}, got {value.shape}")
    wide = value.astype(np.float32) if value.dtype.itemsize == 2 else value
    if wide.dtype not in (np.float32, np.float64):
        raise ValueError(f"{_key(name)}: expected float16 to float64, got {value.dtype}")
    if not np.all(np.isfinite(wide)):
        raise ValueError(f"{_key(name)}: expected finite numbers, got {_first_bad(wide)}")
    return wide


def _in_numpy(weights: Any) -> np.ndarray:
    """Return an array, or a tensor of torch: one with a gradient or in bfloat16 NumPy refuses."""
    if not hasattr(weights, "detach"):
        return np.asarray(weights)
    tensor = weights.detach()
    wide = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
    return np.asarray(wide.cpu())


def listed(names: Iterable[str]) -> str:
    """Return names for a message, the first ones of many."""
    return one_line(", ".join(sorted(names)) or "no arrays", 200)


def _first_bad(value: np.ndarray) -> str:
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
    return f"{value[index]} at {index}"


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        n > 0 and (w is None or n == w) for n, w in zip(shape, wanted, strict=True)
    )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    entries = ["any" if n is None else str(n) for n in shape]
    return f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"


def _key(name: str) -> str:
    return one_line(name, 80)
