"""A user's own cell, and cells of flax, go through everything: probes, vmap, grad and scan."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx, struct

import rnnjax
from tests.crossed import one_in, wide_but
from tests.discovery import probes_found


@struct.dataclass
class Oscillator:
    n_x: int = struct.field(pytree_node=False, default=2)
    n_h: int = struct.field(pytree_node=False, default=5)
    gain: float = 1.0

    def init(self, key):
        a, b = jax.random.normal(key, (2, self.n_h, self.n_h))
        return {"W": self.gain * a, "U": b[:, : self.n_x], "v": b[:, -1]}

    def initial_state(self):
        return jnp.zeros(self.n_h)

    def step(self, params, h, x):
        return jnp.sin(params["W"] @ h + params["U"] @ x)

    def readout(self, params, h):
        return (params["v"] @ h)[None]


WIDE = {"param_dtype": jnp.float64}
CELLS = {
    "own": Oscillator(),
    "linen.GRUCell": rnnjax.from_linen(linen.GRUCell(4, **WIDE), 2),
    "nnx.LSTMCell": rnnjax.from_nnx(nnx.LSTMCell, 2, 3, **WIDE),
}
TASK = rnnjax.tasks.Adding(length=9)


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(3, CELLS))
def test_every_probe_takes_it_under_vmap(name):
    cell = CELLS[name]

    @jax.jit
    @jax.vmap
    def measure(seed):
        key = jax.random.key(seed)
        params, batch = cell.init(key), TASK.sample(key)
        return {
            name: probe(cell, TASK.loss, params, batch) for name, probe in probes_found().items()
        }

    found = measure(jnp.arange(2))
    assert set(found) >= {"log_norm_by_lag", "log_singular_values", "step_contributions"}
    for value in jax.tree.leaves(found):
        assert value.shape[0] == 2
    assert np.all(np.isfinite(found["log_norm_by_lag"]["log_norm"]))


@pytest.mark.wide
@pytest.mark.parametrize("name", wide_but(["own"], CELLS))
def test_bptt_trains_it_and_is_its_gradient(name):
    cell = CELLS[name]

    @jax.jit
    def run(key):
        params, batch = cell.init(key), TASK.sample(key)
        got = rnnjax.scaled.plain(rnnjax.BPTT()(cell, TASK.loss, params, batch).grads)
        return got, jax.grad(lambda p: rnnjax.sequence_loss(cell, TASK.loss, p, batch))(params)

    got, expected = run(jax.random.key(1))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_the_own_cell_takes_about_ten_lines():
    body = [line for line in inspect.getsource(Oscillator).splitlines() if line.strip()]
    assert len(body) <= 16


def test_a_probe_can_be_differentiated_by_the_gain():
    """d log||dL/dh_{T-k}|| / d ln g = k for a linear net."""
    batch = rnnjax.tasks.WhiteNoise(length=6, n_x=2).sample(jax.random.key(0))

    def log_norm(gain):
        identity = rnnjax.activation_named("identity")
        cell = rnnjax.Vanilla(2, 4, 1, activation=identity, gain=gain)
        params = cell.init(jax.random.key(1))
        return rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]

    slope = jax.jit(jax.jacfwd(log_norm))(2.0)
    np.testing.assert_allclose(slope * 2.0, np.arange(7), rtol=1e-10, atol=1e-12)


@pytest.mark.wide
@pytest.mark.parametrize("leak", [0.4, 1.0])
def test_a_probe_can_be_differentiated_by_the_leak(leak):
    batch = rnnjax.tasks.WhiteNoise(length=6, n_x=2).sample(jax.random.key(0))

    def log_norm(leak):
        cell = rnnjax.Vanilla(2, 4, 1, leak=leak, gain=1.5)
        params = cell.init(jax.random.key(1))
        return rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"][-1]

    slope, up, down = jax.jit(
        lambda a: (jax.grad(log_norm)(a), log_norm(a + 1e-6), log_norm(a - 1e-6))
    )(leak)
    np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-6)
