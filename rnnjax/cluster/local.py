"""A scheduler and workers on this machine, each a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from rnnjax.cluster.client import check_installed, connected
from rnnjax.errors import ConfigError
from rnnjax.lazy import distributed
from rnnjax.sweep.backend import cores

_START = 300.0  # seconds; one that dies is noticed at once
_END = 5.0
_LOOPBACK = "127.0.0.1"


@contextmanager
def local_cluster(n_workers: int) -> Iterator[distributed.Client]:
    """Start a scheduler and workers on loopback, and stop them at the end.

    Args:
        n_workers: processes; each computes on one device.

    Raises:
        ConfigError: dask.distributed is not installed, or they do not start.
    """
    check_installed()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        where, log = folder / "scheduler.json", stack.enter_context(open(folder / "log", "wb"))
        common = ["--host", _LOOPBACK, "--no-dashboard", "--scheduler-file", str(where)]
        start = ["scheduler", *common, "--port", "0", "--no-show"]
        scheduler = stack.enter_context(_process(start, log))
        _wait_for(where, scheduler, folder / "log")
        workers = ["worker", *common, "--nworkers", str(n_workers), "--nthreads", "1"]
        workers += ["--memory-limit", "0", "--local-directory", str(folder)]
        stack.enter_context(_process(workers, log, n_workers))
        client = stack.enter_context(connected(None, str(where)))
        try:
            client.wait_for_workers(n_workers, timeout=_START)
        except TimeoutError:
            raise _not_started(folder / "log") from None
        yield client


@contextmanager
def _process(
    arguments: list[str], log: IO[bytes], n_workers: int = 1
) -> Iterator[subprocess.Popen]:
    # Each worker may use its share of the cores; a worker that died is started again.
    share = str(max(cores() // n_workers, 1))
    threads = {"NPROC": share, "OPENBLAS_NUM_THREADS": share} if n_workers > 1 else {}
    patience = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "20"}
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnjax.cluster.process", *arguments],
        stdin=subprocess.PIPE, stdout=log, stderr=log, env=os.environ | patience | threads,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(path: Path, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + _START
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise _not_started(log)
        time.sleep(0.05)


def _not_started(log: Path) -> ConfigError:
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing was said"]
    return ConfigError("cluster", f"expected a local cluster to start, but: {last[0]}")
