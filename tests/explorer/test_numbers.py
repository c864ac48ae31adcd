"""What the page computes against rnnjax, in float64 on both sides."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from tests.explorer.settings import KINDS, cell_of, random_settings, setting

N_SETTINGS, LONGEST = 204, 160
SHAKE = 1e-10


@pytest.fixture(scope="module")
def computed(computing):
    """Settings with what the page says of them: 204, asked for at once."""
    settings = random_settings(N_SETTINGS, LONGEST)
    program = "settings => settings.map(s => window.rnnjax.compute(s, ['weights']))"
    return list(zip(settings, computing.evaluate(program, settings), strict=True))


@functools.cache
def shapes_of(cell, weights, n, n_x):
    """Parameters of a cell of the page, as shapes."""
    s = setting(cell=cell, weights=weights, n=n)
    return jax.eval_shape(cell_of(s, n_x).init, jax.random.key(0))


def params_of(s, found, n_x=None):
    """The page's float32 weights as parameters of the cell."""
    weights = {name: np.array(values, float) for name, values in found["weights"].items()}
    like = shapes_of(s["cell"], s["weights"], s["n"], n_x)
    if s["cell"] == "jordan":
        W, U = weights["W"].reshape(4, 2), weights["U"].reshape(4, -1)
        weights["W"] = np.concatenate([U, W], axis=1)
    leaves = {
        name: weights.get(name, np.zeros(leaf.shape)).reshape(leaf.shape)
        for name, leaf in like._asdict().items()
    }
    return type(like)(**leaves)


def batch_of(s, found):
    """The page's inputs, filled up to the longest sequence."""
    x = np.array(found["weights"]["x"], float).reshape(s["T"], -1)
    x = np.concatenate([x, np.zeros((LONGEST - s["T"], x.shape[1]))])
    n_y = cell_of(s).n_y
    mask = (np.arange(LONGEST) < s["T"]).astype(float)
    return rnnjax.Batch(x=x, y=np.zeros((LONGEST, n_y)), mask=mask)


def by_lag(members):
    """log_norm of rnnjax for settings of one kind, with weights as they are and shaken."""
    fixed = members[0][0]

    def measure(params, batch, leak, shake):
        params = params._replace(W=params.W * (1 + shake * jnp.cos(1e3 * params.W)))
        cell = cell_of({**fixed, "leak": leak})
        return rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]

    stacked = jax.tree.map(
        lambda *leaves: np.stack(leaves),
        *[(params_of(s, found), batch_of(s, found), float(s["leak"]))
          for s, found in members],
    )  # fmt: skip
    program = jax.jit(jax.vmap(measure, in_axes=(0, 0, 0, None)))
    return [np.asarray(program(*stacked, shake)) for shake in (0.0, SHAKE)]


def test_norms_by_lag_are_those_of_rnnjax(computed):
    """204 settings, every lag at which rounding cannot matter.

    A change of all recurrent weights by 1e-10 that moves log_norm by m shows an amplification
    A = m / 1e-10. Rounding in float64, some 1e-14 over a step of these cells, then moves it by
    about 1e-14 A; lags are compared where this is below 1e-7. That leaves chaotic networks out;
    none of these is chaotic enough in 160 driven steps, so that all 17,239 numbers count.
    """
    n_compared, n_left_out = 0, 0
    for kind in KINDS:
        members = [(s, f) for s, f in computed if (s["cell"], s["activation"], s["n"]) == kind]
        for (s, found), log, shaken in zip(members, *by_lag(members), strict=True):
            length = s["T"] + 1
            assert np.all(np.isnan(log[length:])) and len(found["log_norm"]) == length
            expected, shown = log[:length], np.array(found["log_norm"])
            with np.errstate(invalid="ignore"):
                moved = np.nan_to_num(np.abs(shaken[:length] - expected), nan=0)
            firm = moved / SHAKE * 1e-14 < 1e-7
            np.testing.assert_allclose(shown[firm], expected[firm], rtol=1e-6, atol=1e-6)
            n_compared, n_left_out = n_compared + firm.sum(), n_left_out + (~firm).sum()
    assert n_compared > 15_000 and n_left_out < 0.01 * n_compared


@pytest.mark.parametrize("kind", [KINDS[1], KINDS[4], KINDS[8], KINDS[9], KINDS[10]])
def test_the_norm_of_the_weight_gradient_is_that_of_autodiff(computed, kind):
    members = [(s, f) for s, f in computed if (s["cell"], s["activation"], s["n"]) == kind]
    s, found = next((s, f) for s, f in members if s["gain"] < 1)
    cell, params, x = cell_of(s), params_of(s, found), batch_of(s, found).x[: s["T"]]
    start = cell.initial_state()

    def last(params):
        h, _ = jax.lax.scan(lambda h, x: (cell.step(params, h, x), None), start, x)
        return jnp.sum(h) / h.size**0.5

    W = jax.jit(jax.grad(last))(params).W
    W = W[:, 3:] if s["cell"] == "jordan" else W  # the weights of the fed-back outputs
    assert found["log_weight_norm"] == pytest.approx(np.log(np.linalg.norm(W)), abs=1e-9)


