"""The layers of a network that reads both ways, along one sequence.

Either direction is a layer of its own, as those of a stack (see `rnnjax.layers`); both feed both
directions of the next one. What the backward cell of a layer takes and sends is turned round within
the length of the sequence.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics, layers, masks, scaled, scan
from rnnjax.layers import Deltas, Layer
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Params


class BothWays(NamedTuple):
    """One layer in both directions; steps of `backward` are numbered as its cell takes them."""

    forward: Any
    backward: Any


class Run(NamedTuple):
    """The network along a sequence.

    Attributes:
      layers: first layer first, `rnnjax.layers.Layer` of each direction.
      sent: what the last layer sends on, (T, n_s), equation (2).
      turned: the step at which the backward cells take each step, and the reverse, int (T,).
    """

    layers: tuple[BothWays, ...]
    sent: Array
    turned: Array

    def at_both_ends(self, end: Array) -> Array:
        """Return [o(f_T), o(b_1)], (n_s,)."""
        n = len(_sent(self.layers[-1].forward)[0])
        return jnp.concatenate([self.sent[end, :n], self.sent[0, n:]])

    def back(self, by_sent: Scaled) -> tuple[BothWays, ...]:
        """Return dL/dh_t of every layer from dL/d(`sent`), value (T, n_s)."""
        found: list[BothWays] = []
        for both in reversed(self.layers):
            n = _sent(both.forward).shape[1]
            own = scaled.normalise(by_sent.value[:, :n], by_sent.exponent)
            other = self._turn(scaled.normalise(by_sent.value[:, n:], by_sent.exponent))
            ahead = _one_back(both.forward, own)
            behind = _one_back(both.backward, other)
            found.append(BothWays(ahead, behind))
            by_sent = scaled.add(
                layers.to_input(both.forward, ahead.at_steps),
                self._turn(layers.to_input(both.backward, behind.at_steps)),
            )
        return tuple(found[::-1])

    def _turn(self, number: Scaled) -> Scaled:
        return jax.tree.map(lambda a: a[self.turned], number)


def _one_back(layer: Layer, by_sent: Scaled) -> Deltas:
    return layers.back_through(layer, layers.to_state(layer, by_sent))


def _along(cell: tuple[Any, Any], x: Array, counts: Array) -> Layer:
    return Layer(*cell, scan.steps(*cell, x, counts=counts), x)


def _sent(layer: Layer) -> Array:
    """Return what a layer sends on, (T, n_o)."""
    cell, params, along, _ = layer
    return jax.vmap(lambda h: dynamics.output(cell, params, h))(along.plain)


def run(
    forward: Sequence[tuple[Any, Params]],
    backward: Sequence[tuple[Any, Params]],
    x: Array,
    counts: Array,
) -> Run:
    """Run layers over one sequence.

    Args:
      forward: the cells that read forward with their parameters, first layer first.
      backward: those that read backward.
      x: inputs, (T, n_x), finite behind the end of the sequence as well.
      counts: which steps belong to the sequence, bool (T,).
    """
    n = masks.last(counts) + 1
    t = jnp.arange(len(x))
    turned = jnp.where(t < n, n - 1 - t, t)
    sent, found = x, []
    for ahead, behind in zip(forward, backward, strict=True):
        both = BothWays(_along(ahead, sent, counts), _along(behind, sent[turned], counts))
        found.append(both)
        sent = jnp.concatenate([_sent(both.forward), _sent(both.backward)[turned]], axis=1)
    return Run(tuple(found), sent, turned)
