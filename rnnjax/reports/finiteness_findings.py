"""Where numbers stop being finite, and the norms of the whole gradient over examples."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from rnnjax.reports.bands import Floats
from rnnjax.reports.finding import Finding, finding
from rnnjax.reports.readings import Reading
from rnnjax.reports.thresholds import THRESHOLDS
from rnnjax.reports.wording import count, decades, power


def not_finite(reading: Reading) -> Iterator[Finding]:
    """The first step that is not finite forward, and the last one backward."""
    for backward, way in ((False, "forward"), (True, "backward")):
        found = reading.non_finite(backward)
        if found is None:
            continue
        message = f"{way}: not finite from step {found.step} on" if not backward else (
            f"{way}: not finite from step {found.step} down"
        )  # fmt: skip
        # An operation and its line, or whence it arrives.
        way_in = "; it " if found.at.startswith("arrives") else ", at "
        message += f"{way_in}{found.at}" if found.at else ""
        message += f", in {found.n} of {count(found.n_examples, 'example')}"
        if backward and found.n_forward:
            message += f"; in {found.n_forward} of them the forward pass is not finite either"
        yield finding(
            reading.layer, f"not finite {way}", found.step, "step", f"{message}.",
            "finite numbers at every step", alarm=True,
        )  # fmt: skip


def losses(dataset: xr.Dataset) -> Iterator[Finding]:
    """Examples whose loss is not a finite number."""
    values = _of_examples(dataset, "loss")
    n = int((~np.isfinite(values)).sum())
    if n:
        message = f"The loss is not finite in {n} of {count(len(values), 'example')}."
        yield finding("", "loss", n, "examples", message, "finite numbers", alarm=True)


def norms(dataset: xr.Dataset) -> Iterator[Finding]:
    """Quantiles of the norm of the whole gradient, and what clipping there would touch."""
    logs = _of_examples(dataset, "log_norm_gradient")
    broken = int((np.isnan(logs) | np.isposinf(logs)).sum())
    if broken:
        message = f"The gradient is not finite in {broken} of {count(len(logs), 'example')}."
        yield finding("", "gradient", broken, "examples", message, "finite numbers", alarm=True)
    zero = int(np.isneginf(logs).sum())
    if zero:
        message = f"The gradient is exactly 0 in {zero} of {count(len(logs), 'example')}."
        yield finding("", "zero gradient", zero, "examples", message, "0", alarm=zero == len(logs))
    finite = logs[np.isfinite(logs)]
    if len(finite) < 2:
        return
    level = THRESHOLDS["clipping"]
    median, clip, largest = np.quantile(finite, [0.5, level.value, 1])
    touched = int((finite > clip).sum())
    message = (
        f"Gradient norms of single examples: median {power(median)}, largest {power(largest)} "
        f"({decades(largest - median):.1f} decades above); clipping them at {power(clip)} touches "
        f"{touched} of {len(finite)}."
    )
    yield finding(
        "", "gradient norms", clip, "nat (ln of the norm)", message,
        f"the median over {count(len(finite), 'example')}", level,
    )  # fmt: skip


def _of_examples(dataset: xr.Dataset, name: str) -> Floats:
    if name not in dataset:
        return np.empty(0)
    return np.asarray(dataset[name].values, dtype=float)
