"""A stranger's cell, whatever its parameters are called: every probe, and every rule that applies.

The same network three times: as a step alone, with its pre-activations, and as rnnjax's own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import dynamics, scaled, scan, tangents
from rnnjax.cells import VanillaParams
from rnnjax.losses import squared_error
from tests.crossed import one_in
from tests.discovery import probes_found, rules_found
from tests.rules.test_contract import rule_named

N_X, N_H, N_Y, T, KEEP = 2, 3, 2, 6, 0.4
KEY = jax.random.key(5)


class P(NamedTuple):
    recurrent: jax.Array
    inputs: jax.Array
    bias: jax.Array
    out: jax.Array
    offset: jax.Array


class Step:
    """h' = k h + (1 - k) tanh(R h + I x + b), y = O h + c: a step and nothing else."""

    def init(self, key):
        R, inputs, bias, out = (jax.random.normal(k, (N_H, N_H)) for k in jax.random.split(key, 4))
        return P(R, inputs[:, :N_X], bias[0], out[:N_Y], bias[1, :N_Y])

    def initial_state(self):
        return jnp.zeros(N_H)

    def step(self, params, h, x):
        z = params.recurrent @ h + params.inputs @ x + params.bias
        return KEEP * h + (1 - KEEP) * jnp.tanh(z)

    def readout(self, params, h):
        return params.out @ h + params.offset


class WithPreactivation(Step):
    """The same, and how its weights act."""

    def drive(self, params, x):
        return params.inputs @ x + params.bias

    def recurrent_weights(self, params):
        return params.recurrent

    def presynaptic(self, h):
        return h

    def step_from_preactivation(self, h, z):
        return KEEP * h + (1 - KEEP) * jnp.tanh(z)


OWN = rnnjax.Vanilla(N_X, N_H, N_Y, leak=1 - KEEP)
CELLS = {"step": Step(), "pre-activation": WithPreactivation()}
RNG = np.random.default_rng(5)
BATCH = rnnjax.Batch(
    jax.device_put(RNG.standard_normal((T, N_X))),
    jax.device_put(RNG.standard_normal((T, N_Y))),
    jax.device_put(np.array([1.0, 0.0, 0.5, 1.0, 0.0, 2.0])),
)
# The words of the mathematics that a rule asks for, where it does not apply.
OUTPUT, SUMS, SLOPES = "its state as its output", "pre-activations", "slopes f'(z) of its state"
REFUSED = {
    "step": {
        "KFRTRL": SUMS,
        "RFLO": SUMS,
        "ReverseKFRTRL": SUMS,
        "SlopelessDeltaX": SLOPES,
        "TargetShift": OUTPUT,
        "TeacherForcing": OUTPUT,
    },
    "pre-activation": {"TargetShift": OUTPUT, "TeacherForcing": OUTPUT},
}


def own_params(params):
    return VanillaParams(*params)


def of_all_cells(measure):
    """What a measurement gives for each of the cells and for rnnjax's own, in one program."""

    @jax.jit
    def program(key):
        params = Step().init(key)
        found = {name: measure(cell, params) for name, cell in CELLS.items()}
        return found, measure(OWN, own_params(params))

    return program(KEY)


def assert_close(got, expected):
    assert len(jax.tree.leaves(got)) == len(jax.tree.leaves(expected))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(3, probes_found()))
def test_every_probe_measures_it(name):
    probe = probes_found()[name]
    found, own = of_all_cells(lambda cell, params: probe(cell, squared_error, params, BATCH))
    for one in found.values():
        assert_close(one, own)


@pytest.mark.parametrize("name", one_in(4, rules_found(), always=["KFRTRL", "RFLO"], wide=4))
def test_every_rule_applies_or_refuses_for_its_mathematics(name):
    rule = rule_named(name)
    # A ratio to a step without a loss is none.
    batch = BATCH.replace(mask=jnp.ones(T)) if hasattr(rule, "rule") else BATCH

    def gradient(cell, params):
        try:
            state = rule.init(cell, params, batch, KEY)
            grads = rule(cell, squared_error, params, batch, state).grads
        except ValueError as error:
            refusals[type(cell).__name__] = str(error)
            return ()
        leaves = jax.tree.leaves(grads, is_leaf=lambda node: isinstance(node, scaled.Scaled))
        return [scaled.plain(leaf) for leaf in leaves]

    refusals = {}
    found, own = of_all_cells(gradient)
    for kind, cell in CELLS.items():
        if needed := REFUSED[kind].get(name):
            message = f"{name}: expected a cell with {needed}, got {type(cell).__name__}, "
            assert refusals[type(cell).__name__].startswith(message)
        else:
            assert_close(found[kind], own)


