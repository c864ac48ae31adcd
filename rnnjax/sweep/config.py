"""The config of a sweep: one setting, the axes along which it varies, and how lanes are cut.

As TOML, JSON or a mapping:

    n_h = 64                     # a value of the setting
    chunk = 64                   # lanes computed together
    [axes]
    gain = "lin(0.5, 2, 31)"     # an axis, in the grammar of `rnnjax.sweep.axes`
    seed = "range(8)"
    [axes.case]                  # one dimension, along which two fields vary together
    task = ["adding", "copy"]
    length = [10, 20]
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    create_model,
)
from pydantic_core import CoreSchema, core_schema

from rnnjax.errors import ConfigError, shown
from rnnjax.sweep import config_errors, json_values
from rnnjax.sweep.axes import Values, check_values, expand
from rnnjax.sweep.axis import Axis, checked, joint_values, listed
from rnnjax.sweep.setting import (
    STRICT,
    Kind,
    Setting,
    annotation_of,
    fields_of,
    item_type,
    kind_of,
    made,
    name_of,
    names_in,
)

_MOST_CHECKED = 100_000  # settings that are validated one by one


@dataclass(frozen=True)
class Config:
    """The config of one sweep.

    Args:
        type: the class of its settings.
        values: the values of the fields that are no axes.
        axes: the axes, in the order of the cube's dimensions.
        chunk: lanes computed together; it determines the last bits of the results.
        chunks_a_shard: chunks in one file of the store; a kill loses no more.
    """

    type: type[Setting]
    values: Mapping[str, Any]
    axes: tuple[Axis, ...]
    chunk: int
    chunks_a_shard: int

    @property
    def json(self) -> dict[str, Any]:
        """The config as JSON, which `parse_config` reads."""
        axes = {axis.name: axis.json for axis in self.axes}
        values = {name: listed(value) for name, value in self.values.items()}
        return {**values, "axes": axes, "chunk": self.chunk, "chunks_a_shard": self.chunks_a_shard}

    def setting(self, values: Mapping[str, Any]) -> Any:
        """The setting with these values on its axes, tracers among them."""
        return made(self.type, {**self.values, **values})

    @property
    def fixed(self) -> Any:
        """What all cells have in common: fields along an axis of several values are missing."""
        single = [axis.at(0) for axis in self.axes if len(axis) == 1]
        return self.setting({name: v for values in single for name, v in values.items()})


@dataclass(frozen=True)
class _AxisOf:
    """Metadata of a tuple: the grammar before its validation, the checks of an axis after it."""

    kind: Kind
    distinct: bool = True

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of the tuple, with the grammar before it and the checks after it."""
        item = item_type(source.__args__[0])
        within = json_values.as_tuples if item is object else tuple

        def check(values: Values) -> Values:
            values = json_values.in_range(values) if self.kind == "traced" else values
            return check_values(values) if self.distinct else values

        return core_schema.no_info_after_validator_function(
            check,
            core_schema.no_info_before_validator_function(
                lambda given: within(expand(given, item)), handler(source)
            ),
        )


@cache
def model_of(setting: type[Setting]) -> type[BaseModel]:
    """The model of the configs of a class of settings, for validation and help."""
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in setting.model_fields.items()
    }
    axes = _axes_model(setting, distinct=True)
    fields["axes"] = (axes, Field(default=axes()))
    chunk = "lanes computed together; part of what fixes the bits"
    fields["chunk"] = (int, Field(64, ge=1, le=65536, description=chunk))
    shard = "chunks in one file of the store; a kill loses no more"
    fields["chunks_a_shard"] = (int, Field(64, ge=1, le=65536, description=shard))
    return create_model("Config", __config__=STRICT, **fields)


@cache
def _axes_model(setting: type[Setting], distinct: bool) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name in setting.model_fields:
        mark = _AxisOf(kind_of(setting, name), distinct)
        values: Any = tuple.__class_getitem__((annotation_of(setting, name), ...))
        fields[name] = (Annotated[values, mark] | None, None)
    return create_model("Axes", __config__=STRICT, **fields)


def parse_config(setting: type[Setting], data: Mapping[str, Any]) -> Config:
    """Validate a config read from TOML, JSON, the command line or Python.

    Args:
        setting: the class of the settings.
        data: the config; what it lacks has its default.

    Raises:
        ConfigError: naming the first key that is wrong.
    """
    json_values.refuse_what_json_lacks(data)
    given = data.get("axes", {})
    if not isinstance(given, Mapping):
        raise ConfigError("axes", f"expected a table, got {shown(given)}")
    tables = {name: value for name, value in given.items() if isinstance(value, Mapping)}
    plain = {name: value for name, value in given.items() if name not in tables}
    model: Any = _validated(model_of(setting), {**data, "axes": plain})
    swept = {
        name: checked(Axis(name, kind_of(setting, name), {name: values}))
        for name in setting.model_fields
        if (values := getattr(model.axes, name)) is not None
    }
    joint = {name: _joint(setting, name, table) for name, table in tables.items()}
    axes = _in_order(setting, model, swept | joint)
    _check_once(data, axes)
    on_axes = {name for axis in axes for name in axis.fields}
    values = {n: getattr(model, n) for n in setting.model_fields if n not in on_axes}
    config = Config(setting, values, axes, model.chunk, model.chunks_a_shard)
    _check_settings(config)
    return config


