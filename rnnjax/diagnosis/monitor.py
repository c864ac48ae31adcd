"""A few numbers of a diagnosis during training, as scalars for any logger.

With v_T = g_T, v_{t-1} = J_t^T v_t the gradient that the last step sends back (`transport`), each
number of a layer is first computed for one example and then reduced to the median over examples:

  log_norm_at_end   ln |v_T|                                                               (1)
  log10_fall        log10 |v_T| / |v_0|                                                    (2)
  horizon           the first k with |v_{T-k}| <= |v_T| / 100, T if there is none          (3)
  exponent          (ln |v_0| - ln |v_{T-d}|) / (T - d), d = floor(T / 10)                 (4)

(4) is the mean growth of the gradient in nat a step, without the first tenth of the way, in which
its direction settles: it tends to the largest Lyapunov exponent of the layer. T is the last step at
which the loss enters the layer.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.diagnosis import measure, transport, units
from rnnjax.diagnosis.examples import number_of, program_of
from rnnjax.errors import shown
from rnnjax.jaxprs import Recurrence
from rnnjax.jaxprs.arguments import check_arrays, chosen
from rnnjax.jaxprs.recurrences import Loss
from rnnjax.ranges import COUNT, arguments
from rnnjax.reports.thresholds import THRESHOLDS
from rnnjax.types import Array

Scalars = dict[str, Array]
_N_KEPT = 4
_FALL = THRESHOLDS["horizon"].value * math.log(10)


@arguments(every=COUNT, n_examples=COUNT)
def monitor(
    loss: Loss, *, every: int = 1, n_examples: int = 4, layers: Sequence[str] | None = None
) -> Callable[[Any, Any, Any], Scalars]:
    """Construct a function that measures the recurrences of a program while it is trained.

    Args:
      loss: (params, example) -> (), a real number, as for `rnnjax.diagnose`.
      every: measure at the updates whose number is a multiple of this; all is NaN at the others,
        under the same keys, and costs nothing.
      n_examples: how many of the examples it is given are looked at, the first ones.
      layers: names of the recurrences to measure, see `rnnjax.recurrences`; all if None.

    Returns:
      a function (params, examples, update_number) -> dict of arrays (), to be called by itself or
      within `jit`. The examples have a leading axis. Called by itself, it traces the loss at each
      update that it measures, as what the loss closes over may change; within `jit` that stays what
      it was. Beside (1) to (4) it gives for each layer

      - ``NAME/flat_share``: share of units and steps with a slope below 0.001,
      - ``NAME/gate_mean``: mean of the keep (forget) gates,
      - ``NAME/zero_lag_float32``: first lag at which the same gradient reads 0 in float32,

      NaN where the layer has no activation, no such gate, or the gradient never reads 0; and for
      the program ``loss`` and ``gradient/log_norm``, ln |dL/dparams|, medians of single examples,
      and ``finite``, 1 if the loss, all states and all gradients are finite, else 0. Examples in
      which a layer, or the gradient in it, is not finite are left out of the medians of that layer.

    Raises:
      ValueError: the loss is no function; and when the result is called, what `rnnjax.diagnose`
        refuses, or a number of the update that is no integer.

    Example:
      >>> def loss(w, x):
      ...     return jax.lax.scan(lambda h, x: (w * h + x, None), 0.0, x)[0] ** 2
      >>> scalars = monitor(loss, every=10)(0.5, jnp.ones((1, 20)), 0)
      >>> round(float(scalars["scan_0/exponent"]), 4), float(scalars["scan_0/horizon"])
      (-0.6931, 7.0)
    """
    if not callable(loss):
        raise ValueError(f"loss: expected a function (params, example) -> (), got {shown(loss)}")
    names = chosen(layers)

    @functools.lru_cache(maxsize=_N_KEPT)
    def of_program(program: Any) -> "_Compiled":
        return _compiled(loss, names)

    last: list[_Compiled] = []  # what was called last: between updates its keys are given

    def monitored(params: Any, examples: Any, update_number: Any) -> Scalars:
        check_arrays("params", params)
        check_arrays("examples", examples)
        number_of(examples)
        due = _due(update_number, every)
        some = jax.tree.map(lambda a: a[:n_examples], examples)
        if last and not isinstance(due, jax.core.Tracer) and not due:
            return last[0].skipped(params, some)
        last[:] = [of_program(program_of(loss, params, some))]
        return last[0].either(due, params, some)

    return monitored


class _Compiled(NamedTuple):
    """What measures a loss for as long as its trace stays the same.

    Attributes:
      either: (due, params, examples) -> the numbers, NaN where they are not due.
      skipped: (params, examples) -> NaN.
    """

    either: Callable[[Array, Any, Any], Scalars]
    skipped: Callable[[Any, Any], Scalars]


def _compiled(loss: Loss, names: Sequence[str] | None) -> _Compiled:
    """Compile anew, in functions of its own: JAX keeps the traces of those it has seen before."""

    def measured(params: Any, examples: Any) -> Scalars:
        of_example = measure.rows_of(loss, params, names, scalars)
        program, layers = jax.vmap(of_example)(examples)
        return _joined(program, layers)

    def skipped(params: Any, examples: Any) -> Scalars:
        shapes = jax.eval_shape(measured, params, examples)
        return {name: jnp.full((), jnp.nan, number.dtype) for name, number in shapes.items()}

    def either(due: Array, params: Any, examples: Any) -> Scalars:
        return jax.lax.cond(due, measured, skipped, params, examples)

    return _Compiled(jax.jit(either), jax.jit(skipped))


def _due(update_number: Any, every: int) -> Array:
    is_number = isinstance(update_number, int) or hasattr(update_number, "dtype")
    if not is_number or jnp.shape(update_number) or not _is_integer(update_number):
        message = getattr(update_number, "aval", None) or shown(update_number)
        raise ValueError(f"update_number: expected an integer, got {message}")
    return jnp.asarray(update_number % every == 0)


def _is_integer(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return jnp.issubdtype(value.dtype, jnp.integer)


def scalars(r: Recurrence) -> Scalars:
    """Return the numbers of one layer and one example, with ``finite``, bool ()."""
    back = transport.transport(r)
    by_lag, last = back["log_norm_by_lag"], back["last_step"]
    settled = last // 10
    fallen = by_lag <= by_lag[0] - _FALL
    horizon = jnp.where(jnp.any(fallen), jnp.argmax(fallen), last)
    zero_lag = back["zero_lag_float32"]
    steps = measure.finiteness(r)
    return {
        "log_norm_at_end": by_lag[0],
        "log10_fall": (by_lag[0] - by_lag[last]) / math.log(10),
        "horizon": jnp.where(jnp.isnan(by_lag[0]), jnp.nan, horizon),
        "exponent": (by_lag[last] - by_lag[settled]) / (last - settled),
        # Never counts as infinitely late.
        "zero_lag_float32": jnp.where(zero_lag < 0, jnp.inf, zero_lag),
        "flat_share": _mean(units.slopes(r)["flat_share"]),
        "gate_mean": _mean(units.gates(r)["gate_mean"]),
        "finite": (steps["non_finite_forward_step"] < 0) & (steps["non_finite_backward_step"] < 0),
    }


def _mean(values: Array) -> Array:
    """Return the mean without NaN; NaN if nothing is left."""
    there = ~jnp.isnan(values)
    return jnp.sum(jnp.where(there, values, 0)) / jnp.sum(there)


def _joined(program: measure.Rows, layers: dict[str, measure.Rows]) -> Scalars:
    finite = jnp.isfinite(program["loss"]) & ~jnp.isnan(program["log_norm_gradient"])
    found = {}
    for name, rows in layers.items():
        finite &= rows["finite"]
        for row, values in rows.items():
            if row != "finite":
                found[f"{name}/{row}"] = median(jnp.where(rows["finite"], values, jnp.nan))
    for name in found:
        if name.endswith("/zero_lag_float32"):
            found[name] = jnp.where(jnp.isinf(found[name]), jnp.nan, found[name])
    found["loss"] = median(program["loss"])
    found["gradient/log_norm"] = median(program["log_norm_gradient"])
    found["finite"] = jnp.all(finite)
    return {name: number.astype(float) for name, number in found.items()}


def median(values: Array) -> Array:
    """Return the median without NaN, (), of values (n,); infinite ones keep their rank."""
    ranked = jnp.sort(values)  # NaN last
    n = jnp.sum(~jnp.isnan(values))
    low, high = ranked[jnp.maximum(n - 1, 0) // 2], ranked[n // 2]
    return jnp.where(low == high, low, (low + high) / 2)
