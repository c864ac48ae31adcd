"""Units whose memory is set by one number, against the closed forms of a linear one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.probes import one_number
from rnnjax.theory import curse_of_memory as theory


def chain(decay):
    params = rnnjax.cells.ChainParams(decay, jnp.ones(1), jnp.ones(()))
    return rnnjax.Chain(1, rnnjax.activation_named("identity")), params


def in_float64(function, *args):
    with jax.enable_x64(True):
        return jax.jit(function)(*map(jnp.asarray, args))


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_moments_of_a_linear_unit(correlation):
    def moments(decay):
        options = {"n_sequences": 2000, "n_steps": 300, "n_discarded": 100}
        return one_number.mean_squares([(chain, decay)], jax.random.key(0), correlation, **options)

    ((h, dh),) = in_float64(moments, 0.8)
    expected = (
        theory.state_variance(0.8, correlation),
        theory.sensitivity_variance(0.8, correlation),
    )
    for squares, value in zip((h, dh), expected, strict=True):
        assert abs(np.mean(squares) - value) < 5 * np.std(squares) / len(squares) ** 0.5
        np.testing.assert_allclose(np.mean(squares), value, rtol=0.05)


def test_units_beside_others_see_the_same_inputs():
    def both(decay):
        options = {"n_sequences": 3, "n_steps": 5, "n_discarded": 2}
        units = [(chain, decay), (lambda a: chain(jnp.exp(a)), jnp.log(decay))]
        return one_number.mean_squares(units, jax.random.key(0), 0.0, **options)

    one, other = in_float64(both, 0.8)
    np.testing.assert_allclose(one[0], other[0], rtol=1e-12)
    np.testing.assert_allclose(one[1] * 0.8**2, other[1], rtol=1e-12)


def test_curvature_of_a_student_at_its_teacher():
    found = in_float64(lambda decay: one_number.curvature_at_teacher(chain, decay, 400), 0.9)
    np.testing.assert_allclose(found, theory.curvature(0.9), rtol=1e-12)
