"""What every benchmark shares: cases, timing in turn, compile time and memory apart.

A case is one piece of work done by rnnjax and by its peers. All sides run in turn, round after
round, in one process, so that whatever else the machine does meets all of them; reported are
medians, and the ratios of medians. A peer that would take too long does a smaller share of the
work, and its seconds are multiplied by `scale`; what was left out is said beside them.
"""

import importlib
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from rnnjax import compiling


@dataclass
class Side:
    """One way of doing the work of a case.

    Attributes:
      run: does it and waits for the result, which it returns.
      scale: how many times the work of the case exceeds that of `run`.
      share: what `run` leaves out, in words; empty if nothing.
      compile_seconds: what preparing `run` took; of one program, to trace, lower and compile it.
      first_seconds: from the start of a process to the first result.
      chosen_seconds: what choosing among layouts took.
      planned_megabytes: memory that XLA plans for scratch and results.
      goal: how many times longer than rnnjax this side should take, at least.
      megabytes: measures the memory of `run` where that is in other processes.
    """

    run: Callable[[], Any]
    scale: float = 1.0
    share: str = ""
    compile_seconds: float | None = None
    first_seconds: float | None = None
    chosen_seconds: float = 0.0
    planned_megabytes: float | None = None
    goal: float | None = None
    megabytes: Callable[[], float] | None = None


@dataclass
class Growth:
    """Where a case lies on a curve of time over size.

    Attributes:
      of: the curve's name.
      over: what grows.
      at: its size here.
      expected: the power of the size that the time should grow as.
    """

    of: str
    over: str
    at: float
    expected: float


@dataclass
class Case:
    """A piece of work, done by rnnjax and by others.

    Attributes:
      name: what is done, with its sizes.
      ours: rnnjax's way.
      peers: those of others, by name; or what makes them, which measuring memory leaves out.
      difference: compares results of all sides, by name: the largest relative difference, or
        whatever `difference_of` says; None where they are not comparable.
      difference_of: what `difference` means.
      flop: floating-point operations of matrix products in rnnjax's way, for the share of the peak.
      peak: of products on the same processes, GFLOP/s, where it is not that of the machine.
      gigabytes: what rnnjax's way moves between memory and cores at least, for the share of the
        peak, where that is what bounds it.
      limit_seconds: what rnnjax should stay below, where that is the goal.
      growth: where the case is a point of a curve.
    """

    name: str
    ours: Side
    peers: dict[str, Side] | Callable[[], dict[str, Side]] = field(default_factory=dict)
    difference: Callable[[dict[str, Any]], float] | None = None
    difference_of: str = ""
    flop: float | None = None
    peak: float | None = None
    gigabytes: float | None = None
    limit_seconds: float | None = None
    growth: Growth | None = None


Cases = Callable[[bool], Iterator[Callable[[], Case]]]


def where_installed(package: str, sides: Callable[[], dict[str, Side]]) -> dict[str, Side]:
    """Return sides that need a package, none without it: the others are then measured alone."""
    if importlib.util.find_spec(package):
        return sides()
    print(f"  {package} is not installed and left out ('make bench' has it)", file=sys.stderr)
    return {}


def measured(case: Case, n_rounds: int) -> dict[str, Any]:
    """Run all sides of a case in turn and return its row of the report."""
    peers = case.peers() if callable(case.peers) else case.peers
    sides = {"rnnjax": case.ours, **peers}
    results = {name: side.run() for name, side in sides.items()}  # warms every side up
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(n_rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side.run()
            seconds[name].append((time.perf_counter() - started) * side.scale)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    row: dict[str, Any] = {
        "case": case.name,
        "seconds": medians,
        "all_seconds": seconds,
        "compile_seconds": {
            name: side.compile_seconds for name, side in sides.items() if side.compile_seconds
        },
        "first_seconds": {
            name: side.first_seconds for name, side in sides.items() if side.first_seconds
        },
        "planned_megabytes": {
            name: side.planned_megabytes for name, side in sides.items() if side.planned_megabytes
        },
        "ratio": {name: medians[name] / medians["rnnjax"] for name in peers},
        "goal": {name: side.goal for name, side in peers.items() if side.goal},
        "left_out": {name: side.share for name, side in sides.items() if side.share},
    }
    if case.difference:
        row["difference"] = {"value": case.difference(results), "of": case.difference_of}
    if case.flop:
        row["flop"] = case.flop
        row["gflop_per_second"] = case.flop / medians["rnnjax"] / 1e9
    if case.peak:
        row["gemm_gflop_per_second"] = case.peak
    if case.gigabytes:
        row["gb_per_second"] = case.gigabytes / medians["rnnjax"]
    if case.limit_seconds:
        row["limit_seconds"] = case.limit_seconds
    if case.growth:
        row["growth"] = asdict(case.growth)
    return row


def compiled(
    function: Callable, *args: Any, scale: float = 1.0, share: str = "", once: bool = False
) -> Side:
    """Compile a JAX function for these arguments and return it as a side.

    Args:
      function: of arrays and trees of them.
      args: its arguments.
      scale: see `Side`.
      share: see `Side`.
      once: whether it is compiled as `rnnjax.run_once` does, for a single run.
    """
    started = time.perf_counter()
    traced = jax.jit(function).trace(*args)
    options = compiling.options(compiling.work_of(traced.jaxpr)) if once else {}
    program = traced.lower().compile(compiler_options=options)
    seconds = time.perf_counter() - started
    plan = program.memory_analysis()
    megabytes = (plan.temp_size_in_bytes + plan.output_size_in_bytes) / 1e6 if plan else None
    return Side(
        lambda: jax.block_until_ready(program(*args)),
        scale,
        share,
        seconds,
        planned_megabytes=megabytes,
    )


def together(sides: list[Side]) -> Side:
    """Return the side that runs several compiled ones, one after the other."""
    compile_seconds = sum(side.compile_seconds or 0 for side in sides)
    return Side(
        lambda: [side.run() for side in sides],
        compile_seconds=compile_seconds,
        planned_megabytes=max((side.planned_megabytes or 0 for side in sides), default=None),
    )


def over_devices(lane: Callable) -> Callable:
    """Return a function of stacked lanes that runs an equal share of them on every device.

    As sweeps do it (`rnnjax.sweep.programs`); the number of lanes must be a multiple of that of
    devices.
    """
    mesh = Mesh(np.array(jax.devices()), ("device",))
    spec = PartitionSpec("device")
    return jax.shard_map(jax.vmap(lane), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)


def relative(name: str, of: Callable[[Any], Any] = np.asarray) -> Callable[[dict], float]:
    """Return a comparison with one peer: the largest difference over the largest value."""

    def difference(results: dict[str, Any]) -> float:
        ours, other = (np.asarray(of(results[n]), np.float64) for n in ("rnnjax", name))
        return float(np.max(np.abs(ours - other)) / np.max(np.abs(other)))

    return difference


def peak_megabytes(side: Side) -> float:
    """Return the most memory that running a side takes beyond what is held before it, MB."""
    if side.megabytes is not None:
        return side.megabytes()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    side.run()
    return (_memory("VmHWM") - before) / 1024


def _memory(name: str) -> int:
    """Return a line of Linux's account of this process, kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))
