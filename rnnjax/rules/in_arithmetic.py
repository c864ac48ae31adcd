"""Two backward passes in float32 or float64 beside an exact one, to tell what rounding does.

  delta_t = dL/dh_t,   dL/dW                                                     (1)

The trajectory is computed in the precision that is asked for, and the exact pass takes its very
numbers in float64: what differs from it comes from the backward pass alone. The loss is the squared
error of the readout, weighed by the mask of each sequence.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import adjoint, cotangents, gradient, losses, matrices, scaled, scan, tangents
from rnnjax.rules.forward_errors import ForwardErrors
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch, Cell, Params

Precision = Literal["float32", "float64"]


class Backward(NamedTuple):
    """What a backward pass finds, equation (1), as numbers of float64.

    Attributes:
      deltas: value (n, T, n_h), of n masks.
      W: gradient with respect to the weights, value (n, ...).
    """

    deltas: Scaled
    W: Scaled


class Passes(NamedTuple):
    """The backward passes of one sequence under n masks.

    Attributes:
      rule: by the rule, in the precision that was asked for.
      bptt: by backpropagation through time, in the same precision.
      exact: by backpropagation in float64, on the same trajectory.
      params, trajectory: in float64, bit for bit those of the precision that was asked for.
    """

    rule: Backward
    bptt: Backward
    exact: Backward
    params: Params
    trajectory: Trajectory


def backward_passes(
    cell: Cell, params: Params, batch: Batch, rule: ForwardErrors, precision: Precision
) -> Passes:
    """Run a rule and BPTT in a precision, and BPTT in float64; needs a program in float64.

    Args:
      cell: the cell.
      params: parameters.
      batch: one sequence under n masks, each leaf (n, T, ...), with the same inputs.
      rule: the rule whose `errors` are delta_t.
      precision: of its numbers.
    """
    # A cell makes its initial state and its Jacobian in JAX's default precision.
    with jax.enable_x64(precision == "float64"):
        narrow, narrow_batch = _cast((params, batch), precision)
        trajectory = scan.unroll(cell, narrow, narrow_batch.x[0])
        g = _sources(cell, narrow, trajectory, narrow_batch)
        forward = jax.vmap(lambda g: rule.errors(cell, narrow, trajectory, g))(g)
        both = _stacked(forward, _adjoints(cell, narrow, trajectory, g))
        W = _by_weights(cell, narrow, trajectory, narrow_batch, both)
    both, W, params, trajectory, batch = _cast(
        (both, W, narrow, trajectory, narrow_batch), "float64"
    )
    of_rule, bptt = (Backward(*jax.tree.map(lambda a, i=i: a[i], (both, W))) for i in range(2))
    exact = bptt if precision == "float64" else _exact(cell, params, trajectory, batch)
    return Passes(of_rule, bptt, exact, params, trajectory)


def _exact(cell: Cell, params: Params, trajectory: Trajectory, batch: Batch) -> Backward:
    deltas = _adjoints(cell, params, trajectory, _sources(cell, params, trajectory, batch))
    one = jax.tree.map(lambda a: a[None], deltas)
    W = _by_weights(cell, params, trajectory, batch, one)
    return Backward(deltas, jax.tree.map(lambda a: a[0], W))


def _cast(tree: Any, dtype: str) -> Any:
    """Return a tree with its real numbers in a dtype; exponents stay integers."""
    return jax.tree.map(
        lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree
    )


def _stacked(*trees: Any) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _sources(cell: Cell, params: Params, trajectory: Trajectory, batch: Batch) -> Scaled:
    """Return dl_t/dh_t at every step, value (n, T, n_h)."""
    h, loss = scaled.plain(trajectory.states), losses.squared_error
    source = cotangents.readout_source
    return jax.vmap(lambda due: source(cell, loss, params, h, due.y, due.mask)[1])(batch)


def _adjoints(cell: Cell, params: Params, trajectory: Trajectory, g: Scaled) -> Scaled:
    nothing = scaled.normalise(jnp.zeros_like(g.value[0, 0]))
    residuals = scan.residuals(cell, params, trajectory)
    return jax.vmap(lambda g: adjoint.scan_back(cell, params, residuals, nothing, g)[0])(g)


def _by_weights(
    cell: Cell, params: Params, trajectory: Trajectory, batch: Batch, deltas: Scaled
) -> Scaled:
    """Return dL/dW, leaves (2, n, ...), of deltas (2, n, T, n_h)."""

    def one(deltas: Scaled) -> Scaled:
        return gradient.through_steps(cell, params, trajectory, batch.x[0], deltas)[0]

    return jax.vmap(jax.vmap(one))(deltas)


def inverse_growth(cell: Cell, params: Params, trajectory: Trajectory) -> tuple[Array, Array]:
    """Measure how errors grow that are carried forward in time by J_t^-T.

    Args:
      cell: the cell, with a slope for each unit.
      params: parameters.
      trajectory: of T steps.

    Returns:
      ln |J_t^-T .. J_2^-T u| for t = 1..T and a fixed unit vector u, (T,); the smallest slope of
      the steps 2..T, (T - 1,).

    Raises:
      ValueError: the cell has no slope for each unit.
    """

    def step(v: Array, at: Trajectory) -> tuple[Array, Array]:
        J = scan.linearize(cell, params, at).as_matrix()
        v = matrices.solve(J.value.T, v)
        size = jnp.linalg.norm(v)
        return v / size, jnp.log(size) - J.exponent * np.log(2)

    def least_slope(at: Trajectory) -> Array:
        found = tangents.slope(scan.linearize(cell, params, at))
        if found is None:
            raise ValueError(f"cell: expected one with a slope for each unit, got {cell}")
        return jnp.min(scaled.shift(found.value, found.exponent))

    later = jax.tree.map(lambda a: a[1:], trajectory)
    u = cotangents.unit_cotangent(trajectory.h_prev[0])
    _, growth = jax.lax.scan(step, u, later)
    return jnp.append(0.0, jnp.cumsum(growth)), jax.vmap(least_slope)(later)
