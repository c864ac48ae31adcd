"""What the gradient does on its way back: how far it goes, where it is lost, what it teaches."""

import math
from collections.abc import Iterator

import numpy as np

from rnnjax.reports.bands import fallen_from, sustained_growth
from rnnjax.reports.finding import Finding, finding
from rnnjax.reports.readings import Reading
from rnnjax.reports.thresholds import FORMATS, THRESHOLDS, Threshold
from rnnjax.reports.wording import amount, count, decades, percent, with_error


def reach(reading: Reading) -> Iterator[Finding]:
    """Whether the loss reaches the state at all."""
    last = reading.numbers("last_step")
    if not last.size:
        return
    reached = last > 0
    rows = reading.numbers("log_norm_by_lag", "lag")
    if len(rows) == len(last):
        zero = np.isneginf(rows)
        reached &= ~(zero.any(axis=1) & (zero | np.isnan(rows)).all(axis=1))
    n, total = int(reached.sum()), len(last)
    if n < total:
        message = "The loss does not depend on the state of this layer in any example"
        if n:
            message = f"The loss depends on the state of this layer in {n} of {total} examples"
        yield finding(
            reading.layer, "reach", n, "examples", f"{message}.", f"{total} examples", alarm=n == 0
        )


def horizon(reading: Reading) -> Iterator[Finding]:
    """Equation (1) of `readings` against the length."""
    curve, steps = reading.gradient, reading.reach
    if curve.empty or math.isnan(reading.horizon):
        return
    fallen = decades(curve.median[0] - curve.median[-1])
    if math.isinf(reading.horizon):
        way = "falls" if fallen >= 0 else "grows"
        message = (
            f"The gradient {way} by {amount(abs(round(fallen, 2)))} decades over "
            f"{count(curve.x[-1], 'lag')}: its horizon of two decades lies beyond them."
        )
    else:
        message = (
            f"The gradient falls by two decades in {count(reading.horizon, 'step')} of "
            f"{amount(steps)}."
        )
    yield finding(
        reading.layer, "horizon", reading.horizon, "steps", message,
        f"the norm at lag 0 (median over {count(curve.n_examples, 'example')})",
        THRESHOLDS["horizon"],
    )  # fmt: skip


def e_folding(reading: Reading) -> Iterator[Finding]:
    """Equation (2) of `readings`."""
    line = reading.trend
    if math.isnan(line.rate):
        return
    limit = THRESHOLDS["errors"]
    compared = f"a constant norm ({count(line.n_examples, 'example')})"
    rounded = abs(line.rate) <= reading.rounding
    if rounded or (math.isfinite(line.error) and abs(line.rate) <= limit.value * line.error):
        limits = "rounding" if rounded else "the standard error"
        message = f"The gradient neither falls nor grows beyond {limits}: "
        message += f"{with_error(line.rate, line.error)} nat a step."
        yield finding(reading.layer, "e-folding time", math.inf, "steps", message, compared, limit)
        return
    way = "falls" if line.rate < 0 else "grows"
    time = with_error(abs(line.e_folding), line.e_folding_error)
    message = f"The gradient {way} by a factor e every {time} steps."
    if line.n_examples == 1:
        message = f"{message[:-1]} (one example: no standard error)."
    yield finding(
        reading.layer, "e-folding time", line.e_folding, "steps", message, compared, limit,
        error=line.e_folding_error,
    )  # fmt: skip


def vanishes(reading: Reading) -> Iterator[Finding]:
    """Whether half of the steps lie where the gradient is lost in rounding."""
    level = THRESHOLDS["lost"]
    lag = fallen_from(reading.gradient, level.value * math.log(10))
    if not math.isfinite(lag):
        return
    early = lag < THRESHOLDS["reached"].value * reading.reach
    curve = reading.gradient
    message = f"From lag {amount(lag)} of {amount(reading.reach)} on the gradient is "
    if np.isneginf(curve.median[curve.x >= lag]).all():
        message += "exactly 0."
    else:
        message += "below 2^-24 of that at lag 0, the rounding error of float32."
    yield finding(
        reading.layer, "vanishes", lag, "steps", message,
        "the norm at lag 0; an alarm if it lies within half of the steps", level, alarm=early,
    )  # fmt: skip


