"""Cells whose step reads no parameter or compares it alone, without a hash, with plain floats."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import probes, rules, scaled
from rnnjax.found_once import found_once
from rnnjax.losses import squared_error

T = 5
RNG = np.random.default_rng(5)
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, 2))),
    y=jax.device_put(RNG.standard_normal((T, 1))),
    mask=jax.device_put(np.ones(T)),
)
WIDE = [rules.UORO(), rules.KeRNL(), rules.NodePerturbation(), rules.DNI(), rules.SnAp(1),
        rules.SnAp(2), rules.EProp(), rules.DiscountedRTRL()]  # fmt: skip
ONLINE = [rules.RTRL(), *(pytest.param(rule, marks=pytest.mark.wide) for rule in WIDE)]


class Reservoir:
    """Only its readout is trained."""

    n_x, n_h = 2, 3
    weights = RNG.standard_normal((3, 5))

    def init(self, key):
        return {"V": jnp.ones((1, self.n_h)), "unread": jnp.ones(2)}

    def initial_state(self):
        return jnp.zeros(self.n_h)

    def step(self, params, h, x):
        return jnp.tanh(self.weights @ jnp.concatenate([h, x]))

    def readout(self, params, h):
        return params["V"] @ h


class Threshold(Reservoir):
    """Units that fire where their input is above a threshold: no derivative of the state."""

    def init(self, key):
        return super().init(key) | {"U": jnp.eye(3, 2)}

    def step(self, params, h, x):
        return 0.5 * h + (params["U"] @ x > 0.1)


class PlainFloat(Reservoir):
    """A parameter that is a float of Python."""

    def init(self, key):
        return {"V": jnp.ones((1, self.n_h)), "gain": 0.7}

    def step(self, params, h, x):
        return jnp.tanh(params["gain"] * self.weights @ jnp.concatenate([h, x]))


@dataclasses.dataclass
class Unhashable:
    """Without `frozen` a dataclass has no hash."""

    mask: np.ndarray
    dtype: type = float
    n_x: int = 2

    def init(self, key):
        W = jnp.asarray(0.5 * RNG.standard_normal((3, 3)), self.dtype)
        return {"W": W, "V": jnp.ones((1, 3))}

    def initial_state(self):
        return jnp.zeros(3, self.dtype)

    def step(self, params, h, x):
        return jnp.tanh((self.mask * params["W"]) @ h + jnp.sum(x))

    def readout(self, params, h):
        return (params["V"] @ h).real


class Mutable(Unhashable):
    """Its hash is its identity."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class WithArray(Unhashable):
    """Its kinds are pytrees, whose leaf says which weights act on which units."""

    def __init__(self, leaf):
        self.leaf = leaf

    def tree_flatten(self):
        return (self.leaf,), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)

    def initial_state(self):
        return jnp.zeros(3)

    def init(self, key):
        return {"u": jnp.asarray([0.9, -0.5, 0.7]), "v": jnp.asarray([0.4, 0.8, -0.6]),
                "V": jnp.asarray([[1.0, -2.0, 0.5]])}  # fmt: skip


@jax.tree_util.register_pytree_node_class
class Masked(WithArray):
    """Each unit has its own weight from one of two vectors, chosen by truth values."""

    def step(self, params, h, x):
        return jnp.tanh(jnp.where(self.leaf, params["u"], params["v"]) * h + jnp.sum(x))


@jax.tree_util.register_pytree_node_class
class Compared(Masked):
    """The same, chosen by numbers."""

    def step(self, params, h, x):
        return Masked(self.leaf > 0.5).step(params, h, x)


@jax.tree_util.register_pytree_node_class
class Reordered(WithArray):
    """Each unit is driven by another one, in an order given by integers."""

    def step(self, params, h, x):
        return jnp.tanh((params["u"] * h)[self.leaf] + jnp.sum(x) * params["v"])


def plain_gradient(rule, cell, params):
    @jax.jit
    def run(params, key):
        state = rule.init(cell, params, BATCH, key)
        return scaled.plain(rule(cell, squared_error, params, BATCH, state).grads)

    return run(params, jax.random.key(0))


def reference(cell, params):
    return jax.jit(jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)))(params)


def assert_close(got, expected):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", [Reservoir, Threshold])
@pytest.mark.parametrize("rule", ONLINE, ids=repr)
def test_of_a_reservoir_the_readout_has_a_gradient_alone(rule, kind):
    cell = kind()
    params = cell.init(None)
    assert_close(plain_gradient(rule, cell, params), reference(cell, params))


@pytest.mark.parametrize("rule", [rules.BPTT(), rules.RTRL(), rules.SnAp(2)], ids=repr)
def test_a_parameter_may_be_a_float_of_python(rule):
    cell = PlainFloat()
    params = cell.init(None)
    assert_close(rule_gradient(rule, cell, params), reference(cell, params))


def rule_gradient(rule, cell, params):
    """Without `jit`, which would make an array of a float."""
    return scaled.plain(rule(cell, squared_error, params, BATCH).grads)


