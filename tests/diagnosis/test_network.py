"""Networks from weights as programs: what PyTorch and Keras compute, layer by layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, scaled
from rnnjax.diagnosis import aims, network
from rnnjax.losses import squared_error
from tests.importers import fixtures

NAMES = sorted(path.stem for path in fixtures.FOLDER.glob("*.npz") if "tagger" not in path.stem)

PLAIN = {"rnn_tanh": activations.tanh, "rnn_relu": activations.relu}


def imported(name):
    arrays, weights = fixtures.fixture(name)
    plain = next((f for key, f in PLAIN.items() if key in name), None)
    if name.startswith("torch"):
        return arrays, *rnnjax.from_torch(weights, nonlinearity=plain)
    kernels = [key for key in weights if key.endswith("recurrent_kernel")]
    layers = list(dict.fromkeys(key.split("/")[-3 - ("ward_" in key)] for key in kernels))
    behind = "reset_after" in name if "gru" in name and "no_bias" in name else None
    return arrays, *rnnjax.from_keras(weights, layers=layers, activation=plain, reset_after=behind)


def padded_example(arrays):
    """The sequence with padding behind its end; its targets of the last step."""
    batch = fixtures.padded(arrays)
    x = jnp.where(batch.mask[:, None] != 0, batch.x, -7.0)
    return {"x": x, "mask": batch.mask, "y": jnp.asarray(arrays["y"][-1])}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_framework(name):
    arrays, cell, params = imported(name)
    n, example = len(arrays["x"]), padded_example(arrays)
    found = network.sent(cell, params, example["x"], jnp.arange(n + fixtures.N_PADDED) < n)
    y = jax.vmap(lambda s: network.readout(params, s))(found.by_step)[:n]
    np.testing.assert_allclose(y, arrays["outputs"], atol=1e-6)
    half = y.shape[1] // 2
    ends = jnp.concatenate([y[-1, :half], y[0, half:]]) if "both_ways" in name else y[-1]
    np.testing.assert_allclose(found.at_end, ends, atol=1e-12)


@pytest.mark.wide
def test_the_gradient_of_each_layer_and_direction_is_that_of_the_framework():
    arrays, cell, params = imported("torch_lstm_two_layers_both_ways")
    n = len(arrays["x"])
    found = rnnjax.recurrences(aims.last_step(cell, squared_error), params, padded_example(arrays))
    assert set(found.names) == {
        f"layer_{i}/{way}" for i in (1, 2) for way in ("forward", "backward")
    }
    for r in found:
        layer, way = r.name.removeprefix("layer_").split("/")
        expected = fixtures.joined(arrays, "last", int(layer) - 1, int(way == "backward"))
        assert np.any(expected[1:] != 0)
        np.testing.assert_allclose(scaled.plain(r.deltas)[:n], expected[1:], atol=1e-12)


def test_steps_are_weighed_by_the_mask():
    arrays, cell, params = imported("torch_gru_one_layer")
    example = padded_example(arrays) | {"y": fixtures.padded(arrays).y}
    m = example["mask"].at[1].set(0.0).at[2].set(3.0)
    example = example | {"mask": m, "y": jnp.where(m[:, None] != 0, example["y"], 0.0)}
    found = aims.every_step(cell, aims.mean_squared_error)(params, example)
    squares = np.mean((arrays["outputs"] - arrays["y"]) ** 2, axis=1)
    weights = np.asarray(m)[: len(squares)]
    np.testing.assert_allclose(found, weights @ squares / weights.sum(), rtol=1e-6)
