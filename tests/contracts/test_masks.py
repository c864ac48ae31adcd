"""A sequence ends with its last weight: whatever stands behind it, nothing differs from a cut."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import masks, penalties, probes, rules, scaled, tasks
from rnnjax.losses import squared_error
from tests.crossed import crossed, one_in
from tests.discovery import penalties_found, probes_found, rules_found
from tests.rules.test_contract import cell_of, rule_named

T, L = 9, 6
FILLS = np.array([np.nan, np.inf, 1e300, 0.0])
# A step without weight before the last one is a step all the same, but has no target.
WEIGHTS = np.array([0.0, 1.0, 0.5, 0.0, 2.0, 1.0])
KEY = jax.random.key(5)
# In the order of tests/rules/test_contract.py.
VANILLA = rnnjax.Vanilla(2, 3, 2, gain=1.5)
RELU = rnnjax.Vanilla(2, 3, 2, activation=rnnjax.activations.relu, bias_gain=0.3)


def sequence(n_x=2, n_y=2):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((L, n_x)), rng.uniform(size=(L, n_y))
    return rnnjax.Batch(x, y, WEIGHTS)


def padded(batch, fill):
    """Trailing padding, and targets that are missing where the mask is 0."""
    x, y, mask = (np.pad(a, [(0, T - L)] + [(0, 0)] * (a.ndim - 1)) for a in (
        batch.x, batch.y, batch.mask
    ))  # fmt: skip
    behind = np.arange(T) >= L
    return rnnjax.Batch(
        np.where(behind[:, None], fill, x), np.where((mask == 0)[:, None], fill, y), mask
    )


def filled_in_every_way(batch):
    """The padded sequence with each of FILLS, leaves (fill, T, ...)."""
    return jax.tree.map(lambda *a: np.stack(a), *[padded(batch, fill) for fill in FILLS])


def assert_same(got, expected, tolerance=1e-12):
    """Of every leaf, the first entries along time; behind them zero, or NaN for a probe."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            continue
        scale = np.max(np.abs(b), where=np.isfinite(b), initial=1e-300)
        np.testing.assert_allclose(a, np.broadcast_to(b, a.shape), rtol=0, atol=tolerance * scale)


@functools.cache
def params_of(cell):
    return jax.jit(cell.init)(KEY)


@functools.cache
def of_rule(name):
    """Loss, gradient, steps and what was learned, of the cut sequence and of every filling."""
    rule = rule_named(name)
    cell = cell_of(rule)
    params = params_of(cell)

    @jax.jit
    def run(batch):
        state = rule.init(cell, params, batch, KEY)
        whole = rule(cell, squared_error, params, batch, state)
        steps = rule(cell, squared_error, params, batch, state, per_step=True).grads
        learned = getattr(whole.state, "learned", ())
        return (whole.loss, scaled.plain(whole.grads), learned), scaled.plain(steps)

    cut = sequence()
    if hasattr(rule, "rule"):  # a literal ratio to a step that is 0 is none
        cut = cut.replace(mask=np.maximum(cut.mask, 0.5))
    return run(cut), jax.vmap(run)(filled_in_every_way(cut))


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(4, rules_found(), always=["RTRL"], first=1, wide=4))
def test_a_rule_sees_nothing_of_padding(name):
    if name == "TeacherForcing":
        return  # its state is the target of the step before, which is needed
    (cut, steps), (filled, filled_steps) = of_rule(name)
    assert np.isfinite(cut[0])
    assert_same(filled, cut)
    inside = jax.tree.map(lambda a: a[:, :L], filled_steps)
    behind = jax.tree.map(lambda a: a[:, L:], filled_steps)
    assert_same(inside, steps)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(behind))


@crossed("name, loss", probes_found(), [squared_error, None], every=2, wide=3)
def test_a_probe_sees_nothing_of_padding(name, loss):
    probe = probes_found()[name]
    if loss is None and name in ("step_contributions", "curvature_along_gradient"):
        return
    params, batch = params_of(VANILLA), sequence()
    # Every step has a target: the loss of each length is asked for.
    batch = batch.replace(mask=np.where(WEIGHTS == 0, 1, WEIGHTS))
    run = jax.jit(lambda batch: probe(VANILLA, loss, params, batch))
    cut = run(batch)
    filled = jax.vmap(run)(filled_in_every_way(batch))
    for key, value in cut.items():
        got = filled[key] if isinstance(filled[key], jax.Array) else None
        if got is None or got.shape[1:] == np.shape(value):
            assert_same(filled[key], value, 1e-9)
        else:
            # Time is the first axis, or the one behind that of layers.
            axis = [a != b for a, b in zip(got.shape[1:], value.shape, strict=True)].index(True)
            got, n = np.moveaxis(got, 1 + axis, 1), value.shape[axis]
            assert_same(got[:, :n], np.moveaxis(value, axis, 0), 1e-9)
            rest = got[:, n:]
            nothing = np.isneginf if key.startswith("log_contribution") else np.isnan
            assert np.all(nothing(rest))


