"""Norms of gradients of single steps by their vectors, beside those of the matrices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.jaxprs.outer_products import taken_apart

_M, _N = 3, 4


def _gates(w, x):
    joined = jnp.concatenate([w["A"], w["B"]], axis=0)
    z, r = jnp.split(joined @ x + w["b"], 2)
    return jax.nn.sigmoid(z) * jnp.tanh(r)


def _in_parts(w, x):
    upper, lower = jnp.split(w["A"].T, 2)
    return jnp.tanh(x[:2] @ upper) + jnp.tanh(x[2:] @ lower)


def _behind_one_another(w, x):
    return jnp.tanh(w["B"] @ jnp.tanh(w["A"].T @ jnp.tanh(w["A2"] @ x)))


def _half_elsewhere(w, x):
    upper, lower = jnp.split(w["A"], [1])
    return jnp.sum(upper) * (jnp.tanh(lower @ x)[0] + w["B"] @ x)


def _with_a_complex_vector(w, x):
    z = w["A"] @ (x * (1 + 2j) + 1j * x**2)
    return jnp.concatenate([z.real, 3 * z.imag])


# Functions of weights and a vector (4,), and the weights that are no factor of one product with it.
CASES = {
    "gates side by side, and a bias": (_gates, {"b"}),
    "parts of a transposed matrix": (_in_parts, set()),
    "layers behind one another": (_behind_one_another, set()),
    "vector on the left": (lambda w, x: x @ w["A"].T, set()),
    "read twice": (lambda w, x: jnp.tanh(w["A"] @ jnp.tanh(w["A"].T @ (w["B"] @ x))), {"A"}),
    "part of it read elsewhere": (_half_elsewhere, {"A"}),
    "product of two weights": (lambda w, x: (w["A"] @ w["B"].T) @ w["b"][:3], {"A", "B", "b"}),
    "times a number": (lambda w, x: (2 * w["A"]) @ x + w["B"] @ x, {"A"}),
    "with two vectors": (lambda w, x: jnp.sum(w["A"] @ jnp.stack([x, x**2], 1), 1), {"A"}),
    "weight as a result": (lambda w, x: w["A"], {"A"}),
    "weight as a result, transposed": (lambda w, x: w["A"].T, {"A"}),
    "real weights and a complex vector": (_with_a_complex_vector, {"A"}),
    "a vector of integers": (lambda w, x: w["A"] @ jnp.round(3 * x).astype(int), set()),
    "a vector of flags": (lambda w, x: jnp.tanh(w["A"] @ (x > 0)), set()),
    "within a call": (jax.jit(lambda w, x: jnp.tanh(w["A"] @ x)), set()),
    "an outer product": (lambda w, x: w["b"][:, None] @ x[None, :], {"b"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_norms(name):
    function, others = CASES[name]
    generator = np.random.default_rng(0)
    shapes = {"A": (_M, _N), "A2": (_M, _N), "B": (_M, _N), "b": (2 * _M,)}
    weights = {name: jnp.asarray(generator.standard_normal(s)) for name, s in shapes.items()}
    x = jnp.asarray(generator.standard_normal(_N))
    used = [n for n in weights if jnp.any(_changes(function, weights, n, x))]
    flat = [weights[n] for n in used]

    def of_list(leaves, at):
        return function({**weights, **dict(zip(used, leaves, strict=True))}, at)

    apart = taken_apart(of_list, flat, x)
    assert [id(w) for w in apart.others] == [id(weights[n]) for n in used if n in others]

    value, pull, vectors = jax.vjp(
        partial(apart.function, at=x), apart.shifts, apart.others, has_aux=True
    )
    np.testing.assert_allclose(value, of_list(flat, x), rtol=1e-6)
    assert all(jnp.issubdtype(v.dtype, jnp.inexact) for v in vectors)
    delta = jnp.asarray(generator.standard_normal(value.shape))
    errors, left = pull(delta)
    squares = [jnp.sum(e**2) * jnp.sum(v**2) for e, v in zip(errors, vectors, strict=True)]
    squares += [jnp.sum(w**2) for w in left]
    (expected,) = jax.vjp(lambda leaves: of_list(leaves, x), flat)[1](delta)
    np.testing.assert_allclose(sum(squares), sum(jnp.sum(w**2) for w in expected), rtol=1e-5)


def _changes(function, weights, name, x):
    shape = jax.eval_shape(function, weights, x).shape
    pull = jax.vjp(lambda w: function({**weights, name: w}, x), weights[name])[1]
    return pull(jnp.ones(shape))[0] != 0
