"""Every rule on one small example, worked by hand in exact fractions.

Two leaky units with f(z) = z above 0 and z / 4 below (a slope to be forgotten, and exact), three
steps, one output, l_t = m_t (y_hat - y)^2. Nothing here uses the library: loops over indices, and
fractions.
"""

import functools
from fractions import Fraction
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules, scaled
from rnnjax.activations import Activation
from rnnjax.losses import squared_error
from tests.crossed import wide_but

F = Fraction
N, T, LEAK = 2, 3, F(1, 2)
W = [[F(1), F(-3, 2)], [F(2), F(1, 2)]]
U = [[F(1)], [F(-1)]]
B = [F(1, 4), F(-1, 2)]
V = [[F(1), F(2)]]
C = [F(1, 8)]
X, Y, MASK = [F(1), F(-2), F(3)], [F(1), F(0), F(-1)], [F(1), F(1, 2), F(2)]
UNITS, SUMS = range(N), range(N)
# Weights by (name, row, column); b is a column of its own.
RECURRENT = [("W", i, j) for i in UNITS for j in UNITS] + [
    (name, i, 0) for name in ("U", "b") for i in UNITS
]
KNEE = Activation(
    "knee",
    fn=lambda z: jnp.where(z > 0, z, z / 4),
    slope=lambda z: jnp.where(z > 0, 1.0, 0.25),
    log_slope=lambda z: jnp.log(jnp.where(z > 0, 1.0, 0.25)),
    max_slope=1.0,
)


def forward():
    """States, slopes, learning signals, errors, Jacobians and direct influences of every step."""
    h, steps = [F(0)] * N, []
    for x, y, m in zip(X, Y, MASK, strict=True):
        z = [sum(W[i][j] * h[j] for j in UNITS) + U[i][0] * x + B[i] for i in UNITS]
        slope = [F(1) if v > 0 else F(1, 4) for v in z]
        h_next = [(1 - LEAK) * h[i] + LEAK * slope[i] * z[i] for i in UNITS]
        error = 2 * m * (sum(V[0][i] * h_next[i] for i in UNITS) + C[0] - y)
        J = [[(1 - LEAK) * (i == j) + LEAK * slope[i] * W[i][j] for j in UNITS] for i in UNITS]
        into = {"W": h, "U": [x], "b": [F(1)]}
        D = {
            w: [LEAK * slope[i] * into[w[0]][w[2]] * (i == w[1]) for i in UNITS] for w in RECURRENT
        }
        steps.append(
            {"h": h_next, "g": [V[0][i] * error for i in UNITS], "e": error, "J": J, "D": D,
             "slope": slope, "x": x, "y": y, "m": m}
        )  # fmt: skip
        h = h_next
    return steps


STEPS = forward()


def by_trace(kept, feedback=None):
    """g_t M_t with M_t = D_t + K_t M_{t-1}; kept(step, i, j) is the entry of K_t."""
    M = {w: [F(0)] * N for w in RECURRENT}
    out = []
    for step in STEPS:
        M = {
            w: [step["D"][w][i] + sum(kept(step, i, j) * M[w][j] for j in UNITS) for i in UNITS]
            for w in RECURRENT
        }
        g = step["g"] if feedback is None else [feedback[i] * step["e"] for i in UNITS]
        out.append({w: sum(g[i] * M[w][i] for i in UNITS) for w in RECURRENT})
    return out


def by_use(reaches):
    """delta_t D_t, where the loss of step t reaches back to step s if reaches(t, s)."""
    out = []
    for s, step in enumerate(STEPS):
        delta = [F(0)] * N
        for t in range(s, T):
            if not reaches(t, s):
                continue
            v = STEPS[t]["g"]
            for r in range(t, s, -1):
                v = [sum(STEPS[r]["J"][i][j] * v[i] for i in UNITS) for j in UNITS]
            delta = [a + b for a, b in zip(delta, v, strict=True)]
        out.append({w: sum(delta[i] * step["D"][w][i] for i in UNITS) for w in RECURRENT})
    return out


def by_synthetic(rate):
    """DNI, its matrix A learned along the way from 0."""
    features = [[*step["h"], step["y"], F(1)] for step in STEPS]
    A, out = [[F(0)] * (N + 2) for _ in UNITS], []
    for t, step in enumerate(STEPS):

        def delta(A, t=t, step=step):
            return [step["g"][i] + sum(a * f for a, f in zip(A[i], features[t], strict=True))
                    for i in UNITS]  # fmt: skip

        if t:
            before = features[t - 1]
            sent = delta(A)
            target = [sum(step["J"][i][j] * sent[i] for i in UNITS) for j in UNITS]
            size = sum(f * f for f in before)
            miss = [
                sum(p * q for p, q in zip(A[i], before, strict=True)) - target[i] for i in UNITS
            ]
            A = [
                [a - rate / size * miss[i] * f for a, f in zip(A[i], before, strict=True)]
                for i in UNITS
            ]
        out.append({w: sum(delta(A)[i] * step["D"][w][i] for i in UNITS) for w in RECURRENT})
    return out


