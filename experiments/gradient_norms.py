"""Where do gradients vanish and where do they explode?

Command:   rnnjax run gradient_norms                       digits, T = 64
           rnnjax run gradient_norms --task white_noise    T = 256
Run time:  about 25 and 30 seconds on 2 cores, compiling included.
Figure:    log10 ||dL_T/dh_{T-k}|| over lag k and gain g, one map for each activation, medians over
           seeds. It must show the linear map change sign at g = 1 to the accuracy of the spectral
           radius, the sigmoid's gradient vanish at every gain, tanh vanish beyond g = 1 as well,
           because inputs saturate it, and relu change sign near g = sqrt(2). Below, curves at five
           gains with the line k log g and the bound k log(gamma ||W||).
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (the bound, equation 7); Bengio, Simard and Frasconi, Learning long-term
           dependencies with gradient descent is difficult, IEEE Trans. Neural Networks, 1994.
"""

import json
import math
from importlib.util import find_spec
from typing import Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

import rnnjax
from rnnjax import sweep
from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, jnp
from rnnjax.sweep import ActivationName, Traced, Variable

_TASK_LENGTH = {"digits": 64, "white_noise": 256}
_N_CURVES = 5
_AXES = ("activation", "gain", "seed")
REPRODUCES = {
    "largest excess over the bound": "Pascanu, Mikolov and Bengio 2013, equation 7",
}


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


def coordinates(setting):
    """Lags 0..T and lengths 1..T."""
    return {"lag": np.arange(setting.n_steps + 1), "length": np.arange(1, setting.n_steps + 1)}


def variables(setting):
    """What is measured in every cell of the sweep."""
    return {
        **sweep.named("log_norm", "log_norm_by_length", "horizon", "growth_rate"),
        **sweep.named("growth_rate_error", "e_folding_time", "e_folding_time_error"),
        "spectral_radius": Variable((), "largest |eigenvalue| of W"),
        "largest_singular_value": Variable((), "||W||_2"),
        "max_slope": Variable((), "gamma, the steepest slope of the activation"),
        **sweep.named("first_non_finite_step"),
    }


def _task(setting):
    if setting.task == "digits":
        return rnnjax.tasks.Digits()
    return rnnjax.tasks.WhiteNoise(length=setting.n_steps)


def _cell(setting, task, **fields):
    return rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, **fields)


def shared(setting):
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


def measure(setting, shared):
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


