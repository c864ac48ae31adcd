"""The recurrences of any JAX program, each with the gradient on its way back through it.

A recurrence is a `scan` in the jaxpr of the loss, whichever framework wrote it. The state h_t is
the vector of the floating-point leaves of its new carry; every variable of the new carry is a node
of its own, so dL/dh_t counts the outputs of step t that are such a variable or are computed from
it, and dL/dc_t of an LSTM does not include the path through h_t.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import scaled
from rnnjax.errors import one_line, shown
from rnnjax.jaxprs import backward, graded, unseen
from rnnjax.jaxprs.arguments import check_arrays, check_known, chosen
from rnnjax.jaxprs.cell import ScanCell, cell_of, layout_of, sent_back
from rnnjax.jaxprs.packing import Layout
from rnnjax.jaxprs.passes import Pass
from rnnjax.jaxprs.program import Loop, Program, has_derivative, is_literal, opened, weights_in
from rnnjax.jaxprs.run import run
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, StepLoss

Loss = Callable[[Any, Any], Array]


@struct.dataclass
class StateLeaf:
    """One leaf of the carry of a recurrence.

    Attributes:
      shape, dtype: those of the leaf.
      differentiable: whether it is floating point and so belongs to the state.
      is_output: whether the step also gives it out as it is.
    """

    shape: tuple[int, ...] = struct.field(pytree_node=False)
    dtype: Any = struct.field(pytree_node=False)
    differentiable: bool = struct.field(pytree_node=False)
    is_output: bool = struct.field(pytree_node=False)

    def __str__(self) -> str:
        shape = ", ".join(str(n) for n in self.shape)
        return f"{jnp.dtype(self.dtype).name}({shape}){' out' * self.is_output}"


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
        """The step loss whose derivative by h_t is what the program sends back into h_t."""
        return sent_back

    def split(self, vector: Array) -> list[Array]:
        """Return a vector (..., n) as the leaves of the carry that have derivatives."""
        return layout_of(self.cell.loop).split(vector)

    def __str__(self) -> str:
        way = "in reverse, " if self.reverse else ""
        carry = ", ".join(str(leaf) for leaf in self.state)
        return f"{self.name} ({self.line}): {self.length} steps, {way}carry {carry}"


@struct.dataclass
class Recurrences:
    """The recurrences of a program in order of execution; index by number or name.

    Attributes:
      loss: the loss, ().
      gradient: dL/dparams, a tree as params with `Scaled` leaves.
      all: the recurrences.
      unseen: what else is in the program that may be one, a line each with what to do.
    """

    loss: Array
    gradient: Any
    all: tuple[Recurrence, ...]
    unseen: tuple[str, ...] = struct.field(pytree_node=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the recurrences."""
        return tuple(r.name for r in self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Recurrence]:
        return iter(self.all)

    def __getitem__(self, which: int | str) -> Recurrence:
        if isinstance(which, int):
            return self.all[which]
        check_known([which], self.names)
        return self.all[self.names.index(which)]

    def __str__(self) -> str:
        return "\n".join([*(str(r) for r in self.all), *self.unseen])


def recurrences(
    loss: Loss, params: Any, example: Any, *, layers: Sequence[str] | None = None
) -> Recurrences:
    """Return every recurrence of a program with the scale-free gradient on its way back.

    Args:
      loss: (params, example) -> (), a real number; any JAX program. It may be called within `jit`
        and `vmap`.
      params: a tree of arrays.
      example: what the loss takes besides, a tree of arrays.
      layers: names of the recurrences to return; all if None.

    Raises:
      ValueError: there is no recurrence, the loss is not a real number or has no gradient, or
        there is no recurrence of that name.
    """
    names = chosen(layers)
    check_program(loss, params, example)
    try:
        found = _measured(_Hashable(loss), params, example)
    except ValueError as error:  # a while loop between params and loss
        why = one_line(str(error).splitlines()[0], 300)
        raise ValueError(f"loss: expected a program with a gradient, got {why}") from error
    if names is None:
        return found
    check_known(names, found.names)
    return replace(found, all=tuple(found[name] for name in names))


def check_program(loss: Loss, params: Any, example: Any) -> None:
    """Check that a loss of params and an example is one number, and holds a recurrence."""
    if not callable(loss):
        raise ValueError(f"loss: expected a function (params, example) -> (), got {shown(loss)}")
    check_arrays("params", params)
    check_arrays("example", example)
    if not any(has_derivative(jnp.asarray(leaf)) for leaf in jax.tree.leaves(params)):
        raise ValueError("params: expected floating-point arrays, got none")
    program_of(loss, params, example)


