"""The bound on transported gradients, and why it does not hold the other way round.

With gamma the steepest slope of the activation (1 for tanh, relu and identity, 1/4 for the logistic
function) and W the recurrent matrix,

  ln (||dL/dh_{t-k}|| / ||dL/dh_t||) <= k ln(gamma ||W||_2)                  (1)

for every draw, so ||W||_2 < 1/gamma makes gradients vanish. The converse is false: the shear

  W = [[r, c], [0, r]],   W^k = [[r^k, k c r^{k-1}], [0, r^k]]               (2)
  ln ||W^k||_2 = k ln |r| + arsinh(k |c / 2 r|)                              (3)

has spectral radius |r| < 1, so that its gradients vanish, for whatever norm. They grow at first, to
the lag at which the derivative of (3) is 0,

  k* = sqrt(1 / ln^2 |r| - (2 r / c)^2),                                     (4)

towards -1 / ln |r| for a large c. (3) is the largest singular value of [[p, q], [0, p]],
(|q| + sqrt(q^2 + 4 p^2)) / 2.

Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013,
equation 7 (1).
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnjax.theory.domain import check_number


def log_bound(steepest: float, norm: float, lag: ArrayLike) -> NDArray[np.float64]:
    """Return the right side of (1), nats, elementwise.

    Args:
      steepest: gamma, > 0.
      norm: ||W||_2, > 0.
      lag: k.

    Raises:
      ValueError: gamma or the norm is not above 0.
    """
    check_number("steepest", steepest, above=0)
    check_number("norm", norm, above=0)
    return np.asarray(lag, dtype=float) * math.log(steepest * norm)


def shear(radius: float, coupling: float) -> NDArray[np.float64]:
    """Return W of equation (2), (2, 2).

    Args:
      radius: r.
      coupling: c.
    """
    return np.array([[radius, coupling], [0.0, radius]])


def shear_log_norm(radius: float, coupling: float, lag: ArrayLike) -> NDArray[np.float64]:
    """Return ln ||W^k||_2 of equation (3), nats, elementwise: right for any lag.

    Args:
      radius: r, not 0.
      coupling: c.
      lag: k.

    Raises:
      ValueError: r is 0, or not finite.
    """
    check_number("|radius|", abs(radius), above=0)
    k = np.asarray(lag, dtype=float)
    return k * math.log(abs(radius)) + np.arcsinh(k * abs(coupling / (2 * radius)))


def shear_peak(radius: float, coupling: float) -> float:
    """Return the lag of equation (4) at which gradients are largest; 0 where they only decay.

    Args:
      radius: r, 0 < |r| < 1.
      coupling: c.

    Raises:
      ValueError: r is 0, or |r| >= 1, where they grow for ever.
    """
    check_number("|radius|", abs(radius), above=0, below=1)
    check_number("coupling", coupling)
    if coupling == 0:
        return 0.0
    square = 1 / math.log(abs(radius)) ** 2 - (2 * radius / coupling) ** 2
    return math.sqrt(max(square, 0.0))
