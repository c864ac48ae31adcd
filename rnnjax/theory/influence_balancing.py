"""Influence balancing: a linear network in which short memories get the sign of the gradient wrong.

With N_+ entries of v equal to 1, the other n - N_+ equal to -1, and s_0 = (1, .., 1)

  s_t = A s_{t-1} + theta v,   A = (I + shift) / 2,   l = (s_t[1] - 1)^2 / 2       (1)
  c_K = sum_{j<K} sum_m C(j, m) 2^-j v_{1+m}                                       (2)
      = 2 E[V(min(B, n))],     B ~ binomial(K, 1/2),  V(k) = v_1 + .. + v_k        (3)
  c_oo = 2 V(n) = 2 (2 N_+ - n),   theta* = 1 / c_oo                               (4)

c_K = ds_t[1]/dtheta through the last K steps: (3) counts (2) by the tosses of a coin until
the m-th head. Units that help are heard first and those that hinder later, so with 2 N_+ < n a
gradient that looks back fewer than about 4 N_+ steps has the wrong sign. A rule that keeps the
influence of the first k units alone, all of it, sees 2 V(k).

The task is that of Tallec and Ollivier, Unbiased online recurrent optimization, ICLR 2018, with the
numbers of Vicol, Metz and Sohl-Dickstein, Unbiased gradient estimation in unrolled computation
graphs with persistent evolution strategies, ICML 2021.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnjax import names


def signs(n_states: int, n_positive: int) -> NDArray[np.int64]:
    """Return v, (n_states,).

    Raises:
      ValueError: there are not as many states, or there is no optimum.
    """
    if not 0 <= n_positive <= n_states or n_states < 1:
        raise ValueError(
            f"n_positive: expected at most n_states = {n_states} of them, got {n_positive}"
        )
    if 2 * n_positive == n_states:
        raise ValueError(
            f"n_positive: expected another number than half of n_states = {n_states}, "
            "because then theta has no effect in the long run and no value of it is best"
        )
    return np.where(np.arange(n_states) < n_positive, 1, -1)


def sensitivity(window: int, n_states: int, n_positive: int) -> Fraction:
    """Return c_K of equation (3), exactly."""
    heard = [0, *(int(s) for s in np.cumsum(signs(n_states, n_positive)))]
    ways = (math.comb(window, heads) * heard[min(heads, n_states)] for heads in range(window + 1))
    return Fraction(2 * sum(ways), 2**window)


def seen_in_carried_memory(
    n_units: int, window: int, n_updates: int, n_states: int, n_positive: int
) -> NDArray[np.float64]:
    """Return c at every update if the influence of the first k units is kept from step to step.

    Args:
      n_units: k; n for the whole influence, which is then c_K, c_2K, ..
      window: K, the steps between two updates.
      n_updates: their number.
      n_states: n.
      n_positive: N_+.

    Returns:
      (n_updates,).
    """
    v = np.where(np.arange(n_states) < n_units, signs(n_states, n_positive), 0)
    # After 64 n steps nothing changes in the last digit of float64.
    n_steps = min(n_updates * window, 64 * n_states)
    influence, found = np.zeros(n_states), []
    for _ in range(n_steps):
        influence = 0.5 * (influence + np.append(influence[1:], 0)) + v
        found.append(influence[0])
    return np.array(found)[np.minimum(window * np.arange(1, n_updates + 1), n_steps) - 1]


def sensitivity_of_first_units(n_units: int, n_states: int, n_positive: int) -> int:
    """Return 2 V(k), what is seen of the influence of the first k units after long memory."""
    return 2 * int(signs(n_states, n_positive)[:n_units].sum())


def units_kept(rule: str, n_states: int) -> int:
    """Return k of an online rule: 1 for e-prop, n for SnAp-n, every unit for all others.

    Args:
      rule: its name, as in configs.
      n_states: n.
    """
    call = names.parsed(rule)
    kept = {"SnAp": call.fields.get("n", 1), "EProp": 1}
    return int(min(kept.get(call.name, n_states), n_states))


def optimum(n_states: int, n_positive: int) -> Fraction:
    """Return theta* of equation (4)."""
    return Fraction(1, sensitivity_of_first_units(n_states, n_states, n_positive))


def first_right_window(n_states: int, n_positive: int) -> int:
    """Return the shortest window from which on c_K has the sign of c_oo, 1 if every one has."""
    final = sensitivity_of_first_units(n_states, n_states, n_positive)
    # (3) changes sign at most once in K, near 4 N_+, since V does so once in k.
    window = 1
    while sensitivity(window, n_states, n_positive) * final <= 0:
        window += 1
    return window


def descend(
    seen: ArrayLike,
    window: int,
    learning_rate: float,
    start: float,
    n_states: int,
    n_positive: int,
) -> NDArray[np.float64]:
    """Return theta after 0, 1, .. updates with an update every K steps, the state carried on.

      theta <- theta - rate (s[1] - 1) c      after each K steps of equation (1)          (5)

    Args:
      seen: c of each update, the sensitivity that the rule sees, (n_updates,).
      window: K.
      learning_rate: rate.
      start: theta before the first update.
      n_states: n.
      n_positive: N_+.

    Returns:
      (n_updates + 1,).
    """
    v = signs(n_states, n_positive)
    A = 0.5 * (np.eye(n_states) + np.eye(n_states, k=1))
    powers = [np.eye(n_states)]
    for _ in range(window):
        powers.append(powers[-1] @ A)
    push, drive = powers[window], sum(powers[:window]) @ v
    theta, s = start, np.ones(n_states)
    thetas = [theta]
    for c in np.asarray(seen, float):
        s = push @ s + theta * drive
        theta = theta - learning_rate * (s[0] - 1) * c
        thetas.append(theta)
    return np.array(thetas)


def path(
    window: int,
    n_updates: int,
    learning_rate: float,
    start: float,
    n_units: int | None,
    n_states: int,
    n_positive: int,
) -> NDArray[np.float64]:
    """Return theta after 0, 1, .. updates, equation (5), by a rule with a short memory.

    Args:
      window: K.
      n_updates: their number.
      learning_rate: rate.
      start: theta before the first update.
      n_units: units whose influence is kept from step to step; None for the last K steps alone.
      n_states: n.
      n_positive: N_+.

    Returns:
      (n_updates + 1,).
    """
    network = n_states, n_positive
    if n_units is None:
        seen = np.full(n_updates, float(sensitivity(window, *network)))
    else:
        seen = seen_in_carried_memory(n_units, window, n_updates, *network)
    return descend(seen, window, learning_rate, start, *network)


_OF_PAPER = (23, 10, 0.5, 1e-4)  # n, N_+, theta_0 and the learning rate
_UPDATES = (1, 100, 1000, 3000)
_THETAS = {
    ("BPTT", 1): ((0.49995, 1e-7), (0.502425, 1e-6), (0.944109, 1e-6), (3.259685, 1e-6)),
    ("BPTT", 10): ((0.495, 1e-7), (0.948065, 1e-6), (177.79, 0.005), (1.40e7, 5e4)),
    ("BPTT", 100): ((0.4976, 1e-7), (0.298149, 1e-6), (-0.148569, 1e-6), (-0.166653, 1e-6)),
    ("RTRL", 1): ((0.49995, 1e-7), (0.172353, 1e-6), (-0.165803, 1e-6), (-0.16666667, 1e-8)),
}


def published(
    n_states: int, n_positive: int, start: float, learning_rate: float
) -> list[dict[str, str | int | float]]:
    """Return what the code released with Vicol et al. 2021 gives, run in NumPy.

    Returns:
      dicts of ``rule``, ``window``, ``update``, ``theta`` after that update and its ``tolerance``;
      none for another network than that of the paper.
    """
    if (n_states, n_positive, start, learning_rate) != _OF_PAPER:
        return []
    return [
        {"rule": rule, "window": K, "update": update, "theta": theta, "tolerance": tolerance}
        for (rule, K), row in _THETAS.items()
        for update, (theta, tolerance) in zip(_UPDATES, row, strict=True)
    ]


def output_variance(n_states: int) -> float:
    """Return the variance of s[1] when every state gets noise of variance 1 at every step."""
    A = 0.5 * (np.eye(n_states) + np.eye(n_states, k=1))
    size = n_states**2
    return float(np.linalg.solve(np.eye(size) - np.kron(A, A), np.eye(n_states).ravel())[0])
