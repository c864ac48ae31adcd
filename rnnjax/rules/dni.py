"""Synthetic gradients: what the future will send back is predicted from the state.

  delta_t ~ g_t + A f_t,   f_t = [h_t, y_t, 1]              (1)   y_t: the target of the step
  dl/dw ~ sum_t delta_t D_t                                 (2)

How A is learned: `rnnjax.rules.signals.predicted`. With A = 0, at the start, this is BPTT with a
window of 1. Jaderberg et al., Decoupled neural interfaces using synthetic gradients, ICML 2017.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import Immediate
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Predicted
from rnnjax.rules.transports import Nothing
from rnnjax.types import Array


@fields.dataclass
class DNI(Product):
    """No influence of earlier steps, no transport, a predicted signal; for any cell.

    Attributes:
      rate: of the prediction's updates, 0 to 1.
    """

    rate: Array | float = fields.number(default=0.05, at_least=0, at_most=1)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(Immediate(), Nothing(), Predicted(self.rate))
