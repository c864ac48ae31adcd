"""Programs as JAX sees them: the recurrences of any loss, and the way of its gradient through them.

`program` takes a jaxpr apart, `run` runs it forward, `backward` goes back through it with
scale-free cotangents, and `recurrences` shows what was found.
"""

from rnnjax.jaxprs.cell import ScanCell
from rnnjax.jaxprs.recurrence import Recurrence, StateLeaf
from rnnjax.jaxprs.recurrences import Recurrences, recurrences

__all__ = ["Recurrence", "Recurrences", "ScanCell", "StateLeaf", "recurrences"]
