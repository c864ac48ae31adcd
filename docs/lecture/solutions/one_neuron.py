"""Exercise 1: two steps of one neuron by hand, and what is left of an input 50 steps back."""

import numpy as np

W1, W2, W3, W_N = 0.5, 0.25, 2.0, 0.8  # as drawn in the slides; f = tanh


def output(w_n):
    """Return y = W3 f(4 W2 + w_n f(2 W1))."""
    return W3 * np.tanh(4 * W2 + w_n * np.tanh(2 * W1))


def shares(w_n, T=51):
    """Shares of the coefficients |w_n|^k of the inputs x(t - k), k = 0 .. T - 1, for f(x) = x."""
    coefficients = abs(w_n) ** np.arange(T)
    return coefficients / coefficients.sum()


def answer():
    """Return the numbers of the exercise."""
    first = np.tanh(2 * W1)
    by_hand = W3 * (1 - np.tanh(4 * W2 + W_N * first) ** 2) * first
    return {
        "y": output(W_N),
        "dy/dw_n": by_hand,
        "dy/dw_n by difference": (output(W_N + 1e-6) - output(W_N - 1e-6)) / 2e-6,
        "w_n that leaves 1 % after 50 steps": 0.01 ** (1 / 50),
        "share of the ten oldest of 51 inputs at w_n = 0.9": shares(0.9)[-10:].sum(),
        "share of the ten oldest of 51 inputs at w_n = 1.1": shares(1.1)[-10:].sum(),
    }


if __name__ == "__main__":
    print(*(f"{name:52} {value:.6f}" for name, value in answer().items()), sep="\n")
