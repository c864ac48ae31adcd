"""One call that measures the recurrences of any JAX program on given examples."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import analysis
from rnnjax.diagnosis import measure, origins, recurrent_weights, remedies, steps, units
from rnnjax.diagnosis.batches import Pass, over_examples
from rnnjax.diagnosis.dataset import dataset_of
from rnnjax.diagnosis.effects import as_remedies
from rnnjax.diagnosis.examples import number_of, program_of
from rnnjax.diagnosis.measure import Effort
from rnnjax.errors import one_line, shown
from rnnjax.jaxprs import Recurrence, Recurrences, recurrences
from rnnjax.jaxprs.arguments import check_arrays, chosen
from rnnjax.jaxprs.recurrences import Loss
from rnnjax.ranges import COUNT, arguments
from rnnjax.reports import Report
from rnnjax.reports.bands import band
from rnnjax.reports.thresholds import THRESHOLDS

Progress = Callable[[str], None]
_GATES = ("gate_shut_share", "gate_open_share", "gate_mean")


def _silent(_: str) -> None:
    """Show no progress."""


@arguments(n_closer=COUNT, longest_window=COUNT, n_exponents=COUNT, batch_size=COUNT)
def diagnose(
    loss: Loss,
    params: Any,
    examples: Any,
    *,
    layers: Sequence[str] | None = None,
    n_closer: int = 4,
    longest_window: int = 64,
    n_exponents: int = 4,
    batch_size: int = 32,
    title: str = "",
    progress: Progress = _silent,
) -> Report:
    """Measure what the gradient does on its way back through every recurrence of a program.

    Args:
      loss: (params, example) -> (), a real number; any JAX program with a scan in it.
      params: a tree of arrays.
      examples: a tree of arrays with one leading axis, the examples.
      layers: names of the recurrences to measure, see `rnnjax.recurrences`; all if None.
      n_closer: on how many examples the costly rows are measured: weights by use, windows,
        exponents, singular values, remedies.
      longest_window: the longest truncation window.
      n_exponents: how many Lyapunov exponents and singular values.
      batch_size: examples measured at once.
      title: of the report.
      progress: called with words that say what is done next.

    Returns:
      a report, see docs/howto/diagnose.md.

    Raises:
      ValueError: the program holds no recurrence, its loss is not a real number, or the examples
        have no common leading axis.
    """
    began = time.perf_counter()
    _check_words(title, progress)
    check_arrays("examples", examples)
    n = number_of(examples)
    examples = jax.tree.map(jnp.asarray, examples)
    program_of(loss, params, examples)
    names = chosen(layers)
    some = jax.tree.map(lambda a: a[:n_closer], examples)

    progress("recurrences")
    first = jax.tree.map(lambda a: a[0], examples)
    found = jax.eval_shape(lambda *at: recurrences(loss, *at, layers=names), params, first)
    n_closer = min(n, n_closer)
    progress(f"{_names(found)} on {n} examples; windows, weights and spectra on {n_closer}")
    effort = Effort(longest_window, 1e-3, n_exponents)
    of_all = measure.rows_of(loss, params, names, measure.wide)
    of_some = measure.rows_of(loss, params, names, lambda r: measure.close(r, effort))
    # The program that takes longest to compile comes first.
    (_, closer), (program, rows) = over_examples(
        [
            Pass(of_some, some),
            Pass(of_all, examples),
        ],
        batch_size,
    )
    by_layer = {r.name: {**rows[r.name], **closer[r.name]} for r in found}
    origins.add_origins(loss, params, examples, by_layer, names)
    attrs = _attributes(found, title, n, n_closer)
    data = dataset_of({r.name: _alone(r, by_layer[r.name]) for r in found}, program, attrs)
    report = Report(data)
    changed = _measured_remedies(loss, params, some, found, report, names, batch_size, progress)
    data.attrs["seconds"] = round(time.perf_counter() - began, 2)
    return Report(data, changed)


def _check_words(title: Any, progress: Any) -> None:
    if not isinstance(title, str):
        raise ValueError(f"title: expected text, got {shown(title)}")
    if not callable(progress):
        raise ValueError(f"progress: expected a function of a text, got {shown(progress)}")


def _names(found: Recurrences) -> str:
    return one_line(", ".join(found.names), 120)


def _attributes(found: Recurrences, title: str, n: int, n_closer: int) -> dict[str, Any]:
    return {
        "title": title,
        "rnnjax_version": rnnjax.__version__,
        "jax_version": jax.__version__,
        "n_examples": n,
        "n_closer": n_closer,
        "dtype": str(found.loss.dtype),
        "unmeasured": list(found.unseen),
    }


def _alone(r: Recurrence, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows of a layer with those of all examples together reduced to one."""
    together = over_examples_of(rows)
    return {
        **rows,
        **together,
        "activation": np.array(units.units_of(r), object),
        "dimension": _dimension(together["exponents"], r),
        "length": np.asarray(r.length),
        "size": np.asarray(steps.n_directions(r.uncut)),
        "line": np.asarray(r.line, object),
        "reversed": np.asarray(r.reverse),
        "state": np.asarray(", ".join(str(leaf) for leaf in r.state), object),
    }


