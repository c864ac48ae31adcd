"""What every input of a one-neuron chain does to its last output.

  dy_T/dx_{T-k} = w_3 w_x w_n^k prod_{t=T-k..T} f'(z_t),   z_t = w_n h_{t-1} + w_x x_t     (1)

For a single unit the product of Jacobians is a product of numbers, so its logarithm is a running
sum over lags, and a coefficient of e^-400 is a number like any other. The sign is kept beside it:
negative recurrent weights alternate.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scan
from rnnjax.cells import Chain
from rnnjax.cells.chain import ChainParams
from rnnjax.types import Array


def chain_coefficients(cell: Chain, params: ChainParams, x: Array) -> dict[str, Array]:
    """Measure equation (1) at every lag.

    Args:
      cell: a chain with one input.
      params: its parameters.
      x: inputs, (T,).

    Returns:
      ``log_coefficient``: natural log of |dy_T/dx_{T-k}|, (T,), index k, -inf where it is 0;
      ``sign``: its sign, int, (T,).
    """
    run = scan.unroll(cell, params, x[:, None])
    # A homogeneous chain carries h_prev and drive with a scale, at which its slope is the same.
    z = (params.w_n * run.h_prev + run.drive)[::-1, 0]
    ends = params.w_3 * params.w_x[0]
    # Lag 0 crosses no recurrent connection: its factor is that of input and output weight.
    factors = jnp.where(jnp.arange(len(z)) == 0, ends, params.w_n)
    logs = jnp.cumsum(jnp.log(jnp.abs(factors)) + cell.activation.log_slope(z))
    slope_sign = cell.activation.slope_sign
    signs = jnp.sign(factors) * (1 if slope_sign is None else slope_sign(z))
    return {
        "log_coefficient": logs,
        "sign": jnp.where(jnp.isneginf(logs), 0, jnp.cumprod(signs)).astype(int),
    }


def active_coefficients(
    cell: Chain, params: ChainParams, x: Array, quantiles: Sequence[float]
) -> dict[str, Array]:
    """Measure equation (1) over many sequences, of which relu switches some off.

    Args:
      cell: a chain with one input.
      params: its parameters.
      x: sequences, (n, T).
      quantiles: which of the ranked sequences to return; at each lag only those whose coefficient
        there is not 0 are ranked.

    Returns:
      ``log_coefficient_random``: (n_quantiles, T), -inf where no sequence is active;
      ``share_active``: share of sequences with a coefficient that is not 0, (T,);
      ``growth_rate_random``: mean growth of the logarithm a lag over sequences active at the last
      one, (), -inf if there is none.
    """
    logs = jax.vmap(lambda x: chain_coefficients(cell, params, x)["log_coefficient"])(x)
    n, last = len(logs), logs.shape[1] - 1
    unknown = jnp.any(jnp.isnan(logs), axis=0)  # NaN is no sequence that is switched off
    active = jnp.isfinite(logs)
    n_active = jnp.sum(active, axis=0)
    # What is switched off has rank 0, 1, ...: the active ones come behind.
    ranks = [n - n_active + jnp.round(q * (n_active - 1)).astype(int) for q in quantiles]
    chosen = jnp.clip(jnp.stack(ranks), 0, n - 1)
    rises = jnp.where(active[:, last], logs[:, last] - logs[:, 0], 0.0)
    rate = jnp.sum(rises) / jnp.maximum(n_active[last], 1) / last
    ranked = jnp.take_along_axis(jnp.sort(logs, axis=0), chosen, axis=0)
    rate = jnp.where(n_active[last] > 0, rate, -jnp.inf)
    return {
        "log_coefficient_random": jnp.where(unknown[None], jnp.nan, ranked),
        "share_active": jnp.where(unknown, jnp.nan, n_active / n),
        "growth_rate_random": jnp.where(unknown[last], jnp.nan, rate),
    }


def two_steps(cell: Chain, params: ChainParams, x_1: Array, x_2: Array) -> tuple[Array, Any]:
    """Run a chain over two inputs, step by step.

    Args:
      cell: a chain with any number of inputs.
      params: its parameters.
      x_1: first input, (n_x,).
      x_2: second input, (n_x,).

    Returns:
      f(w_x x_1), w_x x_2, their combination, f of it and y, (5,), and dy/dparams, plain.
    """

    def steps(p: ChainParams) -> Array:
        h_1 = cell.step(p, cell.initial_state(), x_1)
        drive = cell.drive(p, x_2)
        h_2 = cell.advance(p, h_1, drive)
        combined = p.w_n * h_1 + drive
        return jnp.concatenate([h_1, drive, combined, h_2, cell.readout(p, h_2)])

    return steps(params), jax.grad(lambda p: steps(p)[-1])(params)
