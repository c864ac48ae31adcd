"""A report in a terminal: the verdict, the alarms, a line a layer, and every finding.

Names come from the program that was diagnosed. They are written as text, never as markup, and what
is not printable is escaped.
"""

import io
import math
from collections.abc import Iterator

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rnnjax.errors import printable
from rnnjax.reports.finding import Finding
from rnnjax.reports.overview import HEADS, cells
from rnnjax.reports.readings import Reading
from rnnjax.reports.report import Report
from rnnjax.reports.wording import amount, count

_WIDTH = 100
_BLOCKS = "▁▂▃▄▅▆▇█"
_CELLS = 12
_NAME_WIDTH = 12


def plain(content: RenderableType, width: int = _WIDTH) -> str:
    """Render to text without colours, `width` columns wide, without spaces at the ends of lines."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(content)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip().splitlines())


def report_lines(report: Report) -> Group:
    """Lay a report out for rich."""
    parts: list[RenderableType] = [heading(report.title or "diagnosis"), _sizes(report)]
    colour = "bold red" if report.alarms else "bold green"
    parts += [Text(report.verdict, style=colour), *map(alarm, report.alarms)]
    if report.layers:
        parts += [Text(), summary(report), *_details(report)]
    if report.remedies:
        parts += [Text(), heading("Remedies, as measured"), *_remedies(report)]
    if report.unmeasured:
        parts += [Text(), heading("Not measured"), *(line(text) for text in report.unmeasured)]
    return Group(*parts)


def heading(text: str) -> Text:
    """A line of its own."""
    return Text(printable(text), style="bold")


def line(text: str, style: str = "", indent: int = 2) -> Padding:
    """A sentence that is indented, also where it is wrapped."""
    return Padding(Text(printable(text), style=style), (0, 0, 0, indent))


def alarm(found: Finding) -> Table:
    """An alarm with its layer."""
    where = f"{found.layer}: " if found.layer else ""
    return _hanging("ALARM", f"{where}{found.statement}", "bold red")


def summary(report: Report) -> Table:
    """A row a layer with the numbers that are asked for most."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    # Of 80 columns the others leave as many as this: only a longer name is folded.
    fits = all(len(reading.layer) <= _NAME_WIDTH for reading in report.readings)
    table.add_column("layer", overflow="ellipsis" if fits else "fold", no_wrap=fits)
    for name in ("by lag", *HEADS):
        table.add_column(name, no_wrap=True)
    for reading in report.readings:
        first = (printable(reading.layer), sparkline(reading))
        table.add_row(*(Text(cell) for cell in (*first, *cells(report, reading))))
    return table


def sparkline(reading: Reading) -> str:
    """The median gradient by lag in blocks, lag 0 at the left; a space is an exact 0."""
    curve = reading.gradient.median
    finite = np.isfinite(curve)
    if not finite.any():
        return "–"
    runs = np.array_split(curve, min(_CELLS, len(curve)))
    means = [float(np.mean(run)) if np.isfinite(run).all() else math.nan for run in runs]
    top = float(curve[finite].max())
    # Of at least two decades, so that a curve that hardly falls looks like one.
    depth = max(top - float(curve[finite].min()), 2 * math.log(10))
    heights = [1 - (top - mean) / depth for mean in means]
    return "".join(
        " " if math.isnan(h) else _BLOCKS[round(h * (len(_BLOCKS) - 1))] for h in heights
    )


def _details(report: Report) -> Iterator[RenderableType]:
    for layer in ("", *report.layers):
        here = report.of_layer(layer)
        if not here:
            continue
        yield Text()
        yield heading(layer or "All parameters")
        where = {r.layer: r for r in report.readings}.get(layer)
        if where is not None:
            about = [where.text("line"), where.text("state")]
            about += ["reads from the end"] if where.reversed else []
            yield line(", ".join(part for part in about if part), "dim")
        for found in here:
            yield _hanging("ALARM" if found.alarm else "", found.statement,
                           "bold red" if found.alarm else "")  # fmt: skip


def _remedies(report: Report) -> Iterator[RenderableType]:
    for remedy in report.remedies:
        where = f"{remedy.layer}: " if remedy.layer else ""
        numbers = f"{amount(remedy.number_before)} -> {amount(remedy.number_after)} {remedy.unit}"
        yield line(f"{where}{remedy.statement} ({remedy.name} {numbers})")


def _sizes(report: Report) -> Text:
    attrs = report.dataset.attrs
    n = attrs.get("n_examples", report.dataset.sizes.get("example", 0))
    parts = [count(float(n), "example"), count(len(report.layers), "layer")]
    parts += [str(attrs[name]) for name in ("dtype",) if name in attrs]
    closer = attrs.get("n_closer")
    if closer is not None and closer != n:
        parts.insert(1, f"{count(float(closer), 'example')} looked at closely")
    return Text(printable(", ".join(parts)), style="dim")


def _hanging(label: str, text: str, style: str) -> Table:
    table = Table.grid(padding=(0, 1, 0, 2))
    table.add_column(width=5)
    table.add_column(overflow="fold")
    table.add_row(Text(label, style=style), Text(printable(text)))
    return table
