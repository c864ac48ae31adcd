"""How long can errors be propagated forward in time before rounding takes over?

Command:   rnnjax run forward_errors
Run time:  about four minutes on 2 cores, compiling included.
Figure:    Forward propagation computes delta_{t+1} = J^-T (delta_t - g_t): backpropagation in the
           direction of time, exact but for rounding. a, b: cosine of its weight gradient with that
           of BPTT over the recurrent strength, plain (lines, which end where a number overflows)
           and scale-free (circles): the same. c: the error of delta_t over the steps, beside eps
           times the length of a vector that J^-T carries (dashed). d: the step at which no digit is
           left, as that predicts; inputs of variance 1 leave 6 to 20 steps. e: in a linear network
           the error grows by -ln g a step. f: what numbers without a range do save: with a loss at
           the last step alone the whole gradient underflows in plain numbers.
Source:    Zucchet, Pourcel and Ernoult, Forward propagation of errors through time, 2026.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Row, every_run
from rnnjax.figures import BLUE, VERMILION, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import cells, largest, median
from rnnjax.sweep import ActivationName, Traced, Variable

PRECISION = "float64"
_DUE = ("every step", "last step")
_EPSILON = {"float32": 2.0**-24, "float64": 2.0**-53}
_PAPER = "Zucchet, Pourcel and Ernoult 2026"
_LINEAR_SCALE = 1e-5  # of inputs that leave tanh linear to 1e-9
_RIGHT = 0.999  # cosine of a gradient that counts as right
_MIN_RISE = 8.0  # nat
_FEWEST_STEPS = 5
_GREY = 12.0  # binary orders about the end of the range in which entries of S differ
Arithmetic = Literal["float32", "float64", "float32_scale_free", "float64_scale_free"]
_LOOKS = {
    "float32": Look("float32", VERMILION, "o", size=2.5),
    "float64": Look("float64", BLUE, "s", size=2.5),
    "float32_scale_free": Look("float32 scale free", VERMILION, "o", hollow=True, size=5),
    "float64_scale_free": Look("float64 scale free", BLUE, "s", hollow=True, size=5),
}


class Setting(sweep.Setting):
    """One network, whose errors are propagated in one arithmetic."""

    arithmetic: Arithmetic = "float32"
    length: PositiveInt = Field(100, description="steps T")
    input_scale: PositiveFloat = Field(1.0, description="standard deviation of the inputs")
    gain: PositiveFloat = Field(1.0, description="recurrent strength g")
    seed: Traced[int] = Field(0, description="of weights and sequence")
    n_h: int = Field(32, ge=1, le=1024, description="units")
    n_x: PositiveInt = Field(8, description="inputs")
    weights: Literal["orthogonal", "gaussian"] = Field(
        "orthogonal", description="initial recurrent weights, to be multiplied by the gain"
    )
    activation: ActivationName = Field("tanh", description="f in h' = f(W h + U x)")
    n_parts: int = Field(25, ge=3, le=1000, description="steps at which the error is kept")
    axes = ("arithmetic", "length", "input_scale", "gain", "seed")


def coordinates(setting: Setting) -> dict[str, Any]:
    """When the loss falls due, and how far through the sequence a step is."""
    return {"due": _DUE, "part": np.linspace(0, 1, setting.n_parts)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep; errors are against BPTT in float64."""
    of_errors = sweep.named(
        "share_finite", "error_slope", "half_digits_step", "all_digits_step", "predicted_step"
    )
    growth = Variable(("part",), "natural log of |J_t^-T .. J_2^-T u|, |u| = 1", "nat")
    return {
        "cosine": Variable(("due",), "cosine of dL/dW with BPTT's; NaN if it is 0 or no number"),
        "cosine_bptt": Variable(("due",), "the same for BPTT in the same arithmetic"),
        "log_norm_ratio": Variable(("due",), "natural log of |dL/dW| over BPTT's", "nat"),
        **{name: replace(of, dims=("due",)) for name, of in of_errors.items()},
        **sweep.named("slope_steps"),
        "log_error": replace(sweep.VARIABLES["log_error"], dims=("due", "part")),
        "log_growth": growth,
        "growth_rate": Variable((), "log_growth at the last step, a step", "nat/step"),
        "growth_bound": Variable((), "mean of -ln(smallest slope smallest singular value of W)"),
    }


def _cell(setting: Setting, **fields: Any) -> rnnjax.Vanilla:
    weights = getattr(rnnjax.cells, setting.weights)
    return rnnjax.Vanilla(setting.n_x, setting.n_h, 1, recurrent=weights, **fields)


