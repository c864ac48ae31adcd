"""A real scheduler and worker processes: the bytes of the local run, whatever is killed."""

import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rnnjax.cli import main
from rnnjax.cluster.client import run_on
from rnnjax.sweep.experiment import load
from rnnjax.sweep.progress import Lines
from rnnjax.sweep.request import request_of
from rnnjax.sweep.store import Store, StoreError

pytestmark = pytest.mark.wide  # a cluster of processes

TOY = Path(__file__).with_name("toy_experiment.py")
SWEEP = ("run", TOY, "--axes.activation", '["tanh", "relu", "sigmoid", "erf", "softplus"]')
ON_TWO = ("--cluster", "2")


@pytest.fixture(scope="module")
def local(rnnjax, folder):
    done = rnnjax(*SWEEP, "--out", "local", "--devices", "1")
    assert done.returncode == 0, done.stderr
    return (folder / "local" / "cube.nc").read_bytes()


def processes_of(client, kind):
    """The processes that a client started: the scheduler, or those that compute."""
    word = {"scheduler": "scheduler", "worker": "--multiprocessing-fork"}[kind]
    found = []
    for process in psutil.Process(client.pid).children(recursive=True):
        with suppress(psutil.Error):  # it may end while it is looked at
            found += [process] if word in process.cmdline() else []
    return found


def wait_until(there, process):
    while not (found := there()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return found


def test_shards_that_are_sent_back_give_the_bytes_of_the_local_run(rnnjax, folder, plain):
    done = rnnjax("run", TOY, "--out", "returned", *ON_TWO, "--return-bytes")
    assert done.returncode == 0, done.stderr
    assert "2/2 steps" in done.stderr
    assert (folder / "returned" / "cube.nc").read_bytes() == (plain / "cube.nc").read_bytes()


@pytest.mark.slow
def test_workers_scheduler_and_client_are_killed_and_nothing_is_lost(rnnjax, start, folder, local):
    out = folder / "hunted"
    process = start(*SWEEP, "--out", out, *ON_TWO, TOY_PAUSE="0.7")
    for _ in range(5):
        (folder / "pausing").unlink(missing_ok=True)
        wait_until((folder / "pausing").exists, process)  # a worker computes
        workers = wait_until(lambda: processes_of(process, "worker"), process)
        min(workers, key=lambda worker: worker.create_time()).kill()
    wait_until(lambda: Store.open(out).committed(), process)
    processes_of(process, "scheduler")[0].kill()
    _, err = process.communicate()
    assert process.returncode == 3, err
    assert "the scheduler is lost" in err

    process = start("resume", out, *ON_TWO, TOY_PAUSE="1e5")
    started = wait_until(lambda: processes_of(process, "worker"), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(started)
    assert not (out / "cube.nc").exists()

    done = rnnjax("resume", out, *ON_TWO)
    assert done.returncode == 0, done.stderr
    assert (out / "cube.nc").read_bytes() == local


class LostAtOnce:
    """A client whose scheduler goes while it is asked for the workers."""

    status = "running"

    def nthreads(self):
        self.status = "closed"
        raise OSError("in <TCP>: connection refused")


def test_a_scheduler_that_is_lost_while_it_is_asked_is_told_as_lost(tmp_path):
    axes = {"activation": ["tanh"], "gain": [1.0], "seed": [0]}
    request = request_of(load(str(TOY)), {"axes": axes}, "float32")
    store = Store.create(tmp_path / "out", request.spec)
    with pytest.raises(StoreError, match="the scheduler is lost; resume"):
        run_on(LostAtOnce(), request, store, progress=Lines(), stopped=lambda: False)


def test_a_group_that_fails_does_not_stop_the_others(rnnjax, folder):
    done = rnnjax("run", TOY, "--out", "broken", *ON_TWO, TOY_BROKEN="tanh")
    assert done.returncode == 1
    assert "activation=tanh (9 cells)  RuntimeError: this group was told to fail" in done.stderr
    assert Store.open(folder / "broken").counts()["committed"] == 1


def test_a_scheduler_that_does_not_answer_is_told_in_one_line(rnnjax, folder):
    done = rnnjax("run", TOY, "--out", "alone", "--scheduler-file", folder / "nowhere.json")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "scheduler-file: expected the file of a running scheduler" in done.stderr
    assert not (folder / "alone").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--return-bytes",), "return-bytes: expected --cluster"),
        (("--cluster", "2", "--devices", "2"), "devices: expected no --devices"),
        (("--cluster", "0"), "expected a whole number from 1"),
        (("--cluster", "2", "--scheduler", "tcp://127.0.0.1:1"), "not allowed with"),
    ],
)
def test_options_that_contradict_one_another_are_refused(capsys, tmp_path, flags, told):
    with suppress(SystemExit):
        assert main(["run", str(TOY), "--out", str(tmp_path / "out"), *flags]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
