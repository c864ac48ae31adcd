"""Cells of two and three entries a unit, of one unit, and sequences of one step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import rnnjax
from rnnjax import probes, rules, scaled
from rnnjax.losses import squared_error
from tests.cells.agreement import drawn_params
from tests.crossed import crossed, wide_but
from tests.discovery import cells_found, probes_found, rules_found
from tests.fuzz.cells import ThreeEntries
from tests.rules.test_contract import rule_named

KEY = jax.random.key(4)


SEVERAL = {
    "two": rnnjax.LSTM(2, 3, 2),
    "three": ThreeEntries(2, 2, 2),
    "one": rnnjax.Vanilla(2, 1, 2, leak=0.4),
    "one and its gates": rnnjax.LSTM(2, 1, 2),
}


def sequence(n_steps=5, n_x=2, n_y=2):
    numbers = np.random.default_rng(4).standard_normal((n_steps, n_x + n_y))
    return rnnjax.Batch(*map(jnp.asarray, (numbers[:, :n_x], numbers[:, n_x:], np.ones(n_steps))))


def assert_close(got, expected, tolerance=1e-11):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.max(np.abs(b)), 1e-3))


@pytest.mark.wide
@crossed("name, kind", rules_found(), SEVERAL, every=2, first=1, wide=5)
def test_steps_of_a_rule_sum_to_the_whole(name, kind):
    """The filter and the carried trace of a rule are one gradient, whatever a unit is made of."""
    rule, cell = rule_named(name), SEVERAL[kind]
    if hasattr(rule, "rule"):
        return  # a literal ratio to a step that is 0 is none
    params, batch = cell.init(KEY), sequence()
    try:
        state = rule.init(cell, params, batch, KEY)
        run = jax.jit(functools.partial(rule, cell, squared_error), static_argnames="per_step")
        whole = run(params, batch, state)
        steps = run(params, batch, state, per_step=True)
    except ValueError as refusal:
        if "expected a cell with" not in str(refusal):
            raise
        return
    summed = jax.tree.map(lambda a: a.sum(0), scaled.plain(steps.grads))
    assert_close(summed, scaled.plain(whole.grads))
    if rule.exact:
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch)  # noqa: E731
        assert_close(scaled.plain(whole.grads), jax.grad(loss)(params))


@pytest.mark.wide
@pytest.mark.parametrize("name", ["RFLO", "EProp", "SnAp"])
@pytest.mark.parametrize("kind", wide_but(["two"], ["two", "three"]))
def test_local_traces_are_those_of_dense_jacobians(name, kind):
    """M_t = S (D_t + K_t M_{t-1}) with K and S written out, see `tests.fuzz.subjects`."""
    from tests.fuzz import oracles
    from tests.fuzz.subjects import SUBJECTS

    key = {"SnAp": "SnAp 1"}.get(name, name)
    cell, batch = SEVERAL[kind], sequence()
    params = cell.init(KEY)
    subject = SUBJECTS[key]
    if not subject.fits(cell, 5):
        with pytest.raises(ValueError, match="expected a cell with pre-activations"):
            subject.run(cell, squared_error, params, batch)
        return
    table = jax.jit(lambda: oracles.table(cell, squared_error, params, batch))()
    expected = jax.jit(lambda: subject.expected(cell, squared_error, params, batch, table))()
    got = jax.jit(lambda: subject.run(cell, squared_error, params, batch))()
    assert_close(got["gradient"], expected["gradient"][0])


RULES = {"BPTT": rules.BPTT(), "RTRL": rules.RTRL(), "SnAp": rules.SnAp(1)}


@pytest.mark.wide
@crossed("name, rule", cells_found(), [*RULES, "segments"], every=2, wide=5)
def test_one_unit_and_one_step(name, rule):
    sizes = {"n_x": 1, "n_h": 1, "n_y": 1, "n_units": 1, "n_hidden": 1}
    cell = cells_found(**sizes)[name]
    rule = RULES.get(rule, rules.BPTT(segment=3))
    params, batch = cell.init(KEY), sequence(1, cell.n_x, cell.n_y)

    @jax.jit
    def both(params):
        out = rule(cell, squared_error, params, batch, rule.init(cell, params, batch))
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch)  # noqa: E731
        return scaled.plain(out.grads), jax.grad(loss)(params)

    assert_close(*both(params))


@pytest.mark.parametrize("n_steps", wide_but([1], [1, 2]))
@pytest.mark.parametrize("name", probes_found())
def test_a_probe_of_one_step(name, n_steps):
    cell, batch = rnnjax.Vanilla(2, 1, 2), sequence(n_steps)
    run = jax.jit(lambda params: probes_found()[name](cell, squared_error, params, batch))
    if name == "gradient_horizon":
        with pytest.raises(
            ValueError, match=rf"^batch: expected at least 4 steps .* got {n_steps} as in"
        ):
            run(drawn_params(cell, 0.5))
        return
    for key, value in run(drawn_params(cell, 0.5)).items():
        for leaf in jax.tree.leaves(value):
            undefined = key in ("exponents_error", "log_gap", "angle", "curvature")
            # Weights on the state contribute nothing at the first step, which begins at 0.
            is_none = np.isneginf(leaf) & key.startswith("log_contribution")
            assert undefined or np.all(np.isfinite(leaf) | is_none), key


class Stacked(linen.RNNCellBase):
    """Two layers of one width, whose carry has as many vectors as an LSTM's."""

    kinds: tuple = (linen.GRUCell, linen.GRUCell)

    @linen.compact
    def __call__(self, carry, x):
        wide = {"features": 3, "param_dtype": jnp.float64}
        first, y = self.kinds[0](**wide, name="first")(carry[0], x)
        second, y = self.kinds[1](**wide, name="second")(carry[1], y)
        return (first, second), y

    @linen.nowrap
    def initialize_carry(self, key, shape):
        return tuple(
            kind(3, param_dtype=jnp.float64).initialize_carry(key, shape) for kind in self.kinds
        )

    @property
    def num_feature_axes(self):
        return 1


