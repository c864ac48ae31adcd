"""The learning signal through fixed feedback weights in place of the transposed readout.

  s_t = F dl_t/dy_t                                                            (1)

Lillicrap, Cownden, Tweed and Akerman, Random synaptic feedback weights support error
backpropagation for deep learning, Nature Communications, 2016.
"""

import jax
import jax.numpy as jnp

from rnnjax import boundary, fields, masks, real_view, scaled, scan
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, refusal
from rnnjax.rules.factors import Factor
from rnnjax.rules.problem import Problem
from rnnjax.rules.signals.exact import Exact
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params


@fields.dataclass
class Feedback(Factor):
    """Equation (1).

    Attributes:
      weights: F, (n_h, n_y), see `rnnjax.rules.random_feedback`.
    """

    weights: Array = fields.array("n_h", "n_y")

    def of_losses(self, problem: Problem, h: Array, batch: Batch) -> tuple[Array, Scaled]:
        """Return the losses of S steps and s_t; see `rnnjax.rules.signals.Exact`.

        Raises:
          ValueError: F is not shaped as the network's states and outputs, or complex in a real one.
        """
        cell, loss, params = problem
        y = masks.of_weight(batch.y, batch.mask)

        def losses(y_hat: Array) -> Array:
            return scan.weighed(jax.vmap(loss)(y_hat, y), batch.mask)

        values, vjp = jax.vjp(losses, scan.readouts(cell, params, h, batch.mask))
        (errors,) = vjp(jnp.ones_like(values))
        is_view = isinstance(cell, real_view.RealView)
        shape = ((cell.cell if is_view else cell).initial_state().size, errors.shape[-1])
        if errors.ndim != 2 or jnp.shape(self.weights) != shape:
            raise refusal("feedback", f"(n_h, n_y) = {shape}", jnp.shape(self.weights))
        if jnp.iscomplexobj(self.weights) and not is_view:
            raise refusal(
                "feedback", "real weights of a real network", "complex ones", shown_by=str
            )
        s = matvec(self.weights, errors)
        if is_view:
            s = jax.vmap(cell.cotangent)(s)
        return values, scaled.normalise(s, jnp.zeros(len(h), jnp.int32))


def through(feedback: Array | None) -> Exact | Feedback:
    """Return the signal through these weights; if None, through the readout's own."""
    return Exact() if feedback is None else Feedback(feedback)


def random_feedback(key: Array, cell: Cell, params: Params) -> Array:
    """Draw feedback weights (n_h, n_y) of the size of a readout at its start, N(0, 1/n_h)."""
    boundary.check_has_step(cell)
    h = cell.initial_state()
    (n_y,) = jax.eval_shape(cell.readout, params, h).shape
    return jax.random.normal(KEY.checked("key", key), (h.size, n_y)) / h.size**0.5
