"""What an experiment declares, and the one line that a wrong config gets."""

import json
import subprocess
import sys
from typing import Literal

import pytest
from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from rnnjax.sweep.spec import axis_kind, axis_values, parse_config

from rnnjax import catalog
from rnnjax.errors import ConfigError, one_line
from rnnjax.sweep import ActivationName, Axes, Config, Lane, Static, TaskName


class ToyAxes(Axes):
    activation: Static[ActivationName]
    rule: Static[Literal["bptt", "rtrl"]]
    gain: Lane[PositiveFloat]
    shift: Lane[float]
    seed: Lane[int]


class ToyConfig(Config):
    axes: ToyAxes
    n_h: PositiveInt = Field(64, description="state size")
    rate: float = 0.1
    noisy: bool = False
    word: str = "plain"

    @field_validator("rate")
    @classmethod
    def _not_half(cls, rate):
        if rate == 0.5:
            raise ConfigError("rate", "expected anything else, got 0.5")
        return rate


GOOD = {"activation": "tanh", "rule": "bptt", "gain": 1.0, "shift": 0.0, "seed": "range(2)"}


def parse(axes=None, **keys):
    return parse_config(ToyConfig, {"axes": GOOD | (axes or {}), **keys})


def test_a_good_config_is_expanded_in_field_order():
    config = parse({"gain": "lin(1,2,3)", "activation": ["relu", "tanh"]}, n_h=3, rate=2)
    assert list(axis_values(config.axes)) == list(GOOD)
    assert axis_values(config.axes, "static") == {
        "activation": ("relu", "tanh"),
        "rule": ("bptt",),
    }
    assert config.axes.gain == (1.0, 1.5, 2.0)
    assert (config.n_h, config.rate, config.chunk) == (3, 2.0, 64)
    assert axis_kind(ToyAxes, "gain") == "lane"


def test_a_resolved_config_parses_to_itself():
    config = parse({"gain": "log(0.1,3,7)", "seed": [3, 1]})
    assert parse_config(ToyConfig, json.loads(config.model_dump_json())) == config


def test_a_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        parse().n_h = 5


@pytest.mark.parametrize(
    ("axes", "keys", "message"),
    [
        ({"gain": [float("nan")]}, {}, "axes.gain: expected a finite number, got nan"),
        ({"gain": [float("inf")]}, {}, "axes.gain: expected a finite number, got inf"),
        ({"gain": -1.0}, {}, "axes.gain: expected a number greater than 0, got -1.0"),
        ({"gain": ["x"]}, {}, "axes.gain: expected a valid number, got 'x'"),
        ({"gain": [True]}, {}, "axes.gain: expected a valid number, got True"),
        ({"gain": [[1.0]]}, {}, "axes.gain: expected a valid number, got [1.0]"),
        ({"gain": [1, 1.0]}, {}, "axes.gain: expected values that differ, got 1.0 twice"),
        ({"gain": 1e39}, {}, "axes.gain: expected 0 or a size within 1e-37..3e38, got 1e+39"),
        ({"shift": 1e-50}, {}, "axes.shift: expected 0 or a size within 1e-37..3e38, got 1e-50"),
        ({"seed": 2**31}, {}, "axes.seed: expected an integer of 32 bits, got 2147483648"),
        ({"seed": [0.5]}, {}, "axes.seed: expected a valid integer, got 0.5"),
        ({"rule": "uoro"}, {}, "axes.rule: expected 'bptt' or 'rtrl', got 'uoro'"),
        ({"gian": 1}, {}, "axes.gian: unknown key, expected one of activation, rule, gain, shift, "
         "seed (did you mean 'gain'?)"),
        ({}, {"nh": 3}, "nh: unknown key, expected one of axes, chunk, chunks_a_shard, n_h, rate, "
         "noisy, word (did you mean 'n_h'?)"),
        ({}, {"n_h": "3"}, "n_h: expected a valid integer, got '3'"),
        ({}, {"n_h": True}, "n_h: expected a valid integer, got True"),
        ({}, {"n_h": 3.0}, "n_h: expected a valid integer, got 3.0"),
        ({}, {"n_h": 0}, "n_h: expected a number greater than 0, got 0"),
        ({}, {"n_h": list(range(99))}, "n_h: expected a valid integer, got 99 values"),
        ({}, {"rate": float("nan")}, "rate: expected a finite number, got nan"),
        ({}, {"rate": 0.5}, "rate: expected anything else, got 0.5"),
        ({}, {"noisy": 1}, "noisy: expected a valid boolean, got 1"),
        ({}, {"word": 3}, "word: expected a valid string, got 3"),
        ({}, {"chunk": 0}, "chunk: expected a number greater than or equal to 1, got 0"),
        ({}, {"n_h": 0, "chunk": 0}, "chunk: expected a number greater than or equal to 1, got 0 "
         "(and 1 more)"),
    ],
)  # fmt: skip
def test_a_bad_config_gets_one_line(axes, keys, message):
    with pytest.raises(ConfigError) as caught:
        parse(axes, **keys)
    assert str(caught.value) == message


