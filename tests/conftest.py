"""Strictness for every test: float64 unless a test asks otherwise, and no silent broadcasting."""

import contextlib
import ctypes
import gc
import os
import shutil
from importlib import metadata
from pathlib import Path

# Tests compile hundreds of small programs and run each once: compile them fast, not for speed.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        # Half as much to compile; other releases may not know the flags, and stop at them.
        *(
            ["--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"]
            if metadata.version("jaxlib").startswith("0.10.")
            else []
        ),
    ]
).strip()

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="module")
def options_of_jax_stay():
    """Undo what a command that ran in this process has set."""
    before = dict(jax.config.values)
    yield
    for name, value in before.items():
        if jax.config.values[name] != value:
            with contextlib.suppress(RuntimeError):  # devices stay, once there are some
                jax.config.update(name, value)


@pytest.fixture(autouse=True, scope="module")
def memory_is_bounded():
    """Free compiled programs now and then: those of all files take several GB a process."""
    yield
    if resident_bytes() > 1.3e9:
        jax.clear_caches()
        gc.collect()
        give_back_memory()


def give_back_memory():
    """Return what is free to the system, which glibc does only when it is asked to."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes():
    """Memory of this process; 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    pages = int(told.read_text().split()[1]) if told.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") if pages else 0


@pytest.fixture
def float32():
    """Run a test in JAX's default precision, as users do."""
    with jax.enable_x64(False):
        yield


# Programs that are compiled once need not be compiled by the next run, nor by the other process.
LARGEST_CACHE = 500e6


def pytest_configure(config):
    """Keep compiled programs beside what pytest itself keeps, as long as they are not too many."""
    if not config.pluginmanager.hasplugin("cacheprovider"):
        return
    folder = config.cache.mkdir("compiled")
    is_first = not hasattr(config, "workerinput")
    if is_first and sum(path.stat().st_size for path in folder.iterdir()) > LARGEST_CACHE:
        shutil.rmtree(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def pytest_collection_finish(session):
    """Look for garbage less often: among all that jax holds it takes a fifth of tracing."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


def pytest_addoption(parser):
    parser.addoption("--wide", action="store_true", help="run only the tests marked wide")
    parser.addoption("--slow", action="store_true", help="run all tests, slow and wide ones too")


# Last, because the conftest of a folder may add marks.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out the tests of other tiers: without an option those marked wide or slow."""
    if config.getoption("--slow"):
        return
    chosen, left_out = [], []
    for item in items:
        tiers = {mark.name for mark in item.iter_markers()} & {"wide", "slow"}
        wanted = {"wide"} if config.getoption("--wide") else set()
        (chosen if tiers == wanted else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = chosen
