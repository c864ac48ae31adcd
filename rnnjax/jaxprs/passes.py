"""What the way back through one recurrence gives."""

from typing import Any, NamedTuple

from rnnjax.jaxprs.program import Loop
from rnnjax.jaxprs.run import Ran
from rnnjax.scaled import Scaled

Cotangent = Scaled | None  # None is an exact zero


class Pass(NamedTuple):
    """What the way back through one loop gives; T steps in the order of processing.

    Attributes:
      ran: its forward pass.
      deltas: dL/dh_t, value (T, n), exponent (T,).
      source: what reaches h_t other than through h_{t+1}, as deltas; None unless asked for.
      first: dL/dh_0, value (n,), exponent ().
      inner: the passes of the loops inside, every leaf with a leading axis T.
    """

    ran: Ran
    deltas: Scaled
    source: Scaled | None
    first: Scaled
    inner: dict[Loop, Any]
