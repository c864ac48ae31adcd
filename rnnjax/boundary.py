"""Validation of cell, parameters, sequence and loss at every public entry point.

Shapes are propagated through the step, the readout and the loss by abstract evaluation, without
computing values and once for each combination of shapes (on every call if an argument has no
hash). A mismatch then raises a one-line error here, not an exception from inside a scan, and no
array is broadcast implicitly. Valid arguments are converted to the form that all internal code
expects: half precision becomes float32, and values after the end of the sequence are replaced (see
`rnnjax.masks`).
"""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import masks, real_view, shape_checks, split_checks, state_dtype
from rnnjax.found_once import found_once
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss

Admitted = tuple[Cell, Params, Batch]
P = ParamSpec("P")
R = TypeVar("R")


def admitted(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    *,
    needs_loss: bool = False,
    n_leading: int = 0,
) -> Admitted:
    """Check the arguments; return cell, parameters and sequence in the internal form.

    Args:
      cell: the cell.
      loss: the loss of one step; None if there is no loss.
      params: the cell's parameters.
      batch: one sequence, with `n_leading` leading axes of sequences.
      needs_loss: whether None is an invalid loss.
      n_leading: 0 or 1.

    Raises:
      ValueError: an argument does not fit; the one-line message names it.
    """
    check_has_step(cell)
    batch = _arrays(batch)
    params = jax.tree.map(_number, params)
    leaves, structure = jax.tree.flatten((cell, params, batch))
    like = tuple(_like(leaf) for leaf in leaves)
    question = (like, structure, loss, needs_loss, n_leading, jax.config.read("jax_enable_x64"))
    dtype = _check_once(*question)
    cell, params, batch = wide((cell, params, batch))
    cell = state_dtype.in_dtype(cell, params, dtype)
    cut = jax.vmap(masks.cut) if n_leading else masks.cut
    return cell, params, cut(batch)


def check_has_step(cell: Any) -> None:
    """Refuse what is no cell.

    Raises:
      ValueError: it has no method step.
    """
    if not hasattr(cell, "step"):
        why = getattr(cell, "why_no_step", "")
        raise ValueError(
            f"cell: expected one with a method step, got {shape_checks.kind_of(cell)}{why}"
        )


def admitted_network(
    network: Any, loss: StepLoss | None, params: Params, batch: Batch, *, seen: int | None = None
) -> tuple[Params, Batch]:
    """Check the arguments of a network that is no cell; return parameters and sequence.

    Args:
      network: with `n_x` and `init`, and `readout` if there is a loss.
      loss: the loss of one step; None if there is no loss.
      params: its parameters.
      batch: one sequence.
      seen: the number of values that `readout` takes; None if it is not needed.

    Raises:
      ValueError: an argument does not fit; the one-line message names it.
    """
    batch = _arrays(batch)
    shape_checks.check_batch(network, batch, 0)
    shape_checks.check_params(network, params)
    _check_some_weight(batch.mask)
    params, batch = wide((params, batch))
    if loss is not None and seen is not None:
        like = jax.ShapeDtypeStruct((seen,), jnp.result_type(*jax.tree.leaves(params)))
        y = jax.ShapeDtypeStruct(batch.y.shape[1:], batch.y.dtype)
        shape_checks.check_loss(network, loss, params, like, y)
    return params, masks.cut(batch)


def _check_some_weight(mask: Array) -> None:
    """Refuse a mask of zeros, if its values are known: in a program that is traced they may be."""
    if not isinstance(mask, jax.core.Tracer) and not np.any(np.asarray(mask)):
        raise ValueError("mask: expected a step with a weight other than 0, got zeros only")


def admitted_inputs(cell: Cell, params: Params, x: Array) -> tuple[Cell, Params, Array]:
    """Check cell, parameters and inputs, (T, n_x); return them in the internal form."""
    x = _array("x", x)
    ones = jnp.ones(x.shape[:1])
    cell, params, batch = admitted(cell, None, params, Batch(x, x, ones, ones.astype(bool)))
    return cell, params, batch.x


