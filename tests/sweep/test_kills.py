"""A hundred sweeps killed at random moments and resumed: nothing lost, doubled or corrupt."""

import json
import os
import subprocess
import sys

import pytest

from rnnjax import catalog

N_KILLS = 100


@pytest.mark.timeout(600)
def test_killed_a_hundred_times_and_resumed_to_the_bits_of_a_whole_sweep(tmp_path):
    own = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "GIT_DIR": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.sweep.forks", str(tmp_path), str(N_KILLS)],
        cwd=catalog.PACKAGE.parent, env=os.environ | own, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["kills"] == N_KILLS
    assert told["completed"] >= 5
    # Kills fell on sweeps that had nothing, some and most of their shards.
    seen = told["shards_at_kills"]
    assert min(seen) == 0
    assert len({n for n in seen if 0 < n < told["shards"]}) >= 5, seen
