"""RTRL with a discount: the influence of a weight fades with its age.

  P_t = D_t + decay J_t P_{t-1},   P_0 = 0                  (1)   D_t: dh_t/dw with h_{t-1} fixed
  dl_t/dw ~ g_t P_t                                         (2)

A lag of k steps counts decay^k. With decay 1 this is `RTRL` and exact; with decay 0 every step
stands alone, which is BPTT with a window of 1. It needs n_h numbers a weight and no memory of the
past; it is the sum of `BPTT` with the same decay.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import Full
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Discounted
from rnnjax.types import Array


@fields.dataclass
class DiscountedRTRL(Product):
    """The whole influence, the discounted Jacobian, the exact signal; for any cell.

    Attributes:
      decay: factor of the influence in a step, 0 to 1; may be traced.
    """

    decay: Array | float = fields.number(default=1.0, at_least=0, at_most=1)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(Full(), Discounted(self.decay), Exact())
