"""A program run forward, with the values that the way back needs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from rnnjax.jaxprs.program import Loop, Plain, Program, read


class Ran(NamedTuple):
    """A loop that ran.

    Attributes:
      constants: the values of its constants.
      carried: the leaves of the carry before each step, (T, ...) in the order of processing.
      last: the leaves of the carry after the last step.
      xs: the inputs of each step, (T, ...) in the order of the arrays.
    """

    constants: list[Any]
    carried: list[Any]
    last: list[Any]
    xs: list[Any]

    def in_order(self, loop: Loop) -> list[Any]:
        """Return the inputs of each step in the order in which the steps are processed."""
        return turned(loop, self.xs)

    def after(self) -> list[Any]:
        """Return the leaves of the carry behind each step, (T, ...)."""
        return [
            jnp.concatenate([before[1:], last[None]])
            for before, last in zip(self.carried, self.last, strict=True)
        ]


def turned(loop: Loop, arrays: list[Any]) -> list[Any]:
    """Return stacked arrays in the order in which a loop processes them, or back again."""
    return [a[::-1] for a in arrays] if loop.reverse else list(arrays)


class Run(NamedTuple):
    """A program that ran: the values of its variables, and each loop's `Ran` by its piece."""

    values: dict[Any, Any]
    loops: dict[Loop, Ran]

    def outputs(self, program: Program) -> list[Any]:
        """Return the values of the outputs."""
        return [read(self.values, atom) for atom in program.outputs]


def run(program: Program, inputs: list[Any]) -> Run:
    """Run a program with the values of its inputs."""
    env = {**program.constants, **dict(zip(program.inputs, inputs, strict=True))}
    ran: dict[Loop, Ran] = {}
    for piece in program.pieces:
        given = [read(env, atom) for atom in piece.inputs]
        if isinstance(piece, Loop):
            ran[piece], results = run_loop(piece, given)
        else:
            results = evaluate(piece, given)
        env |= dict(zip(piece.outputs, results, strict=True))
    return Run(env, ran)


def evaluate(piece: Plain, given: list[Any]) -> list[Any]:
    """Return the results of a piece without a recurrence."""
    return jex.jaxpr_as_fun(piece.jaxpr)(*given)


def bound(equation: Any, values: Sequence[Any]) -> list[Any]:
    """Return the results of an equation for some values of its operands."""
    params = equation.primitive.get_bind_params(equation.params)
    out = equation.primitive.bind(*values, **params)
    return list(out) if equation.primitive.multiple_results else [out]


def run_loop(loop: Loop, given: list[Any]) -> tuple[Ran, list[Any]]:
    """Run a scan, and keep the carry before each step."""
    n, k = loop.n_constants, loop.n_carried
    constants, start, xs = given[:n], given[n : n + k], given[n + k :]

    def step(carried: list[Any], x: list[Any]) -> tuple[list[Any], Any]:
        out = jex.jaxpr_as_fun(loop.jaxpr)(*constants, *carried, *x)
        return out[:k], (carried, out[k:])

    last, (before, outputs) = jax.lax.scan(
        step, start, xs, loop.length, loop.reverse, unroll=loop.unroll
    )
    return Ran(constants, turned(loop, before), last, xs), [*last, *outputs]
