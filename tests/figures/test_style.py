"""The house style, there inside the block and gone after it; and what an import loads."""

import os
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import matplotlib
import pytest
from matplotlib.figure import Figure

from rnnjax import figures
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


@pytest.mark.parametrize("statement", ["import rnnjax.figures", "from rnnjax.claims import Claim"])
def test_claims_are_there_without_jax_xarray_and_matplotlib(statement):
    root = Path(__file__).parents[2]
    heavy = {"jax", "flax", "xarray", "matplotlib", "numpy"}
    code = f"import sys; {statement}; print({heavy} & set(sys.modules))"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "set()"


def test_a_public_name_stays_what_it_is_after_every_module_is_imported():
    modules = {module.name for module in pkgutil.iter_modules(figures.__path__)}
    for module in modules:
        import_module(f"rnnjax.figures.{module}")
    assert not modules & set(figures.__all__)
    for name in figures.__all__:
        assert not isinstance(getattr(figures, name), ModuleType), name
    assert set(figures.__all__) <= set(dir(figures))
    with pytest.raises(AttributeError, match="heat_mapp"):
        _ = figures.heat_mapp


def test_panels_are_lettered_in_order():
    axes = Figure().subplots(2, 2)
    letter_panels(axes.flat)
    assert [ax.get_title(loc="left") for ax in axes.flat] == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="27"):
        letter_panels(list(axes.flat) * 6 + list(axes.flat)[:3])
