"""Exercise 8: the forget bias for a half-life of 100 steps, and what the gates make of it."""

import jax
import numpy as np

import rnnjax


def half_life(scale, bias):
    """Measured over 400 lags, in steps; no recurrent weights, inputs of this deviation."""
    task = rnnjax.tasks.WhiteNoise(length=500, scale=scale)
    cell = rnnjax.LSTM(task.n_x, 32, gain=0.0, forget_bias=bias)
    params, batch = cell.init(jax.random.key(0)), task.sample(jax.random.key(1))
    by_lag = rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]
    return -np.log(2) * 400 / (by_lag[500] - by_lag[100])


def answer():
    """Return the numbers of the exercise."""
    kept = 2 ** (-1 / 100)  # a step, by s(bias)
    bias = float(np.log(kept / (1 - kept)))
    run = jax.jit(half_life)
    return {
        "bias": bias,
        "half-life without inputs": float(run(0.0, bias)),
        "half-life, inputs of variance 1": float(run(1.0, bias)),
        "100 exp(-1/2)": 100 * np.exp(-0.5),
    }


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    print(*(f"{name:40} {value:.3f}" for name, value in answer().items()), sep="\n")
