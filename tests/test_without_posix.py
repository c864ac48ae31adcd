"""What works on a system without POSIX calls, such as Windows, and what says that it needs them.

The calls are taken away in a process of its own, after the libraries that rnnjax needs are loaded:
how these do without is their matter.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnnjax

PACKAGE = Path(rnnjax.__file__).parent
# Names of `os` and `signal` that Python has on every system, as far as rnnjax uses them.
EVERYWHERE = {
    "os": {
        "O_CREAT", "O_EXCL", "O_RDONLY", "O_RDWR", "O_WRONLY", "PathLike", "W_OK", "X_OK", "_exit",
        "access", "close", "cpu_count", "devnull", "dup", "dup2", "environ", "fspath", "fstat",
        "fsync", "getpid", "isatty", "link", "listdir", "makedirs", "open", "path", "read",
        "rename", "replace", "sep", "set_inheritable", "stat", "strerror", "unlink", "urandom",
        "write",
    },
    "signal": {"SIGINT", "SIGTERM", "SIG_IGN", "getsignal", "set_wakeup_fd", "signal"},
}  # fmt: skip
# Names that some systems lack: what is below takes them away.
MISSING = {
    "os": {"O_DIRECTORY", "getuid", "sched_getaffinity", "set_blocking"},
    "signal": {"SIGHUP"},
}
# Modules of the standard library that Windows does not have.
ABSENT = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")

WITHOUT = f"""
import ctypes, os, signal, sys
import jax, matplotlib.pyplot, optax, pydantic, rich.progress, xarray, h5netcdf, numpy as np

for module, names in {MISSING!r}.items():
    for name in names:
        delattr(sys.modules[module], name)
for name in {ABSENT!r}:
    sys.modules[name] = None  # importing it raises ImportError

def named(name, *arguments, load=ctypes.CDLL, **options):
    if name is None:
        raise TypeError("a library has no name")
    return load(name, *arguments, **options)

ctypes.CDLL = named
"""
IMPORTS = """
from importlib import import_module
from pathlib import Path
import rnnjax

root = Path(rnnjax.__file__).parent
for path in sorted(root.rglob("*.py")):
    # The processes of a cluster need dask, which is loaded with POSIX calls of its own.
    if not {"experiments", "cluster"} & {*path.relative_to(root).parts}:
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        import_module(name.removesuffix(".__init__"))
for name in rnnjax.__all__:
    getattr(rnnjax, name)
"""
SWEEPS = """
import rnnjax
from rnnjax.cli import main
from rnnjax.cli.__main__ import process

def square(setting):
    return {"square": setting.x**2}

cube = rnnjax.sweep.run(square, x=[1.0, 2.0], progress=False)
assert cube["square"].values.tolist() == [1.0, 4.0]
cube.to_netcdf("cube.nc", engine="h5netcdf")
try:
    rnnjax.sweep.run(square, x=[1.0, 2.0], progress=False, out="square")
except rnnjax.errors.SetupError as error:
    print("refused", error)
for words in COMMANDS:
    print("status", main(words), *words, flush=True)
sys.argv = ["rnnjax", "run", TOY, "--out", "new"]
process()
"""
DIAGNOSE = """
from pathlib import Path
from rnnjax.cli import main

Path("model.py").write_text(MODEL)
assert main(["diagnose", "model.py", "--out", "report"]) == 0
assert xarray.open_dataset("report/report.nc").attrs["n_examples"] == 4
cell = rnnjax.cells.Vanilla(3, 4, 2)
batch = rnnjax.tasks.WhiteNoise(n_x=3, length=5).sample(jax.random.key(0))
found = rnnjax.probes.log_norm_by_lag(cell, None, cell.init(jax.random.key(1)), batch)
assert np.isfinite(found["log_norm"]).all()
"""
MODEL = """
import jax
import jax.numpy as jnp

params = jnp.eye(3) / 2
examples = jax.random.normal(jax.random.key(0), (4, 9, 3))

def loss(params, x):
    return jnp.sum(jax.lax.scan(lambda h, x: (jnp.tanh(params @ h + x), None), x[0], x)[0])
"""
TOY = Path(__file__).parent / "sweep" / "toy_experiment.py"


def run(program, folder):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + program],
        cwd=folder, env=dict(os.environ) | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_call_is_known_to_be_everywhere_or_is_taken_away_here():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = ast.unparse(node.value) if isinstance(node, ast.Attribute) else None
            if module in MISSING and f"import {module}\n" in path.read_text():
                known = EVERYWHERE[module] | MISSING[module]
                assert node.attr in known, f"{path.name}:{node.lineno}: {module}.{node.attr}"


def test_names_that_are_everywhere_are_not_taken_away():
    assert not any(EVERYWHERE[module] & MISSING[module] for module in MISSING)


@pytest.mark.wide
def test_every_module_is_imported(tmp_path):
    done = run(IMPORTS, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.wide
def test_diagnoses_and_probes_work(tmp_path):
    done = run(f"import rnnjax\nMODEL = {MODEL!r}\n{DIAGNOSE}", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.wide
def test_sweeps_work_in_memory_and_a_folder_is_refused_in_one_line(tmp_path):
    commands = [["list"], ["plan", str(TOY)], ["new", "own.py"], ["run", str(TOY), "--out", "new"]]
    commands += [["status", "cube.nc"], ["export", "cube.nc", "cube.csv"]]
    given = f"COMMANDS, TOY = {commands!r}, {str(TOY)!r}\n"
    done = run(given + SWEEPS, tmp_path)
    assert done.returncode == 4, done.stderr
    refusal = "expected a POSIX system such as Linux or macOS"
    assert sum(f"out: {refusal}" in line for line in done.stderr.splitlines()) == 2
    assert f"refused out: {refusal}" in done.stdout
    told = [line.split()[1:3] for line in done.stdout.splitlines() if line.startswith("status ")]
    assert told == [
        ["0", "list"], ["0", "plan"], ["0", "new"], ["4", "run"], ["0", "status"], ["0", "export"],
    ]  # fmt: skip
    assert not (tmp_path / "new").exists() and not (tmp_path / "square").exists()