def explodes(reading: Reading) -> Iterator[Finding]:
    """Whether the gradient grows by decades, and goes on growing."""
    curve, level = reading.gradient, THRESHOLDS["growth"]
    if curve.empty or not np.isfinite(curve.median[0]):
        return
    peak = int(np.nanargmax(curve.median))
    grown = decades(curve.median[peak] - curve.median[0])
    if not grown >= level.value:
        return
    sustained = decades(sustained_growth(curve))
    message = (
        f"The gradient grows by {amount(round(grown, 2))} decades up to lag {amount(curve.x[peak])}"
    )
    if not math.isnan(sustained):  # too few lags
        message += f", {amount(max(round(sustained, 2), 0))} of them while the lag doubles"
    yield finding(
        reading.layer, "explodes", grown, "decades", f"{message}.",
        "the norm at lag 0; an alarm if more than 1 decade comes while the lag doubles", level,
        alarm=bool(sustained > THRESHOLDS["sustained growth"].value),
    )  # fmt: skip


def underflow(reading: Reading) -> Iterator[Finding]:
    """First lag at which the same gradient reads exactly 0 in a format."""
    for name, form in FORMATS.items():
        found = reading.occurrence(f"zero_lag_{name}")
        if not found.n:
            continue
        share = THRESHOLDS["reached"]
        half = share.value * reading.reach
        limit = Threshold(half, "steps", f"{form.source}; half of the steps: {share.source}")
        if math.isfinite(found.lag):
            message = f"From lag {amount(found.lag)} on a {name} gradient is exactly 0"
            message += f" (median; {found.n} of {count(found.n_examples, 'example')})."
        else:
            message = (
                f"In {found.n} of {count(found.n_examples, 'example')} a {name} gradient is "
                f"exactly 0, at the earliest from lag {amount(found.first)} on."
            )
        yield finding(
            reading.layer, f"underflow {name}", found.lag, "steps", message,
            f"half of {amount(reading.reach)} steps; an alarm if it lies within them and the "
            f"state is {name}", limit, alarm=found.lag < half and name in reading.dtypes,
        )  # fmt: skip


def overflow(reading: Reading) -> Iterator[Finding]:
    """First lag at which the same gradient reads inf in a format."""
    for name, form in FORMATS.items():
        found = reading.occurrence(f"overflow_lag_{name}")
        if not found.n:
            continue
        message = (
            f"In {found.n} of {count(found.n_examples, 'example')} a {name} gradient overflows, "
            f"at the earliest at lag {amount(found.first)}."
        )
        yield finding(
            reading.layer, f"overflow {name}", found.first, "steps", message,
            f"the largest {name}; an alarm if the state is {name}",
            Threshold(decades(form.largest), "decades", form.source), alarm=name in reading.dtypes,
        )  # fmt: skip


def window(reading: Reading) -> Iterator[Finding]:
    """Equation (3) of `readings`: the truncation length that keeps the direction."""
    curve = reading.window_cosine
    if curve.empty:
        return
    K, steps = reading.window, reading.reach_of("window_cosine", "window")
    if math.isinf(K):
        message = (
            f"No window of up to {count(curve.x[-1], 'step')} keeps cosine 0.99 with the whole "
            f"gradient; the longest has {amount(curve.median[-1])}."
        )
    else:
        message = f"A window of K = {amount(K)} of {amount(steps)} steps keeps cosine 0.99"
        norm = reading.window_norm
        at = np.flatnonzero(norm.x == K)
        message += f" and {percent(norm.median[at[0]])} of the norm." if at.size else "."
    yield finding(
        reading.layer, "window", K, "steps", message,
        f"the whole gradient (median over {count(curve.n_examples, 'example')})",
        THRESHOLDS["window"],
    )  # fmt: skip


def weights_learn(reading: Reading) -> Iterator[Finding]:
    """Equation (4) of `readings`: from which steps the weight gradient comes."""
    curve, n = reading.summed_share, reading.last_steps
    steps = reading.reach_of("weight_gradient_share", "lag")
    if curve.empty or not math.isfinite(n):
        return
    last = "last step" if n == 1 else f"last {amount(n)} steps"
    message = f"80 % of the weight gradient comes from the {last}"
    yield finding(
        reading.layer, "where weights learn", n, "steps", f"{message} of {amount(steps)}.",
        f"the whole weight gradient (median over {count(curve.n_examples, 'example')})",
        THRESHOLDS["weights learn"],
    )  # fmt: skip
