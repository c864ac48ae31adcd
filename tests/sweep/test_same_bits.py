"""One sweep, one cube, byte for byte: whatever it was run with.

The plain run is on one device, with an empty cache of compiled programs and without a terminal.
Killed and resumed runs: test_resume.py, test_kills.py. Clusters: test_cluster.py.
"""

import os
import pty
from pathlib import Path

import pytest

pytestmark = pytest.mark.wide  # sweeps as processes

TOY = Path(__file__).with_name("toy_experiment.py")


def bits(out):
    return (out / "cube.nc").read_bytes()


@pytest.mark.parametrize(
    ("name", "arguments", "environment"),
    [
        ("warm", ("--devices", "1"), {}),
        ("two_devices", ("--devices", "2"), {}),
        ("no_cache", ("--devices", "2"), {"XDG_CACHE_HOME": "/proc/nowhere"}),
    ],
)
def test_devices_and_caches_change_no_bit(rnnjax, folder, plain, name, arguments, environment):
    done = rnnjax("run", TOY, "--out", name, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    assert bits(folder / name) == bits(plain)


def test_a_progress_bar_changes_no_bit(start, folder, plain):
    """Standard error is a terminal, where the others have plain lines."""
    terminal, side = pty.openpty()
    process = start("run", TOY, "--out", "bar", "--devices", "1", stderr=side, TERM="xterm")
    os.close(side)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the other side was closed: the run has ended
            break
    process.communicate()
    assert process.returncode == 0
    assert b"\x1b[" in shown  # a bar was drawn
    assert bits(folder / "bar") == bits(plain)
