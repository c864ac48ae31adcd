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
    model_validator,
)

from rnnjax import catalog
from rnnjax.errors import ConfigError, one_line
from rnnjax.sweep import ActivationName, Setting, Static, TaskName, Traced
from rnnjax.sweep.config import parse_config
from rnnjax.sweep.setting import kind_of


class Toy(Setting):
    activation: ActivationName = "tanh"
    rule: Literal["bptt", "rtrl"] = "bptt"
    gain: PositiveFloat = 1.0
    shift: float = 0.0
    seed: Traced[int] = 0
    n_h: PositiveInt = Field(64, description="state size")
    rate: Static[float] = 0.1
    noisy: bool = False
    word: str = "plain"
    scale: float = 1.0
    delays: tuple[PositiveInt, ...] = (1, 2)
    length: int | None = None
    axes = ("activation", "rule", "gain", "shift", "seed")

    @field_validator("rate")
    @classmethod
    def _not_half(cls, rate):
        if rate == 0.5:
            raise ConfigError("rate", "expected anything else, got 0.5")
        return rate


GOOD = {"activation": "tanh", "rule": "bptt", "gain": 1.0, "shift": 0.0, "seed": "range(2)"}


def parse(axes=None, **keys):
    return parse_config(Toy, {"axes": GOOD | (axes or {}), **keys})


def labels(config):
    return {axis.name: axis.labels for axis in config.axes}


def test_a_good_config_is_expanded_in_field_order():
    config = parse({"gain": "lin(1,2,3)", "activation": ["relu", "tanh"]}, n_h=3, rate=2)
    assert list(labels(config)) == list(GOOD)
    static = {axis.name: axis.labels for axis in config.axes if axis.kind == "static"}
    assert static == {"activation": ("relu", "tanh"), "rule": ("bptt",)}
    assert labels(config)["gain"] == (1.0, 1.5, 2.0)
    assert (config.values["n_h"], config.values["rate"], config.chunk) == (3, 2.0, 64)
    assert (kind_of(Toy, "gain"), kind_of(Toy, "rate")) == ("traced", "static")


def test_every_field_may_be_an_axis_and_those_of_each_cube_come_last():
    config = parse({"n_h": [4, 8], "delays": [[1], [2, 3]], "length": [5, 6], "noisy": [True]})
    assert list(labels(config)) == ["n_h", "noisy", "delays", "length", *GOOD]
    assert labels(config)["delays"] == ("1", "2,3")
    assert labels(config)["length"] == (5, 6)


def test_without_axes_each_cube_has_its_own_with_one_value():
    config = parse_config(Toy, {"gain": 2.0})
    assert labels(config) == {
        "activation": ("tanh",), "rule": ("bptt",), "gain": (2.0,), "shift": (0.0,), "seed": (0,)
    }  # fmt: skip
    assert config.fixed.gain == 2.0


def test_fields_that_vary_together_are_one_axis():
    table = {"word": ["a", "b"], "n_h": [10, 20], "length": [3, 3]}
    config = parse({"case": table})
    case = config.axes[0]
    assert (case.name, case.kind, case.labels) == ("case", "static", ("a/10/3", "b/20/3"))
    assert case.at(1) == {"word": "b", "n_h": 20, "length": 3}
    with pytest.raises(AttributeError, match="n_h"):
        config.fixed.n_h  # noqa: B018
    traced = parse_config(Toy, {"axes": {"pair": {"scale": [1, 2], "rate": [0.1, 0.2]}}})
    assert [(a.name, a.kind) for a in traced.axes[:1]] == [("pair", "static")]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"case": {"word": ["a"], "n_h": [1, 2]}},
         "axes.case.n_h: expected 1 values, as many as word has, got 2"),
        ({"case": {"word": ["a", "a"], "n_h": [1, 1]}},
         "axes.case: expected values that differ, got 'a/1' twice"),
        ({"case": {"wort": ["a"]}}, "axes.case.wort: unknown key, expected one of"),
        ({"case": {"n_h": [0, 1]}}, "axes.case.n_h: expected a number greater than 0, got 0"),
        ({"case": {}}, "axes.case: expected fields that vary together, got"),
        ({"gain": {"n_h": [1]}}, "axes.gain: expected values, got"),
        ({"a b": {"n_h": [1]}}, "axes.a b: expected a name of letters, digits and underscores"),
        ({"case": {"n_h": [1, 2]}, "n_h": [1]}, "axes.case: n_h is on axes.n_h already"),
        ({"case": {"gain": [1, 2]}}, "axes.case: gain is on axes.gain already"),
    ],
)  # fmt: skip
def test_a_bad_joint_axis_gets_one_line(axes, message):
    with pytest.raises(ConfigError) as caught:
        parse(axes)
    assert str(caught.value).startswith(message)


