"""README and first pages as their reader will use them: Python runs, every command exists."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import generated_pages
import pytest

import rnnjax
from rnnjax.sweep.config import parse_config
from rnnjax.sweep.experiment import load

ROOT = Path(rnnjax.__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
SWEEP = (ROOT / "docs" / "start" / "first_sweep.md").read_text()


def blocks(language, text=TEXT):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


NUMBER = re.compile(r"\d+(?:\.\d+)?")


def assert_printed(shown, printed):
    """Every line shown was printed, in this order, with its numbers but for the last digits."""
    lines = iter(printed.splitlines())
    for line in filter(None, shown.splitlines()):
        for candidate in lines:
            if NUMBER.sub("#", candidate).split() == NUMBER.sub("#", line).split():
                break
        else:
            pytest.fail(f"not printed: {line}")
        got, expected = ([float(n) for n in NUMBER.findall(text)] for text in (candidate, line))
        assert got == pytest.approx(expected, rel=0.1, abs=1)


def commands():
    """Every command of the first pages and of the table of experiments."""
    text = f"{TEXT}{SWEEP}{generated_pages.commands_table()}"
    inline = re.findall(r"`(rnnjax [a-z][^`]*)`", text)
    lines = "\n".join([*blocks("console", text), *inline]).splitlines()
    told = dict.fromkeys(line.partition("#")[0].strip() for line in lines)
    return [command for command in told if re.match(r"(\.venv/bin/)?rnnjax ", command)]


def test_the_readme_is_short():
    assert len(TEXT.splitlines()) <= 120


@pytest.mark.wide
def test_the_python_of_the_readme_runs_from_top_to_bottom(float32, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    (shown,) = blocks("text")
    assert_printed(shown, capsys.readouterr().out)
    assert names["cube"].sizes == {
        "activation": 1, "gain": 3, "seed": 4, "lag": 65, "length": 64,
    }  # fmt: skip


def test_the_sweep_of_the_first_page_is_valid():
    (text,) = blocks("toml", SWEEP)
    config = parse_config(load("gradient_norms").setting, tomllib.loads(text))
    lengths = {axis.name: len(axis) for axis in config.axes}
    assert config.fixed.n_steps == 512 and lengths["gain"] == 51


# Every command in one process, as by `python -m rnnjax.cli`: starting takes longer than they do.
IN_ONE_PROCESS = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from rnnjax.cli import main
results = []
for words in json.load(sys.stdin):
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code
    results.append((code or 0, err.getvalue()))
print(json.dumps(results))
"""


def test_commands_of_the_readme_are_understood(tmp_path_factory):
    told = commands()
    words = [_harmless(command, tmp_path_factory.mktemp("command")) for command in told]
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS],
        cwd=ROOT, input=json.dumps(words), capture_output=True, text=True, check=True,
    )  # fmt: skip
    results = dict(zip(told, json.loads(done.stdout), strict=True))
    assert len(results) > 30
    assert {command: message for command, (status, message) in results.items() if status} == {}


def _harmless(command, tmp_path):
    """`run` is planned instead of run; commands on folders that it makes only show their help."""
    words = shlex.split(command)[1:]
    if words[0] in ("resume", "status", "verify", "figure", "export"):
        words = [words[0], "--help"]
    if words[0] in ("workbook", "new"):
        words[1] = str(tmp_path / words[1])
    if "--config" in words and not (ROOT / words[words.index("--config") + 1]).exists():
        words[words.index("--config") + 1] = str(tmp_path / "my_sweep.toml")
        (tmp_path / "my_sweep.toml").write_text(blocks("toml", SWEEP)[0])
    if words[0] == "run" and "--help" not in words:
        words[0] = "plan"
        if "--out" in words:
            del words[words.index("--out") : words.index("--out") + 2]
    return words


def test_make_knows_the_targets_of_the_readme():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("console")), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / link).exists(), link
