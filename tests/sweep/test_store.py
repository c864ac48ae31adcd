import json
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from rnnjax.sweep import files, netcdf
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.manifest import config_hash_of
from rnnjax.sweep.status import Status, flag_attributes, status_of
from rnnjax.sweep.store import Store, StoreError
from rnnjax.sweep.verify import notes_in, problems_in

GAINS, SEEDS, LAGS = [0.5, 1.0, 2.0], [0, 1], [0, 1, 2, 3]
RULES, ACTIVATIONS = ["bptt", "rflo"], ["tanh", "relu"]
AXES = {"rule": RULES, "gain": GAINS, "activation": ACTIVATIONS, "seed": SEEDS}
IDS = [f"rule={rule},activation={name}".replace(",", "+") for rule in RULES for name in ACTIVATIONS]
ABOUT = {"jax_version": "1.0", "git_dirty": "true"}
ENCODE, DECODE = netcdf.encode, netcdf.decode
PACKED: dict[str, bytes] = {}
UNPACKED: dict[bytes, xr.Dataset] = {}


def make_spec(**changes):
    statics = [{"rule": rule, "activation": name} for rule in RULES for name in ACTIVATIONS]
    groups = [
        {"id": name, "static": s, "first": 0, "n_lanes": 6}
        for name, s in zip(IDS, statics, strict=True)
    ]
    told = {"schema": 2, "experiment": "toy", "precision": "float32", "config": {"n_h": 3}}
    told |= {"groups": groups} | changes
    return {**told, "config_hash": config_hash_of(told)}


def make_shard(group):
    """Every value tells where it belongs: group, gain, seed and lag, one digit each."""
    gain, seed, lag = (
        a.reshape(6, 4)
        for a in np.meshgrid(np.arange(3), np.arange(2), np.arange(4), indexing="ij")
    )
    values = (1000.0 * IDS.index(group) + 100 * gain + 10 * seed + lag).astype(np.float32)
    values[0, 0] = np.inf
    dims, flags = ("lane", "lag"), flag_attributes()
    count = (10 * IDS.index(group) + gain + seed)[..., 0]
    data = {
        "log_norm": (dims, values, {"units": "nat", "long_name": "log norm"}),
        "log_norm_status": (dims, status_of(values), flags),
        "steps": (dims[:1], count, {"units": "days since 2000-01-01"}),
        "steps_status": (dims[:1], status_of(count), flags),
    }
    lag = ("lag", LAGS, {"long_name": "lag"})
    lanes = {"gain": ("lane", np.repeat(GAINS, 2)), "seed": ("lane", np.tile(SEEDS, 3))}
    return xr.Dataset(data, {**lanes, "lag": lag}, ABOUT)


def fill(store, groups=IDS, of=make_shard):
    for group in groups:
        store.commit(group, of(group), {"host": "here", "wall_s": 1.5})
    return store


def pack_once(monkeypatch):
    """Packs and unpacks equal data once in all tests: it is slow, and never touches the disk."""

    def remembered(dataset):
        key = repr(dataset.to_dict())
        return PACKED.get(key) or PACKED.setdefault(key, ENCODE(dataset))

    def recalled(data, path):
        return UNPACKED[data] if data in UNPACKED else UNPACKED.setdefault(data, DECODE(data, path))

    monkeypatch.setattr(netcdf, "encode", remembered)
    monkeypatch.setattr(netcdf, "decode", recalled)


@pytest.fixture(autouse=True)
def _packing(monkeypatch):
    pack_once(monkeypatch)


def test_packing_is_the_same_at_another_time():
    first = ENCODE(make_shard(IDS[0]))
    time.sleep(1.1)  # a time stamp in the file would count seconds
    assert ENCODE(make_shard(IDS[0])) == first


def test_a_shard_comes_back_as_it_was(tmp_path):
    store = fill(Store.create(tmp_path / "a" / "b", make_spec()), IDS[:1])
    assert store.load(IDS[0]).identical(make_shard(IDS[0]))
    receipt = files.read_sealed(tmp_path / "a" / "b" / "groups" / f"{IDS[0]}.json")
    assert (receipt["host"], receipt["group"]) == ("here", IDS[0])
    assert Store.open(tmp_path / "a" / "b").committed() == {IDS[0]}


def test_shards_are_compressed_and_checksummed_throughout(tmp_path):
    store = fill(Store.create(tmp_path, make_spec()), IDS[:1])
    with h5py.File(store.out / "groups" / f"{IDS[0]}.nc") as file:
        held = set(file) - {"lane"}  # the name of a dim, which holds no values
        assert len(held) == 7
        for name in held:
            assert (file[name].fletcher32, file[name].compression) == (True, "gzip"), name


