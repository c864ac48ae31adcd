"""What a gate keeps: forget factors, half-lives and time constants from biases.

With s the logistic function, and all paths from the memory into the gates cut,

  LSTM   dc_T/dc_t = prod f = prod s(a_f)                                    (1)
  GRU    dh_T/dh_t = prod (1 - z) = prod s(-a_z)                             (2)

where z is the share of what is new (Chung et al. 2014; where z is the share that is kept, as in
Cho et al. 2014, it is (1)). A gate whose weights are 0 has f = s(b) at every step, so that

  half-life      ln 2 / -ln f = ln 2 / ln(1 + e^-b)                          (3)
  decay time     -1 / ln f                 (steps in which the memory falls by e)   (4)
  renewal time   1 / (1 - f) = 1 + e^b     (mean steps that an input stays)         (5)

Chrono initialisation b = ln u with u ~ U[1, T_max - 1] gives f = u / (1 + u), a renewal time of
u + 1 exactly and a decay time of u + 1/2 + O(1/u).

Gers, Schmidhuber and Cummins, Learning to forget, Neural Computation, 2000 (1); Chung, Gulcehre,
Cho and Bengio, Empirical evaluation of gated recurrent neural networks on sequence modeling, 2014
(2); Tallec and Ollivier, Can recurrent neural networks warp time?, ICLR 2018 (5, chrono).
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def log_forget_factor(pre_activation: ArrayLike) -> NDArray[np.float64]:
    """Return ln s(a), elementwise; right also where s(a) is 0 or 1 in float64."""
    return -np.logaddexp(0, -np.asarray(pre_activation, dtype=float))


def forget_factor(bias: ArrayLike) -> NDArray[np.float64]:
    """Return f = s(b), elementwise."""
    return np.exp(log_forget_factor(bias))


def half_life(bias: ArrayLike) -> NDArray[np.float64]:
    """Return the steps in which the memory halves, equation (3), elementwise."""
    return -math.log(2) / log_forget_factor(bias)


def decay_time(bias: ArrayLike) -> NDArray[np.float64]:
    """Return the steps in which the memory falls by e, equation (4), elementwise."""
    return -1 / log_forget_factor(bias)


def renewal_time(bias: ArrayLike) -> NDArray[np.float64]:
    """Return the mean steps that an input stays, equation (5), elementwise."""
    return 1 + np.exp(np.asarray(bias, dtype=float))


def chrono_bias(time: ArrayLike) -> NDArray[np.float64]:
    """Return b = ln u, elementwise.

    Args:
      time: u = f / (1 - f), steps, > 0.
    """
    return np.log(np.asarray(time, dtype=float))


def lstm_log_carry(forget: ArrayLike) -> NDArray[np.float64]:
    """Return ln dc_T/dc_t of equation (1).

    Args:
      forget: a_f, (.., T - t): of all steps after t.

    Returns:
      (..): nats.
    """
    return np.sum(log_forget_factor(forget), axis=-1)


def gru_log_carry(update: ArrayLike) -> NDArray[np.float64]:
    """Return ln dh_T/dh_t of equation (2).

    Args:
      update: a_z, (.., T - t): of all steps after t.

    Returns:
      (..): nats.
    """
    return lstm_log_carry(-np.asarray(update, dtype=float))