def measured(s, found):
    """Singular values of the product over the lag, exponents, and the Jacobians J_1..J_T."""
    cell, params = cell_of(s), params_of(s, found)
    x = np.array(found["weights"]["x"], float).reshape(s["T"], -1)
    batch = rnnjax.Batch(x=x, y=np.zeros((len(x), cell.n_y)), mask=np.ones(len(x)))

    def take(params, h, x):
        return cell.step(params, h, x), jax.jacfwd(cell.step, 1)(params, h, x)

    @jax.jit
    def measure(params, batch):
        probes = rnnjax.probes
        values = probes.log_singular_values(cell, None, params, batch, every=s["lag"])
        exponents = probes.lyapunov_spectrum(cell, None, params, batch)["exponents"]
        start = cell.initial_state()
        jacobians = jax.lax.scan(lambda h, x: take(params, h, x), start, batch.x)[1]
        return values["log_singular_values"][0], exponents, jacobians

    return map(np.asarray, measure(params, batch))


def exponents_from(Q, jacobians):
    logs = 0
    for J in jacobians:
        Q, R = np.linalg.qr(J @ Q)
        logs = logs + np.log(np.abs(np.diagonal(R)))
    return np.sort(logs / len(jacobians))[::-1]


SPECTRA = [
    *[{"cell": cell, "activation": f, "n": n, "gain": 0.9, "T": 30, "lag": 12} for cell, f, n in
      (KINDS[4], KINDS[8], KINDS[9], KINDS[11])],
    # Directions that grow from axes in the wrong order lose all beyond rounding here.
    {"cell": "lstm", "n": 16, "gain": 1.2, "forget": 5, "T": 100, "lag": 100},
    {"activation": "relu", "n": 9, "gain": 1.3, "T": 30, "lag": 12},  # loses rank
]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [pytest.param(c, id="-".join(map(str, c.values())), marks=marks)
     for i, c in enumerate(SPECTRA) for marks in [[] if i in (0, 4) else pytest.mark.wide]],
)  # fmt: skip
def test_singular_values_and_exponents_are_those_of_rnnjax(computing, changes):
    """rnnjax starts from directions of its own: their sum alone is the same after few steps."""
    s = setting(**changes)
    want = ["weights", "singularValues", "exponents"]
    found = computing.evaluate("([s, want]) => window.rnnjax.compute(s, want)", [s, want])
    values, exponents, jacobians = measured(s, found)
    close = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(found["product"], values, **close)
    with np.errstate(divide="ignore"):
        one_step = np.log(np.linalg.svd(jacobians[-s["lag"]], compute_uv=False))
    alive = one_step > one_step[0] - 25  # below, an ordinary decomposition sees rounding
    np.testing.assert_allclose(np.array(found["step"])[alive], one_step[alive], **close)
    assert np.all(np.array(found["step"])[~alive] < one_step[0] - 25)
    n_h = len(exponents)
    start = computing.evaluate("n => [...window.rnnjax.genericDirections(n, n)]", n_h)
    if np.all(alive):
        expected = exponents_from(np.reshape(start, (n_h, n_h)).T, jacobians)
        np.testing.assert_allclose(found["exponents"], expected, **close)
    assert sum(found["exponents"]) == pytest.approx(exponents.sum(), abs=1e-6)


OWN = [
    {"activation": "identity", "gain": 4, "n": 9},
    {"activation": "relu", "gain": 3, "n": 9, "leak": 0.5},
    {"activation": "tanh", "n": 4},
    {"activation": "sigmoid", "cell": "jordan", "n": 2},
    {"cell": "lstm", "n": 4},
]


@pytest.mark.parametrize("changes", OWN, ids=lambda c: "-".join(map(str, c.values())))
def test_own_sequences_of_any_size_are_measured_alike(computing, changes):
    """40 steps of two inputs; states beyond 1e308 are carried with an exponent on both sides."""
    s = setting(T=40, bias=0, **changes)
    sizes = np.array([1e-200, 1.0, 300.0, 1e7, 1e150, 1e300])
    x = sizes[:, None, None] * np.sin(np.arange(80.0)).reshape(40, 2)
    x[:, 10:20] = 0
    owns = [
        {"values": one.ravel().tolist(), "length": 40, "columns": ["a", "b"], "name": "own"}
        for one in x
    ]
    program = "([s, owns]) => owns.map((own) => window.rnnjax.compute(s, ['weights'], own))"
    every = computing.evaluate(program, [s, owns])
    cell, params = cell_of(s, n_x=2), params_of(s, every[0], n_x=2)

    @jax.jit
    @jax.vmap
    def log_norm(x):
        batch = rnnjax.Batch(x=x, y=jnp.zeros((40, cell.n_y)), mask=jnp.ones(40))
        return rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]

    for size, own, found, expected in zip(sizes, owns, every, log_norm(x), strict=True):
        weights = [
            {k: v for k, v in one["weights"].items() if k != "x"} for one in (found, every[0])
        ]
        assert found["weights"]["x"] == own["values"] and weights[0] == weights[1]
        close = {"rtol": 1e-6, "atol": 1e-6, "err_msg": f"{size:g}"}
        np.testing.assert_allclose(found["log_norm"], expected, **close)


def test_the_weight_gradient_of_a_saturated_neuron_has_its_norm(computing):
    """|dL/dw| is sech(z_T)^2 |h_{T-1}| to within e^-500: its square is below all numbers."""
    s = setting(cell="neuron", n=1, gain=250, bias=0, T=5)
    found = computing.evaluate("s => window.rnnjax.compute(s, ['weights', 'states'])", s)
    U, x = (np.reshape(found["weights"][name], (-1, 8)) for name in "Ux")
    before = found["states"][-2]
    z = abs(250 * before + U[0] @ x[-1])
    expected = np.log(4) - 2 * z + np.log(abs(before))
    assert expected < -450
    assert found["log_weight_norm"] == pytest.approx(expected, rel=1e-12)