@crossed("name, cell", penalties_found(), {"tanh": VANILLA, "relu": RELU}, others=pytest.mark.wide)
def test_a_penalty_and_its_gradient_see_nothing_of_padding(name, cell):
    penalty = penalties_found()[name](**{"Flossing": {"n_exponents": 2}}.get(name, {}))
    cell = {"tanh": VANILLA, "relu": RELU}[cell]
    params, batch = params_of(cell), sequence()
    run = jax.jit(jax.value_and_grad(lambda p, b: penalty(cell, squared_error, p, b)))
    filled = jax.vmap(run, in_axes=(None, 0))(params, filled_in_every_way(batch))
    assert_same(filled, run(params, batch), 1e-9)


@pytest.mark.wide
def test_segments_of_a_padded_sequence():
    batch = sequence()

    @jax.jit
    def run(params):
        def grads(batch, rule):
            return scaled.plain(rule(RELU, squared_error, params, batch).grads)

        each = [grads(padded(batch, np.nan), rules.BPTT(segment=n)) for n in (1, 4)]
        return each, grads(batch, rules.BPTT())

    each, expected = run(params_of(RELU))
    for got in each:
        assert_same(got, expected)


@pytest.mark.parametrize("segment", [None, 2])
def test_transport_in_segments_passes_padding_unchanged(segment):
    params, batch = params_of(RELU), sequence()
    run = jax.jit(
        lambda b, s: probes.log_norm_by_lag(RELU, None, params, b, segment=s)["log_norm"],
        static_argnums=1,
    )
    assert_same(run(padded(batch, np.nan), segment)[: L + 1], run(batch, None), 1e-9)


class Padded:
    """A task of one sequence whose padding is filled with a number."""

    def __init__(self, fill, length=T):
        self.fill, self.length = fill, length

    def sample(self, key):
        return padded(sequence(), self.fill) if self.length == T else sequence()

    loss = staticmethod(squared_error)


def assert_training_sees_nothing_of_padding(trained):
    """Compare what `trained(task, key)` makes of padding with NaN and of no padding."""
    both = jax.jit(lambda key: [trained(t, key).params for t in (Padded(np.nan), Padded(0, L))])
    assert_same(*both(KEY), 1e-9)


@pytest.mark.wide
@pytest.mark.parametrize(
    "rule", [rules.BPTT(), rules.KeRNL()], ids=lambda rule: type(rule).__name__
)  # fmt: skip
def test_training_sees_nothing_of_padding(rule):
    fit = partial(rnnjax.fit, n_updates=3, batch_size=2)
    assert_training_sees_nothing_of_padding(
        lambda task, key: fit(VANILLA, task, rule, optax.adam(0.1), key)
    )


@pytest.mark.wide
@pytest.mark.parametrize(
    "rule", [rules.DNI(), rules.TruncatedBPTT(3), rules.BPTT()],
    ids=lambda r: type(r).__name__,
)  # fmt: skip
def test_online_training_sees_nothing_of_padding(rule):
    fit = partial(rnnjax.fit_online, n_sequences=3, steps_per_update=3)
    assert_training_sees_nothing_of_padding(
        lambda task, key: fit(VANILLA, task, rule, optax.sgd(0.1), key)
    )


@pytest.mark.wide
def test_a_piece_without_a_weight_is_not_the_end_of_the_sequence():
    """A state that were held there would be another one at the step that has a loss."""
    batch = sequence().replace(mask=jnp.array([1.0, 0, 0, 0, 0, 1.0]))

    class Task:
        def sample(self, key):
            return batch

        loss = staticmethod(squared_error)

    @jax.jit
    def run(params):
        trained = rnnjax.fit_online(
            VANILLA, Task(), rules.TruncatedBPTT(1), optax.sgd(0.0), KEY,
            n_sequences=1, steps_per_update=1, params=params,
        )  # fmt: skip
        h = rnnjax.unroll(VANILLA, params, batch.x).plain
        return trained.loss[0, -1], squared_error(VANILLA.readout(params, h[-1]), batch.y[-1])

    np.testing.assert_allclose(*run(params_of(VANILLA)), rtol=1e-12)


@pytest.mark.wide
@pytest.mark.parametrize("rule", [rules.BPTT(), rules.RTRL()], ids=["BPTT", "RTRL"])
def test_lags_of_alignment_count_from_the_last_weight(rule):
    @jax.jit
    def run(params):
        def by_lag(b):
            state, edges = rule.init(VANILLA, params, b), [0, 2, L]
            found = rules.gradient_by_lag(rule, VANILLA, squared_error, params, b, state, edges)
            return jax.vmap(scaled.shift)(found.value, found.exponent)

        return by_lag(padded(sequence(), np.nan)), by_lag(sequence())

    assert_same(*run(params_of(VANILLA)))