def renumbered(params, order):
    """The same network with the units of its second layer in another order."""

    def leaf(path, a):
        name = jax.tree_util.keystr(path)
        if "'second'" not in name:
            return a
        a = a[..., order]
        return a[order] if "kernel" in name and "['h" in name else a

    cell = jax.tree_util.tree_map_with_path(leaf, params.cell)
    return params._replace(cell=cell, V=params.V[:, order])


@pytest.mark.parametrize("kind", wide_but([linen.GRUCell], [linen.LSTMCell, linen.GRUCell]))
def test_numbers_of_units_mean_nothing_between_layers(kind):
    cell = rnnjax.from_linen(Stacked((kind, kind)), 2, 2)
    assert cell.traits.entries_per_unit == (2 if kind is linen.LSTMCell else 1)
    params, batch = drawn_params(cell, 0.5), sequence()
    other = renumbered(params, np.array([2, 0, 1]))

    @jax.jit
    def of_first(p):
        each = (rules.EProp(), rules.SnAp(1), rules.BPTT())
        grads = [rule(cell, squared_error, p, batch).grads for rule in each]
        return [scaled.plain(g.cell["first"]) for g in grads]

    for got, expected in zip(of_first(other), of_first(params), strict=True):
        assert_close(got, expected)


@pytest.mark.wide
def test_layers_of_different_units_are_refused_where_units_matter():
    cell = rnnjax.from_linen(Stacked((linen.GRUCell, linen.LSTMCell)), 2, 2)
    assert cell.traits.entries_per_unit is None
    params, batch = cell.init(KEY), sequence()
    with pytest.raises(ValueError, match=r"^EProp: expected a cell whose units have one number"):
        rules.EProp()(cell, squared_error, params, batch)
    out = rules.RTRL()(cell, squared_error, params, batch)
    loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch)  # noqa: E731
    assert_close(scaled.plain(out.grads), jax.grad(loss)(params))


def test_growth_that_is_the_same_at_every_step_has_no_error():
    """Blocks of time do not cut through the rhythm of the decompositions."""
    cell = rnnjax.Vanilla(
        1, 8, activation=rnnjax.activations.identity, recurrent=rnnjax.cells.orthogonal, gain=0.9
    )
    x = jax.random.normal(KEY, (200, 1))
    batch = rnnjax.Batch(x, x, jnp.ones(200))
    for options in ({}, {"n_discarded": 17, "n_exponents": 1}):  # the second by QR alone
        found = jax.jit(
            lambda options=options: probes.lyapunov_spectrum(
                cell, None, cell.init(KEY), batch, **options
            )
        )()
        np.testing.assert_allclose(found["exponents"], np.log(0.9), atol=1e-12)
        assert np.all(found["exponents_error"] < 1e-12)


def silent(cell, params, x):
    return probes.is_silent(cell, None, params, rnnjax.Batch(x, x, jnp.ones(len(x))))["is_silent"]


@pytest.mark.wide
def test_a_network_without_recurrence_is_silent_whatever_its_bias():
    cell = rnnjax.Vanilla(1, 3, bias_gain=1.0)
    params = cell.init(KEY)
    params = params._replace(W=jnp.zeros((3, 3)), b=params.b + 0.1)
    for n in (1, 2, 3, 9):
        zeros = jnp.zeros((n, 1))
        assert silent(cell, params, zeros)
    moves = jnp.zeros((4, 1)).at[2].set(1e-9)
    assert not silent(cell, params, moves)
    linear = rnnjax.Vanilla(1, 3, activation=rnnjax.activations.identity)
    assert silent(linear, linear.init(KEY), jnp.zeros((4, 1)))
