"""The explorer's pages of the slides compute what the library computes, in a browser."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import activation_named, decks, rules, scan
from rnnjax.cells import Chain, ChainParams, JordanParams
from rnnjax.decks import step_weights, two_inputs, workbook
from rnnjax.theory import nowcasting, scalar_chain
from rnnjax.updates import minimise
from tests.crossed import wide_but

T, WEIGHTS = 51, (-1.5, 0.5, 0.8, 1.0, 1.2, 3.0)
NEURON = {"w1": 0.5, "w2": 0.25, "w3": 2, "T": T, "inputs": "1 at every step", "seed": 3,
          "target": 0.25, "clip": 0.5}  # fmt: skip
SHEETS = ("rnn", "rnn+et", "rnn+et+dx")
CYCLES = tuple(range(0, 31))


def of_page(page, name, setting):
    """What a function of the page returns; infinities come as text."""
    script = """([name, setting]) => {
        const text = (v) => typeof v === "number" && !Number.isFinite(v) ? String(v) : v;
        return JSON.parse(JSON.stringify(window.rnnjax[name](setting), (_, v) => text(v)));
    }"""
    return page.evaluate(script, [name, setting])


def numbers(values):
    return np.array([float(str(v).replace("Infinity", "inf")) for v in values])


@pytest.mark.parametrize(
    "name", wide_but(["identity", "relu"], ["identity", "tanh", "sigmoid", "relu"])
)
def test_one_neuron_has_the_gradient_of_the_library(computing, name):
    """Forward, coefficients, gradients of all weights and clipping, for six recurrent weights."""
    activation = activation_named(name)
    x = jax.random.uniform(jax.random.key(3), (T,), jnp.float32, -1.0)

    def library(w_n):
        params = ChainParams(w_n, jnp.ones(1), jnp.ones(()))
        found = decks.loss_gradients(activation, w_n, T, 0.25, 0.5)
        return found, decks.chain_coefficients(Chain(1, activation), params, np.asarray(x, float))

    found, random = jax.device_get(jax.jit(jax.vmap(library))(np.array(WEIGHTS)))
    for n, w_n in enumerate(WEIGHTS):
        page = of_page(computing, "oneNeuron", {**NEURON, "f": name, "wn": w_n})
        close = {"rtol": 1e-9, "atol": 1e-9}
        clipped = np.log(found["clipped_norm"][n])
        expected = (found["log_norm"][n], clipped, found["log_loss_gradient"][n, -1])
        of_w_n = page["gradient"]["wn"]["logSize"]
        measured = numbers([page["logNorm"], page["logClipped"], of_w_n])
        np.testing.assert_allclose(measured, expected, **close)
        np.testing.assert_allclose(page["shareOldest"], found["share_oldest"][n], **close)
        drawn = {**NEURON, "f": name, "wn": w_n, "inputs": "random"}
        lags = of_page(computing, "oneNeuron", drawn)["lags"]
        np.testing.assert_allclose(numbers(lags["logSize"]), random["log_coefficient"][n], **close)
        np.testing.assert_array_equal(lags["sign"], random["sign"][n])


@pytest.mark.parametrize("name", ["identity", "tanh", "sigmoid", "relu"])
def test_the_worked_example_is_that_of_the_slides(computing, name):
    page = of_page(computing, "oneNeuron", {**NEURON, "f": name, "wn": 0.8})["example"]
    steps, gradient = scalar_chain.two_steps(name, (0.5, 0.25, 2.0, 0.8), (2.0, 4.0))
    np.testing.assert_allclose(page["steps"], steps, rtol=1e-14)
    np.testing.assert_allclose(page["gradient"], gradient, rtol=1e-14)


def first_weights(page, seed, spread):
    """The page's first weights as parameters; they are those of the library to float32 rounding."""
    setting = {"seed": seed, "spread": spread, "eta": 1, "cycles": 0, "rate": 1}
    w = np.array(of_page(page, "jordan", setting)["rnn"]["weights"][0])
    with jax.enable_x64(False):
        drawn = jax.jit(workbook.network(spread=spread).init)(jax.random.key(seed))
    np.testing.assert_allclose(w, flat(drawn), rtol=3e-7)
    W, b, V, c = np.split(w, (12, 16, 24))
    return JordanParams(W.reshape(4, 3), b, V.reshape(2, 4), c)


