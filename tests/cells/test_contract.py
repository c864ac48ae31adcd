"""What every cell must do, whoever wrote it: one compiled program a cell computes all of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import dynamics, probes, scaled, scan, tangents
from rnnjax.losses import squared_error
from tests.cells import own_tests
from tests.crossed import crossed, one_in, wide_but
from tests.discovery import SIZES, cells_found, homogeneous_found

CELLS = cells_found()
RNG = np.random.default_rng(0)
T = 7
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, SIZES["n_x"]))),
    y=jax.device_put(RNG.standard_normal((T, SIZES["n_y"]))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)
# One cell of every way through the scans: bounded, homogeneous, general, complex, adapted.
KINDS = ["Vanilla", "Vanilla-relu", "LSTM", "LRU", "linen.GRUCell"]


def for_cells(names):
    return pytest.mark.parametrize("name", list(names))


# Of close relatives one is in every run: the others differ from it by a part that has its own test.
RELATIVES = {
    "Jordan-one-feedback",
    "MinimalGated",
    "ProjectedLSTM",
    "ResetBeforeGRU",
    "Stack-LSTM-LRU",
    "Stack-relu",
    "Vanilla-gelu",
    "Vanilla-leak",
    "nnx.LSTMCell",
}
SHARED = [name for name in CELLS if name not in own_tests.NAMES]
RUN = one_in(len(SHARED) + 1, SHARED, always=set(SHARED) - RELATIVES)
RUN += one_in(1, ["DeltaNet", *sorted(own_tests.NAMES - {"DeltaNet"})], wide=len(CELLS))
ALL = for_cells(RUN)
# What takes long to compile; for the other cells tests/rules/test_exact.py has the gradient.
ALL_WIDELY = for_cells(wide_but(KINDS[:4], RUN))
OF_EACH_KIND = for_cells(one_in(2, KINDS, always=["LRU"], wide=len(KINDS)))


def fit_batch(cell, batch):
    """The batch with as many inputs and outputs as the cell has."""
    return batch.replace(x=batch.x[:, : cell.n_x], y=batch.y[:, : cell.n_y])


def jacobians(cell, params, x):
    """J_t of every step by automatic differentiation of `step`, (T, n_h, n_h)."""

    def step(h, x):
        holomorphic = jnp.iscomplexobj(h)
        J = jax.jacobian(lambda h: cell.step(params, h, x), holomorphic=holomorphic)(h)
        return cell.step(params, h, x), J

    return jax.lax.scan(step, cell.initial_state(), x)[1]


def by_separate_passes(cell, params, batch):
    """log ||dL_T/dh_t|| for every t and log ||dL_s/dh_0|| for every s, by one jax.grad each."""

    def loss_at(stop, h, start):
        """The loss of step `stop` as a function of the state before step `start`."""

        def step(h, at):
            t, x = at
            inside = (t >= start) & (t < stop)
            return jnp.where(inside, cell.step(params, h, x), h), None

        h, _ = jax.lax.scan(step, h, (jnp.arange(T), batch.x))
        return squared_error(cell.readout(params, h), batch.y[stop - 1])

    def log_norm(stop, h, start):
        return jnp.log(jnp.linalg.norm(jax.grad(loss_at, argnums=1)(stop, h, start)))

    states = scaled.plain(scan.unroll(cell, params, batch.x).states)
    h = jnp.concatenate([cell.initial_state()[None], states])
    steps = jnp.arange(T)
    by_time = jax.vmap(log_norm, (None, 0, 0))(T, h[:-1], steps)
    by_length = jax.vmap(log_norm, (0, None, None))(steps + 1, h[0], 0)
    return by_time[::-1], by_length


def over_steps(apply):
    """Apply a product with a tangent to every column of a matrix at every step, plain."""

    def one(at, M):
        columns = jax.vmap(lambda v: apply(at, v), 1)(M)
        return jax.vmap(scaled.shift)(columns.value, columns.exponent).T

    return jax.vmap(one, (0, None))


def compiled_once(measure):
    """Run one jitted program for a cell and keep its results for all tests of that cell."""

    @functools.cache
    def results(name):
        cell = CELLS[name]

        @jax.jit
        def program(key, batch):
            params = cell.init(key)
            return measure(
                cell, params, batch, lambda rule: rule(cell, squared_error, params, batch)
            )

        return jax.tree.map(np.asarray, program(jax.random.key(3), fit_batch(cell, BATCH)))

    return results


@compiled_once
def results(cell, params, batch, run):
    exact = run(rnnjax.BPTT())
    trajectory = scan.unroll(cell, params, batch.x)
    residuals = scan.residuals(cell, params, trajectory)

    def with_matrix(at, M):
        moved = at.bound(cell, params).mm(M)
        return scaled.shift(moved.value, moved.exponent)

    def by_rows(at):
        J = tangents.linearize(cell, params, scan.point(cell, params, at), by_row=True)
        rows = tangents.at_rows(J.as_matrix())
        return jax.vmap(scaled.shift)(rows.value, rows.exponent)

    J = jacobians(cell, params, batch.x)
    eye = jnp.eye(J.shape[-1], dtype=J.dtype)
    return {
        "oracle": jax.value_and_grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))(
            params
        ),
        "exact": (exact.loss, scaled.plain(exact.grads)),
        "J": J,
        "mv": over_steps(lambda at, v: scan.linearize(cell, params, at).mv(v))(trajectory, eye),
        "mm": jax.vmap(with_matrix, (0, None))(residuals, eye),
        "rmv": over_steps(lambda at, v: scan.linearize(cell, params, at).rmv(v))(trajectory, eye),
        "rmv of residuals": over_steps(lambda at, v: at.bound(cell, params).rmv(v))(residuals, eye),
        "matrix by rows": jax.vmap(by_rows)(trajectory),
        "lags": probes.log_norm_by_lag(cell, squared_error, params, batch)["log_norm"],
        "lengths": probes.log_norm_by_length(cell, squared_error, params, batch)[
            "log_norm_by_length"
        ],
        "separate": by_separate_passes(cell, params, batch),
    }


@compiled_once
def slow_results(cell, params, batch, run):
    lags = probes.log_norm_by_lag(cell, squared_error, params, batch, segment=3)["log_norm"]
    values = probes.log_singular_values(cell, None, params, batch)["log_singular_values"]
    out = run(rnnjax.BPTT(segment=3))
    per_step = rnnjax.BPTT()(cell, squared_error, params, batch, per_step=True)
    batches = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), batch)
    plain = lambda p, b: rnnjax.sequence_loss(cell, squared_error, p, b)  # noqa: E731
    each = jax.vmap(jax.value_and_grad(plain), (None, 0))(params, batches)
    mean = rnnjax.BPTT().batch_gradient(cell, squared_error, params, batches)
    return {
        "per_step": scaled.plain(scaled.sum_over_leading(per_step.grads)),
        "each": each,
        "mean": (mean.loss, scaled.plain(mean.grads)),
        "segments": (out.loss, scaled.plain(out.grads)),
        "lags": lags,
        "values": values,
    }


@compiled_once
def with_a_window(cell, params, batch, run):
    out = run(rnnjax.BPTT(window=T))
    return out.loss, scaled.plain(out.grads)


def assert_trees_close(got, expected, tolerance):
    """Every leaf within tolerance of its own largest entry."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.max(np.abs(b)), 1e-3))


