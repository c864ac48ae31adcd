"""Penalties in closed form, against finite differences, and doing what they are for."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.test_util import check_grads

import rnnjax
from rnnjax import activations, penalties, probes, rules, scaled, tasks

KEY = jax.random.key(0)
T = 9


def at_the_end(n_x=1):
    """One sequence whose loss falls due at its last step."""
    x = jax.random.normal(jax.random.key(1), (T, n_x))
    return rnnjax.Batch(x, jnp.ones((T, 1)), jnp.eye(T)[-1])


def linear(W):
    cell = rnnjax.Vanilla(1, len(W), 1, activation=activations.identity)
    return cell, cell.init(KEY)._replace(W=jnp.asarray(W))


@pytest.mark.wide
@pytest.mark.parametrize("a", [0.5, 1.0, 1.3])
def test_omega_of_a_multiple_of_the_identity(a):
    cell, params = linear(a * np.eye(3))
    task = tasks.WhiteNoise(T, 1)

    @jax.jit
    def both(params, batch):
        values = [
            penalties.Omega(as_released=released)(cell, task.loss, params, batch)
            for released in (False, True)
        ]
        return jnp.stack(values)

    printed, released = both(params, at_the_end())
    assert printed == pytest.approx((T - 1) * (a - 1) ** 2, abs=1e-14)
    assert released == pytest.approx((a**2 - 1) ** 2, abs=1e-14)


def test_omega_of_an_orthogonal_network_is_zero_and_asks_for_nothing():
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    cell, params = linear(Q)
    omega = penalties.Omega()
    value, gradient = jax.jit(
        jax.value_and_grad(lambda p: omega(cell, tasks.WhiteNoise(T, 1).loss, p, at_the_end()))
    )(params)
    assert value < 1e-26
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradient)) < 1e-12


def test_the_gradient_of_omega_is_the_immediate_one():
    """States, slopes and delta_t are constants: by a loop in NumPy and central differences."""
    cell = rnnjax.Vanilla(1, 3, 1, gain=1.4)
    params, batch = cell.init(KEY), at_the_end()
    loss = tasks.WhiteNoise(T, 1).loss
    gradient = jax.jit(jax.grad(lambda p: penalties.Omega()(cell, loss, p, batch)))(params)
    W, U, b, V = (np.asarray(p) for p in params[:4])
    h, states = np.zeros(3), []
    for x in np.asarray(batch.x):
        h = np.tanh(W @ h + U @ x + b)
        states.append(h)
    error = jax.grad(lambda y: loss(y, batch.y[-1]))(V @ h + np.asarray(params.c))
    deltas = [V.T @ np.asarray(error)]
    for h in states[:0:-1]:
        deltas.insert(0, W.T @ ((1 - h**2) * deltas[0]))

    def omega(W):
        total = 0.0
        for h, delta in zip(states[1:], deltas[1:], strict=True):
            carried = W.T @ ((1 - h**2) * delta)
            total += (np.linalg.norm(carried) / np.linalg.norm(delta) - 1) ** 2
        return total

    expected = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[i, j] = 1e-6
        expected[i, j] = (omega(W + step) - omega(W - step)) / 2e-6
    np.testing.assert_allclose(gradient.W, expected, rtol=1e-7, atol=1e-9)
    assert not np.any(gradient.U) and not np.any(gradient.V)


@pytest.mark.wide
def test_a_penalty_is_added_to_the_gradient_of_the_rule():
    cell, task = rnnjax.Vanilla(1, 3, 1), tasks.WhiteNoise(T, 1)
    omega, weight = penalties.Omega(), 2.5
    rule = penalties.Penalised(rules.BPTT(), omega, weight)

    @jax.jit
    def run(key):
        params = cell.init(key)
        batch = jax.vmap(task.sample)(jax.random.split(key, 3))
        state = jax.vmap(lambda b: rule.init(cell, params, b))(batch)
        out = rules.batch_gradient(rule, cell, task.loss, params, batch, state)
        plain = rules.batch_gradient(rule.rule, cell, task.loss, params, batch, state)

        def mean(p):
            return jax.vmap(lambda b: omega(cell, task.loss, p, b))(batch).mean()

        return out.loss - plain.loss, scaled.plain((out.grads, plain.grads)), jax.grad(mean)(params)

    more, (got, plain), extra = run(KEY)
    assert more == 0
    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(a, b + weight * c, atol=1e-12), got, plain, extra
    )


def test_the_gradient_of_flossing_by_finite_differences():
    cell = rnnjax.Vanilla(1, 4, 1, gain=1.3)
    params, batch = cell.init(KEY), at_the_end()
    floss = jax.jit(lambda p: penalties.Flossing(3, 2, every=2)(cell, None, p, batch))
    check_grads(floss, (params,), order=1, modes=["rev"], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rank", [0, 1])
def test_no_gradient_leads_away_from_a_lost_direction(rank):
    """The slope of ln 0 is infinite; an exponent beside it keeps its own."""
    cell = rnnjax.Vanilla(1, 3, 1)
    batch, params = at_the_end(), cell.init(KEY)._replace(W=jnp.full((3, 3), 0.3 * rank))

    def gradient(measured):
        return jax.jit(jax.value_and_grad(measured))(params)

    value, slope = gradient(lambda p: penalties.Flossing(2)(cell, None, p, batch))
    assert value == jnp.inf
    assert not np.any(np.isfinite(slope.W))
    value, slope = gradient(lambda p: probes.mean_log_det(cell, None, p, batch)["mean_log_det"])
    assert value == -jnp.inf
    assert not np.any(np.isfinite(slope.W))
    if rank:
        first = penalties.Flossing(2).exponents
        check_grads(jax.jit(lambda U: first(cell, params._replace(U=U), batch)[0]), (params.U,),
                    order=1, modes=["rev"], rtol=1e-6)  # fmt: skip


@pytest.mark.wide
def test_flossing_brings_the_exponents_to_zero():
    cell, task = rnnjax.Vanilla(1, 8, 1, gain=0.6), tasks.WhiteNoise(40, 1)
    floss = penalties.Flossing(4, 10)
    optimiser = optax.adam(0.02)
    batch = task.sample(KEY)

    def update(carry, _):
        params, state = carry
        gradient = jax.grad(lambda p: floss(cell, None, p, batch))(params)
        updates, state = optimiser.update(gradient, state)
        return (optax.apply_updates(params, updates), state), None

    def mean_size(params):
        found = probes.lyapunov_spectrum(cell, None, params, batch, n_exponents=4, n_discarded=10)
        return jnp.mean(jnp.abs(found["exponents"]))

    @jax.jit
    def run(params):
        (after, _), _ = jax.lax.scan(update, (params, optimiser.init(params)), length=150)
        return mean_size(params), mean_size(after)

    before, after = run(cell.init(KEY))
    assert before > 0.5
    assert after < 0.02


def test_an_update_of_flossing_is_one_of_its_gradient():
    cell, batch, adam = rnnjax.Vanilla(1, 4, 1), at_the_end(), optax.adam(0.01)
    params, floss = cell.init(KEY), penalties.Flossing(2, 1)
    state = adam.init(params)
    found, _, exponents = jax.jit(lambda p: floss.update(cell, p, state, batch, adam))(params)
    gradient = jax.jit(jax.grad(lambda p: floss(cell, None, p, batch)))(params)
    expected = optax.apply_updates(params, adam.update(gradient, state, params)[0])
    for leaf, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-9)
    np.testing.assert_allclose(exponents, floss.exponents(cell, params, batch), rtol=1e-9)


@pytest.mark.wide
def test_a_descent_of_flossing_is_its_updates_in_turn():
    cell, adam, floss = rnnjax.Vanilla(1, 4, 1), optax.adam(0.01), penalties.Flossing(2, 1)
    batches = jax.vmap(tasks.WhiteNoise(T, 1).sample)(jax.random.split(KEY, 2))
    start = cell.init(KEY)
    found, exponents = jax.jit(lambda p: floss.descend(cell, p, batches, adam))(start)
    params, state = start, adam.init(start)
    for n in range(2):
        one = jax.tree.map(lambda a, n=n: a[n], batches)
        params, state, expected = floss.update(cell, params, state, one, adam)
        np.testing.assert_allclose(exponents[n], expected, rtol=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), found, params)
