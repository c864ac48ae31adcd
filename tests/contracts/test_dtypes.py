"""Numbers of any precision: half precision, float32 in a program of float64, integers."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import probes, rules, scaled
from rnnjax.losses import cross_entropy, squared_error
from tests.contracts.test_masks import sequence
from tests.crossed import crossed, one_in
from tests.discovery import cells_found, probes_found, rules_found
from tests.rules.test_contract import cell_of, rule_named

KEY = jax.random.key(5)
CELL = rnnjax.Vanilla(2, 3, 2, activation=rnnjax.activations.relu, bias_gain=0.3, leak=0.5)
# Those of flax are made with parameters of float64.
NARROW = [name for name, cell in cells_found().data.items() if not isinstance(cell, partial)]
DTYPES = [jnp.float16, jnp.bfloat16, jnp.float32]


def narrowed(tree, dtype):
    return jax.tree.map(lambda a: a.astype(dtype), tree)


def widened(tree):
    return jax.tree.map(lambda a: a.astype(jnp.float64), tree)


def assert_close(got, expected, tolerance):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        known = np.isfinite(b)
        scale = np.max(np.abs(b), where=known, initial=1e-3)
        np.testing.assert_allclose(a[known], b[known], rtol=0, atol=tolerance * scale)


@functools.cache
def of_rule(name):
    rule = rule_named(name)
    cell = cell_of(rule)

    @jax.jit
    def run(params, batch):
        state = rule.init(cell, params, batch, KEY)
        return scaled.plain(rule(cell, squared_error, params, batch, state).grads)

    return cell.init(KEY), run


@pytest.mark.wide
@crossed("name, dtype", rules_found(), DTYPES, always=("RTRL",), every=2, first=1, wide=5)
def test_a_rule_in_another_precision(name, dtype):
    """The same numbers in float64, to the rounding of float32, whatever the program's default."""
    if rule_named(name).stochastic and name != "KeRNL":
        return  # other precisions draw other random numbers
    params, run = of_rule(name)
    batch = sequence().replace(mask=jnp.ones(6))
    given = narrowed((params, batch), dtype)
    got, expected = run(*given), run(*widened(given))
    if name == "KeRNL":
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(got))
        return
    assert_close(got, expected, 1e-3)


@pytest.mark.wide
@crossed("name, dtype", probes_found(), DTYPES, every=2, first=1, wide=3)
def test_a_probe_in_another_precision(name, dtype):
    cell = rnnjax.LSTM(2, 2, 2)
    given = narrowed((cell.init(KEY), sequence()), dtype)
    run = jax.jit(lambda p, b: probes_found()[name](cell, squared_error, p, b))
    got, expected = run(*given), run(*widened(given))
    for key in got:
        if key not in ("direction", "singular_direction", "angle", "log_gap"):
            assert_close(got[key], expected[key], 2e-2 if key == "curvature" else 2e-3)


@pytest.mark.wide
def test_the_published_case():
    """The gradient of bfloat16 parameters is that of plain `jax.grad` to its own rounding."""
    cell = rnnjax.Vanilla(2, 3, 2)
    params, batch = narrowed((cell.init(KEY), sequence()), jnp.bfloat16)
    got = scaled.plain(rules.BPTT()(cell, squared_error, params, batch).grads)

    def plain(p):
        def step(h, x):
            h = cell.step(p, h, x)
            return h, cell.readout(p, h)

        y = jax.lax.scan(step, jnp.zeros(3, jnp.bfloat16), batch.x)[1]
        return jnp.sum(batch.mask * jnp.sum((y - batch.y) ** 2, axis=1))

    assert_close(got, jax.grad(plain)(params), 0.05)


@pytest.mark.wide
@pytest.mark.parametrize("dtype", one_in(3, DTYPES), ids=lambda d: d.__name__)
def test_training_keeps_the_dtype_of_the_parameters(dtype):
    params = narrowed(CELL.init(KEY), dtype)
    task = rnnjax.decks.DataPairs(length=4)
    cell = rnnjax.Vanilla(task.n_x, 3, task.n_y)
    params = narrowed(cell.init(KEY), dtype)
    for rule in (rules.BPTT(), rules.RTRL()):
        for optimiser in (optax.adam(0.01), rnnjax.updates.clip_by_norm(1.0, optax.sgd(0.1))):
            trained = rnnjax.fit(
                cell, task, rule, optimiser, KEY, n_updates=2, batch_size=2, params=params
            )
            assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(trained.params))
            assert np.all(np.isfinite(trained.loss))
    online = rnnjax.fit_online(
        cell, task, rules.RTRL(), optax.sgd(0.1), KEY, n_sequences=2, params=params
    )
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(online.params))


