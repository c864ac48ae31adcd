"""Derivative rules of a function's own (`custom_jvp`, `custom_vjp`), traced.

An equation holds such a rule as a function of Python. What it gives is seen in its trace alone: it
may close over numbers that change, and may do anything with a tangent or cotangent.
"""

from typing import Any

import jax
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


def _shapes(atoms: list[Any]) -> list[Any]:
    return [jax.ShapeDtypeStruct(a.aval.shape, a.aval.dtype) for a in atoms]


def _no_cotangent(like: Any) -> Any:
    return np.zeros(like.shape, jax.dtypes.float0)
