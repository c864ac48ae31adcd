"""The activations of a step, wherever they stand in it: seen, shifted or held.

A step is evaluated equation by equation, through the calls in it. Every tanh, logistic, erf and
max(0, x) is a site; sites are numbered in order of execution, the same at every step. A function
with a derivative rule of its own (`custom_jvp`) keeps its rule: as a whole it is a site if it
begins with its only activation (jax.nn.relu), else none is looked for in it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
from jax.extend.core import primitives

from rnnjax.jaxprs import sources
from rnnjax.jaxprs.cell import ScanCell
from rnnjax.jaxprs.parts import parts_of
from rnnjax.jaxprs.program import has_derivative, inner_of, is_call, is_literal
from rnnjax.jaxprs.run import bound
from rnnjax.types import Array

_KINDS = {"tanh": "tanh", "logistic": "logistic", "erf": "erf"}


class Site(NamedTuple):
    """One activation of a step.

    Attributes:
      kind: "tanh", "logistic", "erf" or "relu".
      line: "file.py:41", where it stands.
      before, after: its argument and its value, of one shape.
      ruled: the function, where it has a derivative rule of its own.
    """

    kind: str
    line: str
    before: Array
    after: Array
    ruled: Callable[[Array], Array] | None = None

    @property
    def slope(self) -> Array:
        """The derivative of the value with respect to the argument."""
        y = self.after
        if self.ruled is not None:
            ones = jnp.ones_like(self.before)
            slope = jax.jvp(self.ruled, (self.before,), (ones,))[1]
            # A relu that is cut off above (relu6) is no dead unit there.
            return jnp.where(self.before > 0, 1, slope) if self.kind == "relu" else slope
        if self.kind == "tanh":
            return 1 - y**2
        if self.kind == "logistic":
            return y * (1 - y)
        if self.kind == "erf":
            return 2 / jnp.sqrt(jnp.pi) * jnp.exp(-(self.before**2))
        return (self.before > 0).astype(y.dtype)


# (number of the site, its argument) -> the argument to use instead
Change = Callable[[int, Array], Array]


def evaluated(
    cell: ScanCell,
    params: Sequence[Any],
    h: Array,
    t: Array,
    *,
    change: Change = lambda _, before: before,
    held: Sequence[Array | None] | None = None,
) -> tuple[Array, list[Site]]:
    """Return h_t (n,) from h_{t-1} (n,) and the activations on the way.

    Args:
      cell: the scan.
      params: its weights.
      h: h_{t-1}.
      t: the number of the step, from 0, int32 ().
      change: gives another argument to an activation.
      held: values that the activations take whatever their arguments; None for one that follows
        its argument.
    """
    given = cell.arguments(params, h, t)
    walk = _Walk(change, held)
    closed = cell.loop.jaxpr
    out = walk.through(closed.jaxpr, closed.consts, given)
    return cell.state_of(out), walk.sites


def parts(cell: ScanCell) -> list[bool]:
    """Return for each activation of a step whether it is only a part of a larger one."""
    return parts_of(cell.loop, _kind_of)[0]


def no_units(cell: ScanCell) -> list[bool]:
    """Return for each activation of a step whether it is none: under a root, or of constants."""
    return parts_of(cell.loop, _kind_of)[1]


class _Walk:
    def __init__(self, change: Change, held: Sequence[Array | None] | None) -> None:
        self.change, self.held = change, held
        self.sites: list[Site] = []

    def through(self, jaxpr: Any, constants: Sequence[Any], given: Sequence[Any]) -> list[Any]:
        env = dict(zip(jaxpr.constvars, constants, strict=True))
        env |= dict(zip(jaxpr.invars, given, strict=True))
        for equation in jaxpr.eqns:
            values = [v.val if is_literal(v) else env[v] for v in equation.invars]
            values = _of_declared_dtypes(equation, values)
            env |= dict(zip(equation.outvars, self.results(equation, values), strict=True))
        return [v.val if is_literal(v) else env[v] for v in jaxpr.outvars]

    def results(self, equation: Any, values: list[Any]) -> list[Any]:
        if kind := _kind_of(equation):
            return [self.at_site(kind, equation, values)]
        if is_call(equation):
            inner = inner_of(equation)
            closed = isinstance(inner, jex.ClosedJaxpr)
            return self.through(
                inner.jaxpr if closed else inner, inner.consts if closed else (), values
            )
        return bound(equation, values)

    def at_site(self, kind: str, equation: Any, values: list[Any]) -> Array:
        is_left = not is_literal(equation.invars[0])
        place = 0 if is_left else 1
        before = self.change(len(self.sites), values[place])

        def function(before: Array) -> Array:
            given = [before if i == place else v for i, v in enumerate(values)]
            return bound(equation, given)[0]

        held = None if self.held is None else self.held[len(self.sites)]
        after = function(before) if held is None else held
        ruled = function if equation.primitive is primitives.custom_jvp_call_p else None
        self.sites.append(Site(kind, sources.line_of(equation), before, after, ruled))
        return after


def _of_declared_dtypes(equation: Any, values: list[Any]) -> list[Any]:
    """Return values in the dtypes that an equation was traced with: a state may come in float32."""
    return [
        jax.lax.convert_element_type(v, atom.aval.dtype)
        if jnp.issubdtype(getattr(atom.aval, "dtype", jnp.int32), jnp.inexact)
        else v
        for v, atom in zip(values, equation.invars, strict=True)
    ]


def _kind_of(equation: Any) -> str:
    name = equation.primitive.name
    if not all(has_derivative(v.aval) for v in equation.outvars):
        return ""  # of counters and indices
    if name == "max" and any(is_literal(v) and np.all(v.val == 0) for v in equation.invars):
        return "relu"
    if equation.primitive is primitives.custom_jvp_call_p:
        return _kind_of_ruled(equation)
    return _KINDS.get(name, "")


def _kind_of_ruled(equation: Any) -> str:
    """Return the kind of a function with a rule: that of its only activation, if it comes first."""
    kinds = list(_kinds_in(inner_of(equation)))
    shapes = {v.aval.shape for v in (*equation.invars, *equation.outvars)}
    n = (len(equation.invars), len(equation.outvars))
    return kinds[0] if len(kinds) == len(shapes) == 1 and n == (1, 1) and _begins(equation) else ""


def _kinds_in(jaxpr: Any) -> Iterator[str]:
    for equation in _plain(jaxpr).eqns:
        if kind := _kind_of(equation):
            yield kind
        elif is_call(equation):
            yield from _kinds_in(inner_of(equation))


def _begins(equation: Any) -> bool:
    """Return whether the first equation of a call is an activation of its argument."""
    jaxpr = _plain(inner_of(equation))
    first = jaxpr.eqns[0]
    reads = any(v is jaxpr.invars[0] for v in first.invars)
    return reads and (bool(_kind_of(first)) or (is_call(first) and _begins(first)))


def _plain(jaxpr: Any) -> Any:
    return jaxpr.jaxpr if isinstance(jaxpr, jex.ClosedJaxpr) else jaxpr
