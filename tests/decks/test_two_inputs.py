"""What networks are shown of two points, and that they learn from it."""

import jax
import numpy as np
import optax
from jax import numpy as jnp

import rnnjax
from rnnjax import decks

two_inputs = decks.two_inputs
X = jax.device_put(np.array([[[3.0], [1.0]], [[0.0], [2.0]]]))


def test_views_of_two_points():
    np.testing.assert_array_equal(two_inputs.at_once(X), [[[0, 0], [3, 1]], [[0, 0], [0, 2]]])
    np.testing.assert_array_equal(two_inputs.order_blind(X), [[[0, 0], [1, 3]], [[0, 0], [0, 2]]])
    np.testing.assert_array_equal(two_inputs.order_blind(X[:, ::-1]), two_inputs.order_blind(X))
    np.testing.assert_array_equal(two_inputs.one_by_one(X), [[[3, 0], [1, 0]], [[0, 0], [2, 0]]])
    np.testing.assert_array_equal(two_inputs.own_weights(X), [[[3, 0], [0, 1]], [[0, 0], [0, 2]]])


def test_answers_are_the_last_outputs_of_a_scan():
    cell = rnnjax.Vanilla(2, 3, 1)
    params = jax.vmap(cell.init)(jax.random.split(jax.random.key(0), 2))
    x = jnp.stack([two_inputs.at_once(X), two_inputs.one_by_one(X)])
    found = jax.jit(lambda p, x: two_inputs.answers(cell, p, x))(params, x)
    outputs = jax.jit(lambda p, x: rnnjax.outputs(cell, p, x)[-1])
    for n in range(2):
        one = jax.tree.map(lambda a, n=n: a[n], params)
        for b in range(2):
            np.testing.assert_allclose(found[n, b], outputs(one, x[n, b]), rtol=1e-12)


def test_one_neuron_learns_the_third_point_in_order_and_the_middle_without():
    task, cell = decks.TwoPoints(), rnnjax.Chain(2)
    pairs = jax.vmap(task.sample)(jax.random.split(jax.random.key(1), 256))
    start = rnnjax.cells.ChainParams(jnp.asarray(0.1), jnp.array([0.5, 0.5]), jnp.asarray(0.5))
    views = (two_inputs.order_blind, two_inputs.at_once)
    batches = [pairs.replace(x=view(pairs.x)) for view in views]
    run = jax.jit(lambda s: two_inputs.trained(cell, task, s, batches, optax.sgd(0.03), 300))
    params, losses = run(start)
    assert losses.shape == (2, 300)
    asked = jnp.array([[[1.0], [2.0]], [[2.0], [1.0]]])
    shown = jnp.stack([view(asked) for view in views])
    blind, ordered = jax.jit(lambda p: two_inputs.answers(cell, p, shown))(params)[..., 0]
    np.testing.assert_allclose(ordered, [3, 0], atol=1e-3)
    assert blind[0] == blind[1] and abs(float(blind[0]) - 1.5) < 0.3
