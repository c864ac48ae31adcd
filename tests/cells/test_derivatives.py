"""Derivatives of every cell with every activation: differences, a plain loop, adjoints by hand.

For the plain sequence loss L as a function of the parameters p, along a direction v,

  dL/dp v   = (L(p + e v) - L(p - e v)) / 2e + O(e^2)                   (1)
  d2L/dp2 v = (dL/dp (p + e v) - dL/dp (p - e v)) / 2e + O(e^2)         (2)

(1) is compared in forward and in reverse mode, and (2) in all four ways to put one mode on the
other. The adjoints by hand are loops in NumPy over

  delta_t = g_t + (dh_{t+1}/dh_t)^T delta_{t+1},  dL/dp = sum_t (dh_t/dp)^T delta_t   (3)

with f and f' written out, g_t the part of delta_t that comes from the loss of step t. Parameters
are drawn here and not by the cells, so that no bias is 0.
"""

import functools
import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import rnnjax
from rnnjax import scaled
from rnnjax.cells.chain import ChainParams
from rnnjax.cells.jordan import JordanParams
from rnnjax.cells.vanilla import VanillaParams
from rnnjax.losses import squared_error
from tests.discovery import activations_found, cells_found

SIZES = {"n_x": 2, "n_h": 3, "n_y": 3, "n_units": 2, "n_hidden": 3}
T = 4
CELLS = cells_found(**SIZES)
ACTIVATIONS = activations_found()
# e of (1) and (2): what it leaves out, and what rounding adds, is a tenth of the tolerance.
STEP = 3e-6
# How far pre-activations stay from a kink at least: much farther than the differences move them.
MARGIN = 0.01


def pairs_found():
    """(cell, activation): every class with every activation, its variants with their own.

    The activation is None where a cell has no such field.
    """
    pairs = {}
    for name, cell in CELLS.data.items():
        if name in ("LIF", "ALIF"):
            continue  # their slopes are surrogates and no limits of differences
        # The cells of flax, which are not made yet, have none.
        if "activation" not in getattr(type(cell), "__dataclass_fields__", {}):
            pairs[name] = (name, None)
        elif name == type(cell).__name__:
            pairs |= {f"{name}-{f.name}": (name, f) for f in ACTIVATIONS}
        else:
            pairs.setdefault(name, (name, cell.activation))
    return pairs


PAIRS = pairs_found()


# Activations that are smooth and bounded, homogeneous with a kink, not monotonic; and cells with
# steps of their own: those of FIRST for `make test`, the others for `make test-all`.
FIRST = ("Vanilla-tanh", "Vanilla-relu", "LSTM", "LRU")
EACH_KIND = ("Vanilla-tanh", "Vanilla-relu", "Vanilla-gelu", "Jordan-tanh", "LSTM", "GRU", "LRU")


def for_pairs(wanted=lambda name, f: True, every_run=None, first=None):
    """Pairs as parameters: slow if not in `every_run`, else wide if not in `first`."""
    found = {label: pair for label, pair in PAIRS.items() if wanted(*pair)}

    def marks(label):
        if label not in (every_run or found):
            return pytest.mark.slow
        return () if label in (first or found) else pytest.mark.wide

    each = [pytest.param(*pair, marks=marks(label)) for label, pair in found.items()]
    return pytest.mark.parametrize(("name", "f"), each, ids=found.keys())


def with_activation(name, f):
    return CELLS[name] if f is None else CELLS[name].replace(activation=f)


def drawn(name):
    """Parameters and a sequence for a cell, the same for every activation.

    The seed is one with which every kind of slope is met, away from the kinks, and with which the
    slopes of no activation shut every way from step to step.
    """
    rng = np.random.default_rng(21)
    cell = CELLS[name]
    batch = rnnjax.Batch(
        x=jnp.asarray(1.5 * rng.standard_normal((T, cell.n_x))),
        y=jnp.asarray(rng.standard_normal((T, cell.n_y))),
        mask=jnp.asarray(rng.uniform(0.5, 1.5, T)),
    )
    shapes = jax.eval_shape(cell.init, jax.random.key(0))
    draw = jax.tree.map(lambda a: jnp.asarray(0.7 * rng.standard_normal(a.shape)), shapes)
    return draw, batch


