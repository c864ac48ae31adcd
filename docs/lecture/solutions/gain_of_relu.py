"""Exercise 3: the gain at which the gradient of a relu network neither falls nor grows."""

import runpy
from pathlib import Path

import numpy as np

TWIN = runpy.run_path(str(Path(__file__).parents[1] / "numpy_twin.py"))
GAINS = np.array([1.2, 1.3, 1.4, 1.5, 1.6])


def growth(name, gain, seed, n=256, T=100):
    """Slope of ln ||dL_T/dh_{T-k}|| over k, nat a step."""
    rng = np.random.default_rng(seed)
    W, U = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(n, 8)) / np.sqrt(8)
    b, x = 0.1 * rng.normal(size=n), rng.normal(size=(T, 8))
    curve = TWIN["log_norm_by_lag"](gain * W, U, b, x, *TWIN["ACTIVATIONS"][name])
    return np.polyfit(np.arange(T + 1), curve, 1)[0]


def answer():
    """Return the numbers of the exercise."""
    measured = np.array([np.mean([growth("relu", g, seed) for seed in range(4)]) for g in GAINS])
    slope, start = np.polyfit(np.log(GAINS), measured, 1)
    return {
        "gain without growth, measured": np.exp(-start / slope),
        "sqrt(2)": np.sqrt(2),
        "growth by ln gain": slope,
        "growth of tanh at this gain": growth("tanh", np.sqrt(2), 0),
    }


if __name__ == "__main__":
    print(*(f"{name:32} {value:.4f}" for name, value in answer().items()), sep="\n")
