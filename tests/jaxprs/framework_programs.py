"""Programs of equinox, haiku and Keras."""

import os
import tempfile

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp

from tests.jaxprs.loops import (
    Program,
    draw,
    drawn_like,
    gru_part,
    loop,
    lstm_parts,
    mean_square,
    of,
)
from tests.jaxprs.loops import tokens_and_targets as drawn

T, TOKENS, N_Y = 5, 7, 2


class Net(eqx.Module):
    """A GRU under lax.scan, and a head."""

    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def __init__(self, key):
        self.cell = eqx.nn.GRUCell(2, 3, key=key)
        self.head = eqx.nn.Linear(3, N_Y, key=jax.random.fold_in(key, 1))

    def __call__(self, x):
        def step(h, x):
            return self.cell(x, h), None

        return self.head(jax.lax.scan(step, jnp.zeros(3), x)[0])


def equinox_last_state():
    """Only the last state is read; the weights are a module, without its static fields."""
    params, static = eqx.partition(Net(jax.random.key(5)), eqx.is_array)
    example = draw(jax.random.key(6), T, 2), draw(jax.random.key(7), N_Y)

    def loss(params, example):
        return mean_square(eqx.combine(params, static)(example[0]), example[1])

    def hand(params, example, zeros):
        cell, head = params.cell, params.head

        def step(state, x):
            (h,) = state
            of_state = cell.weight_hh @ h + jnp.concatenate([jnp.zeros(6), cell.bias_n])
            return (gru_part(cell.weight_ih @ x + cell.bias, of_state, h),), of(0)

        (h,), _ = loop(step, (jnp.zeros(3),), example[0], zeros[0])
        return mean_square(head.weight @ h + head.bias, example[1])

    return Program(loss, params, example, ("scan_0",), hand, ((T, 3),))


def haiku_deep_rnn():
    """An LSTM and a GRU in one scan, with skip connections: the state is that of both."""
    example = drawn(T, TOKENS, N_Y)

    def net(tokens):
        core = hk.deep_rnn_with_skip_connections([hk.LSTM(3), hk.GRU(2)])
        x = hk.Embed(TOKENS, 3)(tokens)
        return hk.Linear(N_Y)(hk.dynamic_unroll(core, x, core.initial_state(None))[0])

    run = hk.without_apply_rng(hk.transform(net))
    params = drawn_like(jax.eval_shape(run.init, jax.random.key(9), example[0]))

    def loss(params, example):
        return mean_square(run.apply(params, example[0]), example[1])

    return Program(loss, params, example, ("scan_0",), _deep, ((T, 8),))


def _deep(params, example, zeros):
    lstm, gru = params["lstm/linear"], params["gru"]

    def step(state, x):
        h, c, r = state
        i, g, f, o = jnp.split(jnp.concatenate([x, h]) @ lstm["w"] + lstm["b"], 4)
        c, h = lstm_parts(jnp.concatenate([i, f + 1, g, o]), c)
        seen = jnp.concatenate([x, h]) @ gru["w_i"]
        z, reset = jnp.split(jax.nn.sigmoid(seen[:4] + r @ gru["w_h"][:, :4] + gru["b"][:4]), 2)
        a = jnp.tanh(seen[4:] + (reset * r) @ gru["w_h"][:, 4:] + gru["b"][4:])
        return (h, c, (1 - z) * r + z * a), lambda new: jnp.concatenate([new[0], new[2]])

    x = params["embed"]["embeddings"][example[0]]
    x = loop(step, (jnp.zeros(3), jnp.zeros(3), jnp.zeros(2)), x, zeros[0])[1]
    return mean_square(x @ params["linear"]["w"] + params["linear"]["b"][None], example[1])


def keras_stack():
    """Embedding, LSTM, bidirectional GRU and head by stateless_call; two sequences at once."""
    with jax.numpy_rank_promotion("allow"):
        net, params, state = _keras()
    tokens = jnp.array([[1, 5, 0, 2, 2], [3, 4, 6, 1, 0]], jnp.int32)
    example = tokens, draw(jax.random.key(4), 2, T, N_Y)

    def loss(params, example):
        with jax.numpy_rank_promotion("allow"):
            y_hat, _ = net.stateless_call(params, state, example[0])
        return mean_square(y_hat, example[1])

    names = ("lstm", "bidirectional/forward_gru", "bidirectional/backward_gru")
    return Program(loss, params, example, names, _keras_hand, ((T, 12), (T, 4), (T, 4)))


def _keras():
    import keras  # takes seconds

    layers = keras.layers
    keras.utils.clear_session()  # the names of layers are counted
    float64 = {"dtype": "float64"}
    lstm = layers.LSTM(3, return_sequences=True, name="lstm", **float64)
    gru = layers.Bidirectional(
        layers.GRU(2, return_sequences=True, name="gru", **float64), name="bidirectional", **float64
    )
    for layer in (lstm, gru.forward_layer, gru.backward_layer):
        layer.cell.activation = jnp.tanh  # its own computes in float32
    net = keras.Sequential(
        [
            layers.Input(shape=(T,), dtype="int32"),
            layers.Embedding(TOKENS, 3, **float64),
            lstm,
            gru,
            layers.Dense(N_Y, **float64),
        ]
    )
    params = [variable.value for variable in net.trainable_variables]
    return net, drawn_like(params), [variable.value for variable in net.non_trainable_variables]


def _keras_hand(params, example, zeros):
    embedding, *rest = params
    lstm, to, fro, (W, b) = rest[:3], rest[3:6], rest[6:9], rest[9:]

    def lstm_step(state, x):
        h, c = state
        c, h = lstm_parts(x @ lstm[0] + h @ lstm[1] + lstm[2][None], c)
        return (h, c), of(0)

    def order(s):
        return jnp.concatenate([s[:, 2:4], s[:, :2], s[:, 4:]], 1)

    def gru(weights, x, zeros, reverse):
        U, V, b = weights

        def step(state, x):
            (h,) = state
            return (gru_part(order(x @ U + b[:1]), order(h @ V + b[1:]), h),), of(0)

        return loop(step, (jnp.zeros((2, 2)),), x, zeros, reverse)[1]

    x = jnp.swapaxes(embedding[example[0]], 0, 1)
    x = loop(lstm_step, (jnp.zeros((2, 3)), jnp.zeros((2, 3))), x, zeros[0])[1]
    x = jnp.concatenate([gru(to, x, zeros[1], False), gru(fro, x, zeros[2], True)], -1)
    y_hat = x @ W + b[None, None]
    return mean_square(jnp.swapaxes(y_hat, 0, 1), example[1])


# Read when Keras is imported, above all by what it writes into its folder.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("KERAS_HOME", tempfile.mkdtemp(prefix="keras-"))
