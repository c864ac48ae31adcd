"""A report as one HTML page that needs no other file, no script and no network.

The page is a function of the report alone: the same report gives the same bytes.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnnjax.reports.chart import Bars, Chart
from rnnjax.reports.charts import charts
from rnnjax.reports.finding import Finding
from rnnjax.reports.overview import HEADS, cells
from rnnjax.reports.readings import Reading
from rnnjax.reports.remedy import Remedy
from rnnjax.reports.report import Report
from rnnjax.reports.source_date import source_date
from rnnjax.reports.svg import svg, text_of
from rnnjax.reports.wording import count, quantity

_STYLE = Path(__file__).with_name("page.css")
# With these two, the page of a program with many layers stays below 500 kB.
MOST_LAYERS_DRAWN = 12
"""Layers with a section of their own: those with alarms, then the first ones."""

_POINTS = 4_500
_CURVES_A_LAYER = 6


def page(report: Report) -> str:
    """Write the whole page."""
    title = f"Diagnosis of {report.title}" if report.title else "Diagnosis"
    return document(title, _body(report))


def fragment(report: Report) -> str:
    """Write the same for a notebook: one element with its own style."""
    return f"<style>{style()}</style>{element(_body(report))}"


def document(title: str, body: Iterator[str]) -> str:
    """Wrap the parts of a body into a page.

    Args:
        title: of the page; escaped here.
        body: HTML that is already escaped.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text_of(title)}</title>\n<style>\nbody {{ margin: 0 }}\n"
        "@media (prefers-color-scheme: dark) { body { background: #14171a } }\n"
        "@media print { body { background: #ffffff } }\n"
        f"{style()}</style></head>\n<body>{element(body)}</body></html>\n"
    )


def element(body: Iterator[str]) -> str:
    """Wrap the parts of a body into the element to which the style applies."""
    return '<main class="rnnjax">\n' + "\n".join(body) + "\n</main>"


def style() -> str:
    """The style sheet, which only concerns elements of class `rnnjax`."""
    return _STYLE.read_text(encoding="utf-8")


