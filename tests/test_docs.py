"""The pages of docs name files, tests, figures and headings that exist; each result has a page."""

import ast
import re
from pathlib import Path

import committed_results
import gallery_scripts
import generated_pages
import pytest
from committed_results import THEMES

import rnnjax
from tests.discovery import rules_found

ROOT = Path(rnnjax.__file__).parent.parent


DECKS = (ROOT / "docs" / "explanations" / "decks.md").read_text()
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


IDENTITIES = (ROOT / "docs" / "development" / "identities.md").read_text()
HELD = {
    int(number): re.findall(r"`(tests/\S+?)::(\w+)`", tests)
    for number, tests in re.findall(r"^\| (\d+) \|.*\| (`.*`) \|$", IDENTITIES, re.MULTILINE)
}


def test_every_identity_has_a_test_that_exists():
    assert sorted(HELD) == [n for n in range(1, max(HELD) + 1) if n != 26]
    for path, name in (pair for pairs in HELD.values() for pair in pairs):
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


RULES = (ROOT / "docs" / "explanations" / "rules.md").read_text()
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


GENERATED = {"_build", "_generated", "gallery", "generated"}  # folders that a build makes
PAGES = sorted(
    page
    for page in (ROOT / "docs").rglob("*.md")
    if not GENERATED & {*page.relative_to(ROOT / "docs").parts} and page.stem != "slides"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        made = {*Path(link).parts} & GENERATED
        assert link.startswith("http") or made or (page.parent / link).exists(), link


def anchors(page):
    """The anchors of a page's headings, as the documentation makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_to_headings_lead_to_headings(page):
    for link, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        if not link.startswith("http"):
            assert anchor in anchors(page.parent / link if link else page), f"{link}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_commands_name_experiments(page):
    names = set(rnnjax.catalog.experiment_files())
    for name in re.findall(r"rnnjax run ([a-z_]+)\b(?!\.py)", page.read_text()):
        assert name in names


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_pages_begin_with_a_title_and_name_no_machine(page):
    text = page.read_text()
    assert re.match(r"(---\n.*?\n---\n+)?(# |```\{include\})", text, re.DOTALL)
    assert not re.search(r"(?<!\w)/(?:work|tmp|home)/|TODO", text)


@pytest.mark.parametrize("section", ["start", "howto", "explanations", "notebooks", "reference"])
def test_every_page_of_a_section_is_in_its_contents(section):
    folder = ROOT / "docs" / section
    listed = set(re.findall(r"^(\w+)$", (folder / "index.md").read_text(), re.MULTILINE))
    assert {page.stem for page in folder.glob("*.md")} - {"index"} <= listed


HOWTO = [page for page in PAGES if page.parent.name == "howto"]
TABLES = {"cells", "commands", "examples", "index", "workbook"}  # pages to look something up


@pytest.mark.parametrize("page", HOWTO, ids=lambda p: p.stem)
def test_a_guide_begins_with_its_task_and_says_when_it_does_not_apply(page):
    text = page.read_text()
    if page.stem not in TABLES:
        assert re.match(r"# .*\n\n\*\*Task\.\*\* ", text)
        assert "\n## When this does not apply" in text


def test_every_committed_result_is_in_the_gallery_and_every_experiment_in_the_table():
    found = committed_results.found()
    assert len(found) == len(list((ROOT / "results").glob("*/cube.nc")))
    table = generated_pages.commands_table()
    for name in rnnjax.catalog.experiment_files():
        assert len(re.findall(rf"`rnnjax run {name}`", table)) == 1, name
    assert all(f"`{result.command}`" in table for result in found)
    assert all(result.question and result.described["Run time"] for result in found)


def test_a_result_without_a_place_in_the_gallery_is_an_error(monkeypatch):
    themes = {
        theme: (*words[:2], words[2].replace("dinner ", "")) for theme, words in THEMES.items()
    }
    monkeypatch.setattr(committed_results, "THEMES", themes)
    with pytest.raises(LookupError, match="dinner"):
        committed_results.found()


def test_scripts_of_the_gallery_hold_the_claims_and_compile(tmp_path, monkeypatch):
    scripts, pages = tmp_path / "scripts", tmp_path / "gallery"
    monkeypatch.setattr(gallery_scripts, "SCRIPTS", scripts)
    monkeypatch.setattr(gallery_scripts, "PAGES", pages)
    for folder in (scripts, pages):
        folder.mkdir()
    kept = pages / "draw_00_gradient_norms.rst"
    for stale in (scripts / "gone.py", pages / "draw_00_gone.py.md5", pages / "index.rst", kept):
        stale.touch()
    gallery_scripts.write()
    assert sorted(pages.iterdir()) == [kept, pages / "index.rst"]
    scripts = sorted(scripts.rglob("*.py"))
    assert len(scripts) == len(committed_results.found())
    for script in scripts:
        tree = ast.parse(script.read_text())
        assert ast.get_docstring(tree).startswith(".. _result_")
    text = next(script for script in scripts if script.stem.endswith("_lyapunov")).read_text()
    result = next(r for r in committed_results.found() if r.name == "lyapunov")
    assert text.count("* - ") == 1 + len(result.claims()) > 1
