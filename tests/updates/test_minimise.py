"""Descent on one function: against a closed form, and against the rule of backpropagation."""

import jax
import numpy as np
import optax
import pytest
from jax import numpy as jnp

import rnnjax
from rnnjax.updates import minimise


def test_descent_on_a_square_is_a_power():
    run = jax.jit(lambda x: minimise(lambda x: x**2, x, optax.sgd(0.1), n_updates=7))
    x, values = run(jnp.array(3.0))
    np.testing.assert_allclose(x, 3 * 0.8**7, rtol=1e-12)
    np.testing.assert_allclose(values, 9 * 0.64 ** np.arange(7), rtol=1e-12)


def test_complex_weights_descend():
    """|z - c|^2 falls along -(z - c), the conjugate of the gradient that JAX returns."""
    c = 1 + 1j
    run = jax.jit(lambda z: minimise(lambda z: abs(z - c) ** 2, z, optax.sgd(0.25), n_updates=3))
    z, values = run(jnp.array(0j))
    np.testing.assert_allclose(z, c * (1 - 0.5**3), rtol=1e-12)
    np.testing.assert_allclose(values, 2 * 0.25 ** np.arange(3), rtol=1e-12)


@pytest.mark.wide
def test_it_is_training_by_backpropagation_through_time():
    cell, task, adam = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.Adding(length=5), optax.adam(0.05)
    params = cell.init(jax.random.key(0))
    batch = jax.vmap(task.sample)(jax.random.split(jax.random.key(1), 4))

    def mean_loss(params):
        losses = jax.vmap(lambda one: rnnjax.sequence_loss(cell, task.loss, params, one))(batch)
        return jnp.mean(losses)

    def fit(params):
        options = {"n_updates": 5, "batch": batch, "params": params}
        return rnnjax.fit(cell, task, rnnjax.BPTT(), adam, jax.random.key(2), **options)

    found, values = jax.jit(lambda p: minimise(mean_loss, p, adam, n_updates=5))(params)
    expected, losses, _ = jax.jit(fit)(params)
    np.testing.assert_allclose(values, losses, rtol=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), found, expected)


def test_a_count_that_is_none_is_refused():
    with pytest.raises(ValueError, match="n_updates: expected"):
        minimise(lambda x: x**2, 1.0, optax.sgd(0.1), n_updates=-1)


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        ("square", 1.0, r"^function: expected a function of the parameters, got 'square'$"),
        (lambda x: x**2, 1, r"^params: expected floating point numbers, got int64$"),
        (lambda x: x**2, np.ones(2), r"^function: expected one that returns .*float64\(2,\)$"),
        (lambda x: 1j * x, 1.0, r"^function: expected one that returns .*complex128\(\)$"),
    ],
)
def test_what_has_no_descent_is_refused(function, params, message):
    with pytest.raises(ValueError, match=message):
        minimise(function, params, optax.sgd(0.1), n_updates=1)
