"""What can be known of the next frame, with the order of the frames and without it.

Two blobs exp(-|pixel - p|^2 / 2 s^2) at a distance d on a torus of N x N pixels differ, in the mean
over pixels and over uniform p, by

  D(d) = 2 e (1 - exp(-d^2 / 4 s^2)),   e = pi s^2 / N^2                         (1)

with e the mean square of one of them (Gaussian integrals; a lattice of step 1 changes them by less
than exp(-pi^2 s^2)). Frames seen without their order fit the motion v as well as -v; the best
forecast is the mean of both, a quarter of the way between them in squared error.

A blob exceeds 1/2 inside the radius r = s sqrt(2 ln 2); two discs at a distance d < 2r overlap by

  A(d) = 2 r^2 arccos(d / 2r) - d/2 sqrt(4 r^2 - d^2)                            (2)
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from itertools import product

import numpy as np

_DIRECTIONS = [step for step in product((-1, 0, 1), repeat=2) if any(step)]


def straight_lines(side: int, torus: bool) -> np.ndarray:
    """Return all lines of three neighbouring cells in 8 directions, (n, 3) numbers of cells.

    Args:
      side: cells in a row, and rows.
      torus: whether lines go on across the border.
    """
    starts = np.array(list(product(range(side), repeat=2)))
    cells = starts[:, None, None] + np.arange(3)[:, None] * np.array(_DIRECTIONS)[:, None]
    lines = cells.reshape(-1, 3, 2)
    inside = np.all((lines >= 0) & (lines < side), axis=(1, 2))
    rows, columns = np.moveaxis((lines if torus else lines[inside]) % side, -1, 0)
    return rows * side + columns


def best_guess(seen: Iterable[Hashable], answers: Iterable[Hashable]) -> tuple[float, float]:
    """Return accuracy and cross-entropy (nat) of the best guess, all cases equally likely.

    Args:
      seen: what is known in each case.
      answers: what was to be guessed.
    """
    cases = Counter(zip(seen, answers, strict=True))
    total: Counter[Hashable] = Counter()
    most: Counter[Hashable] = Counter()
    for (known, _), n in cases.items():
        total[known] += n
        most[known] = max(most[known], n)
    n_cases = total.total()
    surprise = sum(n * math.log(total[known] / n) for (known, _), n in cases.items())
    return most.total() / n_cases, surprise / n_cases


def blob_difference(shift: np.ndarray, side: int, width: float) -> np.ndarray:
    """Return D of equation (1) for shifts (..., 2) in pixels."""
    nearest = (np.asarray(shift, float) + side / 2) % side - side / 2
    square = np.sum(nearest**2, axis=-1)
    return 2 * math.pi * width**2 / side**2 * -np.expm1(-square / (4 * width**2))


def blob_errors(velocities: np.ndarray, n_frames: int, side: int, width: float) -> dict[str, float]:
    """Return the mean squared errors of simple forecasts of a blob in uniform motion.

    Args:
      velocities: equally likely velocities, (n, 2), in pixels a frame.
      n_frames: frames that are seen.
      side: N.
      width: s.

    Returns:
      the errors of: nothing at all ("zero"), the last frame ("persistence"), the mean of all
      frames ("frame mean"), extrapolation of the last two frames in their order ("advection") and
      in the wrong one ("swapped"), and the best forecasts without knowledge of the order, from the
      last two frames ("order-blind") and from all ("order-blind, all frames").
    """
    energy = math.pi * width**2 / side**2

    def difference(steps: int) -> float:
        return float(np.mean(blob_difference(steps * np.asarray(velocities), side, width)))

    # |mean_k f_k - y|^2 = mean_k |f_k - y|^2 - mean_kl |f_k - f_l|^2 / 2
    steps = range(1, n_frames + 1)
    spread = np.mean([difference(k - l) for k in steps for l in steps])
    return {
        "zero": energy,
        "persistence": difference(1),
        "frame mean": float(np.mean([difference(k) for k in steps]) - spread / 2),
        "advection": 0.0,
        "swapped": difference(3),
        "order-blind": difference(3) / 4,
        "order-blind, all frames": difference(n_frames + 1) / 4,
    }


def persistence_success(velocities: np.ndarray, width: float) -> float:
    """Return the critical success index at 1/2 of the last frame as forecast, by equation (2).

    Args:
      velocities: equally likely velocities, (n, 2), in pixels a frame.
      width: s, small against the torus.
    """
    radius = width * math.sqrt(2 * math.log(2))
    distance = np.minimum(np.linalg.norm(velocities, axis=-1), 2 * radius)
    lens = 2 * radius**2 * np.arccos(distance / (2 * radius))
    lens -= distance / 2 * np.sqrt(4 * radius**2 - distance**2)
    return float(np.sum(lens) / np.sum(2 * math.pi * radius**2 - lens))
