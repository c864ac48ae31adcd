"""A step without the `stop_gradient` that cut its state: how the state itself moves.

A program that truncates its gradient within the scan, as by where(t % k == 0, stop_gradient(h), h),
hands its state on all the same. What the state does on its way forward (memory, exponents) is
therefore measured on the step without the cut, x in place of stop_gradient(x).

A cut around something that is rounded stays. In x + stop_gradient(round(x) - x) it gives the
rounding a derivative that it does not have, as a rule of its own (`custom_jvp`) would.
"""

import enum
import weakref
from collections.abc import Sequence
from typing import Any

import jax.extend.core as jex

from rnnjax.jaxprs.program import Loop, has_derivative, inner_of, is_call, is_literal

_ROUNDING = {"sign", "floor", "ceil", "round"}
# A loop is a static part of what holds it: made once, so that programs are not compiled again.
_uncut: weakref.WeakKeyDictionary[Loop, Loop] = weakref.WeakKeyDictionary()


class _Kind(enum.IntEnum):
    """How a variable depends on the state; of several operands the largest counts."""

    NOT = 0
    SMOOTHLY = 1
    ROUNDED = 2


def uncut(loop: Loop) -> Loop:
    """Return a loop whose step cuts nothing of its state; the same one if there is no cut."""
    found = _uncut.get(loop)
    if found is None:
        start = loop.n_constants
        moving = {start + i for i in loop.moving}
        is_state = [i in moving for i in range(len(loop.jaxpr.in_avals))]
        step = _without_stops(loop.jaxpr, is_state)
        if step is loop.jaxpr:
            return loop
        params = {**loop.equation.params, "jaxpr": step}
        found = Loop(loop.equation.replace(params=params), loop.scope)
        _uncut[loop] = found
    return found


def _without_stops(closed: Any, is_state: Sequence[bool]) -> Any:
    """Return the jaxpr of a step without cuts of what depends smoothly on its state.

    Args:
      closed: the step.
      is_state: which of its inputs are the state.

    Returns:
      the same object if there is no such cut.
    """
    kinds = [_Kind.SMOOTHLY if moves else _Kind.NOT for moves in is_state]
    jaxpr, _, changed = _through(closed.jaxpr, kinds)
    return jex.ClosedJaxpr(jaxpr, closed.consts) if changed else closed


def _through(jaxpr: Any, given: Sequence[_Kind]) -> tuple[Any, list[_Kind], bool]:
    """Return a jaxpr without its cuts, the kinds of its outputs, and whether there was a cut."""
    kinds: dict[Any, _Kind] = dict(zip(jaxpr.invars, given, strict=True))
    same: dict[Any, Any] = {}  # what stands for a variable whose equation is gone
    equations, any_cut = [], False
    for equation in jaxpr.eqns:
        operands = [a if is_literal(a) else same.get(a, a) for a in equation.invars]
        own = [_Kind.NOT if is_literal(a) else kinds.get(a, _Kind.NOT) for a in operands]
        if equation.primitive.name == "stop_gradient" and own[0] is _Kind.SMOOTHLY:
            same[equation.outvars[0]] = operands[0]
            any_cut = True
            continue
        replaced = equation.replace(invars=operands)
        results = _results(equation, own)
        if is_call(equation):
            replaced, results, cut = _called(replaced, own)
            any_cut |= cut
        kinds |= dict(zip(equation.outvars, results, strict=True))
        equations.append(replaced)
    outputs = [a if is_literal(a) else same.get(a, a) for a in jaxpr.outvars]
    of_outputs = [_Kind.NOT if is_literal(a) else kinds.get(a, _Kind.NOT) for a in outputs]
    return jaxpr.replace(eqns=equations, outvars=outputs), of_outputs, any_cut


def _called(equation: Any, own: list[_Kind]) -> tuple[Any, list[_Kind], bool]:
    inner = inner_of(equation)
    is_closed = isinstance(inner, jex.ClosedJaxpr)
    jaxpr, results, cut = _through(inner.jaxpr if is_closed else inner, own)
    if not cut:
        return equation, results, False
    new = jex.ClosedJaxpr(jaxpr, inner.consts) if is_closed else jaxpr
    params = {k: new if v is inner else v for k, v in equation.params.items()}
    return equation.replace(params=params), results, True


def _results(equation: Any, own: list[_Kind]) -> list[_Kind]:
    """Return the kinds of the results of an equation."""
    name, kind = equation.primitive.name, max(own, default=_Kind.NOT)
    if name == "select_n":
        # A choice by the state between values that follow it rounds nothing.
        cases = max(own[1:])
        kind = cases if cases is not _Kind.NOT else kind
    if kind is _Kind.NOT:
        return [kind] * len(equation.outvars)
    rounds = name in _ROUNDING
    return [
        _Kind.ROUNDED if rounds or not has_derivative(v.aval) else kind for v in equation.outvars
    ]
