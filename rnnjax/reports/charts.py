"""The charts of one layer: what each shows, with its levels, its marks and its words.

A chart of what was not measured is left out.
"""

import math
from collections.abc import Iterator

import numpy as np

from rnnjax.reports.bands import FEWEST_FOR_QUANTILES, Band
from rnnjax.reports.chart import Bars, Chart, Level, Line, Mark, padded_range
from rnnjax.reports.readings import Reading
from rnnjax.reports.thresholds import FORMATS, THRESHOLDS
from rnnjax.reports.unit_findings import ranked
from rnnjax.reports.wording import amount, count, decades, percent, power

_LN10 = math.log(10)
_SHUT_AT_ALL = 0.5
_NO_FALL = "neither falls by two decades"


def charts(reading: Reading) -> tuple[Chart | Bars, ...]:
    """Return the charts of a layer, in the order in which they are shown."""
    makers = (gradient, memory, window, weights, saturation, gates, exponents)
    return tuple(chart for make in makers for chart in make(reading))


def gradient(reading: Reading) -> Iterator[Chart]:
    """The norm of the gradient by lag, in decades, above the floors of the number formats."""
    curve = in_decades(reading.gradient)
    if curve.empty or not np.isfinite(curve.median).any():
        return
    floors = _floors(padded_range([curve])[0], reading)
    marks = [
        Mark(found.lag, f"{name} reads 0 from lag {amount(found.lag)}", 1)
        for name in FORMATS
        if math.isfinite((found := reading.occurrence(f"zero_lag_{name}")).lag)
    ]
    if math.isfinite(reading.horizon):
        marks.insert(0, Mark(reading.horizon, f"two decades: lag {amount(reading.horizon)}"))
    median = reading.gradient.median
    ends = [power(float(v)) for v in median[np.isfinite(median)][[0, -1]]]
    last = curve.x[np.isfinite(median)][-1]
    yield Chart(
        "Gradient by lag", "lag k (steps back)", "norm of dL/dh at lag k",
        (Line(curve),), floors, tuple(marks),
        padded_range([curve], [floor.y for floor in floors], whole=True), decades=True,
        description=f"Norm from {ends[0]} at lag {amount(curve.x[0])} to {ends[1]} at lag "
        f"{amount(last)}; {_spread(curve)}. " + _sentence([m.label for m in marks]),
    )  # fmt: skip


def memory(reading: Reading) -> Iterator[Chart]:
    """How the first state fades forward, beside the gradient backward."""
    forward = in_decades(reading.forward)
    if forward.empty or not np.isfinite(forward.median).any():
        return
    lines = [Line(forward, "forward")]
    back = in_decades(reading.gradient)
    if not back.empty and np.isfinite(back.median[0]):
        start = back.median[0]
        moved = Band(
            back.x, back.low - start, back.median - start, back.high - start, back.n_examples
        )
        lines.append(Line(moved, "backward", 1))
    spans = (("forward", reading.forward_horizon), ("backward", reading.horizon))
    marks = tuple(
        Mark(t, f"{way}: {amount(t)}", i) for i, (way, t) in enumerate(spans) if math.isfinite(t)
    )
    level = Level(-THRESHOLDS["horizon"].value, "two decades")
    yield Chart(
        "Memory forward and backward", "steps t, or lag k", "relative to the start",
        tuple(lines), (level,), marks,
        padded_range([line.band for line in lines], [level.y, 0.0], whole=True), decades=True,
        description="Influence of the first state over time and of the loss over lag. "
        + _sentence([f"fall by two decades {m.label} steps" for m in marks] or [_NO_FALL]),
    )  # fmt: skip


def window(reading: Reading) -> Iterator[Chart]:
    """What a gradient truncated to K steps keeps of the whole."""
    if reading.window_cosine.empty:
        return
    lines = [Line(reading.window_cosine, "cosine")]
    if not reading.window_norm.empty:
        lines.append(Line(reading.window_norm, "share of the norm", 1))
    K = reading.window
    marks = (Mark(K, f"K = {amount(K)}"),) if math.isfinite(K) else ()
    level = Level(THRESHOLDS["window"].value, "0.99")
    yield Chart(
        "Truncated to K steps", "window K (steps)", "against the whole gradient",
        tuple(lines), (level,), marks, padded_range([line.band for line in lines], [0.0, 1.0]),
        description="Cosine and norm of the truncated gradient. "
        + (f"Cosine 0.99 from K = {amount(K)} on." if marks else "Cosine 0.99 is not reached."),
    )  # fmt: skip


