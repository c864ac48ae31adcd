"""Losses of one step at the edges of their arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.losses import cross_entropy, squared_error


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


@pytest.mark.parametrize("label", [False, True])
def test_an_answer_that_is_all_but_certain_keeps_its_digits(label):
    """Of two classes with logits 30 and 0 the second has the probability e^-30 / (1 + e^-30)."""
    logits = jnp.array([30.0, 0], jnp.float32)
    target = jnp.array(0) if label else jnp.array([1, 0], jnp.float32)
    loss, gradient = jax.jit(jax.value_and_grad(cross_entropy))(logits, target)
    rest = np.exp(-30) / (1 + np.exp(-30))
    np.testing.assert_allclose(loss, np.log1p(np.exp(-30)), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-rest, rest], rtol=1e-6)


@pytest.mark.parametrize("logits", [[0.3, -0.4, 1.2], [1.2, 1.2, -3.0], [400.0, 0, -400]])
def test_its_derivatives_are_those_of_the_logarithm_of_softmax(logits):
    def plain(y_hat, y):
        return jnp.sum(y) * jax.nn.logsumexp(y_hat) - y @ y_hat

    @jax.jit
    def both(y_hat, y):
        def of(loss):
            first = jax.jacrev(loss, (0, 1))(y_hat, y)
            return loss(y_hat, y), first, jax.hessian(loss)(y_hat, y)

        return of(cross_entropy), of(plain)

    got, expected = both(jnp.array(logits), jnp.array([0.2, 0.5, 0.4]))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13), got, expected
    )


def test_logits_without_a_number_give_none():
    for logits in ([np.nan, 0.0], [0.0, np.nan], [np.inf, 0.0], [-np.inf, -np.inf]):
        assert np.isnan(cross_entropy(jnp.array(logits), jnp.array([1.0, 0])))


def test_integers_do_not_overflow():
    narrow = jnp.array([100, 3], jnp.int8), jnp.array([-100, 3], jnp.int8)
    assert squared_error(*narrow) == 40_000
    np.testing.assert_allclose(
        cross_entropy(jnp.array([1, 2], jnp.uint8), jnp.array([1.0, 0])), np.log1p(np.e), rtol=1e-6
    )
    assert squared_error(jnp.array([True]), jnp.array([False])) == 1


def test_complex_logits_are_refused():
    with pytest.raises(ValueError, match=r"^y_hat: expected real logits, got complex128$"):
        cross_entropy(jnp.array([1j, 0]), jnp.array([1.0, 0]))


def test_arrays_of_numpy_in_a_program_that_is_traced():
    logits, y = np.zeros((3, 2)), np.full((3, 2), 0.5)
    found = jax.jit(lambda: jax.vmap(cross_entropy)(logits, y))()
    np.testing.assert_allclose(found, np.full(3, np.log(2)), rtol=1e-12)
