"""Initial recurrent weights: functions (key, n) -> (n, n), which a cell multiplies by its gain.

Beside them `chrono`, the biases of gates that are to keep for a range of times.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import fields, matrices
from rnnjax.ranges import COUNT, Number, arguments
from rnnjax.types import Array


def normals(key: Array, *shapes: tuple[int, ...]) -> list[Array]:
    """Return standard normal arrays of these shapes from one draw.

    One draw compiles several times faster than one a weight, and compile time is user time.
    """
    sizes = [math.prod(shape) for shape in shapes]
    flat = jax.random.normal(key, (sum(sizes),))
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [
        flat[a : a + n].reshape(shape) for a, n, shape in zip(starts, sizes, shapes, strict=True)
    ]


def of_cells(key: Array, cells: Sequence[Any]) -> list[Any]:
    """Return parameters of several cells from one draw: matrices N(0, 1/columns), vectors zero.

    What the cells' own `init` would set apart from that (gains, a forget bias) is left out.

    Args:
      key: all randomness.
      cells: cells with real parameters.

    Returns:
      the parameters of each cell, in order.
    """
    shapes = [jax.eval_shape(cell.init, key) for cell in cells]
    leaves, structure = jax.tree.flatten(shapes)
    weights = iter(normals(key, *(leaf.shape for leaf in leaves if leaf.ndim == 2)))
    filled = [
        next(weights) / math.sqrt(leaf.shape[1]) if leaf.ndim == 2 else jnp.zeros(leaf.shape)
        for leaf in leaves
    ]
    return jax.tree.unflatten(structure, filled)


@arguments(n=COUNT)
def gaussian(key: Array, n: int) -> Array:
    """Return entries N(0, 1/n): spectral radius near 1, largest singular value near 2."""
    return normals(key, (n, n))[0] / math.sqrt(n)


@arguments(n=COUNT)
def orthogonal(key: Array, n: int) -> Array:
    """Return a Haar-distributed orthogonal matrix: every singular value 1.

    Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks, ICLR 2014.
    """
    Q, R = jnp.linalg.qr(normals(key, (n, n))[0])
    # Without the signs of R the distribution would depend on the QR algorithm.
    return Q * jnp.sign(jnp.diagonal(R))[None, :]


@arguments(n=COUNT)
def identity(key: Array, n: int) -> Array:
    """Return the identity (IRNN).

    Le, Jaitly and Hinton, A simple way to initialize recurrent networks of rectified linear units,
    arXiv:1504.00941.
    """
    return jnp.eye(n)


@arguments(n=COUNT, t_max=Number(above=2))
def chrono(key: Array, n: int, t_max: Array | float) -> Array:
    """Return biases log u with u uniform in [1, t_max - 1], (n,): times to keep up to t_max.

    To be given to a cell as its `forget_bias`; an input stays for u + 1 steps. Tallec and Ollivier,
    Can recurrent neural networks warp time?, ICLR 2018 (where the input gate has the opposite
    bias).

    Args:
      key: all randomness.
      n: units.
      t_max: the longest time, steps, > 2.

    Raises:
      ValueError: n or t_max does not fit.
    """
    return jnp.log(1 + (t_max - 2) * jax.random.uniform(key, (n,)))


@fields.value
class SparseRescaled:
    """Sparse Gaussian weights rescaled to a spectral radius.

    The "smart tanh" start of Pascanu, Mikolov and Bengio (ICML 2013): 15 incoming weights a unit,
    radius 0.95.

    Attributes:
      n_incoming: non-zero weights into each unit, all of them where there are fewer units.
      radius: spectral radius, >= 0.
    """

    n_incoming: int = fields.count(default=15)
    radius: float = fields.number(default=0.95, at_least=0, static=True)

    def __call__(self, key: Array, n: int) -> Array:
        """Return (n, n)."""
        weights, order = normals(key, (n, n), (n, n))
        # The n_incoming largest of n independent numbers: a uniformly random choice of inputs.
        rank = jnp.argsort(jnp.argsort(order, axis=1), axis=1)
        W = jnp.where(rank >= n - min(self.n_incoming, n), weights, 0.0)
        return W * (self.radius / jnp.exp(matrices.log_spectral_radius(W)))