def test_a_joint_axis_of_each_cube_takes_no_axis_apart():
    class Cases(Setting):
        word: str = "a"
        n_h: PositiveInt = 2
        axes = (("case", "word", "n_h"),)

    assert labels(parse_config(Cases, {})) == {"case": ("a/2",)}
    with pytest.raises(ConfigError, match=r"^axes.n_h: expected axes.case.n_h, because word, n_h"):
        parse_config(Cases, {"axes": {"n_h": [1, 2]}})
    with pytest.raises(ConfigError, match=r"^axes.case.word: expected a value, got nothing"):
        parse_config(Cases, {"axes": {"case": {"n_h": [1, 2]}}})


def test_a_check_across_fields_sees_every_cell():
    class Checked(Setting):
        word: str = "a"
        n_h: PositiveInt = 2
        axes = ("word", "n_h")

        @model_validator(mode="after")
        def _fits(self):
            if (self.word, self.n_h) == ("b", 3):
                raise ConfigError("n_h", "expected fewer units for b, got 3")
            return self

    parse_config(Checked, {"axes": {"word": ["a", "b"], "n_h": [1, 2]}})
    with pytest.raises(ConfigError, match=r"^axes\.n_h: expected fewer units"):
        parse_config(Checked, {"axes": {"word": ["a", "b"], "n_h": [2, 3]}})
    with pytest.raises(ConfigError, match=r"^n_h: expected fewer units"):
        parse_config(Checked, {"axes": {"word": ["a", "b"]}, "n_h": 3})


def test_a_joint_axis_takes_no_axis_of_every_cube():
    message = r"^axes\.pair: expected other fields, because gain is on axes\.gain of every cube"
    with pytest.raises(ConfigError, match=message):
        parse_config(Toy, {"axes": {"pair": {"gain": [1, 2], "scale": [3, 3]}}})


def test_a_value_or_an_axis():
    with pytest.raises(ConfigError, match=r"^gain: expected a value or an axis, got 2.0 and axes"):
        parse(gain=2.0)


def test_a_resolved_config_parses_to_itself():
    config = parse({"gain": "log(0.1,3,7)", "seed": [3, 1], "delays": [[1], [2]]})
    assert parse_config(Toy, json.loads(json.dumps(config.json))) == config


def test_a_setting_is_frozen_and_replaced():
    setting = Toy(gain=2.0)
    with pytest.raises(ValueError, match="frozen"):
        setting.gain = 5
    assert setting.replace(gain=3.0).gain == 3.0
    with pytest.raises(ValueError, match=r"expected one of .*'gian' \(did you mean 'gain'"):
        setting.replace(gian=3.0)


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
         "seed, n_h, rate, noisy, word, scale, delays, length (did you mean 'gain'?)"),
        ({}, {"nh": 3}, "nh: unknown key, expected one of activation, rule, gain, shift, seed, "
         "n_h, rate, noisy, word, scale, delays, length, axes, chunk, chunks_a_shard (did you "
         "mean 'n_h'?)"),
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
        ({}, {"n_h": 0, "chunk": 0}, "n_h: expected a number greater than 0, got 0 (and 1 more)"),
    ],
)  # fmt: skip
def test_a_bad_config_gets_one_line(axes, keys, message):
    with pytest.raises(ConfigError) as caught:
        parse(axes, **keys)
    assert str(caught.value) == message


def test_an_unknown_activation_is_suggested():
    with pytest.raises(ConfigError, match=r"expected one of .*tanh.*got 'tahn' \(did you mean 'ta"):
        parse({"activation": ["relu", "tahn"]})


@pytest.mark.parametrize("data", [{"axes": 5}, {"axes": []}, {"axes": "lin(0,1,2)"}])
def test_axes_must_be_a_table(data):
    with pytest.raises(ConfigError, match=r"^axes: expected"):
        parse_config(Toy, data)


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
        message = str(caught.value)
        assert message.isprintable()
        assert len(message) < 500


def test_a_class_of_settings_that_cannot_be_swept_is_refused():
    with pytest.raises(TypeError, match="gain: expected a default"):

        class NoDefault(Setting):
            gain: float

    with pytest.raises(TypeError, match="Traced of int"):

        class TracedWord(Setting):
            activation: Traced[str] = "tanh"

    with pytest.raises(TypeError, match="'gian' is no field"):

        class UnknownAxis(Setting):
            gain: float = 1.0
            axes = ("gian",)

    with pytest.raises(TypeError, match="another name"):

        class Reserved(Setting):
            chunk: int = 3


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
        "from rnnjax.sweep import Setting, Static, Traced, Variable, ActivationName, run\n"
        "import sys; sys.exit('jax' in sys.modules or 'xarray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=catalog.PACKAGE.parent, check=False)
    assert done.returncode == 0
