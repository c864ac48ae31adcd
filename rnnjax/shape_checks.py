"""Whether cell, parameters, sequence and loss go together, from their shapes alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, state_dtype
from rnnjax.cells import tree_shapes
from rnnjax.errors import one_line
from rnnjax.types import Array, Batch, StepLoss


def check(
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
            f"loss: expected a function (y_hat, y) -> (), got {described(loss)}; None means pure "
            "transport, which only probes measure"
        )
    x, y = check_batch(cell, batch, n_leading)
    check_params(cell, params)
    h = _check_step(cell, params, x)
    if loss is not None:
        check_loss(cell, loss, params, h, y)
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


def check_batch(cell: Any, batch: Batch, n_leading: int) -> tuple[Any, Any]:
    """Return the shapes of one step's input and target."""
    shapes = {name: getattr(batch, name).shape for name in ("x", "y", "mask")}
    message = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if len(shapes["mask"]) != 1 + n_leading:
        wanted = "a batch of sequences, leaves (B, T, ...)" if n_leading else "one sequence"
        also = "" if n_leading else "; jax.vmap over the sequences of a batch"
        raise ValueError(f"batch: expected {wanted} with a mask of (T,) each, got {message}{also}")
    steps = shapes["mask"]
    if 0 in steps:
        raise ValueError(f"batch: expected at least one step, got {message}")
    n_x = getattr(cell, "n_x", None)
    counts = batch.counts
    if counts is not None and (counts.shape != steps or counts.dtype != jnp.dtype(bool)):
        raise ValueError(f"counts: expected bool {steps} as mask, got {described(counts)}")
    for name in ("x", "y"):
        if shapes[name][: len(steps)] != steps:
            turned = shapes[name][::-1][:1] == steps[:1] and not n_leading
            also = f"; {name} is transposed" if turned else ""
            raise ValueError(f"{name}: expected {steps[-1]} steps as in mask, got {message}{also}")
    inner = shapes["x"][len(steps) :]
    if dynamics.traits(cell).tokens:
        _check_tokens(cell, batch.x, inner)
    elif n_x is not None and inner != (n_x,):
        kind = kind_of(cell)
        raise ValueError(f"x: expected (T, n_x) with n_x = {n_x} as in {kind}, got {shapes['x']}")
    x, y = (jax.ShapeDtypeStruct(a.shape[len(steps) :], a.dtype) for a in (batch.x, batch.y))
    return x, y


def _check_tokens(cell: Any, x: Any, inner: tuple[int, ...]) -> None:
    """Check that inputs are integers, one for each step or n_x: the cell embeds them."""
    wanted = () if cell.n_x is None else (cell.n_x,)
    if inner != wanted or not jnp.issubdtype(x.dtype, jnp.integer):
        message = (
            f"expected integer tokens {('T', *wanted)} as {kind_of(cell)} embeds them, ".replace(
                "'T'", "T"
            )
        )
        raise ValueError(f"x: {message}got {described(x)}")


def check_params(cell: Any, params: Any) -> None:
    """Check that parameters are arrays that have a derivative, shaped as the cell makes them."""
    bad = [leaf for leaf in jax.tree.leaves(params) if not _is_differentiable(leaf)]
    if bad:
        raise ValueError(f"params: expected floating point arrays, got {described(bad[0])}")
    if not hasattr(cell, "init"):
        return
    try:
        like = _followed("init", lambda cell: cell.init(jax.random.key(0)), cell)
    except ValueError:  # the shapes are unknown if the initialiser cannot be traced
        return
    wanted, got = tree_shapes.by_name(like), tree_shapes.by_name(params)
    if found := tree_shapes.mismatch(wanted, got, kind_of(cell)):
        also = ": are they those of another cell?" if wanted.keys() == got.keys() else ""
        raise ValueError(f"params: {found}{also}")


