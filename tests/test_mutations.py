"""The mutations of `tests/mutations.py` fit the code and docs/development/testing.md."""

import ast
from pathlib import Path

import pytest

from tests.mutation_list import MUTATIONS
from tests.mutations import table

ROOT = Path(__file__).parent.parent
BY_WHAT = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)


@BY_WHAT
def test_what_is_replaced_stands_in_its_file_once(mutation):
    assert (ROOT / "rnnjax" / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.new != mutation.old


@BY_WHAT
def test_the_test_that_notices_is_there_and_not_wide(mutation):
    path, _, name = mutation.test.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    name = name.partition("[")[0]
    assert not name or name in functions
    marks = [ast.unparse(mark) for mark in functions[name].decorator_list] if name else []
    assert not {"pytest.mark.wide", "pytest.mark.slow"} & set(marks)


def test_the_page_has_the_table():
    assert f"{table()}\n" in (ROOT / "docs" / "development" / "testing.md").read_text()