def test_the_cube_has_axes_in_order_then_inner_dims_and_every_value_in_its_place(tmp_path):
    cube = fill(Store.create(tmp_path, make_spec())).collect(AXES)
    assert cube.log_norm.dims == (*AXES, "lag")
    assert cube.steps.dims == tuple(AXES)
    for index, group in enumerate(IDS):
        cell = cube.sel(rule=RULES[index // 2], activation=ACTIVATIONS[index % 2])
        flat = cell.drop_vars(["rule", "activation"]).stack(lane=("gain", "seed"))
        xr.testing.assert_equal(
            flat.transpose("lane", "lag").reset_index("lane"), make_shard(group)
        )
    assert cube.log_norm.attrs == {"units": "nat", "long_name": "log norm"}
    assert cube.lag.attrs == {"long_name": "lag"}
    assert cube.attrs["config_hash"] == make_spec()["config_hash"]
    assert ABOUT.items() <= cube.attrs.items()
    assert read_cube(tmp_path).identical(cube)
    assert read_cube(tmp_path / "cube.nc").log_norm_status.attrs["flag_meanings"].split()[6]


def test_the_order_of_the_dims_of_a_shard_does_not_matter(tmp_path):
    shards = {group: make_shard(group) for group in IDS[:2]}
    store = Store.create(tmp_path, make_spec())
    store.commit(IDS[0], shards[IDS[0]], {})
    store.commit(IDS[1], shards[IDS[1]].transpose("lag", "lane"), {})
    cube = store.collect(AXES)
    np.testing.assert_array_equal(
        cube.log_norm[0, :, 1].values.reshape(6, 4), shards[IDS[1]].log_norm
    )


def test_missing_and_failed_groups_are_filled_and_told_apart(tmp_path):
    store = fill(Store.create(tmp_path, make_spec()), IDS[:2])
    store.fail(IDS[2], "ValueError: no")
    cube = store.collect(AXES).transpose("rule", "activation", ...)
    for name in ("log_norm", "steps"):
        status = cube[f"{name}_status"].values
        assert status.dtype == np.int8
        assert set(status[1, 0].flat) == {Status.FAILED}
        assert set(status[1, 1].flat) == {Status.MISSING}
        assert not {Status.FAILED, Status.MISSING} & set(status[0].flat)
    assert np.isnan(cube.log_norm.values[1]).all()
    assert (cube.steps.values[1] == -1).all()
    assert store.counts() == {"total": 4, "committed": 2, "failed": 1, "missing": 1}


def test_a_group_that_commits_has_not_failed(tmp_path):
    store = Store.create(tmp_path, make_spec())
    store.fail(IDS[0], "first")
    store.fail(IDS[0], "second")
    assert store.failed() == {IDS[0]: "second"}
    fill(store, IDS[:1])
    assert store.failed() == {}
    assert not list((tmp_path / "failed").iterdir())
    store.fail(IDS[0], "too late")
    assert store.failed() == {}
    assert not list((tmp_path / "failed").iterdir())
    store.fail(IDS[1], "x" * 30_000_000)
    assert len(store.failed()[IDS[1]]) == 20_000


def test_a_killed_and_resumed_sweep_gives_the_same_bytes(tmp_path, monkeypatch):
    whole, parts, names = tmp_path / "whole", tmp_path / "parts", IDS[:3]
    fill(Store.create(whole, make_spec()), names).collect(AXES)
    monkeypatch.setattr(netcdf, "encode", ENCODE)
    fill(Store.create(parts, make_spec()), names[2:]).collect(AXES)
    (parts / "groups" / f"{names[0]}.nc").write_bytes(ENCODE(make_shard(names[0])))
    again = Store.create(parts, make_spec())
    assert again.committed() == {names[2]}
    fill(again, names[1::-1]).collect(AXES)
    for name in ("cube.nc", *(f"groups/{group}.nc" for group in names)):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    assert problems_in(again) == notes_in(again) == []


def test_committing_twice_keeps_the_first_receipt_and_refuses_another_result(tmp_path):
    store = fill(Store.create(tmp_path, make_spec()), IDS[:1])
    store.commit(IDS[0], make_shard(IDS[0]), {"host": "there"})
    assert files.read_sealed(tmp_path / "groups" / f"{IDS[0]}.json")["host"] == "here"
    with pytest.raises(StoreError, match="other content"):
        store.commit(IDS[0], make_shard(IDS[1]), {})
    assert store.load(IDS[0]).identical(make_shard(IDS[0]))


def test_the_config_hash_tells_what_the_cells_depend_on_and_survives_json():
    told = make_spec()
    assert config_hash_of(json.loads(files.seal(told))) == told["config_hash"]
    changes = [{"config": {"n_h": 4}}, {"experiment": "x"}, {"precision": "float64"}]
    hashes = {make_spec(**change)["config_hash"] for change in ({}, *changes)}
    assert len(hashes) == 4
    for same in ({"groups": []}, {"schema": 3}, {"config": {"n_h": 3, "chunks_a_shard": 7}}):
        assert make_spec(**same)["config_hash"] == told["config_hash"]


def test_importing_the_store_imports_nothing_heavy():
    code = "import sys, rnnjax.sweep.store as s; print({'jax', 'xarray', 'h5py'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_bytes_that_are_decoded_again_give_a_dataset_of_their_own(monkeypatch):
    monkeypatch.setattr(netcdf, "_known", {})
    numbers = xr.Dataset({"a": ("x", np.arange(4.0))})
    data = ENCODE(numbers)
    monkeypatch.setattr(netcdf, "_decoded", None)
    DECODE(data, Path("a.nc"))["a"][0] = 9
    assert DECODE(data, Path("a.nc")).identical(numbers)


def test_no_more_datasets_are_kept_than_fit(monkeypatch):
    monkeypatch.setattr(netcdf, "_known", {})
    monkeypatch.setattr(netcdf, "_REMEMBERED", 100)
    small = [xr.Dataset({"a": ("x", np.full(5, n))}) for n in range(3)]
    for one in [*small, xr.Dataset({"a": ("x", np.arange(100))})]:
        data = ENCODE(one)
        assert DECODE(data, Path("a.nc")).identical(one)
        assert sum(kept.nbytes for kept in netcdf._known.values()) <= 100
