"""A field that may be swept is never tested for truth: lanes of `vmap` are the loop over values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import decks, scaled, tasks
from rnnjax.ranges import Number
from tests.crossed import one_in, wide_but
from tests.discovery import cells_found, dataclasses_found, example, rules_found

# What lets the other fields of a value show, or bounds them no more than it has to.
BESIDE = {
    "Copy": {"delay": 1, "longest": 9},
    "LRU": {"r_min": 0.1},
    "GatedDeltaNet": {"step_min": 1e-3, "step_max": 2.0},
    "RGLRU": {"r_min": 0.1},
    "Safeguarded": {"low": 0.1},
}
KEY = jax.random.key(0)
LEAKY = rnnjax.Vanilla(2, 3, 2, leak=0.7, gain=1.5)
JORDAN = rnnjax.Jordan(2, 3, 2, feedback=(1,), start=0.1, spread=1.5)
TASK = decks.DataPairs(length=6)


def swept():
    for name, cls in dataclasses_found().items():
        for field, of_field in cls.__dataclass_fields__.items():
            range_ = of_field.metadata.get("range")
            if isinstance(range_, Number) and not range_.static:
                yield name, field, range_


SWEPT = list(swept())


def values_in(range_):
    """Two numbers in a range, neither of them at its ends."""
    if range_.whole:
        return [2, 3]
    lowest = next((v for v in (range_.above, range_.at_least) if v is not None), 0.0)
    highest = next((v for v in (range_.below, range_.at_most) if v is not None), lowest + 2)
    return [lowest + share * (highest - lowest) for share in (0.25, 0.75)]


@functools.cache
def drawn(value):
    """A sequence of a task, or parameters of a cell, drawn before a program is made with them."""
    with jax.ensure_compile_time_eval():
        return jax.jit(value.sample if hasattr(value, "sample") else value.init)(KEY)


def gradient(rule, cell, task=TASK, params=None):
    params, batch = cell.init(KEY) if params is None else params, drawn(task)
    out = rule(cell, task.loss, params, batch, rule.init(cell, params, batch, KEY))
    return out.loss, scaled.plain(out.grads)


def use(value):
    """What comes of a value: draws, a gradient, or numbers."""
    if hasattr(value, "sample"):
        return value.sample(KEY)
    if hasattr(value, "step_axis"):
        return gradient(value, LEAKY, params=drawn(LEAKY))
    if hasattr(value, "readout") and not hasattr(value, "init"):  # its parameters are given
        return value.step(value.at(0.7, 0.1), value.initial_state(), None)
    if hasattr(value, "readout"):
        return gradient(rnnjax.BPTT(), value, tasks.WhiteNoise(5, value.n_x, value.n_y))
    return value(jnp.array([0.5, 0.3, -0.1]), jnp.array([0.4, 1.0, 0.2]))


def assert_lanes_are_the_loop(of_value, values):
    """Lanes beside the last of them alone, as a plain number that the program is made with."""

    @jax.jit
    def both(values_as_lanes):
        return jax.vmap(of_value)(values_as_lanes), of_value(values[-1])

    lanes, alone = jax.tree.map(np.asarray, both(jnp.asarray(values)))
    for a, b in zip(jax.tree.leaves(lanes), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a[-1], b, rtol=1e-9, atol=1e-12)
    return lanes


def differ(lanes):
    return any(not np.array_equal(a[0], a[1]) for a in jax.tree.leaves(lanes))


@pytest.mark.wide
@pytest.mark.parametrize("swept", one_in(5, SWEPT, wide=5), ids=lambda p: f"{p[0]}-{p[1]}")
def test_a_field_is_swept_by_vmap(swept):
    name, field, range_ = swept
    value = example(name).replace(**BESIDE.get(name, {}))
    found = assert_lanes_are_the_loop(
        lambda number: use(value.replace(**{field: number})), values_in(range_)
    )
    # A field that changed nothing would be swept in vain.
    inert = {("MatchedLength", "matched"), ("Extrapolated", "high")}
    assert differ(found) or (name, field) in inert


@pytest.mark.wide
@pytest.mark.parametrize(
    "name", wide_but(["Vanilla-leak"], ["Vanilla-leak", "Vanilla-relu-leak", "Vanilla-gelu"])
)
def test_the_leak_is_swept_whatever_the_activation(name):
    cell = cells_found()[name]
    assert differ(assert_lanes_are_the_loop(lambda a: use(cell.replace(leak=a)), [0.3, 1.0]))


@functools.cache
def takes(name, cell):
    rule = example(name)
    try:
        jax.eval_shape(lambda: gradient(rule, cell))
    except ValueError as told:
        if "expected a cell with" in str(told):
            return False
        raise
    return True


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(6, rules_found(), first=1, wide=4))
def test_every_rule_sweeps_the_fields_of_its_cell(name):
    fitting = next(cell for cell in (LEAKY, JORDAN) if takes(name, cell))
    # The spread is of the parameters themselves, the leak is not.
    field, params = ("leak", drawn(LEAKY)) if fitting is LEAKY else ("spread", None)

    def of_field(number):
        return gradient(example(name), fitting.replace(**{field: number}), params=params)

    found = assert_lanes_are_the_loop(of_field, [0.3, 0.8])
    assert differ(found)
