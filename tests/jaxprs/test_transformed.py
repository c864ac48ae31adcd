"""Recurrences within `jit` and `vmap`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from tests.jaxprs.programs import MAKERS, program

ALWAYS = ("counter_and_key", "chunks")
some_programs = pytest.mark.parametrize(
    "name",
    [
        name
        if name in ("counter_and_key", "chunks")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in MAKERS
    ],
)


def numbers(found):
    """Return a tree of the arrays that were found."""
    deltas = {r.name: (scaled.plain(r.deltas), scaled.plain(r.first)) for r in found}
    return found.loss, scaled.plain(found.gradient), deltas


def measured(made):
    """Return a function of an example to what is found."""
    return lambda example: numbers(rnnjax.recurrences(made.loss, made.params, example))


def another(example):
    """Return an example of the same shapes: the integers turned around, the numbers moved."""
    return jax.tree.map(lambda x: x[::-1] if x.dtype.kind == "i" else 0.7 * x + 0.1, example)


def assert_equal(left, right, tolerance=1e-12):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max(initial=0))


@pytest.mark.wide
@some_programs
def test_jit_and_vmap_over_examples_give_each_of_them(name):
    made = program(name)
    examples = [made.example, another(made.example)]
    both = jax.jit(jax.vmap(measured(made)))(jax.tree.map(lambda *e: jnp.stack(e), *examples))
    for i, example in enumerate(examples):
        right = measured(made)(example)
        assert_equal(jax.tree.map(lambda leaf: leaf[i], both), right)  # noqa: B023


def test_a_second_call_traces_nothing():
    made, n = program("unrolled"), []

    def loss(params, example):
        n.append(1)
        return made.loss(params, example)

    rnnjax.recurrences(loss, made.params, made.example)
    first = len(n)
    jitted = jax.jit(lambda p, e: rnnjax.recurrences(loss, p, e).loss)
    jitted(made.params, made.example)
    before = len(n)
    jitted(made.params, another(made.example))
    assert first and len(n) == before
