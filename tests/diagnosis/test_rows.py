"""Each row of a diagnosis against a direct computation in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from rnnjax.diagnosis import measure, memory, spectrum, steps, transport, units, weights, window
from rnnjax.diagnosis.recurrent_weights import orthogonal, recurrent
from tests.diagnosis import small


@pytest.fixture
def vanilla():
    loss, params = small.vanilla(dtype=jnp.float64)
    x = small.sequences(dtype=jnp.float64)[0]
    return loss, params, x, rnnjax.recurrences(loss, params, x)[0]


def jacobians(params, states):
    slopes = 1 - states[1:] ** 2
    return [np.asarray(s[:, None] * params["W"]) for s in slopes]


def test_gradient_by_lag(vanilla):
    _, params, _, r = vanilla
    v = np.asarray(2 * r.states[-1]).copy()
    v[0] += 1
    expected = [np.log(np.linalg.norm(v))]
    for J in reversed(jacobians(params, r.states)):
        v = J.T @ v
        expected.append(np.log(np.linalg.norm(v)))
    found = jax.jit(transport.transport)(r)
    np.testing.assert_allclose(found["log_norm_by_lag"], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["log_norm_by_step"], expected[-2::-1], rtol=0, atol=1e-12)
    assert found["last_step"] == 20
    assert found["zero_lag_float32"] == found["overflow_lag_float32"] == -1


def test_forward_memory_of_a_rotation():
    loss, params = small.vanilla(gain=0.5, activation=lambda z: z, dtype=jnp.float64)
    r = rnnjax.recurrences(loss, params, small.sequences(dtype=jnp.float64)[0])[0]
    found = jax.jit(memory.forward_memory)(r)["log_norm_forward"]
    # W is 0.5 times an orthogonal matrix: every direction shrinks by the same factor.
    np.testing.assert_allclose(found, np.log(0.5) * np.arange(1, 21), rtol=0, atol=1e-12)


@pytest.mark.wide
def test_weights_by_use(vanilla):
    loss, params, x, r = vanilla
    found = jax.jit(weights.by_use)(r)
    shares = found["weight_gradient_share"]
    np.testing.assert_allclose(np.nansum(shares), 1, rtol=0, atol=1e-12)
    g = jax.grad(loss)(params, x)
    whole = weights.contracted(r, r.deltas)
    norm = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(g)))
    np.testing.assert_allclose(scaled.log_norm(whole), np.log(norm), rtol=0, atol=1e-12)
    h, deltas = r.states[-2], scaled.plain(r.deltas)[-1] * (1 - r.states[-1] ** 2)
    squares = jnp.sum(h**2) + jnp.sum(x[-1] ** 2) + 1
    expected = jnp.log(jnp.linalg.norm(deltas) * jnp.sqrt(squares))
    np.testing.assert_allclose(
        found["log_norm_weight_gradient_by_lag"][0], expected, rtol=0, atol=1e-12
    )


STEPS = {
    "without biases": lambda p, h, x: (jnp.tanh(p["W"] @ h + p["U"] @ x), 0),
    "real weights of a complex state": lambda p, h, x: (p["W"] @ h * (0.5 + 0.6j) + p["U"] @ x, 0),
    "weights of an output alone": lambda p, h, x: (0.9 * h + x[0], p["W"] @ h + p["U"] @ x),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.wide] * (n != "without biases")) for n in STEPS]
)
def test_weights_by_use_are_those_of_each_step(name):
    params, step = small.vanilla(dtype=jnp.float64)[1], STEPS[name]
    del params["b"]
    x = small.sequences(dtype=jnp.float64)[0]
    start = jnp.zeros(3, complex if "complex" in name else float)

    def loss(params, x):
        h, y = jax.lax.scan(lambda h, x: step(params, h, x), start, x)
        return jnp.sum((h * (1 + 0.5j)).real ** 2) + jnp.sum(y)

    r = rnnjax.recurrences(loss, params, x)[0]
    found = jax.jit(weights.by_use)(r)["log_norm_weight_gradient_by_lag"]

    @jax.jit
    def of_step(h, x, delta):
        c = jax.vjp(lambda p: step(p, h, x)[0], params)[1](delta)[0]
        return 0.5 * jnp.log(sum(jnp.sum(leaf**2) for leaf in c.values()))

    expected = [of_step(*at) for at in zip(r.states[:-1], x, scaled.plain(r.deltas), strict=True)]
    assert found.dtype == jnp.float64
    np.testing.assert_allclose(found[:-1], expected[::-1], rtol=0, atol=1e-12)


def every_step(loss_at_end):
    """A loss at every step, so that windows differ from sums over lags."""

    def loss(params, x):
        def step(h, x):
            h = jnp.tanh(params["W"] @ h + params["U"] @ x + params["b"])
            return h, jnp.sum(h**3)

        return jnp.sum(jax.lax.scan(step, jnp.zeros(3, x.dtype), x)[1])

    return loss


@pytest.mark.parametrize("at_every_step", [pytest.param(False, marks=pytest.mark.slow), True])
def test_window_is_one_truncated_run_for_each_length(at_every_step):
    loss, params = small.vanilla(gain=1.2, dtype=jnp.float64)
    loss = every_step(loss) if at_every_step else loss
    x = small.sequences(n_steps=12, dtype=jnp.float64)[0]
    r = rnnjax.recurrences(loss, params, x)[0]
    found = jax.jit(window.windows, static_argnums=(1, 2))(r, 12, 0.0)
    whole = rnnjax.BPTT()(r.cell, r.loss, r.params, r.batch, ()).grads
    for k in range(1, 13):
        cut = rnnjax.BPTT(window=k)(r.cell, r.loss, r.params, r.batch, ()).grads
        cosine = scaled.cosine(cut, whole)
        share = jnp.exp(scaled.log_norm(cut) - scaled.log_norm(whole))
        np.testing.assert_allclose(found["window_cosine"][k - 1], cosine, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found["window_norm_share"][k - 1], share, rtol=1e-10)


def test_window_stops_where_nothing_is_left(vanilla):
    *_, r = vanilla
    exact, early = (
        jax.jit(window.windows, static_argnums=(1, 2))(r, 20, 0.0),
        jax.jit(window.windows, static_argnums=(1, 2))(r, 20, 1e-3),
    )
    np.testing.assert_allclose(early["window_cosine"], exact["window_cosine"], atol=1e-5)
    np.testing.assert_allclose(early["window_norm_share"], exact["window_norm_share"], atol=1e-3)


def test_weights_that_act_before_two_gaps_are_measured(float32):
    """h_1 = 1 falls by e^-50 at two steps: every weight gradient is e^-100 or 0.

    Those of the second gap and behind it act on a state that is 0 in float32.
    """

    def loss(w, example):
        return jax.lax.scan(lambda h, u: (w * jnp.exp(-u[1]) * h + u[0], None), 0.0, example)[0]

    dt = jnp.zeros(60).at[jnp.array([20, 40])].set(50.0)
    r = rnnjax.recurrences(loss, 1.0, (jnp.zeros(60).at[0].set(1.0), dt))[0]
    acting = (np.arange(60) > 19) & (np.arange(60) < 59)  # by lag; h_0 is 0
    found = jax.jit(weights.by_use)(r)
    logs = found["log_norm_weight_gradient_by_lag"][:60]
    np.testing.assert_allclose(logs, np.where(acting, -100, -np.inf), rtol=1e-6)
    shares = np.asarray(found["weight_gradient_share"][:60])
    np.testing.assert_allclose(shares, acting / acting.sum(), rtol=1e-5)
    found = jax.jit(window.windows, static_argnums=(1, 2))(r, 60, 0.0)
    first = np.argmax(acting)
    assert np.all(np.isnan(found["window_cosine"][:first]))
    np.testing.assert_allclose(found["window_cosine"][first:], 1, rtol=1e-5)
    expected = np.cumsum(acting) / acting.sum()
    np.testing.assert_allclose(found["window_norm_share"], expected, rtol=1e-5)


@pytest.mark.wide
def test_spectrum_is_that_of_the_own_cell(vanilla):
    _, params, x, r = vanilla
    cell = rnnjax.Vanilla(n_h=3, n_x=2, n_y=1)
    own = cell.init(jax.random.key(0))._replace(W=params["W"], U=params["U"], b=params["b"])
    ones = jnp.ones(len(x))
    batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), ones)
    expected = rnnjax.probes.lyapunov_spectrum(cell, None, own, batch, n_discarded=2)
    found = jax.jit(spectrum.exponents, static_argnums=1)(r, 4)
    np.testing.assert_allclose(found["exponents"][:3], expected["exponents"], atol=1e-10)
    assert jnp.isnan(found["exponents"][3])


@pytest.mark.wide
def test_singular_values_of_products(vanilla):
    _, params, _, r = vanilla
    found = jax.jit(spectrum.singular_values, static_argnums=1)(r, 4)["log_singular_values"]
    J = jacobians(params, r.states)
    for row, span in zip(found, spectrum.SPANS, strict=True):
        if span > len(J):
            assert jnp.all(jnp.isnan(row))
            continue
        product = np.linalg.multi_dot(J[::-1][:span])
        expected = np.log(np.linalg.svd(product, compute_uv=False))
        np.testing.assert_allclose(row[:2], expected[:2], rtol=0, atol=1e-8)
        # The smallest is lost in the rounding of the product; the determinant has them all.
        log_det = sum(np.linalg.slogdet(j)[1] for j in J[-span:])
        np.testing.assert_allclose(jnp.sum(row[:3]), log_det, rtol=0, atol=1e-8)


LOSING = {
    "silent units": lambda W, h, x: jax.nn.relu(W @ h + x),
    "silent pre-activations": lambda W, h, x: W @ jax.nn.relu(h) + x,
    "weights of rank three": lambda W, h, x: jnp.tanh(W[:, :3] @ (W[:, :3].T @ h) + x),
}


@pytest.mark.wide
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("name", LOSING)
def test_singular_values_and_exponents_of_lost_directions_are_0(name, dtype):
    """The rank of a product is that of its Jacobian of the lowest rank, as nothing else is lost."""
    rng, step = np.random.default_rng(0), LOSING[name]
    W = jnp.asarray(rng.normal(size=(6, 6)) * 0.45, dtype)
    x = jnp.asarray(rng.normal(size=(70, 6)) * 0.5 + 0.4, dtype)

    def loss(W, x):
        return jnp.sum(jax.lax.scan(lambda h, x: (step(W, h, x), None), x[0] * 0, x)[0])

    r = rnnjax.recurrences(loss, W, x)[0]
    wide = [np.asarray(a, float) for a in (r.states[:-1], x)]
    with jax.enable_x64(True):
        J = jax.vmap(lambda h, x: jax.jacobian(lambda h: step(W.astype(float), h, x))(h))(*wide)
        ranks = np.linalg.matrix_rank(J)
    found = jax.jit(spectrum.singular_values, static_argnums=1)(r, 6)["log_singular_values"]
    for row, span in zip(found, spectrum.SPANS, strict=True):
        left = ranks[-span:].min()
        assert np.all(np.isfinite(row[:left])) and np.all(row[left:] == -np.inf)
    exponents = jax.jit(spectrum.exponents, static_argnums=1)(r, 6)["exponents"]
    left = ranks[7:].min()
    assert np.all(np.isfinite(exponents[:left])) and np.all(exponents[left:] == -np.inf)


@pytest.mark.wide
def test_keep_gates_of_an_lstm_are_its_forget_gates():
    loss, params = small.lstm(dtype=jnp.float64)
    x = small.sequences(dtype=jnp.float64)[0]
    r = rnnjax.recurrences(loss, params, x)[0]
    keep, is_gate = jax.jit(units.keep_factors)(r)
    h = r.states[:-1, 2:]
    z = h @ params["W"].T + x @ params["U"].T + params["b"][None]
    np.testing.assert_allclose(keep[:, :2], jax.nn.sigmoid(z[:, 2:4]), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(is_gate, [True, True, False, False])


@pytest.mark.wide
def test_dead_and_flat_units():
    loss, params = small.vanilla(activation=jax.nn.relu, dtype=jnp.float64)
    params |= {"b": jnp.array([-100.0, 0.0, 100.0])}
    r = rnnjax.recurrences(loss, params, small.sequences(dtype=jnp.float64)[0])[0]
    found = jax.jit(units.slopes)(r)
    np.testing.assert_array_equal(found["dead"], [True, False, False])
    np.testing.assert_allclose(found["flat_share"][jnp.array([0, 2])], [1, 0])
    inactive = np.mean(np.asarray(r.states[1:, 1]) == 0)
    np.testing.assert_allclose(found["flat_share"][1], inactive)


@pytest.mark.parametrize(
    "activation", [jax.nn.relu, pytest.param(jnp.tanh, marks=pytest.mark.wide)]
)
def test_steps_at_which_units_are_not_a_number_count_in_no_share(activation):
    loss, params = small.vanilla(activation=activation, dtype=jnp.float64)
    params |= {"b": jnp.array([-100.0, 0.0, 100.0])}
    x = small.sequences(dtype=jnp.float64)[0]
    found, right = (
        units.slopes(rnnjax.recurrences(loss, params, x)[0]) for x in (x.at[5:].set(jnp.nan), x[:5])
    )
    for name, values in found.items():
        np.testing.assert_array_equal(values, right[name], err_msg=name)
    nowhere = units.slopes(rnnjax.recurrences(loss, params, x * jnp.nan)[0])
    assert np.isnan(nowhere["flat_share"]).all() and not nowhere["dead"].any()


def test_what_is_not_a_number_overflows_in_no_format(vanilla):
    loss, params, x, _ = vanilla
    lost = {**params, "W": params["W"] * jnp.nan}
    exploding = {**params, "W": params["W"] * 1e30, "U": params["U"] * 0}
    found = [
        jax.jit(transport.transport)(rnnjax.recurrences(loss, p, x)[0]) for p in (lost, exploding)
    ]
    for form, lags in {"float32": (-1, 2), "float16": (-1, 1)}.items():
        assert tuple(int(rows[f"overflow_lag_{form}"]) for rows in found) == lags


@pytest.mark.parametrize("n_read", [pytest.param(1, marks=pytest.mark.wide), 3, 12])
def test_windows_of_a_loss_that_few_steps_read(n_read, monkeypatch):
    """They carry these steps back alone, and find what all steps give."""
    _, params = small.vanilla(dtype=jnp.float64)
    x = small.sequences(dtype=jnp.float64)[0]
    # The first step too, beyond which there is none.
    places = np.r_[0, np.linspace(3, len(x) - 1, n_read - 1)].astype(int)

    def loss(params, x):
        def step(h, x):
            h = jnp.tanh(params["W"] @ h + params["U"] @ x + params["b"])
            return h, h

        states = jax.lax.scan(step, jnp.zeros(len(params["b"]), x.dtype), x)[1]
        return jnp.sum(states[places] ** 3)

    def found():
        # A function of its own, as jit keeps what it has traced.
        r = rnnjax.recurrences(loss, params, x)[0]
        return jax.jit(lambda r: window.windows(r, 10, 0.0))(r)

    chosen = found()
    for few in (0, len(x) - 1):
        monkeypatch.setattr(window, "_FEW", few)
        for name, values in found().items():
            np.testing.assert_allclose(values, chosen[name], rtol=0, atol=1e-12)
            assert np.all(np.isfinite(values))


@pytest.mark.wide
def test_recurrent_weights_are_told_from_input_weights():
    loss, params = small.vanilla(n=2, n_x=2, dtype=jnp.float64)
    r = rnnjax.recurrences(loss, params, small.sequences(dtype=jnp.float64)[0])[0]
    chosen = [r.params[i] for i in recurrent(r)]
    assert len(chosen) == 1
    np.testing.assert_array_equal(chosen[0], params["W"])


@pytest.mark.wide
def test_orthogonal_factors_of_blocks():
    w = jax.random.normal(jax.random.key(0), (3, 9))
    found = orthogonal(w, 3)
    for block in np.split(np.asarray(found), 3, axis=1):
        np.testing.assert_allclose(block @ block.T, np.eye(3), rtol=0, atol=1e-12)
    np.testing.assert_allclose(orthogonal(w.T, 3), found.T, rtol=0, atol=1e-12)


def test_a_complex_number_is_rounded_in_both_parts():
    values = jnp.array([1 / 3 + 1e-30j, 7e4 - 0.1j])
    found = [f.rounded(values) for f in transport.FORMATS]
    for format_, rounded in zip(transport.FORMATS, found, strict=True):
        np.testing.assert_array_equal(rounded.real, format_.rounded(values.real))
        np.testing.assert_array_equal(rounded.imag, format_.rounded(values.imag))


@pytest.mark.wide
def test_a_program_with_a_complex_state_is_diagnosed():
    factor = jnp.exp(jnp.array([-0.1 + 1.0j, -0.02 + 2.0j]))

    def loss(params, x):
        def step(h, x):
            return params["factor"] * h + x[:2], None

        h, _ = jax.lax.scan(step, jnp.zeros(2, factor.dtype), x)
        return jnp.sum(h.real)

    x = small.sequences(dtype=jnp.float64)
    report = rnnjax.diagnose(loss, {"factor": factor}, x)
    r = rnnjax.recurrences(loss, {"factor": factor}, x[0])[0]
    by_lag = np.asarray(jax.jit(transport.transport)(r)["log_norm_by_lag"])
    expected = 0.5 * np.logaddexp(-0.2 * np.arange(20), -0.04 * np.arange(20))
    np.testing.assert_allclose(by_lag[:20] - by_lag[0], expected - expected[0], atol=1e-12)
    assert "Contracting, -0.0207" in str(report)
    h = np.concatenate([np.zeros((1, 2), complex), np.asarray(r.states)[1:]])
    c = np.asarray(factor) ** np.arange(19, -1, -1)[:, None] * h[:-1]
    g = c.sum(0)
    shares = np.sum((c.conj() * g).real, axis=1) / np.sum(abs(g) ** 2)
    by_use = jax.jit(weights.by_use)(r)
    np.testing.assert_allclose(by_use["weight_gradient_share"][:20], shares[::-1], atol=1e-12)
    found = jax.jit(window.windows, static_argnums=(1, 2))(r, 20, 0.0)
    np.testing.assert_allclose(found["window_cosine"][-1], 1.0, rtol=1e-12)
    np.testing.assert_allclose(found["window_norm_share"][-1], 1.0, rtol=1e-12)


@pytest.mark.wide
def test_a_real_gate_on_a_complex_state_is_a_gate_and_a_turning_factor_is_none():
    turns = jnp.exp(jnp.array([0.0, 1.0j]))

    def loss(params, x):
        def step(h, x):
            gate = jax.nn.sigmoid(params["w"] * x[0] + params["b"])
            return gate * turns * h + x[:2], None

        h, _ = jax.lax.scan(step, jnp.zeros(2, turns.dtype), x)
        return jnp.sum(h.real**2 + h.imag)

    params = {"w": jnp.ones(2), "b": jnp.full(2, -1.0)}
    x = small.sequences(dtype=jnp.float64)
    r = rnnjax.recurrences(loss, params, x[0])[0]
    keep, is_gate = jax.jit(units.keep_factors)(r)
    np.testing.assert_array_equal(is_gate, [True, False])
    np.testing.assert_allclose(keep[:, 0], jax.nn.sigmoid(x[0, :, 0] - 1), atol=1e-12)
    assert "scan_0" in str(rnnjax.diagnose(loss, params, x))


@pytest.mark.parametrize("size", [1e-37, 1e-20, 1.0, 1e25, 1e37])
def test_the_length_of_a_gradient_at_any_magnitude_of_float32(size):
    parts = [jnp.array([[3.0, 0.0], [0.0, 1e-3]]), jnp.array([4.0 + 1j])]
    expected = np.log(size) + 0.5 * np.log(9 + 1e-6 + 17)
    kinds = (jnp.float32, jnp.complex64)
    sized = [(part * size).astype(kind) for part, kind in zip(parts, kinds, strict=True)]
    found = weights._log_length(sized)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for shape in ((), 1, 3):
        nothing = jnp.zeros(shape, jnp.float32)
        assert jax.jit(lambda x: weights._log_length([x]))(nothing) == -np.inf


@pytest.mark.parametrize("n", [1, 3, 1000])
@pytest.mark.parametrize("entry", [2e38, 3e38])
def test_the_length_of_a_gradient_whose_magnitudes_sum_to_more_than_a_float32(entry, n):
    """Or to so much that the reciprocal of the sum is no normal number."""
    found = weights._log_length([jnp.full(n, entry, jnp.float32)])
    np.testing.assert_allclose(found, np.log(entry) + 0.5 * np.log(n), rtol=1e-6)
    with_inf = weights._log_length([jnp.array([entry, jnp.inf], jnp.float32)])
    assert with_inf == np.inf


def mixed(p, h, s, x):
    """A complex state and a real one that reads it."""
    s = jnp.tanh(0.3 * s + (p["C"] @ h).real + x)
    return p["factor"] * h + p["B"] @ (s + x), s


def modulated(p, h, s, x):
    """A unitary network with modReLU, beside a real state that only reads it."""
    z = p["Q"] @ h + p["B"] @ x
    size = jnp.sqrt(z.real**2 + z.imag**2 + 1e-8)
    return jnp.maximum(size + 0.05, 0) * z / size, 0.5 * s + h.real[:2]


def complex_params():
    a, b, c = (
        jax.random.normal(jax.random.key(i), (2, 3, 3)) @ jnp.diag(jnp.array([1, 0.8, 0.5]))
        for i in range(3)
    )
    factor = jnp.exp(jnp.array([-0.1 + 1j, -0.3 + 2j, -0.5 - 1j]))
    B, C = 0.3 * (b[0] + 1j * b[1])[:, :2], 0.3 * (c[0] + 1j * c[1])[:2]
    return {"factor": factor, "B": B, "C": C, "Q": jnp.linalg.qr(a[0] + 1j * a[1])[0]}


@pytest.mark.wide
@pytest.mark.parametrize("one", [mixed, modulated])
def test_a_complex_state_without_a_complex_jacobian_counts_in_real_numbers(one):
    """As the same step written with real numbers alone."""
    h0, s0 = jnp.full(3, 0.1 + 0.2j), jnp.zeros(2)
    held = jnp.arange(12) != 4

    def loss(p, x):
        def step(carry, at):
            new = one(p, *carry, at[0])
            return tuple(jnp.where(at[1], a, b) for a, b in zip(new, carry, strict=True)), None

        h, s = jax.lax.scan(step, (h0, s0), (x, held))[0]
        return jnp.sum(h.real**2 + h.imag) + jnp.sum(s)

    r = rnnjax.recurrences(loss, complex_params(), x := small.sequences(1, 12)[0])[0]
    np.testing.assert_array_equal(steps.held(r), ~held)
    state = jnp.concatenate([h0.real, s0, h0.imag])

    def real_step(v, t):
        h, s = one(complex_params(), jax.lax.complex(v[:3], v[5:]), v[3:5], x[t])
        return jnp.concatenate([h.real, s, h.imag])

    factors, products = [], [np.eye(8)]
    for t in range(12):
        factors.append(np.asarray(jax.jacobian(real_step)(state, t)) if held[t] else np.eye(8))
        state = real_step(state, t) if held[t] else state
        products.append(factors[-1] @ products[-1])
    four = np.linalg.multi_dot(factors[:-5:-1])
    found = jax.jit(spectrum.singular_values, static_argnums=1)(r, 8)["log_singular_values"][0]
    right = np.log(np.linalg.svd(four, compute_uv=False))
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-6)
    few = jax.jit(spectrum.singular_values, static_argnums=1)(r, 4)["log_singular_values"][0]
    np.testing.assert_allclose(few, right[:4], rtol=0, atol=1e-6)
    exponents = jax.jit(spectrum.exponents, static_argnums=1)(r, 9)["exponents"]
    assert steps.n_directions(r) == np.sum(~np.isnan(exponents)) == 8
    gain = [np.log(np.linalg.norm(M) / 8**0.5) for M in products[1:]]
    # Four of eight directions are drawn.
    memories = jax.jit(memory.forward_memory)(r)["log_norm_forward"]
    np.testing.assert_allclose(memories, gain, rtol=0, atol=0.6)


@pytest.mark.wide
def test_a_complex_state_beside_a_typed_key():
    def loss(p, x):
        def step(carry, x):
            h, key = carry
            key, own = jax.random.split(key)
            return (p * h * jax.random.bernoulli(own, 0.9) + x[0], key), None

        return jnp.abs(jax.lax.scan(step, (1j + 0 * x[0, 0], jax.random.key(0)), x)[0][0]) ** 2

    data = rnnjax.diagnose(loss, 0.5 + 0.5j, small.sequences(1, 8)).dataset
    assert data["exponents"].values[0, 0] <= np.log(0.5**0.5) + 1e-6


@pytest.mark.parametrize(
    "given_as",
    ["nothing", *(pytest.param(way, marks=pytest.mark.wide) for way in ("inputs", "state"))],
)
def test_a_scan_without_weights_has_no_row_of_weights(given_as):
    """An average, a scan over layers, and an optimiser in the loop read no constant weights."""

    def loss(p, x):
        if given_as == "nothing":
            h = jax.lax.scan(lambda h, x: (0.9 * h + x, None), jnp.zeros(2), x)[0]
        elif given_as == "inputs":
            h = jax.lax.scan(lambda h, w: (jnp.tanh(w * h), None), x[0], p["layers"])[0]
        else:
            h = jax.lax.scan(lambda w, x: (w - 0.1 * w * x**2, None), p["v"], x)[0]
        return jnp.sum((p["v"] * h) ** 2)

    params = {"v": jnp.ones(2), "layers": jnp.full((4, 2), 0.5)}
    report = rnnjax.diagnose(loss, params, small.sequences(2, 6))
    for name in ("weight_gradient_share", "window_cosine", "log_norm_weight_gradient_by_lag"):
        assert np.isnan(report.dataset[name].values).all()
    assert "horizon" in {f.name for f in report.findings}


@pytest.mark.parametrize(
    ("activation", "bias", "expected"),
    [(lambda z: z, 0.0, True), (jax.nn.relu, 3.0, True), (jax.nn.relu, 0.0, False)],
)
def test_a_relu_layer_of_which_no_unit_switches_is_linear(activation, bias, expected):
    """Its states may be small: what they would do far away does not count."""
    loss, params = small.vanilla(gain=1.2, bias=bias * 1e-3, activation=activation)
    params |= {"W": 1.2 * jnp.eye(3), "U": params["U"] * 1e-4}
    r = rnnjax.recurrences(loss, params, small.sequences(1, 30)[0])[0]
    assert jax.jit(spectrum.linear)(r)["linear"] == expected


@pytest.mark.parametrize(
    ("n_steps", "expected"),
    [pytest.param(40, np.log(1.25), marks=pytest.mark.wide), (16, np.log(1.25)), (15, np.nan)],
)
def test_the_rate_at_which_a_state_grows(n_steps, expected):
    """One entry of the state grows by a quarter a step, the other one swings between 1 and 2."""

    def loss(w, x):
        def step(h, x):
            return jnp.array([w * h[0], 3 - h[1]]) + 0 * x, None

        return jnp.sum(jax.lax.scan(step, jnp.ones(2), x)[0])

    r = rnnjax.recurrences(loss, 1.25, jnp.zeros((n_steps, 2)))[0]
    np.testing.assert_allclose(spectrum.state_growth(r)["state_growth"], expected, rtol=1e-6)


@pytest.mark.wide
def test_a_relu_network_that_explodes_is_not_chaotic():
    """Its units switch all the time; a tanh network of the same weights is chaotic."""
    told = {}
    for activation in (jax.nn.relu, jnp.tanh):
        loss, params = small.vanilla(n=24, activation=activation)
        W = 3.0 * jax.random.normal(jax.random.key(5), (24, 24)) / 24**0.5
        report = rnnjax.diagnose(loss, params | {"W": W}, small.sequences(3, 60))
        (told[activation],) = [f.statement for f in report.findings if f.name == "spectrum"]
    assert told[jax.nn.relu].startswith("Unbounded growth of the state, 0.")
    assert told[jnp.tanh].startswith("Chaotic, 0.")


@pytest.mark.wide
def test_a_carry_that_adds_up_is_no_chaos():
    """The place after t steps at one speed: the direction (1, t) grows in proportion to time."""

    def loss(w, x):
        def step(carry, x):
            speed, place = carry
            return (speed + x, place + w * speed), None

        return jax.lax.scan(step, (0.0, 0.0), x)[0][1]

    report = rnnjax.diagnose(loss, 1.0, jax.random.normal(jax.random.key(0), (2, 60)))
    (found,) = [f for f in report.findings if f.name == "spectrum"]
    # From the 6 steps that align the directions to step 60: at most by a factor of 10.
    assert 1.5 < 54 * found.number < np.log(10) and not found.alarm, found.statement


@pytest.mark.wide
def test_an_unstable_fixed_point_is_no_chaos():
    loss, params = small.vanilla(gain=2.0, n_x=2)
    report = rnnjax.diagnose(loss, params, jnp.zeros((2, 40, 2)))
    (said,) = [f.statement for f in report.findings if f.name == "spectrum"]
    assert said.startswith("Expanding, 0.693")


@pytest.mark.wide
def test_a_step_with_a_backward_rule_has_the_rows_of_the_same_derivative():
    """A `custom_vjp` alone, as surrogate gradients of spikes are written."""
    ruled = jax.custom_vjp(jnp.tanh)
    ruled.defvjp(lambda z: (jnp.tanh(z), jnp.tanh(z)), lambda y, g: ((1 - y**2) * g,))
    x = small.sequences(1, 12, dtype=jnp.float64)[0]

    def found(activation):
        loss, params = small.vanilla(activation=activation, dtype=jnp.float64)
        r = rnnjax.recurrences(loss, params, x)[0]
        effort = measure.Effort(longest_window=12, tolerance=0, n_exponents=3)
        return jax.jit(lambda r: measure.wide(r) | measure.close(r, effort))(r)

    rows, right = found(ruled), found(jnp.tanh)
    for name in set(right) - {"flat_share", "dead"}:  # no activation is known
        np.testing.assert_allclose(rows[name], right[name], rtol=1e-9, atol=1e-9, err_msg=name)
    assert rows["flat_share"].size == 0
