"""What stands for the Jacobian in the influence: the second factor of a forward rule."""

from rnnjax.rules.transports.discounted import Discounted
from rnnjax.rules.transports.fixed import Fixed
from rnnjax.rules.transports.jacobian import Jacobian
from rnnjax.rules.transports.kernel import Kernel
from rnnjax.rules.transports.leak import Leak
from rnnjax.rules.transports.nothing import Nothing
from rnnjax.rules.transports.own_part import OwnPart

__all__ = ["Discounted", "Fixed", "Jacobian", "Kernel", "Leak", "Nothing", "OwnPart"]
