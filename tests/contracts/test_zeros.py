"""Derivatives at exact zeros are those of the plain function: every order, forward and reverse."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, penalties, probes, rules, scaled
from rnnjax.losses import squared_error
from rnnjax.scaled import Scaled
from tests.crossed import crossed, wide_but
from tests.discovery import activations_found, cells_found, homogeneous_found

KEY = jax.random.key(1)
FOUND = cells_found(n_h=3, n_units=2)
CELLS = {name: FOUND[name] for name in homogeneous_found(FOUND)}
SECOND = {
    "forward over reverse": lambda f: jax.jacfwd(jax.jacrev(f)),
    "reverse over forward": lambda f: jax.jacrev(jax.jacfwd(f)),
    "reverse over reverse": lambda f: jax.jacrev(jax.jacrev(f)),
    "forward over forward": lambda f: jax.jacfwd(jax.jacfwd(f)),
}
ORDERS = {"reverse": jax.jacrev, "forward": jax.jacfwd} | SECOND


def plain_of(number):
    return scaled.plain(number)


def normal(x, exponent=0):
    return scaled.normalise(x, exponent)


# By name: a function of scaled numbers made of x (2,), and the plain function that it is.
A, B = jax.device_put((np.array([3.0, -4.0]), np.array([0.5, 2.0])))
OF_ZERO = {
    "normalise": (lambda x: plain_of(normal(x, 7)), lambda x: x * 2.0**7),
    "normalise_tree": (lambda x: plain_of(scaled.normalise_tree([x]))[0], lambda x: x),
    "renormalise": (
        lambda x: plain_of(scaled.renormalise(Scaled(x, jnp.int32(3)))),
        lambda x: 8 * x,
    ),
    "plain": (lambda x: scaled.plain(Scaled(x, jnp.int32(-2))), lambda x: x / 4),
    "in_unit": (lambda x: scaled.in_unit(normal(x, -3), jnp.int32(2)), lambda x: x / 32),
    "lower": (lambda x: scaled.lower(x, jnp.int32(-2)), lambda x: x / 4),
    "shift": (lambda x: scaled.shift(x, jnp.int32(-2)), lambda x: x / 4),
    "add": (
        lambda x: plain_of(scaled.add(normal(x * x), normal(A * x, 1))),
        lambda x: x * x + 2 * A * x,
    ),
    "add to something": (
        lambda x: plain_of(scaled.add(normal(x, 1), normal(A, -2))),
        lambda x: 2 * x + A / 4,
    ),
    "add_normal": (
        lambda x: plain_of(scaled.add_normal(normal(x), normal(A * x))),
        lambda x: x + A * x,
    ),
    "add_raw": (
        lambda x: plain_of(scaled.add_raw(Scaled(A * x, jnp.int32(4)), normal(B * x, -1))),
        lambda x: 16 * A * x + B * x / 2,
    ),
    "add_raw to something": (
        lambda x: plain_of(scaled.add_raw(Scaled(A * x, jnp.int32(4)), normal(B, -1))),
        lambda x: 16 * A * x + B / 2,
    ),
    "add_trees": (
        lambda x: plain_of(scaled.add_trees([normal(x)], [normal(x * x)]))[0],
        lambda x: x + x * x,
    ),
    "subtract": (
        lambda x: plain_of(scaled.subtract(normal(A * x, 4), normal(B * x, -1))),
        lambda x: 16 * A * x - B * x / 2,
    ),
    "divide": (lambda x: plain_of(scaled.divide(normal(x, 5), 4)), lambda x: 8 * x),
    "times_exp": (
        lambda x: plain_of(scaled.times_exp(normal(x, 2), jnp.log(3.0))),
        lambda x: 12 * x,
    ),
    "sum_over_leading": (
        lambda x: plain_of(
            scaled.sum_over_leading(normal(jnp.stack([x, A * x, x * x]), jnp.array([0, 3, -1])))
        ),
        lambda x: x + 8 * A * x + x * x / 2,
    ),
    "common": (
        lambda x: scaled.shift(*scaled.common(normal(jnp.stack([x, A * x]), jnp.array([1, -3])))),
        lambda x: jnp.stack([2 * x, A * x / 8]),
    ),
    "clip_norm": (lambda x: scaled.clip_norm(normal(A * x), 10.0), lambda x: A * x),
    "clip_norm of a tree": (
        lambda x: scaled.clip_norm([normal(x), normal(B * x)], 1.0)[1],
        lambda x: B * x,
    ),
    "a product": (
        lambda x: plain_of(scaled.normalise(A * normal(x, 3).value, normal(x, 3).exponent - 5)),
        lambda x: A * x / 4,
    ),
}
# What has no derivative at 0, or none at all.
WITHOUT = {
    "Scaled", "is_scaled", "is_scaled_tree", "power_of_two", "exponent_of", "is_zero", "unit_of",
    "from_log", "log_norm", "log_norm_of_normal", "cosine", "direction",
}  # fmt: skip


@pytest.mark.wide
@crossed("name, order", OF_ZERO, ORDERS, wide=2)
def test_scaled_numbers_have_the_derivatives_of_plain_ones(name, order):
    own, plain = OF_ZERO[name]
    for x in (jnp.zeros(2), jnp.array([0.0, 1.5])):
        got, expected = ORDERS[order](own)(x), ORDERS[order](plain)(x)
        if name.startswith("clip_norm") and jnp.any(x):
            continue  # clipped there
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)


def test_every_public_function_of_scaled_numbers_is_looked_at():
    public = {
        name for name, thing in vars(scaled).items()
        if not name.startswith("_") and getattr(thing, "__module__", "").startswith(scaled.__name__)
        and callable(thing)
    }  # fmt: skip
    assert public == WITHOUT | {name.split(" ")[0] for name in OF_ZERO} - {"a"}


def test_the_derivative_of_clipping_at_zero():
    clipped = lambda s: jnp.sum(scaled.clip_norm(scaled.normalise(s * jnp.array([3.0, 4.0])), 10))  # noqa: E731
    assert jax.grad(clipped)(0.0) == jax.jacfwd(clipped)(0.0) == 7


@pytest.mark.wide
@crossed("activation, order", activations_found(), [0, 1, 2], wide=4)
def test_slopes_have_the_derivatives_of_the_activation(activation, order):
    """At 0, where |x| and maxima have none, at infinity's side of branches, and in between."""
    points = np.array([0.0, -0.0, 1e-300, 0.7, -0.7, 2**0.5, 3.0, -3.0, -29.9, -30.1, 25.0])
    if activation.piecewise_linear:
        points = points[np.abs(points) > 0.1]

    def scaled_slope(x):
        slope, exponent = activations.scaled_slope(activation, x[None])
        return scaled.shift(slope, exponent)[0]

    def graded_slope(x):
        return scaled.shift(*activations.graded_slope(activation, x))

    by_autodiff = jax.grad(activation.fn)
    ways = [activation.slope, scaled_slope, graded_slope]
    for _ in range(order):
        ways, by_autodiff = [jax.grad(f) for f in ways], jax.grad(by_autodiff)
    expected = _derivatives(activation, points, order + 1, by_autodiff)
    for way in ways:
        np.testing.assert_allclose(
            jax.vmap(way)(jnp.asarray(points)), expected, rtol=1e-8, atol=1e-14
        )


