"""The mean ln |det J| against determinants of Jacobians by automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, probes
from tests.probes.test_lyapunov import CELLS, KEY, batch_of, jacobians


@pytest.mark.wide
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("n_discarded", [0, 7])
def test_it_is_the_mean_of_log_determinants(name, n_discarded):
    cell = CELLS[name]
    params = cell.init(KEY)
    x = jax.random.normal(jax.random.key(1), (20, 2))
    found = probes.mean_log_det(cell, None, params, batch_of(x), n_discarded=n_discarded)
    logs = np.linalg.slogdet(np.asarray(jacobians(cell, params, x)))[1]
    expected = logs[n_discarded:].mean()
    np.testing.assert_allclose(found["mean_log_det"], expected, rtol=1e-10)


@pytest.mark.wide
def test_padding_adds_nothing():
    cell = CELLS["Vanilla"]
    params = cell.init(KEY)
    x = jax.random.normal(jax.random.key(1), (20, 2))
    padded = batch_of(x.at[12:].set(9.0)).replace(mask=(jnp.arange(20) == 11) * 1.0)
    whole, cut = (
        probes.mean_log_det(cell, None, params, batch)["mean_log_det"]
        for batch in (batch_of(x[:12]), padded)
    )
    np.testing.assert_allclose(cut, whole, rtol=1e-12)


@pytest.mark.wide
def test_a_saturated_network_keeps_its_digits():
    """Slopes of e^-100: a determinant as a plain number would be 0."""
    cell = rnnjax.Vanilla(1, 5, activation=activations.tanh, gain=1.0)
    params = cell.init(KEY)
    params = params._replace(b=params.b + 50.0)
    x = jnp.zeros((6, 1))
    trajectory = rnnjax.unroll(cell, params, x)
    z = trajectory.h_prev @ params.W.T + trajectory.drive
    expected = np.linalg.slogdet(np.asarray(params.W))[1]
    expected += np.mean(np.sum(activations.tanh.log_slope(z), axis=1))
    found = probes.mean_log_det(cell, None, params, batch_of(x))["mean_log_det"]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert expected < -400
