"""How long does a gate keep a gradient, and what becomes of it when the gate listens?

Command:   rnnjax run gates
Run time:  about 30 seconds on 2 cores, compiling included.
Figure:    LSTM and GRU with a forget bias b under white noise; the weights of all gates and of the
           recurrence are multiplied by a gain g. a: ||dL/dc_{T-k}|| over the lag k where gates do
           not listen (g = 0), on s(b)^k. b: the rate of the whole gradient over ln s(b): 1 is what
           the bias promises, below 0 the gradient grows, as that of an LSTM with an open gate and
           a recurrence does; that of the GRU does not. c: the half-life of the memory alone, by the
           mean ln of its gate, over the gain: a gate that fluctuates keeps less than one that does
           not. d: a bias for every unit, log u with u spread evenly up to t_max (chrono
           initialisation): the gradient falls slowly up to about t_max steps; thin: one bias for
           all.
Source:    Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997; Gers,
           Schmidhuber and Cummins, Learning to forget, Neural Computation, 2000; Tallec and
           Ollivier, Can recurrent neural networks warp time?, ICLR 2018 (chrono).
"""

import json
import math
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

PRECISION = "float64"
_THEORY = rnnjax.theory.gates
_INITIAL = ("shared", "chrono")
_HALF_LIVES = {0.0: (1.0, 1e-9), 1.0: (2.2127, 5e-5), 3.0: (14.266, 5e-4), 5.0: (103.218, 5e-4)}
_STYLES = {"lstm": ("-", "o"), "gru": ("--", "s")}
_CARRY = "closed form: dc_T/dc_t = s(b)^(T-t) (Gers et al. 2000)"
REPRODUCES = {
    "lstm, g = 0, b": "Gers, Schmidhuber and Cummins 2000, forget gate",
    "chrono": "Tallec and Ollivier 2018, chrono initialisation",
}


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    cell: Static[Literal["lstm", "gru"]]
    bias: Lane[float]
    gain: Lane[NonNegativeFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """Which networks, and how long they are followed."""

    axes: Axes
    n_units: PositiveInt = Field(32, description="memory cells")
    n_x: PositiveInt = Field(8, description="inputs, white noise")
    length: int = Field(300, ge=10, description="steps T")
    t_max: float = Field(100.0, gt=2, description="longest time of the chrono initialisation")


def coordinates(config):
    """Lags 0..T, units, and both ways to choose the biases."""
    return {
        "lag": np.arange(config.length + 1),
        "unit": np.arange(config.n_units),
        "initial": np.array(_INITIAL),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    rate = "nat/step"
    return {
        "log_norm": Variable(
            ("initial", "lag"), "natural log of ||dL_T/dc_{T-lag}||", "nat"
        ),
        "rate": Variable((), "growth of ln ||dL_T/dc|| a lag, from lag 1 on", rate),
        "gate_rate": Variable((), "mean over units and steps of ln of the gate that keeps", rate),
        "renewal_time": Variable(("unit",), "1 / (1 - factor) at lag 1, chrono", "step"),
        "chrono_time": Variable(("unit",), "u + 1 of chrono biases log u", "step"),
    }  # fmt: skip


def _cell(config, name, **fields):
    if name == "lstm":
        return rnnjax.LSTM(config.n_x, config.n_units, **fields)
    return rnnjax.GRU(config.n_x, config.n_units, **fields)


def draw(config, bias, gain, seed):
    """Draw inputs and chrono biases, the same at every bias and gain."""
    from jax import random

    keys = random.split(random.key(seed), 3)
    batch = rnnjax.tasks.WhiteNoise(length=config.length, n_x=config.n_x).sample(keys[0])
    chrono = rnnjax.cells.chrono(keys[1], config.n_units, config.t_max)
    return {"bias": bias, "gain": gain, "batch": batch, "chrono": chrono, "key": keys[2]}


def measure(config, drawn, cell):
    """Measure transport through the memory with shared and with chrono biases."""
    import jax
    from jax import numpy as jnp

    shared = jnp.full(config.n_units, drawn["bias"], float)
    biases = jnp.stack([shared, drawn["chrono"]])
    log_sizes, log_gates = jax.vmap(lambda b: _transport(config, cell, drawn, b))(biases)
    log_norm = 0.5 * jax.nn.logsumexp(2 * log_sizes, axis=-1)
    factor = jnp.exp(log_sizes[1, 2] - log_sizes[1, 1])
    return {
        "log_norm": log_norm,
        # Lag 0 has no gate behind it.
        "rate": (log_norm[0, -1] - log_norm[0, 1]) / (config.length - 1),
        "gate_rate": jnp.mean(log_gates[0]),
        "renewal_time": 1 / (1 - factor),
        "chrono_time": 1 + jnp.exp(drawn["chrono"]),
    }


def _transport(config, name, drawn, bias):
    """Return ln |dL/dc_i| by lag, (T + 1, n_units), and ln of the gates that keep, (T, n_units)."""
    import jax
    from jax import numpy as jnp

    cell, n = _cell(config, name, gain=drawn["gain"], forget_bias=bias), config.n_units
    params, batch = cell.init(drawn["key"]), drawn["batch"]
    # Gates listen to inputs and state by the gain; what they let in stays as it is.
    candidate = jnp.arange(len(params.U)) // n == 2
    params = params._replace(U=jnp.where(candidate[:, None], 1.0, drawn["gain"]) * params.U)
    deltas = rnnjax.adjoint.adjoint(cell, None, params, batch)
    log_sizes = jnp.log(jnp.abs(deltas.value)) + deltas.exponent[:, None] * rnnjax.scaled.LOG_2
    trajectory = rnnjax.unroll(cell, params, batch.x)
    # The gate that keeps is the second block of both cells.
    sums = trajectory.h_prev[:, :n] @ params.W.T + trajectory.drive
    return log_sizes[::-1, -n:], jax.nn.log_sigmoid(sums[:, n : 2 * n])


def figure(cube):
    """Decay by bias, rates by bias and by gain, and chrono initialisation."""
    from matplotlib.figure import Figure

    config = json.loads(cube.attrs["config"])
    cube = cube.sortby("bias").sortby("gain")
    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 5.0))
    panels = drawn.subplots(2, 2)
    _draw_decay(panels[0, 0], cube)
    _draw_rates(panels[0, 1], cube)
    _draw_memory(panels[1, 0], cube)
    _draw_chrono(panels[1, 1], cube, config)
    rnnjax.figures.letter_panels(panels.flat)
    return drawn


