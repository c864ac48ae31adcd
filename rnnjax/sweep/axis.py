"""One axis of a sweep: a field that takes several values, or fields that vary together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError, shown
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
        """The coordinate of the dimension: the values, or text where they are no plain numbers.

        The text has 12 digits of a number, and all of them where those do not tell points apart.
        """
        points = tuple(zip(*self.fields.values(), strict=True))
        if not self.is_joint and _is_plain(values := self.fields[self.name]):
            return values
        labels = _labels(points, exact=False)
        return labels if len(set(labels)) == len(labels) else _labels(points, exact=True)

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
    return checked(Axis(name, kind, fields))


def checked(axis: Axis) -> Axis:
    """The axis, if a coordinate holds its labels and they tell its points apart.

    Raises:
        ConfigError: two points have one label, or NumPy cuts a label.
    """
    try:
        check_values(axis.labels)
    except ValueError as error:
        raise ConfigError(f"axes.{axis.name}", str(error)) from None
    for label, held in zip(axis.labels, np.asarray(axis.labels).tolist(), strict=True):
        if label != held:
            message = f"expected text that does not end in NUL, got {shown(label)}"
            raise ConfigError(f"axes.{axis.name}", message)
    return axis


def listed(value: Any) -> Any:
    """Lists for tuples, as JSON has them."""
    return list(map(listed, value)) if isinstance(value, tuple) else value


def _is_plain(values: Values) -> bool:
    """Whether an array holds these values: numbers, truth values or text, all of one kind."""
    kinds = {bool: "b", int: "n", float: "n", str: "s"}
    if len({kinds.get(type(value), type(value)) for value in values}) > 1:
        return False
    if type(values[0]) not in kinds:
        return False
    array = np.asarray(values)
    return array.dtype.kind != "O" and array.tolist() == list(values)


def _labels(points: Iterable[Values], exact: bool) -> tuple[str, ...]:
    return tuple("/".join(_text(value, exact) for value in point) for point in points)


def _text(value: Any, exact: bool) -> str:
    if isinstance(value, tuple | list):
        return ",".join(_text(item, exact) for item in value)
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.12g}"
    return repr(value) if exact and float(short) != value else short
