"""The store when it is killed at any operation on the disk, or the disk refuses that operation."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from rnnjax.sweep import files, netcdf
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.fingerprint import SCHEME
from rnnjax.sweep.store import Store, StoreError
from rnnjax.sweep.verify import notes_in, problems_in
from tests.sweep.test_store import AXES, IDS, fill, make_shard, make_spec, pack_once

OPERATIONS = ("make_folder", "create", "write", "sync", "link", "replace", "unlink")
FIRST, SECOND = IDS[:2]
OLD_CODE, CODE = ({"cells": f"{SCHEME}-{n}", "definitions": {"measure": n}} for n in ("old", "new"))


class Killed(BaseException):
    """Stands for the end of the process: nothing that it would do afterwards reaches the disk."""


@pytest.fixture
def machine(monkeypatch):
    """Counts the operations; from number `stop` on none happens, and the first write is torn."""
    state = {"count": 0, "stop": None, "error": Killed()}

    def guarded(name, operation):
        def call(*args, **options):
            state["count"] += 1
            if state["stop"] is None or state["count"] < state["stop"]:
                return operation(*args, **options)
            if name == "write" and state["count"] == state["stop"]:
                operation(args[0], args[1][: len(args[1]) // 2])
            raise state["error"]

        return call

    for name in OPERATIONS:
        monkeypatch.setattr(files, name, guarded(name, getattr(files, name)))
    return state


@pytest.fixture(autouse=True)
def _packing(monkeypatch):
    pack_once(monkeypatch)


def create(out):
    Store.create(out, make_spec(code=OLD_CODE))


def commit(out):
    Store.open(out).commit(SECOND, make_shard(SECOND), {"host": "here"})


def fail(out):
    Store.open(out).fail(SECOND, "a new error")


def discard(out):
    Store.open(out).discard(FIRST)
    fill(Store.open(out), [FIRST])


def collect(out):
    Store.open(out).collect(AXES)


def collect_first(out):
    collect(out)


def begin_again(out):
    """What `run --force` does with a store of other code."""
    store = Store.create(out, make_spec(code=CODE), again=True)
    for group in {problem.group for problem in problems_in(store)} - {None}:
        store.discard(group)
    fill(store, [group for group in IDS[:2] if group not in store.committed()], of=shard_again)
    store.collect(AXES)


def shard_again(group):
    """What the other code computes."""
    shard = make_shard(group)
    return shard.assign(log_norm=shard.log_norm * 1000).assign_attrs(cells_code=CODE["cells"])


def old_store(out, action):
    """What is there before the action: a cube of one group, and one group that failed."""
    if action is not create:
        store = fill(Store.create(out, make_spec(code=OLD_CODE)), [FIRST])
        if action is not collect_first:
            store.collect(AXES)
        store.fail(SECOND, "an old error")
        if action is collect:
            fill(store, [SECOND])


def bytes_of(out):
    """The content of all data files, by name."""
    paths = sorted([*out.glob("**/*.nc"), *out.glob("sweep.json"), *out.glob("failed/*")])
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def run_until(machine, action, out, stop):
    """Whether the action was stopped at operation number `stop`."""
    machine.update(count=0, stop=stop)
    try:
        action(out)
    except (Killed, StoreError):
        return True
    finally:
        machine["stop"] = None
    return False


def check_readers_see_old_or_new(out, old, new):
    """Every file is whole, committed groups are right, and there is nothing to complain about."""
    for name, content in bytes_of(out).items():
        assert content in (old.get(name), new.get(name)), name
    if not (out / "sweep.json").exists():
        return
    store = Store.open(out)
    for group in store.committed():
        assert store.load(group).identical(make_shard(group))
    if "cube.nc" in old:
        read_cube(out)
    assert not store.committed() & set(store.failed())
    assert sum(store.counts().values()) == 2 * len(IDS)


@pytest.mark.parametrize("action", [create, commit, fail, discard, collect, collect_first])
def test_killed_at_every_operation_then_done_again(tmp_path, machine, action):
    before, whole = tmp_path / "before", tmp_path / "whole"
    before.mkdir()
    old_store(before, action)
    shutil.copytree(before, whole)
    machine["count"] = 0
    action(whole)
    total, old, new = machine["count"], bytes_of(before), bytes_of(whole)
    assert total >= 6
    for stop in range(1, total + 1):
        out = shutil.copytree(before, tmp_path / f"killed-{stop}")
        assert run_until(machine, action, out, stop), stop
        check_readers_see_old_or_new(out, old, new)
        if action not in (create, discard):
            assert problems_in(Store.open(out)) == [], stop
        action(out)
        assert bytes_of(out) == new, stop
        assert problems_in(Store.open(out)) == []
        left = notes_in(Store.open(out))
        assert all(note.path.is_file() for note in left)
        assert len(left) <= 2  # the probe has two names while it is tried


def test_killed_while_a_damaged_group_is_discarded(tmp_path, machine):
    for stop in range(1, 5):
        out = tmp_path / str(stop)
        store = fill(Store.create(out, make_spec()), [FIRST])
        (out / "groups" / f"{FIRST}.nc").write_bytes(netcdf.encode(make_shard(SECOND)))
        assert run_until(machine, discard, out, stop)
        for group in {problem.group for problem in problems_in(store)}:
            store.discard(group)
        fill(store, [FIRST])
        assert store.load(FIRST).identical(make_shard(FIRST))
        assert problems_in(store) == []


def test_killed_between_the_receipt_of_the_first_cube_and_the_cube(tmp_path, machine):
    store = fill(Store.create(tmp_path, make_spec()), IDS[:1])
    for stop in range(1, 11):
        assert run_until(machine, collect, tmp_path, stop)
        assert {problem.path.name for problem in problems_in(store)} <= {"cube.nc"}
        if not (tmp_path / "cube.nc").exists():
            with pytest.raises(StoreError, match="No such file"):
                read_cube(tmp_path)
    collect(tmp_path)
    assert problems_in(store) == []


@pytest.mark.wide
@pytest.mark.parametrize("has_receipt", [True, False])
def test_killed_while_other_code_begins_again(tmp_path, machine, has_receipt):
    """No state in between passes for a sound one with cells of both codes."""
    before, whole = tmp_path / "before", tmp_path / "whole"
    old = fill(Store.create(before, make_spec(code=OLD_CODE)), IDS[:2], of=shard_of_old)
    old.collect(AXES)
    old.fail(IDS[2], "an old error")
    if not has_receipt:  # a crash left it
        (before / "groups" / f"{SECOND}.json").unlink()
    cube = read_cube(before)
    shutil.copytree(before, whole)
    machine["count"] = 0
    begin_again(whole)
    total, new = machine["count"], bytes_of(whole)
    assert read_cube(whole).identical(cubes_of_both(tmp_path)[1])
    for stop in range(1, total + 1):
        out = shutil.copytree(before, tmp_path / f"killed-{stop}")
        assert run_until(machine, begin_again, out, stop), stop
        assert read_cube(out).identical(cube) or bytes_of(out)["cube.nc"] == new["cube.nc"], stop
        store = Store.open(out)
        told = {str(store.load(group).cells_code) for group in store.committed()}
        assert told <= {store.spec["code"]["cells"]}, stop
        begin_again(out)
        assert bytes_of(out) == new, stop
        assert problems_in(Store.open(out)) == []


def shard_of_old(group):
    return make_shard(group).assign_attrs(cells_code=OLD_CODE["cells"])


def cubes_of_both(tmp_path):
    """The cubes of either code alone."""
    cubes = []
    for code, of in ((OLD_CODE, shard_of_old), (CODE, shard_again)):
        store = Store.create(tmp_path / f"alone-{code['cells']}", make_spec(code=code))
        cubes.append(fill(store, IDS[:2], of=of).collect(AXES))
    return cubes


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("action", [create, commit, collect])
def test_an_error_of_the_disk_is_one_line_with_path_and_reason(tmp_path, machine, action, code):
    old_store(tmp_path / "before", action)
    reason = OSError(code, f"reason {code}")
    machine.update(count=0)
    action(
        shutil.copytree(tmp_path / "before", tmp_path / "whole")
        if action is not create
        else tmp_path / "whole"
    )
    machine["error"] = reason
    for stop in range(1, machine["count"] + 1):
        out = tmp_path / str(stop)
        if action is not create:
            shutil.copytree(tmp_path / "before", out)
        machine.update(count=0, stop=stop)
        with pytest.raises(StoreError) as error:
            action(out)
        machine["stop"] = None
        assert str(error.value).startswith(str(out))
        assert f"reason {code}" in str(error.value)
        assert len(str(error.value).splitlines()) == 1


def test_a_torn_write_never_reaches_the_final_name(tmp_path, machine, monkeypatch):
    """A disk that loses bytes without an error is noticed when the file is read back."""
    create(tmp_path)
    real = files.write
    monkeypatch.setattr(files, "write", lambda file, data: real(file, data[:-1]) + 1)
    with pytest.raises(StoreError, match="reads back other bytes"):
        commit(tmp_path)
    assert Store.open(tmp_path).committed() == set()
    assert notes_in(Store.open(tmp_path)) == []


def test_writes_may_be_short(tmp_path, monkeypatch):
    real = files.write
    monkeypatch.setattr(files, "write", lambda file, data: real(file, data[:1000]))
    store = fill(Store.create(tmp_path, make_spec()), [FIRST])
    assert store.load(FIRST).identical(make_shard(FIRST))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be named here")
def test_files_and_folders_are_flushed_in_the_order_that_survives_a_power_cut(
    tmp_path, monkeypatch
):
    old_store(tmp_path, commit)
    log = []

    def noted(name, operation):
        def call(first, *args):
            path = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else first
            short = Path(path).relative_to(tmp_path).as_posix().split(".nc")[0].split(".json")[0]
            log.append(f"{name} {short.replace(SECOND, 'ID')}")
            return operation(first, *args)

        return call

    for name in ("create", "write", "sync", "link", "replace", "unlink"):
        monkeypatch.setattr(files, name, noted(name, getattr(files, name)))
    commit(tmp_path)
    new = ["create tmp/ID", "write tmp/ID", "sync tmp/ID", "link tmp/ID", "unlink tmp/ID"]
    assert log == [*new, "sync groups"] * 2 + ["unlink failed/ID", "sync failed"]
    log.clear()
    collect(tmp_path)
    new = ["create tmp/cube", "write tmp/cube", "sync tmp/cube", "replace tmp/cube"]
    assert log == [*new, "unlink tmp/cube", "sync ."] * 3  # receipt, cube, receipt of it alone
