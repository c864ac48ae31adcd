"""Three ways to start a vanilla network, of which two can learn long sequences.

  sigmoid      sigmoid units, all weights from N(0, 0.01^2)                              (1)
  basic_tanh   tanh units, all weights from N(0, 0.1^2)                                  (2)
  smart_tanh   tanh units, input and output weights from N(0, 0.01^2), 15 recurrent
               weights a unit, scaled to a spectral radius of 0.95                       (3)

Biases are 0. Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
ICML 2013, section 4.1.1.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import activations
from rnnjax.cells import Vanilla, VanillaParams
from rnnjax.cells.initial_weights import SparseRescaled
from rnnjax.errors import one_of
from rnnjax.ranges import COUNT, arguments
from rnnjax.types import Array


class Start(NamedTuple):
    """A row of equations (1) to (3).

    Attributes:
      activation: name of the activation.
      spread: standard deviation of the weights that are dense.
      sparse: whether recurrent weights are sparse and rescaled.
    """

    activation: str
    spread: float
    sparse: bool = False


STARTS: Mapping[str, Start] = {
    "sigmoid": Start("sigmoid", 0.01),
    "basic_tanh": Start("tanh", 0.1),
    "smart_tanh": Start("tanh", 0.01, sparse=True),
}
"""By name."""


class Numbers(NamedTuple):
    """Random numbers that all starts share.

    Attributes:
      dense: standard normal, (n_h, n_h).
      sparse: recurrent weights of equation (3), (n_h, n_h).
      beside: standard normal, for the input and output weights, (n_h * (n_x + n_y),).
    """

    dense: Array
    sparse: Array
    beside: Array


@arguments(n_x=COUNT, n_h=COUNT, n_y=COUNT)
def draw(keys: Array, n_x: int, n_h: int, n_y: int) -> Numbers:
    """Draw what `network` makes weights of.

    Args:
      keys: one for each array, (3,).
      n_x: inputs.
      n_h: units.
      n_y: outputs.
    """
    dense = jax.random.normal(keys[0], (n_h, n_h))
    beside = jax.random.normal(keys[2], (n_h * (n_x + n_y),))
    return Numbers(dense, SparseRescaled(15, 0.95)(keys[1], n_h), beside)


@arguments(n_x=COUNT)
def network(name: str, numbers: Numbers, n_x: int) -> tuple[Vanilla, VanillaParams]:
    """Return a cell and its parameters.

    Args:
      name: one of `STARTS`.
      numbers: from `draw`.
      n_x: inputs.

    Raises:
      ValueError: there is no such start.
    """
    if name not in STARTS:
        raise ValueError(one_of(name, STARTS))
    start, n_h = STARTS[name], len(numbers.dense)
    U, V = jnp.split(start.spread * numbers.beside, [n_h * n_x])
    U, V = U.reshape(n_h, n_x), V.reshape(-1, n_h)
    W = numbers.sparse if start.sparse else start.spread * numbers.dense
    cell = Vanilla(n_x, n_h, len(V), activation=activations.activation_named(start.activation))
    return cell, VanillaParams(W=W, U=U, b=jnp.zeros(n_h), V=V, c=jnp.zeros(len(V)))
