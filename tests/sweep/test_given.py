"""What a sweep from Python is given: one line each for what it cannot use."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import sweep
from rnnjax.errors import ConfigError
from rnnjax.sweep.files import StoreError

TOY = Path(__file__).with_name("toy_experiment.py")


def power(setting):
    return {"power": setting.base**setting.exponent}


@pytest.mark.parametrize(
    ("what", "fields", "message"),
    [
        (
            lambda setting: {"a": setting.a},
            {"case": sweep.zipped(a=[1.0], b=[1.0])},
            f"experiment: {__file__}: 'a' stands for two things",
        ),
        (
            lambda setting: {"y": setting.a * np.arange(2.0)},
            {"case": sweep.zipped(a=[1.0], y_0=[2])},
            f"experiment: {__file__}: 'y_0' stands for two things",
        ),
        (
            lambda setting: {"log_norm": setting.a * np.arange(2.0)},
            {"case": sweep.zipped(a=[1.0], lag=[2.0])},
            f"experiment: {__file__}: 'lag' stands for two things",
        ),
        (
            lambda setting: {"y": setting.a},
            {"case": sweep.zipped(a=[1.0], y_status=[2])},
            f"experiment: {__file__}: 'y_status' stands for two things",
        ),
        (
            lambda setting: {"loss/train": setting.base},
            {"base": 1.0},
            f"experiment: {__file__}: expected names without / that can be printed",
        ),
        (
            lambda setting: {"": setting.base},
            {"base": 1.0},
            f"experiment: {__file__}: expected names without / that can be printed",
        ),
        (
            lambda setting: {"n": 1},
            {"word": ["a", "a\0"]},
            "axes.word: expected text that does not",
        ),
        (
            lambda setting: {"a": jnp.zeros(setting.n)},
            {"n": 10**11},
            "measure: expected at most 1000000000 values, got 'a' of shape (100000000000,)",
        ),
        (lambda setting: {"a": jnp.zeros(int(setting.n))}, {"n": 10**20}, "measure: "),
        (
            power,
            {"base": 1.0, "exponent": 1, "out": 3},
            "out: expected the path of a folder or None",
        ),
        (
            power,
            {"base": 1.0, "exponent": 1, "out": ""},
            "out: expected the path of a folder or None",
        ),
        (power, {"base": 1.0, "exponent": 1, "out": "a\0b"}, "out: expected the path of a folder"),
        (
            power,
            {"base": 1.0, "exponent": 1, "out": __file__},
            f"out: expected a folder, got {__file__}, which is none",
        ),
        (TOY, {"out": __file__}, f"out: expected a folder, got {__file__}, which is none"),
        (
            TOY,
            {"config": 3},
            'config: expected "standard", "quick", a path, a mapping or None, got 3',
        ),
        (power, {"base": 1.0, "config": [1]}, 'config: expected "standard", "quick", a path'),
        (
            power,
            {"base": 1.0, "config": "quick"},
            "config: expected a path, a mapping or None, bec",
        ),
        (power, {"base": 1.0, "config": "no_such.toml"}, "config: cannot read no_such.toml"),
        (power, {"base": 1.0, "devices": 1}, "devices: expected devices of jax or None, got 1"),
        (power, {"base": 1.0, "devices": []}, "devices: expected devices of jax or None, got []"),
        (power, {"base": 1.0, "devices": "cpu"}, "devices: expected devices of jax or None, got"),
        (
            power,
            {"base": 1.0, "devices": jax.devices()[:1] * 2},
            "devices: expected devices that d",
        ),
        (
            lambda setting, shared: {"a": setting.base},
            {"base": 1.0, "shared": lambda setting: "text"},
            "shared: expected arrays of numbers, got 'text'",
        ),
        (
            lambda setting, shared: {"a": setting.base},
            {"base": 1.0, "shared": lambda setting: {"b": np.array(["c"])}},
            "shared: expected arrays",
        ),
        (
            lambda setting, shared: {"a": setting.base},
            {"base": 1.0, "shared": lambda setting: 2**70},
            "shared: expected arrays of numbers, got 1180591620717411303424",
        ),
        (
            lambda setting, shared: {"a": setting.base * shared},
            {"base": 1.0, "precision": "float32", "shared": lambda setting: np.int64(2**40)},
            'shared: expected integers to fit int32, got 1099511627776; precision="float64" has',
        ),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(what, fields, message):
    with pytest.raises(ConfigError) as caught:
        sweep.run(what, progress=False, **fields)
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()


def test_a_folder_whose_name_is_too_long_is_told_in_one_line():
    with pytest.raises(StoreError, match="File name too long"):
        sweep.run(power, base=[2.0], exponent=[1], out="x" * 5000, progress=False)
