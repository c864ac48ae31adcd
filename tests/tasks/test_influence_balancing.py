"""The chain of influence balancing against its closed forms, and its rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.tasks.influence_balancing import InfluenceChain, resting_then
from rnnjax.theory import influence_balancing as theory


def output(y_hat, y):
    return y_hat[0]


def test_a_resting_network_keeps_its_state_and_hears_nothing_of_theta():
    cell = InfluenceChain(5, 2)
    params, s = {"theta": jnp.asarray(0.3)}, jnp.arange(5.0)
    J, D = jax.jit(jax.jacfwd(lambda s, p: cell.step(p, s, jnp.zeros(1)), argnums=(0, 1)))(
        s, params
    )
    np.testing.assert_array_equal(J, np.eye(5))
    np.testing.assert_array_equal(D["theta"], np.zeros(5))


@pytest.mark.wide
@pytest.mark.parametrize("window", [1, 7, 30])
def test_the_gradient_of_its_output_is_the_closed_form(window):
    cell, batch = InfluenceChain(7, 3), resting_then(window, 30)
    seen = rnnjax.BPTT()(cell, output, cell.init(None), batch).grads
    found = rnnjax.scaled.plain(seen)["theta"]
    np.testing.assert_allclose(found, float(theta := theory.sensitivity(window, 7, 3)), rtol=1e-13)
    assert theta != 0


@pytest.mark.wide
@pytest.mark.parametrize("n_states", [1, 7])
def test_snap_1_on_a_shared_theta_is_rtrl(n_states):
    """The mask of SnAp-1 is what a weight acts on at once, and theta acts on every unit."""
    cell = InfluenceChain(n_states, 1 if n_states == 1 else 3)
    batch = rnnjax.Batch(jnp.ones((9, 1)), jnp.ones((9, 1)), jnp.ones(9))
    seen = [
        jax.jit(lambda rule=rule: rule(cell, output, cell.init(None), batch).grads)()
        for rule in (rnnjax.rules.SnAp(1), rnnjax.rules.RTRL())
    ]
    got, expected = (rnnjax.scaled.plain(grads)["theta"] for grads in seen)
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    exact = sum(theory.sensitivity(t, n_states, cell.n_positive) for t in range(1, 10))
    np.testing.assert_allclose(expected, float(exact), rtol=1e-13)
