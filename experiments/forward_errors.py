"""How long can errors be propagated forward in time before rounding takes over?

Command:   rnnjax run forward_errors
Run time:  about four minutes on 2 cores, compiling included.
Figure:    delta_{t+1} = J^-T (delta_t - g_t) is backpropagation in the direction of time. a, b:
           cosine of its weight gradient with BPTT's, medians and bands of 10 to 90 %, plain (lines,
           which end where a number overflows) and scale-free (circles). c: error of delta_t;
           dashed: eps times the length of a vector that J^-T carries. d: step with no digit left,
           by that prediction. e: slope of the error. f: share of networks with cosine > 0.999.
Source:    Zucchet, Pourcel and Ernoult, Forward propagation of errors through time, 2026.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Row, every_run, median_run
from rnnjax.figures import BLUE, VERMILION, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import cells, median
from rnnjax.sweep import NameOf, Traced, Variable

PRECISION = "float64"
_DUE = ("every step", "last step")
_PLAIN, _FREE = ["float32", "float64"], ["float32_scale_free", "float64_scale_free"]
_PAPER = "Zucchet, Pourcel and Ernoult 2026"
_LEAST_LOG_SLOPE = -60.0  # at which single slopes come near the end of float32
_BY_PART = {"log_error": ("due", "part"), "log_growth": ("part",)}
_RIGHT = 0.999  # cosine of a gradient that counts as right
_LOOKS = {
    "float32": Look("float32", VERMILION, "o", size=2.5),
    "float64": Look("float64", BLUE, "s", size=2.5),
    "float32_scale_free": Look("float32 scale free", VERMILION, "o", hollow=True, size=5),
    "float64_scale_free": Look("float64 scale free", BLUE, "s", hollow=True, size=5),
}


class Setting(sweep.Setting):
    """One network, whose errors are propagated in one arithmetic."""

    arithmetic: Annotated[str, NameOf(lambda: _LOOKS)] = "float32"
    length: PositiveInt = Field(100, description="steps T")
    input_scale: PositiveFloat = Field(1.0, description="standard deviation of the inputs")
    gain: PositiveFloat = Field(1.0, description="recurrent strength g")
    seed: Traced[int] = Field(0, description="of weights and sequence")
    n_h: int = Field(32, ge=1, le=1024, description="units")
    n_x: PositiveInt = Field(8, description="inputs")
    n_parts: int = Field(25, ge=3, le=1000, description="steps at which the error is kept")
    axes = ("arithmetic", "length", "input_scale", "gain", "seed")


def coordinates(setting: Setting) -> dict[str, Any]:
    """When the loss falls due, and how far through the sequence a step is."""
    return {"due": _DUE, "part": np.linspace(0, 1, setting.n_parts)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep; errors are against BPTT in float64."""
    of_losses = sweep.named(
        "cosine_bptt", "log_norm_ratio", "log_error", "share_finite", "error_slope",
        "half_digits_step", "all_digits_step", "predicted_step", before=("due",),
    )  # fmt: skip
    found = of_losses | sweep.named("slope_steps", "log_growth", "growth_bound")
    return found | {name: replace(found[name], dims=dims) for name, dims in _BY_PART.items()} | {
        "cosine": Variable(("due",), "cosine of dL/dW with BPTT's; NaN if it is 0 or no number"),
        "growth_rate": Variable((), "log_growth at the last step, a step", "nat/step"),
    }  # fmt: skip


def _cell(setting: Setting) -> rnnjax.Vanilla:
    n_x, n_h = setting.n_x, setting.n_h
    return rnnjax.Vanilla(n_x, n_h, 1, recurrent=rnnjax.cells.orthogonal, gain=setting.gain)


def shared(setting: Setting) -> tuple[Any, rnnjax.Batch]:
    """Draw weights, and a sequence: of any length the start."""
    key = jax.random.key(setting.seed)
    task = rnnjax.tasks.WhiteNoise(setting.length, setting.n_x, scale=setting.input_scale)
    params = _cell(setting).init(jax.random.fold_in(key, 0))
    return params, task.sample(jax.random.fold_in(key, 1))


