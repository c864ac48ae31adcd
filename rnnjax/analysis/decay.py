"""How far back a gradient reaches: horizon and e-folding time of a decay curve.

With l_k the log-norm at lag k and increments d_k = l_k - l_{k-1},

  horizon    = min {k : l_k <= l_0 - D log 10}                                  (1)
  rate       = mean d_k = (l_K - l_0) / K,    e-folding time = -1 / rate        (2)

l_k is a sum of K increments, so a least-squares line through the l_k would take the same noise for
many independent residuals. The standard error of (2) is that of means over blocks of about sqrt(K)
increments: right while increments are correlated over far fewer than sqrt(K) lags, too small
beyond (at K = 64 by a factor 0.9 if neighbours correlate by 0.5, and 0.55 if by 0.9). It is the
error within one sequence, not that between sequences.
"""

import math

import jax.numpy as jnp

from rnnjax.analysis.given import vector
from rnnjax.ranges import Number, arguments
from rnnjax.types import Array


@arguments(decades=Number(above=0))
def horizon(log_norm: Array, decades: float = 2.0, n_lags: Array | None = None) -> Array:
    """Return the first lag at which the norm has fallen by a number of decades, equation (1).

    Args:
      log_norm: natural logs by lag, (K+1,).
      decades: D.
      n_lags: lags that there are, int (), where a padded sequence has fewer than K.

    Returns:
      (); inf if it does not fall that far within the lags that there are, NaN if a NaN comes first
      or the norm at lag 0 is itself 0 or infinite.

    Raises:
      ValueError: log_norm is no vector of real numbers, or there are not as many lags.
    """
    log_norm = vector("log_norm", log_norm)
    _check_lags(n_lags, len(log_norm) - 1)
    fallen = log_norm <= log_norm[0] - decades * math.log(10)
    undefined = jnp.isnan(log_norm) | ~jnp.isfinite(log_norm[0])
    if n_lags is not None:
        n_lags = jnp.asarray(n_lags)
        within = jnp.arange(len(log_norm)) <= n_lags
        fallen, undefined = fallen & within, undefined & (within | (n_lags == 0))
    first = jnp.argmax(fallen | undefined)
    reached = jnp.where(undefined[first], jnp.nan, first)
    return jnp.where(jnp.any(fallen | undefined), reached, jnp.inf).astype(log_norm.dtype)


def e_folding(log_norm: Array, n_lags: Array | None = None) -> dict[str, Array]:
    """Fit the exponential rate of a decay curve, equation (2).

    Args:
      log_norm: natural logs by lag, (K+1,), K >= 4.
      n_lags: lags that there are, int (), where a padded sequence has fewer than K; below 4 there
        is no error.

    Returns:
      ``growth_rate`` in nats per lag, ``growth_rate_error`` (its standard error),
      ``e_folding_time`` in lags (negative for growth, infinite for a rate of exactly 0) and
      ``e_folding_time_error``; all (), NaN where a norm at one of the lags is.

    Raises:
      ValueError: log_norm is no vector of real numbers, there are fewer than 5 lags, or fewer than
        n_lags.
    """
    log_norm = vector("log_norm", log_norm)
    n = log_norm.shape[0] - 1
    if n < 4:
        raise ValueError(f"log_norm: expected at least 5 lags, got {n + 1}")
    _check_lags(n_lags, n)
    k = jnp.asarray(n if n_lags is None else n_lags)
    # A lag in between counts in no sum of the ends, but the mean of increments has it.
    unknown = jnp.any(jnp.isnan(log_norm) & (jnp.arange(n + 1) <= k))
    is_known = (k >= 0) & (k <= n) & ~unknown
    rate = jnp.where(is_known, (log_norm[k] - log_norm[0]) / k, jnp.nan)
    # sqrt(k) by rounding down what is never near an integer from below.
    size = jnp.maximum(jnp.floor(jnp.sqrt(k + 0.5)).astype(int), 1)
    n_blocks = k // size
    blocks = jnp.arange(math.isqrt(n) + 3)  # n_blocks is at most sqrt(n) + 2
    inside = blocks < n_blocks
    ends = log_norm[jnp.minimum(blocks[None] * size + jnp.array([[0], [1]]) * size, k)]
    means = jnp.where(inside, (ends[1] - ends[0]) / size, 0)
    spread = jnp.where(inside, means - jnp.sum(means) / n_blocks, 0)
    error = jnp.sqrt(jnp.sum(spread**2) / (n_blocks - 1) / n_blocks)
    error = jnp.where(is_known & (k >= 4), error, jnp.nan)
    return {
        "growth_rate": rate,
        "growth_rate_error": error,
        "e_folding_time": jnp.where(rate == 0, jnp.inf, -1 / rate),
        "e_folding_time_error": error / rate**2,
    }


def _check_lags(n_lags: Array | None, most: int) -> None:
    Number(at_least=0, at_most=most, whole=True, optional=True).checked("n_lags", n_lags)
