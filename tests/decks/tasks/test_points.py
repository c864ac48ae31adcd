"""Two points on a line and three on a grid: what the tasks promise, exactly."""

import jax
import numpy as np
import pytest

from rnnjax import decks
from rnnjax.theory import nowcasting


def samples(task, n):
    draw = jax.jit(lambda key: jax.vmap(task.sample)(jax.random.split(key, n)))
    return jax.tree.map(np.asarray, draw(jax.random.key(0)))


def test_the_third_point_is_2b_minus_a_and_both_directions_are_drawn():
    batch = samples(decks.TwoPoints(), 4000)
    a, b, c = batch.x[:, 0, 0], batch.x[:, 1, 0], batch.y[:, -1, 0]
    np.testing.assert_allclose(c, 2 * b - a, atol=1e-12)
    speed, middle = np.abs(b - a), (a + b) / 2
    assert 0.5 <= speed.min() < 0.51 and 1.49 < speed.max() <= 1.5
    assert -3 <= middle.min() < -2.98 and 2.98 < middle.max() <= 3
    np.testing.assert_allclose(np.mean(b > a), 0.5, atol=0.03)
    np.testing.assert_allclose(np.mean(speed**2), 13 / 12, rtol=0.03)


def test_the_middle_is_the_best_answer_without_order():
    grid = jax.tree.map(np.asarray, jax.jit(lambda: decks.TwoPoints().grid(32))())
    points, c = grid.x[..., 0], grid.y[:, -1, 0]
    assert len(c) == 2048
    np.testing.assert_allclose(np.mean((np.mean(points, axis=1) - c) ** 2), 2.4375, rtol=1e-4)
    low, high = np.min(points, axis=1), np.max(points, axis=1)
    features = np.stack([low, high, low**2, low * high, high**2, np.ones_like(low)], axis=1)
    solved, (residual,), *_ = np.linalg.lstsq(features, c)
    np.testing.assert_allclose(residual / len(c), 2.4375, rtol=1e-4)
    np.testing.assert_allclose(solved, [0.5, 0.5, 0, 0, 0, 0], atol=1e-10)
    (weights, (residual,), *_) = np.linalg.lstsq(points, c)
    np.testing.assert_allclose(weights, [-1, 2], atol=1e-12)
    assert residual < 1e-20


@pytest.mark.parametrize("torus", [False, True])
def test_steps_on_a_grid_are_all_lines_as_one_hot_cells(torus):
    every = jax.jit(lambda: decks.GridSteps(torus=torus).sequences())()
    cells = np.concatenate([np.argmax(every.x, axis=-1), np.argmax(every.y[:, -1:], axis=-1)], 1)
    np.testing.assert_array_equal(cells, nowcasting.straight_lines(5, torus))
    np.testing.assert_array_equal(np.sum(every.x, axis=-1), 1)
    drawn = samples(decks.GridSteps(torus=torus), 2000)
    seen = {tuple(line) for line in np.argmax(drawn.x, axis=-1).tolist()}
    assert seen == {tuple(line) for line in cells[:, :2].tolist()}


def test_a_grid_without_room_for_a_line_is_refused():
    with pytest.raises(ValueError, match="side: expected a whole number of at least 3"):
        decks.GridSteps(side=2)
