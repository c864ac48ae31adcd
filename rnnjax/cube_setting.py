"""The setting of a cube, by attribute: ``cube.setting.n_h``.

A cube keeps the setting of its sweep as JSON in its attributes. `register` makes it readable as
``cube.setting`` on every xarray Dataset.
"""

from __future__ import annotations

import json
from typing import Any

from rnnjax.errors import one_of
from rnnjax.lazy import xr

_KEYS = ("setting", "config")  # of the attributes, the first one that is there


class CubeSetting:
    """The values of the setting that a cube was made with, without those of its axes.

    Raises:
        AttributeError: a name that the setting does not have, or the name of an axis.

    Example:
        >>> import xarray as xr
        >>> register()
        >>> cube = xr.Dataset(attrs={"config": '{"axes": {"gain": [1.0]}, "n_h": 64}'})
        >>> cube.setting.n_h
        64
        >>> "n_h" in cube.setting, "gain" in cube.setting
        (True, False)
    """

    def __init__(self, cube: xr.Dataset) -> None:
        self._cube = cube

    def _read(self) -> tuple[dict[str, Any], set[str]]:
        """The values, and the names of the axes; read each time, because attributes can change."""
        attrs = self._cube.attrs
        values = json.loads(next((attrs[key] for key in _KEYS if key in attrs), "{}"))
        return values, {*values.pop("axes", {}), *map(str, self._cube.dims)}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also what copying and pickling ask for before __init__
            raise AttributeError(name)
        values, axes = self._read()
        if name in values:
            return values[name]
        if name in axes:
            raise AttributeError(f"setting: {name} is an axis: expected cube[{name!r}]")
        raise AttributeError(f"setting: {one_of(name, values)}")

    def __contains__(self, name: str) -> bool:
        return name in self._read()[0]

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._read()[0]])

    def __repr__(self) -> str:
        return f"setting({', '.join(f'{k}={v!r}' for k, v in self._read()[0].items())})"


def register() -> None:
    """Gives every xarray Dataset the attribute `setting`; a second call does nothing."""
    if getattr(xr.Dataset, "setting", None) is not CubeSetting:
        xr.register_dataset_accessor("setting")(CubeSetting)
