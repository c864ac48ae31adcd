"""Any point of the product of forward rules, by its three factors."""

from rnnjax import fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import Full
from rnnjax.rules.product import Product
from rnnjax.rules.signals import Exact
from rnnjax.rules.transports import Jacobian


@fields.dataclass
class Forward(Product):
    """A rule made of three factors, see `rnnjax.rules.product`.

    Attributes:
      influence: what is kept of M_t, of `rnnjax.rules.influences`.
      transport: what stands for J_t, of `rnnjax.rules.transports`.
      signal: what stands for dl_t/dh_t, of `rnnjax.rules.signals`.

    Example:
      >>> from rnnjax.rules import Forward, influences, transports
      >>> Forward(influences.WithinUnits(), transports.Leak()).exact
      False
    """

    influence: object = fields.part(
        default=Full(),
        needs=("direct", "of_tangent"),
        expected="an influence such as rnnjax.rules.influences.Full()",
    )
    transport: object = fields.part(
        default=Jacobian(),
        needs=("stored", "learns"),
        expected="a transport such as rnnjax.rules.transports.Jacobian()",
    )
    signal: object = fields.part(
        default=Exact(),
        needs=("of_losses",),
        expected="a signal such as rnnjax.rules.signals.Exact()",
    )

    @property
    def point(self) -> Factors:
        """The factors."""
        return Factors(self.influence, self.transport, self.signal)
