"""Descent with clipping and penalty, against the plain loop of the rule that it stands for."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax.penalties import Omega, Penalised, sgd_cr
from rnnjax.rules import BPTT, batch_gradient
from rnnjax.tasks import Adding, TemporalOrder, TemporalXOR

CELL = rnnjax.Vanilla(6, 5, 4, gain=1.5)
BATCH = {"batch_size": 6, "learning_rate": 0.3}


def plain_loop(task, params, keys, max_norm, penalty):
    """Equation (1) with the rule and the penalty, one update after the other."""
    rule = Penalised(BPTT(), Omega(), penalty)

    def update(params, key):
        batch = jax.vmap(task.sample)(jax.random.split(key, BATCH["batch_size"]))
        out = batch_gradient(rule, CELL, task.loss, params, batch, ())
        gradient = rnnjax.scaled.plain(out.grads)
        norm = optax.tree.norm(gradient)
        step = BATCH["learning_rate"] * jnp.minimum(1, max_norm / norm)
        params = jax.tree.map(lambda w, g: w - step * g, params, gradient)
        return params, jnp.stack([out.loss, jnp.log(norm)])

    return jax.lax.scan(update, params, keys)


@pytest.mark.wide
@pytest.mark.parametrize("shortest", [None, 10])
def test_it_is_the_plain_loop(shortest):
    task = TemporalOrder(14, shortest)

    @jax.jit
    def both(key):
        params, keys = CELL.init(key), jax.random.split(key, 3)

        def at(limits):
            max_norm, penalty = limits
            options = {**BATCH, "max_norm": max_norm, "penalty": penalty}
            mine = sgd_cr.descend(CELL, task, params, keys, **options)
            return mine, plain_loop(task, params, keys, max_norm, penalty)

        return jax.lax.map(at, (jnp.array([jnp.inf, 0.2]), jnp.array([0.0, 0.7])))

    (params, loss, log_norm), (expected, seen) = both(jax.random.key(3))
    np.testing.assert_allclose(np.stack([loss, log_norm], 2), seen, rtol=1e-9)
    for one, other in zip(params, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-13)


@pytest.mark.wide
@pytest.mark.parametrize("shortest", [None, 10])
def test_the_error_rate_is_that_of_the_answers_at_the_ends(shortest):
    """Two batches of the outputs of the plain scan, read where the mask says."""
    task, n = TemporalOrder(14, shortest), 64

    @jax.jit
    def both(key):
        params = CELL.init(key)
        rate = sgd_cr.error_rate(CELL, task, params, key, n_sequences=2 * n + 1, batch_size=n)
        keys = jnp.concatenate([jax.random.split(one, n) for one in jax.random.split(key)])
        batch = jax.vmap(task.sample)(keys)
        ends = jnp.argmax(batch.mask, axis=1)
        answers = jax.vmap(lambda x, end: rnnjax.outputs(CELL, params, x)[end])(batch.x, ends)
        wrong = jnp.argmax(answers, axis=1) != jnp.argmax(batch.y[:, 0], axis=1)
        return rate, jnp.mean(wrong)

    rate, expected = both(jax.random.key(1))
    assert rate == expected
    assert 0.4 < rate < 1


@pytest.mark.wide
def test_fewer_sequences_than_a_batch_are_all_measured():
    @jax.jit
    def rate(key):
        return sgd_cr.error_rate(CELL, TemporalOrder(10), CELL.init(key), key, n_sequences=3)

    wrong = 3 * rate(jax.random.key(0))
    np.testing.assert_allclose(wrong, np.round(wrong), atol=1e-6)


@pytest.mark.wide
def test_training_looks_at_fresh_sequences_and_stops_where_few_are_wrong():
    """Its first check is that of `descend` and `error_rate`; once stopped, nothing changes."""
    task, key, params = TemporalOrder(14), jax.random.key(5), CELL.init(jax.random.key(3))
    sizes = {"n_checks": 3, "every": 2, "n_checked": 40, **BATCH}

    @jax.jit
    def found(stops_at):
        keys = jax.random.split(jax.random.fold_in(key, 2), 3)
        once, loss, log_norm = sgd_cr.descend(CELL, task, params, keys[1:], **BATCH)
        first = sgd_cr.error_rate(CELL, task, once, keys[0], n_sequences=40)
        expected = {"check": first, "loss": jnp.mean(loss), "log_gradient": jnp.max(log_norm)}
        return once, expected, sgd_cr.train(CELL, task, params, key, stops_at=stops_at, **sizes)

    once, expected, (trained, seen) = found(1.0)
    for one, other in zip(trained, once, strict=True):
        np.testing.assert_array_equal(one, other)
    for name, value in expected.items():
        np.testing.assert_array_equal(seen[name], [value] * 3)
    *_, (trained, seen) = found(-1.0)
    assert len(set(seen["loss"].tolist())) == 3 and seen["loss"][0] == expected["loss"]
    radius = np.abs(np.linalg.eigvals(trained.W)).max()
    np.testing.assert_allclose(seen["radius"][-1], radius, rtol=1e-9)


@pytest.mark.wide
def test_what_is_trained_is_tested_on_each_task_and_the_first_solution_is_told():
    tests = [(TemporalOrder(10), 40), (TemporalOrder(12), 40), (TemporalOrder(14), 40)]
    options = {**BATCH, "n_checks": 3, "every": 2, "n_checked": 20, "stops_at": -1.0}

    @jax.jit
    def both(key):
        params, task = CELL.init(key), tests[0][0]
        seen = jax.lax.map(
            lambda solved: sgd_cr.trained_and_tested(
                CELL, task, params, key, solved=solved, tests=tests, **options
            ),
            jnp.array([1.0, -1.0]),
        )
        trained, found = sgd_cr.train(CELL, task, params, key, **options)
        key = jax.random.split(jax.random.fold_in(key, 1), 3)[2]
        rate = sgd_cr.error_rate(CELL, tests[2][0], trained, key, n_sequences=40)
        return seen, found["check"], rate

    seen, check, rate = both(jax.random.key(0))
    assert seen["solved_at"].tolist() == [2, np.inf]
    np.testing.assert_array_equal(seen["check"][0], check)
    assert seen["error"].shape == (2,) and seen["further_error"].shape == (2, 2)
    assert seen["further_error"][0, 1] == rate


TESTS = [(TemporalOrder(10), 20), (TemporalOrder(12), 20)]
OF_ARMS = {"batch_size": 6, "n_checks": 2, "every": 2, "n_checked": 20, "stops_at": -1.0}
OF_ARMS |= {"solved": 0.5, "tests": TESTS}


@jax.jit
def every_arm(key, limits):
    return sgd_cr.every_arm(CELL, TESTS[0][0], CELL.init(key), key, **OF_ARMS, **limits)


@pytest.mark.wide
def test_every_arm_is_trained_as_by_itself():
    key, options = jax.random.key(0), OF_ARMS | {"learning_rate": 0.3}

    @jax.jit
    def alone(key, max_norm, penalty):
        params, task = CELL.init(key), TESTS[0][0]

        def one(arm):
            limits = {"max_norm": arm[0], "penalty": arm[1]}
            return sgd_cr.trained_and_tested(CELL, task, params, key, **options, **limits)

        return jax.lax.map(one, (max_norm, penalty))

    expected = alone(key, jnp.array([jnp.inf, 0.2, jnp.inf, 0.2]), jnp.array([0, 0, 0.7, 0.7]))
    found = every_arm(key, {"learning_rate": 0.3, "max_norm": 0.2, "penalty": 0.7})
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert len(set(found["loss"][:, -1].tolist())) == len(sgd_cr.ARMS)


@pytest.mark.wide
def test_a_network_that_is_lost_has_an_infinite_loss():
    limits = {"learning_rate": float(jnp.finfo(float).max), "max_norm": 1.0, "penalty": 0.0}
    found = every_arm(jax.random.key(0), limits)
    for name in ("loss", "log_gradient", "radius"):
        assert np.isposinf(found[name][:, -1]).all()


def test_a_loss_that_falls_due_on_the_way_is_not_left_out():
    """Where it falls due is known only as the program runs."""

    class OnTheWay:
        n_x, n_y = 6, 4

        def sample(self, key):
            batch = TemporalOrder(14).sample(key)
            return batch.replace(mask=batch.mask.at[3].set(1.0))

    params = CELL.init(jax.random.key(0))
    rate = jax.jit(
        lambda key: sgd_cr.error_rate(CELL, OnTheWay(), params, key, n_sequences=4, batch_size=2)
    )
    assert np.isnan(rate(jax.random.key(1)))


@pytest.mark.parametrize("task", [Adding(12), TemporalXOR(12)])
def test_a_task_with_another_loss_is_refused(task):
    key, cell = jax.random.key(0), rnnjax.Vanilla(task.n_x, 3, task.n_y)
    params = cell.init(key)
    told = rf"^task: expected one whose loss is the cross-entropy, got {type(task).__name__}"
    with pytest.raises(ValueError, match=told):
        sgd_cr.descend(cell, task, params, jax.random.split(key, 2), **BATCH)
    with pytest.raises(ValueError, match=told):
        jax.jit(lambda p: sgd_cr.error_rate(cell, task, p, key, n_sequences=4))(params)


class Numbered(TemporalOrder):
    """The same sequences with the numbers of the classes as targets."""

    def sample(self, key):
        batch = super().sample(key)
        return batch.replace(y=jnp.argmax(batch.y, axis=-1))


def test_numbers_of_classes_are_their_probabilities():
    """As targets of `descend` and in the share of wrong answers."""
    key = jax.random.key(3)
    params, keys = CELL.init(key), jax.random.split(key, 2)

    def found(task):
        trained = sgd_cr.descend(CELL, task, params, keys, **BATCH)
        return trained.loss, sgd_cr.error_rate(CELL, task, params, key, n_sequences=20)

    for one, other in zip(found(Numbered(12)), found(TemporalOrder(12)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
