"""The notebooks run from top to bottom; what they say of numbers is what they find."""

import re
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import rnnjax
from rnnjax.reductions import crossing

FOLDER = Path(rnnjax.__file__).parent.parent / "docs" / "notebooks"
NOTEBOOKS = sorted(page for page in FOLDER.glob("*.md") if page.stem != "index")


def cells(notebook):
    return re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```$", notebook.read_text(), re.M | re.S)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebook_is_one_and_its_cells_compile(notebook):
    text = notebook.read_text()
    assert text.startswith("---\nfile_format: mystnb\nkernelspec:\n  name: python3\n")
    assert len(cells(notebook)) >= 5 and text.count("{code-cell}") == len(cells(notebook))
    for cell in cells(notebook):
        compile(cell, notebook.name, "exec")


@pytest.fixture
def run(float32, monkeypatch):
    """The names that the cells of a notebook leave behind, and the seconds of CPU they took."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))

    def of_notebook(stem):
        notebook, names, start = FOLDER / f"{stem}.md", {}, time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for cell in cells(notebook):
                exec(compile(cell, notebook.name, "exec"), names)
        plt.close("all")
        return names | {"seconds": time.process_time() - start}

    return of_notebook


@pytest.mark.wide
def test_the_lecture(run, capsys):
    names = run("lecture")
    printed = capsys.readouterr().out
    assert "weights with order: [-1.  2.]" in printed
    assert names["y"] == pytest.approx(names["by_hand"], abs=1e-6)
    assert 0 < names["off"] < 0.1
    assert names["clipped"][-1] / names["clipped"].sum() == pytest.approx(0.9827, abs=1e-3)


@pytest.mark.wide
def test_the_own_model_learns_and_its_horizon_grows(run):
    names = run("own_model")
    assert names["losses"][-50:].mean() < 0.05 < names["losses"][0]
    windows = [
        next(f.number for f in names[when].findings if f.name == "window")
        for when in ("before", "after")
    ]
    assert windows[1] > 2 * windows[0]


@pytest.mark.wide
def test_the_sweep_finds_the_critical_gains(run, capsys):
    rate = run("sweep_in_python")["rate"].median("seed")
    names = ("identity", "tanh", "relu")
    critical = {n: float(crossing(rate.sel(activation=n), "gain")) for n in names}
    assert critical["identity"] == pytest.approx(1, abs=0.05)
    assert critical["relu"] == pytest.approx(2**0.5, abs=0.1)
    assert critical["tanh"] > critical["relu"]