def weights(reading: Reading) -> Iterator[Chart]:
    """Which share of the weight gradient the last steps hold."""
    curve, n = reading.summed_share, reading.last_steps
    if curve.empty:
        return
    by_steps = Band(curve.x + 1, curve.low, curve.median, curve.high, curve.n_examples)
    marks = (Mark(n, f"last {count(n, 'step')}"),) if math.isfinite(n) else ()
    yield Chart(
        "Where weights learn", "last steps of the sequence", "share of the weight gradient",
        (Line(by_steps),), (Level(THRESHOLDS["weights learn"].value, "80 %"),), marks,
        padded_range([by_steps], [0.0, 1.0]),
        description="Summed share of the weight gradient. "
        + (f"80 % from the last {count(n, 'step')}." if marks else ""),
    )  # fmt: skip


def saturation(reading: Reading) -> Iterator[Bars]:
    """The ten units that are flat most of the time."""
    shares = reading.numbers("flat_share")
    limit = THRESHOLDS["flat time"].value
    yield from _bars(shares, "Flat units, worst ten", "share of time with slope < 1e-3", limit)


def gates(reading: Reading) -> Iterator[Bars]:
    """The ten keep gates that are shut most of the time, if one is shut half of the time."""
    shares = reading.numbers("gate_shut_share")
    limit = THRESHOLDS["gate time"].value
    if shares.size and np.nan_to_num(shares).max() < _SHUT_AT_ALL:
        return
    yield from _bars(shares, "Shut keep gates, worst ten", "share of time below 0.05", limit)


def exponents(reading: Reading) -> Iterator[Chart]:
    """The first Lyapunov exponents with two standard errors."""
    values, errors = reading.numbers("exponents"), reading.numbers("exponents_error")
    known = np.isfinite(values)
    if not known.any():
        return
    twice = 2 * errors if len(errors) == len(values) else np.zeros_like(values)
    twice = np.nan_to_num(twice)
    x = np.arange(1, len(values) + 1)[known].astype(float)
    band = Band(x, (values - twice)[known], values[known], (values + twice)[known], 1)
    yield Chart(
        "Lyapunov exponents", "number", "nat per step", (Line(band),), (Level(0.0, "0"),),
        (), padded_range([band], [0.0]), points=True,
        description="First exponents, with bars of two standard errors: "
        + _sentence([f"{v:.3g}" for v in values[~np.isnan(values)]]),  # with what is lost, -inf
    )  # fmt: skip


def in_decades(band: Band) -> Band:
    """Convert a band of natural logs to decades."""
    low, median, high = (edge / _LN10 for edge in (band.low, band.median, band.high))
    return Band(band.x, low, median, high, band.n_examples)


def _spread(curve: Band) -> str:
    """Say what the line and the band of a curve are."""
    n = curve.n_examples
    if n == 1:
        return "one example"
    message = "band from 10 % to 90 %" if n >= FEWEST_FOR_QUANTILES else "band over all"
    return f"median of {n} examples, {message}"


def _floors(low: float, reading: Reading) -> tuple[Level, ...]:
    """Smallest normal numbers of the formats that the curve comes near."""
    floors: dict[float, list[str]] = {}
    for name, form in FORMATS.items():
        y = decades(form.smallest_normal)
        if y > low - 1 or (name in reading.dtypes and y > low - 10):
            floors.setdefault(y, []).append(name)
    return tuple(Level(y, f"smallest normal {', '.join(names)}") for y, names in floors.items())


def _bars(shares: np.ndarray, title: str, x_label: str, limit: float) -> Iterator[Bars]:
    units = ranked(shares) if shares.size else []
    if not shares.size or np.isnan(shares).all():
        return
    description = _sentence(
        [f"unit {i} {percent(shares[i])}" for i in units] or ["none at any time"]
    )
    chosen = tuple(float(shares[i]) for i in units)
    yield Bars(title, x_label, tuple(str(i) for i in units), chosen, Level(limit, percent(limit)),
               f"Unit by unit: {description}", f"dashed: {percent(limit)} of the time")  # fmt: skip


def _sentence(parts: list[str]) -> str:
    message = "; ".join(parts)
    return f"{message[0].upper()}{message[1:]}." if parts else ""
