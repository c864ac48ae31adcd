"""Networks of complex numbers: right in every rule, probe and training, or refused in one line."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import analysis, decks, parallel, probes, real_view, rules, scaled, updates
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
BATCH = rnnjax.Batch(
    jax.random.normal(KEY, (T, 2)),
    jax.random.normal(jax.random.fold_in(KEY, 1), (T, 2)),
    jnp.array([1.0, 0.5, 0.0, 2.0, 1.0]),
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


@functools.cache
def oracle(kind):
    cell = CELLS[kind]
    params = cell.init(KEY)
    loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)  # noqa: E731
    return params, jax.jit(jax.value_and_grad(loss))(params)


@pytest.mark.wide
@crossed("name, kind", rules_found(), CELLS, always=("RTRL",), every=2, wide=6)
def test_a_rule_on_a_complex_network(name, kind):
    rule, cell, batch = made(name), CELLS[kind], BATCH
    params, (loss, grads) = oracle(kind)
    if hasattr(rule, "rule"):  # a ratio to a step without a loss is none
        batch = batch.replace(mask=jnp.ones(T))
    try:
        state = rule.init(cell, params, batch, KEY)
        run = jax.jit(
            lambda p, per_step: rule(cell, squared_error, p, batch, state, per_step=per_step),
            static_argnums=1,
        )
        whole, steps = run(params, False), run(params, True)
    except ValueError as refused:
        message = str(refused)
        if "expected a cell with" not in message or "\n" in message or name in EXACT:
            raise
        return
    got = scaled.plain(whole.grads)
    summed = jax.tree.map(lambda a: a.sum(0), scaled.plain(steps.grads))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(params), strict=True):
        assert jnp.iscomplexobj(a) == jnp.iscomplexobj(b)
    assert error(summed, got) < 1e-10
    if name in EXACT:
        np.testing.assert_allclose(whole.loss, loss, rtol=1e-12)
        assert error(got, grads) < 1e-10


@pytest.mark.wide
def test_the_published_case():
    class Linear:
        def initial_state(self):
            return jnp.zeros(1, complex)

        def step(self, params, h, x):
            return params["lam"] * h + params["B"] * x

        def readout(self, params, h):
            return (params["C"] * h).real

    params = {"lam": jnp.array(0.5 + 0j), "B": jnp.array(2 + 2j), "C": jnp.array(2 + 1j)}
    batch = rnnjax.Batch(jnp.array([[1.0], [2], [3]]), jnp.ones((3, 1)), jnp.ones(3))
    half = lambda y_hat, y: 0.5 * jnp.sum((y_hat - y) ** 2)  # noqa: E731
    for rule in (rules.BPTT(), rules.RTRL()):
        run = jax.jit(lambda p, rule=rule: scaled.plain(rule(Linear(), half, p, batch).grads))
        got = run(params)["lam"]
        np.testing.assert_allclose(got, 53 + 159j, rtol=1e-12)


@pytest.mark.wide
@pytest.mark.parametrize("kind", one_in(2, CELLS, wide=2))
def test_unbiased_rules_are_exact_in_the_mean(kind):
    """Over all signs of one step of two entries: UORO and the rule that tries noise."""
    cell = type(CELLS[kind])(2, 1, 2)
    params = cell.init(KEY)
    batch = jax.tree.map(lambda a: a[:2], BATCH)
    signs = jnp.stack(jnp.meshgrid(*[jnp.array([-1.0, 1.0])] * 4, indexing="ij"), -1)
    state = rules.UORO().init(cell, params, batch, KEY)

    def one(nu):
        out = rules.UORO(nu.reshape(2, 2))(cell, squared_error, params, batch, state)
        return scaled.plain(out.grads)

    each = jax.jit(jax.vmap(one))(signs.reshape(-1, 4))
    mean = jax.tree.map(lambda a: a.mean(0), each)
    loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch)  # noqa: E731
    exact = jax.jit(jax.grad(loss))(params)
    assert error(mean, exact) < 1e-12


@pytest.mark.parametrize("kind", wide_but(["not holomorphic"], one_in(2, CELLS)))
def test_norms_by_length_are_those_of_separate_gradients(kind):
    cell = CELLS[kind]
    params = cell.init(KEY)

    def separate(n):
        def last(h):
            for x in BATCH.x[:n]:
                h = cell.step(params, h, x)
            return squared_error(cell.readout(params, h), BATCH.y[n - 1])

        return jnp.log(jnp.linalg.norm(jax.grad(last)(cell.initial_state())))

    @jax.jit
    def both():
        found = probes.log_norm_by_length(cell, squared_error, params, BATCH)
        return found["log_norm_by_length"], jnp.stack([separate(n) for n in range(1, T + 1)])

    np.testing.assert_allclose(*both(), rtol=1e-10)


@pytest.mark.wide
@pytest.mark.parametrize("kind", one_in(2, CELLS, wide=2))
def test_spectra_are_those_of_the_real_jacobian(kind):
    cell = CELLS[kind]
    params = cell.init(KEY)

    def step(v, x):
        return real_view.split(cell.step(params, real_view.joined(v), x))

    @jax.jit
    def jacobian_and_state(h, x):
        return jax.jacfwd(step)(h, x), step(h, x)

    h, Js = real_view.split(cell.initial_state()), []
    for x in BATCH.x:
        J, h = jacobian_and_state(h, x)
        Js.append(np.asarray(J))
    product = functools.reduce(lambda M, J: J @ M, Js)
    logs = np.log(np.linalg.svd(product)[1])

    @jax.jit
    def spectra():
        found = probes.log_singular_values(cell, None, params, BATCH)["log_singular_values"]
        return found[-1], probes.lyapunov_spectrum(cell, None, params, BATCH)["exponents"]

    found, exponents = spectra()
    doubled = 1 if kind == "not holomorphic" else 2
    np.testing.assert_allclose(np.sort(np.repeat(found, doubled)), np.sort(logs), atol=1e-8)
    np.testing.assert_allclose(doubled * jnp.sum(exponents), np.sum(logs) / T, atol=1e-9)


def test_a_step_is_holomorphic_or_not():
    for kind, cell in CELLS.items():
        params = cell.init(KEY)
        assert real_view.is_holomorphic(cell, params, BATCH.x[0]) == (kind != "not holomorphic")


@pytest.mark.wide
@pytest.mark.parametrize("kind", one_in(2, CELLS, wide=2))
def test_newtons_method_gives_the_states_of_the_scan(kind):
    cell = CELLS[kind]
    params = cell.init(KEY)

    def square(states):
        return jnp.sum(jnp.abs(states) ** 2), states

    @jax.jit
    def by_scan(p):
        return jax.grad(lambda p: square(rnnjax.unroll(cell, p, BATCH.x).plain), has_aux=True)(p)

    @jax.jit
    def by_newton(p):
        def of(p):
            solved = parallel.unroll(cell, p, BATCH.x)
            return square(solved.states)[0], solved

        return jax.grad(of, has_aux=True)(p)

    (expected, states), (got, solved) = by_scan(params), by_newton(params)
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
    expected = jax.tree.map(lambda p, g: p - 1e-3 * g.conj(), params, grads)
    trained = rnnjax.fit(
        cell, Fixed(), rules.RTRL(), optimiser, KEY, n_updates=1, batch_size=1, params=params
    )
    online = rnnjax.fit_online(
        cell, Fixed(), rules.RTRL(), optimiser, KEY,
        n_sequences=1, steps_per_update=T, params=params,
    )  # fmt: skip
    assert error(trained.params, expected) < 1e-12
    assert error(online.params, expected) < 1e-12


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
    params, _ = oracle("complex weights")
    draws = jax.jit(
        lambda: rules.recurrent_gradient(rules.BPTT(), cell, squared_error, params, BATCH, ())
    )()
    found = analysis.alignment_with(draws, draws)
    assert found["sign_agreement"] == 1
    np.testing.assert_allclose(found["cosine"], 1)
    turned = scaled.Scaled(draws.value.conj(), draws.exponent)
    assert analysis.alignment_with(draws, turned)["sign_agreement"] == 0.5


@pytest.mark.wide
def test_slopes_of_the_surface_are_derivatives_along_complex_directions():
    cell = CELLS["complex weights"]
    params, (loss, _) = oracle("complex weights")
    keys = jax.random.split(KEY, 2)
    u, v = (cell.init(key) for key in keys)
    found = probes.plane(
        cell, squared_error, params, BATCH, (u, v), jnp.array([0.0, 1e-6]), jnp.array([0.0])
    )
    np.testing.assert_allclose(found["loss"][0, 0], loss, rtol=1e-12)
    slope = (found["loss"][1, 0] - found["loss"][0, 0]) / 1e-6
    np.testing.assert_allclose(found["slopes"][0, 0, 0], slope, rtol=1e-4)
    up = probes.curvature_along_gradient(cell, squared_error, params, BATCH)["direction"]
    total = lambda s: rnnjax.sequence_loss(  # noqa: E731
        cell, squared_error, jax.tree.map(lambda p, d: p + s * d, params, up), BATCH
    )
    norm = np.linalg.norm(flat(oracle("complex weights")[1][1]))
    np.testing.assert_allclose(jax.grad(total)(0.0), norm, rtol=1e-10)


@pytest.mark.wide
def test_a_ratio_of_each_complex_weight():
    """Equation (1) of the rule as it stands, from the gradients of the steps."""
    cell = CELLS["complex weights"]
    params, _ = oracle("complex weights")
    batch = BATCH.replace(mask=jnp.ones(T))
    plain, scaled_by_ratio = (
        jax.jit(
            lambda p, rule=rule: scaled.plain(
                rule(cell, squared_error, p, batch, per_step=True).grads["C"]
            )
        )(params)
        for rule in (rules.BPTT(), decks.EligibilityRatio())
    )
    expected = plain.at[2:].multiply(plain[1:-1] / plain[:-2])
    assert error(scaled_by_ratio, expected) < 1e-12


@pytest.mark.wide
@pytest.mark.parametrize("multiplier", [ratios.Safeguarded(), ratios.Extrapolated()])
def test_ratios_that_compare_signs_are_refused(multiplier):
    cell = CELLS["complex weights"]
    params, _ = oracle("complex weights")
    rule = decks.EligibilityRatio(multiplier=multiplier)
    with pytest.raises(ValueError, match=r"^multiplier: expected Literal for complex weights"):
        rule(cell, squared_error, params, BATCH)
    with pytest.raises(ValueError, match=r"^params: expected real weights"):
        updates.quickprop(0.1).init(params)
