"""The oracle of every split over time: each step's loss by the weights of each step."""

import jax
import jax.numpy as jnp

from rnnjax.losses import squared_error


def by_loss_and_use(cell, params, batch):
    """dl_t/dW_s: the loss of step t by the weights as used at step s, leaves (T, T, ...)."""
    n_steps = len(batch.x)

    def losses(copies):
        h, out = cell.initial_state(), []
        for t in range(n_steps):
            p = jax.tree.map(lambda a, t=t: a[t], copies)
            h = cell.step(p, h, batch.x[t])
            out.append(batch.mask[t] * squared_error(cell.readout(p, h), batch.y[t]))
        return jnp.stack(out)

    copies = jax.tree.map(lambda a: jnp.broadcast_to(a, (n_steps, *a.shape)), params)
    return jax.jit(jax.jacobian(losses))(copies)