def _body(report: Report) -> Iterator[str]:
    yield f"<h1>{text_of(report.title or 'Diagnosis')}</h1>"
    yield f'<p class="about">{text_of(_sizes(report))}</p>'
    yield from _verdict(report)
    drawn = _drawn(report)
    if len(report.layers) > 1:
        yield from _overview(report, drawn)
    if of_program := report.of_layer(""):
        yield "<h2>All parameters</h2>"
        yield table(of_program)
    n_points = min(160, _POINTS // (_CURVES_A_LAYER * max(len(drawn), 1)))
    for i, reading in enumerate(report.readings):
        if i in drawn:
            yield from _layer(report, reading, i, n_points)
    yield from _remedies(report.remedies)
    if report.unmeasured:
        yield "<h2>Not measured</h2>"
        yield f"<ul>{''.join(f'<li>{text_of(reason)}</li>' for reason in report.unmeasured)}</ul>"
    yield from provenance(report)
    yield method()


def _verdict(report: Report) -> Iterator[str]:
    kind = "verdict alarm" if report.alarms else "verdict"
    yield f'<p class="{kind}">{text_of(report.verdict)}</p>'
    if report.alarms:
        items = "".join(f"<li>{_alarm(found)}</li>" for found in report.alarms)
        yield f'<ul class="alarms">{items}</ul>'


def _alarm(found: Finding) -> str:
    where = f"<strong>{text_of(found.layer)}</strong>: " if found.layer else ""
    return f"{where}{text_of(found.statement)}"


def _overview(report: Report, drawn: set[int]) -> Iterator[str]:
    yield '<nav aria-labelledby="layers"><h2 id="layers">Layers</h2>'
    left = len(report.layers) - len(drawn)
    if left:
        yield f"<p>{count(left, 'layer')} without a section of their own below.</p>"
    heads = "".join(f'<th scope="col">{text_of(name)}</th>' for name in ("Layer", *HEADS))
    rows = []
    for i, reading in enumerate(report.readings):
        name = text_of(reading.layer)
        shown = f'<a href="#layer-{i}">{name}</a>' if i in drawn else name
        numbers = "".join(
            f'<td data-label="{text_of(head)}">{text_of(cell)}</td>'
            for head, cell in zip(HEADS, cells(report, reading), strict=True)
        )
        rows.append(f'<tr><th scope="row">{shown}</th>{numbers}</tr>')
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></nav>"


def _layer(report: Report, reading: Reading, index: int, n_points: int) -> Iterator[str]:
    yield f'<section aria-labelledby="layer-{index}">'
    yield f'<h2 id="layer-{index}">{text_of(reading.layer)}</h2>'
    about = [reading.text("line"), reading.text("state")]
    about += [count(reading.length, "step")] if reading.length == reading.length else []
    about += ["reads its sequence from the end"] if reading.reversed else []
    yield f'<p class="about">{text_of(", ".join(part for part in about if part))}</p>'
    if drawn := charts(reading):
        yield panels(drawn, f"l{index}", n_points)
    if found := report.of_layer(reading.layer):
        yield table(found)
    yield "</section>"


def panels(drawn: Sequence[Chart | Bars], name: str, n_points: int) -> str:
    """Draw charts side by side, as many as there is room for.

    Args:
        drawn: the charts.
        name: a word that no other group of the page has.
        n_points: about how many points a curve keeps.
    """
    figures = (
        f"<figure><figcaption>{text_of(chart.title)}<small>{text_of(chart.note)}</small>"
        f"</figcaption>{svg(chart, f'{name}-{i}', n_points)}</figure>"
        for i, chart in enumerate(drawn)
    )
    return f'<div class="charts">{"".join(figures)}</div>'


def table(found: Sequence[Finding]) -> str:
    """Write findings as a table with number, threshold and source."""
    heads = ("Finding", "Number", "What was measured", "Threshold and source")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    rows = "".join(map(_row, found))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(found: Finding) -> str:
    tag = '<span class="tag">Alarm</span> ' if found.alarm else ""
    number = quantity(found.number, found.unit, found.error)
    level = "" if found.threshold is None else quantity(found.threshold, found.threshold_unit)
    source = "; ".join(part for part in (level, found.source) if part)
    return (
        f'<tr><th scope="row">{tag}{text_of(found.name)}</th>'
        f'<td class="number">{text_of(number)}</td>'
        f"<td>{text_of(found.statement)} <small>Compared with {text_of(found.compared_with)}."
        f'</small></td><td data-label="Threshold">{text_of(source or "none")}</td></tr>'
    )


def _remedies(remedies: Sequence[Remedy]) -> Iterator[str]:
    if not remedies:
        return
    yield "<h2>Remedies, as measured</h2>"
    heads = ("Change", "Number", "Before", "After", "What was measured")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    rows = "".join(
        f'<tr><th scope="row">{text_of(f"{r.layer}: " if r.layer else "")}{text_of(r.action)}</th>'
        f"<td>{text_of(r.name)}</td>"
        f'<td class="number" data-label="Before">{text_of(quantity(r.number_before, r.unit))}</td>'
        f'<td class="number" data-label="After">{text_of(quantity(r.number_after, r.unit))}</td>'
        f"<td>{text_of(r.statement)}</td></tr>"
        for r in remedies
    )
    yield f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def provenance(report: Report, title: str = "Where this comes from") -> Iterator[str]:
    """Write with what, when and on how much a diagnosis was made."""
    attrs = report.dataset.attrs
    date = attrs.get("date") or source_date()
    entry = {
        "rnnjax": attrs.get("rnnjax_version"),
        "JAX": attrs.get("jax_version"),
        "Date": date,
        "Examples": attrs.get("n_examples"),
        "Examples looked at closely": attrs.get("n_closer"),
        "Number format": attrs.get("dtype"),
    }
    entries = "".join(
        f"<dt>{name}</dt><dd>{text_of(value)}</dd>"
        for name, value in entry.items()
        if value is not None
    )
    yield f"<h2>{text_of(title)}</h2>"
    yield f"<dl>{entries}</dl>"


def method() -> str:
    """Say what medians, bands and units mean."""
    return (
        "<p>Medians are over examples; bands run from the 10 % to the 90 % quantile, or from the "
        "least to the greatest where there are fewer than 5 examples. Logarithms are natural "
        "(nat); a decade is a factor of 10.</p>"
    )


def _drawn(report: Report) -> set[int]:
    """Choose the layers that have charts: all, or those with alarms before the others."""
    alarmed = {found.layer for found in report.alarms}
    order = sorted(range(len(report.layers)), key=lambda i: report.layers[i] not in alarmed)
    return set(itertools.islice(order, MOST_LAYERS_DRAWN))


def _sizes(report: Report) -> str:
    n = report.dataset.attrs.get("n_examples", report.dataset.sizes.get("example", 0))
    return f"{count(len(report.layers), 'recurrent layer')}, {count(float(n), 'example')}"
