"""Structure that random numbers would not show: branches that they do not enter.

Each cell below takes another branch where an input is a flag, a count or large. Rules that use the
structure of a cell are compared with backpropagation, which uses none.
"""

import itertools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import holomorphic, preactivation, probes, rules, scaled
from rnnjax.every_branch import every_branch
from rnnjax.losses import squared_error
from rnnjax.rules import structure


@flax.struct.dataclass
class Gated:
    """tanh(W h + x_2), with what else happens to it."""

    def init(self, key):
        return {"W": jax.random.normal(key, (2, 2)), "V": jnp.ones((2, 2))}

    def initial_state(self):
        return jnp.full(2, 0.5)

    def readout(self, p, h):
        return p["V"] @ h


class Flag(Gated):
    def step(self, p, h, x):
        return jnp.where(x[0] == 1, jnp.tanh(p["W"] @ h + x[1]), h)


class Roll(Gated):
    def step(self, p, h, x):
        a = jnp.tanh(p["W"] @ h + x[1])
        return jax.lax.cond(x[0] == 1, lambda: a[::-1], lambda: a)


class Clock(Gated):
    def step(self, p, h, x):
        is_due = (jnp.mod(x[0], jnp.array([1, 4])) == 0).astype(float)
        return is_due * jnp.tanh(p["W"] @ h + x[1]) + (1 - is_due) * h


class Sorted(Gated):
    def step(self, p, h, x):
        return jnp.sort(jnp.tanh(p["W"] @ h + x[1] * jnp.array([9.0, -9.0])))


class Masked(Gated):
    """A mask among the constants is no choice: each weight acts on its own unit."""

    def step(self, p, h, x):
        return jnp.tanh(jnp.where(jnp.eye(2, dtype=bool), p["W"], 0) @ h + x[1])


class Inverted(Gated):
    """Rectified on the other side: a custom derivative that is 0 at positive numbers."""

    def step(self, p, h, x):
        return jnp.tanh(-jax.nn.relu(-p["W"]) @ jax.nn.relu(-h - x[1]) + x[1])


class Pointed(Gated):
    """A row that an input points at."""

    def step(self, p, h, x):
        row = jnp.minimum(jnp.floor(x[0] / 3).astype(int), 1)
        return jnp.tanh(p["W"][row] * h[jnp.argsort(h)] + x[1])


class Ring(Gated):
    """Index arithmetic within a loop."""

    def step(self, p, h, x):
        def unit(i, out):
            return out.at[i].set(jnp.tanh(p["W"][i, 0] * h[i - 1] + x[1]))

        return jax.lax.fori_loop(0, 2, unit, jnp.zeros(2))


@jax.custom_jvp
def spike(v):
    return (v > 0).astype(v.dtype)


spike.defjvp(lambda at, by: (spike(at[0]), (jnp.abs(at[0]) < 0.5) * by[0]))


class Spiking(Gated):
    """A surrogate slope that is 0 away from a threshold."""

    def step(self, p, h, x):
        return 0.5 * h + spike(p["W"] @ h + x[0] - 1)


class Attending(Gated):
    """A softmax with a mask of -1e30: unit 0 reads itself alone."""

    def step(self, p, h, x):
        scores = jnp.where(jnp.tril(jnp.ones((2, 2), bool)), p["W"] * h[None], -1e30)
        return jnp.tanh(jax.nn.softmax(scores) @ h + x[1])


INPUTS = jnp.stack([jnp.array([1.0, 0, 1, 4, 2, 1]), jnp.linspace(-1, 1, 6)], axis=1)


KINDS = (Flag, Roll, Clock, Sorted, Masked, Inverted, Pointed, Ring, Spiking, Attending)


@pytest.mark.parametrize("cell", [kind() for kind in KINDS], ids=lambda cell: type(cell).__name__)
def test_exact_rules_are_exact_where_inputs_choose_a_branch(cell):
    params = cell.init(jax.random.key(0))
    batch = rnnjax.Batch(INPUTS, jnp.zeros((6, 2)), jnp.ones(6))

    def gradient(rule):
        state = rule.init(cell, params, batch, jax.random.key(0))
        return scaled.plain(rule(cell, squared_error, params, batch, state).grads)["W"]

    def loss(params):
        return rnnjax.sequence_loss(cell, squared_error, params, batch)

    @jax.jit
    def found():
        exact = [gradient(rule) for rule in (rnnjax.RTRL(), rules.SnAp(3))]
        return jnp.stack(exact), jax.grad(loss)(params)["W"]

    exact, expected = found()
    np.testing.assert_allclose(exact, jnp.broadcast_to(expected, (2, 2, 2)), rtol=1e-9, atol=1e-12)


def test_what_weights_reach_goes_by_constants_and_not_by_inputs():
    def reach(cell):
        return structure.reach(cell, cell.init(jax.random.key(0)), INPUTS[0])

    (flag,), (roll,), (masked,) = (reach(cell).values() for cell in (Flag(), Roll(), Masked()))
    own_row = np.eye(2, dtype=bool)[:, :, None].repeat(2, axis=2)
    np.testing.assert_array_equal(flag, own_row)
    assert roll.all()
    np.testing.assert_array_equal(masked, own_row & np.eye(2, dtype=bool))


