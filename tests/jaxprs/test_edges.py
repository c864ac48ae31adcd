"""Steps, carries and lengths at the edge: nothing to scan, half precision, complex, rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from tests.jaxprs.hand_written import N, head, scanned, sequence, tanh_layer, tanh_step, weights
from tests.jaxprs.loops import drawn_like, mean_square


def gradients_agree(loss, params, example, tolerance=1e-10):
    found = rnnjax.recurrences(loss, params, example)
    right = jax.jit(jax.grad(loss, allow_int=True))(params, example)
    for a, b in zip(
        jax.tree.leaves(scaled.plain(found.gradient)), jax.tree.leaves(right), strict=True
    ):
        if b.dtype != jax.dtypes.float0:
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())
    return found


def test_a_scan_without_steps_is_no_recurrence():
    """T = 0: the state that goes in comes out."""

    def last(params, xs):
        h, _ = jax.lax.scan(lambda h, x: (tanh_step(params, h, x), None), params["b"], xs)
        return jnp.sum(h**2)

    def loss(params, example):
        return last(params, example[0]) + last(params, example[0][:0])

    found = gradients_agree(loss, weights(), sequence())
    assert found.names == ("scan_0",)
    assert len(found.unseen) == 1 and "no steps" in found.unseen[0]
    with pytest.raises(ValueError, match=r"^loss: .*of no steps[^\n]*$"):
        rnnjax.recurrences(last, weights(), sequence()[0][:0])


@pytest.mark.wide
def test_what_the_loss_closes_over_may_change():
    """A mask, and a field of the object whose method is the loss."""

    class Masked:
        mask = np.ones(N)

        def loss(self, params, example):
            return jnp.sum(self.mask * scanned(params, example[0])[-1])

    masked = Masked()
    gradients_agree(masked.loss, weights(), sequence())
    masked.mask = np.zeros(N)
    assert rnnjax.recurrences(masked.loss, weights(), sequence()).loss == 0


def test_a_weight_of_an_early_step_does_not_underflow_before_plain_numbers(float32):
    """h_t = h_{t-1} / 2 + E_t: dL/dE_t = 2^-(T - t), whichever order of magnitude E_T has."""
    n_steps = 300

    def loss(rows, order):
        def step(h, t):
            return h / 2 + rows[t], None

        return jax.lax.scan(step, jnp.zeros(()), order)[0]

    found = rnnjax.recurrences(loss, jnp.ones(n_steps), jnp.arange(n_steps))
    plain = np.asarray(scaled.plain(found.gradient))
    expected = 2.0 ** -np.arange(100)
    np.testing.assert_allclose(plain[::-1][:100], expected, rtol=1e-6)


@pytest.mark.wide
def test_recurrences_in_recurrences_are_named_by_the_steps_around_them():
    def nested(depth):
        def step(h, x):
            return (jnp.tanh(h + x) if depth == 1 else nested(depth - 1)(h, x)), None

        return lambda h, xs: jax.lax.scan(step, h, xs)[0]

    def loss(params, example):
        return jnp.sum(nested(3)(params, example))

    found = rnnjax.recurrences(loss, jnp.ones(2), jnp.ones((2, 1, 3, 2)))
    outer = [f"scan_0/scan_0[{i}]" for i in range(2)]
    inner = [f"{name}/scan_0[0]" for name in outer]
    assert found.names == ("scan_0", outer[0], inner[0], outer[1], inner[1])


@jax.custom_jvp
def straight_through(z):
    """The sign of z, with the derivative of z."""
    return jnp.sign(z)


straight_through.defjvps(lambda tangent, sign, z: tangent)


@jax.custom_vjp
def quantised(z):
    """A number rounded to eighths, and the greatest one's place, with half the derivative of z."""
    return jnp.round(8 * z) / 8, jnp.argmax(z)


quantised.defvjp(lambda z: (quantised(z), None), lambda _, g: (g[0] / 2,))
IN_HALF = {
    "a rule": lambda a: straight_through(a),
    "a backward rule": lambda a: quantised(a)[0],
    "relu at 0": lambda a: a + jax.nn.relu(0 * a),
    "silu": jax.nn.silu,
    "cond": lambda a: jax.lax.cond(a[0] > 0, lambda a: 2 * a, jnp.tanh, a),
    "map": lambda a: jax.lax.map(jnp.tanh, a),
    "random": lambda a: a + jax.random.normal(jax.random.key(0), a.shape, a.dtype),
    "max at": lambda a: a.at[1].max(a[0]),
}


