"""What every rule must do, on the network to which all of them apply."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import decks, rules, scaled
from tests.crossed import one_in, wide_but
from tests.discovery import rules_found

TASK = decks.DataPairs(length=6)
# Every rule applies to one of them, the decks' rules to the first.
CELLS = (
    rnnjax.Jordan(2, 3, 2, feedback=(1,), start=0.1, spread=1.5),
    rnnjax.Vanilla(2, 3, 2, leak=0.7, gain=1.5),
)
KEY = jax.random.key(7)


# The Jordan network feeds back one output of two: its Jacobian has no inverse.
REFUSE_THE_FIRST = {"KFRTRL", "ReverseKFRTRL", "RFLO"}
OF_THE_SECOND = REFUSE_THE_FIRST | {"ForwardErrors"}


def cell_of(rule):
    """The first cell that the rule does not refuse."""
    return CELLS[type(rule).__name__ in OF_THE_SECOND]


@functools.cache
def params_of(cell):
    return jax.jit(cell.init)(KEY)


@functools.cache
def refusal(name, number):
    """What a rule says against a cell, nothing if it takes it."""
    rule, cell = rule_named(name), CELLS[number]
    batch = jax.tree.map(lambda a: a[0], TASK.training())

    def run(params):
        return rule(cell, TASK.loss, params, batch, state_of(rule, cell, params, batch)).loss

    try:
        jax.eval_shape(run, jax.eval_shape(cell.init, KEY))
    except ValueError as told:
        return str(told)
    return ""


def state_of(rule, cell, params, batch):
    return rule.init(cell, params, batch, KEY)


def rule_named(name):
    """A rule of this class: with the fewest arguments that it can be made with."""
    return rules_found()[name](**{"TruncatedBPTT": {"window": 2}}.get(name, {}))


def goes_on_in_batches(rule):
    """Whether a batch is more to the rule than `rules.batch_gradient` mapping it.

    Those of which it is not are alike: RTRL stands for them.
    """
    return hasattr(rule, "batch_gradient") or hasattr(rule, "rule") or isinstance(rule, rules.RTRL)


@pytest.fixture(
    scope="module",
    # The steps and the mean of UORO are those of tests/rules/test_stochastic.py.
    params=wide_but(
        ["BPTT", "NodePerturbation"],
        one_in(3, rules_found(), always=["BPTT", "RTRL", "SnAp"], wide=3),
    ),
)
def seen(request):
    """One compiled program of everything that is asked of a rule."""
    rule = rule_named(request.param)
    cell = cell_of(rule)

    @jax.jit
    def program(key):
        params = cell.init(key)
        batches = jax.tree.map(lambda a: a[:4], TASK.training())
        batch = jax.tree.map(lambda a: a[2], batches)
        first = jax.tree.map(lambda a: a[:1], batch)
        states = jax.vmap(lambda b: state_of(rule, cell, params, b))(batches)

        def run(batch, **options):
            state = state_of(rule, cell, params, batch)
            out = rule(cell, TASK.loss, params, batch, state, **options)
            return out.loss, scaled.plain(out.grads)

        def mean(**options):
            out = rules.batch_gradient(rule, cell, TASK.loss, params, batches, states, **options)
            return out.loss, scaled.plain(out.grads)

        def oracle(batch):
            loss = lambda p: rnnjax.sequence_loss(cell, TASK.loss, p, batch)  # noqa: E731
            return jax.value_and_grad(loss)(params)

        found = {
            "whole": run(batch),
            "split": run(batch, per_step=True),
            "oracle": oracle(batch),
            "one step": run(first),
            "oracle of one step": oracle(first),
        }
        if not goes_on_in_batches(rule):
            return found
        losses = jax.vmap(lambda b: run(b)[0])(batches)
        means = {"mean": mean(), "mean split": mean(per_step=True)}
        return {**found, **means, "mean of losses": jnp.mean(losses)}

    return rule, jax.tree.map(np.asarray, program(jax.random.key(1)))


def assert_close(got, expected, rtol=1e-12):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.max(np.abs(b)))


def test_it_says_what_it_is(seen):
    rule, _ = seen
    assert rule.step_axis in ("use", "loss")
    assert isinstance(rule.exact, bool)
    assert isinstance(rule.stochastic, bool)
    assert not (rule.exact and rule.stochastic)


def test_steps_sum_to_the_whole(seen):
    _, out = seen
    for split, whole in (("split", "whole"), ("mean split", "mean")):
        if split not in out:
            continue
        steps = out[split][1]
        assert all(len(leaf) == TASK.length for leaf in steps)
        assert_close(jax.tree.map(lambda a: a.sum(0), steps), out[whole][1])


def test_the_loss_of_a_batch_is_the_mean_of_its_sequences(seen):
    rule, out = seen
    assert ("mean" in out) == goes_on_in_batches(rule)
    if "mean" in out:
        np.testing.assert_allclose(out["mean"][0], out["mean of losses"], rtol=1e-13)


def test_an_exact_rule_is_jax_grad_and_another_is_not(seen):
    rule, out = seen
    if rule.exact:
        assert_close(out["whole"], out["oracle"])
        return
    leaves = zip(*map(jax.tree.leaves, (out["whole"][1], out["oracle"][1])), strict=True)
    gap = max(np.abs(a - b).max() for a, b in leaves)
    # The target shift is exact for this loss, though not for every loss; forward propagation of
    # errors is exact in exact arithmetic, and this network is small.
    assert (gap > 1e-6) != isinstance(rule, (decks.TargetShift, rules.ForwardErrors))


def test_with_one_step_every_rule_is_jax_grad(seen):
    """The stochastic ones in the mean, which the tests of each of them take exactly."""
    rule, out = seen
    if isinstance(rule, (rules.UORO, rules.ReverseKFRTRL, rules.NodePerturbation)):
        return
    assert_close(out["one step"], out["oracle of one step"])


@pytest.mark.wide
def test_a_refusal_is_about_the_cell():
    for name in rules_found():
        told = refusal(name, 0)
        assert bool(told) == (name in REFUSE_THE_FIRST)
        assert not told or "expected a cell with" in told
    for name in OF_THE_SECOND:
        assert not refusal(name, 1)
    for name in ("TargetShift", "TeacherForcing"):
        assert "expected a cell with" in refusal(name, 1)


@pytest.mark.wide
def test_a_stochastic_rule_asks_for_a_key():
    for name in rules_found():
        rule = rule_named(name)
        if not rule.stochastic:
            continue
        cell, batch = cell_of(rule), jax.tree.map(lambda a: a[0], TASK.training())
        with pytest.raises(ValueError, match=f"key: expected a key, because {name}"):
            rule.init(cell, params_of(cell), batch)
