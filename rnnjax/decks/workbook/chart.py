"""The chart of the sheet `cycles`: E over training cycles, a line for each way to train."""

from typing import Any

from rnnjax.decks.workbook.cycles import N_CYCLES, TABLE
from rnnjax.decks.workbook.layout import TRAINING
from rnnjax.figures import BLUE, GREEN, VERMILION
from rnnjax.lazy import openpyxl

_LOOKS = {"rnn": (BLUE, "circle"), "rnn+et": (VERMILION, "square"),
          "rnn+et+dx": (GREEN, "triangle")}  # fmt: skip


def error_chart(sheet: Any) -> Any:
    """Return the chart, E on a logarithmic axis.

    Args:
      sheet: `cycles`, with its table.
    """
    charts = openpyxl.chart
    chart = charts.ScatterChart()
    chart.style, chart.height, chart.width = 2, 11.5, 18
    chart.x_axis.title, chart.y_axis.title = "training cycles", "E"
    chart.x_axis.scaling.min, chart.x_axis.scaling.max = 0, N_CYCLES
    chart.x_axis.majorUnit, chart.x_axis.number_format = 5, "0"
    chart.y_axis.scaling.logBase, chart.y_axis.number_format = 10, "General"
    chart.y_axis.crosses = "min"
    chart.x_axis.crosses = "min"
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.x_axis.majorGridlines = None
    chart.legend.position = "t"
    first, last = TABLE + 1, TABLE + 1 + N_CYCLES
    cycles = charts.Reference(sheet, min_col=1, min_row=first, max_row=last)
    for column, way in enumerate(TRAINING, 2):
        errors = charts.Reference(sheet, min_col=column, min_row=first, max_row=last)
        series = charts.Series(errors, cycles, title=way)
        colour, marker = (look.lstrip("#") for look in _LOOKS[way])
        series.graphicalProperties.line.solidFill = colour
        series.graphicalProperties.line.width = 19050  # 1.5 points
        series.smooth = False
        series.marker.symbol, series.marker.size = marker, 5
        series.marker.graphicalProperties.solidFill = colour
        series.marker.graphicalProperties.line.solidFill = colour
        chart.series.append(series)
    return chart
