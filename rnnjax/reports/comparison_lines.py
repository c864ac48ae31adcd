"""A comparison in a terminal: a table a layer, with what became of its alarms."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rnnjax.errors import printable
from rnnjax.reports.comparison import Comparison, Row
from rnnjax.reports.terminal import heading, line


def comparison_lines(comparison: Comparison) -> Group:
    """Lay a comparison out for rich."""
    before, after = comparison.titles
    worse = any(row.alarm == "new" for row in comparison.rows)
    parts: list[RenderableType] = [
        heading(f"{before} -> {after}"),
        Text(comparison.verdict, style="bold red" if worse else "bold green"),
        *(line(note, "dim") for note in comparison.notes),
    ]
    for layer in ("", *comparison.layers):
        if rows := comparison.of_layer(layer):
            parts += [Text(), heading(layer or "All parameters"), _table(rows, comparison.titles)]
    return Group(*parts)


def _table(rows: tuple[Row, ...], titles: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", *titles, "difference", "alarm"):
        table.add_column(Text(printable(name)), overflow="fold")
    for row in rows:
        style = "bold red" if row.alarm in ("new", "stays") else ""
        cells = (row.name, *row.texts(), row.alarm)
        table.add_row(*(Text(printable(cell)) for cell in cells), style=style)
    return table
