"""Networks from Keras: outputs and dL/dh_t of every layer are those that Keras computed."""

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax import activations
from tests.crossed import crossed
from tests.importers.fixtures import fixture, largest_error

ACTIVATION = {"simple_rnn_tanh": activations.tanh, "simple_rnn_relu": activations.relu}
KINDS = [*ACTIVATION, "lstm", "gru_reset_after", "gru_reset_before"]
SHAPES = ["one_layer", "two_layers_no_bias", "two_layers_both_ways"]


def imported(kind, shape):
    arrays, weights = fixture(f"keras_{kind}_{shape}")
    is_told = "gru" not in kind or "no_bias" not in shape
    return *rnnjax.from_keras(
        weights,
        layers=None if shape == "one_layer" else tuple(str(name) for name in arrays["layers"]),
        activation=ACTIVATION.get(kind),
        reset_after=None if is_told else kind.endswith("after"),
    ), arrays


@pytest.mark.wide
@crossed("kind, shape", KINDS, SHAPES, always=["lstm"], wide=4)
def test_outputs_and_gradients_are_those_of_keras(kind, shape):
    cell, params, arrays = imported(kind, shape)
    errors = largest_error(cell, params, arrays)
    assert max(errors.values()) < 1e-12, errors


def test_the_list_of_a_layer_is_what_its_paths_say():
    _, weights = fixture("keras_gru_reset_after_one_layer")
    by_name = {path.rsplit("/", 1)[1]: value for path, value in weights.items()}
    listed = [by_name[name] for name in ("kernel", "recurrent_kernel", "bias")]
    got, expected = rnnjax.from_keras(listed), rnnjax.from_keras(weights)
    assert got[0] == expected[0] == rnnjax.GRU(3, 4, 4)
    for a, b in zip(jax.tree.leaves(got[1]), jax.tree.leaves(expected[1]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_dense_layer_is_the_readout():
    _, weights = fixture("keras_lstm_one_layer")
    rng = np.random.default_rng(0)
    kernel, bias = rng.standard_normal((4, 2)), rng.standard_normal(2)
    model = weights | {"sequential/dense/kernel": kernel, "sequential/dense/bias:0": bias}
    cell, params = rnnjax.from_keras(model, readout="dense")
    np.testing.assert_array_equal(params.V, kernel.T)
    np.testing.assert_array_equal(params.c, bias)
    assert cell.n_y == 2


def test_the_order_of_the_layers_is_the_one_that_was_named():
    _, weights = fixture("keras_lstm_two_layers_no_bias")
    names = sorted({path.split("/")[1] for path in weights}, key=lambda n: (len(n), n))
    cell, _ = rnnjax.from_keras(weights, layers=names)
    assert cell.n_x == 3
    with pytest.raises(ValueError, match=r"^\S+/kernel: expected shape \(4, 16\), got \(3, 16\)"):
        rnnjax.from_keras(weights, layers=names[::-1])