@pytest.mark.parametrize("rule", [rules.BPTT(), rules.RTRL()], ids=repr)
def test_steps_of_a_parameter_that_nothing_reads_are_zeros_with_an_exponent_each(rule):
    cell = Reservoir()
    params = cell.init(None)
    steps = rule(cell, squared_error, params, BATCH, per_step=True).grads
    assert steps["unread"].value.shape == (T, 2)
    assert {leaf.exponent.shape for leaf in steps.values()} == {(T,)}
    assert_close(scaled.plain(scaled.sum_over_leading(steps)), reference(cell, params))


@pytest.mark.parametrize("rule", [rules.RTRL(), rules.SnAp(1)], ids=repr)
def test_a_reservoir_is_trained_online(rule):
    """One update with the whole sequence is one step of descent."""
    cell = Reservoir()
    params, task = cell.init(None), OneSequence()
    run = rnnjax.fit_online(cell, task, rule, optax.sgd(0.1), jax.random.key(0), n_sequences=1,
                            steps_per_update=T, params=params)  # fmt: skip
    moved = jax.tree.map(lambda p, g: p - 0.1 * g, params, reference(cell, params))
    assert_close(run.params, moved)


class OneSequence:
    loss = staticmethod(squared_error)

    def sample(self, key):
        return BATCH


@pytest.mark.parametrize("measure", [rules.recurrent_gradient, rules.gradient_by_lag])
def test_a_reservoir_has_no_recurrent_gradient(measure):
    cell = Reservoir()
    given = (rules.RTRL(), cell, squared_error, cell.init(None), BATCH, ())
    edges = ((0, 1),) if measure is rules.gradient_by_lag else ()
    with pytest.raises(ValueError, match=r"^cell: expected a step that reads parameters, got Res"):
        measure(*given, *edges)


@pytest.mark.parametrize("rule", [rules.RTRL(), rules.SnAp(2), rules.DiscountedRTRL()], ids=repr)
def test_exact_rules_take_a_cell_without_a_hash(rule):
    cell = Unhashable(np.ones((3, 3)))
    params = cell.init(None)
    assert_close(plain_gradient(rule, cell, params), reference(cell, params))


def test_kernl_takes_a_cell_without_a_hash():
    cell = Unhashable(np.ones((3, 3)))
    params = cell.init(None)
    twin = Mutable(cell.mask)
    assert_close(*(plain_gradient(rules.KeRNL(), one, params) for one in (cell, twin)))


def test_probes_take_a_complex_cell_without_a_hash():
    cell = Unhashable(np.ones((3, 3)), complex)
    params, twin = cell.init(None), Mutable(cell.mask, complex)
    found, expected = (
        jax.jit(lambda p, one=one: probes.log_singular_values(one, None, p, BATCH))(params)
        for one in (cell, twin)
    )
    name = "log_singular_values"
    np.testing.assert_allclose(found[name], expected[name], rtol=1e-12)


def test_a_rule_sees_that_an_attribute_of_a_cell_was_changed():
    cell = Mutable(np.eye(3))
    params = cell.init(None)
    for mask in (np.eye(3), np.ones((3, 3))):
        cell.mask = mask
        assert_close(plain_gradient(rules.RTRL(), cell, params), reference(cell, params))


@pytest.mark.parametrize(
    "cell",
    [
        Masked(np.array([True, False, True])),
        Compared(jnp.asarray([1.0, 0.0, 1.0])),
        Reordered(jnp.asarray([2, 0, 1])),
    ],
    ids=lambda cell: type(cell).__name__,
)
def test_which_weights_act_on_which_units_is_told_by_arrays_of_the_cell_as_well(cell):
    params = cell.init(None)
    expected = reference(cell, params)
    # A ring of three units is heard by all within three steps.
    for rule in (rules.RTRL(), rules.SnAp(3)):
        assert_close(plain_gradient(rule, cell, params), expected)
    # Where they are not known, as under `jit`, they may be any.
    known_later = jax.jit(lambda cell: plain_gradient(rules.RTRL(), cell, params))(cell)
    assert_close(known_later, expected)


def test_an_order_of_units_does_not_make_snap_1_keep_more():
    """Without a weight of a unit onto itself it keeps what a weight does at once."""
    cell = Reordered(np.array([2, 0, 1]))
    params = cell.init(None)
    at_once = plain_gradient(rules.BPTT(window=1), cell, params)
    assert_close(plain_gradient(rules.SnAp(1), cell, params), at_once)


def test_answers_are_found_once_for_equal_questions():
    asked = []

    @found_once(maxsize=4)
    def answer(*question):
        asked.append(question)

    cell = Mutable(np.eye(3))
    for question in ((1, cell), (1, cell), (2, cell), ([], cell), ([], cell)):
        answer(*question)
    assert [first for first, _ in asked] == [1, 2, [], []]
    cell.n_x = 3
    answer((1, cell))
    answer((1, cell))
    assert len(asked) == 5
