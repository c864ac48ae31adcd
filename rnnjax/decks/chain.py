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
import optax

from rnnjax import dynamics, scaled, scan
from rnnjax.activations import Activation
from rnnjax.cells import Chain
from rnnjax.cells.chain import ChainParams
from rnnjax.rules import BPTT
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, RuleOut


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
        h_2 = dynamics.advance(cell, p, h_1, drive)
        combined = p.w_n * h_1 + drive
        return jnp.concatenate([h_1, drive, combined, h_2, cell.readout(p, h_2)])

    return steps(params), jax.grad(lambda p: steps(p)[-1])(params)


def gradients_by_length(activation: Activation, w_n: Array | float, n_inputs: int) -> RuleOut:
    """Compute dy_t/dweights of a chain at every length t, each input of 1 by a weight of its own.

    Args:
      activation: of the neuron.
      w_n: recurrent weight.
      n_inputs: T.

    Returns:
      ``loss``: y_t, (T,); ``grads``: leaves (T, ...), index t - 1; of w_x, (T, T), the second index
      is that of the input.
    """
    cell = Chain(n_inputs, activation)
    params = ChainParams(jnp.asarray(w_n, float), jnp.ones(n_inputs), jnp.ones(()))
    x, nothing = jnp.eye(n_inputs), jnp.zeros((n_inputs, 1))

    def at(mask: Array) -> RuleOut:
        # The mask picks the length: the output of step t alone is that of a sequence of t inputs.
        batch = Batch(x, nothing, mask)
        return BPTT()(cell, lambda y_hat, y: y_hat[0], params, batch, ())

    return jax.vmap(at)(jnp.eye(n_inputs))


def loss_gradients(
    activation: Activation,
    w_n: Array | float,
    n_inputs: int,
    target: Array | float,
    max_norm: Array | float,
    n_oldest: int = 10,
) -> dict[str, Array]:
    """Measure how a loss of the last output reaches the weights of a chain, and what clipping does.

    Args:
      activation: of the neuron.
      w_n: recurrent weight.
      n_inputs: T; each input is 1 and has a weight of its own.
      target: what y should be; the loss E is half the squared error.
      max_norm: the threshold of clipping by norm.
      n_oldest: inputs that count as the oldest.

    Returns:
      ``log_weight_gradient``: natural log of |dy_t/dw_n| at every length, (T,);
      ``weight_gradient_sign``: int, (T,); ``log_loss_gradient``: of |dE/dw_n|, (T,); for the full
      length ``log_norm``: of |dE/d(all weights)|, (), ``clipped_norm``: this norm after clipping,
      (), ``share_oldest`` and ``clipped_share_oldest``: the share of the oldest inputs in
      sum |dE/dw_x|, ().
    """
    y, by_length, _ = gradients_by_length(activation, w_n, n_inputs)
    error, log_gradient = y - target, scaled.log_norm(by_length.w_n)

    def of_loss(leaf: Scaled) -> Scaled:
        return Scaled(leaf.value[-1] * error[-1], leaf.exponent[-1])

    def oldest(by_input: Array) -> Array:
        largest = jnp.max(jnp.abs(by_input))
        sizes = jnp.abs(by_input) / jnp.where(largest > 0, largest, 1)
        return jnp.sum(sizes[:n_oldest]) / jnp.maximum(jnp.sum(sizes), 1)

    gradient = jax.tree.map(of_loss, by_length, is_leaf=scaled.is_scaled)
    clipped = scaled.clip_norm(gradient, max_norm)
    return {
        "log_weight_gradient": log_gradient,
        "weight_gradient_sign": jnp.sign(by_length.w_n.value).astype(int),
        "log_loss_gradient": log_gradient + jnp.log(jnp.abs(error)),
        "log_norm": scaled.log_norm(gradient),
        "clipped_norm": optax.tree.norm(clipped),
        "share_oldest": oldest(gradient.w_x.value),
        "clipped_share_oldest": oldest(clipped.w_x),
    }


def worked_example(
    activation: Activation, weights: Sequence[Array | float], inputs: Sequence[float]
) -> dict[str, Array]:
    """Measure every step of y = w_3 f(x_2 w_2 + w_n f(x_1 w_1)), and its gradient.

    Args:
      activation: f.
      weights: w_1, w_2, w_3 and w_n.
      inputs: x_1 and x_2.

    Returns:
      ``example``: see `two_steps`, (5,); ``example_gradient``: dy/dweight, (4,);
      ``n_weights``: weights with a gradient that is not 0, int, (2,): of the network that is shown
      both inputs at once, and of this one.
    """
    w_1, w_2, w_3, w_n = map(jnp.asarray, weights)
    cell, x = Chain(2, activation), jnp.asarray(inputs, float)
    params = ChainParams(w_n, jnp.stack([w_1, w_2]), w_3)
    steps, gradient = two_steps(cell, params, *jnp.diag(x))

    def without_memory(p: ChainParams) -> Array:
        return cell.readout(p, cell.step(p, cell.initial_state(), x))[0]

    of_both = (jax.grad(without_memory)(params), gradient)
    counts = [sum(jnp.sum(leaf != 0) for leaf in of_one) for of_one in of_both]
    return {
        "example": steps,
        "example_gradient": jnp.stack([*gradient.w_x, gradient.w_3, gradient.w_n]),
        "n_weights": jnp.stack(counts).astype(int),
    }
