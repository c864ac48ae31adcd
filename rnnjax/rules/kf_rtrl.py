"""KF-RTRL and its reverse: RTRL with unbiased estimates of the influence as a Kronecker product.

  dh_t/d(weight i, j) ~ B_t[:, i] A_t[j]                    (1)   KF-RTRL
  dh_t/d(weight i, j) ~ A_t[i] B_t[:, j]                    (2)   its reverse

How the factors go on: `rnnjax.rules.influences.kronecker` and `reverse_kronecker`. In the mean both
are `RTRL`. KF-RTRL: Mujika, Meier and Steger, Approximating real-time recurrent learning with
random Kronecker factors, NeurIPS 2018. Reverse: Marschall, Cho and Savin, A unified framework of
online learning algorithms for training recurrent neural networks, Journal of Machine Learning
Research, 2020.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import Kronecker, ReverseKronecker
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Jacobian
from rnnjax.types import Array


@fields.dataclass
class KFRTRL(Product):
    """Equation (1), the Jacobian, the exact signal; for pre-activation cells.

    Attributes:
      signs: two of every step, (T, 2), in place of random ones.
    """

    signs: Array | None = fields.array("T", "2", default=None, real=True)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(Kronecker(self.signs), Jacobian(), Exact())


@fields.dataclass
class ReverseKFRTRL(Product):
    """Equation (2), the Jacobian, the exact signal; for pre-activation cells.

    Attributes:
      signs: those of every step, (T, n_z), in place of random ones.
    """

    signs: Array | None = fields.array("T", "n_z", default=None, real=True)

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(ReverseKronecker(self.signs), Jacobian(), Exact())
