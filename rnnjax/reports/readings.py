"""One layer of a diagnosis: the reductions over examples that findings and views share.

All reductions are of the median curve, so that a number in a sentence is the point marked in the
figure. With m_k the median of ln|dL/dh_{T-k}| over examples,

  horizon        = min {k : m_k <= m_0 - 2 ln 10}                                (1)
  e-folding time = -1 / slope, slope the mean over examples of that of a
                   least-squares line through the finite points                  (2)
  window         = min {K : cosine of every K' >= K is at least 0.99}            (3)
  last steps     = min {k + 1 : summed share of every k' >= k is at least 0.8}   (4)
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rnnjax.reports.bands import Band, Trend, band, first_fall, lasts_from, trend
from rnnjax.reports.occurrences import NonFinite, Occurrence, non_finite, occurrence
from rnnjax.reports.thresholds import FORMATS, THRESHOLDS

Floats = NDArray[np.float64]

_HORIZON = THRESHOLDS["horizon"].value * math.log(10)


@dataclass(frozen=True)
class Reading:
    """One layer of the dataset of a diagnosis.

    Attributes:
        data: the dataset at this layer. A variable that it lacks was not measured.
    """

    data: xr.Dataset

    @property
    def layer(self) -> str:
        """Its name."""
        return str(self.data["layer"].item())

    def text(self, name: str) -> str:
        """A text variable of the layer; "" if it is missing."""
        value = self._item(name)
        return "" if value is None or value != value else str(value)

    @property
    def reversed(self) -> bool:
        """Whether the layer reads its sequence from the end."""
        value = self._item("reversed")
        return value is not None and bool(value == 1)

    @cached_property
    def length(self) -> float:
        """Steps T of the layer; the number of its lags where `length` is missing."""
        value = self._item("length")
        if value is not None and value > 0:
            return float(value)
        return float(self.gradient.x[-1]) if not self.gradient.empty else math.nan

    @cached_property
    def size(self) -> float:
        """Real numbers in the state; NaN if it is missing."""
        value = self._item("size")
        return float(value) if value is not None and value > 0 else math.nan

    @property
    def is_linear(self) -> bool:
        """Whether a step is known to be linear where it goes: it may be unstable, not chaotic."""
        return bool(self._item("linear") == 1)

    @property
    def state_growth(self) -> float:
        """Rate at which the state itself grows, nat a step; NaN if it is missing."""
        value = self._item("state_growth")
        return math.nan if value is None else float(value)

    @cached_property
    def reach(self) -> float:
        """The last step at which the loss reaches the state, of the examples with a gradient."""
        return self.reach_of("log_norm_by_lag", "lag")

    def reach_of(self, name: str, axis: str) -> float:
        """Return up to where half of the examples go that a variable was measured on.

        Of their last steps the greatest that at least half of them have: where the median curve of
        the variable ends. T where no last step is known.
        """
        last, rows = self.numbers("last_step"), self.numbers(name, axis)
        reached = last > 0
        if len(rows) == len(last) and (own := reached & ~np.isnan(rows).all(axis=-1)).any():
            reached = own
        ordered = np.sort(last[reached])[::-1]
        return float(ordered[(len(ordered) - 1) // 2]) if ordered.size else self.length

    @cached_property
    def gradient(self) -> Band:
        """ln|dL/dh_{T-k}| over lags k."""
        return self._band("log_norm_by_lag", "lag")

    @cached_property
    def forward(self) -> Band:
        """Ln of the gain of dh_t/dh_0 over steps t, from step 0 on, where it is 1."""
        measured = self._band("log_norm_forward", "step")
        if measured.empty:
            return measured
        curves = (measured.low, measured.median, measured.high)
        low, median, high = (np.concatenate(([0.0], curve)) for curve in curves)
        x = np.concatenate(([0.0], measured.x))
        return Band(x, low, median, high, measured.n_examples)

    @cached_property
    def weight_gradient(self) -> Band:
        """Ln of the norm of the contribution of lag k to the weight gradient."""
        return self._band("log_norm_weight_gradient_by_lag", "lag")

    @cached_property
    def summed_share(self) -> Band:
        """Share of the weight gradient from lags 0 to k; shares may be negative."""
        shares = self.numbers("weight_gradient_share", "lag")
        lags = self._coordinate("lag", shares)
        # A sequence that ended earlier adds nothing more.
        filled = np.where(np.isnan(shares) & self._beyond(shares, lags), 0.0, shares)
        return band(lags, np.cumsum(filled, axis=-1))

    @cached_property
    def window_cosine(self) -> Band:
        """Cosine of the gradient truncated to K steps with the whole, over K."""
        return self._window("window_cosine")

    @cached_property
    def window_norm(self) -> Band:
        """Norm of the gradient truncated to K steps as a share of the whole, over K."""
        return self._window("window_norm_share")

    @cached_property
    def horizon(self) -> float:
        """Equation (1): inf if the median falls less, NaN if it is undefined."""
        return first_fall(self.gradient, _HORIZON)

    @cached_property
    def forward_horizon(self) -> float:
        """The same of the forward gain: the step at which it has fallen by two decades."""
        return first_fall(self.forward, _HORIZON)

    @cached_property
    def trend(self) -> Trend:
        """Equation (2), of the gradient by lag."""
        rows = self.numbers("log_norm_by_lag", "lag")
        return trend(self._coordinate("lag", rows), rows)

    @cached_property
    def window(self) -> float:
        """Equation (3), steps; inf if no window that was measured is long enough."""
        return lasts_from(self.window_cosine, THRESHOLDS["window"].value)

    @cached_property
    def last_steps(self) -> float:
        """Equation (4), steps."""
        return lasts_from(self.summed_share, THRESHOLDS["weights learn"].value) + 1

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Floating-point formats that the state names, else the one of the whole dataset."""
        words = self.text("state").replace("(", " ").replace(",", " ").split()
        named = tuple(name for name in FORMATS if name in words)
        whole = str(self.data.attrs.get("dtype", "float32"))
        return named or ((whole,) if whole in FORMATS else ())

    @property
    def rounding(self) -> float:
        """Exponents up to this size are 0, nat a step: of the least precise format of the state."""
        epsilons = [FORMATS[name].epsilon for name in self.dtypes]
        return THRESHOLDS["neutral"].value * max(epsilons, default=0.0)

    def occurrence(self, name: str) -> Occurrence:
        """Read a first lag such as `zero_lag_float32`; examples without a gradient do not count."""
        lags = self.numbers(name)
        rows = self.numbers("log_norm_by_lag", "lag")
        measured: NDArray[np.bool_] = ~np.asarray(np.isnan(rows).all(axis=-1))
        return occurrence(lags[measured] if len(measured) == len(lags) else lags)

    def non_finite(self, backward: bool) -> NonFinite | None:
        """Where the forward or the backward pass is not finite; None if it is everywhere."""
        way = "backward" if backward else "forward"
        steps = self.numbers(f"non_finite_{way}_step")
        places = self._texts(f"non_finite_{way}_at")
        return non_finite(steps, self.numbers("non_finite_forward_step"), places, backward)

    def numbers(self, name: str, axis: str = "") -> Floats:
        """A variable as floats, the named axis last; of length 0 where it is missing."""
        if name not in self.data:
            return np.empty((0, 0) if axis else 0)
        variable = self.data[name]
        ordered = variable.transpose(..., axis) if axis in variable.dims else variable
        return np.asarray(ordered.values, dtype=float)

    def activations(self) -> NDArray[np.str_]:
        """Name of the activation of every unit, "" where none is known."""
        return self._texts("activation")

    def _texts(self, name: str) -> NDArray[np.str_]:
        values = self.data[name].values if name in self.data else np.empty(0)
        return np.array([v if isinstance(v, str) else "" for v in np.ravel(values)], dtype=str)

    def _band(self, name: str, axis: str) -> Band:
        rows = self.numbers(name, axis)
        return band(self._coordinate(axis, rows), rows)

    def _window(self, name: str) -> Band:
        rows = self.numbers(name, "window")
        windows = self._coordinate("window", rows)
        # A window as long as the sequence is the whole gradient.
        beyond = self._beyond(rows, windows)
        return band(windows, np.where(np.isnan(rows) & beyond, 1.0, rows))

    def _beyond(self, rows: Floats, at: Floats) -> NDArray[np.bool_]:
        """Flag what lies at or beyond the length of an example that was measured up to there."""
        last = self.numbers("last_step")
        if len(last) != len(rows):
            return np.zeros(rows.shape, dtype=bool)
        flags: NDArray[np.bool_] = at[None] >= last[:, None]
        known = ~np.isnan(rows)
        whole = (flags | known).all(axis=-1) & known.any(axis=-1) & (last > 0)
        return flags & whole[:, None]

    def _coordinate(self, axis: str, rows: Floats) -> Floats:
        values: Iterable[Any] = self.data[axis].values if rows.size else ()
        return np.asarray(values, dtype=float)

    def _item(self, name: str) -> Any:
        return self.data[name].item() if name in self.data else None


def readings(dataset: xr.Dataset) -> tuple[Reading, ...]:
    """Return the reading of every layer, in the order of the dataset."""
    return tuple(Reading(dataset.isel(layer=i)) for i in range(dataset.sizes["layer"]))
