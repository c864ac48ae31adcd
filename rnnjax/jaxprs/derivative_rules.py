"""Derivative rules of a function's own (`custom_jvp`, `custom_vjp`), traced.

An equation holds such a rule as a function of Python. What it gives is seen in its trace alone: it
may close over numbers that change, and may do anything with a tangent or cotangent.

A backward rule alone (`custom_vjp`) also says how a change goes forward: v -> J v is the transpose
of the map v -> J^T v that the rule is.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.extend.core as jex
import numpy as np
from jax.extend.core import primitives

from rnnjax.jaxprs.program import has_derivative


def is_rule(equation: Any) -> bool:
    """Return whether an equation calls a function with a derivative rule of its own."""
    return equation.primitive in (primitives.custom_jvp_call_p, primitives.custom_vjp_call_p)


def traced(equation: Any) -> Any:
    """Return the rule of an equation as a closed jaxpr.

    Returns:
      of a custom_jvp, (operands, tangents) -> (results, tangents); of a custom_vjp, (operands,
      cotangents) -> cotangents. Tangents and cotangents are those of floating-point arrays.
    """
    given, out = _shapes(equation.invars), _shapes(equation.outvars)
    moving = [i for i, shape in enumerate(given) if has_derivative(shape)]

    def of_moving(operands: list[Any]) -> tuple[Any, list[Any]]:
        def function(*some: Any) -> Any:
            full = list(operands)
            for i, v in zip(moving, some, strict=True):
                full[i] = v
            bound = equation.primitive.get_bind_params(equation.params)
            return equation.primitive.bind(*full, **bound)

        return function, [operands[i] for i in moving]

    def forward(operands: list[Any], tangents: list[Any]) -> Any:
        function, some = of_moving(operands)
        return jax.jvp(function, some, tangents)

    def backward(operands: list[Any], cotangents: list[Any]) -> Any:
        function, some = of_moving(operands)
        left = iter(cotangents)
        full = [next(left) if has_derivative(s) else _no_cotangent(s) for s in out]
        return jax.vjp(function, *some)[1](full)

    if equation.primitive is primitives.custom_jvp_call_p:
        return jax.make_jaxpr(forward)(given, [given[i] for i in moving])
    return jax.make_jaxpr(backward)(given, [s for s in out if has_derivative(s)])


def pushable(jaxpr: Any) -> Any:
    """Return a jaxpr whose functions with a backward rule can be differentiated forward as well.

    Args:
      jaxpr: closed or not. At any depth a `custom_vjp` is replaced by a `custom_jvp` of the same
        value and the same derivative.

    Returns:
      the same object if there is no backward rule.
    """
    is_closed = isinstance(jaxpr, jex.ClosedJaxpr)
    open_ = jaxpr.jaxpr if is_closed else jaxpr
    equations = [pushable_equation(equation) for equation in open_.eqns]
    if all(new is old for new, old in zip(equations, open_.eqns, strict=True)):
        return jaxpr
    replaced = open_.replace(eqns=equations)
    return jex.ClosedJaxpr(replaced, jaxpr.consts) if is_closed else replaced


def pushable_equation(equation: Any) -> Any:
    """Return one equation in this form."""
    if equation.primitive is primitives.custom_vjp_call_p:
        return _with_forward_rule(equation)
    if is_rule(equation):
        return equation  # what a forward rule does not need
    params = {name: _pushable_parameter(value) for name, value in equation.params.items()}
    if all(params[name] is value for name, value in equation.params.items()):
        return equation
    return equation.replace(params=params)


def _pushable_parameter(value: Any) -> Any:
    if isinstance(value, jex.ClosedJaxpr | jex.Jaxpr):
        return pushable(value)
    if isinstance(value, tuple) and any(isinstance(v, jex.ClosedJaxpr) for v in value):
        new = tuple(_pushable_parameter(v) for v in value)
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    return value


def _with_forward_rule(equation: Any) -> Any:
    """Return the equation of a `custom_vjp` as that of a `custom_jvp`."""
    moving = [i for i, a in enumerate(equation.invars) if has_derivative(a.aval)]
    varying = [i for i, v in enumerate(equation.outvars) if has_derivative(v.aval)]

    @jax.custom_jvp
    def function(*operands: Any) -> list[Any]:
        bound = equation.primitive.get_bind_params(equation.params)
        return list(equation.primitive.bind(*operands, **bound))

    @function.defjvp
    def _(operands: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        def of_moving(*some: Any) -> list[Any]:
            full = list(operands)
            for i, value in zip(moving, some, strict=True):
                full[i] = value
            results = function.fun(*full)
            return [results[i] for i in varying]

        some, pull = jax.vjp(of_moving, *[operands[i] for i in moving])
        push = jax.linear_transpose(lambda cotangents: list(pull(cotangents)), some)
        pushed = iter(push([tangents[i] for i in moving])[0])
        results = function(*operands)
        return results, [
            next(pushed) if i in varying else _no_cotangent(v) for i, v in enumerate(results)
        ]

    traced = jax.make_jaxpr(function)(*_shapes(equation.invars))
    (made,) = traced.jaxpr.eqns
    return equation.replace(primitive=made.primitive, params=made.params, effects=made.effects)


def _shapes(atoms: list[Any]) -> list[Any]:
    return [jax.ShapeDtypeStruct(a.aval.shape, a.aval.dtype) for a in atoms]


def _no_cotangent(like: Any) -> Any:
    return np.zeros(like.shape, jax.dtypes.float0)
