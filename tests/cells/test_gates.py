"""What the gates of the LSTM show, and what they do to a memory."""

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax.cells import GatedParams


def test_the_gates_make_the_step():
    """c' = f c + i g and h' = o tanh(c'), with gates in (0, 1) and the candidate in (-1, 1)."""
    cell = rnnjax.LSTM(3, 4, gain=2.0)

    @jax.jit
    def run(key):
        params = cell.init(key)
        state = jax.random.normal(key, (cell.n_h,))
        x = jnp.arange(3.0)
        return state, cell.gates(params, state, x), cell.step(params, state, x)

    state, gates, after = jax.tree.map(np.asarray, run(jax.random.key(0)))
    memory = gates["forget"] * state[4:] + gates["input"] * gates["candidate"]
    np.testing.assert_allclose(after[4:], memory, rtol=1e-14)
    np.testing.assert_allclose(after[:4], gates["output"] * np.tanh(memory), rtol=1e-14)
    for name in ("input", "forget", "output"):
        assert gates[name].shape == (4,)
        assert np.all((gates[name] > 0) & (gates[name] < 1))
    assert np.all(np.abs(gates["candidate"]) < 1) and np.any(gates["candidate"] < 0)


def test_each_gate_obeys_its_own_bias():
    cell = rnnjax.LSTM(1, 2)
    zero = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    for block, name in enumerate(("input", "forget", "candidate", "output")):
        b = jnp.zeros(8).at[2 * block : 2 * block + 2].set(50.0)
        gates = cell.gates(zero._replace(b=b), jnp.zeros(4), jnp.zeros(1))
        rest = {"candidate": 0.0}
        for other, values in gates.items():
            expected = 1.0 if other == name else rest.get(other, 0.5)
            np.testing.assert_allclose(values, expected, atol=1e-15)


def test_gating_is_elementwise_multiplication():
    """(0.8, 0.8, 0.8) behind gates of 1, 0.5 and 0 becomes (0.8, 0.4, 0)."""
    cell = rnnjax.LSTM(1, 3)
    shut, half, opened = -1000.0, 0.0, 1000.0
    b = jnp.array([shut] * 3 + [opened, half, shut] + [0.0] * 6)
    params = GatedParams(jnp.zeros((12, 3)), jnp.zeros((12, 1)), b, jnp.zeros((1, 3)), jnp.zeros(1))
    state = jnp.array([0.0, 0.0, 0.0, 0.8, 0.8, 0.8])
    gates = cell.gates(params, state, jnp.zeros(1))
    np.testing.assert_array_equal(gates["forget"], [1, 0.5, 0])
    np.testing.assert_array_equal(cell.step(params, state, jnp.zeros(1))[3:], [0.8, 0.4, 0])


def test_what_is_remembered_and_what_is_new_are_added_elementwise():
    """(3, 4) and (6, 7) give (9, 11)."""
    eye, zero = jnp.eye(2), jnp.zeros(2)
    params = rnnjax.cells.VanillaParams(eye, eye, zero, eye, zero)
    cell = rnnjax.Vanilla(2, 2, 2, activation=rnnjax.activations.identity)
    np.testing.assert_array_equal(
        cell.step(params, jnp.array([3.0, 4.0]), jnp.array([6.0, 7.0])), [9, 11]
    )
