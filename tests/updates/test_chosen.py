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


def test_a_number_may_be_a_float_and_is_kept_within_what_there_is():
    for number, expected in ((1.0, 1), (7, 2), (-1, 0)):
        np.testing.assert_array_equal(path(chosen(number, *OPTIMISERS)), path(OPTIMISERS[expected]))


def test_there_has_to_be_an_optimiser():
    with pytest.raises(ValueError, match="optimisers: expected at least one, got none"):
        chosen(0)


@pytest.mark.parametrize("number", [1.7, np.nan, "sgd", np.array([0, 1])])
def test_it_is_chosen_by_one_whole_number(number):
    with pytest.raises(ValueError, match=r"^number: expected"):
        chosen(number, *OPTIMISERS)


def test_what_is_no_optimiser_is_refused():
    with pytest.raises(ValueError, match=r"^optimisers: expected an optimiser of optax, got 3"):
        chosen(0, optax.sgd(0.1), 3)
