"""A cube as JSON for a page: names, coordinates, numbers, and the status of every cell.

Numbers are base64 of little-endian bytes: ``f4`` float32, ``f8`` float64, ``i1`` codes of a status.
Real variables keep their precision; integers become float64, bools 0 and 1, and a complex variable
is two, its real and its imaginary part. What cannot be shown is named in ``notes``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnnjax.errors import one_line
from rnnjax.lazy import xr
from rnnjax.sweep.status import SUFFIX, Status, status_name
from rnnjax.variables import flag_words

_NO_VALUE = (Status.MISSING.name.lower(), Status.FAILED.name.lower())
_EXACT = 2**53  # integers up to here are float64 numbers
_LONGEST = 300  # characters of a name or an attribute


def entry(name: str, cube: xr.Dataset) -> dict[str, Any]:
    """Return what the page needs of a cube.

    Args:
        name: of the cube, as the page shows it; single coordinates are added to it.
        cube: any dataset; variables that are no numbers are left out.

    Returns:
        What page/numbers/cube.js decodes.
    """
    notes: list[str] = []
    dims = [_dim(cube, str(dim), notes) for dim in cube.sizes]
    variables = [part for variable in _measured(cube) for part in _parts(cube, variable, notes)]
    attributes = [[_text(key), _text(value)] for key, value in sorted(cube.attrs.items(), key=str)]
    alone = [f"{key} = {at.values.item()}" for key, at in cube.coords.items() if at.ndim == 0]
    return {
        "name": _text(", ".join([name, *alone])),
        "attributes": attributes,
        "notes": notes,
        "dims": dims,
        "variables": variables,
    }


def packed(values: np.ndarray) -> dict[str, str]:
    """Return numbers as {type: base64 of little-endian bytes}, the last dim fastest."""
    kind = {"f4": "<f4", "f8": "<f8", "i1": "i1"}
    code = {np.dtype(np.float32): "f4", np.dtype(np.int8): "i1"}.get(values.dtype, "f8")
    data = np.ascontiguousarray(values, dtype=kind[code]).tobytes()
    return {code: base64.b64encode(data).decode("ascii")}


def _text(value: object) -> str:
    return one_line(str(value), _LONGEST)


def _dim(cube: xr.Dataset, dim: str, notes: list[str]) -> dict[str, Any]:
    """A dim with its values, numbers or texts, and labels where other coordinates belong to it."""
    size = cube.sizes[dim]
    found: dict[str, Any] = {"name": dim, "size": size, "longName": "", "units": ""}
    if dim not in cube.coords:
        notes.append(f"{_text(dim)}: has no coordinate; positions from 0 are shown")
        return {**found, "values": packed(np.arange(size, dtype=float))}
    values = cube[dim].values
    found |= {"longName": _attribute(cube[dim], "long_name"), "units": _attribute(cube[dim])}
    texts = [_text(value) for value in values.tolist()]
    numeric = values.dtype.kind in "iuf"
    if _is_rounded(values):
        notes.append(f"{_text(dim)}: integers beyond 2^53 are rounded to 53 bits")
    if others := [str(n) for n, c in cube.coords.items() if c.dims == (dim,) and n != dim]:
        columns = [[_text(value) for value in cube[name].values.tolist()] for name in others]
        found["labels"] = [
            f"{text} ({', '.join(f'{n} = {v}' for n, v in zip(others, row, strict=True))})"
            for text, *row in zip(texts, *columns, strict=True)
        ]
    return {**found, "values": packed(values.astype(float)) if numeric else texts}


def _is_rounded(values: np.ndarray) -> bool:
    """Whether float64 does not hold some of the values, which are integers."""
    # As integers: 2^53 + 1 is rounded to 2^53, which seems exact.
    large = values[(values > _EXACT) | (values < -_EXACT)] if values.dtype.kind in "iu" else values
    return large is not values and any(int(float(value)) != value for value in large.tolist())


def _attribute(array: xr.DataArray, key: str = "units") -> str:
    return _text(array.attrs.get(key, ""))


def _measured(cube: xr.Dataset) -> Iterator[str]:
    """The variables that are not the status of another one."""
    for name in map(str, cube.data_vars):
        if not (name.endswith(SUFFIX) and name.removesuffix(SUFFIX) in cube.data_vars):
            yield name


def _parts(cube: xr.Dataset, name: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The real variables that a variable is shown as."""
    array = cube[name]
    kind = array.dtype.kind
    if kind not in "iufbc":
        notes.append(f"{_text(name)}: left out, because its values are no numbers")
        return
    if kind == "c":
        for part, of_part in (("real part", array.real), ("imaginary part", array.imag)):
            yield _variable(cube, name, f"{name} ({part})", of_part.values, f"its {part}")
        return
    note = {"b": "1 is true, 0 is false"}.get(kind, "")
    if _is_rounded(array.values):
        note = "integers beyond 2^53 are rounded to 53 bits"
    yield _variable(cube, name, name, array.values, note)


def _variable(
    cube: xr.Dataset, name: str, shown: str, values: np.ndarray, note: str
) -> dict[str, Any]:
    codes, meanings = _status(cube, name)
    single = values.dtype in (np.float16, np.float32) or values.dtype.kind == "b"
    numbers = values.astype(np.float32 if single else np.float64)
    if codes is not None:
        # What a cell without a value is filled with is no number: -1 for an integer.
        empty = [code for code, word in meanings.items() if word in _NO_VALUE]
        numbers = np.where(np.isin(codes, empty), numbers.dtype.type(np.nan), numbers)
    return {
        "name": _text(shown),
        "dims": [str(dim) for dim in cube[name].dims],
        "longName": _attribute(cube[name], "long_name"),
        "units": _attribute(cube[name]),
        "note": note,
        "stored": str(values.dtype),
        "data": packed(numbers),
        "status": _packed_status(codes),
        "meanings": {str(code): word for code, word in meanings.items()},
    }


def _packed_status(codes: np.ndarray | None) -> Any:
    """Nothing, the one code that all cells have, or all codes."""
    if codes is None or codes.size == 0:
        return None
    first = codes.flat[0]
    return int(first) if np.all(codes == first) else packed(codes)


def _status(cube: xr.Dataset, name: str) -> tuple[np.ndarray | None, Mapping[int, str]]:
    """The codes of the status of a variable, and their words; none if it has no status."""
    companion, of = cube.data_vars.get(status_name(name)), cube[name].dims
    if companion is None or companion.dtype != np.int8 or {*companion.dims} != {*of}:
        return None, {}
    meanings = {code: _text(word) for code, word in flag_words(companion.attrs).items()}
    return (companion.transpose(*of).values, meanings) if meanings else (None, {})