@pytest.mark.wide
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", IN_HALF)
def test_rules_and_branches_in_half_precision(name, dtype):
    """As jax.grad has it, to the digits of the format."""

    def loss(params, example):
        def step(h, x):
            return params["b"] * h + IN_HALF[name](params["W"] @ h + x), None

        start = jnp.zeros(len(params["b"]), params["b"].dtype)
        return jnp.sum(jax.lax.scan(step, start, example)[0].astype(jnp.float32))

    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(3, 3)) / 3, "b": np.full(3, 0.5)}
    params, example = jax.tree.map(
        lambda a: jnp.asarray(a, dtype), (params, rng.normal(size=(4, 3)))
    )
    got = scaled.plain(rnnjax.recurrences(loss, params, example).gradient)
    right = jax.jit(jax.grad(loss))(params, example)
    for key, value in right.items():
        value = np.asarray(value, float)
        np.testing.assert_allclose(got[key], value, rtol=0, atol=0.03 * np.abs(value).max())


@pytest.mark.wide
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_powers_of_two_in_half_precision(dtype):
    """Exact far below the range: h' = h / 128 + x gives dL/dh_t = 128^-(T - t)."""
    n_steps = 60

    def loss(params, example):
        def step(h, x):
            return params["a"] * h + x, None

        return jnp.sum(jax.lax.scan(step, jnp.ones(1, dtype), example)[0]).astype(jnp.float32)

    params = {"a": jnp.full(1, 2.0**-7, dtype)}
    (found,) = rnnjax.recurrences(loss, params, jnp.ones((n_steps, 1), dtype))
    lags = np.arange(n_steps)[::-1]
    np.testing.assert_allclose(
        scaled.log_norm(found.deltas), -7 * lags * np.log(2), rtol=1e-6, atol=1e-6
    )
    assert found.deltas.value.dtype == found.first.value.dtype == jnp.float32
    np.testing.assert_allclose(scaled.log_norm(found.first), -7 * n_steps * np.log(2), rtol=1e-6)


@pytest.mark.wide
def test_a_bfloat16_carry_gives_what_float32_does_to_its_digits():
    def loss(params, example):
        p = jax.tree.map(lambda leaf: leaf.astype(example[0].dtype), params)
        return mean_square(head(p, scanned_in(example[0].dtype, p, example[0])), example[1])

    def scanned_in(dtype, p, xs):
        def step(h, x):
            h = tanh_step(p, h, x)
            return h, h

        return jax.lax.scan(step, jnp.zeros(N, dtype), xs)[1]

    def found(dtype):
        cast = jax.tree.map(lambda leaf: leaf.astype(dtype), (weights(), sequence()))
        return rnnjax.recurrences(loss, *cast)

    half, single = found(jnp.bfloat16), found(jnp.float32)
    assert half[0].deltas.value.dtype == jnp.float32
    for a, b in (
        (half[0].deltas, single[0].deltas),
        *zip(half.gradient.values(), single.gradient.values(), strict=True),
    ):
        a, b = scaled.plain(a), scaled.plain(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-2 * np.abs(b).max())


@pytest.mark.wide
def test_a_complex_carry():
    """A diagonal recurrence: dL/du - i dL/dv, as jax.grad gives it for h_t + u + iv."""
    params = drawn_like({name: np.zeros(N) for name in "abcd"})

    def layer(p, xs, zeros):
        eigenvalue = jnp.exp(-jnp.exp(p["a"]) + 1j * p["b"])

        def step(h, now):
            h = eigenvalue * h + p["c"] * now[0] + now[1]
            return h, (p["d"] * h).real

        return jax.lax.scan(step, jnp.zeros(N, complex), (xs, zeros))[1]

    def loss(p, example, zeros=None):
        zeros = jnp.zeros((len(example), N), complex) if zeros is None else zeros
        return jnp.mean(jnp.sum(layer(p, example, zeros), 1) ** 3)

    xs = sequence()[0][:, :1]
    found = gradients_agree(loss, params, xs)
    right = jax.grad(loss, 2)(params, xs, jnp.zeros((len(xs), N), complex))
    np.testing.assert_allclose(scaled.plain(found[0].deltas), right, rtol=1e-9)


@pytest.mark.parametrize("way", ["recurrences", pytest.param("diagnose", marks=pytest.mark.wide)])
def test_a_typed_key_in_the_carry(way):
    def loss(p, x):
        def step(carry, x):
            h, key = carry
            key, own = jax.random.split(key)
            return (jnp.tanh(p * h + x + 0.1 * jax.random.normal(own)), key), None

        return jax.lax.scan(step, (0.0, jax.random.key(0)), x)[0][0]

    if way == "recurrences":
        found = gradients_agree(loss, 0.9, jnp.ones(5))
        assert str(found).endswith("5 steps, carry float64(), key<fry>()")
        return
    data = rnnjax.diagnose(loss, 0.9, jnp.ones((1, 5))).dataset
    assert "key<fry>()" in str(data["state"].values)


