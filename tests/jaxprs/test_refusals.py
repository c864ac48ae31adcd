"""What is no recurrence, or no loss: one line that says what was found and what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from tests.jaxprs.hand_written import N, head, scanned, sequence, tanh_step, weights
from tests.jaxprs.loops import mean_square
from tests.stand_ins import of_ones


def good(params, example):
    return mean_square(head(params, scanned(params, example[0])), example[1])


def of_inputs(layer):
    """Return a loss of the outputs of a layer without a scan."""
    return lambda params, example: jnp.sum(layer(params, example[0]) ** 2)


def feedforward(params, xs):
    return jnp.tanh(xs @ params["U"].T)


def in_python(params, xs):
    h = jnp.zeros(N)
    for x in jnp.concatenate([xs, xs]):
        h = tanh_step(params, h, x)
    return h


def associative(params, xs):
    a = jnp.broadcast_to(jax.nn.sigmoid(params["b"]), (len(xs), N))

    def both(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    return jax.lax.associative_scan(both, (a, xs @ params["U"].T))[1]


def while_loop(params, xs):
    def step(state):
        return state[0] + 1, tanh_step(params, state[1], xs[0])

    return jax.lax.while_loop(lambda s: s[0] < 5, step, (0, jnp.zeros(N)))[1]


@jax.custom_vjp
def clipped(h):
    """h, with a cotangent that is clipped on its way back."""
    return 1 * h


clipped.defvjp(lambda h: (h, None), lambda _, g: (jnp.clip(g, -0.01, 0.01),))


@jax.custom_vjp
def halved(h):
    """h, of whose cotangent half goes back where h is positive."""
    return 1 * h


halved.defvjp(lambda h: (h, h), lambda h, g: (jnp.where(h > 0, g / 2, g),))


@pytest.mark.wide
@pytest.mark.parametrize("within", [True, False])
def test_a_backward_rule_has_to_be_linear(within):
    def loss_with(rule):
        def loss(params, example):
            def step(h, x):
                h = tanh_step(params, h, x)
                return (rule(h) if within else h), None

            h = jax.lax.scan(step, jnp.zeros(N), example[0])[0]
            return jnp.sum(h if within else rule(h))

        return loss

    message = r"^loss: expected backward rules \(custom_vjp\) that are linear .*, got max of the "
    with pytest.raises(ValueError, match=message + r"cotangent \(test_refusals.py:\d+\)[^\n]*$"):
        rnnjax.recurrences(loss_with(clipped), weights(), sequence())
    loss = loss_with(halved)
    got = scaled.plain(rnnjax.recurrences(loss, weights(), sequence()).gradient)
    right = jax.jit(jax.grad(loss))(weights(), sequence())
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def counting(params, xs):
    """A scan that carries an integer alone."""
    return jax.lax.scan(lambda i, x: (i + 1, params["U"] @ x), 0, xs)[1]


REFUSED = {
    "no recurrence": (of_inputs(feedforward), r"^loss: expected a recurrence.* jax\.lax\.scan"),
    "a loop in Python": (
        of_inputs(in_python),
        r"^loss: .*written\.py:\d+.*Python loop.*scan",
    ),
    "associative": (of_inputs(associative), r"^loss: .*associative scan.*rnnjax\.LRU"),
    "while": (of_inputs(while_loop), r"^loss: .*while loop.*fori_loop"),
    "integers": (of_inputs(counting), r"^loss: expected a recurrence"),
    "not scalar": (lambda p, e: scanned(p, e[0])[-1], r"^loss: .*shape \(\), got .*\(3,\)"),
    "one entry": (lambda p, e: good(p, e)[None], r"^loss: .*shape \(\), got .*\(1,\)"),
    "complex": (lambda p, e: good(p, e) * 1j, r"^loss: .*real.*got complex128"),
    "integer": (lambda p, e: jnp.int32(good(p, e)), r"^loss: .*real.*got int32"),
    "two values": (lambda p, e: (good(p, e), good(p, e)), r"^loss: expected one real number"),
    "nothing": (lambda p, e: None, r"^loss: expected one real number"),
    "one argument": (lambda p: good(p, sequence()), r"^loss: .*argument"),
    "an error": (lambda p, e: p["none"], r"^loss: .*none"),
    "no function": (3.0, r"^loss: expected a function"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_loss_is_refused_in_one_line(name):
    loss, said = REFUSED[name]
    with pytest.raises(ValueError, match=said) as refused:
        rnnjax.recurrences(loss, weights(), sequence())
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


WEIGHTS, EXAMPLE = of_ones(lambda: (weights(), sequence()))


@pytest.mark.parametrize(
    ("params", "example", "said"),
    [
        ({**WEIGHTS, "name": "tanh"}, EXAMPLE, r"^params: expected .*array.*got 'tanh'"),
        ({**WEIGHTS, "f": np.tanh}, EXAMPLE, r"^params: expected .*array"),
        ({"U": np.ones((3, 2), int)}, EXAMPLE, r"^params: expected floating-point"),
        ({}, EXAMPLE, r"^params: expected"),
        (WEIGHTS, (*EXAMPLE, "text"), r"^example: expected .*array.*got 'text'"),
    ],
)
def test_params_and_example_hold_arrays(params, example, said):
    with pytest.raises(ValueError, match=said) as refused:
        rnnjax.recurrences(good, params, example)
    assert "\n" not in str(refused.value)


def test_layers_that_are_not_there():
    for layers in (["rnn"], "rnn", ["scan_0", "scan_1"]):
        with pytest.raises(ValueError, match=r"^layers: expected .*scan_0.*got '(rnn|scan_1)'$"):
            rnnjax.recurrences(good, weights(), sequence(), layers=layers)
    found = rnnjax.recurrences(good, weights(), sequence())
    for wrong in ("rnn", 1, -2):
        with pytest.raises((ValueError, IndexError)):
            found[wrong]


@jax.custom_vjp
def ruled(params, xs):
    return associative(params, xs)


ruled.defvjp(lambda *at: jax.vjp(associative, *at), lambda pull, g: pull(g))

HIDDEN = {
    "in a branch": lambda p, xs: jax.lax.cond(
        xs[0, 0] > 0, associative, lambda p, xs: xs @ p["U"].T, p, xs
    ),
    "behind a rule": ruled,
    "in a branch of a call": jax.jit(
        lambda p, xs: jax.lax.cond(xs[0, 0] > 0, ruled, lambda p, xs: xs @ p["U"].T, p, xs)
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_an_associative_scan_is_told_wherever_it_stands(name):
    def loss(params, example):
        return good(params, example) + jnp.sum(HIDDEN[name](params, example[0]))

    (line,) = rnnjax.recurrences(loss, weights(), sequence()).unseen
    assert "an associative scan" in line and "test_refusals.py" in line


@pytest.mark.wide
def test_what_is_there_besides_a_scan_is_told():
    """One recurrence is measured; the others are not, and each is a line."""

    def loss(params, example):
        xs = scanned(params, example[0])[:, :2]
        return good(params, (xs, example[1])) + jnp.sum(associative(params, xs))

    found = rnnjax.recurrences(loss, weights(), sequence())
    assert len(found) == 2
    assert len(found.unseen) == 1 and "associative scan" in found.unseen[0]
    assert all("\n" not in line for line in found.unseen)


def test_a_while_loop_on_the_way_back_is_refused():
    """It has no derivative in reverse, beside a scan as well as alone."""

    def loss(params, example):
        return good(params, example) + jnp.sum(while_loop(params, example[0]))

    with pytest.raises(ValueError, match=r"^loss: .*while") as refused:
        rnnjax.recurrences(loss, weights(), sequence())
    assert "\n" not in str(refused.value)


@pytest.mark.wide
def test_numbers_that_a_while_loop_finds_for_the_inputs_are_no_obstacle():
    def loss(params, example):
        scale = jax.lax.while_loop(lambda s: s < 4.0, lambda s: 2 * s, jnp.max(example[0]) * 0 + 1)
        return good(params, (example[0] * scale, example[1]))

    found = rnnjax.recurrences(loss, weights(), sequence())
    right = jax.grad(good)(weights(), (4 * sequence()[0], sequence()[1]))
    np.testing.assert_allclose(rnnjax.scaled.plain(found.gradient)["W"], right["W"], rtol=1e-10)
