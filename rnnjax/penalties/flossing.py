"""Gradient flossing: the largest Lyapunov exponents are pulled to 0.

  P = 1/k sum_{i <= k} lambda_i^2                                                (1)

lambda_i are the exponents over one sequence, made by a QR decomposition at every step or every few,
through which automatic differentiation goes. With k exponents at 0 the network carries k directions
of the gradient over any lag. Engelken, Gradient flossing: improving gradient descent through
dynamic control of Jacobians, NeurIPS 2023.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnnjax import boundary, dynamics, fields, real_view
from rnnjax.probes import lyapunov
from rnnjax.types import Array, Batch, Cell, Params, StepLoss
from rnnjax.updates.minimise import descend


@fields.dataclass
class Flossing:
    """Equation (1).

    Attributes:
      n_exponents: k, static.
      n_discarded: steps at the start that align the directions, static.
      every: steps between two decompositions, static.
    """

    n_exponents: int = fields.count()
    n_discarded: int = fields.count(default=0, at_least=0)
    every: int = fields.count(default=1)

    def exponents(self, cell: Cell, params: Params, batch: Batch) -> Array:
        """Return the exponents lambda_1, ..., lambda_k of one sequence, (k,)."""
        cell, params, batch = boundary.admitted(cell, None, params, batch)
        view = real_view.for_jacobians(cell, params, batch.x[0])
        cell, params = view.seen, view.inward(params)
        lyapunov.check_discarded(self.n_discarded, batch)
        k, n_finite = self.n_exponents, cell.initial_state().size - dynamics.traits(cell).n_unread
        if k > n_finite:
            raise ValueError(f"n_exponents: expected at most the {n_finite} finite ones, got {k}")
        return lyapunov.growth(cell, params, batch, k, self.n_discarded, every=self.every).mean()

    def __call__(self, cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> Array:
        """Return P of one sequence, (); the loss is not used.

        inf, with a gradient that is not finite, where fewer than k directions are left to grow.
        """
        return jnp.mean(self.exponents(cell, params, batch) ** 2)

    def update(
        self,
        cell: Cell,
        params: Params,
        state: Any,
        batch: Batch,
        optimiser: optax.GradientTransformation,
    ) -> tuple[Params, Any, Array]:
        """Pull the exponents to 0 by one update.

        Args:
          cell: the cell.
          params: its parameters.
          state: of the optimiser.
          batch: one sequence, whose targets are not used.
          optimiser: of optax.

        Returns:
          the parameters and the state after the update, and the exponents before it, (k,).
        """

        def squares(params: Params) -> tuple[Array, Array]:
            exponents = self.exponents(cell, params, batch)
            return jnp.mean(exponents**2), exponents

        gradient, exponents = jax.grad(squares, has_aux=True)(params)
        return *descend(params, state, gradient, optimiser), exponents

    def descend(
        self,
        cell: Cell,
        params: Params,
        batches: Batch,
        optimiser: optax.GradientTransformation,
    ) -> tuple[Params, Array]:
        """Pull the exponents to 0 by one update on each of several sequences.

        Args:
          cell: the cell.
          params: its parameters.
          batches: the sequences, leaves (n, T, ...).
          optimiser: of optax, begun anew.

        Returns:
          the parameters after the last update, and the exponents before every one, (n, k).
        """

        def update(carry: tuple[Params, Any], batch: Batch) -> tuple[tuple[Params, Any], Array]:
            *carried, exponents = self.update(cell, *carry, batch, optimiser)
            return (carried[0], carried[1]), exponents

        start = params, optimiser.init(params)
        (params, _), exponents = jax.lax.scan(update, start, batches)
        return params, exponents
