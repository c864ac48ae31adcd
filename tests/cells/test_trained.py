"""Trained modules of flax as cells: the numbers are those of flax's own programs."""

import doctest
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import rnnjax
from rnnjax import probes, rules, scaled
from rnnjax.losses import cross_entropy
from tests.cells.trained_models import F64, KEY, MASK, MODELS, N_SYMBOLS, N_Y, TARGETS, TOKENS, N, T
from tests.crossed import one_in

model = functools.cache(lambda name: MODELS[name]())


def batch_of(x):
    return rnnjax.Batch(x, TARGETS % N_Y, MASK)


def assert_close(got, expected, tolerance=1e-12):
    """Every leaf within tolerance of its own largest entry."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.max(np.abs(b)), 1e-3))


@pytest.mark.wide
@pytest.mark.parametrize(
    "name", one_in(4, list(MODELS), always=("linen.GRUCell", "own nnx"), wide=3)
)
def test_outputs_and_gradients_are_those_of_flax(name):
    cell, x, program = model(name)

    def by_flax(p):
        return jnp.sum(MASK * jax.vmap(cross_entropy)(program(p, x), TARGETS))

    @jax.jit
    def both(p):
        own = rnnjax.BPTT()(cell, cross_entropy, p, batch_of(x))
        grads = jax.value_and_grad(by_flax)(p)
        return (rnnjax.outputs(cell, p, x), (own.loss, scaled.plain(own.grads))), (
            program(p, x),
            grads,
        )

    got, expected = both(cell.trained)
    assert_close(got, expected)
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(expected[1][1]))


RULES = [rules.RTRL(), rules.SnAp(1), rules.SnAp(9), rules.EProp(), rules.UORO(), rules.KFRTRL(),
         rules.RFLO(), rules.TruncatedBPTT(T), rules.DiscountedRTRL()]  # fmt: skip
OF_EACH_KIND = ["linen.LSTMCell", "own linen", "own nnx"]


@pytest.mark.wide
@pytest.mark.parametrize("rule", one_in(4, RULES, wide=3), ids=lambda rule: type(rule).__name__)
def test_rules_work_or_refuse(rule):
    """Exact rules give the gradient of autodiff through embedding and head."""
    cell, x, _ = model("own linen" if rule.exact else "nnx tied")
    batch = batch_of(x)

    @jax.jit
    def both(p):
        out = rule(cell, cross_entropy, p, batch, rule.init(cell, p, batch, KEY))
        loss = lambda p: rnnjax.sequence_loss(cell, cross_entropy, p, batch)  # noqa: E731
        return scaled.plain(out.grads), jax.grad(loss)(p)

    if isinstance(rule, rules.KFRTRL | rules.RFLO):
        with pytest.raises(ValueError, match=rf"^{type(rule).__name__}: expected a cell with"):
            both(cell.trained)
        return
    got, expected = both(cell.trained)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(got))
    if rule.exact or rule == rules.SnAp(9):
        assert_close(got, expected)


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(3, OF_EACH_KIND))
def test_jacobians_lags_and_spectra(name):
    cell, x, _ = model(name)
    p, n = cell.trained, cell.n_h

    ends = batch_of(x).replace(mask=jnp.zeros(T).at[-1].set(1))
    carry = jax.eval_shape(lambda p: cell.cell.carry(p, cell.constants, cell.d_shape), p)
    n_carry = sum(leaf.size for leaf in jax.tree.leaves(carry))

    @jax.jit
    def measured(p):
        lags = probes.log_norm_by_lag(cell, cross_entropy, p, ends)["log_norm"]
        values = probes.log_singular_values(cell, None, p, ends)["log_singular_values"][-1]
        spectrum = probes.lyapunov_spectrum(cell, None, p, ends, n_discarded=0)["exponents"]
        return lags, values, spectrum

    @jax.jit
    def by_autodiff(p):
        """J_t, ln of the norm of the last loss by the state before each step, and directions."""

        def step(h, x):
            return cell.step(p, h, x), jax.jacobian(cell.step, argnums=1)(p, h, x)

        def last_loss(moved):
            move = lambda h, at: (cell.step(p, h + at[0], at[1]), None)  # noqa: E731
            h = jax.lax.scan(move, cell.initial_state(), (moved, x))[0]
            return cross_entropy(cell.readout(p, h), TARGETS[-1])

        by_state = jax.grad(last_loss)(jnp.zeros((T, n)))
        h = cell.initial_state()
        Js, Q = jax.lax.scan(step, h, x)[1], probes.lyapunov._generic(h, n_carry, n - n_carry)
        return Js, jnp.log(jnp.linalg.norm(by_state, axis=1)), Q

    lags, values, spectrum = map(np.asarray, measured(p))
    Js, norms, Q = map(np.asarray, by_autodiff(p))
    product, volume = np.eye(n), 0.0
    for J in Js:
        Q, R = np.linalg.qr(J @ Q)
        volume += np.sum(np.log(np.abs(np.diag(R))))
        product = J @ product
    np.testing.assert_allclose(lags[1:], norms[::-1], rtol=1e-10)
    expected = np.log(np.maximum(np.linalg.svd(product)[1], 1e-300))
    known = expected > expected[0] - 20
    np.testing.assert_allclose(values[known], expected[known], atol=1e-8)
    # The growth of volumes of as many directions as the carry has entries.
    np.testing.assert_allclose(np.sum(spectrum[:n_carry]), volume / T, rtol=1e-10)
    assert np.all(np.isneginf(spectrum[n_carry:])) and cell.traits.n_unread == n - n_carry


@pytest.mark.wide
def test_states_are_the_carries_of_flax():
    """The flat state of every step, with an output that is no part of the carry behind it."""
    cell, x, _ = model("own linen")
    constants = cell.constants

    @jax.jit
    def both(params):
        def step(carry, x):
            d = cell.embed.apply(params, constants, x)
            carry, y = cell.cell.apply(params, constants, carry, d)
            arrays = [*jax.tree.leaves(carry), y]
            return carry, jnp.concatenate([arrays[i] for i in cell.state.order])

        carry = cell.cell.carry(params, constants, (3,))
        return rnnjax.unroll(cell, params, x).states.value, jax.lax.scan(step, carry, x)[1]

    np.testing.assert_allclose(*both(cell.trained), rtol=1e-12, atol=1e-14)
    assert cell.n_h == 4 + 2 + 3 + 4 and cell.state.output == 3


@pytest.mark.wide
def test_an_output_that_is_in_the_carry_adds_nothing_to_the_state():
    for name, n_h in {"linen.LSTMCell": 2 * N, "linen.GRUCell": N, "remat": 2 * N}.items():
        assert model(name)[0].n_h == n_h
    assert model("linen.LSTMCell")[0].traits.entries_per_unit == 2


@pytest.mark.parametrize("name", ["linen.GRUCell", "own nnx"])
def test_several_trained_networks_are_stacked(name):
    """Over parameters alone, over whole cells with their constants, and made inside of vmap."""
    cell, x, _ = model(name)
    other = jax.tree.map(lambda a: 1.1 * a, cell)
    both = jax.tree.map(lambda *a: jnp.stack(a), cell, other)
    outputs = jax.jit(lambda cell, p: rnnjax.outputs(cell, p, x))
    whole = jax.vmap(outputs)(both, both.trained)
    np.testing.assert_allclose(whole[1], outputs(other, other.trained), rtol=1e-12)
    alone = jax.vmap(outputs, (None, 0))(cell, both.trained)
    np.testing.assert_allclose(alone[1], outputs(cell, other.trained), rtol=1e-12)
    assert (np.max(np.abs(alone[1] - whole[1])) > 1e-3) == (name == "own nnx")


def test_a_network_is_made_inside_of_a_transformation():
    module = linen.GRUCell(N, **F64)
    carry, xs = jnp.zeros(N), jnp.ones((T, 3))
    sets = jax.vmap(lambda key: module.init(key, carry, xs[0]))(jax.random.split(KEY, 2))

    def outputs(variables):
        cell = rnnjax.from_linen(module, params=variables)
        return rnnjax.outputs(cell, cell.trained, xs)

    got = jax.jit(jax.vmap(outputs))(sets)
    one = jax.tree.map(lambda a: a[1], sets)
    np.testing.assert_allclose(got[1], linen.RNN(module).apply({"params": {"cell": one["params"]}},
                                                               xs), rtol=1e-12)  # fmt: skip


def test_networks_of_one_architecture_share_a_program():
    n_traces = 0

    @jax.jit
    def last(cell, p):
        nonlocal n_traces
        n_traces += 1
        return rnnjax.outputs(cell, p, TOKENS)[-1]

    def made(seed):
        rngs = nnx.Rngs(seed)
        init = nnx.initializers.orthogonal()
        gru = nnx.GRUCell(3, N, recurrent_kernel_init=init, **F64, rngs=rngs)
        table = nnx.Embed(N_SYMBOLS, 3, rngs=rngs)
        return rnnjax.from_nnx(gru, embed=table)

    a, b = made(0), made(1)
    assert np.any(last(a, a.trained) != last(b, b.trained)) and n_traces == 1


@pytest.mark.wide
def test_constants_have_no_derivative_and_the_object_stays_as_it_is():
    gru = nnx.GRUCell(3, N, **F64, rngs=nnx.Rngs(0))
    head = nnx.Sequential(nnx.BatchNorm(N, **F64, rngs=nnx.Rngs(0)), nnx.Dropout(0.5))
    cell = rnnjax.from_nnx(gru, readout=head)
    outputs = jax.jit(lambda cell: rnnjax.outputs(cell, cell.trained, jnp.ones((4, 3))))
    before = outputs(cell)
    assert set(cell.trained.readout["layers"][0]) == {"bias", "scale"}
    assert set(cell.constants.readout["layers"][0]) == {"mean", "var"}
    assert not head.layers[1].deterministic and not head.layers[0].use_running_average
    gru.dense_h.kernel.set_value(jnp.zeros((N, 3 * N)))
    head.layers[0].mean.set_value(jnp.ones(N, jnp.float32))
    np.testing.assert_array_equal(outputs(cell), before)
    batch = rnnjax.Batch(jnp.ones((4, 3)), jnp.zeros(4, int), jnp.ones(4))
    grads = jax.eval_shape(
        lambda p: scaled.plain(rnnjax.BPTT()(cell, cross_entropy, p, batch).grads), cell.trained
    )
    assert jax.tree.structure(grads) == jax.tree.structure(cell.trained)


@pytest.mark.parametrize("embeds", [linen.Embed, lambda n, d, **o: None])
def test_tokens_give_what_one_hot_inputs_give(embeds):
    """An embedding is a product with a one-hot vector; without one, integers are numbers."""
    module, key = linen.GRUCell(N, **F64), jax.random.key(1)
    W = jax.random.normal(key, (N_SYMBOLS, 3))
    params = module.init(key, jnp.zeros(N), jnp.ones(3))
    table = embeds(N_SYMBOLS, 3, **F64)
    hot = rnnjax.from_linen(module, N_SYMBOLS, params=params, embed=(lambda p, x: x @ p, W))
    x = jax.nn.one_hot(TOKENS, N_SYMBOLS)
    expected = rnnjax.outputs(hot, hot.trained, x)
    whole = rnnjax.outputs(hot, hot.trained, x.astype(int))
    np.testing.assert_allclose(whole, expected, rtol=1e-12)
    assert not hot.tokens
    if table is not None:
        cell = rnnjax.from_linen(module, params=params, embed=(table, {"embedding": W}))
        assert cell.tokens and cell.n_x is None
        np.testing.assert_allclose(rnnjax.outputs(cell, cell.trained, TOKENS), expected, rtol=1e-12)
        several = rnnjax.from_linen(
            module, 2, params=params, embed=(lambda p, x: jnp.take(p, x, axis=0).sum(0), W)
        )
        pairs = jnp.stack([TOKENS, TOKENS[::-1]], axis=1)
        both = rnnjax.outputs(hot, hot.trained, x + x[::-1])
        got = rnnjax.outputs(several, several.trained, pairs)
        np.testing.assert_allclose(got, both, rtol=1e-12)


def test_a_trained_language_model_writes():
    cell, _, _ = model("nnx tied")
    chances = jax.random.uniform(KEY, (5,))
    got = rnnjax.generate.generate(cell, cell.trained, 2, chances)
    h, symbol = cell.initial_state(), jnp.array(2)
    for chance, found in zip(chances, got, strict=True):
        h = cell.step(cell.trained, h, symbol)
        share = jnp.cumsum(jax.nn.softmax(cell.readout(cell.trained, h)))
        symbol = jnp.sum(chance * share[-1] >= share[:-1])
        assert symbol == found


@pytest.mark.wide
@pytest.mark.parametrize("function", [rnnjax.from_linen, rnnjax.from_nnx])
def test_the_examples_run(function):
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(function, function.__name__, globs={}):
        runner.run(example)
    assert runner.summarize().failed == 0 and runner.summarize().attempted > 3
