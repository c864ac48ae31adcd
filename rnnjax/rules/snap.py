"""SnAp-n: RTRL on the part of the influence that a weight can reach within n steps.

  M_t = S_n o (D_t + J_t M_{t-1}),   M_0 = 0                (1)   S_n in {0, 1}, (n_h, weights)
  dl_t/dw ~ g_t M_t                                         (2)

For dense W already SnAp-2 is RTRL. S_n belongs to the weights at the start of a sequence: what
`rnnjax.fit_online` changes within it counts from the next one on. Menick, Elsen, Evci, Osindero,
Simonyan and Graves, Practical real time recurrent learning with a sparse approximation to the
Jacobian, ICLR 2021.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import Pattern
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Jacobian


@fields.dataclass
class SnAp(Product):
    """A pattern of the influence, the Jacobian, the exact signal; for any cell.

    Attributes:
      n: steps within which the influence is kept, static.
    """

    n: int = fields.count(default=1)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(Pattern(self.n), Jacobian(), Exact())
