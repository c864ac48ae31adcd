"""A comparison as one HTML page, in the style of the page of a report."""

from collections.abc import Iterator

from rnnjax.reports.comparison import Comparison, Row
from rnnjax.reports.comparison_charts import charts
from rnnjax.reports.page import (
    MOST_LAYERS_DRAWN,
    document,
    element,
    method,
    panels,
    provenance,
    style,
)
from rnnjax.reports.svg import text_of

_N_POINTS = 60


def page(comparison: Comparison) -> str:
    """Write the whole page."""
    return document(f"Comparison of {' and '.join(comparison.titles)}", _body(comparison))


def fragment(comparison: Comparison) -> str:
    """Write the same for a notebook: one element with its own style."""
    return f"<style>{style()}</style>{element(_body(comparison))}"


def _body(comparison: Comparison) -> Iterator[str]:
    before, after = map(text_of, comparison.titles)
    worse = any(row.alarm == "new" for row in comparison.rows)
    yield f"<h1>{before} → {after}</h1>"
    yield f'<p class="verdict{" alarm" if worse else ""}">{text_of(comparison.verdict)}</p>'
    if comparison.notes:
        yield f"<ul>{''.join(f'<li>{text_of(note)}</li>' for note in comparison.notes)}</ul>"
    if rows := comparison.of_layer(""):
        yield "<h2>All parameters</h2>"
        yield _table(rows, comparison.titles)
    for i, layer in enumerate(comparison.layers):
        drawn, rows = i < MOST_LAYERS_DRAWN, comparison.of_layer(layer)
        if not drawn:  # keeps the page small: only what became of alarms
            rows = tuple(row for row in rows if row.alarm)
        if not rows:
            continue
        yield f'<section aria-labelledby="layer-{i}"><h2 id="layer-{i}">{text_of(layer)}</h2>'
        if drawn and (pictures := tuple(charts(comparison, layer))):
            yield panels(pictures, f"c{i}", _N_POINTS)
        yield _table(rows, comparison.titles)
        yield "</section>"
    if len(comparison.layers) > MOST_LAYERS_DRAWN:
        yield f"<p>Of the layers after the first {MOST_LAYERS_DRAWN} only alarms are shown.</p>"
    for name, report in zip(comparison.titles, (comparison.report, comparison.other), strict=True):
        yield from provenance(report, f"Where “{name}” comes from")
    yield method()


def _table(rows: tuple[Row, ...], titles: tuple[str, str]) -> str:
    heads = ("Finding", *titles, "Difference", "Alarm")
    head = "".join(f'<th scope="col">{text_of(name)}</th>' for name in heads)
    body = "".join(_row(row, heads) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Row, heads: tuple[str, ...]) -> str:
    numbers = "".join(
        f'<td class="number" data-label="{text_of(name)}">{text_of(text)}</td>'
        for name, text in zip(heads[1:4], row.texts(), strict=True)
    )
    fate = f'<span class="tag">{row.alarm}</span>' if row.alarm in ("new", "stays") else row.alarm
    return (
        f'<tr><th scope="row">{text_of(row.name)}</th>{numbers}'
        f'<td data-label="Alarm">{fate or "none"}</td></tr>'
    )
