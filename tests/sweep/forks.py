"""Runs of `rnnjax` in forks of one process that has imported everything, killed at random moments.

    python -m tests.sweep.forks FOLDER KILLS STATES SEED

A process of its own, because it forks: importing for every run would take most of the time. The
backend of jax is started in the forks alone. Prints what happened as one line of JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import dask.array  # noqa: F401
import h5netcdf  # noqa: F401
import jax  # noqa: F401
import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401
import xarray

import rnnjax
from rnnjax.cli import main, sweeping  # noqa: F401
from rnnjax.sweep import netcdf, programs, run  # noqa: F401
from rnnjax.sweep.files import sha256_of
from rnnjax.sweep.store import Store
from rnnjax.sweep.verify import problems_in

# What is imported at the first use.
rnnjax.activation_named("tanh"), rnnjax.figures.styled, rnnjax.figures.save_figure
netcdf.encode(xarray.Dataset({"a": ("lane", [1.0])}))
TOY = Path(__file__).with_name("toy_experiment.py")
AXES = ("--axes.activation", "tanh", "--axes.gain", "lin(0.5, 2, 10)")
N_SHARDS = 8  # of 4 lanes
SWEEP = ("run", str(TOY), *AXES, "--chunks-a-shard", "1", "--devices", "1")
STILL_RUNS = os.WEXITED | os.WNOHANG | os.WNOWAIT  # ask whether a child ended, and leave it


def forked(*arguments):
    """The process id of a fork that runs a command and ends with its exit status."""
    child = os.fork()
    if child:
        return child
    with open(os.devnull, "w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    status = 99
    try:
        status = main(list(arguments))
    finally:
        os._exit(status)


def ended(child):
    """The exit status of a child, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def committed(out):
    """The sha256 of every committed shard, each as its receipt says."""
    if not (out / "sweep.json").exists():
        return {}
    receipts = Store.open(out).receipts()
    shards = {group: sha256_of(out / "groups" / f"{group}.nc") for group in receipts}
    assert shards == {group: receipt["sha256"] for group, receipt in receipts.items()}
    return shards


def n_committed(out):
    """How many shards have a receipt."""
    return len(list((out / "groups").glob("*.json")))


def kill_at_random(child, out, takes, seen, chooser):
    """Kill a sweep at a random moment, or as soon as it has a number of shards not seen so far.

    Counting shards, not seconds, lets kills fall on every state of a sweep on any machine.
    """
    unseen = [n for n in range(n_committed(out), N_SHARDS) if n not in seen]
    if unseen and chooser.random() < 0.5:
        while n_committed(out) < unseen[0] and os.waitid(os.P_PID, child, STILL_RUNS) is None:
            time.sleep(0.0005)
    else:
        time.sleep(takes * chooser.random())
    os.kill(child, signal.SIGKILL)


def hunt(folder, n_kills, n_states, chooser):
    """Kill sweeps with no shard, and with `n_states` numbers of some of them, `n_kills` at least.

    Returns how many sweeps were completed, and the numbers of shards at the kills.
    """
    assert ended(forked(*SWEEP, "--out", str(folder / "whole"))) == 0
    started = time.monotonic()
    assert ended(forked(*SWEEP, "--out", str(folder / "again"))) == 0
    takes = time.monotonic() - started  # with a warm cache of compiled programs
    whole, bits = committed(folder / "whole"), sha256_of(folder / "whole" / "cube.nc")
    assert len(whole) == N_SHARDS
    n_done, seen = 0, []
    while (out := folder / f"sweep{n_done}").exists() or more_to_kill(seen, n_kills, n_states):
        before = committed(out)
        there = (out / "sweep.json").exists()
        child = forked(*(("resume", str(out)) if there else (*SWEEP, "--out", str(out))))
        if more_to_kill(seen, n_kills, n_states):
            kill_at_random(child, out, takes, seen, chooser)
        status = ended(child)
        assert status in (0, -signal.SIGKILL), status
        after = committed(out)
        assert before.items() <= after.items() <= whole.items()
        if status == 0:
            assert (after, sha256_of(out / "cube.nc")) == (whole, bits)
            assert problems_in(Store.open(out)) == []
            n_done += 1
        else:
            seen.append(len(after))
            assert not there or problems_in(Store.open(out)) == []
    return {"completed": n_done, "shards_at_kills": seen}


def more_to_kill(seen, n_kills, n_states):
    """Whether sweeps were killed less often, or in fewer states, than asked for."""
    some = set(seen) - {0, N_SHARDS}
    return len(seen) < n_kills or 0 not in seen or len(some) < n_states


if __name__ == "__main__":
    folder, n_kills, n_states, seed = sys.argv[1:]
    print(json.dumps(hunt(Path(folder), int(n_kills), int(n_states), random.Random(seed))))
