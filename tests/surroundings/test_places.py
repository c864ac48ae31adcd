"""Folders and files that are missing, foreign, in the way, or cannot be written."""

import errno
import os

import pytest

from rnnjax.cli import main
from rnnjax.sweep import files
from rnnjax.sweep.store import Store
from tests.surroundings.situation import TOY, Situation, check

pytestmark = pytest.mark.wide  # sweeps as processes

LONG = "$(printf 'x%.0s' {1..300})"
SWEEP = r"expected the folder of a sweep, with sweep\.json or cube\.nc"
NEITHER = f"{SWEEP}; it has neither"
MISSING = rf"{SWEEP}; there is nothing of that name \(No such file or directory\)"

PLACES = [
    Situation("no sweep here", "cd empty; $R status .", 3, "", rf"rnnjax: \.: {NEITHER}"),
    Situation("a folder of sweeps", "$R figure .", 3, "", rf"rnnjax: \.: {NEITHER}, but .* done"),
    Situation("one of several", "$R check done empty", 3, "", f"rnnjax: empty: {NEITHER}"),
    Situation("nothing", "$R resume none", 3, "", f"rnnjax: none: {MISSING}"),
    Situation("nothing to export", "$R export none x.csv", 3, "", f"rnnjax: none: {MISSING}"),
    Situation("no netCDF", "$R status file", 3, "", "rnnjax: file: not a readable netCDF-4 .*"),
    Situation("a name too long", f"$R status {LONG}", 3, "", "rnnjax: x+.*: File name too long"),
    Situation(
        "too long for an output", f"$R run $TOY --out {LONG}", 3, "",
        "rnnjax: x+.*: File name too long.*",
    ),
    Situation(
        "too long for a config", f"$R plan $TOY --config {LONG}", 2, "",
        r"rnnjax: config: cannot read x+\.\.\.: File name too long",
    ),
    *(
        Situation(
            f"{name} in the way", f"$R run $TOY --out {name}", 3, "",
            f"rnnjax: {name}: File exists and is no folder; choose another folder with --out",
        )
        for name in ("file", "dangling", "pipe", "/dev/null")
    ),
    Situation(
        "a full disk", "ulimit -f 4; $R run $TOY --out new", 3, "",
        "(?s).*rnnjax: new/groups/activation=tanh.nc: File too large",
        {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
    ),
    Situation(
        "no folder for an export", "$R export done none/x.nc", 2, "",
        "rnnjax: export: expected a folder that exists, got 'none'",
    ),
    Situation(
        "a full disk for an export", "ulimit -f 4; $R export done x.nc", 3, "",
        r"rnnjax: x\.nc: File too large",
    ),
    Situation(
        "no sweep to reuse", "$R run $TOY --out new --reuse empty", 3, "",
        f"rnnjax: empty: {NEITHER}",
    ),
    Situation("nothing to merge", "$R merge new none", 3, "", f"rnnjax: none: {MISSING}"),
    Situation(
        "no file of a scheduler", "$R run $TOY --out new --scheduler-file file", 2, "",
        "rnnjax: scheduler-file: expected a scheduler at 'file', none answers: .*",
    ),
    Situation(
        "a workbook without a platform", "$R workbook a.xlsx", 4, "", "rnnjax: JAX_PLATFORMS: .*",
        {"JAX_PLATFORMS": "cuda"},
    ),
    Situation("a newline in a name", "$R plan $TOY --out $'a\\nb'", 0, r"in a\\nb$"),
    Situation("a newline in a folder", "mv done $'a\\nb'; $R check $'a\\nb'", 0, r"\Aa\\nb\n"),
    Situation("no working directory", "cd gone; rmdir ../gone; $R list", 0, "gradient_norms"),
    Situation(
        "no working directory for an output", "cd gone; rmdir ../gone; $R run $TOY --out new", 3,
        "", "rnnjax: .*No such file or directory.*",
    ),
    Situation("seen from another folder", "cd empty; $R status ../done", 0, "18 committed"),
    Situation("a reader of the cube", "exec 5<done/cube.nc; $R check done", 0, "1 of 1 claims"),
    Situation(
        "a newline in what to type",
        "mv done $'a\\nb'; echo >> $'a\\nb/cube.nc'; $R verify $'a\\nb'", 3, r"\Aa\\nb/cube\.nc",
        r"rnnjax: 1 problems; rnnjax resume \$'a\\nb'",
    ),
]  # fmt: skip


@pytest.mark.parametrize("situation", PLACES, ids=lambda one: one.name)
def test_places(here, situation):
    for name in ("empty", "gone"):
        (here / name).mkdir()
    (here / "file").write_text("text")
    (here / "dangling").symlink_to("nowhere")
    check(Situation("pipe", "mkfifo pipe"), here)
    check(situation, here)


HARD_LINKS = "choose another folder with --out, on a file system that has hard links"


@pytest.mark.parametrize(
    ("operation", "name", "told"),
    [
        ("link", "EPERM", f"Operation not permitted; {HARD_LINKS}"),
        ("link", "EOPNOTSUPP", f"Operation not supported; {HARD_LINKS}"),
        ("write", "EDQUOT", "Disk quota exceeded; free some space, then resume"),
        ("make_folder", "EROFS", "Read-only file system; choose another folder with --out"),
    ],
)
def test_a_file_system_that_refuses_is_told_before_anything_is_computed(
    tmp_path, monkeypatch, capsys, operation, name, told
):
    def refuse(*_, **__):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr(files, operation, refuse)
    monkeypatch.setattr("rnnjax.cli.sweeping.configured", None)
    assert main(["run", str(TOY), "--out", str(tmp_path / "new")]) == 3
    error = capsys.readouterr().err
    assert error.endswith(f": {told}\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_too_little_of_the_machine_is_not_taken_for_damage(here, monkeypatch, capsys, error):
    """Or else resuming would discard what is sound."""

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("xarray.load_dataset", refuse)
    before = Store.open(here / "done").committed()
    (here / "done" / "cube.nc").unlink()
    assert main(["resume", str(here / "done")]) == 4
    assert Store.open(here / "done").committed() == before
    assert capsys.readouterr().err.count("\n") == 1
