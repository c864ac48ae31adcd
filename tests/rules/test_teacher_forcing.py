import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules, scaled
from rnnjax.losses import squared_error

T = 5
CELL = rnnjax.Jordan(2, 3, 2, feedback=(1,), start=0.1, spread=1.5)


def test_it_is_the_gradient_of_the_loss_from_true_outputs():
    rng = np.random.default_rng(4)
    x, y = rng.uniform(size=(T, 2)), rng.uniform(0.1, 0.9, size=(T, 2))
    mask = rng.uniform(0.5, 1.5, size=T)
    batch = rnnjax.Batch(*map(jnp.asarray, (x, y, mask)))

    def loss(params):
        h_prev = jnp.concatenate([jnp.full((1, 2), 0.1), batch.y[:-1]])
        o = jax.vmap(lambda h, x: CELL.step(params, h, x))(h_prev, batch.x)
        return jnp.sum(batch.mask * jax.vmap(squared_error)(o, batch.y))

    @jax.jit
    def run(key):
        params = CELL.init(key)
        out = rules.TeacherForcing()(CELL, squared_error, params, batch)
        return (out.loss, scaled.plain(out.grads)), jax.value_and_grad(loss)(params)

    (value, got), (expected_value, expected) = run(jax.random.key(0))
    np.testing.assert_allclose(value, expected_value, rtol=1e-13)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_labels_are_no_states():
    batch = rnnjax.Batch(jnp.ones((T, 2)), jnp.ones(T, int), jnp.ones(T))
    params = CELL.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"^y: expected targets \(T, n_h\) as TeacherForcing"):
        rules.TeacherForcing()(CELL, rnnjax.losses.cross_entropy, params, batch)


def test_a_complex_target_is_no_state_of_a_real_network():
    batch = rnnjax.Batch(jnp.ones((T, 2)), 1j * jnp.ones((T, 2)), jnp.ones(T))
    params = CELL.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"^y: expected real targets \(T, n_h\) as TeacherForcing"):
        rules.TeacherForcing()(CELL, lambda a, b: jnp.sum(jnp.abs(a - b) ** 2), params, batch)