def _draw_decay(ax, cube):
    one, lag = cube.isel(cell=0, gain=0), cube["lag"].values[1:]
    biases = cube["bias"].values
    for b, colour in zip(biases, rnnjax.figures.ordered_colours(len(biases)), strict=True):
        values = one["log_norm"].sel(bias=b, initial="shared").median("seed").values[1:]
        ax.semilogy(lag, np.exp(values - values[0]), color=colour, label=f"$b$ = {b:g}")
        theory = (lag - 1) * _THEORY.log_forget_factor(b)
        ax.semilogy(lag, np.exp(theory), color="black", linestyle=":", linewidth=1)
    name, gain = str(one["cell"].values), float(one["gain"])
    ax.set(ylim=(1e-6, 100), xlim=(0, lag[-1]), xlabel=f"lag $k$ (steps), {name}, $g$ = {gain:g}")
    ax.set_ylabel(r"$\|\mathrm{d}L/\mathrm{d}c_{T-k}\|$, relative")
    ax.legend(loc="upper right", ncols=3)


def _draw_rates(ax, cube):
    bias, gains = cube["bias"].values, cube["gain"].values
    promised = _THEORY.log_forget_factor(bias)
    for gain, colour in zip(gains, rnnjax.figures.ordered_colours(len(gains)), strict=True):
        for name in cube["cell"].values:
            dash, marker = _STYLES[str(name)]
            values = cube["rate"].sel(gain=gain, cell=name).median("seed").transpose("bias")
            label = f"$g$ = {gain:g}" if name == cube["cell"].values[0] else None
            ax.plot(bias, values / promised, color=colour, linestyle=dash, marker=marker,
                    linewidth=0.9, label=label)  # fmt: skip
    for name in cube["cell"].values:
        dash, marker = _STYLES[str(name)]
        ax.plot([], [], color="#808080", linestyle=dash, marker=marker, label=str(name))
    ax.axhline(0, color="#b0b0b0", linewidth=0.6, zorder=0)
    ax.set(xlabel="forget bias $b$", ylabel=r"rate of the whole gradient $/ \ln s(b)$")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.4 * (high - low))
    ax.legend(loc="upper left", ncols=4, fontsize=7)


def _draw_memory(ax, cube):
    gains, biases = cube["gain"].values, cube["bias"].values
    for b, colour in zip(biases, rnnjax.figures.ordered_colours(len(biases)), strict=True):
        for name in cube["cell"].values:
            dash, marker = _STYLES[str(name)]
            rates = cube["gate_rate"].sel(bias=b, cell=name).mean("seed").transpose("gain").values
            ax.semilogy(gains, -math.log(2) / rates, color=colour, linestyle=dash, marker=marker,
                        linewidth=0.9)  # fmt: skip
        ax.axhline(_THEORY.half_life(b), color="black", linestyle=":", linewidth=0.8, zorder=0)
    ax.set(
        xlabel="gain $g$ of gates and recurrence", ylabel="half-life of the memory alone (steps)"
    )