@pytest.mark.wide
def test_lengths_differ_between_sequences_under_vmap():
    x, lengths = np.random.default_rng(5).standard_normal((3, T, 2)), np.array([1, 4, T])
    mask = (np.arange(T) < lengths[:, None]).astype(float)

    @jax.jit
    def run(params):
        def norms(batch):
            return probes.log_norm_by_lag(VANILLA, None, params, batch)["log_norm"]

        cut = [rnnjax.Batch(x[i, :n], x[0, :n], np.ones(n)) for i, n in enumerate(lengths)]
        return jax.vmap(norms)(rnnjax.Batch(x, x, mask)), [norms(batch) for batch in cut]

    both, each = run(params_of(VANILLA))
    for n, got, expected in zip(lengths, both, each, strict=True):
        np.testing.assert_allclose(got[: n + 1], expected, atol=1e-12)
        assert np.all(np.isnan(got[n + 1 :]))


@pytest.mark.wide
def test_the_published_case():
    """A padded sequence of 21 steps, of which the norms were those of its padding."""
    cell = rnnjax.Vanilla(1, 8, gain=0.5)

    @jax.jit
    def run(keys):
        params = cell.init(keys[0])
        batch = tasks.WhiteNoise(21, 1).sample(keys[1])
        batch = jax.tree.map(lambda a: jnp.pad(a, [(0, 19)] + [(0, 0)] * (a.ndim - 1)), batch)
        norms = lambda loss: probes.log_norm_by_lag(cell, loss, params, batch)  # noqa: E731
        return norms(squared_error)["log_norm"], norms(None)["log_norm"]

    got, transport = (np.asarray(a) for a in run((jax.random.key(0), jax.random.key(1))))
    np.testing.assert_allclose(got[[0, 5, 15, 20]], [0.472, -5.360, -19.296, -24.293], atol=1e-3)
    np.testing.assert_allclose(transport[[5, 15, 20]], [-7.069, -20.437, -25.816], atol=1e-3)


@pytest.mark.wide
def test_a_mask_of_zeros_is_refused_where_it_is_known():
    params, batch = params_of(VANILLA), sequence()
    empty = batch.replace(mask=np.zeros(L))
    with pytest.raises(ValueError, match=r"^mask: expected a step with a weight"):
        probes.log_norm_by_lag(VANILLA, None, params, empty)

    @jax.jit
    def run(batch):
        out = rules.BPTT()(VANILLA, squared_error, params, batch)
        norms = probes.log_norm_by_lag(VANILLA, None, params, batch)["log_norm"]
        return norms, out.loss, scaled.log_norm(out.grads)

    norms, loss, log_norm = run(empty)
    assert np.all(np.isnan(norms)) and loss == 0 and log_norm == -np.inf


def test_a_sequence_may_go_on_behind_its_last_weight():
    """`counts` says so: the state that is carried to the next sequence is the last one."""
    params, batch = params_of(VANILLA), sequence()
    mask, counts = np.where(np.arange(L) < 3, WEIGHTS, 0), np.arange(L) < 5
    batch = batch.replace(mask=mask, counts=counts)
    rule = rules.TruncatedBPTT(2)

    @jax.jit
    def both(params):
        out = rule(VANILLA, squared_error, params, batch, rule.init(VANILLA, params, batch))
        return scaled.plain(out.state), rnnjax.unroll(VANILLA, params, batch.x).plain[4]

    np.testing.assert_allclose(*both(params), rtol=1e-13)


def test_steps_that_count_are_the_first_ones_or_every_number_is_nan():
    """Padding on the left, in a program that is traced (else it is refused at the boundary)."""
    params, batch = params_of(VANILLA), sequence()

    @jax.jit
    def run(counts):
        given = batch.replace(mask=jnp.ones_like(batch.mask), counts=counts)
        out = rules.BPTT()(VANILLA, squared_error, params, given)
        norms = probes.log_norm_by_lag(VANILLA, None, params, given)["log_norm"]
        return norms[1:], out.loss, scaled.log_norm(out.grads)

    steps = np.arange(len(batch.mask))
    assert all(np.all(np.isnan(found)) for found in run(steps > 1))
    assert all(np.all(np.isfinite(found[..., :4])) for found in map(np.atleast_1d, run(steps < 5)))


def test_length_and_counted():
    mask = np.array([0.0, 2, 0, -1, 0, 0])
    both = jax.jit(lambda mask: (masks.length(mask), masks.counted(mask)))
    length, counted = both(mask)
    assert length == 4
    np.testing.assert_array_equal(counted, [1, 1, 1, 1, 0, 0])
    length, counted = both(0 * mask)
    assert length == 0 and not np.any(counted)


def test_every_penalty_is_found():
    assert set(penalties_found().values()) == {penalties.Omega, penalties.Flossing}
