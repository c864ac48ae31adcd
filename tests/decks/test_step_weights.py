"""Weights of steps: against plain automatic differentiation, closed forms and limits."""

import functools

import jax
import numpy as np
import pytest
from jax import numpy as jnp

import rnnjax
from rnnjax import decks
from rnnjax.theory import scalar_chain

step_weights = decks.step_weights
KEY = jax.random.key(5)
LOSS, RATIOS = decks.DataPairs().loss, (decks.ratios.Literal(), decks.ratios.Safeguarded())
alike = jax.jit(step_weights.alike, static_argnums=0)
chain_shares = jax.jit(step_weights.chain_shares)
ratio_shares = jax.jit(lambda grads: step_weights.ratio_shares(grads, RATIOS))
shares = jax.jit(step_weights.shares)
with_loop = jax.jit(step_weights.with_loop)


@pytest.fixture(scope="module")
def pairs():
    """The network of the slides, its parameters, the pairs and the first outputs."""
    cell = decks.workbook.network(spread=1.0)
    batch = decks.DataPairs().training()
    return (
        cell,
        jax.jit(cell.init)(KEY),
        batch,
        jnp.broadcast_to(cell.initial_state(), batch.y[:, 0].shape),
    )


@functools.cache
def program(cell, rule):
    """What `by_step` finds in one network; one program for all networks of these shapes."""

    def of_one(*network):
        one = jax.tree.map(lambda a: a[None], network)
        return step_weights.by_step(cell, LOSS, rule, *one)

    return jax.jit(of_one)


def by_step(cell, rule, *network):
    return program(cell, rule)(*network)


def plain_norms(cell, params, batch, o):
    """||dw_t|| with the fed-back output held fixed: the derivative of the loss of step t."""

    def mean_loss(params, o, x, y):
        o_new = jax.vmap(lambda o, x: cell.step(params, o, x))(o, x)
        return jnp.mean(jax.vmap(LOSS)(o_new, y)), o_new

    norms, one = [], jax.jit(jax.grad(mean_loss, has_aux=True))
    for t in range(5):
        dw, o = one(params, o, batch.x[:, t], batch.y[:, t])
        norms.append(np.sqrt(sum(np.sum(np.square(leaf)) for leaf in dw)))
    return np.array(norms)


@pytest.mark.wide
def test_shares_are_those_of_plain_automatic_differentiation(pairs):
    norms = plain_norms(*pairs)
    found = by_step(pairs[0], rnnjax.BPTT(window=1), *pairs[1:])
    np.testing.assert_allclose(shares(found["grads"])[0], norms / sum(norms), rtol=1e-10)
    # Without an update to speak of, what is measured online is the same.
    cell, *rest = pairs
    rates = jnp.array([1e-9])
    online = jax.jit(lambda *rest: step_weights.online_shares(cell, LOSS, *rest, rates))(*rest)
    np.testing.assert_allclose(online[0], norms / sum(norms), rtol=1e-6)


@pytest.mark.wide
def test_errors_loss_and_loop_gain_are_those_of_a_loop(pairs):
    cell, params, batch, start = pairs
    found = by_step(cell, rnnjax.BPTT(), params, batch, start)
    step = functools.partial(cell.step, params)
    both = jax.jit(jax.vmap(lambda o, x: (jax.jacobian(step)(o, x), step(o, x))))
    o, errors, gains = start, [], []
    for t in range(5):
        jacobian, o = both(o, batch.x[:, t])
        errors.append(o - batch.y[:, t])
        gains.append(jacobian[:, 1, 1])
    np.testing.assert_allclose(found["error"][0], np.mean(np.abs(errors), axis=(1, 2)), rtol=1e-10)
    np.testing.assert_allclose(found["loss"][0], 0.5 * np.mean(np.sum(np.square(errors), (0, 2))))
    np.testing.assert_allclose(found["loop_gain"][0], np.mean(gains), rtol=1e-10)


@pytest.mark.wide
def test_compared_networks_are_those_measured_one_by_one(pairs):
    cell, params, batch, start = pairs
    loop = with_loop(params, 6.0)
    nets = (params, batch, start), (loop, *alike(cell, loop, batch, 0.5, 0.9))
    trained = jax.tree.map(lambda a: jnp.stack([a, 0.5 * a, 2 * a]), params)
    found = jax.jit(lambda: step_weights.compared(cell, LOSS, nets, trained, RATIOS))()
    for n, net in enumerate(nets):
        for k, rule in enumerate((rnnjax.BPTT(window=1), rnnjax.BPTT())):
            one = by_step(cell, rule, *net)
            expected = shares(one["grads"])[0]
            np.testing.assert_allclose(found["share"][n, k], expected, rtol=1e-10)
        np.testing.assert_allclose(found["loop_gain"][n], one["loop_gain"][0], rtol=1e-10)
    halved = jax.tree.map(lambda a: 0.5 * a, params)
    one = by_step(cell, rnnjax.BPTT(window=1), halved, batch, start)
    expected = shares(one["grads"])[0]
    np.testing.assert_allclose(found["share_training"][1], expected, rtol=1e-10)
    for name in ("error", "loss"):
        np.testing.assert_allclose(found[name][1], one[name][0], rtol=1e-10)
    first = jax.tree.map(lambda a: a[0], by_step(cell, rnnjax.BPTT(window=1), *nets[0])["grads"])
    np.testing.assert_allclose(found["share_ratio"], ratio_shares(first), rtol=1e-10)


@pytest.mark.wide
def test_steps_that_are_alike_have_equal_shares(pairs):
    cell, params, batch, _ = pairs
    equal, start = alike(cell, params, batch, 0.5, 0.9)
    assert set(np.unique(equal.x[..., 1])) == {0.5} and set(np.unique(equal.y)) == {0.9}
    found = by_step(cell, rnnjax.BPTT(window=1), params, equal, start)
    np.testing.assert_allclose(shares(found["grads"]), 0.2, rtol=1e-9)


@pytest.mark.wide
def test_a_ratio_begins_with_the_third_step(pairs):
    cell, params, batch, start = pairs
    grads = by_step(cell, rnnjax.BPTT(window=1), params, batch, start)["grads"]
    one = jax.tree.map(lambda a: a[0], grads)
    under, without = ratio_shares(one), step_weights.shares(one)
    np.testing.assert_allclose(under[:, 0] / under[:, 1], without[0] / without[1], rtol=1e-9)
    assert (np.abs(under[:, 2] / under[:, 1] - without[2] / without[1]) > 1e-3).all()


@pytest.mark.wide
@pytest.mark.parametrize("w_n", [-0.8, 0.05, 1.0, 1.5])
def test_shares_of_a_linear_chain_are_the_closed_forms(w_n):
    equal = chain_shares(w_n, np.ones(5))
    np.testing.assert_allclose(equal, scalar_chain.step_shares(w_n, 5), rtol=1e-9)
    last = chain_shares(w_n, np.eye(10)[-1])
    np.testing.assert_allclose(last, scalar_chain.input_shares(w_n, 10), rtol=1e-9)


@pytest.mark.wide
def test_every_path_of_the_loop_is_positive(pairs):
    cell, params, batch, start = pairs
    loop = with_loop(params, 6.0)
    np.testing.assert_allclose(np.abs(loop.W[:, -1]), 6 * np.abs(params.W[:, -1]))
    assert (loop.W[:, -1] * loop.V[-1] > 0).all()
    assert by_step(cell, rnnjax.BPTT(window=1), loop, batch, start)["loop_gain"] > 0
