"""A recurrence can be copied, and says in one line that it cannot be pickled."""

import copy
import pickle

import jax
import jax.numpy as jnp
import pytest

import rnnjax


@pytest.fixture(scope="module")
def found():
    def loss(w, x):
        return jax.lax.scan(lambda h, x: (jnp.tanh(w * h + x), None), 0.0, x)[0] ** 2

    return rnnjax.recurrences(loss, 0.5, jnp.ones(4))


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_copies_share_the_program(found, way):
    made = way(found)
    assert made.names == found.names and made[0].cell.loop is found[0].cell.loop
    assert jnp.array_equal(made[0].deltas.value, found[0].deltas.value)


@pytest.mark.parametrize("of", [lambda f: f, lambda f: f[0], lambda f: f[0].cell])
def test_pickling_is_refused_in_one_line(found, of):
    with pytest.raises(TypeError, match=r"^a recurrence holds the traced program .* save its") as e:
        pickle.dumps(of(found))
    assert "\n" not in str(e.value)
    pickle.loads(pickle.dumps((found[0].deltas, found[0].states)))
