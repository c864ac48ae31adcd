"""UORO: unbiased online recurrent optimization, RTRL with an influence of rank one.

  M_t ~ u_t theta_t^T                                       (1)
  dl_t/dw ~ (g_t u_t) theta_t                               (2)

How the two factors go on, with random signs: `rnnjax.rules.influences.rank_one`. In the mean it is
`RTRL`. Tallec and Ollivier, Unbiased online recurrent optimization, ICLR 2018.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import RankOne
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Jacobian
from rnnjax.types import Array


@fields.dataclass
class UORO(Product):
    """An influence of rank one, the Jacobian, the exact signal; for any cell.

    Attributes:
      signs: those of every step, (T, n_h), in place of random ones: all of them give the exact
        mean. For a complex state (T, 2 n_h): of the real parts, then of the imaginary ones.
    """

    signs: Array | None = fields.array("T", "n_h", default=None, real=True)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(RankOne(self.signs), Jacobian(), Exact())
