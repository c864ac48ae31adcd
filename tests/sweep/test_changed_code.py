"""The commands where the code of an experiment has changed since its cells were computed."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.cluster import client, worker
from rnnjax.sweep import files
from rnnjax.sweep.backend import configured
from rnnjax.sweep.config import parse_config
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.experiment import load
from rnnjax.sweep.merge import merge
from rnnjax.sweep.request import request_of
from rnnjax.sweep.same_code import CELLS, LIBRARY
from rnnjax.sweep.store import Store
from rnnjax.sweep.verify import problems_in
from tests.crossed import crossed, one_in
from tests.sweep.changing import EDITS, MAIN, write

LOST = "activation=tanh"
MEASURE = next(edit for edit in EDITS if edit.what == "measure")
COMMENT = next(edit for edit in EDITS if edit.what == "a comment")


@pytest.fixture(scope="module")
def computed(rnnjax, folder):
    """A sweep of an experiment with modules of its own, and the folder of the experiment."""
    own = folder / "own"
    path = write(own)
    done = rnnjax("run", path, "--out", "changing", "--devices", "1")
    assert done.returncode == 0, done.stderr
    return own, folder / "changing"


@pytest.fixture
def there(computed, tmp_path, monkeypatch):
    """The experiment, as it was when the test began, and a copy of its results."""
    monkeypatch.setattr("rnnjax.cli.sweeping.configured", None)  # nothing is computed here
    own, out = computed
    shutil.copytree(own, tmp_path / "before")
    shutil.copytree(out, tmp_path / "out")
    yield own, tmp_path / "out"
    shutil.rmtree(own)
    shutil.copytree(tmp_path / "before", own)


@pytest.fixture
def compute(monkeypatch, folder, capsys):
    """Runs a command that computes in this process, which has imported everything already."""

    def run(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr("rnnjax.cli.sweeping.configured", configured)
            patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            status, _, err = told(capsys, *arguments, "--devices", "1")
        assert status == 0, err
        return err

    return run


def told(capsys, *arguments):
    status = main([*map(str, arguments)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def refused(capsys, edit, *arguments):
    """Whether a command refuses in one line that names what has changed."""
    status, _, err = told(capsys, *arguments)
    if status == 0:
        return False
    assert (status, err.count("\n")) == (2, 1), err
    assert edit.names in err and "changed" in err, err
    return True


def config_stays(edit):
    return edit.what != "a default of Setting"


@pytest.mark.wide
@pytest.mark.parametrize("edit", one_in(5, EDITS, wide=len(EDITS)), ids=lambda edit: edit.what)
def test_run_and_resume_refuse_cells_of_other_code_alone(there, capsys, edit):
    own, out = there
    edit.make(own)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    other = edit.changes == "cells"
    # A default that changed is another config, and told as such.
    if config_stays(edit):
        assert refused(capsys, edit, "run", own / MAIN, "--out", out) == other
    else:
        assert told(capsys, "run", own / MAIN, "--out", out)[0] == 3
    assert refused(capsys, edit, "resume", out) == other
    if other:
        assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    else:
        code = json.loads((out / "claims.json").read_text())["code"]
        assert code["claims"] == load(str(own / MAIN)).code.shown
        assert code[CELLS] == Store.open(out).spec["code"]["cells"]


@pytest.mark.wide
@pytest.mark.parametrize("edit", one_in(6, EDITS, wide=len(EDITS)), ids=lambda edit: edit.what)
def test_looking_at_cells_of_other_code_is_told_in_one_line(there, capsys, edit):
    own, out = there
    edit.make(own)
    other = edit.changes == "cells"
    for command in ("check", "figure", "papers"):
        status, _, err = told(capsys, command, out)
        assert status == 0
        assert err.count("\n") == other, err
        assert not other or f"{out}: its cells were computed by other code: {edit.names}" in err
    status, shown, _ = told(capsys, "status", out)
    assert (status, f"{edit.names} changed since" in shown) == (0, other)


@pytest.mark.wide
@pytest.mark.parametrize("edit", one_in(6, EDITS, wide=len(EDITS)), ids=lambda edit: edit.what)
def test_cells_of_other_code_are_neither_reused_nor_merged(
    there, tmp_path, monkeypatch, capsys, edit
):
    own, out = there
    edit.make(own)
    monkeypatch.setattr("rnnjax.cli.sweeping._sweep", lambda *_: 0)
    other, new = edit.changes == "cells", tmp_path / "new"
    if config_stays(edit):
        again = ("run", own / MAIN, "--out", new, "--reuse", out)
        assert refused(capsys, edit, *again) == other
        assert new.exists() != other
    experiment, config = load(str(own / MAIN)), Store.open(out).spec["config"]
    Store.create(tmp_path / "two", request_of(experiment, config, "float32").spec)
    for both in ((out, tmp_path / "two"), (tmp_path / "two", out)):
        shutil.rmtree(tmp_path / "both", ignore_errors=True)
        assert refused(capsys, edit, "merge", tmp_path / "both", *both) == other
        assert (tmp_path / "both").exists() != other


@crossed("edit, command", EDITS, ["run", "resume"], every=3, wide=len(EDITS))
def test_force_drops_cells_of_other_code_alone(there, monkeypatch, capsys, command, edit):
    own, out = there
    edit.make(own)
    there_was = Store.open(out).committed()
    monkeypatch.setattr("rnnjax.cli.sweeping._here", lambda *_: False)  # before it computes
    start = (command, own / MAIN, "--out", out) if command == "run" else (command, out)
    if command == "run" and not config_stays(edit):
        assert told(capsys, *start, "--force")[0] == 3
        return
    dropped = edit.changes == "cells"
    assert told(capsys, *start, "--force")[0] == (1 if dropped else 0)
    store = Store.open(out)
    assert store.committed() == (set() if dropped else there_was)
    assert not {problem.group for problem in problems_in(store)} - {None}
    assert store.spec["code"] == load(str(own / MAIN)).code.record


@pytest.mark.wide
def test_force_computes_again_and_gives_the_bits_of_a_new_folder(
    there, rnnjax, tmp_path, computed, monkeypatch, capsys
):
    own, out = there
    MEASURE.make(own)
    (own / MAIN).write_text((own / MAIN).read_text().replace("1000 * ", "1000.0 * "))
    old = read_cube(out)
    done = rnnjax("run", own / MAIN, "--out", out, "--force", "--devices", "1")
    assert done.returncode == 1, done.stderr  # the claim is about the old values
    new = read_cube(out)
    np.testing.assert_allclose(new.log_norm, 1000 * old.log_norm, rtol=1e-5)
    assert new.attrs[CELLS] == load(str(own / MAIN)).code.cells != old.attrs[CELLS]
    assert problems_in(Store.open(out)) == []
    fresh = rnnjax("run", own / MAIN, "--out", tmp_path / "fresh", "--devices", "1")
    assert fresh.returncode == 1, fresh.stderr
    assert (out / "cube.nc").read_bytes() == (tmp_path / "fresh" / "cube.nc").read_bytes()
    assert told(capsys, "run", own / MAIN, "--out", out)[0] == 1
    assert told(capsys, "run", own / MAIN, "--out", out, "--force")[0] == 1  # nothing is dropped


@pytest.mark.wide
def test_code_that_is_edited_while_the_sweep_runs_is_not_taken_for_what_ran(
    computed, start, folder, tmp_path, capsys
):
    own = shutil.copytree(computed[0], tmp_path / "own")
    before = load(str(own / MAIN)).code.cells
    (folder / "pausing").unlink(missing_ok=True)
    process = start("run", own / MAIN, "--out", tmp_path / "out", TOY_PAUSE="0.5")
    while not (folder / "pausing").exists():
        assert process.poll() is None, process.communicate()
    for edit in [edit for edit in EDITS if edit.what in ("measure", "a module of a module")]:
        edit.make(own)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert read_cube(tmp_path / "out").identical(read_cube(computed[1]).assign_attrs(
        experiment=str(own / MAIN), config_hash=Store.open(tmp_path / "out").spec["config_hash"]
    ))  # fmt: skip
    assert read_cube(tmp_path / "out").attrs[CELLS] == before
    assert refused(capsys, MEASURE, "run", own / MAIN, "--out", tmp_path / "out")


def test_every_file_of_a_sweep_tells_its_code(computed):
    own, out = computed
    code = load(str(own / MAIN)).code
    assert read_cube(out).attrs[CELLS] == code.cells
    assert files.read_sealed(out / "cube.json")["code"] == code.record
    assert files.read_sealed(out / "sweep.json")["code"] == code.record
    store = Store.open(out)
    for group, receipt in store.receipts().items():
        assert receipt[CELLS] == receipt["sweep_code"] == store.load(group).attrs[CELLS]
        assert receipt[LIBRARY] == store.load(group).attrs[LIBRARY]
    assert str(own) not in (out / "cube.json").read_text()


def test_a_cube_without_its_store_is_of_its_code_too(there, tmp_path, capsys):
    own, out = there
    lone = tmp_path / "lone"
    lone.mkdir()
    for name in ("cube.nc", "cube.json"):
        shutil.copy(out / name, lone)
    assert told(capsys, "run", own / MAIN, "--out", lone)[0] == 0
    MEASURE.make(own)
    assert refused(capsys, MEASURE, "run", own / MAIN, "--out", lone)
    (lone / "cube.json").unlink()  # which has the names
    status, _, err = told(capsys, "run", own / MAIN, "--out", lone)
    assert (status, "but it changed" in err) == (2, True)
    assert told(capsys, "run", own / MAIN, "--out", lone, "--n-h", "4", "--force")[0] == 3


def test_force_begins_a_cube_without_its_store_again_if_its_code_is_another(
    there, tmp_path, monkeypatch, capsys
):
    own, out = there
    lone = tmp_path / "lone"
    lone.mkdir()
    for name in ("cube.nc", "cube.json"):
        shutil.copy(out / name, lone)
    monkeypatch.setattr("rnnjax.cli.sweeping._here", lambda *_: False)  # before it computes
    assert told(capsys, "run", own / MAIN, "--out", lone, "--force")[0] == 0
    assert not (lone / "sweep.json").exists()
    MEASURE.make(own)
    assert told(capsys, "run", own / MAIN, "--out", lone, "--force")[0] == 1
    assert Store.open(lone).committed() == set()
    assert read_cube(lone).identical(read_cube(out))  # until there is another


def aged(out, new):
    """The results in a folder as they were before there were fingerprints."""
    old = Store.open(out)
    store = Store.create(new, {k: v for k, v in old.spec.items() if k not in ("code", "file")})
    for group, receipt in old.receipts().items():
        shard = old.load(group).drop_attrs(deep=False).assign_attrs(
            {k: v for k, v in old.load(group).attrs.items() if k not in (CELLS, LIBRARY)}
        )  # fmt: skip
        keys = (CELLS, LIBRARY, "sweep_code")
        store.commit(group, shard, {k: v for k, v in receipt.items() if k not in keys})
    setting = load(old.spec["experiment"]).setting
    axes = parse_config(setting, old.spec["config"]).axes
    store.collect({axis.name: axis.labels for axis in axes})
    return store


@pytest.mark.wide
def test_results_of_unknown_code_stay_readable(there, tmp_path, capsys):
    own, out = there
    store = aged(out, tmp_path / "old")
    assert CELLS not in read_cube(store.out).attrs
    MEASURE.make(own)
    for command in ("check", "figure", "verify", "status", "resume"):
        assert told(capsys, command, store.out)[::2] == (0, ""), command
    assert "code     unknown" in told(capsys, "status", store.out)[1]
    for name in ("sweep.json", "cube.json"):
        assert told(capsys, "check", store.out)[::2] == (0, "")
        (store.out / name).unlink()
    status, _, err = told(capsys, "run", own / MAIN, "--out", store.out)
    assert (status, err.count("\n")) == (0, 1)
    assert "does not tell the code it was computed with" in err


@pytest.mark.wide
def test_cells_of_unknown_code_are_reused_by_force_alone(there, compute, tmp_path, capsys):
    own, out = there
    old = aged(out, tmp_path / "old").out
    more = ("run", own / MAIN, "--axes.seed", "range(4)", "--out", tmp_path / "new", "--reuse", old)
    status, _, err = told(capsys, *more)
    assert (status, err.count("\n")) == (2, 1)
    assert "does not; --force takes its cells all the same" in err
    assert not (tmp_path / "new").exists()
    assert f"note: {old} has cells of unknown code" in compute(*more, "--force")
    cube = read_cube(tmp_path / "new")
    assert cube.attrs[CELLS] == f"{load(str(own / MAIN)).code.cells} | unknown"
    # A cube of unknown and known code is not free of the first.
    other = ("run", own / MAIN, "--out", tmp_path / "other", "--reuse", tmp_path / "new")
    assert "does not; --force" in told(capsys, *other)[2]
    MEASURE.make(own)
    assert "measure changed; run without --reuse" in told(capsys, *other, "--force")[2]


@pytest.mark.wide
def test_a_sweep_of_unknown_code_goes_on_and_says_so(there, compute, tmp_path, capsys):
    own, out = there
    store = aged(out, tmp_path / "old")
    store.discard(LOST)
    err = compute("resume", store.out)
    assert f"note: {store.out} has cells of unknown code of the experiment" in err
    cells = load(str(own / MAIN)).code.cells
    assert read_cube(store.out).attrs[CELLS] == f"{cells} | unknown"
    MEASURE.make(own)  # what is known of it counts from now on
    store.discard("activation=relu")
    status, _, err = told(capsys, "resume", store.out)
    assert (status, "but it changed" in err) == (2, True)


def test_unknown_and_known_code_are_not_merged(there, tmp_path, capsys):
    _, out = there
    old = aged(out, tmp_path / "old").out
    for both in ((out, old), (old, out)):
        status, _, err = told(capsys, "merge", tmp_path / "both", *both)
        assert (status, err.count("\n")) == (2, 1)
        assert "merge: expected one code to have computed all cells" in err
    assert told(capsys, "merge", tmp_path / "both", old)[0] == 0


def with_other_library(out, new, group):
    """A store with one group, by another rnnjax."""
    old = Store.open(out)
    store = Store.create(new, old.spec)
    receipt = {**old.receipts()[group], LIBRARY: "other"}
    store.commit(group, old.load(group).assign_attrs({LIBRARY: "other"}), receipt)
    return store


@pytest.mark.wide
def test_another_library_is_told_by_resume_reuse_and_merge(
    there, compute, tmp_path, monkeypatch, capsys
):
    own, out = there
    store = with_other_library(out, tmp_path / "half", LOST)
    err = compute("resume", store.out)
    assert f"note: {store.out} has cells by other code of rnnjax itself" in err
    mine = read_cube(out).attrs[LIBRARY]
    assert read_cube(store.out).attrs[LIBRARY] == " | ".join(sorted([mine, "other"]))
    again = ("run", own / MAIN, "--out", tmp_path / "new", "--reuse", store.out)
    monkeypatch.setattr("rnnjax.cli.sweeping._sweep", lambda *_: 0)
    status, _, err = told(capsys, *again)
    assert (status, "by other code of rnnjax itself" in err) == (0, True)
    other = with_other_library(out, tmp_path / "other", LOST).out
    Store.open(out).discard(LOST)
    status, _, err = told(capsys, "merge", tmp_path / "both", out, other)
    assert status == 0
    assert f"note: {tmp_path / 'both'} has cells by different code of rnnjax itself" in err


def test_force_drops_cells_of_another_library(there, tmp_path, monkeypatch, capsys):
    _, out = there
    store = with_other_library(out, tmp_path / "half", LOST)
    monkeypatch.setattr("rnnjax.cli.sweeping._here", lambda *_: False)
    assert told(capsys, "resume", store.out)[0] == 1
    assert store.committed() == {LOST}
    assert told(capsys, "resume", store.out, "--force")[0] == 1
    assert store.committed() == set()


def test_a_worker_with_other_code_does_not_compute(there, monkeypatch):
    own, out = there
    store = Store.open(out)
    request = request_of(load(str(own / MAIN)), store.spec["config"], "float32")
    store.discard(LOST)
    monkeypatch.setattr(worker, "configured", None)
    for return_bytes in (False, True):
        told = client._Sweep(None, request, store, return_bytes).sweep
        assert told["code"] == store.spec["code"]["cells"]
        for edit, error in ((COMMENT, TypeError), (MEASURE, RuntimeError)):
            text = (own / MAIN).read_text()
            edit.make(own)
            with pytest.raises(error) as raised:  # by the call of None, or before
                worker._of_sweep(told)
            (own / MAIN).write_text(text)
        assert "has other code on" in str(raised.value) and "measure changed" in str(raised.value)


def test_a_worker_that_kept_programs_of_old_code_does_not_use_them(there, monkeypatch):
    _, out = there
    key = Store.open(out).spec["config_hash"]
    kept, closed = SimpleNamespace(programs=SimpleNamespace(close=lambda: closed.append(1))), []
    monkeypatch.setitem(worker._kept, f"{key} old {out}", kept)
    assert worker._of_sweep({"config_hash": key, "code": "old", "out": str(out)}) is kept
    with pytest.raises(RuntimeError, match="has other code"):
        worker._of_sweep({"config_hash": key, "code": "new", "out": str(out)})
    assert (closed, worker._kept) == ([1], {})  # its modules may have been replaced


def test_a_store_that_another_process_made_meanwhile_is_looked_at(there, tmp_path, monkeypatch):
    own, out = there
    MEASURE.make(own)
    other = request_of(load(str(own / MAIN)), Store.open(out).spec["config"], "float32").spec
    probe = Store.check_writable

    def slow(self):
        monkeypatch.setattr(Store, "check_writable", probe)
        Store.create(tmp_path / "new", Store.open(out).spec)
        probe(self)

    monkeypatch.setattr(Store, "check_writable", slow)
    with pytest.raises(ValueError, match="measure changed"):
        Store.create(tmp_path / "new", other)


def test_merging_keeps_the_place_of_the_experiment(there, tmp_path):
    own, out = there
    store, _ = merge(tmp_path / "a" / "b", [out])
    assert store.spec["file"]["absolute"] == str((own / MAIN).resolve())
    assert (store.out / Path(store.spec["file"]["from_out"])).resolve() == (own / MAIN).resolve()
