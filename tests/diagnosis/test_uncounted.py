"""Examples that the loss does not reach, or short ones, take no row away from the others."""

import functools
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import rnnjax
from rnnjax.diagnosis import remedies, spectrum
from rnnjax.diagnosis.effects import as_remedies
from rnnjax.reports import Reading, dynamics_findings
from rnnjax.reports.readings import readings

# The package has a function of this name too.
diagnose = import_module("rnnjax.diagnosis.diagnose")
N, T = 8, 20


def loss(params, example):
    """A relu layer read at a step, by a weight that may be 0."""
    x, weight, last = example

    def step(h, x):
        h = jax.nn.relu(params["W"] @ h + params["U"] @ x + params["b"])
        return h, h

    states = jax.lax.scan(step, jnp.zeros(N), x)[1]
    return weight * jnp.sum(states[last] ** 2)


def params_of(n_dead):
    key = jax.random.key
    return {
        "W": 0.3 * jax.random.normal(key(0), (N, N)),
        "U": 0.1 * jax.random.normal(key(1), (N, 2)),
        "b": jnp.where(jnp.arange(N) < n_dead, -100.0, 1.0),
    }


@functools.cache
def report_of(n_dead, weights, lasts):
    """The report on examples of the same inputs."""
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(2), (T, 2)), (len(weights), T, 2))
    examples = (x, jnp.array(weights), jnp.array(lasts))
    return rnnjax.diagnose(loss, params_of(n_dead), examples, longest_window=1, n_exponents=2)


def dead_units(report):
    (found,) = (found for found in report.findings if found.name == "dead units")
    return found


def rows_of(flat_share, dead, last_step, **others):
    """The rows of examples, as `_alone` takes them."""
    n = len(last_step)
    nothing = {name: np.full((n, 1), np.nan) for name in ("exponents", "exponents_error")}
    gates = {name: np.full((n, 1), np.nan) for name in diagnose._GATES}
    singular = {"log_singular_values": np.full((n, 1, 1), np.nan)}
    given = {
        "flat_share": np.array(flat_share),
        "dead": np.array(dead),
        "linear": np.zeros(n, bool),
        "state_growth": np.full(n, np.nan),
    }
    return nothing | gates | singular | given | {"last_step": np.array(last_step)} | others


def test_an_example_that_is_not_reached_hides_no_dead_or_flat_unit():
    rows = rows_of([[1.0, 0.5], [np.nan, np.nan]], [[True, False], [False, False]], [T, 0])
    found = diagnose.over_examples_of(rows)
    assert found["dead"].tolist() == [True, False]
    assert found["flat_share"].tolist() == [1.0, 0.5]
    # An example that nothing reads does not make a unit a dead one either.
    rows = rows_of([[0.5, 0.5], [np.nan, np.nan]], [[False, False], [True, True]], [T, 0])
    assert not diagnose.over_examples_of(rows)["dead"].any()
    # Nor does one in which no unit is a number hide a dead one.
    rows = rows_of([[1.0, 0.5], [np.nan, np.nan]], [[True, False], [False, False]], [T, T])
    assert diagnose.over_examples_of(rows)["dead"].tolist() == [True, False]
    # Where none is reached, the dead units may be why.
    rows = rows_of([[np.nan] * 2] * 2, [[True, False], [True, True]], [0, 0])
    assert diagnose.over_examples_of(rows)["dead"].tolist() == [True, False]


def test_exponents_are_means_over_the_examples_that_have_them():
    inf, nan = np.inf, np.nan
    rows = rows_of(
        np.zeros((4, 1)), np.zeros((4, 1), bool), [T, T, 1, 0],
        exponents=np.array([[1.0, -inf], [3.0, -inf], [9.0, 9.0], [-inf, -inf]]),
        exponents_error=np.array([[0.3, nan], [0.4, nan], [nan, nan], [nan, nan]]),
        log_singular_values=np.array([[[1.0], [2.0]], [[3.0], [nan]], [[nan], [nan]], [[nan]] * 2]),
    )  # fmt: skip
    found = diagnose.over_examples_of(rows)
    np.testing.assert_allclose(found["exponents"], [2.0, -inf])
    np.testing.assert_allclose(found["exponents_error"], [0.25, nan])
    np.testing.assert_allclose(found["log_singular_values"], [[2.0], [2.0]])
    # If all are short, the mean has no standard error.
    alone = {name: rows[name][2:] for name in rows}
    found = diagnose.over_examples_of(alone)
    np.testing.assert_allclose(found["exponents"], [9.0, 9.0])
    assert np.isnan(found["exponents_error"]).all() and np.isnan(found["log_singular_values"]).all()


@pytest.mark.parametrize(
    ("n_lost", "mean", "error"), [(1, [2.0, -1.0], 0.25), (2, [-np.inf, -np.inf], np.nan)]
)
def test_an_example_in_which_all_is_lost_hides_no_exponents(n_lost, mean, error):
    exponents = np.array([[1.0, -1.5], [3.0, -0.5], *[[-np.inf] * 2] * n_lost])
    errors = np.array([[0.3, 0.3], [0.4, 0.4], *[[np.nan] * 2] * n_lost])
    n = len(errors)
    rows = rows_of(
        np.zeros((n, 1)), np.zeros((n, 1), bool), [T] * n,
        exponents=exponents, exponents_error=errors,
    )  # fmt: skip
    found = diagnose.over_examples_of(rows)
    np.testing.assert_allclose(found["exponents"], mean)
    np.testing.assert_allclose(found["exponents_error"], [error, error])


