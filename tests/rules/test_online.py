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
