"""A recurrence as a cell: every probe and every rule works on it, with the numbers of our own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import probes, rules, scaled
from tests.crossed import one_in
from tests.discovery import probes_found, rules_found
from tests.jaxprs.hand_written import N_X, N_Y, N, head, scanned, sequence, weights
from tests.jaxprs.loops import mean_square
from tests.jaxprs.programs import program

ARGUMENTS = {"TruncatedBPTT": {"window": 2}}
CELL = rnnjax.Vanilla(N_X, N, N_Y)
EXACT = ("BPTT", "RTRL")


def loss(params, example):
    return mean_square(head(params, scanned(params, example[0])), example[1])


@pytest.fixture(scope="module")
def found():
    return rnnjax.recurrences(loss, weights(), sequence())


@pytest.fixture(scope="module")
def own():
    """Our cell with the same weights, and the same loss as a mean over steps and outputs."""
    w, (xs, ys) = weights(), sequence()
    params = CELL.init(jax.random.key(0))
    params = params._replace(**{name: w[name] for name in "WUbV"}, c=jnp.zeros(N_Y))
    step_loss = lambda y_hat, y: jnp.mean((y_hat - y) ** 2)  # noqa: E731
    return CELL, step_loss, params, rnnjax.Batch(xs, ys, jnp.full(len(xs), 1 / len(xs)))


def arguments(recurrence, with_loss=True):
    given = recurrence.loss if with_loss else None
    return recurrence.cell, given, recurrence.params, recurrence.batch


def outcome(function, *given):
    """What a function returns, or the line in which it refuses."""
    try:
        return function(*given)
    except ValueError as refused:
        return f"refused: {refused}"


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(6, probes_found()))
def test_every_probe_gives_the_numbers_of_our_own_cell(name, found, own):
    """Of pure transport, or of the loss where the probe needs one."""
    probe = probes_found()[name]
    needs_loss = isinstance(outcome(probe, *own[:1], None, *own[2:]), str)
    of_scan = outcome(probe, *arguments(found[0], with_loss=needs_loss))
    right = outcome(probe, own[0], own[1] if needs_loss else None, *own[2:])
    if isinstance(right, str) or isinstance(of_scan, str):
        assert "\n" not in of_scan  # a probe of what only some cells have
        return
    same = [key for key in right if key in of_scan and isinstance(right[key], jax.Array)]
    assert needs_loss or same
    for key in same if not needs_loss else ():
        np.testing.assert_allclose(of_scan[key], right[key], rtol=1e-8, atol=1e-10)


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(9, rules_found(), always=EXACT))
def test_every_rule_works_or_says_what_it_lacks(name, found):
    rule = rules_found()[name](**ARGUMENTS.get(name, {}))
    given = arguments(found[0])
    state = outcome(rule.init, given[0], *given[2:], jax.random.key(0))
    out = state if isinstance(state, str) else outcome(rule, *given, state)
    if isinstance(out, str):
        assert name not in EXACT, out
        return
    right = jax.grad(loss)(weights(), sequence())
    left = scaled.plain(out.grads)
    assert sorted(leaf.shape for leaf in left) == sorted(right[k].shape for k in "WUb")
    if rule.exact:
        same_leaves(left, [right[k] for k in "WUb"])


def same_leaves(left, right):
    """The same arrays, in any order: constants of a scan stand as they are first used."""
    order = lambda leaves: sorted(leaves, key=lambda leaf: (leaf.shape, float(leaf.sum())))  # noqa: E731
    for a, b in zip(order(left), order(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


@pytest.mark.slow
def test_the_gradient_by_the_weights_of_a_layer_between_others():
    """The upper of two LSTMs of linen, whose weights nothing else uses."""
    made = program("linen_lstms")
    upper = rnnjax.recurrences(made.loss, made.params, made.example)["Net/RNN_1"]
    bptt = rules.BPTT()
    out = bptt(*arguments(upper), bptt.init(upper.cell, upper.params, upper.batch))
    right = jax.grad(made.loss)(made.params, made.example)["params"]["upper"]
    same_leaves(jax.tree.leaves(scaled.plain(out.grads)), jax.tree.leaves(right))


@pytest.mark.wide
def test_the_spectrum_is_that_of_our_own_cell(found, own):
    left = probes.lyapunov_spectrum(*arguments(found[0]))
    right = probes.lyapunov_spectrum(*own)
    np.testing.assert_allclose(left["exponents"], right["exponents"], rtol=1e-10)


@pytest.mark.wide
def test_transport_of_a_reversed_scan_with_a_counter():
    """The cell holds the inputs of each step in the order in which they run, integers included."""

    def turned(params, example):
        def step(carry, x):
            n, h = carry
            h = jnp.tanh(params["W"] @ h / (1 + n) + params["U"] @ x + params["b"])
            return (n + 1, h), h

        hs = jax.lax.scan(step, (0, jnp.zeros(N)), example[0], reverse=True)[1]
        return mean_square(head(params, hs), example[1])

    (one,) = rnnjax.recurrences(turned, weights(), sequence())
    h, p = jnp.zeros(N), weights()
    states = scaled.plain(rnnjax.unroll(one.cell, one.params, one.batch.x).states)
    for t, x in enumerate(sequence()[0][::-1]):
        h = jnp.tanh(p["W"] @ h / (1 + t) + p["U"] @ x + p["b"])
        np.testing.assert_allclose(np.asarray(states)[t - len(sequence()[0])], h, rtol=1e-12)
    bptt = rules.BPTT()
    out = bptt(*arguments(one), bptt.init(one.cell, one.params, one.batch))
    right = jax.grad(turned)(weights(), sequence())
    same_leaves(scaled.plain(out.grads), [right[k] for k in "WUb"])