def _derivatives(activation, points, order, by_autodiff):
    written = {
        "tanh": mpmath.tanh,
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
        "erf": lambda x: mpmath.erf(mpmath.sqrt(mpmath.pi) / 2 * x),
        "gelu": lambda x: x * mpmath.ncdf(x),
    }.get(activation.name)
    if written is None:
        return jax.vmap(by_autodiff)(jnp.asarray(points))
    with mpmath.workdps(60):
        return np.array([float(mpmath.diff(written, float(x), order)) for x in points])


def pulse():
    x = np.zeros((4, 6))
    x[0], x[3] = 1.0, 2.0
    return jnp.asarray(x)


@pytest.mark.wide
@crossed("name, order", CELLS, ["reverse", "forward", *SECOND], wide=4)
def test_outputs_of_a_homogeneous_cell_have_the_derivatives_of_the_plain_pass(name, order):
    cell = CELLS[name]
    params, x = cell.init(KEY), pulse()[:, : cell.n_x]
    params = (
        jax.tree.map(lambda p: p if p.ndim > 1 else 0 * p, params) if "Vanilla" in name else params
    )

    def plain(at):
        params, x = at

        def step(h, x):
            h = cell.step(params, h, x)
            return h, cell.readout(params, h)

        return jnp.sum(jax.lax.scan(step, cell.initial_state(), x)[1] ** 2)

    def own(at):
        return jnp.sum(rnnjax.outputs(cell, *at) ** 2)

    got, expected = jax.jit(lambda at: (ORDERS[order](own)(at), ORDERS[order](plain)(at)))(
        (params, x)
    )
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.wide
def test_the_published_case():
    cell = rnnjax.Vanilla(1, 3, activation=activations.identity)
    x = jnp.array([[1.0], [0], [0], [2]])
    loss = lambda p, x: jnp.sum(rnnjax.outputs(cell, p, x) ** 2)  # noqa: E731
    by_params, by_x = jax.grad(loss, (0, 1))(cell.init(jax.random.key(1)), x)
    np.testing.assert_allclose(by_x[:, 0], [0.51787, 0.17604, 0.00078, 0.10162], atol=1e-5)
    np.testing.assert_allclose(by_params.b, [-0.70595, 0.62033, 1.79557], atol=1e-5)


