"""Arguments of functions have ranges as fields have them: found by walking the package."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import decks, ranges, tasks, updates
from rnnjax.ranges import Flag, Number
from tests.bad_numbers import assert_refused, is_numeric, outside
from tests.discovery import example, functions_found

TRAINED = {"n_updates": 2, "batch_size": 1}


def never_traced(params, example):
    """A loss: ranges come before it is looked at."""
    raise AssertionError


def called(name):
    """How a function with ranges is called with one argument of choice and the rest good."""
    key, sgd = jax.random.key(0), optax.sgd(0.1)
    net = (rnnjax.Vanilla(2, 2), tasks.Adding(4), rnnjax.BPTT(), sgd, key)
    history = (rnnjax.decks.ratios.Literal(), rnnjax.decks.ratios.each_weight, None, None)
    good = {
        "rnnjax.cells.initial_weights.chrono": ((key, 3, 9.0), {}),
        "rnnjax.diagnosis.diagnose.diagnose": ((never_traced, 1.0, [1.0]), {}),
        "rnnjax.diagnosis.monitor.monitor": ((never_traced,), {}),
        "rnnjax.decks.ratios.step": (history, {}),
        "rnnjax.train.fit": (net, TRAINED),
        "rnnjax.train_online.fit_online": (net, {"n_sequences": 1}),
        "rnnjax.train_pieces.train_in_pieces": ((None, None), {}),
        "rnnjax.decks.updates.on_quadratic.descend": ((sgd, 0.1, 3), {}),
        "rnnjax.decks.updates.on_quadratic.over_step_sizes": (((sgd,), None, 3), {}),
        "rnnjax.updates.minimise.minimise": ((abs, 1.0, sgd), {"n_updates": 1}),
        "rnnjax.updates.quickprop.quickprop": ((0.1,), {}),
        "rnnjax.analysis.rounding.error_growth": ((None, None, None), {}),
        "rnnjax.matrices.products.growth_of_directions": ((None,), {"n": 2, "n_factors": 2}),
        "rnnjax.matrices.products.norms_of_products": ((None,), {"n": 2, "n_factors": 2}),
        "rnnjax.matrices.products.exponents_of_products": ((None,), {"n": 2, "n_factors": 2}),
        "rnnjax.matrices.products.log_eigenvalues": ((None,), {}),
        "rnnjax.decks.fed_back.errors_by_cycle": ((None,) * 6, {}),
        "rnnjax.decks.tasks.dinner_calendar.DinnerCalendar.nights": ((decks.DinnerCalendar(),), {}),
        "rnnjax.decks.tasks.two_points.TwoPoints.grid": ((decks.TwoPoints(), 2), {}),
        "rnnjax.updates.scaled_gradient.plain": ((sgd,), {}),
    }
    cell = rnnjax.Vanilla(2, 3)
    batch, params = tasks.Adding(4).sample(key), cell.init(key)
    on_batch = (cell, None, params, batch)
    descent = {"batch_size": 2, "learning_rate": 1.0}
    watched = {"learning_rate": 1.0, "n_cycles": 2}
    good |= {
        "rnnjax.adjoint.adjoint": (on_batch, {}),
        "rnnjax.parallel.unroll": ((cell, params, batch.x), {}),
        "rnnjax.decks.multipliers.literal_multipliers": (on_batch, watched),
        "rnnjax.penalties.omega_at_end.gradient": ((cell, params, batch, 1.0), {}),
        "rnnjax.penalties.sgd_cr.descend": ((cell, None, params, key), descent),
        "rnnjax.penalties.sgd_cr.error_rate": ((cell, None, params, key), {"n_sequences": 2}),
        "rnnjax.penalties.sgd_cr.train": (
            (cell, None, params, key),
            {"n_checks": 1, "every": 1, "n_checked": 1, "stops_at": 0.0},
        ),
        "rnnjax.penalties.sgd_cr.trained_and_tested": (
            (cell, None, params, key),
            {"solved": 0.0, "tests": (), "every": 1},
        ),
        "rnnjax.penalties.sgd_cr.every_arm": (
            (cell, None, params, key),
            {"max_norm": 1.0, "penalty": 1.0},
        ),
        "rnnjax.penalties.starts.draw": ((None, 2, 3, 4), {}),
        "rnnjax.penalties.starts.network": (("sigmoid", None, 2), {}),
        "rnnjax.train_pieces.train_in_levels": ((None, None, None), {"solved": 0.1, "last": 2}),
        "rnnjax.train_pieces.train_by_delay": (
            (None, None, None, None),
            {"n_sequences": 2, "solved": 0.1},
        ),
        "rnnjax.rules.base.batch_gradient": ((rnnjax.BPTT(), *(None,) * 5), {}),
        "rnnjax.rules.cost.state_bytes": ((rnnjax.BPTT(), None, None, None), {}),
        "rnnjax.rules.recurrent_weights.recurrent_gradient": (
            (rnnjax.BPTT(), *(None,) * 5),
            {},
        ),
        "rnnjax.rules.recurrent_weights.gradient_by_lag": (
            (rnnjax.BPTT(), *(None,) * 5, (0, 1)),
            {},
        ),
        "rnnjax.rules.taught.taught": (
            (rnnjax.BPTT(), cell, tasks.Adding(4), params, key),
            {"n_sequences": 2},
        ),
        "rnnjax.tasks.influence_balancing.resting_then": ((2, 3), {}),
        "rnnjax.tasks.digits.Digits.image": ((tasks.Digits(), 3), {}),
        "rnnjax.tasks.logistic_unit.due_after": ((2, 3, 0.5), {}),
        "rnnjax.tasks.logistic_unit.settled": ((5.0, 1.0, 3), {}),
        "rnnjax.tasks.logistic_unit.folds": ((5.0,), {}),
        "rnnjax.tasks.logistic_unit.LogisticUnit.at": ((5.0, 1.0), {}),
        "rnnjax.tasks.logistic_unit.LogisticUnit.wall": ((tasks.LogisticUnit(), 5.0), {}),
        "rnnjax.updates.in_windows.learn_in_windows": (
            (rnnjax.BPTT(), tasks.InfluenceChain(3, 1), 2, 0.1, key),
            {"longest": 2, "n_steps": 2, "n_updates": 2},
        ),
        "rnnjax.updates.path.path": ((*on_batch, optax.sgd(0.1)), {"n_updates": 1}),
        "rnnjax.analysis.decay.horizon": ((batch.mask,), {}),
        "rnnjax.analysis.latch.log_margins": ((None, 1.0, 0.0, 3), {}),
        "rnnjax.probes.one_number.mean_squares": (
            ((), key, 0.5),
            {"n_sequences": 2, "n_steps": 2, "n_discarded": 0},
        ),
        "rnnjax.probes.one_number.curvature_at_teacher": ((None, 0.5, 3), {}),
        "rnnjax.probes.lyapunov.growth": ((cell, params, None, 2), {"n_discarded": 0}),
        "rnnjax.probes.lyapunov.growth_along": ((cell, params, None, None, 2), {"n_discarded": 0}),
        "rnnjax.probes.lyapunov.log_growth": ((cell, params, batch.x, 2), {"n_discarded": 0}),
        "rnnjax.cells.by_name.of_size": (("LSTM", 8), {"n_x": 2}),
        "rnnjax.cells.slstm.powerlaw_forget_bias": ((4,), {}),
        "rnnjax.generate.generate": ((cell, params, 0, jnp.zeros(2)), {}),
    }
    if ".probes." in name and name not in good:
        return on_batch, {}
    if name.endswith((".init", ".sample")):
        return (example(name.split(".")[-2]), key), {}
    if name in good:
        return good[name]
    if "initial_weights" in name or name.endswith((".henaff", ".cayley")):
        return (key, 3), {}
    return ((1.0, sgd), {}) if "clip" in name else ((), {})


def arguments_found():
    for name, function in functions_found().items():
        for argument, range_ in getattr(function, "ranges", {}).items():
            yield pytest.param(name, argument, range_, id=f"{name}({argument})")


ARGUMENTS = list(arguments_found())


def test_arguments_are_found():
    assert len(ARGUMENTS) > 15


def test_every_numeric_argument_of_what_builds_or_trains_declares_its_range():
    packages = (
        "updates",
        "train",
        "train_online",
        "train_pieces",
        "cells.initial_weights",
        "ratios",
        "tasks",
    )
    packages += ("penalties", "probes", "parallel", "adjoint.adjoint", "scan")
    for name, function in functions_found().items():
        if not name.startswith(tuple(f"rnnjax.{package}" for package in packages)):
            continue
        for argument, parameter in inspect.signature(function).parameters.items():
            # Indices may be traced and take what is beyond as the last; per_step is a rule's own,
            # by_row a cell's (`linearize`).
            free = "Array | int" in str(parameter.annotation)
            free |= argument in ("per_step", "by_row")
            if is_numeric(parameter.annotation) and not free:
                assert argument in getattr(function, "ranges", {}), f"{name}({argument})"


@pytest.mark.parametrize(("name", "argument", "range_"), ARGUMENTS)
def test_an_argument_outside_its_range_is_refused_in_one_line(name, argument, range_):
    function = functions_found()[name]
    args, options = called(name)
    names = list(inspect.signature(function).parameters)
    for bad in outside(range_) if isinstance(range_, Number) else (None, "x", 3):
        given = dict(zip(names, args, strict=False)) | options | {argument: bad}
        assert_refused(lambda given=given: function(**given), argument)


def test_arguments_that_are_missing_are_told_by_the_function():
    with pytest.raises(TypeError, match="missing"):
        updates.clip_by_norm(1.0)


def test_a_range_says_itself():
    for range_, told in (
        (Number(), "a finite number"),
        (Number(above=0, at_most=1), "a number above 0 and at most 1"),
        (Number(at_least=0, at_most=1, optional=True), "a number from 0 to 1 or None"),
        (Number(at_least=1, whole=True), "a whole number of at least 1"),
        (Number(infinite=True), "a number"),
        (Flag(), "True or False"),
    ):
        assert str(range_) == told


def test_is_exactly_knows_what_is_known():
    assert all(ranges.is_exactly(one, 1) for one in (1, 1.0, np.float32(1), np.ones(2)))
    assert not any(ranges.is_exactly(other, 1) for other in (0.5, None, np.empty(0), "1"))
    assert not jax.eval_shape(lambda v: jnp.zeros(2 * ranges.is_exactly(v, 1)), 1.0).size
