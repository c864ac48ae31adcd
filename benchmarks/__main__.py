"""Time rnnjax beside its peers and store the figures.

Command:   python -m benchmarks [NAME ...] [--quick] [--out FOLDER]

Without a name all workloads of the processor are run, one after the other, each in a process of its
own: none finds the memory, the threads or the compiled programs of another. Results go to
FOLDER/<machine>.json, beside those of other workloads on the same machine, and are drawn. The
workload `accelerator` has to be named, and its results go to FOLDER/<device>.json.
"""

import argparse
import importlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import ACCELERATED, MEMORY, ONE_DEVICE, WORKLOADS, picture


def main() -> None:
    """Run the workloads named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that all runs")
    parser.add_argument("--rounds", type=int, default=5, help="runs of every side")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), metavar="FOLDER")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--memory-of", type=int, metavar="CASE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(WORKLOADS))
    if unknown:
        parser.error(f"{unknown[0]}: expected one of {', '.join(WORKLOADS)}")
    if given.one or given.memory_of is not None:
        print(json.dumps(_measured(given.names[0], given)))
        return
    files = set()
    for name in given.names or [n for n in WORKLOADS if given.quick or n not in ACCELERATED]:
        found = _in_own_process(name, given)
        machine = found["device"] if name in ACCELERATED else _processor()
        stored = given.out / f"{_slug(machine)}{'.quick' if given.quick else ''}.json"
        _store(stored, name, found)
        files.add(stored)
    for stored in sorted(files):
        picture.draw(stored)
        print(f"stored in {stored}")


def _processor() -> str:
    """Return the kind of processor and the number of cores."""
    return f"{platform.system()}-{platform.machine()}-{os.cpu_count()}"


def _slug(text: str) -> str:
    """Return a text as a name for files."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")


def _in_own_process(name: str, given: argparse.Namespace) -> dict[str, Any]:
    print(f"{name}: {WORKLOADS[name]} ...", file=sys.stderr, flush=True)
    found = _call(name, given, "--one", "--rounds", str(given.rounds))
    measures_memory = name in MEMORY and not (given.quick and name != "long_sequences")
    for number, row in enumerate(found["rows"] if measures_memory else ()):
        row["peak_megabytes"] = _call(name, given, "--memory-of", str(number))
    return found


def _call(name: str, given: argparse.Namespace, *arguments: str) -> Any:
    """Return what a process of its own prints last, as JSON."""
    command = [sys.executable, "-m", "benchmarks", name, *arguments, *["--quick"] * given.quick]
    platforms = {} if name in ACCELERATED else {"JAX_PLATFORMS": "cpu"}
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | platforms)
    if run.returncode:
        sys.exit(f"{name}: failed with exit code {run.returncode}")
    return json.loads(run.stdout.splitlines()[-1])


def _measured(name: str, given: argparse.Namespace) -> Any:
    """Run one workload in this process, or rnnjax's side of one case for the memory it takes."""
    import numpy  # noqa: F401  # before the threads of XLA's LAPACK are set: NumPy has its own

    from rnnjax.sweep import backend

    backend.configured(1 if name in ONE_DEVICE else backend.cores(), "float32")
    import jax

    from benchmarks import harness, machine

    if name in ACCELERATED and jax.default_backend() == "cpu" and not given.quick:
        sys.exit(f"{name}: expected an accelerator, but jax finds only the processor")
    makes = list(importlib.import_module(f"benchmarks.{name}").cases(given.quick))
    if given.memory_of is not None:
        return harness.peak_megabytes(makes[given.memory_of]().ours)
    rows = []
    for make in makes:
        rows.append(harness.measured(make(), 1 if given.quick else given.rounds))
        print(picture.line(rows[-1]), file=sys.stderr, flush=True)
    return {**machine.description(), **machine.peaks(), "workload": WORKLOADS[name], "rows": rows}


def _store(path: Path, name: str, found: dict[str, Any]) -> None:
    """Put the results of a workload beside the others, in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = json.loads(path.read_text()) if path.exists() else {}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(old | {name: found}, indent=1) + "\n")
    new.replace(path)


if __name__ == "__main__":
    main()
