"""The pages of docs name files, tests and figures that exist."""

import ast
import re
from pathlib import Path

import pytest

import rnnjax
from tests.discovery import rules_found

ROOT = Path(rnnjax.__file__).parent.parent
DECKS = (ROOT / "docs" / "decks.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in DECKS.splitlines()
    if re.match(r"\| [AB]\d+ \|", line)
]


def test_every_item_has_code_a_test_and_a_place():
    numbers = [row[0].strip("| ") for row in ROWS]
    assert numbers == [f"A{n}" for n in range(1, 33)] + [f"B{n}" for n in range(1, 20)]
    assert all(len(row) == 5 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip("| "))
def test_what_a_row_names_exists(row):
    _, _, code, test, _ = row
    for path in re.findall(r"`([a-z_/]+\.py)`", code):
        assert (ROOT / path).exists(), path
    path, _, name = test.strip("`").partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


IDENTITIES = (ROOT / "docs" / "identities.md").read_text()
HELD = {
    int(number): re.findall(r"`(tests/\S+?)::(\w+)`", tests)
    for number, tests in re.findall(r"^\| (\d+) \|.*\| (`.*`) \|$", IDENTITIES, re.MULTILINE)
}


def test_every_identity_has_a_test_that_exists():
    assert sorted(HELD) == [n for n in range(1, max(HELD) + 1) if n != 26]
    for path, name in (pair for pairs in HELD.values() for pair in pairs):
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


RULES = (ROOT / "docs" / "rules.md").read_text()
TESTED = re.findall(r"^\| (`.+?)\|.*`(tests/\S+?)::(\w+)` \|$", RULES, re.MULTILINE)


@pytest.mark.parametrize(("rule", "path", "name"), TESTED, ids=[row[0].strip() for row in TESTED])
def test_each_line_about_a_rule_names_a_test_that_exists(rule, path, name):
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_rule_has_a_line():
    named = {name for row in TESTED for name in re.findall(r"`(\w+)\(", row[0])}
    of_the_field = {n for n, r in rules_found().items() if r.__module__.startswith("rnnjax.rules.")}
    assert named == of_the_field and of_the_field < set(rules_found())


def test_sources_are_cited_where_they_are_used():
    text = (ROOT / "experiments" / "dinner.py").read_text()
    assert "e2eml.school" in text and "Rohrer" in text


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert link.startswith("http") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_commands_name_experiments(page):
    names = set(rnnjax.catalog.experiment_files())
    for name in re.findall(r"rnnjax run ([a-z_]+)", page.read_text()):
        assert name in names
