"""Rules, tasks, cells and initial weights by name, as configs write them.

    RTRL
    BPTT(window=10)
    Vanilla(activation=relu, recurrent=orthogonal)

A name, and values of its fields where they are not the defaults: numbers, text, True, False, None,
tuples, and words. A word stands for a value that no literal can write: in cells, activations and
initial weights have their names; other words are those that a program gives values for. The text
is parsed, never evaluated. What there is to name is read from the source (`rnnjax.catalog`), so
that `checked` needs no jax.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from rnnjax import catalog, lazy
from rnnjax.catalog import Entry, Kind
from rnnjax.errors import one_of, shown

_LONGEST = 500  # characters


class Word(str):
    """A bare word in place of a literal, such as the name of an activation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Call(NamedTuple):
    """What a text says: a name, and the values of some fields."""

    name: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        message = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{self.name}({message})" if message else self.name


def parsed(text: str) -> Call:
    """Take a text of the form ``Name`` or ``Name(field=value, ...)`` apart.

    Raises:
        ValueError: it is not of this form.
    """
    wrong = ValueError(f"expected Name or Name(field=value, ...), got {shown(text)}")
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise wrong
    try:
        node = lazy.syntax_tree(text.strip(), mode="eval").body
        call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
        fields = {str(k.arg): _value(k.value) for k in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise wrong from None
    complete = len(fields) == len(call.keywords) and "None" not in fields  # None: of a double star
    if call.args or not complete or not isinstance(call.func, ast.Name):
        raise wrong
    return Call(call.func.id, fields)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return Word(node.id)
    value = ast.literal_eval(node)
    if not _is_plain(value):
        raise ValueError
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def checked(kind: Kind, text: str, words: Collection[str] = ()) -> str:
    """Return a text in its normal form, if it names something.

    Args:
        kind: what is named.
        text: as in the first lines of this module.
        words: those that a program gives values for.

    Raises:
        ValueError: it has another form, or there is no such name, field, word, or, where jax has
            been imported, value of a field.
    """
    call = parsed(text)
    entry = _entry(kind, call)
    for field, value in call.fields.items():
        known = (*words, *(_WORDS[field]() if kind == "cells" and field in _WORDS else ()))
        if isinstance(value, Word) and value not in known:
            message = one_of(str(value), known) if known else f"expected a literal, got {value}"
            raise ValueError(f"{call}: {field}: {message}")
    if "jax" in sys.modules:
        _check_ranges(entry, call)
    return str(call)


_WORDS: dict[str, Callable[[], Collection[str]]] = {
    "activation": catalog.activation_names,
    "recurrent": lambda: catalog.entries("weights").keys(),
}
"""What words mean in the fields of cells."""


def _entry(kind: Kind, call: Call) -> Entry:
    known = catalog.entries(kind)
    if call.name not in known:
        raise ValueError(one_of(call.name, known))
    entry = known[call.name]
    for field in call.fields:
        if field not in entry.fields:
            raise ValueError(f"{call.name}: {one_of(field, entry.fields)}")
    return entry


def _check_ranges(entry: Entry, call: Call) -> None:
    """Compare the values of fields with the ranges that the class declares."""
    literal = {k: v for k, v in call.fields.items() if not isinstance(v, Word)}
    if not literal:
        return
    named = getattr(import_module(entry.module), entry.name)
    ranges = {field.name: field.metadata.get("range") for field in dataclasses.fields(named)}
    for name, value in literal.items():
        if (range_ := ranges[name]) is not None:
            _naming_the_call(call, range_.checked, name, value)
    if not [name for name, needed in entry.fields.items() if needed and name not in literal]:
        _naming_the_call(call, named, **literal)  # what its fields must be together


def _naming_the_call(call: Call, function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        raise ValueError(f"{call}: {error}") from None


def built(
    kind: Kind,
    text: str,
    fields: Mapping[str, Any],
    words: Collection[str] = (),
    meaning: Callable[[str, str], Any] | None = None,
) -> Any:
    """Return what a text names.

    Args:
        kind: what is named.
        text: as in the first lines of this module.
        fields: values of further fields, which the text must not give.
        words: those that `meaning` knows beside the words of cells.
        meaning: (field, word) -> the value of a word in a field.

    Raises:
        ValueError: see `checked`; or a field has no value, or two.
    """
    call = parsed(checked(kind, text, words))
    entry = _entry(kind, call._replace(fields={**call.fields, **fields}))
    if both := [name for name in call.fields if name in fields]:
        raise ValueError(f"{call}: expected no {both[0]}, which is given already")
    named = getattr(import_module(entry.module), entry.name)
    if not entry.is_class:
        return named
    values = {
        field: meaning(field, value) if meaning and isinstance(value, Word) else value
        for field, value in call.fields.items()
    }
    given = {**values, **fields}
    if missing := [name for name, needed in entry.fields.items() if needed and name not in given]:
        raise ValueError(f"{call}: expected a value of {missing[0]}, got none")
    return _naming_the_call(call, named, **given)
