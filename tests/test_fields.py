"""Every number that a user may give has a range: found by walking the package."""

import dataclasses
import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import cells, decks, tasks, updates
from rnnjax.ranges import Entries, Flag, Number
from tests import discovery
from tests.bad_numbers import assert_refused, inside, is_numeric, outside
from tests.discovery import dataclasses_found

example = functools.cache(discovery.example)  # they are frozen

# Fields that bound each other: what stands beside an edge of the first.
BESIDE = {
    ("AddTask", "length"): {"lag_1": 1, "lag_2": 2},
    ("Copy", "longest"): {"delay": 1},
    ("LRU", "r_max"): {"r_min": 0.0},
    ("LRU", "r_min"): {"r_max": 1.0},
    ("GatedDeltaNet", "step_max"): {"step_min": 1e-300},
    ("GatedDeltaNet", "step_min"): {"step_max": 1e300},
    ("RGLRU", "r_max"): {"r_min": 1e-300},
    ("RGLRU", "r_min"): {"r_max": 1 - 1e-15},
    ("MovingBlobs", "side"): {"speed": 1},
    ("Safeguarded", "high"): {"low": -9.0},
    ("Safeguarded", "low"): {"high": np.inf},
    ("TemporalXOR", "length"): {"delay": 1},
}
TRAINED = {"n_updates": 2, "batch_size": 1}
ONE_SEQUENCE = jax.eval_shape(
    lambda key: jax.vmap(tasks.Adding(4).sample)(jax.random.split(key, 1)), jax.random.key(0)
)


def declared(kinds):
    """(class, field, range) of every field with a range of one of these kinds."""
    for name, cls in dataclasses_found().items():
        for field in dataclasses.fields(cls):
            range_ = field.metadata.get("range")
            if isinstance(range_, kinds):
                yield pytest.param(name, field.name, range_, id=f"{name}.{field.name}")


NUMBERS = list(declared(Number))
SWEPT = [p for p in NUMBERS if not p.values[2].static]


def test_numbers_are_found():
    assert len(NUMBERS) > 60 and len(SWEPT) > 30


@pytest.mark.parametrize("name", dataclasses_found())
def test_every_numeric_field_declares_its_range(name):
    for field in dataclasses.fields(dataclasses_found()[name]):
        assert not is_numeric(field.type) or "range" in field.metadata, field.name


@pytest.mark.parametrize(("name", "field", "range_"), NUMBERS)
def test_a_number_outside_its_range_is_refused_in_one_line(name, field, range_):
    good = example(name)
    for bad in outside(range_):
        assert_refused(lambda bad=bad: dataclasses.replace(good, **{field: bad}), field)


@pytest.mark.parametrize(("name", "field", "range_"), NUMBERS)
def test_the_edges_of_a_range_are_accepted(name, field, range_):
    good = example(name)
    for edge in inside(range_):
        made = dataclasses.replace(good, **BESIDE.get((name, field), {}), **{field: edge})
        assert getattr(made, field) is edge


@pytest.mark.parametrize(("name", "field", "range_"), NUMBERS)
def test_a_number_of_numpy_is_one_of_python(name, field, range_):
    """So equal values have one hash, and one compiled program."""
    given = getattr(example(name), field)
    given = (10 if range_.whole else 10.0) if given is None else given
    kinds = [np.int64, np.int32] if range_.whole else [np.float64]
    for kind in kinds:
        beside = {"delay": 1} if field == "longest" else {}
        a, b = (
            dataclasses.replace(example(name), **beside, **{field: v}) for v in (given, kind(given))
        )
        assert type(getattr(b, field)) is type(given) and a == b
        assert jax.tree.structure(a) == jax.tree.structure(b) and hash(a) == hash(b)


@pytest.mark.parametrize(("name", "field", "range_"), list(declared(Flag)))
def test_a_flag_is_true_or_false(name, field, range_):
    good = example(name)
    for bad in (0, 1, None, "True", np.ones(1, bool), jnp.array(True)):
        assert_refused(lambda bad=bad: dataclasses.replace(good, **{field: bad}), field)
    assert getattr(dataclasses.replace(good, **{field: np.True_}), field) is True


@pytest.mark.parametrize(("name", "field", "range_"), list(declared(Entries)))
def test_an_array_has_its_axes_and_finite_entries(name, field, range_):
    good = np.ones((2,) * len(range_.axes))
    for bad in (
        ([[1.0]], 1.0, good[0], good.astype(bool), good * np.nan, jnp.asarray(good / 0))
        if (warnings.simplefilter("ignore") is None)
        else ()
    ):
        assert_refused(lambda bad=bad: dataclasses.replace(example(name), **{field: bad}), field)
    for fine in (good, jnp.asarray(good), np.stack([good, good])):
        dataclasses.replace(example(name), **{field: fine})
    if range_.optional:
        dataclasses.replace(example(name), **{field: None})
    else:
        assert_refused(lambda: dataclasses.replace(example(name), **{field: None}), field)


@pytest.mark.parametrize(("name", "field", "range_"), SWEPT)
def test_a_swept_field_may_be_traced(name, field, range_):
    good, beside = example(name), {"longest": 9} if name == "Copy" else {}

    def back(value):
        return getattr(good.replace(**beside, **{field: value}), field)

    value = 1 if range_.whole else float(max(0.5, range_.at_least or 0))
    values = np.full(3, value)
    assert jax.jit(back)(value) == value
    np.testing.assert_array_equal(jax.vmap(back)(values), values)
    assert jax.eval_shape(back, jax.ShapeDtypeStruct((), values.dtype)).shape == ()
    if not range_.whole:
        assert jax.grad(back)(value) == 1
    good.replace(**beside, **{field: jax.ShapeDtypeStruct((3,), values.dtype)})
    good.replace(**beside, **{field: jnp.asarray(values)})


