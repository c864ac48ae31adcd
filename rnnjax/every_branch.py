"""A function with all its branches taken at once, to find which derivatives can be other than 0.

Structure of a cell, such as which weights act on which units, is a property of its code. It is read
off derivatives at random numbers, where no terms cancel. A branch that random numbers do not enter
would hide what it does: `where(x[0] == 1, tanh(W h), h)` has no derivative with respect to W unless
an input is exactly 1. Here a choice between values becomes their sum with different weights, a
maximum or an entry at a computed index is joined by all entries that it could have been, and a
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
import numpy as np

Array = jax.Array
_CONSTANT, _WEIGHT = 0.7309, 0.5413
_LARGE = 1e20  # beyond it a number is a bound or a mask
_WITHOUT_DERIVATIVE = {"sign", "floor", "ceil", "round"}
_CALLS = {"jit", "pjit", "closed_call", "checkpoint", "remat2"}
_RULES = {"custom_jvp_call", "custom_vjp_call"}
_ORDERS = {"sort", "top_k", "cummax", "cummin", "reduce_max", "reduce_min"}
_PLACES = {"scatter", "scatter-add", "scatter_add", "dynamic_update_slice"}


class _Value(NamedTuple):
    """A value, and whether it depends on the arguments: choices that do not are kept."""

    value: Any
    depends: bool


def every_branch(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with all branches taken, of the same arguments.

    Choices between values that do not depend on the arguments are kept, such as a mask among the
    constants. So are loops that end on a condition. A function with a derivative rule of its own is
    added to what it computes without the rule.
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
        return _of_scan(params, given)
    if name == "cond":
        return _of_cond(equation, given)
    plain = _as_it_is(equation, values)
    if name in _RULES:
        opened: list[Any] = [None] * len(plain)
        inner = params.get("call_jaxpr")
        if inner is not None and _can_be_opened(inner):
            opened = [one.value for one in _evaluated(inner, given)]
        return [_ruled(own, other, values) for own, other in zip(plain, opened, strict=True)]
    if name == "select_n" and given[0].depends:
        return [_mixed(given[1:], plain[0])]
    if name in ("max", "min", "clamp"):
        shape = plain[0].shape
        choices = [_Value(jnp.broadcast_to(one.value, shape), one.depends) for one in given]
        return [_mixed(choices, plain[0])]
    if name in _WITHOUT_DERIVATIVE or _is_of_counts(equation):
        return [_Value(jnp.full_like(plain[0], _CONSTANT), True)]
    if name in _ORDERS or name in _PLACES:
        return [_with_any_entry(own, values) for own in plain]
    if name in ("gather", "dynamic_slice") and any(one.depends for one in given[1:]):
        moved = [_along_indices(equation, values[0]), *values[1:]]
        plain = _as_it_is(equation, moved)
    return [_Value(value, True) for value in plain]


def _of_scan(params: dict[str, Any], given: list[_Value]) -> list[_Value]:
    n, k = params["num_consts"], params["num_carry"]
    closed, values = params["jaxpr"], [one.value for one in given]
    depends = _dependence(closed.jaxpr, [one.depends for one in given], n, k)

    def step(carried: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        leaves = zip((*values[:n], *carried, *x), depends, strict=True)
        out = [one.value for one in _evaluated(closed, [_Value(*leaf) for leaf in leaves])]
        return out[:k], out[k:]

    options = {key: params[key] for key in ("length", "reverse")}
    last, stacked = jax.lax.scan(step, values[n : n + k], values[n + k :], **options)
    return [_Value(value, True) for value in (*last, *stacked)]


def _dependence(jaxpr: Any, depends: list[bool], n: int, k: int) -> list[bool]:
    """Return which inputs of the body of a scan depend on the arguments, at whatever step."""
    while True:
        made = {v for v, d in zip(jaxpr.invars, depends, strict=True) if d}
        for equation in jaxpr.eqns:
            if any(not isinstance(v, jex.Literal) and v in made for v in equation.invars):
                made |= set(equation.outvars)
        carried = [not isinstance(v, jex.Literal) and v in made for v in jaxpr.outvars[:k]]
        wider = [a or b for a, b in zip(depends[n : n + k], carried, strict=True)]
        if wider == depends[n : n + k]:
            return depends
        depends = [*depends[:n], *wider, *depends[n + k :]]


def _of_cond(equation: Any, given: list[_Value]) -> list[_Value]:
    branches, (index, *rest) = equation.params["branches"], given

    def of(branch: Any) -> Callable[..., list[Any]]:
        def opened(*values: Any) -> list[Any]:
            inputs = [_Value(v, one.depends) for v, one in zip(values, rest, strict=True)]
            return [one.value for one in _evaluated(branch, inputs)]

        return opened

    values = [one.value for one in rest]
    chosen = jax.lax.switch(index.value, [of(branch) for branch in branches], *values)
    if not index.depends:
        return [_Value(value, True) for value in chosen]
    every = zip(*(of(branch)(*values) for branch in branches), strict=True)
    return [
        _mixed([_Value(value, True) for value in each], own)
        for each, own in zip(every, chosen, strict=True)
    ]


def _as_it_is(equation: Any, given: list[Any]) -> list[Any]:
    bound = equation.primitive.get_bind_params(equation.params)
    out = equation.primitive.bind(*given, **bound)
    return list(out) if equation.primitive.multiple_results else [out]


def _can_be_opened(closed: Any) -> bool:
    """Return whether what has a derivative rule of its own can be differentiated without it."""
    jaxpr = getattr(closed, "jaxpr", closed)
    for equation in jaxpr.eqns:
        if equation.primitive.name == "while" or "callback" in equation.primitive.name:
            return False
        leaves = jax.tree.leaves(equation.params, is_leaf=lambda leaf: hasattr(leaf, "eqns"))
        if not all(_can_be_opened(leaf) for leaf in leaves if hasattr(leaf, "eqns")):
            return False
    return True


def _ruled(own: Any, opened: Any | None, given: list[Any]) -> _Value:
    """Return what a function with a derivative rule gives, by the rule and without it.

    A rule has branches too, such as that of a spike, which is 0 but near the threshold. Entries of
    arguments of the same shape are therefore taken to act on the entries of the result.
    """
    if not jnp.issubdtype(jnp.result_type(own), jnp.inexact):
        return _Value(own, True)
    alike = [a for a in given if jnp.shape(a) == own.shape and jnp.result_type(a) == own.dtype]
    total = _CONSTANT * own + _WEIGHT * sum(alike)
    return _Value((total if opened is None else total + _WEIGHT * opened).astype(own.dtype), True)


def _mixed(choices: Sequence[_Value], own: Any) -> _Value:
    """Return a sum of the values of which one is chosen; `own` is that, for what has no derivative.

    Without constants, which have no derivative and may be a bound such as 1e30. No weight is 1, or
    a value less the largest of some, as in a softmax, would lose its derivative.
    """
    values = [one.value for one in choices if one.depends]
    if not values or not jnp.issubdtype(jnp.result_type(own), jnp.inexact):
        return _Value(own, True)
    weighted = [value * (_CONSTANT + _WEIGHT * i) for i, value in enumerate(values)]
    return _Value(functools.reduce(operator.add, weighted).astype(own.dtype), True)


def _is_of_counts(equation: Any) -> bool:
    """Return whether numbers that have a derivative are made of integers or truths."""
    if equation.primitive.name != "convert_element_type":
        return False
    before, after = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
    return jnp.issubdtype(after, jnp.inexact) and not jnp.issubdtype(before, jnp.inexact)


def _with_any_entry(own: Array, given: list[Any]) -> _Value:
    """Return an array each entry of which may be any entry of those given."""
    if not jnp.issubdtype(own.dtype, jnp.inexact):
        return _Value(own, True)
    parts = [_within_bounds(a) for a in given if jnp.issubdtype(jnp.result_type(a), jnp.inexact)]
    return _Value((own + _WEIGHT * sum(jnp.sum(part) for part in parts)).astype(own.dtype), True)


def _along_indices(equation: Any, operand: Array) -> Array:
    """Return an operand in which each entry is joined by those that an index could find instead."""
    if not jnp.issubdtype(operand.dtype, jnp.inexact):
        return operand
    if equation.primitive.name == "gather":
        axes = tuple(equation.params["dimension_numbers"].start_index_map)
    else:
        sizes = equation.params["slice_sizes"]
        axes = tuple(i for i, n in enumerate(operand.shape) if sizes[i] < n)
    total = jnp.sum(_within_bounds(operand), axis=axes, keepdims=True)
    return (operand + _WEIGHT * total).astype(operand.dtype)


def _within_bounds(values: Any) -> Array:
    """Return values without those that are bounds or masks, which are not numbers of the cell."""
    return jnp.where(jnp.abs(values) < np.float32(_LARGE), values, 0)
