"""Networks of complex numbers: right in every rule, probe and training, or refused in one line."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import analysis, decks, holomorphic, parallel, probes, real_view, rules, scaled, updates
from rnnjax.decks import ratios
from rnnjax.losses import squared_error
from tests.crossed import crossed, one_in, wide_but
from tests.discovery import rules_found
from tests.fuzz import cells
from tests.rules.test_contract import rule_named

KEY = jax.random.key(3)
T = 5
CELLS = {
    "complex weights": cells.ComplexLinear(2, 3, 2),
    "real weights": cells.RealWeights(2, 3, 2),
    "not holomorphic": cells.Modulated(2, 3, 2),
    "homogeneous": rnnjax.LRU(2, 3, 2),
}
RNG = np.random.default_rng(3)
BATCH = rnnjax.Batch(
    jax.device_put(RNG.standard_normal((T, 2))),
    jax.device_put(RNG.standard_normal((T, 2))),
    jax.device_put(np.array([1.0, 0.5, 0.0, 2.0, 1.0])),
)
# Exact on these, whether or not they are called so.
EXACT = {"BPTT", "RTRL", "DiscountedRTRL", "ForwardErrors", "SnAp", "TruncatedBPTT"}
# The recurrent weights have no ratio each: at the first step, from h_0 = 0, their gradient is 0.
WITH_RATIO = decks.EligibilityRatio(of=ratios.norms)
OPTIONS = {
    "EligibilityRatio": {"of": ratios.norms},
    "MatchedLength": {"rule": WITH_RATIO},
    "SnAp": {"n": 9},
    "TruncatedBPTT": {"window": T},
}


def made(name):
    return rules_found()[name](**OPTIONS[name]) if name in OPTIONS else rule_named(name)


def flat(tree):
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(tree)])


def error(got, expected):
    return np.linalg.norm(flat(got) - flat(expected)) / np.linalg.norm(flat(expected))


def drawn(cell):
    """Normal parameters of the cell's shapes: without a program that draws its own."""
    rng = np.random.default_rng(3)

    def one(like):
        parts = rng.standard_normal((2, *like.shape)) / 2
        both = parts[0] + 1j * parts[1] if jnp.issubdtype(like.dtype, complex) else parts[0]
        return both.astype(like.dtype)

    return jax.tree.map(one, jax.eval_shape(cell.init, KEY))


@functools.cache
def oracle(kind):
    """Parameters, and loss and gradient there."""
    cell = CELLS[kind]

    @jax.jit
    def run(key):
        params = cell.init(key)
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)  # noqa: E731
        return params, jax.value_and_grad(loss)(params)

    return run(KEY)


@pytest.mark.wide
@crossed("name, kind", rules_found(), CELLS, always=("RTRL",), every=2, wide=6)
def test_a_rule_on_a_complex_network(name, kind):
    rule, cell, batch = made(name), CELLS[kind], BATCH
    params, (loss, grads) = oracle(kind)
    if hasattr(rule, "rule"):  # a ratio to a step without a loss is none
        batch = batch.replace(mask=jnp.ones(T))

    @jax.jit
    def run(params):
        state = rule.init(cell, params, batch, KEY)
        whole, steps = (
            rule(cell, squared_error, params, batch, state, per_step=n) for n in (False, True)
        )
        summed = jax.tree.map(lambda a: a.sum(0), scaled.plain(steps.grads))
        return whole.loss, scaled.plain(whole.grads), summed

    try:
        whole, got, summed = run(params)
    except ValueError as refused:
        message = str(refused)
        if "expected a cell with" not in message or "\n" in message or name in EXACT:
            raise
        return
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(params), strict=True):
        assert jnp.iscomplexobj(a) == jnp.iscomplexobj(b)
    assert error(summed, got) < 1e-10
    if name in EXACT:
        np.testing.assert_allclose(whole, loss, rtol=1e-12)
        assert error(got, grads) < 1e-10


@pytest.mark.parametrize("rule", [rules.BPTT(), rules.RTRL()], ids=["BPTT", "RTRL"])
def test_a_pole_of_tanh_at_a_step_without_weight_does_not_reach_the_gradient(rule):
    """tanh(i pi / 2) is 1.6e16 i, and exp of its square no number."""
    cell = rnnjax.Vanilla(1, 1)
    params = jax.tree.map(lambda like: jnp.zeros(like.shape), jax.eval_shape(cell.init, KEY))
    params = params._replace(U=jnp.ones((1, 1)), V=jnp.ones((1, 1)))
    x = jnp.array([[0.1], [0.5j * np.pi], [0.2]])
    batch = rnnjax.Batch(x, jnp.zeros((3, 1)), jnp.array([1.0, 0.0, 1.0]))
    loss = lambda y_hat, y: jnp.exp(jnp.sum(jnp.abs(y_hat - y) ** 2))  # noqa: E731
    found = rule(cell, loss, params, batch)
    both = np.tanh([0.1, 0.2])
    np.testing.assert_allclose(found.loss, np.sum(np.exp(both**2)), rtol=1e-12)
    c = np.sum(2 * both * np.exp(both**2))
    np.testing.assert_allclose(scaled.plain(found.grads.c), [c], rtol=1e-12)


