"""A normal form of code, and its hash, independent of comments, formatting and docstrings.

The annotations of the parameters and of the result of a function are left out as well: they say
what the function takes and returns, and it computes the same without them. Those in the body of a
class stay, because they decide what its fields are.

The hash is computed by a separate traversal of the syntax tree: the output of `ast.dump` and
`ast.unparse` differs between versions of Python, and a stored hash must not.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

_LEFT_OUT = ("ctx", "kind", "type_comment")
_OF_SIGNATURES = {
    ast.arg: "annotation",
    ast.FunctionDef: "returns",
    ast.AsyncFunctionDef: "returns",
}
_HEX = 16  # digits of a hash


def digest_of(text: str) -> str:
    """The hash of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:_HEX]


def normalised(node: ast.AST) -> str:
    """The normal form of a piece of code, a text that is the same in every version of Python.

    Empty fields are omitted, because versions of Python differ in which ones exist.
    """
    said: list[str] = []
    rest: list[object] = [node]
    while rest:  # without recursion: a sum of a thousand terms is a thousand levels deep
        item = rest.pop()
        if isinstance(item, ast.AST):
            said.append(f"{type(item).__name__}(")
            rest.append(_Mark(")"))
            for name, value in reversed(list(_fields(item))):
                rest += [value, _Mark(f"{name}=")]
        elif isinstance(item, list):
            said.append("[")
            rest += [_Mark("]"), *reversed(item)]
        else:
            said.append(f"{item} " if isinstance(item, _Mark) else _constant(item))
    return "".join(said)


class _Mark(str):
    """A literal part of the normal form, as opposed to a value in the code."""


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    left_out = (*_LEFT_OUT, _OF_SIGNATURES.get(type(node)))
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            value = [item for item in value if not (is_text(item) or _is_empty(node, item))]
        if name not in left_out and value not in (None, []):
            yield name, value


def _is_empty(node: ast.AST, item: object) -> bool:
    """Whether an item is the empty string that some versions of Python put into f-strings."""
    return isinstance(node, ast.JoinedStr) and isinstance(item, ast.Constant) and item.value == ""


def _constant(value: object) -> str:
    # Python refuses to convert integers with thousands of digits to decimal.
    text = hex(value) if type(value) is int else ascii(value)
    return f"{type(value).__name__} {text} "


def is_text(node: object) -> bool:
    """Whether a statement is only a constant: a docstring, or the text below a field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
