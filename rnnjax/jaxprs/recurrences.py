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

from rnnjax.compiling import by_work
from rnnjax.errors import one_line, shown
from rnnjax.jaxprs import backward, graded, nonlinear, unseen
from rnnjax.jaxprs.arguments import check_arrays, check_known, chosen
from rnnjax.jaxprs.known import known
from rnnjax.jaxprs.packing import Layout
from rnnjax.jaxprs.program import Program, has_derivative, opened
from rnnjax.jaxprs.recurrence import Recurrence, found_in
from rnnjax.jaxprs.run import run
from rnnjax.jaxprs.weights import Origin
from rnnjax.scaled import Scaled
from rnnjax.types import Array

Loss = Callable[[Any, Any], Array]


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
        if not isinstance(which, str):
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
        and `vmap`; outside of `jit` it is traced at every call.
      params: a tree of arrays.
      example: what the loss takes besides, a tree of arrays.
      layers: names of the recurrences to return; all if None.

    Raises:
      ValueError: there is no recurrence, the loss is not a real number or has no gradient, or
        there is no recurrence of that name.
    """
    names = chosen(layers)
    measured = check_program(loss, params, example)
    try:
        found = measured(params, example)
    except ValueError as error:
        if "while_loop" not in str(error):
            raise
        why = one_line(str(error).splitlines()[0], 300)
        raise ValueError(f"loss: expected a program with a gradient, got {why}") from error
    if names is None:
        return found
    check_known(names, found.names)
    return replace(found, all=tuple(found[name] for name in names))


def check_program(loss: Loss, params: Any, example: Any) -> Callable[[Any, Any], "Recurrences"]:
    """Check that a loss of params and an example is one number, and holds a recurrence.

    Returns:
      (params, example) -> its recurrences, compiled.
    """
    if not callable(loss):
        raise ValueError(f"loss: expected a function (params, example) -> (), got {shown(loss)}")
    check_arrays("params", params)
    check_arrays("example", example)
    if not any(has_derivative(jnp.asarray(leaf)) for leaf in jax.tree.leaves(params)):
        raise ValueError("params: expected floating-point arrays, got none")
    traced = _traced(loss, params, example)

    def compiled() -> Callable[[Any, Any], Recurrences]:
        # Cotangents pass between recurrences in few bands, see `graded`.
        return by_work(functools.partial(_measured, *_program_of(traced)), n_trips=2)

    return known(loss, traced, compiled)


def _traced(loss: Loss, params: Any, example: Any) -> Any:
    """Return the closed jaxpr of a loss.

    Raises:
      ValueError: it cannot be traced, or is not a real number.
    """
    try:
        # A function of its own, as JAX keeps the trace of one that it has seen before.
        traced, shape = jax.make_jaxpr(lambda *at: loss(*at), return_shape=True)(params, example)
    except Exception as error:
        why = one_line(" ".join(str(error).split()), 300)
        raise ValueError(f"loss: expected it to take params and one example, got {why}") from error
    leaves = jax.tree.leaves(shape)
    is_number = len(leaves) == 1 and leaves[0].shape == ()
    if not is_number or not jnp.issubdtype(leaves[0].dtype, jnp.floating):
        message = ", ".join(f"{leaf.dtype}{tuple(leaf.shape)}" for leaf in leaves) or "nothing"
        raise ValueError(
            f"loss: expected one real number of shape (), got {one_line(message, 200)}"
        )
    return traced


def _program_of(traced: Any) -> tuple[Program, tuple[str, ...]]:
    """Return a closed jaxpr as a program, and what else in it may be a recurrence.

    Raises:
      ValueError: it holds no recurrence, or a backward rule that is not linear.
    """
    program = opened(traced)
    notes = unseen.notes(traced, found_any=bool(program.loops))
    if not program.loops:
        raise ValueError(
            "loss: expected a recurrence (a scan that carries numbers), got none; "
            + ("; ".join(notes) or "write the loop over time as jax.lax.scan")
        )
    clipped = nonlinear.rule_in(traced)
    if clipped:
        raise ValueError(
            "loss: expected backward rules (custom_vjp) that are linear in the cotangent, got "
            f"{clipped}, which differs for a scale-free one; measure the program without the rule"
        )
    return program, notes


def _measured(program: Program, notes: tuple[str, ...], params: Any, example: Any) -> Recurrences:
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
    origins = [Origin.WEIGHTS if is_weight else Origin.DATA for is_weight in active]
    found = tuple(found_in(program, back.passes, origins))
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
