import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rnnjax import activation_named, activations, scaled
from rnnjax.activations import scaled_slope
from tests.discovery import activations_found

X = np.concatenate([np.linspace(-9, 9, 181), [-60.0, -30.0, 30.0, 60.0]])
ALL = pytest.mark.parametrize("f", activations_found(), ids=lambda f: f.name)

# f' written out, for numbers of any precision.
EXACT_SLOPE = {
    "identity": lambda x: mpmath.mpf(1),
    "tanh": lambda x: mpmath.sech(x) ** 2,
    "sigmoid": lambda x: mpmath.exp(-x) / (1 + mpmath.exp(-x)) ** 2,
    "relu": lambda x: mpmath.mpf(x > 0),
    "leaky_relu": lambda x: mpmath.mpf(1 if x >= 0 else 0.01),
    "hard_tanh": lambda x: mpmath.mpf(abs(x) <= 1),
    "softplus": lambda x: 1 / (1 + mpmath.exp(-x)),
    "erf": lambda x: mpmath.exp(-mpmath.pi / 4 * x * x),
    "gelu": lambda x: mpmath.ncdf(x) + x * mpmath.npdf(x),
}


@ALL
def test_slope_is_the_derivative_of_fn(f):
    slope, by_autodiff = jax.jit(lambda x: (f.slope(x), jax.vmap(jax.grad(f.fn))(x)))(X)
    np.testing.assert_allclose(slope, by_autodiff, rtol=1e-12, atol=1e-15)


@ALL
def test_slope_at_the_kinks_is_that_of_autodiff(f):
    kinks = np.array([-1.0, 0.0, 1.0])
    slope, by_autodiff = jax.jit(lambda x: (f.slope(x), jax.vmap(jax.grad(f.fn))(x)))(kinks)
    np.testing.assert_allclose(slope, by_autodiff, rtol=1e-14)


@ALL
def test_log_slope_survives_saturation_in_float32(f, float32):
    x = np.asarray(X, np.float32)
    with mpmath.workdps(60):
        slopes = [abs(EXACT_SLOPE[f.name](mpmath.mpf(float(v)))) for v in x]
        exact = np.array([float(mpmath.log(s)) if s else -np.inf for s in slopes])
    # At the root of gelu's slope its logarithm is ill-conditioned in x itself.
    smooth = np.abs(x + 0.7517915) > 0.1 if f.name == "gelu" else np.full(x.shape, True)
    found = np.asarray(jax.jit(f.log_slope)(x))
    np.testing.assert_allclose(found[smooth], exact[smooth], rtol=2e-6, atol=2e-6)


@ALL
def test_no_state_however_large_gives_nan(f, float32):
    @jax.jit
    @jax.vmap
    def slopes(x):
        return scaled_slope(f, x[None])[0], f.log_slope(x), f.slope(x)

    for found in slopes(np.array([-3e38, -1e20, 1e20, 3e38], np.float32)):
        assert not np.any(np.isnan(found))


@ALL
def test_max_slope_is_the_supremum(f):
    x = np.linspace(-30, 30, 600_001)
    steepest = jax.jit(lambda x: jnp.max(jnp.abs(f.slope(x))))(x)
    assert steepest <= f.max_slope * (1 + 1e-15)
    assert steepest >= f.max_slope * (1 - 1e-8)


@ALL
def test_homogeneous_activations_and_only_they_are_homogeneous(f):
    of_4x, of_x = jax.jit(lambda x: (f(4 * x), f(x)))(X[:181])
    assert np.allclose(of_4x, 4 * of_x, rtol=1e-14) == f.homogeneous


@ALL
def test_scaled_slope_is_the_slope(f):
    (slope, exponent), expected = jax.jit(lambda x: (scaled_slope(f, x), f.slope(x)))(X[20:150:10])
    np.testing.assert_allclose(slope * 2.0**exponent, expected, rtol=1e-13)


@pytest.mark.parametrize(("name", "height", "rate"), [("tanh", 4.0, 2.0), ("sigmoid", 1.0, 1.0)])
def test_scaled_slope_keeps_what_float32_cannot(name, height, rate, float32):
    x = np.array([-300.0, 301.0, 330.0], np.float32)
    run = jax.jit(lambda x: scaled_slope(activation_named(name), x))
    slope, exponent = map(np.asarray, run(x))
    expected = np.log(height) - rate * np.abs(x)
    np.testing.assert_allclose(np.log(slope) + exponent * np.log(2), expected, rtol=1e-6)
    assert 0.1 < np.max(slope) <= height


def test_an_unknown_name_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"activation: expected one of identity, tanh.*got 'tahn'"):
        activation_named("tahn")


@pytest.mark.parametrize("shape", [(), (1,), (9,), (3, 4), (2, 40)])
def test_slopes_of_any_shape_share_the_exponent_of_the_largest(shape, float32):
    x = 60 + 3 * np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for activation in (activation_named("tanh"), activation_named("sigmoid")):
        run = jax.jit(lambda x, f=activation: (*scaled_slope(f, x), f.log_slope(x)))
        slope, exponent, log_slope = run(x)
        assert slope.shape == shape and exponent.shape == ()
        found = np.log(np.asarray(slope, float)) + float(exponent) * np.log(2)
        np.testing.assert_allclose(found, log_slope, rtol=1e-6, atol=2e-5)
        assert 0.2 < np.max(slope) < 4.1


@pytest.mark.parametrize("name", ["identity", "tanh", "sigmoid", "softplus", "hard_tanh", "relu"])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_slopes_at_complex_numbers_are_those_of_the_analytic_function(name, size):
    f = activation_named(name)
    rng = np.random.default_rng(0)
    z = size * jnp.asarray(rng.standard_normal(7) + 1j * rng.standard_normal(7))
    plain = {"tanh": jnp.tanh, "sigmoid": lambda z: 1 / (1 + jnp.exp(-z))}.get(name, f.fn)
    expected = jax.vmap(jax.grad(plain, holomorphic=True))(z)
    by_autodiff = jax.vmap(jax.grad(lambda z: activations.with_slope(f, z), holomorphic=True))(z)
    ways = (scaled_slope, activations.graded_slope)
    shifted = [scaled.shift(*way(f, z)) for way in ways]
    # The plain derivative 1 - tanh^2 itself has lost the digits of small slopes.
    for got in (f.slope(z), by_autodiff, *shifted):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-15)
