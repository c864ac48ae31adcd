"""Sequences are taken in pieces of up to 64 steps: nothing may depend on where they are cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules, scaled
from rnnjax.losses import squared_error
from rnnjax.rules import over_sequence
from tests.crossed import wide_but

CELL = rnnjax.Vanilla(2, 3, 2, leak=0.6, gain=1.3)


def sequence(n_steps):
    rng = np.random.default_rng(n_steps)
    x, y = jnp.asarray(rng.standard_normal((2, n_steps, 2)))
    return rnnjax.Batch(x, y, jnp.ones(n_steps))


@pytest.mark.wide
@pytest.mark.parametrize("n_steps", wide_but([131], [64, 131, 150]))
def test_rtrl_is_exact_whether_or_not_the_length_can_be_divided(n_steps):
    """One piece; two and a rest of 3, for 131 is prime; three of 50."""
    batch = sequence(n_steps)
    sizes = [part.x.shape[:2] for part in over_sequence._pieces(batch)]
    assert sizes == {64: [(1, 64)], 131: [(2, 64), (1, 3)], 150: [(3, 50)]}[n_steps]

    @jax.jit
    def run(key):
        params = CELL.init(key)
        found = [
            rule(CELL, squared_error, params, batch, (), per_step=per_step).grads
            for rule, per_step in (
                (rules.BPTT(), False),
                (rules.RTRL(), False),
                (rules.RTRL(), True),
            )
        ]
        return [scaled.plain(grads) for grads in found]

    exact, whole, steps = run(jax.random.key(0))
    for a, b, c in zip(*map(jax.tree.leaves, (exact, whole, steps)), strict=True):
        size = np.abs(a).max()
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-12 * size)
        assert len(c) == n_steps
        np.testing.assert_allclose(c.sum(0), a, rtol=0, atol=1e-12 * size)


def test_a_synthetic_gradient_takes_targets_of_any_shape():
    """Targets (T, 2, 3) are the same features as their entries in a row."""
    params, rng = CELL.init(jax.random.key(0)), np.random.default_rng(5)
    flat = sequence(4).replace(y=jnp.asarray(rng.standard_normal((4, 6))))
    apart = flat.replace(y=flat.y.reshape(4, 2, 3))

    @jax.jit
    def run(params):
        rule = rules.DNI(rate=0.5)
        return [
            scaled.plain(rule(CELL, loss, params, batch).grads).W
            for batch in (flat, apart)
            for loss in [lambda y_hat, y: jnp.sum((y_hat - y.reshape(2, 3).sum(1)) ** 2)]
        ]

    a, b = run(params)
    np.testing.assert_allclose(a, b, rtol=1e-13)
