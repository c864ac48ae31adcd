"""What a sweep of ten million cells costs beside its computing, measured on a part of it.

Command:   python -m benchmarks.scale [--quick] [--out FOLDER]
Run time:  about two minutes on 2 cores.

A plan of 10^7 cells of gradient_norms (20 values each) is made in full. Of its shards some are
committed with random numbers, in place of computed ones, then listed, verified by their receipts
and collected; and the groups that are there are handed out by a real scheduler to two workers,
which find each of them done: what is left is the way there and back.
docs/development/scale.md extrapolates.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from rnnjax.cluster.client import run_on
from rnnjax.cluster.local import local_cluster
from rnnjax.sweep import files
from rnnjax.sweep.backend import configured
from rnnjax.sweep.experiment import load
from rnnjax.sweep.progress import Lines
from rnnjax.sweep.request import Request, request_of
from rnnjax.sweep.shard import shard
from rnnjax.sweep.store import Store

_OPERATIONS = ("make_folder", "create", "write", "sync", "link", "replace", "unlink")


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a thousandth: shows that all runs")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), metavar="FOLDER")
    given = parser.parse_args()
    configured(1, "float32")
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), given.quick)
    text = json.dumps({**machine.description(), **found}, indent=1)
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"scale{'.quick' if given.quick else ''}.json").write_text(text + "\n")


def measured(folder: Path, quick: bool) -> dict[str, Any]:
    """Return seconds, bytes and numbers of operations, by what they are of."""
    n_seeds, n_shards = (10, 4) if quick else (10_000, 200)
    planning, request = _timed(lambda: _request(n_seeds))
    creating, store = _timed(lambda: Store.create(folder / "out", request.spec))
    opening, _ = _timed(lambda: Store.open(store.out))
    groups = request.plan.groups[:n_shards]
    committing, operations = _timed(lambda: _commit(request, store, len(groups)))
    listing, _ = _timed(store.receipts)
    loading, _ = _timed(lambda: [store.load(group.id) for group in groups])
    collecting, cube = _timed(lambda: store.collect(request.plan.axes))
    handing = _handed_out(request, store, groups)
    return {
        "cells": request.plan.n_cells,
        "values_per_cell": request.plan.values_per_cell,
        "shards": len(request.plan.groups),
        "lanes_a_shard": groups[0].n_lanes,
        "plan_seconds": planning,
        "sweep_json_bytes": (store.out / "sweep.json").stat().st_size,
        "create_seconds": creating,
        "open_seconds": opening,
        "commit_seconds_a_shard": committing / len(groups),
        "shard_bytes": store.n_bytes() / len(groups),
        "file_operations_a_shard": {name: n / len(groups) for name, n in operations.items()},
        "receipt_seconds_a_shard": listing / len(groups),
        "load_seconds_a_shard": loading / len(groups),
        "collect_seconds": collecting,
        "cube_bytes_in_memory": cube.nbytes,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "groups_a_second_of_the_scheduler": handing,
    }


def _request(n_seeds: int) -> Request:
    config = {
        "task": "white_noise",
        "length": 5,
        "n_h": 8,
        "axes": {
            "activation": ["tanh", "relu"],
            "gain": "lin(0.5, 3, 500)",
            "seed": f"range({n_seeds})",
        },
    }
    return request_of(load("gradient_norms"), config, "float32")


def _commit(request: Request, store: Store, number: int) -> Counter[str]:
    """Commit shards of random numbers, and return what was asked of the file system."""
    plan, generator, counts = request.plan, np.random.default_rng(0), Counter[str]()
    with _counted(counts):
        for group in plan.groups[:number]:
            values = {
                name: generator.standard_normal(
                    (group.n_lanes, *plan.inner_shape(name)), np.float32
                )
                for name in plan.variables
            }
            store.commit(group.id, shard(plan, group, values, {}), {"host": "here"})
    return counts


@contextmanager
def _counted(counts: Counter[str]) -> Iterator[None]:
    """Count the operations on the disk."""
    real = {name: getattr(files, name) for name in _OPERATIONS}

    def counting(name: str) -> Callable:
        def call(*args: Any, **options: Any) -> Any:
            counts[name] += 1
            return real[name](*args, **options)

        return call

    for name in real:
        setattr(files, name, counting(name))
    try:
        yield
    finally:
        for name, operation in real.items():
            setattr(files, name, operation)


class _NothingDone(Store):
    """A store whose client believes that nothing is committed; the workers know better."""

    def committed(self, among: Any = None) -> set[str]:
        return set()


def _handed_out(request: Request, store: Store, groups: Any) -> float:
    """Return groups a second that a scheduler and two workers hand out, do not compute and report.

    The first time each worker starts jax and plans; the second time counts.
    """
    blind = _NothingDone(store.out, store.spec)
    part = replace(request, plan=replace(request.plan, groups=tuple(groups)))
    with local_cluster(2) as client:
        for _ in range(2):
            seconds, _ = _timed(
                lambda: run_on(client, part, blind, progress=Lines(), stopped=lambda: False)
            )
    return len(groups) / seconds


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
