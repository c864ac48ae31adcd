"""Programs of flax.linen."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from tests.jaxprs.loops import (
    Program,
    drawn_like,
    gru_part,
    loop,
    lstm_parts,
    mean_square,
    of,
    tokens_and_targets,
)

T, TOKENS, N_Y = 5, 7, 2
F64 = {"param_dtype": jnp.float64}


def program(net, names, oracle, sizes):
    """Return the program of a network of tokens (T,) to outputs (T, n_y)."""
    example = tokens_and_targets(T, TOKENS, N_Y)
    params = drawn_like(jax.eval_shape(net.init, jax.random.key(3), example[0]))

    def loss(params, example):
        return mean_square(net.apply(params, example[0]), example[1])

    def hand(params, example, zeros):
        return mean_square(oracle(params["params"], example[0], zeros), example[1])

    return Program(loss, params, example, names, hand, sizes)


def dense(p, x):
    """Return the outputs of a Dense layer, with or without a bias."""
    return x @ p["kernel"] + (p["bias"][None] if x.ndim == 2 and "bias" in p else p.get("bias", 0))


def lstm_layer(p, xs, zeros, reverse=False):
    """OptimizedLSTMCell: state (c, h)."""

    def step(state, x):
        c, h = state
        sums = [dense(p["i" + gate], x) + dense(p["h" + gate], h) for gate in "ifgo"]
        return lstm_parts(jnp.concatenate(sums), c), of(1)

    n = p["hi"]["bias"].size
    return loop(step, (jnp.zeros(n), jnp.zeros(n)), xs, zeros, reverse)[1]


def gru_layer(p, xs, zeros, reverse=False):
    """GRUCell: state h."""

    def step(state, x):
        (h,) = state
        of_input = jnp.concatenate([dense(p["i" + gate], x) for gate in "rzn"])
        of_state = jnp.concatenate([dense(p["h" + gate], h) for gate in "rzn"])
        return (gru_part(of_input, of_state, h),), of(0)

    return loop(step, (jnp.zeros(p["in"]["bias"].size),), xs, zeros, reverse)[1]


class Net(nn.Module):
    """Embedding, two LSTMs, head."""

    remat: bool = False
    unroll: int = 1

    @nn.compact
    def __call__(self, tokens):
        cell = nn.remat(nn.OptimizedLSTMCell) if self.remat else nn.OptimizedLSTMCell
        x = nn.Embed(TOKENS, 3, **F64)(tokens)
        x = nn.RNN(cell(4, **F64, name="lower"), unroll=self.unroll)(x)
        x = nn.RNN(cell(3, **F64, name="upper"), unroll=self.unroll)(x)
        return nn.Dense(N_Y, **F64)(x)


def _stack(p, tokens, zeros):
    x = p["Embed_0"]["embedding"][tokens]
    x = lstm_layer(p["lower"], x, zeros[0])
    return dense(p["Dense_0"], lstm_layer(p["upper"], x, zeros[1]))


def linen_lstms():
    return program(Net(), ("Net/RNN_0", "Net/RNN_1"), _stack, ((T, 8), (T, 6)))


def linen_remat_unrolled():
    """The cells recomputed in the backward pass, and five steps in each of the loop."""
    return program(Net(True, 5), ("Net/RNN_0", "Net/RNN_1"), _stack, ((T, 8), (T, 6)))


class Both(nn.Module):
    """Embedding, a GRU in both directions, head."""

    flip: bool = True

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(TOKENS, 3, **F64)(tokens)
        forward, backward = (nn.GRUCell(3, **F64, name=name) for name in ("to", "fro"))
        if self.flip:
            x = nn.Bidirectional(nn.RNN(forward), nn.RNN(backward))(x)
        else:
            to = nn.RNN(forward)(x)
            x = jnp.concatenate([to, nn.RNN(backward, reverse=True, keep_order=True)(x)], -1)
        return nn.Dense(N_Y, **F64)(x)


def _both(p, tokens, zeros):
    x = p["Embed_0"]["embedding"][tokens]
    to = gru_layer(p["to"], x, zeros[0])
    fro = gru_layer(p["fro"], x, zeros[1], reverse=True)
    return dense(p["Dense_0"], jnp.concatenate([to, fro], -1))


def linen_bidirectional():
    names = ("Both/Bidirectional_0/RNN_0", "Both/Bidirectional_0/RNN_1")
    return program(Both(), names, _both, ((T, 3), (T, 3)))


def linen_reverse():
    return program(Both(False), ("Both/RNN_0", "Both/RNN_1"), _both, ((T, 3), (T, 3)))


class Scanned(nn.Module):
    """A GRU cell under nn.scan, the sum of its states read out."""

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(TOKENS, 3, **F64)(tokens)
        over_time = nn.scan(
            nn.GRUCell, variable_broadcast="params", split_rngs={"params": False}, out_axes=0
        )
        _, x = over_time(3, **F64, name="cell")(jnp.zeros(3), x)
        return nn.Dense(N_Y, **F64)(x)


def _scanned(p, tokens, zeros):
    x = p["Embed_0"]["embedding"][tokens]
    return dense(p["Dense_0"], gru_layer(p["cell"], x, zeros[0]))


def linen_scan():
    return program(Scanned(), ("Scanned",), _scanned, ((T, 3),))
