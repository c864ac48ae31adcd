"""Clipping of gradients of any size: norm, entry by entry, and unit by unit."""

import jax
import numpy as np
import optax
import pytest

from rnnjax import scaled, updates

WEIGHTS, GRADIENT = jax.device_put(
    (
        {"W": np.array([[3.0, 4.0], [0.0, 0.0]]), "b": np.array([2.0, -0.5])},
        {"W": np.array([[0.6, -0.8], [0.3, 0.4]]), "b": np.array([1.0, 0.01])},
    )
)


def update(clipping, exponent):
    """What plain descent with rate 1 subtracts for the gradient times 2^exponent."""
    grads = jax.tree.map(lambda g: scaled.normalise(g, exponent), GRADIENT)
    optimiser = clipping(optax.sgd(1.0))

    @jax.jit
    def run(grads):
        return optimiser.update(grads, optimiser.init(WEIGHTS), WEIGHTS)[0]

    return jax.tree.map(lambda u: -np.asarray(u), run(grads))


@pytest.mark.parametrize("exponent", [0, 3, 2000])
def test_entries_are_clipped_one_by_one(exponent):
    found = update(lambda o: updates.clip_by_value(0.5, o), exponent)
    for name, g in GRADIENT.items():
        expected = np.clip(np.asarray(g) * 2.0 ** min(exponent, 300), -0.5, 0.5)
        np.testing.assert_allclose(found[name], expected, rtol=1e-15)


def test_a_unit_moves_by_no_more_than_a_share_of_its_weights():
    found = update(lambda o: updates.clip_by_unit(0.1, o), 0)
    # Row norms: 5 and 0 (counts as 1e-3); gradients of norm 1 and 0.5; entries of b are units.
    np.testing.assert_allclose(found["W"][0], 0.5 * np.array([0.6, -0.8]), rtol=1e-14)
    np.testing.assert_allclose(found["W"][1], 1e-4 * np.array([0.6, 0.8]), rtol=1e-14)
    np.testing.assert_allclose(found["b"], [0.2, 0.01], rtol=1e-14)


def test_a_gradient_of_e1386_is_clipped_in_the_right_direction():
    found = update(lambda o: updates.clip_by_unit(0.1, o), 2000)
    np.testing.assert_allclose(found["W"][0], 0.5 * np.array([0.6, -0.8]), rtol=1e-12)
    np.testing.assert_allclose(found["b"], [0.2, 0.05], rtol=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_weights_whose_squares_leave_the_dtype_have_a_size(size):
    weights = {"W": np.full((1, 2), size, np.float32)}
    grads = jax.tree.map(lambda w: scaled.normalise(w, 2000), weights)
    optimiser = updates.clip_by_unit(0.5, optax.sgd(1.0), smallest=1e-35)
    found = optimiser.update(grads, optimiser.init(weights), weights)[0]["W"]
    np.testing.assert_allclose(found, -0.5 * weights["W"], rtol=1e-6)


def test_it_is_optax_adaptive_clipping_where_that_can_be_computed():
    """Optax counts the columns of a matrix as units, and adds no floor above the ratio."""
    ours = update(lambda o: updates.clip_by_unit(0.1, o), 0)
    peer = optax.adaptive_grad_clip(0.1)
    turned, weights = GRADIENT["W"].T, WEIGHTS["W"].T
    clipped, _ = peer.update(turned, peer.init(weights), weights)
    np.testing.assert_allclose(ours["W"], clipped.T, rtol=1e-6)
