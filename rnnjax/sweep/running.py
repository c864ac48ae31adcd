"""Running a sweep in this process for a caller in Python: in memory, or in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, xr
from rnnjax.sweep import files
from rnnjax.sweep.compute import run_sweep
from rnnjax.sweep.cube import Place, assemble, with_members
from rnnjax.sweep.experiment import UNKNOWN_CODE
from rnnjax.sweep.plan import Plan
from rnnjax.sweep.progress import Progress, Silent, shown_progress
from rnnjax.sweep.provenance import merged
from rnnjax.sweep.request import Request
from rnnjax.sweep.store import Store
from rnnjax.sweep.verify import problems_in
from rnnjax.sweep.whereabouts import whereabouts


class InMemory:
    """The shards of a sweep, kept in this process."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.shards: dict[str, xr.Dataset] = {}

    def committed(self) -> set[str]:
        """The ids of the groups that are there."""
        return set(self.shards)

    def commit(self, group: str, dataset: xr.Dataset, receipt: Mapping[str, Any]) -> None:
        """Take the shard of a group."""
        self.shards[group] = dataset

    def fail(self, group: str, error: str) -> None:
        """Raise the error that is being handled: without a folder nothing is there to go on."""
        raise

    def collect(self, spec: Mapping[str, Any]) -> xr.Dataset:
        """The cube of all groups."""
        places = {g.id: Place(g.static, g.first, g.n_lanes) for g in self.plan.groups}
        cube = assemble(self.plan.axes, places, self.shards.items())
        cube = with_members(cube, spec["config"]["axes"])
        attributes = merged([dict(shard.attrs) for shard in self.shards.values()])
        names = ("experiment", "config", "config_hash", "schema")
        own = {name: spec[name] for name in names}
        own["config"] = json.dumps(own["config"], sort_keys=True)
        return cube.assign_attrs({**own, **attributes})


def computed_here(
    request: Request, out: Path | None, devices: Sequence[jax.Device] | None, progress: bool
) -> xr.Dataset:
    """Compute what is missing of a sweep, and return its cube.

    Args:
        request: the sweep.
        out: the folder of its store; None to keep it in memory.
        devices: the devices; all by default.
        progress: whether to show progress.
    """
    shown = shown_progress() if progress else Silent()
    used = list(devices or jax.devices())[: request.plan.n_chunks]
    if out is None:
        memory = InMemory(request.plan)
        _compute(request, memory, used, shown)
        return memory.collect(request.spec)
    store = _store(request, out)
    _compute(request, store, used, shown)
    return store.collect(request.plan.axes)


def _compute(request: Request, results: Any, devices: list[jax.Device], shown: Progress) -> None:
    run_sweep(
        request.experiment,
        request.plan,
        results,
        devices=devices,
        precision=request.precision,
        progress=shown,
    )


def _store(request: Request, out: Path) -> Store:
    """The store of a sweep, without its damaged shards."""
    experiment = request.experiment
    with files.naming(out):
        is_new = not out.exists() or not any(out.iterdir())
    if experiment.code == UNKNOWN_CODE and not is_new:
        message = "expected a new folder, because nothing tells whether a function has changed"
        raise ConfigError("out", f"{message} since, got {out}, which is not empty")
    store = Store.create(out, request.spec | whereabouts(experiment.path, out))
    for group in {problem.group for problem in problems_in(store) if problem.group is not None}:
        store.discard(group)
    return store
