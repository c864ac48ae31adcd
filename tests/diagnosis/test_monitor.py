"""Scalars during training: closed forms, agreement with a diagnosis, and what costs nothing."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.diagnosis.monitor import median

N_STEPS = 150
TRACED = []


def linear(w, x):
    TRACED.append(1)
    return jax.lax.scan(lambda h, x: (w * h + x, None), 0.0, x)[0] ** 2


# One program for most tests: it is the compilation that takes time.
MONITORED = rnnjax.monitor(linear, every=3, n_examples=3)
IMPULSES = jax.device_put(np.outer([1.0, 5.0, 3.0], np.eye(N_STEPS)[-1]))
NAMES = (
    "log_norm_at_end", "log10_fall", "horizon", "exponent", "zero_lag_float32", "flat_share",
    "gate_mean",
)  # fmt: skip


@pytest.mark.parametrize(
    ("w", "horizon"), [(0.5, 7), (0.09, 2), (1.0, N_STEPS), (1.3, N_STEPS), (-0.7, 13)]
)
def test_a_linear_unit_has_the_numbers_of_its_weight(w, horizon):
    """After zeros the last state is the input, and dL/dh = 2 h: the median of 2, 10 and 6 is 6."""
    found = MONITORED(w, IMPULSES, 0)
    layer = {f"scan_0/{name}" for name in NAMES}
    assert set(found) == {"loss", "finite", "gradient/log_norm"} | layer
    assert all(number.shape == () for number in found.values())
    expected = {
        "log_norm_at_end": math.log(6),
        "log10_fall": -N_STEPS * math.log10(abs(w)),
        "exponent": math.log(abs(w)),
        "horizon": horizon,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[f"scan_0/{name}"], value, rtol=1e-12, atol=1e-12)
    assert found["loss"] == 9 and found["finite"] == 1
    assert all(jnp.isnan(found[f"scan_0/{name}"]) for name in ("flat_share", "gate_mean"))


def test_the_gradient_of_the_parameters_is_that_of_single_examples():
    x = jax.random.normal(jax.random.key(0), (3, N_STEPS))
    gradients = jax.vmap(jax.grad(linear), (None, 0))(0.9, x)
    expected = jnp.log(jnp.median(jnp.abs(gradients)))
    np.testing.assert_allclose(MONITORED(0.9, x, 0)["gradient/log_norm"], expected, rtol=1e-12)


def test_the_lag_of_the_first_zero_of_float32():
    """From 2 the gradient is 2^(1-k) at lag k, below the smallest normal number from 128 on."""
    x = IMPULSES / jnp.array([[1.0], [5.0], [3.0]])
    assert MONITORED(0.5, x, 0)["scan_0/zero_lag_float32"] == 128
    assert jnp.isnan(MONITORED(1.0, x, 0)["scan_0/zero_lag_float32"])


def test_lags_count_from_the_last_step_at_which_the_loss_enters():
    def loss(w, example):
        x, last = example
        states = jax.lax.scan(lambda h, x: (w * h + x,) * 2, 0.0, x)[1]
        return states[last] ** 2

    examples = (jnp.ones((1, 20)), jnp.array([11]))
    found = rnnjax.monitor(loss)(0.9, examples, 0)
    np.testing.assert_allclose(found["scan_0/log10_fall"], -12 * math.log10(0.9), atol=1e-12)
    assert found["scan_0/horizon"] == 12


def gated(params, x):
    """One unit with a keep gate beside a tanh unit that the first one does not see."""

    def step(state, x):
        c, h = state
        keep = jax.nn.sigmoid(params["f"] + 0.1 * x)
        return (keep * c + (1 - keep) * x, jnp.tanh(params["w"] * h + x)), None

    c, h = jax.lax.scan(step, (0.0, 0.0), x)[0]
    return c**2 + h**2


@pytest.mark.slow
def test_gates_and_flat_units():
    """Of two examples, one of which is not finite and counts in neither."""
    x = 20 * jnp.sign(jnp.sin(jnp.arange(1.0, 21)))[None]
    x = x.at[0, :5].set(0.1)
    x = jnp.concatenate([x, jnp.full_like(x, jnp.nan)])
    params = {"f": jnp.array(1.0), "w": jnp.array(0.5)}
    found = rnnjax.monitor(gated)(params, x, 0)
    np.testing.assert_allclose(found["scan_0/flat_share"], 0.75, atol=1e-12)
    gates = jax.nn.sigmoid(1.0 + 0.1 * x[0]).mean()
    np.testing.assert_allclose(found["scan_0/gate_mean"], gates, rtol=1e-12)


def vanilla(W, x):
    return jnp.sum(jax.lax.scan(lambda h, x: (jnp.tanh(W @ h + x), None), 0.1 * x[0], x)[0]) ** 2


@pytest.mark.wide
def test_the_exponent_is_the_growth_on_the_way_back_without_its_first_tenth():
    """It tends to the largest exponent, here of 2,000 steps forward."""
    W = 1.2 * np.asarray(jax.random.normal(jax.random.key(0), (3, 3))) / math.sqrt(3)
    x = 0.3 * jax.random.normal(jax.random.key(1), (1, 2000, 3))
    found = rnnjax.monitor(vanilla)(W, x, 0)["scan_0/exponent"]
    slopes, h, pushed, forward = [], np.array(0.1 * x[0, 0]), np.ones(3), []
    for x_t in np.array(x[0]):
        h = np.tanh(W @ h + x_t)
        slopes.append(1 - h**2)
        pushed, grown = unit(slopes[-1] * (W @ pushed))
        forward.append(grown)
    pulled, back = np.ones(3), []
    for slope in slopes[::-1]:
        pulled, grown = unit(W.T @ (slope * pulled))
        back.append(grown)
    np.testing.assert_allclose(found, np.mean(back[200:]), rtol=1e-9)
    np.testing.assert_allclose(found, np.mean(forward[200:]), atol=1e-2)
    assert found < -0.1


def unit(v):
    """A vector of norm 1, and ln of its norm."""
    norm = np.linalg.norm(v)
    return v / norm, math.log(norm)


def test_between_its_updates_all_is_nan_under_the_same_keys_and_nothing_is_traced_again():
    monitored = jax.jit(MONITORED)
    first = monitored(0.5, IMPULSES, 0)
    n_traced = len(TRACED)
    later = [monitored(0.5 + 0.01 * i, IMPULSES, i) for i in range(1, 7)]
    assert len(TRACED) == n_traced
    assert all(found.keys() == first.keys() for found in later)
    assert [bool(jnp.isnan(found["loss"])) for found in later] == [True, True, False] * 2
    assert all(jnp.isnan(number) for number in later[0].values())
    assert {number.dtype for found in (first, *later) for number in found.values()} == {
        jnp.dtype(float)
    }


def test_called_by_itself_it_follows_what_the_loss_closes_over(monkeypatch):
    """The state after ones is 2 - 2^-4; between its updates nothing is traced."""
    # No number of a layer: it is compiled in less time.
    module = sys.modules[median.__module__]
    monkeypatch.setattr(module, "scalars", lambda r: {"finite": jnp.isfinite(r.states[-1, 0])})
    now = [1.0]
    traced = []

    def loss(w, x):
        traced.append(1)
        return now[0] * jax.lax.scan(lambda h, x: (w * h + x, None), 0.0, x)[0]

    monitored = rnnjax.monitor(loss, every=2)
    for s in (1.0, 2.0):
        now[0] = s
        assert monitored(0.5, np.ones((1, 5)), 0)["loss"] == s * 1.9375
    monitored(0.5, np.ones((1, 5)), 1)
    n_traced = len(traced)
    between = monitored(0.5, np.ones((1, 5)), 3)
    assert len(traced) == n_traced and all(map(jnp.isnan, between.values()))


def test_only_the_first_examples_are_looked_at():
    more = jnp.concatenate([IMPULSES, 100 * IMPULSES])
    assert MONITORED(0.5, more, 0)["loss"] == 9


def test_an_example_that_is_not_finite_is_told_and_left_out():
    x = IMPULSES.at[1, 4].set(jnp.nan)
    found = MONITORED(0.5, x, 0)
    assert found["finite"] == 0
    np.testing.assert_allclose(found["scan_0/exponent"], math.log(0.5), atol=1e-12)
    np.testing.assert_allclose(found["scan_0/log_norm_at_end"], math.log(12) / 2, atol=1e-12)
    none = MONITORED(0.5, jnp.full_like(x, jnp.inf), 0)
    assert none["finite"] == 0 and jnp.isnan(none["scan_0/horizon"])


def test_layers_are_chosen_by_name():
    def two(w, x):
        return linear(w, x) + linear(w, x[::-1])

    found = jax.eval_shape(
        lambda x: rnnjax.monitor(two, layers="scan_1")(0.5, x, 0), jnp.ones((1, 4))
    )
    assert {name.split("/")[0] for name in found} == {"scan_1", "loss", "finite", "gradient"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0, 1.0, 2.0], 2), ([1.0, 4.0], 2.5), ([np.nan, 1.0, np.nan], 1), ([np.nan], np.nan),
     ([1.0, np.inf, np.inf], np.inf), ([1.0, 2.0, np.inf], 2), ([-np.inf, -np.inf], -np.inf),
     ([1.0, np.inf], np.inf)],
)  # fmt: skip
def test_the_median_of_numbers_that_may_be_infinite_or_missing(values, expected):
    np.testing.assert_array_equal(median(jnp.array(values)), expected)


X = np.ones((2, 5))
REFUSED = [
    ((linear, 0.5, X, 1.0), "update_number: expected an integer, got 1.0"),
    ((linear, 0.5, X, None), "update_number: expected an integer, got None"),
    ((linear, 0.5, X, True), "update_number: expected an integer, got True"),
    ((linear, 0.5, X, np.arange(2)), "update_number: expected an integer, got array"),
    ((linear, 0.5, 1.0, 0), "examples: expected arrays with one leading axis"),
    ((linear, 0.5, {}, 0), "examples: expected arrays with one leading axis"),
    ((linear, 0.5, (X, X[:1]), 0), "examples: expected arrays with one leading axis"),
    ((linear, 0.5, X[:0], 0), "examples: expected arrays with one leading axis"),
    ((linear, 0.5, "text", 0), "examples: expected a tree of arrays, got 'text'"),
    ((linear, "0.5", X, 0), "params: expected a tree of arrays, got '0.5'"),
    ((linear, 1, X, 0), "params: expected floating-point arrays, got none"),
    ((lambda w, x: w * x[0], 0.5, X, 0), "loss: expected a recurrence"),
    ((lambda w, x: w * x, 0.5, X, 0), "loss: expected one real number of shape"),
    ((lambda w: w, 0.5, X, 0), "loss: expected it to take params and one example"),
]


@pytest.mark.parametrize(("given", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_what_is_refused_at_the_first_call(given, told):
    loss, *rest = given
    with pytest.raises(ValueError, match=r"expected .*, got") as caught:
        rnnjax.monitor(loss)(*rest)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"every": 0}, "every: expected"), ({"n_examples": 1.5}, "n_examples: expected")],
)
def test_options_have_ranges(options, told):
    with pytest.raises(ValueError, match=told):
        rnnjax.monitor(linear, **options)


def test_a_loss_that_is_no_function():
    with pytest.raises(ValueError, match="loss: expected a function"):
        rnnjax.monitor(3)
