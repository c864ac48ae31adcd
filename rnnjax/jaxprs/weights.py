"""Which variables of a program are weights: computed from its parameters and from nothing else.

What no gradient reaches is no weight: a frozen one, stop_gradient(w), one that is rounded, or an
integer. It is a constant of the program.
"""

import enum
from collections.abc import Iterable, Sequence
from typing import Any

import jax.extend.core as jex
from jax.extend.core import primitives

from rnnjax.jaxprs.program import (
    Loop,
    Program,
    counts_of,
    has_derivative,
    inner_of,
    is_call,
    is_literal,
)

_CUTS = {"stop_gradient", "sign", "floor", "ceil", "round"}  # a derivative of 0 everywhere


class Origin(enum.IntEnum):
    """What a variable is computed from; of several operands the largest counts."""

    NOTHING = 0
    WEIGHTS = 1
    DATA = 2


def origins_in(program: Program, inputs: Iterable[Origin]) -> dict[Any, Origin]:
    """Return the origin of every variable of a program; those of its constants are missing.

    Args:
      program: the program.
      inputs: the origins of its inputs.
    """
    found = dict(zip(program.inputs, inputs, strict=True))
    for piece in program.pieces:
        is_loop = isinstance(piece, Loop)
        _follow([piece.equation] if is_loop else piece.jaxpr.jaxpr.eqns, found)
    return found


def inside(loop: Loop, origins: Sequence[Origin]) -> list[Origin]:
    """Return the origins of the inputs of a step: a state is data, a counter may be none.

    Args:
      loop: the loop.
      origins: those of its inputs.
    """
    settled = _settled(loop.equation, origins)
    for i in loop.moving:
        settled[loop.n_constants + i] = Origin.DATA
    return settled


def of_atoms(atoms: Iterable[Any], found: dict[Any, Origin]) -> list[Origin]:
    """Return the origins of variables and literals."""
    return [Origin.NOTHING if is_literal(a) else found.get(a, Origin.NOTHING) for a in atoms]


def _follow(equations: Iterable[Any], found: dict[Any, Origin]) -> None:
    for equation in equations:
        results = _results(equation, of_atoms(equation.invars, found))
        found |= dict(zip(equation.outvars, results, strict=True))


def _results(equation: Any, operands: list[Origin]) -> list[Origin]:
    if is_call(equation):
        return _called(inner_of(equation), operands)
    if equation.primitive is primitives.scan_p:
        return _called(equation.params["jaxpr"], _settled(equation, operands))
    origin = max(operands, default=Origin.NOTHING)
    cuts = equation.primitive.name in _CUTS
    return [
        Origin.NOTHING
        if origin is Origin.WEIGHTS and (cuts or not has_derivative(v.aval))
        else origin
        for v in equation.outvars
    ]


def _called(jaxpr: Any, operands: Sequence[Origin]) -> list[Origin]:
    jaxpr = jaxpr.jaxpr if isinstance(jaxpr, jex.ClosedJaxpr) else jaxpr
    found = dict(zip(jaxpr.invars, operands, strict=True))
    _follow(jaxpr.eqns, found)
    return of_atoms(jaxpr.outvars, found)


def _settled(scan: Any, operands: Sequence[Origin]) -> list[Origin]:
    """Return the origins of what a step of a scan reads, its carry as it is after many steps."""
    start, n = counts_of(scan)
    settled = list(operands)
    while True:
        new = _called(scan.params["jaxpr"], settled)[:n]
        carried = [max(a, b) for a, b in zip(settled[start : start + n], new, strict=True)]
        if carried == settled[start : start + n]:
            return settled
        settled[start : start + n] = carried
