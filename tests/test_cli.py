"""The command line: what needs no sweep to be run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnjax import catalog
from rnnjax.cli import main
from rnnjax.sweep.backend import cache_folder

ROOT = catalog.PACKAGE.parent
TOY = Path(__file__).parent / "sweep" / "toy_experiment.py"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def python(*arguments, **kwargs):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment, capture_output=True, text=True, check=False, **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["resume", "status", "verify", "figure", "check"])
def test_a_folder_without_a_sweep_is_store_trouble(capsys, here, command):
    assert main([command, "nothing"]) == 3
    error = capsys.readouterr().err
    assert "nothing" in error
    assert error.count("\n") == 1
    assert list(here.iterdir()) == []


def test_a_flag_and_a_toml_key_mean_the_same(capsys, here):
    (here / "sweep.toml").write_text(
        "n_h = 5\nword = '12'\nchunk = 2\n"
        "[axes]\nactivation = ['relu']\ngain = 'lin(1,2,3)'\nseed = [0]".replace("word", "task")
    )
    assert main(["plan", str(TOY), "--config", "sweep.toml"]) == 0
    from_toml = capsys.readouterr().out
    flags = "--n-h 5 --task=12 --chunk 2 --axes.activation relu --axes.gain 1,1.5,2 --axes.seed 0"
    assert main(["plan", str(TOY), *flags.split()]) == 0
    assert capsys.readouterr().out == from_toml
    assert "cells       3 = activation 1 x gain 3 x seed 1" in from_toml


def test_plan_tells_programs_and_sizes_and_writes_nothing(capsys, here):
    assert main(["plan", str(TOY), "--devices", "2"]) == 0
    told = capsys.readouterr().out
    assert "cells       18 = activation 2 x gain 3 x seed 3, 7 values each" in told
    assert "programs    2 to compile, and those of what cells share" in told
    assert "chunks      3 of 4 lanes in each group (9 lanes), 2 at a time" in told
    assert "output      630 bytes before compression, in results/toy_experiment" in told
    assert list(here.iterdir()) == []


def test_help_of_an_experiment_lists_its_keys(capsys, here):
    assert main(["run", str(TOY), "--help"]) == 0
    told = capsys.readouterr().out
    assert "--gain                traced float > 0, an axis of every cube (default 1.0)" in told
    assert "--n-h                 static int > 0 <= 1024; state size (default 8)" in told
    assert "|tanh" in told


def test_list_reads_the_question_without_importing(capsys, here):
    (here / "experiments").mkdir()
    (here / "experiments" / "own.py").write_text(
        '"""Is it listed?"""\nraise SystemExit("imported")'
    )
    (here / "experiments" / "broken.py").write_text("def (")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split(maxsplit=1) == ["own", "Is it listed?"] for line in lines)
    assert any("cannot be read: SyntaxError" in line for line in lines)


def test_help_imports_nothing_heavy():
    """What makes it quick on any machine; the benchmark `commands` takes the time."""
    done = python("-X", "importtime", "-m", "rnnjax.cli", "--help")
    assert done.returncode == 0
    assert "exit status" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "rnnjax.cli.arguments" in imported
    assert not {"jax", "numpy", "pydantic", "xarray", "matplotlib", "rich"} & imported


def test_nothing_but_a_sweep_imports_jax(here):
    code = (
        "import sys\nfrom rnnjax.cli import main\n"
        f"statuses = [main(['list']), main(['plan', {str(TOY)!r}]), "
        f"main(['run', {str(TOY)!r}, '--help']), main(['run', {str(TOY)!r}, '--n-h', '0']), "
        "main(['status', 'out']), main(['resume', 'out'])]\n"
        "assert statuses == [0, 0, 0, 2, 3, 3], statuses\n"
        "assert 'jax' not in sys.modules"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_a_closed_pipe_is_no_traceback(here):
    command = f"{sys.executable} -m rnnjax.cli plan {TOY} | true"
    done = subprocess.run(
        ["bash", "-c", command], env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_compiled_programs_are_kept_in_a_private_folder(here, monkeypatch):
    folder = cache_folder()
    assert folder is not None
    assert folder.is_relative_to(here / "cache" / "rnnjax")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert cache_folder() is None
    folder.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert cache_folder() is None
    monkeypatch.undo()
    (here / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "file"))
    assert cache_folder() is None
