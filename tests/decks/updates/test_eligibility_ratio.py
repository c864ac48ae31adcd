"""The ratio across training cycles, on a quadratic whose curvature is known."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import decks
from rnnjax.decks import ratios


def descend(transformation, a, n, start=1.0):
    """x_0..x_n of gradient steps on x^2 / 2 per unit of curvature, with a = rate x curvature."""
    optimiser = optax.chain(transformation, optax.sgd(1.0))

    @jax.jit
    def run(a):
        def one(carry, _):
            x, state = carry
            step, state = optimiser.update(a * x, state)
            return (x + step, state), x

        x = jnp.asarray(start)
        return jax.lax.scan(one, (x, optimiser.init(x)), None, length=n + 1)[1]

    return np.asarray(run(a))


@pytest.mark.parametrize("a", [0.05, 0.1, 0.5])
def test_the_rate_is_that_of_implicit_descent(a):
    x = descend(decks.eligibility_ratio(), a, 300)
    np.testing.assert_allclose(x[101] / x[100], 1 / (1 + a), rtol=1e-10)
    assert 1 / (1 + a) > 1 - a


@pytest.mark.parametrize(("a", "n_steps"), [(1.05, 272), (1.2, 131), (1.5, 86), (1.9, 67)])
def test_it_overflows_where_plain_descent_converges(a, n_steps):
    x = descend(decks.eligibility_ratio(), a, 2 * n_steps)
    first = int(np.argmax(~np.isfinite(x)))
    assert abs(first - n_steps) <= 1
    assert abs(descend(optax.identity(), a, 400)[-1]) < 1e-8 or a == 1.9


def test_it_follows_the_recursion_of_the_ratios():
    a = 0.3
    x = descend(decks.eligibility_ratio(), a, 12)
    r = x[1:] / x[:-1]
    np.testing.assert_allclose(r[3:], 1 - a * r[1:-2], rtol=1e-12)


def test_every_third_step_of_aitken_finds_the_minimum():
    aitken = decks.eligibility_ratio(ratios.Extrapolated(), every=3)
    x = descend(aitken, 0.05, 3)
    np.testing.assert_allclose(x[:3], 0.95 ** np.arange(3), rtol=1e-12)
    assert abs(x[3]) < 1e-12


def test_the_safeguarded_form_never_leaves_descent():
    safe = decks.eligibility_ratio(ratios.Safeguarded())
    np.testing.assert_allclose(descend(safe, 0.05, 50), descend(optax.identity(), 0.05, 50))
    assert np.all(np.diff(np.abs(descend(safe, 1.1, 50))) < 0)


def test_the_recursive_form_grows():
    recursive = decks.eligibility_ratio(recursive=True)
    assert np.max(np.abs(descend(recursive, 0.3, 400))) > 1e6
    assert abs(descend(optax.identity(), 0.3, 400)[-1]) < 1e-50


@pytest.mark.wide
def test_descents_at_several_step_sizes_are_those_one_by_one():
    optimisers, a = (optax.sgd(1.0), optax.sgd(1.0, momentum=0.5)), jnp.array([0.3, 1.2, 4.5])
    rates, lost = jax.jit(lambda a: decks.over_step_sizes(optimisers, a, 1200))(a)
    for i, optimiser in enumerate(optimisers):
        for j, one in enumerate(a):
            x = decks.descend(optimiser, one, 1200)
            np.testing.assert_allclose(rates[i, j], decks.late_rate(x), rtol=1e-9)
            assert lost[i, j] == decks.first_step(~jnp.isfinite(x))
    np.testing.assert_allclose(rates[0, :2], [0.7, 0.2], rtol=1e-9)
    assert np.isinf(lost[0, :2]).all() and np.isfinite(lost[0, 2])


def test_a_path_that_swings_through_its_goal_has_not_vanished():
    x = decks.descend(optax.sgd(1.0, momentum=0.9), 1.0, 600)
    x = np.asarray(x)
    assert x[1] == 0 and abs(x[-1]) > 1e-20
    expected = abs(x[600] / x[550]) ** (1 / 50)
    assert decks.late_rate(x) == pytest.approx(expected, rel=1e-12) and 0.9 < expected < 1
    assert decks.late_rate(decks.descend(optax.sgd(1.0), 1.0, 600)) == 0


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([1, 0, np.nan, np.nan], np.nan),  # the ratio is 0/0 from then on
        ([1, 0.5, 0.5, np.nan], np.nan),
        ([np.nan], np.nan),
        ([1, 2, np.inf, np.nan], np.inf),
        ([1, 1e200, np.nan], np.inf),  # inf - inf or 0 inf of what has grown too large
        ([1, 0.5, 0.25], 0.5),  # fewer than 50 steps
        ([1, 0.5, 0, 0], 0),
        ([1, -3], 3),
    ],
)
def test_the_late_rate_by_hand(path, expected):
    np.testing.assert_allclose(decks.late_rate(jnp.array(path, float)), expected, rtol=1e-12)


def test_at_its_goal_the_literal_ratio_does_not_diverge():
    literal = decks.eligibility_ratio()
    assert np.isnan(decks.late_rate(descend(literal, 1.0, 100)))
    assert np.isinf(decks.late_rate(descend(literal, 1.5, 3000)))