def figure(cube):
    """Maps of the norm over lag and gain, one an activation, above decay curves at five gains."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    log10 = cube["log_norm"].transpose(*_AXES, "lag").values / math.log(10)
    names, gain, lag = (cube[axis].values for axis in ("activation", "gain", "lag"))
    width = figures.PAGE_WIDTH * max(1, len(names) / 4)
    drawn = Figure(figsize=(width, 4.6))
    axes = drawn.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
    # The colours span what a linear net does at these gains, where that is not too much to see.
    limit = figures.symmetric_limit(lag * np.log10(gain)[:, None], cap=50)
    maps = [
        figures.heat_map(ax, lag, gain, _median(values), limit=limit, title=str(name))
        for ax, values, name in zip(axes[0], log10, names, strict=True)
    ]
    handles = _draw_curves(axes[1], cube, log10, limit)
    quantity = r"$\log_{10}\|\mathrm{d}L_T/\mathrm{d}h_{T-k}\|$"
    axes[0, 0].set_ylabel("gain $g$")
    axes[1, 0].set_ylabel(quantity)
    figures.colour_bar(maps, list(axes[0]), label=quantity)
    figures.letter_panels(axes.flat)
    drawn.legend(
        handles=[*handles, figures.not_finite_handle()], loc="outside lower center", ncols=4
    )
    return drawn


def _draw_curves(axes, cube, log10, limit):
    """Draw decay curves with their theory; return the handles of the legend."""
    figures = rnnjax.figures
    gain, lag = cube["gain"].values, cube["lag"].values
    shown = np.unique(np.linspace(0, len(gain) - 1, _N_CURVES).round().astype(int))
    colours = figures.ordered_colours(len(shown))
    labels = [f"$g$ = {g:.3g}" for g in gain[shown]]
    line = lag * np.log10(gain[shown])[:, None]
    bounds = lag * np.median(np.log10(_bound_per_step(cube))[:, shown], axis=2)[..., None]
    for ax, values, bound in zip(axes, log10, bounds, strict=True):
        figures.decay_curves(
            ax, lag, list(values[shown]), labels=labels, colours=colours, theory=[line, bound]
        )
        ax.axhline(0, color="#b0b0b0", linewidth=0.5, zorder=0)
        ax.set(xlabel="lag $k$ (steps)", ylim=(-limit, limit), xlim=(lag[0], lag[-1]))
        ax.set_xticks(np.linspace(lag[0], lag[-1], 3).round())
    theory = [r"$k\,\log_{10} g$", r"bound $k\,\log_{10}(\gamma\|W\|)$"]
    return figures.curve_handles(labels, colours, theory)


def _median(values):
    """Median over seeds of (gain, seed, lag), ranking infinities, (gain, lag)."""
    return np.stack([rnnjax.figures.seed_band(curves).median for curves in values])


def _bound_per_step(cube):
    """Return the bound on the growth of the norm in a step, (activation, gain, seed)."""
    leak = json.loads(cube.attrs["config"])["leak"]
    steepest = cube["max_slope"] * cube["largest_singular_value"]
    return ((1 - leak) + leak * steepest).transpose(*_AXES).values


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = [_bound_holds(cube), _lag_agrees_with_length(cube)]
    if "identity" in cube["activation"].values and config["leak"] == 1:
        linear = cube.sel(activation="identity").transpose("gain", "seed", "lag", "length")
        if len(linear["gain"]) > 1:
            found.append(_linear_in_log_gain(linear))
        found.append(_spectral_radius_rules(linear))
        if config["weights"] in ("orthogonal", "identity"):
            found.append(_isometry(linear))
    if "tanh" in cube["activation"].values and _mean_field_applies(cube, config):
        found.append(_critical_gain(cube, config))
    return found


def _worst(cube, values):
    """Return the largest of values (activation, gain, seed, ...) over cells with finite states.

    Where the forward pass itself overflows (softplus, gelu) there is no gradient to speak of, and
    the cube says so; a NaN anywhere else stays one, and fails the claim.
    """
    in_range = (cube["first_non_finite_step"] == -1).transpose(*_AXES).values
    return float(np.max(values[in_range])) if in_range.any() else math.nan


def _bound_holds(cube):
    log_norm = cube["log_norm"].transpose(*_AXES, "lag").values
    rise = (log_norm[..., 1:] - log_norm[..., :1]) / cube["lag"].values[1:]
    excess = rise - np.log(_bound_per_step(cube))[..., None]
    return rnnjax.Claim(
        "largest excess over the bound, nat/step",
        _worst(cube, excess),
        0.0,
        3e-6,
        "Pascanu et al. 2013, eq. 7; tolerance: float32 rounding a step",
        relation="at_most",
    )


def _lag_agrees_with_length(cube):
    by_lag = cube["log_norm"].isel(lag=-1).transpose(*_AXES).values
    by_length = cube["log_norm_by_length"].isel(length=-1).transpose(*_AXES).values
    # A norm that is exactly 0 (a dead relu) must be 0 on both ways; anything else must be finite.
    with np.errstate(invalid="ignore"):
        gap = np.where(by_lag == by_length, 0.0, np.abs(by_lag - by_length))
        relative = np.where(gap == 0, 0.0, gap / np.maximum(1, np.abs(by_lag)))
    return rnnjax.Claim(
        "backward against forward pass at lag T, relative",
        _worst(cube, relative),
        0.0,
        1e-4,
        "exact: both are ||dL_T/dh_0||; tolerance: float32 rounding",
    )


def _linear_in_log_gain(linear):
    lag = linear["lag"].values
    rest = linear["log_norm"].values - np.log(linear["gain"].values)[:, None, None] * lag
    worst = float(np.max(np.abs(rest - rest[:1])[..., 1:] / lag[1:]))
    return rnnjax.Claim(
        "identity: log-norm minus k ln g over gains, nat/step",
        worst,
        0.0,
        3e-6,
        "exact: (g W)^k = g^k W^k; tolerance: float32 rounding a step",
    )


def _spectral_radius_rules(linear):
    """Compare growth over the later half of the lags, at one gain: the others are its copies."""
    last = linear.isel(gain=-1)
    n_lags = linear.sizes["lag"] - 1
    late = last["log_norm"].isel(lag=-1) - last["log_norm"].isel(lag=n_lags // 2)
    gap = late / (n_lags - n_lags // 2) - np.log(last["spectral_radius"])
    return rnnjax.Claim(
        "identity: |late growth rate - ln(spectral radius)|, median",
        float(np.abs(gap).median()),
        0.0,
        2 / n_lags,
        "Gelfand's formula; tolerance: 2 nat over T, for the transient",
    )


def _isometry(linear):
    lag = linear["lag"].values
    expected = np.log(linear["gain"].values)[:, None, None] * lag
    log_norm = linear["log_norm"].values
    worst = np.abs(log_norm - log_norm[..., :1] - expected)[..., 1:] / lag[1:]
    return rnnjax.Claim(
        "identity: log-norm against k ln g, nat/step",
        float(np.max(worst)),
        0.0,
        1e-6,
        "exact for orthogonal W: the bound is attained; tolerance: float32 rounding a step",
    )


def _mean_field_applies(cube, config):
    gain = cube["gain"].values
    defaults = config["weights"] == "gaussian" and config["leak"] == 1 and config["n_h"] >= 32
    covered = gain.min() <= 1.5 and gain.max() >= 2 and len(gain) >= 11
    return config["task"] == "white_noise" and defaults and covered


def _critical_gain(cube, config):
    """Where the median growth rate of tanh crosses zero, by linear interpolation."""
    mean_field = rnnjax.theory.mean_field
    ordered = cube.sortby("gain").sel(activation="tanh")
    rate, gain = ordered["growth_rate"].median("seed").values, ordered["gain"].values
    above = int(np.argmax(rate > 0))
    crossing = math.nan
    if above > 0:
        crossing = float(np.interp(0.0, rate[above - 1 : above + 1], gain[above - 1 : above + 1]))
    variance = 1 + config["bias"] ** 2
    return rnnjax.Claim(
        "tanh: critical gain under white noise",
        crossing,
        mean_field.critical_gain(np.tanh, mean_field.tanh_slope, variance),
        0.1,
        "mean field, chi = 1 (rnnjax.theory.mean_field); tolerance: n_h and n_x finite",
    )
