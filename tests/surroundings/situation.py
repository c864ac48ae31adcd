"""A command in a situation: its environment, its streams, its limits, and what should come."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rnnjax import catalog

ROOT = catalog.PACKAGE.parent
TOY = ROOT / "tests" / "sweep" / "toy_experiment.py"
OWN = re.compile(r"JAX_|XLA_|MPL|MATPLOTLIB|SLURM_|COLUMNS|PYTHON|LC_|LANG|NO_COLOR|TERM")
# Compiled as the tests compile, so that one cache of compiled programs serves them all.
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@dataclass(frozen=True)
class Situation:
    """One row of a table of situations.

    Args:
        name: what is special about it.
        command: a line for bash, in which $R is `rnnjax` and $TOY the toy experiment.
        status: the exit status that is right.
        out: what standard output must hold; a regular expression.
        err: what standard error must be as a whole, but for its last newline.
        variables: the environment; None stands for a variable that is not set.
    """

    name: str
    command: str
    status: int = 0
    out: str = ""
    err: str = ""
    variables: dict[str, str | None] = field(default_factory=dict)


def environment(folder, variables):
    """The environment of a command: this one without what steers Python, jax and matplotlib."""
    bare = {name: value for name, value in os.environ.items() if not OWN.match(name)}
    own = {
        "R": f"{sys.executable} -m rnnjax.cli",
        "TOY": str(TOY),
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "GIT_DIR": str(folder / "no_repository"),
    }
    return {name: v for name, v in (bare | own | variables).items() if v is not None}


def run(command, folder, **variables):
    """Run a line of bash in `folder`; outputs are bytes that decode whatever they are."""
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(Path(folder), variables),
        capture_output=True, encoding="utf-8", errors="surrogateescape", check=False,
    )  # fmt: skip


def check(situation, folder):
    """Run a situation and compare all of it."""
    done = run(situation.command, folder, **situation.variables)
    assert done.returncode == situation.status, (done.stdout, done.stderr)
    assert re.fullmatch(situation.err, done.stderr.removesuffix("\n")), done.stderr
    assert re.search(situation.out, done.stdout), done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    return done
