"""Two reports side by side: before and after training, or two models.

Layers are matched by name, findings by layer and name. What only one report has is said, not left
out. The standard error of a difference takes the two reports as independent; where they used the
same examples it is an upper bound as long as the two numbers rise and fall together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rnnjax import reports
from rnnjax.atomic_file import write_atomically
from rnnjax.errors import shown
from rnnjax.lazy import matplotlib
from rnnjax.reports.finding import Finding
from rnnjax.reports.report import Report
from rnnjax.reports.wording import amount, count, quantity, with_error


@dataclass(frozen=True)
class Row:
    """One number of a layer in two reports.

    Attributes:
        layer: name of the layer; "" for the whole program.
        name: of the finding.
        before: the finding of the first report; None if it has none of this name.
        after: the finding of the second report, likewise.
    """

    layer: str
    name: str
    before: Finding | None
    after: Finding | None

    @property
    def difference(self) -> float:
        """After minus before; NaN where a number is missing or not reached."""
        if self.before is None or self.after is None:
            return math.nan
        if not (math.isfinite(self.before.number) and math.isfinite(self.after.number)):
            return math.nan
        return self.after.number - self.before.number

    @property
    def error(self) -> float:
        """Standard error of the difference; NaN where one of the numbers has none."""
        errors = [found.error for found in (self.before, self.after) if found is not None]
        if len(errors) < 2 or None in errors:
            return math.nan
        return math.hypot(*(float(error or 0) for error in errors))

    @property
    def alarm(self) -> str:
        """What became of an alarm: "new", "gone", "stays" or ""."""
        was, is_now = (found is not None and found.alarm for found in (self.before, self.after))
        return {(0, 1): "new", (1, 0): "gone", (1, 1): "stays"}.get((was, is_now), "")

    def texts(self) -> tuple[str, str, str]:
        """Write before, after and difference; "–" where a number is missing."""
        cells = [
            "–" if found is None else quantity(found.number, found.unit, found.error)
            for found in (self.before, self.after)
        ]
        return cells[0], cells[1], self._change()

    def _change(self) -> str:
        if math.isnan(self.difference):
            return "–"
        found = self.before or self.after
        share = found is not None and found.unit.startswith("share ")
        message = (
            f"{100 * self.difference:.3g} points"
            if share
            else with_error(self.difference, self.error)
        )
        return message if self.difference < 0 or self.difference == 0 else f"+{message}"


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """A report and another one, layer by layer.

    Attributes:
        report: the first report, "before".
        other: the second report, "after".

    Raises:
        ValueError: one of them is not a report.
    """

    report: Report
    other: Report

    def __post_init__(self) -> None:
        for name in ("report", "other"):
            if not isinstance(given := getattr(self, name), Report):
                raise ValueError(f"{name}: expected a Report, got {shown(given)}")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that both reports have, in the order of the first."""
        return tuple(name for name in self.report.layers if name in self.other.layers)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every number of the program and of the layers that both have."""
        return tuple(row for layer in ("", *self.layers) for row in self.of_layer(layer))

    def of_layer(self, layer: str) -> tuple[Row, ...]:
        """Return the rows of one layer, in the order of the findings; "" for the program."""
        before, after = (
            {found.name: found for found in report.findings if found.layer == layer}
            for report in (self.report, self.other)
        )
        names = dict.fromkeys([*before, *after])
        return tuple(Row(layer, name, before.get(name), after.get(name)) for name in names)

    @property
    def titles(self) -> tuple[str, str]:
        """What the two reports are called; numbered where their titles do not differ."""
        first, second = (report.title or "diagnosis" for report in (self.report, self.other))
        return (first, second) if first != second else (f"{first} (1)", f"{second} (2)")

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be compared, or only with care."""
        notes = []
        for place, (one, two) in enumerate(((self.report, self.other), (self.other, self.report))):
            alone = [name for name in one.layers if name not in two.layers]
            if alone:
                notes.append(f"Only in {self.titles[place]}: {', '.join(alone)}.")
        for layer in self.layers:
            notes += self._of_sizes(layer)
        for name, words in (("n_examples", "examples"), ("dtype", "number format")):
            values = [r.dataset.attrs.get(name) for r in (self.report, self.other)]
            if values[0] != values[1]:
                notes.append(f"Different {words}: {values[0]} and {values[1]}.")
        return tuple(notes)

    def _of_sizes(self, layer: str) -> list[str]:
        pair = [
            next(r for r in report.readings if r.layer == layer)
            for report in (self.report, self.other)
        ]
        notes = []
        for name, values in (
            ("steps", [r.length for r in pair]),
            ("size of the state", [r.size for r in pair]),
        ):
            if all(v == v for v in values) and values[0] != values[1]:
                numbers = " and ".join(map(amount, values))
                notes.append(f"{layer}: different {name}, {numbers}.")
        return notes

    @property
    def verdict(self) -> str:
        """How many alarms are new and how many are gone, in one line."""
        fates = [row.alarm for row in self.rows]
        parts = [
            f"{count(fates.count(fate), 'alarm')} {words}"
            for fate, words in (("gone", "gone"), ("new", "new"), ("stays", "in both"))
            if fate in fates
        ]
        if not self.layers:
            return "No layer has the same name in both reports."
        return f"{', '.join(parts)}." if parts else "No alarm in either."

    def figure(self) -> matplotlib.figure.Figure:
        """Draw the curves of both reports in one row of panels a layer.

        Raises:
            ValueError: no layer of both reports was measured.
        """
        return reports.comparison_charts.figure(self)

    def to_html(self, path: str | Path) -> Path:
        """Write one page that needs no other file and no network, atomically.

        Args:
            path: the file; missing folders are made.

        Returns:
            The path.

        Raises:
            OSError: the folder cannot be written.
        """
        write_atomically(Path(path), reports.comparison_page.page(self).encode())
        return Path(path)

    def __str__(self) -> str:
        return reports.terminal.plain(self.__rich__())

    def __repr__(self) -> str:
        return f"Comparison({count(len(self.layers), 'layer')}: {self.verdict})"

    def __rich__(self) -> Any:
        return reports.comparison_lines.comparison_lines(self)

    def _repr_html_(self) -> str:
        return reports.comparison_page.fragment(self)
