"""Film strips: one panel a frame, with limits in common and what stands behind."""

import numpy as np
import pytest
import xarray as xr

from rnnjax import figures


def strip(n_frames=3):
    update, lag = 50 * np.arange(n_frames), np.arange(5)
    values = xr.DataArray(
        -lag * (1 + np.arange(n_frames)[:, None]), {"update": update, "lag": lag}, ("update", "lag")
    )
    behind = xr.DataArray(
        np.linspace(-3, 0.2, 4) * np.ones((n_frames, 1)), {"update": update}, ("update", "index")
    )
    return values, behind


def test_each_frame_shows_its_curve_and_its_time():
    values, behind = strip()
    frame = figures.Frame(1, 3, height=1.5)
    look = figures.Look("tanh", figures.BLUE)
    figures.film_strip(
        frame.panels, values, over="lag", frames="update", look=look, behind=behind,
        xlabel="lag", ylabel="norm",
    )  # fmt: skip
    for panel, update in zip(frame.panels, values["update"].values, strict=True):
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), values.sel(update=update))
        assert panel.texts[0].get_text().endswith(str(update))
        assert panel.get_ylim() == frame.panels[0].get_ylim() == (-12.3, 0.3)
    assert frame.panels[0].get_ylabel() == "tanh: norm"
    assert [panel.get_xlabel() for panel in frame.panels] == ["", "lag", ""]
    above = [ax for ax in frame.figure.axes if ax not in frame.panels]
    assert len(above) == 3 and above[0].get_xlim() == (-3, 0.5)


def test_as_many_panels_as_frames_are_needed():
    values, _ = strip()
    frame = figures.Frame(1, 2, height=1.5)
    with pytest.raises(ValueError, match="expected 3 panels, one for each frame, got 2"):
        figures.film_strip(
            frame.panels, values, over="lag", frames="update", look=figures.Look("", "red")
        )
