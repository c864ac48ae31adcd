"""Steps that a mask holds count in no row of gates, exponents or singular values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.diagnosis import batches, measure, remedies, spectrum, steps, units

N, T, LENGTH = 3, 12, 7
X = jax.random.normal(jax.random.key(0), (T, 2))
PARAMS = {
    "W": jax.random.normal(jax.random.key(1), (N, N)),
    "U": jax.random.normal(jax.random.key(2), (N, 2)),
}


def chosen(is_on, new, h):
    return jnp.where(is_on, new, h)


def weighed(is_on, new, h):
    return is_on * new + (1 - is_on) * h


def recurrence(mask, x, how=chosen, cell=lambda p, h, x: jnp.tanh(p["W"] @ h + p["U"] @ x)):
    """The state at the last step is read, behind the padding."""

    def loss(p, example):
        def step(h, at):
            x, is_on = at
            return how(is_on, cell(p, h, x), h), None

        return jnp.sum(jax.lax.scan(step, jnp.full(N, 0.1), example)[0])

    return rnnjax.recurrences(loss, PARAMS, (x, jnp.asarray(mask)))[0]


@jax.jit
def rows(r):
    return {
        **units.slopes(r), **units.gates(r), **spectrum.exponents(r, 2),
        **spectrum.singular_values(r, 2),
    }  # fmt: skip


AT = np.arange(T)


@pytest.mark.parametrize(
    ("mask", "how"),
    [
        (AT < LENGTH, chosen),
        (AT < LENGTH, weighed),
        (AT >= T - LENGTH, chosen),
    ],
)
def test_steps_that_a_mask_holds(mask, how):
    whole, cut = recurrence(mask, X, how), recurrence(np.ones(LENGTH, bool), X[mask])
    assert steps.held(whole).tolist() == (~mask).tolist()
    assert np.isnan(units.gates(whole)["gate_mean"]).all()
    # 1 / tau is that of the sequence without padding.
    h, t = whole.states[3], jnp.int32(int(np.flatnonzero(mask)[2]))
    np.testing.assert_allclose(
        remedies.leaky(whole)(h, t), remedies.leaky(cut)(h, jnp.int32(2)), rtol=1e-12
    )


@pytest.mark.wide
@pytest.mark.parametrize("mask", [AT < LENGTH, AT >= T - LENGTH], ids=["behind", "before"])
@pytest.mark.parametrize("how", [chosen, weighed])
def test_a_held_state_reads_as_the_cut_sequence(mask, how):
    whole, cut = recurrence(mask, X, how), recurrence(np.ones(LENGTH, bool), X[mask])
    expected = rows(cut)
    for name, values in rows(whole).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_gate_that_keeps_all_and_a_silent_relu_are_no_padding():
    def gated(p, h, x):
        keep = jax.nn.sigmoid(100 * (1 + jnp.abs(p["W"] @ h)))
        return keep * h + (1 - keep) * jnp.tanh(p["U"] @ x)

    def residual(p, h, x):
        return h + jax.nn.relu(p["U"] @ x - 0.1)

    for cell in (gated, residual, lambda p, h, x: h):
        assert not steps.held(recurrence(np.ones(T, bool), X, cell=cell)).any()


def test_a_program_of_a_diagnosis_tells_what_is_held():
    """Compiled by its work, over several examples, with a counter in the carry."""

    def loss(p, example):
        x, n = example

        def step(carry, x):
            h, t = carry
            return (jnp.where(t < n, jnp.tanh(p["W"] @ h + p["U"] @ x), h), t + 1), None

        return jnp.sum(jax.lax.scan(step, (jnp.zeros(N), 0), x)[0][0])

    examples = jnp.stack([X] * 3), jnp.array([LENGTH, T, 2])
    of_example = measure.rows_of(loss, PARAMS, None, lambda r: {"held": steps.held(r)})
    _, found = batches.over_examples([batches.Pass(of_example, examples)], 32)[0]
    assert found["scan_0"]["held"].sum(axis=1).tolist() == [T - LENGTH, 0, T - 2]
