import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import analysis, probes, rules, scaled
from rnnjax.analysis import alignment
from rnnjax.losses import squared_error
from rnnjax.scaled import Scaled

T = 9
RNG = np.random.default_rng(3)
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, 2))),
    y=jax.device_put(RNG.standard_normal((T, 2))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)
CELL = rnnjax.Vanilla(2, 3, 2, leak=0.6, gain=1.4)


def vectors(values, exponents):
    return Scaled(jnp.asarray(values, float), jnp.asarray(exponents, jnp.int32))


@jax.jit
def compare(a, b):
    return analysis.alignment_with(a, b)


def test_the_numbers_of_two_known_gradients():
    a = vectors([[3.0, 4.0, 0.0]] * 2, [0, 0])
    b = vectors([[4.0, 3.0, 0.0], [4.0, -3.0, 0.0]], [0, 0])
    found = compare(b, a)
    np.testing.assert_allclose(found["cosine"], 0.6)  # the mean of b is (4, 0, 0)
    np.testing.assert_allclose(found["mean_cosine"], (0.96 + 0.0) / 2)
    np.testing.assert_allclose(found["sign_agreement"], 1.0)
    np.testing.assert_allclose(found["log_gradient_norm"], np.log(4))
    np.testing.assert_allclose(found["log_bias"], np.log(np.hypot(1, 4)))
    np.testing.assert_allclose(found["log_spread"], np.log(3))
    assert found["reason"] == alignment.DEFINED


def test_nothing_depends_on_the_scale():
    a, b = RNG.standard_normal((2, 4, 5))
    near = compare(vectors(a, [0] * 4), vectors(b, [0] * 4))
    far = compare(vectors(a, [-40000] * 4), vectors(b, [30000] * 4))
    for name in ("cosine", "mean_cosine", "sign_agreement"):
        np.testing.assert_allclose(near[name], far[name], rtol=1e-14)
    shift = far["log_gradient_norm"] - near["log_gradient_norm"]
    np.testing.assert_allclose(shift, -40000 * np.log(2))


def test_an_angle_to_nothing_is_undefined_and_says_why():
    a, zero = vectors([[1.0, 2.0]], [0]), vectors([[0.0, 0.0]], [scaled.ZERO_EXPONENT])
    broken = vectors([[jnp.nan, 1.0]], [0])
    for other, reason in ((zero, alignment.ZERO), (broken, alignment.NOT_FINITE)):
        for found in (compare(a, other), compare(other, a)):
            assert np.isnan(found["cosine"]) and found["reason"] == reason
    assert np.isnan(compare(a, zero)["sign_agreement"])


@pytest.mark.wide
@pytest.mark.parametrize("W", [0.0, 1.0])
def test_a_silent_network_says_so(W):
    """All weights 0: no state ever moves, and the exact gradient by W is 0."""

    @jax.jit
    def run(key):
        params = jax.tree.map(lambda p: W * p, CELL.init(key))
        draws = rules.recurrent_gradient(rules.BPTT(), CELL, squared_error, params, BATCH, ())
        return probes.is_silent(CELL, None, params, BATCH)["is_silent"], analysis.alignment_with(
            draws, draws
        )

    silent, found = run(jax.random.key(0))
    assert bool(silent) == (W == 0)
    assert np.isnan(found["cosine"]) == (W == 0)


@pytest.mark.wide
def test_every_pair_of_rules_at_once():
    @jax.jit
    def run(key):
        params = CELL.init(key)
        draws = {}
        for name, rule in (("a", rules.BPTT()), ("b", rules.RFLO()), ("c", rules.UORO())):
            state = rule.init(CELL, params, BATCH, key)
            draws[name] = rules.recurrent_gradient(
                rule, CELL, squared_error, params, BATCH, state, n_draws=8
            )
        pair = analysis.alignment_with(draws["b"], draws["c"])
        return analysis.pairwise_alignment(draws, reference="a"), pair, draws

    found, pair, draws = run(jax.random.key(2))
    assert found["cosine"].shape == (3, 3) and found["log_bias"].shape == (3,)
    np.testing.assert_allclose(np.diag(found["cosine"]), 1, rtol=1e-14)
    np.testing.assert_allclose(found["cosine"], found["cosine"].T, rtol=1e-14)
    np.testing.assert_allclose(found["mean_cosine"][1, 2], pair["mean_cosine"], rtol=1e-13)
    np.testing.assert_allclose(found["log_gradient_norm"][1], pair["log_gradient_norm"], rtol=1e-13)
    # Draws of a stochastic rule differ, those of another do not.
    assert len(np.unique(draws["c"].value[:, 0])) > 1
    assert len(np.unique(draws["b"].value[:, 0])) == 1


def test_a_direction_is_the_unit_vector_of_the_mean_at_any_scale():
    draws = vectors([[3.0, 0.0], [3.0, 8.0]], [900, 900])
    np.testing.assert_allclose(analysis.direction(draws), [0.6, 0.8], rtol=1e-12)
    assert np.isnan(analysis.direction(vectors([[1.0, 0.0], [-1.0, 0.0]], [3, 3]))).all()


def test_a_rule_beside_the_exact_one():
    exact = vectors([[3.0, 4.0, 0.0]], [0]), vectors([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]], [0, 0])
    own = vectors([[3.0, 0.0, 4.0]], [1]), vectors([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]], [0, 0])
    beside = jax.jit(lambda silent: analysis.alignment_with_exact(*own, *exact, silent, n_W=2))
    found = beside(False)
    np.testing.assert_allclose(found["direction"], [0.6, 0.0, 0.8], rtol=1e-6)
    np.testing.assert_allclose(found["cosine_of_W"], 0.6, rtol=1e-6)
    np.testing.assert_allclose(found["log_ratio"], np.log(2), rtol=1e-6)
    np.testing.assert_allclose(found["cosine_by_lag"], [np.nan, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found["log_norm_by_lag"], [-np.inf, np.log(2)], rtol=1e-6)
    assert found["reason"] == alignment.DEFINED
    assert beside(True)["reason"] == alignment.SILENT


def test_rules_with_other_numbers_of_draws_are_refused_by_name():
    draws = {"a": vectors(np.ones((2, 3)), 0), "b": vectors(np.ones((4, 3)), 0)}
    with pytest.raises(ValueError, match=r"^draws\['b'\]: expected shape \(2, 3\), got \(4, 3\)"):
        analysis.pairwise_alignment(draws, reference="a")
