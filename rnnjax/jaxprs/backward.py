"""The way back through a program: scale-free cotangents of all its variables that need one.

Between recurrences a piece is differentiated by `jax.vjp` and applied in bands (see `graded`);
through a recurrence the adjoint goes back step by step with an exponent of its own (see `adjoint`),
or, where a step holds recurrences, each step as a program of its own. All recurrences are passed
once, from the loss to the inputs.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.jaxprs import adjoint, graded, packing
from rnnjax.jaxprs.half import widened
from rnnjax.jaxprs.passes import Cotangent, Pass
from rnnjax.jaxprs.program import Loop, Plain, Program, has_derivative, is_literal, read
from rnnjax.jaxprs.run import Ran, Run, evaluate, run
from rnnjax.scaled import Scaled


class Back(NamedTuple):
    """The result of `pull_back`.

    Attributes:
      inputs: the cotangent of each input of the program.
      marked: that of each marked variable.
      passes: what each loop of the program gives.
    """

    inputs: list[Cotangent]
    marked: dict[Any, Cotangent]
    passes: dict[Loop, Pass]


def active_in(program: Program, active_inputs: Iterable[bool]) -> set[Any]:
    """Return the variables that depend on active inputs, or on the state of a loop."""
    pairs = zip(program.inputs, active_inputs, strict=True)
    active = {v for v, is_active in pairs if is_active and has_derivative(v.aval)}
    for piece in program.pieces:
        if isinstance(piece, Loop) or any(not is_literal(v) and v in active for v in piece.inputs):
            active |= {v for v in piece.outputs if has_derivative(v.aval)}
    return active | {v for v in program.marked if has_derivative(v.aval)}


def pull_back(
    program: Program,
    ran: Run,
    outputs: list[Cotangent],
    active_inputs: Iterable[bool],
    *,
    with_source: bool,
    cut: bool = False,
) -> Back:
    """Return the cotangents of the inputs of a program.

    Args:
      program: the program.
      ran: its forward pass.
      outputs: the cotangents of its outputs, with an exponent for each entry.
      active_inputs: which inputs need a cotangent.
      with_source: whether each pass needs its source.
      cut: whether what reaches a marked variable stops there, as if that variable was an input.
    """
    active = active_in(program, active_inputs)
    cotangents = _Cotangents(active)
    cotangents.add(program.outputs, outputs)
    passes: dict[Loop, Pass] = {}
    for piece in reversed(program.pieces):
        stops = program.marked if cut else frozenset()
        arriving = [None if v in stops else cotangents.of(v) for v in piece.outputs]
        if isinstance(piece, Loop):
            wanted = [not is_literal(v) and v in active for v in piece.inputs]
            passes[piece], before = _through(piece, ran.loops[piece], arriving, wanted, with_source)
        else:
            before = _through_plain(piece, ran.values, arriving, active)
        cotangents.add(piece.inputs, before)
    return Back(
        [cotangents.of(v) for v in program.inputs],
        {v: cotangents.of(v) for v in program.marked},
        passes,
    )


class _Cotangents:
    """The cotangents of variables, summed up as they arrive."""

    def __init__(self, active: set[Any]) -> None:
        self.active = active
        self.values: dict[Any, Scaled] = {}

    def of(self, var: Any) -> Cotangent:
        return self.values.get(var)

    def add(self, atoms: Iterable[Any], parts: Iterable[Cotangent]) -> None:
        for atom, part in zip(atoms, parts, strict=True):
            if part is not None and not is_literal(atom) and atom in self.active:
                total = graded.total([self.values.get(atom), part])
                assert total is not None  # one of the two is given
                self.values[atom] = total


def _through(
    loop: Loop, ran: Ran, arriving: list[Cotangent], wanted: list[bool], with_source: bool
) -> tuple[Pass, list[Cotangent]]:
    way = adjoint.through if loop.is_leaf else _through_nested
    return way(loop, ran, arriving, wanted, with_source=with_source)


def _through_nested(
    loop: Loop, ran: Ran, arriving: list[Cotangent], wanted: list[bool], *, with_source: bool
) -> tuple[Pass, list[Cotangent]]:
    """Go back through a scan whose step holds recurrences: each step is a program of its own.

    Every step is run again and passed back as a whole; cotangents keep an exponent for each entry.
    """
    n, k = loop.n_constants, loop.n_carried
    moving, fixed = loop.moving, [i for i in range(n) if wanted[i]]
    xs_wanted = [i for i, w in enumerate(wanted[n + k :]) if w]
    sent = [i for i, c in enumerate(arriving[k:]) if c is not None]
    active = [i in fixed for i in range(n)] + [i in moving for i in range(k)] + wanted[n + k :]

    def step_back(state: Any, at: Any) -> tuple[Any, Any]:
        by_carry, by_constants = state
        (carried, x), ys = at
        once = run(loop.body, [*ran.constants, *carried, *x])
        outputs: list[Cotangent] = [None] * len(loop.body.outputs)
        for i, c in zip(moving, by_carry, strict=True):
            outputs[i] = c
        for i, c in zip(sent, ys, strict=True):
            outputs[k + i] = c

        back = pull_back(loop.body, once, outputs, active, with_source=with_source)
        # Only a pass whose source is wanted is looked at.
        given_out = _given_out(loop, once, outputs, active) if with_source else (by_carry,) * 2
        stacks = [scaled.add(a, b) for a, b in zip(by_carry, given_out[0], strict=True)], given_out
        before = [graded.or_zero(back.inputs[n + i], carried[i]) for i in moving]
        by_x = [graded.or_zero(back.inputs[n + k + i], x[i]) for i in xs_wanted]
        own = [graded.or_zero(back.inputs[i], ran.constants[i]) for i in fixed]
        total = [scaled.add(a, b) for a, b in zip(by_constants, own, strict=True)]
        return (before, total), (stacks, by_x, back.passes)

    last = [graded.or_zero(arriving[i], ran.last[i]) for i in moving]
    ys = [adjoint.turned_number(loop, c) for c in arriving[k:] if c is not None]
    none = [graded.or_zero(None, ran.constants[i]) for i in fixed]
    (first, by_constants), (stacks, by_x, inner) = jax.lax.scan(
        step_back, (last, none), ((ran.carried, ran.in_order(loop)), ys), reverse=True
    )
    before: list[Cotangent] = [None] * len(wanted)
    for i, c in zip(fixed, by_constants, strict=True):
        before[i] = c
    for i, c in zip(moving, first, strict=True):
        before[n + i] = c
    for i, c in zip(xs_wanted, by_x, strict=True):
        before[n + k + i] = adjoint.turned_number(loop, c)
    if not moving:
        return _stateless(loop, ran, inner), before
    deltas, given_out = stacks
    source = _source(given_out, last) if with_source else None
    of_first = graded.in_common(graded.flattened(first))
    return Pass(ran, _flat(deltas), source, of_first, inner), before


def _stateless(loop: Loop, ran: Ran, inner: Any) -> Pass:
    """Return the pass of a loop that only holds others, as `jax.lax.map` makes it."""
    steps = Scaled(jnp.zeros((loop.length, 0)), jnp.zeros(loop.length, jnp.int32))
    return Pass(ran, steps, steps, jax.tree.map(lambda a: a[0], steps), inner)


def _given_out(loop: Loop, once: Run, outputs: list[Cotangent], active: list[bool]) -> Any:
    """Return what a step sends out from its new and from its old carry, leaves of both.

    The new carry is cut from what computes it: each of its variables is a node of its own.
    """
    sent = [None] * loop.n_carried + outputs[loop.n_carried :]
    back = pull_back(loop.body, once, sent, active, with_source=False, cut=True)
    start = loop.n_constants
    new: list[Scaled] = []
    left = dict(back.marked)
    for i in loop.moving:
        var = loop.body.outputs[i]
        # A variable that stands in two places of the carry is counted in the first.
        own = None if is_literal(var) else left.pop(var, None)
        new.append(graded.or_zero(own, loop.carried[i]))
    old = [graded.or_zero(back.inputs[start + i], loop.carried[i]) for i in loop.moving]
    return new, old


def _flat(leaves: list[Scaled]) -> Scaled:
    return graded.in_common(graded.flattened(leaves, 1), 1)


def _source(given_out: Any, last: list[Scaled]) -> Scaled:
    """Return g_t from what the steps send out, and what reaches the last state from behind."""
    new, old = given_out
    later = [
        jax.tree.map(lambda a, b: jnp.concatenate([a[1:], b[None]]), stack, end)
        for stack, end in zip(old, last, strict=True)
    ]
    return scaled.add(_flat(new), _flat(later))


def _through_plain(
    piece: Plain, env: dict[Any, Any], arriving: list[Cotangent], active: set[Any]
) -> list[Cotangent]:
    wanted = [i for i, v in enumerate(piece.inputs) if v in active]
    sent = [i for i, c in enumerate(arriving) if c is not None]
    none: list[Cotangent] = [None] * len(piece.inputs)
    if not wanted or not sent:
        return none
    values = [read(env, v) for v in piece.inputs]
    function = widened(lambda *v: evaluate(piece, list(v)), piece.jaxpr)

    def of_wanted(*given: Any) -> list[Any]:
        everything = list(values)
        for i, value in zip(wanted, given, strict=True):
            everything[i] = value
        results = function(*everything)
        return [results[i] for i in sent]

    # In half precision the function takes float32, so that its cotangents are float32 too.
    operands = [packing.wide(values[i]) for i in wanted]
    results, pull = jax.vjp(of_wanted, *operands)
    cotangents = [c for c in arriving if c is not None]
    images = graded.transposed(lambda c: list(pull(c)), cotangents, results)
    for i, image in zip(wanted, images, strict=True):
        none[i] = image
    return none
