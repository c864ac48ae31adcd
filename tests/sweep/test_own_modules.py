"""Modules of a user's own beside an experiment: found from anywhere, and as they were read."""

import os
import subprocess
import sys

import pytest

from rnnjax import catalog
from rnnjax.errors import ConfigError
from rnnjax.sweep.experiment import load
from tests.sweep.changing import MAIN, TOY, write


def toy(folder, **modules):
    """The toy experiment, whose `variables` asks a module beside it when it is called."""
    folder.mkdir(exist_ok=True)
    text = TOY.read_text()
    within = "def variables(config):\n    import beside\n\n    return beside.told()\n\n\ndef _old"
    (folder / "own.py").write_text(text.replace("def variables", within))
    for name, content in modules.items():
        (folder / f"{name}.py").write_text(content)
    return str(folder / "own.py")


def test_a_module_that_is_imported_late_is_the_one_that_was_read(tmp_path):
    path = toy(tmp_path, beside="def told():\n    return 'old'\n")
    loaded = load(path)
    toy(tmp_path, beside="def told():\n    return 'new'\n")
    assert loaded.variables(None) == "old"
    again = load(path)
    assert again.variables(None) == "new"
    assert again.code.cells != loaded.code.cells


def test_an_edit_within_the_same_second_and_of_the_same_size_is_seen(tmp_path, monkeypatch):
    """Python's own cache of compiled files goes by both."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = toy(tmp_path, beside="def told():\n    return 1\n")
    assert load(path).variables(None) == 1
    state = (tmp_path / "beside.py").stat()
    toy(tmp_path, beside="def told():\n    return 2\n")
    os.utime(tmp_path / "beside.py", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert load(path).variables(None) == 2
    assert not (tmp_path / "__pycache__").exists()


def test_each_experiment_has_the_modules_beside_it(tmp_path):
    for name in ("a", "b"):
        beside = f"from deep import N\ndef told():\n    return {name!r}, N"
        path = toy(tmp_path / name, beside=beside, deep=f"N = {name!r}")
        assert load(path).variables(None) == (name, name)


def test_a_module_of_another_experiment_is_not_taken(tmp_path):
    assert load(toy(tmp_path / "a", beside="def told():\n    return 1")).variables(None) == 1
    with pytest.raises(ModuleNotFoundError):
        load(toy(tmp_path / "b")).variables(None)


def test_a_module_is_loaded_again_if_one_that_it_imports_has_changed(tmp_path):
    beside = "from deep import N\ndef told():\n    return N"
    for number in (1, 2):
        path = toy(tmp_path, beside=beside, deep=f"N = {number}")
        assert load(path).variables(None) == number


def test_packages_are_found_from_another_folder_by_the_command(tmp_path):
    path = write(tmp_path / "own")
    done = subprocess.run(
        [sys.executable, "-c", "from rnnjax.cli import main; import sys; sys.exit(main())",
         "plan", str(path)],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(catalog.PACKAGE.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_is_wrong_in_a_module_is_told_with_the_line_of_the_import(tmp_path):
    write(tmp_path / "own")
    (tmp_path / "own" / "helper.py").write_text("def scaled(:\n")
    with pytest.raises(ConfigError, match=rf"{MAIN} line \d+: SyntaxError"):
        load(str(tmp_path / "own" / MAIN))
    (tmp_path / "own" / "helper.py").unlink()
    with pytest.raises(ConfigError, match="ModuleNotFoundError: No module named 'helper'"):
        load(str(tmp_path / "own" / MAIN))


def test_a_file_that_is_no_python_is_refused(tmp_path):
    (tmp_path / "own.txt").write_text(TOY.read_text())
    for place in ((), (tmp_path / "own.txt",)):  # where it is found, or where a store says
        with pytest.raises(ConfigError, match=r"expected a file that ends in \.py"):
            load(str(tmp_path / "own.txt"), *place)