def shared(setting: Setting) -> tuple[Any, jax.Array, rnnjax.Batch]:
    """Weights, ln of the smallest singular value of W, and a sequence: of any length the start."""
    key = jax.random.key(setting.seed)
    params = _cell(setting, gain=setting.gain).init(jax.random.fold_in(key, 0))
    task = rnnjax.tasks.WhiteNoise(setting.length, setting.n_x, scale=setting.input_scale)
    batch = task.sample(jax.random.fold_in(key, 1))
    if setting.weights == "orthogonal":
        return params, jnp.log(setting.gain), batch
    return params, jnp.log(jnp.linalg.svd(params.W, compute_uv=False)[-1]), batch


def measure(setting: Setting, shared: tuple[Any, ...]) -> dict[str, jax.Array]:
    """Carry errors forward through one network, in one arithmetic, and compare with BPTT."""
    params, log_smallest, batch = shared
    n_steps, kind = setting.length, setting.arithmetic.removesuffix("_scale_free")
    cell = _cell(setting, activation=rnnjax.activation_named(setting.activation))
    masks = jnp.stack([jnp.full(n_steps, 1 / n_steps), jnp.eye(n_steps)[-1]])
    due = jax.vmap(lambda mask: batch.replace(mask=mask))(masks)
    rule = rnnjax.rules.ForwardErrors(scale_free=kind != setting.arithmetic)
    found = rnnjax.rules.backward_passes(cell, params, due, rule, kind)
    growth, slopes = rnnjax.rules.inverse_growth(cell, found.params, found.trajectory)
    errors = jax.vmap(rnnjax.analysis.error_growth, in_axes=(0, 0, None, None))(
        found.rule.deltas, found.exact.deltas, growth, _EPSILON[kind]
    )
    kept = np.round(np.linspace(0, 1, setting.n_parts) * (n_steps - 1)).astype(int)
    log_norm, cosine = rnnjax.scaled.log_norm, rnnjax.scaled.cosine
    return {
        **errors,
        "cosine": cosine(found.rule.W, found.exact.W),
        "cosine_bptt": cosine(found.bptt.W, found.exact.W),
        "log_norm_ratio": log_norm(found.rule.W) - log_norm(found.exact.W),
        "log_error": errors["log_error"][:, kept].astype(jnp.float32),
        "slope_steps": errors["slope_steps"][0],
        "log_growth": growth[kept].astype(jnp.float32),
        "growth_rate": growth[-1] / max(1, n_steps - 1),
        "growth_bound": -(log_smallest + jnp.mean(jnp.log(slopes))),
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Alignment over the recurrent strength, growth of the error, and what scaling can save."""
    frame = figures.Frame(2, 3, height=5.0)
    cube = cube.sortby(["length", "gain", "input_scale"])
    every, last = cube.sel(due=_DUE[0]), _linear(cube).sel(due=_DUE[1])
    # The panels that show one input scale show the second smallest.
    usual = every.isel(input_scale=min(1, cube.sizes["input_scale"] - 1))
    plain, scaled, errors, horizons, slopes, rescues = frame.panels
    _draw_alignments({"float32": plain, "float64": scaled}, usual)
    *_, prediction = _draw_errors(errors, usual)
    figures.scatter(
        horizons, every["predicted_step"], every["all_digits_step"], each="arithmetic",
        looks=_LOOKS, diagonal=True, dots={"alpha": 0.6, "markeredgewidth": 0.4}, xscale="log",
        yscale="log", xlabel="predicted step", ylabel="step with no digit left",
    )  # fmt: skip
    _draw_slopes(slopes, _linear(every))
    _draw_rescues(rescues, last)
    dots = figures.handles(_LOOKS, cube["arithmetic"].values, linestyle="none")
    return frame.finished([*dots, prediction], ncols=5)


def _draw_alignments(panels: dict[str, figures.Axes], some: xr.Dataset) -> None:
    """Draw the cosine over the gain, one panel a precision; scale-free as circles."""
    lengths, at = some["length"].values, {"over": "gain", "each": "length", "level": 0}
    at |= {"label": "$T$ = {}", "xlabel": "recurrent strength $g$", "ylim": (-0.45, 1.05)}
    circles = {"marker": "o", "dashes": "none", "hollow": True, "size": 4}
    for name in _names(some):
        panel, cosine = panels[_kind(name)], some["cosine"].sel(arithmetic=name)
        if name == _kind(name):
            figures.curves(panel, cosine, band="seed", line={"linewidth": 1.2}, ylabel="", **at)
            panel.legend(loc="lower center", ncols=2, fontsize=7)
        else:
            looks = figures.ordered_looks(lengths, "$T$ = {}", **circles)
            figures.curves(panel, median(cosine), looks=looks, line={"clip_on": False}, **at)
    for kind, panel in panels.items():
        panel.set(title=f"{kind}, inputs {some['input_scale']:g}", ylabel="")
    panels["float32"].set_ylabel(r"cosine of $\mathrm{d}L/\mathrm{d}W$ with BPTT's")


def _draw_errors(panel: figures.Axes, some: xr.Dataset) -> list[Any]:
    """Draw the relative error over the steps of the most precise arithmetic, one line a gain."""
    name = _names(some)[-1]
    one = some.sel(arithmetic=name).isel(length=min(1, some.sizes["length"] - 1))
    length, epsilon = int(one["length"]), _EPSILON[_kind(name)]
    one = one.assign_coords(step=1 + one["part"] * (length - 1))
    growth = one["log_growth"].median("seed") + math.log(epsilon)
    lowest = math.log10(epsilon) - 1
    legend = figures.curves(
        panel, one["log_error"].median("seed") / math.log(10), over="step", each="gain",
        label="$g$ = {:g}", theory={"prediction": growth / math.log(10)}, level=0,
        xlabel="step $t$", ylabel=r"$\log_{10}$ relative error of $\delta_t$", xlim=(1, length),
        ylim=(lowest, -lowest), title=f"{_kind(name)}, $T$ = {length}", line={"linewidth": 1.1},
    )  # fmt: skip
    small = {"fontsize": 6.5, "handlelength": 1.2, "labelspacing": 0.25}
    panel.legend(handles=legend[:-1], loc="upper left", **small)
    return legend


def _draw_slopes(panel: figures.Axes, linear: xr.Dataset) -> None:
    """Draw the slope of the error over -ln g in the linear regime."""
    expected = -np.log(linear["gain"])
    top = 1.1 * max([0.5, *expected.values])
    figures.scatter(
        panel, expected, linear["error_slope"].where(_is_long(linear)), each="arithmetic",
        looks=_LOOKS, diagonal=True, dots={"markeredgewidth": 0.6}, xlim=(0, top),
        xlabel=r"$-\ln\,g$", ylabel="slope of the error (nat/step)", title="linear regime",
    )  # fmt: skip


def _draw_rescues(panel: figures.Axes, linear: xr.Dataset) -> None:
    """Draw the share of networks with the right gradient over T, loss at the last step alone."""
    right, lengths = linear["cosine"] > _RIGHT, linear["length"].values
    if right.size:
        figures.curves(
            panel, right.mean(["input_scale", "gain", "seed"]), over="length", each="arithmetic",
            looks=_LOOKS, line={"linewidth": 1}, xscale="log",
        )  # fmt: skip
    panel.set(xlabel="length $T$ (steps)", xlim=(0.85 * lengths[0], 1.18 * lengths[-1]))
    panel.set(ylabel="share with the right gradient", ylim=(0, 1.05), title="loss at the last step")
    figures.ticks(panel, "x", lengths)


def _names(cube: xr.Dataset) -> list[str]:
    return cube["arithmetic"].values.tolist()


def _kind(name: str) -> str:
    return name.removesuffix("_scale_free")


def _linear(cube: xr.Dataset) -> xr.Dataset:
    """Return the networks that are linear to 1e-9 and contract: all singular values are g."""
    setting = cube.setting
    if setting.weights != "orthogonal" or setting.activation not in ("tanh", "identity"):
        return cube.isel(gain=[])
    small = (cube["input_scale"] <= _LINEAR_SCALE) | (setting.activation == "identity")
    return cube.isel(input_scale=np.flatnonzero(small), gain=np.flatnonzero(cube["gain"] <= 1))


def _is_long(cube: xr.Dataset) -> xr.DataArray:
    """Return where the error grows by enough for its slope to be told to 2 %."""
    return cube["slope_steps"] * -np.log(cube["gain"]) >= _MIN_RISE


def _slope_over_theory(linear: xr.Dataset) -> float | None:
    """Return the worst slope of the error over -ln g, as every |J^-1 v| is |v|/g."""
    long = _is_long(linear)
    # Where the rise is too small the slope says nothing; elsewhere a NaN must fail the claim.
    gaps = abs(linear["error_slope"] / -np.log(linear["gain"]) - 1)
    return 1 + largest(gaps, long) if long.any() else None


def _over_prediction(every: xr.Dataset) -> xr.DataArray | None:
    measured, predicted = every["all_digits_step"], every["predicted_step"]
    both = np.isfinite(measured) & np.isfinite(predicted) & (predicted >= _FEWEST_STEPS)
    return (measured / predicted).where(both).median() if both.any() else None


def _lost_where_powers_underflow(last: xr.Dataset, least: float) -> float | None:
    exponent = (last["length"] - 1) * np.log2(last["gain"])
    clear = abs(exponent - least) > _GREY
    right = last["cosine"].isnull() == (exponent < least)
    return cells(right, clear).mean() if clear.any() else None


def _free_over_plain(every: xr.Dataset) -> float | None:
    steps, names = every["all_digits_step"], _names(every)
    pairs = [(n, _kind(n)) for n in names if _kind(n) != n and _kind(n) in names]
    ratios = [(steps.sel(arithmetic=a) / steps.sel(arithmetic=b)).values for a, b in pairs]
    known = np.concatenate([[], *(ratio[np.isfinite(ratio)] for ratio in ratios)])
    return np.median(known) if known.size else None


def _cosine_without_digits(free: xr.Dataset) -> float | None:
    gone = free["predicted_step"] < free["length"] / 3
    return np.median(cells(abs(free["cosine"]), gone)) if gone.any() else None


_EXACT = "exact arithmetic gives 1; tolerance: rounding"
_PLAIN = {"arithmetic": lambda names: ~names.str.endswith("_scale_free")}
_FREE = {"arithmetic": lambda names: names.str.endswith("_scale_free")}
_AT_EVERY, _AT_LAST = {"due": _DUE[0]}, {"due": _DUE[1]}
_SMALLEST = (  # the exponents of the least normal numbers
    {"arithmetic": "float32", "least": np.log2(np.finfo("float32").tiny)},
    {"arithmetic": "float64", "least": np.log2(np.finfo("float64").tiny)},
)
CLAIMS = (
    Row("{told}: slope of the error over -ln g, worst", _slope_over_theory,
        for_each=({"told": "plain", "kinds": _PLAIN}, {"told": "scale-free", "kinds": _FREE}),
        part=lambda cube, kinds: _linear(cube).isel(
            arithmetic=np.flatnonzero(kinds["arithmetic"](cube["arithmetic"]))),
        at=_AT_EVERY, equals=1, tolerance=0.02, reproduces=f"{_PAPER}, error growth",
        source=f"{_PAPER}: an error in delta_0 becomes lambda^-T eps"),
    every_run("growth of u over its bound", lambda cube: cube["growth_rate"] - cube["growth_bound"],
        unit="nat/step", at_most=0, tolerance=1e-5,
        source="exact: |J^-T v| <= |v| / (g min f'); tolerance: float32 weights"),
    Row("step with no digit left over its prediction, median", _over_prediction, at=_AT_EVERY,
        equals=1, tolerance=0.1,
        source="delta_1 off by eps, and J^-T from there; tolerance: a few rounding errors"),
    Row("{arithmetic}, loss at T: gradient lost exactly where g^(T-1) underflows, share",
        _lost_where_powers_underflow, for_each=_SMALLEST, part=_linear, at=_AT_LAST, equals=1,
        source="closed form: S_T = (g Q)^(T-1) against 2^{least:.0f}"),
    every_run("scale-free, loss at T, linear regime: worst cosine", "cosine", part=_linear,
        at=_FREE | _AT_LAST, at_least=_RIGHT, source=_EXACT),
    every_run("scale-free: least share of finite delta_t", "share_finite", at=_FREE, at_least=1,
        source="exact"),
    Row("step with no digit left, scale-free over plain, median", _free_over_plain, at=_AT_EVERY,
        equals=1, tolerance=0.05, source="an exponent adds range, not digits; "
        "tolerance: rounding differs"),
    Row("scale-free, no digit left for 2/3 of T: |cosine|, median", _cosine_without_digits,
        at=_FREE | _AT_EVERY, equals=0, tolerance=0.2,
        source="a gradient of rounding errors has no direction; tolerance: chance"),
    every_run("BPTT in the same arithmetic: worst cosine", "cosine_bptt", at_least=1 - 1e-5,
        source=_EXACT),
    every_run("g = 1, linear regime: worst cosine, any T and arithmetic", "cosine", part=_linear,
        at={"gain": 1}, at_least=_RIGHT, source=_EXACT),
)  # fmt: skip
