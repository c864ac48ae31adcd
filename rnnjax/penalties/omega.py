"""The regulariser of Pascanu, Mikolov and Bengio: a gradient shall keep its length on its way back.

With delta_t = dL/dh_t and J_t = dh_t/dh_{t-1},

  Omega = sum_t (|J_t^T delta_t| / |delta_t| - 1)^2                              (1)
  Omega = sum_t (|J_t^T delta_t|^2 / |delta_t|^2 - 1)^2 / n_active               (2)

(1) is equation 9 of the paper; (2) is what its authors released: squared lengths (equation 10), and
the mean over the steps with |delta_t|^2 > 1e-20. As in the paper only the immediate derivative by
the weights in J_t is taken: states, slopes and delta_t are constants. On the difficulty of training
recurrent neural networks, ICML 2013.
"""

import jax
import jax.numpy as jnp

from rnnjax import adjoint, boundary, cotangents, fields, scaled, scan
from rnnjax.scaled import LOG_2
from rnnjax.tangents import Residuals
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

_ACTIVE = -10 * 2.302585092994046  # ln of the least |delta_t| that counts in equation (2)


@fields.dataclass
class Omega:
    """Equation (1) or (2).

    Attributes:
      as_released: (2) in place of (1), static.
    """

    as_released: bool = fields.flag(default=False)

    def __call__(self, cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> Array:
        """Return Omega of one sequence, (); steps that no gradient reaches do not count."""
        cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)
        fixed = jax.lax.stop_gradient(params)
        trajectory = scan.of_batch(cell, fixed, batch)
        _, g = cotangents.readout_source(cell, loss, fixed, trajectory.plain, batch.y, batch.mask)
        nothing = scaled.normalise(jnp.zeros_like(g.value[0]))
        residuals = scan.residuals(cell, fixed, trajectory)
        deltas, _ = adjoint.scan_back(cell, fixed, residuals, nothing, g)
        # The first state is drawn, not computed: its Jacobian carries nothing on.
        residuals, deltas = jax.tree.map(lambda a: a[1:], (residuals, deltas))

        def log_ratio(kept: Residuals, delta: Array) -> Array:
            v = kept.bound(cell, params).rmv(delta)
            return 0.5 * (_log_square(v.value) - _log_square(delta)) + v.exponent * LOG_2

        log_norms = scaled.log_norm(deltas)
        inactive = log_norms <= (_ACTIVE if self.as_released else -jnp.inf)  # NaN is not inactive
        # In place of 0, of whose logarithm the derivative would be NaN even where it is not used.
        v = jnp.where(inactive[:, None], 1, deltas.value)
        log_ratios = jax.vmap(log_ratio)(residuals, v)
        power = 2 if self.as_released else 1
        terms = jnp.where(inactive, 0, (jnp.exp(power * log_ratios) - 1) ** 2)
        if not self.as_released:
            return jnp.sum(terms)
        return jnp.sum(terms) / jnp.maximum(jnp.sum(~inactive), 1)


def _log_square(v: Array) -> Array:
    """Return ln |v|^2, with derivative 0 and not NaN at 0."""
    square = jnp.sum((v * v.conj()).real)
    return jnp.where(square == 0, -jnp.inf, jnp.log(jnp.where(square == 0, 1, square)))
