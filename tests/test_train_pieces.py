import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.tasks import Copy
from rnnjax.train_online import OnlineTraining
from rnnjax.train_pieces import train_by_delay, train_in_levels, train_in_pieces


def doubling(stops_at):
    """The state doubles in every piece; what is seen is the state, and twice its number."""

    def piece(x, n):
        return 2 * x, {"x": 2 * x, "twice": 2 * n}, 2 * x >= stops_at

    return piece


def test_it_stops_after_the_piece_that_says_so_and_repeats_what_that_has_seen():
    x, n, seen = jax.jit(lambda: train_in_pieces(doubling(4), jnp.float32(1), n_pieces=5))()
    assert (x, n) == (4, 2)
    np.testing.assert_array_equal(seen["x"], [2, 4, 4, 4, 4])
    np.testing.assert_array_equal(seen["twice"], [0, 2, 2, 2, 2])


def test_without_a_stop_all_pieces_run():
    x, n, seen = jax.jit(lambda: train_in_pieces(doubling(jnp.inf), jnp.float32(1), n_pieces=3))()
    assert (x, n) == (8, 3)
    np.testing.assert_array_equal(seen["x"], [2, 4, 8])


def test_side_by_side_each_stops_for_itself():
    def run(stops_at):
        return train_in_pieces(doubling(stops_at), jnp.float32(1), n_pieces=4)

    x, n, seen = jax.jit(jax.vmap(run))(jnp.array([2.0, 8.0, jnp.inf]))
    np.testing.assert_array_equal(n, [1, 3, 4])
    np.testing.assert_array_equal(x, [2, 8, 16])
    np.testing.assert_array_equal(seen["x"], [[2, 2, 2, 2], [2, 4, 8, 8], [2, 4, 8, 16]])


def test_there_has_to_be_a_piece():
    with pytest.raises(ValueError, match="n_pieces"):
        train_in_pieces(doubling(4), jnp.float32(1), n_pieces=0)


def test_levels_rise_where_the_last_one_was_solved():
    """Each piece solves levels up to the number of pieces before it."""

    def piece(n, level, key):
        return n + 1, jnp.where(level <= n, 0.1, 0.9)

    keys = jax.random.split(jax.random.key(0), 5)
    n, losses, levels, best = jax.jit(
        lambda keys: train_in_levels(piece, jnp.int32(0), keys, solved=0.5, last=3)
    )(keys)
    np.testing.assert_array_equal(levels, [1, 1, 2, 3, 3])
    np.testing.assert_allclose(losses, [0.9, 0.1, 0.1, 0.1, 0.1])
    assert (n, best) == (5, 3)


@pytest.mark.parametrize(("ability", "n_points", "delays"), [
    (3, 6, [1, 2, 3, 4, 4, 4]),
    (0, 3, [1, 1, 1]),
    (99, 26, [*range(1, 25), 24, 24]),
])  # fmt: skip
def test_the_delay_of_copy_grows_by_a_step_when_the_last_one_is_solved(ability, n_points, delays):
    """With a learner by hand, that solves delays up to its ability just so."""

    def train(task, key, n, params):
        solved = task.delay <= ability
        loss = jnp.where(solved, 0.103, 0.105) * jnp.ones((n, 2))  # 0.15 bit is 0.10397 nat
        return OnlineTraining(params, loss)

    task, levels = Copy(2, 2, 1, 24, blanks=False), {"n_sequences": 3, "solved": 0.15 * np.log(2)}
    keys = jax.random.split(jax.random.key(0), n_points)
    by_delay = jax.jit(lambda keys: train_by_delay(train, task, jnp.zeros(1), keys, **levels))
    _, delay, solved = by_delay(keys)
    np.testing.assert_array_equal(delay, delays)
    assert solved == min(ability, 24)
