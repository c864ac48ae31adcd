"""Rules, tasks, cells and initial weights by name: everything there is, and errors in one line."""

import dataclasses
import inspect
import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

import rnnjax
from rnnjax import catalog, names
from rnnjax.errors import ConfigError
from rnnjax.sweep import CellName, Named, RuleName, TaskName, WeightsName
from rnnjax.sweep.config import check_names, parse_config
from rnnjax.sweep.experiment import load
from tests.discovery import SIZES, cells_found, rules_found, tasks_found

SUBJECTS = {"rules": rules_found, "tasks": tasks_found}


def default_of(field):
    return field.default is dataclasses.MISSING


@pytest.mark.parametrize("kind", SUBJECTS)
def test_the_source_tells_the_names_and_fields_that_python_finds(kind):
    found = SUBJECTS[kind]()
    entries = catalog.entries(kind)
    assert entries.keys() == found.keys()
    for name, entry in entries.items():
        fields = {field.name: default_of(field) for field in dataclasses.fields(found[name])}
        assert entry.fields == fields, name


def test_the_source_tells_the_cells_that_python_finds():
    found = {type(cell).__name__: type(cell) for cell in cells_found().values()}
    entries = catalog.entries("cells")
    assert entries.keys() == found.keys()
    for name, entry in entries.items():
        fields = {field.name: default_of(field) for field in dataclasses.fields(found[name])}
        assert entry.fields == fields, name


def test_initial_weights_are_what_takes_a_key_and_a_size():
    module = rnnjax.cells.initial_weights
    takes = {
        name for name, thing in vars(module).items()
        if getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
        and _arguments(thing) == ["key", "n"]
    }  # fmt: skip
    assert catalog.entries("weights").keys() == takes
    assert rnnjax.cells.weights_named("orthogonal") is module.orthogonal
    assert rnnjax.cells.weights_named("SparseRescaled(radius=0.9)").radius == 0.9


def _arguments(thing):
    called = thing.__call__ if inspect.isclass(thing) else thing
    return [name for name in inspect.signature(called).parameters if name != "self"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [(k, n) for k in SUBJECTS for n, e in catalog.entries(k).items() if not any(e.fields.values())],
)
def test_what_needs_no_value_is_made_by_its_name_and_again_from_its_fields(kind, name):
    package = getattr(rnnjax, kind)
    made = package.named(name)
    assert type(made) is SUBJECTS[kind]()[name]
    literal = {
        field.name: value
        for field in dataclasses.fields(made)
        if isinstance(value := getattr(made, field.name), bool | int | float | None | tuple)
    }
    assert package.named(str(names.Call(name, literal))) == made


@pytest.mark.parametrize("name", [n for n in catalog.entries("cells") if n in rnnjax.__all__])
def test_a_cell_is_made_by_its_name_and_its_sizes(name):
    if name == "Stack":
        sizes = {"cells": (rnnjax.Vanilla(2, 3),)}
    else:
        needed = [field for field, needs in catalog.entries("cells")[name].fields.items() if needs]
        sizes = {field: SIZES[field] for field in needed}
    assert rnnjax.cells.named(name, **sizes) == getattr(rnnjax, name)(**sizes)


def test_words_in_a_cell_are_activations_and_initial_weights():
    cell = rnnjax.cells.named("Vanilla(activation=identity, recurrent=identity)", n_x=1, n_h=2)
    assert cell.activation is rnnjax.activations.identity
    assert cell.recurrent is rnnjax.cells.identity


def test_a_program_gives_values_for_words_and_fields():
    import jax.numpy as jnp

    F = jnp.ones((3, 2))
    assert rnnjax.rules.named("RFLO(feedback=random)", {"random": F}).feedback is F
    assert rnnjax.rules.named("RFLO", feedback=F).feedback is F
    assert rnnjax.tasks.named("AddTask(lag_1=2)", length=9).length == 9


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("BPTT", "BPTT"),
        ("BPTT()", "BPTT"),
        (" BPTT( decay = .5,window=3 ) ", "BPTT(decay=0.5, window=3)"),
        ("EProp(autapse=False)", "EProp(autapse=False)"),
        ("DNI(rate=1e-2)", "DNI(rate=0.01)"),
    ],
)
def test_a_name_has_one_normal_form(text, normal):
    assert TypeAdapter(RuleName).validate_python(text) == normal
    assert names.checked("rules", normal) == normal


