"""Networks that have learned their task raise no alarm.

Each is trained until it beats the best constant answer, or "nothing changes" for a forecast, and is
diagnosed on sequences that it has not seen. The EEG and the characters at full size are examples,
see tests/test_examples.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from matplotlib.cbook import get_sample_data

import rnnjax

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("float32")]


def trained(losses, params, examples, n_updates, rate=1e-2):
    """Adam on the mean of losses(params, example) over all examples and steps."""
    optimiser = optax.adam(rate)

    @jax.jit
    def run(params):
        def update(carry, _):
            params, state = carry
            grads = jax.grad(lambda p: jax.vmap(losses, (None, 0))(p, examples).mean())(params)
            updates, state = optimiser.update(grads, state)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(update, (params, optimiser.init(params)), length=n_updates)[0][0]

    return run(params)


def assert_healthy(losses, params, examples, error_of_constant):
    def loss(params, example):
        return losses(params, example)[-1]

    error = jax.vmap(loss, (None, 0))(params, examples).mean()
    assert error < 0.8 * error_of_constant
    report = rnnjax.diagnose(loss, params, examples, n_closer=2)
    assert not report.alarms, str(report)


def noise(n_examples, n_steps, key):
    return jax.random.uniform(jax.random.key(key), (n_examples, n_steps, 1), minval=-1)


def test_a_linen_lstm_that_sums_the_last_three_inputs():
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.Dense(1)(linen.RNN(linen.OptimizedLSTMCell(12))(x))

    def losses(params, x):
        sums = x[2:] + x[1:-1] + x[:-2]
        return (Net().apply(params, x)[2:] - sums)[:, 0] ** 2

    seen, new = noise(64, 30, 0), noise(16, 30, 1)
    params = trained(losses, Net().init(jax.random.key(2), new[0]), seen, 400)
    assert_healthy(losses, params, new, error_of_constant=1.0)


def test_a_linen_gru_that_forecasts_an_eeg():
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            start = linen.initializers.zeros
            return x + linen.Dense(4, kernel_init=start)(linen.RNN(linen.GRUCell(4))(x))

    def losses(params, x):
        return jnp.mean((Net().apply(params, x[:-1]) - x[1:]) ** 2, axis=1)

    with get_sample_data("eeg.dat") as file:
        eeg = np.frombuffer(file.read()).reshape(800, 4).astype(np.float32)
    eeg = (eeg - eeg[:600].mean(0)) / eeg[:600].std(0)
    windows = np.stack([eeg[i : i + 51] for i in range(0, 745, 5)])
    seen, new = windows[:110], windows[120:]
    no_change = np.mean((new[:, -1] - new[:, -2]) ** 2)
    params = trained(losses, Net().init(jax.random.key(0), new[0]), seen, 240)
    assert_healthy(losses, params, new, error_of_constant=no_change)


def test_an_nnx_lstm_that_reads_characters():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.embedding = nnx.Embed(8, 4, rngs=rngs)
            self.rnn = nnx.RNN(nnx.OptimizedLSTMCell(4, 16, rngs=rngs), rngs=rngs)
            self.head = nnx.Linear(16, 8, rngs=rngs)

        def __call__(self, text):
            return self.head(self.rnn(self.embedding(text)))

    graph, params, rest = nnx.split(Net(nnx.Rngs(0)), nnx.Param, ...)

    def losses(params, text):
        logits = nnx.merge(graph, params, rest, copy=True)(text[:-1])
        return optax.softmax_cross_entropy_with_integer_labels(logits, text[1:])

    letters = {letter: i for i, letter in enumerate("abcdelr ")}
    words = np.array(["red ", "bell ", "cable ", "crab ", "ladder "])
    drawn = np.random.default_rng(0).choice(words, 4000)
    text = np.array([letters[letter] for letter in "".join(drawn)])
    pieces = np.stack([text[i : i + 41] for i in range(0, 16_000, 100)])
    shares = np.bincount(text) / len(text)
    params = trained(losses, params, pieces[:128], 150)
    assert_healthy(losses, params, pieces[128:], error_of_constant=-shares @ np.log(shares))


def test_a_vanilla_network_that_repeats_the_input_of_three_steps_ago():
    def losses(params, x):
        def step(h, x):
            h = jnp.tanh(params["W"] @ h + params["U"] @ x)
            return h, params["V"] @ h

        y = jax.lax.scan(step, jnp.zeros(16), x)[1]
        return (y[3:] - x[:-3])[:, 0] ** 2

    keys = jax.random.split(jax.random.key(3), 3)
    shapes = {"W": (16, 16), "U": (16, 1), "V": (1, 16)}
    scales = {"W": 0.25, "U": 0.5, "V": 0.25}
    params = {
        name: scales[name] * jax.random.normal(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }
    params = trained(losses, params, noise(64, 25, 4), 500, rate=3e-3)
    assert_healthy(losses, params, noise(16, 25, 5), error_of_constant=1 / 3)


def test_a_gru_of_rnnjax_on_the_add_task():
    task = rnnjax.tasks.AddTask(lag_1=2, lag_2=4, length=24, drawn=False)
    cell = rnnjax.GRU(task.n_x, 12, task.n_y)

    def losses(params, batch):
        return rnnjax.sequence_loss(cell, task.loss, params, batch)[None]

    def draw(n, key):
        return jax.vmap(task.sample)(jax.random.split(jax.random.key(key), n))

    new = draw(16, 8)
    params = trained(losses, cell.init(jax.random.key(6)), draw(64, 7), 500)
    # Logits of 0 cost ln 2 a step, the best constant 0.6616 (the mean of (1) in AddTask is 5/8).
    zeros = jax.tree.map(jnp.zeros_like, params)
    ln_2 = jax.vmap(losses, (None, 0))(zeros, new).mean()
    constant = 0.6616 / np.log(2) * ln_2
    error = jax.vmap(losses, (None, 0))(params, new).mean()
    assert error < 0.9 * constant
    report = rnnjax.diagnose(lambda *at: losses(*at)[0], params, new, n_closer=2)
    assert not report.alarms, str(report)
