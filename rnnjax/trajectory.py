"""The states of a sequence, and the arguments of each of its steps."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.scaled import Scaled
from rnnjax.types import Array


@struct.dataclass
class Trajectory:
    """The states of one sequence and the arguments of each of its steps: all leaves (T, ...).

    Attributes:
      states: h_1..h_T, value (T, n_h), exponent (T,) (zeros unless the cell is homogeneous).
      h_prev: h_{t-1} as passed to `advance`, (T, n_h).
      drive: the drive as passed to `advance`, (T, n_d).
      exponent: E of equation (1) of `rnnjax.homogeneous`, int32 (T,).
      plain: h_1..h_T as plain numbers, (T, n_h): inf or 0 where out of range. Differentiation must
        go through these: the derivative of `states` is in units of their exponents.
      preactivation: z_t of a pre-activation cell, (T, n_z), from the arguments of `advance`; None
        if not available.
    """

    states: Scaled
    h_prev: Array
    drive: Array
    exponent: Array
    plain: Array
    preactivation: Array | None = None


def before(start: Scaled, states: Scaled) -> Scaled:
    """Return h_0..h_{T-1} from h_0 and h_1..h_T."""
    return jax.tree.map(lambda first, h: jnp.concatenate([first[None], h[:-1]]), start, states)


def unless_over(goes_on: Array | None, new: Any, old: Any) -> Any:
    """Return the new state, or the old one after the end of the sequence; all steps if None."""
    return new if goes_on is None else jax.tree.map(partial(jnp.where, goes_on), new, old)


def plain_trajectory(h: Array, h_prev: Array, drive: Array) -> Trajectory:
    """Return a trajectory of plain numbers, (T, n_h), (T, n_h) and (T, n_d)."""
    level = jnp.zeros(len(h), jnp.int32)
    return Trajectory(Scaled(h, level), h_prev, drive, level, h)


def first_non_finite_step(states: Scaled) -> Array:
    """Return the first t with an entry of h_t that is not finite, int32 (); -1 if there is none.

    Args:
      states: h_1..h_T as `Trajectory.states`.
    """
    bad = ~jnp.all(jnp.isfinite(states.value), axis=-1)
    return jnp.where(jnp.any(bad), jnp.argmax(bad) + 1, -1).astype(jnp.int32)