def flat(params):
    """W, b, V and c as the page's 26 weights, (..., 26)."""
    leaves = [np.asarray(leaf) for leaf in params]
    lead = leaves[0].shape[:-2]
    return np.concatenate([leaf.reshape(*lead, -1) for leaf in leaves], axis=-1)


@pytest.fixture(scope="module")
def trained(computing):
    """Weights by cycle of every sheet, and their distance from those of a disturbed start."""
    cell, task = workbook.network(), decks.DataPairs()
    starts = {seed: first_weights(computing, seed, 1.5) for seed in (0, 4)}
    disturbed = [jax.tree.map(lambda w: w * (1 + 1e-12), start) for start in starts.values()]
    both = jax.tree.map(lambda *a: np.stack(a), *starts.values(), *disturbed)

    @jax.jit
    @partial(jax.vmap, out_axes=(0, 1))
    def library(params):
        used, held_out = task.training(), task.held_out()
        of_pair = partial(scan.sequence_loss, cell, task.loss, params)
        errors = [jnp.mean(jax.vmap(of_pair)(pairs)) for pairs in (used, held_out)]
        run = partial(workbook.train, cell, task.loss, eta=0.7, cycles=CYCLES)
        return {s: run(workbook.rule_of(s), params, used) for s in SHEETS}, jnp.stack(errors)

    (weights, errors), found = library(both), {}
    for sheet in SHEETS:
        by_cycle = flat(weights[sheet])
        for n, seed in enumerate(starts):
            distance = np.abs(by_cycle[n] - by_cycle[n + len(starts)]).max(axis=1)
            found[sheet, seed] = by_cycle[n], distance
    return found, dict(zip(starts, np.transpose(errors)[: len(starts)], strict=True))


@pytest.mark.parametrize("seed", [0, 4])
def test_training_is_that_of_the_workbook(computing, trained, seed):
    """Weights of every cycle to 1e-9, as long as the ratio has not made rounding larger than that.

    A ratio enlarges any difference. Cycles are compared up to the last one at which a start that is
    disturbed by 1e-12 is still within 1e-9.
    """
    setting = {"seed": seed, "spread": 1.5, "eta": 0.7, "cycles": CYCLES[-1], "rate": 2}
    page, compared, (weights_of, errors) = of_page(computing, "jordan", setting), 0, trained
    for sheet in SHEETS:
        expected, distance = weights_of[sheet, seed]
        n_cycles = int(np.argmax(distance > 1e-9)) if (distance > 1e-9).any() else len(CYCLES)
        weights = np.array([numbers(w) for w in page[sheet]["weights"][:n_cycles]])
        np.testing.assert_allclose(weights, expected[:n_cycles], rtol=0, atol=1e-9)
        first = [page[sheet][name][0] for name in ("used", "heldOut")]
        np.testing.assert_allclose(first, errors[seed], rtol=1e-12)
        compared += n_cycles
    assert compared > 40


@pytest.mark.wide
def test_shares_of_steps_are_those_of_the_library(computing):
    """Local, through time, equal steps, updates after every step, and the shares of errors."""
    cell, task, params = workbook.network(), decks.DataPairs(), first_weights(computing, 2, 1.0)
    batch = task.training()
    start = jnp.broadcast_to(cell.initial_state(), batch.y[:, 0].shape)

    @jax.jit
    def library(params):
        one = jax.tree.map(lambda a: a[None], (params, batch, start))
        equal, fixed = step_weights.alike(cell, params, batch, 0.5, 0.9)
        other = jax.tree.map(lambda a: a[None], (params, equal, fixed))
        of = lambda rule, at: step_weights.by_step(cell, task.loss, rule, *at)  # noqa: E731
        local, exact = of(rules.BPTT(window=1), one), of(rules.BPTT(), one)
        error = local["error"][0]
        rates = jnp.array([2.0])
        return {
            "local": step_weights.shares(local["grads"])[0],
            "throughTime": step_weights.shares(exact["grads"])[0],
            "errors": error / jnp.sum(error),
            "online": step_weights.online_shares(cell, task.loss, params, batch, start, rates)[0],
            "equal": step_weights.shares(of(rules.BPTT(window=1), other)["grads"])[0],
        }

    setting = {"seed": 2, "spread": 1.0, "eta": 0.5, "cycles": 0, "rate": 2}
    page, expected = of_page(computing, "jordan", setting)["shares"], library(params)
    assert {*page} == {*expected}
    for name, shares in expected.items():
        np.testing.assert_allclose(page[name], shares, rtol=0, atol=1e-12, err_msg=name)


