"""A report as a figure: a row of panels a layer, one column a measurement."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from rnnjax.figures import PAGE_WIDTH, styled
from rnnjax.reports.chart import Bars, Chart
from rnnjax.reports.charts import charts
from rnnjax.reports.panels import draw, plain
from rnnjax.reports.report import Report

_ROW = 2.2  # inches
_PANEL = PAGE_WIDTH / 3


def figure(report: Report) -> Figure:
    """Draw a report; what was not measured leaves its panel empty.

    Returns:
        A figure of 2.2 inches a layer, for `rnnjax.figures.save_figure`.

    Raises:
        ValueError: nothing that can be drawn was measured on any layer.
    """
    rows = [(reading.layer, charts(reading)) for reading in report.readings]
    return grid([row for row in rows if row[1]], report.title)


def grid(rows: Sequence[tuple[str, Sequence[Chart | Bars]]], title: str) -> Figure:
    """Draw named rows of charts, charts of one title below each other.

    Raises:
        ValueError: there is no chart.
    """
    columns = list(dict.fromkeys(chart.title for _, drawn in rows for chart in drawn))
    if not columns:
        raise ValueError("dataset: expected a measurement that can be drawn, got none")
    with styled():
        whole = Figure(figsize=(_PANEL * len(columns), _ROW * len(rows) + 0.3))
        axes = whole.subplots(len(rows), len(columns), squeeze=False)
        for (name, drawn), panels in zip(rows, axes, strict=True):
            for ax in panels:
                ax.set_visible(False)
            for chart in drawn:
                ax = panels[columns.index(chart.title)]
                ax.set_visible(True)
                draw(ax, chart)
            first = next(ax for ax in panels if ax.get_visible())
            # The only title of two lines: the layer, then what the panel shows.
            message = f"{plain(name)}\n{first.get_title('left')}"
            first.set_title(message, loc="left", parse_math=False)
        if title:
            whole.suptitle(plain(title), parse_math=False, x=0.01, ha="left", fontweight="bold")
    return whole
