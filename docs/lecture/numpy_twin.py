"""The gradient on its way back, in NumPy alone: log10 ||dL_T/dh_{T-k}|| over lag k and gain g.

    h_t = f(z_t),  z_t = g W h_{t-1} + U x_t + b              (1)  forward,  t = 1 .. T
    delta_T = u = (1, .., 1) / sqrt(n)                        (2)  L_T = u . h_T
    delta_{t-1} = (g W)' (f'(z_t) * delta_t)                  (3)  backward, delta_t = dL_T/dh_t

W_ij ~ N(0, 1/n), U_ij ~ N(0, 1/n_x), b_i ~ N(0, 0.01). After each step of (3) delta is divided
by its norm and the logarithm of the norm is added up, so that no number is too large or small.
"""

import numpy as np


def logistic(z):
    """Return s(z)."""
    return 1 / (1 + np.exp(-z))


# f and its slope; the slopes are written so that they keep their digits where they are tiny.
ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "sigmoid": (logistic, lambda z: logistic(z) * logistic(-z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


def log_norm_by_lag(W, U, b, x, f, slope):
    """Return ln ||dL_T/dh_{T-k}|| for k = 0 .. T, with W already multiplied by the gain."""
    h, slopes = np.zeros(len(W)), []
    for x_t in x:
        z = W @ h + U @ x_t + b  # (1)
        h = f(z)
        slopes.append(slope(z))
    delta, log_norm, found = np.ones(len(W)) / np.sqrt(len(W)), 0.0, [0.0]  # (2)
    for slope_t in reversed(slopes):
        delta = W.T @ (slope_t * delta)  # (3)
        norm = np.linalg.norm(delta)
        log_norm += np.log(norm) if norm > 0 else -np.inf
        delta = delta / norm if norm > 0 else delta
        found.append(log_norm)
    return np.array(found)


if __name__ == "__main__":
    rng, n, n_x, T = np.random.default_rng(0), 64, 8, 256
    W, U = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(n, n_x)) / np.sqrt(n_x)
    b, x, lags = 0.1 * rng.normal(size=n), rng.normal(size=(T, n_x)), [1, 16, 64, 256]
    print("log10 ||dL_T/dh_(T-k)||", "gain", *(f"k={k:<5}" for k in lags), sep="  ")
    for name, (f, slope) in ACTIVATIONS.items():
        for gain in (0.5, 1.0, 1.5, 2.0):
            found = log_norm_by_lag(gain * W, U, b, x, f, slope) / np.log(10)
            print(f"{name:24} {gain:4}", *(f"{found[k]:7.2f}" for k in lags), sep="  ")
