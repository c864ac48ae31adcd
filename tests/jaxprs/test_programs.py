"""Every program: what is found in it, against loops written by hand and `jax.grad`."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from rnnjax.jaxprs.sources import line_of
from tests.crossed import one_in
from tests.jaxprs.programs import MAKERS, program

# One of each idea in every run, one framework or two among them.
ALWAYS = (
    "linen_lstms",
    "nnx_trained",
    "jitted_steps",
    "counter_and_key",
    "projected_lstm",
    "delayed",
    "chunks",
    "reversed_scan",
    "before_the_step",
)
every_program = pytest.mark.parametrize("name", one_in(len(MAKERS), MAKERS, always=ALWAYS, wide=3))


@functools.cache
def found(name):
    made = program(name)
    return rnnjax.recurrences(made.loss, made.params, made.example)


plain = jax.jit(scaled.plain)


@functools.cache
def expected(name):
    """Return the loss and dL/dh_t of each recurrence by hand."""
    return program(name).deltas()


@pytest.mark.wide
@every_program
def test_the_oracle_is_the_same_program(name):
    made = program(name)
    loss = jax.jit(made.loss)(made.params, made.example)
    np.testing.assert_allclose(expected(name)[0], loss, rtol=1e-12)
    assert len(made.names) == len(expected(name)[1]) and all(d.any() for d in expected(name)[1])


@pytest.mark.wide
@every_program
def test_recurrences_have_the_names_that_one_expects(name):
    made = program(name)
    assert found(name).names == made.names
    assert [r.name for r in found(name)] == list(made.names)
    assert [(r.length, r.cell.initial_state().size) for r in found(name)] == list(made.sizes)
    assert all(found(name)[one].name == one for one in made.names)
    assert found(name).unseen == ()


@pytest.mark.wide
@every_program
def test_the_loss_has_the_bits_of_the_compiled_one(name):
    made = program(name)
    assert found(name).loss == jax.jit(made.loss)(made.params, made.example)


@every_program
def test_deltas_are_those_of_the_loop_by_hand(name):
    for recurrence, right in zip(found(name), expected(name)[1], strict=True):
        deltas = np.asarray(plain(recurrence.deltas))
        close(deltas, right, recurrence.name)


def close(left, right, told):
    """To 1e-10 of the largest, and to 1e-9 each where a number is not lost in it."""
    largest = np.abs(right).max()
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-10 * largest, err_msg=told)
    counted = np.abs(right) > 1e-5 * largest
    np.testing.assert_allclose(left[counted], right[counted], rtol=1e-9, err_msg=told)


@every_program
def test_the_gradient_is_that_of_jax(name):
    made = program(name)
    right = jax.jit(jax.grad(made.loss))(made.params, made.example)
    left, right = (jax.tree.map(np.asarray, g) for g in (plain(found(name).gradient), right))
    assert jax.tree.structure(left) == jax.tree.structure(right)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(right))
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * largest)


def test_the_first_delta_is_the_gradient_of_the_first_state():
    made = program("before_the_step")

    def from_state(h, params, xs):
        def step(h, x):
            return jnp.tanh(params["W"] @ h + params["U"] @ x + params["b"]), h

        return jnp.mean((jax.lax.scan(step, h, xs[0])[1] @ params["V"].T - xs[1]) ** 2)

    right = jax.jit(jax.grad(from_state))(np.ones(3), made.params, made.example)
    np.testing.assert_allclose(plain(found("before_the_step")[0].first), right, rtol=1e-10)


def test_layers_are_chosen_by_name_and_keep_their_order():
    made, every = program("linen_lstms"), found("linen_lstms")
    one = rnnjax.recurrences(made.loss, made.params, made.example, layers=["Net/RNN_1"])
    assert one.names == ("Net/RNN_1",) and len(one) == 1
    same = jax.tree.map(np.array_equal, one, every.replace(all=every.all[1:]))
    assert all(jax.tree.leaves(same))


def test_what_a_recurrence_says_of_itself():
    (one,) = found("counter_and_key")
    assert (one.name, one.length, one.reverse) == ("scan_0", 6, False)
    told = [(leaf.shape, leaf.differentiable, leaf.is_output) for leaf in one.state]
    assert told == [((3,), True, False), ((), False, False), ((), False, False), ((), False, False)]
    assert one.line.startswith("hand_written.py:")


@pytest.mark.wide
def test_the_line_is_that_of_the_user():
    """Not of the framework."""
    for name, file in (("linen_lstms", "linen_programs.py"), ("nnx_trained", "nnx_programs.py")):
        assert all(one.line.startswith(f"{file}:") for one in found(name))


def test_packages_of_an_outer_environment_are_not_the_users():
    files = ("/opt/outer/lib/python3.12/site-packages/flax/linen/recurrent.py", "/home/me/model.py")
    frames = [SimpleNamespace(file_name=f, line_num=7, function_name="step") for f in files]
    equation = SimpleNamespace(
        source_info=SimpleNamespace(traceback=SimpleNamespace(frames=frames))
    )
    assert line_of(equation) == "model.py:7"


def test_states_say_what_is_given_out_and_split_gives_their_shapes():
    lower, upper = found("linen_lstms")
    assert [leaf.is_output for leaf in lower.state] == [False, True]
    deltas = plain(upper.deltas)
    c, h = upper.split(deltas)
    assert c.shape == h.shape == (5, 3)
    np.testing.assert_array_equal(np.concatenate([c, h], 1), deltas)


def test_directions_count_from_the_step_that_runs_first():
    assert [one.reverse for one in found("linen_lstms")] == [False, False]
    made = program("reversed_scan")
    traced = jax.eval_shape(lambda p: rnnjax.recurrences(made.loss, p, made.example), made.params)
    assert [one.reverse for one in traced] == [False, True]
