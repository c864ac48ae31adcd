"""Random programs against a loop with perturbed states; two hundred of them with ``--slow``."""

import jax
import numpy as np
import pytest
from hypothesis import Phase, given, settings

import rnnjax
from rnnjax import scaled
from tests.jaxprs.random_programs import SPECS

# No shrinking: every smaller program is compiled anew, and a failure would take minutes.
fixed = settings(
    derandomize=True, database=None, deadline=None, print_blob=False, phases=[Phase.generate]
)


def check(spec):
    made = spec.program()
    found = rnnjax.recurrences(made.loss, made.params, made.example)
    loss, deltas = made.deltas()
    np.testing.assert_allclose(found.loss, loss, rtol=1e-12)
    assert found.names == made.names and found.unseen == ()
    assert [r.reverse for r in found] == [layer.reverse for layer in spec.layers]
    for recurrence, right in zip(found, deltas, strict=True):
        close(scaled.plain(recurrence.deltas), right)
    gradient = jax.jit(jax.grad(made.loss))(made.params, made.example)
    pairs = zip(
        jax.tree.leaves(scaled.plain(found.gradient)), jax.tree.leaves(gradient), strict=True
    )
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradient))
    for left, right in pairs:
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-10 * largest)


def close(left, right):
    left, right = np.asarray(left), np.asarray(right)
    largest = np.abs(right).max()
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-10 * largest)
    counted = np.abs(right) > 1e-4 * largest
    np.testing.assert_allclose(left[counted], right[counted], rtol=1e-9)


@pytest.mark.wide
@settings(fixed, max_examples=2)
@given(SPECS)
def test_some_programs(spec):
    check(spec)


@pytest.mark.slow
@settings(fixed, max_examples=200)
@given(SPECS)
def test_two_hundred_programs(spec):
    check(spec)
