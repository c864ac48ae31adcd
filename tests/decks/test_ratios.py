import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import scaled
from rnnjax.decks import ratios


def multiplied(d, multiplier, **options):
    """u_n of a sequence of numbers (n, ...)."""
    steps = scaled.normalise(jnp.asarray(d), jnp.zeros(len(d), jnp.int32))

    @jax.jit
    def run(steps):
        def one(history, d):
            u, history = ratios.step(multiplier, ratios.each_weight, history, d, **options)
            return history, u

        first = jax.tree.map(lambda a: a[0], steps)
        return scaled.plain(jax.lax.scan(one, ratios.no_history(first), steps)[1])

    return np.asarray(run(steps))


@pytest.mark.parametrize("rho", [0.8, 1.25, -0.5])
def test_a_geometric_sequence_is_multiplied_by_its_ratio(rho):
    d = 0.7 * rho ** np.arange(8)
    expected = np.where(np.arange(8) < 2, 1, rho)
    np.testing.assert_allclose(multiplied(d, ratios.Literal()) / d, expected, rtol=1e-12)


@pytest.mark.parametrize("rho", [0.8, 1.25])
def test_the_recursive_multiplier_has_period_six(rho):
    d = rho ** np.arange(14.0)
    m = multiplied(d, ratios.Literal(), recursive=True) / d
    period = [1, 1, rho, rho**2, rho**2, rho]
    np.testing.assert_allclose(m, np.resize(period, 14), rtol=1e-12)


def test_literal_ratios_end_as_arithmetic_says():
    u = multiplied(np.array([[0, 0, 1e-9], [1, 0, 0.3], [1, 1, 0.2]]), ratios.Literal())
    assert np.isposinf(u[2, 0]) and np.isnan(u[2, 1])
    np.testing.assert_allclose(u[2, 2], 0.2 * 3e8)


def test_the_safeguard_bounds_and_distrusts():
    rule = ratios.Safeguarded(0.5, 1.75, 1e-3)
    newer = jnp.array([1.2, 5.0, 0.1, -1.0, 1.0, 0.0, 0.5])
    older = jnp.array([1.0, 1.0, 1.0, 1.0, 1e-6, 0.0, 0.0])
    got = jax.jit(lambda a, b: rule(a, b))(newer, older)
    np.testing.assert_allclose(got, [1.2, 1.75, 0.5, 1, 1, 1, 1], rtol=1e-5)
    only_faster = jax.jit(lambda a, b: ratios.Safeguarded()(a, b))(newer, older)
    np.testing.assert_allclose(only_faster, [1.2, 1.75, 1, 1, 1, 1, 1], rtol=1e-5)


def test_extrapolation_lands_in_the_limit_of_a_geometric_series():
    d = 0.3 * 0.9 ** np.arange(3)
    u = multiplied(d, ratios.Extrapolated())
    np.testing.assert_allclose(u.sum(), 0.3 / (1 - 0.9), rtol=1e-12)
    np.testing.assert_allclose(multiplied(d, ratios.Extrapolated(high=4.0))[2], 4 * d[2])
    for growing in ([1.0, 1.2, 1.4], [1.0, -0.5, 0.2], [0.0, 0.0, 1.0]):
        np.testing.assert_array_equal(multiplied(growing, ratios.Extrapolated()), growing)


@pytest.mark.wide
def test_each_unit_of_a_layer_shares_the_ratio_of_its_bias():
    from rnnjax.cells import JordanParams

    tree = [
        scaled.normalise_tree(JordanParams(*(jnp.full(s, v) for s in ((2, 3), 2, (1, 2), 1))))
        for v in (6.0, 2.0)
    ]
    pairs = ratios.EachUnit((("b", ("W", "b")), ("c", ("V", "c"))))(*tree)
    assert [pair.newer.value.shape for pair in pairs] == [(2, 1), (2,), (1, 1), (1,)]
    got = [scaled.plain(pair.newer) / scaled.plain(pair.older) for pair in pairs]
    assert all(np.all(ratio == 3) for ratio in got)


@pytest.mark.wide
def test_ratios_of_the_whole_do_not_depend_on_the_scale():
    a, b = np.array([3.0, 4.0]), np.array([2.0, 0.0])
    for shift in (0, 5000):
        newer, older = (scaled.normalise(jnp.asarray(v), shift) for v in (a, b))
        for of, expected in ((ratios.norms, 5 / 2), (ratios.projection, 6 / 4)):
            pair = of(newer, older)
            ratio = scaled.shift(pair.newer.value, pair.newer.exponent - pair.older.exponent)
            np.testing.assert_allclose(ratio / pair.older.value, expected, rtol=1e-9)
