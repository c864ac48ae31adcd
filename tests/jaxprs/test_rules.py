"""Derivative rules of a program's own: which are refused, and what they close over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import rnnjax
from rnnjax import scaled
from rnnjax.jaxprs import nonlinear
from rnnjax.jaxprs.known import known

X = np.linspace(-1, 1, 6)


def with_rule(back):
    """The identity of a vector of 3, with a rule (h, cotangent) -> cotangent."""

    @jax.custom_vjp
    def identity(h):
        return 1 * h

    identity.defvjp(lambda h: (1 * h, h), lambda h, g: (back(h, g),))
    return identity


def loss_with(rule):
    """A loss whose states go through a rule."""

    def loss(w, x):
        step = lambda h, x: (rule(jnp.tanh(w * h + x)), None)  # noqa: E731
        return jnp.sum(lax.scan(step, jnp.array([0.1, 0.2, 0.3]), x)[0])

    return loss


def clip(g):
    return jnp.clip(g, -0.01, 0.01)


def doubled_to(limit):
    """Doubled until its first entry is above a limit."""
    return lambda h, g: lax.while_loop(lambda g: g[0] < limit, lambda g: 2 * g, g)


AFFINE = "of the cotangent and of a part without it"
REFUSED = {
    "an auxiliary loss": (lambda h, g: g + 0.1 * h, f"add {AFFINE}"),
    "a number more": (lambda h, g: g + 1, f"add {AFFINE}"),
    "ones": (lambda h, g: jnp.ones_like(g), "a number without the cotangent"),
    "one entry set": (lambda h, g: g.at[0].set(1.0), f"scatter {AFFINE}"),
    "filled": (lambda h, g: jnp.where(h > 0, g, 0.1), f"select_n {AFFINE}"),
    "out of bounds": (
        lambda h, g: g.at[jnp.arange(2, 5)].get(mode="fill", fill_value=0.1),
        f"gather {AFFINE}",
    ),
    "clip in cond": (lambda h, g: lax.cond(h[0] > 0, clip, lambda g: g, g), "max of"),
    "cond": (lambda h, g: lax.cond(g[0] > 0, jnp.negative, lambda g: g, g), "gt of"),
    "affine cond": (lambda h, g: lax.cond(h[0] > 0, lambda g: h, lambda g: g, g), f"cond {AFFINE}"),
    "fori_loop": (lambda h, g: lax.fori_loop(0, 2, lambda i, g: clip(g), g), "max of"),
    "while_loop": (doubled_to(1.0), "lt of"),
    "tanh in scan": (lambda h, g: lax.scan(lambda c, g: (c, jnp.tanh(g)), 0.0, g)[1], "tanh of"),
    "carry": (lambda h, g: lax.scan(lambda c, g: (c + 0.1, c + g), 0.0, g)[1], f"add {AFFINE}"),
    "callback": (
        lambda h, g: jax.pure_callback(clip, g, g, vmap_method="sequential"),
        "pure_callback of",
    ),
    "bool": (lambda h, g: g.astype(bool).astype(g.dtype), "convert_element_type of"),
    "int": (lambda h, g: g.astype(int).astype(g.dtype), "convert_element_type of"),
    "prod": (lambda h, g: h * jnp.prod(g), "reduce_prod of"),
    "cumprod": (lambda h, g: jnp.cumprod(g), "cumprod of"),
    "qr": (lambda h, g: jnp.linalg.qr(g[:, None])[0][:, 0], "qr of"),
    "square": (lambda h, g: g * g, "mul of"),
    "unit norm": (lambda h, g: g / jnp.linalg.norm(g), "mul of"),
    "rank": (lambda h, g: h[jnp.argsort(g)], "sort of"),
}
ACCEPTED = {
    "scaled": lambda h, g: jnp.where(h > 0, g / 2, -g),
    "none": lambda h, g: jnp.zeros_like(g),
    "zero more": lambda h, g: g + jnp.zeros(3) + 0 * h,
    "one entry set to 0": lambda h, g: g.at[0].set(0.0),
    "centred": lambda h, g: g - g.mean(),
    "mask": lambda h, g: g * jax.random.bernoulli(jax.random.key(0), 0.5, (3,)),
    "matrix": lambda h, g: jnp.tril(jnp.outer(h, h)) @ g,
    "solved": lambda h, g: jnp.linalg.solve(jnp.eye(3) + jnp.outer(h, h), g),
    "indexed": lambda h, g: jnp.pad(jnp.roll(g, 1)[jnp.argsort(h)][:2], (0, 1)),
    "cond": lambda h, g: lax.cond(h[0] > 0, lambda g: 2 * g, jnp.zeros_like, g),
    "fori_loop": lambda h, g: lax.fori_loop(0, 3, lambda i, c: c / 2 + i * jnp.flip(g), g),
    "scan": lambda h, g: lax.scan(lambda c, g: (c + g, h[0] * c), 0.0, g)[1],
    "unused": lambda h, g: (jax.debug.callback(lambda n: None, jnp.linalg.norm(g)), g)[1],
    "spectrum": lambda h, g: jnp.fft.irfft(jnp.fft.rfft(g) * 1j, 3),
    "vjp": lambda h, g: jax.vjp(lambda h: jax.nn.silu(h) * jax.nn.softmax(h), h)[1](g)[0],
    "vjp of scan": lambda h, g: jax.vjp(
        lambda h: lax.scan(lambda c, x: (jnp.tanh(c + x), c), h, jnp.ones((4, 3)))[0], h
    )[1](g)[0],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_rule_that_is_not_linear_is_refused(name):
    back, said = REFUSED[name]
    traced = jax.make_jaxpr(loss_with(with_rule(back)))(0.5, X[:, None])
    assert said in nonlinear.rule_in(traced)


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_rule_that_is_linear_is_not_refused(name):
    traced = jax.make_jaxpr(loss_with(with_rule(ACCEPTED[name])))(0.5, X[:, None])
    assert not nonlinear.rule_in(traced)


@pytest.mark.wide
@pytest.mark.parametrize("name", ACCEPTED)
def test_the_gradient_through_a_linear_rule_is_that_of_jax(name):
    loss = loss_with(with_rule(ACCEPTED[name]))
    found = rnnjax.recurrences(loss, 0.5, X[:, None])
    right = jax.grad(loss)(0.5, X[:, None])
    np.testing.assert_allclose(scaled.plain(found.gradient), right, rtol=1e-10, atol=1e-12)


@pytest.mark.wide
@pytest.mark.parametrize("name", ACCEPTED)
def test_the_derivative_of_a_linear_rule_goes_forward_too(name):
    rule = with_rule(ACCEPTED[name])
    found = rnnjax.recurrences(loss_with(rule), 0.5, X[:, None])[0]
    cell, h, at = found.cell, found.states[2], found.batch.x[2]
    step = lambda h: cell.step(found.params, h, at)  # noqa: E731
    right = jax.jacrev(lambda h: rule(jnp.tanh(0.5 * h + X[2])))(h)
    for derivative in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(derivative(step))(h), right, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("back", "refused"), [(clip, True), (lambda g: g, False)])
def test_rules_of_functions_that_also_return_an_integer(back, refused):
    """A quantiser with its index."""

    @jax.custom_vjp
    def quantised(h):
        return jnp.round(8 * h) / 8, jnp.argmax(h)

    quantised.defvjp(lambda h: (quantised(h), None), lambda _, g: (back(g[0]),))
    traced = jax.make_jaxpr(loss_with(lambda h: quantised(h)[0]))(0.5, X[:, None])
    assert bool(nonlinear.rule_in(traced)) == refused


def times(kind, s):
    """The identity whose derivative is s(), by a rule of a kind."""
    if kind == "custom_jvp":
        rule = jax.custom_jvp(lambda h: 1 * h)
        rule.defjvp(lambda h, t: (rule(*h), s() * t[0]))
        return rule
    if kind == "nondiff_argnums":
        bound = jax.custom_vjp(lambda f, h: 1 * h, nondiff_argnums=(0,))
        bound.defvjp(lambda f, h: (1 * h, None), lambda f, _, g: (f() * g,))
        return lambda h: bound(s, h)
    if kind == "nested":  # its rule comes in where the rule of the outer one is differentiated
        inner, outer = times("custom_jvp", s), jax.custom_jvp(lambda h: 1 * h)
        outer.defjvp(lambda h, t: (1 * h[0], inner(h[0]) * t[0]))
        return outer
    return with_rule(lambda _, g: s() * g)


@pytest.mark.parametrize("kind", ["custom_vjp", "custom_jvp", "nondiff_argnums", "nested"])
@pytest.mark.parametrize("as_array", [False, True])
def test_a_program_is_made_anew_when_its_rule_gives_something_else(kind, as_array):
    now = [1.0]
    loss = loss_with(times(kind, lambda: np.full(3, now[0]) if as_array else now[0]))

    def program():
        return known(loss, jax.make_jaxpr(lambda *at: loss(*at))(0.5, X[:, None]), object)

    first = program()
    assert program() is first
    now[0] = 0.5
    second = program()
    assert second is not first and program() is second


def test_a_program_is_made_anew_when_it_calls_another_function_of_python():
    """Of callbacks, one that is defined anew is another one."""

    def loss(w, x):
        shape = jax.ShapeDtypeStruct((), float)
        return lax.scan(lambda h, x: (w * jax.pure_callback(now[0], shape, h), None), 0.0, x)[0]

    def program():
        return known(loss, jax.make_jaxpr(lambda *at: loss(*at))(0.5, X), object)

    now = [lambda h: h]
    first = program()
    assert program() is first
    now[0] = lambda h: 2 * h
    assert program() is not first


def test_the_gradient_follows_what_a_rule_closes_over():
    now = [1.0]
    loss = loss_with(times("custom_vjp", lambda: now[0]))
    for s in (1.0, 0.5):
        now[0] = s
        found = rnnjax.recurrences(loss, 0.5, X[:, None])
        right = jax.grad(lambda *at: loss(*at))(0.5, X[:, None])
        np.testing.assert_allclose(scaled.plain(found.gradient), right, rtol=1e-12)
