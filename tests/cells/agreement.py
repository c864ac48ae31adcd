"""Rules, lags and exponents of a cell beside automatic differentiation, from one program."""

import jax
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

    return jax.tree.map(np.asarray, program(cell.init(key)))


def relative_error(found, exact):
    """The largest error of any leaf, as a part of the leaf's largest entry."""
    both = zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True)
    return max(np.max(np.abs(a - b)) / (np.max(np.abs(b)) or 1) for a, b in both)
