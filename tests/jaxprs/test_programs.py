"""Every program: what is found in it, against loops written by hand and `jax.grad`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from tests.jaxprs.programs import MAKERS, program

every_program = pytest.mark.parametrize("name", MAKERS)


@functools.cache
def found(name):
    made = program(name)
    return rnnjax.recurrences(made.loss, made.params, made.example)


@functools.cache
def expected(name):
    """Return the loss and dL/dh_t of each recurrence by hand."""
    return program(name).deltas()


@every_program
def test_the_oracle_is_the_same_program(name):
    made = program(name)
    loss = jax.jit(made.loss)(made.params, made.example)
    np.testing.assert_allclose(expected(name)[0], loss, rtol=1e-12)
    assert len(made.names) == len(expected(name)[1]) and all(d.any() for d in expected(name)[1])


@every_program
def test_recurrences_have_the_names_that_one_expects(name):
    made = program(name)
    assert found(name).names == made.names
    assert [r.name for r in found(name)] == list(made.names)
    assert [(r.length, r.cell.initial_state().size) for r in found(name)] == list(made.sizes)
    assert all(found(name)[one].name == one for one in made.names)
    assert found(name).unseen == ()


@every_program
def test_the_loss_has_the_bits_of_the_compiled_one(name):
    made = program(name)
    assert found(name).loss == jax.jit(made.loss)(made.params, made.example)


@every_program
def test_deltas_are_those_of_the_loop_by_hand(name):
    for recurrence, right in zip(found(name), expected(name)[1], strict=True):
        deltas = np.asarray(scaled.plain(recurrence.deltas))
        close(deltas, right, recurrence.name)


def close(left, right, told):
    """To 1e-10 of the largest, and to 1e-9 each where a number is not lost in it."""
    largest = np.abs(right).max()
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-10 * largest, err_msg=told)
    counted = np.abs(right) > 1e-5 * largest
    np.testing.assert_allclose(left[counted], right[counted], rtol=1e-9, err_msg=told)


@every_program
def test_the_gradient_is_that_of_jax(name):
    made = program(name)
    right = jax.jit(jax.grad(made.loss))(made.params, made.example)
    left = scaled.plain(found(name).gradient)
    assert jax.tree.structure(left) == jax.tree.structure(right)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(right))
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * largest)
