"""Frozen dataclasses whose fields declare the values they accept.

`dataclass` corresponds to that of flax.struct: a pytree, frozen, with `replace`. In addition each
field declares its range in the body of its class (`n_h: int = fields.count()`), and the constructor
checks its arguments; a one-line error names the field.

Only constructors check. A JAX transformation flattens such a value and rebuilds it with gradients,
lanes, axis numbers or placeholders instead of its numbers: these are not user input and are not
checked. To construct such a tree by hand, map over a value: ``jax.tree.map(lambda _: 0, cell)`` has
an axis in place of every number.
"""

import copy
import dataclasses
import operator
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import jax
from flax import serialization
from jax.tree_util import GetAttrKey

from rnnjax import pickles
from rnnjax.ranges import Entries, Flag, Kind, Number, Range

T = TypeVar("T")
_MISSING: Any = dataclasses.MISSING


def declared(range_: Range, *, default: Any = _MISSING, static: bool) -> Any:
    """Declare a field with a range; a `static` one is part of the program, not of its data."""
    metadata = {"pytree_node": not static, "range": range_}
    return dataclasses.field(default=default, metadata=metadata)


def count(
    *,
    default: Any = _MISSING,
    at_least: int = 1,
    at_most: int | None = None,
    optional: bool = False,
) -> Any:
    """Declare a static integer: a size, a length, a number of steps."""
    range_ = Number(at_least=at_least, whole=True, static=True, optional=optional)
    return declared(range_, default=default, static=True)


def whole(*, default: Any = _MISSING, at_least: int = 1) -> Any:
    """Declare an integer that may be swept."""
    return declared(Number(at_least=at_least, whole=True), default=default, static=False)


def number(
    *,
    default: Any = _MISSING,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    infinite: bool = False,
    optional: bool = False,
    static: bool = False,
) -> Any:
    """Declare a number that may be swept, unless it is static; see `rnnjax.ranges.Number`."""
    range_ = Number(
        above=above,
        at_least=at_least,
        below=below,
        at_most=at_most,
        infinite=infinite,
        optional=optional,
        static=static,
    )
    return declared(range_, default=default, static=static)


def flag(*, default: Any = _MISSING) -> Any:
    """Declare a static boolean."""
    return declared(Flag(), default=default, static=True)


def array(*axes: str, default: Any = _MISSING, real: bool = False) -> Any:
    """Declare an array with these axes; it may be None if that is its default."""
    entries = Entries(axes, optional=default is None, real=real)
    return declared(entries, default=default, static=False)


def function(*, default: Any = _MISSING, form: str) -> Any:
    """Declare a static function; error messages show its arguments and value as `form`.

    If the default is None, the field may be None.
    """
    expected = f"a function {form}" + (" or None" if default is None else "")
    accepts = Kind(lambda value: callable(value) or (default is None and value is None), expected)
    return declared(accepts, default=default, static=True)


def part(*, default: Any = _MISSING, needs: tuple[str, ...], expected: str) -> Any:
    """Declare a field for an object that is not a class and has all attributes in `needs`."""

    def accepts(value: Any) -> bool:
        return not isinstance(value, type) and all(hasattr(value, name) for name in needs)

    return declared(Kind(accepts, expected, static=False), default=default, static=False)


@dataclass_transform(
    frozen_default=True,
    field_specifiers=(declared, count, whole, number, flag, array, function, part),
)
def dataclass(cls: type[T]) -> type[T]:
    """Make a frozen dataclass whose constructor checks its fields, and register it as a pytree.

    If the class has a `__post_init__`, it is called after the fields have been checked.
    """
    made: Any = value(cls)
    by_kind: dict[bool, list[str]] = {True: [], False: []}
    for field in dataclasses.fields(made):
        by_kind[field.metadata.get("pytree_node", True)].append(field.name)
    _register(made, tuple(by_kind[True]), tuple(by_kind[False]))
    made.replace = dataclasses.replace
    return made


@dataclass_transform(
    frozen_default=True,
    field_specifiers=(declared, count, whole, number, flag, array, function, part),
)
def value(cls: type[T]) -> type[T]:
    """Make the same without registering it as a pytree: its values are part of the program."""
    own: Callable[[Any], None] | None = getattr(cls, "__post_init__", None)
    ranges: list[tuple[str, Range]] = []

    def check(self: Any) -> None:
        if type(self) is made:  # a subclass checks its own fields
            for name, range_ in ranges:
                given = getattr(self, name)
                kept = range_.checked(name, given)
                if kept is not given:
                    object.__setattr__(self, name, kept)
        if own is not None:
            own(self)

    to_fill: Any = cls
    to_fill.__post_init__ = check
    if "__reduce__" not in vars(cls):
        to_fill.__reduce__ = reduced
    made = dataclasses.dataclass(frozen=True)(cls)
    found = [(f.name, f.metadata.get("range")) for f in dataclasses.fields(made)]  # type: ignore[arg-type]
    ranges += [(name, range_) for name, range_ in found if range_ is not None]
    return made


def reduced(self: Any) -> tuple[Any, ...]:
    """Return how a value is unpickled: from its fields, unchecked. Used as `__reduce__`."""
    return _rebuilt, (type(self), {name: pickles.packed(v) for name, v in vars(self).items()})


def _rebuilt(cls: type, fields: dict[str, Any]) -> Any:
    node: Any = object.__new__(cls)
    vars(node).update({name: pickles.unpacked(field) for name, field in fields.items()})
    return node


def _register(cls: Any, data: tuple[str, ...], static: tuple[str, ...]) -> None:
    """Register a class as a pytree and for flax's serialization of trees."""
    keys = tuple(GetAttrKey(name) for name in data)
    data_of, static_of = _getter(data), _getter(static)

    def flatten(node: Any) -> tuple[tuple, tuple]:
        return data_of(node), static_of(node)

    def flatten_with_keys(node: Any) -> tuple[tuple, tuple]:
        return tuple(zip(keys, data_of(node), strict=True)), static_of(node)

    def unflatten(given: tuple, leaves: Any) -> Any:
        node = object.__new__(cls)
        node.__dict__.update(zip(static, given, strict=True))
        node.__dict__.update(zip(data, leaves, strict=True))
        return node

    def deep_copy(node: Any, memo: dict[int, Any]) -> Any:
        # Static fields have a hash and do not change, so a copy may share them.
        return unflatten(static_of(node), copy.deepcopy(data_of(node), memo))

    cls.__deepcopy__ = deep_copy
    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)

    def saved(node: Any) -> dict[str, Any]:
        return {name: serialization.to_state_dict(getattr(node, name)) for name in data}

    def restored(node: Any, state: dict[str, Any]) -> Any:
        if state.keys() != set(data):
            raise ValueError(
                f"state: expected the fields {', '.join(data)} of {cls.__name__}, got "
                f"{', '.join(state)}"
            )
        return node.replace(
            **{
                name: serialization.from_state_dict(getattr(node, name), part, name=name)
                for name, part in state.items()
            }
        )

    serialization.register_serialization_state(cls, saved, restored)


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple]:
    if not names:
        return lambda node: ()
    get = operator.attrgetter(*names)
    return get if len(names) > 1 else lambda node: (get(node),)
