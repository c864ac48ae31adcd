"""Steps behind the end of a sequence count in no row: a padded sequence reads as the cut one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.diagnosis import memory, spectrum, units

N_STEPS, LENGTH = 9, 6
X = jax.device_put(np.random.default_rng(0).standard_normal((N_STEPS, 2)))


def loss(params, example):
    """A gated tanh unit and a relu, held behind the end of the sequence, or not."""
    xs, length, is_held = example

    def step(state, at):
        x, t = at
        keep = jax.nn.sigmoid(params["f"] + x)
        h = keep * state[0] + (1 - keep) * jnp.tanh(params["w"] * state[0] + 3 * x)
        r = jax.nn.relu(0.5 * state[1] + x)
        goes_on = (t < length) | ~is_held
        new = tuple(jnp.where(goes_on, a, b) for a, b in zip((h, r), state, strict=True))
        return new, jnp.concatenate(new)

    start = (jnp.full(2, 0.1), jnp.full(2, 0.1))
    _, states = jax.lax.scan(step, start, (xs, jnp.arange(len(xs))))
    return jnp.sum(states[length - 1] ** 2)


@jax.jit
def rows(params, example):
    (r,) = rnnjax.recurrences(loss, params, example)
    return {
        **units.slopes(r), **units.gates(r), **memory.forward_memory(r),
        **spectrum.exponents(r, 2), **spectrum.singular_values(r, 2),
    }  # fmt: skip


PARAMS = jax.device_put({"f": np.array([0.5, -1.0]), "w": np.array([0.7, 0.2])})


@functools.cache
def of_the_cut_sequence():
    return rows(PARAMS, (X[:LENGTH], LENGTH, True))


@pytest.mark.wide
@pytest.mark.parametrize("is_held", [True, False])
def test_padding_changes_no_row(is_held):
    whole = of_the_cut_sequence()
    found = rows(PARAMS, (X.at[LENGTH:].set(-9.0), LENGTH, is_held))
    forward = found.pop("log_norm_forward")
    np.testing.assert_allclose(forward[:LENGTH], whole["log_norm_forward"], rtol=1e-12)
    assert np.all(np.isnan(forward[LENGTH:]))
    for name, values in found.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-9, atol=1e-12, err_msg=name)
    # As many gates as there are, and not also the relu where it is held; one span that fits.
    assert np.isnan(found["gate_mean"]).tolist() == [False, False, True, True]
    assert np.isfinite(found["log_singular_values"]).all(axis=1).tolist() == [True, False, False]


@pytest.mark.wide
def test_a_layer_that_the_loss_does_not_read_has_no_shares():
    def blind(params, example):
        return 0 * loss(params, example) + params["f"][0]

    (r,) = rnnjax.recurrences(blind, PARAMS, (X, LENGTH, False))
    found = {**units.slopes(r), **units.gates(r)}
    assert np.isnan(found["flat_share"]).all() and not found["dead"].any()
    assert np.isnan(found["gate_mean"]).all()