def measure(setting: Setting, shared: tuple[Any, ...]) -> dict[str, jax.Array]:
    """Carry errors forward through one network, in one arithmetic, and compare with BPTT."""
    (params, batch), log_g = shared, jnp.log(setting.gain)
    n_steps, kind = setting.length, setting.arithmetic.removesuffix("_scale_free")
    masks = jnp.stack([jnp.full(n_steps, 1 / n_steps), jnp.eye(n_steps)[-1]])
    due = jax.vmap(lambda mask: batch.replace(mask=mask))(masks)
    rule = rnnjax.rules.ForwardErrors(scale_free=kind != setting.arithmetic)
    found = rnnjax.probes.rounding_of_errors(_cell(setting), None, params, due, rule, kind, log_g)
    kept = np.round(np.linspace(0, 1, setting.n_parts) * (n_steps - 1)).astype(int)
    return found | {name: found[name][..., kept].astype(jnp.float32) for name in _BY_PART}


def figure(cube: xr.Dataset) -> figures.Figure:
    """Alignment over the recurrent strength, growth of the error, and what scaling can save."""
    frame, cube = figures.Frame(2, 3, height=5.0), cube.sortby(["length", "gain", "input_scale"])
    every, linear = cube.sel(due=_DUE[0]), _linear(cube)
    usual = every.isel(input_scale=min(1, cube.sizes["input_scale"] - 1))
    *alignments, errors, horizons, slopes, rescues = frame.panels
    for panel, kind, free in zip(alignments, _PLAIN, _FREE, strict=True):
        _draw_alignments(panel, usual, kind, free)
    *_, prediction = _draw_errors(errors, usual)
    shown: dict[str, Any] = {"each": "arithmetic", "looks": _LOOKS, "diagonal": True}
    figures.scatter(horizons, every["predicted_step"], every["all_digits_step"], **shown,
                    dots={"alpha": 0.6, "markeredgewidth": 0.4}, xscale="log", yscale="log",
                    title="no digit left", xlabel="predicted step", ylabel="step")  # fmt: skip
    rate, slope = -np.log(linear["gain"]), linear["error_slope"].where(linear["is_long"])
    figures.scatter(slopes, rate, slope.sel(due=_DUE[0]), **shown, dots={"markeredgewidth": 0.6},
                    xlim=(0, 1.1 * max([0.5, *rate.values])), xlabel=r"$-\ln\,g$",
                    ylabel="slope of the error (nat/step)", title="linear regime")  # fmt: skip
    _draw_rescues(rescues, linear.sel(due=_DUE[1]))
    dots = figures.handles(_LOOKS, cube["arithmetic"].values, linestyle="none")
    return frame.finished([*dots, prediction], ncols=5)


def answer(cube: xr.Dataset) -> str:
    """After how many steps no digit is left in each arithmetic, by the gain, where T is longest."""
    one = cube.sortby(["length", "gain", "input_scale"]).sel(due=_DUE[0]).isel(length=-1)
    one = one.isel(input_scale=min(1, cube.sizes["input_scale"] - 1))
    steps, T, told = median(one["all_digits_step"]), f"{one['length']:g}", []
    for kind in [k for k in _PLAIN if k in one["arithmetic"]] or one["arithmetic"].values:
        ends = (f"{f.reduce(steps.sel(arithmetic=kind).values):.0f}" for f in (np.fmin, np.fmax))
        told.append(f"{' to '.join(dict.fromkeys(ends))} ({kind.replace('_', ' ')})")
    words = " and ".join(told).replace("inf", f"over {T}").replace("nan", "unknown")
    gains = " to ".join(dict.fromkeys(f"{one['gain'][end]:g}" for end in (0, -1)))
    return (f"Rounding leaves no right digit after {words} steps. Gain{'s' * (' ' in gains)} "
            f"{gains}, inputs {one['input_scale']:g}, T = {T}, medians over seeds.")  # fmt: skip


