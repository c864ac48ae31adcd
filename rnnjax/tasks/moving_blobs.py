"""Blobs that move over a torus: the next frame of a field in steady motion.

A blob is a Gaussian of height 1 and width s on a torus of N x N pixels. Frame t holds

  sum_b exp(r (t-1)) exp(-|pixel - p_b - (t-1) v|^2 / 2 s^2)                      (1)

with independent uniform places p_b, one velocity v != 0 for all blobs, as rain is carried by one
wind, and one rate r of growth or decay. The input of step t is frame t, the target frame t+1. One
frame tells nothing about v, so the loss begins at the second.

In the Fourier modes F_t(k) of the frames a motion is a turn of the phase, the same at every step,
so two frames are enough for the third,

  F_{t+1}(k) = F_t(k) exp(i arg[F_t(k) / F_{t-1}(k)])                             (2)

exactly where v is whole, there is no noise, and heights stay as they are.

After the advection of echoes in radar nowcasting: Shi et al., Convolutional LSTM network, NIPS
2015; Ayzel, Scheffer and Heistermann, RainNet v1.0, Geoscientific Model Development, 2020.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from rnnjax import fields
from rnnjax.losses import squared_error
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.types import Array, Batch


@fields.dataclass
class MovingBlobs:
    """Blobs in motion, equation (1); n_x = n_y = side^2, pixels in rows.

    Attributes:
      length: T, at least 2.
      side: N.
      speed: largest |entry| of the velocity in pixels a frame, at most side/4, because a torus
        shows no difference between a long way and the rest of the way round.
      whole_steps: whether the velocity is whole, uniform over (2 speed + 1)^2 - 1 values, or
        uniform over the square.
      n_blobs: blobs in a frame.
      width: s, in pixels.
      wander: standard deviation of a change of velocity from frame to frame, in pixels a frame.
      growth: standard deviation of the rate r over sequences, nat a frame.
      noise: standard deviation of what is added to every pixel of the inputs; targets are clean.
    """

    length: int = fields.count(default=6, at_least=2)
    side: int = fields.count(default=16, at_least=4)
    speed: int = fields.count(default=2)
    whole_steps: bool = fields.flag(default=True)
    n_blobs: int = fields.count(default=1)
    width: Array | float = fields.number(default=1.2, above=0)
    wander: Array | float = fields.number(default=0.0, at_least=0)
    growth: Array | float = fields.number(default=0.0, at_least=0)
    noise: Array | float = fields.number(default=0.0, at_least=0)

    def __post_init__(self) -> None:
        if self.speed > self.side / 4:
            most = f"1 to {self.side // 4} pixels, a quarter of the side"
            raise refusal("speed", most, self.speed)

    @property
    def n_x(self) -> int:
        """Pixels."""
        return self.side**2

    n_y = n_x

    def velocities(self) -> np.ndarray:
        """Return every whole velocity but 0, ((2 speed + 1)^2 - 1, 2)."""
        steps = np.arange(-self.speed, self.speed + 1)
        grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
        return grid[np.any(grid != 0, axis=1)]

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        return self.sequence(key)

    def sequence(self, key: Array, velocity: Array | None = None) -> Batch:
        """Draw one sequence, of this velocity (2,) if it is given.

        Raises:
          ValueError: the velocity does not have two entries.
        """
        if velocity is not None:
            velocity = jnp.asarray(velocity, float)
            if velocity.shape != (2,):
                raise refusal("velocity", "two numbers, pixels a frame", velocity.shape)
        # One call for all draws: each call of a generator takes a second to compile.
        n_noise, n_places = self.length * (self.n_x + 2) + 1, 2 * self.n_blobs
        draws = jax.random.normal(key, (2 + n_places + n_noise,))
        chance, places, noise = jnp.split(draws, [2, 2 + n_places])
        frames = self._frames(
            self.side * ndtr(places).reshape(-1, 2),
            self._velocity(ndtr(chance)) if velocity is None else velocity,
            jnp.exp(self.growth * noise[0] * jnp.arange(self.length + 1)),
            self.wander * noise[1 : 1 + 2 * self.length].reshape(-1, 2),
        )
        pixels = self.noise * noise[1 + 2 * self.length :].reshape(self.length, self.n_x)
        counts = jnp.arange(self.length) > 0
        return Batch(frames[:-1] + pixels, frames[1:], counts / (self.length - 1))

    def _velocity(self, chance: Array) -> Array:
        """Return a velocity (2,) from two numbers uniform in [0, 1)."""
        if not self.whole_steps:
            return self.speed * (2 * chance - 1)
        choices = jnp.asarray(self.velocities(), chance.dtype)
        return choices[jnp.floor(chance[0] * len(choices)).astype(int)]

    def _frames(self, places: Array, velocity: Array, height: Array, changes: Array) -> Array:
        """Return frames 1..T+1, (T+1, side^2), equation (1)."""
        steps = velocity[None] + jnp.cumsum(changes, axis=0)
        way = jnp.concatenate([jnp.zeros((1, 2), steps.dtype), jnp.cumsum(steps, axis=0)])
        return height[:, None] * jax.vmap(lambda moved: self.frame(places + moved[None]))(way)

    def frame(self, places: Array) -> Array:
        """Return the pixels (side^2,) of blobs of height 1 at places (n_blobs, 2)."""
        half = self.side / 2
        away = places[..., None] - jnp.arange(self.side, dtype=places.dtype)[None, None]
        nearest = (away + half) % self.side - half
        rows, columns = jnp.moveaxis(jnp.exp(-0.5 * (nearest / self.width) ** 2), 1, 0)
        return (rows.T @ columns).reshape(-1)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the mean squared error of a pixel."""
        return squared_error(y_hat, y) / y_hat.size


