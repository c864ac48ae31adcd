"""What a worker does: compute one group, and commit it.

A worker keeps the programs of the sweep that it worked on last, so that groups with the same draws
compile those once. It computes on one device; a machine with many cores has many workers.
"""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

from rnnjax.sweep import netcdf
from rnnjax.sweep.backend import configured
from rnnjax.sweep.experiment import load
from rnnjax.sweep.request import Request, request_of
from rnnjax.sweep.store import Store

_kept: dict[str, tuple[Request, Any]] = {}


def compute(spec: dict[str, Any], group: str, out: str | None) -> dict[str, Any]:
    """Compute one group; a group that raises is told as failed.

    Args:
        spec: "experiment", "config", "precision" and "config_hash" of the sweep.
        group: its id.
        out: the folder of the store; None where the worker cannot reach it.

    Returns:
        "group", "worker" and "seconds"; with "error" if it failed; with "data", the bytes of the
        shard, and "receipt" where there is no store.

    Raises:
        StoreError: the shard cannot be written.
        RuntimeError: the experiment is another one here than where the sweep was started.
    """
    import dask

    started = time.perf_counter()
    told: dict[str, Any] = {"group": group, "worker": _name()}
    store = Store.open(Path(out)) if out is not None else None
    # xarray would lock files in memory by way of the scheduler.
    with dask.config.set(scheduler="synchronous"):
        if store is None or group not in store.committed([group]):
            told |= _done(spec, group, store)
    return told | {"seconds": time.perf_counter() - started}


def _done(spec: dict[str, Any], name: str, store: Store | None) -> dict[str, Any]:
    request, programs = _programs(spec)
    from rnnjax.sweep.provenance import provenance
    from rnnjax.sweep.run import computed, told_of

    group = next(group for group in request.plan.groups if group.id == name)
    try:
        dataset, receipt = computed(programs, group, provenance(request.precision))
    except Exception as error:
        return {"error": told_of(error)}
    if store is None:
        return {"data": netcdf.encode(dataset), "receipt": receipt}
    store.commit(name, dataset, receipt)
    return {}


def _programs(spec: dict[str, Any]) -> tuple[Request, Any]:
    """Return the sweep and its programs, planned and compiled for where they were not yet."""
    key = spec["config_hash"]
    if key not in _kept:
        request = request_of(load(spec["experiment"]), spec["config"], spec["precision"])
        if request.spec["config_hash"] != key:
            raise RuntimeError(f"{spec['experiment']} is another experiment on {platform.node()}")
        devices = configured(1, request.precision)
        from rnnjax.sweep.programs import Programs

        for _, old in _kept.values():
            old.close()
        _kept.clear()
        _kept[key] = request, Programs(request.experiment, request.plan, devices)
    return _kept[key]


def _name() -> str:
    from distributed import get_worker

    return str(get_worker().name)
