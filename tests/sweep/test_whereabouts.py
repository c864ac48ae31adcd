"""The experiment of a sweep is found again from another working folder and after a move."""

import shutil

import pytest

from rnnjax.cli import main
from rnnjax.sweep import files
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.store import Store
from tests.sweep.changing import TOY

pytestmark = pytest.mark.wide  # sweeps as processes

LOOKS = ("check", "figure", "papers", "resume")
SENTINEL = "raise SystemExit('executed')\n"


@pytest.fixture(scope="module")
def made(rnnjax, folder):
    """A sweep of an experiment that was named by a path from the working folder."""
    (folder / "project").mkdir()
    shutil.copy(TOY, folder / "project" / "mine.py")
    shutil.copy(TOY.with_suffix(".toml"), folder / "project" / "mine.toml")
    done = rnnjax("run", "project/mine.py", "--out", "project/results", "--devices", "1")
    assert done.returncode == 0, done.stderr
    return folder / "project"


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A copy of it, with the place of the copy in its sweep; another folder to work in."""
    monkeypatch.setattr("rnnjax.cli.sweeping.configured", None)
    shutil.copytree(made, tmp_path / "project")
    placed(tmp_path / "project" / "results", absolute=str(tmp_path / "project" / "mine.py"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "project"


def placed(out, **changes):
    spec = files.read_sealed(out / "sweep.json")
    spec["file"] |= changes
    (out / "sweep.json").write_bytes(files.seal(spec))


def told(capsys, *arguments):
    status = main([*map(str, arguments)])
    return status, *capsys.readouterr()


@pytest.mark.parametrize("command", LOOKS)
def test_from_another_folder(project, capsys, command):
    assert told(capsys, command, project / "results")[::2] == (0, "")


def test_from_another_folder_though_it_has_changed(project, capsys):
    path = project / "mine.py"
    path.write_text(path.read_text().replace("setting.shift", "setting.shift + 1"))
    for command in LOOKS:
        status, _, err = told(capsys, command, project / "results")
        assert (status, err.count("\n")) == (2 if command == "resume" else 0, 1)
        assert "measure changed" in err


@pytest.mark.parametrize("command", LOOKS)
def test_after_all_was_moved(project, tmp_path, capsys, command):
    project.rename(tmp_path / "moved")
    assert told(capsys, command, tmp_path / "moved" / "results")[::2] == (0, "")


@pytest.mark.parametrize("command", LOOKS)
def test_another_file_of_the_name_is_not_run(project, tmp_path, capsys, command):
    (tmp_path / "elsewhere" / "project").mkdir()
    (tmp_path / "elsewhere" / "project" / "mine.py").write_text(SENTINEL)
    assert told(capsys, command, project / "results")[::2] == (0, "")
    # Nor one that a folder which was moved has met.
    project.rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "elsewhere" / "project")
    (tmp_path / "moved" / "mine.py").write_text(SENTINEL)
    assert told(capsys, command, tmp_path / "moved" / "results")[0] == 2


@pytest.mark.parametrize("command", LOOKS)
def test_a_file_that_is_gone_is_told_in_one_line(project, capsys, command):
    (project / "mine.py").unlink()
    status, _, err = told(capsys, command, project / "results")
    assert (status, err.count("\n")) == (2, 1)
    for part in ("expected 'project/mine.py'", "got no file", "rnnjax run FILE --out"):
        assert part in err
    status, out, _ = told(capsys, "status", project / "results")
    assert (status, "the experiment is not found now" in out) == (0, True)


def test_a_new_place_is_remembered_once_it_is_named(project, tmp_path, capsys):
    (tmp_path / "new").mkdir()
    for name in ("mine.py", "mine.toml"):
        (project / name).rename(tmp_path / "new" / f"renamed{name.removeprefix('mine')}")
    before = (project / "results" / "cube.nc").read_bytes()
    path = tmp_path / "new" / "renamed.py"
    assert told(capsys, "run", path, "--out", project / "results")[0] == 0
    assert (project / "results" / "cube.nc").read_bytes() == before
    for command in LOOKS:
        assert told(capsys, command, project / "results")[::2] == (0, ""), command
    path.write_text(path.read_text().replace("setting.shift", "setting.shift + 1"))
    assert told(capsys, "run", path, "--out", project / "results")[0] == 3


def test_a_file_of_the_folder_is_not_run_by_any_path(project, capsys):
    own = project / "results" / "mine.py"
    own.write_text(SENTINEL)
    (project / "mine.py").unlink()
    for change in ({"absolute": str(own)}, {"absolute": "", "from_out": "mine.py"}):
        placed(project / "results", **change)
        for command in LOOKS:
            assert told(capsys, command, project / "results")[0] == 2
    for odd in ("\0", "x" * 9000, ["a"], None):
        placed(project / "results", absolute=odd, from_out=odd)
        assert told(capsys, "check", project / "results")[0] == 2


def test_no_path_of_the_machine_is_in_what_is_published(made, folder):
    out = made / "results"
    assert str(folder) in (out / "sweep.json").read_text()
    for name in ("cube.json", "claims.json"):
        assert str(folder) not in (out / name).read_text()
    assert str(folder).encode() not in (out / "cube.nc").read_bytes()
    assert all(str(folder) not in str(value) for value in read_cube(out).attrs.values())
    assert Store.open(out).spec["experiment"] == "project/mine.py"


@pytest.mark.parametrize("command", ["check", "figure", "resume"])
def test_a_file_that_has_moved_is_named(project, tmp_path, capsys, command):
    moved = tmp_path / "moved.py"
    (project / "mine.py").rename(moved)
    assert told(capsys, command, project / "results")[0] == 2
    assert told(capsys, command, project / "results", "--experiment", moved)[::2] == (0, "")
