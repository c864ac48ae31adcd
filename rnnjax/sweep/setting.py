"""A setting: all values that determine one cell of a sweep, as one typed and frozen value.

    class Setting(sweep.Setting):
        activation: ActivationName = "tanh"
        gain: PositiveFloat = Field(1.0, description="factor of the initial recurrent weights")
        seed: Traced[int] = 0
        n_h: PositiveInt = Field(64, description="units")
        axes: ClassVar = ("activation", "gain", "seed")

Every field has a default, and every field may be an axis of a sweep. A field is either *static* (a
new value is a new program) or *traced* (all values run in one program, side by side). Floats are
traced and everything else is static, unless the annotation is ``Static[...]`` or ``Traced[...]``.
``axes`` names the dimensions that the cubes of an experiment always have, in their order: where no
axis is given for one of them, it has the length 1. An entry ``("case", "task", "length")`` is one
dimension, named by its first word, along which the fields after it vary together.

A setting is a pytree whose leaves are its traced fields, so that `jax.vmap` maps over settings.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from rnnjax import catalog, names
from rnnjax.errors import one_of

T = TypeVar("T")
Kind = Literal["static", "traced"]

STRICT = ConfigDict(
    frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
)


@dataclass(frozen=True)
class Marked:
    """Metadata of an annotation: whether a field is static or traced."""

    kind: Kind


Static = Annotated[T, Marked("static")]
Traced = Annotated[T, Marked("traced")]


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


@dataclass(frozen=True)
class Named:
    """Marks a string as a name with values of fields, such as ``BPTT(window=10)``.

    Args:
        kind: what is named: "rules", "tasks", "cells" or "weights".
        words: those that the experiment gives values for (see `rnnjax.names`).
    """

    kind: catalog.Kind
    words: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of the string, with its normal form after it."""
        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def checked(self, text: str) -> str:
        """The text in its normal form; see `rnnjax.names.checked` for the errors."""
        return names.checked(self.kind, text, self.words)


ActivationName = Annotated[str, NameOf(catalog.activation_names)]
RuleName = Annotated[str, Named("rules")]
TaskName = Annotated[str, Named("tasks")]
CellName = Annotated[str, Named("cells")]
WeightsName = Annotated[str, Named("weights")]


class Setting(BaseModel):
    """One cell of a sweep; subclass it with one field for each value that determines a cell."""

    model_config = STRICT
    axes: ClassVar[tuple[str | tuple[str, ...], ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse fields without a default, traced fields that are no numbers, unknown axes."""
        for name, field in cls.model_fields.items():
            if name in RESERVED:
                raise TypeError(f"{cls.__name__}.{name}: expected another name than {RESERVED}")
            if field.is_required():
                raise TypeError(f"{cls.__name__}.{name}: expected a default")
            if kind_of(cls, name) == "traced" and item_type(annotation_of(cls, name)) not in (
                bool,
                int,
                float,
            ):
                raise TypeError(f"{cls.__name__}.{name}: expected Traced of int, float or bool")
        for axis in cls.axes:
            for name in fields_of(axis):
                if name not in cls.model_fields:
                    raise TypeError(f"{cls.__name__}.axes: {name!r} is no field")
        if "jax" in sys.modules:
            register(cls)

    def replace(self, **values: Any) -> Self:
        """This setting with other values of some fields, which are not validated."""
        unknown = [name for name in values if name not in type(self).model_fields]
        if unknown:
            raise ValueError(one_of(unknown[0], type(self).model_fields))
        return made(type(self), {**self.__dict__, **values})


RESERVED = ("axes", "chunk", "chunks_a_shard")


def fields_of(axis: str | tuple[str, ...]) -> tuple[str, ...]:
    """The fields that vary along an entry of ``axes``."""
    return (axis,) if isinstance(axis, str) else axis[1:]


def name_of(axis: str | tuple[str, ...]) -> str:
    """The name of the dimension of an entry of ``axes``."""
    return axis if isinstance(axis, str) else axis[0]


def made(cls: type[Setting], values: Mapping[str, Any]) -> Any:
    """A setting with these values of its fields, tracers among them; nothing is validated."""
    setting = cls.__new__(cls)
    object.__setattr__(setting, "__dict__", dict(values))
    object.__setattr__(setting, "__pydantic_fields_set__", set(values))
    object.__setattr__(setting, "__pydantic_extra__", None)
    object.__setattr__(setting, "__pydantic_private__", None)
    return setting


def annotation_of(cls: type[BaseModel], name: str) -> Any:
    """The annotation of a field with its constraints."""
    field = cls.model_fields[name]
    annotation: Any = field.annotation
    for mark in field.metadata:
        annotation = Annotated[annotation, mark]
    return annotation


def kind_of(cls: type[Setting], name: str) -> Kind:
    """Whether a field is static or traced."""
    field = cls.model_fields[name]
    marks = [mark.kind for mark in field.metadata if isinstance(mark, Marked)]
    if marks:
        return marks[-1]
    return "traced" if item_type(field.annotation) is float else "static"


def item_type(annotation: Any) -> type:
    """The plain type behind an annotation; `object` where it is none of one type."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0])
    return annotation if isinstance(annotation, type) else object


@cache
def register(cls: type[Setting]) -> None:
    """Make a class of settings a pytree of its traced fields."""
    import jax

    traced = [name for name in cls.model_fields if kind_of(cls, name) == "traced"]
    static = [name for name in cls.model_fields if name not in traced]

    def flatten(setting: Setting) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        values = setting.__dict__
        return tuple(values[n] for n in traced), tuple(values[n] for n in static)

    def unflatten(fixed: tuple[Any, ...], leaves: Iterable[Any]) -> Any:
        return made(cls, dict(zip([*traced, *static], [*leaves, *fixed], strict=True)))

    jax.tree_util.register_pytree_node(cls, flatten, unflatten)