def _draw_alignments(panel: figures.Axes, some: xr.Dataset, kind: str, free: str) -> None:
    """Draw the cosine over the gain in one precision, plain as lines and scale-free as circles."""
    cosine, names, lengths = some["cosine"], some["arithmetic"].values, some["length"].values
    at = {"over": "gain", "each": "length", "level": 0, "xlabel": "gain $g$", "ylim": (-0.45, 1.05)}
    at |= {"title": f"{kind}, inputs {some['input_scale']:g}", "ylabel": "cosine with BPTT"}
    if kind in names:
        figures.curves(panel, cosine.sel(arithmetic=kind), band="seed", label="$T$ = {}", **at)
        panel.legend(loc="lower center", ncols=2, fontsize=7)
    if free in names:
        looks = figures.ordered_looks(lengths, marker="o", dashes="none", hollow=True, size=4)
        free_cosine = median(cosine.sel(arithmetic=free))
        figures.curves(panel, free_cosine, looks=looks, line={"clip_on": False}, **at)


def _draw_errors(panel: figures.Axes, some: xr.Dataset) -> list[Any]:
    """Draw the relative error over the steps of the most precise arithmetic, one line a gain."""
    one = some.isel(arithmetic=-1, length=min(1, some.sizes["length"] - 1))
    length, kind = int(one["length"]), one["arithmetic"].item().removesuffix("_scale_free")
    lowest = float(np.log10(np.finfo(kind).eps / 2))
    one = one.assign_coords(step=1 + one["part"] * (length - 1)).median("seed") / np.log(10)
    legend = figures.curves(
        panel, one["log_error"], over="step", each="gain", label="$g$ = {:g}", level=0,
        theory={"prediction": one["log_growth"] + lowest}, xlabel="step $t$", xlim=(1, length),
        ylabel=r"$\log_{10}$ relative error of $\delta_t$", ylim=(lowest - 1, 1 - lowest),
        title=f"{kind}, $T$ = {length}", line={"linewidth": 1.1},
    )  # fmt: skip
    panel.legend(loc="upper left", fontsize=7, handlelength=1.2, labelspacing=0.2)
    return legend


def _draw_rescues(panel: figures.Axes, linear: xr.Dataset) -> None:
    """Draw the share of networks with the right gradient over T, loss at the last step alone."""
    right, lengths = linear["cosine"] > _RIGHT, linear["length"].values
    if right.size:
        figures.curves(
            panel, right.mean(["input_scale", "gain", "seed"]), over="length", each="arithmetic",
            looks=_LOOKS, line={"linewidth": 1}, xlim=(0.85 * lengths[0], 1.18 * lengths[-1]),
            ylim=(0, 1.05), xscale="log", xlabel="length $T$ (steps)", title="loss at step $T$",
            ylabel="share with right gradient",
        )  # fmt: skip
        figures.ticks(panel, "x", lengths)


def _linear(cube: xr.Dataset) -> xr.Dataset:
    """Return the networks that are linear to 1e-9 and contract: all singular values are g."""
    at = {"input_scale": cube["input_scale"] <= 1e-5, "gain": cube["gain"] <= 1}
    cube = cube.isel({axis: np.flatnonzero(places) for axis, places in at.items()})
    return cube.assign(is_long=cube["slope_steps"] * -np.log(cube["gain"]) >= 8)  # slope to 2 %


def _over_prediction(every: xr.Dataset) -> xr.DataArray:
    predicted = every["predicted_step"]
    return every["all_digits_step"] / predicted.where((predicted >= 5) & np.isfinite(predicted))


def _free_over_plain(every: xr.Dataset) -> xr.DataArray:
    steps = every["all_digits_step"].where(np.isfinite)
    return steps.reindex(arithmetic=_FREE) / steps.reindex(arithmetic=_PLAIN).values


