"""Forward propagation of errors in quick mode, and its claims against cubes that are wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "forward_errors"
EXPERIMENT = load(NAME)
_MODULE = EXPERIMENT.measure.__globals__


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims(cube):
    axes = ("arithmetic", "length", "input_scale", "gain", "seed")
    assert cube["cosine"].dims == (*axes, "due")
    assert cube["log_error"].dims == (*axes, "due", "part")
    assert cube["log_growth"].dims == (*axes, "part")
    assert cube["growth_rate"].dims == axes


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 11
    assert not failed(NAME, cube)


def test_what_is_lost_has_a_status_and_is_no_number(cube):
    """0.3^99 is below the range of float32: no gradient, no cosine, and the cube says so."""
    lost = cube.sel(arithmetic="float32", gain=0.3, due="last step")
    assert set(lost["cosine_status"].values.ravel()) == {3}
    assert np.isnan(lost["cosine"]).all()
    kept = cube.sel(arithmetic="float32_scale_free", gain=0.3, due="last step")
    assert set(kept["cosine_status"].values.ravel()) == {1}
    assert set(np.unique(cube["all_digits_step_status"])) == {1, 6}


class Watched:
    """A rule that notes the types of numbers that it meets and makes."""

    def __init__(self, rule):
        self.rule, self.program = rule, ""

    def errors(self, cell, *arguments):
        self.program += str(jax.make_jaxpr(lambda *a: self.rule.errors(cell, *a))(*arguments))
        return self.rule.errors(cell, *arguments)


@pytest.mark.parametrize("scale_free", [False, True])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_every_number_has_the_precision_that_it_is_said_to_have(kind, scale_free):
    cell, task = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.WhiteNoise(4, 2)
    watched = Watched(rnnjax.rules.ForwardErrors(scale_free))

    def run(key):
        batch = jax.tree.map(lambda a: a[None], task.sample(key))
        return _MODULE["_in_arithmetic"](cell, cell.init(key), batch, watched, kind)

    forward, _, (params, _, _) = jax.eval_shape(run, jax.random.key(0))
    other = {"float32": "f64", "float64": "f32"}[kind]
    assert kind.replace("float", "f") + "[" in watched.program
    assert other + "[" not in watched.program
    assert forward[0].value.dtype == params.W.dtype == np.float64


def test_short_sequences_give_the_gradient_of_automatic_differentiation():
    cell, task = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.WhiteNoise(5, 2)

    @jax.jit
    def run(key):
        params, batch = cell.init(key), task.sample(key)
        due = jax.tree.map(lambda a: a[None], batch)
        rule = rnnjax.rules.ForwardErrors()
        (_, W), _, _ = _MODULE["_in_arithmetic"](cell, params, due, rule, "float64")
        loss = lambda p: rnnjax.sequence_loss(cell, task.loss, p, batch)  # noqa: E731
        return rnnjax.scaled.plain(W)[0], jax.grad(loss)(params).W

    np.testing.assert_allclose(*run(jax.random.key(3)), rtol=1e-9, atol=1e-12)


def test_late_slope_of_a_line_and_of_one_that_overflows():
    error = 0.7 * jnp.arange(10.0)
    cut = jnp.arange(10) < 7
    slope, steps = jax.jit(_MODULE["_late_slope"])(error, cut | True)
    assert (float(slope), int(steps)) == (pytest.approx(0.7), 5)
    slope, steps = jax.jit(_MODULE["_late_slope"])(jnp.where(cut, error, jnp.inf), cut)
    assert (float(slope), int(steps)) == (pytest.approx(0.7), 3)
    slope, _ = jax.jit(_MODULE["_late_slope"])(error, jnp.arange(10) < 1)
    assert np.isnan(slope)


def changed(name, change, **where):
    """Change a variable at a place."""

    def spoil(cube):
        spoilt = cube[name].copy()
        spoilt.loc[where] = change(spoilt.loc[where])
        return cube.assign({name: spoilt})

    return spoil


PLAIN = {"arithmetic": "float32", "gain": 0.3, "input_scale": 1e-6}
FREE = {**PLAIN, "arithmetic": "float32_scale_free"}


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("plain: slope", changed("error_slope", lambda a: 1.03 * a, **PLAIN)),
        ("plain: slope", changed("error_slope", lambda a: np.nan * a, **PLAIN)),
        ("scale-free: slope", changed("error_slope", lambda a: 0.97 * a, **FREE)),
        ("growth of u", changed("growth_rate", lambda a: a + 0.5)),
        ("step with no digit left over", changed("all_digits_step", lambda a: 1.2 * a)),
        ("float32, loss at T", changed("cosine", lambda a: np.nan * a, **{**PLAIN, "gain": 0.7})),
        ("float32, loss at T", changed("cosine", lambda a: a.fillna(1.0), **PLAIN)),
        ("scale-free, loss at T", changed("cosine", lambda a: 0.99 * a, **FREE)),
        ("scale-free: least share", changed("share_finite", lambda a: 0.9 * a, **FREE)),
        (
            "step with no digit left, scale",
            changed("all_digits_step", lambda a: 1.2 * a, arithmetic="float32_scale_free"),
        ),
        ("scale-free, no digit", changed("cosine", lambda a: 0 * a + 0.5, due="every step")),
        ("BPTT in the same", changed("cosine_bptt", lambda a: 0.99 * a, **PLAIN)),
        ("g = 1", changed("cosine", lambda a: 0.99 * a, gain=1.0, input_scale=1e-6)),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def test_a_cube_of_nan_fails_every_claim(cube):
    real = [name for name in cube.data_vars if cube[name].dtype.kind == "f"]
    nothing = cube.assign({name: cube[name] * np.nan for name in real})
    assert not [name for name, passed in verdicts(NAME, nothing).items() if passed]


def test_claims_and_figure_stand_on_other_axes(cube):
    """One plain arithmetic, inputs that are not small, and no recurrent strength of 1."""
    some = cube.sel(arithmetic=["float32"], input_scale=[0.1], gain=[0.7])
    assert len(verdicts(NAME, some)) == 3 and not failed(NAME, some)
    EXPERIMENT.figure(some)
    gaussian = cube.assign_attrs(config=cube.attrs["config"].replace('"orthogonal"', '"gaussian"'))
    assert gaussian.attrs["config"] != cube.attrs["config"]
    assert not any("linear" in name or "slope" in name for name in verdicts(NAME, gaussian))
    EXPERIMENT.figure(gaussian)