def test_the_neuron_that_learns_third_points_is_that_of_the_library(computing):
    """Gradient descent on the same grid of pairs, from the same weights, for each network."""
    task, cell = decks.TwoPoints(), Chain(2)
    views = {
        "RNN": two_inputs.one_by_one, "ANN, ordered": two_inputs.at_once,
        "ANN, without order": two_inputs.order_blind,
    }  # fmt: skip
    start = ChainParams(*map(np.array, (0.1, [0.5, 0.5], 0.5)))
    a, b = [-1.0, 0.5], [0.0, 2.0]

    @jax.jit
    def train(asked):
        pairs = task.grid(16)
        shown, asked = (jnp.stack([v(x) for v in views.values()]) for x in (pairs.x, asked))

        def answers(params, x):
            return two_inputs.answers(cell, jax.tree.map(lambda p: p[None], params), x[None])[0]

        def of_view(shown, asked):
            def loss(params):
                return jnp.mean((answers(params, shown)[:, 0] - pairs.y[:, -1, 0]) ** 2)

            params, losses = minimise(loss, start, optax.sgd(0.03), n_updates=60)
            return params, losses[-1], answers(params, asked)[:, 0]

        return jax.vmap(of_view)(shown, asked)

    setting = {"ax": -1, "ay": 0.5, "bx": 0, "by": 2, "updates": 60}
    page = of_page(computing, "radar", setting)
    params, loss, answers = jax.device_get(train(np.stack([a, b], 1)[..., None]))
    for n, (name, found) in enumerate(zip(views, page["nets"], strict=True)):
        weights = [found["weights"][key] for key in ("wn", "wx1", "wx2", "w3")]
        assert found["net"] == name
        np.testing.assert_allclose(
            weights, [params.w_n[n], *params.w_x[n], params.w_3[n]], rtol=0, atol=1e-12
        )
        np.testing.assert_allclose(found["answer"], answers[n], rtol=0, atol=1e-11)
        assert loss[n] >= found["loss"]
    assert task.length == 2


def test_forecasts_with_and_without_order(computing):
    page = of_page(computing, "radar", {"ax": -1, "ay": -1, "bx": 0, "by": 0, "updates": 300})
    assert page["ordered"] == [1, 1]
    assert page["reversed"] == [-2, -2]
    assert page["middle"] == [-0.5, -0.5]
    # The mean of both squared distances from the middle, equation (2) of the task.
    middle = np.array(page["middle"])
    errors = [np.sum((np.array(page[key]) - middle) ** 2) for key in ("ordered", "reversed")]
    assert page["squaredError"] == np.mean(errors) == 9 / 4 * page["squaredSpeed"]
    assert [one["p"] for one in page["known"]] == [1]
    assert [one["p"] for one in page["unknown"]] == [0.5, 0.5]
    border = of_page(computing, "radar", {"ax": -2, "ay": 0, "bx": -1, "by": 0, "updates": 0})
    assert border["unknown"] == [{"cell": [0, 0], "p": 1}]


def test_best_guesses_on_the_grid_are_shown(open_page, explorer_file):
    page = open_page(explorer_file, "#page=radar")
    text = page.locator("#page-radar").inner_text()
    for torus, n_ways in ((False, 96), (True, 200)):
        lines = nowcasting.straight_lines(5, torus)
        blind = [tuple(sorted(line[:2])) for line in lines.tolist()]
        accuracy, surprise = nowcasting.best_guess(blind, lines[:, 2].tolist())
        assert len(lines) == n_ways
        assert f"{100 * accuracy:.3g} %, {surprise:.3g} nat" in text
