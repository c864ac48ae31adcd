"""Exponents of a layer driven by its own inputs, and singular values of its Jacobian products.

The leading singular values of M = J_{t+s} ... J_{t+1} come from alternating passes of k directions,

  A_t = J_t Q_{t-1} = Q_t R_t  forward,   B_t = J_t^T P_t = P_{t-1} S_t  back,             (1)

each pass starting from the directions that the last one ended with, as in subspace iteration on
M^T M. The singular values are those of the last R_s ... R_1: the products of |diag R| tend to them
too, but do not tell apart those that are close (Saad, Numerical Methods for Large Eigenvalue
Problems, 2011, chapter 5). A few directions more than are asked for let the last ones settle.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import matrices, probes, scaled
from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence
from rnnjax.scaled import Scaled
from rnnjax.types import Array

SPANS = (4, 16, 64)
_PASSES = 8
_MORE = 4  # directions beyond those that are asked for


def exponents(r: Recurrence, n_exponents: int) -> dict[str, Array]:
    """Measure the first Lyapunov exponents over the steps up to the last one.

    Returns:
      ``exponents``, ``exponents_error``: nats per step, (n_exponents,), NaN beyond n.
    """
    k = min(n_exponents, steps.n_directions(r))
    # The sequence without its padding, of which a tenth aligns the directions.
    n = jnp.sum(steps.counted(r))
    batch = dataclasses.replace(
        r.batch,
        x=steps.own(r)[:, None].astype(r.batch.x.dtype),
        mask=(steps.numbers(r) < n).astype(r.batch.mask.dtype),
    )
    found = probes.lyapunov_spectrum(
        r.cell, None, r.params, batch, n_exponents=k, n_discarded=n // 10
    )
    return {
        "exponents": _up_to(found["exponents"], n_exponents),
        "exponents_error": _up_to(found["exponents_error"], n_exponents),
    }


def linear(r: Recurrence) -> dict[str, Array]:
    """Tell whether the step is linear in the state wherever the sequence leads.

    Its Jacobian at each step is then the same at other states of the sequence: two trajectories
    that move apart do so as fast at any distance, which is no chaos. A step that is linear
    everywhere is, and a relu layer of which no unit switches. The steps are those of the exponents.

    Returns:
      ``linear``: bool ().
    """
    v = jax.random.normal(jax.random.key(1), r.states.shape[1:], r.states.dtype)
    own, n = steps.own(r), jnp.sum(steps.counted(r))
    first = n // 10
    counted = jnp.maximum(n - first, 1)
    states = r.states[own]

    def same(i: Array) -> Array:
        def pushed(h: Array) -> Array:
            return jax.jvp(lambda h: steps.new_state(r, r.params, h, own[i]), (h,), (v,))[1]

        here = pushed(states[i])
        # States near in time and far from it: of a rhythm they must not all be alike.
        others = jnp.stack([i + 1, i + 2, i + counted // 3, i + counted // 2])
        there = jax.vmap(pushed)(states[first + (others - first) % counted])
        return jnp.all(jnp.abs(there - here[None]) <= 1e-4 * jnp.max(jnp.abs(here)))

    numbers = steps.numbers(r)
    considered = (numbers >= first) & (numbers < n)
    return {"linear": jnp.all(jax.vmap(same)(numbers) | ~considered)}


def state_growth(r: Recurrence) -> dict[str, Array]:
    """Measure at which rate the state grows, nat a step, between two quarters of the sequence.

    The largest entries of the states of the second and of the last quarter of the steps are
    compared: a chaotic state stays where it is, one that grows without bound does so at the rate
    of the first exponent.

    Returns:
      ``state_growth``: (); NaN where there are fewer than 16 steps.
    """
    n, number = jnp.sum(steps.counted(r)), steps.numbers(r)
    sizes = jnp.max(jnp.abs(r.states[1:][steps.own(r)]), axis=-1)

    def largest(first: Array, end: Array) -> Array:
        within = (number >= first) & (number < end)
        return jnp.log(jnp.max(jnp.where(within, sizes, 0)))

    early, late = largest(n // 4, n // 2), largest(n - n // 4, n)
    rate = (late - early) / jnp.maximum(n - n // 2, 1)
    return {"state_growth": jnp.where(n >= 16, rate, jnp.nan)}


def _up_to(values: Array, n: int) -> Array:
    return jnp.pad(values, (0, n - len(values)), constant_values=jnp.nan)


def singular_values(r: Recurrence, n_directions: int) -> dict[str, Array]:
    """Measure ln of the leading singular values of dh_T/dh_{T-s} for s in SPANS, (3, k).

    T is the last step at which something of the loss enters; NaN for s > T. Padding is no step.
    """
    n, moves = steps.n_directions(r), steps.motion(r)
    k, m = min(n_directions, n), min(n_directions + _MORE, n)
    nothing = jnp.full((len(SPANS), n_directions), jnp.nan, r.states.real.dtype)
    spans = [span for span in SPANS if span <= r.length]
    if not spans:
        return {"log_singular_values": nothing}
    products = jax.tree.map(lambda *a: jnp.stack(a), *(_product(r, moves, s, m) for s in spans))
    logs = jax.vmap(matrices.log_singular_values)(products)[:, :k]
    known = jnp.all(jnp.isfinite(products.value), axis=(1, 2))
    known &= jnp.asarray(spans) <= jnp.sum(steps.counted(r))
    logs = jnp.where(known[:, None], logs, jnp.nan)
    return {"log_singular_values": nothing.at[: len(spans), :k].set(logs)}


def _product(r: Recurrence, moves: steps.Motion, span: int, m: int) -> Scaled:
    """Return R_s ... R_1 of the last pass, equation (1): rows (m, m), exponent (m,)."""
    n = moves.states.shape[1]
    last = jnp.sum(steps.counted(r))
    t = steps.own(r)[jnp.maximum(last - span + jnp.arange(span, dtype=jnp.int32), 0)]
    h = moves.states[t]
    Q = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (n, m), h.dtype))[0]

    def forward(Q: Array, at: Any) -> tuple[Array, Array]:
        _, push = jax.linearize(lambda h: moves.step(h, at[1]), at[0])
        Q, R = jnp.linalg.qr(jax.vmap(push, 1, 1)(Q))
        return Q, R

    def back(P: Array, at: Any) -> tuple[Array, None]:
        _, pull = jax.vjp(lambda h: moves.step(h, at[1]), at[0])
        return jnp.linalg.qr(jax.vmap(lambda v: pull(v)[0], 1, 1)(P))[0], None

    def there_and_back(Q: Array, _: Any) -> tuple[Array, Array]:
        P, R = jax.lax.scan(forward, Q, (h, t))
        return jax.lax.scan(back, P, (h, t), reverse=True)[0], R

    _, R = jax.lax.scan(there_and_back, Q, None, length=_PASSES)
    return jax.lax.scan(
        _behind, scaled.normalise(jnp.eye(m, dtype=h.dtype), jnp.zeros(m, jnp.int32)), R[-1]
    )[0]


def _behind(rows: Scaled, R: Array) -> tuple[Scaled, None]:
    """Return R times a matrix that is given as rows with an exponent each."""
    exponents = jnp.where(R != 0, rows.exponent[None], 2 * scaled.ZERO_EXPONENT)
    top = jnp.max(exponents, axis=1)
    product = scaled.shift(R, rows.exponent[None] - top[:, None]) @ rows.value
    return scaled.normalise(product, top), None
