"""Writes the fixtures of this folder: recurrent layers of Keras with their gradients.

    python tests/importers/make_keras_fixtures.py

needs keras and jax. Keras rounds sums and products of float64 to float32 except with TensorFlow;
that table is changed here, so that its own code computes in float64. The files are those that
`make_fixtures.py` describes, with the names of the layers in `layers`. Gradients are those of JAX
by numbers added to each state behind its step.
"""

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras.src.backend.common import dtypes

dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
FOLDER = Path(__file__).parent / "data"
N_X, N, T = 3, 4, 5
RNG = np.random.default_rng(0)


def along(layer, x, eps):
    """States of one layer in one direction after every step, each with its eps added."""
    state = [e[0] for e in eps]
    found = []
    for t, x_t in enumerate(x, 1):
        _, new = layer.cell(x_t[None], [s[None] for s in state])
        state = [s[0] + e[t] for s, e in zip(new, eps, strict=True)]
        found.append(state[0])
    return jnp.stack(found)


def losses(layers, x, y, eps):
    """The outputs, and both losses."""
    sent = x
    for directions, of_layer in zip(layers, eps, strict=True):
        h = [
            along(one, sent[::-1] if j else sent, e)
            for j, (one, e) in enumerate(zip(directions, of_layer, strict=True))
        ]
        end = jnp.concatenate([a[-1] for a in h])
        sent = jnp.concatenate([a[::-1] if j else a for j, a in enumerate(h)], axis=1)
    return sent, {"all": jnp.sum((sent - y) ** 2), "last": jnp.sum((end - y[-1]) ** 2)}


def of_keras(make, both, n_layers, bias):
    stack = [make(use_bias=bias, return_sequences=True) for _ in range(n_layers)]
    stack = [keras.layers.Bidirectional(layer) for layer in stack] if both else stack
    model = keras.Sequential([keras.Input((T, N_X)), *stack])
    for w in model.weights:  # biases are 0 at first, which would hide their places
        w.assign(RNG.standard_normal(w.shape) * 0.5)
    x = jnp.asarray(RNG.standard_normal((T, N_X)))
    y = jnp.asarray(RNG.standard_normal((T, N * (1 + both))))
    layers = [[one.forward_layer, one.backward_layer] if both else [one] for one in stack]
    n_parts = 2 if isinstance(layers[0][0], keras.layers.LSTM) else 1
    eps = [[[jnp.zeros((T + 1, N))] * n_parts for _ in directions] for directions in layers]
    outputs = np.asarray(model(x[None])[0])
    np.testing.assert_allclose(losses(layers, x, y, eps)[0], outputs, atol=1e-14)
    found = {"x": x, "y": y, "outputs": outputs, "layers": np.array([one.name for one in stack])}
    found |= {f"weights/{w.path}": np.asarray(w.value) for w in model.weights}
    for name in ("all", "last"):
        grads = jax.grad(lambda eps, name=name: losses(layers, x, y, eps)[1][name])(eps)
        for i, directions in enumerate(grads):
            for j, parts in enumerate(directions):
                for letter, part in zip("hc", parts, strict=False):
                    found[f"{name}/{letter}/{i}/{j}"] = np.asarray(part)
    return found


KINDS = {
    "simple_rnn_tanh": lambda **o: keras.layers.SimpleRNN(N, **o),
    "simple_rnn_relu": lambda **o: keras.layers.SimpleRNN(N, activation="relu", **o),
    "lstm": lambda **o: keras.layers.LSTM(N, **o),
    "gru_reset_after": lambda **o: keras.layers.GRU(N, **o),
    "gru_reset_before": lambda **o: keras.layers.GRU(N, reset_after=False, **o),
}
SHAPES = {
    "one_layer": (False, 1, True),
    "two_layers_no_bias": (False, 2, False),
    "two_layers_both_ways": (True, 2, True),
}


def main():
    keras.utils.set_random_seed(0)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    FOLDER.mkdir(exist_ok=True)
    for name, make in KINDS.items():
        for shape, values in SHAPES.items():
            arrays = of_keras(make, *values)
            assert all(a.dtype == np.float64 for key, a in arrays.items() if key != "layers")
            np.savez_compressed(FOLDER / f"keras_{name}_{shape}.npz", **arrays)


if __name__ == "__main__":
    main()