@ALL_WIDELY
def test_bptt_is_jax_grad(name):
    (got_loss, got), (loss, grads) = results(name)["exact"], results(name)["oracle"]
    np.testing.assert_allclose(got_loss, loss, rtol=1e-13)
    assert_trees_close(got, grads, 1e-12)


@crossed("name, rule", KINDS, ["segments", "window of T"], wide=len(KINDS))
def test_bptt_in_segments_or_with_a_full_window_is_jax_grad(name, rule):
    found = with_a_window(name) if rule == "window of T" else slow_results(name)[rule]
    (got_loss, got), (loss, grads) = found, results(name)["oracle"]
    np.testing.assert_allclose(got_loss, loss, rtol=1e-13)
    assert_trees_close(got, grads, 1e-12)


@OF_EACH_KIND
def test_the_steps_sum_to_the_gradient(name):
    assert_trees_close(slow_results(name)["per_step"], results(name)["oracle"][1], 1e-12)


@OF_EACH_KIND
def test_a_batch_gives_the_mean_of_its_sequences(name):
    mean = jax.tree.map(lambda a: a.mean(0), slow_results(name)["each"])
    np.testing.assert_allclose(slow_results(name)["mean"][0], mean[0], rtol=1e-13)
    assert_trees_close(slow_results(name)["mean"][1], mean[1], 1e-12)


