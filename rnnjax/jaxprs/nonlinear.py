"""Backward rules (`custom_vjp`) that are not linear in the cotangent.

A scale-free gradient carries cotangents as mantissas of a unit of its own. A rule that compares
the cotangent with a number, as one that clips it, gives something else for a mantissa, so that
programs with such a rule are refused. A rule is traced, and every equation that depends on the
cotangent looked at.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.extend.core as jex
from jax.extend.core import primitives

from rnnjax.jaxprs import sources
from rnnjax.jaxprs.program import has_derivative, inner_of, is_call, is_literal

# Not linear in any of their arguments.
_NONLINEAR = """
    abs acos acosh argmax argmin asin asinh atan atan2 atanh cbrt ceil clamp cos cosh cummax cummin
    digamma eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma log log1p
    logistic lt max min ne nextafter pow reduce_max reduce_min rem round rsqrt sign sin sinh sort
    sqrt square tan tanh top_k
"""
# Linear in one argument where the others do not depend on the cotangent.
_BILINEAR = ("mul", "dot_general", "conv_general_dilated")


def rule_in(closed: Any) -> str:
    """Return where a rule stands that is not linear, and what it does; "" if there is none."""
    for equation in _with_rules(closed.jaxpr):
        found = _operation(equation)
        if found:
            name = "/".join(sources.scope_of(equation))
            where = ", ".join(part for part in (name, sources.line_of(equation)) if part)
            return f"{found} of the cotangent" + (f" ({where})" if where else "")
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
    avals = [a.aval for a in equation.invars]
    moving = [i for i, aval in enumerate(avals) if has_derivative(aval)]

    def backward(given: list[Any], cotangent: Any) -> Any:
        def function(*some: Any) -> Any:
            full = list(given)
            for i, v in zip(moving, some, strict=True):
                full[i] = v
            bound = equation.primitive.get_bind_params(equation.params)
            return equation.primitive.bind(*full, **bound)

        return jax.vjp(function, *[given[i] for i in moving])[1](cotangent)

    given = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
    out = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.outvars]
    if not moving or not all(has_derivative(a) for a in out):
        return ""
    traced = jax.make_jaxpr(backward)(given, out)
    depends = [False] * len(given) + [True] * len(out)
    return _follow(traced.jaxpr, depends)[1]


def _follow(jaxpr: Any, depends: list[bool]) -> tuple[list[bool], str]:
    """Return which outputs depend on the cotangent, and the first operation not linear in it."""
    tainted = {v for v, d in zip(jaxpr.invars, depends, strict=True) if d}

    def is_tainted(atom: Any) -> bool:
        return not is_literal(atom) and atom in tainted

    for equation in jaxpr.eqns:
        given = [is_tainted(a) for a in equation.invars]
        if not any(given):
            continue
        outputs = [True] * len(equation.outvars)
        name = equation.primitive.name
        if is_call(equation):
            inner = inner_of(equation)
            outputs, found = _follow(getattr(inner, "jaxpr", inner), given)
            if found:
                return [], found
        elif _is_nonlinear(name, given):
            return [], name
        tainted |= {v for v, d in zip(equation.outvars, outputs, strict=True) if d}
    return [is_tainted(a) for a in jaxpr.outvars], ""


def _is_nonlinear(name: str, given: list[bool]) -> bool:
    if name in _BILINEAR:
        return sum(given) > 1
    if name == "div":
        return given[1]
    if name == "select_n":
        return given[0]
    return name in _NONLINEAR.split()
