"""Every value of the package can be pickled and copied: found by walking it."""

import copy
import dataclasses
import functools
import pickle
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import rnnjax
from rnnjax import activations, pickles
from tests.crossed import wide_but
from tests.discovery import (
    Found,
    activations_found,
    cells_found,
    dataclasses_found,
    example,
    rules_found,
)

WAYS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "oldest pickle": lambda value: pickle.loads(pickle.dumps(value, protocol=0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


class Around(linen.RNNCellBase):
    """A cell of one's own around another one."""

    inner: linen.Module
    factor: float = 0.5

    @linen.compact
    def __call__(self, carry, x):
        return self.inner(carry, self.factor * x)

    def initialize_carry(self, rng, input_shape):
        return self.inner.initialize_carry(rng, input_shape)

    @property
    def num_feature_axes(self):
        return 1


def root(x):
    return jnp.sqrt(jnp.abs(x))


ROOT = rnnjax.Activation("root", root, jax.nn.relu, jax.nn.sigmoid, jnp.inf)
VALUES = Found(
    {name: partial(example, name) for name in dataclasses_found()}
    | {f"cell {name}": cell for name, cell in cells_found().data.items()}
    | {a.name: a for a in activations_found()}
    | {
        "own activation": ROOT,
        "with own activation": rnnjax.Vanilla(2, 3, activation=ROOT),
        "function of jax": rnnjax.Vanilla(2, 3, recurrent=jax.nn.relu),
        "sparse": rnnjax.Vanilla(2, 3, recurrent=rnnjax.cells.SparseRescaled(2)),
        "linen with options": partial(
            rnnjax.from_linen,
            linen.GRUCell(3, activation_fn=jax.nn.relu, kernel_init=linen.initializers.zeros),
            2,
        ),
        "linen of linen": partial(rnnjax.from_linen, Around(linen.OptimizedLSTMCell(3), 0.25), 2),
        "nnx with options": partial(
            rnnjax.from_nnx,
            nnx.SimpleCell,
            2,
            3,
            activation_fn=jax.nn.relu,
            param_dtype=jnp.float64,
        ),
        "with arrays": rnnjax.Vanilla(2, 3, gain=jax.device_put(np.ones(2)), leak=np.full(2, 0.5)),
        "feedback": rnnjax.rules.RFLO(jax.device_put(np.ones((3, 2)))),
        "rule in rule in rule": rnnjax.penalties.Penalised(
            rnnjax.decks.MatchedLength(rnnjax.decks.EligibilityRatio(rnnjax.rules.UORO())),
            rnnjax.penalties.Flossing(2),
        ),
    }
)


def assert_same(a, b):
    """Equal leaves and an equal structure, which holds all that is static."""
    leaves, structure = jax.tree.flatten(a)
    others, other = jax.tree.flatten(b)
    assert structure == other and hash(structure) == hash(other)
    for x, y in zip(leaves, others, strict=True):
        np.testing.assert_array_equal(x, y)
        assert type(x) is type(y)


# Values of arrays alone are made by one program, not by one for each operation.
OF_ARRAYS = {"Trajectory", *rnnjax.tangents.__all__}


@pytest.mark.parametrize("name", VALUES)
def test_a_copy_is_equal(name):
    value = jax.jit(VALUES.data[name])() if name in OF_ARRAYS else VALUES[name]
    for way, copied in WAYS.items():
        made = copied(value)
        assert type(made) is type(value), way
        leaves = jax.tree.leaves(value)
        if all(isinstance(leaf, (int, float)) for leaf in leaves if leaf is not value):
            assert made == value and hash(made) == hash(value) and repr(made) == repr(value), way
        if leaves != [value]:
            assert_same(made, value)


@pytest.mark.parametrize("name", rules_found())
def test_what_a_rule_carries_can_be_saved(name):
    rule, cell = example(name), rnnjax.Vanilla(2, 3, 2, leak=0.5)

    @jax.jit
    def begun(key):
        batch = rnnjax.decks.DataPairs(4).sample(key)
        return rule.init(cell, cell.init(key), batch, key)

    state = begun(jax.random.key(1))
    made = pickle.loads(pickle.dumps(state))
    assert jax.tree.structure(made) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(made), jax.tree.leaves(state), strict=True):
        assert a.dtype == b.dtype and jnp.array_equal(*map(_data, (a, b)))


def _data(leaf):
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


@pytest.mark.parametrize("activation", activations_found(), ids=lambda a: a.name)
def test_an_activation_of_ours_stays_the_same_object(activation):
    assert all(way(activation) is activation for way in WAYS.values())
    made = WAYS["pickle"](rnnjax.Vanilla(2, 3, activation=activation))
    assert made.activation is activation


def test_another_of_the_same_name_stays_another():
    mine = dataclasses.replace(activations.tanh, max_slope=2.0, fn=root, slope=root, log_slope=root)
    mine = dataclasses.replace(mine, scaled=None)
    assert WAYS["pickle"](mine) == mine != activations.tanh


@pytest.mark.parametrize(
    "name", wide_but(["Vanilla"], ["Vanilla", "LSTM", "linen.GRUCell", "nnx.LSTMCell"])
)
def test_a_copy_compiles_nothing(name):
    cell, n_traces = cells_found()[name], 0
    params = jax.jit(cell.init)(jax.random.key(0))

    @jax.jit
    def step(cell, params):
        nonlocal n_traces
        n_traces += 1
        return cell.step(params, cell.initial_state(), jnp.zeros(cell.n_x))

    for way in WAYS.values():
        step(way(cell), params)
    assert n_traces == 1


def test_another_process_reads_it(tmp_path):
    cells = {name: cell for name, cell in cells_found().items() if "float64" not in repr(cell)}
    path = tmp_path / "cells.pickle"
    path.write_bytes(pickle.dumps(cells))
    program = (
        "import pickle, sys, jax; cells = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(sum(cell.initial_state().size > 0 for cell in cells.values()))"
    )
    run = [sys.executable, "-c", program, str(path)]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert int(out) == len(cells) >= 10


def test_a_deep_copy_shares_what_is_static():
    """What has no name to be pickled by can be copied all the same."""
    nameless = jax.jit(lambda key, n: jnp.eye(n))
    cell = rnnjax.Vanilla(2, 3, recurrent=nameless, gain=np.ones(2))
    made = copy.deepcopy(cell)
    assert made.recurrent is nameless and jax.tree.structure(made) == jax.tree.structure(cell)
    assert made.gain is not cell.gain


def test_only_what_a_name_leads_to_is_kept_by_its_name():
    inside = functools.partial(jax.nn.relu)
    for value in (3, "x", None, jnp.tanh, jax.nn.relu, (jax.nn.relu, (1, root)), inside, int):
        assert pickles.unpacked(pickles.packed(value)) == value
    assert isinstance(pickles.packed(jax.nn.relu), pickles.Name)
    assert pickles.packed(root) is root and pickles.packed(inside) is inside
