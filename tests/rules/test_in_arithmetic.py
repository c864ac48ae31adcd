"""Backward passes in a precision: the numbers have it, and what they say is the gradient."""

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax.rules import backward_passes, inverse_growth


class Watched:
    """A rule that notes the types of numbers that it meets and makes."""

    def __init__(self, rule):
        self.rule, self.program = rule, ""

    def errors(self, cell, *arguments):
        self.program += str(jax.make_jaxpr(lambda *a: self.rule.errors(cell, *a))(*arguments))
        return self.rule.errors(cell, *arguments)


@pytest.mark.wide
@pytest.mark.parametrize("scale_free", [False, True])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_every_number_has_the_precision_that_it_is_said_to_have(kind, scale_free):
    cell, task = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.WhiteNoise(4, 2)
    watched = Watched(rnnjax.rules.ForwardErrors(scale_free))

    def run(key):
        batch = jax.tree.map(lambda a: a[None], task.sample(key))
        return backward_passes(cell, cell.init(key), batch, watched, kind)

    found = jax.eval_shape(run, jax.random.key(0))
    other = {"float32": "f64", "float64": "f32"}[kind]
    assert kind.replace("float", "f") + "[" in watched.program
    assert other + "[" not in watched.program
    assert found.rule.deltas.value.dtype == found.params.W.dtype == np.float64


def test_short_sequences_give_the_gradient_of_automatic_differentiation():
    cell, task = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.WhiteNoise(5, 2)

    @jax.jit
    def run(key):
        params, batch = cell.init(key), task.sample(key)
        due = jax.tree.map(lambda a: a[None], batch)
        rule = rnnjax.rules.ForwardErrors()
        W = backward_passes(cell, params, due, rule, "float64").rule.W
        loss = lambda p: rnnjax.sequence_loss(cell, task.loss, p, batch)  # noqa: E731
        return rnnjax.scaled.plain(W)[0], jax.grad(loss)(params).W

    np.testing.assert_allclose(*run(jax.random.key(3)), rtol=1e-9, atol=1e-12)


def test_inverse_growth_of_an_orthogonal_linear_network_is_that_of_its_gain():
    cell = rnnjax.Vanilla(2, 3, 1, recurrent=rnnjax.cells.orthogonal, gain=0.5)
    cell = cell.replace(activation=rnnjax.activations.identity)

    @jax.jit
    def run(key):
        params, batch = cell.init(key), rnnjax.tasks.WhiteNoise(6, 2).sample(key)
        return inverse_growth(cell, params, rnnjax.unroll(cell, params, batch.x))

    growth, slopes = run(jax.random.key(1))
    np.testing.assert_allclose(growth, np.arange(6) * np.log(2), atol=1e-12)
    np.testing.assert_array_equal(slopes, np.ones(5))


def test_a_cell_without_slopes_is_refused():
    cell = rnnjax.LSTM(2, 3)

    def run(key):
        params, batch = cell.init(key), rnnjax.tasks.WhiteNoise(4, 2).sample(key)
        return inverse_growth(cell, params, rnnjax.unroll(cell, params, batch.x))

    with pytest.raises(ValueError, match="cell: expected one with a slope for each unit, got LSTM"):
        jax.eval_shape(run, jax.random.key(0))
