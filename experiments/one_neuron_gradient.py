"""What gradient do the weights of one recurrent neuron get, and what does clipping leave of it?

Command:   rnnjax run one_neuron_gradient
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    a: norm of the gradient of a squared error E by all weights, over the recurrent weight;
           b: the same after clipping by norm, which keeps the direction. c: |dy_t/dw_n| over the
           number of inputs for f(x) = x; dashed: sum k w_n^(k-1). The example of the slides, two
           inputs step by step, is among the claims; `one_neuron` shows what single inputs do.
Source:    Slides "RNN: simple RNN" (a chain of one neuron; all weights are trained); Pascanu,
           Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013
           (clipping).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import ACTIVATION_LOOKS
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import evenly, gap, largest, tabulate
from rnnjax.sweep import ActivationName, Variable
from rnnjax.theory import scalar_chain

_N_WEIGHTS = {"ANN, two inputs": 3, "RNN, two inputs": 4, "RNN, own input weights": None,
              "RNN, shared": 3}  # fmt: skip
_EXAMPLE, _INPUTS = (0.5, 0.25, 2.0), (2.0, 4.0)  # w1, w2, w3; x1, x2
_BOUNDED = ("tanh", "sigmoid", "erf", "hard_tanh")
_N_OLDEST = 10  # inputs that count as the oldest


class Setting(sweep.Setting):
    """One chain, on how many inputs, and the loss of its last output."""

    activation: ActivationName = "tanh"
    w_n: float = Field(1.0, description="recurrent weight")
    length: int = Field(51, ge=20, le=10**4, description="inputs T, (t-50) to (t) if 51")
    target: float = Field(0.25, description="what y should be, in the squared error")
    max_norm: PositiveFloat = Field(1.0, description="threshold of clipping by norm")
    axes = ("activation", "w_n")


def coordinates(setting: Setting) -> dict[str, Any]:
    """Lengths 1..T, and the names of what the worked example has."""
    return {
        "length": np.arange(1, setting.length + 1),
        "step": ["f(2 w1)", "4 w2", "4 w2 + w_n f(2 w1)", "f(4 w2 + w_n f(2 w1))", "y"],
        "weight": ["w1", "w2", "w3", "w_n"],
        "network": [*_N_WEIGHTS],
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep; x = 1 but in the example."""
    length, norm = ("length",), "|d(squared error)/d(all weights)|"
    return {
        "log_weight_gradient": Variable(length, "natural log of |dy/dw_n|", "nat"),
        "weight_gradient_sign": Variable(length, "sign of dy/dw_n"),
        "log_loss_gradient": Variable(length, "natural log of |d((y - target)^2/2)/dw_n|", "nat"),
        "log_norm": Variable((), f"natural log of {norm}", "nat"),
        "clipped_norm": Variable((), f"{norm} after clipping"),
        "share_oldest": Variable((), "share of the ten oldest in d(squared error)/dw_x"),
        "clipped_share_oldest": Variable((), "share_oldest after clipping"),
        "example": Variable(("step",), "steps of y = w3 f(4 w2 + w_n f(2 w1))"),
        "example_gradient": Variable(("weight",), "dy/dweight in the example"),
        "n_weights": Variable(("network",), "weights with a gradient that is not 0"),
    }


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Differentiate one chain with unit input and output weights, and the example."""
    activation, w_n, n = rnnjax.activation_named(setting.activation), setting.w_n, setting.length
    example = decks.worked_example(activation, (*_EXAMPLE, w_n), _INPUTS)
    shared = rnnjax.cells.ChainParams(jnp.asarray(w_n), jnp.ones(1), jnp.ones(()))
    n_weights = [*example["n_weights"], n + 2, sum(leaf.size for leaf in shared)]
    return {
        **decks.loss_gradients(activation, w_n, n, setting.target, setting.max_norm, _N_OLDEST),
        **example,
        "n_weights": jnp.stack([jnp.asarray(count, int) for count in n_weights]),
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """The gradient over the recurrent weight, and that of the identity over the inputs."""
    cube = cube.sortby("w_n")
    has_line = "identity" in cube["activation"].values and (cube["w_n"].values > 0).any()
    frame = figures.Frame(1, 3 if has_line else 2, height=2.6)
    gradient, clipped, *by_length = frame.panels
    each = {"over": "w_n", "each": "activation", "looks": ACTIVATION_LOOKS,
            "line": {"markevery": 0.12, "markersize": 3.5, "linewidth": 1.1, "clip_on": False},
            "xlabel": "recurrent weight $w_n$", "xlim": cube["w_n"].values[[0, -1]]}  # fmt: skip
    figures.curves(gradient, cube["log_norm"] / math.log(10), **each, title="gradient",
                   ylabel=r"$\log_{10}\|\mathrm{d}E/\mathrm{d}w\|$")  # fmt: skip
    limit = cube.setting.max_norm
    figures.curves(clipped, cube["clipped_norm"], **each, ylim=(0, 1.1 * limit),
                   title=f"clipped to norm {limit:g}", ylabel="norm after clipping")  # fmt: skip
    for panel in by_length:
        _draw_by_length(panel, cube.sel(activation="identity"))
    return frame.finished(figures.handles(ACTIVATION_LOOKS, cube["activation"].values))


def _draw_by_length(panel: figures.Axes, one: xr.Dataset) -> None:
    """Draw |dy_t/dw_n| over t for some positive weights."""
    some = evenly(one.isel(w_n=one["w_n"].values > 0), "w_n", 5).isel(length=slice(1, None))
    drawn = figures.curves(
        panel, some["log_weight_gradient"] / math.log(10), over="length", each="w_n",
        label="$w_n$ = {:g}", theory={"closed form": np.log10(_exact(some))}, title="identity",
        xlabel="inputs $t$", ylabel=r"$\log_{10}|\mathrm{d}y_t/\mathrm{d}w_n|$",
    )  # fmt: skip
    figures.direct_labels(panel, drawn[:-1], distance=0.07)


def answer(cube: xr.Dataset) -> str:
    """The norms at the largest weight, and what clipping leaves of them."""
    at = cube.isel(w_n=int(cube["w_n"].values.argmax()))
    norms = [
        f"{_power(norm / math.log(10))} ({name})"
        for name, norm in zip(at["activation"].values, at["log_norm"].values, strict=True)
    ]
    said = f"At w_n = {at['w_n']:g} the gradient has norm {', '.join(norms)}."
    moved = abs(cube["clipped_share_oldest"] - cube["share_oldest"]).max(skipna=False)
    if not moved < 1e-3:  # NaN where norms are too large for float32
        return said
    return (
        f"{said} Clipping leaves at most {cube['clipped_norm'].max():.3g} at every w_n and keeps "
        f"the direction: the share of the ten oldest inputs changes by at most {moved:.1g}."
    )


def _power(log10: float) -> str:
    if not np.isfinite(log10):
        return "unknown" if np.isnan(log10) else f"{10**log10:g}"
    return f"1e{log10:.0f}" if abs(log10) >= 3 else f"{10**log10:.2g}"


def _exact(cube: xr.Dataset) -> xr.DataArray:
    """Return dy/dw_n of the identity by length, in closed form."""
    gradient, axes = scalar_chain.weight_gradient, {name: cube[name] for name in ("w_n", "length")}
    return tabulate(lambda w, n: gradient(w, n - 1), **axes)


def _example_error(one: xr.Dataset) -> float:
    """Return the worst error of the worked example against its closed form, at all weights."""

    def error(name: str, w_n: float) -> float:
        at = one.sel(activation=name, w_n=w_n)
        exact = scalar_chain.two_steps(name, (*_EXAMPLE, w_n), _INPUTS)
        steps, gradient = at["example"] - exact.values, at["example_gradient"] - exact.gradient
        return np.max(np.abs([*steps.values, *gradient.values]))

    return largest(tabulate(error, activation=one["activation"], w_n=one["w_n"]))


def _clipping_error(cube: xr.Dataset) -> float:
    with np.errstate(divide="ignore"):
        after, limit = np.log(cube["clipped_norm"]), math.log(cube.setting.max_norm)
    return largest(gap(after, np.minimum(cube["log_norm"], limit)), _is_in_range(cube))


def _is_in_range(cube: xr.Dataset) -> xr.DataArray:
    """Return at which weights float32 holds the output, which the error and the gradient follow."""
    log_output = (cube.sizes["length"] - 1) * np.log(np.maximum(abs(cube["w_n"]), 1))
    return cube["activation"].isin(_BOUNDED) | (log_output < 86)


def _moved(cube: xr.Dataset) -> float:
    """Return by how much clipping changes the share of the oldest inputs at most."""
    return largest(abs(cube["clipped_share_oldest"] - cube["share_oldest"]), _is_in_range(cube))


_DECK = 'slides "RNN: simple RNN"'
_ROUNDING = "tolerance: float32 rounding"
_FORMULA = f"{_DECK}: w3 f(4 w2 + w_n f(2 w1)), steps 1 to 6"
CLAIMS = (
    Row("{activation}: w3 f(4 w2 + w_n f(2 w1)) at w_n = 0.8",
        lambda one: one["example"].sel(step="y"), at={"w_n": 0.8}, equals="y", tolerance=2e-6,
        for_each=[{"activation": "identity", "y": 3.6}, {"activation": "tanh", "y": 1.846106},
                  {"activation": "sigmoid", "y": 1.65978}, {"activation": "relu", "y": 3.6}],
        source=_FORMULA),
    Row("{network}: trained weights", lambda one: one["n_weights"],
        at={"activation": "identity", "w_n": 0.8}, for_each="network",
        equals=lambda one, network: _N_WEIGHTS[network] or one.sizes["length"] + 2,
        source=f"{_DECK}: w1, w2, w3, and w_n in the RNN; T + 2; w_x, w_n and w_3"),
    Row("worked example, steps and derivatives: largest error", _example_error,
        at={"activation": [*scalar_chain.FUNCTIONS]}, equals=0,
        tolerance=lambda one: 2e-5 * max(1.0, largest(abs(one["w_n"])) / 5),  # linear in w_n
        source=f"{_FORMULA}, and the chain rule; {_ROUNDING}"),
    Group((
        Row("norm after clipping: largest error, nat", _clipping_error, equals=0),
        Row("clipping moves the oldest ten's share by at most", _moved, equals=0),
    ), when=lambda cube: _is_in_range(cube).any(), tolerance=1e-5,
       source=f"Pascanu et al. 2013, algorithm 1; {_ROUNDING}"),
    Group((
        Row("identity: dy/dw_n by length, relative error",
            lambda one: largest(abs(np.exp(one["log_weight_gradient"] - np.log(_exact(one))) - 1)),
            at={"w_n": lambda w: (w >= 0) & (w < 1e6), "length": lambda n: n > 1}, equals=0,
            tolerance=3e-5, source=f"exact: sum k w_n^(k-1), in float64; {_ROUNDING}"),
        Row("identity, w_n = 1: dy/dw_n", lambda one: math.exp(one["log_weight_gradient"][-1]),
            at={"w_n": 1.0}, equals=1275, tolerance=0.01, source="exact: n (n + 1) / 2, n = 50",
            when=lambda one: one.sizes["length"] == 51),
    ), at={"activation": "identity"}),
)  # fmt: skip
