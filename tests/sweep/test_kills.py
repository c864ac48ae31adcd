"""Sweeps killed at random moments and resumed: nothing lost, doubled or corrupt."""

import json
import os
import subprocess
import sys

import pytest

from rnnjax import catalog

pytestmark = pytest.mark.wide  # sweeps that are killed

N_HUNTERS = 2


def hunter(folder, seed, n_kills, n_states):
    """A process of its own that kills its share of the sweeps; two of them share the cores."""
    folder.mkdir()
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "GIT_DIR": str(folder / "none")}
    asked = [str(n_kills // N_HUNTERS), str(n_states), str(seed)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep.forks", str(folder), *asked],
        cwd=catalog.PACKAGE.parent, env=os.environ | own, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("n_kills", "n_states"), [(20, 3), pytest.param(100, 6, marks=pytest.mark.slow)]
)
def test_killed_and_resumed_to_the_bits_of_a_whole_sweep(tmp_path, n_kills, n_states):
    hunters = [hunter(tmp_path / str(seed), seed, n_kills, n_states) for seed in range(N_HUNTERS)]
    told = []
    for process in hunters:
        out, err = process.communicate()
        assert process.returncode == 0, err[-3000:]
        told.append(json.loads(out))
    assert sum(one["completed"] for one in told) >= n_kills // 20
    # Each hunter killed sweeps with none, with some and mostly also with all of their shards.
    seen = [one["shards_at_kills"] for one in told]
    assert sum(map(len, seen)) >= n_kills
    assert all(0 in one and len(set(one) - {0, 8}) >= n_states for one in seen)
