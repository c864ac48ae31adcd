"""What the store refuses: other sweeps, unsafe names, hostile files, shards that do not fit."""

import os
import pickle

import h5py
import numpy as np
import pytest

from rnnjax.sweep import files, netcdf
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.store import Store, StoreError
from tests.sweep.test_store import AXES, IDS, fill, make_shard, make_spec, pack_once


@pytest.fixture(autouse=True)
def _packing(monkeypatch):
    pack_once(monkeypatch)


def test_another_config_is_refused_and_nothing_changes(tmp_path):
    Store.create(tmp_path, make_spec())
    before = (tmp_path / "sweep.json").read_bytes()
    other = make_spec(config={"n_h": 4})
    with pytest.raises(StoreError) as error:
        Store.create(tmp_path, other)
    for part in ("config.n_h: 3 there, 4 here", "--out", "resume"):
        assert part in str(error.value)
    with pytest.raises(StoreError, match="cells in other shards"):
        Store.create(tmp_path, make_spec(groups=make_spec()["groups"][:1]))
    assert (tmp_path / "sweep.json").read_bytes() == before


def test_a_finished_result_is_not_written_into(tmp_path):
    (tmp_path / "cube.nc").write_bytes(netcdf.encode(make_shard(IDS[0])))
    with pytest.raises(StoreError, match="finished result"):
        Store.create(tmp_path, make_spec())
    assert [path.name for path in tmp_path.iterdir()] == ["cube.nc"]
    assert read_cube(tmp_path).identical(make_shard(IDS[0]))


def group_called(name, **changes):
    return {"id": name, "static": {}, "first": 0, "n_lanes": 1} | changes


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "/x", ".hidden", "..", "", "a" * 121, "a b", "a\n", "é", "a\0", 7, None]
)
def test_unsafe_ids_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(StoreError, match="group"):
        Store.create(tmp_path / "new", make_spec(groups=[group_called(name)]))
    assert not (tmp_path / "new").exists()
    store = Store.create(tmp_path / "good", make_spec())
    for act in (store.discard, store.load, lambda g: store.fail(g, "")):
        with pytest.raises(StoreError, match="no group of this sweep"):
            act(name)


def test_specs_that_contradict_themselves_are_refused(tmp_path):
    groups = (
        [group_called("a"), group_called("A")],
        [{"id": "a", "static": {}}],
        [group_called("a", first="0")],
    )
    bad = [make_spec(schema=1), *(make_spec(groups=wrong) for wrong in groups)]
    for told in (*bad, {**make_spec(), "config": {"n_h": 9}}, {**make_spec(), "groups": {}}):
        with pytest.raises(StoreError):
            Store.create(tmp_path / "new", told)
        assert not (tmp_path / "new").exists()
        (tmp_path / "sweep.json").write_bytes(files.seal(told))
        with pytest.raises(StoreError):
            Store.open(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["[" * 500_000, '{"a":' * 500_000, "{", "[]", "null", '{"seal": 1}', "9" * 5000, "\xff", ""],
    ids=lambda text: text[:4] or "empty",
)
def test_hostile_json_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "sweep.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError) as error:
        Store.open(tmp_path)
    assert "sweep.json" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_json_above_the_limit_is_not_parsed(tmp_path):
    (tmp_path / "sweep.json").write_bytes(b" " * (files.JSON_LIMIT + 1))
    with pytest.raises(StoreError, match="longer than"):
        Store.open(tmp_path)


class Trap:
    def __reduce__(self):
        return (open, ("trapped", "w"))


def test_no_reader_unpickles_or_follows_a_link_out_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pickle.nc").write_bytes(pickle.dumps(Trap()))
    np.save(tmp_path / "secret.npy", np.arange(4.0))
    with h5py.File("secret.nc", "w") as file:
        file["x"] = [1.0, 2.0]
    with h5py.File("link.nc", "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "secret.nc"), "x")
    with h5py.File("soft.nc", "w") as file:
        file["x"] = h5py.SoftLink("/y")
    with h5py.File("raw.nc", "w") as file:
        file.create_dataset("x", (4,), "f8", external=[("secret.npy", 128, 32)])
    with h5py.File("virtual.nc", "w") as file:
        layout = h5py.VirtualLayout((2,), "f8")
        layout[:] = h5py.VirtualSource("secret.nc", "x", (2,))
        file.create_virtual_dataset("x", layout)
    with h5py.File("bomb.nc", "w") as file:
        file.create_dataset("x", (10**12,), "f8", chunks=(10**6,))
    (tmp_path / "folder.nc").mkdir()
    os.mkfifo(tmp_path / "pipe.nc")
    reasons = {"link": "link", "soft": "link", "raw": "no array of", "virtual": "no array of"}
    reasons |= {"bomb": "claims", "pickle": "not a readable", "pipe": "no regular file"}
    for name, reason in {**reasons, "folder": "No such file", "absent": "No such file"}.items():
        with pytest.raises(StoreError, match=rf"{name}.nc.*{reason}"):
            read_cube(tmp_path / f"{name}.nc")
    assert not (tmp_path / "trapped").exists()


def test_variables_without_status_and_shards_that_do_not_fit_are_refused(tmp_path):
    store = Store.create(tmp_path, make_spec())
    shard = make_shard(IDS[0])
    for bad in (
        shard.drop_vars("steps_status"),
        shard.assign(steps_status=shard.steps),
        shard.assign(steps=shard.steps.astype(complex)),
    ):
        with pytest.raises(ValueError, match="expected"):
            store.commit(IDS[0], bad, {})
    with pytest.raises(StoreError, match="nothing to collect"):
        store.collect(AXES)
    fill(store, IDS[:1])
    for axes in (
        AXES | {"gain": [0.5, 1.0]},
        AXES | {"gain": [0.5, 1.0, 3.0]},
        AXES | {"rule": ["rtrl"]},
        AXES | {"leak": [1.0]},
    ):
        with pytest.raises(StoreError, match=IDS[0].replace("+", r"\+")):
            store.collect(axes)
    fit = make_shard(IDS[1])
    misfits = {
        "other values of lag": fit.isel(lag=slice(3)),
        "other variables": fit.drop_vars(["steps", "steps_status"]),
        "has dims": fit.assign(
            steps=("lag", fit.steps.values[:4]), steps_status=("lag", fit.steps_status.values[:4])
        ),
        "other values of seed": fit.assign_coords(seed=("lane", [0] * 6)),
        "other coordinates": fit.drop_vars("seed"),
        "another shape or type": fit.assign(steps=fit.steps.astype("f8")),
    }
    for reason, misfit in misfits.items():
        store.commit(IDS[1], misfit, {})
        with pytest.raises(StoreError, match=reason):
            store.collect(AXES)
        store.discard(IDS[1])
    assert not (tmp_path / "cube.nc").exists()


def test_an_error_is_one_printable_line():
    assert str(StoreError("a\n  b\x1b[2J")) == "a b\\x1b[2J"
