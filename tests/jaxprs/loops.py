"""Recurrent layers written out as Python loops, with a perturbation of each new state.

Every oracle of `tests/jaxprs` is made of these. A step returns its new state (before any
perturbation) and its output as a function of the perturbed state, so that the gradient with respect
to a perturbation of zero is dL/dh_t: each variable of the new state is a node of its own, and what
is computed from it inside the step depends on it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Program(NamedTuple):
    """A loss as users write it, and what must be found in it.

    Attributes:
      loss: (params, example) -> ().
      params: a tree of arrays.
      example: a tree of arrays.
      names: of the recurrences, in the order in which they run.
      oracle: (params, example, zeros) -> the same loss, zeros a tuple of (T, n), one a recurrence,
        in the order of `names` and, along T, of the steps as they run.
      sizes: (T, n) of each recurrence.
    """

    loss: Callable
    params: Any
    example: Any
    names: tuple[str, ...]
    oracle: Callable
    sizes: tuple[tuple[int, int], ...]

    def zeros(self):
        return tuple(jnp.zeros(size) for size in self.sizes)

    def deltas(self):
        """Return dL/dh_t of each recurrence by the oracle, and the oracle's loss."""
        value, slopes = jax.jit(jax.value_and_grad(self.oracle, 2))(
            self.params, self.example, self.zeros()
        )
        return value, [np.asarray(slope) for slope in slopes]


def perturbed(state, delta):
    """Return a tuple of arrays plus the parts of a flat vector."""
    ends = np.cumsum([leaf.size for leaf in state])[:-1]
    parts = jnp.split(delta, ends)
    return tuple(s + d.reshape(s.shape) for s, d in zip(state, parts, strict=True))


def loop(step, state, xs, zeros, reverse=False):
    """Run `step(state, x) -> (new state, output of (perturbed new state))` over a sequence.

    Args:
      step: the state is a tuple of arrays; `output` a function of the perturbed new state.
      state: the first state.
      xs: a tree of arrays with leading axis T.
      zeros: (T, n), in the order in which the steps run.
      reverse: whether the last element is the first step.

    Returns:
      the last state, the outputs in the order of the elements.
    """
    ys = []
    for t, zero in enumerate(zeros):
        place = len(zeros) - 1 - t if reverse else t
        new, output = step(state, jax.tree.map(lambda x: x[place], xs))  # noqa: B023
        state = perturbed(new, zero)
        ys.append(output(state))
    ys = ys[::-1] if reverse else ys
    return state, jax.tree.map(lambda *leaves: jnp.stack(leaves), *ys)


def of(index):
    """Return a function that takes one part of a state."""
    return lambda state: state[index]


def lstm_parts(sums, c):
    """Return (new c, new h) from the sums of the gates i, f, g, o, (..., 4 n)."""
    i, f, g, o = jnp.split(sums, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return c, jax.nn.sigmoid(o) * jnp.tanh(c)


def gru_part(of_input, of_state, h):
    """Return the new h from the sums of r, z, n, each (..., 3 n), reset after the product."""
    x_r, x_z, x_n = jnp.split(of_input, 3, axis=-1)
    h_r, h_z, h_n = jnp.split(of_state, 3, axis=-1)
    r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
    return (1 - z) * jnp.tanh(x_n + r * h_n) + z * h


def draw(key, *shape):
    """Return normal weights of size 1 / sqrt(n)."""
    return jax.random.normal(key, shape) / np.sqrt(shape[-1] if shape else 1)


def tokens_and_targets(n_steps, n_tokens, n_y, seed=0):
    """Return an example: int32 (T,) and float (T, n_y)."""
    key = jax.random.key(seed)
    tokens = jax.random.randint(key, (n_steps,), 0, n_tokens, jnp.int32)
    return tokens, jax.random.normal(jax.random.fold_in(key, 1), (n_steps, n_y))


def drawn_like(params):
    """Return a tree of the same shapes, float64, drawn so that no bias is zero."""
    leaves, structure = jax.tree.flatten(params)
    rng = np.random.default_rng(8)
    drawn = [jnp.asarray(rng.normal(0, 0.4, leaf.shape)) for leaf in leaves]
    return jax.tree.unflatten(structure, drawn)


def mean_square(y_hat, y):
    """Return the mean squared error, ()."""
    return jnp.mean((y_hat - y) ** 2)
