"""The forward pass of homogeneous cells, against integers of any size."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scan

HUGE, TINY = 3e38, 2e-38  # the ends of float32's range
DRIVES = {
    "huge, then none": [HUGE, 0, 0, 0, 0, 0],
    "tiny, then huge": [TINY, TINY, HUGE, 0, TINY, 1],
    "none at first": [0, 0, 1, 0, 0, HUGE],
    "huge at every step": [HUGE] * 6,
    "negative": [-1, HUGE, -HUGE, TINY, 0, -TINY],
}


@pytest.mark.parametrize("w", [2.0**-60, 0.5, 1.5, 2.0**60])
@pytest.mark.parametrize("drives", DRIVES.values(), ids=DRIVES)
@pytest.mark.parametrize("name", ["identity", "relu"])
def test_states_are_those_of_fractions(name, drives, w, float32):
    """One unit, h_t = f(w h_{t-1} + d_t), whose states are exact as fractions of integers."""
    cell = rnnjax.Vanilla(1, 1, 1, activation=rnnjax.activation_named(name))
    one = jnp.ones((1, 1))
    params = rnnjax.cells.VanillaParams(w * one, one, jnp.zeros(1), one, jnp.zeros(1))
    x = jnp.asarray(drives, jnp.float32)[:, None]
    run = jax.jit(lambda p, x: scan.unroll(cell, p, x))(params, x)
    h = Fraction(0)
    for t, d in enumerate(np.float32(drives)):
        h = Fraction(w) * h + Fraction(float(d))
        h = max(h, Fraction(0)) if name == "relu" else h
        value, exponent = float(run.states.value[t, 0]), int(run.states.exponent[t])
        if h == 0:
            assert value == 0
            continue
        found = Fraction(value) * Fraction(2) ** exponent
        assert abs(found / h - 1) < 1e-6 * (t + 1)


def test_the_last_state_is_that_of_the_stack():
    for name in ("relu", "tanh"):
        cell = rnnjax.Vanilla(2, 4, 1, activation=rnnjax.activation_named(name), gain=3.0)
        x = jax.random.normal(jax.random.key(0), (20, 2))
        counts = jnp.arange(20) < 13
        run = scan.run(cell, cell.init(jax.random.key(1)), x, counts=counts)
        last = jax.tree.map(lambda a: a[-1], run.trajectory.states)
        jax.tree.map(np.testing.assert_array_equal, run.last, last)
        at_end = jax.tree.map(lambda a: a[12], run.trajectory.states)
        jax.tree.map(np.testing.assert_array_equal, run.last, at_end)
