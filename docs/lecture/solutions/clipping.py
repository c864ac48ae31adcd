"""Exercise 4: what clipping does to the size of a gradient, and to the share of old steps in it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjax
from rnnjax import rules, scaled, updates

LIMIT = 10.0
TASK = rnnjax.tasks.Adding(length=50)


def measured(gain):
    """Norm of dL/dW before and after clipping, and the share of the 40 oldest steps in either."""
    cell = rnnjax.Vanilla(2, 32, activation=rnnjax.activations.identity, gain=gain)
    params, batch = cell.init(jax.random.key(0)), TASK.sample(jax.random.key(1))
    by_step = rules.BPTT()(cell, TASK.loss, params, batch, (), per_step=True).grads
    whole = rules.BPTT()(cell, TASK.loss, params, batch, ()).grads
    clip = updates.clip_by_norm(LIMIT, optax.sgd(1.0))
    update, _ = clip.update(whole, clip.init(params), params, value=0.0)
    W, clipped = scaled.plain(whole).W, -update.W
    factor = jnp.vdot(clipped, W) / jnp.vdot(W, W)  # of every entry, and so of every lag
    old = jnp.sum(scaled.plain(by_step).W[:40], axis=0)

    def share(old, W):
        return jnp.vdot(old, W) / jnp.vdot(W, W)

    return jnp.stack([jnp.linalg.norm(W), jnp.linalg.norm(clipped), share(old, W),
                      share(factor * old, clipped)])  # fmt: skip


def answer():
    """Return the numbers of the exercise."""
    names = ("norm", "norm after clipping", "share of old steps", "share after clipping")
    run = jax.jit(measured)
    return {
        f"{name}, gain {gain}": float(value)
        for gain in (0.5, 1.5)
        for name, value in zip(names, np.asarray(run(gain)), strict=True)
    }


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    print(*(f"{name:32} {value:.3e}" for name, value in answer().items()), sep="\n")
