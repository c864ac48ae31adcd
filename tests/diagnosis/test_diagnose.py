"""The whole report: sick networks are named, healthy ones are not, and padding is not measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from tests.diagnosis import small


def alarms(report):
    return {finding.name for finding in report.alarms}


def test_report_of_a_small_network():
    loss, params = small.vanilla(dtype=jnp.float64)
    x = small.sequences(dtype=jnp.float64)
    told = []
    report = rnnjax.diagnose(loss, params, x, title="small", progress=told.append)
    assert report.layers == ("scan_0",)
    assert not report.alarms and not report.remedies
    assert "No alarm." in str(report)
    assert told[0] == "recurrences"
    data = report.dataset
    np.testing.assert_allclose(data["loss"], jax.vmap(lambda x: loss(params, x))(x), rtol=1e-14)
    norms = [
        np.log(np.linalg.norm(np.concatenate([np.ravel(g) for g in jax.tree.leaves(grad)])))
        for grad in (jax.grad(loss)(params, one) for one in x)
    ]
    np.testing.assert_allclose(data["log_norm_gradient"], norms, rtol=0, atol=1e-12)


@pytest.mark.wide
def test_first_non_finite_step_backward_where_the_forward_pass_is_finite():
    def loss(params, x):
        def step(h, x):
            # sqrt is finite at 0, its slope is not.
            h = jnp.tanh(params["W"] @ h + x) + jnp.sqrt(jnp.maximum(x[0], 0))
            return h, None

        def hurt(h, x):
            h = jnp.tanh(params["W"] @ h + x) * jnp.sqrt(jnp.abs(h - x))
            return h, None

        return jnp.sum(jax.lax.scan(hurt, jnp.full(3, 0.5), x)[0])

    params = {"W": 0.5 * jnp.eye(3)}
    x = 0.1 * jnp.ones((2, 12, 3))

    def first_states(x, n):
        h = jnp.full(3, 0.5)
        for one in x[:n]:
            h = jnp.tanh(params["W"] @ h + one) * jnp.sqrt(jnp.abs(h - one))
        return h

    # The input of step 8 equals the state before it: the root is 0, and its slope infinite.
    x = x.at[1, 7].set(first_states(x[1], 7))
    assert np.isfinite(loss(params, x[1]))
    report = rnnjax.diagnose(loss, params, x, n_closer=1)
    layer = report.dataset.isel(layer=0)
    np.testing.assert_array_equal(layer["non_finite_forward_step"], [-1, -1])
    np.testing.assert_array_equal(layer["non_finite_backward_step"], [-1, 7])
    assert layer["non_finite_backward_at"].values[0] == ""
    assert "test_diagnose.py" in layer["non_finite_backward_at"].values[1]
    assert any("step" in f.statement and f.alarm for f in report.findings)


@pytest.mark.wide
def test_remedies_of_an_lstm_that_forgets():
    loss, params = small.lstm(forget_bias=-3.0, dtype=jnp.float64)
    x = small.sequences(2, 60, dtype=jnp.float64)
    report = rnnjax.diagnose(loss, params, x, n_closer=2, longest_window=8)
    assert report.alarms
    gates = [r for r in report.remedies if "forget bias" in r.action]
    assert gates and gates[0].number_after < gates[0].number_before / 5