@pytest.mark.wide
def test_the_published_case():
    class Linear:
        def initial_state(self):
            return jnp.zeros(1, complex)

        def step(self, params, h, x):
            return params["lam"] * h + params["B"] * x

        def readout(self, params, h):
            return (params["C"] * h).real

    params = {"lam": np.array(0.5 + 0j), "B": np.array(2 + 2j), "C": np.array(2 + 1j)}
    batch = rnnjax.Batch(jnp.array([[1.0], [2], [3]]), jnp.ones((3, 1)), jnp.ones(3))
    half = lambda y_hat, y: 0.5 * jnp.sum((y_hat - y) ** 2)  # noqa: E731

    @jax.jit
    def run(params):
        each = [rule(Linear(), half, params, batch) for rule in (rules.BPTT(), rules.RTRL())]
        return [scaled.plain(out.grads)["lam"] for out in each]

    np.testing.assert_allclose(run(params), [53 + 159j] * 2, rtol=1e-12)


@pytest.mark.wide
@pytest.mark.parametrize("kind", one_in(2, CELLS, wide=2))
def test_unbiased_rules_are_exact_in_the_mean(kind):
    """Over all signs of one step of two entries: UORO and the rule that tries noise."""
    cell = type(CELLS[kind])(2, 1, 2)
    batch = jax.tree.map(lambda a: a[:2], BATCH)
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 4, indexing="ij"), -1).reshape(-1, 2, 2)

    @jax.jit
    def both(key, signs):
        params = cell.init(key)
        state = rules.UORO().init(cell, params, batch, key)

        def one(nu):
            out = rules.UORO(nu)(cell, squared_error, params, batch, state)
            return scaled.plain(out.grads)

        mean = jax.tree.map(lambda a: a.mean(0), jax.vmap(one)(signs))
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch)  # noqa: E731
        return mean, jax.grad(loss)(params)

    assert error(*both(KEY, signs)) < 1e-12


@pytest.mark.parametrize("kind", wide_but(["not holomorphic"], one_in(2, CELLS)))
def test_norms_by_length_are_those_of_separate_gradients(kind):
    cell = CELLS[kind]

    @jax.jit
    def both(params, xs):
        def separate(n):
            def last(h):
                for x in xs[:n]:
                    h = cell.step(params, h, x)
                return squared_error(cell.readout(params, h), BATCH.y[n - 1])

            return jnp.log(jnp.linalg.norm(jax.grad(last)(cell.initial_state())))

        found = probes.log_norm_by_length(cell, squared_error, params, BATCH)
        return found["log_norm_by_length"], jnp.stack([separate(n) for n in range(1, T + 1)])

    np.testing.assert_allclose(*both(drawn(cell), BATCH.x), rtol=1e-10)


@pytest.mark.wide
@pytest.mark.parametrize("kind", one_in(2, CELLS, wide=2))
def test_spectra_are_those_of_the_real_jacobian(kind):
    cell = CELLS[kind]

    @jax.jit
    def run(params):
        def step(v, x):
            return real_view.split(cell.step(params, real_view.joined(v), x))

        def both(v, x):
            return step(v, x), jax.jacfwd(step)(v, x)

        Js = jax.lax.scan(both, real_view.split(cell.initial_state()), BATCH.x)[1]
        found = probes.log_singular_values(cell, None, params, BATCH)["log_singular_values"]
        exponents = probes.lyapunov_spectrum(cell, None, params, BATCH)["exponents"]
        return Js, found[-1], exponents

    Js, found, exponents = jax.tree.map(np.asarray, run(oracle(kind)[0]))
    product = functools.reduce(lambda M, J: J @ M, Js)
    logs = np.log(np.linalg.svd(product)[1])
    doubled = 1 if kind == "not holomorphic" else 2
    np.testing.assert_allclose(np.sort(np.repeat(found, doubled)), np.sort(logs), atol=1e-8)
    np.testing.assert_allclose(doubled * np.sum(exponents), np.sum(logs) / T, atol=1e-9)


def test_a_step_is_holomorphic_or_not():
    for kind, cell in CELLS.items():
        found = holomorphic.is_holomorphic(cell, drawn(cell), BATCH.x[0])
        assert found == (kind != "not holomorphic")


