"""Learning in windows against its closed forms."""

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax.theory import influence_balancing as theory
from rnnjax.updates import learn_in_windows

NETWORK = (5, 2)
OPTIONS = {"longest": 6, "n_steps": 9, "n_updates": 8}


@pytest.mark.wide
@pytest.mark.parametrize(
    ("rule", "copies", "kept"),
    [
        (rnnjax.BPTT(), False, None),
        (rnnjax.rules.RTRL(), False, 5),
        (rnnjax.rules.SnAp(2), True, 2),
    ],
    ids=["BPTT", "RTRL", "SnAp"],
)
@pytest.mark.parametrize("window", [1, 6])
def test_theta_follows_its_recursion(rule, copies, kept, window):
    cell = rnnjax.tasks.InfluenceChain(*NETWORK, copies, theta=0.3)
    run = jax.jit(lambda key: learn_in_windows(rule, cell, window, 0.01, key, **OPTIONS))
    found = run(jax.random.key(0))
    expected = theory.path(window, 8, 0.01, 0.3, kept, *NETWORK)
    np.testing.assert_allclose(found.theta, expected, rtol=1e-12)
    assert found.seen.shape == (8,)
    if kept != 2:
        exact = [float(theory.sensitivity(K, *NETWORK)) for K in range(1, 10)]
        np.testing.assert_allclose(found.after, exact, rtol=1e-12)


def test_what_is_seen_from_the_start_depends_on_no_window():
    """With a memory that is carried the window only says how often theta moves."""
    cell, rule = rnnjax.tasks.InfluenceChain(*NETWORK, theta=0.3), rnnjax.rules.RTRL()

    def after(window):
        return learn_in_windows(rule, cell, window, 0.01, jax.random.key(0), **OPTIONS).after

    found = jax.jit(jax.vmap(after))(np.array([1, 4, 6]))
    np.testing.assert_array_equal(found, np.tile(found[0], (3, 1)))


@pytest.mark.parametrize("window", [0, -1, 7, 2.5, np.array([1, 2])])
def test_a_window_is_one_of_the_program(window):
    cell = rnnjax.tasks.InfluenceChain(*NETWORK)
    with pytest.raises(ValueError, match=r"^window: expected"):
        learn_in_windows(rnnjax.BPTT(), cell, window, 0.01, jax.random.key(0), **OPTIONS)


@pytest.mark.parametrize("rule", [rnnjax.rules.TruncatedBPTT(3), rnnjax.BPTT(window=2)])
def test_rules_that_do_not_learn_in_windows_are_told(rule):
    cell = rnnjax.tasks.InfluenceChain(*NETWORK)
    with pytest.raises(ValueError, match=r"^rule: expected BPTT\(\) or a rule that runs forward"):
        learn_in_windows(rule, cell, 3, 0.01, jax.random.key(0), **OPTIONS)
