"""Where numbers came from: what can change their bits, and nothing else.

No time, host name, number of devices or duration is recorded, so two runs of one config on one
kind of machine give byte-identical files.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import rnnjax
from rnnjax.catalog import PACKAGE
from rnnjax.lazy import jax
from rnnjax.sweep.library import library_code
from rnnjax.sweep.same_code import CELLS, LIBRARY, UNKNOWN
from rnnjax.sweep.surroundings import xla_flags

KEYS = (
    CELLS,
    LIBRARY,
    "rnnjax_version",
    "git_revision",
    "git_dirty",
    "jax_version",
    "jaxlib_version",
    "numpy_version",
    "python_version",
    "cpu_flags",
    "device_platform",
    "device_kind",
    "xla_flags",
    "precision",
)


def provenance(precision: str, cells_code: str) -> dict[str, str]:
    """The provenance attributes of a shard or cube; starts the jax backend.

    Args:
        precision: ``"float32"`` or ``"float64"``.
        cells_code: the fingerprint of the experiment's code.
    """
    device = jax.devices()[0]
    return {
        CELLS: cells_code,
        LIBRARY: library_code(),
        "rnnjax_version": rnnjax.__version__,
        **git_state(PACKAGE.parent),
        "jax_version": metadata.version("jax"),
        "jaxlib_version": metadata.version("jaxlib"),
        "numpy_version": metadata.version("numpy"),
        "python_version": platform.python_version(),
        "cpu_flags": cpu_flags_hash(),
        "device_platform": device.platform,
        "device_kind": device.device_kind,
        "xla_flags": xla_flags(),
        "precision": precision,
    }


def merged(records: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The provenance of several shards; where they differ, all values, in alphabetical order."""
    names = sorted({name for attributes in records for name in attributes})
    values = {n: {v for t in records for v in str(t.get(n, UNKNOWN)).split(" | ")} for n in names}
    return {name: " | ".join(sorted(values[name])) for name in names}


def git_state(checkout: Path) -> dict[str, str]:
    """Revision of a checkout, and whether its code differs from it; ``unknown`` without git."""
    # A package installed inside another project's repository must not borrow its revision.
    if not (checkout / ".git").exists():
        return {"git_revision": "unknown", "git_dirty": "unknown"}
    revision = _git(checkout, "rev-parse", "--verify", "--quiet", "HEAD")
    changes = _git(checkout, "status", "--porcelain", "--", "rnnjax", "experiments")
    dirty = "unknown" if changes is None else str(bool(changes)).lower()
    return {"git_revision": revision or "unknown", "git_dirty": dirty}


def cpu_flags_hash() -> str:
    """A hash of the processor's instruction sets, which decide how XLA orders sums."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    flags = [line for line in lines if line.lower().startswith(("flags", "features"))]
    text = " ".join(sorted(flags[0].partition(":")[2].split())) if flags else platform.machine()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _git(checkout: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    records = done.stdout.decode(errors="replace")
    return records.strip() if done.returncode == 0 else None