def check_names(config: Config) -> None:
    """Validate all names of a config once more, where jax has been loaded since it was parsed.

    What fields of rules and cells accept is known where their modules can be imported.

    Raises:
        ConfigError: naming the first key that is wrong.
    """
    axes = {name: (axis, values) for axis in config.axes for name, values in axis.fields.items()}
    for name in config.type.model_fields:
        axis, values = axes.get(name, (None, config.values.get(name)))
        for mark in names_in(annotation_of(config.type, name)):
            for text in _texts(values):
                try:
                    mark.checked(text)
                except ValueError as error:
                    key = f"axes.{axis.name}.{name}" if axis and axis.is_joint else name
                    raise ConfigError(key, str(error)) from None


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, tuple):
        for value in values:
            yield from _texts(value)


def _validated(model: type[BaseModel], data: Mapping[str, Any], prefix: str = "") -> BaseModel:
    """Validate as JSON, whose strict mode takes lists for tuples but no "12" for 12."""
    try:
        # A date is no text, though it may be written as one.
        text = json.dumps(data, default=lambda value: {type(value).__name__: str(value)})
        return model.model_validate_json(text)
    except ValidationError as error:
        raise config_errors.config_error(model, error, prefix) from None


def _joint(setting: type[Setting], name: str, table: Mapping[str, Any]) -> Axis:
    """The axis of a table of fields that vary together."""
    key = f"axes.{name}"
    if name in setting.model_fields:
        raise ConfigError(key, f"expected values, got {shown(table)}")
    if not name.isidentifier():
        raise ConfigError(key, "expected a name of letters, digits and underscores")
    model = _axes_model(setting, distinct=False)
    found = _validated(model, table, f"{key}.")
    fields = {n: values for n in table if (values := getattr(found, n)) is not None}
    if not fields:
        raise ConfigError(key, f"expected fields that vary together, got {shown(dict(table))}")
    kinds = {kind_of(setting, n) for n in fields}
    return joint_values(name, "static" if "static" in kinds else "traced", fields)


def _in_order(setting: type[Setting], model: Any, axes: Mapping[str, Axis]) -> tuple[Axis, ...]:
    """The axes in the order of the dims: those the cubes do not always have come first."""
    always: dict[str, Axis] = {}
    for entry in setting.axes:
        name, fields = name_of(entry), fields_of(entry)
        if apart := [n for n in fields if n != name and n in axes]:
            message = f"expected axes.{name}.{apart[0]}, because {', '.join(fields)} vary together"
            raise ConfigError(f"axes.{apart[0]}", f"{message} here, got an axis of its own")
        if name in axes and (missing := [n for n in fields if n not in axes[name].fields]):
            raise ConfigError(f"axes.{name}.{missing[0]}", "expected a value, got nothing")
        single = {n: (getattr(model, n),) for n in fields}
        kinds = {kind_of(setting, n) for n in fields}
        kind: Kind = "static" if "static" in kinds else "traced"
        always[name] = axes.get(name) or Axis(name, kind, single)
    extra = [axis for name, axis in axes.items() if name not in always]
    return (*extra, *always.values())


def _check_once(data: Mapping[str, Any], axes: Iterable[Axis]) -> None:
    """Raise ConfigError for a field that has a value and an axis, or two axes."""
    seen: dict[str, str] = {}
    given = data.get("axes", {})
    for axis in sorted(axes, key=lambda axis: axis.is_joint):
        for name in axis.fields:
            if name in seen:
                here, there = axis.name, seen[name]
                if here in given and there in given:
                    raise ConfigError(f"axes.{here}", f"{name} is on axes.{there} already")
                here, there = (there, here) if there in given else (here, there)
                message = f"expected other fields, because {name} is on axes.{there} of every cube"
                raise ConfigError(f"axes.{here}", message)
            seen[name] = axis.name
            if name in data and axis.name in given:
                both = f"{shown(data[name])} and axes.{axis.name}"
                raise ConfigError(name, f"expected a value or an axis, got {both}")


def _check_settings(config: Config) -> None:
    """Validate the settings of all cells, where the class has checks across its fields.

    Of more than a hundred thousand cells, those are checked in which one axis takes all of its
    values and the others take the first.
    """
    decorators = config.type.__pydantic_decorators__
    if not (decorators.model_validators or decorators.field_validators):
        return
    on_axes = {field: axis.name for axis in config.axes for field in axis.fields if len(axis) > 1}
    for values in _cells(config.axes):
        try:
            config.type.model_validate({**config.values, **values})
        except ValidationError as error:
            refused = config_errors.config_error(model_of(config.type), error)
            axis = on_axes.get(refused.key)
            key = refused.key if axis is None else f"axes.{refused.key}"
            raise ConfigError(key, refused.message) from None


def _cells(axes: tuple[Axis, ...]) -> Iterator[dict[str, Any]]:
    n_cells = math.prod(map(len, axes))
    if n_cells <= _MOST_CHECKED:
        yield from _product(axes, 0)
        return
    first = {name: value for axis in axes for name, value in axis.at(0).items()}
    for axis in axes:
        yield from (first | axis.at(index) for index in range(len(axis)))


def _product(axes: tuple[Axis, ...], number: int) -> Iterator[dict[str, Any]]:
    if number == len(axes):
        yield {}
        return
    for index in range(len(axes[number])):
        for rest in _product(axes, number + 1):
            yield axes[number].at(index) | rest
