"""Exponents of a layer driven by its own inputs, and singular values of its Jacobian products.

The leading singular values of M = J_{t+s} ... J_{t+1} come from alternating passes of k directions,

  A_t = J_t Q_{t-1} = Q_t R_t  forward,   B_t = J_t^T P_t = P_{t-1} S_t  back,             (1)

each pass starting from the directions that the last one ended with, as in subspace iteration on
M^T M. The singular values are those of the last R_s ... R_1: the products of |diag R| tend to them
too, but do not tell apart those that are close (Saad, Numerical Methods for Large Eigenvalue
Problems, 2011, chapter 5). A few directions more than are asked for let the last ones settle: what
is found is never too large, and too small by up to a few hundredths of a nat where more singular
values than there are directions lie within a few percent of one another.

Where a step loses directions, R holds rounding in their place. Their number is told by the rows of
A_t and B_t that are 0, which is exact, or by an |R_ii| that is rounding at half of the steps.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import matrices, probes, scaled
from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence
from rnnjax.probes.growth import above_rounding, n_rows
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
    -inf where the steps lose directions, so that a singular value is 0.
    """
    n, moves = steps.n_directions(r), steps.motion(r)
    k, m = min(n_directions, n), min(n_directions + _MORE, n)
    nothing = jnp.full((len(SPANS), n_directions), jnp.nan, r.states.real.dtype)
    spans = [span for span in SPANS if span <= r.length]
    if not spans:
        return {"log_singular_values": nothing}
    # One program for all spans, of which most of the time is that of the compiler.
    own, last = steps.own(r), jnp.sum(steps.counted(r))
    products, left = jax.lax.map(
        lambda span: _product(moves, own, last - span, span, m), jnp.asarray(spans, jnp.int32)
    )
    logs = jax.vmap(matrices.log_singular_values)(products)[:, :k]
    logs = jnp.where(jnp.arange(k)[None] < left[:, None], logs, -jnp.inf)
    known = jnp.all(jnp.isfinite(products.value), axis=(1, 2))
    known &= jnp.asarray(spans) <= last
    logs = jnp.where(known[:, None], logs, jnp.nan)
    return {"log_singular_values": nothing.at[: len(spans), :k].set(logs)}


def _product(
    moves: steps.Motion, own: Array, first: Array, span: Array, m: int
) -> tuple[Scaled, Array]:
    """Return R_s ... R_1 of the last pass, equation (1), and how many directions are left.

    Args:
      moves: the recurrence.
      own: the numbers of its steps that are no padding, int32 (T,).
      first: the place in `own` of the first step of the product, int32 ().
      span: its number s of steps, int32 ().
      m: directions.

    Returns:
      the product as rows (m, m), exponent (m,); the number, int32 ().
    """
    n, dtype = moves.states.shape[1], moves.states.dtype
    one = scaled.normalise(jnp.eye(m, dtype=dtype), jnp.zeros(m, jnp.int32))

    def step_at(i: Array) -> tuple[Callable[[Array], Array], Array]:
        t = own[jnp.maximum(first + i, 0)]
        return lambda h: moves.step(h, t), moves.states[t]

    def forward(i: Array, state: Any) -> Any:
        Q, product, left, clear = state
        _, push = jax.linearize(*step_at(i))
        A = jax.vmap(push, 1, 1)(Q)
        Q, R = _sorted_qr(A)
        rows, logs = Scaled(A, jnp.zeros(n, jnp.int32)), jnp.log(jnp.abs(jnp.diagonal(R)))
        clear += jnp.sign(above_rounding(rows, logs, jnp.int32(1)))
        return Q, _behind(product, R), jnp.minimum(left, n_rows(A)), clear

    def back(i: Array, state: Any) -> Any:
        P, left = state
        _, pull = jax.vjp(*step_at(span - 1 - i))
        B = jax.vmap(lambda v: pull(v)[0], 1, 1)(P)
        return jnp.linalg.qr(B)[0], jnp.minimum(left, n_rows(B))

    def there_and_back(_: Any, state: Any) -> Any:
        zero = jnp.int32(0)
        begun = state[0], one, jnp.int32(n), jnp.zeros(m, moves.states.real.dtype)
        P, product, left, clear = jax.lax.fori_loop(zero, span, forward, begun)
        Q, left = jax.lax.fori_loop(zero, span, back, (P, left))
        return Q, product, jnp.minimum(left, jnp.sum(clear > 0, dtype=jnp.int32))

    Q = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (n, m), dtype))[0]
    return jax.lax.fori_loop(0, _PASSES, there_and_back, (Q, one, jnp.int32(n)))[1:]


def _sorted_qr(A: Array) -> tuple[Array, Array]:
    """Return Q and R of a matrix, whose large rows come first, so that small ones keep digits."""
    order = jnp.argsort(-jnp.max(jnp.abs(A), axis=1))
    Q, R = jnp.linalg.qr(A[order])
    return jnp.zeros_like(Q).at[order].set(Q), R


def _behind(rows: Scaled, R: Array) -> Scaled:
    """Return R times a matrix that is given as rows with an exponent each."""
    exponents = jnp.where(R != 0, rows.exponent[None], 2 * scaled.ZERO_EXPONENT)
    top = jnp.max(exponents, axis=1)
    product = scaled.shift(R, rows.exponent[None] - top[:, None]) @ rows.value
    return scaled.normalise(product, top)
