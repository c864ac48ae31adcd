"""The work of programs, counted from their shapes, and the options that go by it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import compiling


def work(function, *shapes):
    args = [jax.ShapeDtypeStruct(shape, float) for shape in shapes]
    return compiling.work_of(jax.make_jaxpr(function)(*args).jaxpr)


def test_products_of_large_matrices_count_as_their_result_and_small_ones_entry_by_entry():
    assert work(jnp.matmul, (2, 30), (30, 5)) == 10
    assert work(jnp.matmul, (2, 3), (3, 5)) == 30
    assert work(jax.vmap(jnp.matmul), (7, 2, 3), (7, 3, 5)) == 210


def test_loops_take_their_length_and_branches_the_longer_one():
    def loop(W, h):
        return jax.lax.scan(lambda h, _: (W @ h, None), h, None, length=11)[0]

    def branch(W, h):
        return jax.lax.cond(True, lambda: W @ (W @ h), lambda: W @ h)

    assert work(loop, (4, 4), (4,)) == 11 * 16
    assert work(jax.jit(loop), (4, 4), (4,)) == 11 * 16
    assert work(branch, (4, 4), (4,)) == 32
    until = jax.make_jaxpr(lambda h: jax.lax.while_loop(jnp.all, jnp.sin, h))(jnp.ones(4)).jaxpr
    assert compiling.work_of(until, n_trips=3) < 30 < compiling.work_of(until)


def test_little_work_is_compiled_with_little_optimisation_and_much_as_usual(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    assert compiling.options(1e12) == {}
    least = compiling.options(1e6)
    program = jax.jit(lambda x: jnp.tanh(x) @ x).lower(jnp.ones((3, 3)))
    found = program.compile(compiler_options=least)(jnp.eye(3))
    np.testing.assert_allclose(found, np.tanh(np.eye(3)), rtol=1e-6)
    assert least["xla_backend_optimization_level"] == 0


@pytest.mark.parametrize("n_lanes", [8, 64])
def test_a_sweep_counts_all_its_lanes_however_they_are_computed(n_lanes, monkeypatch):
    """The bits may not depend on how many of them are left, or on the number of devices."""
    seen = []
    monkeypatch.setattr(compiling, "options", lambda work: seen.append(work) or {})

    def measure(setting):
        h = jnp.full(3, setting.x)
        return {"y": jnp.sum(jax.lax.scan(lambda h, _: (h @ jnp.eye(3), None), h, None, 100)[0])}

    rnnjax.sweep.run(measure, x=np.linspace(0, 1, n_lanes), chunk=8, progress=False)
    assert n_lanes * 900 <= max(seen) < 2 * n_lanes * 900


def test_run_once_gives_what_jit_gives_inside_of_programs_too():
    x = jnp.arange(4.0)
    assert rnnjax.run_once(lambda x, k: jnp.sum(x**k), x, 3) == 36
    assert jax.jit(lambda x: rnnjax.run_once(jnp.sum, x))(x) == 6
    # Also where a transformation around it is seen in the closure alone.
    scaled = jax.vmap(lambda a: rnnjax.run_once(lambda x: a * jnp.sum(x), x))(x)
    np.testing.assert_array_equal(scaled, 6 * x)
    assert jax.grad(lambda a: rnnjax.run_once(lambda x: a * jnp.sum(x), x))(1.0) == 6


def test_run_once_sees_that_a_variable_of_a_function_has_changed():
    factor = 1.0

    def times(x):
        return factor * x

    assert rnnjax.run_once(times, 3.0) == 3
    factor = 2.0
    assert rnnjax.run_once(times, 3.0) == 6


def test_a_function_compiled_by_work_takes_other_shapes_and_types():
    total = compiling.by_work(lambda x: jnp.sum(x, axis=0))
    for like in (jnp.ones(3), jnp.ones((3, 2)), np.ones(3, np.float32), [1.0, 2.0]):
        np.testing.assert_array_equal(total(jnp.asarray(like)), np.sum(np.asarray(like), axis=0))
    assert total(jnp.arange(3)).dtype == jnp.arange(3).dtype
    assert jax.vmap(total)(jnp.ones((4, 3))).tolist() == [3.0] * 4


def test_flags_of_the_user_come_first(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=2")
    assert "xla_backend_optimization_level" not in compiling.options(1.0)


def test_options_of_jax_that_look_into_programs_hold():
    def fails(x):
        return jnp.log(x - 1)

    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        rnnjax.run_once(fails, jnp.zeros(3))
    with jax.disable_jit():
        assert rnnjax.run_once(lambda x: float(x[0]) + 1, jnp.ones(2)) == 2


def test_names_of_axes_around_it_are_known():
    x = jnp.arange(4.0)
    numbers = jax.vmap(
        lambda a: a + rnnjax.run_once(lambda y: y[0] + jax.lax.axis_index("i"), x), axis_name="i"
    )(x)
    np.testing.assert_array_equal(numbers, 2 * x)


def test_a_program_is_that_of_the_options_of_jax_under_which_it_is_called():
    program = compiling.by_work(lambda x: x + jnp.full(1, 1 / 3, float))
    x = np.zeros(1, np.float32)
    with jax.enable_x64(False):
        assert program(x).dtype == np.float32
    with jax.enable_x64(True):
        assert float(program(x)[0]) == 1 / 3
    drawn = compiling.by_work(lambda seed: jax.random.uniform(jax.random.key(seed)))
    options = ("jax_default_prng_impl", "rbg"), ("jax_random_seed_offset", 3)
    first = drawn(0)
    for name, value in options:
        before = getattr(jax.config, name)
        try:
            jax.config.update(name, value)
            assert drawn(0) == jax.random.uniform(jax.random.key(0)) != first, name
        finally:
            jax.config.update(name, before)
    mixed = compiling.by_work(jnp.add)
    assert mixed(np.int32(1), np.float32(2)) == 3
    with (
        jax.numpy_dtype_promotion("strict"),
        pytest.raises(jax.dtypes.TypePromotionError, match="promotion path"),
    ):
        mixed(np.int32(1), np.float32(2))


def test_arguments_may_be_named():
    program = compiling.by_work(lambda a, b: a - b)
    assert program(5.0, b=3.0) == program(b=3.0, a=5.0) == program(5.0, 3.0) == 2
