"""Remedies with their measured effect, from the gradient by lag with and without a change."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rnnjax.reports import Reading, Remedy
from rnnjax.reports.bands import band
from rnnjax.reports.thresholds import THRESHOLDS
from rnnjax.reports.wording import amount, count

_ACTIONS = {
    "gates": "keep gates opened to 1 - 1/T on average (forget bias, chrono)",
    "orthogonal": "recurrent weights replaced by their orthogonal factors",
    "leak": "a leaky state, h = (1 - 1/tau) h + step(h)/tau with tau = T/4",
}


def as_remedies(reading: Reading, by_lag: Mapping[str, NDArray]) -> Iterator[Remedy]:
    """Yield the changes of a layer that alter how far its gradient falls over the sequence.

    Args:
      reading: the layer as it is.
      by_lag: by change ln of the gradient by lag, (examples, lags).
    """
    n_closer = len(next(iter(by_lag.values()), ()))
    before = _fall(reading.numbers("log_norm_by_lag", "lag")[:n_closer])
    for name, rows in by_lag.items():
        after = _fall(rows)
        if not math.isnan(before + after) and round(after, 1) != round(before, 1):
            yield _remedy(reading.layer, _ACTIONS[name], before, after)
    steps = reading.reach_of("window_cosine", "window")
    if math.isfinite(window := reading.window) and window < steps:
        yield _window(reading.layer, window, steps)


def _fall(rows: NDArray) -> float:
    """Return by how many decades the median gradient falls from lag 0 to the first state."""
    median = band(np.arange(rows.shape[-1]), rows).median
    return float(median[0] - median[-1]) / math.log(10) if median.size else math.nan


def _remedy(layer: str, action: str, before: float, after: float) -> Remedy:
    now, then = _change_text(after), _change_text(before)
    message = f"{action}: over the sequence the gradient {now}; as it is, it {then}"
    if abs(after) > abs(before):
        message += ". No remedy here: it is further from its size at the last step"
    return Remedy(layer, "fall", action, before, after, "decades", message)


def _change_text(fall: float) -> str:
    if fall == math.inf:
        return "falls to exactly 0"
    return f"{'grows' if fall < 0 else 'falls'} by {abs(fall):.1f} decades"


def _window(layer: str, window: float, steps: float) -> Remedy:
    action = f"gradient truncated to {count(window, 'step')}"
    level = THRESHOLDS["window"].value
    message = f"{action} instead of {amount(steps)}: it keeps a cosine of {level} with the whole"
    return Remedy(layer, "window", action, steps, window, "steps", message)
