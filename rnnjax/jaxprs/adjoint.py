"""The adjoint of a scan, step by step, with one exponent for the state at each step.

Equations (2) and (3) of `step`, with delta_t as mantissa and exponent, rescaled at every step by a
power of two: no gradient is lost because of the length of the scan. The forward pass of a step is
evaluated again on the way back, so that only the states are stored. What reaches the weights is
one contraction over all steps behind it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.jaxprs import graded, packing
from rnnjax.jaxprs.passes import Cotangent, Pass
from rnnjax.jaxprs.program import Loop
from rnnjax.jaxprs.run import Ran, turned
from rnnjax.jaxprs.step import Outputs, Step, outputs_of
from rnnjax.scaled import Scaled
from rnnjax.types import Array


class Leaves(NamedTuple):
    """Several arrays with one common exponent, or stacks of them with one for each step."""

    values: list[Array]
    exponent: Array


class Arriving(NamedTuple):
    """What reaches a scan from behind it.

    Attributes:
      last: the cotangent of the new carry of the last step.
      outputs: those of the outputs of each step that have derivatives, stacked in order of
        processing.
    """

    last: Leaves
    outputs: Leaves


def through(
    loop: Loop, ran: Ran, arriving: list[Cotangent], wanted: list[bool], *, with_source: bool
) -> tuple[Pass, list[Cotangent]]:
    """Go back through a scan that holds no other.

    Args:
      loop: the scan.
      ran: its forward pass.
      arriving: the cotangents of its results, with an exponent for each entry.
      wanted: which of its operands need a cotangent.
      with_source: whether the pass needs its source.

    Returns:
      the pass, and the cotangents of the operands.
    """
    n, k = loop.n_constants, loop.n_carried
    kind = outputs_of(loop, [i for i, c in enumerate(arriving[k:]) if c is not None])
    given = _gathered(loop, ran, arriving, kind)
    xs_wanted = [i for i, w in enumerate(wanted[n + k :]) if w]
    first, stacks = _scan_back(loop, ran, given, kind, xs_wanted)
    deltas, to_new, direct, by_x = stacks
    before: list[Cotangent] = [None] * len(wanted)
    constants = [i for i in range(n) if wanted[i]]
    images = _to_constants(loop, ran, given, kind, deltas, constants)
    for i, image in zip(constants, images, strict=True):
        before[i] = image
    for i, leaf in zip(loop.moving, first.values, strict=True):
        before[n + i] = graded.of(leaf, first.exponent)
    for i, leaf in zip(xs_wanted, by_x.values, strict=True):
        before[n + k + i] = turned_number(loop, graded.of_stack(Scaled(leaf, by_x.exponent)))
    source = _source(given, to_new, direct) if with_source else None
    return Pass(ran, flat(deltas, 1), source, flat(first), {}), before


def flat(leaves: Leaves, n_leading: int = 0) -> Scaled:
    """Return several arrays as one vector at each step."""
    values = [packing.flat(v, n_leading) for v in leaves.values]
    dtype = jnp.result_type(*values)
    joined = jnp.concatenate([v.astype(dtype) for v in values], axis=-1)
    return scaled.normalise(joined, leaves.exponent)


def _gathered(loop: Loop, ran: Ran, arriving: list[Cotangent], kind: Outputs) -> Arriving:
    last = [graded.or_zero(arriving[i], ran.last[i]) for i in loop.moving]
    ys = [turned_number(loop, arriving[loop.n_carried + i]) for i in kind.sent]
    return Arriving(_common(last, 0, ()), _common(ys, 1, (loop.length,)))


def turned_number(loop: Loop, stack: Any) -> Any:
    """Return a stack of `Scaled` in the order in which a loop processes it, or back again."""
    return jax.tree.map(lambda a: turned(loop, [a])[0], stack)


def _common(numbers: list[Scaled], n_leading: int, leading: tuple[int, ...]) -> Leaves:
    """Return arrays with an exponent for each entry at one common exponent (a step)."""
    lowest = 2 * scaled.ZERO_EXPONENT
    tops = [
        jnp.max(n.exponent, axis=tuple(range(n_leading, n.exponent.ndim)), initial=lowest)
        for n in numbers
    ]
    top = jnp.full(leading, scaled.ZERO_EXPONENT, jnp.int32)
    for own in tops:
        top = jnp.maximum(top, own)
    values = [scaled.in_unit(n, _expanded(top, n.exponent)) for n in numbers]
    return Leaves(values, top)


def _expanded(a: Array, like: Array) -> Array:
    return jnp.broadcast_to(jax.lax.expand_dims(a, range(a.ndim, like.ndim)), like.shape)


def _normal(values: list[Array], exponent: Array) -> Leaves:
    """Return arrays whose largest entry among all is brought to [1, 2)."""
    own = jnp.max(jnp.stack([scaled.exponent_of(packing.wide(v)) for v in values]))
    nothing = scaled.is_zero(own) | scaled.is_zero(exponent)
    taken = jnp.where(nothing, 0, own)
    total = jnp.where(nothing, scaled.ZERO_EXPONENT, exponent + taken)
    return Leaves([scaled.shift(packing.wide(v), -taken) for v in values], total)


def _in_unit(leaves: Leaves, top: Array) -> list[Array]:
    return [scaled.in_unit(Scaled(v, leaves.exponent), top) for v in leaves.values]


def _sum(a: Leaves, b: list[Array], exponent: Array) -> Leaves:
    top = jnp.maximum(a.exponent, exponent)
    others = _in_unit(Leaves(b, exponent), top)
    return Leaves([x + y for x, y in zip(_in_unit(a, top), others, strict=True)], top)


def _scan_back(
    loop: Loop, ran: Ran, given: Arriving, kind: Outputs, xs_wanted: list[int]
) -> tuple[Leaves, tuple[Leaves, Leaves, Leaves, Leaves]]:
    """Return what reaches h_0, and stacks of delta_t, the two parts of g_t, and xbar_t."""
    step = Step(loop)
    moving = loop.moving
    operands = (ran.carried, ran.in_order(loop), [ran.after()[i] for i in moving])

    def back(arriving: Leaves, at: Any) -> tuple[Leaves, Any]:
        (carried, x, new), ys = at

        def joined(h: list[Array], some_x: list[Array], new: list[Array]) -> Any:
            full = _placed(carried, moving, h), _placed(x, xs_wanted, some_x)
            if kind.places is None:
                return step.both(ran.constants, *full, new, kind.sent)
            return step.new(ran.constants, *full), []

        h = [packing.wide(carried[i]) for i in moving]
        some_x = [packing.wide(x[i]) for i in xs_wanted]
        (out, sent), pull = jax.vjp(joined, h, some_x, [packing.wide(v) for v in new])
        own, direct = _given_out(kind, pull, out, sent, ys)
        delta = _sum(arriving, own, ys.exponent)
        top = jnp.maximum(delta.exponent, ys.exponent) if kind.places is None else delta.exponent
        through_step = _in_unit(delta, top)
        through_outputs = _in_unit(ys, top) if kind.places is None else []
        by_h, by_x, _ = pull((_cast(through_step, out), _cast(through_outputs, sent)))
        stacks = (delta, Leaves(own, ys.exponent), Leaves(direct, ys.exponent), Leaves(by_x, top))
        return _normal(by_h, top), stacks

    return jax.lax.scan(back, given.last, (operands, given.outputs), reverse=True)


def _given_out(
    kind: Outputs, pull: Any, out: list[Array], sent: Any, ys: Leaves
) -> tuple[list[Array], list[Array]]:
    """Return (do/dnew)^T ybar and (do/dh)^T ybar in the unit of ybar."""
    zeros = [jnp.zeros_like(v) for v in out]
    if kind.places is None:
        direct, _, own = pull((zeros, _cast(ys.values, sent)))
        return [packing.wide(v) for v in own], [packing.wide(v) for v in direct]
    own = list(zeros)
    for place, cotangent in zip(kind.places, ys.values, strict=True):
        own[place] = own[place] + cotangent
    return own, zeros


def _cast(values: Any, like: Any) -> Any:
    return [v.astype(shape.dtype) for v, shape in zip(values, like, strict=True)]


def _placed(values: list[Any], places: list[int], new: list[Any]) -> list[Any]:
    values = list(values)
    for i, value in zip(places, new, strict=True):
        values[i] = value
    return values


def _source(given: Arriving, to_new: Leaves, direct: Leaves) -> Scaled:
    """Return g_t: what step t sends out itself, and what step t+1 sends out from h_t directly."""
    own = flat(to_new, 1)
    later = jax.tree.map(
        lambda a, last: jnp.concatenate([a[1:], last[None]]), flat(direct, 1), flat(given.last)
    )
    return scaled.add(own, later)


def _to_constants(
    loop: Loop, ran: Ran, given: Arriving, kind: Outputs, deltas: Leaves, wanted: list[int]
) -> list[Scaled]:
    """Return what reaches some constants: one contraction over all steps."""
    if not wanted:
        return []
    step = Step(loop)
    new = [ran.after()[i] for i in loop.moving]

    def all_steps(some: list[Array]) -> list[Array]:
        constants = _placed(ran.constants, wanted, some)

        def one(carried: list[Any], x: list[Any], new: list[Any]) -> list[Array]:
            if kind.places is not None:
                return step.new(constants, carried, x)
            own, sent = step.both(constants, carried, x, new, kind.sent)
            return [*own, *sent]

        return jax.vmap(one)(ran.carried, ran.in_order(loop), new)

    operands = [packing.wide(ran.constants[i]) for i in wanted]
    results, pull = jax.vjp(all_steps, operands)
    stacks = [Scaled(v, deltas.exponent) for v in deltas.values]
    if kind.places is None:
        stacks += [Scaled(v, given.outputs.exponent) for v in given.outputs.values]
    return graded.transposed(lambda c: pull(c)[0], stacks, results, until_known=True)
