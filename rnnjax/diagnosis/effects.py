"""Remedies with their measured effect, from the gradient by lag with and without a change."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rnnjax.reports import Reading, Remedy
from rnnjax.reports.bands import band, first_fall
from rnnjax.reports.thresholds import THRESHOLDS

_ACTIONS = {
    "gates": "keep gates opened to 1 - 1/T on average (forget bias, chrono)",
    "orthogonal": "recurrent weights replaced by their orthogonal factors",
    "leak": "a leaky state, h = (1 - 1/tau) h + step(h)/tau with tau = T/4",
}
_FALL = THRESHOLDS["horizon"].value * math.log(10)


def as_remedies(reading: Reading, by_lag: Mapping[str, NDArray]) -> Iterator[Remedy]:
    """Yield the changes of a layer that alter its horizon, with the horizon before and after.

    Args:
      reading: the layer as it is.
      by_lag: by change ln of the gradient by lag, (examples, lags).
    """
    n_closer = len(next(iter(by_lag.values()), ()))
    before = _horizon(reading.numbers("log_norm_by_lag", "lag")[:n_closer])
    if not math.isnan(before):
        for name, rows in by_lag.items():
            after = _horizon(rows)
            if not math.isnan(after) and after != before:
                yield _remedy(reading.layer, _ACTIONS[name], before, after)
    if math.isfinite(window := reading.window) and window < reading.length:
        yield _window(reading, window)


def _horizon(rows: NDArray) -> float:
    return first_fall(band(np.arange(rows.shape[-1]), rows), _FALL)


def _remedy(layer: str, action: str, before: float, after: float) -> Remedy:
    told = f"{action}: the horizon goes from {_steps(before)} to {_steps(after)}"
    return Remedy(layer, "horizon", action, before, after, "steps", told)


def _steps(n: float) -> str:
    return f"{n:.0f} steps" if math.isfinite(n) else "beyond the sequence"


def _window(reading: Reading, window: float) -> Remedy:
    action = f"gradient truncated to {window:.0f} steps"
    level = THRESHOLDS["window"].value
    told = f"{action} instead of {reading.length:.0f}: it keeps a cosine of {level} with the whole"
    return Remedy(reading.layer, "window", action, reading.length, window, "steps", told)
