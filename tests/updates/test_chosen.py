import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax.updates import chosen

OPTIMISERS = (optax.sgd(0.1, momentum=0.9), optax.rprop(0.01), optax.adam(0.03))


def path(optimiser):
    """Parameters over ten steps down a quadratic with two curvatures."""

    def one(carry, _):
        x, state = carry
        step, state = optimiser.update(jnp.array([1.0, 3.0]) * x, state, x)
        return (x + step, state), x + step

    x = jnp.array([1.0, -2.0])
    return jax.lax.scan(one, (x, optimiser.init(x)), None, length=10)[1]


def test_one_program_takes_the_steps_of_each():
    numbers = jnp.arange(3)
    together = jax.jit(jax.vmap(lambda number: path(chosen(number, *OPTIMISERS))))(numbers)
    apart = [jax.jit(path, static_argnums=0)(optimiser) for optimiser in OPTIMISERS]
    np.testing.assert_allclose(together, jnp.stack(apart), rtol=1e-12)
    assert len(np.unique(together[:, -1, 0])) == 3


@pytest.mark.parametrize("number", [1, 1.0, True, np.float32(1), np.int8(1), jnp.array(1.0)])
def test_a_number_may_be_a_float(number):
    np.testing.assert_array_equal(path(chosen(number, *OPTIMISERS)), path(OPTIMISERS[1]))


@pytest.mark.parametrize("number", [-1, 3, 99, 1.5, -0.5, np.nan, np.inf, jnp.array(1.5), "1"])
def test_a_number_of_no_optimiser_is_refused(number):
    with pytest.raises(ValueError, match=r"^number: expected a (whole )?number from 0 to 2, got "):
        chosen(number, *OPTIMISERS)


def test_one_number_is_taken():
    with pytest.raises(
        ValueError, match=r"^number: expected one number, of shape \(\), got \(2,\)"
    ):
        chosen(jnp.arange(2), *OPTIMISERS)


def test_a_traced_number_of_no_optimiser_steps_to_nan():
    numbers = jnp.array([-1.0, 0.0, 0.5, 2.0, 3.0, jnp.nan])
    last = jax.vmap(lambda number: path(chosen(number, *OPTIMISERS))[-1])(numbers)
    np.testing.assert_array_equal(
        np.isfinite(last).all(1), [False, True, False, True, False, False]
    )


def test_there_has_to_be_an_optimiser():
    with pytest.raises(ValueError, match="optimisers: expected at least one, got none"):
        chosen(0)


def test_what_is_no_optimiser_is_refused():
    with pytest.raises(ValueError, match=r"^optimisers: expected an optimiser of optax, got 3"):
        chosen(0, optax.sgd(0.1), 3)
