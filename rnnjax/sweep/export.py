"""A cube in the formats of other programs: netCDF, zarr, CSV."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from rnnjax import lazy
from rnnjax.errors import ConfigError, shown
from rnnjax.lazy import xr, zarr
from rnnjax.sweep import files
from rnnjax.sweep.status import meanings_in


def export(cube: xr.Dataset, target: Path) -> list[Path]:
    """Write a cube to a new file, in the format that its name ends with.

    Args:
        cube: the cube.
        target: FILE.nc, FILE.zarr (a folder) or FILE.csv. A CSV file has one line a cell and one
            column an axis, a variable and a status; variables with inner dims go to files of their
            own beside it, FILE.lag.csv for those over ``lag``.

    Returns:
        What was written.

    Raises:
        ConfigError: the name ends otherwise, the package of the format is not installed, or a CSV
            file would have no variable, or two of them one name.
        StoreError: the file is there already, or cannot be written.
    """
    writers: dict[str, Callable[[xr.Dataset, Path], list[Path]]] = {
        ".nc": _netcdf, ".zarr": _zarr, ".csv": _csv,
    }  # fmt: skip
    if target.suffix not in writers:
        message = f"expected a name that ends with {', '.join(writers)}, got {target.name!r}"
        raise ConfigError("export", message)
    return writers[target.suffix](cube, target)


def _netcdf(cube: xr.Dataset, target: Path) -> list[Path]:
    # In memory first: HDF5 tells nothing useful of a disk that is full.
    return [_whole(target, lambda path: path.write_bytes(cube.to_netcdf(engine="h5netcdf")))]


def _zarr(cube: xr.Dataset, target: Path) -> list[Path]:
    try:
        lazy.load(zarr)
    except ImportError:
        message = "expected the extra 'zarr': pip install 'rnnjax[zarr]'"
        raise ConfigError("export", message) from None

    def write(path: Path) -> None:
        # The second format: the third has no specification of text yet.
        cube.to_zarr(path, zarr_format=2, consolidated=True)

    return [_whole(target, write)]


def _csv(cube: xr.Dataset, target: Path) -> list[Path]:
    shared = [set(variable.dims) for variable in cube.data_vars.values()]
    axes = set.intersection(*shared) if shared else set()
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, variable in cube.data_vars.items():
        inner = tuple(str(dim) for dim in variable.dims if dim not in axes)
        kinds.setdefault(inner, []).append(str(name))
    paths = {
        inner: target.with_suffix(".".join(["", *inner, "csv"])) if inner else target
        for inner in sorted(kinds)
    }
    _check_names([*paths.values()])
    return [_whole(path, _table(cube[kinds[inner]])) for inner, path in paths.items()]


def _table(cube: xr.Dataset) -> Callable[[Path], object]:
    """What writes variables of the same dims as one table."""
    part = _in_words(cube)
    table = part.to_dataframe() if part.dims else part.expand_dims("cell").to_dataframe()
    return partial(table.to_csv, index=bool(part.dims))


def _check_names(paths: Sequence[Path]) -> None:
    """Refuse what cannot be written whole, before any part of it is.

    Raises:
        ConfigError: there is nothing to write, or two of the files have one name.
    """
    if not paths:
        raise ConfigError("export", "expected a cube with a variable, got none")
    for path in paths:
        if paths.count(path) > 1:
            message = f"expected dims whose names tell files apart, got {path.name!r} twice"
            raise ConfigError("export", message)
        _check_new(path)


def _in_words(cube: xr.Dataset) -> xr.Dataset:
    """The cube with every status as a word."""
    words = {}
    for name, meanings in meanings_in(cube).items():
        words_of_codes = [
            meanings.get(code, "unknown") for code in cube[name].values.ravel().tolist()
        ]
        words[name] = cube[name].copy(data=np.reshape(words_of_codes, cube[name].shape))
    return cube.assign(words)


def _whole(target: Path, write: Callable[[Path], object]) -> Path:
    """Write beside the target and rename, so that no half of it is ever there."""
    _check_new(target)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    with files.naming(target):
        try:
            write(part)
            os.rename(part, target)
        finally:
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)
    return target


def _check_new(target: Path) -> None:
    if os.path.lexists(target):
        raise files.StoreError(f"{target}: is there already; choose another name")
    if not target.parent.is_dir():
        message = f"expected a folder that exists, got {shown(str(target.parent))}"
        raise ConfigError("export", message)
