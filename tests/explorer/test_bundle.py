"""One HTML file out of modules."""

import re
from pathlib import Path

import pytest

from rnnjax.cli import main
from rnnjax.errors import SetupError
from rnnjax.explorer.bundle import PAGE, bundle


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "index.html").write_text((PAGE / "index.html").read_text())
    (tmp_path / "style.css").write_text("p { margin: 0; }")
    (tmp_path / "main.js").write_text('import { twice } from "./lib/b.js";\n\ntwice(1);\n')
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.js").write_text("export const TWO = 2;\n")
    text = 'import { TWO } from "./a.js";\n\nexport function twice(x) {\n  return TWO * x;\n}\n'
    (tmp_path / "lib" / "b.js").write_text(text)
    return tmp_path


def test_the_explorer_is_one_small_file_that_asks_for_nothing():
    text = bundle("main.js", "rnnjax explorer")
    assert len(text.encode()) < 500_000
    assert text.count("<script") == 1 and text.count("</script>") == 1
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert not re.search(r"^\s*(import|export)\b", text, re.MULTILINE)
    assert "default-src 'none'" in text


def test_the_committed_page_is_the_one_that_the_command_writes():
    committed = Path(__file__).parents[2] / "docs" / "explorer.html"
    assert committed.read_text(encoding="utf-8") == bundle("main.js", "rnnjax explorer")


def test_the_same_modules_are_the_same_bytes():
    assert bundle("main.js", "a title") == bundle("main.js", "a title")


def test_modules_stand_after_those_that_they_import(folder):
    text = bundle("main.js", "t", folder=folder)
    assert text.index("const TWO") < text.index("function twice") < text.index("twice(1)")
    assert "import {" not in text and "export" not in text


def test_a_name_may_stand_once(folder):
    (folder / "main.js").write_text('import { twice } from "./lib/b.js";\nconst TWO = 3;\n')
    with pytest.raises(SetupError, match=r"TWO: declared in lib/a\.js and in main\.js"):
        bundle("main.js", "t", folder=folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('import { thrice } from "./lib/b.js";\n', "exports no thrice"),
        ('import { x } from "./gone.js";\n', r"gone\.js: cannot be read"),
        ('import x from "./lib/b.js";\n', "expected imports and declarations by name"),
        ("export default 3;\n", "expected imports and declarations by name"),
        ('import { twice as x } from "./lib/b.js";\n', "expected a name"),
        ('import { TWO } from "./main.js";\nexport const A = 1;\n', "imported in a circle"),
    ],
)
def test_what_cannot_be_put_together_is_refused_in_one_line(folder, text, message):
    (folder / "main.js").write_text(text)
    with pytest.raises(SetupError, match=message) as caught:
        bundle("main.js", "t", folder=folder)
    assert "\n" not in str(caught.value)


def test_nothing_ends_the_script_or_leaves_the_data(folder):
    (folder / "main.js").write_text('const a = "</script><!-- <b>";\n')
    hostile = {"name": "</script><script>alert(1)</script>", "dash": "\u2028"}
    text = bundle("main.js", "<i>&{script}", hostile, folder=folder)
    assert text.count("</script>") == 2 and "<!-- <b>" not in text
    assert "<i>" not in text and "alert(1)<" not in text


def test_no_module_is_long():
    for path in PAGE.rglob("*.js"):
        assert len(path.read_text().splitlines()) < 300, path.name


def test_the_command_writes_the_page_once(tmp_path, capsys):
    out = tmp_path / "new" / "explorer.html"
    assert main(["explorer", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == bundle("main.js", "rnnjax explorer")
    assert str(out) in capsys.readouterr().out
    out.write_text("mine")
    assert main(["explorer", str(out)]) == 2
    assert out.read_text() == "mine" and "give --replace" in capsys.readouterr().err
    assert main(["explorer", "--replace", str(out)]) == 0
    assert main(["explorer", str(tmp_path / "page.txt")]) == 2
    assert "expected a name that ends in .html" in capsys.readouterr().err


def test_a_place_that_can_hold_no_page_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("a file where a folder is needed")
    assert main(["explorer", str(tmp_path / "file" / "page.html")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "cannot be written: " in error and "is no folder" in error
