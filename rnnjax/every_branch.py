"""A function with all its branches taken at once, to find which derivatives can be other than 0.

Structure of a cell, such as which weights act on which units, is a property of its code. It is read
off derivatives at random numbers, where no terms cancel. A branch that random numbers do not enter
would hide what it does: `where(x[0] == 1, tanh(W h), h)` has no derivative with respect to W unless
an input is exactly 1. Here a choice between values becomes their sum with different weights, and a
number that has no derivative (a comparison, a rounded value) becomes a constant other than 0. The
values mean nothing any more; a derivative that is 0 for every number stays 0, and no other does.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

_CONSTANT = 0.7309
_WITHOUT_DERIVATIVE = {"sign", "floor", "ceil", "round"}
_CALLS = {"jit", "pjit", "closed_call", "checkpoint", "remat2"}
_ORDERS = {"sort", "top_k", "cummax", "cummin", "reduce_max", "reduce_min"}


class _Value(NamedTuple):
    """A value, and whether it depends on the arguments: choices that do not are kept."""

    value: Any
    depends: bool


def every_branch(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with all branches taken, of the same arguments.

    Choices between values that do not depend on the arguments are kept, such as a mask among the
    constants. So are rules of `jax.custom_jvp` and `jax.custom_vjp`, and loops that end on a
    condition.
    """

    @functools.wraps(function)
    def of_all(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        found = _evaluated(closed, [_Value(leaf, True) for leaf in jax.tree.leaves(args)])
        return jax.tree.unflatten(jax.tree.structure(shape), [one.value for one in found])

    return of_all


def _evaluated(closed: Any, args: Sequence[_Value]) -> list[_Value]:
    jaxpr = getattr(closed, "jaxpr", closed)
    constants = [_Value(value, False) for value in getattr(closed, "consts", ())]
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *args], strict=True))

    def value(atom: Any) -> _Value:
        return _Value(atom.val, False) if isinstance(atom, jex.Literal) else known[atom]

    for equation in jaxpr.eqns:
        found = _of_equation(equation, [value(atom) for atom in equation.invars])
        known |= dict(zip(equation.outvars, found, strict=True))
    return [value(atom) for atom in jaxpr.outvars]


def _of_equation(equation: Any, given: list[_Value]) -> list[_Value]:
    name, params, values = equation.primitive.name, equation.params, [one.value for one in given]
    if not any(one.depends for one in given):
        return [_Value(value, False) for value in _as_it_is(equation, values)]
    if name in _CALLS:
        return _evaluated(params["jaxpr"], given)
    if name == "scan":
        return _of_scan(params, values)
    if name == "cond" and given[0].depends:
        branches = [_evaluated(branch, given[1:]) for branch in params["branches"]]
        return [_mixed(each) for each in zip(*branches, strict=True)]
    if name == "select_n" and given[0].depends:
        return [_mixed(given[1:])]
    if name in ("max", "min", "clamp"):
        shape = equation.outvars[0].aval.shape
        return [_mixed([one._replace(value=jnp.broadcast_to(one.value, shape)) for one in given])]
    if name in _WITHOUT_DERIVATIVE or _is_of_counts(equation):
        out = equation.outvars[0].aval
        return [_Value(jnp.full(out.shape, _CONSTANT, out.dtype), True)]
    if name in _ORDERS:
        return [_of_any_entry(v.aval, values) for v in equation.outvars]
    return [_Value(value, True) for value in _as_it_is(equation, values)]


def _of_scan(params: dict[str, Any], given: list[Any]) -> list[_Value]:
    n, k = params["num_consts"], params["num_carry"]

    def step(carried: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        values = [_Value(value, True) for value in (*given[:n], *carried, *x)]
        out = [one.value for one in _evaluated(params["jaxpr"], values)]
        return out[:k], out[k:]

    options = {key: params[key] for key in ("length", "reverse")}
    last, stacked = jax.lax.scan(step, given[n : n + k], given[n + k :], **options)
    return [_Value(value, True) for value in (*last, *stacked)]


def _as_it_is(equation: Any, given: list[Any]) -> list[Any]:
    bound = equation.primitive.get_bind_params(equation.params)
    out = equation.primitive.bind(*given, **bound)
    return list(out) if equation.primitive.multiple_results else [out]


def _mixed(choices: Sequence[_Value]) -> _Value:
    """Return a sum of the values of which one is chosen.

    Without constants, which have no derivative and may be a bound such as 1e30. No weight is 1, or
    a value less the largest of some, as in a softmax, would lose its derivative.
    """
    values = [one.value for one in choices if one.depends] or [choices[0].value]
    if not jnp.issubdtype(jnp.result_type(values[0]), jnp.inexact):
        return _Value(values[0], True)
    weighted = [value * (_CONSTANT + 0.5413 * i) for i, value in enumerate(values)]
    return _Value(functools.reduce(operator.add, weighted).astype(values[0].dtype), True)


def _is_of_counts(equation: Any) -> bool:
    """Return whether numbers that have a derivative are made of integers or truths."""
    if equation.primitive.name != "convert_element_type":
        return False
    before, after = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
    return jnp.issubdtype(after, jnp.inexact) and not jnp.issubdtype(before, jnp.inexact)


def _of_any_entry(like: Any, given: list[Any]) -> _Value:
    """Return an array each entry of which may be any entry of those given."""
    if not jnp.issubdtype(like.dtype, jnp.inexact):
        return _Value(jnp.zeros(like.shape, like.dtype), True)
    total = sum(jnp.sum(a) for a in given if jnp.issubdtype(a.dtype, jnp.inexact))
    return _Value(jnp.broadcast_to(total, like.shape).astype(like.dtype), True)
