"""Linear maps in bands: gradients over more than the range of float32, with gains that differ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from rnnjax.jaxprs import graded
from rnnjax.scaled import Scaled


def over_gaps(w, example):
    """The last state of a leak with decay w e^-dt: 1 enters first, then nothing does."""
    return jax.lax.scan(lambda h, u: (w * jnp.exp(-u[1]) * h + u[0], None), 0.0, example)[0]


def after_gaps(n_steps, gaps):
    """Return inputs and time steps of `over_gaps`: the gaps by their steps, else 0."""
    dt = jnp.zeros(n_steps).at[jnp.array(list(gaps))].set(jnp.array(list(gaps.values())))
    return jnp.zeros(n_steps).at[0].set(1.0), dt


def test_tiny_states_behind_a_drop_do_not_hide_the_steps_before_it(float32):
    """dL/dw = (T - 1) e^-50: half of it from states of 1, half from states of e^-50."""
    found = rnnjax.recurrences(over_gaps, 1.0, after_gaps(40, {20: 50.0}))
    log = scaled.log_norm(found.gradient)
    np.testing.assert_allclose(log, np.log(39) - 50, rtol=0, atol=1e-5)


def image(values, exponents, factors, **options):
    """Return sum_t c_t factors_t by bands in float32, and the number of times the map is used."""
    calls = []

    def pull(given):
        jax.debug.callback(lambda: calls.append(1))
        return [jnp.einsum("tn,tnm->m", given[0], factors)]

    stack = Scaled(jnp.asarray(values, jnp.float32), jnp.asarray(exponents, jnp.int32))
    (found,) = graded.transposed(pull, [stack], [stack.value], **options)
    jax.effects_barrier()
    return found, len(calls)


CASES = {
    "equal gains": (lambda t: 0 * t, lambda t: -t),
    "late gains are small": (lambda t: np.where(t < 300, -100, 0), lambda t: -t),
    "late gains are large": (lambda t: np.where(t < 300, 100, 0), lambda t: -t),
    "gains undo the fall": (lambda t: t // 5 - 60, lambda t: -(t // 5)),
    "two steps far apart": (lambda t: np.where(t == 0, -120, 100), lambda t: -300 * (t > 0)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_image_of_a_stack_is_that_in_float64(name, float32):
    gain, fall = CASES[name]
    t = np.arange(600)
    rng = np.random.default_rng(0)
    values = rng.uniform(1, 2, (600, 1)) * rng.choice([-1, 1], (600, 1))
    mantissas = rng.uniform(1, 2, (600, 1, 3))
    factors = np.ldexp(mantissas, gain(t)[:, None, None]).astype(np.float32)
    found, _ = image(values, fall(t), factors, until_known=True)
    terms = values.astype(np.float32).astype(float)[..., None] * factors
    terms = np.ldexp(terms, fall(t)[:, None, None]).sum(1)  # 2^-700 at the least: float64 has it
    image_ = np.ldexp(np.asarray(found.value, float), np.asarray(found.exponent))
    assert np.all(np.abs(image_ - terms.sum(0)) <= 1e-6 * np.abs(terms).sum(0))


def test_bands_below_the_last_digit_are_left_out(float32):
    """Cotangents 2^-t, t = 0..1999, in bands of 64: a trial and one band, not 32 bands."""
    ones = np.ones((2000, 1))
    found, n_calls = image(ones, -np.arange(2000), ones[..., None], until_known=True)
    assert n_calls == 2
    np.testing.assert_allclose(scaled.plain(found), [2.0], rtol=1e-6)
    assert image(ones, -np.arange(2000), ones[..., None])[1] == 32


def test_steps_that_cancel_at_one_magnitude_are_not_left_out(float32):
    """Gains +1, -1, +1, ... of steps behind a band without any gain."""
    t = np.arange(200)
    gains = np.where(t < 10, 2.0**-100, (-1.0) ** t)[:, None, None]
    exponents = np.where(t < 10, 0, -70 * (t // 50) - 70)
    found, _ = image(np.ones((200, 1)), exponents, np.float32(gains), until_known=True)
    exact = 10 * 2.0**-100 + np.sum((-1.0) ** t[10:] * 2.0 ** exponents[10:])
    np.testing.assert_allclose(scaled.plain(found), [exact], rtol=1e-6)