def by_perturbation(sigma, xi):
    """(l_t(h') - l_t(h)) / sigma times sum_s xi_s D_s."""
    h, Z, out = [F(0)] * N, dict.fromkeys(RECURRENT, F(0)), []
    for step, noise in zip(STEPS, xi, strict=True):
        z = [sum(W[i][j] * h[j] for j in UNITS) + U[i][0] * step["x"] + B[i] for i in UNITS]
        h = [
            (1 - LEAK) * h[i] + LEAK * (z[i] if z[i] > 0 else z[i] / 4) + sigma * noise[i]
            for i in UNITS
        ]

        def loss(h, step=step):
            return step["m"] * (sum(V[0][i] * h[i] for i in UNITS) + C[0] - step["y"]) ** 2

        gain = (loss(h) - loss(step["h"])) / sigma
        Z = {w: Z[w] + sum(noise[i] * step["D"][w][i] for i in UNITS) for w in RECURRENT}
        out.append({w: gain * Z[w] for w in RECURRENT})
    return out


XI = [[F(1), F(-1)], [F(1, 2), F(2)], [F(-1), F(1, 3)]]
FEEDBACK = [F(3, 4), F(-1, 2)]
RATE, SIGMA, DECAY = F(1, 4), F(1, 8), F(1, 3)


def whole(step, i, j):
    return step["J"][i][j]


def own(step, i, j):
    return step["J"][i][j] * (i == j)


def leak(step, i, j):
    return (1 - LEAK) * (i == j)


def numbers(fractions):
    return jax.device_put(np.array(fractions, dtype=float))


