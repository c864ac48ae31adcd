"""A unit's weights are those that enter one sum, in every cell there is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen

import rnnjax
from rnnjax import scaled, updates
from rnnjax.rules import structure
from rnnjax.updates import units
from tests.crossed import crossed, one_in
from tests.discovery import cells_found

CELLS = cells_found()


def groups(leaf, axes):
    """Which unit of its leaf each weight belongs to, by number."""
    rows = units.by_unit(jnp.arange(leaf.size).reshape(leaf.shape), axes)
    number = jnp.broadcast_to(jnp.arange(len(rows))[:, None], rows.shape)
    return units.as_leaf(number, leaf, axes)


def axes_by_leaf(params):
    axes = units.axes_of_one(params)
    # Parameters may hold tuples themselves, so axes are what stands in place of a leaf.
    return jax.tree.structure(params).flatten_up_to(axes)


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(3, CELLS, wide=3))
def test_a_unit_is_one_unit_of_the_cell(name):
    """No group holds weights of two units of the state, nor of two outputs."""
    cell = CELLS[name]
    params = cell.init(jax.random.key(0))
    leaves = jax.tree.leaves(params)
    x = jnp.zeros(cell.n_x)
    of_state = structure.units(cell, params, x) or {}
    reach = structure.reach(cell, params, x)
    h = cell.initial_state()
    h = jnp.full_like(h, 0.3 + 0.2j if jnp.iscomplexobj(h) else 0.3)
    slopes = jax.tree.leaves(jax.jacrev(lambda p: cell.readout(p, h))(params))
    for i, (leaf, axes) in enumerate(zip(leaves, axes_by_leaf(params), strict=True)):
        group = np.asarray(groups(leaf, axes))
        owners = []
        if i in of_state:  # a spiking unit does not hear itself: that weight belongs to none
            acts = np.broadcast_to(reach[i].any(axis=0), leaf.shape)
            owners.append(np.where(acts, of_state[i], -1))
        reached = np.asarray(slopes[i] != 0)
        of_one_output = (reached.sum(axis=0) <= 1).all()
        assert of_one_output or name == "Stack-LSTM-LRU"  # C of an LRU below the readout of a stack
        if reached.any() and of_one_output:
            owners.append(reached.argmax(axis=0))
        for owner in owners:
            for number in np.unique(group):
                assert len({*owner[group == number]} - {-1}) == 1


@functools.cache
def groups_of_all():
    """The groups of the parameters of every cell by the place of a leaf, as one program."""
    params = {
        name: jax.tree.map(
            lambda p: np.zeros(p.shape, p.dtype), jax.eval_shape(cell.init, jax.random.key(0))
        )
        for name, cell in CELLS.items()
    }

    def of_cell(params):
        leaves = jax.tree_util.tree_leaves_with_path(params)
        return {
            jax.tree_util.keystr(at): groups(leaf, axes)
            for (at, leaf), axes in zip(leaves, axes_by_leaf(params), strict=True)
        }

    return jax.jit(lambda: {name: of_cell(one) for name, one in params.items()})()


@pytest.mark.parametrize("name", CELLS)
def test_weights_of_one_sum_are_one_group(name):
    """A matrix has as many groups as units, a vector and a scalar as many as entries."""
    found = {at: len(np.unique(group)) for at, group in groups_of_all()[name].items()}
    n, m = CELLS[name].n_h, CELLS[name].n_y
    expected = {
        "Vanilla": {".W": n, ".U": n, ".b": n, ".V": m, ".c": m},
        "LSTM": {".W": 2 * n, ".U": 2 * n, ".b": 2 * n, ".V": m, ".c": m},
        "LRU": {".nu": n, ".theta": n, ".log_gamma": n, ".B": n, ".C": m, ".c": m},
        "Chain": {".w_n": 1, ".w_x": 1, ".w_3": 1},
        "Jordan": {".W": 5, ".b": 5, ".V": n, ".c": n},
    }
    for leaf, count in expected.get(name, {}).items():
        assert found[leaf] == count, leaf
    if name == "linen.GRUCell":
        kernels = [at for at in found if "kernel" in at]
        assert len(kernels) == 6 and all(found[at] == n for at in kernels)


@pytest.mark.wide
@crossed("name, exponent", CELLS, [0, 1500], every=3, wide=4)
def test_every_group_is_clipped_by_itself(name, exponent):
    """By hand, group after group; a gradient of any size."""
    cell = CELLS[name]

    @jax.jit
    def run(key):
        params = cell.init(key)
        given = jax.tree.map(lambda p: jnp.cos(jnp.arange(p.size)).reshape(p.shape), params)
        grads = jax.tree.map(lambda g: scaled.normalise(g, exponent), given)
        optimiser = updates.clip_by_unit(0.1, optax.sgd(1.0), smallest=1e-2)
        return params, given, optimiser.update(grads, optimiser.init(params), params)[0]

    params, given, got = jax.tree.map(np.asarray, run(jax.random.key(0)))
    each = zip(*map(jax.tree.leaves, (params, given, got)), axes_by_leaf(params), strict=True)
    for leaf, g, moved, axes in each:
        group = np.asarray(groups(leaf, axes))
        for number in np.unique(group):
            here = group == number
            size, most = np.linalg.norm(g[here]), 0.1 * max(np.linalg.norm(leaf[here]), 1e-2)
            # Every gradient is longer than that, or is left as it is.
            factor = most / size if exponent or size > most else 1.0
            np.testing.assert_allclose(moved[here], -factor * g[here], rtol=1e-9, atol=1e-15)


def test_parameters_that_say_nothing_have_rows():
    params = {"M": jnp.ones((2, 3)), "b": jnp.ones(4), "s": jnp.ones(()), "T": jnp.ones((2, 3, 4))}
    axes = units.axes_of_one(params)
    assert axes == {"M": (1,), "b": (), "s": (), "T": (2,)}


@pytest.mark.wide
def test_what_stands_deeper_in_a_tree_says_where_its_units_are_too():
    key = jax.random.key(0)
    inner = rnnjax.LRU(2, 3).init(key), rnnjax.from_linen(linen.GRUCell(3), 2).init(key)
    axes = units.axes_of_one({"layers": inner, "M": jnp.ones((2, 3))})
    lru, gru = axes["layers"]
    assert lru.B == lru.C == (0, 2) and lru.nu == () and axes["M"] == (1,)
    assert gru.V == (1,) and gru.cell["hr"]["kernel"] == (0,) and gru.cell["ir"]["bias"] == ()


@pytest.mark.wide
def test_a_chain_with_its_scalars_trains():
    """The case that asked for the length of a number."""
    task = rnnjax.tasks.TemporalXOR(2, 8)
    optimiser = updates.clip_by_unit(0.01, optax.sgd(10.0))
    run = jax.jit(
        lambda key: (
            rnnjax.fit(
                rnnjax.Chain(), task, rnnjax.BPTT(), optimiser, key, n_updates=3, batch_size=2
            ).params
        )
    )
    start = rnnjax.Chain().init(jax.random.split(jax.random.key(1), 3)[0])
    # No weight moves by more than a hundredth of itself, times the rate, an update.
    for before, after in zip(start, run(jax.random.key(1)), strict=True):
        assert np.all(np.abs(after) <= np.abs(before) * 1.1**3) and np.all(after != before)
