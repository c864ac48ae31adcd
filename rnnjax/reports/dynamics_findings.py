"""What the state does on its way forward: memory, expansion, dimension."""

import math
from collections.abc import Iterator

import numpy as np

from rnnjax.reports.finding import Finding, finding
from rnnjax.reports.readings import Reading
from rnnjax.reports.thresholds import THRESHOLDS
from rnnjax.reports.wording import amount, count, decades, power, with_error


def forward_memory(reading: Reading) -> Iterator[Finding]:
    """The forward horizon beside the one of the gradient."""
    curve, t = reading.forward, reading.forward_horizon
    if curve.empty or math.isnan(t):
        return
    if math.isinf(t):
        change = decades(curve.median[-1])
        way = "falls" if change <= 0 else "grows"
        message = (
            f"The first state's influence dh_t/dh_0 {way} by {amount(abs(round(change, 2)))} "
            f"decades over {count(curve.x[-1], 'step')}"
        )
    else:
        message = (
            f"The first state's influence dh_t/dh_0 falls by two decades in {count(t, 'step')}"
        )
    compared = f"dh_0/dh_0 = 1 (median over {count(curve.n_examples, 'example')})"
    if math.isfinite(reading.horizon):
        way = "falls by two decades" if math.isinf(t) else "does so"
        message += f"; the gradient {way} in {count(reading.horizon, 'step')}"
        compared += ", and the gradient by lag"
    yield finding(
        reading.layer, "forward memory", t, "steps", f"{message}.", compared, THRESHOLDS["horizon"]
    )


def spectrum(reading: Reading) -> Iterator[Finding]:
    """Sign of the first Lyapunov exponent, against rounding and its standard error."""
    exponents, errors = reading.numbers("exponents"), reading.numbers("exponents_error")
    if not exponents.size or math.isnan(exponents[0]):
        return
    first = float(exponents[0])
    error = float(errors[0]) if errors.size else math.nan
    limit = THRESHOLDS["errors"]
    steps = reading.reach_of("weight_gradient_share", "lag")  # measured on the same examples
    growth = decades(first * steps)
    kind = "Neutral, 0 within rounding"
    unstable = False
    if not abs(first) <= reading.rounding:
        unstable = first > limit.value * error
        unstable &= growth > THRESHOLDS["growth of a difference"].value
        kind = _kind(first, error, unstable and not reading.is_linear)
        if kind == "Chaotic" and _is_unbounded(reading, first, steps):
            kind = "Unbounded growth of the state"
    message = f"{kind}, {with_error(first, error)} nat a step"
    if unstable:
        message += f": a difference grows by {amount(round(growth, 2))} decades in "
        message += count(steps, "step")
    yield finding(
        reading.layer, "spectrum", first, "nat a step", f"{message}.",
        "two standard errors, and two decades over the sequence", limit, alarm=unstable,
        error=error,
    )  # fmt: skip


def _is_unbounded(reading: Reading, first: float, steps: float) -> bool:
    """Return whether the state grows as differences do: chaos moves within bounds."""
    share, least = THRESHOLDS["growth of the state"], THRESHOLDS["late growth of the state"]
    rate = reading.state_growth
    # The quarters that are compared lie half a sequence apart.
    return rate > share.value * first and rate * steps / 2 > least.value


def _kind(first: float, error: float, chaotic: bool) -> str:
    if first == -math.inf:
        return "Every direction of the state is lost for good"
    if math.isnan(error):
        return "First exponent without a standard error"
    if abs(first) <= THRESHOLDS["errors"].value * error:
        return "Neither contracting nor expanding beyond two standard errors"
    if chaotic:
        return "Chaotic"
    return "Expanding" if first > 0 else "Contracting"


def dimension(reading: Reading) -> Iterator[Finding]:
    """The Kaplan-Yorke dimension of the driven state."""
    found = reading.numbers("dimension")
    if not found.size or np.isnan(found).all():
        return
    value = float(found.item())
    if _undecided(reading):
        return
    n = f" (state of {count(reading.size, 'number')})" if math.isfinite(reading.size) else ""
    message = f"Kaplan-Yorke dimension {amount(round(value, 2))}{n}"
    if value == 0:
        message += _forgotten(reading)
    message += "."
    yield finding(reading.layer, "dimension", value, "dimensions", message, "the size of the state")


def _undecided(reading: Reading) -> bool:
    """Return whether the first exponent may have either sign: then the dimension may be 0 or not.

    Further exponents of 0 leave it where it is, as it is continuous in them.
    """
    exponents, errors = reading.numbers("exponents"), reading.numbers("exponents_error")
    if not (exponents.size and errors.size):
        return False
    first = abs(float(exponents[0]))
    return reading.rounding < first <= THRESHOLDS["errors"].value * float(errors[0])


def _forgotten(reading: Reading) -> str:
    """Say whether the first state is forgotten within the sequence, or only in the long run."""
    message, curve = ": the inputs alone decide the state", reading.forward
    if curve.empty or curve.median[-1] <= -THRESHOLDS["lost"].value * math.log(10):
        return message
    return f"{message} in the long run, but not yet within {count(curve.x[-1], 'step')}"


def singular_values(reading: Reading) -> Iterator[Finding]:
    """How unevenly the Jacobian product over the longest measured span stretches."""
    logs = reading.numbers("log_singular_values", "direction")
    measured = np.flatnonzero((~np.isnan(logs)).sum(axis=-1) >= 2) if logs.size else np.empty(0)
    if not measured.size:
        return
    row = int(measured[-1])
    values = logs[row][~np.isnan(logs[row])]
    if not np.isfinite(values[0]):
        return
    span = int(reading.data["span"].values[row])
    message = (
        f"Over {count(span, 'step')} the strongest direction is carried with gain "
        f"{power(values[0])}, number {len(values)} with {power(values[-1])}."
    )
    yield finding(
        reading.layer, "singular values", values[0], "nat", message,
        "gain 1 (median over examples)",
    )  # fmt: skip
