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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, masks, real_view, state_dtype
from rnnjax.cells import tree_shapes
from rnnjax.errors import one_line
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss

Admitted = tuple[Cell, Params, Batch]


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
    if not hasattr(cell, "step"):
        why = getattr(cell, "why_no_step", "")
        raise ValueError(f"cell: expected one with a method step, got {_kind(cell)}{why}")
    batch = _arrays(batch)
    leaves, structure = jax.tree.flatten((cell, params, batch))
    like = tuple(_like(leaf) for leaf in leaves)
    question = (like, structure, loss, needs_loss, n_leading, jax.config.read("jax_enable_x64"))
    try:
        hash(question)
    except TypeError:
        dtype = _check(*question)
    else:
        dtype = _check_once(*question)
    cell, params, batch = wide((cell, params, batch))
    cell = state_dtype.in_dtype(cell, params, dtype)
    cut = jax.vmap(masks.cut) if n_leading else masks.cut
    return cell, params, cut(batch)


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
    _check_batch(network, batch, 0)
    _check_params(network, params)
    if not isinstance(batch.mask, jax.core.Tracer) and not np.any(batch.mask != 0):
        raise ValueError("mask: expected a step with a weight other than 0, got zeros only")
    params, batch = wide((params, batch))
    if loss is not None and seen is not None:
        like = jax.ShapeDtypeStruct((seen,), jnp.result_type(*jax.tree.leaves(params)))
        y = jax.ShapeDtypeStruct(batch.y.shape[1:], batch.y.dtype)
        _check_loss(network, loss, params, like, y)
    return params, masks.cut(batch)


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


