"""Programs of flax.nnx."""

import jax
import jax.numpy as jnp
from flax import nnx

from tests.jaxprs.loops import Program, gru_part, loop, lstm_parts, mean_square, of
from tests.jaxprs.loops import tokens_and_targets as drawn

T, TOKENS, N_Y = 6, 7, 2
F64 = {"param_dtype": jnp.float64}


class Net(nnx.Module):
    """Embedding, GRU, LSTM, head."""

    def __init__(self, rngs):
        self.embedding = nnx.Embed(TOKENS, 3, **F64, rngs=rngs)
        self.gru = nnx.RNN(nnx.GRUCell(3, 4, **F64, rngs=rngs), rngs=rngs)
        self.lstm = nnx.RNN(nnx.OptimizedLSTMCell(4, 2, **F64, rngs=rngs), rngs=rngs)
        self.head = nnx.Linear(2, N_Y, **F64, rngs=rngs)

    def __call__(self, tokens):
        x = self.embedding(tokens)[None]  # nnx.RNN needs an axis of sequences
        return self.head(self.lstm(self.gru(x)))[0]


def nnx_trained():
    """Split into graph and weights; the weights after three steps of gradient descent."""
    graph, weights, rest = nnx.split(Net(nnx.Rngs(2)), nnx.Param, ...)
    example = drawn(T, TOKENS, N_Y)

    def loss(weights, example):
        return mean_square(nnx.merge(graph, weights, rest, copy=True)(example[0]), example[1])

    step = jax.jit(lambda w: jax.tree.map(lambda p, g: p - 0.5 * g, w, jax.grad(loss)(w, example)))
    for _ in range(3):
        weights = step(weights)
    return Program(loss, weights, example, ("scan_0", "scan_1"), _hand, ((T, 4), (T, 4)))


def _hand(weights, example, zeros):
    p = nnx.to_pure_dict(weights)
    gru, lstm = p["gru"]["cell"], p["lstm"]["cell"]

    def gru_step(state, x):
        of_input = x @ gru["dense_i"]["kernel"] + gru["dense_i"]["bias"]
        return (gru_part(of_input, state[0] @ gru["dense_h"]["kernel"], state[0]),), of(0)

    def lstm_step(state, x):
        c, h = state
        sums = x @ lstm["dense_i"]["kernel"] + h @ lstm["dense_h"]["kernel"]
        return lstm_parts(sums + lstm["dense_h"]["bias"], c), of(1)

    x = p["embedding"]["embedding"][example[0]]
    x = loop(gru_step, (jnp.zeros(4),), x, zeros[0])[1]
    x = loop(lstm_step, (jnp.zeros(2), jnp.zeros(2)), x, zeros[1])[1]
    return mean_square(x @ p["head"]["kernel"] + p["head"]["bias"][None], example[1])