@pytest.mark.wide
def test_two_leaves_of_a_carry_that_are_one_variable():
    """(h, h): what arrives at either is an independent part of dL/dh_t."""

    def loss(params, example):
        def step(carry, x):
            h = tanh_step(params, carry[0] + 0.5 * carry[1], x)
            return (h, h), h

        hs = jax.lax.scan(step, (jnp.zeros(N), jnp.zeros(N)), example[0])[1]
        return mean_square(head(params, hs), example[1])

    def oracle(zeros):
        step = lambda p, h, x: tanh_step(p, 1.5 * h, x)  # noqa: E731
        return mean_square(
            head(weights(), tanh_layer(weights(), sequence()[0], zeros, step=step)[1]),
            sequence()[1],
        )

    found = gradients_agree(loss, weights(), sequence())
    both = scaled.plain(found[0].deltas)
    right = jax.grad(oracle)(jnp.zeros((6, N)))
    np.testing.assert_allclose(both[:, :N] + both[:, N:], right, rtol=1e-9)


@jax.custom_vjp
def clipped(params, xs):
    """Return the states of a layer whose gradient is cut in half."""
    return scanned(params, xs)


def _clipped_back(kept, g):
    return jax.tree.map(lambda leaf: leaf / 2, jax.vjp(scanned, *kept)[1](g))


clipped.defvjp(lambda p, xs: (scanned(p, xs), (p, xs)), _clipped_back)


@jax.custom_jvp
def straight(params, xs):
    """Return the states of a layer that counts as its inputs."""
    return scanned(params, xs)


@straight.defjvp
def _(primals, tangents):
    t = tangents[1]
    return straight(*primals), jnp.concatenate([t, t[:, :1]], 1)


@pytest.mark.wide
@pytest.mark.parametrize(("layer", "told"), [(clipped, "custom_vjp"), (straight, "custom_jvp")])
def test_a_rule_around_a_recurrence_is_honoured_and_told(layer, told):
    def loss(params, example):
        hs = layer(params, scanned(params, example[0])[:, :2])
        return mean_square(head(params, hs), example[1])

    found = gradients_agree(loss, weights(), sequence())
    assert found.names == ("scan_0",)
    (line,) = found.unseen
    assert told in line and "\n" not in line and "test_edges.py:" in line


@pytest.mark.wide
def test_a_scan_in_a_branch_is_told_and_its_gradient_right():
    def loss(params, example):
        xs = scanned(params, example[0])[:, :2]
        hs = jax.lax.cond(xs[0, 0] > -2, scanned, lambda p, xs: xs @ p["U"].T, params, xs)
        return mean_square(head(params, hs), example[1])

    found = gradients_agree(loss, weights(), sequence())
    assert found.names == ("scan_0",)
    assert len(found.unseen) == 1 and "cond" in found.unseen[0]


@pytest.mark.wide
def test_a_state_computed_from_another_around_an_inner_scan():
    """Each leaf of an outer carry is a node of its own too, although h is computed from c."""

    def inner(p, h, xs):
        return jax.lax.scan(lambda a, x: (tanh_step(p, a, x), None), h, xs)[0]

    def loss(p, example):
        def outer(carry, xs):
            c = 0.5 * carry[0] + inner(p, carry[1], xs)
            h = jnp.tanh(c)
            return (c, h), jnp.sin(h) + c

        xs = example[0].reshape(3, 2, -1)
        hs = jax.lax.scan(outer, (jnp.zeros(N), jnp.zeros(N)), xs)[1]
        return mean_square(head(p, hs), example[1][:3])

    def oracle(zeros):
        p, example = weights(), sequence()
        c, h, hs = jnp.zeros(N), jnp.zeros(N), []
        for xs, zero in zip(example[0].reshape(3, 2, -1), zeros, strict=True):
            new = 0.5 * c + inner(p, h, xs)
            c, h = new + zero[:N], jnp.tanh(new) + zero[N:]
            hs.append(jnp.sin(h) + c)
        return mean_square(head(p, jnp.stack(hs)), example[1][:3])

    found = gradients_agree(loss, weights(), sequence())
    right = jax.grad(oracle)(jnp.zeros((3, 2 * N)))
    np.testing.assert_allclose(scaled.plain(found[0].deltas), right, rtol=1e-9)


@pytest.mark.wide
def test_the_same_trace_is_one_program():
    """Results of two calls are trees of one structure, until the loss changes."""
    factors = [np.ones(N)]

    def loss(params, example):
        return jnp.sum(jax.jit(lambda h: factors[0] * h)(scanned(params, example[0])[-1]))

    def structure():
        return jax.tree.structure(rnnjax.recurrences(loss, weights(), sequence()))

    before = structure()
    assert structure() == before
    factors[0] = 2 * factors[0]
    assert structure() != before
    gradients_agree(loss, weights(), sequence())
