"""Training on data pairs: the update, the mean over pairs, the first set, the order of outputs."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import Jordan, rules, scaled, scan
from rnnjax.decks import DataPairs, EligibilityRatio
from rnnjax.decks.tasks.data_pairs import START
from rnnjax.decks.workbook import (
    Setting,
    Table,
    errors,
    first_set,
    forced_error,
    from_task,
    network,
    read_weights,
    rule_of,
    train,
    with_first_set,
    without_input,
    write_workbook,
)
from rnnjax.rules import BPTT

TASK, CELL = DataPairs(), network(spread=1.0)


@functools.cache
def trained():
    """The 27 pairs that are used."""
    return from_task(TASK).batch(used=True)


@pytest.fixture(scope="module")
def params():
    return jax.jit(CELL.init)(jax.random.key(2))


def close(found, expected, tolerance):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@functools.partial(jax.jit, static_argnums=0)
def mean_loss(cell, params, batch):
    return jnp.mean(jax.vmap(lambda pair: scan.sequence_loss(cell, TASK.loss, params, pair))(batch))


@pytest.mark.wide
def test_training_is_optax_sgd_on_the_mean_over_pairs(params):
    batch, eta = trained(), 2.0
    found = jax.jit(lambda p: train(CELL, TASK.loss, BPTT(), p, batch, eta=eta, cycles=(0, 1, 5)))(
        params
    )
    optimiser = optax.sgd(eta)

    @jax.jit
    def update(p):
        grads = jax.grad(lambda p: mean_loss(CELL, p, batch))(p)
        return optax.apply_updates(p, optimiser.update(grads, optimiser.init(p))[0])

    expected = params
    for cycle in range(6):
        if cycle in (0, 1, 5):
            at = (0, 1, 5).index(cycle)
            close(jax.tree.map(lambda w, at=at: w[at], found), expected, 1e-12)
        expected = update(expected)
    with pytest.raises(ValueError, match="counts that rise"):
        train(CELL, TASK.loss, BPTT(), params, batch, eta=eta, cycles=(5, 5))


@pytest.mark.wide
def test_one_manual_update_of_a_weight_is_that_of_sgd(params):
    """w_new = w_old - eta dh h_before, written out for one weight and one step."""
    batch = jax.tree.map(lambda a: a[:1, :1], trained())
    (x,), (y,) = batch.x[0], batch.y[0]
    h = 1 / (1 + np.exp(-(params.W @ jnp.array([*x, START]))))
    o = 1 / (1 + np.exp(-(params.V @ h)))
    do = (o - y) * o * (1 - o)
    dh = (params.V.T @ do) * h * (1 - h)
    found = jax.jit(
        lambda p: train(CELL, TASK.loss, BPTT(window=1), p, batch, eta=0.3, cycles=(1,))
    )(params)
    assert abs(found.V[0, 1, 2] - (params.V[1, 2] - 0.3 * do[1] * h[2])) < 1e-12
    assert abs(found.W[0, 3, 2] - (params.W[3, 2] - 0.3 * dh[3] * START)) < 1e-12


@pytest.mark.wide
def test_the_mean_over_pairs_is_the_average_of_a_loop(params):
    batch, rule = trained(), BPTT(window=1)
    mean = jax.jit(
        lambda p: scaled.plain(rules.batch_gradient(rule, CELL, TASK.loss, p, batch, ()).grads)
    )(params)
    one = jax.jit(lambda p, pair: scaled.plain(rule(CELL, TASK.loss, p, pair).grads))
    total = jax.tree.map(np.zeros_like, params)
    for n in range(27):
        pair = jax.tree.map(lambda a, n=n: a[n], batch)
        total = jax.tree.map(np.add, total, one(params, pair))
    close(mean, jax.tree.map(lambda g: g / 27, total), 1e-15)


@pytest.mark.wide
def test_a_weight_with_rate_zero_stays(params):
    batch = trained()
    all_rates = jax.tree.map(lambda w: np.full(w.shape, 0.5), params)
    rates = all_rates._replace(W=all_rates.W * [1, 0, 1])
    run = jax.jit(lambda p, eta: train(CELL, TASK.loss, BPTT(), p, batch, eta=eta, cycles=(1,)))
    found, all_trained = run(params, rates), run(params, all_rates)
    np.testing.assert_array_equal(found.W[0, :, 1], params.W[:, 1])
    close(found.W[0, :, (0, 2)], all_trained.W[0, :, (0, 2)], 1e-15)
    assert (all_trained.W[0, :, 1] != params.W[:, 1]).all()


def test_the_gradient_through_time_is_the_derivative_by_complex_steps(params):
    pair = jax.tree.map(lambda a: a[13], trained())
    rule = jax.jit(lambda p: scaled.plain(BPTT()(CELL, TASK.loss, p, pair).grads))
    found, tiny = rule(params), 1e-30

    def error(W, b, V, c):
        o, total = np.array([START, START], complex), 0
        for x, y in zip(pair.x, pair.y, strict=True):
            h = 1 / (1 + np.exp(-(W @ np.array([*x, o[1]]) + b)))
            o = 1 / (1 + np.exp(-(V @ h + c)))
            total = total + 0.5 * np.sum((o - y) ** 2)
        return total

    for n, leaf in enumerate(params):
        for place in np.ndindex(leaf.shape):
            nudged = [np.asarray(w, complex) for w in params]
            nudged[n][place] += 1j * tiny
            assert abs(error(*nudged).imag / tiny - found[n][place]) < 1e-14


def test_outputs_that_change_places_leave_the_loss(params):
    batch = trained()
    swapped = dataclasses.replace(CELL, feedback=(0,))
    turned = params._replace(V=params.V[::-1], c=params.c[::-1])
    before = mean_loss(CELL, params, batch)
    after = mean_loss(swapped, turned, dataclasses.replace(batch, y=batch.y[..., ::-1]))
    assert abs(before - after) < 1e-12
    assert abs(before - mean_loss(swapped, params, batch)) > 1e-5


def test_i1_is_fixed_and_i2_changes_and_the_last_output_is_what_i3_needs():
    batch = TASK.pairs()
    assert (batch.x[:, :, 0] == batch.x[:, :1, 0]).all()
    assert (jnp.ptp(batch.x[:, :, 1], axis=1) > 0).any()
    assert CELL.fed_back == (1,) and CELL.n_x == 2
    assert len(TASK.training().mask) == 27 and len(TASK.held_out().mask) == 54


@pytest.mark.wide
def test_the_first_set_is_gradient_descent_on_a_feedforward_network(params):
    """The same weights on a network without feedback whose third input is the true O1."""
    batch = trained()
    previous = np.concatenate([np.full((27, 1), START), batch.y[:, :-1, 1]], axis=1)
    wide = dataclasses.replace(batch, x=np.concatenate([batch.x, previous[..., None]], axis=-1))
    feedforward = Jordan(3, 4, 2, feedback=(), start=START)
    expected = jax.jit(
        lambda p: train(feedforward, TASK.loss, BPTT(), p, wide, eta=2.0, cycles=(20,))
    )(params)
    found = jax.jit(lambda p: first_set(CELL, TASK.loss, p, batch, eta=2.0, n_cycles=20))(params)
    close(found, jax.tree.map(lambda w: w[0], expected), 1e-12)
    assert mean_loss(CELL, found, batch) < mean_loss(CELL, params, batch)


@pytest.mark.wide
def test_a_first_set_is_kept_in_a_workbook(params, tmp_path):
    whole = from_task(TASK)
    table = Table(whole.x[:4], whole.y[:4], whole.used[:4])
    assert 0 < table.used.sum() < 4
    setting = with_first_set(Setting(params, eta=1.0), table, 3)
    assert setting.eta == 1.0 and not np.allclose(setting.params.W, params.W)
    write_workbook(tmp_path / "first_set.xlsx", table, setting)
    close(read_weights(tmp_path / "first_set.xlsx"), setting.params, 1e-14)


@pytest.mark.wide
def test_errors_are_those_of_the_weights_after_each_cycle():
    """The loop by hand; weights that are no numbers any more have an infinite error."""
    cell, task, rule = network(), DataPairs(), BPTT()
    params = jax.jit(cell.init)(jax.random.key(3))
    run = jax.jit(lambda p: errors(cell, task, rule, p, eta=0.5, cycles=(0, 2)))
    used, held_out = run(params)
    weights = jax.jit(
        lambda p: train(cell, task.loss, rule, p, task.training(), eta=0.5, cycles=(0, 2))
    )(params)
    others = from_task(TASK).batch(used=False)
    pairs = jax.tree.map(lambda *parts: np.concatenate(parts), trained(), others)
    loss = jax.jit(jax.vmap(lambda p, one: scan.sequence_loss(cell, task.loss, p, one), (None, 0)))
    for n in range(2):
        of_pairs = np.asarray(loss(jax.tree.map(lambda a, n=n: np.asarray(a)[n], weights), pairs))
        np.testing.assert_allclose(used[n], of_pairs[:27].mean(), rtol=1e-10)
        np.testing.assert_allclose(held_out[n], of_pairs[27:].mean(), rtol=1e-10)
    thrown, _ = run(jax.tree.map(lambda w: w * np.nan, params))
    assert np.isinf(thrown).all()
    forced = jax.jit(lambda p: forced_error(cell, task.loss, p, trained()))(params)
    assert 0 < float(forced) != float(used[0])


@pytest.mark.parametrize(
    ("sheet", "window", "ratio"),
    [("rnn", 1, False), ("rnn+et", 1, True), ("rnn+et+dx", None, True)],
)
def test_the_rule_of_a_sheet(sheet, window, ratio):
    rule = rule_of(sheet)
    assert isinstance(rule, EligibilityRatio) == ratio
    assert (rule.rule if ratio else rule).window == window


def test_an_input_without_weights_says_nothing():
    cell, pair = network(), jax.tree.map(lambda a: a[0], trained())
    params = without_input(jax.jit(cell.init)(jax.random.key(0)), 1)
    outputs = jax.jit(functools.partial(scan.outputs, cell))
    other = pair.x + np.array([[0.0, 1.0]])
    np.testing.assert_array_equal(outputs(params, pair.x), outputs(params, other))
