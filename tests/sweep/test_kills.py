"""Sweeps killed at random moments and resumed: nothing lost, doubled or corrupt."""

import json
import os
import subprocess
import sys

import pytest

from rnnjax import catalog

N_HUNTERS = 2


def hunter(folder, seed, n_kills):
    """A process of its own that kills its share of the sweeps; two of them share the cores."""
    folder.mkdir()
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "GIT_DIR": str(folder / "none")}
    share = str(n_kills // N_HUNTERS)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep.forks", str(folder), share, str(seed)],
        cwd=catalog.PACKAGE.parent, env=os.environ | own, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("n_kills", "n_states"), [(20, 3), pytest.param(100, 5, marks=pytest.mark.slow)]
)
def test_killed_and_resumed_to_the_bits_of_a_whole_sweep(tmp_path, n_kills, n_states):
    told = []
    for process in [hunter(tmp_path / str(seed), seed, n_kills) for seed in range(N_HUNTERS)]:
        out, err = process.communicate()
        assert process.returncode == 0, err[-3000:]
        told.append(json.loads(out))
    assert sum(one["kills"] for one in told) == n_kills
    assert sum(one["completed"] for one in told) >= n_kills // 20
    # Kills fell on sweeps that had nothing, some and most of their shards.
    seen = [n for one in told for n in one["shards_at_kills"]]
    assert min(seen) == 0
    assert len({n for n in seen if 0 < n < told[0]["shards"]}) >= n_states, seen
