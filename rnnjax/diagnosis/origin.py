"""The operation at which a number stops being finite, forward or backward.

A step, or a piece between recurrences, is evaluated equation by equation: the first one that makes
something that is not finite of finite numbers is the origin. On the way back the equations are
those of the transposed program, which carry the source lines of the forward ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from rnnjax.jaxprs import sources
from rnnjax.jaxprs.program import inner_of, is_call, is_literal
from rnnjax.jaxprs.run import bound


def origin(function: Callable[..., Any], *arguments: Any) -> str:
    """Return "log, model.py:33", where a function first makes a number that is not finite.

    Args:
      function: any function of trees of arrays.
      arguments: concrete ones.

    Returns:
      "" if all its numbers are finite, or an argument is not.
    """
    traced = jax.make_jaxpr(function)(*arguments)
    found = _first(traced.jaxpr, traced.consts, jax.tree.leaves(arguments))[1]
    return "" if found is None else equation_text(found)


def equation_text(equation: Any) -> str:
    """Return an equation as its operation and source line."""
    return ", ".join(part for part in (equation.primitive.name, sources.line_of(equation)) if part)


def _first(jaxpr: Any, constants: Sequence[Any], given: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the results of a jaxpr, and its first equation that leaves the finite numbers."""
    env = dict(zip(jaxpr.constvars, constants, strict=True))
    env |= dict(zip(jaxpr.invars, given, strict=True))
    origin = None
    for equation in jaxpr.eqns:
        values = [v.val if is_literal(v) else env[v] for v in equation.invars]
        if is_call(equation):
            inner = inner_of(equation)
            closed = isinstance(inner, jex.ClosedJaxpr)
            results, own = _first(
                inner.jaxpr if closed else inner, inner.consts if closed else (), values
            )
        else:
            results = bound(equation, values)
            own = equation if _all_finite(values) and not _all_finite(results) else None
        origin = own if origin is None else origin
        env |= dict(zip(equation.outvars, results, strict=True))
    return [v.val if is_literal(v) else env[v] for v in jaxpr.outvars], origin


def _all_finite(values: Sequence[Any]) -> bool:
    return all(
        bool(jnp.all(jnp.isfinite(v)))
        for v in values
        if jnp.issubdtype(jnp.result_type(v), jnp.inexact)
    )
