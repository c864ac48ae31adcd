"""Programs drawn at random: layers, directions, carries, outputs, ways to write a step, heads.

A layer's step is two functions: `new`, from weights, old carry and input to the new carry, and
`out`, from weights, new carry and old carry to the output. The program composes them in a scan; the
oracle calls them in a loop and perturbs the new carry between the two.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from tests.jaxprs.loops import Program, gru_part, lstm_parts, mean_square, perturbed


def _tanh(p, state, sums):
    return (jnp.tanh(sums + p["W"] @ state[0]),)


def _gru(p, state, sums):
    return (gru_part(sums, p["W"] @ state[0], state[0]),)


def _lstm(p, state, sums):
    return lstm_parts(sums + p["W"] @ state[1], state[0])


def _two_rates(p, state, sums):
    """A fast unit that reads a slow one of the same step."""
    slow = 0.9 * state[1] + 0.1 * jnp.tanh(sums)
    return jnp.tanh(sums + slow + p["W"] @ state[0]), slow


def _matrix(p, state, sums):
    """A matrix that fades and gathers outer products."""
    return (0.8 * state[0] + jnp.outer(jnp.tanh(sums + p["W"] @ state[0][:, 0]), jnp.tanh(sums)),)


class Cell(NamedTuple):
    """How a new state comes from the old one and the sums of the inputs, and its shapes."""

    new: object
    gates: int
    shapes: tuple


CELLS = {
    "tanh": Cell(_tanh, 1, ((),)),
    "gru": Cell(_gru, 3, ((),)),
    "lstm": Cell(_lstm, 4, ((), ())),
    "two rates": Cell(_two_rates, 1, ((), ())),
    "matrix": Cell(_matrix, 1, (("n",),)),
}


def _flat(state):
    return jnp.concatenate([leaf.ravel() for leaf in state])


# (p, new, old) -> (n_out,)
OUTPUTS = {
    "state": lambda p, new, old: new[-1].ravel()[: p["P"].shape[0]],
    "projection": lambda p, new, old: p["P"] @ _flat(new),
    "of both": lambda p, new, old: jnp.sin(p["P"] @ (_flat(new) * _flat(old))),
    "before": lambda p, new, old: p["P"] @ _flat(old),
}

WRAPS = {
    "plain": lambda step: step,
    "jit": jax.jit,
    "checkpoint": jax.checkpoint,
}


class Layer(NamedTuple):
    """One recurrence of a random program."""

    cell: str
    n: int
    output: str
    wrap: str
    reverse: bool
    unroll: int
    passengers: tuple[str, ...]  # leaves of the carry without a derivative

    def weights(self, n_x, rng):
        """Return the weights of the layer."""
        gates, n_state = CELLS[self.cell].gates, sum(leaf.size for leaf in self.start())
        n_out = self.n
        shapes = {"W": (gates * self.n, self.n), "U": (gates * self.n, n_x), "P": (n_out, n_state)}
        return {
            name: jnp.asarray(rng.normal(0, 0.8 / np.sqrt(shape[1]), shape))
            for name, shape in shapes.items()
        }

    def start(self):
        """Return the first state."""
        shapes = [(self.n,) + (self.n,) * len(s) for s in CELLS[self.cell].shapes]
        return tuple(jnp.full(shape, 0.1) for shape in shapes)

    def step(self, p, state, x):
        """Return the new state and the output as a function of it."""
        new = CELLS[self.cell].new(p, state, p["U"] @ x)
        return new, lambda given: OUTPUTS[self.output](p, given, state)

    def scanned(self, p, xs):
        """Return the outputs by lax.scan."""

        def step(carry, x):
            state, others = carry
            new, out = self.step(p, state, x)
            return (new, {name: _next(name, v) for name, v in others.items()}), out(new)

        others = {name: _PASSENGERS[name] for name in self.passengers}
        wrapped = WRAPS[self.wrap](step)
        start = self.start(), others
        return jax.lax.scan(wrapped, start, xs, reverse=self.reverse, unroll=self.unroll)[1]

    def looped(self, p, xs, zeros):
        """Return the outputs by a loop, the new states perturbed."""
        state, ys = self.start(), []
        for x, zero in zip(xs[::-1] if self.reverse else xs, zeros, strict=True):
            new, out = self.step(p, state, x)
            state = perturbed(new, zero)
            ys.append(out(state))
        return jnp.stack(ys[::-1] if self.reverse else ys)


_PASSENGERS = {
    "counter": np.int32(3),
    "flag": np.array(True),
    "key": np.array([1, 2], np.uint32),
}


def _next(name, value):
    if name == "counter":
        return value + 1
    return ~value if name == "flag" else value[::-1]


HEADS = {
    "all": lambda ys, y: mean_square(ys.sum(1), y),
    "last": lambda ys, y: jnp.sum(ys[-1] ** 2) + y[0] * jnp.sum(ys[-1]),
    "first and last": lambda ys, y: jnp.sum(jnp.sin(ys[0]) * ys[-1]) + jnp.sum(ys[0] * y[0]),
}


class Spec(NamedTuple):
    """A random program."""

    layers: tuple[Layer, ...]
    n_steps: int
    n_x: int
    head: str
    seed: int

    def program(self):
        """Return the program with its oracle."""
        rng = np.random.default_rng(self.seed)
        widths = [self.n_x, *(layer.n for layer in self.layers)]
        params = [
            layer.weights(n_x, rng) for layer, n_x in zip(self.layers, widths[:-1], strict=True)
        ]
        draw = lambda *shape: jnp.asarray(rng.normal(0, 1, shape))  # noqa: E731

        def loss(params, example):
            xs = example[0]
            for layer, p in zip(self.layers, params, strict=True):
                xs = layer.scanned(p, xs)
            return HEADS[self.head](xs, example[1])

        def oracle(params, example, zeros):
            xs = example[0]
            for layer, p, zero in zip(self.layers, params, zeros, strict=True):
                xs = layer.looped(p, xs, zero)
            return HEADS[self.head](xs, example[1])

        example = draw(self.n_steps, self.n_x), draw(self.n_steps)
        names = tuple(f"scan_{i}" for i in range(len(self.layers)))
        sizes = tuple((self.n_steps, _flat(layer.start()).size) for layer in self.layers)
        return Program(loss, params, example, names, oracle, sizes)


LAYERS = st.builds(
    Layer,
    cell=st.sampled_from(list(CELLS)),
    n=st.integers(1, 6),
    output=st.sampled_from(list(OUTPUTS)),
    wrap=st.sampled_from(list(WRAPS)),
    reverse=st.booleans(),
    unroll=st.sampled_from([1, 1, 2, 5]),
    passengers=st.sets(st.sampled_from(sorted(_PASSENGERS))).map(lambda s: tuple(sorted(s))),
)
SPECS = st.builds(
    Spec,
    layers=st.lists(LAYERS, min_size=1, max_size=3).map(tuple),
    n_steps=st.integers(1, 12),
    n_x=st.integers(1, 3),
    head=st.sampled_from(list(HEADS)),
    seed=st.integers(0, 1000),
)
