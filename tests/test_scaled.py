import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax import scaled
from rnnjax.scaled import Scaled

VALUES = np.random.default_rng(0).standard_normal((3, 7))

# Compiled: outside of a program every operation on every shape would be one of its own.
add, clip_norm, cosine = (jax.jit(f) for f in (scaled.add, scaled.clip_norm, scaled.cosine))
log_norm, normalise, plain = map(jax.jit, (scaled.log_norm, scaled.normalise, scaled.plain))


def number(log2, seed=0, n=7):
    """A vector of about 2^log2 and its exact float64 mantissa."""
    value = np.float32(np.random.default_rng(seed).standard_normal(n))
    return normalise(value, np.int32(log2)), np.asarray(value, float)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_power_of_two_is_exact_over_the_normal_range(dtype):
    info = jnp.finfo(dtype)
    exponents = np.arange(info.minexp - 1, info.maxexp, dtype=np.int32)
    below, *found = jax.jit(scaled.power_of_two, static_argnums=1)(exponents, dtype)
    np.testing.assert_array_equal(found, np.ldexp(np.ones((), dtype), exponents[1:]))
    assert below == 0


@given(st.integers(-200, 200), st.integers(-120, 120))
@settings(max_examples=60, deadline=None)
def test_shift_is_ldexp_wherever_the_result_is_normal(exponent, start):
    value = np.float32(1.7182818) * np.float32(2.0) ** start
    expected = np.ldexp(np.float64(value), exponent)
    if 2.0**-126 <= expected < 2.0**127:
        assert scaled.shift(jnp.float32(value), jnp.int32(exponent)) == np.float32(expected)


@pytest.mark.parametrize("size", [1e-36, 1e-30, 1.0, 1e30, 3.4e38])
def test_normalise_keeps_the_number_and_brings_it_near_one(size):
    value = np.float32(VALUES[0] / np.max(np.abs(VALUES[0])) * size)
    got = normalise(value)
    assert 1 <= np.max(np.abs(got.value)) < 4
    np.testing.assert_array_equal(np.ldexp(np.asarray(got.value, float), got.exponent), value)


def test_zero_has_no_exponent_and_no_influence():
    zero = normalise(np.zeros(7, np.float32), np.int32(500))
    assert scaled.is_zero(zero.exponent)
    assert scaled.unit_of(zero.exponent) == 500
    assert log_norm(zero) == -np.inf
    tiny, _ = number(-90_000)
    np.testing.assert_array_equal(add(zero, tiny).value, tiny.value)
    assert add(zero, tiny).exponent == tiny.exponent
    assert log_norm(add(zero, zero)) == -np.inf


@pytest.mark.parametrize("log2", [-300_000, -3000, 0, 3000, 300_000])
def test_log_norm_at_any_magnitude(log2):
    got, value = number(log2)
    expected = np.log(np.linalg.norm(value)) + log2 * np.log(2)
    np.testing.assert_allclose(log_norm(got), expected, rtol=3e-7)


def test_log_norm_of_a_tree_whose_leaves_lie_far_apart():
    (a, x), (b, _) = number(2000), number(-2000, seed=1)
    np.testing.assert_allclose(
        log_norm({"a": a, "b": b}), np.log(np.linalg.norm(x)) + 2000 * np.log(2), rtol=3e-7
    )


def test_stacked_numbers_have_a_norm_each():
    stack = normalise(VALUES, np.array([5000, 0, -5000], np.int32))
    expected = np.log(np.linalg.norm(VALUES, axis=1)) + np.log(2) * np.array([5000, 0, -5000])
    np.testing.assert_allclose(log_norm(stack), expected, rtol=1e-14)


@pytest.mark.parametrize("gap", [0, 3, -3, 20, 300])
def test_add_is_exact_addition(gap):
    (a, x), (b, y) = number(900, 1), number(900 + gap, 2)
    got = add(a, b)
    expected = x + np.ldexp(y, gap)
    found = np.ldexp(np.asarray(got.value, float), int(got.exponent) - 900)
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=2e-7 * np.max(np.abs(expected)))


def test_sum_over_leading_cancels_as_it_should():

    @jax.jit
    def both(values, exponents):
        total = scaled.sum_over_leading(scaled.normalise(values, exponents))
        return scaled.plain(total), scaled.plain(scaled.divide(total, 4))

    total, quarter = both(np.array([[1.0, 2], [-1.0, -2], [3.0, 4]]), np.array([9, 9, 7]))
    np.testing.assert_array_equal(total, [3 * 128, 4 * 128])
    np.testing.assert_allclose(quarter, [96, 128])


def test_cosine_where_a_norm_squared_would_be_zero_or_infinite():
    (a, x), (b, y) = number(-40_000, 1), number(70_000, 2)
    expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    np.testing.assert_allclose(cosine(a, b), expected, rtol=1e-5)
    np.testing.assert_allclose(cosine(a, a), 1.0, rtol=1e-6)


def test_the_angle_to_nothing_is_undefined():
    zero = normalise(np.zeros(7, np.float32))
    assert np.isnan(cosine(zero, number(0)[0]))


def test_a_direction_has_length_one_at_e100000(float32):
    """Times e^-log_norm it would be off by 1e5 roundings of float32, which is half a percent."""
    log2 = int(1e5 / np.log(2))
    (a, x), (b, y) = number(log2, 1), number(log2 - 2, 2)
    found = np.concatenate(list(scaled.direction({"a": a, "b": b}).values())).astype(float)
    expected = np.concatenate([x, y / 4])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)
    nothing = {"a": normalise(np.zeros(2, np.float32))}
    assert np.all(np.isnan(scaled.direction(nothing)["a"]))