def test_an_unknown_activation_is_suggested():
    with pytest.raises(ConfigError, match=r"expected one of .*tanh.*got 'tahn' \(did you mean 'ta"):
        parse({"activation": ["relu", "tahn"]})


@pytest.mark.parametrize("data", [{}, {"axes": 5}, {"axes": []}, {"axes": "lin(0,1,2)"}])
def test_axes_must_be_a_table(data):
    with pytest.raises(ConfigError, match=r"^axes: expected"):
        parse_config(ToyConfig, data)


def test_a_missing_axis_is_named():
    axes = {name: value for name, value in GOOD.items() if name != "seed"}
    with pytest.raises(ConfigError, match=r"^axes\.seed: expected a value, got nothing"):
        parse_config(ToyConfig, {"axes": axes})


def test_hostile_values_stay_on_one_short_line():
    nested: list = []
    for _ in range(5000):
        nested = [nested]
    for keys in (
        {"word": ["a\nb\x1b[2J\u2028" * 500]},
        {"n_h": 10**5000},
        {"n_h": nested},
        {"a\nb" * 900: 1},
    ):
        with pytest.raises(ConfigError) as caught:
            parse(**keys)
        told = str(caught.value)
        assert told.isprintable()
        assert len(told) < 500


def test_an_axis_must_be_static_or_lane():
    with pytest.raises(TypeError, match="Static"):

        class NoAxis(Axes):
            gain: tuple[float, ...]

    with pytest.raises(TypeError, match="Lane of int"):

        class WordLane(Axes):
            activation: Lane[str]


def test_activations_are_found_as_python_finds_them():
    from rnnjax import activations

    imported = {
        name for name, value in vars(activations).items()
        if isinstance(value, activations.Activation)
    }  # fmt: skip
    assert set(catalog.activation_names()) == imported


def test_tasks_and_experiments_are_files(tmp_path, monkeypatch):
    assert {"Copy", "Dinner"} < catalog.entries("tasks").keys()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "own.py").write_text('"""Is it found?\n\nMore."""')
    (tmp_path / "experiments" / "_hidden.py").write_text("")
    found = catalog.experiment_files()
    assert catalog.question(found["own"]) == "Is it found?"
    assert "_hidden" not in found
    assert all(path.is_file() for path in found.values())


def test_a_task_name_is_looked_up():
    with pytest.raises(ValidationError, match=r"expected one of .* got 'no_such_task'"):
        TypeAdapter(TaskName).validate_python("no_such_task")


def test_one_line_escapes_and_shortens():
    assert one_line("a\nb\x00\u202e") == "a\\nb\\x00\\u202e"
    assert one_line("x" * 100, 10) == "xxxxxxx..."


def test_the_names_of_a_sweep_import_no_jax():
    code = (
        "from rnnjax.sweep import Axes, Config, Lane, Static, Variable, ActivationName\n"
        "import sys; sys.exit('jax' in sys.modules or 'xarray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=catalog.PACKAGE.parent, check=False)
    assert done.returncode == 0
