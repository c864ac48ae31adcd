"""Weights that are not those of a recurrent layer are refused in one line that names the array."""

import numpy as np
import pytest

import rnnjax
from rnnjax import activations
from tests.bad_numbers import assert_refused
from tests.importers.fixtures import fixture

LSTM = fixture("torch_lstm_one_layer")[1]
TWO = fixture("torch_lstm_two_layers_both_ways")[1]
PROJECTED = fixture("torch_lstm_projected_one_layer")[1]
TAGGER = fixture("torch_tagger")[1]
KERAS = fixture("keras_gru_reset_after_one_layer")[1]
KERAS_TWO = fixture("keras_lstm_two_layers_both_ways")[1]
RNN = fixture("torch_rnn_tanh_one_layer")[1]


def without(weights, *names):
    return {key: value for key, value in weights.items() if key not in names}


TORCH_REFUSED = {
    "missing weight": ("weight_ih_l0", without(LSTM, "weight_ih_l0"), {}),
    "missing recurrent weight": ("weight_hh_l0", without(LSTM, "weight_hh_l0"), {}),
    "one bias of two": ("bias_hh_l0", without(LSTM, "bias_hh_l0"), {}),
    "other bias of two": ("bias_ih_l0", without(LSTM, "bias_ih_l0"), {}),
    "a layer without its bias": (
        "bias_ih_l1",
        without(TWO, "bias_ih_l1", "bias_hh_l1"),
        {},
    ),
    "missing direction": ("weight_hh_l1_reverse", without(TWO, "weight_hh_l1_reverse"), {}),
    "missing projection": ("weight_hh_l0", without(PROJECTED, "weight_hr_l0"), {}),
    "missing layer": (
        "weight_hh_l1",
        {key.replace("l1", "l2"): value for key, value in TWO.items()},
        {},
    ),
    "a layer of a number": ("weights", LSTM | {"weight_hh_l99999999999": np.ones(3)}, {}),
    "unknown array": ("weights", LSTM | {"weight_ch_l0": np.ones(3)}, {}),
    "weight norm": ("weights", {f"a.{k}": v for k, v in LSTM.items()} | {"a.p.g": 1.0}, {}),
    "no rnn": ("weights", {"fc.weight": np.ones((2, 3))}, {}),
    "nothing": ("weights", {}, {}),
    "gates": ("weight_hh_l0", LSTM | {"weight_hh_l0": np.ones((8, 4))}, {}),
    "transposed": ("weight_ih_l0", LSTM | {"weight_ih_l0": np.ones((3, 16))}, {}),
    "bias": ("bias_ih_l0", LSTM | {"bias_ih_l0": np.ones(4)}, {}),
    "inputs of a layer": ("weight_ih_l1", TWO | {"weight_ih_l1": np.ones((16, 4))}, {}),
    "NaN": ("bias_ih_l0", LSTM | {"bias_ih_l0": np.full(16, np.nan)}, {}),
    "inf": ("weight_ih_l0", LSTM | {"weight_ih_l0": np.full((16, 3), np.inf)}, {}),
    "integers": ("bias_ih_l0", LSTM | {"bias_ih_l0": np.ones(16, np.int8)}, {}),
    "complex": ("bias_ih_l0", LSTM | {"bias_ih_l0": np.ones(16, complex)}, {}),
    "strings": ("bias_ih_l0", LSTM | {"bias_ih_l0": np.full(16, "x")}, {}),
    "empty": ("weight_hh_l0", LSTM | {"weight_hh_l0": np.ones((0, 0))}, {}),
    "several modules": ("prefix", TAGGER, {}),
    "no such module": ("prefix", TAGGER, {"prefix": "encoder"}),
    "no name": ("prefix", TAGGER, {"prefix": 3}),
    "an array as name": ("prefix", TAGGER, {"prefix": np.ones(2)}),
    "no such head": ("fc2.weight", TAGGER, {"prefix": "encoder.lstm", "readout": "fc2"}),
    "head of others": ("embed.weight", TAGGER, {"prefix": "encoder.lstm", "readout": "embed"}),
    "head of no name": ("readout", LSTM, {"readout": 3}),
    "tanh or relu": ("nonlinearity", RNN, {}),
    "name of an activation": ("nonlinearity", RNN, {"nonlinearity": "tanh"}),
    "activation of gates": ("nonlinearity", LSTM, {"nonlinearity": activations.relu}),
}


