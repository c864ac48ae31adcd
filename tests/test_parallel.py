"""Solving a recurrence in parallel: the trajectory and the derivatives of the scan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import parallel, scaled
from rnnjax.scan import unroll

KEY = jax.random.key(0)
T = 16
X = jax.device_put(np.random.default_rng(0).standard_normal((T, 2)))
CELLS = {
    "tanh": rnnjax.Vanilla(2, 6, 1),
    "chaotic tanh": rnnjax.Vanilla(2, 6, 1, gain=4.0),
    "LSTM": rnnjax.LSTM(2, 4, 1),
    "LRU": rnnjax.LRU(2, 5, 1),
}


@pytest.mark.wide
@pytest.mark.parametrize("name", list(CELLS))
def test_newton_gives_the_trajectory_of_the_scan_and_its_derivatives(name):
    cell = CELLS[name]
    params = cell.init(KEY)

    def number(params, run):
        h = run(params)
        return jnp.sum(jnp.cos(jnp.arange(h.size).reshape(h.shape)) * jnp.abs(h) ** 2)

    def both(params):
        solved = parallel.unroll(cell, params, X)
        scanned = scaled.plain(unroll(cell, params, X).states)
        grads = [
            jax.grad(number)(params, run)
            for run in (
                lambda p: parallel.unroll(cell, p, X).states,
                lambda p: scaled.plain(unroll(cell, p, X).states),
            )
        ]
        return solved, scanned, grads

    solved, scanned, (found, expected) = jax.jit(both)(params)
    # In a chaotic network rounding grows as any perturbation does, here e^0.5 a step.
    rounding = 1e-12 if name != "chaotic tanh" else 1e-12 * np.exp(0.5 * T)
    np.testing.assert_allclose(solved.states, scanned, rtol=0, atol=rounding)
    assert int(solved.n_iterations) <= T
    if name == "LRU":  # one iteration, and one to see that nothing moves
        assert int(solved.n_iterations) == 2
    size = max(float(jnp.max(jnp.abs(g))) for g in jax.tree.leaves(expected))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=10 * rounding * size)


def test_a_diagonal_recurrence_is_a_scan_of_numbers():
    generator = np.random.default_rng(1)
    decay, b = generator.uniform(-1.2, 1.2, (2, T, 3))
    start = generator.standard_normal(3)
    h, expected = start, []
    for t in range(T):
        h = decay[t] * h + b[t]
        expected.append(h)
    diagonal, full = jax.jit(
        lambda decay, b, start: (
            parallel.linear_recurrence(decay, b, start),
            parallel.linear_recurrence(jax.vmap(jnp.diag)(decay), b, start),
        )
    )(decay, b, start)
    np.testing.assert_allclose(diagonal, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(full, expected, rtol=1e-12, atol=1e-12)


def test_every_iteration_makes_at_least_one_more_step_right():
    cell = CELLS["chaotic tanh"]
    params = cell.init(KEY)
    right = jax.jit(lambda: scaled.plain(unroll(cell, params, X).states))()
    solve = jax.jit(lambda n: parallel.unroll(cell, params, X, max_iterations=n).states)
    for n in (1, 5):
        np.testing.assert_allclose(solve(n)[: n + 1], right[: n + 1], atol=1e-12)
    assert float(jnp.max(jnp.abs(solve(1) - right))) > 1e-3


@pytest.mark.parametrize("gain", [1e2, 1e30])
def test_states_that_overflow_are_those_of_the_scan(gain):
    cell = rnnjax.Vanilla(2, 4, activation=rnnjax.activations.relu)
    params = cell.init(KEY)
    params = params._replace(W=gain * params.W, b=params.b + 5)
    x = jnp.asarray(np.random.default_rng(4).standard_normal((200, 2)))

    def step(h, x):
        h = cell.step(params, h, x)
        return h, h

    expected = jax.jit(lambda x: jax.lax.scan(step, cell.initial_state(), x)[1])(x)
    # Behind an overflow inf or NaN comes, by the order of a sum.
    end = np.flatnonzero(~np.isfinite(expected).all(axis=1))[0]
    assert 0 < end < 150
    solve = jax.jit(lambda x, n: parallel.unroll(cell, params, x, max_iterations=n))
    solved = solve(x, 200)
    assert solved.converged
    np.testing.assert_allclose(solved.states[:end], expected[:end], rtol=1e-11)
    assert not np.isfinite(solved.states[end:]).all(axis=1).any()
    assert not solve(x, 2).converged


class Leaps:
    """h -> sin(w h) + x, and x where x is large."""

    n_x = 1

    def initial_state(self):
        return jnp.zeros(1)

    def step(self, params, h, x):
        return jnp.where(x > 1e6, x, jnp.sin(params["w"] * h) + x)

    def readout(self, params, h):
        return h


def test_a_large_state_does_not_hide_that_those_before_it_still_move():
    cell, params = Leaps(), {"w": jnp.full(1, 2.0)}
    x = jnp.concatenate([jnp.linspace(0.1, 1, 30), jnp.full(1, 1e30)])[:, None]
    solved = jax.jit(lambda x: parallel.unroll(cell, params, x))(x)
    h, expected = jnp.zeros(1), []
    for each in x:
        h = cell.step(params, h, each)
        expected.append(h)
    assert solved.converged
    np.testing.assert_allclose(solved.states, expected, rtol=1e-11)


def test_a_cell_that_is_not_linear_in_its_state_has_no_associative_scan():
    cell = rnnjax.LSTM(2, 3)
    with pytest.raises(ValueError, match=r"^cell: expected one that is linear") as told:
        parallel.linear_states(cell, cell.init(jax.random.key(0)), jnp.ones((4, 2)))
    assert "\n" not in str(told.value)


def test_the_lru_is_linear_and_begins_where_its_cell_does():
    cell = rnnjax.LRU(2, 3)
    params, x = cell.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (9, 2))
    got = parallel.linear_states(cell, params, x)
    np.testing.assert_allclose(got, rnnjax.unroll(cell, params, x).plain, rtol=1e-13, atol=1e-14)
