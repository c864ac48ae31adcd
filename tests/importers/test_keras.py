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


def renamed(weights, **parts):
    """Weights whose paths have other parts."""
    return {
        "/".join(parts.get(part, part) for part in path.split("/")): value
        for path, value in weights.items()
    }


@pytest.mark.parametrize(
    ("model", "layer", "layers"),
    [
        ("forward_model", "lstm", None),
        ("backward_model", "lstm", None),
        ("m", "forward_net", ("forward_net",)),
        ("m", "backward_net", ("m/backward_net",)),
        ("forward_model", "forward_net", ("forward_net",)),
        ("", "forward_net", None),
    ],
)
def test_a_layer_that_is_no_direction_may_have_the_name_of_one(model, layer, layers):
    _, weights = fixture("keras_lstm_one_layer")
    _, there, *_ = next(iter(weights)).split("/")
    given = {
        f"{model}/{layer}/{path.split('/', 2)[2]}".strip("/"): value
        for path, value in renamed(weights, **{there: layer}).items()
    }
    (cell, params), (expected, same) = (
        rnnjax.from_keras(given, layers=layers),
        rnnjax.from_keras(weights),
    )
    assert cell == expected
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_layers_with_the_names_of_directions_follow_one_another_where_they_are_named():
    _, weights = fixture("keras_lstm_two_layers_no_bias")
    names = sorted({path.split("/")[1] for path in weights}, key=lambda n: (len(n), n))
    given = renamed(weights, **{names[0]: "backward_a", names[1]: "forward_b"})
    cell, _ = rnnjax.from_keras(given, layers=("backward_a", "forward_b"))
    assert cell == rnnjax.from_keras(weights, layers=names)[0]


def test_half_of_a_bidirectional_layer_is_refused():
    _, weights = fixture("keras_lstm_two_layers_both_ways")
    path = next(path for path in weights if "/forward_" in path)
    _, layer, forward, *_ = path.split("/")
    half = {p: value for p, value in weights.items() if f"/{layer}/{forward}/" in p}
    message = r"^weights: expected one cell, or forward_ and backward_ .*; if a layer itself has"
    for layers in (None, (layer,)):
        with pytest.raises(ValueError, match=message):
            rnnjax.from_keras(half, layers=layers)
    with pytest.raises(ValueError, match=r"^layers: expected names of one each of"):
        rnnjax.from_keras(weights, layers=(forward,))


@pytest.mark.parametrize("layers", [3, 2.5, True, "lstm", b"lstm", [None], ["lstm", 3]])
def test_layers_are_names(layers):
    _, weights = fixture("keras_lstm_one_layer")
    with pytest.raises(ValueError, match=r"^layers: expected a tuple of names, got ") as caught:
        rnnjax.from_keras(weights, layers=layers)
    assert "\n" not in str(caught.value)
