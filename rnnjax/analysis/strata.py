"""Means in which every stratum of the samples has the same share.

For samples v_nt of N sequences, and strata s of which every sample belongs to one or to none,

  m_s = sum_nt v_nt [nt in s] / sum_nt [nt in s],    m = mean over s of m_s            (1)

Chance in how often each stratum is drawn then adds nothing to m. Its standard error is that of the
mean over the sequences of

  r_n = mean over s of  sum_t (v_nt - m_s) [nt in s]  N / sum_mt [mt in s]             (2)

Cochran, Sampling Techniques, 3rd edition, 1977 (post-stratification).
"""

import jax.numpy as jnp

from rnnjax.analysis.given import check_shape
from rnnjax.types import Array


def stratified(values: Array, members: Array) -> tuple[Array, Array]:
    """Return the means m_s of equation (1), and the standard error of their mean, equation (2).

    Args:
      values: v, (N, T), N > 1; whatever stands where a sample belongs to no stratum.
      members: 1 where a sample belongs to a stratum, else 0, (N, T, n_strata).

    Returns:
      (n_strata,), NaN for a stratum without samples; ().

    Raises:
      ValueError: both are not of the same samples.
    """
    check_shape("values", values, jnp.shape(members)[:2])
    n_samples = jnp.sum(members, axis=1)
    n_in_all = jnp.sum(n_samples, axis=0)
    # Not a product, in which a NaN of one stratum would be one of all.
    total = jnp.sum(jnp.where(members != 0, values[..., None] * members, 0), axis=1)
    means = jnp.sum(total, axis=0) / n_in_all
    n_sequences = len(values)
    rest = (total - n_samples * means[None]) * (n_sequences / n_in_all)[None]
    error = jnp.std(jnp.mean(rest, axis=1), ddof=1) / n_sequences**0.5
    return means, error
