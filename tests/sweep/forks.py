"""Runs of `rnnjax` in forks of one process that has imported everything, killed at random moments.

    python -m tests.sweep.forks FOLDER KILLS SEED

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
import matplotlib.backends.backend_pdf
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
AXES = ("--axes.activation", "tanh", "--axes.gain", "lin(0.5, 2, 10)")  # 8 shards of 4 lanes
SWEEP = ("run", str(TOY), *AXES, "--chunks-a-shard", "1", "--devices", "1")


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


def hunt(folder, n_kills, chooser):
    """Kill sweeps until `n_kills` are dead; return (sweeps completed, shards seen at kills)."""
    assert ended(forked(*SWEEP, "--out", str(folder / "whole"))) == 0
    started = time.monotonic()
    assert ended(forked(*SWEEP, "--out", str(folder / "again"))) == 0
    takes = time.monotonic() - started  # with a warm cache of compiled programs
    whole, bits = committed(folder / "whole"), sha256_of(folder / "whole" / "cube.nc")
    n_dead, n_done, seen = 0, 0, []
    while n_dead < n_kills or (folder / f"sweep{n_done}").exists():
        out = folder / f"sweep{n_done}"
        before = committed(out)
        there = (out / "sweep.json").exists()
        child = forked(*(("resume", str(out)) if there else (*SWEEP, "--out", str(out))))
        if n_dead < n_kills:
            time.sleep(takes * chooser.random())
            os.kill(child, signal.SIGKILL)
        status = ended(child)
        assert status in (0, -signal.SIGKILL), status
        after = committed(out)
        assert before.items() <= after.items() <= whole.items()
        if status == 0:
            assert (after, sha256_of(out / "cube.nc")) == (whole, bits)
            assert problems_in(Store.open(out)) == []
            n_done += 1
            takes *= 0.8  # faster than when it was timed: what else the machine does has changed
        else:
            n_dead += 1
            takes *= 1.1 if len(after) == len(before) else 1
            seen.append(len(after))
            assert not there or problems_in(Store.open(out)) == []
    return {"kills": n_dead, "completed": n_done, "shards_at_kills": seen, "shards": len(whole)}


if __name__ == "__main__":
    print(json.dumps(hunt(Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3]))))
