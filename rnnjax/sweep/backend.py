"""Setting jax up for a sweep: devices, precision and the cache of compiled programs.

This is the one place where rnnjax touches jax.config; the library leaves it to its caller.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from rnnjax import lazy
from rnnjax.lazy import jax
from rnnjax.sweep.surroundings import (
    FIXED,
    check_xla_flags,
    devices_asked,
    not_started,
    set_aside,
    xla_flags,
)

_THREADS = "NPROC"
_THREADS_A_CORE = 4
# XLA calls LAPACK from threads of its own, one a device. With further threads LAPACK spends nine
# tenths of a sweep of decompositions in loops that wait for them; a single large decomposition on
# one device is a quarter faster without them too.
_LAPACK_THREADS = "OPENBLAS_NUM_THREADS"
# By their numbers in <malloc.h>: M_MMAP_MAX, M_TRIM_THRESHOLD. M_ARENA_MAX is left alone: with one
# arena devices would wait for one another at every product.
_KEEPING = {-4: 0, -1: 2**31 - 1}


def cores() -> int:
    """Number of processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def wanted_devices(asked: int | None) -> int:
    """The most devices to use: as asked, else as JAX_NUM_CPU_DEVICES says, else every core."""
    return asked or devices_asked() or cores()


def configured(
    devices: int, precision: str, report: Callable[[str], object] = lambda line: None
) -> list[jax.Device]:
    """Import and configure jax, and return the devices to compute on.

    Args:
        devices: the most devices to use.
        precision: ``"float32"`` or ``"float64"``.
        report: called with a line for each variable of the environment that is not used.

    Raises:
        SetupError: jax does not start here, or not with what the environment asks for.
    """
    _keep_memory()
    if xla_flags() and "jaxlib" not in sys.modules:
        check_xla_flags()
    if devices > 1:
        _leave_room_for_threads_that_wait()
    os.environ.setdefault(_LAPACK_THREADS, "1")
    try:
        lazy.load(jax)
    except Exception as error:
        raise not_started(error) from error
    # Once jax has devices their number stays, and fewer of them may be asked for.
    with suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", devices)
    for option, value in _options(jax.config.values, precision).items():
        if line := set_aside(option, jax.config.values[option], value):
            report(line)
        jax.config.update(option, value)
    try:
        return jax.devices()[:devices]
    except Exception as error:  # an AssertionError where JAX_PLATFORMS names a missing card
        raise not_started(error) from error


def _options(known: Mapping[str, Any], precision: str) -> dict[str, Any]:
    """The options of jax that a sweep sets, of those that this release knows."""
    options: dict[str, Any] = {"jax_enable_x64": precision == "float64"}
    always = "jax_default_matmul_precision"
    options |= {
        name: v for name, v in FIXED.items() if name.upper() in os.environ or name == always
    }
    return {name: value for name, value in (options | _caching()).items() if name in known}


def _caching() -> dict[str, Any]:
    """Where and when compiled programs are kept, as far as the environment does not say it."""
    options: dict[str, Any] = {
        "jax_persistent_cache_min_compile_time_secs": 0.2,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        folder = cache_folder()
        if folder is None:
            return {}
        options["jax_compilation_cache_dir"] = str(folder)
    return {name: value for name, value in options.items() if name.upper() not in os.environ}


def _keep_memory() -> None:
    """Keep what is freed for the next program, where the C library is glibc.

    Every run of a program asks for its scratch memory anew. glibc takes large pieces straight from
    the kernel and gives them back at once, so that each run pays for clearing its pages again: a
    third of the time of a sweep of small networks.
    """
    try:
        library = ctypes.CDLL(None)
    except TypeError:  # Windows, where a library has to be named
        return
    if not hasattr(library, "gnu_get_libc_version"):
        return
    for parameter, value in _KEEPING.items():
        library.mallopt(parameter, value)


def _leave_room_for_threads_that_wait() -> None:
    """Give XLA more threads than there are cores, before jax is imported.

    Its devices on one host share a pool of one thread a core. In nested loops (a decomposition
    within a scan) a thread waits for work that it has handed to the pool; when all of them wait,
    as they soon do with jaxlib 0.10 and as many devices as cores, they wait for ever. One device
    alone does not wait for another, and is faster with a thread a core.
    """
    os.environ.setdefault(_THREADS, str(_THREADS_A_CORE * cores()))


def cache_folder() -> Path | None:
    """The folder of compiled programs, None where there can be no private one.

    A cached program is machine code that will be run, so the folder must belong to this user and
    nobody else may write to it.
    """
    if not hasattr(os, "getuid"):  # Windows, whose modes do not tell whose a folder is
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    except RuntimeError:  # no HOME, and no entry of this user in the list of users
        return None
    folder = root / "rnnjax" / f"jax-{metadata.version('jax')}"
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        private = all(_is_private(path) for path in (folder.parent, folder))
    except OSError:
        return None
    return folder if private and os.access(folder, os.W_OK) else None


def _is_private(path: Path) -> bool:
    state = path.lstat()
    return state.st_uid == os.getuid() and not state.st_mode & 0o022
