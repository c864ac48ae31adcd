"""Which constants of a recurrence are its weights, however the program computes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax

N = 3


def weights():
    keys = jax.random.split(jax.random.key(0), 2)
    return {"W": jax.random.normal(keys[0], (N, N)), "U": jax.random.normal(keys[1], (N, 2))}


def last(W, U, x):
    step = lambda h, x: (jnp.tanh(W @ h + U @ x), None)  # noqa: E731
    return jnp.sum(jax.lax.scan(step, jnp.zeros(N), x)[0])


def by_power_iteration(params, x):
    """Spectral normalisation as it is written: a loop over the weights alone."""
    W = params["W"]

    def once(_, v):
        v = W.T @ (W @ v)
        return v / jnp.linalg.norm(v)

    v = jax.lax.fori_loop(0, 50, once, jnp.ones(N))
    return last(W / jnp.linalg.norm(W @ v), params["U"], x)


def by_a_mixed_call(params, x):
    """One call gives normalised weights and a normalised input."""
    both = jax.jit(lambda W, x: (W / jnp.linalg.norm(W, 2), x / 1))
    W, x = both(params["W"], x)
    return last(W, params["U"], x)


def by_a_mixed_loop(params, x):
    """One loop changes weights and, beside them, data."""
    W = params["W"]

    def once(state, _):
        v, mean = state
        v = W.T @ (W @ v)
        return (v / jnp.linalg.norm(v), mean / 2 + jnp.mean(x)), None

    (v, mean), _ = jax.lax.scan(once, (jnp.ones(N), jnp.zeros(())), None, length=50)
    return last(W / jnp.linalg.norm(W @ v), params["U"], x + 0 * mean)


@pytest.mark.parametrize("loss", [by_power_iteration, by_a_mixed_call, by_a_mixed_loop])
def test_weights_computed_by_a_loop_or_a_call_are_weights(loss):
    params, x = weights(), jnp.ones((5, 2))
    found = rnnjax.recurrences(loss, params, x)
    right = {"W": params["W"] / jnp.linalg.norm(params["W"], 2), "U": params["U"]}
    assert sorted(p.shape for p in found[-1].params) == [(N, 2), (N, N)]
    for p in found[-1].params:
        expected = right["W"] if p.shape == (N, N) else right["U"]
        np.testing.assert_allclose(p, expected, rtol=1e-6)


def test_what_a_loop_over_data_gives_is_no_weight():
    """The state of an encoder, and what a loop mixes from it, are held."""

    def loss(params, x):
        W, U = params["W"], params["U"]
        state, _ = jax.lax.scan(lambda h, x: (jnp.tanh(W @ h + U @ x), None), jnp.zeros(N), x)
        # Data reach the second leaf in the second step only.
        mixed = jax.lax.fori_loop(0, 3, lambda _, s: (s[1], s[1] + 0 * s[0]), (state, W[0]))[1]
        step = lambda h, x: (jnp.tanh(W @ h + U @ x + state + mixed), None)  # noqa: E731
        return jnp.sum(jax.lax.scan(step, jnp.zeros(N), x)[0])

    found = rnnjax.recurrences(loss, weights(), jnp.ones((5, 2)))
    assert sorted(p.shape for p in found[-1].params) == [(N, 2), (N, N)]
    assert [c.shape for c in found[-1].cell.fixed] == [(N,), (N,)]


def test_weights_of_a_layer_that_a_counter_or_a_constant_chooses_are_weights():
    """A loop over layers: weights i are read by the counter in its carry, and masked."""
    mask = jnp.tril(jnp.ones((N, N)))

    def loss(params, x):
        def layer(i, hs):
            W = params["W"][i] * mask
            step = lambda h, x: (jnp.tanh(W @ h + x),) * 2  # noqa: E731
            return jax.lax.scan(step, jnp.zeros(N), hs)[1]

        return jnp.sum(jax.lax.fori_loop(0, 2, layer, x)[-1])

    params = {"W": jax.random.normal(jax.random.key(0), (2, N, N))}
    found = rnnjax.recurrences(loss, params, jnp.ones((4, N)))
    inner = [r for r in found if "/" in r.name]
    assert len(inner) == 2
    for i, r in enumerate(inner):
        np.testing.assert_allclose(r.params[0], params["W"][i] * mask)


FROZEN = {
    "stopped": jax.lax.stop_gradient,
    "stopped in a call": jax.jit(lambda w: jax.lax.stop_gradient(w) * 2),
    "signs": jnp.sign,
    "compared": lambda w: (w > 0).astype(w.dtype),
}


@pytest.mark.parametrize("name", FROZEN)
def test_what_no_gradient_reaches_is_no_weight(name):
    """A reservoir has no share in the gradient of the weights."""
    found = rnnjax.recurrences(
        lambda p, x: last(FROZEN[name](p["W"]), p["U"], x), weights(), jnp.ones((5, 2))
    )
    assert [p.shape for p in found[0].params] == [(N, 2)]
    assert [c.shape for c in found[0].cell.fixed] == [(N, N)]


def test_rounded_weights_with_a_straight_gradient_are_weights():
    def loss(p, x):
        W = p["W"]
        return last(W + jax.lax.stop_gradient(jnp.round(4 * W) / 4 - W), p["U"], x)

    found = rnnjax.recurrences(loss, weights(), jnp.ones((5, 2)))
    assert sorted(p.shape for p in found[0].params) == [(N, 2), (N, N)]
