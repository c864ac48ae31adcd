"""Which activations of a step are only parts of a larger one, as the logistic function in x s(x).

The slope of such a part is not that of the whole: silu(x) = x s(x) has the slope 1 where s is flat.
Equations that act entry by entry are followed. An activation of a value is a part if its result is
joined with that value, or with another activation of it. A value here is what is computed by
anything but functions of a single one: the W h + U x in tanh(2 (W h + U x)). Weights, literals and
other constants of the scan are no values.

No unit is a max(0, x) under a root, which keeps a variance from being negative by rounding, as in
LayerNorm, nor an activation of constants alone, such as the norm of a weight matrix.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax.extend.core as jex
from jax.extend.core import primitives

from rnnjax.jaxprs.program import Loop, inner_of, is_call, is_literal

_BY_ENTRY = {
    "abs", "add", "add_any", "and", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh",
    "broadcast_in_dim", "cbrt", "ceil", "clamp", "complex", "conj", "convert_element_type",
    "copy", "cos", "cosh", "digamma", "div", "eq", "erf", "erf_inv", "erfc", "exp", "exp2",
    "expand_dims", "expm1", "floor", "ge", "gt", "imag", "integer_pow", "is_finite", "le",
    "lgamma", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not",
    "optimization_barrier", "or", "pow", "real", "reduce_precision", "rem", "reshape", "round",
    "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "squeeze", "stop_gradient",
    "sub", "tan", "tanh", "transpose", "xor",
}  # fmt: skip
_RULED = (primitives.custom_jvp_call_p, primitives.custom_vjp_call_p)


class _Traced(NamedTuple):
    """What is known of a variable.

    Attributes:
      number: its own; variables that are computed alike have the same.
      value: the number of the value that it is a function of; None for a constant.
      holds: the values, and the activations as (activation, its value), that it is made of.
    """

    number: int
    value: int | None
    holds: frozenset[Any]


def parts_of(loop: Loop, kind_of: Any) -> tuple[list[bool], list[bool]]:
    """Return for every activation of a step, in order, whether it is a part, and whether no unit.

    Args:
      loop: the scan.
      kind_of: a function of an equation that tells which kind of activation it is, "" if none.
    """
    walk = _Walk(kind_of)
    closed = loop.jaxpr
    given = [walk.constant() for _ in range(loop.n_constants)]
    given += [walk.fresh() for _ in closed.jaxpr.invars[loop.n_constants :]]
    walk.through(closed, given)
    return walk.are_parts, [i in walk.no_units for i in range(len(walk.are_parts))]


class _Walk:
    def __init__(self, kind_of: Any) -> None:
        self.kind_of = kind_of
        self.are_parts: list[bool] = []
        self.relus: set[int] = set()
        self.no_units: set[int] = set()
        self.numbers: dict[Any, int] = {}
        self.count = itertools.count()

    def constant(self, key: Any = None) -> _Traced:
        return _Traced(self.number(key), None, frozenset())

    def fresh(self, key: Any = None) -> _Traced:
        number = self.number(key)
        return _Traced(number, number, frozenset({number}))

    def number(self, key: Any) -> int:
        """Return the number of what is computed as the key says; a new one for None."""
        new = next(self.count)
        return new if key is None else self.numbers.setdefault(key, new)

    def through(self, jaxpr: Any, given: Sequence[_Traced]) -> list[_Traced]:
        jaxpr = jaxpr.jaxpr if isinstance(jaxpr, jex.ClosedJaxpr) else jaxpr
        env = {v: self.constant() for v in jaxpr.constvars}
        env |= dict(zip(jaxpr.invars, given, strict=True))

        def known(atom: Any) -> _Traced:
            if is_literal(atom):
                return self.constant((str(atom.aval), repr(atom.val)))
            return env[atom]

        for equation in jaxpr.eqns:
            operands = [known(atom) for atom in equation.invars]
            env |= dict(zip(equation.outvars, self.results(equation, operands), strict=True))
        return [known(atom) for atom in jaxpr.outvars]

    def results(self, equation: Any, operands: list[_Traced]) -> list[_Traced]:
        if kind := self.kind_of(equation):
            self.relus |= {len(self.are_parts)} if kind == "relu" else set()
            return [self.activation(equation, operands)]
        if equation.primitive.name in ("rsqrt", "sqrt"):
            self.no_units |= self.relus & {i for i, _ in _activations(operands[0].holds)}
        if is_call(equation):
            return self.through(inner_of(equation), operands)
        keys = [_key(equation, operands, i) for i in range(len(equation.outvars))]
        if all(operand.value is None for operand in operands) and operands:
            return [self.constant(key) for key in keys]
        if equation.primitive.name in _BY_ENTRY or equation.primitive in _RULED:
            self.join(operands)
            return [self.joined(key, operands) for key in keys]
        return [self.fresh(key) for key in keys]

    def activation(self, equation: Any, operands: list[_Traced]) -> _Traced:
        whole = self.joined(_key(equation, operands, 0), operands)
        number = len(self.are_parts)
        self.are_parts.append(False)
        if whole.value is None:
            self.no_units.add(number)
            return whole
        return whole._replace(holds=frozenset({(number, whole.value)}))

    def joined(self, key: Any, operands: list[_Traced]) -> _Traced:
        values = {operand.value for operand in operands if operand.value is not None}
        holds = frozenset[Any]().union(*(operand.holds for operand in operands))
        number = self.number(key)
        if len(values) > 1:
            return _Traced(number, number, holds | {number})
        return _Traced(number, next(iter(values), None), holds)

    def join(self, operands: list[_Traced]) -> None:
        """Mark the activations that come together with what they are activations of."""
        for one, other in itertools.permutations(operands, 2):
            for site, value in _activations(one.holds):
                others = {of for i, of in _activations(other.holds) if i != site}
                self.are_parts[site] |= value in other.holds or value in others


def _activations(holds: Iterable[Any]) -> list[tuple[int, int]]:
    return [item for item in holds if isinstance(item, tuple)]


def _key(equation: Any, operands: list[_Traced], i: int) -> Any:
    """Return what tells whether two results are computed alike; None where it is not looked at."""
    if equation.effects or equation.primitive in _RULED or "jaxpr" in equation.params:
        return None
    numbers = tuple(operand.number for operand in operands)
    return equation.primitive.name, str(equation.params), numbers, i
