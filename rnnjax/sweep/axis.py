"""One axis of a sweep: a field that takes several values, or fields that vary together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rnnjax.errors import ConfigError
from rnnjax.sweep.axes import Values, check_values
from rnnjax.sweep.setting import Kind


@dataclass(frozen=True)
class Axis:
    """One axis, which is one dimension of the cube.

    Args:
        name: of the dimension; of the field, if it is one.
        kind: "static" if a new value may be a new program.
        fields: the values of every field that varies along it, tuples of one length.
    """

    name: str
    kind: Kind
    fields: Mapping[str, Values]

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    def at(self, index: int) -> dict[str, Any]:
        """The values of its fields at one point."""
        return {name: values[index] for name, values in self.fields.items()}

    @property
    def is_joint(self) -> bool:
        """Whether several fields vary along it, or one under another name."""
        return list(self.fields) != [self.name]

    @cached_property
    def labels(self) -> Values:
        """The coordinate of the dimension: the values, or text where they are no plain numbers."""
        if self.is_joint:
            points = zip(*self.fields.values(), strict=True)
            return tuple("/".join(map(_text, point)) for point in points)
        (values,) = self.fields.values()
        kinds = {bool: "b", int: "n", float: "n", str: "s"}
        same = len({kinds.get(type(value), type(value)) for value in values}) == 1
        return values if same and type(values[0]) in kinds else tuple(map(_text, values))

    @property
    def json(self) -> Any:
        """The axis as JSON: a list, or a table of lists."""
        if self.is_joint:
            return {name: listed(values) for name, values in self.fields.items()}
        return listed(self.fields[self.name])


def joint_values(name: str, kind: Kind, fields: Mapping[str, Values]) -> Axis:
    """The axis along which these fields vary together.

    Raises:
        ConfigError: they have different numbers of values, or a combination comes twice.
    """
    first = next(iter(fields))
    for field, values in fields.items():
        if len(values) != len(fields[first]):
            message = f"expected {len(fields[first])} values, as many as {first} has"
            raise ConfigError(f"axes.{name}.{field}", f"{message}, got {len(values)}")
    axis = Axis(name, kind, fields)
    try:
        check_values(axis.labels)
    except ValueError as error:
        raise ConfigError(f"axes.{name}", str(error)) from None
    return axis


def listed(value: Any) -> Any:
    """Lists for tuples, as JSON has them."""
    return list(map(listed, value)) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    return f"{value:.12g}" if isinstance(value, float) else str(value)
