"""From the dataset of a diagnosis to its findings: sentences with the number behind each.

Only what the dataset holds is said: a variable that is missing, or NaN throughout a layer, gives no
finding.
"""

from collections.abc import Callable, Iterable, Iterator

import xarray as xr

from rnnjax.reports import (
    dynamics_findings,
    finiteness_findings,
    gradient_findings,
    unit_findings,
)
from rnnjax.reports.finding import Finding
from rnnjax.reports.readings import Reading, readings

_OF_A_PROGRAM: tuple[Callable[[xr.Dataset], Iterable[Finding]], ...] = (
    finiteness_findings.losses,
    finiteness_findings.norms,
)
_OF_A_LAYER: tuple[Callable[[Reading], Iterable[Finding]], ...] = (
    finiteness_findings.not_finite,
    gradient_findings.reach,
    gradient_findings.horizon,
    gradient_findings.e_folding,
    gradient_findings.vanishes,
    gradient_findings.explodes,
    gradient_findings.underflow,
    gradient_findings.overflow,
    gradient_findings.window,
    gradient_findings.weights_learn,
    unit_findings.flat,
    unit_findings.dead,
    unit_findings.gates,
    dynamics_findings.forward_memory,
    dynamics_findings.spectrum,
    dynamics_findings.dimension,
    dynamics_findings.singular_values,
)


def findings(dataset: xr.Dataset) -> list[Finding]:
    """Return what a diagnosis found: of the program first, then layer by layer.

    Args:
        dataset: of a diagnosis, see docs/howto/diagnose.md.
    """
    return [*_of_the_program(dataset), *(f for r in readings(dataset) for f in of_layer(r))]


def of_layer(reading: Reading) -> Iterator[Finding]:
    """Yield the findings of one layer."""
    for look in _OF_A_LAYER:
        yield from look(reading)


def _of_the_program(dataset: xr.Dataset) -> Iterator[Finding]:
    for look in _OF_A_PROGRAM:
        yield from look(dataset)
