"""One recurrence of a program: its name, its place, its gradient, and itself as a cell."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import scaled
from rnnjax.jaxprs.cell import ScanCell, cell_of, layout_of, sent_back
from rnnjax.jaxprs.passes import Pass
from rnnjax.jaxprs.program import Loop, Program, has_derivative, is_literal
from rnnjax.jaxprs.stops import uncut
from rnnjax.jaxprs.weights import Origin, inside, of_atoms, origins_in
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, StepLoss


class StateLeaf(NamedTuple):
    """One leaf of the carry of a recurrence.

    Attributes:
      shape, dtype: those of the leaf.
      differentiable: whether it is floating point and so belongs to the state.
      is_output: whether the step also gives it out as it is.
    """

    shape: tuple[int, ...]
    dtype: Any
    differentiable: bool
    is_output: bool

    def __str__(self) -> str:
        shape = ", ".join(str(n) for n in self.shape)
        # The dtype of typed keys is none of NumPy's.
        return f"{self.dtype.name}({shape}){' out' * self.is_output}"


@struct.dataclass
class Recurrence:
    """One scan of a program, and the gradient on its way back through it.

    Steps t = 1..T are numbered in the order in which the scan processes them: for one that runs
    in reverse, t = 1 is the last element of the sequence.

    Attributes:
      deltas: dL/dh_t, value (T, n), exponent (T,).
      first: dL/dh_0, value (n,), exponent ().
      source: what reaches h_t other than through h_{t+1}: from the outputs of the step and, at the
        last one, from the carry behind it; value (T, n), exponent (T,).
      states: h_0..h_T, (T+1, n).
      cell, params, batch: the recurrence as a cell with the sequence that drives it, for every
        probe, rule and penalty: ``probe(r.cell, r.loss, r.params, r.batch)``.
      name: the path of its module, or "scan_0", "scan_1" where the program does not say; one
        inside of another is called "outer/inner[i]", i the step of the outer one.
      line: "file.py:41".
      length: T.
      reverse: whether the scan runs from the last element to the first.
      state: the leaves of the carry.
    """

    deltas: Scaled
    first: Scaled
    source: Scaled
    states: Array
    cell: ScanCell
    params: tuple[Array, ...]
    batch: Batch
    name: str = struct.field(pytree_node=False)
    line: str = struct.field(pytree_node=False)
    length: int = struct.field(pytree_node=False)
    reverse: bool = struct.field(pytree_node=False)
    state: tuple[StateLeaf, ...] = struct.field(pytree_node=False)

    @property
    def loss(self) -> StepLoss:
        """The step loss with the gradient that the program sends back into h_t."""
        return sent_back

    @property
    def uncut(self) -> "Recurrence":
        """The recurrence with a step that moves as this one, without `stop_gradient` of its state.

        Itself if its step cuts nothing. Its gradients are those of the program all the same.
        """
        loop = uncut(self.cell.loop)
        return self if loop is self.cell.loop else replace(self, cell=replace(self.cell, loop=loop))

    def split(self, vector: Array) -> list[Array]:
        """Return a vector (..., n) as the leaves of the carry that have derivatives."""
        return layout_of(self.cell.loop).split(vector)

    def __str__(self) -> str:
        way = "in reverse, " if self.reverse else ""
        carry = ", ".join(str(leaf) for leaf in self.state)
        return f"{self.name} ({self.line}): {self.length} steps, {way}carry {carry}"


def found_in(
    program: Program,
    passes: dict[Loop, Pass],
    origins: Sequence[Origin],
    outer: str = "",
    step: str = "",
) -> Iterator[Recurrence]:
    """Yield the recurrences in order of execution, those inside of another step by step.

    Args:
      program: the program.
      passes: what the way back through each of its loops gave.
      origins: what its inputs are computed from.
      outer: what the names begin with.
      step: what they end with, the step of the recurrence around them.
    """
    found = origins_in(program, origins)
    for loop, own_name in _names(program, outer).items():
        name = own_name + step
        own = of_atoms(loop.inputs, found)
        if loop.moving:
            are_weights = [origin is Origin.WEIGHTS for origin in own[: loop.n_constants]]
            yield _recurrence(loop, passes[loop], name, are_weights)
        if passes[loop].inner:
            yield from _inside(loop, passes[loop].inner, name, inside(loop, own))


def _inside(
    loop: Loop, inner: dict[Loop, Pass], name: str, origins: Sequence[Origin]
) -> Iterator[Recurrence]:
    for i in range(loop.length):
        at_i = jax.tree.map(lambda a, i=i: a[i], inner)
        yield from found_in(loop.body, at_i, origins, f"{name}/", f"[{i}]")


def _names(program: Program, outer: str) -> dict[Loop, str]:
    """Return names for the loops of a program that differ: their paths, else numbers."""
    taken: dict[str, int] = {}
    names = {}
    for i, loop in enumerate(program.loops):
        name = outer + (loop.name or f"scan_{i}")
        taken[name] = taken.get(name, 0) + 1
        names[loop] = name if taken[name] == 1 else f"{name}#{taken[name]}"
    return names


def _recurrence(loop: Loop, one: Pass, name: str, are_weights: list[bool]) -> Recurrence:
    cell, params = cell_of(loop, one.ran, are_weights)
    steps = jnp.arange(loop.length, dtype=cell.start.real.dtype)[:, None]
    assert one.source is not None  # `_measured` asks for it
    after = layout_of(loop).pack([one.ran.after()[i] for i in loop.moving], n_leading=1)
    return Recurrence(
        deltas=one.deltas,
        first=one.first,
        source=one.source,
        states=jnp.concatenate([cell.start[None], after]),
        cell=cell,
        params=params,
        batch=Batch(steps, scaled.plain(one.source), jnp.ones_like(steps[:, 0])),
        name=name,
        line=loop.line,
        length=loop.length,
        reverse=loop.reverse,
        state=_state(loop),
    )


def _state(loop: Loop) -> tuple[StateLeaf, ...]:
    new, outputs = loop.body.outputs[: loop.n_carried], loop.body.outputs[loop.n_carried :]
    given_out = {v for v in outputs if not is_literal(v)}
    return tuple(
        StateLeaf(
            leaf.shape, leaf.dtype, has_derivative(leaf), not is_literal(v) and v in given_out
        )
        for leaf, v in zip(loop.carried, new, strict=True)
    )
