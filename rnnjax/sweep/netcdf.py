"""Datasets as the bytes of netCDF-4 files, and back.

The files are made and read in memory: the bytes that are checked are the bytes that are used, and
HDF5 never meets a full disk. A process that reads bytes again that it has made or read itself gets
the dataset that it had then, as long as they are few.
"""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

from rnnjax.cube_setting import register
from rnnjax.lazy import h5py, xr
from rnnjax.sweep.files import OF_THE_MACHINE, StoreError

DEFLATE_LIMIT = 1100  # deflate never packs more than 1032 bytes into one
_REMEMBERED = 2**25  # bytes of the datasets that are kept
FILTERS = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}


def encode(dataset: xr.Dataset) -> bytes:
    """A netCDF-4 file with compression and checksums; the same dataset gives the same bytes.

    Raises:
        ValueError: netCDF cannot hold the dataset as it is.
    """
    dataset = dataset.drop_encoding()
    encoding = {
        name: FILTERS
        for name, variable in dataset.variables.items()
        if variable.ndim and variable.size and variable.dtype.kind in "fiub"
    }
    data = bytes(dataset.to_netcdf(engine="h5netcdf", encoding=encoding))
    if not decode(data, Path("dataset")).identical(dataset):
        raise ValueError("expected a dataset that netCDF-4 can hold; it reads back changed")
    return data


def decode(data: bytes, path: Path) -> xr.Dataset:
    """The dataset in a netCDF-4 file whose bytes are `data`; `path` is for the message.

    Raises:
        StoreError: no netCDF-4, a checksum does not fit, or it reaches outside of the file.
    """
    register()
    digest = hashlib.sha256(data).digest()
    with _lock:
        known = _known.get(digest)
    if known is None:
        known = _decoded(data, path)
        _remember(digest, known)
    return known.copy(deep=True)


# Datasets by the hash of the bytes of their files, the oldest first.
_known: dict[bytes, xr.Dataset] = {}
_lock = threading.Lock()


def _remember(digest: bytes, dataset: xr.Dataset) -> None:
    with _lock:
        _known[digest] = dataset
        while sum(kept.nbytes for kept in _known.values()) > _REMEMBERED:
            del _known[next(iter(_known))]


def _decoded(data: bytes, path: Path) -> xr.Dataset:
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            _refuse_traps(file, len(data))
        return xr.load_dataset(io.BytesIO(data), engine="h5netcdf", decode_times=False)
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make HDF5 raise errors of many types
        if getattr(error, "errno", None) in OF_THE_MACHINE:
            raise
        raise StoreError(f"{path}: not a readable netCDF-4 file: {error}") from error


def _refuse_traps(file: h5py.File, size: int) -> None:
    """Refuses content that lies in other files, and arrays that `size` bytes cannot hold."""
    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link")
        item = file[name]
        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise ValueError(f"{name!r} is no array of this file")
        if item.nbytes > DEFLATE_LIMIT * size + 2**20:
            raise ValueError(f"{name!r} claims {item.nbytes} bytes in a file of {size}")
