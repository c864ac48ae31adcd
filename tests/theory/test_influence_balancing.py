"""Closed forms of influence balancing against double sums, matrices and each other."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from rnnjax.theory import influence_balancing as theory

NETWORK = (23, 10)
SIZES = [(23, 10), (23, 11), (7, 5), (5, 0), (1, 1), (40, 3)]


def double_sum(window, n_states, n_positive):
    """Return c_K of equation (2) in fractions."""
    v = theory.signs(n_states, n_positive)
    terms = (
        Fraction(comb(j, m), 2**j) * int(v[m])
        for j in range(window)
        for m in range(min(j + 1, n_states))
    )
    return sum(terms, Fraction(0))


@pytest.mark.parametrize("network", SIZES)
def test_counting_heads_is_the_double_sum(network):
    for window in (1, 2, 3, 5, 10, 40, 41, 77):
        assert theory.sensitivity(window, *network) == double_sum(window, *network)


def test_the_published_network_flips_between_40_and_41():
    c = {K: theory.sensitivity(K, *NETWORK) for K in range(1, 101)}
    assert [c[K] for K in (1, 5, 10)] == [1, 5, 10]
    assert all(c[K] > 0 for K in range(1, 41)) and all(c[K] < 0 for K in range(41, 101))
    assert max(c.values()) == c[19] == c[20]
    printed = {19: 16.476, 30: 9.8699, 40: 0.5655, 50: -4.75267, 100: -6.000}
    for K, value in printed.items():
        assert float(c[K]) == pytest.approx(value, abs=5e-4 if K in (19, 100) else 5e-5)
    assert theory.first_right_window(*NETWORK) == 41
    assert theory.optimum(*NETWORK) == Fraction(-1, 6)


@pytest.mark.parametrize("network", SIZES)
def test_the_fixed_point_by_solving_for_it(network):
    n_states, _ = network
    A = 0.5 * (np.eye(n_states) + np.eye(n_states, k=1))
    slope = np.linalg.solve(np.eye(n_states) - A, theory.signs(*network))[0]
    final = theory.sensitivity_of_first_units(n_states, *network)
    assert slope == pytest.approx(final, rel=1e-12)
    assert theory.optimum(*network) == Fraction(1, final)


@pytest.mark.parametrize("network", SIZES)
def test_from_the_first_right_window_on_no_sign_is_wrong(network):
    n_states, _ = network
    final = theory.sensitivity_of_first_units(n_states, *network)
    first = theory.first_right_window(*network)
    right = [theory.sensitivity(K, *network) * final > 0 for K in range(1, 8 * n_states + 2)]
    assert right == [first <= K for K in range(1, 8 * n_states + 2)]


def test_memory_of_all_units_is_the_window_of_all_steps():
    seen = theory.seen_in_carried_memory(23, 3, 30, *NETWORK)
    exact = [float(theory.sensitivity(3 * n, *NETWORK)) for n in range(1, 31)]
    np.testing.assert_allclose(seen, exact, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kept", [1, 10, 20, 21, 23])
def test_what_a_mask_sees_in_the_long_run(kept):
    seen = theory.seen_in_carried_memory(kept, 10, 300, *NETWORK)
    assert seen[-1] == pytest.approx(theory.sensitivity_of_first_units(kept, *NETWORK), abs=1e-11)
    if kept == 1:
        np.testing.assert_allclose(seen, 2 * (1 - 0.5 ** (10.0 * np.arange(1, 301))), rtol=1e-14)


def test_descent_step_by_step():
    A = 0.5 * (np.eye(5) + np.eye(5, k=1))
    v, s, theta, expected = theory.signs(5, 2), np.ones(5), 0.5, [0.5]
    seen = [1.0, -2.0, 0.5]
    for c in seen:
        for _ in range(4):
            s = A @ s + theta * v
        theta -= 0.01 * (s[0] - 1) * c
        expected.append(theta)
    np.testing.assert_allclose(theory.descend(seen, 4, 0.01, 0.5, 5, 2), expected, rtol=1e-14)


def test_variance_of_the_output_is_the_sum_of_squares_over_lags():
    A = 0.5 * (np.eye(4) + np.eye(4, k=1))
    total = sum(np.sum(np.linalg.matrix_power(A, k)[0] ** 2) for k in range(200))
    assert theory.output_variance(4) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("network", [(4, 2), (4, 5), (4, -1), (0, 0)])
def test_networks_without_an_optimum_are_refused(network):
    with pytest.raises(ValueError, match="n_positive: expected"):
        theory.signs(*network)


def test_the_published_thetas_are_those_of_the_recursion():
    found = theory.published(*NETWORK, 0.5, 1e-4)
    assert len(found) == 16
    for one in found:
        kept = {"BPTT": None, "RTRL": 23}[one["rule"]]
        thetas = theory.path(one["window"], one["update"], 1e-4, 0.5, kept, *NETWORK)
        assert thetas[-1] == pytest.approx(one["theta"], abs=one["tolerance"])
    assert not theory.published(23, 9, 0.5, 1e-4)


def test_units_kept_are_those_of_the_rule():
    rules = {"EProp": 1, "SnAp": 1, "SnAp(n=3)": 3, "SnAp(n=9)": 5, "RTRL": 5, "UORO": 5}
    assert {rule: theory.units_kept(rule, 5) for rule in rules} == rules
