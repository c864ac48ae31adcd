"""Where do gradients vanish and where do they explode?

Command:   rnnjax run gradient_norms                       digits, T = 64
           rnnjax run gradient_norms --task white_noise    T = 256
Run time:  about 25 and 30 seconds on 2 cores, compiling included.
Figure:    First row: log10 ||dL_T/dh_{T-k}|| over lag k and gain g, one map for each activation,
           medians over seeds; the colours are linear up to 1 and logarithmic beyond. Second row:
           the same at some gains, bands of 10 to 90 %; in a darker tone of each curve its bound
           k log10(gamma ||W||) (dashed) and, for identity, k log10 g (dotted).
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (the bound, equation 7); Bengio, Simard and Frasconi, Learning long-term
           dependencies with gradient descent is difficult, IEEE Trans. Neural Networks, 1994.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import (
    crossing,
    evenly,
    finite_states,
    largest,
    median,
    relative_gap,
    rise,
    slope,
)
from rnnjax.sweep import ActivationName, Traced, Variable

_TASK_LENGTH = {"digits": 64, "white_noise": 256}


class Setting(sweep.Setting):
    """One network on one sequence."""

    activation: ActivationName = "tanh"
    gain: PositiveFloat = Field(1.0, description="factor of the initial recurrent weights")
    seed: Traced[int] = Field(0, description="of weights and sequence")
    task: Literal["digits", "white_noise"] = Field("digits", description="where inputs come from")
    length: int | None = Field(
        None, ge=5, le=10**6, description="steps T; the task's own (64, 256) if not given"
    )
    n_h: int = Field(64, ge=1, le=4096, description="units")
    loss: Literal["transport", "task"] = Field(
        "transport", description="L_T: a fixed unit vector times h_T, or the loss of the task at T"
    )
    weights: Literal["gaussian", "orthogonal", "identity"] = Field(
        "gaussian", description="initial recurrent weights, to be multiplied by the gain"
    )
    bias: NonNegativeFloat = Field(
        0.1, description="standard deviation of b; at 0 blank inputs leave relu at its kink"
    )
    leak: float = Field(1.0, gt=0, le=1, description="a in h' = (1 - a) h + a f(...)")
    decades: PositiveFloat = Field(2.0, description="fall of the norm that defines the horizon")
    axes = ("activation", "gain", "seed")

    @model_validator(mode="after")
    def _task_can_run(self) -> Self:
        if self.task == "digits" and find_spec("sklearn") is None:
            raise ConfigError(
                "task",
                "expected the extra 'data' (scikit-learn) for digits, which is not installed: "
                "pip install 'rnnjax[data]', or take white_noise",
            )
        if self.task == "digits" and self.length not in (None, _TASK_LENGTH["digits"]):
            raise ConfigError(
                "length", f"expected 64, the pixels of a digit, with task digits, got {self.length}"
            )
        return self

    @property
    def n_steps(self) -> int:
        """T."""
        return self.length or _TASK_LENGTH[self.task]


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Lags 0..T and lengths 1..T."""
    return {"lag": np.arange(setting.n_steps + 1), "length": np.arange(1, setting.n_steps + 1)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        **sweep.named("log_norm", "log_norm_by_length", "horizon", "growth_rate"),
        **sweep.named("growth_rate_error", "e_folding_time", "e_folding_time_error"),
        "spectral_radius": Variable((), "largest |eigenvalue| of W"),
        "largest_singular_value": Variable((), "||W||_2"),
        "max_slope": Variable((), "gamma, the steepest slope of the activation"),
        **sweep.named("first_non_finite_step"),
    }


def _task(setting: Setting) -> rnnjax.types.Task:
    if setting.task == "digits":
        return rnnjax.tasks.Digits()
    return rnnjax.tasks.WhiteNoise(length=setting.n_steps)


def _cell(setting: Setting, task: rnnjax.types.Task, **fields) -> rnnjax.Vanilla:
    return rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, **fields)


