"""A hundred sweeps killed at random moments and resumed: nothing lost, doubled or corrupt."""

import json
import os
import subprocess
import sys

import pytest

from rnnjax import catalog

N_KILLS, N_HUNTERS = 100, 2


def hunter(folder, seed):
    """A process of its own that kills its share of the sweeps; two of them share the cores."""
    folder.mkdir()
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "GIT_DIR": str(folder / "none")}
    share = str(N_KILLS // N_HUNTERS)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep.forks", str(folder), share, str(seed)],
        cwd=catalog.PACKAGE.parent, env=os.environ | own, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.timeout(3600)
def test_killed_a_hundred_times_and_resumed_to_the_bits_of_a_whole_sweep(tmp_path):
    told = []
    for process in [hunter(tmp_path / str(seed), seed) for seed in range(N_HUNTERS)]:
        out, err = process.communicate()
        assert process.returncode == 0, err[-3000:]
        told.append(json.loads(out))
    assert sum(one["kills"] for one in told) == N_KILLS
    assert sum(one["completed"] for one in told) >= 5
    # Kills fell on sweeps that had nothing, some and most of their shards.
    seen = [n for one in told for n in one["shards_at_kills"]]
    assert min(seen) == 0
    assert len({n for n in seen if 0 < n < told[0]["shards"]}) >= 5, seen
