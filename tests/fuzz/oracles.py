"""Reference values: plain float64 autodiff of a scan over time, with separate weights at every
step. Of rnnjax only a cell's `initial_state`, `step` and `readout` are used.

  G[t, s] = d l_t / d w_s,   w_s: the weights as they are used at step s            (1)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Table(NamedTuple):
    """The reference values of one sequence.

    Attributes:
      losses: mask_t l_t, (T,).
      by_use: G of equation (1), leaves (T, T, *leaf); the readout of step t uses w_t.
      deltas: d l_s / d h_t, (T, T + 1, n_h): rows s, columns t = 0..T, of unmasked losses.
      states: h_1..h_T, (T, n_h).
      jacobians: those of the real step, (T, n, n), n twice n_h if the state is complex.
      length: L.
    """

    losses: jax.Array
    by_use: Any
    deltas: jax.Array
    states: jax.Array
    jacobians: jax.Array
    length: jax.Array


def table(cell: Any, loss: Any, params: Any, batch: Any) -> Table:
    """Return the table of a sequence, computed as if the arrays ended at its last weight."""
    n = len(batch.mask)
    length = jnp.max(jnp.where(batch.mask != 0, jnp.arange(1, n + 1), 0))
    inside = jnp.arange(n) < length
    weighs = batch.mask != 0
    x = jnp.where(inside[:, None], batch.x, 0)
    y = jnp.where(jnp.reshape(weighs, (n, *[1] * (batch.y.ndim - 1))), batch.y, 0)
    h_0 = cell.initial_state()

    def run(copies: Any, pushes: Any) -> tuple[Any, Any]:
        """Return masked and unmasked losses, given weights and a state perturbation per step."""

        def step(h: Any, at: Any) -> tuple[Any, Any]:
            own, push, x, y, goes_on = at
            h = jnp.where(goes_on, cell.step(own, h, x) + push, h)
            return h, (loss(cell.readout(own, h), y), h)

        bare, states = jax.lax.scan(step, h_0 + pushes[0], (copies, pushes[1:], x, y, inside))[1]
        return jnp.where(weighs, jnp.where(weighs, batch.mask, 0) * bare, 0), (bare, states)

    copies = jax.tree.map(lambda a: jnp.broadcast_to(a, (n, *a.shape)), params)
    pushes = jnp.zeros((n + 1, *h_0.shape), h_0.dtype)
    losses, (_, states) = run(copies, pushes)
    by_use = jax.jacrev(lambda c: run(c, pushes)[0])(copies)
    deltas = jax.jacrev(lambda p: run(copies, p)[1][0])(pushes)
    before = jnp.concatenate([h_0[None], states[:-1]])
    jacobians = jax.vmap(lambda h, x: _real_jacobian(cell, params, h, x))(before, x)
    return Table(losses, by_use, deltas, states, jacobians, length)


def _real_jacobian(cell: Any, params: Any, h: jax.Array, x: jax.Array) -> jax.Array:
    if not jnp.iscomplexobj(h):
        return jax.jacfwd(lambda h: cell.step(params, h, x))(h)

    def step(v: jax.Array) -> jax.Array:
        new = cell.step(params, jax.lax.complex(*jnp.split(v, 2)), x)
        return jnp.concatenate([new.real, new.imag])

    return jax.jacfwd(step)(jnp.concatenate([h.real, h.imag]))


def weighed(by_use: Any, weights: jax.Array, axis: int | None = None) -> Any:
    """Return the sum of weights[t, s] G[t, s] over t and s, or over one of these axes."""

    def one(leaf: jax.Array) -> jax.Array:
        product = leaf * weights.reshape(weights.shape + (1,) * (leaf.ndim - 2))
        return product.sum((0, 1) if axis is None else axis)

    return jax.tree.map(one, by_use)


def direct(cell: Any, params: Any, h: jax.Array, x: jax.Array) -> Any:
    """Return D_t, leaves (n_h, *leaf), of a real cell."""
    return jax.jacrev(lambda p: cell.step(p, h, x))(params)
