"""What is a unit or a gate, and what only a part of an activation; derivative rules are kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.diagnosis import remedies, units
from rnnjax.jaxprs import sites

N, T = 4, 12
KEY = jax.random.key
PARAMS = {
    "W": 0.1 * jax.random.normal(KEY(0), (N, N)),
    "U": jax.random.normal(KEY(1), (N, 2)),
    "d": jnp.array([0.5, 0.8, 0.3, 0.9]),
}
X = jax.random.normal(KEY(2), (T, 2))


def recurrence(step, params=PARAMS, x=X):
    def loss(params, x):
        return jnp.sum(jax.lax.scan(lambda h, x: (step(params, h, x), None), jnp.zeros(N), x)[0])

    return rnnjax.recurrences(loss, params, x)[0]


def units_of(step):
    """The units, from shapes alone."""
    return units.units_of(jax.eval_shape(lambda params: recurrence(step, params), PARAMS))


def layer(activation, bias=0.0):
    return lambda p, h, x: activation(p["W"] @ h + p["U"] @ x + bias)


def diagonal(activation, bias=0.0):
    return lambda p, h, x: activation(p["d"] * h + p["U"] @ x + bias)


def twice(p, h, x):
    """A silu whose argument is written twice."""
    return (p["W"] @ h + p["U"] @ x) * jax.nn.sigmoid(p["W"] @ h + p["U"] @ x)


def silu_gru(p, h, x):
    z = jax.nn.sigmoid(p["U"] @ x + p["W"] @ h)
    return (1 - z) * jax.nn.silu(p["W"] @ h - p["U"] @ x) + z * h


COMPOSITES = {
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
    "erf": lambda z: 0.5 * z * (1 + jax.lax.erf(z / 2**0.5)),
    "mish": jax.nn.mish,
    "celu": jax.nn.celu,
    "swish": lambda z: z * jax.nn.sigmoid(1.7 * z),
    "leaky": lambda z: jax.nn.relu(z) - 0.1 * jax.nn.relu(-z),
    "residual": lambda z: z + jnp.tanh(z),
    "parts that are masked": lambda z: jnp.where(z > 0, z, jnp.tanh(z)),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_part_of_an_activation_is_no_unit(name):
    assert units_of(layer(COMPOSITES[name])) == []


@pytest.mark.parametrize("step", [twice, silu_gru])
def test_a_part_is_told_where_its_argument_is_written_twice_and_beside_gates(step):
    assert units_of(step) == []


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (layer(jnp.tanh), ["tanh"] * N),
        (layer(lambda z: (1 + jnp.tanh(z / 2)) / 2), ["tanh"] * N),
        (layer(jax.nn.relu6), ["relu"] * N),
        (lambda p, h, x: h + 0.1 * (jnp.tanh(p["W"] @ h + x[0]) - h), ["tanh"] * N),
        # The gate and the unit read the state entry by entry, each with other weights.
        (
            lambda p, h, x: jnp.tanh(p["d"] * h + x[0]) * jax.nn.sigmoid(h - x[1]) + h / 2,
            ["tanh"] * N,
        ),
    ],
)
def test_what_is_a_unit(step, expected):
    assert units_of(step) == expected


def test_a_counter_that_is_cut_off_at_0_is_no_unit():
    def loss(p, x):
        def step(carry, x):
            h, t = carry
            late = jnp.maximum(t - 3, 0)
            return (jnp.tanh(p["W"] @ h + p["U"] @ x + late), t + 1), None

        return jnp.sum(jax.lax.scan(step, (jnp.zeros(N), 0), x)[0][0])

    assert units.units_of(rnnjax.recurrences(loss, PARAMS, X)[0]) == ["tanh"] * N


@pytest.mark.parametrize(
    ("activation", "kind"),
    [
        (jax.nn.elu, layer),
        *(
            pytest.param(activation, kind, marks=pytest.mark.wide)
            for activation in (jax.nn.elu, jax.nn.softplus, jax.nn.silu, jax.nn.gelu)
            for kind in (layer, diagonal)
        ),
    ],
)
def test_the_slope_of_an_activation_is_no_gate(activation, kind):
    r = recurrence(kind(activation, bias=-10.0 if kind is layer else -4.0))
    assert np.isnan(units.gates(r)["gate_mean"]).all()


@pytest.mark.parametrize(
    ("bias", "sign"),
    [
        (-8.0, 1),
        *(
            pytest.param(bias, sign, marks=pytest.mark.wide)
            for bias in (0.0, -12.0, 12.0)
            for sign in (1, -1)
        ),
    ],
)
def test_a_gate_is_one_however_far_it_is_shut(bias, sign):
    """Written as z h + (1 - z) n, or as h + (1 - z) (n - h)."""

    def step(p, h, x):
        z = jax.nn.sigmoid(sign * (p["U"] @ x + bias))
        new = jnp.tanh(p["W"] @ h + x[0])
        return z * h + (1 - z) * new if sign > 0 else h + z * (new - h)

    keep, is_gate = units.keep_factors(recurrence(step))
    expected = jax.nn.sigmoid(X @ PARAMS["U"].T + bias)
    np.testing.assert_allclose(keep, expected, rtol=0, atol=1e-6)
    assert np.all((keep >= 0) & (keep <= 1))
    assert np.all(is_gate == (np.ptp(keep, axis=0) > 1e-6))
    assert is_gate.any()


@jax.custom_jvp
def rounded(x):
    return jnp.round(x * 8) / 8


rounded.defjvp(lambda x, v: (rounded(x[0]), v[0]))


@jax.custom_jvp
def spike(x):
    return jnp.where(x > 0, 1.0, 0.0)


spike.defjvp(lambda x, v: (spike(x[0]), v[0] / (1 + abs(x[0])) ** 2))


@jax.custom_jvp
def passing(x):
    return jnp.tanh(x)


passing.defjvp(lambda x, v: (passing(x[0]), v[0]))


@pytest.mark.parametrize(
    "activation",
    [
        lambda z: rounded(jnp.tanh(z)),
        *(pytest.param(f, marks=pytest.mark.wide) for f in (spike, passing)),
    ],
)
def test_a_step_that_is_evaluated_has_the_derivative_of_its_rules(activation):
    r = recurrence(layer(activation))
    h, t = r.states[3], jnp.int32(3)
    for step in (lambda h: sites.evaluated(r.cell, r.params, h, t)[0],
                 lambda h: remedies.shifted_gates(r)(h, t)):  # fmt: skip
        found = jax.jacobian(step)(h)
        expected = jax.jacobian(lambda h: layer(activation)(PARAMS, h, X[3]))(h)
        assert np.any(expected != 0)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.wide
def test_a_unit_with_a_rule_has_the_slope_of_its_rule():
    r = recurrence(layer(passing, bias=20.0))
    assert units.units_of(r) == ["tanh"] * N
    np.testing.assert_array_equal(units.slopes(r)["flat_share"], 0)
    np.testing.assert_array_equal(units.slopes(recurrence(layer(jnp.tanh, 20.0)))["flat_share"], 1)


@pytest.mark.wide
def test_a_relu_that_is_cut_off_above_is_not_dead_there():
    assert not units.slopes(recurrence(layer(jax.nn.relu6, bias=50.0)))["dead"].any()
    assert units.slopes(recurrence(layer(jax.nn.relu6, bias=-50.0)))["dead"].all()


@pytest.mark.wide
def test_no_remedy_opens_gates_where_there_are_none():
    def loss(p, x):
        return jax.lax.scan(lambda h, x: (rounded(jnp.tanh(p * h + x)), None), 0.0, x)[0]

    report = rnnjax.diagnose(loss, 0.3, jnp.linspace(-1, 1, 60).reshape(1, 60), longest_window=2)
    assert not [m for m in report.remedies if "gates" in m.action]


def normalised(z):
    """LayerNorm as flax has it: a variance that rounding may make negative is cut at 0."""
    variance = jnp.maximum(0.0, jnp.mean(z**2) - jnp.mean(z) ** 2)
    return (z - jnp.mean(z)) * jax.lax.rsqrt(variance + 1e-6)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [(jnp.tanh, ["tanh"]), (jax.nn.relu, ["relu"]), (jax.nn.sigmoid, ["logistic"]), (None, [])],
)
def test_the_variance_of_a_layer_norm_is_no_unit(activation, expected):
    def step(p, h, x):
        z = normalised(p["W"] @ h + p["U"] @ x)
        return z if activation is None else activation(z)

    assert units_of(step) == expected * N


@pytest.mark.parametrize("of_weights", [jax.nn.relu, jnp.tanh, jax.nn.sigmoid])
@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.relu, jax.nn.sigmoid, None])
def test_activations_of_weights_alone_are_no_units(of_weights, activation):
    """The rates of a leak, and the exponential of a matrix, which takes a max(0, log2 |W|)."""

    def step(p, h, x):
        z = of_weights(p["d"]) * h + jax.scipy.linalg.expm(p["W"]) @ (p["U"] @ x)
        return z if activation is None else activation(z)

    names = {jnp.tanh: "tanh", jax.nn.relu: "relu", jax.nn.sigmoid: "logistic"}
    assert units_of(step) == ([] if activation is None else [names[activation]] * N)
