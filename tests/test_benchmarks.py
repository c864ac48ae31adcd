"""Every benchmark runs, at tiny sizes and without judging its times; results agree with peers."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import WORKLOADS
from rnnjax import catalog

pytestmark = pytest.mark.wide  # programs as processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmarks")


# Each starts several programs; the others are for the slow tests.
QUICK = ("lags", "commands")
EACH = [pytest.param(n, marks=pytest.mark.slow) if n not in QUICK else n for n in WORKLOADS]


@pytest.mark.parametrize("name", EACH)
def test_a_workload_is_measured_stored_and_drawn(folder, name):
    bare = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "PYTEST_XDIST_WORKER")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick", "--out", str(folder)],
        cwd=catalog.PACKAGE.parent, env=bare | {"XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (stored,) = [path for path in folder.glob("*.json") if name in json.loads(path.read_text())]
    found = json.loads(stored.read_text())[name]
    assert found["gemm_gflop_per_second"] > 0
    assert found["rows"]
    for row in found["rows"]:
        assert all(seconds > 0 for seconds in row["seconds"].values())
        assert set(row["ratio"]) == set(row["seconds"]) - {"rnnjax"}
        assert row.get("difference", {"value": 0})["value"] < 1e-4, row["case"]
    drawn = stored.with_name(f"{stored.stem}{'.growth' if name == 'growth' else ''}.png")
    assert drawn.stat().st_size > 10_000
