"""What an installed rnnjax has to do: commands, the README, models and sweeps from Python.

    python checks.py [NAME ...]

It runs the checks of these names, by default all. The Python is that of an environment with nothing
but the package in it. Nothing but the package and the standard library is imported, all files are
written to a temporary folder, and a line is printed for each check.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from importlib import metadata, util
from pathlib import Path

COMMAND = Path(sys.executable).parent / "rnnjax"
# The standard task reads digits from scikit-learn, which is an extra.
TASK = [] if util.find_spec("sklearn") else ["--task", "white_noise"]
RUN = ["run", "gradient_norms", "--quick", *TASK, "--out", "sweep"]

MODEL = """
import jax
import jax.numpy as jnp

params = 0.5 * jnp.eye(4)
examples = jax.random.normal(jax.random.key(0), (4, 30, 4))

def loss(params, x):
    return jnp.sum(jax.lax.scan(lambda h, x: (params @ h + x, None), jnp.zeros(4), x)[0])
"""
# In a linear network with W = w I the gradient at lag k has the norm w^k of that at lag 0, down to
# 2^-1600, which no plain number holds.
IN_PYTHON = """
import jax
import numpy as np
import rnnjax

root = rnnjax.__file__
cell = rnnjax.cells.Vanilla(1, 4, 1, activation=rnnjax.activations.identity)

def measure(setting):
    params = cell.init(jax.random.key(setting.seed))
    W = jax.numpy.eye(4) * setting.weight
    batch = rnnjax.tasks.WhiteNoise(n_x=1, length=1600).sample(jax.random.key(setting.seed))
    measured = rnnjax.probes.log_norm_by_lag(cell, None, params._replace(W=W), batch)["log_norm"]
    return {"log_norm": measured - measured[0]}

weights = [0.5, 1.0, 2.0]
given = dict(weight=weights, seed=range(2), progress=False)
cube = rnnjax.sweep.run(measure, **given)
lags = np.arange(cube["log_norm"].shape[-1])
exact = np.log(weights)[:, None] * lags
measured = cube["log_norm"].transpose("weight", "seed", ...).values
assert lags[-1] >= 1599 and measured.shape[:2] == (3, 2), measured.shape
assert np.allclose(measured, exact[:, None], rtol=1e-5, atol=1e-4), measured - exact[:, None]
stored = rnnjax.sweep.run(measure, out="python_sweep", **given)
assert np.array_equal(stored["log_norm"].values, cube["log_norm"].values)
again = rnnjax.sweep.run("gradient_norms", config="quick", task="white_noise", activation="tanh",
                         gain=[0.5, 1.0], seed=range(2), progress=False)
assert np.isfinite(again["log_norm"].sel(lag=10).values).all()
print("exact to", np.abs(measured - exact[:, None]).max())
"""


def run(words, *, status=0, says="", makes=()):
    """Run a program and check its exit status, what it prints and the files it makes."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, encoding="utf-8", check=False
    )
    printed = done.stdout + done.stderr
    if done.returncode != status:
        raise AssertionError(f"exit status {done.returncode}, not {status}:\n{printed[-4000:]}")
    if not re.search(says, printed):
        raise AssertionError(f"expected {says!r} in:\n{printed[-4000:]}")
    for name in makes:
        if not Path(name).stat().st_size:
            raise AssertionError(f"{name} is empty")


def python(program):
    """Run a program in Python, as `python -c` does."""
    run([sys.executable, "-c", program])


def readme():
    """Run the programs of the README in the package as one, without those that read results."""
    text = metadata.metadata("rnnjax").get_payload()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    chosen = [block for block in blocks if '"results/' not in block]
    if TASK:
        chosen = [block.replace("tasks.Digits()", "tasks.WhiteNoise(n_x=1)") for block in chosen]
        chosen = [block for block in chosen if 'run(\n    "gradient_norms"' not in block]
    if len(chosen) < 2:
        raise AssertionError("expected the programs of the README in the package")
    python("\n".join(chosen))


def is_installed():
    """That the package is read from the environment, with its types and its licence."""
    found = Path(util.find_spec("rnnjax").origin).resolve()
    if Path(sys.prefix).resolve() not in found.parents:
        raise AssertionError(f"expected rnnjax of {sys.prefix}, found {found}")
    names = {Path(file).name for file in metadata.files("rnnjax")}
    missing = {"LICENSE", "py.typed", "page.css", "style.mplstyle"} - names
    if missing:
        raise AssertionError(f"not in the package: {', '.join(sorted(missing))}")


def rnnjax(*words, **expected):
    """A check that runs the command."""
    return lambda: run([COMMAND, *words], **expected)


def extra(module, *words, makes):
    """A check of a command that needs an extra: it works, or says in one line what is missing."""
    if util.find_spec(module):
        return rnnjax(*words, makes=makes)
    return rnnjax(*words, status=2, says=rf"^rnnjax: .*{module}.*pip install 'rnnjax\[\w+\]'")


CHECKS = {
    "the package": is_installed,
    "version": rnnjax("--version", says=rf"^rnnjax {metadata.version('rnnjax')}, jax \d"),
    "list": rnnjax("list", says="(?m)^gradient_norms "),
    "run": rnnjax(*RUN, says="claims passed", makes=["sweep/cube.nc", "sweep/figure.png"]),
    "figure": rnnjax("figure", "sweep", "--pdf", makes=["sweep/figure.pdf"]),
    "check": rnnjax("check", "sweep", says=r"(\d+) of \1 claims passed"),
    "verify": rnnjax("verify", "sweep", says="sound"),
    "export": rnnjax("export", "sweep", "sweep.csv", makes=["sweep.csv"]),
    "export to zarr": extra("zarr", "export", "sweep", "sweep.zarr", makes=["sweep.zarr"]),
    "workbook": extra("openpyxl", "workbook", "rnn.xlsx", makes=["rnn.xlsx"]),
    "new": rnnjax("new", "own.py", makes=["own.py", "own.toml", "own.quick.toml"]),
    "run of a new file": rnnjax("run", "own.py", "--quick", "--out", "own", says="claims passed"),
    "diagnose": rnnjax("diagnose", "model.py", "--out", "report", makes=["report/report.html"]),
    "explorer": rnnjax("explorer", "explorer.html", makes=["explorer.html"]),
    "explore": rnnjax("explore", "sweep", "--out", "cube.html", makes=["cube.html"]),
    "sweeps from Python": lambda: python(IN_PYTHON),
    "the README": readme,
}


def passed(name, check):
    """Whether a check holds; prints a line, and below it why it does not."""
    start = time.monotonic()
    try:
        check()
        fault = ""
    except (AssertionError, OSError) as error:
        fault = str(error)
    seconds = time.monotonic() - start
    print(f"{'FAIL' if fault else 'ok  '}  {name}  ({seconds:.1f} s)\n{fault}".strip(), flush=True)
    return not fault


def main(names):
    """Run checks, by default all, in an empty folder; exit status 1 if one fails."""
    chosen = {name: CHECKS[name] for name in names or CHECKS}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("model.py").write_text(MODEL, encoding="utf-8")
        results = [passed(name, check) for name, check in chosen.items()]
        os.chdir(Path(folder).parent)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
