"""Random-feedback local online learning: the trace remembers by the leak alone.

  P_t = (1 - a) P_{t-1} + D_t                               (1)
  dl_t/dw ~ (F e_t) P_t,   e_t = dl_t/dy_t                  (2)

Of the Jacobian (1 - a) I + a diag(f') W only the leak is kept, so the trace needs one number a
weight; without leak (a = 1) the rule is BPTT with a window of 1, without W it is exact. F are fixed
random feedback weights, or the transposed readout where none are given. Murray, Local online
learning in recurrent networks with random feedback, eLife, 2019.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import WithinUnits
from rnnjax.rules.product import Product
from rnnjax.rules.signals.feedback import through
from rnnjax.rules.transports import Leak
from rnnjax.types import Array


@fields.dataclass
class RFLO(Product):
    """The influence within units, the leak, a signal through feedback; for pre-activation cells.

    Attributes:
      feedback: F, (n_h, n_y), see `rnnjax.rules.random_feedback`; None for the readout's own.
    """

    feedback: Array | None = fields.array("n_h", "n_y", default=None)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(WithinUnits(), Leak(), through(self.feedback))
