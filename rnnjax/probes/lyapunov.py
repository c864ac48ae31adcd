"""Lyapunov spectra: the growth rates of perturbations along a trajectory.

  A_t = J_t Q_{t-1},   A_t = Q_t R_t  (QR),   lambda_i = 1/T sum_t log |R_t,ii|        (1)

Several steps may pass between two decompositions, A_{t+b} = J_{t+b} ... J_{t+1} Q_t, as long as its
columns stay apart: b is chosen from the growth that was seen, so that b times the fastest spread of
the directions a step, max_t (max_i - min_i) log |R_t,ii|, stays below -ln(eps) / 3. The rows of J
are those of saturated units, with slopes as small as e^-100; the decomposition is made for such
rows (`rnnjax.matrices.graded_qr`).

Benettin, Galgani, Giorgilli and Strelcyn, Lyapunov characteristic exponents for smooth dynamical
systems, Meccanica, 1980. Vogt, Puelma Touzel, Shlizerman and Lajoie, On Lyapunov exponents for
RNNs, Frontiers in Applied Mathematics and Statistics, 2022.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, lanes, matrices, scaled, scan
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

_LONGEST = 64  # steps between two decompositions at most
_LEARNING = 16  # steps at the start that are all decomposed, to see how directions spread
_N_BLOCKS = 10


def lyapunov_spectrum(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    *,
    n_exponents: int | None = None,
    n_discarded: int = 0,
) -> dict[str, Array]:
    """Measure the first Lyapunov exponents along one sequence, equation (1).

    Driven by the inputs of the batch; with inputs of 0 the exponents of the autonomous network.

    Args:
      cell: the cell.
      loss: not used: exponents know no loss.
      params: parameters.
      batch: one sequence.
      n_exponents: k; all n_h if None.
      n_discarded: steps at the start that align the directions and are not counted.

    Returns:
      ``exponents``: nats per step, descending, (k,); -inf where a direction is lost for good (a
      silent relu unit). ``standard_error``: of each, from the means over ten blocks of time, (k,).
      ``leading_direction``: the covariant direction of the largest exponent behind the last step,
      (n_h,).

    Raises:
      ValueError: n_exponents or n_discarded is out of range.
    """
    n_steps, n_h = len(batch.x), cell.initial_state().size
    k = n_h if n_exponents is None else n_exponents
    if not 1 <= k <= n_h:
        raise ValueError(f"n_exponents: expected a number between 1 and n_h = {n_h}, got {k}")
    if not 0 <= n_discarded < n_steps:
        raise ValueError(f"n_discarded: expected fewer than T = {n_steps} steps, got {n_discarded}")
    growth, Q = log_growth(cell, params, batch.x, k, n_discarded)
    growth = growth[n_discarded:]
    exponents = jnp.mean(growth, axis=0)
    order = jnp.argsort(-exponents)
    return {
        "exponents": exponents[order],
        "standard_error": _standard_error(growth)[order],
        "leading_direction": Q[:, 0],
    }


def log_growth(
    cell: Cell,
    params: Params,
    x: Array,
    k: int,
    n_discarded: int = 0,
    *,
    every: int | None = None,
) -> tuple[Array, Array]:
    """Return log |R_t,ii| of every step of a sequence, (T, k), and the last Q, (n_h, k).

    The growth of the steps between two decompositions stands at the second one.

    Args:
      cell: the cell.
      params: parameters.
      x: inputs, (T, n_x).
      k: the number of directions.
      n_discarded: a step behind which one is made in any case, for what comes after to be counted.
      every: steps between two decompositions; as the growth allows if None.
    """
    trajectory = scan.unroll(cell, params, x)
    locals_ = jax.vmap(lambda h, d: dynamics.graded_local(cell, params, h, d))(
        trajectory.h_prev, trajectory.drive
    )
    t = jnp.arange(len(x))
    planned = t < _LEARNING if every is None else (t + 1) % every == 0
    always = planned | (t == n_discarded - 1) | (t == len(x) - 1)

    def step(carry: tuple[Scaled, Array, Array], at: Any) -> tuple[tuple, Array]:
        A, age, fastest = carry
        (local, exponents), always = at
        pushed = dynamics.push_columns(cell, params, local, A.value)
        rows = Scaled(pushed, exponents + A.exponent)
        age = age + 1
        due = lanes.in_any(always | (age >= _wait(fastest))) if every is None else always
        A, logs = jax.lax.cond(due, _decomposed, _left, rows)
        fastest = jnp.maximum(fastest, jnp.where(due, _spread(logs) / age, 0))
        return (A, jnp.where(due, 0, age), fastest), logs

    start = (
        Scaled(_generic(trajectory.h_prev[0], k), jnp.int32(0)),
        jnp.int32(0),
        jnp.zeros((), _real(x)),
    )
    (A, _, _), logs = jax.lax.scan(step, start, (locals_, always))
    return logs, A.value


def _decomposed(rows: Scaled) -> tuple[Scaled, Array]:
    Q, logs = matrices.graded_qr(rows)
    return Scaled(Q, jnp.int32(0)), logs


def _left(rows: Scaled) -> tuple[Scaled, Array]:
    own = scaled.normalise(rows.value, rows.exponent)
    return scaled.normalise(*scaled.common(own)), jnp.zeros(rows.value.shape[1], _real(rows.value))


def _spread(logs: Array) -> Array:
    """Return how far directions grew apart, nats; without bound where one is lost or unknown."""
    spread = jnp.max(logs) - jnp.min(logs)
    return jnp.where(jnp.isfinite(spread), spread, jnp.finfo(logs.dtype).max)


def _wait(fastest: Array) -> Array:
    """Return the steps between two decompositions where directions spread so fast a step."""
    most = -math.log(jnp.finfo(fastest.dtype).eps) / 3
    return jnp.maximum(jnp.floor(most / jnp.maximum(fastest, most / _LONGEST)), 1)


def _generic(state: Array, k: int) -> Array:
    """Return k orthonormal directions that no coordinate prefers, (n_h, k)."""
    n = state.size
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((n, k)))[0]
    return jnp.asarray(directions, state.dtype)


def _real(a: Array) -> Any:
    return jnp.zeros((), a.dtype).real.dtype


def _standard_error(growth: Array) -> Array:
    """Return the standard error of the mean over time, (k,), by the means of blocks."""
    n_blocks = min(_N_BLOCKS, len(growth))
    size = len(growth) // n_blocks
    blocks = growth[len(growth) - n_blocks * size :].reshape(n_blocks, size, -1).mean(axis=1)
    spread = jnp.std(blocks, axis=0, ddof=1) if n_blocks > 1 else jnp.full(growth.shape[1], jnp.nan)
    return spread / n_blocks**0.5


def kaplan_yorke_dimension(exponents: Array) -> Array:
    """Return the Kaplan-Yorke dimension of a whole spectrum, ().

    j + (lambda_1 + ... + lambda_j) / |lambda_{j+1}| with j the most exponents whose sum is not
    negative: 0 where the largest is negative, n_h where none is left. Kaplan and Yorke, Chaotic
    behavior of multidimensional difference equations, 1979.

    Args:
      exponents: in any order, (n_h,).
    """
    ordered = -jnp.sort(-exponents)
    sums = jnp.cumsum(ordered)
    n = len(ordered)
    j = jnp.sum(jnp.cumprod((sums >= 0).astype(int)))
    kept = jnp.where(j > 0, sums[jnp.maximum(j, 1) - 1], 0)
    following = ordered[jnp.minimum(j, n - 1)]
    return j + jnp.where(j < n, kept / jnp.where(j < n, -following, 1), 0)


def entropy_rate(exponents: Array) -> Array:
    """Return the sum of the positive exponents, nats per step, ().

    Pesin, Characteristic Lyapunov exponents and smooth ergodic theory, 1977.

    Args:
      exponents: (k,).
    """
    return jnp.sum(jnp.maximum(exponents, 0))