EXAMPLES = {
    "RTRL": (rules.RTRL(), by_trace(whole)),
    "DiscountedRTRL": (
        rules.DiscountedRTRL(float(DECAY)),
        by_trace(lambda s, i, j: DECAY * whole(s, i, j)),
    ),
    "SnAp-1": (rules.SnAp(1), by_trace(own)),
    "SnAp-2": (rules.SnAp(2), by_trace(whole)),
    "e-prop with autapses": (rules.EProp(), by_trace(own)),
    "e-prop": (rules.EProp(autapse=False), by_trace(leak)),
    "RFLO": (rules.RFLO(), by_trace(leak)),
    "RFLO, fed back": (rules.RFLO(numbers([[f] for f in FEEDBACK])), by_trace(leak, FEEDBACK)),
    "KeRNL at the start": (
        rules.KeRNL(rate=0.0),
        by_trace(lambda s, i, j: F(1, 5) * (i == j)),
    ),
    "BPTT": (rules.BPTT(), by_use(lambda t, s: True)),
    "BPTT, window 2": (rules.BPTT(window=2), by_use(lambda t, s: t - s < 2)),
    "BPTT in blocks of 2": (rules.TruncatedBPTT(2), by_use(lambda t, s: t // 2 == s // 2)),
    "forward errors": (rules.ForwardErrors(), by_use(lambda t, s: True)),
    "DNI": (rules.DNI(rate=float(RATE)), by_synthetic(RATE)),
    "node perturbation": (
        rules.NodePerturbation(float(SIGMA), xi=numbers(XI)),
        by_perturbation(SIGMA, XI),
    ),
}


# What these do on any network other tests of `make test` show: test_bptt.py,
# test_discounted_rtrl.py and test_limits.py; the trace of RFLO, which is that of e-prop without
# autapses, is here with another feedback.
LATER = {"BPTT", "BPTT, window 2", "DiscountedRTRL", "SnAp-2", "RFLO", "e-prop", "forward errors"}


@functools.cache
def found(is_later):
    """The gradients per step of some rules, by the library, in one program."""
    cell = rnnjax.Vanilla(1, N, 1, activation=KNEE, leak=float(LEAK))
    params = rnnjax.cells.VanillaParams(*map(numbers, (W, U, B, V, C)))
    batch = rnnjax.Batch(numbers(X)[:, None], numbers(Y)[:, None], numbers(MASK))

    @jax.jit
    def run(params):
        grads = {}
        for name, (rule, _) in EXAMPLES.items():
            if (name in LATER) != is_later:
                continue
            state = rule.init(cell, params, batch, jax.random.key(0))
            out = rule(cell, squared_error, params, batch, state, per_step=True)
            grads[name] = scaled.plain(out.grads)
        return grads

    return jax.tree.map(np.asarray, run(params))


@pytest.mark.parametrize("name", wide_but(set(EXAMPLES) - LATER, EXAMPLES))
def test_every_step_of_a_rule_is_the_one_worked_by_hand(name):
    got, expected = found(name in LATER)[name], EXAMPLES[name][1]
    for t in range(T):
        for leaf, i, j in RECURRENT:
            array = getattr(got, leaf)[t]
            value = array[i] if leaf == "b" else array[i, j]
            np.testing.assert_allclose(value, float(expected[t][leaf, i, j]), rtol=1e-13)
        errors = STEPS[t]["e"]
        np.testing.assert_allclose(got.c[t], [float(errors)], rtol=1e-14)
        by_V = [float(errors * STEPS[t]["h"][i]) for i in UNITS]
        np.testing.assert_allclose(got.V[t], [by_V], rtol=1e-13)


def test_the_example_tells_the_rules_apart():
    """Different rules have different sums, but for those that are one rule."""
    same = [{"RTRL", "SnAp-2", "BPTT", "forward errors"}, {"RFLO", "e-prop"},
            {"SnAp-1", "e-prop with autapses"}]  # fmt: skip
    sums = {
        name: [sum(step[w] for step in steps) for w in RECURRENT]
        for name, (_, steps) in EXAMPLES.items()
    }
    for a, b in product(sums, sums):
        together = a == b or any({a, b} <= group for group in same)
        assert (sums[a] == sums[b]) == together, (a, b)


def test_the_example_has_slopes_of_both_kinds_and_every_loss_counts():
    assert {slope for step in STEPS for slope in step["slope"]} == {F(1), F(1, 4)}
    assert all(step["e"] != 0 for step in STEPS)


@pytest.mark.wide
def test_the_stochastic_rules_follow_their_equations():
    """UORO and both Kronecker rules with given signs, in loops; their roots are no fractions."""
    signs = np.array([[1, -1], [-1, -1], [1, 1]], float)
    cell = rnnjax.Vanilla(1, N, 1, activation=KNEE, leak=float(LEAK))
    params = rnnjax.cells.VanillaParams(*map(numbers, (W, U, B, V, C)))
    batch = rnnjax.Batch(numbers(X)[:, None], numbers(Y)[:, None], numbers(MASK))
    made = {
        "uoro": rules.UORO(signs=signs),
        "kf": rules.KFRTRL(signs=signs),
        "reverse": rules.ReverseKFRTRL(signs=signs),
    }

    @jax.jit
    def run(params):
        state = made["uoro"].init(cell, params, batch, jax.random.key(0))
        return {
            name: scaled.plain(rule(cell, squared_error, params, batch, state, per_step=True).grads)
            for name, rule in made.items()
        }

    got = run(params)
    for name, expected in (("uoro", uoro(signs)), ("kf", kf(signs)), ("reverse", reverse(signs))):
        for t in range(T):
            found = np.concatenate([np.asarray(got[name].W[t]), np.asarray(got[name].U[t]),
                                    np.asarray(got[name].b[t])[:, None]], axis=1)  # fmt: skip
            np.testing.assert_allclose(found, expected[t], rtol=1e-12, err_msg=name)


def _step_arrays():
    """(J, L diagonal, a, g) of every step as float arrays; D[:, (i, j)] = L[:, i] a[j]."""
    h = np.zeros(N)
    for step in STEPS:
        J, g = np.array(step["J"], float), np.array(step["g"], float)
        L = float(LEAK) * np.diag(np.array(step["slope"], float))
        yield J, L, np.array([*h, float(step["x"]), 1.0]), g
        h = np.array(step["h"], float)


def _root(a, b):
    return np.sqrt(np.linalg.norm(a) / np.linalg.norm(b)) if np.any(a) and np.any(b) else 1.0


def uoro(signs):
    s, theta, out = np.zeros(N), np.zeros((N, N + 2)), []
    for (J, L, a, g), nu in zip(_step_arrays(), signs, strict=True):
        moved, new = J @ s, np.outer(nu @ L, a)
        rho_0, rho_1 = _root(theta, moved), _root(new, nu)
        s, theta = rho_0 * moved + rho_1 * nu, theta / rho_0 + new / rho_1
        out.append((g @ s) * theta)
    return out


def kf(signs):
    A, B, out = np.zeros(N + 2), np.zeros((N, N)), []
    for (J, L, a, g), nu in zip(_step_arrays(), signs, strict=True):
        p_0, p_1 = _root(J @ B, A), _root(L, a)
        A, B = nu[0] * p_0 * A + nu[1] * p_1 * a, nu[0] / p_0 * J @ B + nu[1] / p_1 * L
        out.append(np.outer(g @ B, A))
    return out


def reverse(signs):
    A, B, out = np.zeros(N), np.zeros((N, N + 2)), []
    for (J, L, a, g), nu in zip(_step_arrays(), signs, strict=True):
        new = np.outer(L @ nu, a)
        p_0, p_1 = _root(J @ B, A), _root(new, nu)
        A, B = p_0 * A + p_1 * nu, J @ B / p_0 + new / p_1
        out.append(np.outer(A, g @ B))
    return out
