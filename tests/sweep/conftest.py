"""Sweeps of the toy experiment, run as processes of their own.

As a user's runs are: the number of devices can be chosen only once in a process, and a process that
is killed must not be the tests' own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnjax import catalog

TOY = Path(__file__).with_name("toy_experiment.py")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="session")
def start(folder):
    """Starts `rnnjax` with the given arguments in the folder of these tests."""

    def started(*arguments, stderr=subprocess.PIPE, **environment):
        own = {
            "PYTHONPATH": str(catalog.PACKAGE.parent),
            "XDG_CACHE_HOME": str(folder / "cache"),
            # Somebody may commit while the tests run, and cubes are compared byte for byte.
            "GIT_DIR": str(folder / "no_repository"),
            "TOY_PAUSING": str(folder / "pausing"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "rnnjax.cli", *map(str, arguments)],
            cwd=folder, env=os.environ | own | environment, text=True,
            stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip

    return started


@pytest.fixture(scope="session")
def rnnjax(start):
    """Runs `rnnjax` to its end."""

    def run(*arguments, **environment):
        process = start(*arguments, **environment)
        out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def finished(rnnjax):
    """The plain run that all others are compared with, on one device and without a cache."""
    return rnnjax("run", TOY, "--out", "plain", "--devices", "1", JAX_LOG_COMPILES="1")


@pytest.fixture(scope="session")
def plain(folder, finished):
    assert finished.returncode == 0, finished.stderr
    return folder / "plain"
