"""Networks from torch: outputs and dL/dh_t of every layer are those that torch computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations
from tests.crossed import crossed
from tests.importers.fixtures import fixture, largest_error

NONLINEARITY = {"rnn_tanh": activations.tanh, "rnn_relu": activations.relu}
KINDS = [*NONLINEARITY, "lstm", "lstm_projected", "gru"]
SHAPES = ["one_layer", "two_layers_no_bias", "two_layers_both_ways"]


def imported(kind, shape):
    arrays, weights = fixture(f"torch_{kind}_{shape}")
    return *rnnjax.from_torch(weights, nonlinearity=NONLINEARITY.get(kind)), arrays


@pytest.mark.wide
@crossed("kind, shape", KINDS, SHAPES, always=["lstm"], wide=4)
def test_outputs_and_gradients_are_those_of_torch(kind, shape):
    cell, params, arrays = imported(kind, shape)
    errors = largest_error(cell, params, arrays)
    assert max(errors.values()) < 1e-12, errors


@pytest.mark.parametrize(
    ("shape", "type_"), list(zip(SHAPES, ["LSTM", "Stack", "Bidirectional"], strict=True))
)
def test_a_network_is_as_small_as_it_can_be(shape, type_):
    assert type(imported("lstm", shape)[0]).__name__ == type_


@pytest.mark.wide
def test_sequences_of_their_own_lengths_in_a_model_with_a_head():
    """As torch's packed sequences, each of which turns round at its own end."""
    arrays, weights = fixture("torch_tagger")
    cell, params = rnnjax.from_torch(weights, prefix="encoder.lstm", readout="fc")
    n_steps = len(arrays["x"])
    counts = jnp.arange(n_steps)[None] < jnp.asarray(arrays["lengths"])[:, None]
    x = jnp.moveaxis(jnp.asarray(arrays["x"]), 1, 0)
    got = jax.vmap(lambda x, counts: cell.outputs(params, x, counts))(x, counts)
    for i, n in enumerate(arrays["lengths"]):
        np.testing.assert_allclose(got[i, :n], arrays["outputs"][:n, i], atol=1e-13)
        assert np.all(np.isnan(got[i, n:]))


def test_the_cells_of_one_step_have_the_same_keys_without_a_number():
    _, weights = fixture("torch_gru_one_layer")
    of_cell = {f"cell.{key.removesuffix('_l0')}": value for key, value in weights.items()}
    for got, expected in zip(
        jax.tree.leaves(rnnjax.from_torch(of_cell)[1]),
        jax.tree.leaves(rnnjax.from_torch(weights)[1]),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)


def test_half_precision_becomes_float32():
    _, weights = fixture("torch_lstm_one_layer")
    half = {key: value.astype(np.float16) for key, value in weights.items()}
    _, params = rnnjax.from_torch(half)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    total = half["bias_ih_l0"].astype(np.float32) + half["bias_hh_l0"].astype(np.float32)
    np.testing.assert_array_equal(params.b, total)


@pytest.mark.slow
def test_rules_and_probes_take_what_was_imported():
    cell, params, arrays = imported("gru", "two_layers_no_bias")
    batch = rnnjax.Batch(arrays["x"], arrays["y"], np.ones(len(arrays["x"])))
    loss = rnnjax.losses.squared_error
    got = rnnjax.BPTT()(cell, loss, params, batch).grads
    expected = jax.grad(lambda p: rnnjax.sequence_loss(cell, loss, p, batch))(params)
    for a, b in zip(
        jax.tree.leaves(rnnjax.scaled.plain(got)), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
