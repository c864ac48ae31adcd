"""What a program holds that may be a recurrence and is not a scan that can be opened, in words."""

import collections
from collections.abc import Iterator
from typing import Any

import jax.extend.core as jex
from jax.extend.core import primitives

from rnnjax.jaxprs import sources
from rnnjax.jaxprs.program import has_derivative, holds_loop, inner_of, is_call, is_loop

# A line that multiplies matrices this often, outside of any scan, is a loop in Python.
_REPEATED = 8
_ASSOCIATIVE = "associative_scan"  # a function of jax.lax, which leaves no equation of its own
_RULED = {primitives.custom_jvp_call_p: "custom_jvp", primitives.custom_vjp_call_p: "custom_vjp"}


def notes(closed: Any, *, found_any: bool) -> tuple[str, ...]:
    """Return a line for everything that is not measured, with what to do.

    Args:
      closed: the jaxpr of a program.
      found_any: whether it has a recurrence that is measured; a loop in Python is then not
        looked for, because a layer that is applied often is no recurrence.
    """
    equations = list(_opened(closed.jaxpr))
    found = [note for equation in equations for note in _notes(equation)]
    if not found_any:
        found += _unrolled(equations)
    return tuple(dict.fromkeys(found))


def _opened(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations of a jaxpr and of the calls and scans in it."""
    for equation in jaxpr.eqns:
        if is_call(equation):
            inner = inner_of(equation)
            yield from _opened(inner.jaxpr if isinstance(inner, jex.ClosedJaxpr) else inner)
            continue
        yield equation
        if equation.primitive is primitives.scan_p:
            yield from _opened(equation.params["jaxpr"].jaxpr)


def _notes(equation: Any) -> Iterator[str]:
    """Yield what is told of an equation, and the associative scans in what it does not open."""
    yield from filter(None, [_note(equation)])
    if equation.primitive is not primitives.scan_p:
        for inner in _inner_jaxprs(equation):
            yield from filter(None, map(_associative, _all_equations(inner)))


def _all_equations(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations of a jaxpr at any depth."""
    for equation in (jaxpr.jaxpr if isinstance(jaxpr, jex.ClosedJaxpr) else jaxpr).eqns:
        yield equation
        for inner in _inner_jaxprs(equation):
            yield from _all_equations(inner)


def _associative(equation: Any) -> str:
    if _ASSOCIATIVE not in sources.functions_of(equation):
        return ""
    return (
        f"{_where(equation, _ASSOCIATIVE)}: an associative scan, which has no step to measure; "
        "run the recurrence as jax.lax.scan, or a diagonal one as the cell rnnjax.LRU"
    )


def _note(equation: Any) -> str:
    if associative := _associative(equation):
        return associative
    where = _where(equation)
    primitive = equation.primitive
    if primitive is primitives.scan_p and equation.params["length"] == 0:
        return f"{where}: a scan of no steps; give it a sequence of at least one"
    if primitive is primitives.while_p and _carries_numbers(equation):
        return (
            f"{where}: a while loop, which has no way back; give it a fixed length as jax.lax.scan "
            "or jax.lax.fori_loop with constant bounds"
        )
    if not any(holds_loop(inner) for inner in _inner_jaxprs(equation)) or is_loop(equation):
        return ""
    if primitive in _RULED:
        return (
            f"{where}: a recurrence inside of {_RULED[primitive]}, whose own derivative rule is "
            "used; take the rule away to measure it"
        )
    return f"{where}: a recurrence inside of {primitive.name}, which is not opened; move it outside"


def _where(equation: Any, called: str = "") -> str:
    name = "/".join(sources.scope_of(equation))
    line = sources.line_of(equation, called)
    return f"{name} ({line})" if name and line else name or line or equation.primitive.name


def _carries_numbers(equation: Any) -> bool:
    n = equation.params["cond_nconsts"] + equation.params["body_nconsts"]
    return any(has_derivative(v.aval) for v in equation.invars[n:])


def _inner_jaxprs(equation: Any) -> list[Any]:
    found = []
    for value in equation.params.values():
        several = value if isinstance(value, list | tuple) else [value]
        found += [v for v in several if isinstance(v, jex.ClosedJaxpr | jex.Jaxpr)]
    return found


def _unrolled(equations: list[Any]) -> list[str]:
    products = [e for e in equations if e.primitive.name == "dot_general"]
    counts = collections.Counter(line for e in products if (line := sources.line_of(e)))
    return [
        f"{line}: {n} products of matrices, as a Python loop over time leaves them; write it as "
        "jax.lax.scan"
        for line, n in counts.items()
        if n >= _REPEATED
    ]
