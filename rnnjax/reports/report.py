"""The report of a diagnosis: it shows itself as text, in a notebook, as a figure and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from rnnjax import reports
from rnnjax.atomic_file import write_atomically
from rnnjax.errors import shown
from rnnjax.lazy import matplotlib
from rnnjax.reports.finding import Finding
from rnnjax.reports.findings import findings
from rnnjax.reports.readings import Reading, readings
from rnnjax.reports.remedy import Remedy
from rnnjax.reports.wording import count


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What was measured on the recurrent layers of a program.

    Attributes:
        dataset: the measurements, see docs/howto/diagnose.md.
        remedies: changes whose effect was measured.

    Raises:
        ValueError: the dataset has no dimension of layers, or two layers have one name, or a
            remedy is of another type or of a layer that is not there.

    Example:
        >>> dataset = xr.Dataset({"length": ("layer", [20])}, {"layer": ["RNN_0"]})
        >>> Report(dataset).verdict
        'No alarm.'
    """

    dataset: xr.Dataset
    remedies: Sequence[Remedy] = ()

    def __post_init__(self) -> None:
        _check_dataset(self.dataset)
        object.__setattr__(self, "remedies", tuple(self.remedies))
        for remedy in self.remedies:
            if not isinstance(remedy, Remedy):
                raise ValueError(f"remedies: expected values of Remedy, got {shown(remedy)}")
            if remedy.layer not in ("", *self.layers):
                message = f"expected a layer of the dataset or '', got {shown(remedy.layer)}"
                raise ValueError(f"remedies: {message}")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(str(name) for name in self.dataset["layer"].values)

    @property
    def title(self) -> str:
        """Name of the program; "" if the dataset has none."""
        return str(self.dataset.attrs.get("title", ""))

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """One a layer."""
        return readings(self.dataset)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, of the program first, then layer by layer."""
        return tuple(findings(self.dataset))

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings about which something is to be done."""
        return tuple(found for found in self.findings if found.alarm)

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """What the program holds that could not be measured."""
        reasons = self.dataset.attrs.get("unmeasured", ())
        # netCDF returns a list of one string as the string.
        lines = (reasons,) if isinstance(reasons, str) else tuple(str(line) for line in reasons)
        return tuple(line for line in lines if line)

    @property
    def verdict(self) -> str:
        """How many alarms there are, in one line."""
        if not self.layers:
            return "No recurrent layer."
        if not self.alarms:
            return "No alarm."
        layers = len({found.layer for found in self.alarms if found.layer})
        where = f" in {count(layers, 'layer')}" if layers else ""
        return f"{count(len(self.alarms), 'alarm')}{where}."

    def of_layer(self, layer: str) -> tuple[Finding, ...]:
        """Return the findings of one layer, alarms first; "" for those of the program."""
        here = [found for found in self.findings if found.layer == layer]
        return tuple(sorted(here, key=lambda found: not found.alarm))

    def figure(self) -> matplotlib.figure.Figure:
        """Draw one row of panels a layer."""
        return reports.figure.figure(self)

    def to_html(self, path: str | Path) -> Path:
        """Write one page that needs no other file and no network, atomically.

        Args:
            path: the file; missing folders are made.

        Returns:
            The path.

        Raises:
            OSError: the folder cannot be written.
        """
        write_atomically(Path(path), reports.page.page(self).encode())
        return Path(path)

    def save(self, path: str | Path) -> Path:
        """Write the report as a netCDF-4 file, atomically; `Report.load` reads it.

        Args:
            path: the file; missing folders are made.

        Returns:
            The path.

        Raises:
            OSError: the folder cannot be written.
        """
        write_atomically(Path(path), reports.file.encoded(self))
        return Path(path)

    @staticmethod
    def load(path: str | Path) -> Report:
        """Read the report that `save` or ``rnnjax diagnose`` has written.

        Raises:
            ValueError: the file holds no report.
            OSError: it cannot be read.
        """
        return reports.file.decoded(Path(path).read_bytes())

    def compare(self, other: Report) -> reports.Comparison:
        """Hold this report against another one, layer by layer: this one before, that one after.

        Raises:
            ValueError: the other value is not a report.
        """
        return reports.Comparison(self, other)

    def __str__(self) -> str:
        return reports.terminal.plain(reports.terminal.report_lines(self))

    def __repr__(self) -> str:
        return f"Report({count(len(self.layers), 'layer')}: {self.verdict})"

    def __rich__(self) -> Any:
        return reports.terminal.report_lines(self)

    def _repr_html_(self) -> str:
        return reports.page.fragment(self)


def _check_dataset(dataset: Any) -> None:
    if not isinstance(dataset, xr.Dataset) or dataset.sizes.get("layer") is None:
        message = f"expected an xarray.Dataset with the dimension 'layer', got {_kind(dataset)}"
        raise ValueError(f"dataset: {message}")
    if "layer" not in dataset.coords:
        raise ValueError("layer: expected names as a coordinate, got none")
    names = [str(name) for name in dataset["layer"].values]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"layer: expected names that differ, got {shown(twice)} twice")
    if "" in names:
        raise ValueError("layer: expected names, got ''")


def _kind(dataset: Any) -> str:
    if isinstance(dataset, xr.Dataset):
        return f"dimensions {', '.join(map(str, dataset.sizes)) or '()'}"
    return f"a {type(dataset).__name__}"
