"""Handing out the groups of a sweep, and hearing what became of them."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from rnnjax import lazy
from rnnjax.cluster.worker import compute
from rnnjax.errors import ConfigError, shown
from rnnjax.lazy import distributed
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.progress import Progress
from rnnjax.sweep.request import Request
from rnnjax.sweep.store import Store

ATTEMPTS = 4  # how often a group is tried whose worker died
PATIENCE = 3.0  # seconds without a scheduler after which it counts as lost
GROUPS_A_WORKER = 8  # handed out at once: a worker never waits, and the scheduler holds few
_ANSWER = 10.0  # seconds for a scheduler to answer


def check(scheduler_file: str | None) -> None:
    """Raise ConfigError if dask.distributed is not installed, or the file is not there."""
    check_installed()
    if scheduler_file is not None and not os.path.isfile(scheduler_file):
        message = f"expected the file of a running scheduler, got {scheduler_file!r}"
        raise ConfigError("scheduler-file", message)


def connected(address: str | None, scheduler_file: str | None) -> distributed.Client:
    """Return a client of the scheduler at an address, or of the one that wrote a file.

    Raises:
        ConfigError: dask.distributed is not installed, or no scheduler answers.
    """
    check_installed()
    key = "scheduler" if address else "scheduler-file"
    try:
        # No default client: xarray would lock files in memory by way of the scheduler.
        return distributed.Client(
            address, scheduler_file=scheduler_file, timeout=_ANSWER, set_as_default=False
        )
    except Exception as error:  # an AssertionError where the file is not a scheduler's
        message = f"expected a scheduler at {shown(address or scheduler_file)}, none answers"
        raise ConfigError(key, f"{message}: {error or type(error).__name__}") from None


def check_installed() -> None:
    """Raise ConfigError if dask.distributed is not installed."""
    try:
        lazy.load(distributed)
    except ImportError:
        message = "expected the extra 'cluster' (dask.distributed): pip install 'rnnjax[cluster]'"
        raise ConfigError("cluster", message) from None
    # The caller that gives up reports lost connections in one line. Some of its loggers have levels
    # of their own.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def run_on(
    client: distributed.Client,
    request: Request,
    store: Store,
    *,
    progress: Progress,
    stopped: Callable[[], bool],
    return_bytes: bool = False,
) -> bool:
    """Have every group computed that `store` lacks; a group that fails does not stop the others.

    Args:
        client: of a scheduler.
        request: the sweep.
        store: where the shards go.
        progress: called after every group.
        stopped: asked twice a second whether to stop.
        return_bytes: whether the shards come back to be committed here, because the workers cannot
            reach the store.

    Returns:
        False if it was asked to stop.

    Raises:
        StoreError: a shard cannot be written, or the scheduler is lost.
    """
    sweep = _Sweep(client, request, store, return_bytes)
    with progress:
        while sweep.goes_on():
            progress.at(sweep.n_done, sweep.n_total, sweep.progress_text())
            if stopped():
                client.cancel(list(sweep.running), force=True)
                return False
            sweep.hear()
        progress.at(sweep.n_done, sweep.n_total, sweep.progress_text())
    return True


class _Sweep:
    """What is waiting, running and done."""

    def __init__(
        self, client: distributed.Client, request: Request, store: Store, return_bytes: bool
    ) -> None:
        self.client, self.store = client, store
        where = {"spec": store.spec} if return_bytes else {"out": str(store.out.resolve())}
        code = request.experiment.code.cells
        self.sweep = {"config_hash": store.spec["config_hash"], "code": code, **where}
        committed = store.committed()
        self.waiting = [group.id for group in reversed(request.plan.groups)]
        self.waiting = [group for group in self.waiting if group not in committed]
        self.n_total, self.n_done, self.n_failed = len(self.waiting), 0, 0
        self.running: dict[distributed.Future, str] = {}
        self.attempts: Counter[str] = Counter()
        self.by_worker: Counter[str] = Counter()
        self.started = self.heard = time.monotonic()

    def goes_on(self) -> bool:
        """Hand out what the workers can take, and return whether anything is left."""
        most = GROUPS_A_WORKER * self._n_workers()
        while self.waiting and len(self.running) < most:
            group = self.waiting.pop()
            self.attempts[group] += 1
            # A key of its own for every attempt: an old one would give the old result.
            key = f"rnnjax-{group}-{os.urandom(4).hex()}"
            try:
                future = self.client.submit(compute, self.sweep, group, key=key, pure=False)
            except OSError:  # the scheduler was lost since it was looked at
                self.waiting.append(group)
                break
            self.running[future] = group
        return bool(self.running or self.waiting)

    def hear(self) -> None:
        """Wait for half a second, or until a group has ended, and take in what has."""
        if not self.running:
            time.sleep(0.5)
        else:
            # Futures are cancelled when the scheduler is lost: `_take` sees to them.
            with suppress(TimeoutError, CancelledError), self.client.as_current():
                distributed.wait(list(self.running), timeout=0.5, return_when="FIRST_COMPLETED")
        self._check_scheduler()
        for future in [f for f in self.running if f.done()]:
            self._take(self.running.pop(future), future)

    def progress_text(self) -> str:
        """What the progress bar says: failures, groups a minute, and the busiest workers."""
        minutes = max(time.monotonic() - self.started, 1e-9) / 60
        most = ", ".join(f"{name}: {n}" for name, n in self.by_worker.most_common(4))
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        return f"{len(self.by_worker)} workers, {self.n_done / minutes:.3g}/min ({most}){failed}"

    def _n_workers(self) -> int:
        """Number of workers, 1 before the first has come; 0 without a scheduler."""
        if not self._is_there():
            return 0
        try:
            return max(len(self.client.nthreads()), 1)
        except OSError:  # the scheduler was lost since it was looked at
            return 0

    def _is_there(self) -> bool:
        return self.client.status == "running"

    def _check_scheduler(self) -> None:
        now = time.monotonic()
        if self._is_there():
            self.heard = now
        elif now - self.heard > PATIENCE or self.client.status == "closed":
            raise StoreError(f"{self.store.out}: the scheduler is lost; resume, with another one")

    def _take(self, group: str, future: distributed.Future) -> None:
        if future.status == "error":
            self._try_again(group, future.exception())
            return
        try:
            result = future.result()
        except (CancelledError, OSError):  # lost with the scheduler, perhaps at this very moment
            self.waiting.append(group)
            self.attempts[group] -= 1
        else:
            self._commit(group, result)

    def _commit(self, group: str, result: dict[str, Any]) -> None:
        self.n_done += 1
        self.by_worker[result["worker"]] += 1
        if "error" in result:
            self._fail(group, result["error"])
        elif "data" in result:
            self.store.commit_encoded(group, result["data"], result["receipt"])

    def _try_again(self, group: str, error: BaseException | None) -> None:
        if isinstance(error, StoreError):
            raise error
        if isinstance(error, distributed.scheduler.KilledWorker) and (
            self.attempts[group] < ATTEMPTS
        ):
            self.waiting.append(group)
            return
        self.n_done += 1
        self._fail(group, f"{type(error).__name__}: {error}")

    def _fail(self, group: str, error: str) -> None:
        self.n_failed += 1
        self.store.fail(group, error)
