"""The learning signal itself: s_t = g_t = dl_t/dh_t."""

from rnnjax import cotangents, fields
from rnnjax.rules.factors import Factor
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch


@fields.dataclass
class Exact(Factor):
    """s_t = g_t."""

    exact = True

    def of_losses(self, problem: Problem, h: Array, batch: Batch) -> tuple[Array, Scaled]:
        """Return the losses of S steps, (S,), and s_t, value (S, n_h).

        Args:
          problem: the network and its loss.
          h: states, (S, n_h).
          batch: targets and weights of these steps.
        """
        cell, loss, params = problem
        return cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
