"""The surface of the loss: a bowl known by construction, and the growth at the wall of one unit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

import rnnjax
from rnnjax import probes
from rnnjax.losses import squared_error

A = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])


@struct.dataclass
class Bowl:
    """h = R p at every step: the squared error of the only step is p^T R^T R p."""

    R: jax.Array

    def initial_state(self):
        return jnp.zeros(3)

    def step(self, params, h, x):
        return self.R @ jnp.concatenate([params["p"], params["q"][None]])

    def readout(self, params, h):
        return h


BOWL = Bowl(jax.device_put(np.linalg.cholesky(A).T))
ONE_STEP = jax.device_put(rnnjax.Batch(np.zeros((1, 1)), np.zeros((1, 3)), np.ones(1)))


def tree(vector):
    return {"p": jnp.asarray(vector[:2], float), "q": jnp.asarray(vector[2], float)}


def test_the_plane_of_a_bowl():
    origin, u, v = np.array([0.3, -1.0, 2.0]), np.array([1.0, 0, 0]), np.array([0.0, 2.0, -1.0])
    first, second = np.linspace(-1, 1, 3), np.linspace(0, 3, 4)
    found = jax.jit(
        lambda a, b: probes.plane(
            BOWL, squared_error, tree(origin), ONE_STEP, (tree(u), tree(v)), a, b
        )
    )(jnp.asarray(first), jnp.asarray(second))
    p = origin + first[:, None, None] * u + second[:, None] * v
    g = 2 * p @ A
    np.testing.assert_allclose(found["loss"], np.sum(p @ A * p, axis=-1), rtol=1e-12)
    log_norm = np.log(np.linalg.norm(g, axis=-1))
    np.testing.assert_allclose(found["log_gradient_norm"], log_norm, rtol=1e-12)
    np.testing.assert_allclose(found["slopes"], np.stack([g @ u, g @ v], axis=-1), atol=1e-12)


@pytest.mark.wide
def test_the_curvature_of_a_bowl_along_its_gradient():
    curvature = jax.jit(lambda p: probes.curvature_along_gradient(BOWL, squared_error, p, ONE_STEP))
    for p in (np.array([0.3, -1.0, 2.0]), np.linalg.eigh(A)[1][:, 0], np.array([1e-9, 0, 0])):
        found, g = curvature(tree(p)), 2 * A @ p
        np.testing.assert_allclose(found["loss"], p @ A @ p, rtol=1e-12)
        np.testing.assert_allclose(found["log_gradient_norm"], np.log(np.linalg.norm(g)))
        np.testing.assert_allclose(found["curvature"], 2 * g @ A @ g / (g @ g), rtol=1e-12)
        unit = tree(g / np.linalg.norm(g))
        for key in unit:
            np.testing.assert_allclose(found["direction"][key], unit[key], atol=1e-14)
    assert np.isnan(curvature(tree(np.zeros(3)))["curvature"])


def test_the_curvature_of_a_linear_chain_is_that_of_its_powers():
    """h_T = w^T x_1 with only w free: d^2 (w^T - y)^2 / dw^2, at w = 1.5 and T = 40."""
    n_steps, w, y = 40, 1.5, 3.0

    @struct.dataclass
    class Power:
        def initial_state(self):
            return jnp.ones(1)

        def step(self, params, h, x):
            return params * h

        def readout(self, params, h):
            return h

    last = jnp.arange(n_steps) == n_steps - 1
    batch = rnnjax.Batch(jnp.zeros((n_steps, 1)), jnp.full((n_steps, 1), y), last.astype(float))
    found = jax.jit(lambda p: probes.curvature_along_gradient(Power(), squared_error, p, batch))(
        jnp.asarray(w)
    )
    h, slope = w**n_steps, n_steps * w ** (n_steps - 1)
    bend = n_steps * (n_steps - 1) * w ** (n_steps - 2)
    np.testing.assert_allclose(found["curvature"], 2 * slope**2 + 2 * (h - y) * bend, rtol=1e-11)
    np.testing.assert_allclose(found["log_gradient_norm"], np.log(2 * (h - y) * slope), rtol=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.5, 2.0, 2.05, 2.2, 3.0])
def test_the_curvature_in_float32_where_its_parts_leave_the_dtype(share):
    """h_T = w^40 at w = 2.85: 2 (dh)^2 and 2 (h - y) d^2 h are beyond 3e38, and of both signs."""
    n_steps, w = 40, np.float32(2.85)
    y = np.float32(share * float(w) ** n_steps)

    @struct.dataclass
    class Power:
        def initial_state(self):
            return jnp.ones(1, jnp.float32)

        def step(self, params, h, x):
            return params * h

        def readout(self, params, h):
            return h

    x, y_t = np.zeros((n_steps, 1), np.float32), np.full((n_steps, 1), y)
    batch = rnnjax.Batch(x, y_t, (np.arange(n_steps) == n_steps - 1).astype(np.float32))
    found = jax.jit(lambda p: probes.curvature_along_gradient(Power(), squared_error, p, batch))(w)
    w, y = float(w), float(y)
    h, slope = w**n_steps, n_steps * w ** (n_steps - 1)
    expected = 2 * slope**2 + 2 * (h - y) * n_steps * (n_steps - 1) * w ** (n_steps - 2)
    beyond = abs(expected) > float(np.finfo(np.float32).max)
    expected = np.copysign(np.inf, expected) if beyond else expected
    np.testing.assert_allclose(found["curvature"], expected, rtol=1e-3)


def test_a_slope_is_finite_where_entries_of_the_gradient_beside_it_are_not():
    """Of a linear network at rest: dL/dc = 2 sum_t (0 - 1), while dL/db is e^1700 and more."""
    cell, n_steps = rnnjax.Vanilla(1, 2, 1, activation=rnnjax.activations.identity), 200
    params = cell.init(jax.random.key(0))._replace(W=5e3 * jnp.eye(2), b=jnp.zeros(2))
    batch = rnnjax.Batch(jnp.zeros((n_steps, 1)), jnp.ones((n_steps, 1)), jnp.ones(n_steps))
    nothing = jax.tree.map(jnp.zeros_like, params)
    u, v = nothing._replace(b=jnp.sign(params.V[0])), nothing._replace(c=jnp.ones(1))
    found = probes.plane(cell, squared_error, params, batch, (u, v), [0.0], [0.0])
    assert found["log_gradient_norm"] > 1600
    np.testing.assert_array_equal(found["slopes"][0, 0], [-np.inf, -2.0 * n_steps])


def test_the_grid_of_a_plane_may_be_lists_and_nothing_else():
    at, u, v = (tree(np.eye(3)[i]) for i in range(3))
    given = (BOWL, squared_error, at, ONE_STEP)
    found = probes.plane(*given, (u, v), [0.0, 2.0], [1.0])
    expected = [[np.array([1, a, 1.0]) @ A @ np.array([1, a, 1.0])] for a in (0.0, 2.0)]
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-12)
    with pytest.raises(ValueError, match=r"^first: expected an array \(n,\), got 0.0"):
        probes.plane(*given, (u, v), 0.0, [1.0])
    with pytest.raises(ValueError, match=r"^second: expected an array \(n,\), got \[\[1.0\]\]"):
        probes.plane(*given, (u, v), [0.0], [[1.0]])
    with pytest.raises(ValueError, match=r"^directions: expected p \(2,\)"):
        probes.plane(*given, (u, {"p": 1.0, "q": 1.0}), [0.0], [1.0])
