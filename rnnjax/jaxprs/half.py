"""Programs in half precision, differentiated in float32.

The range of a float16 ends at 2^-24, and a bfloat16 has 8 bits: a cotangent carried in either is
not the gradient of the program. Every equation is therefore evaluated in float32 and its results
rounded to the values that the program computes, with the derivative of the identity. Functions with
a derivative rule of their own keep it, evaluated in float32 as well. Branches, inner loops and
random bits are computed as they are written, in half precision, and so is what goes back through
them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from rnnjax.jaxprs import derivative_rules
from rnnjax.jaxprs.program import has_derivative, inner_of, is_call, is_literal
from rnnjax.types import Array

_HALF = (jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16))
# Their parameters hold programs, or name dtypes by which they read bits.
_AS_WRITTEN = ("bitcast_convert_type", "cond", "scan", "scatter-max", "scatter-min", "while")


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


def _evaluate(jaxpr: Any, constants: Any, inputs: list[Any], *, rounds: bool = True) -> list[Any]:
    """Return what a jaxpr computes, in float32, each result rounded unless `rounds` is False."""
    env = dict(zip(jaxpr.constvars, [_wide(c) for c in constants], strict=True))
    env |= dict(zip(jaxpr.invars, inputs, strict=True))

    def value(atom: Any) -> Any:
        if not is_literal(atom):
            return env[atom]
        return jnp.asarray(atom.val, jnp.float32) if is_half(atom.aval) else atom.val

    for equation in jaxpr.eqns:
        results = _one(equation, [value(atom) for atom in equation.invars], rounds)
        for var, result in zip(equation.outvars, results, strict=True):
            half = rounds and hasattr(var.aval, "dtype") and is_half(var.aval)
            env[var] = _rounded(result, jnp.zeros((), var.aval.dtype)) if half else result
    return [value(atom) for atom in jaxpr.outvars]


def _one(equation: Any, given: list[Any], rounds: bool) -> list[Any]:
    if is_call(equation):
        inner = _closed(inner_of(equation))
        if uses_half(inner):
            return _evaluate(inner.jaxpr, inner.consts, given, rounds=rounds)
    if derivative_rules.is_rule(equation):
        inner = _closed(inner_of(equation))
        if uses_half(inner):
            return _by_rule(derivative_rules.pushable_equation(equation), inner, given, rounds)
    if equation.primitive.name in _AS_WRITTEN:
        return [_wide(result) for result in _as_written(equation, given)]
    atoms = [*equation.invars, *equation.outvars]
    if any(hasattr(a.aval, "dtype") and is_half(a.aval) for a in atoms):
        return _bound(equation, given, {k: _wide_parameter(v) for k, v in equation.params.items()})
    return _bound(equation, given, equation.params)


def _closed(inner: Any) -> Any:
    return inner if isinstance(inner, jex.ClosedJaxpr) else jex.ClosedJaxpr(inner, ())


def _bound(equation: Any, given: Sequence[Any], params: Any) -> list[Any]:
    result = equation.primitive.bind(*given, **equation.primitive.get_bind_params(params))
    return list(result) if equation.primitive.multiple_results else [result]


def _as_written(equation: Any, given: Sequence[Any]) -> list[Any]:
    """Return the results of an equation in the dtypes of the program."""
    pairs = zip(given, equation.invars, strict=True)
    own = [v.astype(a.aval.dtype) if is_half(a.aval) else v for v, a in pairs]
    return _bound(equation, own, equation.params)


def _by_rule(equation: Any, inner: Any, given: list[Any], rounds: bool) -> list[Any]:
    """Return the value of a function and give it the derivative of its rule, both in float32."""
    moving = [i for i, v in enumerate(given) if has_derivative(jnp.asarray(v))]

    def filled(some: Sequence[Any]) -> list[Any]:
        full = list(given)
        for i, v in zip(moving, some, strict=True):
            full[i] = v
        return full

    @jax.custom_jvp
    def value(*some: Any) -> list[Any]:
        return _evaluate(inner.jaxpr, inner.consts, filled(some), rounds=rounds)

    @value.defjvp
    def _(primals: Any, tangents: Any) -> tuple[list[Any], list[Any]]:
        own = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in _avals(equation, moving)]
        rule = jax.make_jaxpr(
            lambda p, t: jax.jvp(lambda *some: _as_written(equation, filled(some)), p, t)[1]
        )(own, own)
        slopes = _evaluate(rule.jaxpr, rule.consts, [*primals, *tangents], rounds=False)
        return value(*primals), slopes

    return value(*[given[i] for i in moving])


def _avals(equation: Any, numbers: list[int]) -> list[Any]:
    return [equation.invars[i].aval for i in numbers]


def _wide_parameter(value: Any) -> Any:
    is_dtype = isinstance(value, jnp.dtype) or (isinstance(value, type) and value in _TYPES)
    return jnp.dtype(jnp.float32) if is_dtype and jnp.dtype(value) in _HALF else value


_TYPES = (jnp.bfloat16, jnp.float16)
