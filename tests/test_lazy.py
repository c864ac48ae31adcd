"""What is loaded on first use: by name, by attribute, and as type checkers see it."""

import ast
import importlib
import pickle
import pkgutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rnnjax
from rnnjax import lazy

PACKAGES = ["rnnjax"] + [
    info.name
    for info in pkgutil.walk_packages(rnnjax.__path__, "rnnjax.")
    if info.ispkg and ".experiments" not in info.name
]
LAZY = [name for name in PACKAGES if lazy.sources(importlib.import_module(name).__name__)]
ROOT = Path(rnnjax.__file__).parent.parent


def _defined(path):
    """The names that the file of a package defines or imports by itself at its top level."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("name", LAZY)
def test_every_name_of_a_package_is_there_and_is_public(name):
    package = importlib.import_module(name)
    for wanted in package.__all__:
        assert getattr(package, wanted) is not None
    loaded = {*lazy.sources(name)}
    assert loaded <= {*package.__all__} <= {*dir(package)}
    # Not by luck: a module that another one has imported stands in its package for the moment.
    assert {*package.__all__} - loaded <= _defined(Path(package.__file__))
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nonsense'"):
        _ = package.nonsense


def test_a_library_is_loaded_by_its_first_attribute_and_a_submodule_takes_the_place_of_no_name():
    program = """
import sys
from rnnjax.lazy import jax, jnp, matplotlib
assert "jax" not in sys.modules and "matplotlib" not in sys.modules
assert "on first use" in repr(jnp)
import jax as itself
assert jax.numpy is itself.numpy and jnp.sum is itself.numpy.sum
assert matplotlib.figure.Figure.__name__ == "Figure"

import rnnjax.diagnosis.diagnose, rnnjax.jaxprs.recurrences, rnnjax
assert callable(rnnjax.diagnose) and callable(rnnjax.recurrences) and callable(rnnjax.fit)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_stands_for_a_library_is_as_good_as_the_library(monkeypatch):
    assert lazy.np.ndarray is importlib.import_module("numpy").ndarray
    assert pickle.loads(pickle.dumps(lazy.np)).sum is lazy.np.sum
    assert dir(lazy.np) == dir(importlib.import_module("numpy"))
    monkeypatch.setattr(lazy.np, "a_new_name", 3, raising=False)
    assert importlib.import_module("numpy").a_new_name == 3
    monkeypatch.undo()
    with pytest.raises(AttributeError, match=r"module 'numpy' has no attribute 'a_new_name'"):
        _ = lazy.np.a_new_name
    with pytest.raises(AttributeError, match=r"module 'rnnjax.lazy' has no attribute 'nonsense'"):
        _ = lazy.nonsense


def test_a_library_that_is_missing_is_an_import_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError, match="openpyxl"):
        lazy.load(lazy.openpyxl)
    with pytest.raises(ImportError, match="openpyxl"):
        _ = lazy.openpyxl.Workbook


# As the README uses the names, and what a type checker has to know of each.
USER = """
import rnnjax

cell = rnnjax.Vanilla(n_x=1, n_h=64)
reveal_type(cell)
reveal_type(rnnjax.fit)
reveal_type(rnnjax.diagnose)
reveal_type(rnnjax.probes.log_norm_by_lag)
reveal_type(rnnjax.decks.EligibilityRatio())
reveal_type(rnnjax.figures.styled)
reveal_type(rnnjax.tasks.Copy())
reveal_type(rnnjax.Batch)
rnnjax.nonsense
rnnjax.probes.nonsense
"""
TYPES = [
    "rnnjax.cells.vanilla.Vanilla",
    "rnnjax.types.Rule",
    "rnnjax.reports.report.Report",
    "-> dict[str, ",
    "rnnjax.decks.rules.eligibility_ratio.EligibilityRatio",
    "_GeneratorContextManager",
    "rnnjax.tasks.copy.Copy",
    "-> rnnjax.types.Batch",
]


def test_a_type_checker_knows_every_public_name(tmp_path):
    script = tmp_path / "user.py"
    script.write_text(USER)
    # Other libraries are left out, whose types take half a minute to read: an array is an Any here.
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent",
               "--no-site-packages", "--ignore-missing-imports", "--no-error-summary",
               f"--cache-dir={tmp_path}"]  # fmt: skip
    done = subprocess.run([*command, script], cwd=ROOT, capture_output=True, text=True, check=False)
    revealed = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(TYPES), done.stdout + done.stderr
    for line, expected in zip(revealed, TYPES, strict=True):
        assert expected in line and 'is "Any"' not in line
    errors = [line for line in done.stdout.splitlines() if " error: " in line]
    assert len(errors) == 2 and all('has no attribute "nonsense"' in line for line in errors)


def test_texts_are_parsed_in_several_threads():
    with ThreadPoolExecutor(4) as pool:
        trees = [*pool.map(lambda n: lazy.syntax_tree(f"a = {n}"), range(20))]
    assert [tree.body[0].value.value for tree in trees] == [*range(20)]
