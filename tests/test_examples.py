"""Every example runs: one from start to page in every run, of the others what they consist of."""

import re
import runpy
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import rnnjax

FOLDER = Path(rnnjax.__file__).parent.parent / "examples"
PROGRAMS = sorted(FOLDER.glob("*.py"))
PAGES = sorted(FOLDER.glob("pages/*.html"))


@pytest.fixture
def names(float32, monkeypatch):
    """What a program defines, without being run as a command."""
    monkeypatch.syspath_prepend(FOLDER)
    yield lambda stem: runpy.run_path(str(FOLDER / f"{stem}.py"))
    sys.modules.pop("characters", None)


def run(stem, page, monkeypatch):
    monkeypatch.setattr(sys, "argv", [stem, str(page)])
    return runpy.run_path(str(FOLDER / f"{stem}.py"), run_name="__main__")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_is_short_and_begins_with_what_it_answers(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 60
    assert lines[0].endswith("?") or path.stem == "train_torch_weights"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_small_and_needs_nothing_else(path):
    page = path.read_text()
    assert len(page) < 500_000
    assert not re.search(r"<script|\bsrc=|https?://|url\(", page)


def test_every_diagnosis_has_its_page_and_every_page_is_linked():
    stems = {p.stem for p in PROGRAMS} - {"train_torch_weights"}
    assert stems == {page.stem for page in PAGES}
    text = (FOLDER.parent / "docs" / "howto" / "examples.md").read_text()
    for path in (*PROGRAMS, *PAGES):
        assert path.name in text


@pytest.mark.slow
def test_eeg_from_start_to_page(float32, monkeypatch, tmp_path):
    ran = run("eeg", tmp_path / "page.html", monkeypatch)
    assert ran["error"] < 0.9 * ran["no_change"]
    assert not ran["report"].alarms
    assert "eeg.py" in (tmp_path / "page.html").read_text()


@pytest.mark.wide
def test_the_characters_are_those_that_were_trained(names):
    pytest.importorskip("safetensors")
    of = names("train_characters")
    characters = sys.modules["characters"]
    text = characters.TEXT[characters.N_SEEN :]
    pieces = np.stack([text[i : i + 101] for i in range(0, 40_000, 2_000)])
    before, after = (
        float(jax.vmap(characters.losses, (None, 0))(params, pieces).mean())
        for params in (characters.untrained, characters.trained)
    )
    assert before == pytest.approx(np.log(128), abs=0.1)
    assert after < 2.0  # text of another release of Python is another text
    of["train"].__globals__.update(N_UPDATES=2, BATCH_SIZE=2)
    params = of["train"](characters.untrained, np.random.default_rng(0))
    assert jax.vmap(characters.losses, (None, 0))(params, pieces).mean() < before


@pytest.mark.wide
def test_the_lstm_of_pytorch_adds(names):
    pytest.importorskip("safetensors")
    of = names("torch_weights")
    examples = jax.vmap(of["task"].sample)(jax.random.split(jax.random.key(1), 200))
    assert jax.vmap(of["loss"], (None, 0))(of["params"], examples).mean() < 0.01
    first = jax.tree.map(lambda a: a[0], examples)
    assert rnnjax.recurrences(of["loss"], of["params"], first)[0].length == 40


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["characters", "torch_weights"])
def test_the_others_from_start_to_page(stem, float32, monkeypatch, tmp_path):
    pytest.importorskip("safetensors")
    ran = run(stem, tmp_path / "page.html", monkeypatch)
    assert not ran["report"].alarms
    assert f"{stem}.py" in (tmp_path / "page.html").read_text()
