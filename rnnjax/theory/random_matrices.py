"""Spectra of Gaussian matrices and of their products: what transport through random weights does.

W is n x n with independent entries of variance g^2/n. For n -> oo

  share of eigenvalues with |z| <= r           = r^2 / g^2,  r <= g            (1)
  share of exponents ln |z| up to s            = e^{2s} / g^2,  s <= ln g      (2)
  ||W||_2 -> 2 g,   spectral radius -> g                                       (3)

The exponents lambda_k of a product of ever new W (fresh at every step) are, for every n,

  lambda_k = ln g + (ln 2 + psi((n - k + 1) / 2) - ln n) / 2,   k = 1 .. n     (4)

which again tend to (2): a fresh W at every step spreads the exponents just as one W does. P, a
product of L independent W of g = 1 (or, for n -> oo, W^L) has the moments and the norm

  E tr (P P^T)^m / n -> binomial(L m + m, m) / (L m + 1)                       (5)
  ||P||_2 -> sqrt((L + 1)^(L + 1) / L^L)                                       (6)

though its spectral radius stays 1. From the square root at which the density of (5) ends, the
squared norm of finite matrices is B (1 + L (2 L + 2)^(-1/3) n^(-2/3) X), B the square of (6) and X
a Tracy-Widom variable (beta = 1): most norms are below (6), and more so for longer products. With
a = E tr (P P^T)^2 and b = E (tr P P^T)^2, one more independent factor makes of them

  a' = (1 + 1/n) a + b / n,   b' = b + 2 a / n,   a = n and b = n^2 for L = 0  (7)

A chain of scalars, h_T = w_T .. w_1 h_0 with w_t ~ N(0, s^2), is n = 1, g = s: with gamma Euler's
constant

  E ln |h_T / h_0| = T (ln s - (gamma + ln 2) / 2),   Var = T pi^2 / 8         (8)
  E (h_T / h_0)^2  = s^{2T}                                                    (9)

so that for 1 < s < e^{(gamma + ln 2)/2} almost every chain decays while their mean square explodes.

Ginibre, Statistical ensembles of complex, quaternion, and real matrices, Journal of Mathematical
Physics, 1965 (1); Newman, The distribution of Lyapunov exponents: exact results for random
matrices, Communications in Mathematical Physics, 1986 (2, 4); Penson and Zyczkowski, Product of
Ginibre matrices: Fuss-Catalan and Raney distributions, Physical Review E, 2011, and Alexeev, Goetze
and Tikhomirov, Asymptotic distribution of singular values of powers of random matrices, Lithuanian
Mathematical Journal, 2010 (5, 6); Tracy and Widom, On orthogonal and symplectic matrix ensembles,
Communications in Mathematical Physics, 1996 (X).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnjax.theory.domain import check_number

# Half the sum of Euler's constant and ln 2: minus the mean of ln |z| of a standard normal z.
_MEAN_LOG_NORMAL = -0.5 * (float(np.euler_gamma) + math.log(2))
# Mean and standard deviation of the Tracy-Widom law of real matrices.
_EDGE_MEAN, _EDGE_DEVIATION = -1.2065335745820, math.sqrt(1.6077810345810)
_SHIFT = 16
# B_2j / 2j of the asymptotic series of psi; beyond x = 16 what is left is below 1e-16.
_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)


class Chain(NamedTuple):
    """What the logarithm of a product of T scalars does, and the logarithm of its mean square.

    Attributes:
      mean_log: E ln |h_T / h_0|, equation (8), nats.
      variance_log: Var ln |h_T / h_0|, nats^2.
      log_mean_square: ln E (h_T / h_0)^2, equation (9), nats.
    """

    mean_log: Any
    variance_log: Any
    log_mean_square: Any


def digamma(x: ArrayLike) -> NDArray[np.float64]:
    """Return psi(x) = d ln Gamma(x) / dx for x > 0, elementwise."""
    x = np.asarray(x, dtype=float)
    below = sum(1 / (x + j) for j in range(_SHIFT))
    x = x + _SHIFT
    series = sum(c * x ** (-2.0 * (j + 1)) for j, c in enumerate(_SERIES))
    return np.log(x) - 0.5 / x - series - below


def product_exponents(n: int, gain: float) -> NDArray[np.float64]:
    """Return the exponents of equation (4), largest first, nats a step.

    Args:
      n: size of the matrices.
      gain: g, > 0.

    Returns:
      (n,).

    Raises:
      ValueError: n or g is not above 0.
    """
    check_number("n", n, at_least=1)
    check_number("gain", gain, above=0)
    degrees = np.arange(n, 0, -1)
    return math.log(gain) + 0.5 * (math.log(2) + digamma(0.5 * degrees) - math.log(n))


def circular_law(radius: ArrayLike, gain: float) -> NDArray[np.float64]:
    """Return the share of eigenvalues of modulus up to a radius, equation (1), elementwise.

    Raises:
      ValueError: g is not above 0.
    """
    check_number("gain", gain, above=0)
    return np.clip(np.asarray(radius, dtype=float) / gain, 0.0, 1.0) ** 2


def triangle_law(exponent: ArrayLike, gain: float) -> NDArray[np.float64]:
    """Return the share of exponents up to a value in nats a step, equation (2), elementwise."""
    return circular_law(np.exp(exponent), gain)


def fuss_catalan(n_factors: int, order: int) -> int:
    """Return the moment of equation (5): the mean m-th power of the squared singular values.

    Args:
      n_factors: L.
      order: m.
    """
    return math.comb(n_factors * order + order, order) // (n_factors * order + 1)


def largest_singular_value(n_factors: Any) -> Any:
    """Return ||P||_2 of a product of L matrices of g = 1, equation (6); for others times g^L.

    Args:
      n_factors: L, a number or an array.
    """
    L = n_factors
    return np.exp(0.5 * ((L + 1) * np.log(L + 1) - L * np.log(np.maximum(L, 1))))


def largest_singular_value_spread(n_factors: Any, n: int) -> tuple[Any, Any]:
    """Return mean and standard deviation of ||P||_2 / equation (6) - 1 for finite matrices.

    To leading order, n^(-2/3); simulated means are a quarter further below at n = 64.

    Args:
      n_factors: L, a number or an array.
      n: size of the matrices.
    """
    scale = 0.5 * n_factors * (2 * n_factors + 2) ** (-1 / 3) * n ** (-2 / 3)
    return _EDGE_MEAN * scale, _EDGE_DEVIATION * scale


def mean_largest_singular_value(n_factors: Any, n: int) -> Any:
    """Return the mean of ||P||_2 for finite matrices: at n = 400 and L = 5 it is 2.4 % below (6).

    Args:
      n_factors: L, a number or an array.
      n: size of the matrices.
    """
    shift, _ = largest_singular_value_spread(n_factors, n)
    return largest_singular_value(n_factors) * (1 + shift)


def second_moment(n_factors: int, n: int) -> float:
    """Return E tr (P P^T)^2 / n for independent factors, exactly, by (7); L + 1 for n -> oo.

    Args:
      n_factors: L.
      n: size of the matrices.
    """
    a, b = float(n), float(n) ** 2
    for _ in range(n_factors):
        a, b = (1 + 1 / n) * a + b / n, b + 2 * a / n
    return a / n


def scalar_chain(deviation: Any, n_steps: int) -> Chain:
    """Return equations (8) and (9).

    Args:
      deviation: s, > 0, a number or an array.
      n_steps: T.
    """
    return Chain(
        mean_log=n_steps * (np.log(deviation) + _MEAN_LOG_NORMAL),
        variance_log=n_steps * math.pi**2 / 8,
        log_mean_square=2 * n_steps * np.log(deviation),
    )


def deceptive_deviations() -> tuple[float, float]:
    """Return between which s a chain decays almost surely while its mean square explodes."""
    return 1.0, math.exp(-_MEAN_LOG_NORMAL)