class TwoScales:
    """A large entry that is holomorphic beside a small one that is not."""

    def initial_state(self):
        return jnp.zeros(2, complex)

    def step(self, params, h, x):
        return jnp.stack([1e6 * h[0] + x[0], params["small"] * h[1].conj() + 0.5 * h[1]])


@pytest.mark.parametrize("small", [1.0, 1e-6])
def test_a_large_entry_does_not_hide_a_small_one_that_is_not_holomorphic(small):
    cell, params = TwoScales(), {"small": jnp.array(small)}
    found = probes.log_singular_values(cell, None, params, BATCH)["log_singular_values"]
    per_step = np.log(np.array([1e6, 1e6, 0.5 + small, abs(0.5 - small)]))
    np.testing.assert_allclose(np.asarray(found)[-1], T * per_step, rtol=1e-9)


@pytest.mark.wide
@pytest.mark.parametrize("kind", one_in(2, CELLS, wide=2))
def test_newtons_method_gives_the_states_of_the_scan(kind):
    cell = CELLS[kind]

    @jax.jit
    def both(params):
        def of_scan(p):
            states = rnnjax.unroll(cell, p, BATCH.x).plain
            return jnp.sum(jnp.abs(states) ** 2), states

        def of_newton(p):
            solved = parallel.unroll(cell, p, BATCH.x)
            return jnp.sum(jnp.abs(solved.states) ** 2), solved

        return [jax.grad(of, has_aux=True)(params) for of in (of_scan, of_newton)]

    (expected, states), (got, solved) = both(oracle(kind)[0])
    assert solved.converged
    np.testing.assert_allclose(solved.states, states, atol=1e-10)
    assert error(got, expected) < 1e-9


WRAPPINGS = {
    "plain": updates.plain,
    "bare": lambda optimiser: optimiser,
    "clip_by_norm": lambda optimiser: updates.clip_by_norm(1e9, optimiser),
    "clip_by_value": lambda optimiser: updates.clip_by_value(1e9, optimiser),
    "clip_by_unit": lambda optimiser: updates.clip_by_unit(1e9, optimiser),
}


class Fixed:
    def sample(self, key):
        return BATCH

    loss = staticmethod(squared_error)


@pytest.mark.parametrize("wrapping", one_in(2, WRAPPINGS, wide=3))
def test_training_goes_down_along_the_conjugate_gradient(wrapping):
    """The first update of plain descent is against steepest ascent, in fit and fit_online."""
    cell = CELLS["complex weights"]
    params, (_, grads) = oracle("complex weights")
    optimiser = WRAPPINGS[wrapping](optax.sgd(1e-3))
    expected = jax.tree.map(lambda p, g: np.asarray(p - 1e-3 * g.conj()), params, grads)

    @jax.jit
    def trained(params):
        given = cell, Fixed(), rules.RTRL(), optimiser, KEY
        of_batch = rnnjax.fit(*given, n_updates=1, batch_size=1, params=params)
        online = rnnjax.fit_online(*given, n_sequences=1, steps_per_update=T, params=params)
        return of_batch.params, online.params

    for found in trained(params):
        assert error(found, expected) < 1e-12


@pytest.mark.wide
def test_training_learns():
    cell = CELLS["complex weights"]
    trained = rnnjax.fit(
        cell, Fixed(), rules.BPTT(), optax.adam(0.05), KEY, n_updates=80, batch_size=1
    )
    assert trained.loss[-1] < 0.1 * trained.loss[0]


@pytest.mark.wide
def test_signs_of_a_complex_gradient_agree_with_themselves():
    cell = CELLS["complex weights"]

    @jax.jit
    def compared(params):
        draws = rules.recurrent_gradient(rules.BPTT(), cell, squared_error, params, BATCH, ())
        turned = scaled.Scaled(draws.value.conj(), draws.exponent)
        return [analysis.alignment_with(draws, other) for other in (draws, turned)]

    same, turned = compared(oracle("complex weights")[0])
    assert same["sign_agreement"] == 1
    np.testing.assert_allclose(same["cosine"], 1)
    assert turned["sign_agreement"] == 0.5


@pytest.mark.wide
def test_slopes_of_the_surface_are_derivatives_along_complex_directions():
    cell = CELLS["complex weights"]
    params, (loss, grads) = oracle("complex weights")

    @jax.jit
    def run(params):
        directions = tuple(cell.init(key) for key in jax.random.split(KEY, 2))
        a, b = np.array([0.0, 1e-6]), np.array([0.0])
        found = probes.plane(cell, squared_error, params, BATCH, directions, a, b)
        up = probes.curvature_along_gradient(cell, squared_error, params, BATCH)["direction"]
        total = lambda s: rnnjax.sequence_loss(  # noqa: E731
            cell, squared_error, jax.tree.map(lambda p, d: p + s * d, params, up), BATCH
        )
        return found["loss"][:, 0], found["slopes"][0, 0, 0], jax.grad(total)(0.0)

    losses, slope, along = run(params)
    np.testing.assert_allclose(losses[0], loss, rtol=1e-12)
    np.testing.assert_allclose(slope, (losses[1] - losses[0]) / 1e-6, rtol=1e-4)
    np.testing.assert_allclose(along, np.linalg.norm(flat(grads)), rtol=1e-10)