def _draw_chrono(ax, cube, config):
    one, lag = cube.isel(cell=0, gain=0), cube["lag"].values[1:]
    values = one["log_norm"].isel(bias=0).sel(initial="chrono").median("seed").values[1:]
    ax.loglog(lag, np.exp(values - values[0]), color="#009E73", linewidth=2,
              label=f"chrono, $t_{{max}}$ = {config['t_max']:g}")  # fmt: skip
    times = 1 + (config["t_max"] - 2) * (np.arange(2000) + 0.5) / 2000
    squares = np.mean(np.exp(2 * (lag[:, None] - 1) * _THEORY.log_forget_factor(np.log(times))), 1)
    ax.loglog(
        lag, np.sqrt(squares), color="black", linestyle=":", label="even times, $n = \\infty$"
    )
    biases = cube["bias"].values
    for b, colour in zip(biases, rnnjax.figures.ordered_colours(len(biases)), strict=True):
        shared = one["log_norm"].sel(bias=b, initial="shared").median("seed").values[1:]
        ax.loglog(lag, np.exp(shared - shared[0]), color=colour, linewidth=0.8)
    ax.axvline(config["t_max"], color="#808080", linewidth=0.6, zorder=0)
    ax.set(ylim=(1e-3, 1.5), xlabel="lag $k$ (steps)")
    ax.set_ylabel(r"$\|\mathrm{d}L/\mathrm{d}c_{T-k}\|$, relative")
    ax.legend(loc="lower left")


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = []
    if 0.0 in cube["gain"].values:
        shut = cube.sel(gain=0.0)
        for name in cube["cell"].values:
            found += _of_closed_gates(shut.sel(cell=name), str(name))
        found += _of_chrono(shut, config)
    return found + _of_listening(cube)


def _of_closed_gates(one, name):
    """Return claims on the half-life of gates that do not listen."""
    found = []
    for b in one["bias"].values:
        if b in _HALF_LIVES:
            expected, tolerance = _HALF_LIVES[b]
            halves = -math.log(2) / one["rate"].sel(bias=b).values
            worst = halves.flat[np.argmax(np.abs(halves - expected))]
            told = f"{name}, g = 0, b = {b:g}: half-life, steps"
            found.append(rnnjax.Claim(told, worst, expected, tolerance, _CARRY))
    rates = one["log_norm"].sel(initial="shared").diff("lag").isel(lag=slice(1, None))
    gaps = rates.transpose(..., "bias").values - _THEORY.log_forget_factor(one["bias"].values)
    told = f"{name}, g = 0: fall at every lag minus ln s(b), worst"
    return [*found, rnnjax.Claim(told, np.max(np.abs(gaps)), 0.0, 1e-9, f"{_CARRY}; nat/step")]


def _of_chrono(shut, config):
    measured, times = shut["renewal_time"].values, shut["chrono_time"].isel(cell=0, bias=0)
    expected = shut["chrono_time"].transpose(*shut["renewal_time"].dims).values
    worst = np.max(np.abs(measured / expected - 1))
    t_max, n = config["t_max"], times.size
    error = (t_max - 2) / math.sqrt(12 * n)
    source = "Tallec and Ollivier 2018: f = u / (1 + u), u uniform in [1, t_max - 1]"
    return [
        rnnjax.Claim("chrono, g = 0: 1 / (1 - f) over u + 1, worst", worst, 0.0, 1e-9, source),
        rnnjax.Claim("chrono: mean time u + 1, steps", times.mean(), t_max / 2 + 1, 3 * error,
                     f"{source}; tolerance: 3 standard errors"),
    ]  # fmt: skip


def _of_listening(cube):
    """Return claims on gates that listen: they keep less, while the whole gradient may grow."""
    found = []
    open_ = cube.sel(gain=cube["gain"].values >= 1)
    if not open_.sizes["gain"]:
        return found
    expected = _THEORY.log_forget_factor(cube["bias"].values)
    for name in cube["cell"].values:
        rates = open_["gate_rate"].sel(cell=name).mean("seed").transpose("gain", "bias").values
        told = f"{name}, g >= 1: mean ln of the gate minus ln s(b), largest"
        source = "Jensen: the mean of ln s(b + noise) is below ln s(b); tolerance: sampling"
        worst = np.max(rates - expected)
        found.append(rnnjax.Claim(told, worst, 0.0, 0.005, source, relation="at_most"))
    last = cube.sel(gain=cube["gain"].max(), bias=cube["bias"].max())
    if "lstm" in cube["cell"].values and float(last["gain"]) >= 2 and float(last["bias"]) >= 5:
        told = f"lstm, b = {float(last['bias']):g}, g = {float(last['gain']):g}: rate of the whole"
        source = "Hochreiter and Schmidhuber 1997 cut the path through the gates for that reason"
        rate = last["rate"].sel(cell="lstm").median("seed")
        found.append(rnnjax.Claim(f"{told} gradient", rate, 0.0, 0.0, source, "at_least"))
    return found
