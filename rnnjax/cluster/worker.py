"""What a worker does: compute one group, and commit it.

A worker keeps the programs of the sweep that it worked on last, so that groups with the same draws
compile those once. It computes on one device; a machine with many cores has many workers.
"""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

from rnnjax.lazy import dask, distributed
from rnnjax.sweep import netcdf
from rnnjax.sweep.backend import configured
from rnnjax.sweep.compute import computed, error_text
from rnnjax.sweep.experiment import Experiment, load
from rnnjax.sweep.plan import Group
from rnnjax.sweep.programs import Programs
from rnnjax.sweep.provenance import provenance
from rnnjax.sweep.request import request_of
from rnnjax.sweep.reuse import Earlier
from rnnjax.sweep.same_code import changed, code_record
from rnnjax.sweep.store import Store
from rnnjax.sweep.whereabouts import located


class _Kept(NamedTuple):
    """What a worker keeps of a sweep from one group to the next."""

    store: Store | None
    groups: dict[str, Group]
    programs: Any
    earlier: Earlier
    attributes: dict[str, str]


_kept: dict[str, _Kept] = {}


def compute(sweep: dict[str, Any], group: str) -> dict[str, Any]:
    """Compute one group; a group that raises is reported as failed.

    Args:
        sweep: its "config_hash", its "code" (the fingerprint of what decides its cells), and where
            it is: "out", the folder of the store, or "spec" for a worker that cannot reach it.
            The config may be long, and is not sent with every group where it can be read.
        group: its id.

    Returns:
        "group", "worker" and "seconds"; with "error" if it failed; with "data", the bytes of the
        shard, and "receipt" where there is no store.

    Raises:
        StoreError: the shard cannot be written.
        RuntimeError: the experiment is another one here than where the sweep was started, or its
            code is.
    """
    started = time.perf_counter()
    reply: dict[str, Any] = {"group": group, "worker": _name()}
    # xarray would lock files in memory by way of the scheduler.
    with dask.config.set(scheduler="synchronous"):
        kept = _of_sweep(sweep)
        if kept.store is None or group not in kept.store.committed([group]):
            reply |= _done(kept, group)
    return reply | {"seconds": time.perf_counter() - started}


def _done(kept: _Kept, name: str) -> dict[str, Any]:
    try:
        dataset, receipt = computed(kept.programs, kept.groups[name], kept.attributes, kept.earlier)
    except Exception as error:
        return {"error": error_text(error, kept.programs.experiment.path)}
    if kept.store is None:
        return {"data": netcdf.encode(dataset), "receipt": receipt}
    kept.store.commit(name, dataset, receipt)
    return {}


def _of_sweep(sweep: dict[str, Any]) -> _Kept:
    """Return what is kept of a sweep; planned and prepared where another one was kept."""
    out, key = sweep.get("out"), sweep["config_hash"]
    message = f"{key} {sweep['code']} {out}"
    if message not in _kept:
        # Before another experiment is loaded, with other modules of its own.
        for old in _kept.values():
            old.programs.close()
        _kept.clear()
        store = None if out is None else Store.open(Path(out))
        spec = sweep["spec"] if store is None else store.spec
        experiment = _experiment(spec, None if store is None else store.out, sweep["code"])
        request = request_of(experiment, spec["config"], spec["precision"])
        if request.spec["config_hash"] != key:
            raise RuntimeError(f"{spec['experiment']} is another experiment on {platform.node()}")
        devices = configured(1, request.precision)
        plan = request.plan
        _kept[message] = _Kept(
            store,
            {group.id: group for group in plan.groups},
            Programs(request.experiment, plan, devices, request.precision),
            Earlier(plan, spec),
            provenance(request.precision, experiment.code.cells),
        )
    return _kept[message]


def _experiment(spec: dict[str, Any], out: Path | None, code: str) -> Experiment:
    """Return the experiment of a sweep; RuntimeError if it has other code here."""
    experiment = load(spec["experiment"], located(spec["experiment"], out, spec))
    if experiment.code.cells != code:
        names = changed(code_record(spec), experiment.code.record)
        message = f"has other code on {platform.node()} than where the sweep was started"
        raise RuntimeError(f"{spec['experiment']} {message}: {names} changed")
    return experiment


def _name() -> str:
    return str(distributed.get_worker().name)
