"""Watched multipliers against a loop over cycles and steps of the gradients themselves."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import decks
from rnnjax.decks import DataPairs, literal_multipliers, multiplier_statistics

TASK = DataPairs(5)
CELL = rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=1.5)
RATE, N_CYCLES = 0.5, 4


def watched():
    params, batch = CELL.init(jax.random.key(0)), TASK.training()
    options = {"learning_rate": RATE, "n_cycles": N_CYCLES}
    found = jax.jit(lambda: literal_multipliers(CELL, TASK.loss, params, batch, **options))()
    return params, batch, found


@pytest.mark.wide
def test_they_are_ratios_of_successive_steps_and_cycles():
    params, batch, found = watched()

    @jax.jit
    def steps_of(params):
        rule = rnnjax.BPTT(window=1)
        return jax.vmap(
            lambda pair: rnnjax.scaled.plain(
                rule(CELL, TASK.loss, params, pair, (), per_step=True).grads
            )
        )(batch)

    cycles = []
    for n in range(N_CYCLES):
        each = steps_of(params)
        W = np.asarray(each.W).mean(axis=0)
        deltas = np.concatenate([each.b, each.c], axis=-1)
        np.testing.assert_allclose(
            found["each_unit"][n], deltas[:, 1:-1] / deltas[:, :-2], rtol=1e-9
        )
        ratios = (W[1:-1] / W[:-2]).reshape(len(W) - 2, -1)
        np.testing.assert_allclose(found["each_weight"][n][:, : ratios.shape[1]], ratios, rtol=1e-9)
        total = jax.tree.map(lambda g: np.asarray(g).mean(axis=0).sum(axis=0), each)
        cycles.append(total.W.ravel())
        params = jax.tree.map(lambda p, g: p - RATE * g, params, total)
    expected = [newer / older for older, newer in pairwise(cycles[:-1])]
    np.testing.assert_allclose(found["cycles"][:, : len(cycles[0])], expected, rtol=1e-7)


def test_statistics_of_known_multipliers():
    one, other = jnp.array([-2.0, 0.5, 1.0, 1.5]), jnp.array([[1.0, 1.8, 4.0]])
    found = multiplier_statistics({"one": one, "other": other})
    np.testing.assert_allclose(found["multiplier_median"], [0.75, 1.8])
    np.testing.assert_allclose(found["multiplier_negative"], [0.25, 0])
    np.testing.assert_allclose(found["multiplier_above"], [0.25, 2 / 3])
    np.testing.assert_allclose(found["multiplier_largest"], [2, 4])


def test_recursive_multipliers_of_a_geometric_sequence_have_the_period_six():
    d = jnp.asarray(1.25) ** jnp.arange(1.0, 9)
    found = decks.multipliers_over_time(decks.EligibilityRatio(recursive=True), d)
    expected = [1, 1, 1.25, 1.25**2, 1.25**2, 1.25, 1, 1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(1.25 ** decks.recursive_powers(np.arange(1.0, 9)), expected)
    raw = decks.multipliers_over_time(decks.EligibilityRatio(), d)
    np.testing.assert_allclose(raw, [1, 1, *[1.25] * 6], rtol=1e-5)


def test_closed_forms_of_the_ratio_on_a_quadratic_and_of_a_geometric_sequence():
    a, growths = np.array([0.5, 1.5]), np.array([0.8])
    found = jax.jit(
        lambda: decks.ratio_in_closed_form(["plain", "literal"], a, ["plain", "aitken"], growths, 8)
    )()
    np.testing.assert_allclose(found["quadratic_rate"][0], 0.5, rtol=1e-5)
    np.testing.assert_allclose(found["quadratic_rate"][1, 0], 1 / 1.5, rtol=1e-3)
    assert np.isinf(found["quadratic_rate"][1, 1]) and np.isfinite(found["overflow_step"][1, 1])
    np.testing.assert_array_equal(found["steps_to_goal"], [270, 3])
    expected = [[1, 1, 0.8, 0.64, 0.64, 0.8, 1, 1]]
    np.testing.assert_allclose(found["recursive_multiplier"], expected, rtol=1e-4)