@pytest.mark.parametrize("name", TORCH_REFUSED)
def test_torch(name):
    key, weights, options = TORCH_REFUSED[name]
    assert_refused(lambda: rnnjax.from_torch(weights, **options), key)


@pytest.mark.parametrize("size", [1e300, 3e38])
def test_weights_and_sums_of_biases_that_the_dtype_does_not_hold(size, float32):
    names = ("bias_ih_l0", "bias_hh_l0")
    large = LSTM | {name: np.full_like(LSTM[name], size, dtype=np.float64) for name in names}
    assert_refused(lambda: rnnjax.from_torch(large), "weights")
    path = path_of(KERAS, "/kernel")
    beyond = KERAS | {path: np.full(KERAS[path].shape, 10 * size)}
    assert_refused(lambda: rnnjax.from_keras(beyond), "weights")


def path_of(weights, name):
    return next(path for path in weights if path.endswith(name))


KERNEL, RECURRENT, BIAS = (path_of(KERAS, f"/{n}") for n in ("kernel", "recurrent_kernel", "bias"))
NAMES = ("bidirectional", "bidirectional_1")
ONE_WAY = {path: value for path, value in KERAS_TWO.items() if "/backward" not in path}
KERAS_REFUSED = {
    "two of one path": ("weights", KERAS | {f"{k}:0": 2 * v for k, v in KERAS.items()}, {}),
    "missing kernel": (KERNEL, without(KERAS, KERNEL), {}),
    "missing recurrent kernel": ("weights", without(KERAS, RECURRENT), {}),
    "gates": (RECURRENT, KERAS | {RECURRENT: np.ones((4, 8))}, {}),
    "transposed": (KERNEL, KERAS | {KERNEL: np.ones((12, 3))}, {}),
    "bias": (BIAS, KERAS | {BIAS: np.ones((3, 12))}, {}),
    "NaN": (BIAS, KERAS | {BIAS: np.full((2, 12), np.nan)}, {}),
    "integers": (KERNEL, KERAS | {KERNEL: np.ones((3, 12), int)}, {}),
    "beside": ("weights", KERAS | {KERNEL.replace("kernel", "peephole"): np.ones(3)}, {}),
    "several layers": ("layers", KERAS_TWO, {}),
    "no such layer": ("layers", KERAS_TWO, {"layers": ("bidirectional", "lstm_7")}),
    "a layer twice": ("layers", KERAS_TWO, {"layers": (NAMES[0], NAMES[0])}),
    "one name": ("layers", KERAS_TWO, {"layers": "bidirectional"}),
    "no name": ("layers", KERAS_TWO, {"layers": ()}),
    "no direction": ("weights", ONE_WAY, {"layers": next(iter(KERAS_TWO)).split("/")[1:2]}),
    "told": ("reset_after", KERAS, {"reset_after": False}),
    "not told": ("reset_after", without(KERAS, BIAS), {}),
    "no flag": ("reset_after", without(KERAS, BIAS), {"reset_after": "yes"}),
    "activation of gates": ("activation", KERAS, {"activation": activations.tanh}),
    "no activation": ("activation", fixture("keras_simple_rnn_tanh_one_layer")[1], {}),
    "reset of an LSTM": (
        "reset_after",
        fixture("keras_lstm_one_layer")[1],
        {"reset_after": True},
    ),
    "no head": ("readout", KERAS, {"readout": "dense"}),
    "a list of two layers": ("weights", [np.ones((3, 4))] * 4, {}),
}


@pytest.mark.parametrize("name", KERAS_REFUSED)
def test_keras(name):
    key, weights, options = KERAS_REFUSED[name]
    assert_refused(lambda: rnnjax.from_keras(weights, **options), key)


def test_what_is_good_is_not_refused():
    """The cases above differ from these by what they are refused for alone."""
    rnnjax.from_torch(LSTM)
    rnnjax.from_torch(TWO)
    rnnjax.from_torch(PROJECTED)
    rnnjax.from_torch(TAGGER, prefix="decoder")
    rnnjax.from_torch(TAGGER, prefix="encoder.lstm", readout="fc")
    rnnjax.from_torch(RNN, nonlinearity=activations.tanh)
    rnnjax.from_keras(KERAS)
    rnnjax.from_keras(without(KERAS, BIAS), reset_after=True)
