"""The surface of the loss over the parameters: values and slopes on a plane, and how it bends.

  L(p + a u + b v),   dL/da = <g, u>,   dL/db = <g, v>                           (1)
  k = d^2 L(p + s g/|g|) / ds^2 at s = 0                                         (2)

u and v are directions in the space of all parameters, g the gradient. Where gradients explode, the
curvature along them does too, and the surface has a wall (Pascanu, Mikolov and Bengio, On the
difficulty of training recurrent neural networks, ICML 2013).
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import boundary, scaled, scan, shape_checks
from rnnjax.cells import tree_shapes
from rnnjax.ranges import refusal
from rnnjax.rules import BPTT
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


def plane(
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    directions: tuple[Params, Params],
    first: Array,
    second: Array,
) -> dict[str, Array]:
    """Measure the loss and its gradient on a grid in a plane of parameters, equation (1).

    One row of the grid is computed at a time, so that fine grids need little memory.

    Args:
      cell: the cell.
      loss: the loss of one step.
      params: p, where a = b = 0.
      batch: one sequence.
      directions: u and v, each shaped as params.
      first: values of a, (n_a,), an array or a list.
      second: values of b, (n_b,), in the same way.

    Returns:
      ``loss``: (n_a, n_b). ``log_gradient_norm``: natural log of |g| over all parameters, at any
      magnitude, (n_a, n_b). ``slopes``: dL/da and dL/db, inf where they leave the dtype,
      (n_a, n_b, 2).

    Raises:
      ValueError: an argument does not fit; the one-line message names it.
    """
    u, v = directions
    first, second = _values("first", first), _values("second", second)
    cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)

    for direction in directions:
        _check_direction(direction, params)

    def at(a: Array, b: Array) -> dict[str, Array]:
        moved = jax.tree.map(lambda p, u, v: p + a * u + b * v, params, u, v)
        value, grads, _ = BPTT()(cell, loss, moved, batch, ())
        return {
            "loss": value,
            "log_gradient_norm": scaled.log_norm(grads),
            "slopes": jnp.stack([_inner(grads, u), _inner(grads, v)]),
        }

    return jax.lax.map(lambda a: jax.vmap(lambda b: at(a, b))(second), first)


def _values(name: str, value: Any) -> Array:
    """Return the values of an axis of the grid as an array, (n,)."""
    if np.ndim(value) != 1:
        raise refusal(name, "an array (n,)", shape_checks.described(value), shown_by=str)
    return jnp.asarray(value)


def _check_direction(direction: Params, params: Params) -> None:
    """Refuse a direction that is not shaped as the parameters: it would be spread over them."""
    wanted, got = tree_shapes.by_name(params), tree_shapes.by_name(direction)
    if found := tree_shapes.mismatch(wanted, got, "params"):
        raise ValueError(f"directions: {found}")


def curvature_along_gradient(
    cell: Cell, loss: StepLoss, params: Params, batch: Batch
) -> dict[str, Array]:
    """Measure the second derivative of the loss along its gradient, equation (2).

    Args:
      cell: the cell.
      loss: the loss of one step.
      params: p.
      batch: one sequence.

    Returns:
      ``loss``: (). ``log_gradient_norm``: natural log of |g| over all parameters, ().
      ``direction``: g/|g|, shaped as params. ``curvature``: equation (2), inf of its sign where it
      leaves the dtype, (). Both are NaN where the gradient is 0 or the loss not finite.
    """
    cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)
    value, grads, _ = BPTT()(cell, loss, params, batch, ())
    log_norm = scaled.log_norm(grads)
    # Made of the scaled gradient, the direction is right where |g| itself has no plain number. By
    # complex weights the conjugate of JAX's gradient leads upwards.
    along = jax.tree.map(jnp.conj, scaled.direction(grads))

    def bend(exponent: Array) -> Array:
        """The second derivative along `along`, of steps of 2^exponent, ()."""
        step = jax.tree.map(lambda u: scaled.shift(u, exponent), along)

        def slope(p: Params) -> Array:
            def total(p: Params) -> Array:
                return scan.sequence_loss(cell, loss, p, batch)

            return jax.jvp(total, (p,), (step,))[1]

        return scaled.shift(jax.jvp(slope, (params,), (step,))[1], -2 * exponent)

    curvature = bend(jnp.int32(0))
    # Parts of it may leave the dtype and be of both signs. A step in which the loss changes by
    # about 1 has smaller ones; of a loss that has left the dtype itself there is no curvature.
    most = jnp.finfo(curvature.dtype).maxexp // 2 - 4
    size = jnp.clip(jnp.nan_to_num(log_norm / math.log(2)), 0, most).astype(jnp.int32)
    lost = ~jnp.isfinite(curvature) & jnp.isfinite(value) & jnp.isfinite(log_norm)
    curvature = jax.lax.cond(lost, bend, lambda _: curvature, -size)
    return {
        "loss": value,
        "log_gradient_norm": log_norm,
        "direction": along,
        "curvature": curvature,
    }


def _inner(grads: Any, direction: Params) -> Array:
    """Return <g, u>, (): inf only where it is, and not NaN where an entry of g alone is."""
    leaves = jax.tree.leaves(grads, is_leaf=scaled.is_scaled)
    products = [
        scaled.normalise(jnp.sum((g.value * u).real), g.exponent)
        for g, u in zip(leaves, jax.tree.leaves(direction), strict=True)
    ]
    total: Array = scaled.plain(functools.reduce(scaled.add, products))
    return total
