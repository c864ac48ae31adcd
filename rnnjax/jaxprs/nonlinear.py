"""Backward rules (`custom_vjp`) that are not linear in the cotangent.

A scale-free gradient carries cotangents as mantissas of a unit of its own. A rule that compares
the cotangent with a number, as one that clips it, or adds a number to it, gives something else for
a mantissa, so that programs with such a rule are refused. A rule is traced, and followed from the
cotangent to what it gives back; what the rule does besides does not count.
"""

from collections.abc import Iterator
from typing import Any

import jax.extend.core as jex
from jax.extend.core import primitives

from rnnjax.jaxprs import derivative_rules, sources
from rnnjax.jaxprs.linearity import INDEPENDENT, LINEAR, kinds_of


def rule_in(closed: Any) -> str:
    """Return where a rule stands that is not linear, and what it does; "" if there is none."""
    for equation in _with_rules(closed.jaxpr):
        found = _operation(equation)
        if found:
            name = "/".join(sources.scope_of(equation))
            where = ", ".join(part for part in (name, sources.line_of(equation)) if part)
            return found + (f" ({where})" if where else "")
    return ""


def _with_rules(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations with a backward rule, at any depth."""
    for equation in jaxpr.eqns:
        if equation.primitive is primitives.custom_vjp_call_p:
            yield equation
        for value in equation.params.values():
            several = value if isinstance(value, list | tuple) else [value]
            for inner in several:
                if isinstance(inner, jex.ClosedJaxpr | jex.Jaxpr):
                    yield from _with_rules(getattr(inner, "jaxpr", inner))


def _operation(equation: Any) -> str:
    """Return the operation by which a backward rule is not linear, "" if it is."""
    traced = derivative_rules.traced(equation)
    n_operands = len(equation.invars)
    n_cotangents = len(traced.in_avals) - n_operands
    for kind in kinds_of(traced, [INDEPENDENT] * n_operands + [LINEAR] * n_cotangents):
        if isinstance(kind, str):
            return kind
        if kind == INDEPENDENT:
            return "a number without the cotangent"
    return ""
