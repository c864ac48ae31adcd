"""Draws one figure with every kind of panel and saves it; run by the tests in fresh processes."""

import sys

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from rnnjax.figures import (
    BLUE,
    Frame,
    Look,
    colour_bar,
    curves,
    direct_labels,
    dot_rows,
    heat_map,
    level,
    maps,
    matrix,
    not_finite_handle,
    outcome_rows,
    overlay_contours,
    overlay_line,
    save_figure,
    scatter,
    styled,
    ticks,
)
from rnnjax.reductions import tabulate


def draw() -> Figure:
    """Draws every kind: heat maps with a gap and lines over them, curves, dots and a matrix."""
    lag, gain = np.arange(9), np.array([0.5, 1.0, 2.0])
    values = tabulate(lambda g, k: k * np.log10(g), gain=gain, lag=lag)
    hatched = values.where(values <= 2.3, np.inf)
    seeds = values + xr.DataArray(np.linspace(-0.2, 0.2, 6), dims="seed")
    ends = seeds.isel(lag=-1)
    with styled():
        frame = Frame(3, 3, n=7, height=5)
        a, b, c, d, e, f, g = frame.panels
        mesh = heat_map(a, lag, gain, hatched, limit=2, x_label="lag $k$", y_label="gain $g$")
        overlay_line(a, lag, np.ones(9))
        overlay_contours(a, lag, gain, values, levels=[-1, 1])
        colour_bar(mesh, a, label=r"$\log_{10}\|J\|$")
        maps(b, hatched, x="lag", y="gain")
        legend = curves(c, seeds, over="lag", each="gain", band="seed", theory={"theory": values})
        direct_labels(c, legend[:3])
        dot_rows(d, ends, rows="gain", median=True, beyond=2, count="finite")
        outcome_rows(e, [*ends.values], labels="abc", colours=["r", "g", "b"], failed=[0, 1, 2],
                     limits=(-3, 3))  # fmt: skip
        scatter(f, values, ends, each="gain", diagonal=True)
        matrix(g, values, rows="gain", columns="lag", number="{:.1f}".format)
        level(f, y=0, text="zero")
        ticks(f, "x", [-2, 0, 2])
        return frame.finished([*legend, Look("look", BLUE, "o").handle(), not_finite_handle()])


if __name__ == "__main__":
    save_figure(draw(), sys.argv[1], pdf=True)
    # Told on the way out: what a figure costs a reader who has no accelerator library.
    print("jax" in sys.modules, "matplotlib.pyplot" in sys.modules)
