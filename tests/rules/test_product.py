"""Forward rules as products: every influence with every transport and signal, against dense ones.

On a leaky network, and on an LSTM, whose units have two state entries each.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import dynamics, fields, rules, scan
from rnnjax.losses import squared_error
from rnnjax.rules import influences, signals, transports
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import WithinUnits
from rnnjax.rules.problem import Problem
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Fixed
from rnnjax.types import Array
from tests.crossed import wide_but

CELLS = {
    "leaky": rnnjax.Vanilla(2, 3, 2, leak=0.4, gain=1.5),
    "two entries a unit": rnnjax.LSTM(2, 2, 2),
}
SMALL = {
    "leaky": rnnjax.Vanilla(1, 2, 2, leak=0.4, gain=1.5),
    "two entries a unit": rnnjax.LSTM(1, 1, 2),
}
KEY = jax.random.key(3)


def transports_of(cell):
    """One of each transport that learns nothing."""
    kappa = jnp.linspace(0.2, 0.9, cell.initial_state().size)
    given = {"Discounted": {"decay": 0.6}, "Fixed": {"kappa": kappa}}
    every = {name: getattr(transports, name) for name in transports.__all__}
    return {name: kind(**given.get(name, {})) for name, kind in every.items() if not kind.learns}


def sequence(cell, n_steps):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((n_steps, cell.n_x)), rng.standard_normal((n_steps, 2))
    return rnnjax.Batch(jnp.asarray(x), jnp.asarray(y), jnp.asarray(np.ones(n_steps)))


def dense(cell, params, batch, transports, feedback=None):
    """Matrices as autodiff makes them: T_t of each transport by its name, D_t and s_t."""
    problem = Problem(cell, squared_error, params)
    run = scan.unroll(cell, params, batch.x)
    T = {
        name: jax.vmap(lambda at, t=t: rnnjax.scaled.plain(t.tangent(problem, at).as_matrix()))(run)
        for name, t in transports.items()
    }
    leaves, structure = jax.tree.flatten(params)
    n_read = len(leaves) - 2  # all but the readout's two
    sizes = [leaf.size for leaf in leaves[:n_read]]

    def step(w, h, x):
        parts = jnp.split(w, np.cumsum(sizes)[:-1])
        own = [p.reshape(leaf.shape) for p, leaf in zip(parts, leaves, strict=False)]
        return cell.step(jax.tree.unflatten(structure, own + leaves[n_read:]), h, x)

    w = jnp.concatenate([leaf.reshape(-1) for leaf in leaves[:n_read]])
    D = jax.vmap(jax.jacrev(step), in_axes=(None, 0, 0))(w, run.h_prev, batch.x)
    y_hat = jax.vmap(lambda h: cell.readout(params, h))(run.plain)
    errors = jax.vmap(jax.grad(squared_error))(y_hat, batch.y)
    if feedback is not None:
        return T, D, errors @ feedback.T
    V = jax.vmap(jax.jacrev(lambda h: cell.readout(params, h)))(run.plain)
    return T, D, jnp.einsum("ty,tyh->th", errors, V)


def summed(T, D, s, keep=1):
    """sum_t s_t M_t, M_t = keep o (T_t M_{t-1} + D_t)."""
    M, total = np.zeros_like(D[0]), 0.0
    for T_t, D_t, s_t in zip(*(np.asarray(a) for a in (T, D, s)), strict=True):
        M = keep * (T_t @ M + D_t)
        total += s_t @ M
    return total


def gradient(rule, cell, params, batch, key=None):
    state = rule.init(cell, params, batch, key)
    whole = rules.recurrent_gradient(rule, cell, squared_error, params, batch, state)
    return rnnjax.scaled.plain(whole)[0]


def within_units(cell):
    """Which pairs of state entries belong to one unit."""
    m = dynamics.entries_per_unit(cell)
    return np.tile(np.eye(cell.initial_state().size // m), (m, m))


def assert_same(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


# A transport is asked for its matrix or for its part within units, by Full or by WithinUnits; the
# others among influences ask for one of the two.
INFLUENCES = {
    "Full": influences.Full(),
    "WithinUnits": influences.WithinUnits(),
    "Pattern(5)": influences.Pattern(5),
    "Pattern(1)": influences.Pattern(1),
}
PAIRS = [
    *itertools.product(["Full", "WithinUnits"], transports.__all__),
    *itertools.product(["Pattern(5)", "Pattern(1)"], ["Jacobian", "Fixed"]),
]


@pytest.mark.wide
@pytest.mark.parametrize("kind", CELLS)
def test_every_influence_with_every_transport_is_that_of_dense_products(kind):
    cell = CELLS[kind]
    batch, every = sequence(cell, 5), transports_of(cell)
    pairs = [(kept, name) for kept, name in PAIRS if name in every]

    @jax.jit
    def program(key):
        params = cell.init(key)
        rule = {(kept, name): rules.Forward(INFLUENCES[kept], every[name]) for kept, name in pairs}
        found = [gradient(rule[pair], cell, params, batch) for pair in pairs]
        return found, dense(cell, params, batch, every)

    found, (matrices, D, s) = program(KEY)
    matrices, D = jax.tree.map(np.asarray, (matrices, D))
    own, once = within_units(cell), np.any(D != 0, axis=0)
    for (kept, name), got in zip(pairs, found, strict=True):
        T = matrices[name] * own if kept == "WithinUnits" else matrices[name]
        assert_same(got, summed(T, D, s, once if kept == "Pattern(1)" else 1))


@pytest.mark.parametrize("kind", wide_but(["two entries a unit"], SMALL))
@pytest.mark.parametrize(
    "name", wide_but(["RankOne"], ["RankOne", "Kronecker", "ReverseKronecker"])
)
def test_the_mean_over_all_signs_is_the_whole_influence(name, kind):
    """With the transport by the Jacobian they are rules of their own, in test_stochastic.py."""
    cell, n_steps = SMALL[kind], 2
    batch, n_h = sequence(cell, n_steps), cell.initial_state().size
    n_z = len(jax.eval_shape(lambda key: cell.recurrent_weights(cell.init(key)), KEY))
    width = {"RankOne": n_h, "Kronecker": 2, "ReverseKronecker": n_z}[name]
    every = jnp.asarray(list(itertools.product((-1.0, 1.0), repeat=n_steps * width)))
    signs = every.reshape(-1, n_steps, width)

    @jax.jit
    def program(key):
        params, transport = cell.init(key), transports_of(cell)["Fixed"]

        def drawn(signs):
            rule = rules.Forward(getattr(influences, name)(signs), transport)
            return gradient(rule, cell, params, batch, KEY)

        whole = gradient(rules.Forward(transport=transport), cell, params, batch)
        return jnp.mean(jax.vmap(drawn)(signs), axis=0), whole

    assert_same(*program(KEY))


@pytest.mark.wide
@pytest.mark.parametrize("kind", CELLS)
def test_feedback_takes_the_place_of_the_readout(kind):
    cell = CELLS[kind]
    batch = sequence(cell, 4)

    @jax.jit
    def program(key):
        params = cell.init(key)
        F = rules.random_feedback(key, cell, params)
        rule = rules.Forward(signal=signals.Feedback(F))
        parts = dense(cell, params, batch, {"Jacobian": transports.Jacobian()}, F)
        return gradient(rule, cell, params, batch), parts

    got, (T, D, s) = program(KEY)
    assert_same(got, summed(T["Jacobian"], D, s))


def test_the_named_rules_say_which_point_they_are():
    assert rules.RTRL().point == rules.Forward().point
    assert rules.Forward().exact and not rules.Forward(influences.Pattern(2)).exact
    assert rules.Forward(transport=transports.Discounted(1.0)).exact
    assert rules.Forward(influences.RankOne()).stochastic
    assert rules.DNI().step_axis == "use" and rules.RTRL().step_axis == "loss"


@pytest.mark.wide
def test_two_factors_that_draw_have_keys_of_their_own():
    cell = CELLS["leaky"]
    rule = rules.Forward(influences.RankOne(), transports.Kernel())

    @jax.jit
    def program(key):
        params = cell.init(key)
        noise = rule.noise(Problem(cell, squared_error, params), key, 40)
        return noise, gradient(rule, cell, params, sequence(cell, 6), key)

    noise, got = program(KEY)
    assert 0.2 < np.mean(np.sign(noise.transport) == noise.influence) < 0.8
    assert np.all(np.isfinite(got))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            rules.Forward(signal=signals.Predicted()),
            r"influence: expected Immediate\(\), because the signal Predicted\(\) already holds "
            "what later losses send back, got Full",
        ),
        (
            rules.Forward(transport=transports.Fixed(jnp.ones(2))),
            r"kappa: expected shape \(3,\), got \(2,\)",
        ),
    ],
    ids=["prediction", "kappa"],
)
def test_points_that_are_none_are_refused_in_one_line(rule, message):
    cell = CELLS["leaky"]
    batch = sequence(cell, 3)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda key: rule(cell, squared_error, cell.init(key), batch), KEY)


@fields.dataclass
class OwnLeaks(Product):
    """RFLO whose trace has a time constant of its own for every state entry: 1 - leak."""

    leak: Array = fields.array("n_h")

    @property
    def point(self):
        return Factors(WithinUnits(), Fixed(1 - self.leak), Exact())


@pytest.mark.parametrize("kind", wide_but(["two entries a unit"], CELLS))
def test_a_new_point_is_a_class_of_a_few_lines(kind):
    cell = CELLS[kind]
    batch, leak = sequence(cell, 5), np.linspace(0.9, 0.2, cell.initial_state().size)

    @jax.jit
    def both(key, leak):
        params = cell.init(key)
        parts = dense(cell, params, batch, {"Fixed": transports.Fixed(1 - leak)})
        return gradient(OwnLeaks(leak), cell, params, batch), parts

    got, (T, D, s) = both(KEY, leak)
    assert_same(got, summed(T["Fixed"], D, s))
