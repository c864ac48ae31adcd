"""What machine this is, and the most it can do, measured beside the benchmarks.

The peak of float32 products is that of a square matrix that fits the cache, by all cores; that of
memory is reading and writing an array far larger than the cache, counted as bytes in and bytes out.
"""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def description() -> dict[str, Any]:
    """Return the machine and the releases of what runs on it."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "device": jax.devices()[0].device_kind,
        "n_devices": jax.device_count(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def peaks() -> dict[str, float]:
    """Return the best of many runs: products in GFLOP/s, memory in GB/s."""
    return {"gemm_gflop_per_second": _gemm(), "memory_gb_per_second": _memory()}


def _gemm(n: int = 1024) -> float:
    a = jnp.asarray(np.random.default_rng(0).standard_normal((n, n)), jnp.float32)
    ours = _best(jax.jit(lambda a: a @ a), a)
    b = np.asarray(a)
    return 2 * n**3 / min(ours, _best(lambda b: b @ b, b)) / 1e9


def _memory(n: int = 2**26) -> float:
    a = jnp.ones(n, jnp.float32)
    return 8 * n / _best(jax.jit(lambda a: a + 1), a) / 1e9


def _best(run: Callable, *args: Any, n_runs: int = 15) -> float:
    seconds = []
    for _ in range(n_runs):
        started = time.perf_counter()
        jax.block_until_ready(run(*args))
        seconds.append(time.perf_counter() - started)
    return min(seconds)
