"""The code of the pages runs and prints what they show."""

import page_code
import pytest

PAGES = page_code.pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_compiles_and_every_output_is_shown(page):
    blocks = page_code.BLOCK.findall(page.read_text())
    for before, (language, code) in zip([("", ""), *blocks], blocks, strict=False):
        if language == "python":
            compile(code, page.name, "exec")
        if language == "text":
            assert before[0] == "python" and "print(" in before[1] and code.strip()
    languages = [language for language, _ in blocks]
    for (language, code), after in zip(blocks, [*languages[1:], ""], strict=True):
        if language == "python" and "\nprint(" in f"\n{code}":
            assert after == "text" or page.stem == "recurrences", code


@pytest.mark.wide
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_print_what_they_show(page, float32):
    assert page_code.check(page) == []


def run(text):
    return [(block[2], got) for block, got in page_code.printed(text, "page.md")]


def test_a_block_of_text_shows_what_the_code_before_it_prints():
    text = "```python\nx = 2\n```\n\n```python\nprint(x)\n```\n\n```text\n2\n```\n"
    assert run(text) == [("2\n", "2\n")]


def test_a_traceback_names_the_line_of_the_page():
    with pytest.raises(ZeroDivisionError) as error:
        run("# Title\n\n```python\n1 / 0\n```\n")
    assert error.traceback[-1].lineno + 1 == 4


@pytest.mark.parametrize(
    ("shown", "got", "says"),
    [
        ("a 1.00\n", "a 1.02\n", ""),
        ("a 100\n", "a 104\n", ""),
        ("a 1.00\n", "a 1.10\n", "expected 1.00 in 'a 1.00', got 1.10"),
        ("a 100\n", "a 120\n", "expected 100 in 'a 100', got 120"),
        ("a -1.0\n", "a 1.0\n", "expected 'a -1.0', got 'a 1.0'"),
        ("a\nb\n", "a\n", "expected 2 lines, got 1"),
        ("1e-30\n", "1e-20\n", "expected 1e-30 in '1e-30', got 1e-20"),
    ],
)
def test_differences_of_more_than_rounding_are_named(shown, got, says):
    assert page_code.difference(shown, got) == says


def test_a_page_is_run_again_when_it_or_the_package_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(page_code, "SEEN", tmp_path)
    (mark,) = page_code.changed(PAGES[:1]).values()
    mark.touch()
    assert not page_code.changed(PAGES[:1])
    assert len(page_code.changed(PAGES)) == len(PAGES) - 1
