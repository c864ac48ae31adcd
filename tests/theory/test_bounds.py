import math

import numpy as np
import pytest

from rnnjax.theory import bounds, linear_unit, scalar_chain


@pytest.mark.parametrize(("radius", "coupling"), [(0.9, 2.0), (-0.7, 0.5), (0.5, -3.0), (1.1, 1.0)])
def test_the_norm_of_powers_of_a_shear(radius, coupling):
    W = bounds.shear(radius, coupling)
    norms = [np.linalg.norm(np.linalg.matrix_power(W, k), 2) for k in range(12)]
    found = bounds.shear_log_norm(radius, coupling, np.arange(12))
    np.testing.assert_allclose(found, np.log(norms), atol=1e-13)


def test_a_norm_above_one_does_not_make_gradients_explode():
    """Spectral radius 0.9 and norm 10: the norm grows tenfold and more, then vanishes for good."""
    W = bounds.shear(0.9, 10.0)
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(0.9)
    assert np.linalg.norm(W, 2) > 10
    lags = np.arange(401)
    growth = bounds.shear_log_norm(0.9, 10.0, lags)
    bound = bounds.log_bound(1.0, np.linalg.norm(W, 2), lags)
    assert np.all(growth <= bound + 1e-12) and bound[-1] > 900
    assert growth.max() > math.log(10) and growth[-1] < -30
    delta = np.array([1.0, 0.0])
    for _ in range(400):
        delta = W.T @ delta
    assert np.linalg.norm(delta) < 1e-12


@pytest.mark.parametrize(("radius", "coupling"), [(0.9, 2.0), (0.95, 0.3), (-0.8, 5.0)])
def test_the_transient_peaks_at_its_lag(radius, coupling):
    best = bounds.shear_peak(radius, coupling)
    nudged = best * np.array([0.999, 1, 1.001])
    assert np.argmax(bounds.shear_log_norm(radius, coupling, nudged)) == 1
    assert best < linear_unit.most_sensitive_step(radius)
    strong = bounds.shear_peak(radius, 1e9)
    assert strong == pytest.approx(linear_unit.most_sensitive_step(radius), rel=1e-12)


def test_without_enough_coupling_there_is_no_transient():
    assert bounds.shear_peak(0.5, 0.0) == 0
    assert bounds.shear_peak(0.5, 0.1) == 0
    assert np.all(np.diff(bounds.shear_log_norm(0.5, 0.1, np.arange(50))) < 0)


@pytest.mark.parametrize(("name", "steepest"), list(scalar_chain.STEEPEST.items()))
def test_transported_gradients_stay_below_the_bound(name, steepest):
    """Every draw, with no tolerance but for rounding: weights of norm 0.1 to 10, 60 lags."""
    rng = np.random.default_rng(0)
    f, slope = (np.vectorize(g) for g in scalar_chain.FUNCTIONS[name])
    for norm in (0.1, 1.0, 10.0):
        W = rng.normal(size=(6, 6))
        W *= norm / np.linalg.norm(W, 2)
        h, slopes = np.zeros(6), []
        for _ in range(60):
            a = W @ h + rng.normal(size=6)
            slopes.append(slope(np.clip(a, -300, 300)))
            h = f(np.clip(a, -300, 300))
        delta = rng.normal(size=6)
        start = np.linalg.norm(delta)
        for lag, at in enumerate(reversed(slopes), start=1):
            delta = W.T @ (at * delta)
            with np.errstate(divide="ignore"):
                growth = np.log(np.linalg.norm(delta) / start)
            assert growth <= bounds.log_bound(steepest, norm, lag) + 1e-13 * lag


def test_a_norm_below_the_inverse_slope_makes_gradients_vanish():
    assert bounds.log_bound(0.25, 3.99, 10_000) < -20
    assert bounds.log_bound(0.25, 4.0, 10_000) == 0
    assert bounds.log_bound(1.0, 0.5, [0, 1, 2]).tolist() == [0, -math.log(2), -2 * math.log(2)]
