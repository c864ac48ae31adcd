"""Cells that have a file of tests of their own: gradients, lags, tangents, known statements.

Contract tests take one of them in `make test` and more in wider runs.
"""

from rnnjax.cells import SLSTM
from tests.cells import (
    test_decays,
    test_matrix_states,
    test_oscillators,
    test_spiking,
    test_structured,
)

_MODULES = (test_decays, test_matrix_states, test_oscillators, test_spiking, test_structured)
CLASSES = {SLSTM, *(type(cell) for module in _MODULES for cell in module.CELLS.values())}
NAMES = {cls.__name__ for cls in CLASSES}