def _median_ratio(name: str, ratio: Any, **more: Any) -> Row:
    known = {"where": lambda every: np.isfinite(ratio(every))}  # neither outlasts the sequence
    return median_run(name, ratio, at=_AT_EVERY, equals=1, **known, **more)


def _lost_where_powers_underflow(last: xr.Dataset, least: float) -> float | None:
    exponent = (last["length"] - 1) * np.log2(last["gain"])
    clear = abs(exponent - least) > 12  # binary orders in which entries of S differ
    right = last["cosine"].isnull() == (exponent < least)
    return cells(right, clear).mean() if (clear & (exponent >= least)).any() else None


def _is_resolved(cube: xr.Dataset) -> xr.DataArray:
    """Return where the slopes of a network, of which the bound holds the least, are in float32."""
    log_slope = -(cube["growth_bound"] + np.log(cube["gain"]))
    return ~(log_slope < _LEAST_LOG_SLOPE)  # NaN is no slope that is too small, and counts


_EXACT = "exact arithmetic gives 1; tolerance: rounding"
_AT_FREE = {"arithmetic": _FREE}
_AT_EVERY, _AT_LAST = {"due": _DUE[0]}, {"due": _DUE[1]}
CLAIMS = (
    *(every_run(f"{told}: slope of the error over -ln g, worst",
        lambda linear: 1 + abs(linear["error_slope"] / -np.log(linear["gain"]) - 1), part=_linear,
        at=_AT_EVERY | {"arithmetic": names}, where=lambda linear: linear["is_long"],
        equals=1, tolerance=0.02, reproduces=f"{_PAPER}, error growth",
        source=f"{_PAPER}: an error in delta_0 becomes lambda^-T eps")
      for told, names in (("plain", _PLAIN), ("scale-free", _FREE))),
    every_run("growth of u over its bound", lambda cube: cube["growth_rate"] - cube["growth_bound"],
        where=_is_resolved, unit="nat/step", at_most=0, tolerance=1e-5,
        source="exact: |J^-T v| <= |v| / (g min f'); tolerance: float32 weights"),
    _median_ratio("step with no digit left over its prediction, median", _over_prediction,
        source="delta_1 off by eps, and J^-T from there; tolerance: a few rounding errors",
        tolerance=0.1),
    Row("{arithmetic}, loss at T: gradient lost exactly where g^(T-1) underflows, share",
        _lost_where_powers_underflow, part=_linear, at=_AT_LAST, equals=1,
        for_each=({"arithmetic": "float32", "least": -126},
                  {"arithmetic": "float64", "least": -1022}),
        source="closed form: S_T = (g Q)^(T-1) against 2^{least}"),
    every_run("scale-free, loss at T, linear regime: worst cosine", "cosine", part=_linear,
        at=_AT_FREE | _AT_LAST, at_least=_RIGHT, source=_EXACT),
    every_run("scale-free: least share of finite delta_t", "share_finite", at=_AT_FREE, at_least=1,
        where=_is_resolved, source="exact"),
    _median_ratio("step with no digit left, scale-free over plain, median", _free_over_plain,
        source="an exponent adds range, not digits; tolerance: rounding differs", tolerance=0.05),
    median_run("scale-free, no digit left for 2/3 of T: |cosine|, median",
        lambda free: abs(free["cosine"]), at=_AT_FREE | _AT_EVERY,
        where=lambda free: _is_resolved(free) & (free["predicted_step"] < free["length"] / 3),
        equals=0, tolerance=0.2,
        source="a gradient of rounding errors has no direction; tolerance: chance"),
    every_run("BPTT in the same arithmetic: worst cosine", "cosine_bptt", at_least=1 - 1e-5,
        where=_is_resolved, source=_EXACT),
    every_run("g = 1, linear regime: worst cosine, any T and arithmetic", "cosine", part=_linear,
        at={"gain": 1}, at_least=_RIGHT, source=_EXACT),)  # fmt: skip
