import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.decks import (
    DataPairs,
    delta_x_networks,
    errors_by_cycle,
    errors_of_traces,
    feedback,
    feedback_statistics,
)

TASK = DataPairs(4)


def jordan(gain=1.0, **fields):
    return rnnjax.Jordan(
        2, 4, 2, **{"feedback": (1,), "start": 0.1, "spread": 1.5} | fields, gain=gain
    )


def measured(cell, key=0):
    params = cell.init(jax.random.key(key))
    return params, jax.jit(jax.vmap(lambda pair: feedback(cell, TASK.loss, params, pair)))(
        TASK.training()
    )


@pytest.mark.wide
def test_the_loop_gain_is_a_finite_difference_within_its_bound():
    cell = jordan(gain=3.0)
    params, found = measured(cell)
    pair, eps = jax.tree.map(lambda a: a[0], TASK.training()), 1e-6
    states = rnnjax.scaled.plain(rnnjax.unroll(cell, params, pair.x).states)
    before = jnp.concatenate([cell.initial_state()[None], states[:-1]])
    nudge = jnp.array([0.0, eps])

    def ahead(h, x):
        above, below = (cell.step(params, h + sign * nudge, x) for sign in (1, -1))
        return abs(above - below)[1] / (2 * eps)

    np.testing.assert_allclose(found.loop_gain[0], jax.vmap(ahead)(before, pair.x), rtol=1e-7)
    assert bool(jnp.all(found.loop_gain <= found.bound[:, None]))
    W, V = np.asarray(params.W), np.asarray(params.V)
    expected = sum(abs(V[1, j] * W[j, 2]) for j in range(4)) / 16
    np.testing.assert_allclose(found.bound, expected, rtol=1e-12)


def test_what_is_sent_back_is_the_derivative_by_the_output_before():
    _, found = measured(jordan(gain=2.0), key=3)
    np.testing.assert_allclose(found.sent, found.expected, rtol=1e-10, atol=1e-14)
    assert float(jnp.abs(found.sent).max()) > 1e-4


@pytest.mark.wide
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"feedback": (0, 1)}, "got 2 outputs"),
        ({"activation": rnnjax.activations.tanh}, "units tanh"),
    ],
)
def test_other_networks_are_refused(fields, told):
    cell = jordan(**fields)
    pair = jax.tree.map(lambda a: a[0], TASK.training())
    with pytest.raises(ValueError, match="cell: expected one output fed back and sigmoid") as error:
        feedback(cell, TASK.loss, cell.init(jax.random.key(0)), pair)
    assert told in str(error.value)


def test_statistics_are_those_of_all_sequences():
    cell = jordan(gain=2.0)
    params, found = measured(cell)
    told = jax.jit(lambda: feedback_statistics(cell, TASK.loss, params, TASK.training()))()
    np.testing.assert_allclose(told["loop_gain"], np.mean(found.loop_gain), rtol=1e-12)
    bound = np.asarray(found.bound)[:, None]
    np.testing.assert_allclose(
        told["loop_gain_over_bound"], np.max(found.loop_gain / bound), rtol=1e-12
    )
    assert float(told["sent_error"]) < 1e-12


@pytest.mark.wide
def test_a_longer_window_is_less_wrong_and_the_exact_rule_not_at_all():
    cell, pairs = jordan(gain=3.0), TASK.training()
    params = cell.init(jax.random.key(0))
    exact = rnnjax.scaled.normalise_tree(
        jax.grad(lambda p: rnnjax.mean_loss(cell, TASK.loss, p, pairs))(params)
    )

    def found(rule):
        return jax.jit(lambda: errors_by_cycle(rule, cell, TASK.loss, params, pairs, exact, 2))()

    errors = [found(rnnjax.BPTT(window=K)) for K in (1, 2, 4)]
    assert float(errors[0][0][0]) > float(errors[1][0][0]) > 1e-6
    np.testing.assert_allclose(errors[2][0], [0, 0], atol=1e-12)
    np.testing.assert_allclose(errors[2][1], [1, 1], rtol=1e-12)


@pytest.mark.wide
def test_a_trace_is_exact_without_decay_and_nothing_without_memory():
    cell, task = delta_x_networks.network("jordan")
    drawn = delta_x_networks.drawn(cell, task, jax.random.key(0), 4)
    found = jax.jit(lambda: errors_of_traces([0.0, 0.5, 1.0], cell, task.loss, *drawn))()
    local = rnnjax.BPTT(window=1)
    expected = jax.jit(lambda: errors_by_cycle(local, cell, task.loss, *drawn)[0][0])()
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)
    assert float(found[0]) > float(found[1]) > 1e-6 > 1e-12 > float(found[2])


@pytest.mark.wide
@pytest.mark.parametrize("name", delta_x_networks.NETWORKS)
def test_backpropagation_is_exact_on_every_network(name):
    cell, task = delta_x_networks.network(name, n_h=3)
    drawn = delta_x_networks.drawn(cell, task, jax.random.key(0), 2)
    found = jax.jit(lambda: errors_by_cycle(rnnjax.BPTT(), cell, task.loss, *drawn)[0])()
    np.testing.assert_allclose(found, 0, atol=1e-12)


def test_networks_are_drawn_from_keys_of_their_own():
    networks = {name: delta_x_networks.network(name, n_h=3) for name in ("adding", "jordan")}
    key = jax.random.key(4)
    found = jax.jit(lambda: delta_x_networks.draw_each(networks, key, 2))()
    expected = jax.jit(
        lambda: delta_x_networks.drawn(*networks["jordan"], jax.random.fold_in(key, 1), 2)
    )()
    jax.tree.map(np.testing.assert_array_equal, found["jordan"], expected)


@pytest.mark.wide
def test_backpropagation_learns_to_remember_a_pulse():
    cell, task = delta_x_networks.network("jordan")
    params, *_ = delta_x_networks.drawn(cell, task, jax.random.key(0), 1)

    def error(n_updates):
        options = {"length": 3, "n_updates": n_updates, "learning_rate": 0.03}
        rule = rnnjax.BPTT()
        return delta_x_networks.pulse_memory_error(rule, cell, params, **options)

    assert float(jax.jit(lambda: error(300))()) < 0.5 * float(jax.jit(lambda: error(1))())


def test_a_network_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="did you mean 'jordan'"):
        delta_x_networks.network("jordon")
