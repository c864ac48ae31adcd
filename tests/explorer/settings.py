"""Settings of the explorer's main page, and the cells of rnnjax that they stand for."""

import random

import rnnjax

START = {
    "cell": "vanilla", "weights": "gaussian", "activation": "tanh", "gain": 1.2, "leak": 1,
    "bias": 0.1, "forget": 1, "n": 8, "T": 64, "seed": 0, "lag": 10,
}  # fmt: skip
KINDS = [
    *[("neuron", name, 1) for name in ("tanh", "relu", "sigmoid", "identity")],
    *[("vanilla", name, n) for name, n in (("tanh", 16), ("relu", 9), ("sigmoid", 5))],
    ("vanilla", "identity", 12), ("lstm", "tanh", 6), ("gru", "tanh", 7),
    ("jordan", "sigmoid", 2), ("jordan", "tanh", 2),
]  # fmt: skip


def setting(**changes):
    return {**START, **changes}


def random_settings(count, longest):
    """`count` settings, some of each kind; the same ones in every run."""
    draw = random.Random(20)
    return [
        setting(
            cell=cell, activation=activation, n=n,
            gain=round(0.1 * 40 ** draw.random(), 3),
            leak=draw.choice([1, 1, round(draw.uniform(0.05, 1), 2)]),
            bias=round(draw.random(), 2), forget=round(draw.uniform(-3, 6), 1),
            weights=draw.choice(["gaussian", "gaussian", "identity"]),
            T=draw.randint(5, longest), seed=draw.randrange(10_000),
        )
        for cell, activation, n in (KINDS[i % len(KINDS)] for i in range(count))
    ]  # fmt: skip


def cell_of(s, n_x=None):
    """The cell of rnnjax, with the numbers of a setting, which may be traced; n_x: own inputs."""
    n_x = n_x or (3 if s["cell"] == "jordan" else 8)
    activation = rnnjax.activation_named(s["activation"])
    if s["cell"] in ("neuron", "vanilla"):
        name = "identity" if s["cell"] == "neuron" else s["weights"]
        return rnnjax.Vanilla(
            n_x, s["n"], activation=activation, recurrent=getattr(rnnjax.cells, name),
            gain=s["gain"], bias_gain=s["bias"], leak=s["leak"],
        )  # fmt: skip
    if s["cell"] == "jordan":
        return rnnjax.Jordan(n_x, 4, 2, activation=activation, gain=s["gain"])
    kind = {"lstm": rnnjax.LSTM, "gru": rnnjax.GRU}[s["cell"]]
    return kind(n_x, s["n"], gain=s["gain"], forget_bias=s["forget"])
