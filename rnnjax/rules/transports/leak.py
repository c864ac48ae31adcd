"""Transport by what a unit keeps of itself beside all weights: its leak.

  T_t = dh_t/dh_{t-1} at a fixed pre-activation z_t                            (1)

For a leaky vanilla network, h_t = (1 - a) h_{t-1} + a f(z_t), this is 1 - a.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import dynamics, fields, scan
from rnnjax.rules.base import require
from rnnjax.rules.factors import Transport
from rnnjax.rules.problem import Problem
from rnnjax.rules.transports.unit_blocks import UnitBlocks
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array


@fields.dataclass
class Leak(Transport):
    """Equation (1), for pre-activation cells."""

    def require(self, rule: Any, problem: Problem, x: Array) -> None:
        """Refuse a cell without pre-activations."""
        reason = "and the leak beside them is all that the trace remembers by"
        has = dynamics.has_preactivation(problem.cell)
        require(has, problem.cell, rule, "pre-activations", reason)

    def tangent(self, problem: Problem, at: Trajectory) -> UnitBlocks:
        """Return equation (1)."""
        cell = problem.cell
        m = dynamics.entries_per_unit(cell)
        z = scan.point(cell, problem.params, at).preactivation
        n = at.h_prev.size // m
        step = partial(cell.step_from_preactivation, z=z)

        def from_entry(own: Array) -> Array:
            """Return what one entry of every unit, chosen by `own` (m,), sends to all m."""
            h = jax.jvp(step, (at.h_prev,), (jnp.repeat(own, n),))[1]
            return h.reshape(m, n)

        blocks = jax.vmap(from_entry, out_axes=1)(jnp.eye(m, dtype=at.h_prev.dtype))
        return UnitBlocks(Scaled(blocks, jnp.zeros((), jnp.int32)))