def test_e_prop_without_autapses_asks_for_preactivations():
    rule, params = rnnjax.rules.EProp(autapse=False), Step().init(KEY)
    with pytest.raises(ValueError, match="EProp: expected a cell with pre-activations, got Step"):
        rule(CELLS["step"], squared_error, params, BATCH)


def test_the_forward_pass_keeps_the_preactivations_and_no_weights():
    params = Step().init(KEY)
    cell = CELLS["pre-activation"]
    run = scan.unroll(cell, params, BATCH.x)
    z = run.h_prev @ params.recurrent.T + BATCH.x @ params.inputs.T + params.bias[None]
    np.testing.assert_allclose(run.preactivation, z, rtol=1e-12)
    kept = scan.residuals(cell, params, run).arrays
    assert sorted(a.shape for a in kept) == [(T, N_H), (T, N_H)]
    assert scan.unroll(CELLS["step"], params, BATCH.x).preactivation is None


def test_slopes_and_an_exponent_are_all_that_is_kept_of_a_vanilla_network():
    params = own_params(Step().init(KEY))
    run = scan.unroll(OWN, params, BATCH.x)
    assert [a.shape for a in scan.residuals(OWN, params, run).arrays] == [(T, N_H), (T,)]


def test_the_tangent_is_taken_from_the_parameters_that_it_is_bound_to():
    params = Step().init(KEY)
    cell, at = CELLS["pre-activation"], jax.tree.map(
        lambda a: a[2], scan.unroll(CELLS["pre-activation"], params, BATCH.x)
    )  # fmt: skip
    other = params._replace(recurrent=2 * params.recurrent)
    J = scan.residuals_of_step(cell, params, at).bound(cell, other).as_matrix().value
    slopes = (1 - KEEP) * (1 - jnp.tanh(at.preactivation) ** 2)
    expected = KEEP * jnp.eye(N_H) + slopes[:, None] * other.recurrent
    np.testing.assert_allclose(J, expected, rtol=1e-12)


@pytest.mark.wide
def test_each_structure_is_a_class_of_tangents():
    lru, chain = rnnjax.LRU(2, 3, 1), rnnjax.Chain()
    stack = rnnjax.Stack((rnnjax.Vanilla(2, 3), rnnjax.GRU(3, 2)))
    kinds = {
        OWN: tangents.Leaky,
        rnnjax.LSTM(2, 3): tangents.BehindPreactivation,
        rnnjax.GRU(2, 3): tangents.Autodiff,
        rnnjax.Jordan(2, 3, 2): tangents.Composed,
        lru: tangents.Diagonal,
        chain: tangents.Diagonal,
        stack: tangents.BlockTriangular,
    }
    for cell, kind in kinds.items():
        params, h = cell.init(KEY), cell.initial_state()
        d = dynamics.drive(cell, params, jnp.ones(cell.n_x))
        at = dynamics.point(cell, params, h, d)
        assert isinstance(tangents.linearize(cell, params, at), kind)


class Helper(Step):
    """The same step, with helpers whose names mean something else elsewhere."""

    def drive(self, params, x):
        return 100 * x[:1]

    def step(self, params, h, x):
        assert self.drive(params, x).shape == (1,)
        return super().step(params, h, x)


class Other(Step):
    """As `Helper`, with an `advance`."""

    def advance(self, params, h, d):
        return -h


@pytest.mark.parametrize("cell", [Helper(), Other()], ids=["drive", "advance"])
def test_a_helper_called_drive_or_advance_changes_nothing(cell):
    params = Step().init(KEY)
    found, expected = (
        rnnjax.BPTT()(one, squared_error, params, BATCH).grads for one in (cell, CELLS["step"])
    )
    assert_close(jax.tree.leaves(scaled.plain(found)), jax.tree.leaves(scaled.plain(expected)))
    np.testing.assert_array_equal(
        rnnjax.outputs(cell, params, BATCH.x), rnnjax.outputs(CELLS["step"], params, BATCH.x)
    )


class BothHelpers(Other):
    """Two helpers that do not make the step."""

    def drive(self, params, x):
        return x


class OtherStep(rnnjax.Vanilla):
    """A step of its own, and the pre-activation of what it was derived from."""

    def step(self, params, h, x):
        return jnp.maximum(super().step(params, h, x), 0)


@pytest.mark.parametrize(
    ("cell", "made"),
    [
        (BothHelpers(), r"advance\(params, h, drive\(params, x\)\)"),
        (OtherStep(N_X, N_H, N_Y), r"step_from_preactivation\(h, .*\)"),
    ],
    ids=["advance", "pre-activation"],
)
def test_parts_that_make_another_step_are_refused(cell, made):
    params = cell.init(KEY)
    with pytest.raises(ValueError, match=f"^cell: expected {made} to be step") as caught:
        rnnjax.BPTT()(cell, squared_error, params, BATCH)
    assert "\n" not in str(caught.value)
