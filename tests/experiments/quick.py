"""Runs the quick sweep of an experiment once, as a user does, and tells what its claims say."""

import subprocess
import sys

import numpy as np
import xarray as xr

from rnnjax.sweep.experiment import load
from rnnjax.sweep.status import Status


def quick_cube(name, out, *flags):
    """The cube of `rnnjax run NAME --quick`, whose claims must all hold."""
    done = subprocess.run(
        [sys.executable, "-m", "rnnjax.cli", "run", name, "--quick", *flags, "--out", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"cube.nc", "figure.png", "claims.json"} <= {p.name for p in out.iterdir()}
    return xr.load_dataset(out / "cube.nc")


def verdicts(name, cube):
    """Claim by claim, whether it holds."""
    return {claim.name: claim.passed for claim in load(name).claims(cube)}


def failed(name, cube):
    """Names of the claims that do not hold."""
    return [claim for claim, passed in verdicts(name, cube).items() if not passed]


def assert_computed(cube, or_beyond=False):
    """Every value was computed and is finite; or also a logarithm of zero, or beyond a window."""
    for name in cube.data_vars:
        if name.endswith("_status"):
            found = set(np.unique(cube[name]).tolist())
            allowed = {Status.OK, Status.UNDERFLOW, Status.BEYOND} if or_beyond else {Status.OK}
            assert found <= allowed and found, name


def plus(name, amount, **where):
    """How to spoil a cube: add to a variable at a place."""

    def spoil(cube):
        spoilt = cube[name].copy()
        spoilt.loc[where] = spoilt.loc[where] + amount
        return cube.assign({name: spoilt})

    return spoil
