"""Steps that cut the gradient of their state by `stop_gradient`, and hand it on all the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.diagnosis import measure
from rnnjax.diagnosis.measure import Effort
from tests.diagnosis import small

N, T = 3, 20
FORWARD = ("log_norm_forward", "exponents", "log_singular_values", "gate_mean")
PARAMS = small.vanilla(dtype=jnp.float64)[1]
X = small.sequences(n_steps=T, dtype=jnp.float64)


def tanh_step(p, h, x):
    return jnp.tanh(p["W"] @ h + p["U"] @ x + p["b"])


def relu_step(p, h, x):
    z = p["W"] @ h + p["U"] @ x + 1
    return jnp.where(z > 0, z, 0)


def gated_step(p, h, x):
    z = jax.nn.sigmoid(p["U"] @ x)
    return z * h + (1 - z) * jnp.tanh(p["W"] @ h)


def before(step, stop):
    """Every fifth step reads a state without its gradient."""
    return lambda p, h, x, t: step(p, jnp.where(t % 5 == 0, stop(h), h), x)


def behind(step, stop):
    """Every fifth step hands on a state without its gradient, from within a call."""

    def cut(p, h, x, t):
        h = step(p, h, x)
        return jax.jit(lambda h: jnp.where(t % 5 == 0, stop(h), h))(h)

    return cut


def recurrence(step):
    return rnnjax.recurrences(loss_of(step), PARAMS, X[0])[0]


def loss_of(step):
    def loss(p, x):
        def one(carry, x):
            h, t = carry
            return (step(p, h, x, t), t + 1), None

        return jnp.sum(jax.lax.scan(one, (jnp.full(N, 0.1, x.dtype), 0), x)[0][0] ** 2)

    return loss


@jax.jit
def rows(r):
    return {**measure.wide(r), **measure.close(r, Effort(4, 0.0, N))}


@pytest.mark.parametrize(
    ("step", "way"),
    [
        (tanh_step, before),
        pytest.param(relu_step, behind, marks=pytest.mark.wide),
        pytest.param(gated_step, behind, marks=pytest.mark.wide),
    ],
)
def test_the_state_moves_as_without_the_cut(step, way):
    found, right = (rows(recurrence(way(step, s))) for s in (jax.lax.stop_gradient, lambda h: h))
    for name in FORWARD:
        np.testing.assert_allclose(found[name], right[name], rtol=0, atol=1e-12, err_msg=name)
    # Step 16 of 20 is the last with a cut.
    by_lag = np.asarray(found["log_norm_by_lag"])
    np.testing.assert_allclose(by_lag[:5], right["log_norm_by_lag"][:5], rtol=0, atol=1e-12)
    assert np.all(np.isneginf(by_lag[5:])) and np.all(np.isfinite(right["log_norm_by_lag"]))


def straight(q):
    """The derivative of q is taken to be 1."""
    return lambda p, h, x, t: (lambda z: z + jax.lax.stop_gradient(q(z) - z))(tanh_step(p, h, x))


@pytest.mark.parametrize(
    "q",
    [
        lambda z: jnp.round(8 * z) / 8,
        pytest.param(jnp.sign, marks=pytest.mark.wide),
        pytest.param(lambda z: jnp.where(z > 0, 1.0, -1.0), marks=pytest.mark.wide),
    ],
)
def test_a_derivative_that_a_cut_gives_is_kept(q):
    found = rows(recurrence(straight(q)))
    r = recurrence(straight(q))
    h, M, logs = np.asarray(r.states), np.eye(N), []
    for t in range(T):
        slope = 1 - np.asarray(tanh_step(PARAMS, h[t], X[0, t])) ** 2
        M = slope[:, None] * np.asarray(PARAMS["W"]) @ M
        logs.append(np.log(np.linalg.norm(M) / N**0.5))
    np.testing.assert_allclose(found["log_norm_forward"], logs, rtol=0, atol=1e-9)


@pytest.mark.wide
def test_what_a_report_says_of_a_cut_gradient():
    report = rnnjax.diagnose(loss_of(before(tanh_step, jax.lax.stop_gradient)), PARAMS, X)
    said = {f.name: f.statement for f in report.findings}
    assert said["vanishes"] == "From lag 5 of 20 on the gradient is exactly 0."
    assert "lost for good" not in said["spectrum"]
    assert [remedy.name for remedy in report.remedies] == ["window"]
