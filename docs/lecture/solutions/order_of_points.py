"""Exercise 2: two points on a line, with and without their order."""

import numpy as np


def answer(n=4000):
    """Return the numbers of the exercise."""
    rng = np.random.default_rng(0)
    middle, v = rng.uniform(-5, 5, n), rng.choice([-2.0, -1.0, 1.0, 2.0], n)
    first, second, y = middle - v / 2, middle + v / 2, middle + 3 * v / 2
    ordered = np.stack([first, second], axis=1)
    blind = np.stack([first + second, abs(first - second), np.ones(n)], axis=1)  # symmetric
    w, w_blind = (np.linalg.lstsq(x, y, rcond=None)[0] for x in (ordered, blind))
    return {
        "weight of x(t-1)": w[0],
        "weight of x(t)": w[1],
        "error with order": np.mean((ordered @ w - y) ** 2),
        "weight of x(t-1) + x(t), without order": w_blind[0],
        "error without order": np.mean((blind @ w_blind - y) ** 2),
        "9/4 E[v^2]": 9 / 4 * np.mean(v**2),
    }


if __name__ == "__main__":
    print(*(f"{name:40} {value:.4f}" for name, value in answer().items()), sep="\n")
