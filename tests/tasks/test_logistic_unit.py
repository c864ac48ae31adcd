"""The logistic unit against its closed forms: cost and gradient, settled states, folds."""

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax.tasks import LogisticUnit, logistic_unit
from rnnjax.theory import one_unit


@pytest.mark.wide
@pytest.mark.parametrize("length", [1, 6])
def test_cost_and_gradient_are_the_closed_recursion(length):
    cell, params = LogisticUnit(start=0.3), LogisticUnit.at(5.0, -2.4)
    batch = logistic_unit.due_after(length, 6, 0.7)
    out = rnnjax.BPTT()(cell, rnnjax.losses.squared_error, params, batch, ())
    expected = one_unit.cost(5.0, -2.4, length, 0.3, 0.7)
    grads = rnnjax.scaled.plain(out.grads)
    np.testing.assert_allclose([out.loss, grads["w"], grads["b"]], expected, rtol=1e-12)


def test_the_folds_are_those_of_the_closed_form():
    np.testing.assert_allclose(logistic_unit.folds(5.0), one_unit.folds(5.0), rtol=1e-9)


def test_states_settle_on_stable_fixed_points():
    bias = np.array([-2.5, -3.5])
    below, above = jax.jit(lambda b: logistic_unit.settled(5.0, b, 500))(bias)
    first, last = ([one_unit.fixed_points(5.0, b)[i] for b in bias] for i in (0, -1))
    np.testing.assert_allclose(below, first, rtol=1e-9)
    np.testing.assert_allclose(above, last, rtol=1e-9)
    assert above[0] - below[0] > 1 and above[1] == pytest.approx(below[1])


@pytest.mark.parametrize("length", [0, 6, 2.5])
def test_a_target_is_due_at_a_step_that_there_is(length):
    with pytest.raises(ValueError, match=r"^length: expected a whole number from 1 to 5"):
        logistic_unit.due_after(length, 5, 0.3)
