"""A scan of any program as a cell: what every probe, rule, spectrum and penalty of rnnjax takes.

The state is the vector of the floating-point leaves of the carry. The inputs of a step, whatever
their structure and dtype, are held by the cell, and the sequence that drives it is the number of
the step; the leaves of the carry without derivative (counters, keys) take the values that they had
in the program. Parameters are the constants of the scan that are computed from the parameters of
the program alone, its weights; other constants (a mask, the states of an encoder) are held. Where
a step has functions with a backward rule alone, its derivative goes forward as well.
"""

import weakref
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.jaxprs import derivative_rules, packing
from rnnjax.jaxprs.packing import Layout
from rnnjax.jaxprs.program import Loop, has_derivative
from rnnjax.jaxprs.run import Ran
from rnnjax.jaxprs.step import Step
from rnnjax.types import Array

# A loop is a static part of a cell: made once, so that programs are not compiled again.
_made_pushable: weakref.WeakKeyDictionary[Loop, Loop] = weakref.WeakKeyDictionary()


def layout_of(loop: Loop) -> Layout:
    """Return how the floating-point leaves of a carry form the state."""
    return Layout.of([loop.carried[i] for i in loop.moving])


@struct.dataclass
class ScanCell:
    """A scan as a cell; its input at step t (from 0) is t, (1,).

    Attributes:
      start: h_0, (n,).
      fixed: the constants of the scan that are no weights.
      xs: the inputs of all steps, leaves (T, ...), in order of processing.
      recorded: the leaves of the carry without derivative, before each step, (T, ...).
      loop: the scan.
      weights: which of its constants are weights.
    """

    start: Array
    fixed: tuple[Any, ...]
    xs: tuple[Any, ...]
    recorded: tuple[Any, ...]
    loop: Loop = struct.field(pytree_node=False)
    weights: tuple[int, ...] = struct.field(pytree_node=False)

    def initial_state(self) -> Array:
        """Return h_0, (n,)."""
        return self.start

    def step(self, params: Sequence[Array], h: Array, x: Array) -> Array:
        """Return h_t (n,) from h_{t-1} (n,) and the number of the step, (1,)."""
        given = self.arguments(params, h, x[0].real.astype(jnp.int32))
        n, k = self.loop.n_constants, self.loop.n_carried
        new = Step(self.loop).new(given[:n], given[n : n + k], given[n + k :])
        return layout_of(self.loop).pack(new)

    def arguments(self, params: Sequence[Array], h: Array, t: Array) -> list[Any]:
        """Return the operands of the body at step t (from 0, int32 ()), in float32 for half."""
        xs, recorded = jax.tree.map(
            lambda a: jax.lax.dynamic_index_in_dim(a, t, keepdims=False), (self.xs, self.recorded)
        )
        layout = layout_of(self.loop)
        moving = [
            part.astype(packing.wide_dtype(dtype))
            for part, dtype in zip(layout.own_parts(h), layout.dtypes, strict=True)
        ]
        carried = _merged(self.loop.n_carried, self.loop.moving, moving, recorded)
        constants = _merged(self.loop.n_constants, self.weights, params, self.fixed)
        return [*constants, *carried, *xs]

    def state_of(self, outputs: Sequence[Any]) -> Array:
        """Return the state among the results of the body, (n,)."""
        return layout_of(self.loop).pack([outputs[i] for i in self.loop.moving])

    def readout(self, params: Sequence[Array], h: Array) -> Array:
        """Return h_t itself, (n,)."""
        return h


def _merged(n: int, places: Sequence[int], there: Sequence[Any], else_: Sequence[Any]) -> list[Any]:
    """Return n values: some at the given places, the others in order."""
    at = dict(zip(places, there, strict=True))
    others = iter(else_)
    return [at[i] if i in at else next(others) for i in range(n)]


def cell_of(
    loop: Loop, ran: Ran, are_weights: Sequence[bool]
) -> tuple[ScanCell, tuple[Array, ...]]:
    """Return a scan that ran as a cell, and its parameters.

    Args:
      loop: the scan.
      ran: its forward pass.
      are_weights: which of its constants are computed from the program's parameters alone.
    """
    moving = set(loop.moving)
    recorded = tuple(c for i, c in enumerate(ran.carried) if i not in moving)
    start = layout_of(loop).pack([ran.carried[i][0] for i in loop.moving])
    weights = tuple(
        i
        for i, (c, w) in enumerate(zip(ran.constants, are_weights, strict=True))
        if w and has_derivative(c)
    )
    fixed = tuple(c for i, c in enumerate(ran.constants) if i not in weights)
    xs = tuple(ran.in_order(loop))
    cell = ScanCell(start, fixed, xs, recorded, _pushable(loop), weights)
    return cell, tuple(packing.wide(ran.constants[i]) for i in weights)


def _pushable(loop: Loop) -> Loop:
    """Return a loop whose step has a forward derivative too; the same one if it had."""
    found = _made_pushable.get(loop)
    if found is None:
        jaxpr = derivative_rules.pushable(loop.jaxpr)
        if jaxpr is loop.jaxpr:
            return loop
        params = {**loop.equation.params, "jaxpr": jaxpr}
        found = Loop(loop.equation.replace(params=params), loop.scope)
        _made_pushable[loop] = found
    return found


def sent_back(y_hat: Array, y: Array) -> Array:
    """Return y.y_hat, the step loss whose gradient with respect to the state is y."""
    return jnp.sum(y * y_hat).real
