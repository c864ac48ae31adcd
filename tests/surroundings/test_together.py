"""Two processes in one folder, terminals that are closed, and errors that nobody foresaw."""

import os
import re
import signal
import stat
import subprocess
import sys
import time

import pytest

from rnnjax.cli import main
from rnnjax.cli.interrupt import Interrupts
from rnnjax.sweep.presence import at_work, is_at_work
from tests.surroundings.situation import FLAGS, Situation, check, environment

pytestmark = pytest.mark.wide  # sweeps as processes


def test_a_second_process_says_that_it_is_the_second(here):
    message = "rnnjax: done: another process is at work here too; both may go on"
    with at_work(here / "done") as others:
        assert not others
        check(
            Situation("a second run", "$R run $TOY --out done", 0, "claims passed", message), here
        )
        now = r"^now +a process is at work here$"
        check(Situation("status", "$R status done", 0, f"(?m){now}"), here)
    check(Situation("alone again", "$R run $TOY --out done", 0, "claims passed"), here)


def test_whoever_comes_while_any_is_at_work_hears_of_it(tmp_path):
    with at_work(tmp_path) as first:
        with at_work(tmp_path) as second:
            with at_work(tmp_path) as third:
                pass
            assert is_at_work(tmp_path)
        assert is_at_work(tmp_path)
    assert (first, second, third) == (False, True, True)
    assert not is_at_work(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not is_at_work(tmp_path / "missing")


def test_who_was_killed_is_not_at_work(here):
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from rnnjax.sweep.presence import at_work\n"
        "with at_work(Path('done')):\n    print('here', flush=True)\n    time.sleep(1e5)\n"
    )
    held = subprocess.Popen(
        [sys.executable, "-c", code], cwd=here, env=environment(here, {}), stdout=subprocess.PIPE
    )
    assert held.stdout.read(5) == b"here\n"
    assert is_at_work(here / "done")
    held.kill()
    held.communicate()
    assert not is_at_work(here / "done")


def test_two_runs_at_once_both_end_with_the_same_cube(here):
    both = "$R run $TOY --out new & first=$!; $R run $TOY --out new; echo $?; wait $first; echo $?"
    done = subprocess.run(
        ["bash", "-c", both], cwd=here, env=environment(here, {"XLA_FLAGS": FLAGS}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert re.findall(r"^\d+$", done.stdout, re.MULTILINE) == ["0", "0"], done.stderr
    assert (here / "new" / "cube.nc").read_bytes() == (here / "done" / "cube.nc").read_bytes()


def test_a_terminal_that_is_closed_stops_a_sweep(here):
    """SIGHUP, and nobody reads standard error any more."""
    pauses = {"TOY_PAUSE": "1e5", "TOY_PAUSING": str(here / "pausing")}
    reads, writes = os.pipe()
    # Tests that run under nohup would hand on that SIGHUP is ignored.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    process = subprocess.Popen(
        [*environment(here, {})["R"].split(), "run", environment(here, {})["TOY"], "--out", "new"],
        cwd=here, env=environment(here, pauses), stdout=writes, stderr=writes,
    )  # fmt: skip
    signal.signal(signal.SIGHUP, before)
    os.close(writes)
    os.close(reads)
    while not (here / "pausing").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    assert process.wait() == 130


def test_under_nohup_a_sweep_does_not_listen_to_sighup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts("interrupted"):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def fails():
    raise ZeroDivisionError("no\nsuch luck")


def test_an_error_that_nobody_foresaw_is_a_line_and_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rnnjax.cli.results.list_experiments", fails)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["list"]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    message = r"rnnjax: ZeroDivisionError: no\\nsuch luck \(unforeseen; traceback in (.*)\)"
    (kept,) = tmp_path.iterdir()
    assert re.fullmatch(message, line)[1] == str(kept)
    assert "in fails" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_an_error_that_nobody_foresaw_is_kept_with_the_sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rnnjax.cli.sweeping.resume", lambda arguments: fails())
    assert main(["resume", str(tmp_path)]) == 4
    (kept,) = tmp_path.iterdir()
    assert f"traceback in {kept}" in capsys.readouterr().err


def test_where_nothing_can_be_written_the_line_says_so(monkeypatch, capsys):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rnnjax.cli.results.list_experiments", fails)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert main(["list"]) == 4
    assert "(unforeseen; traceback in no file: no folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["EMFILE", "ENOMEM"])
def test_a_fault_of_the_machine_is_none_of_the_store(monkeypatch, capsys, tmp_path, name):
    import errno

    def refuse(*_):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr("rnnjax.cli.results.list_experiments", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["list"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_of_a_process_of_a_pool_is_told(here):
    """An error must survive its way from one process to another."""
    (here / "gone").mkdir()
    import xarray as xr

    with xr.open_dataset(here / "done" / "cube.nc", engine="h5netcdf") as cube:
        cube.assign_attrs(experiment="gone.py").to_netcdf(
            here / "gone" / "cube.nc", engine="h5netcdf"
        )
    message = "rnnjax: experiment: expected a file that exists, got 'gone.py'"
    check(Situation("two cubes", "$R check done gone", 2, "1 of 1 claims passed", message), here)
