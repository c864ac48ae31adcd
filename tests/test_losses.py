"""Losses of one step at the edges of their arguments."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.losses import cross_entropy


def test_a_masked_class_without_probability_costs_nothing():
    """As by labels: a logit of -inf takes a class out."""
    logits, target = jnp.array([0.3, -jnp.inf, 1.2]), jnp.array([1.0, 0, 0])
    expected = np.log1p(np.exp(0.9))
    np.testing.assert_allclose(cross_entropy(logits, target), expected, rtol=1e-12)
    np.testing.assert_allclose(cross_entropy(logits, jnp.array(0)), expected, rtol=1e-12)
    assert cross_entropy(logits, jnp.array([0.0, 1, 0])) == np.inf


def test_its_gradient_is_the_difference_of_probabilities():
    logits, target = jnp.array([0.3, -0.4, 1.2]), jnp.array([1.0, 0, 0])
    by_logits, by_target = jax.jit(jax.grad(cross_entropy, argnums=(0, 1)))(logits, target)
    np.testing.assert_allclose(by_logits, jax.nn.softmax(logits) - target, rtol=1e-12)
    np.testing.assert_allclose(by_target, -jax.nn.log_softmax(logits), rtol=1e-12)
