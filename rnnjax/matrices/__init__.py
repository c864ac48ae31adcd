"""Scale-free functions of matrices, in matrix operations alone: under vmap and on any device.

The derivatives of spectral radius and norm and of the abscissa are by eigenvalue decompositions.
"""

from rnnjax.matrices.elimination import solve
from rnnjax.matrices.jacobi import log_singular_values
from rnnjax.matrices.lu import graded_lu
from rnnjax.matrices.non_normal import (
    departure_from_normality,
    numerical_abscissa,
    participation_ratio,
)
from rnnjax.matrices.products import (
    exponents_of_products,
    growth_of_directions,
    log_eigenvalues,
    norms_of_products,
)
from rnnjax.matrices.qr import graded_qr
from rnnjax.matrices.skew import exp_of_skew
from rnnjax.matrices.spectral import log_spectral_norm, log_spectral_radius

__all__ = [
    "departure_from_normality",
    "exp_of_skew",
    "exponents_of_products",
    "graded_lu",
    "graded_qr",
    "growth_of_directions",
    "log_eigenvalues",
    "log_singular_values",
    "log_spectral_norm",
    "log_spectral_radius",
    "norms_of_products",
    "numerical_abscissa",
    "participation_ratio",
    "solve",
]