def program_of(loss: Loss, params: Any, example: Any) -> tuple[Program, tuple[str, ...]]:
    """Return a loss as a program, and what else in it may be a recurrence.

    Raises:
      ValueError: the loss cannot be traced, is not a real number, or holds no recurrence.
    """
    try:
        traced, shape = jax.make_jaxpr(loss, return_shape=True)(params, example)
    except Exception as error:
        why = one_line(" ".join(str(error).split()), 300)
        raise ValueError(f"loss: expected it to take params and one example, got {why}") from error
    leaves = jax.tree.leaves(shape)
    is_number = len(leaves) == 1 and leaves[0].shape == ()
    if not is_number or not jnp.issubdtype(leaves[0].dtype, jnp.floating):
        told = ", ".join(f"{leaf.dtype}{tuple(leaf.shape)}" for leaf in leaves) or "nothing"
        raise ValueError(f"loss: expected one real number of shape (), got {one_line(told, 200)}")
    program = opened(traced)
    notes = unseen.notes(traced, found_any=bool(program.loops))
    if not program.loops:
        raise ValueError(
            "loss: expected a recurrence (a scan that carries numbers), got none; "
            + ("; ".join(notes) or "write the loop over time as jax.lax.scan")
        )
    return program, notes


class _Hashable:
    """A loss for the cache of `jit`: equal to another if it is the same object."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashable) and self.loss is other.loss

    def __hash__(self) -> int:
        return id(self.loss)


@functools.partial(jax.jit, static_argnums=0)
def _measured(loss: _Hashable, params: Any, example: Any) -> Recurrences:
    program, notes = program_of(loss.loss, params, example)
    leaves, structure = jax.tree.flatten(params)
    inputs = [*leaves, *jax.tree.leaves(example)]
    ran = run(program, inputs)
    value = ran.outputs(program)[0]
    active = [i < len(leaves) for i in range(len(inputs))]
    back = backward.pull_back(
        program, ran, [graded.of(jnp.ones_like(value))], active, with_source=True
    )
    pairs = zip(back.inputs[: len(leaves)], leaves, strict=True)
    gradient = _leaves([graded.or_zero(c, _floating(leaf)) for c, leaf in pairs])
    found = tuple(_named(program, back.passes, active))
    return Recurrences(value, jax.tree.unflatten(structure, gradient), found, notes)


def _floating(leaf: Any) -> Any:
    leaf = jnp.asarray(leaf)
    return leaf if has_derivative(leaf) else jnp.zeros(leaf.shape, float)


def _leaves(numbers: list[Scaled]) -> list[Scaled]:
    """Return numbers with an exponent for each entry as numbers with one for each leaf."""
    layout = Layout.of([n.value for n in numbers])
    value, exponent = (layout.pack([n.value for n in numbers]), graded.flattened(numbers).exponent)
    joined = Scaled(value, exponent)
    leaves = layout.brought_to(joined, layout.tops(joined))
    pairs = zip(leaves, layout.dtypes, strict=True)
    return [Scaled(leaf.value.astype(dtype), leaf.exponent) for leaf, dtype in pairs]


def _named(
    program: Program, passes: dict[Loop, Pass], are_weights: list[bool], outer: str = ""
) -> Iterator[Recurrence]:
    """Yield the recurrences in order of execution, those inside of another step by step."""
    weights = weights_in(program, are_weights)
    for loop, name in _names(program, outer).items():
        own = [not is_literal(v) and v in weights for v in loop.inputs]
        if loop.moving:
            yield _recurrence(loop, passes[loop], name, own[: loop.n_constants])
        if passes[loop].inner:
            n, k = loop.n_constants, loop.n_carried
            of_body = [*own[:n], *[False] * k, *own[n + k :]]
            yield from _inside(loop, passes[loop].inner, name, of_body)


def _inside(
    loop: Loop, inner: dict[Loop, Pass], name: str, are_weights: list[bool]
) -> Iterator[Recurrence]:
    for i in range(loop.length):
        at_i = jax.tree.map(lambda a, i=i: a[i], inner)
        for one in _named(loop.body, at_i, are_weights, f"{name}/"):
            yield replace(one, name=f"{one.name}[{i}]")


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
