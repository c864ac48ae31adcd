"""The shape of the package, read from its imports: no package imports from a higher layer."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rnnjax
from rnnjax import catalog, lazy

PACKAGE = Path(rnnjax.__file__).parent
EXPERIMENTS = PACKAGE.parent / "experiments"
# Each package may import from those of a lower layer and from itself.
LAYERS = [
    {"lazy"},
    {"errors", "catalog", "pickles", "types", "atomic_file", "compiling", "every_branch"},
    {"ranges", "cube_setting", "names", "variables", "reductions"},
    {"fields", "claims", "sequences", "training_kinds", "found_once"},
    {"scaled", "lanes", "matvec"},
    {"slopes", "holomorphic"},
    {"activations", "losses", "masks", "figures", "theory"},
    {"matrices", "dynamics", "reports"},
    {"preactivation", "tangents"},
    {"real_view"},
    {"analysis", "cells", "tasks", "state_dtype"},
    {"shape_checks", "split_checks"},
    {"boundary"},
    {"trajectory", "generate", "segments"},
    {"homogeneous"},
    {"scan"},
    {"cotangents"},
    {"adjoint", "gradient", "parallel", "jaxprs"},
    {"layers"},
    {"directions"},
    {"bidirectional"},
    {"importers"},
    {"rules"},
    {"probes"},
    {"train_pieces"},
    {"updates"},
    {"penalties"},
    {"diagnosis"},
    {"train", "train_online"},
    {"decks"},
    {"sweep"},
    {"cluster", "explorer"},
    {"cli"},
]
LAYER = {package: layer for layer, packages in enumerate(LAYERS) for package in packages}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def package_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path, top_level_only=False):
    """Dotted names that a file imports, and those that it reads of rnnjax, loaded on first use."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "rnnjax":
            source = lazy.sources("rnnjax").get(node.attr)
            if source is not None:
                yield f"{source.module}.{source.name}"


def test_names_loaded_on_first_use_are_imports_too(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("import rnnjax\ndef f():\n    return rnnjax.fit, rnnjax.probes.plane\n")
    assert {*imports_of(path)} == {"rnnjax", "rnnjax.train.fit", "rnnjax.probes"}


@pytest.mark.parametrize("folder", ["rnnjax", "experiments", "examples", "benchmarks"])
def test_what_is_read_of_rnnjax_is_there(folder):
    """A checker takes any submodule for an attribute; at run time only listed ones are."""
    for path in (PACKAGE.parent / folder).rglob("*.py"):
        nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)]
        for name in {n.attr for n in nodes if ast.unparse(n.value) == "rnnjax"}:
            assert name in rnnjax.__all__ or name == "__version__", f"{path.name}: rnnjax.{name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_stand_at_the_top(path):
    """What a module needs is seen at its top; what it does not need at once is loaded later."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, functions):
            inside = [n for n in ast.walk(function) if isinstance(n, (ast.Import, ast.ImportFrom))]
            assert not inside, f"{function.name}: {ast.unparse(inside[0])}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    package = package_of(path)
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "rnnjax" and parts[1:] and parts[1] in LAYER and parts[1] != package:
            assert LAYER[parts[1]] < LAYER[package], f"{package} imports {parts[1]}"


def test_every_module_has_a_layer():
    assert {package_of(path) for path in MODULES} == set(LAYER)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_commands_and_their_backend_configure_jax(path):
    calls = [
        ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]  # fmt: skip
    may = package_of(path) == "cli" or path.relative_to(PACKAGE) == Path("sweep/backend.py")
    assert may or "jax.config.update" not in calls


WITHOUT_JAX = (
    ["rnnjax", "rnnjax.figures", "rnnjax.sweep.config", "rnnjax.sweep.plan", "rnnjax.sweep.store",
     "rnnjax.sweep.compute", "rnnjax.cli", "rnnjax.cli.command", "rnnjax.cli.sweeping",
     "rnnjax.cli.diagnosing", "rnnjax.cli.exploring", "rnnjax.cli.workbook",
     "rnnjax.cluster.client", "rnnjax.catalog", "rnnjax.decks",
     "rnnjax.decks.theory.printed_table", "rnnjax.theory",
     "rnnjax.reports.comparison_page", "rnnjax.reports.figure"]
)  # fmt: skip


def test_these_load_without_jax():
    """One after the other in one process, which ends at the first that loads it."""
    program = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    if "jax" in sys.modules:
        sys.exit(f"{module} loads jax")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *WITHOUT_JAX], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    for name in rnnjax.__all__:
        assert getattr(rnnjax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'LSTMM'"):
        _ = rnnjax.LSTMM


def test_the_catalog_finds_what_the_package_holds():
    from tests.discovery import activations_found

    assert set(catalog.activation_names()) == {a.name for a in activations_found()}


@pytest.mark.parametrize(("folder", "most"), [(PACKAGE, 300), (EXPERIMENTS, 250)])
def test_no_file_is_too_long(folder, most):
    lengths = {path: len(path.read_text().splitlines()) for path in folder.rglob("*.py")}
    assert lengths and not [(path.name, n) for path, n in lengths.items() if n > most]


def test_experiments_do_not_import_each_other():
    names = {path.stem for path in EXPERIMENTS.glob("*.py")}
    for path in EXPERIMENTS.glob("*.py"):
        for name in imports_of(path):
            assert not names & set(name.split("."))


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.py")), ids=lambda p: p.stem)
def test_an_experiment_loads_without_jax_and_has_its_sweeps(path):
    assert not {"jax", "matplotlib"} & {n.split(".")[0] for n in imports_of(path, True)}
    for kind in (".toml", ".quick.toml", ".paper.toml"):
        assert path.with_suffix(kind).exists()
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring.splitlines()[0].endswith("?")
    for part in ("Command:", "Run time:", "Figure:", "Source:"):
        assert part in docstring


@pytest.mark.parametrize("name", rnnjax.probes.__all__)
def test_a_probe_measures_cell_loss_params_and_batch(name):
    arguments = list(inspect.signature(getattr(rnnjax.probes, name)).parameters)
    assert arguments[:4] == ["cell", "loss", "params", "batch"]