@flax.struct.dataclass
class Real(Gated):
    """A complex state that loses its imaginary part at a flag."""

    def init(self, key):
        return {"a": jnp.array([0.5 + 0.6j, 0.2 - 0.7j])}

    def initial_state(self):
        return jnp.ones(2, complex)

    def step(self, p, h, x):
        return jnp.where(x[0] == 1, h.real + 0j, p["a"] * h)

    def readout(self, p, h):
        return h.real[:1]


def test_a_step_that_is_holomorphic_in_one_branch_alone_is_not():
    cell = Real()
    params, x = cell.init(None), jnp.array([[0.0], [0], [1], [0]])
    assert not holomorphic.is_holomorphic(cell, params, x[0])
    batch = rnnjax.Batch(x, jnp.zeros((4, 1)), jnp.ones(4))
    found = probes.log_singular_values(cell, None, params, batch)["log_singular_values"][-1]

    a, turn = np.asarray(params["a"]), np.eye(4)
    turned = np.block([[np.diag(a.real), -np.diag(a.imag)], [np.diag(a.imag), np.diag(a.real)]])
    for step in (turned, turned, np.diag([1.0, 1, 0, 0]), turned):
        turn = step @ turn
    np.testing.assert_allclose(found[:2], np.log(np.linalg.svd(turn)[1][:2]), rtol=1e-9)
    assert np.all(np.isneginf(found[2:]))


@flax.struct.dataclass
class Dale(Gated):
    """tanh(|W| h + U x + b): recurrent weights of one sign, made of parameters of both."""

    def init(self, key):
        keys = jax.random.split(key, 3)
        shapes = {"W": (3, 3), "U": (3, 2), "V": (2, 3)}
        drawn = {n: jax.random.normal(k, s) for k, (n, s) in zip(keys, shapes.items(), strict=True)}
        return drawn | {"b": jnp.array([0.3, -0.2, 0.1])}

    def initial_state(self):
        return jnp.array([0.1, 0.4, -0.3])

    def drive(self, p, x):
        return p["U"] @ x + p["b"]

    def recurrent_weights(self, p):
        return jnp.abs(p["W"])

    def presynaptic(self, h):
        return h

    def step_from_preactivation(self, h, z):
        return jnp.tanh(z)

    def step(self, p, h, x):
        return jnp.tanh(jnp.abs(p["W"]) @ h + self.drive(p, x))


def test_weights_made_of_parameters_are_no_parameters():
    """The Kronecker factors of KF-RTRL are those of W: with |W| each sign would be lost."""
    cell, x = Dale(), INPUTS[:1]
    params = cell.init(jax.random.key(0))
    assert preactivation.leaves(cell, params, x[0]) is None
    vanilla = rnnjax.Vanilla(2, 3, 1)
    assert preactivation.leaves(vanilla, vanilla.init(jax.random.key(0)), x[0]) == (0, 1, 2)

    batch = rnnjax.Batch(x, jnp.ones((1, 2)), jnp.ones(1))

    def gradient(signs):
        rule = rules.KFRTRL(signs=signs)
        state = rule.init(cell, params, batch, jax.random.key(0))
        return scaled.plain(rule(cell, squared_error, params, batch, state).grads)["W"]

    signs = jnp.array(list(itertools.product((-1.0, 1.0), repeat=2)))[:, None]
    found = jnp.mean(jax.jit(jax.vmap(gradient))(signs), axis=0)
    expected = jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))(params)["W"]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_values_less_the_larger_one_keep_their_derivatives():
    def function(x, y):
        top = jnp.maximum(x, y)
        return jnp.stack([jnp.exp(x - top), jnp.exp(y - top), x - top, y - top])

    by_both = jax.jacobian(every_branch(function), argnums=(0, 1))(0.3, -0.2)
    assert all(np.all(by_one != 0) for by_one in by_both)


def test_no_derivative_is_lost_and_none_is_added():
    mask = jnp.array([True, False, True])

    def function(x, y):
        chosen = jnp.where(mask, x, 0) + jnp.where(y > 5, x[::-1], y) + jnp.maximum(y - 9, 0)
        return jax.lax.scan(lambda c, a: (jnp.clip(c * a, 90, 91), c), 1.0, chosen)[1]

    x, y = jnp.array([0.3, -0.2, 0.5]), jnp.array([0.1, 0.7, -0.4])
    by_x, by_y = jax.jacobian(every_branch(function), argnums=(0, 1))(x, y)
    # Result t is made of the entries of `chosen` before t: x_0 and x_2 make the first and the last
    # of them, through the mask and turned round, and x_1 the second.
    np.testing.assert_array_equal(by_y != 0, np.tril(np.ones((3, 3)), -1))
    np.testing.assert_array_equal(by_x != 0, [[0, 0, 0], [1, 0, 1], [1, 1, 1]])


@flax.struct.dataclass
class Counted(Gated):
    """With an integer among its fields, and one among its parameters' neighbours."""

    power: int | jax.Array = 2

    def step(self, p, h, x):
        return jnp.tanh(p["W"] @ h**self.power + x[1])


def test_structure_of_cells_with_integers_is_found_while_a_program_is_traced():
    found = []

    @jax.jit
    def traced(power):
        cell = Counted(power=power)
        found.append(structure.reach(cell, cell.init(jax.random.key(0)), INPUTS[0])[1])
        return power

    traced(2)
    np.testing.assert_array_equal(found[0], np.eye(2, dtype=bool)[:, :, None].repeat(2, axis=2))
