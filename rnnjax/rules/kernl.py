"""KeRNL: a learned kernel in place of the Jacobian.

  dh_t[k] / dw ~ sum_i A[k, i] B_t[i]                       (1)
  B_t[i] = kappa_i B_{t-1}[i] + D_t[i]                      (2)
  dl_t/dw ~ sum_i (g_t A)[i] B_t[i]                         (3)

How A and kappa are learned: `rnnjax.rules.transports.kernel`. Roth, Kanitscheider and Fiete, Kernel
RNN learning (KeRNL), ICLR 2019.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import WithinUnits
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Kernel
from rnnjax.types import Array


@fields.dataclass
class KeRNL(Product):
    """The influence within units, a learned kernel, the exact signal; for any cell.

    Attributes:
      rate: of the kernel's updates, 0 to 1; 0 keeps A = I and kappa = 0.2.
      horizon: steps between two starts of the perturbation, static.
    """

    rate: Array | float = fields.number(default=0.05, at_least=0, at_most=1)
    horizon: int = fields.count(default=32)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(WithinUnits(), Kernel(self.rate, self.horizon), Exact())