def _check_step(cell: Any, params: Any, x: Any) -> Any:
    """Return the shape of the state."""
    h = _followed("initial_state", lambda cell: cell.initial_state(), cell)
    if getattr(h, "ndim", None) != 1 or not h.size:
        expected = "an initial state of shape (n_h,), n_h at least 1"
        raise ValueError(f"cell: expected {expected}, got {described(h)}")
    if h.size % (m := dynamics.entries_per_unit(cell)):
        expected = f"as many state entries for each unit, {m} by its traits"
        raise ValueError(f"cell: expected {expected}, got a state of {h.size}")
    new = _followed("step", lambda cell, *at: cell.step(*at), cell, params, h, x)
    if getattr(new, "shape", None) != h.shape:
        message = f"expected step to return a state of shape {h.shape}, got {described(new)}"
        raise ValueError(f"cell: {message}")
    if jnp.issubdtype(h.dtype, jnp.complexfloating) > jnp.issubdtype(
        new.dtype, jnp.complexfloating
    ):
        raise ValueError(f"cell: expected step to return a state of {h.dtype}, got {new.dtype}")
    return new


def n_outputs(cell: Any, params: Any) -> int:
    """Return n_y of a cell that reads out a vector, (n_y,).

    Raises:
      ValueError: it does not; the one-line message says what it reads out.
    """
    y_hat = _followed(
        "readout", lambda cell, params: cell.readout(params, cell.initial_state()), cell, params
    )
    if getattr(y_hat, "ndim", None) != 1:
        raise ValueError(f"readout: expected outputs of shape (n_y,), got {described(y_hat)}")
    return int(y_hat.shape[0])


def check_loss(cell: Any, loss: StepLoss, params: Any, h: Any, y: Any) -> None:
    """Check that targets fit the readout, and that the loss of a step is a real number."""
    y_hat = _followed("readout", lambda cell, *at: cell.readout(*at), cell, params, h)
    is_label = y.shape == () and jnp.issubdtype(y.dtype, jnp.integer)
    shape = getattr(y_hat, "shape", ())
    fits = is_label or y.shape == shape
    message = (
        f"y: expected targets {('T', *shape)} as the readout gives, or integer labels ('T',), "
    )
    refused = ValueError(f"{message}got {('T', *y.shape)}".replace("'T'", "T"))
    if not fits and _broadcast(y.shape, shape):
        raise refused
    try:
        value = _followed("loss", loss, y_hat, y)
    except ValueError as error:
        raise error if fits else refused from error
    if getattr(value, "shape", None) != () or not jnp.issubdtype(value.dtype, jnp.floating):
        message = f"expected a real number of shape () for one step, got {described(value)}"
        raise ValueError(f"loss: {message}")


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
        message = ", ".join(described(leaf) for leaf, t in zip(leaves, traced, strict=True) if t)
        raise ValueError(
            f"{name}: expected it to take {one_line(message, 200)}, got {why}"
        ) from error


def kind_of(cell: Any) -> str:
    """Return the name of the class that the user sees."""
    return type(getattr(cell, "user_cell", cell)).__name__


def _is_differentiable(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    dtype = jnp.result_type(leaf) if dtype is None and isinstance(leaf, float | complex) else dtype
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def check_has_numbers(name: str, leaf: Any) -> None:
    """Refuse an array of NumPy whose dtype JAX does not have, such as one of objects or text.

    Raises:
      ValueError: it is one.
    """
    if not isinstance(leaf, np.ndarray):
        return
    try:
        jnp.result_type(leaf)
    except TypeError as error:
        raise ValueError(
            f"{name}: expected floating point arrays, got {described(leaf)}"
        ) from error


def _broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether NumPy would broadcast the two shapes without an error."""
    try:
        np.broadcast_shapes(one, other)
    except ValueError:
        return False
    return True


def described(value: Any) -> str:
    """Return dtype and shape of an array, or the beginning of any other value."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{tuple(value.shape)}"
    return one_line(repr(value), 60)
