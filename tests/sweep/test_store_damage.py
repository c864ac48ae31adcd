"""Damage to the files of a store is found, and computing again what was damaged repairs it."""

import random
import shutil
from pathlib import Path

import pytest

from rnnjax.sweep import files
from rnnjax.sweep.store import Store, StoreError
from rnnjax.sweep.verify import notes_in, problems_in
from tests.sweep.test_store import AXES, IDS, fill, make_spec, pack_once


@pytest.fixture(autouse=True)
def _packing(monkeypatch):
    pack_once(monkeypatch)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    out = tmp_path_factory.mktemp("sound") / "out"
    store = fill(Store.create(out, make_spec()), IDS[:2])
    store.fail(IDS[2], "ValueError: no")
    store.collect(AXES)
    return out


GROUP = f"groups/{IDS[0]}"
ALL = [
    "sweep.json",
    f"{GROUP}.nc",
    f"{GROUP}.json",
    "cube.nc",
    "cube.json",
    f"failed/{IDS[2]}.json",
]


@pytest.mark.parametrize("name", ALL)
def test_flipped_bits_and_truncations_are_found(tmp_path, sound, name):
    out = shutil.copytree(sound, tmp_path / "out")
    store, path = Store.open(out), out / name
    assert problems_in(store) == []
    content = path.read_bytes()
    chooser = random.Random(name)
    for position in [0, len(content) - 1, *chooser.sample(range(len(content)), 4)]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << chooser.randrange(8)
        path.write_bytes(damaged)
        assert [problem.path for problem in problems_in(store)] == [path], position
    for damaged in (content[:-1], b"", content + b" "):
        path.write_bytes(damaged)
        assert [problem.path for problem in problems_in(store)] == [path], damaged[:9]
    path.write_bytes(content)
    assert problems_in(store) == []


@pytest.mark.parametrize("name", [name for name in ALL if name.endswith(".json")])
def test_every_byte_of_a_sealed_file_counts(tmp_path, sound, name):
    content = (sound / name).read_bytes()
    path = tmp_path / "file.json"
    for position in range(len(content)):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 32]) + content[position + 1 :]
        )
        with pytest.raises(StoreError):
            files.read_sealed(path)


def test_deletions_are_found(tmp_path, sound):
    for number, name in enumerate(ALL[:5]):
        out = shutil.copytree(sound, tmp_path / str(number))
        store = Store.open(out)
        (out / name).unlink()
        assert problems_in(store), name
        assert (IDS[0] in store.committed()) == (GROUP not in name)
    (store.out / "groups" / f"{IDS[1]}.nc").unlink()
    (store.out / "groups" / f"{IDS[1]}.json").unlink()
    (store.out / "cube.json").write_bytes((sound / "cube.json").read_bytes())
    assert [problem.group for problem in problems_in(store)] == [IDS[1]]


def test_swapped_and_foreign_files_are_found(tmp_path, sound):
    out = shutil.copytree(sound, tmp_path / "out")
    for end in (".nc", ".json"):
        first, second = (out / "groups" / f"{group}{end}" for group in IDS[:2])
        first.rename(tmp_path / "kept")
        second.rename(first)
        (tmp_path / "kept").rename(second)
    store = Store.open(out)
    assert {problem.group for problem in problems_in(store)} == set(IDS[:2])
    (out / "groups" / "foreign.nc").write_bytes(b"")
    (out / "failed" / "foreign.json").write_bytes(b"")
    found = {problem.path.name for problem in problems_in(store) if problem.group is None}
    assert found == {"foreign.nc", "foreign.json"}


def test_receipts_of_another_sweep_do_not_count(tmp_path, sound):
    other = Store.create(tmp_path, make_spec(config={"n_h": 9}))
    shutil.copytree(sound / "groups", tmp_path / "groups", dirs_exist_ok=True)
    assert other.committed() == set()
    assert {problem.group for problem in problems_in(other)} == set(IDS[:2])


