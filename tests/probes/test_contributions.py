import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import probes


def test_contributions_of_a_chain_are_the_closed_form():
    """h' = w h + x, L = h_T: step t contributes w^(T-t) h_{t-1} to w and w^(T-t) x_t to w_x."""
    w, n_steps = 0.8, 12
    x = np.random.default_rng(0).uniform(0.5, 1.5, n_steps)
    cell = rnnjax.Chain()
    params = cell.init(jax.random.key(0))._replace(
        w_n=jnp.float64(w), w_x=jnp.ones(1), w_3=jnp.float64(1.0)
    )
    batch = rnnjax.Batch(
        x=jnp.asarray(x)[:, None], y=jnp.zeros((n_steps, 1)), mask=jnp.eye(n_steps)[-1]
    )

    def loss(y_hat, y):
        return jnp.sum(y_hat)

    found = jax.jit(lambda p: probes.step_contributions(cell, loss, p, batch))(params)
    h = [0.0]
    for value in x:
        h.append(w * h[-1] + value)
    reach = w ** np.arange(n_steps - 1, -1, -1.0)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(
            found["log_contribution_w_n"], np.log(reach * h[:-1]), rtol=1e-12
        )
        np.testing.assert_allclose(found["log_contribution_w_x"], np.log(reach * x), rtol=1e-12)
    # The output weight is used once, at T.
    np.testing.assert_array_equal(found["log_contribution_w_3"][:-1], -np.inf)
    np.testing.assert_allclose(found["log_contribution_w_3"][-1], np.log(h[-1]), rtol=1e-12)
    total = np.logaddexp.reduce(
        [2 * np.asarray(found[f"log_contribution_{n}"]) for n in ("w_n", "w_x", "w_3")]
    )
    np.testing.assert_allclose(2 * found["log_contribution"], total, rtol=1e-12)