def test_clipping_keeps_the_direction_at_e400(float32):
    """||g|| = e^400: plain float32 divides inf by inf."""
    log2 = int(400 / np.log(2))
    (a, x), (b, y) = number(log2, 1), number(log2 - 2, 2)
    direction = np.concatenate([x, y / 4])
    direction /= np.linalg.norm(direction)
    clipped = clip_norm({"a": a, "b": b}, 1.0)
    found = np.concatenate([np.asarray(clipped["a"], float), np.asarray(clipped["b"], float)])
    np.testing.assert_allclose(found, direction, atol=1e-6)
    whole = np.concatenate(list(plain({"a": a, "b": b}).values()))
    with np.errstate(invalid="ignore"):
        assert not np.all(np.isfinite(whole / np.linalg.norm(whole)))


def clipped_tree(tree, threshold):
    return scaled.clip_norm(scaled.normalise_tree(tree), threshold)


@pytest.mark.parametrize("threshold", [1e-3, 0.5, 10.0])
def test_clipping_is_the_textbook_rule_at_ordinary_norms(threshold):
    g = {"a": VALUES, "b": VALUES[0]}
    norm = np.sqrt(np.sum(VALUES**2) + np.sum(VALUES[0] ** 2))
    clipped = jax.jit(clipped_tree)(g, threshold)
    for name, value in g.items():
        expected = value * min(1.0, threshold / norm)
        np.testing.assert_allclose(clipped[name], expected, rtol=1e-14)


def test_complex_numbers_are_scaled_by_their_larger_part():
    value = np.array([1e-30 + 3e-25j, 2e-26 - 1e-30j], np.complex64)
    got = normalise(value, np.int32(-5000))
    expected = np.log(np.linalg.norm(np.asarray(value, complex) * 1e20)) - np.log(1e20)
    np.testing.assert_allclose(log_norm(got), expected - 5000 * np.log(2), rtol=1e-6)


def test_non_finite_numbers_stay_non_finite():
    for bad in (np.inf, np.nan):
        got = normalise(np.array([1.0, bad]))
        assert not np.all(np.isfinite(plain(got)))
        assert not np.isfinite(log_norm(got))


def test_everything_works_under_vmap_and_grad_of_plain_values():
    stack = jax.tree.map(np.asarray, normalise(VALUES, np.array([1, 2, 3])))
    one_by_one = [log_norm(Scaled(stack.value[i], stack.exponent[i])) for i in range(3)]
    np.testing.assert_array_equal(jax.jit(jax.vmap(scaled.log_norm))(stack), one_by_one)


@pytest.mark.parametrize("raw", [-110, 0, 90])
@pytest.mark.parametrize("apart", [-200, -3, 0, 5, 200])
def test_a_raw_sum_is_the_sum(raw, apart, float32):
    """`raw` may have its largest entry anywhere in the range."""
    a = np.array([1.5, -0.3, 0.001], np.float32)
    b = np.array([0.2, 1.1, -0.7], np.float32)
    given = scaled.Scaled(a * np.float32(2.0) ** raw, np.int32(apart - raw))
    got = jax.jit(scaled.add_raw)(given, normalise(b))
    top = max(apart, 0)
    expected = a * 2.0 ** (apart - top) + b * 2.0**-top
    value = np.asarray(got.value, float) * 2.0 ** float(got.exponent - top)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-30)
    assert np.abs(got.value).max() < 4


def test_a_raw_sum_with_nothing_is_the_other(float32):
    """A product that vanished must not hide what is far below its nominal exponent."""
    zero = scaled.Scaled(np.zeros(2, np.float32), np.int32(1000))
    b = normalise(np.array([1.0, -2.0], np.float32), np.int32(-500))
    got = jax.jit(scaled.add_raw)(zero, b)
    np.testing.assert_allclose(np.asarray(got.value) * 2.0 ** float(got.exponent + 500), [1, -2])


def test_a_stack_is_brought_to_one_exponent_whatever_the_size_of_its_entries(float32):
    value = np.array([[1e-30, -2e-30], [3.0, 0.5], [0.0, 0.0]], np.float32)
    exponent = np.array([300, 150, scaled.ZERO_EXPONENT], np.int32)
    common, top = map(np.asarray, jax.jit(scaled.common)(Scaled(value, exponent)))
    exact = np.float64(value[:2]) * 2.0 ** (np.float64(exponent[:2]) - 150)[:, None]
    np.testing.assert_allclose(np.float64(common[:2]) * 2.0 ** (int(top) - 150), exact, rtol=1e-7)
    assert 1 <= np.max(np.abs(common)) < 2
    assert not np.any(common[2])


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 13, 16, 31, 64, 65, 100, 1023, 1024, 1025])
def test_the_largest_entry_is_found_at_any_place_of_a_vector(n, float32):
    """Halves are compared with each other; no entry is left out, whatever the length."""
    vectors = np.full((n, n), 0.3, np.float32)
    exponents = np.arange(n) % 50
    np.fill_diagonal(vectors, -(1.5 * 2.0**exponents))
    found = jax.jit(scaled.exponent_of, static_argnums=1)(vectors, 1)
    np.testing.assert_array_equal(found, exponents)


def test_the_log_norm_of_what_is_normal_needs_no_other_pass():
    values = np.array([[1.5, -0.2, 1e-40], [0.0, 0.0, 0.0], [np.nan, 1.0, 1.0]])
    number = normalise(values, np.array([3, 0, 0]))
    np.testing.assert_array_equal(jax.jit(scaled.log_norm_of_normal)(number), log_norm(number))