@pytest.mark.wide
def test_a_cell_that_steps_in_half_precision():
    """An own cell with a cast in it: its state begins and goes on in that dtype."""

    class Cast:
        def initial_state(self):
            return jnp.zeros(3)

        def step(self, params, h, x):
            return jnp.tanh(params @ h + x).astype(jnp.bfloat16)

        def readout(self, params, h):
            return h.astype(jnp.float32)

    W = jax.random.normal(KEY, (3, 3))
    x = jax.random.normal(KEY, (5, 3))
    batch = rnnjax.Batch(x, x, jnp.ones(5))
    loss = lambda p: rnnjax.sequence_loss(Cast(), squared_error, p, batch)  # noqa: E731
    expected = jax.grad(loss)(W)
    for rule in (rules.BPTT(), rules.RTRL(), rules.UORO()):
        out = rule(Cast(), squared_error, W, batch, rule.init(Cast(), W, batch, KEY))
        if rule.exact:
            assert_close(scaled.plain(out.grads), expected, 0.05)
    norm = probes.log_norm_by_lag(Cast(), None, W, batch)["log_norm"]
    assert norm.dtype == W.dtype and np.all(np.isfinite(norm))


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(1, probes_found(), wide=4))
def test_integer_inputs_and_targets(name):
    params = CELL.init(KEY)
    x = jnp.arange(12).reshape(6, 2) % 3
    whole = rnnjax.Batch(x, x, jnp.ones(6, int))
    run = jax.jit(lambda b: probes_found()[name](CELL, squared_error, params, b))
    assert_close(run(whole), run(widened(whole)), 1e-12)


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(5, rules_found(), always=["RTRL"], first=3, wide=3))
def test_a_rule_on_integers(name):
    rule = rule_named(name)
    cell = cell_of(rule)
    params = cell.init(KEY)
    x = jnp.arange(12).reshape(6, 2) % 3
    whole = rnnjax.Batch(x, x, jnp.ones(6, bool))

    @jax.jit
    def run(batch):
        return scaled.plain(
            rule(cell, squared_error, params, batch, rule.init(cell, params, batch, KEY)).grads
        )

    assert_close(run(whole), run(widened(whole)), 1e-12)


@pytest.mark.wide
def test_labels():
    """Integer classes give the cross-entropy of their one-hot vectors; any other class is NaN."""
    cell = rnnjax.Vanilla(2, 3, 4)
    params, x = cell.init(KEY), jax.random.normal(KEY, (4, 2))
    labels = jnp.array([0, 3, 1, 1])
    run = jax.jit(lambda batch: rules.BPTT()(cell, cross_entropy, params, batch))
    of_labels = run(rnnjax.Batch(x, labels, jnp.ones(4)))
    of_vectors = run(rnnjax.Batch(x, jax.nn.one_hot(labels, 4), jnp.ones(4)))
    np.testing.assert_allclose(of_labels.loss, of_vectors.loss, rtol=1e-13)
    assert_close(scaled.plain(of_labels.grads), scaled.plain(of_vectors.grads), 1e-12)
    assert np.isnan(cross_entropy(jnp.ones(4), jnp.array(4)))
    assert np.isnan(cross_entropy(jnp.ones(4), jnp.array(-1)))
    with pytest.raises(ValueError, match=r"^y: expected the shape of y_hat"):
        cross_entropy(jnp.ones(4), jnp.ones(3))


@pytest.mark.parametrize("name", NARROW)
def test_a_cell_is_drawn_and_stepped_in_the_default_precision(name, float32):
    """Integers beyond int32 and numbers of float64 are an error there, or change the dtype."""
    cell = cells_found()[name]

    def step(key):
        params = cell.init(key)
        x = jnp.ones(cell.n_x)
        h = cell.step(params, cell.initial_state(), x)
        return cell.step(params, h, x), cell.readout(params, h)

    for leaf in jax.eval_shape(step, jax.random.key(0)):
        assert leaf.dtype in (jnp.float32, jnp.complex64)


class Narrow:
    """A state of float32 between parameters of float64."""

    def init(self, key):
        return {"W": jax.random.normal(key, (3, 5)), "V": jnp.ones((2, 3))}

    def initial_state(self):
        return jnp.zeros(3, jnp.float32)

    def step(self, params, h, x):
        return jnp.tanh(params["W"] @ jnp.concatenate([h, x])).astype(jnp.float32)

    def readout(self, params, h):
        return params["V"] @ h


MIXED = {
    # An array made of a float of Python gives way to float32 as the float does.
    "a field of no dtype": (rnnjax.Vanilla(2, 3, 2, leak=jnp.asarray(0.9)), jnp.float32),
    "complex": (rnnjax.LRU(2, 3, 2), jnp.float32),
    "layers": (rnnjax.Stack((rnnjax.LSTM(2, 2, 2), rnnjax.Vanilla(2, 3, 2)), n_y=2), jnp.float32),
    "a narrow state": (Narrow(), jnp.float64),
}
STEPPING = [rules.RTRL(), rules.SnAp(2), rules.UORO(), rules.NodePerturbation(), rules.DNI(),
            rules.BPTT(segment=2), rules.TruncatedBPTT(2), rules.ForwardErrors()]  # fmt: skip


@pytest.mark.wide
@crossed("rule, kind", STEPPING, MIXED, always=(STEPPING[0],), every=3, wide=2)
def test_a_rule_where_the_precision_is_not_that_of_the_program(rule, kind):
    """The loss and, of an exact rule, the gradient of `jax.grad` to the rounding of float32."""
    cell, dtype = MIXED[kind]
    batch = narrowed(sequence(), dtype)

    def narrow(a):
        return a.astype(jnp.result_type(dtype, jnp.complex64) if jnp.iscomplexobj(a) else dtype)

    @jax.jit
    def run(key):
        params = jax.tree.map(narrow, cell.init(key))
        out = rule(cell, squared_error, params, batch, rule.init(cell, params, batch, KEY))
        plain = jax.value_and_grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))
        return out.loss, scaled.plain(out.grads), *plain(params)

    loss, grads, expected_loss, expected = run(KEY)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    if isinstance(rule, rules.RTRL | rules.BPTT):
        for a, b in zip(jax.tree.leaves(grads), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