def advected(before: Array, last: Array) -> Array:
    """Return the frames (..., side^2) after two frames each, (..., side^2), by equation (2)."""
    side = math.isqrt(last.shape[-1])
    modes_before, modes = (jnp.fft.fft2(_squares(frames)) for frames in (before, last))
    turn = modes * jnp.conj(modes_before)
    size = jnp.abs(turn)
    # A mode without strength has no phase; it stays as it is.
    turn = jnp.where(size > 0, turn / jnp.where(size > 0, size, 1), 1)
    return jnp.real(jnp.fft.ifft2(modes * turn)).reshape(*last.shape[:-1], side**2)


def simple_forecasts(x: Array) -> dict[str, Array]:
    """Return forecasts of the frame after the last, (B, side^2) each, from frames (B, T, side^2).

    Their errors for one blob in uniform motion are `rnnjax.theory.nowcasting.blob_errors`; the
    names are the same.
    """
    # The last two in their order, in the wrong one, and the first two in the wrong one.
    before = jnp.stack([x[:, -2], x[:, -1], x[:, 1]])
    ahead, swapped, back = advected(before, jnp.stack([x[:, -1], x[:, -2], x[:, 0]]))
    return {
        "zero": jnp.zeros_like(ahead),
        "persistence": x[:, -1],
        "frame mean": jnp.mean(x, axis=1),
        "advection": ahead,
        "swapped": swapped,
        "order-blind": (ahead + swapped) / 2,
        "order-blind, all frames": (ahead + back) / 2,
    }


def displacement(start: Array, end: Array) -> Array:
    """Return how far the content of frames has moved to others, (..., 2), in pixels.

    It is read from the phases of the longest wave in each direction, which follow the centre of
    mass round the torus: exact for a rigid motion of less than side/2, 0 for an empty frame.

    Args:
      start: frames, (..., side^2).
      end: as many others.
    """
    side = math.isqrt(end.shape[-1])
    turn = _longest_waves(end) * jnp.conj(_longest_waves(start))
    angle = jnp.where(turn == 0, 0, jnp.angle(turn))
    return side / (2 * jnp.pi) * angle


def critical_success_index(forecasts: Array, truth: Array) -> Array:
    """Return hits / (hits + misses + false alarms) over all pixels above 1/2, ().

    Args:
      forecasts: frames of any shape.
      truth: as many others, some of them above 1/2.
    """
    high, right = forecasts > 0.5, truth > 0.5
    return jnp.sum(high & right) / jnp.sum(high | right)


def _squares(frames: Array) -> Array:
    side = math.isqrt(frames.shape[-1])
    return frames.reshape(*frames.shape[:-1], side, side)


def _longest_waves(frames: Array) -> Array:
    """Return the amplitudes of the longest wave along rows and columns, complex (..., 2)."""
    squares = _squares(frames)
    wave = jnp.exp(2j * jnp.pi / squares.shape[-1] * jnp.arange(squares.shape[-1]))
    return jnp.stack([jnp.sum(squares, axis=-1) @ wave, jnp.sum(squares, axis=-2) @ wave], axis=-1)
