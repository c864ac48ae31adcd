"""Shards that hold a part of the lanes, and cells that come from elsewhere: merged and reused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from rnnjax.cli import main
from rnnjax.sweep import files
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.differences import differences
from rnnjax.sweep.store import Store
from tests.sweep.test_store import AXES, IDS, fill, make_shard, make_spec

pytestmark = pytest.mark.wide  # sweeps as processes

TOY = Path(__file__).with_name("toy_experiment.py")
GAINS = ("--axes.gain", "[0.25,0.5,1.0,2.0]", "--axes.seed", "range(5)")


@pytest.fixture(scope="module")
def larger(rnnjax, folder):
    """A sweep with more gains and seeds than the plain one, from nothing, in many shards."""
    done = rnnjax("run", TOY, *GAINS, "--out", "larger", "--chunks-a-shard", "2")
    assert done.returncode == 0, done.stderr
    return folder / "larger"


def data_of(cube):
    return {name: (v.dims, v.values.tobytes()) for name, v in cube.variables.items()}


def test_the_cube_does_not_depend_on_how_lanes_are_cut_into_shards(rnnjax, folder, plain):
    done = rnnjax("run", TOY, "--out", "parts", "--chunks-a-shard", "1", "--devices", "1")
    assert done.returncode == 0, done.stderr
    assert len(Store.open(folder / "parts").committed()) == 6  # 9 lanes of either activation
    assert data_of(read_cube(folder / "parts")) == data_of(read_cube(plain))
    again = rnnjax("run", TOY, "--out", "parts")
    assert again.returncode == 3
    assert "other shards" in again.stderr


def test_an_extended_axis_computes_only_the_new_cells(rnnjax, folder, plain, larger):
    arguments = ("run", TOY, *GAINS, "--out", "extended", "--reuse", "plain", "--devices", "1")
    done = rnnjax(*arguments)
    assert done.returncode == 0, done.stderr
    told = Store.open(folder / "extended").receipts().values()
    assert sum(receipt["n_reused"] for receipt in told) == 2 * 3 * 3
    assert sum(receipt["n_cells"] for receipt in told) == 2 * 4 * 5
    assert "6/6 steps" in done.stderr  # 11 new lanes of either activation, 4 at a time
    extended, cold = read_cube(folder / "extended"), read_cube(larger)
    np.testing.assert_allclose(extended.log_norm, cold.log_norm, rtol=1e-6, atol=1e-6)
    old = extended.sel(gain=[0.5, 1.0, 2.0], seed=[0, 1, 2])
    assert old.log_norm.values.tobytes() == read_cube(plain).log_norm.values.tobytes()
    assert extended.attrs["jax_version"] == cold.attrs["jax_version"]


def test_what_earlier_sweeps_have_altogether_is_not_computed(rnnjax, folder, larger):
    """The second folder fills what the first does not have; nothing is left for jax."""
    first = rnnjax("run", TOY, "--axes.seed", "[3,4]", *GAINS[:2], "--out", "first")
    assert first.returncode == 0, first.stderr
    flags = ("--reuse", "first", "--reuse", "larger", "--out", "fewer")
    done = rnnjax("run", TOY, "--axes.gain", "[2.0,0.25]", "--axes.seed", "[4,0,2]", *flags)
    assert done.returncode == 0, done.stderr
    told = Store.open(folder / "fewer").receipts().values()
    assert [receipt["n_reused"] for receipt in told] == [6, 6]
    assert "steps" not in done.stderr
    fewer, cold = read_cube(folder / "fewer"), read_cube(larger)
    np.testing.assert_array_equal(
        fewer.log_norm, cold.log_norm.sel(gain=fewer.gain, seed=fewer.seed)
    )


def test_a_killed_extension_goes_on_with_the_cells_it_was_given(rnnjax, folder, plain):
    out = folder / "extended_and_killed"
    flags = ("--out", out, "--reuse", "plain", "--devices", "1")
    assert rnnjax("run", TOY, *GAINS, *flags).returncode == 0
    whole = (out / "cube.nc").read_bytes()
    Store.open(out).discard("activation=tanh")
    (out / "cube.nc").unlink()
    (out / "cube.json").unlink()
    done = rnnjax("resume", out)
    assert done.returncode == 0, done.stderr
    assert (out / "cube.nc").read_bytes() == whole


def test_cells_of_another_sweep_are_not_taken(plain, folder, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    flags = ["--out", str(tmp_path / "new"), "--reuse", "plain"]
    told = {
        ("--n-h", "4"): "n_h: 8 there, 4 here",
        ("--length", "4"): "length: 5 there, 4 here",
        ("--x64",): "precision: float32 there, float64 here",
    }
    for other, reason in told.items():
        assert main(["run", str(TOY), *flags, *other]) == 2
        error = capsys.readouterr().err
        assert error.startswith("rnnjax: reuse: expected the same sweep but for its axes")
        assert reason in error
    assert main(["run", str(TOY), "--out", str(tmp_path / "new"), "--reuse", "none"]) == 3
    assert not (tmp_path / "new").exists()


def halves(tmp_path):
    for name, groups in (("one", IDS[:3]), ("two", IDS[2:])):
        fill(Store.create(tmp_path / name, make_spec()), groups)
    return [tmp_path / "one", tmp_path / "two"]


def test_two_stores_of_one_sweep_are_merged_to_the_same_bytes(rnnjax, folder, plain):
    for name, lost in (("left", "activation=tanh"), ("right", "activation=relu")):
        shutil.copytree(plain, folder / name)
        Store.open(folder / name).discard(lost)
        assert Store.open(folder / name).counts()["committed"] == 1
    done = rnnjax("merge", "both", "left", "right")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["merged  1 groups of left", "merged  1 groups of right"]
    assert (folder / "both" / "cube.nc").read_bytes() == (plain / "cube.nc").read_bytes()


def test_merging_refuses_other_sweeps_damage_and_contradictions(tmp_path):
    from rnnjax.sweep.merge import merge

    one, two = halves(tmp_path)
    _, given = merge(tmp_path / "all", [one, two])
    assert given == {one: 3, two: 1}
    Store.create(tmp_path / "other", make_spec(config={"n_h": 9}))
    with pytest.raises(files.StoreError, match=r"expected the sweep of .*n_h: 9 there, 3 here"):
        merge(tmp_path / "all", [tmp_path / "other"])
    shutil.copytree(one, tmp_path / "damaged")
    shard = tmp_path / "damaged" / "groups" / f"{IDS[0]}.nc"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(files.StoreError, match="damaged"):
        merge(tmp_path / "new", [tmp_path / "damaged"])
    wrong = make_shard(IDS[0])
    wrong.log_norm[1, 1] = 7
    Store.create(tmp_path / "wrong", make_spec()).commit(IDS[0], wrong, {})
    with pytest.raises(files.StoreError, match="other content"):
        merge(tmp_path / "all", [tmp_path / "wrong"])
    assert Store.open(tmp_path / "all").load(IDS[0]).identical(make_shard(IDS[0]))


def test_a_cube_is_exported_as_netcdf_zarr_and_csv(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    store = fill(Store.create("out", make_spec()), IDS[:2])
    store.fail(IDS[2], "ValueError: no")
    cube = store.collect(AXES)
    for name in ("e.nc", "e.zarr", "e.csv"):
        assert main(["export", "out", name]) == 0
    assert capsys.readouterr().out.split()[1::2] == ["e.nc", "e.zarr", "e.csv", "e.lag.csv"]
    options = {"decode_times": False}
    xr.testing.assert_identical(xr.open_dataset("e.nc", **options).load(), cube)
    stored = xr.open_dataset("e.zarr", engine="zarr", **options).load()
    xr.testing.assert_equal(stored, cube)
    lines = Path("e.csv").read_text().splitlines()
    assert lines[0] == "rule,gain,activation,seed,steps,steps_status"
    assert len(lines) == 1 + 2 * 3 * 2 * 2
    assert "bptt,1.0,relu,1,12,ok" in lines
    assert "rflo,1.0,tanh,1,-1,failed" in lines
    lines = Path("e.lag.csv").read_text().splitlines()
    assert lines[0] == "rule,gain,activation,seed,lag,log_norm,log_norm_status"
    assert "bptt,0.5,tanh,0,0,inf,overflow" in lines
    assert "rflo,0.5,relu,0,3,,missing" in lines
    assert main(["export", "out", "e.csv"]) == 3
    assert "is there already" in capsys.readouterr().err
    assert main(["export", "out", "e.xls"]) == 2
    assert "expected a name that ends with .nc, .zarr, .csv" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {
        "out", "e.nc", "e.zarr", "e.csv", "e.lag.csv",
    }  # fmt: skip


def test_differences_name_every_key():
    there = {"n_h": 3, "axes": {"gain": [1, 2], "seed": list(range(9))}, "old": None}
    here = {"n_h": 4, "axes": {"gain": [1, 2], "seed": [0]}, "new": True}
    assert differences(there, here) == [
        "n_h: 3 there, 4 here",
        "axes.seed: 9 values from 0 to 8 there, [0] here",
        "new: nothing there, True here",
        "old: None there, nothing here",
    ]
    assert differences(there, json.loads(json.dumps(there))) == []