@pytest.mark.wide
@pytest.mark.parametrize("gain", wide_but([0.5], [0.5, 2.0]))
def test_derivatives_of_states_that_no_float32_holds(gain, float32):
    """The state after a pulse is 2^-299, or 2^99: dy_t/dx_t is 1 all the same."""
    cell = rnnjax.Chain(gain=gain)
    params = cell.init(KEY)._replace(w_n=jnp.float32(gain), w_x=jnp.ones(1), w_3=jnp.float32(1))
    n = 300 if gain < 1 else 100
    x = jnp.zeros((300, 1)).at[0].set(1.0)
    total = lambda p, x: jnp.sum(rnnjax.outputs(cell, p, x)[:n])  # noqa: E731
    by_x = jax.grad(total, 1)(params, x)[:, 0]
    expected = np.array([sum(gain**k for k in range(n - t)) for t in range(n)])
    np.testing.assert_allclose(by_x[:n], expected, rtol=1e-5)
    by_w = jax.grad(total)(params, x).w_n
    np.testing.assert_allclose(by_w, sum(k * gain ** (k - 1) for k in range(n)), rtol=1e-4)


@pytest.mark.wide
@pytest.mark.parametrize("name", wide_but(["relu"], ["identity", "relu", "tanh"]))
def test_the_gradient_of_a_rule_can_be_differentiated_where_it_is_zero(name):
    """At a perfect fit every delta is 0, and its derivative is not: a product with the Hessian."""
    cell = rnnjax.Vanilla(2, 3, 2, activation=activations.activation_named(name))
    params, x = cell.init(KEY), jax.random.normal(KEY, (5, 2)).at[2].set(0)
    batch = rnnjax.Batch(x, rnnjax.outputs(cell, params, x), jnp.ones(5))
    along = jax.tree.map(jnp.ones_like, params)
    gradient = lambda p: scaled.plain(rules.BPTT()(cell, squared_error, p, batch).grads)  # noqa: E731
    plain = jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))
    got, expected = (jax.jvp(f, (params,), (along,)) for f in (gradient, plain))
    assert not any(np.any(np.abs(leaf) > 1e-14) for leaf in jax.tree.leaves(got[0]))
    for a, b in zip(jax.tree.leaves(got[1]), jax.tree.leaves(expected[1]), strict=True):
        assert np.any(b)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.wide
def test_norms_by_lag_can_be_differentiated_through_steps_without_a_gradient():
    """A loss at the last step alone: all other sources of the way back are exactly 0."""
    cell = rnnjax.Vanilla(2, 3, 2, activation=activations.identity)
    params, x = cell.init(KEY), jax.random.normal(KEY, (4, 2)).at[1].set(0)
    batch = rnnjax.Batch(x, x, jnp.ones(4))

    def own(p):
        return probes.log_norm_by_lag(cell, squared_error, p, batch)["log_norm"][3]

    def plain(p):
        def last(h):
            for x in batch.x[1:]:
                h = cell.step(p, h, x)
            return squared_error(cell.readout(p, h), batch.y[-1])

        return jnp.log(jnp.linalg.norm(jax.grad(last)(cell.step(p, cell.initial_state(), x[0]))))

    for a, b in zip(*(jax.tree.leaves(jax.grad(f)(params)) for f in (own, plain)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.wide
@pytest.mark.parametrize("as_released", wide_but([False], [False, True]))
def test_omega_where_no_gradient_arrives(as_released):
    cell = rnnjax.Vanilla(2, 3, 2)
    params, x = cell.init(KEY), jnp.zeros((4, 2))
    batch = rnnjax.Batch(x, rnnjax.outputs(cell, params, x), jnp.ones(4))
    penalty = penalties.Omega(as_released)
    value, grads = jax.value_and_grad(lambda p: penalty(cell, squared_error, p, batch))(params)
    assert value == 0 and not any(np.any(leaf) for leaf in jax.tree.leaves(grads))