@pytest.mark.parametrize("name", dataclasses_found())
def test_transformations_put_what_they_like_in_the_place_of_a_number(name):
    """None, an axis, a flag, a gradient or a mark is no choice of the user's."""
    good = example(name)
    leaves, structure = jax.tree.flatten(good)
    if leaves and leaves[0] is good:  # always part of the program
        return
    for mark in (None, 0, -1, True, np.nan, object(), jax.ShapeDtypeStruct((), int), jnp.inf):
        made = jax.tree.unflatten(structure, [mark] * len(leaves))
        assert type(made) is type(good)
    real = [leaf for leaf in leaves if jnp.issubdtype(jnp.result_type(leaf), np.floating)]
    if not real:
        return

    def total(node):
        return sum(-9.0 * jnp.sum(leaf) for leaf in jax.tree.leaves(node) if leaf.dtype == float)

    gradient = jax.tree.leaves(jax.grad(total, allow_int=True)(jax.tree.map(jnp.asarray, good)))
    assert sum(np.all(leaf == -9) for leaf in gradient if leaf.dtype == float) == len(real)
    axes = jax.tree.map(lambda _: 0, good)
    lanes = jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * 2), good)
    jax.vmap(lambda node: jnp.zeros(()), in_axes=(axes,))(lanes)


def test_equal_fields_stay_equal_and_frozen():
    a, b = rnnjax.Vanilla(2, 3, leak=0.5), rnnjax.Vanilla(np.int32(2), 3, leak=np.float64(0.5))
    assert a == b and hash(a) == hash(b) and repr(a) == repr(b)
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.leak = 2.0
    assert a.replace(leak=0.25).leak == 0.25 and a.leak == 0.5
    assert_refused(lambda: a.replace(leak=0), "leak")


@pytest.mark.parametrize("given", ["tanh", jnp.tanh, jax.nn.tanh])
def test_an_activation_by_another_name_is_refused_with_the_right_one(given):
    with pytest.raises(ValueError, match=r"; pass rnnjax\.activations\.tanh$"):
        rnnjax.Vanilla(2, 3, activation=given)
    for cls in (rnnjax.Chain, lambda **given: rnnjax.Jordan(2, 3, 2, **given)):
        assert_refused(lambda cls=cls: cls(activation=given), "activation")


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: rnnjax.Vanilla(2, 3, recurrent="orthogonal"), "recurrent"),
        (lambda: rnnjax.Vanilla(2, 3, recurrent=[]), "recurrent"),
        (lambda: rnnjax.Jordan(2, 3, 2, feedback=[1]), "feedback"),
        (lambda: rnnjax.Jordan(2, 3, 2, feedback=(True,)), "feedback"),
        (lambda: rnnjax.Jordan(2, 3, 2, feedback=(1.0,)), "feedback"),
        (lambda: rnnjax.LRU(2, 3, r_min=0.9, r_max=0.5), "r_max"),
        (lambda: rnnjax.decks.ratios.Safeguarded(low=2.0), "high"),
        (lambda: rnnjax.decks.ratios.EachUnit("b"), "layers"),
        (lambda: rnnjax.decks.ratios.EachUnit([["b", ["W"]]]), "layers"),
        (lambda: rnnjax.decks.EligibilityRatio(rnnjax.BPTT), "rule"),
        (lambda: rnnjax.decks.EligibilityRatio("bptt"), "rule"),
        (
            lambda: decks.EligibilityRatio(multiplier=decks.ratios.Literal),
            "multiplier",
        ),
        (lambda: rnnjax.decks.EligibilityRatio(of="norms"), "of"),
        (lambda: rnnjax.decks.MatchedLength(rnnjax.BPTT()), "rule"),
        (lambda: rnnjax.penalties.Penalised(rnnjax.BPTT(), rnnjax.penalties.Omega), "penalty"),
        (lambda: rnnjax.penalties.Penalised(None, rnnjax.penalties.Omega()), "rule"),
        (lambda: cells.FlaxCell("GRU"), "backend"),
        (lambda: updates.clip_by_norm(1.0, None), "optimiser"),
    ],
)
def test_what_is_no_number_is_refused_by_its_field_too(make, field):
    assert_refused(make, field)


def test_a_message_shows_a_long_array_by_what_is_wrong_in_it():
    with pytest.raises(ValueError, match=r"^leak: .* and at most 1, got 1.5 in an array$"):
        rnnjax.Vanilla(2, 3, leak=np.array([0.5, 1.5] * 500))


def test_what_needs_no_check_is_left_alone():
    """A deleted array, or one that is not here, has no entries to look at."""
    gone = jnp.ones(3)
    gone.delete()
    assert rnnjax.Vanilla(2, 3, gain=gone).gain is gone


def test_a_class_derived_from_one_of_ours_is_its_own():
    from flax import struct

    @struct.dataclass
    class Mine(rnnjax.Vanilla):
        more: float = 1.0

    gradient = jax.grad(lambda cell: -cell.leak)(Mine(2, 3))
    assert gradient.leak == -1 and gradient.more == 0


def test_a_value_is_saved_and_restored_as_one_of_flax():
    from flax import serialization

    cell = rnnjax.Vanilla(2, 3, gain=1.5)
    state = serialization.to_state_dict(cell)
    assert serialization.from_state_dict(rnnjax.Vanilla(2, 3), state) == cell
    with pytest.raises(ValueError, match="state: expected the fields gain, input_gain"):
        serialization.from_state_dict(cell, {"gain": 1.0})