@pytest.mark.wide
def test_dead_units_and_exponents_beside_an_example_that_is_not_reached():
    one, both = report_of(6, (1.0,), (T - 1,)), report_of(6, (1.0, 0.0), (T - 1, T - 1))
    for report in (one, both):
        assert dead_units(report).number == 0.75 and dead_units(report).alarm
    for name in ("exponents", "exponents_error", "dimension", "log_singular_values", "flat_share"):
        np.testing.assert_allclose(both.dataset[name], one.dataset[name], rtol=1e-6, err_msg=name)
    assert np.isfinite(both.dataset["exponents"][0, 0])


@pytest.mark.wide
def test_a_layer_of_dead_units_only_is_dead_although_no_gradient_reaches_it():
    found = dead_units(report_of(N, (1.0,), (T - 1,)))
    assert found.number == 1 and found.alarm


def chaotic(params, example):
    """A tanh layer read at one step."""
    x, last = example

    def step(h, x):
        h = jnp.tanh(params @ h + x)
        return h, h

    return jnp.sum(jax.lax.scan(step, jnp.zeros(4), x)[1][last])


W = 3 * jnp.asarray(np.random.default_rng(0).standard_normal((4, 4))) / 2
X = jnp.asarray(np.random.default_rng(1).standard_normal((400, 4)))


def test_the_exponents_of_a_padded_sequence_are_those_of_the_cut_one():
    """Were a tenth of the padded length discarded, nothing of 38 steps would be left."""
    whole, cut = (rnnjax.recurrences(chaotic, W, (x, 37))[0] for x in (X, X[:38]))
    expected, found = (jax.jit(spectrum.exponents, static_argnums=1)(r, 2) for r in (cut, whole))
    for name, values in expected.items():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(found[name], values, rtol=1e-9, err_msg=name)


def test_remedies_of_a_padded_sequence_are_those_of_the_cut_one():
    whole, cut = (rnnjax.recurrences(chaotic, W, (x, 9))[0] for x in (X[:30], X[:10]))
    h, t = jnp.full(4, 0.3), jnp.int32(2)
    for change in (remedies.leaky, remedies.shifted_gates):
        np.testing.assert_allclose(change(whole)(h, t), change(cut)(h, t), rtol=1e-12)
    tau = 10 / 4
    leaky = (1 - 1 / tau) * h + jnp.tanh(W @ h + X[2]) / tau
    np.testing.assert_allclose(remedies.leaky(whole)(h, t), leaky, rtol=1e-12)


def reading_of_padded() -> Reading:
    data = xr.Dataset(
        {
            "length": ("layer", [400]),
            "last_step": (("layer", "example"), [[60, 60]]),
            "exponents": (("layer", "exponent"), [[0.5]]),
            "exponents_error": (("layer", "exponent"), [[0.01]]),
            "window_cosine": (("layer", "example", "window"), [[[0.5, 1.0, 1.0]] * 2]),
        },
        {"layer": ["a"], "window": [1, 60, 61]},
    )
    return readings(data)[0]


def test_sentences_take_the_length_without_padding():
    reading = reading_of_padded()
    (found,) = dynamics_findings.spectrum(reading)
    # 0.5 nat * 60 steps / ln 10
    assert "13 decades in 60 steps" in found.statement and found.alarm
    # A window of all steps is no remedy.
    assert not list(as_remedies(reading, {}))


def test_a_remedy_tells_both_falls_as_sentences():
    (layer,) = readings(
        xr.Dataset(
            {
                "length": ("layer", [3]),
                "last_step": (("layer", "example"), [[2]]),
                "log_norm_by_lag": (("layer", "example", "lag"), [[[0.0, -1.0, np.log(1e-3)]]]),
            },
            {"layer": ["a"], "lag": [0, 1, 2]},
        )
    )
    (found,) = as_remedies(layer, {"orthogonal": np.array([[0.0, 0.0, np.log(10)]])})
    assert found.statement.endswith(
        ": over the sequence the gradient grows by 1.0 decades; as it is, it falls by 3.0 decades"
    )


@pytest.mark.parametrize(
    ("fall", "helps"), [(1.0, True), (-1.0, True), (9.0, False), (-4.0, False)]
)
def test_a_change_that_makes_it_worse_is_called_no_remedy(fall, helps):
    """A gradient that falls by 3 decades over 4 lags, and by another number with a change."""
    by_lag = np.linspace(0, -np.log(10), 5)[None]
    data = xr.Dataset(
        {"log_norm_by_lag": (("layer", "example", "lag"), 3 * by_lag[None])},
        {"layer": ["a"], "lag": np.arange(5)},
    )
    (found,) = as_remedies(readings(data)[0], {"leak": fall * by_lag})
    assert (found.number_before, found.number_after) == pytest.approx((3, fall))
    assert ("No remedy here" in found.statement) != helps
