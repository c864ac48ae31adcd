"""Sweeps from Python: experiments by file, functions of a setting, in memory and in folders."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from rnnjax import sweep
from rnnjax.errors import ConfigError
from rnnjax.sweep.files import StoreError

TOY = Path(__file__).with_name("toy_experiment.py")
SMALL = {
    "gain": [0.5, 2.0], "seed": range(3), "length": 4, "precision": "float32", "progress": False
}  # fmt: skip
# Of one run of the same program nothing else differs.
OF_THE_RUN = ("git_dirty", "git_revision")


def power(setting):
    return {"power": setting.base**setting.exponent, "row": setting.base * jnp.arange(3.0)}


@pytest.fixture(scope="module")
def toy():
    return sweep.run(TOY, **SMALL)


@pytest.mark.wide
def test_an_experiment_gives_what_the_command_line_gives(toy, tmp_path, rnnjax):
    flags = ["--axes.gain", "0.5,2", "--axes.seed", "range(3)", "--length", "4", "--devices", "1"]
    done = rnnjax("run", TOY, *flags, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    written = xr.load_dataset(tmp_path / "out" / "cube.nc")
    for cube in (toy, written):
        for name in OF_THE_RUN:
            cube.attrs.pop(name, None)
    assert toy.drop_encoding().identical(written.drop_encoding())


def test_a_function_of_a_setting():
    cube = sweep.run(power, base=[2.0, 3.0], exponent=[1, 3], progress=False)
    assert cube["power"].dims == ("base", "exponent")
    assert cube["power"].values.tolist() == [[2, 8], [3, 27]]
    assert cube["row"].dims == ("base", "exponent", "row_0")
    assert cube["row"].sel(base=3.0, exponent=1).values.tolist() == [0, 3, 6]
    assert cube["power_status"].dtype == np.int8


def test_fields_that_vary_together():
    cube = sweep.run(power, case=sweep.zipped(base=[2.0, 3.0], exponent=[3, 2]), progress=False)
    assert cube["power"].dims == ("case",)
    assert cube["power"].values.tolist() == [8, 9]
    assert cube["exponent"].values.tolist() == [3, 2]
    assert cube["case"].values.tolist() == ["2/3", "3/2"]


def test_what_cells_share_is_computed_once_for_each_value_that_it_reads():
    def shared(setting):
        counted.append(setting.seed)
        return jax.random.normal(jax.random.key(setting.seed)), setting.n_h

    def measure(setting, shared):
        draw, n_h = shared
        return {"product": setting.factor * draw, "n": n_h, "draw": draw}

    counted: list = []
    cube = sweep.run(
        measure, shared=shared, factor=[1.0, 2.0, 3.0], seed=range(4), n_h=[3, 4], word=["a", "b"],
        progress=False, precision="float32",
    )  # fmt: skip
    with jax.enable_x64(False):
        expected = [float(jax.random.normal(jax.random.key(seed))) for seed in range(4)]
    np.testing.assert_array_equal(cube["draw"].isel(n_h=0, word=0, factor=0), np.float32(expected))
    np.testing.assert_allclose(
        cube["product"].sel(factor=3.0, word="b"), 3 * cube["draw"].sel(factor=1.0, word="a"), 1e-6
    )
    assert cube["n"].sel(n_h=4).values.min() == 4
    # Traced once for finding the variables, and once for each n_h, which it reads; word is not.
    assert len(counted) == 3


def test_random_keys_are_shared_as_keys():
    cube = sweep.run(
        lambda setting, key: {"draw": setting.scale * jax.random.normal(key)},
        shared=lambda setting: jax.random.fold_in(jax.random.key(7), setting.seed),
        scale=[1.0, 2.0, 4.0], seed=range(2), progress=False, precision="float32",
    )  # fmt: skip
    with jax.enable_x64(False):
        expected = jax.random.normal(jax.random.fold_in(jax.random.key(7), 1))
    assert cube["draw"].sel(scale=1.0, seed=1).item() == float(expected)


def test_a_class_of_settings_in_the_annotation():
    class Own(sweep.Setting):
        n: sweep.Traced[int] = 1
        factor: sweep.Static[float] = 2.0

    def measure(setting: Own):
        assert isinstance(setting.factor, float)
        return {"value": setting.n * setting.factor}

    measure.__annotations__["setting"] = Own
    cube = sweep.run(measure, n=[1, 2], factor=[2.0, 3.0], progress=False)
    assert cube["value"].sel(factor=3.0, n=2).item() == 6


def test_a_tuple_is_one_value_and_tuples_are_an_axis():
    def measure(setting):
        return {"sum": jnp.asarray(sum(setting.parts))}

    cube = sweep.run(measure, parts=[(1.0, 2.0), (3.0, 4.0, 5.0)], progress=False)
    assert cube["sum"].values.tolist() == [3, 12]
    assert cube["parts"].values.tolist() == ["1,2", "3,4,5"]


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"n": [(1.0, 2.0), (1.0000000000001, 2.0)]}, ["1,2", "1.0000000000001,2"]),
        ({"n": [(0.1, 0.3), (0.1, 0.1 + 0.2)]}, ["0.1,0.3", "0.1,0.30000000000000004"]),
        ({"n": [-1, 2**63, 2**63 + 1]}, ["-1", "9223372036854775808", "9223372036854775809"]),
        ({"n": sweep.zipped(a=[1.0, 1.0000000000001], b=[2, 2])}, ["1/2", "1.0000000000001/2"]),
    ],
)
def test_each_point_of_an_axis_has_a_label_and_a_place_of_its_own(fields, labels):
    calls = iter(range(10))
    cube = sweep.run(
        lambda setting: {"call": next(calls)},
        **fields,
        chunk=1,
        precision="float64",
        progress=False,
    )
    assert cube["n"].values.tolist() == labels
    assert cube["call_status"].values.tolist() == [1] * len(labels)
    if isinstance(fields["n"], list):  # static: a program each
        assert len({*cube["call"].values.tolist()}) == len(labels)


def test_values_that_float64_alone_tells_apart():
    apart = [1.0, 1 + 1e-9]
    difference = sweep.run(
        lambda setting: {"d": setting.x - 1}, x=apart, precision="float64", progress=False
    )
    np.testing.assert_allclose(difference["d"], [0, 1e-9], rtol=1e-6)
    joint = sweep.zipped(x=apart, seed=[1, 2])  # seeds tell these points apart
    cube = sweep.run(
        lambda setting: {"s": setting.seed}, case=joint, precision="float32", progress=False
    )
    assert cube["s"].values.tolist() == [1, 2]


def test_values_that_read_like_other_axes_have_cells_of_their_own():
    cube = sweep.run(
        lambda setting: {"n": 10 * len(setting.a) + len(setting.b)},
        a=["p", "p+b=q"], b=["r", "q+b=r"], progress=False,
    )  # fmt: skip
    assert cube["n"].values.tolist() == [[11, 15], [51, 55]]
    assert (cube["n_status"] == 1).all()


@pytest.mark.parametrize("name", ["axes", "chunk", "case"])
def test_the_dimension_of_fields_that_vary_together_may_have_any_name(name):
    both = sweep.zipped(base=[2.0, 3.0], exponent=[3, 2])
    cube = sweep.run(power, config={"chunk": 2}, progress=False, **{name: both})
    assert cube["power"].dims == (name,) and cube["power"].values.tolist() == [8, 9]
    assert cube.setting.chunk == 2


def test_a_config_is_read_for_a_function_and_stays_as_it_is(tmp_path):
    given = {"chunk": 2, "axes": {"base": [5.0]}}
    path = tmp_path / "own.toml"
    path.write_text("chunk = 2\n[axes]\nbase = [5.0]\n")
    for config in (given, path, str(path)):
        cube = sweep.run(power, base=[2.0], exponent=3, config=config, progress=False)
        assert cube["power"].values.tolist() == [8.0] and cube.setting.chunk == 2
    assert given == {"chunk": 2, "axes": {"base": [5.0]}}


def test_float64_for_one_sweep_alone():
    cube = sweep.run(power, base=[2.0], exponent=[1], precision="float64", progress=False)
    assert cube["power"].dtype == np.float64
    assert jnp.ones(1).dtype == jnp.zeros(1).dtype


def test_what_is_shared_has_the_precision_of_the_sweep():
    def drawn(setting):
        return jax.random.normal(jax.random.key(setting.seed), (2,))

    # A context of this thread would not reach those that compile.
    before = jax.config.values["jax_enable_x64"]
    jax.config.update("jax_enable_x64", False)
    try:
        of = {"shared": drawn, "seed": [3, 4], "precision": "float64", "progress": False}
        cube = sweep.run(lambda setting, both: {"first": both[0]}, **of)
    finally:
        jax.config.update("jax_enable_x64", before)
    with jax.enable_x64(True):
        expected = [jax.random.normal(jax.random.key(seed), (2,))[0].item() for seed in (3, 4)]
    np.testing.assert_allclose(cube["first"], expected, rtol=1e-14)


def test_integers_are_as_wide_as_the_precision():
    def measure(setting):
        return {"numpy": np.int64(2**40), "python": -(2**40), "least": np.int32(-(2**31))}

    with jax.enable_x64(False):
        cube = sweep.run(measure, base=[2.0], precision="float64", progress=False)
    got = [cube[name].item() for name in ("numpy", "python", "least")]
    assert got == [2**40, -(2**40), -(2**31)]


def test_nothing_is_changed_and_nothing_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    environment, options = dict(os.environ), dict(jax.config.values)
    sweep.run(power, base=[2.0], exponent=[1], progress=False)
    assert dict(os.environ) == environment
    assert dict(jax.config.values) == options
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_options_of_the_caller_change_no_bits(toy):
    with jax.default_matmul_precision("bfloat16"), jax.debug_nans(True):
        again = sweep.run(TOY, **SMALL)
    assert again["log_norm"].identical(toy["log_norm"])


@pytest.mark.wide
def test_a_folder_is_resumed_by_the_command_line(tmp_path, rnnjax):
    out = tmp_path / "out"
    cube = sweep.run(TOY, gain=[0.5], seed=[1, 2], out=out, progress=False)
    assert {"sweep.json", "cube.nc", "groups"} <= {path.name for path in out.iterdir()}
    assert rnnjax("resume", out).returncode == 0
    assert sweep.run(TOY, gain=[0.5], seed=[1, 2], out=out, progress=False).identical(cube)
    with pytest.raises(StoreError, match="holds another sweep"):
        sweep.run(TOY, gain=[0.6], seed=[1, 2], out=out, progress=False)


def test_a_function_takes_a_new_folder_alone(tmp_path):
    out = tmp_path / "out"
    sweep.run(power, base=[2.0], exponent=[1], out=out, progress=False)
    with pytest.raises(ConfigError, match=r"^out: expected a new folder"):
        sweep.run(power, base=[2.0], exponent=[1], out=out, progress=False)


@pytest.mark.parametrize(
    ("what", "fields", "message"),
    [
        (TOY, {"gian": 1.0}, "gian: unknown key, expected one of"),
        (TOY, {"gain": ["x"]}, "axes.gain: expected a valid number, got 'x'"),
        (TOY, {"n_h": 0}, "n_h: expected a number greater than 0, got 0"),
        (TOY, {"shared": power}, "shared: expected None, because an experiment has its own"),
        (TOY, {"config": "no_such.toml"}, "config: cannot read no_such.toml"),
        ("no_such", {}, "experiment: expected one of"),
        (power, {"base": ["a", 1.0]}, "base: expected numbers, text or truth values, all of one"),
        (power, {"base": [1.0]}, "measure: fails: AttributeError: 'Setting' object has no attr"),
        (lambda setting: {}, {"base": 1.0}, "measure: expected a dict of arrays, got an empty one"),
        (lambda setting: {"a": 1j * setting.base}, {"base": 1.0},
         "measure: expected a dict of arrays of real numbers, got 'a': an array of complex"),
        (lambda setting: {"a": np.int64(2**40)}, {"base": 1.0, "precision": "float32"},
         "measure: expected 'a' to fit int32, got 1099511627776; precision=\"float64\" has int64"),
        (lambda setting: {"a": np.arange(3) + 2**33}, {"base": 1.0, "precision": "float32"},
         "measure: expected 'a' to fit int32, got 8589934592"),
        (lambda setting: {"a": setting.n}, {"n": [1, -(2**31) - 1], "precision": "float32"},
         "measure: expected 'a' to fit int32, got -2147483649"),
        (lambda setting: {"a": 2**70}, {"base": 1.0}, "measure: expected a dict of arrays of real"),
        (lambda setting: {"a": jnp.zeros((2, 0)) * setting.base}, {"base": 1.0},
         "measure: expected arrays that are not empty, got 'a' of shape (2, 0)"),
        (lambda setting: {"a": setting.base.astype(jnp.bfloat16)}, {"base": [1.0]},
         "measure: expected a dict of arrays of real numbers, got 'a': an array of bfloat16"),
        (lambda setting: {"a": jax.random.key(0)}, {"base": 1.0},
         "measure: expected a dict of arrays of real numbers, got 'a': an array of key<fry>"),
        (power, {"base": 1.0, "exponent": 1, "precision": "float16"},
         "precision: expected \"float32\" or \"float64\", got 'float16'"),
        (power, {"base": 1.0, "exponent": 1, "precision": ""}, "precision: expected \"float32\""),
        (lambda setting: {"a": setting.base / 0, "a_status": setting.base}, {"base": [1.0, 2.0]},
         f"experiment: {__file__}: 'a_status' stands for two things"),
        (lambda setting: {"a": setting.a_status}, {"a_status": [1.0, 2.0]},
         f"experiment: {__file__}: 'a_status' stands for two things"),
        (lambda setting: {"a_status": setting.base}, {"base": [1.0, 2.0]},
         f"experiment: {__file__}: variable 'a_status' ends in _status"),
        (lambda base, seed: {"a": base}, {"base": [1.0], "seed": 0},
         "measure: expected a function of (setting), got one of (base, seed); its values are"),
        (power, {"base": 1.0, "exponent": 1, "shared": power},
         "measure: expected a function of (setting, shared), got one of (setting)"),
        (lambda setting, shared: {"a": shared}, {"base": 1.0, "shared": 2.0},
         "shared: expected a function of a setting, got 2.0"),
        (power, {"case": sweep.zipped(base=[1.0], exponent=[1, 2])},
         "axes.case.exponent: expected 1 values, as many as base has, got 2"),
        (power, {"base": [1.0, 2.0, 1 + 1e-9], "exponent": 1, "precision": "float32"},
         "axes.base: expected values that float32 tells apart, got 1.0 and 1.000000001"),
        (lambda setting: {"a": setting.base},
         {"case": sweep.zipped(base=[1.0, 1 + 1e-9], seed=[7, 7]), "precision": "float32"},
         "axes.case: expected values that float32 tells apart, got (1.0, 7) and (1.000000001, 7)"),
        # One of two ways to give a field would win without a word.
        (power, {"base": [1.0], "axes": {"base": [3.0]}, "exponent": 1},
         "axes: expected each axis as its field, as in gain=[1.0, 2.0], or config={\"axes\": "),
        (power, {"axes": {"base": [3.0]}, "base": 1.0, "exponent": 1}, "axes: expected each axis"),
        (TOY, {"gain": [1.0], "axes": {"gain": [2.0]}}, "axes: expected each axis as its field"),
        (TOY, {"gain": [1.0], "axes.gain": [2.0]}, "axes.gain: expected the name of a field"),
        (power, {"base": 5.0, "case": sweep.zipped(base=[1.0], exponent=[1])},
         "base: expected a value or an axis, got 5.0 and axes.case"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_one_line(what, fields, message):
    with pytest.raises(ConfigError) as caught:
        sweep.run(what, progress=False, **fields)
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()


def test_shared_results_are_forgotten_where_memory_asks(monkeypatch):
    def measure(setting, shared):
        return {"scaled": setting.factor * shared}

    def shared(setting):
        return jax.random.normal(jax.random.key(setting.seed), (setting.n_h,)).sum()

    axes = {"word": ["a", "b"], "n_h": [3, 4], "factor": [1.0, 2.0, 3.0], "seed": range(2)}
    whole = sweep.run(measure, shared=shared, progress=False, **axes)
    monkeypatch.setattr("rnnjax.sweep.programs._MOST_KEPT", 0)
    assert sweep.run(measure, shared=shared, progress=False, **axes).identical(whole)
