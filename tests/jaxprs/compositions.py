"""Programs of several scans: nested, mapped, one behind the other, within rules of their own."""

import jax
import jax.numpy as jnp

from tests.jaxprs.hand_written import (
    N,
    T,
    head,
    scanned,
    sequence,
    simple,
    tanh_layer,
    tanh_step,
    weights,
)
from tests.jaxprs.loops import Program, drawn_like, loop, mean_square, of

CHUNK = 3


def chunks():
    """An outer scan over pieces of the sequence, an inner one over the steps of a piece."""

    def loss(params, example):
        def step(h, x):
            h = tanh_step(params, h, x)
            return h, h

        def piece(h, xs):
            with jax.named_scope("time"):
                return jax.lax.scan(step, h, xs)

        xs = example[0].reshape(T // CHUNK, CHUNK, -1)
        with jax.named_scope("chunks"):
            _, hs = jax.lax.scan(piece, jnp.zeros(N), xs)
        return mean_square(head(params, hs.reshape(T, N)), example[1])

    def oracle(params, example, zeros):
        outer, *inner = zeros
        h, hs = jnp.zeros(N), []
        for i in range(T // CHUNK):
            for j in range(CHUNK):
                h = tanh_step(params, h, example[0][i * CHUNK + j]) + inner[i][j]
                hs.append(h)
            h = h + outer[i]  # a node of its own: the output of the inner scan
        return mean_square(head(params, jnp.stack(hs)), example[1])

    names = ("chunks", "chunks/time[0]", "chunks/time[1]")
    sizes = ((T // CHUNK, N), (CHUNK, N), (CHUNK, N))
    return Program(loss, weights(), sequence(), names, oracle, sizes)


def layers():
    """An outer scan over layers with stacked weights, whose carry is the whole sequence."""
    shapes = {"W": (2, N, N), "U": (2, N, N), "b": (2, N), "E": (N, 2), "V": (2, N)}
    params = drawn_like({name: jnp.zeros(shape) for name, shape in shapes.items()})

    def loss(params, example):
        def layer(xs, p):
            return scanned(p, xs), None

        stacked = {name: params[name] for name in "WUb"}
        xs, _ = jax.lax.scan(layer, example[0] @ params["E"].T, stacked)
        return mean_square(head(params, xs), example[1])

    def oracle(params, example, zeros):
        outer, *inner = zeros
        xs = example[0] @ params["E"].T
        for i in range(2):
            p = {name: params[name][i] for name in "WUb"}
            xs = tanh_layer(p, xs, inner[i])[1] + outer[i].reshape(T, N)
        return mean_square(head(params, xs), example[1])

    names = ("scan_0", "scan_0/scan_0[0]", "scan_0/scan_0[1]")
    return Program(loss, params, sequence(), names, oracle, ((2, T * N), (T, N), (T, N)))


def encoder_decoder():
    """Two scans with the same weights; only the last state goes from one to the other."""

    def run(params, h, xs):
        def step(h, x):
            h = tanh_step(params, h, x)
            return h, h

        return jax.lax.scan(step, h, xs)

    def loss(params, example):
        h, _ = run(params, jnp.zeros(N), example[0])
        _, hs = run(params, h, example[0][::-1])
        return mean_square(head(params, hs), example[1])

    def oracle(params, example, zeros):
        def step(state, x):
            return (tanh_step(params, state[0], x),), of(0)

        last, _ = loop(step, (jnp.zeros(N),), example[0], zeros[0])
        hs = loop(step, last, example[0][::-1], zeros[1])[1]
        return mean_square(head(params, hs), example[1])

    return simple(loss, ("scan_0", "scan_1"), oracle=oracle)


def reversed_scan():
    """A scan from the last element to the first, behind one that runs forward."""

    def loss(params, example):
        xs = scanned(params, example[0])
        return mean_square(head(params, scanned(params, xs[:, :2], reverse=True)), example[1])

    def oracle(params, example, zeros):
        xs = tanh_layer(params, example[0], zeros[0])[1]
        hs = tanh_layer(params, xs[:, :2], zeros[1], reverse=True)[1]
        return mean_square(head(params, hs), example[1])

    return simple(loss, ("scan_0", "scan_1"), oracle=oracle)


def vmapped():
    """Two sequences by vmap: one scan, whose state is that of both."""

    def loss(params, example):
        hs = jax.vmap(lambda xs: scanned(params, xs))(_two(example))
        return mean_square(head(params, hs.reshape(-1, N)), jnp.tile(example[1], (2, 1)))

    def oracle(params, example, zeros):
        xs, zeros = _two(example), zeros[0].reshape(T, 2, N)
        hs = jnp.stack([tanh_layer(params, xs[i], zeros[:, i])[1] for i in range(2)])
        return mean_square(head(params, hs.reshape(-1, N)), jnp.tile(example[1], (2, 1)))

    return Program(loss, weights(), sequence(), ("scan_0",), oracle, ((T, 2 * N),))


def mapped():
    """Two sequences one after the other by lax.map: the outer scan carries nothing."""

    def loss(params, example):
        hs = jax.lax.map(lambda xs: scanned(params, xs), _two(example))
        return mean_square(head(params, hs.reshape(-1, N)), jnp.tile(example[1], (2, 1)))

    def oracle(params, example, zeros):
        xs = _two(example)
        hs = jnp.stack([tanh_layer(params, xs[i], zeros[i])[1] for i in range(2)])
        return mean_square(head(params, hs.reshape(-1, N)), jnp.tile(example[1], (2, 1)))

    return simple(loss, ("scan_0/scan_0[0]", "scan_0/scan_0[1]"), oracle=oracle)


def _two(example):
    return jnp.stack([example[0], 0.3 - example[0][::-1]])


@jax.custom_jvp
def straight_through(x):
    """Return the sign, with a derivative of 1."""
    return jnp.sign(x)


@straight_through.defjvp
def _(primals, tangents):
    return jnp.sign(primals[0]), tangents[0]


@jax.custom_vjp
def halved(x):
    """Return x, and send half of the gradient back."""
    return x


halved.defvjp(lambda x: (x, None), lambda _, g: (g / 2,))


def rules_in_the_step():
    """Functions with derivatives of their own inside of the step, and between scan and loss."""

    def step(p, h, x):
        return halved(jnp.tanh(p["W"] @ straight_through(h) + p["U"] @ x + p["b"]))

    def loss(params, example):
        return mean_square(head(params, halved(scanned(params, example[0], step))), example[1])

    def oracle(params, example, zeros):
        hs = tanh_layer(params, example[0], zeros[0], step=step)[1]
        return mean_square(head(params, halved(hs)), example[1])

    return simple(loss, oracle=oracle)
