"""The house style: there inside the block, gone after it, and without jax."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from rnnjax.figures import letter_panels, styled


def test_style_holds_inside_the_block_only():
    with matplotlib.rc_context({"font.size": 23, "pdf.fonttype": 3, "axes.grid": True}):
        with styled():
            rc = matplotlib.rcParams
            assert (rc["font.size"], rc["pdf.fonttype"], rc["svg.hashsalt"]) == (8, 42, "rnnjax")
            assert rc["axes.grid"] is False  # the user's own settings are set aside
            figure = Figure()
            assert not figure.subplots().spines["top"].get_visible()
            assert figure.get_layout_engine() is not None
        assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["pdf.fonttype"]) == (23, 3)


def test_settings_come_back_after_an_error():
    before = matplotlib.rcParams["font.size"]
    with pytest.raises(KeyError), styled():
        raise KeyError
    assert matplotlib.rcParams["font.size"] == before


def test_importing_figures_imports_no_jax_and_no_xarray():
    root = Path(__file__).parents[2]
    code = "import sys, rnnjax.figures; print({'jax', 'flax', 'xarray'} & set(sys.modules))"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "set()"


def test_panels_are_lettered_in_order():
    axes = Figure().subplots(2, 2)
    letter_panels(axes.flat)
    assert [ax.get_title(loc="left") for ax in axes.flat] == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="27"):
        letter_panels(list(axes.flat) * 6 + list(axes.flat)[:3])