def of_rule(
    call: Callable[..., RuleOut] | None = None, *, real: bool = False
) -> Callable[..., Any]:
    """Decorate the call of a rule on one sequence so that `admitted` checks its arguments.

    Args:
      call: (rule, cell, loss, params, batch, state=(), *, per_step=False) -> RuleOut.
      real: whether the rule receives complex networks in their real view.
    """
    if call is None:
        return functools.partial(of_rule, real=real)

    @functools.wraps(call)
    def checked(
        self: Any,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any = (),
        **options: Any,
    ) -> RuleOut:
        cell, params, batch = admitted(cell, loss, params, batch, needs_loss=True)
        if not real:
            return call(self, cell, loss, params, batch, state, **options)
        view: Any = real_view.of(cell, params, batch.x[0])
        out = call(self, view.seen, loss, view.inward(params), batch, state, **options)
        return out._replace(grads=view.gradient(out.grads, int(options.get("per_step", False))))

    return checked


def of_batches(call: Callable[..., RuleOut]) -> Callable[..., RuleOut]:
    """Decorate the call of a rule on a batch of sequences, leaves (B, T, ...), in the same way."""

    @functools.wraps(call)
    def checked(
        self: Any,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any = (),
        **options: Any,
    ) -> RuleOut:
        given = admitted(cell, loss, params, batch, needs_loss=True, n_leading=1)
        cell, params, batch = given
        return call(self, cell, loss, params, batch, state, **options)

    return checked


def of_probe(measure: Callable[Concatenate[Cell, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Decorate a function (cell, loss, params, batch, **options) in the same way.

    For type checkers the cell may be anything: the recurrence of a program has no `init`.

    If all weights are 0, there is no last step from which lags could be counted: a concrete mask
    then raises a ValueError, and a traced mask gives NaN.
    """

    @functools.wraps(measure)
    def checked(
        cell: Cell, loss: StepLoss | None, params: Params, batch: Batch, **options: Any
    ) -> Any:
        given = admitted(cell, loss, params, batch)
        _check_some_weight(given[2].mask)
        cell, params, batch = given
        return cast(Any, measure)(cell, loss, params, batch, **options)

    return cast(Callable[Concatenate[Any, P], R], checked)


def _arrays(batch: Any) -> Batch:
    missing = [name for name in ("x", "y", "mask") if not hasattr(batch, name)]
    if missing:
        raise ValueError(f"batch: expected a rnnjax.Batch, got {shape_checks.described(batch)}")
    x, y, mask = (_array(name, getattr(batch, name)) for name in ("x", "y", "mask"))
    counts = getattr(batch, "counts", None)
    if counts is not None:
        _check_first_steps(counts)
        counts = _array("counts", counts)
    if jnp.issubdtype(mask.dtype, jnp.complexfloating):
        raise ValueError(f"mask: expected real weights, got {mask.dtype}")
    weights = mask if jnp.issubdtype(mask.dtype, jnp.floating) else mask.astype(float)
    return Batch(x, y, weights, counts)


def _check_first_steps(counts: Any) -> None:
    """Refuse steps that count behind one that does not, if they are known (else: `masks.cut`)."""
    if isinstance(counts, jax.core.Tracer):
        return
    known = np.asarray(counts)
    if known.dtype == bool and np.any(gaps := known[..., 1:] > known[..., :-1]):
        step = int(np.nonzero(gaps)[-1][0]) + 1
        raise ValueError(
            f"counts: expected the first steps of the sequence, got step {step} (from 0) behind one"
            " that does not count; padding on the left has to be cut off"
        )


def _array(name: str, value: Any) -> Array:
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: expected an array, got {shape_checks.described(value)}"
        ) from error


def _number(leaf: Any) -> Any:
    """Return a leaf of parameters: numbers of Python as arrays, all others as they are.

    Raises:
      ValueError: it is an array of what JAX has no numbers for, such as objects or text.
    """
    if isinstance(leaf, float | complex):
        return jnp.asarray(leaf)
    shape_checks.check_has_numbers("params", leaf)
    return leaf


def _like(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array | np.ndarray):
        # A dtype that gives way to others stays so.
        weak = getattr(leaf, "weak_type", False)
        return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf), weak_type=weak)
    return leaf


def wide(tree: Any) -> Any:
    """Return a tree in which half precision is converted to float32."""

    def one(leaf: Any) -> Any:
        is_array = isinstance(leaf, jax.Array | np.ndarray)
        half = is_array and jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype.itemsize == 2
        return jnp.asarray(leaf, jnp.float32) if half else leaf

    return jax.tree.map(one, tree)


@found_once(maxsize=128)
def _check_once(
    like: tuple[Any, ...],
    structure: Any,
    loss: StepLoss | None,
    needs_loss: bool,
    n_leading: int,
    x64: bool,
) -> Any:
    dtype = shape_checks.check(like, structure, loss, needs_loss, n_leading, x64)
    split_checks.check_split(like, structure, n_leading)
    return dtype