@for_pairs(every_run=EACH_KIND, first=FIRST)
def test_first_and_second_derivatives_are_those_of_differences(name, f):
    cell = with_activation(name, f)
    params, batch = drawn(name)
    rng, (flat, unflatten) = np.random.default_rng(1), ravel_pytree(params)
    run = jax.jit(functools.partial(derivatives, cell, unflatten, batch))
    found = run(flat, *rng.standard_normal((2, flat.size)))
    for order in ("first", "second"):
        differences = found.pop(f"{order} by differences")
        ways = [way for way in found if way.startswith(order)]
        assert abs(differences) > 1e-3 and len(ways) == {"first": 2, "second": 4}[order]
        for way in ways:
            np.testing.assert_allclose(found[way], differences, 1e-6, 1e-6, err_msg=way)


def derivatives(cell, unflatten, batch, p, v, w):
    """Derivatives of the loss along v, and along v and w, by differences and by both modes."""

    def loss(p):
        return rnnjax.sequence_loss(cell, squared_error, unflatten(p), batch)

    def forward(f, v):
        return lambda p: jax.jvp(f, (p,), (v,))[1]

    def reverse(f, v):
        return lambda p: jax.grad(f)(p) @ v

    def differences(f, v):
        ahead, behind = jax.vmap(f)(jnp.stack([p + STEP * v, p - STEP * v]))
        return (ahead - behind) / (2 * STEP)

    first = {"forward": forward(loss, v), "reverse": reverse(loss, v)}
    return {
        "first by differences": differences(loss, v),
        "second by differences": differences(first["reverse"], w),
        **{f"first, {way}": of(p) for way, of in first.items()},
        **{f"second, forward of {way}": forward(of, w)(p) for way, of in first.items()},
        **{f"second, reverse of {way}": reverse(of, w)(p) for way, of in first.items()},
    }


@for_pairs(lambda name, f: f is not None and f.piecewise_linear)
def test_those_differences_stay_on_one_side_of_every_kink(name, f):
    """On both sides of it, so that the derivatives differ from those of a linear function."""
    seen = []

    def fn(z):
        seen.append(np.ravel(z))
        return f.fn(z)

    cell = with_activation(name, replace(f, fn=fn))
    params, batch = drawn(name)
    h = cell.initial_state()
    for x in batch.x:
        h = cell.step(params, h, x)
    z = np.concatenate(seen)
    right, left = (f(z + MARGIN) - f(z)) / MARGIN, (f(z) - f(z - MARGIN)) / MARGIN
    np.testing.assert_allclose(right, left, rtol=0, atol=1e-12)
    every = f.slope(jnp.linspace(-9, 9, 99))
    np.testing.assert_allclose(np.ptp(right), np.ptp(every), atol=1e-12)


@functools.cache
def by_bptt(name, f):
    cell = with_activation(name, f)
    params, batch = drawn(name)

    @jax.jit
    def run(params, batch):
        out = rnnjax.BPTT()(cell, squared_error, params, batch)
        return out.loss, scaled.plain(out.grads)

    return run(params, batch)


