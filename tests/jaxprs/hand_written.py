"""Programs written with `jax.lax` alone: what may stand in a carry, a step and around a scan."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.jaxprs.loops import Program, draw, drawn_like, loop, lstm_parts, mean_square, of

T, N, N_X, N_Y = 6, 3, 2, 2


def weights(n=N, n_x=N_X, n_y=N_Y):
    """Return the weights of a tanh layer and a head."""
    shapes = {"W": (n, n), "U": (n, n_x), "b": (n,), "V": (n_y, n)}
    return drawn_like({name: np.zeros(shape) for name, shape in shapes.items()})


def sequence(n_steps=T, n_y=N_Y):
    """Return inputs (T, n_x) and targets (T, n_y)."""
    return draw(jax.random.key(1), n_steps, N_X), draw(jax.random.key(2), n_steps, n_y)


def tanh_step(p, h, x):
    """Return the new state of a tanh layer."""
    return jnp.tanh(p["W"] @ h + p["U"] @ x + p["b"])


def head(p, hs):
    """Return the outputs (T, n_y) of states (T, n)."""
    return hs @ p["V"].T


def tanh_layer(p, xs, zeros, reverse=False, step=tanh_step):
    """Return the last state and all states by the oracle."""

    def one(state, x):
        return (step(p, state[0], x),), of(0)

    (last,), hs = loop(one, (jnp.zeros(N),), xs, zeros, reverse)
    return last, hs


def tanh_oracle(params, example, zeros):
    """The loss of a tanh layer with a head."""
    return mean_square(head(params, tanh_layer(params, example[0], zeros[0])[1]), example[1])


def scanned(params, xs, step=tanh_step, **options):
    """Return the states of a tanh layer by lax.scan."""

    def one(h, x):
        h = step(params, h, x)
        return h, h

    return jax.lax.scan(one, jnp.zeros(N), xs, **options)[1]


def simple(loss, names=("scan_0",), n_steps=T, oracle=tanh_oracle):
    """Return the program of one tanh layer."""
    sizes = ((n_steps, N),) * len(names)
    return Program(loss, weights(), sequence(n_steps), names, oracle, sizes)


def one_step():
    """T = 1."""
    return simple(lambda p, e: mean_square(head(p, scanned(p, e[0])), e[1]), n_steps=1)


def unrolled():
    """Four steps in each of the loop, and a remainder."""
    return simple(lambda p, e: mean_square(head(p, scanned(p, e[0], unroll=4)), e[1]))


def checkpointed():
    """The body recomputed in the backward pass."""
    step = jax.checkpoint(tanh_step)
    return simple(lambda p, e: mean_square(head(p, scanned(p, e[0], step)), e[1]))


def jitted_steps():
    """A body that is one call, with an output that is no state: y = V h."""

    def loss(params, example):
        @jax.jit
        def step(h, x):
            h = tanh_step(params, h, x)
            return h, params["V"] @ h

        return mean_square(jax.lax.scan(step, jnp.zeros(N), example[0])[1], example[1])

    return simple(loss)


def named():
    """A scan within a jitted function within a named scope."""

    @jax.jit
    def layer(params, xs):
        return scanned(params, xs)

    def loss(params, example):
        with jax.named_scope("encoder"):
            hs = layer(params, example[0])
        return mean_square(head(params, hs), example[1])

    return simple(loss, ("encoder",))


def fori_loop():
    """A loop of fixed length that writes its states into an array."""

    def loss(params, example):
        def step(t, carry):
            h, hs = carry
            h = tanh_step(params, h, example[0][t])
            return h, hs.at[t].set(h)

        _, hs = jax.lax.fori_loop(0, T, step, (jnp.zeros(N), jnp.zeros((T, N))))
        return mean_square(head(params, hs), example[1])

    def oracle(params, example, zeros):
        state = (jnp.zeros(N), jnp.zeros((T, N)))
        for t in range(T):
            h = tanh_step(params, state[0], example[0][t])
            d_h, d_hs = jnp.split(zeros[0][t], [N])
            state = h + d_h, state[1].at[t].set(h) + d_hs.reshape(T, N)
        return mean_square(head(params, state[1]), example[1])

    return Program(loss, weights(), sequence(), ("scan_0",), oracle, ((T, N + T * N),))


def counter_and_key():
    """A dictionary in the carry: noise from a key, a counter, a flag, and the state."""

    def loss(params, example):
        def step(carry, x):
            key, now = jax.random.split(carry["key"])
            h = tanh_step(params, carry["h"], x) * (1 + 0.1 * jax.random.normal(now, (N,)))
            h = jnp.where(carry["late"], h, 2 * h)
            n = carry["n"] + 1
            return {"h": h, "key": key, "late": n > 2, "n": n}, h / n

        key = jax.random.key(3)
        start = {"h": jnp.zeros(N), "key": key, "late": jnp.array(False), "n": jnp.int32(0)}
        return mean_square(head(params, jax.lax.scan(step, start, example[0])[1]), example[1])

    def oracle(params, example, zeros):
        key, h, ys = jax.random.key(3), jnp.zeros(N), []
        for t in range(T):
            key, now = jax.random.split(key)
            noise = 1 + 0.1 * jax.random.normal(now, (N,))
            h = tanh_step(params, h, example[0][t]) * noise * (1 if t > 2 else 2) + zeros[0][t]
            ys.append(h / (t + 1))
        return mean_square(head(params, jnp.stack(ys)), example[1])

    return simple(loss, oracle=oracle)


def projected_lstm():
    """An LSTM whose output is a projection of both c and h inside of the step."""
    shapes = {"A": (4 * N, N_X + N), "b": (4 * N,), "P": (N_Y, N), "Q": (N_Y, N)}

    def sums(p, h, x):
        return p["A"] @ jnp.concatenate([x, h]) + p["b"]

    def loss(p, example):
        def step(carry, x):
            c, h = lstm_parts(sums(p, carry[1], x), carry[0])
            return (c, h), p["P"] @ h + p["Q"] @ c

        return mean_square(jax.lax.scan(step, (jnp.zeros(N),) * 2, example[0])[1], example[1])

    def oracle(p, example, zeros):
        def step(state, x):
            new = lstm_parts(sums(p, state[1], x), state[0])
            return new, lambda s: p["P"] @ s[1] + p["Q"] @ s[0]

        ys = loop(step, (jnp.zeros(N),) * 2, example[0], zeros[0])[1]
        return mean_square(ys, example[1])

    params = drawn_like({name: np.zeros(shape) for name, shape in shapes.items()})
    return Program(loss, params, sequence(), ("scan_0",), oracle, ((T, 2 * N),))


def loss_in_the_carry():
    """The loss of each step, computed in the scan and summed in its carry."""

    def loss(params, example):
        def step(carry, now):
            h, total = carry
            h = tanh_step(params, h, now[0])
            return (h, total + mean_square(params["V"] @ h, now[1])), None

        return jax.lax.scan(step, (jnp.zeros(N), jnp.zeros(())), example)[0][1]

    def oracle(params, example, zeros):
        def step(state, now):
            h = tanh_step(params, state[0], now[0])
            return (h, state[1] + mean_square(params["V"] @ h, now[1])), of(1)

        return loop(step, (jnp.zeros(N), jnp.zeros(())), example, zeros[0])[0][1]

    return Program(loss, weights(), sequence(), ("scan_0",), oracle, ((T, N + 1),))


def loss_in_the_scan():
    """The loss of each step is what the scan gives out."""

    def loss(params, example):
        def step(h, now):
            h = tanh_step(params, h, now[0])
            return h, mean_square(params["V"] @ h, now[1])

        return jnp.mean(jax.lax.scan(step, jnp.zeros(N), example)[1])

    return simple(loss)


def before_the_step():
    """The step gives out the state before it: h_T is not read at all."""

    def loss(params, example):
        def step(h, x):
            return tanh_step(params, h, x), h

        return mean_square(head(params, jax.lax.scan(step, jnp.ones(N), example[0])[1]), example[1])

    def oracle(params, example, zeros):
        h, hs = jnp.ones(N), []
        for x, zero in zip(example[0], zeros[0], strict=True):
            hs.append(h)
            h = tanh_step(params, h, x) + zero
        return mean_square(head(params, jnp.stack(hs)), example[1])

    return simple(loss, oracle=oracle)


def delayed():
    """A carry whose second half is its first of a step ago: no equation computes it."""

    def loss(params, example):
        def step(carry, x):
            h, before = carry
            return (tanh_step(params, before, x), h), before

        start = jnp.zeros(N), jnp.ones(N)
        return mean_square(head(params, jax.lax.scan(step, start, example[0])[1]), example[1])

    def oracle(params, example, zeros):
        h, before, hs = jnp.zeros(N), jnp.ones(N), []
        for x, zero in zip(example[0], zeros[0], strict=True):
            hs.append(before)
            h, before = tanh_step(params, before, x) + zero[:N], h + zero[N:]
        return mean_square(head(params, jnp.stack(hs)), example[1])

    return Program(loss, weights(), sequence(), ("scan_0",), oracle, ((T, 2 * N),))
