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
    yield lambda: harness.Case("quick sweep, cold", _side(_QUICK, cold=True), limit_seconds=6)
    yield lambda: harness.Case("quick sweep, warm", _side(_QUICK), limit_seconds=3)
    yield lambda: harness.Case(
        "standard sweep, T 256, cold",
        _side(("run", "gradient_norms", "--task", "white_noise"), cold=True),
        limit_seconds=30,
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