@ALL_WIDELY
def test_a_tangent_is_the_jacobian_and_its_transpose(name):
    J = results(name)["J"]
    for product in ("mv", "mm", "matrix by rows"):
        np.testing.assert_allclose(results(name)[product], J, rtol=1e-12, atol=1e-14)
    for product in ("rmv", "rmv of residuals"):
        got = results(name)[product]
        np.testing.assert_allclose(got, J.transpose(0, 2, 1), rtol=1e-12, atol=1e-14)


@ALL_WIDELY
def test_all_lags_of_one_pass_equal_separate_gradients(name):
    np.testing.assert_allclose(results(name)["lags"][1:], results(name)["separate"][0], rtol=1e-10)


@ALL_WIDELY
def test_all_lengths_of_one_pass_equal_one_backward_pass_a_length(name):
    np.testing.assert_allclose(results(name)["lengths"], results(name)["separate"][1], rtol=1e-10)


@OF_EACH_KIND
def test_segments_change_nothing(name):
    got = slow_results(name)["lags"]
    np.testing.assert_allclose(got, results(name)["lags"], rtol=1e-13, atol=1e-13)


@OF_EACH_KIND
def test_singular_values_are_those_of_the_dense_product(name):
    product = np.eye(results(name)["J"].shape[1])
    for got, J in zip(slow_results(name)["values"], results(name)["J"][::-1], strict=True):
        product = product @ J
        with np.errstate(divide="ignore"):
            expected = np.log(np.linalg.svd(product)[1])
        # The dense product itself knows only what is above rounding.
        known = expected > expected[0] - 20
        np.testing.assert_allclose(got[known], expected[known], atol=1e-7)


@ALL
def test_sizes_and_shapes(name):
    cell = CELLS[name]

    def shapes(key):
        params = cell.init(key)
        h = cell.step(params, cell.initial_state(), jnp.zeros(cell.n_x))
        return h, cell.readout(params, h)

    h, y = jax.eval_shape(shapes, jax.random.key(0))
    assert h.shape == cell.initial_state().shape == (cell.n_h,)
    assert h.dtype == cell.initial_state().dtype
    assert y.shape == (cell.n_y,)


@for_cells(homogeneous_found(CELLS))
def test_a_homogeneous_cell_is_homogeneous(name):
    cell = CELLS[name]

    @jax.jit
    def both(key):
        params = cell.init(key)
        d = dynamics.drive(cell, params, jnp.ones(cell.n_x))
        h = jnp.linspace(-1, 2, cell.n_h).astype(cell.initial_state().dtype)
        # Side by side, for a product that is contracted in one place only has other last bits.
        sizes = jnp.array([1.0, 1024.0])
        return jax.vmap(lambda size: dynamics.advance(cell, params, size * h, size * d))(sizes)

    plain, big = np.asarray(both(jax.random.key(0)))
    np.testing.assert_array_equal(big, 1024 * plain)


@ALL
def test_a_rebuilt_equal_cell_compiles_nothing(name):
    n_traces = 0

    @jax.jit
    def step(cell, params, h, x):
        nonlocal n_traces
        n_traces += 1
        return cell.step(params, h, x)

    key = jax.random.key(0)
    for cell in (cells_found()[name], cells_found()[name]):
        params = jax.eval_shape(cell.init, key)
        jax.eval_shape(step, cell, params, cell.initial_state(), np.zeros(cell.n_x))
    assert n_traces == 1
