"""What the units do: flat, dead, gates that stand shut or open."""

from collections.abc import Iterator

import numpy as np

from rnnjax.reports.finding import Finding, finding
from rnnjax.reports.readings import Floats, Reading
from rnnjax.reports.thresholds import THRESHOLDS
from rnnjax.reports.wording import count, percent

_WORST = 10


def flat(reading: Reading) -> Iterator[Finding]:
    """Share of saturating units whose slope is below 1e-3 most of the time."""
    shares = saturating(reading)
    measured = ~np.isnan(shares)
    if not measured.any():
        return
    limit, often = THRESHOLDS["flat units"], THRESHOLDS["flat time"].value
    n, total = int((shares[measured] > often).sum()), int(measured.sum())
    share = n / total
    message = (
        f"{_of(n, total, 'unit')} flat (slope below 1e-3) more than {percent(often)} of the time"
    )
    listed = worst(shares, _WORST if n else 1)
    message += f"; worst: {listed}." if listed else "."
    yield finding(
        reading.layer, "flat units", share, "share of units", message,
        "slopes of every unit at every step of the examples", limit, alarm=share > limit.value,
    )  # fmt: skip


def dead(reading: Reading) -> Iterator[Finding]:
    """Share of relu units whose slope is 0 at every step."""
    flags = reading.numbers("dead")
    if not flags.size:
        return
    relu = reading.activations() == "relu"
    if len(relu) != len(flags):
        return
    known = relu & ~np.isnan(flags)
    if not known.any():
        return
    limit = THRESHOLDS["dead units"]
    units = np.flatnonzero(known & (flags > 0))
    share = len(units) / int(known.sum())
    message = f"{_of(len(units), int(known.sum()), 'relu unit')} dead (slope 0 at every step)"
    if units.size:
        more = f" and {len(units) - _WORST} more" if len(units) > _WORST else ""
        message += f": {', '.join(map(str, units[:_WORST]))}{more}"
    yield finding(
        reading.layer, "dead units", share, "share of relu units", f"{message}.",
        "every step of the examples", limit, alarm=share > limit.value,
    )  # fmt: skip


def gates(reading: Reading) -> Iterator[Finding]:
    """Share of units whose keep gate stands shut, or open, nearly all the time."""
    ways = (("shut", "below 0.05", True), ("open", "above 0.95", False))
    for name, meaning, harms in ways:
        shares = reading.numbers(f"gate_{name}_share")
        measured = ~np.isnan(shares)
        if not measured.any():
            continue
        limit, often = THRESHOLDS["gate units"], THRESHOLDS["gate time"].value
        n, total = int((shares[measured] > often).sum()), int(measured.sum())
        share = n / total
        message = (
            f"{_of(n, total, 'keep gate')} {name} ({meaning}) more than {percent(often)} of the "
            "time"
        )
        means = reading.numbers("gate_mean")
        if (~np.isnan(means)).any():
            message += f"; their mean is {np.nanmean(means):.3g}"
        yield finding(
            reading.layer, f"gates {name}", share, "share of units", f"{message}.",
            "every step of the examples", limit, alarm=harms and share > limit.value,
        )  # fmt: skip


def saturating(reading: Reading) -> Floats:
    """Share of time that each unit is flat, (n,); NaN for relus, which are flat by design."""
    shares = reading.numbers("flat_share")
    if not shares.size:
        return shares
    names = reading.activations()
    relu = names == "relu" if len(names) == len(shares) else np.zeros(len(shares), dtype=bool)
    return np.where(relu, np.nan, shares)


def ranked(shares: Floats, n: int = _WORST) -> list[int]:
    """Return the units with the greatest shares above 0, worst first."""
    order = np.argsort(-np.nan_to_num(shares), kind="stable")[:n]
    return [int(i) for i in order if shares[i] > 0]


def worst(shares: Floats, n: int = _WORST) -> str:
    """List the worst units, as in "unit 3 (98 %), 17 (95 %)"; "" if there is none."""
    listed = ", ".join(f"{i} ({percent(shares[i])})" for i in ranked(shares, n))
    return f"unit {listed}" if listed else ""


def _of(n: int, total: int, noun: str) -> str:
    verb = "are" if n > 1 else "is"
    return f"{n if n else 'None'} of {count(total, noun)} {verb}"
