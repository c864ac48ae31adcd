"""How long does a gate keep a gradient, and what becomes of it when the gate listens?

Command:   rnnjax run gates
Run time:  about 30 seconds on 2 cores, compiling included.
Figure:    LSTM and GRU under white noise; g multiplies the weights of gates and recurrence. a:
           ||dL/dc_{T-k}|| over the lag k, without gain; dashed: s(b)^k. b: rate of the whole
           gradient over ln s(b): 1 is that of the bias alone, below 0 it grows. c: half-life of the
           memory alone, by the mean ln of its gate; dotted: by b alone. d: norm over the lag, each
           unit with a bias log u, u uniform up to t_max (grey line); thin: one bias for all units.
Source:    Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997; Gers,
           Schmidhuber and Cummins, Learning to forget, Neural Computation, 2000; Tallec and
           Ollivier, Can recurrent neural networks warp time?, ICLR 2018 (chrono).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, every_run, median_run
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import largest, median, tabulate
from rnnjax.sweep import Traced, Variable

PRECISION = "float64"
_THEORY = rnnjax.theory.gates
_GIVEN = ((0.0, 1.0, 1e-9), (1.0, 2.2127, 5e-5), (3.0, 14.266, 5e-4), (5.0, 103.218, 5e-4))
_HALF_LIVES = [{"forget_bias": b, "half_life": n, "digits": d} for b, n, d in _GIVEN]
_LOOK = figures.Look
_MARKS = {"lstm": _LOOK("LSTM", figures.GREY, "o"), "gru": _LOOK("GRU", figures.GREY, "s", "--")}
_NORM = r"$\|\mathrm{d}L/\mathrm{d}c_{T-k}\|$, relative"
_CARRY = "closed form: dc_T/dc_t = s(b)^(T-t) (Gers et al. 2000)"


class Setting(sweep.Setting):
    """One network, and how long it is followed."""

    cell: Literal["lstm", "gru"] = "lstm"
    forget_bias: float = Field(1.0, description="b, of the gate that keeps")
    gain: NonNegativeFloat = Field(0.0, description="factor of gates and recurrence")
    seed: Traced[int] = Field(0, description="of weights, inputs and chrono biases")
    n_units: PositiveInt = Field(32, description="memory cells")
    n_x: PositiveInt = Field(8, description="inputs, white noise")
    length: int = Field(300, ge=10, description="steps T")
    t_max: float = Field(100.0, gt=2, description="longest time of the chrono initialisation")
    axes = ("cell", "forget_bias", "gain", "seed")


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Lags 0..T, units, and both ways to choose the biases."""
    return {
        "lag": np.arange(setting.length + 1),
        "unit": np.arange(setting.n_units),
        "initial": np.array(["shared", "chrono"]),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    rate = "nat/step"
    return {
        "log_norm": Variable(("initial", "lag"), "natural log of ||dL_T/dc_{T-lag}||", "nat"),
        "rate": Variable((), "growth of ln ||dL_T/dc|| a lag, from lag 1 on", rate),
        "gate_rate": Variable((), "mean over units and steps of ln of the gate that keeps", rate),
        "renewal_time": Variable(("unit",), "1 / (1 - factor) at lag 1, chrono", "step"),
        "chrono_time": Variable(("unit",), "u + 1 of chrono biases log u", "step"),
    }


def shared(setting: Setting) -> tuple:
    """Inputs, chrono biases and the key of the weights, the same at every bias and gain."""
    keys = jax.random.split(jax.random.key(setting.seed), 3)
    batch = rnnjax.tasks.WhiteNoise(setting.length, setting.n_x).sample(keys[0])
    return batch, rnnjax.cells.chrono(keys[1], setting.n_units, setting.t_max), keys[2]


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Measure transport through the memory with shared and with chrono biases."""
    batch, chrono, key = shared
    biases = jnp.stack([jnp.full_like(chrono, setting.forget_bias), chrono])
    log_sizes, log_gates = jax.vmap(lambda b: _transport(setting, b, batch, key))(biases)
    log_norm = 0.5 * jax.nn.logsumexp(2 * log_sizes, axis=-1)
    factor = jnp.exp(log_sizes[1, 2] - log_sizes[1, 1])
    return {
        "log_norm": log_norm,
        # Lag 0 has no gate behind it.
        "rate": (log_norm[0, -1] - log_norm[0, 1]) / (setting.length - 1),
        "gate_rate": jnp.mean(log_gates[0]),
        "renewal_time": 1 / (1 - factor),
        "chrono_time": 1 + jnp.exp(chrono),
    }


def _transport(setting: Setting, bias: jax.Array, batch: rnnjax.Batch, key: jax.Array) -> tuple:
    """Return ln |dL/dc_i| by lag, (T + 1, n_units), and ln of the gates that keep, (T, n_units)."""
    n, gated = setting.n_units, {"lstm": rnnjax.LSTM, "gru": rnnjax.GRU}[setting.cell]
    cell = gated(setting.n_x, n, gain=setting.gain, forget_bias=bias)
    params = cell.init(key)
    # Gates listen to inputs and state by the gain; what they let in stays as it is.
    candidate = jnp.arange(len(params.U)) // n == 2
    params = params._replace(U=jnp.where(candidate[:, None], 1.0, setting.gain) * params.U)
    deltas = rnnjax.adjoint.adjoint(cell, None, params, batch)
    log_sizes = jnp.log(jnp.abs(deltas.value)) + deltas.exponent[:, None] * rnnjax.scaled.LOG_2
    trajectory = rnnjax.unroll(cell, params, batch.x)
    # The gate that keeps is the second block of both cells.
    sums = trajectory.h_prev[:, :n] @ params.W.T + trajectory.drive
    return log_sizes[::-1, -n:], jax.nn.log_sigmoid(sums[:, n : 2 * n])


def figure(cube: xr.Dataset) -> figures.Figure:
    """Decay by bias, rates by bias and by gain, and chrono initialisation."""
    frame, cube = figures.Frame(2, 2, height=5.0), cube.sortby(["forget_bias", "gain"])
    draws = (_draw_decay, _draw_rates, _draw_memory, _draw_chrono)
    legend, *_ = (draw(panel, cube) for draw, panel in zip(draws, frame.panels, strict=True))
    return frame.finished(legend, ncols=len(legend))


def answer(cube: xr.Dataset) -> str:
    """How fast gradients change at the largest bias, at the least and the largest gain."""
    b, gains = cube["forget_bias"].max().item(), np.unique(cube["gain"])[[0, -1]].tolist()
    rates, told = median(cube["rate"]).sel(forget_bias=b), ""
    for cell in cube["cell"].values:
        at = {f"{_change(rates.sel(cell=cell, gain=g).item())} at gain {g:g}": g for g in gains}
        told += f"At forget bias {b:g} the gradient of the {cell.upper()} {' and '.join(at)}. "
    return told.strip()


def _change(rate: float) -> str:
    grows = f"grows by {rate:.2g} nat a step" if np.isfinite(rate) else "was not measured"
    return f"halves in {-math.log(2) / rate:.3g} steps" if rate < 0 else grows


def _log_factor(cube: xr.Dataset) -> xr.DataArray:
    return tabulate(_THEORY.log_forget_factor, forget_bias=cube["forget_bias"])


def _decay(cube: xr.Dataset, initial: str) -> xr.DataArray:
    """Return the norm by lag from lag 1 on, over that of lag 1, where gates listen least."""
    values = median(cube["log_norm"].isel(cell=0, gain=0, lag=slice(1, None)).sel(initial=initial))
    return np.exp(values - values.isel(lag=0, drop=True))


def _draw_decay(panel: figures.Axes, cube: xr.Dataset) -> list:
    lag, first = cube["lag"][1:], cube.isel(cell=0, gain=0)
    return figures.curves(
        panel, _decay(cube, "shared"), over="lag", each="forget_bias", label="$b$ = {:g}",
        theory={"$s(b)^k$": np.exp((lag - 1) * _log_factor(cube))}, yscale="log", ylim=(1e-6, 2),
        xlim=(0, lag[-1].item()), xlabel="lag $k$ (steps)", ylabel=_NORM,
        title=f"{first['cell'].item().upper()}, $g$ = {first['gain']:g}",
    )  # fmt: skip


def _draw_by_cell(panel: figures.Axes, values: xr.DataArray, each: str, **axes) -> list:
    """Draw curves with the marks of each cell; return those of the first one."""
    drawn = []
    for cell in values["cell"].values:
        marks = {"dashes": _MARKS[cell].dashes, "marker": _MARKS[cell].marker}
        looks = figures.ordered_looks(values[each].values, "$g$ = {:g}", **marks)
        drawn += figures.curves(panel, values.sel(cell=cell), each=each, looks=looks,
                                line={"linewidth": 0.9}, **axes)  # fmt: skip
    return drawn[: values.sizes[each]]


def _draw_rates(panel: figures.Axes, cube: xr.Dataset) -> None:
    legend = _draw_by_cell(
        panel, median(cube["rate"]) / _log_factor(cube), "gain", over="forget_bias", level=0,
        xlabel="forget bias $b$", ylabel=r"rate $/ \ln s(b)$", title="whole gradient",
    )  # fmt: skip
    panel.set_ylim(top=panel.get_ylim()[1] + 0.3 * np.ptp(panel.get_ylim()))
    panel.legend(handles=legend, loc="upper left", ncols=3, fontsize=7)


def _draw_memory(panel: figures.Axes, cube: xr.Dataset) -> None:
    _draw_by_cell(
        panel, -math.log(2) / median(cube["gate_rate"]), "forget_bias", over="gain", yscale="log",
        xlabel="gain $g$ of gates and recurrence", ylabel="half-life (steps)", title="memory alone",
    )  # fmt: skip
    for b in cube["forget_bias"].values:
        figures.level(panel, y=_THEORY.half_life(b), color="black", dashes=":", linewidth=0.8)
    panel.set_ylim(panel.get_ylim()[0] / 3)
    panel.legend(handles=figures.handles(_MARKS, cube["cell"].values), loc="lower left", ncols=2)


def _draw_chrono(panel: figures.Axes, cube: xr.Dataset) -> None:
    t_max, lag = cube.setting.t_max, cube["lag"][1:]
    shared, chrono = _decay(cube, "shared"), _decay(cube, "chrono").isel(forget_bias=0)
    figures.curves(panel, shared, over="lag", each="forget_bias", line={"linewidth": 0.8})
    rates = _THEORY.log_forget_factor(np.log(1 + (t_max - 2) * (np.arange(2000) + 0.5) / 2000))
    even = np.sqrt(np.mean(np.exp(2 * (lag.values[:, None] - 1) * rates), axis=1))
    legend = figures.curves(
        panel, chrono, over="lag", looks=_LOOK("chrono", figures.GREEN), line={"linewidth": 2},
        theory={r"$n = \infty$": lag.copy(data=even)}, xscale="log", yscale="log", ylim=(1e-3, 1.5),
        title=f"chrono biases, $t_{{max}}$ = {t_max:g}", xlabel="lag $k$ (steps)", ylabel=_NORM,
    )  # fmt: skip
    figures.level(panel, x=t_max, color=figures.GREY)
    panel.legend(handles=legend, loc="lower left", fontsize=7)


def _worst_half_life(one: xr.Dataset, half_life: float) -> float:
    halves = -math.log(2) / one["rate"].values.ravel()
    return halves[np.argmax(np.abs(halves - half_life))]


def _moving_gates(cube: xr.Dataset) -> list[dict[str, Any]]:
    """Return the largest gain from 2 to 10, if any: gates that noise throws over let nothing by."""
    gains, b = cube["gain"].values, cube["forget_bias"].values.max()
    largest_gain = np.sort(gains[(gains >= 2) & (gains <= 10)])[-1:]
    return [{"cell": "lstm", "gain": g, "forget_bias": b} for g in largest_gain if b >= 5]


def _times(shut: xr.Dataset) -> xr.DataArray:
    return shut["chrono_time"].isel(cell=0, forget_bias=0)


_CHRONO = "Tallec and Ollivier 2018: f = u / (1 + u), u uniform in [1, t_max - 1]"
_GERS = "Gers, Schmidhuber and Cummins 2000, forget gate"
CLAIMS = (
    Group((
        Group((
            Row("{cell}, g = 0, b = {forget_bias:g}: half-life, steps", _worst_half_life,
                for_each=_HALF_LIVES, equals="half_life", tolerance="digits", source=_CARRY,
                reproduces=lambda one, cell: _GERS if cell == "lstm" else ""),
            every_run("{cell}, g = 0: fall at every lag minus ln s(b), worst",
                lambda shut: abs(shut["log_norm"].diff("lag")[..., 1:] - _log_factor(shut)),
                at={"initial": "shared"}, equals=0, tolerance=1e-9, source=f"{_CARRY}; nat/step"),
        ), for_each="cell"),
        Group((
            Row("chrono, g = 0: 1 / (1 - f) over u + 1, worst",
                lambda shut: largest(abs(shut["renewal_time"] / shut["chrono_time"] - 1)),
                equals=0, tolerance=1e-9, source=_CHRONO),
            Row("chrono: mean time u + 1, steps", lambda shut: _times(shut).mean(),
                equals=lambda shut: shut.setting.t_max / 2 + 1,
                tolerance=lambda shut:
                    3 * (shut.setting.t_max - 2) / math.sqrt(12 * _times(shut).size),
                source=f"{_CHRONO}; tolerance: 3 standard errors"),
        ), reproduces="Tallec and Ollivier 2018, chrono initialisation"),
    ), at={"gain": 0.0}),
    Row("{cell}, g >= 1: mean ln of the gate minus ln s(b), largest",
        lambda one: largest(one["gate_rate"].mean("seed") - _log_factor(one)), for_each="cell",
        at={"gain": lambda gain: gain >= 1}, at_most=0, tolerance=0.005,
        source="Jensen: the mean of ln s(b + noise) is below ln s(b); tolerance: sampling"),
    median_run("lstm, b = {forget_bias:g}, g = {gain:g}: rate of the whole gradient", "rate",
        for_each=_moving_gates, at_least=0,
        source="Hochreiter and Schmidhuber 1997 cut the path through the gates for that reason"),
)  # fmt: skip