def of_probe(measure: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function (cell, loss, params, batch, **options) in the same way.

    If all weights are 0, there is no last step from which lags could be counted: a concrete mask
    then raises a ValueError, and a traced mask gives NaN.
    """

    @functools.wraps(measure)
    def checked(
        cell: Cell, loss: StepLoss | None, params: Params, batch: Batch, **options: Any
    ) -> Any:
        given = admitted(cell, loss, params, batch)
        if not isinstance(given[2].mask, jax.core.Tracer) and not np.any(given[2].mask != 0):
            raise ValueError("mask: expected a step with a weight other than 0, got zeros only")
        cell, params, batch = given
        return measure(cell, loss, params, batch, **options)

    return checked


def _arrays(batch: Any) -> Batch:
    missing = [name for name in ("x", "y", "mask") if not hasattr(batch, name)]
    if missing:
        raise ValueError(f"batch: expected a rnnjax.Batch, got {_told(batch)}")
    x, y, mask = (_array(name, getattr(batch, name)) for name in ("x", "y", "mask"))
    counts = getattr(batch, "counts", None)
    if jnp.issubdtype(mask.dtype, jnp.complexfloating):
        raise ValueError(f"mask: expected real weights, got {mask.dtype}")
    weights = mask if jnp.issubdtype(mask.dtype, jnp.floating) else mask.astype(float)
    return Batch(x, y, weights, counts if counts is None else _array("counts", counts))


def _array(name: str, value: Any) -> Array:
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected an array, got {_told(value)}") from error


def _like(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array | np.ndarray):
        return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf))
    return leaf


def wide(tree: Any) -> Any:
    """Return a tree in which half precision is converted to float32."""

    def one(leaf: Any) -> Any:
        is_array = isinstance(leaf, jax.Array | np.ndarray)
        half = is_array and jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype.itemsize == 2
        return jnp.asarray(leaf, jnp.float32) if half else leaf

    return jax.tree.map(one, tree)


@functools.lru_cache(maxsize=128)
def _check_once(*question: Any) -> Any:
    return _check(*question)


def _check(
    like: tuple[Any, ...],
    structure: Any,
    loss: StepLoss | None,
    needs_loss: bool,
    n_leading: int,
    x64: bool,
) -> Any:
    """Raise a ValueError if shapes do not fit; otherwise return the dtype of the state.

    `like` holds shapes and dtypes in place of arrays; half precision is replaced by float32.
    """
    cell, params, batch = jax.tree.unflatten(structure, [_wide_shape(leaf) for leaf in like])
    if needs_loss and not callable(loss):
        raise ValueError(
            f"loss: expected a function (y_hat, y) -> (), got {_told(loss)}; None means pure "
            "transport, which only probes measure"
        )
    x, y = _check_batch(cell, batch, n_leading)
    _check_params(cell, params)
    h = _check_step(cell, params, x)
    if loss is not None:
        _check_loss(cell, loss, params, h, y)
    return _of_state(cell, params, x)


def _of_state(*given: Any) -> Any:
    """Return the dtype of the state; cell, parameters and input hold shapes in place of arrays."""
    leaves, structure = jax.tree.flatten(given)
    traced = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves]
    found = []

    def run(*arrays: Array) -> Array:
        rest = iter(arrays)
        own = [next(rest) if t else leaf for leaf, t in zip(leaves, traced, strict=True)]
        found.append(state_dtype.of_state(*jax.tree.unflatten(structure, own)))
        return jnp.zeros(())

    jax.eval_shape(run, *[leaf for leaf, t in zip(leaves, traced, strict=True) if t])
    return found[0]


def _wide_shape(leaf: Any) -> Any:
    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    half = jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype.itemsize == 2
    return jax.ShapeDtypeStruct(leaf.shape, jnp.float32) if half else leaf


def _check_batch(cell: Any, batch: Batch, n_leading: int) -> tuple[Any, Any]:
    """Return the shapes of one step's input and target."""
    shapes = {name: getattr(batch, name).shape for name in ("x", "y", "mask")}
    told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if len(shapes["mask"]) != 1 + n_leading:
        wanted = "a batch of sequences, leaves (B, T, ...)" if n_leading else "one sequence"
        also = "" if n_leading else "; jax.vmap over the sequences of a batch"
        raise ValueError(f"batch: expected {wanted} with a mask of (T,) each, got {told}{also}")
    steps = shapes["mask"]
    if 0 in steps:
        raise ValueError(f"batch: expected at least one step, got {told}")
    n_x = getattr(cell, "n_x", None)
    counts = batch.counts
    if counts is not None and (counts.shape != steps or counts.dtype != jnp.dtype(bool)):
        raise ValueError(f"counts: expected bool {steps} as mask, got {_told(counts)}")
    for name in ("x", "y"):
        if shapes[name][: len(steps)] != steps:
            turned = shapes[name][::-1][:1] == steps[:1] and not n_leading
            also = f"; {name} is transposed" if turned else ""
            raise ValueError(f"{name}: expected {steps[-1]} steps as in mask, got {told}{also}")
    inner = shapes["x"][len(steps) :]
    if dynamics.traits(cell).tokens:
        _check_tokens(cell, batch.x, inner)
    elif n_x is not None and inner != (n_x,):
        kind = _kind(cell)
        raise ValueError(f"x: expected (T, n_x) with n_x = {n_x} as in {kind}, got {shapes['x']}")
    x, y = (jax.ShapeDtypeStruct(a.shape[len(steps) :], a.dtype) for a in (batch.x, batch.y))
    return x, y


def _check_tokens(cell: Any, x: Any, inner: tuple[int, ...]) -> None:
    """Check that inputs are integers, one for each step or n_x: the cell embeds them."""
    wanted = () if cell.n_x is None else (cell.n_x,)
    if inner != wanted or not jnp.issubdtype(x.dtype, jnp.integer):
        told = f"expected integer tokens {('T', *wanted)} as {_kind(cell)} embeds them, ".replace(
            "'T'", "T"
        )
        raise ValueError(f"x: {told}got {_told(x)}")


def _check_params(cell: Any, params: Any) -> None:
    bad = [leaf for leaf in jax.tree.leaves(params) if not _is_differentiable(leaf)]
    if bad:
        raise ValueError(f"params: expected floating point arrays, got {_told(bad[0])}")
    if not hasattr(cell, "init"):
        return
    try:
        like = _followed("init", lambda cell: cell.init(jax.random.key(0)), cell)
    except ValueError:  # the shapes are unknown if the initialiser cannot be traced
        return
    wanted, got = tree_shapes.by_name(like), tree_shapes.by_name(params)
    if found := tree_shapes.mismatch(wanted, got, _kind(cell)):
        also = ": are they those of another cell?" if wanted.keys() == got.keys() else ""
        raise ValueError(f"params: {found}{also}")


def _check_step(cell: Any, params: Any, x: Any) -> Any:
    """Return the shape of the state."""
    h = _followed("initial_state", lambda cell: cell.initial_state(), cell)
    if getattr(h, "ndim", None) != 1:
        raise ValueError(f"cell: expected an initial state of shape (n_h,), got {_told(h)}")
    new = _followed("step", lambda cell, *at: cell.step(*at), cell, params, h, x)
    if getattr(new, "shape", None) != h.shape:
        told = f"expected step to return a state of shape {h.shape}, got {_told(new)}"
        raise ValueError(f"cell: {told}")
    if jnp.issubdtype(h.dtype, jnp.complexfloating) > jnp.issubdtype(
        new.dtype, jnp.complexfloating
    ):
        raise ValueError(f"cell: expected step to return a state of {h.dtype}, got {new.dtype}")
    return new


def _check_loss(cell: Any, loss: StepLoss, params: Any, h: Any, y: Any) -> None:
    y_hat = _followed("readout", lambda cell, *at: cell.readout(*at), cell, params, h)
    is_label = y.shape == () and jnp.issubdtype(y.dtype, jnp.integer)
    shape = getattr(y_hat, "shape", ())
    fits = is_label or y.shape == shape
    told = f"y: expected targets {('T', *shape)} as the readout gives, or integer labels ('T',), "
    refused = ValueError(f"{told}got {('T', *y.shape)}".replace("'T'", "T"))
    if not fits and _broadcast(y.shape, shape):
        raise refused
    try:
        value = _followed("loss", loss, y_hat, y)
    except ValueError as error:
        raise error if fits else refused from error
    if getattr(value, "shape", None) != () or not jnp.issubdtype(value.dtype, jnp.floating):
        told = f"expected a real number of shape () for one step, got {_told(value)}"
        raise ValueError(f"loss: {told}")


def _followed(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the shapes of a function's result; if it fails, raise a one-line ValueError."""
    leaves, structure = jax.tree.flatten(arguments)
    traced = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves]

    def run(*arrays: Array) -> Any:
        given = iter(arrays)
        own = [next(given) if t else leaf for leaf, t in zip(leaves, traced, strict=True)]
        return function(*jax.tree.unflatten(structure, own))

    try:
        return jax.eval_shape(run, *[leaf for leaf, t in zip(leaves, traced, strict=True) if t])
    except Exception as error:
        why = one_line(" ".join(str(error).split()), 200)
        told = ", ".join(_told(leaf) for leaf, t in zip(leaves, traced, strict=True) if t)
        raise ValueError(f"{name}: expected it to take {one_line(told, 200)}, got {why}") from error


def _kind(cell: Any) -> str:
    return type(getattr(cell, "user_cell", cell)).__name__


def _is_differentiable(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    dtype = jnp.result_type(leaf) if dtype is None and isinstance(leaf, float | complex) else dtype
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def _broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether NumPy would broadcast the two shapes without an error."""
    try:
        np.broadcast_shapes(one, other)
    except ValueError:
        return False
    return True


def _told(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{tuple(value.shape)}"
    return one_line(repr(value), 60)
