import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import updates


def run(optimiser, slope, start, n):
    @jax.jit
    def program(x):
        def one(carry, _):
            x, state = carry
            step, state = optimiser.update(slope(x), state)
            return (x + step, state), x

        return jax.lax.scan(one, (x, optimiser.init(x)), None, length=n + 1)[1]

    return np.asarray(program(jnp.asarray(start)))


def test_a_parabola_takes_two_steps_without_a_growth_limit():
    x = run(updates.quickprop(0.05, jnp.inf), lambda x: x, [1.0, -3.0], 5)
    np.testing.assert_allclose(x[1], [0.95, -2.85])
    np.testing.assert_allclose(x[2:], 0, atol=1e-14)


def test_without_a_growth_limit_a_step_to_no_minimum_is_the_first_one_again():
    """On a line, and downhill on -x^2 / 2."""
    optimiser = updates.quickprop(0.1, jnp.inf)
    np.testing.assert_allclose(run(optimiser, jnp.ones_like, [0.0], 3)[:, 0], [0, -0.1, -0.2, -0.3])
    np.testing.assert_allclose(run(optimiser, lambda x: -x, [1.0], 2)[:, 0], [1, 1.1, 1.21])


def test_the_growth_limit_holds():
    x = run(updates.quickprop(0.05), lambda x: x, [1.0], 12)[:, 0]
    ratio = np.diff(x)[1:4] / np.diff(x)[:3]
    np.testing.assert_allclose(ratio, 1.75)
    assert abs(x[7]) < 1e-14


def test_a_slope_that_grows_is_followed_with_the_longest_step():
    """Downhill on -x^2 / 2: there is no minimum to jump to."""
    x = run(updates.quickprop(0.1), lambda x: -x, [1.0], 6)[:, 0]
    np.testing.assert_allclose(np.diff(x)[1:] / np.diff(x)[:-1], 1.75)


def test_a_weight_without_slope_stays_and_starts_again():
    slopes = jnp.array([0.0, 0.0, 1.0, 1.0])
    optimiser = updates.quickprop(0.1)

    def one(state, g):
        step, state = optimiser.update(g, state)
        return state, step

    _, steps = jax.jit(lambda: jax.lax.scan(one, optimiser.init(jnp.zeros(())), slopes))()
    np.testing.assert_allclose(steps, [0, 0, -0.1, -0.175])


def test_small_slopes_in_float32_give_the_steps_of_large_ones(float32):
    """Steps are homogeneous in the slopes; products of two slopes leave the range of floats."""
    optimiser, slopes = updates.quickprop(0.1), jnp.array([1.0, 1.5, 2.0, -1.0], jnp.float32)

    @jax.jit
    def steps(scale):
        def one(state, g):
            step, state = optimiser.update(g, state)
            return state, step

        return jax.lax.scan(one, optimiser.init(jnp.float32(0)), slopes * scale)[1]

    found, expected = steps(jnp.float32(2.0**-70)), steps(jnp.float32(1))
    np.testing.assert_array_equal(found * 2.0**70, expected)
    np.testing.assert_allclose(expected[:2], [-0.1, -0.175], rtol=1e-6)
