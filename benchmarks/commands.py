"""W8 and W9: the command line, from the start of the process to the figure on disk.

cold: an empty cache of compiled programs. warm: the same command again.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import harness

_QUICK = ("run", "gradient_norms", "--quick")


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the cases of W8 and W9."""
    yield lambda: harness.Case("rnnjax --help", _side(["--help"]), limit_seconds=0.4)
    if quick:
        return
    for name, cold, times in (("cold", True, 5), ("warm", False, 2.5)):
        yield lambda name=name, cold=cold, times=times: harness.Case(
            f"quick sweep, {name}", _side(_QUICK, cold=cold), {"the imports alone": _imports(times)}
        )
    yield lambda: harness.Case(
        "standard sweep, T 256, cold",
        _side(("run", "gradient_norms", "--task", "white_noise"), cold=True),
        limit_seconds=30,
    )


def _imports(times: float) -> harness.Side:
    """Return the imports without which there is no figure; a sweep may take so many times that."""
    command = [sys.executable, "-c", "import jax, flax, xarray, matplotlib.pyplot"]
    return harness.Side(
        lambda: subprocess.run(command, check=True, capture_output=True), goal=1 / times
    )


def _side(arguments: list[str] | tuple[str, ...], *, cold: bool = False) -> harness.Side:
    cache = tempfile.mkdtemp()

    def run() -> None:
        if cold:
            shutil.rmtree(cache)
        with tempfile.TemporaryDirectory() as folder:
            out = [] if "--help" in arguments else ["--out", str(Path(folder) / "out")]
            subprocess.run(
                [sys.executable, "-m", "rnnjax.cli", *arguments, *out],
                env={**os.environ, "XDG_CACHE_HOME": cache, "XLA_FLAGS": ""},
                capture_output=True,
                check=True,
            )

    return harness.Side(run)
