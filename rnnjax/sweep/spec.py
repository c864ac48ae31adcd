"""What an experiment declares: its axes, its config, and the variables it measures.

An axis is `Static` (a new value is a new program, compiled once) or a `Lane` (a traced value; all
lane axes together are flattened into the lanes of one program):

    class Axes(spec.Axes):
        activation: Static[ActivationName]
        gain: Lane[PositiveFloat]
        seed: Lane[int]

    class Config(spec.Config):
        axes: Axes
        n_h: PositiveInt = Field(64, description="state size")

The order of the fields is the order of the cube's dimensions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from rnnjax import catalog, sweep
from rnnjax.errors import ConfigError, one_of, shown
from rnnjax.sweep.axes import Values, check_values, expand

T = TypeVar("T")


@dataclass(frozen=True)
class AxisKind:
    """Marks a field as an axis and gives it the grammar of `rnnjax.sweep.axes`."""

    kind: Literal["static", "lane"]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of the tuple, with the grammar before it and the checks after it."""
        item = item_type(source)
        check = _check_lane if self.kind == "lane" else check_values
        return core_schema.no_info_after_validator_function(
            check,
            core_schema.no_info_before_validator_function(
                lambda given: expand(given, item), handler(source)
            ),
        )


Static = Annotated[tuple[T, ...], AxisKind("static")]
Lane = Annotated[tuple[T, ...], AxisKind("lane")]


@dataclass(frozen=True)
class NameOf:
    """Marks a string as one of the names that `choices` finds when it is asked."""

    choices: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of the string, with the look-up after it."""
        return core_schema.no_info_after_validator_function(self._known, handler(source))

    def _known(self, name: str) -> str:
        if name not in self.choices():
            raise ValueError(one_of(name, self.choices()))
        return name


ActivationName = Annotated[str, NameOf(catalog.activation_names)]
TaskName = Annotated[str, NameOf(catalog.task_names)]

_DEEPEST = 20  # levels of lists and tables in one value
_MOST_BITS = 10_000  # of an integer: Python writes no more than 4300 digits

_STRICT = ConfigDict(
    frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
)


class Axes(BaseModel):
    """The axes of a sweep; subclass it with one `Static` or `Lane` field an axis."""

    model_config = _STRICT

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a field that is no axis, and a lane that cannot be a traced number."""
        for name, field in cls.model_fields.items():
            kind = axis_kind(cls, name)
            if kind is None:
                raise TypeError(f"{cls.__name__}.{name}: expected Static[...] or Lane[...]")
            if kind == "lane" and item_type(field.annotation) not in (bool, int, float):
                raise TypeError(f"{cls.__name__}.{name}: expected Lane of int, float or bool")


class Config(BaseModel):
    """The config of an experiment; subclass it, giving `axes` your own `Axes`."""

    model_config = _STRICT

    axes: Axes
    chunk: int = Field(
        64, ge=1, le=65536, description="lanes computed together; part of what fixes the bits"
    )
    chunks_a_shard: int = Field(
        64, ge=1, le=65536, description="chunks in one file of the store; a kill loses no more"
    )


@dataclass(frozen=True)
class Variable:
    """One measured quantity of a lane.

    Args:
        dims: inner dimensions, keys of the experiment's ``coordinates``; the axes come before.
        long_name: what a figure or a notebook calls it.
        units: its unit, ``"1"`` for none.
        infinite: what +inf means: ``"overflow"``, or ``"beyond"`` the window that was measured.
        finite: whether a cell with a value that is not finite has failed, and is told as such.
    """

    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    infinite: Literal["overflow", "beyond"] = "overflow"
    finite: bool = False


def item_type(annotation: Any) -> type:
    """The plain type of the values of an axis annotated ``tuple[item, ...]``."""
    item = get_args(annotation)[0]
    while get_origin(item) is Annotated:
        item = get_args(item)[0]
    if get_origin(item) is Literal:
        return type(get_args(item)[0])
    return item if isinstance(item, type) else object


def axis_kind(axes: type[Axes], name: str) -> str | None:
    """``"static"``, ``"lane"``, or None where the field is no axis."""
    marks = [mark for mark in axes.model_fields[name].metadata if isinstance(mark, AxisKind)]
    return marks[0].kind if marks else None


def axis_values(axes: Axes, kind: str | None = None) -> dict[str, Values]:
    """The values of every axis in field order, or of those of one kind."""
    return {
        name: getattr(axes, name)
        for name in type(axes).model_fields
        if kind in (None, axis_kind(type(axes), name))
    }


def parse_config(model: type[Config], data: Mapping[str, Any]) -> Config:
    """Validate a config read from TOML, JSON and the command line.

    Raises:
        ConfigError: naming the first key that is wrong.
    """
    # Strict validation of JSON takes lists for tuples and tables for models, but no "12" for 12
    # and no true for 1; the strict validation of Python objects would refuse the tables too.
    _refuse_what_json_lacks(model, data)
    try:
        # A date is no text, though it may be written as one.
        text = json.dumps(data, default=lambda value: {type(value).__name__: str(value)})
        return model.model_validate_json(text)
    except ValidationError as error:
        raise sweep.config_errors.config_error(model, error) from None


def _refuse_what_json_lacks(
    model: type[BaseModel], data: Mapping[str, Any], path: tuple[str, ...] = ()
) -> None:
    """Raise ConfigError for numbers of thousands of digits and very deep nesting."""
    for name, value in data.items():
        here = (*path, name)
        if isinstance(value, Mapping) and model_at(model, here) is not None:
            _refuse_what_json_lacks(model, value, here)
            continue
        level, depth = [value], 0
        while level:
            depth += 1
            if wrong := [value for value in level if _is_too_long(value)]:
                told = f"expected fewer digits, got {shown(wrong[0])}"
                raise ConfigError(".".join(here), told)
            if depth > _DEEPEST:
                raise ConfigError(".".join(here), f"expected at most {_DEEPEST} levels, got more")
            level = [v for holder in level for v in _members(holder)]


def _is_too_long(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > _MOST_BITS


def _members(holder: Any) -> Iterable[Any]:
    if isinstance(holder, Mapping):
        return holder.values()
    return holder if isinstance(holder, list | tuple) else ()


def model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    """The model that holds the keys below `path`, None where `path` leads to no model."""
    for name in path:
        field = model.model_fields.get(name)
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return None
        model = annotation
    return model


def _check_lane(values: Values) -> Values:
    for value in check_values(values):
        if isinstance(value, float) and value and not 1e-37 <= math.fabs(value) <= 3e38:
            raise ValueError(f"expected 0 or a size within 1e-37..3e38, got {shown(value)}")
        if isinstance(value, int) and not -(2**31) <= value < 2**31:
            raise ValueError(f"expected an integer of 32 bits, got {shown(value)}")
    return values
