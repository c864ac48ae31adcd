"""A long sweep in one process: does memory grow with the cells that were computed?

Command:   python tests/soak.py [--cells 10000] [--out results/benchmarks/soak.json]
Run time:  about five minutes on 2 cores.

The resident memory of the process is read after every shard. It may grow while programs are
compiled and buffers are made for the first time; from the first tenth of the cells on it must not
grow by more than 5 %. The exit status is 1 if it does.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rnnjax.sweep.backend import configured, cores  # noqa: E402
from rnnjax.sweep.experiment import load  # noqa: E402
from rnnjax.sweep.request import request_of  # noqa: E402
from rnnjax.sweep.store import Store  # noqa: E402

LIMIT = 0.05
GAINS = 50


def resident_megabytes() -> float:
    """Return the memory of this process that is in use, as Linux accounts for it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(n_cells: int) -> dict:
    """Run a sweep of gradient norms of at least `n_cells` cells, a hundred cells a shard."""
    from rnnjax.sweep.compute import run_sweep

    activations = ["tanh", "relu", "sigmoid", "erf"]
    n_seeds = -(-n_cells // (GAINS * len(activations)))
    request = request_of(
        load("gradient_norms"),
        {
            "task": "white_noise",
            "length": 128,
            "chunk": 25,
            "chunks_a_shard": 4,
            "axes": {
                "activation": activations,
                "gain": f"lin(0.5, 3, {GAINS})",
                "seed": f"range({n_seeds})",
            },
        },
        "float32",
    )
    seen: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "out", request.spec)
        progress = _Progress(store, request.plan, seen)
        started = time.perf_counter()
        run_sweep(request.experiment, request.plan, store, devices=DEVICES, progress=progress)
        seconds = time.perf_counter() - started
        assert len(store.committed()) == len(request.plan.groups), store.failed()
    tenth = [m for cells, m in seen if cells <= 0.1 * request.plan.n_cells][-1]
    late = max(m for cells, m in seen if cells > 0.1 * request.plan.n_cells)
    return {
        "cells": request.plan.n_cells,
        "shards": len(request.plan.groups),
        "seconds": round(seconds, 1),
        "megabytes_after_a_tenth": round(tenth, 1),
        "most_megabytes_later": round(late, 1),
        "growth": round(late / tenth - 1, 4),
        "limit": LIMIT,
        "megabytes": [(cells, round(m, 1)) for cells, m in seen[:: max(len(seen) // 50, 1)]],
        "machine": f"{platform.system()}-{platform.machine()}-{os.cpu_count()}".lower(),
    }


class _Progress:
    """Reads the memory whenever a new shard begins, and says so now and then."""

    def __init__(self, store, plan, seen):
        self.sizes = {group.id: group.n_lanes for group in plan.groups}
        self.seen, self.doing, self.cells = seen, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def at(self, done, total, doing):
        if doing == self.doing:
            return
        self.cells += self.sizes.get(self.doing, 0)
        self.doing = doing
        self.seen.append((self.cells, resident_megabytes()))
        if self.cells % 1000 == 0:
            print(f"{self.cells} cells, {self.seen[-1][1]:.0f} MB", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=ROOT / "results/benchmarks/soak.json")
    given = parser.parse_args()
    DEVICES = configured(cores(), "float32")
    found = soak(given.cells)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps({key: value for key, value in found.items() if key != "megabytes"}))
    sys.exit(found["growth"] > LIMIT)
