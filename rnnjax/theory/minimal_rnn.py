"""Mean-field theory of a wide random minimalRNN under white inputs.

For the cell of `rnnjax.cells.minimal_rnn` with W_ij ~ N(0, sw^2/n), G_ij ~ N(0, sv^2/n), gate
biases mu, candidates of mean 0 and variance R = E z^2 that are white in time, and weights drawn
anew at every step, so that a gate does not know the state it acts on, e normal,

  e ~ N(mu, q),   q = sw^2 Q + sv^2 R                                            (1)   gates
  Q = E s(e)^2 Q + E s(-e)^2 R                                                   (2)   Q = E h^2
  chi = E s(e)^2 + sw^2 E s'(e)^2 (Q + R)                                        (3)

chi is the factor of ||dL/dh||^2 a step and chi^(1/2) that of the gradient: gradients vanish below 1
and explode above. At mu = 0 E s(e)^2 = E s(-e)^2 = S, so that

  Q = R S / (1 - S)                                                              (4)

and chi = 1 is sw^2 R E s'(e)^2 = (1 - S)^2: a curve of (sw, sv) for each R, on which sw goes as
R^(-1/2) at a fixed sv/sw. With weights that stay the same a gate is correlated with the state that
it has made, and these equations are no longer exact for n -> oo.

Chen, Pennington and Schoenholz, Dynamical isometry and a mean field theory of RNNs: Gating enables
signal propagation in recurrent neural networks, ICML 2018, arXiv 1806.05394.
"""

import math

import numpy as np

from rnnjax.errors import shown
from rnnjax.theory.mean_field import expectation

_TOLERANCE = 1e-13
_LARGEST = 1e12


def gate_variance(gain: float, candidate_gain: float, power: float, bias: float = 0.0) -> float:
    """Return the least fixed point q of equations (1) and (2), by bisection.

    Args:
      gain: sw, >= 0.
      candidate_gain: sv, >= 0.
      power: R, > 0.
      bias: mu.

    Raises:
      ValueError: power is not above 0, or there is no fixed point below 1e12.
    """
    if not power > 0:
        raise ValueError(f"power: expected a number above 0, got {shown(power)}")
    for name, value in (("gain", gain), ("candidate_gain", candidate_gain), ("bias", bias)):
        if not math.isfinite(value):
            raise ValueError(f"{name}: expected a finite number, got {shown(value)}")

    def excess(q: float) -> float:
        return gain**2 * state_power(q, power, bias) + candidate_gain**2 * power - q

    low = candidate_gain**2 * power
    high = max(2 * low, 1.0)
    while excess(high) > 0:
        low, high = high, 2 * high
        if high > _LARGEST:
            raise ValueError(f"gain: expected a finite variance, got q > {_LARGEST:g}")
    while high - low > _TOLERANCE * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def state_power(q: float, power: float, bias: float = 0.0) -> float:
    """Return Q = E h^2 of equation (2).

    Args:
      q: variance of the gates' pre-activations.
      power: R.
      bias: mu.
    """
    _, open_ = _second_moments(q, bias)
    # 1 - s^2 = s(-e) (1 + s(e)) without cancellation, so that a gate that keeps has its digits.
    lost = expectation(lambda e: _sigmoid(-e - bias) * (1 + _sigmoid(e + bias)), q)
    return power * open_ / lost


def chi(gain: float, candidate_gain: float, power: float, bias: float = 0.0) -> float:
    """Return chi of equation (3); arguments and errors as in `gate_variance`."""
    q = gate_variance(gain, candidate_gain, power, bias)
    kept, _ = _second_moments(q, bias)
    slope = expectation(lambda e: (_sigmoid(e + bias) * _sigmoid(-e - bias)) ** 2, q)
    return kept + gain**2 * slope * (state_power(q, power, bias) + power)


def critical_gain(ratio: float, power: float, low: float = 0.1, high: float = 50.0) -> float:
    """Return the sw at which chi = 1 at mu = 0, by bisection.

    Args:
      ratio: sv / sw, >= 0.
      power: R, > 0.
      low: a gain with chi < 1.
      high: a gain with chi > 1.

    Raises:
      ValueError: chi - 1 has one sign at both ends.
    """

    def below(gain: float) -> float:
        return 1 - chi(gain, ratio * gain, power)

    signs = [float(np.sign(-below(gain))) for gain in (low, high)]
    if signs != [-1, 1]:
        raise ValueError(f"low, high: expected chi < 1 and chi > 1, got chi - 1 of signs {signs}")
    while high - low > _TOLERANCE * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if below(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def _second_moments(q: float, bias: float) -> tuple[float, float]:
    """Return E s(e)^2 and E s(-e)^2."""
    kept = expectation(lambda e: _sigmoid(e + bias) ** 2, q)
    return kept, expectation(lambda e: _sigmoid(-e - bias) ** 2, q)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