def assert_trees_close(got, expected):
    """Every leaf within 1e-12 of its own largest entry, and none without any."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.any(b != 0)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.max(np.abs(b)))


@pytest.mark.wide
@for_pairs(every_run=EACH_KIND)
def test_bptt_is_autodiff_of_a_python_loop(name, f):
    cell = with_activation(name, f)
    params, batch = drawn(name)

    def loss(params):
        h, total = cell.initial_state(), 0.0
        for x, y, weight in zip(batch.x, batch.y, batch.mask, strict=True):
            h = cell.step(params, h, x)
            total += weight * jnp.sum((cell.readout(params, h) - y) ** 2)
        return total

    assert_trees_close(by_bptt(name, f), jax.value_and_grad(loss)(params))


def logistic(z):
    return 1 / (1 + np.exp(-z))


def normal_cdf(z):
    return (1 + ERF(z / math.sqrt(2))) / 2


def normal_density(z):
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


ERF = np.vectorize(math.erf)
# f and f', written out.
BY_HAND = {
    "identity": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (logistic, lambda z: logistic(z) * (1 - logistic(z))),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, 1, 0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, z / 100), lambda z: np.where(z > 0, 1, 1 / 100)),
    "hard_tanh": (lambda z: np.clip(z, -1, 1), lambda z: np.where(abs(z) < 1, 1, 0)),
    "softplus": (lambda z: np.log(1 + np.exp(z)), logistic),
    "erf": (lambda z: ERF(math.sqrt(math.pi) / 2 * z), lambda z: np.exp(-math.pi / 4 * z * z)),
    "gelu": (lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_density(z)),
}


def vanilla_by_hand(cell, p, batch, f, slope):
    a, h, z = cell.leak, [np.zeros(cell.n_h)], []
    for x in batch.x:
        z.append(p.W @ h[-1] + p.U @ x + p.b)
        h.append((1 - a) * h[-1] + a * f(z[-1]))
    delta = np.zeros(cell.n_h)
    for t in reversed(range(T)):
        error = 2 * batch.mask[t] * (p.V @ h[t + 1] + p.c - batch.y[t])
        delta = delta + p.V.T @ error
        s = a * slope(z[t]) * delta
        W, U, V = np.outer(s, h[t]), np.outer(s, batch.x[t]), np.outer(error, h[t + 1])
        yield VanillaParams(W=W, U=U, b=s, V=V, c=error)
        delta = (1 - a) * delta + p.W.T @ s


def jordan_by_hand(cell, p, batch, f, slope):
    fed_back = list(range(cell.n_y) if cell.feedback is None else cell.feedback)
    o, inputs, z, u = np.full(cell.n_y, cell.start), [], [], []
    for x in batch.x:
        inputs.append(np.concatenate([x, o[fed_back]]))
        z.append(p.W @ inputs[-1] + p.b)
        u.append(p.V @ f(z[-1]) + p.c)
        o = f(u[-1])
    delta = np.zeros(cell.n_y)
    for t in reversed(range(T)):
        delta = delta + 2 * batch.mask[t] * (f(u[t]) - batch.y[t])
        outer = slope(u[t]) * delta
        inner = slope(z[t]) * (p.V.T @ outer)
        yield JordanParams(
            W=np.outer(inner, inputs[t]), b=inner, V=np.outer(outer, f(z[t])), c=outer
        )
        delta = np.zeros(cell.n_y)
        delta[fed_back] = p.W[:, cell.n_x :].T @ inner


def chain_by_hand(cell, p, batch, f, slope):
    h, z = [0.0], []
    for x in batch.x:
        z.append(p.w_n * h[-1] + p.w_x @ x)
        h.append(f(z[-1]))
    delta = 0.0
    for t in reversed(range(T)):
        error = 2 * batch.mask[t] * (p.w_3 * h[t + 1] - batch.y[t, 0])
        delta = delta + p.w_3 * error
        s = slope(z[t]) * delta
        yield ChainParams(w_n=s * h[t], w_x=s * batch.x[t], w_3=error * h[t + 1])
        delta = p.w_n * s


ADJOINTS = {
    rnnjax.Vanilla: vanilla_by_hand,
    rnnjax.Jordan: jordan_by_hand,
    rnnjax.Chain: chain_by_hand,
}


# Vanilla networks with every activation, the other classes with one.
KINDS_BY_HAND = [*(f"Vanilla-{f.name}" for f in ACTIVATIONS), "Jordan-tanh", "Chain-relu"]


@for_pairs(lambda name, f: type(CELLS.data[name]) in ADJOINTS, first=KINDS_BY_HAND)
def test_bptt_is_the_adjoint_by_hand(name, f):
    cell = CELLS[name]
    steps = ADJOINTS[type(cell)](cell, *jax.tree.map(np.asarray, drawn(name)), *BY_HAND[f.name])
    expected = jax.tree.map(lambda *parts: sum(parts), *steps)
    assert_trees_close(by_bptt(name, f)[1], expected)
