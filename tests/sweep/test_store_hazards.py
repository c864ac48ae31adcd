"""The store with several writers, on full disks and on read-only ones."""

import contextlib
import multiprocessing
import os
import shutil
import subprocess
import time

import pytest

from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.store import Store, StoreError
from rnnjax.sweep.verify import notes_in, problems_in
from tests.sweep.test_store import AXES, IDS, fill, make_shard, make_spec, pack_once


@pytest.fixture(autouse=True)
def _packing(monkeypatch):
    pack_once(monkeypatch)


def mounted(folder, options):
    """Mounts a small file system in memory, or skips the test with the reason."""
    folder.mkdir(exist_ok=True)
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a file system: {done.stderr.strip() or done.returncode}")


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    yield folder
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_disk_is_refused_at_once(disk):
    mounted(disk, "size=1m")
    fill(Store.create(disk / "there", make_spec()), IDS[:1]).collect(AXES)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for name in ("there", "new", "new/er"):
        begin = time.process_time()  # of this process alone, whatever else the machine does
        with pytest.raises(StoreError, match=r"Read-only file system.*--out"):
            Store.create(disk / name, make_spec())
        assert time.process_time() - begin < 2
    store = Store.open(disk / "there")
    assert store.committed() == set(IDS[:1])
    assert problems_in(store) == []
    with pytest.raises(StoreError, match="Read-only"):
        fill(store, IDS[1:2])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError, match="Permission denied"):
        Store.create(tmp_path / "new", make_spec())


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="file"):
            Store.create(out, make_spec())
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_keeps_what_is_committed_and_resumes(disk):
    mounted(disk, "size=128k")
    store = Store.create(disk / "out", make_spec())
    with pytest.raises(StoreError, match=r"No space left on device; free some space"):
        fill(store)
    done = store.committed()
    assert 0 < len(done) < len(IDS)
    for group in done:
        assert store.load(group).identical(make_shard(group))
    assert problems_in(store) == notes_in(store) == []
    subprocess.run(["mount", "-o", "remount,size=2m", str(disk)], check=True)
    fill(store, [group for group in IDS if group not in done]).collect(AXES)
    assert store.counts()["committed"] == len(IDS)
    assert problems_in(store) == []


@pytest.mark.parametrize("n_committed", range(len(IDS)))
def test_a_disk_that_fills_up_at_any_shard_costs_no_other(disk, n_committed):
    mounted(disk, "size=1m")
    store = fill(Store.create(disk / "out", make_spec()), IDS[:n_committed])
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreError, match=r"No space left on device; free some space"):
        fill(store, IDS[n_committed : n_committed + 1])
    assert store.committed() == set(IDS[:n_committed])
    assert problems_in(store) == []
    ballast.unlink()
    fill(store, IDS[n_committed:]).collect(AXES)
    assert problems_in(store) == notes_in(store) == []


def test_the_smallest_disk_cannot_take_a_shard(disk):
    mounted(disk, "size=64k")
    for number in range(3):
        (disk / f"ballast-{number}").write_bytes(b"x" * 12288)
    store = Store.create(disk / "out", make_spec())
    with pytest.raises(StoreError, match="No space left"):
        fill(store)
    assert store.committed() == set()
    assert problems_in(store) == notes_in(store) == []


def write_all(out, host, start):
    store = Store.create(out, make_spec())
    start.wait()
    for group in IDS:
        store.commit(group, make_shard(group), {"host": host})
    store.collect(AXES)


@pytest.mark.wide
@pytest.mark.parametrize("number", [2, 4])
def test_processes_on_one_store_commit_every_group_once(tmp_path, number):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(number)
    workers = [
        context.Process(target=write_all, args=(tmp_path / "out", f"host{i}", start))
        for i in range(number)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * number
    store = Store.open(tmp_path / "out")
    assert store.committed() == set(IDS)
    assert problems_in(store) == notes_in(store) == []
    cube = fill(Store.create(tmp_path / "alone", make_spec())).collect(AXES)
    assert read_cube(tmp_path / "out").identical(cube)


def test_a_collector_that_saw_too_little_collects_again(tmp_path, monkeypatch):
    store = fill(Store.create(tmp_path, make_spec()), IDS[:1])
    load = store.load

    def load_slowly(group):
        monkeypatch.setattr(store, "load", load)
        fill(Store.open(tmp_path), IDS[1:])
        return load(group)

    monkeypatch.setattr(store, "load", load_slowly)
    store.collect(AXES)
    assert read_cube(tmp_path).log_norm_status.values.min() > 0
