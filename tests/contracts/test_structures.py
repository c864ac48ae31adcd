"""What the structure of a step implies, for every cell that has it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import parallel, probes, rules, scaled, scan, tangents
from rnnjax.losses import squared_error
from tests.cells import test_decays, test_matrix_states, test_oscillators, test_structured
from tests.crossed import one_in
from tests.discovery import SIZES, at_a_point, cells_found

KEY = jax.random.key(4)
T = 12
RNG = np.random.default_rng(3)
CELLS = cells_found()
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, SIZES["n_x"]))),
    y=jax.device_put(RNG.standard_normal((T, SIZES["n_y"]))),
    mask=jax.device_put(np.ones(T)),
)
# Those of flax are made when they are looked at, and have no structure that they declare.
OWN = {name: cell for name, cell in CELLS.data.items() if hasattr(cell, "init")}
LINEAR = [name for name, cell in OWN.items() if hasattr(cell, "transition")]
# Told by their class: their tangents are those of `rnnjax.tangents.Diagonal` and `Decay`.
ELEMENTWISE = [
    "Chain", "GatedLinearAttention", "IndRNN", "LRU", "MLSTM", "MinGRU", "MinLSTM", "RGLRU",
    "Retention", "S5", "S6",
]  # fmt: skip
# Of these the same is asserted in files of their own: exponents of all of them, and what else
# their structure implies.
_MODULES = (test_decays, test_matrix_states, test_oscillators, test_structured)
_ELSEWHERE = {type(cell) for module in _MODULES for cell in module.CELLS.values()}
HERE = [name for name, cell in OWN.items() if type(cell) not in _ELSEWHERE]


def batch_for(cell):
    return BATCH.replace(x=BATCH.x[:, : cell.n_x], y=BATCH.y[:, : cell.n_y])


def structure_of(cell):
    """The class of the tangent of a cell, without running its step."""
    return type(jax.eval_shape(lambda: at_a_point(tangents.linearize, cell))).__name__


def test_many_cells_are_linear_in_their_state():
    assert len(LINEAR) >= 10


def test_the_cells_with_an_elementwise_jacobian_are_these():
    found = [name for name, cell in OWN.items() if structure_of(cell) in ("Diagonal", "Decay")]
    assert sorted(found) == ELEMENTWISE


@pytest.mark.parametrize("name", [name for name in LINEAR if name in HERE])
def test_a_cell_that_is_linear_in_its_state_is_an_associative_scan(name):
    # A pulse: what enters the state is exactly 0 at some steps, and its derivative is not.
    cell, x = CELLS[name], BATCH.x[:, : CELLS[name].n_x].at[2:5].set(0)

    def in_parallel(params, x):
        return parallel.linear_states(cell, params, x)

    def one_by_one(params, x):
        return scan.unroll(cell, params, x).plain

    @jax.jit
    def run(key):
        params = cell.init(key)

        def of(states):
            def total(params, x):
                return jnp.sum(jnp.abs(states(params, x) - 0.3) ** 2)

            return states(params, x), jax.grad(total, argnums=(0, 1))(params, x)

        return of(in_parallel), of(one_by_one)

    got, expected = run(KEY)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), got, expected
    )


@pytest.mark.parametrize("name", one_in(1, [n for n in ELEMENTWISE if n in HERE], wide=len(OWN)))
def test_where_the_jacobian_is_elementwise_snap_1_is_the_gradient(name):
    cell = CELLS[name]
    batch, rule = batch_for(cell), rules.SnAp(1)

    @jax.jit
    def run(key):
        params = cell.init(key)
        out = rule(cell, squared_error, params, batch, rule.init(cell, params, batch))
        oracle = jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))(params)
        return scaled.plain(out.grads), oracle

    for got, expected in zip(*map(jax.tree.leaves, run(KEY)), strict=True):
        size = max(float(np.max(np.abs(expected))), 1e-3)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("name", one_in(1, HERE, wide=len(OWN)))
def test_all_exponents_add_up_to_the_mean_log_determinant(name):
    """Of what later steps read: the block of J without the entries that none does."""
    cell = CELLS[name]
    batch, n = batch_for(cell), cell.initial_state().size
    n_read = n - rnnjax.dynamics.traits(cell).n_unread

    @jax.jit
    def run(key):
        params = cell.init(key)
        found = probes.lyapunov_spectrum(cell, None, params, batch)["exponents"]
        along = scan.unroll(cell, params, batch.x)

        def log_det(at):
            J = scan.linearize(cell, params, at).as_matrix()
            block = J.value[:n_read, :n_read]
            exponent = n_read * jnp.max(J.exponent) * scaled.LOG_2
            return jnp.linalg.slogdet(block)[1].real + exponent

        return found, jnp.mean(jax.vmap(log_det)(along))

    exponents, expected = run(KEY)
    exponents = exponents[: len(exponents) * n_read // n]
    if np.isneginf(expected):  # of a product of rank below n rounding leaves something
        assert np.sum(exponents) < np.log(np.finfo(float).eps)
        return
    np.testing.assert_allclose(np.sum(exponents), expected, rtol=1e-8, atol=1e-9)
