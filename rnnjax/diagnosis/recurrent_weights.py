"""Which weights of a scan multiply its state, and their orthogonal factors.

The derivative of a step with respect to a matrix that multiplies the state alone is an outer
product with the state: it is 0 where the state is 0. A matrix of n rows or columns, n the size of a
leaf of the carry, with this property is recurrent; gates side by side in it are blocks of n.
"""

import jax
import jax.numpy as jnp

from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence
from rnnjax.types import Array


def recurrent(r: Recurrence) -> list[int]:
    """Return the numbers of the weights that multiply the state alone; concrete values needed."""
    widths = {leaf.shape[-1] for leaf in r.state if leaf.differentiable and leaf.shape}
    nothing = jnp.zeros_like(r.states[0])
    found = []
    for i, w in enumerate(r.params):
        if w.ndim != 2 or not any(_blocks(w.shape, n) for n in widths):
            continue
        weight = jax.random.normal(jax.random.key(i), nothing.shape, nothing.dtype)
        at_zero, at_state = (_by_weight(r, i, h, weight) for h in (nothing, r.states[-1]))
        if not jnp.any(at_zero) and jnp.any(at_state):
            found.append(i)
    return found


def _by_weight(r: Recurrence, i: int, h: Array, v: Array) -> Array:
    last = jnp.asarray(r.length - 1, jnp.int32)

    def step(w: Array) -> Array:
        params = (*r.params[:i], w, *r.params[i + 1 :])
        return steps.new_state(r, params, h, last)

    return jax.vjp(step, r.params[i])[1](v)[0]


def _blocks(shape: tuple[int, ...], n: int) -> int:
    """Return how many n x n blocks a matrix has, 0 if it is not made of such."""
    low, high = sorted(shape)
    return high // n if low == n and high % n == 0 else 0


def orthogonal(w: Array, n: int) -> Array:
    """Return a matrix with each n x n block replaced by its orthogonal polar factor."""
    tall = w.shape[0] > w.shape[1]
    blocks = jnp.split(w, max(w.shape) // n, axis=0 if tall else 1)
    factors = []
    for block in blocks:
        u, _, vt = jnp.linalg.svd(block, full_matrices=False)
        factors.append(u @ vt)
    return jnp.concatenate(factors, axis=0 if tall else 1)
