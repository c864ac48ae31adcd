"""Rules, lags and exponents of a cell beside automatic differentiation, from one program."""

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import probes, scaled
from rnnjax.losses import squared_error


def measured_of(cell, rules, batch, key):
    """Gradients by rules and by automatic differentiation, log norms by lag, exponents."""

    @jax.jit
    def program(params):
        oracle = jax.value_and_grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))
        found = {
            name: rule(cell, squared_error, params, batch, rule.init(cell, params, batch))
            for name, rule in rules.items()
        }
        return {
            "oracle": oracle(params),
            "rules": {name: (out.loss, scaled.plain(out.grads)) for name, out in found.items()},
            "lags": probes.log_norm_by_lag(cell, squared_error, params, batch)["log_norm"],
            "spectrum": probes.lyapunov_spectrum(cell, None, params, batch)["exponents"],
            "log_det": probes.mean_log_det(cell, None, params, batch)["mean_log_det"],
        }

    return jax.tree.map(np.asarray, program(jax.jit(cell.init)(key)))


@jax.jit
def gradient_norms(cell, params, batch, states, lags):
    """Norms of dL_T/dh_{T-k} for some lags k, from the states h_{T-k}, by automatic derivatives."""
    T = len(batch.x)

    def last_loss(h, lag):
        def step(h, at):
            t, x = at
            return jnp.where(t >= T - lag, cell.step(params, h, x), h), None

        h = jax.lax.scan(step, h, (jnp.arange(T), batch.x))[0]
        return squared_error(cell.readout(params, h), batch.y[-1])

    return jnp.linalg.norm(jax.vmap(jax.grad(last_loss))(states, lags), axis=1)


def drawn_params(cell, size):
    """Normal parameters, of the cell's shapes: without a program that draws its own."""
    rng = np.random.default_rng(11)
    like = jax.eval_shape(cell.init, jax.random.key(0))
    return jax.tree.map(lambda a: size * rng.standard_normal(a.shape), like)


def relative_error(found, exact):
    """The largest error of any leaf, as a part of the leaf's largest entry."""
    both = zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True)
    return max(np.max(np.abs(a - b)) / (np.max(np.abs(b)) or 1) for a, b in both)
