"""The command plan: what a sweep would do, and how long an earlier one like it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnjax import catalog
from rnnjax.cli.text import hanging
from rnnjax.errors import printable
from rnnjax.sweep.request import Request
from rnnjax.sweep.store import Store, StoreError

ITEMSIZES = {"float32": 4, "float64": 8}
_INDENT = 12


def summary(request: Request, devices: int, out: Path) -> str:
    """What is to be said of a sweep before it runs, in one entry a line."""
    plan, experiment = request.plan, request.experiment
    cube, memory = plan.sizes(ITEMSIZES[request.precision], devices)
    axes = " x ".join(f"{name} {len(values)}" for name, values in plan.axes.items())
    entries = {
        "experiment": f"{printable(experiment.name)} ({printable(experiment.path)})",
        "cells": f"{plan.n_cells} = {axes}, {plan.values_per_cell} values each",
        "groups": f"{len(plan.groups)}: {_listed([group.id for group in plan.groups])}",
        "chunks": f"{plan.n_chunks} of {plan.config.chunk} lanes in each group "
        f"({plan.n_lanes} lanes), {devices} at a time",
        "programs": f"{plan.programs} to compile{_shared(request)}",
        "time": _time(request, out),
        "memory": f"at least {_bytes(memory)}, besides what a program needs itself",
        "output": f"{_bytes(cube)} before compression, in {printable(out)}",
    }
    return "\n".join(hanging(name, text, _INDENT) for name, text in entries.items())


def _shared(request: Request) -> str:
    return ", and those of what cells share" if request.experiment.shared is not None else ""


def _time(request: Request, out: Path) -> str:
    """What earlier runs tell of the time, or what the experiment says of itself."""
    try:
        store = Store.open(out)
        if _differs_in_axes_alone(request, store.spec):
            receipts = {g: r for g, r in store.receipts().items() if r.get("n_cells")}
            if receipts:
                return _measured(request, store, receipts)
    except (StoreError, OSError):
        pass  # nothing there that could tell
    said = catalog.described(request.experiment.path).get("Run time")
    aside = f"; the experiment says of its standard sweep: {said}" if said else ""
    return f"not known before a run of this config{aside}"


def _differs_in_axes_alone(request: Request, spec: Mapping[str, Any]) -> bool:
    """Whether a cell and a program of another sweep cost what they cost in this one."""
    mine = request.spec
    same = all(mine[key] == spec[key] for key in ("experiment", "precision"))
    configs = ({**one["config"], "axes": 0, "chunks_a_shard": 0} for one in (mine, spec))
    first, second = configs
    return same and first == second


def _measured(request: Request, store: Store, receipts: Mapping[str, Mapping[str, Any]]) -> str:
    """The time by the receipts of an earlier sweep: by its cells, and by its programs."""
    cells = sum(one["n_cells"] - one.get("n_reused", 0) for one in receipts.values())
    seconds = sum(float(one.get("seconds", 0)) for one in receipts.values())
    programs = len({tuple(store.groups[group].static.items()) for group in receipts})
    # Programs are compiled side by side, so that compiling may take longer than the whole.
    compiling = min(sum(float(one.get("compile_seconds", 0)) for one in receipts.values()), seconds)
    whole = compiling * request.plan.programs / programs
    whole += (seconds - compiling) * request.plan.n_cells / max(cells, 1)
    devices = max(int(one.get("devices", 1)) for one in receipts.values())
    return (
        f"about {duration(whole)}, by {len(receipts)} groups in {printable(store.out)}: "
        f"{seconds:.3g} s for {cells} cells on {devices} devices, {compiling:.3g} s of it compiling"
    )


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown}, ... {names[-1]}" if len(names) > 6 else shown


def _bytes(number: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