@pytest.mark.wide
def test_a_ratio_of_each_complex_weight():
    """Equation (1) of the rule as it stands, from the gradients of the steps."""
    cell = CELLS["complex weights"]
    batch = BATCH.replace(mask=jnp.ones(T))

    @jax.jit
    def run(params):
        made = [
            rule(cell, squared_error, params, batch, per_step=True)
            for rule in (rules.BPTT(), decks.EligibilityRatio())
        ]
        return [scaled.plain(out.grads["C"]) for out in made]

    plain, scaled_by_ratio = map(np.asarray, run(oracle("complex weights")[0]))
    expected = plain.copy()
    expected[2:] *= plain[1:-1] / plain[:-2]
    assert error(scaled_by_ratio, expected) < 1e-12


@pytest.mark.wide
@pytest.mark.parametrize("multiplier", [ratios.Safeguarded(), ratios.Extrapolated()])
def test_ratios_that_compare_signs_are_refused(multiplier):
    cell = CELLS["complex weights"]
    params, _ = oracle("complex weights")
    rule = decks.EligibilityRatio(multiplier=multiplier)
    with pytest.raises(ValueError, match=r"^multiplier: expected Literal for complex weights"):
        jax.eval_shape(lambda p: rule(cell, squared_error, p, BATCH), params)
    with pytest.raises(ValueError, match=r"^params: expected real weights"):
        updates.quickprop(0.1).init(params)


LAYERS = (rnnjax.Vanilla(2, 3), rnnjax.Vanilla(3, 3))
OF_REAL_WEIGHTS = {
    "Vanilla": rnnjax.Vanilla(2, 3, 2),
    "Antisymmetric": rnnjax.cells.Antisymmetric(2, 3, 2),
    "IndRNN": rnnjax.cells.IndRNN(2, 3, 2, activation=rnnjax.activations.sigmoid),
    "Jordan": rnnjax.Jordan(2, 3, 2),
    "MinimalRNN": rnnjax.cells.MinimalRNN(2, 3, 2),
    "Stack": rnnjax.Stack(LAYERS, 2),
    "GRU": rnnjax.GRU(2, 3, 2),
}


@pytest.mark.parametrize("name", wide_but(["Vanilla"], OF_REAL_WEIGHTS))
def test_complex_inputs_of_a_real_network(name):
    """The slopes of its units are those of analytic functions: against finite differences."""
    cell = OF_REAL_WEIGHTS[name]
    params = drawn(cell)
    batch = BATCH.replace(x=BATCH.x * (0.6 + 0.4j))
    loss = lambda y_hat, y: jnp.sum(jnp.abs(y_hat - y) ** 2)  # noqa: E731
    total = jax.jit(lambda p: rnnjax.sequence_loss(cell, loss, p, batch))
    along = jax.tree.map(lambda p: np.random.default_rng(0).standard_normal(p.shape), params)
    ends = [total(jax.tree.map(lambda p, a, s=s: p + s * 1e-6 * a, params, along)) for s in (-1, 1)]
    grads = [
        scaled.plain(rule(cell, loss, params, batch, rule.init(cell, params, batch)).grads)
        for rule in (rules.BPTT(), rules.RTRL())
    ]
    for got in (jax.grad(total)(params), *grads):
        slope = np.dot(flat(got), flat(along))
        np.testing.assert_allclose(slope, (ends[1] - ends[0]) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("MinGRU", "with decays"), ("S6", "with decays"), ("MLSTM", "with decays"),
        ("Retention", "with decays"), ("DeltaNet", "with decays"), ("LIF", "with thresholds"),
        ("ALIF", "with thresholds"), ("OrthogonalRNN", "with signs of units"),
    ],
)  # fmt: skip
def test_complex_inputs_of_a_cell_that_compares_numbers_are_refused(name, why):
    cell = getattr(rnnjax.cells, name)(2, 3, 2)
    batch = BATCH.replace(x=BATCH.x * (1 + 1j))
    expected = f"^step: .* x: expected real inputs and weights of a cell {why}, got complex128$"
    with pytest.raises(ValueError, match=expected):
        rules.BPTT()(cell, squared_error, drawn(cell), batch)
