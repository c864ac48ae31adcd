"""Throughput of two workers on this machine, beside two devices in one process.

Twelve groups that take a core about ten seconds each: norms of the gradient at every lag and
length, 992 networks a group. Programs are in the cache of compiled programs, as they are once a
sweep has run for a while; starting the scheduler and the workers counts.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from benchmarks import harness
from rnnjax.sweep.backend import cores

_SWEEP = ("gradient_norms", "--task", "white_noise", "--axes.gain", "lin(0.5, 2, 31)")
_LARGE = ("--axes.seed", "range(96)", "--chunk", "62", "--chunks-a-shard", "16")
_SMALL = (
    "--axes.activation", "tanh", "--axes.seed", "range(4)",
    "--chunk", "31", "--chunks-a-shard", "1", "--length", "16",
)  # fmt: skip


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the one case: with 0.9 of the throughput of devices, workers would be good enough."""
    sizes, n = (_SMALL if quick else _LARGE), str(max(cores(), 2))
    cache = tempfile.mkdtemp()
    yield lambda: harness.Case(
        f"{4 if quick else 12} groups on {n} workers",
        _side(cache, sizes, "--cluster", n),
        {f"{n} devices": harness.Side(_side(cache, sizes, "--devices", n).run, goal=0.9)},
    )


def _side(cache: str, sizes: tuple[str, ...], *how: str) -> harness.Side:
    def run() -> None:
        folder = tempfile.mkdtemp()
        command = ["run", *_SWEEP, *sizes, *how, "--out", f"{folder}/out"]
        done = subprocess.run(
            [sys.executable, "-m", "rnnjax.cli", *command],
            env={**os.environ, "XDG_CACHE_HOME": cache, "XLA_FLAGS": ""},
            capture_output=True,
        )
        if "failed (see" in done.stderr.decode() or done.returncode > 1:  # 1: claims of the figure
            raise RuntimeError(done.stderr.decode()[-2000:])
        shutil.rmtree(folder)

    return harness.Side(run)
