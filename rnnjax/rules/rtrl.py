"""Real-time recurrent learning: the exact gradient, forward in time.

  M_t = D_t + J_t M_{t-1},   M_0 = 0                        (1)
  dl_t/dw = g_t M_t                                         (2)

M_t = dh_t/dw is the whole influence, n_h numbers a weight; a step costs n_h^2 operations a weight,
n_h^4 in all. Williams and Zipser, A learning algorithm for continually running fully recurrent
neural networks, Neural Computation, 1989.
"""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import Full
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Jacobian


@fields.dataclass
class RTRL(Product):
    """The whole influence, the Jacobian, the exact signal; for any cell."""

    point = Factors(Full(), Jacobian(), Exact())
