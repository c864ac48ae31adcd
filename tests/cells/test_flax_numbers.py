"""Our LSTM, GRU and vanilla cells against flax's, with flax's own parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import rnnjax
from rnnjax.cells.gated import GatedParams, GRUParams

X = jax.device_put(np.random.default_rng(0).standard_normal((20, 3)))
N = 5


def flax_states(module):
    key = jax.random.key(1)
    carry = module.initialize_carry(key, (3,))
    params = module.init(key, carry, X[0])["params"]
    # Flax starts its biases at 0, where a wrong place for one would not show.
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    leaves = [a + 0.3 * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
    params = structure.unflatten(leaves)

    def step(carry, x):
        carry, y = module.apply({"params": params}, carry, x)
        return carry, (carry, y)

    return params, jax.lax.scan(step, carry, X)[1]


def gates(params, names, side):
    return jnp.concatenate([params[side + name]["kernel"].T for name in names])


def test_lstm():
    params, ((c, h), _) = flax_states(linen.LSTMCell(N, param_dtype=jnp.float64))
    ours = GatedParams(
        W=gates(params, "ifgo", "h"),
        U=gates(params, "ifgo", "i"),
        b=jnp.concatenate([params["h" + name]["bias"] for name in "ifgo"]),
        V=jnp.zeros((1, N)),
        c=jnp.zeros(1),
    )
    states = rnnjax.unroll(rnnjax.LSTM(3, N), ours, X).states.value
    np.testing.assert_allclose(states, jnp.concatenate([h, c], axis=1), rtol=1e-6, atol=1e-12)


def test_gru():
    params, (h, _) = flax_states(linen.GRUCell(N, param_dtype=jnp.float64))
    ours = GRUParams(
        W=gates(params, "rzn", "h"),
        U=gates(params, "rzn", "i"),
        b=jnp.concatenate([params["i" + name]["bias"] for name in "rzn"]),
        V=jnp.zeros((1, N)),
        c=jnp.zeros(1),
        b_n=params["hn"]["bias"],
    )
    states = rnnjax.unroll(rnnjax.GRU(3, N), ours, X).states.value
    np.testing.assert_allclose(states, h, rtol=1e-6, atol=1e-12)


@pytest.mark.wide
def test_the_adapters_give_the_numbers_of_flax():
    module = linen.LSTMCell(N, param_dtype=jnp.float64)
    params, ((c, h), y) = flax_states(module)
    cell = rnnjax.from_linen(module, 3, 1)
    adapted = cell.init(jax.random.key(0))._replace(cell=params)
    states = rnnjax.unroll(cell, adapted, X).states.value
    np.testing.assert_allclose(states, jnp.concatenate([c, h], axis=1), rtol=1e-12)
    # The readout sees the cell's output, h, which stands behind c.
    expected = y @ adapted.V.T + adapted.c[None]
    np.testing.assert_allclose(rnnjax.outputs(cell, adapted, X), expected, rtol=1e-12)


@pytest.mark.wide
def test_an_nnx_cell_gives_the_numbers_of_nnx():
    adapter = rnnjax.from_nnx(nnx.GRUCell, 3, N, param_dtype=jnp.float64)
    params = adapter.init(jax.random.key(2))
    cell = adapter.backend.build(jax.random.split(jax.random.key(2))[0])
    h = cell.initialize_carry((3,), rngs=nnx.Rngs(0))
    for x in X[:4]:
        h, _ = cell(h, x)
    states = rnnjax.unroll(adapter, params, X[:4]).states.value
    np.testing.assert_allclose(states[-1], h, rtol=1e-12)