@pytest.mark.parametrize("name", [f"{GROUP}.nc", f"{GROUP}.json", "cube.nc"])
def test_discarding_what_is_damaged_and_computing_it_again_gives_the_same_cube(
    tmp_path, sound, name
):
    out = shutil.copytree(sound, tmp_path / "out")
    content = bytearray((out / name).read_bytes())
    content[len(content) // 2] ^= 4
    (out / name).write_bytes(content)
    store = Store.open(out)
    if name == f"{GROUP}.nc":
        with pytest.raises(StoreError, match="damaged"):
            store.collect(AXES)
    for problem in problems_in(store):
        if problem.group:
            store.discard(problem.group)
    assert (store.committed() == set(IDS[:2])) == (name == "cube.nc")
    fill(store, [group for group in IDS[:2] if group not in store.committed()])
    store.collect(AXES)
    assert problems_in(store) == []
    assert (out / "cube.nc").read_bytes() == (sound / "cube.nc").read_bytes()


def test_a_damaged_receipt_is_replaced_when_the_group_is_computed_again(tmp_path, sound):
    out = shutil.copytree(sound, tmp_path / "out")
    (out / f"{GROUP}.json").write_bytes(b"{")
    store = Store.open(out)
    assert IDS[0] not in store.committed()
    fill(store, IDS[:1])
    assert IDS[0] in store.committed()
    assert problems_in(store) == []


def test_leftovers_are_notes_and_a_damaged_leftover_shard_is_a_problem(tmp_path):
    store = fill(Store.create(tmp_path, make_spec()), IDS[:1])
    (tmp_path / "tmp" / "x.nc.77.ab").write_bytes(b"half")
    assert [note.path.name for note in notes_in(store)] == ["x.nc.77.ab"]
    assert problems_in(store) == []
    (tmp_path / f"{GROUP}.json").unlink()
    assert problems_in(store) == []
    (tmp_path / f"{GROUP}.nc").write_bytes(b"half")
    assert [problem.group for problem in problems_in(store)] == [IDS[0]]


def damaged(chooser, out, sound):
    """One kind of damage to the shards, receipts or cube of a store; the groups it is about."""
    names = [name for name in ALL_FILES if name.startswith("groups")] + ["cube.nc", "cube.json"]
    name = chooser.choice(names)
    content, path = (sound / name).read_bytes(), out / name
    kind = chooser.choice(["flip", "cut", "grow", "delete", "swap", "another group"])
    if kind == "flip":
        at = chooser.randrange(len(content))
        path.write_bytes(
            content[:at] + bytes([content[at] ^ (1 << chooser.randrange(8))]) + content[at + 1 :]
        )
    elif kind == "cut":
        path.write_bytes(content[: chooser.randrange(len(content))])
    elif kind == "grow":
        path.write_bytes(content + chooser.randbytes(1 + chooser.randrange(99)))
    elif kind == "delete":
        path.unlink()
    else:
        others = [n for n in names if n != name and (kind == "swap" or n[-3:] == name[-3:])]
        other = chooser.choice(others)
        path.write_bytes((sound / other).read_bytes())
        if kind == "swap":
            (out / other).write_bytes(content)
            return kind, {name, other}
    return kind, {name}


ALL_FILES = [f"groups/{group}.{end}" for group in IDS for end in ("nc", "json")]


@pytest.mark.wide
@pytest.mark.parametrize("n_damages", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_damages_are_found_and_only_what_was_damaged_is_computed_again(tmp_path, n_damages):
    store = fill(Store.create(tmp_path / "sound", make_spec()), IDS)
    store.collect(AXES)
    cube = (store.out / "cube.nc").read_bytes()
    out = shutil.copytree(store.out, tmp_path / "out")
    store, chooser, kinds = Store.open(out), random.Random(0), set()
    for number in range(n_damages):
        kind, names = damaged(chooser, out, tmp_path / "sound")
        kinds.add(kind)
        problems = problems_in(store)
        told = (number, kind, names, problems)
        assert problems, told
        hit = {Path(name).stem for name in names if name.startswith("groups")}
        # A lost shard or receipt is known by the other one, or by the cube that was made with it.
        assert {problem.group for problem in problems if problem.group} == hit, told
        assert {p.path.name for p in problems if p.group is None} <= {"cube.nc", "cube.json"}, told
        for group in {problem.group for problem in problems if problem.group}:
            store.discard(group)
        again = set(IDS) - store.committed()
        assert again == hit, told
        fill(store, sorted(again)).collect(AXES)
        assert problems_in(store) == [], told
        assert (out / "cube.nc").read_bytes() == cube
        for name in [*ALL_FILES, "cube.json"]:  # receipts tell other times: back to the first
            (out / name).write_bytes((tmp_path / "sound" / name).read_bytes())
    assert len(kinds) == 6
