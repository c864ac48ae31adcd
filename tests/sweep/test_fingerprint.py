"""Which edits of an experiment change the fingerprints of its code, and which do not."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnnjax import catalog
from rnnjax.sweep import library
from rnnjax.sweep.fingerprint import SHOWING, code_of
from rnnjax.sweep.library import fingerprint_of
from rnnjax.sweep.normal_form import normalised
from rnnjax.sweep.same_code import changed
from rnnjax.sweep.sources import read_sources
from tests.crossed import one_in
from tests.sweep.changing import EDITS, write

EXPERIMENTS = sorted((catalog.PACKAGE.parent / "experiments").glob("*.py"))


def code_in(path):
    return code_of(read_sources(path))


def code_of_text(folder, text, **beside):
    folder.mkdir(exist_ok=True)
    for name, content in beside.items():
        (folder / f"{name}.py").write_text(content)
    path = folder / "one.py"
    path.write_text(text)
    return code_in(path)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.what)
def test_an_edit_changes_what_it_says(tmp_path, edit):
    path = write(tmp_path / "own")
    before = code_in(path)
    edit.make(tmp_path / "own")
    after = code_in(path)
    assert (before.cells != after.cells) == (edit.changes == "cells")
    if edit.changes == "cells":
        assert edit.names in changed(before.record, after.record).split(", ")
    else:
        assert (before.shown != after.shown) == (edit.changes == "shown")


@pytest.mark.parametrize("path", one_in(1, EXPERIMENTS, wide=6), ids=lambda path: path.stem)
def test_experiments_written_anew_have_the_same_code(tmp_path, path):
    """Without comments, formatting and docstrings, at another place."""
    copy, before = tmp_path / "other.py", code_in(path)
    copy.write_text(ast.unparse(ast.parse(path.read_text())))
    assert code_in(copy) == before
    assert {"Setting", "measure"} <= {*before.definitions}
    assert not {*SHOWING} & {*before.definitions}


@pytest.mark.parametrize("path", one_in(1, EXPERIMENTS, wide=6), ids=lambda path: path.stem)
def test_changes_of_definitions_are_noticed_by_their_names(tmp_path, path):
    tree, before = ast.parse(path.read_text()), code_in(path)
    copy, functions = tmp_path / "other.py", (ast.FunctionDef, ast.ClassDef)
    nodes = [node for node in tree.body if isinstance(node, functions)]
    for node in [node for node in nodes if node.name not in before.definitions]:
        node.body.append(ast.Pass())
    copy.write_text(ast.unparse(tree))
    drawn_otherwise = code_in(copy)
    assert drawn_otherwise.cells == before.cells
    assert drawn_otherwise.shown != before.shown
    computing = [node for node in nodes if node.name in before.definitions]
    for node in computing:
        node.body.append(ast.Pass())
    copy.write_text(ast.unparse(tree))
    now, old = code_in(copy).definitions, before.definitions
    assert {name for name in old if old[name] != now[name]} == {node.name for node in computing}


@pytest.mark.parametrize(("bare", "annotated", "same"), [
    ("def f(a, /, b=1, *c, d, **e): pass",
     "def f(a: int, /, b: A = 1, *c: 'B', d: int, **e: C) -> list[A]: pass", True),
    ("async def f(a): pass", "async def f(a: int) -> None: pass", True),
    ("def f():\n def g(a): pass", "def f():\n def g(a: int) -> int: pass", True),
    ("class A:\n def f(self): pass", "class A:\n def f(self) -> int: pass", True),
    ("class A:\n a = 1", "class A:\n a: int = 1", False),
    ("class A:\n a: int", "class A:\n a: float", False),
    ("a = 1", "a: int = 1", False),
])  # fmt: skip
def test_annotations_of_signatures_do_not_count(bare, annotated, same):
    forms = [normalised(ast.parse(text)) for text in (bare, annotated)]
    assert (forms[0] == forms[1]) == same


COMPUTES = "def measure(config, drawn):\n    return {}\n"
_KEPT = "T = []\ndef kept(f):\n    T.append(f)\n    return f\n"
_TAKEN = "def figure(c):\n    g\ndef measure(s):\n    return T[0](s)"
UNSURE = {
    "found by name": ("def measure():\n    globals()['a' + 'b']()\ndef figure(c):\n    ab()\n"
                      "def ab():\n    return 1\n", "return 1", "return 2"),
    "of no use": (COMPUTES + "def ab():\n    return 1\n", "return 1", "return 2"),
    "bound twice": ("A = 1\nB = A\nA = 2\n" + COMPUTES, "B = A\nA = 2", "A = 2\nB = A"),
    "run on import": ("A = 1\nprint(A)\n" + COMPUTES, "A = 1\nprint(A)", "print(A)\nA = 1"),
    "global": ("def measure():\n    global A\ndef figure(c):\n    A\nA = 1", "A = 1", "A = 2"),
    "a quoted annotation": ("def measure(a: 'list[A]'):\n    pass\ndef figure(c):\n    A\nA = int",
                            "A = int", "A = bool"),
    "a string": (COMPUTES + "A = '1'", "'1'", "1"),
    "None": ("A = None\n" + COMPUTES, "A = None", "A = ..."),
    "a walrus": ("A = (B := 1)\ndef measure():\n    B\ndef figure(c):\n    A", "1", "2"),
    "in a try": ("try:\n    A = 1\nexcept OSError:\n    A = 2\ndef figure(c):\n    A\n" + COMPUTES,
                 "A = 2", "A = 3"),
    "a decorator": (_KEPT + "@kept\ndef g(x):\n    return 1\n" + _TAKEN, "return 1", "return 2"),
    "a base class": ("T = []\nclass A:\n    def __init_subclass__(cls):\n        T.append(cls)\n"
                     "class g(A):\n    a = 1\n" + _TAKEN, "a = 1", "a = 2"),
    "a call": (_KEPT + "g = kept(lambda x: 1)\n" + _TAKEN, "x: 1", "x: 2"),
    "its method": ("T = [0]\ng = T.__setitem__(0, 1)\n" + _TAKEN, "(0, 1)", "(0, 2)"),
    "a table in a class": ("class A:\n    T = {}\n    @classmethod\n    def kept(cls, f):\n"
                           "        cls.T[0] = f\n@A.kept\ndef g(x):\n    return 1\n"
                           "def figure(c):\n    g\ndef measure(s):\n    A.T[0](s)",
                           "return 1", "return 2"),
    "subclasses": ("class A:\n    pass\nclass g(A):\n    a = 1\ndef figure(c):\n    g\n"
                   "def measure(s):\n    A.__subclasses__()", "a = 1", "a = 2"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNSURE)
def test_what_may_matter_to_the_cells_counts(tmp_path, what):
    text, old, new = UNSURE[what]
    assert old in text
    before = code_of_text(tmp_path, text)
    assert code_of_text(tmp_path, text.replace(old, new)).cells != before.cells


def test_what_is_only_shown_may_read_what_cells_read(tmp_path):
    """Tables and constants that figures are made of do not make figures part of the cells."""
    text = ("import functools\nT = {}\ndef n(t):\n    return 1\nA = [len(T), n(T)]\n"
            "@functools.cache\ndef g(x):\n    return T\n" + _TAKEN
            + "\ndef claims(c):\n    A")  # fmt: skip
    for old, new in (("return T\n", "return 2, T\n"), ("len(T)", "2, len(T)")):
        assert old in text
        edited = code_of_text(tmp_path, text.replace(old, new))
        assert edited.cells == code_of_text(tmp_path, text).cells


IMPORTS = {
    "import": "import beside\ndef measure():\n    return beside.a()",
    "as": "import beside as b\ndef measure():\n    return b.a()",
    "from": "from beside import a\ndef measure():\n    return a()",
    "from as": "from beside import a as c\ndef measure():\n    return c()",
    "star": "from beside import *\ndef measure():\n    return a()",
    "within": "def measure():\n    from beside import a\n    return a()",
    "within, as a whole": "def measure():\n    import beside\n    return beside.a()",
    "handed on": "import beside\ndef measure():\n    return (lambda b: b.a())(beside)",
    "by another": "import between\ndef measure():\n    return between.a()",
    "by another, whole": "from between import beside\ndef measure():\n    return beside.a()",
    "in a try": "try:\n    import beside\nexcept ImportError:\n    beside = None\n",
    "by its name": "import importlib as i\ndef measure():\n    i.import_module('beside').a()",
    "by its name alone": "def measure():\n    return __import__('beside').a()",
    "without a use": "import beside\ndef measure():\n    pass",
}


@pytest.mark.parametrize("form", IMPORTS)
def test_every_form_of_import_is_followed(tmp_path, form):
    between = "import beside\nfrom beside import a\n"
    codes = [
        code_of_text(tmp_path, IMPORTS[form], between=between,
                     beside=f"def a():\n    return {value}\ndef for_the_figure():\n    return 0\n")
        for value in (1, 1, 2)
    ]  # fmt: skip
    assert codes[0] == codes[1]
    assert codes[0].cells != codes[2].cells


def test_installed_packages_do_not_count(tmp_path, monkeypatch):
    for folder in ("site-packages", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder[0]}_module.py").write_text("A = 1\n")
        monkeypatch.syspath_prepend(tmp_path / folder)
    text = "import json\nimport numpy as np\nimport pytest\nimport rnnjax\n"
    code_of_text(tmp_path, text + "import s_module\nimport m_module\n")
    assert [*read_sources(tmp_path / "one.py")] == ["", "m_module"]


def test_within_packages_figures_are_told_from_cells_too(tmp_path):
    text = (
        "from package import inner\nimport package.other\ndef measure():\n    inner.a(package.B)\n"
        "def figure(c):\n    return inner.b(package.other.c, package.D)\n"
    )
    inside = {
        "__init__": "from .other import B, D",
        "inner": "def a(x): return 1\ndef b(x, y): return 2\n",
        "other": "B = 3\ndef c(): return 4\nD = 5\n",
    }
    (tmp_path / "package").mkdir()

    def code(**changes):
        for name, content in inside.items():
            (tmp_path / "package" / f"{name}.py").write_text(changes.get(name, content))
        return code_of_text(tmp_path, text)

    before = code()
    for name, old, counts in [
        ("inner", "1", True), ("inner", "2", False), ("other", "3", True), ("other", "4", False),
        ("other", "5", False), ("__init__", "B, D", True),
    ]:  # fmt: skip
        new = inside[name].replace(old, "D as B, D" if "B" in old else "9")
        after = code(**{name: new})
        assert (after.cells != before.cells) == counts, (name, old)
        assert counts or after.shown != before.shown, (name, old)


def test_deep_and_odd_code_has_a_fingerprint(tmp_path):
    for number, text in enumerate(
        ["A = " + " + ".join(["1"] * 5000), "A = 0x" + "f" * 9000, "def (", "A = '\\ud800'", "\0"]
    ):
        assert code_of_text(tmp_path / str(number), text) == code_of_text(tmp_path / "2nd", text)


def test_every_version_of_python_makes_the_same_fingerprint(tmp_path):
    """As found by Python 3.11, 3.12 and 3.13; these texts have differed between their trees."""
    text = 'A = f"{1!r:>{2}}  {3:.{4}} b" "c"\ndef measure(a, /, *b: int, c=1e999) -> int: A\n'
    assert code_of_text(tmp_path, text).cells == "2-51a6b8e514089547"


def test_a_table_of_claims_is_shown_and_computes_nothing(tmp_path):
    text = "def bound(): return {}\nCLAIMS = (bound,)\ndef measure(): return 1\n"
    before, after = (code_of_text(tmp_path, text.format(n)) for n in (1, 2))
    assert before.cells == after.cells and before.shown != after.shown


@pytest.mark.wide
def test_the_code_of_the_library_counts_where_it_computes(tmp_path):
    copy = tmp_path / "rnnjax"
    shutil.copytree(catalog.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = fingerprint_of(copy)
    for name, appended, differs in [
        ("scan.py", "\n# a comment\n", False),
        ("cli/keys.py", "\nA = 1\n", False),
        ("figures/style.py", "\nA = 1\n", False),
        ("claims/rows.py", "\nA = 1\n", False),
        ("reductions/along.py", "\nA = 1\n", False),
        ("cube_setting.py", "\nA = 1\n", False),
        ("sweep/store.py", "\nA = 1\n", False),
        ("sweep/programs.py", "\nA = 1\n", True),
        ("theory/__init__.py", "\nA = 1\n", True),
        ("scan.py", "\nA = 1\n", True),
    ]:
        text = (copy / name).read_text()
        (copy / name).write_text(text + appended)
        assert (fingerprint_of(copy) != before) == differs, name
        (copy / name).write_text(text)


def test_the_fingerprint_of_the_library_is_remembered_as_long_as_its_code_stays(
    tmp_path, monkeypatch
):
    package = tmp_path / "rnnjax"
    for name in ("scan.py", "sweep/library.py", "sweep/normal_form.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(catalog.PACKAGE / name, package / name)
    monkeypatch.setattr(library, "PACKAGE", package)
    monkeypatch.setattr(library, "cache_folder", lambda: tmp_path / "cache" / "jax")
    place, now = tmp_path / "cache" / "library.json", library.library_code.__wrapped__
    first = now()
    assert first == fingerprint_of(package)
    with monkeypatch.context() as patch:
        patch.setattr(library, "fingerprint_of", None)
        assert now() == first
    for damaged in (
        b"",
        b"{",
        b"[]",
        b"{}",
        place.read_bytes().replace(first.encode(), b"no hash"),
    ):
        place.write_bytes(damaged)
        assert now() == first
    with (package / "scan.py").open("a") as file:
        file.write("\nA = 1\n")
    assert now() == fingerprint_of(package) != first
    monkeypatch.setattr(library, "cache_folder", lambda: None)
    assert now() == fingerprint_of(package)


def test_fingerprints_are_the_same_in_another_process(tmp_path):
    path = write(tmp_path / "own")
    code = (
        "import sys; from pathlib import Path; from rnnjax.sweep.fingerprint import code_of\n"
        "from rnnjax.sweep.sources import read_sources\n"
        "print(code_of(read_sources(Path(sys.argv[1]))).cells, 'jax' in sys.modules)"
    )
    own = {"PYTHONPATH": str(catalog.PACKAGE.parent), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code, Path("own") / path.name], cwd=tmp_path,
        env=os.environ | own, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [code_in(path).cells, "False"]
