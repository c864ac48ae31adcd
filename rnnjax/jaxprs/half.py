"""Programs in half precision, differentiated in float32.

The range of a float16 ends at 2^-24, and a bfloat16 has 8 bits: a cotangent carried in either is
not the gradient of the program. Every equation is therefore evaluated in float32 and its results
rounded to the values that the program computes, with the derivative of the identity.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp
from jax.extend.core import primitives

from rnnjax.jaxprs.program import inner_of, is_call, is_literal
from rnnjax.types import Array

_HALF = (jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16))
_RULED = (primitives.custom_jvp_call_p,)


def is_half(leaf: Any) -> bool:
    """Return whether an array, or the shape of one, is in half precision."""
    return leaf.dtype in _HALF


def uses_half(closed: Any) -> bool:
    """Return whether a variable of a jaxpr is in half precision."""
    jaxpr = closed.jaxpr
    variables = [*jaxpr.invars, *(v for e in jaxpr.eqns for v in e.outvars)]
    return any(is_half(v.aval) for v in variables if hasattr(v.aval, "dtype"))


def widened(function: Callable[..., list[Any]], closed: Any) -> Callable[..., list[Any]]:
    """Return what a jaxpr computes: `function` itself, or its evaluation in float32."""
    if not uses_half(closed):
        return function
    return lambda *given: _evaluate(closed.jaxpr, closed.consts, [_wide(v) for v in given])


def _wide(value: Any) -> Any:
    return value.astype(jnp.float32) if is_half(jnp.asarray(value)) else value


@jax.custom_jvp
def _rounded(value: Array, like: Array) -> Array:
    """Return the nearest value of the dtype of `like`, in float32."""
    info = jnp.finfo(like.dtype)
    return jax.lax.reduce_precision(value, info.nexp, info.nmant)


@_rounded.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    return _rounded(*primals), tangents[0]


def _evaluate(jaxpr: Any, constants: Any, inputs: list[Any]) -> list[Any]:
    env = dict(zip(jaxpr.constvars, [_wide(c) for c in constants], strict=True))
    env |= dict(zip(jaxpr.invars, inputs, strict=True))

    def value(atom: Any) -> Any:
        if not is_literal(atom):
            return env[atom]
        return jnp.asarray(atom.val, jnp.float32) if is_half(atom.aval) else atom.val

    for equation in jaxpr.eqns:
        results = _one(equation, [value(atom) for atom in equation.invars])
        for var, result in zip(equation.outvars, results, strict=True):
            half = hasattr(var.aval, "dtype") and is_half(var.aval)
            env[var] = _rounded(result, jnp.zeros((), var.aval.dtype)) if half else result
    return [value(atom) for atom in jaxpr.outvars]


def _one(equation: Any, given: list[Any]) -> list[Any]:
    if is_call(equation) or equation.primitive in _RULED:
        inner = inner_of(equation)
        jaxpr = inner.jaxpr if isinstance(inner, jex.ClosedJaxpr) else inner
        closed = inner if isinstance(inner, jex.ClosedJaxpr) else jex.ClosedJaxpr(jaxpr, ())
        if uses_half(closed):
            return _evaluate(jaxpr, closed.consts, given)
    atoms = [*equation.invars, *equation.outvars]
    if any(hasattr(a.aval, "dtype") and is_half(a.aval) for a in atoms):
        given_params = {k: _wide_parameter(v) for k, v in equation.params.items()}
    else:
        given_params = equation.params
    bound = equation.primitive.get_bind_params(given_params)
    result = equation.primitive.bind(*given, **bound)
    return list(result) if equation.primitive.multiple_results else [result]


def _wide_parameter(value: Any) -> Any:
    is_dtype = isinstance(value, jnp.dtype) or (isinstance(value, type) and value in _TYPES)
    return jnp.dtype(jnp.float32) if is_dtype and jnp.dtype(value) in _HALF else value


_TYPES = (jnp.bfloat16, jnp.float16)
