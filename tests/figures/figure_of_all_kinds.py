"""Draws one figure with every kind of panel and saves it; run by the tests in fresh processes."""

import sys

import numpy as np
from matplotlib.figure import Figure

from rnnjax.figures import (
    colour_bar,
    curve_handles,
    decay_curves,
    heat_map,
    letter_panels,
    not_finite_handle,
    ordered_colours,
    overlay_contours,
    overlay_line,
    save_figure,
    styled,
)


def draw() -> Figure:
    """Draws a heat map with a gap, lines over it, and decay curves with a theory."""
    lag, gain = np.arange(9), np.array([0.5, 1.0, 2.0])
    values = np.outer(np.log10(gain), lag)
    hatched = np.where(values > 2.3, np.inf, values)
    with styled():
        figure = Figure(figsize=(5, 2.2))
        left, right = figure.subplots(1, 2)
        mesh = heat_map(left, lag, gain, hatched, limit=2, x_label="lag $k$", y_label="gain $g$")
        overlay_line(left, lag, np.ones(9))
        overlay_contours(left, lag, gain, values, levels=[-1, 1])
        colour_bar(mesh, left, label=r"$\log_{10}\|J\|$")
        labels, colours = ["0.5", "1", "2"], ordered_colours(3)
        seeds = [row + np.linspace(-0.2, 0.2, 6)[:, None] for row in values]
        decay_curves(right, lag, seeds, labels=labels, colours=colours, theory=[values])
        letter_panels([left, right])
        handles = [*curve_handles(labels, colours, ["theory"]), not_finite_handle()]
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


if __name__ == "__main__":
    save_figure(draw(), sys.argv[1])
    # Told on the way out: what a figure costs a reader who has no accelerator library.
    print("jax" in sys.modules, "matplotlib.pyplot" in sys.modules)
