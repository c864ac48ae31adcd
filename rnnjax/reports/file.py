"""A report as one netCDF-4 file, and back.

The file is the dataset of docs/howto/diagnose.md; measured remedies stand in its attribute
``remedies`` as JSON. It is made and read in memory, so that a full disk leaves no half of it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from rnnjax.errors import one_line, printable
from rnnjax.reports.remedy import Remedy
from rnnjax.reports.report import Report


def encoded(report: Report) -> bytes:
    """Return a report as the bytes of a netCDF-4 file."""
    data = report.dataset.drop_encoding()
    attrs = {name: _kept(value) for name, value in data.attrs.items()}
    attrs["unmeasured"] = [_text(line) for line in report.unmeasured] or ""
    attrs["remedies"] = _text(json.dumps([asdict(remedy) for remedy in report.remedies]))
    data = data.map(_texts(_text), keep_attrs=True).assign_attrs(attrs)
    data = data.assign_coords(layer=[_text(name) for name in report.layers])
    return bytes(data.to_netcdf(engine="h5netcdf"))


def decoded(content: bytes) -> Report:
    """Return the report in the bytes of a file that `encoded` has made.

    Raises:
        ValueError: they are no such file.
    """
    try:
        data = xr.load_dataset(io.BytesIO(content), engine="h5netcdf", decode_times=False)
        remedies = json.loads(data.attrs.pop("remedies", "[]"))
        data = data.map(_texts(str), keep_attrs=True)
        data = data.assign_coords(layer=data["layer"].values.astype(str))
        return Report(data, [Remedy(**remedy) for remedy in remedies])
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make HDF5 raise errors of many types
        message = one_line(" ".join(f"{type(error).__name__}: {error}".split()), 200)
        raise ValueError(f"report: expected a netCDF-4 file of a report, got {message}") from error


def _texts(function: Callable[[Any], str]) -> Callable[[xr.DataArray], xr.DataArray]:
    """Return a function that maps the texts of a variable and leaves other variables alone."""

    def mapped(variable: xr.DataArray) -> xr.DataArray:
        if variable.dtype.kind not in "OU":
            return variable
        values = np.array([function(v) for v in variable.values.ravel()], dtype=object)
        return variable.copy(data=values.reshape(variable.shape).astype(str))

    return mapped


def _kept(value: Any) -> Any:
    return _text(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    """Return text that netCDF can hold: what is not UTF-8, or is NUL, is escaped."""
    text = str(value)
    ok = "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
    return text if ok else printable(text)
