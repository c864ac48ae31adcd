import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules
from rnnjax.losses import squared_error

N, N_X = 8, 2
CELL = rnnjax.Vanilla(N_X, N, 1, leak=0.5)
P = N * (N + N_X + 1)
FLOAT, EXPONENT = 8, 4


def sequence(n_steps):
    return rnnjax.Batch(jnp.ones((n_steps, N_X)), jnp.ones((n_steps, 1)), jnp.ones(n_steps))


def bytes_of(rule, n_steps=20):
    params = jax.eval_shape(CELL.init, jax.random.key(0))
    return rules.state_bytes(rule, CELL, params, sequence(n_steps))


@pytest.mark.parametrize(
    ("rule", "numbers", "exponents"),
    [
        (rules.RTRL(), N * P, 1),
        (rules.SnAp(1), P, 1),
        (rules.EProp(), P, 1),
        (rules.RFLO(), P, 1),
        (rules.UORO(), N + P, 2),
        (rules.KFRTRL(), N + N_X + 1 + N * N, 2),
        (rules.ReverseKFRTRL(), N + N * (N + N_X + 1), 2),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "step") else "",
)
def test_what_a_rule_keeps_is_what_its_equations_say(rule, numbers, exponents):
    mask = P if isinstance(rule, rules.SnAp) else 0  # the pattern, a byte a weight
    assert bytes_of(rule) == numbers * FLOAT + exponents * EXPONENT + mask


def test_forward_propagation_of_errors_keeps_a_matrix_whatever_the_length():
    assert bytes_of(rules.ForwardErrors(), 20) == (N * N + N) * FLOAT + 2 * EXPONENT
    assert bytes_of(rules.ForwardErrors(), 2000) == bytes_of(rules.ForwardErrors(), 20)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("RTRL", "a rule, such as .* got 'RTRL'"),
        (
            rnnjax.penalties.Penalised(rules.RTRL(), rnnjax.penalties.Flossing(1)),
            "one that is not made of another rule, got Penalised",
        ),
        (rnnjax.decks.EligibilityRatio(rules.RTRL()), "one that is not .*, got EligibilityRatio"),
    ],
    ids=["text", "penalised", "ratio"],
)
def test_what_has_no_memory_of_its_own_is_told(rule, expected):
    with pytest.raises(ValueError, match=f"^rule: expected {expected}"):
        bytes_of(rule)


@pytest.mark.wide
def test_online_rules_do_not_grow_with_the_sequence_and_the_others_do():
    assert bytes_of(rules.RTRL(), 10) == bytes_of(rules.RTRL(), 10**6)
    assert bytes_of(rules.BPTT(), 2000) == 100 * bytes_of(rules.BPTT(), 20)
    assert bytes_of(rules.TruncatedBPTT(5), 2000) == bytes_of(rules.BPTT(), 5)
    assert bytes_of(rules.BPTT(segment=100), 10_000) == bytes_of(rules.BPTT(), 200)


@pytest.mark.wide
def test_rtrl_needs_no_more_memory_for_a_hundred_times_the_steps(float32):
    """As compiled, n_h = 64: the scratch memory of 640 and of 64,000 steps, inputs not counted."""
    cell = rnnjax.Vanilla(N_X, 64, 1)

    def scratch(n_steps):
        shapes = jax.eval_shape(lambda: (cell.init(jax.random.key(0)), sequence(n_steps)))
        run = jax.jit(lambda p, b: rules.RTRL()(cell, squared_error, p, b).grads)
        return run.lower(*shapes).compile().memory_analysis().temp_size_in_bytes

    short, long = scratch(640), scratch(64_000)
    influence = 64 * 64 * (64 + N_X + 1) * 4
    assert short > influence
    # What grows is a handful of numbers a step: inputs in pieces, and the losses.
    np.testing.assert_array_less(long - short, 63_360 * 4 * (2 * N_X + 8))
