"""A network of rnnjax as a program in which every layer and direction is a scan of its own.

  h^l_t = step^l(h^l_{t-1}, s^{l-1}_t),  s^l_t = o^l(h^l_t),  s^0_t = x_t                  (1)

A layer that reads backward takes its inputs turned round within the length L of the sequence, so
that either direction ends with its step L; what it does behind it, nothing reads. `Sent.at_end` is
what either direction of the last layer has reached at its end, as in equation (3) of
`rnnjax.bidirectional`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics
from rnnjax.bidirectional import Bidirectional
from rnnjax.cells import Stack
from rnnjax.types import Array

Layers = list[tuple[Any, Any]]


class Sent(NamedTuple):
    """What the last layer sends on.

    Attributes:
      by_step: s_t of each step, (T, n_s), forward part first; what it holds behind the end of the
        sequence means nothing.
      at_end: [o(f_L), o(b_1)], (n_s,).
    """

    by_step: Array
    at_end: Array


def sent(cell: Any, params: Any, x: Array, counts: Array) -> Sent:
    """Run a network over a sequence, equation (1).

    Args:
      cell: a cell with readout V s + c, a `rnnjax.Stack` or a `rnnjax.Bidirectional`.
      params: its parameters.
      x: inputs, (T, n_x), finite behind the end as well.
      counts: which steps belong to the sequence, the first L, bool (T,).
    """
    n = jnp.sum(counts)
    t = jnp.arange(len(x))
    turned = jnp.where(t < n, n - 1 - t, t)
    forward, backward = _layers(cell, params)
    by_step, ends = x, x[:0, 0]
    for number, (ahead, *behind) in enumerate(_both(forward, backward), 1):
        name = f"layer_{number}"
        if not behind:
            by_step = _along(ahead, by_step, name)
            ends = by_step[n - 1]
            continue
        own = _along(ahead, by_step, f"{name}/forward")
        other = _along(behind[0], by_step[turned], f"{name}/backward")
        by_step = jnp.concatenate([own, other[turned]], axis=1)
        ends = jnp.concatenate([own[n - 1], other[n - 1]])
    return Sent(by_step, ends)


def readout(params: Any, sent: Array) -> Array:
    """Return V s + c, (n_y,)."""
    outputs: Array = params.V @ sent + params.c
    return outputs


def _layers(cell: Any, params: Any) -> tuple[Layers, Layers]:
    if isinstance(cell, Bidirectional):
        return _pairs(cell.forward, params.forward), _pairs(cell.backward, params.backward)
    if isinstance(cell, Stack):
        return _pairs(cell.cells, params.layers), []
    return [(cell, params)], []


def _pairs(cells: Iterable[Any], params: Iterable[Any]) -> Layers:
    return list(zip(cells, params, strict=True))


def _both(forward: Layers, backward: Layers) -> list[tuple[tuple[Any, Any], ...]]:
    return list(zip(forward, backward, strict=True)) if backward else [(one,) for one in forward]


def _along(layer: tuple[Any, Any], x: Array, name: str) -> Array:
    """Return what one layer in one direction sends on at each step, (T, n_o)."""
    cell, params = layer

    def step(h: Array, x: Array) -> tuple[Array, Array]:
        new = cell.step(params, h, x)
        return new, dynamics.output(cell, params, new)

    with jax.named_scope(name):
        return jax.lax.scan(step, cell.initial_state(), x)[1]
