"""Which weights of a scan multiply its state, and their orthogonal factors.

The derivative of a step with respect to a matrix that multiplies the state alone is an outer
product with the state: it is 0 where the state is 0. A matrix of n rows or columns, n the size of a
leaf of the carry, with this property is recurrent; gates side by side in it are blocks of n.
"""

import jax
import jax.numpy as jnp

from rnnjax.compiling import by_work
from rnnjax.diagnosis import steps
from rnnjax.every_branch import every_branch
from rnnjax.jaxprs import Recurrence
from rnnjax.types import Array

# Of random weights: of one sign they move all units one way.
_SIZES = (0.1, 1.0, 10.0, 100.0)
_SIGNS = (lambda w: w, jnp.abs, lambda w: -jnp.abs(w))


def recurrent(r: Recurrence) -> list[int]:
    """Return the numbers of the weights that multiply the state alone; concrete values needed."""
    widths = {leaf.shape[-1] for leaf in r.state if leaf.differentiable and leaf.shape}
    matrices = [
        i
        for i, w in enumerate(r.params)
        if w.ndim == 2 and any(_blocks(w.shape, n) for n in widths)
    ]
    if not matrices:
        return []
    at_zero, at_state = _acts(r)
    return [i for i in matrices if at_state[i] and not at_zero[i]]


def _acts(r: Recurrence) -> tuple[list[bool], list[bool]]:
    """Return which weights have an effect on h_t where h_{t-1} is 0, and where it is not.

    With all branches taken, at the weights as they are and at random ones of several sizes: the
    input weights of a relu layer that is silent without its state have an effect at some of them.
    """
    last = steps.numbers(r)[-1]

    def derivatives(params: tuple[Array, ...], h: Array, v: Array, t: Array) -> list[Array]:
        step = every_branch(lambda w, h, t: steps.new_state(r, w, h, t))
        found = jax.vjp(lambda w: step(w, h, t), params)[1](v)[0]
        return [jnp.any((dw != 0) & jnp.isfinite(dw)) for dw in found]

    at = by_work(derivatives)
    at_zero, at_state = [False] * len(r.params), [False] * len(r.params)
    drawn = [(size, sign) for size in _SIZES for sign in _SIGNS]
    for i, of_weights in enumerate((None, *drawn)):
        keys = jax.random.split(jax.random.key(i), 2 + len(r.params))
        h, v = (jax.random.normal(key, r.states.shape[1:], r.states.dtype) for key in keys[:2])
        params = r.params
        if of_weights is not None:
            size, sign = of_weights
            pairs = zip(keys[2:], r.params, strict=True)
            normal = [jax.random.normal(k, w.shape, w.dtype) for k, w in pairs]
            params = tuple((size * sign(w)).astype(w.dtype) for w in normal)
        for found, state in ((at_zero, jnp.zeros_like(h)), (at_state, h)):
            acts = at(params, state, v, last)
            found[:] = [bool(a) or before for a, before in zip(acts, found, strict=True)]
    return at_zero, at_state


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
