"""What machine this is, and the most it can do, measured beside the benchmarks.

The peak of float32 products is that of a square matrix that fits the cache, by all cores, or of a
large one on an accelerator; that of memory is reading and writing an array far larger than the
cache, counted as bytes in and bytes out.
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
    if jax.default_backend() == "cpu":
        return {"gemm_gflop_per_second": _gemm(1024), "memory_gb_per_second": _memory(2**26)}
    with jax.default_matmul_precision("tensorfloat32"):
        fewer_digits = _gemm(8192)
    return {
        "gemm_gflop_per_second": _gemm(8192),
        "gemm_gflop_per_second_tf32": fewer_digits,
        "memory_gb_per_second": _memory(2**29),
    }


def _gemm(n: int) -> float:
    a = jnp.asarray(np.random.default_rng(0).standard_normal((n, n)), jnp.float32)
    seconds = _best(jax.jit(lambda a: a @ a), a)
    if jax.default_backend() == "cpu":
        b = np.asarray(a)
        seconds = min(seconds, _best(lambda b: b @ b, b))
    return 2 * n**3 / seconds / 1e9


def _memory(n: int) -> float:
    a = jnp.ones(n, jnp.float32)
    return 8 * n / _best(jax.jit(lambda a: a + 1), a) / 1e9


def _best(run: Callable, *args: Any, n_runs: int = 15) -> float:
    seconds = []
    for _ in range(n_runs):
        started = time.perf_counter()
        jax.block_until_ready(run(*args))
        seconds.append(time.perf_counter() - started)
    return min(seconds)
