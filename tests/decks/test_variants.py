"""The arms of the slides, trained side by side, against the same trained one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import decks
from rnnjax.decks.variants import ARMS, by_arm

RATES = [0.1, 0.3]
CELL, TASK = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.Adding(5)


def trained(rule, optimiser):
    params = CELL.init(jax.random.key(0))
    batch = jax.vmap(TASK.sample)(jax.random.split(jax.random.key(1), 4))
    options = {"n_updates": 3, "batch": batch, "params": params}
    return rnnjax.fit(CELL, TASK, rule, optimiser, jax.random.key(0), **options).params.W


@pytest.fixture(scope="module")
def found():
    return dict(zip(ARMS, jax.jit(lambda: by_arm(trained, RATES))(), strict=True))


@pytest.mark.wide
@pytest.mark.parametrize(("arm", "rule", "optimiser"), [
    ("dx", rnnjax.BPTT(), optax.sgd),
    ("rnn", rnnjax.BPTT(window=1), optax.sgd),
    ("dx_literal", decks.ForwardDeltaX(), optax.sgd),
    ("et_dx_safe", decks.EligibilityRatio(rnnjax.BPTT(), decks.ratios.Safeguarded()), optax.sgd),
    ("momentum", rnnjax.BPTT(), lambda rate: optax.sgd(0.1 * rate, momentum=0.9)),
    ("rprop", rnnjax.BPTT(), lambda rate: optax.rprop(0.1 * rate)),
])  # fmt: skip
def test_an_arm_is_that_training_alone(found, arm, rule, optimiser):
    of_rate = jax.jit(lambda rate: trained(rule, optimiser(rate)))
    for place, rate in enumerate(RATES):
        alone = of_rate(rate)
        np.testing.assert_allclose(found[arm][place], alone, rtol=2e-5, atol=1e-6)


@pytest.mark.wide
def test_arms_differ(found):
    ends = np.stack([found[arm][1].ravel() for arm in ARMS if arm != "et_dx_both_literal"])
    assert found["dx"].shape == (len(RATES), 3, 3)
    assert jnp.isfinite(found["dx"]).all()
    assert len(np.unique(ends.round(7), axis=0)) > len(ends) // 2
