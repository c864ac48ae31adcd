"""What a rule does not take is told in one line: states, kinds of numbers, networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules
from rnnjax.losses import squared_error
from rnnjax.penalties import Omega, Penalised

CELL = rnnjax.Vanilla(2, 3, 2, leak=0.6, gain=1.3)


def sequence(n_steps):
    x, y = jnp.asarray(np.random.default_rng(n_steps).standard_normal((2, n_steps, 2)))
    return rnnjax.Batch(x, y, jnp.ones(n_steps))


def states():
    """What is no state of a rule, by name: the rule, the state, and what is told."""
    params, batch, key = CELL.init(jax.random.key(0)), sequence(4), jax.random.key(1)
    wider = rnnjax.Vanilla(2, 5, 2)
    of_wider = rules.KeRNL().init(wider, wider.init(key), batch, key)
    kernl = rules.KeRNL().init(CELL, params, batch, key)
    three = jax.tree.map(lambda a: jnp.stack([a] * 3), kernl)
    told = "^state: expected what the method init of {} returns for this network, got {}"
    return {
        "a key": (rules.UORO(), key, told.format("UORO", "Array")),
        "a number": (rules.RTRL(), 3, told.format("RTRL", "3")),
        "no key": (
            rules.UORO(),
            rules.RTRL().init(CELL, params, batch),
            told.format("UORO", "one without a key"),
        ),
        "of another rule": (
            rules.KeRNL(),
            rules.UORO().init(CELL, params, batch, key),
            told.format("KeRNL", "one of other shapes"),
        ),
        "of another network": (rules.KeRNL(), of_wider, told.format("KeRNL", "one of other")),
        "of three sequences": (rules.KeRNL(), three, "^key: expected one key"),
    }


@pytest.mark.parametrize(
    "name", ["a key", "a number", "no key", "of another rule", "of another network",
             "of three sequences"]
)  # fmt: skip
def test_what_is_no_state_of_a_rule_is_told(name):
    rule, state, told = states()[name]
    at = CELL, squared_error, CELL.init(jax.random.key(0)), sequence(4)
    calls = [
        lambda: rule(*at, state),
        lambda: rules.recurrent_gradient(rule, *at, state, n_draws=2),
        lambda: rules.gradient_by_lag(rule, *at, state, (0, 1, 3)),
        lambda: rules.recurrent_gradient(Penalised(rule, Omega(), 1.0), *at, state),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=told):
            call()


def test_a_rule_of_its_own_that_draws_needs_a_state_with_a_key():
    class Drawing(rules.BPTT):
        stochastic = True

    at = CELL, squared_error, CELL.init(jax.random.key(0)), sequence(4)
    with pytest.raises(ValueError, match=r"^state: expected a named tuple with a key, because"):
        rules.recurrent_gradient(Drawing(), *at, 3)


def test_a_state_for_other_sequences_and_what_is_no_rule_are_told():
    params, key = CELL.init(jax.random.key(0)), jax.random.key(1)
    batches = jax.tree.map(lambda a: a[None], sequence(4))
    one = rules.KeRNL().init(CELL, params, sequence(4), key)
    for state in (one, jax.tree.map(lambda a: jnp.stack([a] * 3), one)):
        with pytest.raises(ValueError, match=r"^state: expected that of each sequence, leaves"):
            rules.batch_gradient(rules.KeRNL(), CELL, squared_error, params, batches, state)
    with pytest.raises(ValueError, match=r"^rule: expected a rule, .* got 'BPTT'"):
        rules.batch_gradient("BPTT", CELL, squared_error, params, batches, ())
    with pytest.raises(ValueError, match=r"^rule: expected a rule, .* got 'KeRNL'"):
        rules.taught("KeRNL", CELL, rnnjax.tasks.Adding(4), params, key, n_sequences=1)


def test_complex_numbers_where_a_real_network_has_none_are_told():
    """Their imaginary parts were dropped: signs of i were signs of 0."""
    params, wrong = CELL.init(jax.random.key(0)), 1j * np.ones((4, 3))
    for make in (rules.UORO, rules.ReverseKFRTRL, rules.KFRTRL):
        with pytest.raises(ValueError, match=r"^signs: expected an array .* real numbers or None"):
            make(signs=wrong)
    with pytest.raises(ValueError, match=r"^xi: expected an array .* real numbers or None"):
        rules.NodePerturbation(xi=wrong)
    with pytest.raises(ValueError, match=r"^kappa: expected an array .* real numbers, got one of"):
        rules.transports.Fixed(wrong[0])
    for make in (rules.RFLO, rules.EProp):
        with pytest.raises(ValueError, match=r"^feedback: expected real weights of a real network"):
            make(feedback=1j * np.ones((3, 2)))(CELL, squared_error, params, sequence(4))


def test_a_network_that_reads_both_ways_has_no_feedback_weights():
    both = rnnjax.Bidirectional((CELL,), (CELL,))
    params = both.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"^cell: expected one with a method step, got Bidirect"):
        rules.random_feedback(jax.random.key(1), both, params)
