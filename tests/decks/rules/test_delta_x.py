"""The readings of delta-x against their formulas, written out for the 3-4-2 Jordan network."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import decks, rules, scaled
from rnnjax.losses import squared_error
from tests.stand_ins import of_normals

T = 5
TASK = decks.DataPairs(length=T)
CELL = rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=1.5)
PARAMS = of_normals(CELL.init, jax.random.key(0))
BATCH = rnnjax.Batch(*np.random.default_rng(1).uniform(0.1, 0.9, (2, T, 2)), np.ones(T))
RULES = {
    "BPTT": rnnjax.BPTT(),
    "BPTT of one step": rnnjax.BPTT(window=1),
    "into the target": decks.TargetShift(),
    "behind the slope": decks.SlopelessDeltaX(),
    "teacher forcing": rules.TeacherForcing(),
}


@functools.cache
def gradients():
    """The gradient of every rule, of the forward one with both signs, as one program."""

    @jax.jit
    def of_rules(params):
        def gradient(rule):
            return scaled.plain(rule(CELL, TASK.loss, params, BATCH, ()).grads)

        found = {name: gradient(rule) for name, rule in RULES.items()}
        signs = jnp.array([1.0, -1.0])
        return found, jax.vmap(lambda sign: gradient(decks.ForwardDeltaX(sign=sign)))(signs)

    found, forward = jax.tree.map(np.asarray, of_rules(PARAMS))
    return found | {sign: [leaf[n] for leaf in forward] for n, sign in enumerate((1.0, -1.0))}


def by_hand(dx_into, *, order, fed=None):
    """dE/dw of the sheet, cell by cell, in NumPy.

    dx_into(e, slope, dx) gives do from the error, the slope of the outputs and what came from
    another step's di3; order is the order in which the rows are filled.
    """
    W, b, V, c = (np.asarray(p) for p in PARAMS)
    outputs = [np.full(2, 0.1)]
    rows = []
    for t in range(T):
        x = np.concatenate([BATCH.x[t], outputs[-1][1:] if fed is None else fed[t]])
        h = 1 / (1 + np.exp(-(W @ x + b)))
        o = 1 / (1 + np.exp(-(V @ h + c)))
        outputs.append(o)
        rows.append((x, h, o))
    grads = [np.zeros_like(p) for p in (W, b, V, c)]
    dx = np.zeros(2)
    for t in order:
        x, h, o = rows[t]
        do = dx_into(o - BATCH.y[t], o * (1 - o), dx)
        dh = (V.T @ do) * h * (1 - h)
        dx = np.array([0, (W.T @ dh)[2]])
        for g, term in zip(grads, (np.outer(dh, x), dh, np.outer(do, h), do), strict=True):
            g += term
    return grads


def assert_close(got, expected, atol=1e-14):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=atol)


BACKWARD, FORWARD = range(T - 1, -1, -1), range(T)


def test_into_the_error_going_backward_is_backpropagation_through_time():
    sheet = by_hand(lambda e, slope, dx: (e + dx) * slope, order=BACKWARD)
    assert_close(gradients()["BPTT"], sheet)
    assert_close(gradients()["into the target"], sheet)


def test_no_delta_x_is_a_window_of_one_step():
    sheet = by_hand(lambda e, slope, dx: e * slope, order=FORWARD)
    assert_close(gradients()["BPTT of one step"], sheet)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_literal_forward_form_shifts_the_error_by_the_delta_before(sign):
    sheet = by_hand(lambda e, slope, dx: (e + sign * dx) * slope, order=FORWARD)
    assert_close(gradients()[sign], sheet)


def test_behind_the_slope():
    sheet = by_hand(lambda e, slope, dx: e * slope + dx, order=BACKWARD)
    assert_close(gradients()["behind the slope"], sheet)


def test_teacher_forcing_leaves_delta_x_no_role():
    fed = [np.array([0.1]), *BATCH.y[:-1, 1:]]
    got = gradients()["teacher forcing"]
    assert_close(got, by_hand(lambda e, slope, dx: e * slope, order=FORWARD, fed=fed))


@pytest.mark.wide
def test_feeding_the_shifted_output_changes_the_forward_pass():
    """Each step by itself, from the state that the shifted output gives it."""

    def loss_of(rule):
        return float(jax.jit(lambda p: rule(CELL, TASK.loss, p, BATCH, ()).loss)(PARAMS))

    loss = loss_of(decks.ForwardDeltaX(feeds=True))
    h, dx, total = np.full(2, 0.1), np.zeros(2), 0.0
    step = jax.jit(lambda h, x: (CELL.step(PARAMS, h, x), jax.jacobian(CELL.step, 1)(PARAMS, h, x)))
    for t in range(T):
        o, J = step(h, BATCH.x[t])
        shifted = o + dx
        error = shifted - BATCH.y[t]
        total += 0.5 * np.sum(error**2)
        h, dx = shifted, J.T @ error
    np.testing.assert_allclose(loss, total, rtol=1e-12)
    assert abs(loss - loss_of(decks.ForwardDeltaX())) > 1e-6


def of_window(n_steps):
    """The loss of every step by itself, sent back over so many steps."""
    found = []
    for t in range(T):
        of_last = itertools.chain([1], itertools.repeat(0))
        order = range(t, max(t - n_steps, -1), -1)
        found.append(
            by_hand(lambda e, s, dx, c=of_last: (next(c) * e + dx) * s, order=order),
        )
    return [sum(grads) for grads in zip(*found, strict=True)]


def test_the_stale_form_gains_one_lag_a_cycle_and_is_exact_after_all_of_them():
    rule = decks.StaleDeltaX()

    @jax.jit
    def cycles(params):
        def cycle(state, _):
            out = rule(CELL, TASK.loss, params, BATCH, state)
            return out.state, scaled.plain(out.grads)

        return jax.lax.scan(cycle, rule.init(CELL, params, BATCH), None, length=T + 1)[1]

    got = cycles(PARAMS)
    for n in range(T + 1):
        assert_close([leaf[n] for leaf in got], of_window(n + 1))
    assert_close([leaf[T] for leaf in got], gradients()["BPTT"])


def test_the_stale_form_works_far_below_the_range_of_floats(float32):
    """A linear chain at gain 0.1 whose only input is the first: dL/dw_n = 49 / 10^48 in float32."""
    cell, n = rnnjax.Chain(gain=0.1), 50
    first, last = (jnp.zeros(n).at[t].set(1.0) for t in (0, -1))
    batch = rnnjax.Batch(first[:, None], jnp.zeros((n, 1)), last)
    params = rnnjax.cells.ChainParams(jnp.float32(0.1), jnp.ones(1), jnp.float32(1))

    @jax.jit
    def run(params):
        rule = decks.StaleDeltaX()

        def one(state, _):
            out = rule(cell, lambda y_hat, y: jnp.sum(y_hat), params, batch, state)
            return out.state, scaled.log_norm(out.grads.w_n)

        return jax.lax.scan(one, rule.init(cell, params, batch), None, length=n)[1]

    got = run(params)
    np.testing.assert_allclose(got[-1], np.log(49) - 48 * np.log(10), rtol=1e-6)
    assert got[0] < got[-1] - 1


@pytest.mark.parametrize(
    ("rule", "needed"),
    [
        (decks.SlopelessDeltaX(), r"slopes f'\(z\) of its state"),
        (decks.TargetShift(), "its state as its output"),
        (rules.TeacherForcing(), "its state as its output"),
    ],
)
def test_a_cell_to_which_a_rule_does_not_apply_is_refused(rule, needed):
    cell = rnnjax.GRU(2, 3, 2)
    params = of_normals(cell.init, jax.random.key(0))
    with pytest.raises(
        ValueError, match=f"{type(rule).__name__}: expected a cell with {needed}, got GRU"
    ):
        rule(cell, squared_error, params, BATCH, ())