FORM = r"expected Name or Name\(field=value, ...\), got "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RTRLL", r"^expected one of BPTT, .*, got 'RTRLL' \(did you mean 'RTRL'\?\)$"),
        ("BPTT(windw=3)", r"^BPTT: expected one of decay, segment, window, got 'windw' \(did you"),
        ("BPTT(window=0)", r"^BPTT\(window=0\): window: expected a whole number of at least 1"),
        ("BPTT(window=2, segment=2)", r"^BPTT\(window=2, segment=2\): segment: expected None with"),
        ("TruncatedBPTT", r"^TruncatedBPTT: expected a value of window, got none$"),
        ("RFLO(feedback=random)", r"^RFLO\(feedback=random\): feedback: expected a literal, got r"),
        ("SnAp(2)", FORM), ("BPTT(window=2, window=3)", FORM), ("BPTT(**a)", FORM),
        ("BPTT(window=[3])", FORM), ("BPTT(window=f())", FORM), ("rules.BPTT", FORM),
        ("BPTT(window=1)(decay=1)", FORM), ("", FORM), ("BPTT(", FORM), ("(" * 400, FORM),
        ("BPTT(window=\n3)\nx", FORM), ("9" * 501, FORM),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_in_one_line(text, told):
    with pytest.raises(ValueError, match=told) as error:
        rnnjax.rules.named(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: rnnjax.cells.named("LSTM(gian=1.0)", n_x=1, n_units=1), "did you mean 'gain'"),
        (lambda: rnnjax.cells.named("LSTM(n_x=1)", n_x=1, n_units=1), "expected no n_x, which is"),
        (lambda: rnnjax.cells.named("LSTM"), "^LSTM: expected a value of n_x, got none"),
        (lambda: rnnjax.cells.named("Vanilla(activation=rellu)"), "did you mean 'relu'"),
        (lambda: rnnjax.cells.named("GRU(recurrent=tanh)"), "expected one of SparseRescaled, gau"),
        (lambda: rnnjax.cells.weights_named("gausian"), "did you mean 'gaussian'"),
        (lambda: rnnjax.cells.weights_named("gaussian(n=3)"), "gaussian: expected one of nothing"),
        (lambda: rnnjax.tasks.named("AddTask(lag_1=8)"), "lag_2: expected a lag other than lag_1"),
    ],
)
def test_wrong_cells_weights_and_tasks_are_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        (RuleName, "SnAp(n=2)", "SnAp(n=0)"),
        (TaskName, "AddTask(lag_1=2)", "add_task"),
        (CellName, "Vanilla(activation=relu)", "Vanilla(leak=2.0)"),
        (WeightsName, "SparseRescaled(n_incoming=3)", "SparseRescaled(radius=-1)"),
    ],
)
def test_the_types_of_settings_validate_names(annotation, right, wrong):
    adapter = TypeAdapter(annotation)
    assert adapter.validate_python(right) == right
    with pytest.raises(ValidationError, match="expected"):
        adapter.validate_python(wrong)


def test_names_are_validated_without_jax():
    code = (
        "import sys; from rnnjax.sweep.setting import Named\n"
        "Named('rules').checked('BPTT(window=3)'); Named('tasks').checked('AddTask')\n"
        "Named('cells').checked('Vanilla(activation=relu, recurrent=orthogonal)')\n"
        "Named('rules', ('random',)).checked('RFLO(feedback=random)')\n"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_words_are_those_that_an_experiment_gives_values_for():
    named = Named("rules", ("random",))
    assert named.checked("EProp(feedback=random)") == "EProp(feedback=random)"
    with pytest.raises(ValueError, match=r"feedback: expected one of random, got 'randm' \(did"):
        named.checked("EProp(feedback=randm)")


def test_a_run_refuses_a_value_out_of_its_range_before_anything_is_compiled(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rnnjax.cli", "run", "influence_balancing", "--quick",
         "--axes.rule", "RTRL,SnAp(n=0)", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    message = "rnnjax: rule: SnAp(n=0): n: expected a whole number of at least 1, got 0\n"
    assert done.stderr.endswith(message)


def test_names_in_tuples_and_joint_axes_are_validated_again():
    experiment = load("add_task")
    axes = {"case": {"rule": ["RTRL", "SnAp(n=2)"], "recurrence": ["trained", "trained"]}}
    config = parse_config(experiment.setting, {"axes": axes})
    check_names(config)
    fields = {**config.axes[0].fields, "rule": ("RTRL", "SnAp(n=0)")}
    spoilt = replace(config, axes=(replace(config.axes[0], fields=fields), *config.axes[1:]))
    with pytest.raises(ConfigError, match=r"^axes.case.rule: SnAp\(n=0\): n: expected"):
        check_names(spoilt)
    film = parse_config(load("training_film").setting, {})
    spoilt = replace(film, values={**film.values, "rules": ("UORO", "BPTT(window=0)")})
    with pytest.raises(ConfigError, match=r"^rules: BPTT\(window=0\): window: expected"):
        check_names(spoilt)
