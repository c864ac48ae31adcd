"""The weight gradient, from the adjoint, as one contraction over all steps.

  dL/dw = sum_t (dh_t/dw)^T delta_t + sum_t dl_t/dw  (through the readout)        (1)

With the drive d_t apart from the rest of the step, h_t = advance(w, h_{t-1}, d_t(w)), and states
carried as 2^E h (see `rnnjax.scan`), the derivative with respect to the weights inside `advance`
grows with 2^E and the one with respect to the drive does not:

  (dh_t/dw)^T delta = 2^E (d advance/dw)^T delta + (dd_t/dw)^T (d advance/dd)^T delta   (2)

Every leaf of the gradient keeps an exponent of its own: blocks of W and V may lie e^400 apart.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from rnnjax import dynamics, preactivation, scaled, scan
from rnnjax.matvec import matvec
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


def parameter_gradient(
    cell: Cell,
    loss: StepLoss,
    params: Params,
    trajectory: Trajectory,
    batch: Batch,
    deltas: Scaled,
    residuals: Residuals | None = None,
) -> Any:
    """Return dL/dparams, equation (1), over any number of steps.

    Args:
      cell: the cell.
      loss: the loss of one step.
      params: its parameters.
      trajectory: of S steps (or of B x S steps, flattened).
      batch: inputs, targets and mask of these steps.
      deltas: delta_t, value (S, n_h), exponent (S,).
      residuals: of the tangents of the steps, where they are known already.

    Returns:
      a tree shaped as params, with `Scaled` leaves.
    """
    parts = [
        through_readout(cell, loss, params, trajectory.plain, batch),
        through_steps(cell, params, trajectory, batch.x, deltas, residuals),
    ]
    return as_params(params, *parts)


def through_readout(
    cell: Cell, loss: StepLoss, params: Params, h: Array, batch: Batch
) -> dict[int, Scaled]:
    """Return sum_t dl_t/dw of equation (1), the states held fixed.

    Args:
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      h: states, (S, n_h).
      batch: targets and mask of these steps.

    Returns:
      by number of leaf of params, those that the readout uses.
    """

    def losses(p: Params) -> Array:
        return scan.step_losses(cell, loss, p, h, batch.y, batch.mask)

    def ones(like: Any) -> Scaled:
        return Scaled(jnp.ones(like.shape, like.dtype), jnp.zeros(like.shape, jnp.int32))

    return _contract(losses, params, ones)


def through_steps(
    cell: Cell,
    params: Params,
    trajectory: Trajectory,
    x: Array,
    deltas: Scaled,
    residuals: Residuals | None = None,
) -> dict[int, Scaled]:
    """Return sum_t (dh_t/dw)^T delta_t of equation (1), by equation (2).

    Args:
      cell: the cell.
      params: parameters.
      trajectory: S steps.
      x: their inputs, (S, n_x).
      deltas: delta_t, value (S, n_h), exponent (S,).
      residuals: of the tangents of the steps, where they are known already.

    Returns:
      by number of leaf of params, those that the step uses.
    """
    residuals = residuals or scan.residuals(cell, params, trajectory)
    through = _through_preactivations if dynamics.has_preactivation(cell) else _by_autodiff
    parts = through(cell, params, trajectory, x, deltas, residuals)
    return {
        i: functools.reduce(scaled.add, [part[i] for part in parts if i in part])
        for i in sorted({i for part in parts for i in part})
    }


def _through_preactivations(
    cell: Any,
    params: Params,
    trajectory: Trajectory,
    x: Array,
    deltas: Scaled,
    residuals: Residuals,
) -> list[dict[int, Scaled]]:
    """Return the parts of equation (2) by way of the pre-activations z = W s + d of a step.

    With e_t = (dh_t/dz_t)^T delta_t, which is that by d_t, and d = U x + b affine in x, the
    gradient by W, U and b is sum_t e_t (2^E s(h_{t-1}), x_t, 1)^T: no step is run again.
    """
    errors = _by_drive(cell, params, deltas, residuals)
    s = jax.vmap(cell.presynaptic)(trajectory.h_prev)
    # Then U and b are one product, with W where both have the unit of the errors.
    is_joint = len(x) > x[0].size and preactivation.is_affine(cell, params, x[0])
    ones = jnp.ones((len(x), 1), s.dtype)

    def through_recurrence(p: Params) -> Array:
        return matvec(cell.recurrent_weights(p), s)

    def through_drive(p: Params) -> Array:
        if not is_joint:
            return jax.vmap(lambda x: cell.drive(p, x))(x)
        _, U, b = preactivation.weights(cell, p, x[0])
        of_both = jnp.concatenate([U, b[:, None]], axis=1)
        return matvec(of_both, jnp.concatenate([x, ones], axis=1))

    def through_both(p: Params) -> Array:
        W, U, b = preactivation.weights(cell, p, x[0])
        joint = jnp.concatenate([W, U, b[:, None]], axis=1)
        return matvec(joint, jnp.concatenate([s, x, ones], axis=1))

    if is_joint and not dynamics.is_homogeneous(cell):
        return [_contract(through_both, params, errors)]
    by_state = _lifted(errors, trajectory)
    return [
        _contract(through_recurrence, params, by_state),
        _contract(through_drive, params, errors),
    ]


def _by_drive(cell: Cell, params: Params, deltas: Scaled, residuals: Residuals) -> Scaled:
    """Return (dh_t/dd_t)^T delta_t, value (S, n_d), exponent (S,)."""
    found = jax.vmap(lambda kept, v: kept.bound(cell, params).to_drive(v))(residuals, deltas.value)
    return Scaled(found.value, deltas.exponent + found.exponent)


def _by_autodiff(
    cell: Cell,
    params: Params,
    trajectory: Trajectory,
    x: Array,
    deltas: Scaled,
    residuals: Residuals,
) -> list[dict[int, Scaled]]:
    """Return the parts of equation (2) by automatic differentiation of all steps at once."""
    h_prev, drive = trajectory.h_prev, trajectory.drive

    def advance(p: Params) -> Array:
        return jax.vmap(lambda h, d: dynamics.advance(cell, p, h, d))(h_prev, drive)

    def drives(p: Params) -> Array:
        return jax.vmap(lambda x: dynamics.drive(cell, p, x))(x)

    lifted = _lifted(deltas, trajectory)
    parts = [_contract(advance, params, lifted)]
    if dynamics.is_split(cell):
        parts.append(_contract(drives, params, _by_drive(cell, params, deltas, residuals)))
    return parts


def _lifted(v: Scaled, trajectory: Trajectory) -> Scaled:
    """Return 2^E v, E the exponents that the states are carried with."""
    return Scaled(v.value, v.exponent + trajectory.exponent)


def as_params(params: Params, *parts: dict[int, Scaled], leading: tuple[int, ...] = ()) -> Any:
    """Return the sum of parts by number of leaf, as a tree shaped as params.

    Args:
      params: the parameters.
      parts: stacked along `leading`.
      leading: the leading axes, of numbers and of exponents.
    """
    leaves, structure = jax.tree.flatten(params)
    sums = [_sum_of_parts(leaf, parts, i, leading) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, sums)


def step_gradients(cell: Cell, loss: StepLoss, params: Params, *steps: Any) -> Any:
    """Return the terms of equation (1) before their sum over t, every leaf stacked (T, ...).

    Args and returns as in `parameter_gradient`, with leaves (T, B, ...): each step sums over B.
    """
    return jax.vmap(lambda *at: parameter_gradient(cell, loss, params, *at))(*steps)


def gradient_of_deltas(
    cell: Cell,
    loss: StepLoss,
    params: Params,
    trajectory: Trajectory,
    batch: Batch,
    deltas: Scaled,
    residuals: Residuals | None = None,
    *,
    per_step: bool,
) -> Any:
    """Return the gradient of one sequence, summed over its steps or, per step, stacked (T, ...)."""
    steps = (trajectory, batch, deltas, residuals)
    if not per_step:
        return parameter_gradient(cell, loss, params, *steps)
    # Each step is a sequence of length 1: that axis is what the gradient sums over.
    steps = jax.tree.map(lambda a: a[:, None], steps)
    return step_gradients(cell, loss, params, *steps)


def leaves_read(function: Callable[[Params], Array], params: Params) -> list[int]:
    """Return the numbers of the leaves of params that a function reads."""
    leaves, structure = jax.tree.flatten(params)

    def of_leaves(leaves: list[Array]) -> Array:
        return function(jax.tree.unflatten(structure, leaves))

    # What nothing is made of is not read: the real view takes all parameters apart.
    return sorted(dynamics.inputs_read(of_leaves, leaves))


def _contract(
    stacked: Callable[[Params], Array],
    params: Params,
    cotangents: Scaled | Callable[[Any], Scaled],
) -> dict[int, Scaled]:
    """Return the vjp of a stacked function of the parameters, by number of leaf.

    Leaves that the function does not read have none: zeros would cost additions of scaled numbers.

    Args:
      stacked: the function, which is traced once.
      params: the parameters.
      cotangents: those of what it returns, or what makes them from its shape and dtype.
    """
    leaves, structure = jax.tree.flatten(params)
    traced = jax.make_jaxpr(lambda *given: stacked(jax.tree.unflatten(structure, given)))(*leaves)
    used = sorted(dynamics.read_by(traced.jaxpr))

    def of_used(some: list[Array]) -> Array:
        chosen = dict(zip(used, some, strict=True))
        (out,) = jex.jaxpr_as_fun(traced)(*(chosen.get(i, leaf) for i, leaf in enumerate(leaves)))
        return out

    if not isinstance(cotangents, Scaled):
        cotangents = cotangents(traced.out_avals[0])
    value, exponent = scaled.common(cotangents)
    out, pull = jax.vjp(of_used, [leaves[i] for i in used])
    (grads,) = pull(value.astype(out.dtype))
    return {i: scaled.normalise(g, exponent) for i, g in zip(used, grads, strict=True)}


def _sum_of_parts(
    leaf: Array, parts: Sequence[dict[int, Scaled]], number: int, leading: tuple[int, ...]
) -> Scaled:
    found = [part[number] for part in parts if number in part]
    if not found:
        nothing = jnp.zeros((*leading, *jnp.shape(leaf)), jnp.result_type(leaf))
        return scaled.normalise(nothing, jnp.zeros(leading, jnp.int32))
    return functools.reduce(scaled.add, found)
