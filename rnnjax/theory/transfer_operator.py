"""Lyapunov exponent of a single noisy tanh unit, from its stationary density.

  a' = -w tanh(a) + x,   x ~ N(0, s^2)                                       (1)
  p(a') = int N(a' + w tanh(a); s^2) p(a) da                                 (2)
  lambda = E_p[ln |w| + 2 ln sech(a)]                                        (3)

On a grid of equal steps (2) is a matrix equation, and converges exponentially with the number of
points, since all densities are smooth and decay. The noise is symmetric and tanh is odd, so p is
even and neither p nor lambda depends on the sign of w. In the mean ln |dL/da_{t-k}| changes by
lambda a step of lag.

The operator of (2) is that of Lasota and Mackey, Chaos, fractals, and noise, Springer, 1994; its
discretisation that of Nystrom, Acta Mathematica, 1930.
"""

import math

import numpy as np
from numpy.typing import NDArray

from rnnjax.theory.domain import check_number
from rnnjax.theory.mean_field import tanh_log_slope

# Standard deviations of the noise beyond the largest |w tanh(a)|.
_REACH = 9.0
# exp(-2 pi^2 (width / step)^2) is what the rule leaves out; 1e-34 at two steps a width.
_STEPS_PER_WIDTH = 2.0
_LARGEST_GRID = 4000


def _grid(weight: float, noise: float) -> NDArray[np.float64]:
    """Return a grid that resolves both the noise and the noise through the slope of w tanh."""
    check_number("weight", weight)
    check_number("noise", noise, above=0)
    end = abs(weight) + _REACH * noise
    # tanh has a pole at i pi/2, near which the kernel grows without bound: 0.25 keeps away from it.
    width = min(noise / max(1.0, abs(weight)), 0.25)
    n = 2 * math.ceil(end * _STEPS_PER_WIDTH / width) + 1
    if n > _LARGEST_GRID:
        raise ValueError(
            f"noise: expected a larger one beside the weight {weight:g}, got {noise:g}, "
            f"which needs {n} points of at most {_LARGEST_GRID}"
        )
    return np.linspace(-end, end, n)


def stationary_density(
    weight: float, noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return grid and density of the pre-activation a, the solution of equation (2), (n,) each.

    Args:
      weight: w.
      noise: s, > 0.

    Raises:
      ValueError: the noise is so small beside the weight that the grid would be too large.
    """
    a = _grid(weight, noise)
    step = a[1] - a[0]
    away = (a[:, None] + weight * np.tanh(a)) / noise
    kernel = np.exp(-0.5 * away**2) * (step / (noise * math.sqrt(2 * math.pi)))
    # The kernel conserves mass, so one equation of p = K p is redundant: the total takes its place.
    system, right = kernel - np.eye(len(a)), np.zeros(len(a))
    system[len(a) // 2], right[len(a) // 2] = step, 1.0
    return a, np.linalg.solve(system, right)


def exponent(weight: float, noise: float) -> float:
    """Return lambda of equation (3), nats a step.

    Args:
      weight: w, not 0.
      noise: s, > 0.

    Raises:
      ValueError: the noise is so small beside the weight that the grid would be too large, or an
        argument is not as above.
    """
    check_number("|weight|", abs(weight), above=0)
    a, density = stationary_density(weight, noise)
    return math.log(abs(weight)) + float(density @ tanh_log_slope(a)) * (a[1] - a[0])
