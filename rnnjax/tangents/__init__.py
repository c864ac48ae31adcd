"""Linearised steps as operators: what products with a Jacobian need, one structure a file."""

from rnnjax.tangents.autodiff import Autodiff, BehindPreactivation
from rnnjax.tangents.block_triangular import Between, BlockTriangular, between
from rnnjax.tangents.composed import Composed
from rnnjax.tangents.decay import Decay, decay
from rnnjax.tangents.diagonal import Diagonal
from rnnjax.tangents.leaky import Leaky, leaky
from rnnjax.tangents.linearize import Residuals, linearize, residuals
from rnnjax.tangents.real import OfComplex
from rnnjax.tangents.reflected import Reflected
from rnnjax.tangents.tangent import Tangent, at_rows, n_read, rmm, slope, within_units

__all__ = [
    "Autodiff",
    "BehindPreactivation",
    "Between",
    "BlockTriangular",
    "Composed",
    "Decay",
    "Diagonal",
    "Leaky",
    "OfComplex",
    "Reflected",
    "Residuals",
    "Tangent",
    "at_rows",
    "between",
    "decay",
    "leaky",
    "linearize",
    "n_read",
    "residuals",
    "rmm",
    "slope",
    "within_units",
]
