"""The table that C. Yuan's slides on RNNs (2022) print, and what can be said of its network.

The table shows one decimal: neto, outo, do, dh and di of a 3-4-2 network, for the five steps of a
pair and the first step of the next one (rows 1 to 5 rise, row 6 falls back). "-0" is a negative
number that rounds to 0 and "0" one that is not negative, so every cell is an interval:

  v stands for [v - 0.05, v + 0.05],    -0 for [-0.05, 0],    0 for [0, 0.05]            (1)

A cell of outo fits an activation f if f of the interval of its neto meets its own interval.

The networks below are fitted: each reproduces all 78 cells, with the error going back through i3
and without. They are NOT a reconstruction of the author's weights. They differ from each other in
every weight, and one of them has the other sign of the error, y - o: the table fixes neither the
weights nor the convention. Found by least squares on the distances to the intervals from random
starts, then rounded; about every third start arrives.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLUMNS = (
    "neto1",
    "neto2",
    "outo1",
    "outo2",
    "do1",
    "do2",
    "dh1",
    "dh2",
    "dh3",
    "dh4",
    "di1",
    "di2",
    "di3",
)
# The band above the table reads "o2 o1" over outo1 and outo2: the outputs changed places, because
# the one that is fed back has to be the last.
BAND = {"outo1": "o2", "outo2": "o1"}
TEXT = """\
-3.2	0.1	0	0.5	-0	0.1	0	-0.1	-0	0.1	0	0	0
-2.2	0.2	0.1	0.6	-0	0.1	0	-0.1	-0	0.1	0	0	0
-1.8	0.4	0.1	0.6	0	0.1	0	-0.1	-0	0.1	0	0	0
-1.4	0.5	0.2	0.6	0	0.1	0	-0.1	-0	0	0	0	0
-1.1	0.7	0.3	0.7	0	0.1	0	-0.1	-0	0	0	0	0
-2.9	0.1	0.1	0.5	-0	0.1	0	-0.1	-0	0.1	0	0	0
"""
_START = 0.1  # i3 at the first step
_FIRST_STEPS = (0, 5)  # rows that begin a pair


@dataclass(frozen=True)
class Network:
    """A 3-4-2 network without biases, and inputs and targets of six steps.

    Attributes:
      name: what sets it apart.
      W: hidden weights, (4, 3).
      V: output weights, (2, 4).
      i1: of the two pairs.
      i2: of the six steps.
      y: targets, (6, 2).
      sign: 1 if the error is o - y, -1 if it is y - o.
    """

    name: str
    W: Floats
    V: Floats
    i1: tuple[float, float]
    i2: tuple[float, ...]
    y: Floats
    sign: int


def cells() -> list[list[str]]:
    """Return the cells as they are printed, 6 rows of 13."""
    return [line.split("\t") for line in TEXT.splitlines()]


def intervals() -> Floats:
    """Return the ends of the interval of every cell, equation (1), (6, 13, 2)."""
    return np.array([[_interval(cell) for cell in row] for row in cells()])


def _interval(cell: str) -> tuple[float, float]:
    if cell in ("0", "-0"):
        return (-0.05, 0.0) if cell == "-0" else (0.0, 0.05)
    return float(cell) - 0.05, float(cell) + 0.05


def outputs_that_fit(activation: Callable[[Floats], Floats]) -> int:
    """Return how many of the 12 cells of outo fit a rising activation."""
    ends = intervals()
    images, printed = activation(ends[:, :2]), ends[:, 2:4]
    return int(np.sum((images[..., 0] <= printed[..., 1]) & (printed[..., 0] <= images[..., 1])))


def outputs_that_round(activation: Callable[[Floats], Floats]) -> int:
    """Return how many of the 12 cells of outo an activation gives from neto as it is printed."""
    printed = np.array(cells(), dtype=float)
    return int(np.sum(np.abs(activation(printed[:, :2]) - printed[:, 2:4]) <= 0.05))


def logistic(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def relu(x: Floats) -> Floats:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def table_of(network: Network, *, delta_x: bool) -> Floats:
    """Return the table of a network, (6, 13).

    Args:
      network: the network.
      delta_x: whether di3 of the next step is added to the error of output 2.
    """
    o, rows = np.zeros(2), []
    for t in range(6):
        i3 = _START if t in _FIRST_STEPS else o[1]
        x = np.array([network.i1[t // 5], network.i2[t], i3])
        h = logistic(network.W @ x)
        neto = network.V @ h
        o = logistic(neto)
        rows.append((h, neto, o))
    back, found = 0.0, np.zeros((6, 13))
    for t in reversed(range(6)):
        h, neto, o = rows[t]
        error = network.sign * (o - network.y[t])
        if delta_x and t + 1 < 6 and t + 1 not in _FIRST_STEPS:
            error[1] += back
        do = error * o * (1 - o)
        dh = (network.V.T @ do) * h * (1 - h)
        di = network.W.T @ dh
        back = di[2]
        found[t] = np.concatenate([neto, o, do, dh, di])
    return found


def cells_reproduced(network: Network, *, delta_x: bool) -> int:
    """Return how many of the 78 cells a network reproduces, signs of zero included."""
    table, ends = table_of(network, delta_x=delta_x), intervals()
    return int(np.sum((ends[..., 0] <= table) & (table <= ends[..., 1])))


def least_reproduced() -> int:
    """Return how many of the 78 cells each of `NETWORKS` reproduces, with delta-x and without."""
    return min(
        cells_reproduced(network, delta_x=delta_x)
        for network in NETWORKS
        for delta_x in (False, True)
    )


NETWORKS = (
    Network(
        "o - y, first",
        W=np.array(
            [[1.87, -2.88, -1.85], [-0.04, -0.55, 0.37], [0.5, -3.63, -0.79], [0, 0.18, 0.92]]
        ),
        V=np.array([[-3.83, 3.23, -0.52, -3.19], [0.59, -3.29, -0.55, 3.02]]),
        i1=(0.65, 0.64),
        i2=(0.0, 0.15, 0.32, 0.51, 0.89, 0.13),
        y=np.array(
            [[0.54, 0.2], [0.2, 0.23], [0.13, 0.26], [0.19, 0.33], [0.22, 0.3], [0.38, 0.17]]
        ),
        sign=1,
    ),
    Network(
        "o - y, second",
        W=np.array(
            [[-0.9, 2.01, 0.29], [0.13, -0.98, 1.14], [1.88, 0.2, -4.19], [1.54, -0.9, 0.43]]
        ),
        V=np.array([[1.22, -0.05, -3.44, -3.15], [0.89, -2.57, -1.08, 2.45]]),
        i1=(0.39, 0.28),
        i2=(0.36, 0.05, 0.43, 0.65, 0.97, 0.33),
        y=np.array(
            [[0.15, 0.18], [0.22, 0.16], [0.13, 0.21], [0.15, 0.27], [0.23, 0.28], [0.25, 0.16]]
        ),
        sign=1,
    ),
    Network(
        "y - o",
        W=np.array(
            [[-0.16, -0.44, -3.91], [-1.61, -0.36, 1.04], [2.07, -1.38, -2.11], [-0.8, 0.01, 1.59]]
        ),
        V=np.array([[-1.58, -1.92, -3.89, 0.47], [0.74, -2.99, -0.91, 3.1]]),
        i1=(0.24, 0.15),
        i2=(0.17, 0.08, 0.33, 0.64, 0.97, 0.28),
        y=np.array(
            [[0.02, 0.83], [0.09, 0.87], [0.19, 0.91], [0.29, 0.89], [0.3, 0.95], [0.02, 0.84]]
        ),
        sign=-1,
    ),
)
