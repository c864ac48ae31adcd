"""Rounding errors that are carried forward, in a linear orthogonal network of known growth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.probes import rounding_of_errors

GAIN, N_STEPS = 0.5, 20


@pytest.fixture(scope="module")
def found():
    cell = rnnjax.Vanilla(
        2,
        4,
        1,
        recurrent=rnnjax.cells.orthogonal,
        gain=GAIN,
        activation=rnnjax.activations.identity,
    )
    key = jax.random.key(0)
    batch = rnnjax.tasks.WhiteNoise(N_STEPS, 2).sample(key)
    masks = jnp.stack([jnp.ones(N_STEPS), jnp.eye(N_STEPS)[-1]])
    batches = jax.vmap(lambda mask: batch.replace(mask=mask))(masks)
    rule = rnnjax.rules.ForwardErrors()
    return jax.jit(
        lambda params: rounding_of_errors(
            cell, None, params, batches, rule, "float32", jnp.log(GAIN)
        )
    )(cell.init(key))


@pytest.mark.wide
def test_growth_meets_its_bound_where_every_singular_value_is_the_gain(found):
    np.testing.assert_allclose(found["growth_rate"], -np.log(GAIN), rtol=1e-6)
    np.testing.assert_allclose(found["growth_bound"], -np.log(GAIN), rtol=1e-6)
    growth = -np.log(GAIN) * np.arange(N_STEPS)
    np.testing.assert_allclose(found["log_growth"], growth, rtol=1e-5, atol=1e-6)


def test_bptt_is_right_and_the_errors_begin_at_the_rounding(found):
    np.testing.assert_allclose(found["cosine_bptt"], 1, atol=1e-6)
    assert np.all(found["log_error"][:, 0] < np.log(1e-5))
    assert found["log_error"][0, -1] > found["log_error"][0, 0] + 8  # 19 ln 2 = 13.2
