"""Arrays of any dtype are taken as the same numbers, and those of another shape are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import activations, analysis

FALL = -0.0125 * jnp.arange(400.0)  # two decades at lag 369: bfloat16 has 8 digits for it


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "bfloat16", "float16", "float32"])
def test_decay_of_any_dtype_is_that_of_the_same_numbers(dtype):
    falling = jnp.array([9, 7, 6, 4, 1], dtype)
    same = falling.astype("float64")
    assert analysis.horizon(falling, 1.0) == analysis.horizon(same, 1.0) == 2
    assert analysis.horizon(falling, 9.0) == jnp.inf
    found, expected = analysis.e_folding(falling), analysis.e_folding(same)
    assert expected["growth_rate"] == -2
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_horizon_has_all_its_digits_in_half_precision(dtype):
    rounded = FALL.astype(dtype)
    assert analysis.horizon(rounded) == analysis.horizon(rounded.astype("float64"))


def test_lists_are_taken():
    assert analysis.horizon([0.0, -1.0, -20.0]) == 2
    assert analysis.e_folding([0, -1, -2, -3, -4])["growth_rate"] == -1
    assert analysis.kaplan_yorke_dimension([1, 0, -2]) == 2.5
    assert analysis.entropy_rate([0.5, 0.25, -1]) == 0.75


def test_lags_that_are_not_there_do_not_count():
    curve = jnp.array([0.0, -1.0, -10.0, -50.0, -60.0, -61.0])
    assert analysis.horizon(curve, n_lags=1) == jnp.inf
    assert analysis.horizon(curve, n_lags=2) == 2
    found = jax.jit(analysis.e_folding)(curve, jnp.array(9))
    assert all(np.isnan(value) for value in found.values())


def test_no_sample_without_a_stratum_and_no_other_stratum_enters_a_mean():
    values = jnp.array([[jnp.nan, 1.0, 3.0], [2.0, jnp.inf, jnp.nan]])
    members = jax.nn.one_hot(jnp.array([[3, 0, 0], [0, 1, 2]]), 3)
    means, _ = analysis.stratified(values, members)
    np.testing.assert_array_equal(means, [2.0, jnp.inf, jnp.nan])


TWO, THREE = jnp.ones(2), jnp.ones(3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: analysis.horizon(jnp.ones((2, 9))), r"log_norm: .*\(n,\).*, got \(2, 9\); vmap"),
        (lambda: analysis.horizon(jnp.ones(0)), r"log_norm: expected shape .*, got \(0,\)"),
        (lambda: analysis.horizon(jnp.ones(3) * 1j), "log_norm: .* real numbers, got complex"),
        (lambda: analysis.horizon(jnp.ones(9), n_lags=9), "n_lags: .* from 0 to 8 .*, got 9"),
        (lambda: analysis.e_folding(jnp.ones(9), -1), "n_lags: .* from 0 to 8 .*, got -1"),
        (lambda: analysis.e_folding(jnp.ones((9, 9))), r"log_norm: .*, got \(9, 9\)"),
        (lambda: analysis.kaplan_yorke_dimension(jnp.ones((2, 3))), r"exponents: .* \(2, 3\)"),
        (lambda: analysis.entropy_rate(jnp.ones((2, 3))), r"exponents: .* \(2, 3\)"),
        (lambda: analysis.ridge(jnp.ones((3, 2)), TWO, TWO), r"log_norm: .*\(2, 2\), got \(3, 2\)"),
        (lambda: analysis.ridge(jnp.ones(6), TWO, THREE), r"log_norm: .*\(2, 3\), got \(6,\)"),
        (lambda: analysis.stratified(jnp.ones((2, 3)), jnp.ones((1, 3, 2))), "values: .*shape"),
        (lambda: analysis.stratified(jnp.ones((2, 1)), jnp.ones((2, 3, 2))), "values: .*shape"),
        (lambda: analysis.share_in_direction(jnp.ones((3, 2)), jnp.ones((3, 1))), "way: .*shape"),
        (lambda: analysis.log_margins(activations.tanh, -1.5, 0.0, 3), "gain: .* at least 0"),
        (lambda: analysis.log_margins("tanh", 1.5, 0.0, 3), "activation: .* value of Activation"),
        (lambda: analysis.pairwise_alignment({}, reference="BPTT"), "reference: expected one of"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_line(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        wrong()
    assert "\n" not in str(caught.value)
