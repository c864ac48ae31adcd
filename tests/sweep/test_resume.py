"""What a kill, a signal, a failure or damage leaves, and going on from there to the same bytes."""

import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from rnnjax import catalog
from rnnjax.cli import main
from rnnjax.cli.interrupt import PATIENCE
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.store import Store

pytestmark = pytest.mark.wide  # sweeps killed and resumed

TOY = Path(__file__).with_name("toy_experiment.py")
GROUPS = ("activation=tanh", "activation=relu")
# The second group is never compiled, so that the first is all there is at whatever speed.
RELU_NEVER = {"TOY_PAUSE": "1e5", "TOY_PAUSES": "relu"}


@pytest.fixture(scope="module")
def stuck(folder):
    """An experiment that never comes back to the thread that would stop it."""
    path = folder / "stuck.py"
    draws = '"""A random matrix of scale `gain`."""\n'
    hangs = f"{draws}    Path(os.environ['TOY_PAUSING']).touch()\n    time.sleep(1e5)\n"
    path.write_text(TOY.read_text().replace(draws, hangs))
    (folder / "stuck.toml").write_bytes(TOY.with_suffix(".toml").read_bytes())
    return path


@pytest.fixture(scope="module")
def patient(folder):
    """Variables of a process that waits for its sweep to stop itself, however long it takes.

    Whatever ends such a process is not the time: no test here depends on how fast the machine is.
    """
    own = folder / "patient"
    own.mkdir()
    (own / "sitecustomize.py").write_text(
        "from rnnjax.cli import interrupt\ninterrupt.PATIENCE = 1e6\n"
    )
    return {"PYTHONPATH": f"{own}:{catalog.PACKAGE.parent}"}


def wait_for(path, process):
    """Wait until `path` is there, while `process` runs."""
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_a_killed_sweep_resumes_to_the_same_bytes_on_two_devices(rnnjax, start, folder, plain):
    killed = folder / "killed"
    process = start("run", TOY, "--out", "killed", "--devices", "2", **RELU_NEVER)
    wait_for(killed / "groups" / f"{GROUPS[0]}.json", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "cube.nc").exists()
    resumed = rnnjax("resume", "killed", "--devices", "2")
    assert resumed.returncode == 0, resumed.stderr
    assert "2/2 steps" in resumed.stderr  # of one group, not of both
    assert (killed / "cube.nc").read_bytes() == (plain / "cube.nc").read_bytes()


def test_sigterm_stops_between_steps_and_the_sweep_goes_on_as_it_was_asked(
    rnnjax, start, folder, patient
):
    arguments = ("--out", "stopped", "--devices", "2", "--x64")
    process = start("run", TOY, *arguments, **RELU_NEVER, **patient)
    wait_for(folder / "stopped" / "groups" / f"{GROUPS[0]}.json", process)
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 130
    assert "rnnjax resume stopped" in err
    assert Store.open(folder / "stopped").committed() == {GROUPS[0]}
    assert not (folder / "stopped" / "cube.nc").exists()
    resumed = rnnjax("resume", "stopped")
    assert resumed.returncode == 0, resumed.stderr
    cube = read_cube(folder / "stopped")
    assert cube.log_norm.dtype == np.float64
    assert (cube.log_norm_status == 1).all()
    assert cube.attrs["precision"] == "float64"


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_sweep_that_stops_itself_does_not_wait_for_what_is_compiled(
    start, folder, patient, activation
):
    """Neither for what it needs now nor for what is compiled ahead."""
    (folder / "pausing").unlink(missing_ok=True)
    never = RELU_NEVER | {"TOY_PAUSES": activation}
    process = start("run", TOY, "--out", folder / f"ahead_{activation}", **never, **patient)
    wait_for(folder / "pausing", process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.count("rnnjax resume") == 1


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_ends_a_sweep_that_cannot_stop_itself(start, folder, stuck, patient, signals):
    """By the time one, and by a second signal alone."""
    out = folder / f"stuck{signals}"
    (folder / "pausing").unlink(missing_ok=True)
    process = start("run", stuck, "--out", out, **(patient if signals == 2 else {}))
    wait_for(folder / "pausing", process)
    process.send_signal(signal.SIGINT)
    if signals == 2:
        while "stopping" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert f"rnnjax resume {out}" in err


def test_a_sweep_stops_within_five_seconds_of_a_signal():
    assert PATIENCE < 5


def test_what_failed_or_was_damaged_is_computed_again(rnnjax, folder, plain, capsys):
    out = folder / "failing"
    done = rnnjax("run", TOY, "--out", "failing", TOY_BROKEN="tanh")
    assert done.returncode == 1
    told = r"activation=tanh \(9 cells\) +RuntimeError: this group was told to fail"
    assert re.search(told, done.stderr)
    assert "Traceback" not in done.stderr
    cube, sound = read_cube(out), read_cube(plain)
    assert (cube.log_norm_status.sel(activation="tanh") == 5).all()
    relu = {"activation": "relu"}
    assert cube.log_norm.sel(relu).identical(sound.log_norm.sel(relu))
    assert main(["status", str(out)]) == 0
    told = capsys.readouterr().out
    assert "1 failed" in told
    assert "this group was told to fail" in told

    shard = out / "groups" / f"{GROUPS[1]}.nc"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert main(["verify", str(out)]) == 3
    assert str(shard) in capsys.readouterr().out
    resumed = rnnjax("resume", "failing")
    assert resumed.returncode == 0, resumed.stderr
    assert main(["verify", str(out)]) == 0
    assert (out / "cube.nc").read_bytes() == (plain / "cube.nc").read_bytes()
