"""The readings of the eligibility ratio against the formula written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import decks, rules, scaled
from rnnjax.decks import ratios

T, B = 5, 6
TASK = decks.DataPairs(length=T)
CELL = rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=1.5)
LOCAL = rnnjax.BPTT(window=1)


def run(rule):
    """The steps of each pair, and the rule's gradient of the batch."""

    @jax.jit
    def program(key):
        params = CELL.init(key)
        batch = jax.tree.map(lambda a: a[:B], TASK.training())
        steps = jax.vmap(lambda b: LOCAL(CELL, TASK.loss, params, b, per_step=True).grads)(batch)
        got = rules.batch_gradient(rule, CELL, TASK.loss, params, batch, ())
        return scaled.plain(steps), scaled.plain(got.grads)

    return jax.tree.map(np.asarray, program(jax.random.key(0)))


def formula(d, recursive=False):
    """sum_t d_t d_{t-1} / d_{t-2} along the leading axis."""
    u = np.array(d)
    source = u if recursive else d
    for t in range(2, len(d)):
        u[t] = d[t] * source[t - 1] / source[t - 2]
    return u.sum(0)


def assert_leaves(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("recursive", [False, True])
def test_each_weight_of_the_average(recursive):
    steps, got = run(rnnjax.decks.EligibilityRatio(LOCAL, recursive=recursive))
    assert_leaves(got, [formula(d.mean(0), recursive) for d in steps])


@pytest.mark.wide
def test_each_pair_by_itself_then_the_average():
    steps, got = run(rnnjax.decks.EligibilityRatio(LOCAL, mean_first=False))
    assert_leaves(got, [np.mean([formula(pair) for pair in d], axis=0) for d in steps])


@pytest.mark.wide
def test_each_unit_before_the_outer_product():
    rule = rnnjax.decks.EligibilityRatio(LOCAL, of=ratios.EachUnit(CELL.layers), mean_first=False)
    steps, got = run(rule)
    ratio = [np.ones((B, T, n)) for n in (4, 2)]
    for m, delta in zip(ratio, (steps.b, steps.c), strict=True):
        m[:, 2:] = delta[:, 1:-1] / delta[:, :-2]
    expected = [
        np.mean(np.sum(d * m.reshape(*m.shape, *(1,) * (d.ndim - 3)), axis=1), axis=0)
        for d, m in zip(steps, (ratio[0], ratio[0], ratio[1], ratio[1]), strict=True)
    ]
    assert_leaves(got, expected)


@pytest.mark.wide
@pytest.mark.parametrize("of", [ratios.norms, ratios.projection])
def test_one_ratio_for_the_whole_gradient(of):
    steps, got = run(rnnjax.decks.EligibilityRatio(LOCAL, of=of))
    means = [d.mean(0) for d in steps]
    flat = np.concatenate([d.reshape(T, -1) for d in means], axis=1)
    m = np.ones(T)
    for t in range(2, T):
        new, old = flat[t - 1], flat[t - 2]
        whole = np.linalg.norm(new) / np.linalg.norm(old)
        m[t] = whole if of is ratios.norms else new @ old / (old @ old)
    assert_leaves(got, [np.tensordot(m, d, 1) for d in means])


def test_the_sum_may_point_uphill():
    """dw = (.1, .3, -.2) sums to .2; the literal rule makes it .1 + .3 - .2 * 3 = -.2."""
    steps = scaled.normalise_tree(jnp.array([0.1, 0.3, -0.2]), jnp.zeros(3, jnp.int32))
    u = jax.jit(rnnjax.decks.EligibilityRatio().scale_steps)(steps)
    np.testing.assert_allclose(np.sum(scaled.plain(u)), -0.2)


def test_two_steps_are_left_alone():
    steps = scaled.normalise_tree(jnp.array([[0.1, -4], [0.3, 0]]), jnp.zeros(2, jnp.int32))
    u = jax.jit(rnnjax.decks.EligibilityRatio().scale_steps)(steps)
    np.testing.assert_array_equal(scaled.plain(u), [[0.1, -4], [0.3, 0]])


def test_ratios_of_gradients_that_no_float_can_hold():
    """Growth by 2^200 a step: the ratio is 2^200, and u_t = dw_{t+1}."""
    exponent = jnp.arange(5, dtype=jnp.int32) * 200 + 1000
    steps = scaled.normalise(jnp.array([[1.0, 3.0]] * 5), exponent)
    u = jax.jit(rnnjax.decks.EligibilityRatio().scale_steps)(steps)
    np.testing.assert_allclose(
        scaled.log_norm(u)[2:], scaled.log_norm(steps)[2:] + 200 * np.log(2), rtol=1e-12
    )
