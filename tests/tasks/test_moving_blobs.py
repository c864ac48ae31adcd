"""Blobs in motion: what the task promises, exactly."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import tasks
from rnnjax.tasks import moving_blobs
from rnnjax.theory import nowcasting


def samples(task, n):
    draw = jax.jit(lambda key: jax.vmap(task.sample)(jax.random.split(key, n)))
    return jax.tree.map(np.asarray, draw(jax.random.key(0)))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (lambda: tasks.MovingBlobs(length=1), "length: expected a whole number of at least 2"),
        (lambda: tasks.MovingBlobs(speed=5), "speed: expected 1 to 4 pixels"),
    ],
)
def test_sizes_that_cannot_be_are_refused(task, message):
    with pytest.raises(ValueError, match=message):
        task()


def film(batch):
    """Frames 1..T+1 of clean sequences, (B, T + 1, side, side)."""
    frames = np.concatenate([batch.x, batch.y[:, -1:]], axis=1)
    side = int(np.sqrt(frames.shape[-1]))
    return frames.reshape(*frames.shape[:2], side, side)


def test_a_blob_moves_by_its_velocity_and_the_target_is_the_next_frame():
    task = tasks.MovingBlobs()
    batch = samples(task, 500)
    np.testing.assert_array_equal(batch.y[:, :-1], batch.x[:, 1:])
    frames, found = film(batch), set()
    for sequence in frames:
        fits = [
            tuple(v) for v in task.velocities()
            if np.allclose(np.roll(sequence[0], v, (0, 1)), sequence[1], atol=1e-9)
        ]  # fmt: skip
        (velocity,) = fits
        for before, after in pairwise(sequence):
            np.testing.assert_allclose(np.roll(before, velocity, (0, 1)), after, atol=1e-9)
        found.add(velocity)
    assert found == {tuple(v) for v in task.velocities()} and len(found) == 24


def test_every_frame_holds_a_gaussian_of_height_1():
    frame = jax.jit(tasks.MovingBlobs().frame)(jnp.array([[5.0, 15.0]])).reshape(16, 16)
    assert frame[5, 15] == 1
    np.testing.assert_allclose(frame[7, 15], np.exp(-4 / (2 * 1.44)))
    np.testing.assert_allclose(frame[5, 1], np.exp(-4 / (2 * 1.44)))  # across the border
    two = jax.jit(tasks.MovingBlobs().frame)(jnp.array([[5.0, 15.0], [5.0, 15.0]]))
    np.testing.assert_allclose(two.reshape(16, 16), 2 * frame)


def test_growth_multiplies_every_frame_by_the_same_factor():
    frames = film(samples(tasks.MovingBlobs(growth=0.2), 200))
    total = np.sum(frames, axis=(2, 3))
    factors = total[:, 1:] / total[:, :-1]
    np.testing.assert_allclose(factors, factors[:, :1].repeat(6, axis=1), rtol=1e-5)
    np.testing.assert_allclose(np.std(np.log(factors[:, 0])), 0.2, rtol=0.2)


def test_noise_falls_on_the_inputs_only():
    clean, noisy = samples(tasks.MovingBlobs(), 50), samples(tasks.MovingBlobs(noise=0.3), 50)
    np.testing.assert_array_equal(clean.y, noisy.y)
    np.testing.assert_allclose(np.std(noisy.x - clean.x), 0.3, rtol=0.02)


def test_velocities_may_be_anything_and_may_change():
    task = tasks.MovingBlobs(whole_steps=False, n_blobs=2)
    batch = samples(task, 400)
    move = jax.jit(moving_blobs.displacement)
    steps = np.stack([move(batch.x[:, t], batch.y[:, t]) for t in range(6)], axis=1)
    np.testing.assert_allclose(steps, steps[:, :1].repeat(6, axis=1), atol=1e-5)
    assert 1.9 < np.abs(steps).max() <= 2 + 1e-6
    assert np.std(steps % 1) > 0.2
    wandering = samples(tasks.MovingBlobs(wander=0.1), 400)
    steps = np.stack([move(wandering.x[:, t], wandering.y[:, t]) for t in range(6)], axis=1)
    np.testing.assert_allclose(np.std(np.diff(steps, axis=1)), 0.1, rtol=0.1)


@pytest.mark.parametrize("task", [tasks.MovingBlobs(), tasks.MovingBlobs(n_blobs=3, length=2)])
def test_two_frames_and_their_order_are_all_that_advection_needs(task):
    batch = samples(task, 100)
    advected = jax.jit(moving_blobs.advected)
    ahead = advected(batch.x[:, -2], batch.x[:, -1])
    np.testing.assert_allclose(ahead, batch.y[:, -1], atol=1e-6)
    back = advected(batch.x[:, -1], batch.x[:, -2])
    assert np.mean((back - batch.y[:, -1]) ** 2) > 0.02


def test_advection_of_empty_frames_is_empty():
    nothing = jnp.zeros((2, 64))
    np.testing.assert_array_equal(jax.jit(moving_blobs.advected)(nothing, nothing), 0)


def test_simple_forecasts_have_the_errors_of_their_closed_forms():
    task = tasks.MovingBlobs()
    velocities = jnp.asarray(task.velocities(), float)
    keys = jax.random.split(jax.random.key(1), len(velocities))
    batch = jax.jit(jax.vmap(task.sequence))(keys, velocities)
    way = jax.jit(moving_blobs.displacement)(batch.x[:, 0], batch.y[:, 0])
    np.testing.assert_allclose(way, velocities, atol=1e-5)
    expected = nowcasting.blob_errors(task.velocities(), 6, 16, 1.2)
    forecasts = jax.jit(moving_blobs.simple_forecasts)(batch.x)
    assert set(forecasts) == set(expected)
    for name, forecast in forecasts.items():
        error = np.mean((forecast - batch.y[:, -1]) ** 2)
        np.testing.assert_allclose(error, expected[name], atol=1e-6, err_msg=name)


def test_displacement_is_the_motion_and_0_where_there_is_nothing():
    task = tasks.MovingBlobs()
    frame = jax.jit(task.frame)
    start = frame(jnp.array([[3.0, 14.5]]))
    move = jax.jit(moving_blobs.displacement)
    for way in ([1.0, 2.0], [-2.5, 0.25], [7.0, -7.0]):
        end = frame(jnp.array([[3.0, 14.5]]) + jnp.array([way]))
        np.testing.assert_allclose(move(start, end), way, atol=1e-6)
    # An angle of 0 has four signs of its zeros: one a quadrant.
    corners = jnp.array([[[3.0, 3.0]], [[3.0, 11.0]], [[11.0, 3.0]], [[11.0, 11.0]]])
    starts = jax.jit(jax.vmap(task.frame))(corners)
    np.testing.assert_array_equal(move(starts, jnp.zeros_like(starts)), 0)
    ghosts = (frame(jnp.array([[4.0, 16.5]])) + frame(jnp.array([[1.0, 10.5]]))) / 2
    np.testing.assert_allclose(move(start, ghosts), [-0.5, -1.0], atol=1e-6)


def test_the_success_index_counts_hits_misses_and_false_alarms():
    truth = jnp.array([0.9, 0.8, 0.1, 0.0])
    index = jax.jit(moving_blobs.critical_success_index)
    assert index(truth, truth) == 1
    assert index(jnp.array([0.9, 0.0, 0.7, 0.0]), truth) == 1 / 3
    assert index(jnp.zeros(4), truth) == 0


@pytest.mark.parametrize("velocity", [[1.0], [1, 0, 2], 1.0])
def test_a_velocity_has_two_entries(velocity):
    with pytest.raises(ValueError, match=r"^velocity: expected two numbers"):
        tasks.MovingBlobs().sequence(jax.random.key(0), velocity)


def test_its_targets_are_not_broadcast():
    with pytest.raises(ValueError, match=r"^y: expected the shape of y_hat"):
        tasks.MovingBlobs().loss(jnp.zeros(256), jnp.zeros(1))
