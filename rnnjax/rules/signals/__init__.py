"""What stands for dl_t/dh_t: the third factor of a forward rule."""

from rnnjax.rules.signals.exact import Exact
from rnnjax.rules.signals.feedback import Feedback
from rnnjax.rules.signals.predicted import Predicted

__all__ = ["Exact", "Feedback", "Predicted"]