def shared(setting: Setting) -> tuple:
    """Weights and one sequence of the seed, the same for every activation."""
    key, task = jax.random.key(setting.seed), _task(setting)
    weights = getattr(rnnjax.cells, setting.weights)
    cell = _cell(setting, task, recurrent=weights, gain=setting.gain, bias_gain=setting.bias)
    params = cell.init(jax.random.fold_in(key, 0))
    matrices = rnnjax.matrices
    of_weights = {
        "spectral_radius": jnp.exp(matrices.log_spectral_radius(params.W)),
        "largest_singular_value": jnp.exp(matrices.log_spectral_norm(params.W)),
    }
    return params, task.sample(jax.random.fold_in(key, 1)), of_weights


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Probe one network on one sequence."""
    params, batch, of_weights = shared
    f, task = rnnjax.activation_named(setting.activation), _task(setting)
    cell = _cell(setting, task, activation=f, leak=setting.leak)
    loss = None if setting.loss == "transport" else task.loss
    probes, analysis = rnnjax.probes, rnnjax.analysis
    by_lag = probes.log_norm_by_lag(cell, loss, params, batch)
    return {
        **by_lag,
        **probes.log_norm_by_length(cell, loss, params, batch),
        **analysis.e_folding(by_lag["log_norm"]),
        **probes.first_non_finite(cell, loss, params, batch),
        **of_weights,
        "horizon": analysis.horizon(by_lag["log_norm"], setting.decades),
        "max_slope": jnp.asarray(f.max_slope, params.W.dtype),
    }


_NORM = r"$\log_{10}\|\mathrm{d}L_T/\mathrm{d}h_{T-k}\|$"
_LINE, _BOUND = r"$k\,\log_{10} g$", r"bound $k\,\log_{10}(\gamma\|W\|)$"


def figure(cube: xr.Dataset) -> figures.Figure:
    """Maps of the norm over lag and gain, one an activation, above decay curves at five gains."""
    n, lag = cube.sizes["activation"], cube["lag"]
    log10, line = cube["log_norm"] / math.log(10), lag * np.log10(cube["gain"])
    bound = lag * np.log10(_bound_per_step(cube)).median("seed")
    limit = figures.symmetric_limit(line, cap=50)  # that of a linear network at these gains
    width, ends = figures.PAGE_WIDTH * max(1, n / 4), lag.values[[0, -1]]
    frame = figures.Frame(2, n, height=4.6, width=width, sharex=True, sharey="row")
    figures.maps(frame.rows[0], median(log10), x="lag", y="gain", panels="activation", linear=1,
                 limit=limit, bar=_NORM, xlabel="", ylabel="gain $g$")  # fmt: skip
    theory = {_BOUND: bound, _LINE: line.where(cube["activation"] == "identity")}
    theory = {words: values for words, values in theory.items() if values.notnull().any()}
    legend = figures.curves(
        frame.rows[1], evenly(log10, "gain", 5), over="lag", each="gain", panels="activation",
        band="seed", label="$g$ = {:.3g}", theory=theory, level=0, xlim=ends, ylabel=_NORM,
        ylim=(-limit, limit), xlabel="lag $k$ (steps)", xticks=np.linspace(*ends, 3).round(),
    )  # fmt: skip
    return frame.finished([*legend, figures.not_finite_handle()])


def answer(cube: xr.Dataset) -> str:
    """From which gain on the gradient grows, for each activation."""
    rate, turns, others = median(cube["growth_rate"]), [], []
    for name in cube["activation"].values:
        where = figures.where_positive(rate.sel(activation=name), "gain")
        if where.startswith("beyond"):
            turns.append(f"{where.split()[-1]} ({name})")
        else:
            others.append(f"{where} ({name})")
    words = [f"beyond gain {', '.join(turns)}", *others] if turns else others
    return " ".join(f"Over {cube.sizes['lag'] - 1} steps gradients grow {word}." for word in words)


def _bound_per_step(cube: xr.Dataset) -> xr.DataArray:
    """Return the bound on the growth of the norm in a step, by activation, gain and seed."""
    leak = cube.setting.leak
    return (1 - leak) + leak * (cube["max_slope"] * cube["largest_singular_value"])


def _excess_over_bound(cube: xr.Dataset) -> float:
    rises, bound = rise(cube["log_norm"], "lag"), np.log(_bound_per_step(cube))
    return largest(rises - bound, finite_states(cube))


def _backward_against_forward(cube: xr.Dataset) -> float:
    # A norm that is exactly 0 (a dead relu) must be 0 on both ways; anything else must be finite.
    by_lag, by_length = cube["log_norm"].isel(lag=-1), cube["log_norm_by_length"].isel(length=-1)
    return largest(relative_gap(by_length, by_lag, least=1), finite_states(cube))


def _differences_over_gains(linear: xr.Dataset) -> float:
    later = linear["log_norm"].isel(lag=slice(1, None))
    rest = later - np.log(linear["gain"]) * later["lag"]
    return largest(abs(rest - rest.isel(gain=0)) / later["lag"])


def _late_growth_off_radius(linear: xr.Dataset) -> xr.DataArray:
    last = linear.isel(gain=-1)  # the others are its copies
    late = slope(last["log_norm"], "lag", start=(linear.sizes["lag"] - 1) // 2)
    return abs(late - np.log(last["spectral_radius"])).median()


def _mean_field_applies(cube: xr.Dataset) -> bool:
    setting, gain = cube.setting, cube["gain"]
    usual = (setting.task, setting.weights, setting.leak) == ("white_noise", "gaussian", 1)
    return usual and setting.n_h >= 32 and gain.min() <= 1.5 and gain.max() >= 2 and len(gain) >= 11


def _critical_gain(cube: xr.Dataset) -> float:
    theory = rnnjax.theory.mean_field
    return theory.critical_gain(np.tanh, theory.tanh_slope, 1 + cube.setting.bias**2)


_PER_STEP = "tolerance: float32 rounding a step"
CLAIMS = (
    Row("largest excess over the bound", _excess_over_bound, unit="nat/step", at_most=0,
        tolerance=3e-6, source=f"Pascanu et al. 2013, eq. 7; {_PER_STEP}",
        reproduces="Pascanu, Mikolov and Bengio 2013, equation 7"),
    Row("backward against forward pass at lag T, relative", _backward_against_forward, equals=0,
        tolerance=1e-4, source="exact: both are ||dL_T/dh_0||; tolerance: float32 rounding"),
    Group((
        Row("identity: log-norm minus k ln g over gains", _differences_over_gains, unit="nat/step",
            equals=0, tolerance=3e-6, source=f"exact: (g W)^k = g^k W^k; {_PER_STEP}",
            when=lambda linear: linear.sizes["gain"] > 1),
        Row("identity: |late growth rate - ln(spectral radius)|, median", _late_growth_off_radius,
            equals=0, tolerance=lambda linear: 2 / (linear.sizes["lag"] - 1),
            source="Gelfand's formula; tolerance: 2 nat over T, for the transient"),
        Row("identity: log-norm against k ln g",
            lambda linear: largest(abs(rise(linear["log_norm"], "lag") - np.log(linear["gain"]))),
            unit="nat/step", equals=0, tolerance=1e-6,
            source=f"exact for orthogonal W: the bound is attained; {_PER_STEP}",
            when=lambda linear: linear.setting.weights in ("orthogonal", "identity")),
    ), at={"activation": "identity"}, when=lambda linear: linear.setting.leak == 1),
    Row("tanh: critical gain under white noise",
        lambda one: crossing(one["growth_rate"].sortby("gain").median("seed"), "gain"),
        equals=_critical_gain, tolerance=0.1, at={"activation": "tanh"}, when=_mean_field_applies,
        source="mean field, chi = 1 (rnnjax.theory.mean_field); tolerance: n_h and n_x finite"),
)  # fmt: skip
