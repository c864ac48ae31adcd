"""The page of one cube of results, or of two, as one HTML file with the numbers in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnjax.errors import ConfigError
from rnnjax.explorer.bundle import bundle
from rnnjax.explorer.cube_json import entry
from rnnjax.lazy import xr
from rnnjax.sweep.status import SUFFIX

LARGEST = 48 * 2**20  # bytes of numbers: browsers take text of some 64 MB without delay
_SHOWN = 6  # variables that a message names


def cube_page(cubes: Mapping[str, xr.Dataset]) -> str:
    """Return the page of some cubes; the same cubes give the same text.

    Args:
        cubes: one or two datasets by the name that the page shows.

    Raises:
        ConfigError: their numbers are too many for a page; it names the largest variables.
    """
    _check_size(cubes)
    title = " and ".join(cubes)
    data = {"cubes": [entry(name, cube) for name, cube in cubes.items()]}
    return bundle("viewer_main.js", title, data)


def _check_size(cubes: Mapping[str, xr.Dataset]) -> None:
    sizes: dict[str, int] = {}
    for cube in cubes.values():
        for name, variable in cube.data_vars.items():
            sizes[str(name)] = sizes.get(str(name), 0) + _page_bytes(str(name), variable)
    total = sum(sizes.values())
    if total <= LARGEST:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_SHOWN]
    listed = ", ".join(f"{name} {_megabytes(sizes[name])}" for name in largest)
    message = (
        f"expected at most {_megabytes(LARGEST)} of numbers, got {_megabytes(total)} ({listed}): "
        "give --variable NAME for some of them, or --select DIM=VALUE"
    )
    raise ConfigError("explore", message)


def _page_bytes(name: str, variable: xr.DataArray) -> int:
    """Bytes of a variable on the page, where integers are float64 and bools float32."""
    kind = variable.dtype.kind
    if kind not in "iufbc":
        return 0
    is_status = name.endswith(SUFFIX) and variable.dtype == np.int8
    each = variable.dtype.itemsize if is_status or kind in "fc" else {"b": 4}.get(kind, 8)
    return variable.size * max(each, 1 if is_status else 4)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.3g} MB"