def over_examples_of(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows that all examples of a layer have together.

    An example that lacks a row, because the loss does not reach the layer in it or it is too short,
    does not count in this row.

    Args:
      rows: of a layer, with a leading axis of examples.
    """
    reached = rows["last_step"] > 0
    counted = reached[:, None] & ~np.isnan(rows["flat_share"])
    closer = reached[: len(rows["exponents"]), None]
    measured = np.where(closer, rows["exponents"], np.nan)
    exponents, error = _mean_exponents(measured, rows["exponents_error"])
    return {
        "flat_share": _mean(rows["flat_share"]),
        # Dead units may be why the loss reaches none: then all examples count.
        "dead": np.all(rows["dead"], axis=0, where=counted | ~counted.any(axis=0)),
        **{name: _mean(rows[name]) for name in _GATES},
        "exponents": exponents,
        "exponents_error": error,
        "linear": np.all(rows["linear"]),
        "state_growth": _mean(np.where(closer[:, 0], rows["state_growth"], np.nan)),
        "log_singular_values": _median(rows["log_singular_values"]),
    }


def _mean(rows: Any) -> Any:
    """Return the mean over the examples that are not NaN; NaN where all are."""
    found = ~np.isnan(rows)
    total = np.sum(np.where(found, rows, 0), axis=0)
    count = np.sum(found, axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean_exponents(rows: Any, errors: Any) -> tuple[Any, Any]:
    """Return the mean exponents and their standard error over the examples that have them.

    Examples in which every direction is lost are left out where they are fewer than half: one of
    them would hide what all others do.
    """
    # Of one step there is no standard error, and of a lost direction none either.
    known = ~np.isnan(errors) | np.isneginf(rows)
    used = np.where(known.any(axis=0), known, ~np.isnan(rows))
    lost = np.isneginf(rows[:, :1])
    if 2 * lost.sum() < used[:, 0].sum():
        used = used & ~lost
    squares = np.sum(np.where(used, errors, 0) ** 2, axis=0)
    count = np.sum(used, axis=0)
    error = np.where(count > 0, np.sqrt(squares) / np.maximum(count, 1), np.nan)
    return _mean(np.where(used, rows, np.nan)), error


def _median(rows: Any) -> Any:
    """Return the median over examples; NaN where fewer than half of those measured have a value."""
    flat = rows.reshape(len(rows), -1)
    found = band(np.arange(flat.shape[1]), flat).median
    whole = np.full(flat.shape[1], np.nan, rows.dtype)
    whole[: len(found)] = found
    return whole.reshape(rows.shape[1:])


def _dimension(exponents: Any, r: Recurrence) -> Any:
    """Return the Kaplan-Yorke dimension; NaN where the exponents measured do not determine it."""
    n = steps.n_directions(r.uncut)
    formats = [leaf.dtype for leaf in r.state if leaf.differentiable]
    rounding = THRESHOLDS["neutral"].value * max(float(jnp.finfo(form).eps) for form in formats)
    kept = exponents[~np.isnan(exponents)]
    kept = np.where(np.abs(kept) <= rounding, 0, kept)
    if not kept.size or (kept.size < n and np.sum(kept) >= 0):
        return np.asarray(np.nan)
    return np.asarray(analysis.kaplan_yorke_dimension(jnp.asarray(kept)))


def _measured_remedies(
    loss: Loss,
    params: Any,
    examples: Any,
    found: Recurrences,
    report: Report,
    names: tuple[str, ...] | None,
    batch_size: int,
    progress: Progress,
) -> list[Any]:
    """Return what changes to the layers with an alarm would do."""
    alarmed = {finding.layer for finding in report.alarms}
    chosen = [r for r in found if r.name in alarmed]
    if not chosen:
        return []
    progress("remedies")
    first = jax.tree.map(lambda a: a[0], examples)
    concrete = recurrences(loss, params, first, layers=names)
    recurrent = {r.name: tuple(recurrent_weights.recurrent(concrete[r.name])) for r in chosen}

    def measured(r: Recurrence) -> measure.Rows:
        return remedies.effects(r, recurrent[r.name]) if r.name in recurrent else {}

    of_example = measure.rows_of(loss, params, names, measured)
    _, rows = over_examples([Pass(of_example, examples)], batch_size)[0]
    return [
        remedy
        for reading in report.readings
        if reading.layer in recurrent
        for remedy in as_remedies(reading, rows[reading.layer])
    ]
