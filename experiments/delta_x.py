"""What has to be done with the delta x to make it the gradient?

C. Yuan's slides let the delta of the previous step correct this one: ten readings of that.

Command:   rnnjax run delta_x
Run time:  about 3 minutes on 2 cores, compiling included.
Figure:    a: relative error of the gradient on three networks (markers), medians. b: networks that
           remember a pulse, rows as in a. c: error on the Jordan network, medians; dashed: the same
           in every cycle. d: error without delta x and of an eligibility trace that decays, medians
           and 10 to 90 %; dotted: |do_t/do_{t-1}| of the fed-back output.
Source:    C. Yuan, RNN (slides), 2022, "rnn+et+dx"; Werbos 1990 (backpropagation through time);
           Williams and Peng 1990 (truncation); Jordan 1986 (output feedback).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row, every_run, median_run, swept
from rnnjax.figures import GREY, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import largest
from rnnjax.sweep import NameOf, Traced, Variable

PRECISION = "float64"  # the exact readings are told from the others by their rounding

_LOOKS = {
    "none": Look("no delta x", "#000000"),
    "exact": Look("into the error, backward (BPTT)", "#23408f"),
    "target_shift": Look("as a shift of the target, backward", "#3b7dd8"),
    "stale": Look("from the previous cycle", "#2f9e77"),
    "one_step": Look("one step back only", "#7f3fae"),
    "literal": Look("literal: into the output, forward", "#c2478f"),
    "literal_minus": Look("literal, minus sign", "#8a6d1d"),
    "literal_fed": Look("literal, and fed forward", "#e08a1e"),
    "behind_slope": Look("behind the slope", "#b02020"),
    "teacher_forcing": Look("teacher forcing (no delta x)", "#707070"),
}
_ON_OUTPUTS = ("target_shift", "teacher_forcing")  # need a state that is the output
_NETWORKS = {
    "jordan": Look("Jordan network", GREY, "o", hollow=True),
    "adding": Look("adding", GREY, "s", hollow=True),
    "temporal_order": Look("temporal order", GREY, "^", hollow=True),
}
_DECAYS = [0.0, 0.25, 0.5, 0.75, 1.0]
_N_STEPS = 5  # of the pairs
_SOLVED = 0.008  # a tenth of what guessing costs


class Setting(sweep.Setting):
    """A reading, the networks on which it is tried, and how long they are trained."""

    reading: Annotated[str, NameOf(lambda: _LOOKS)] = "exact"
    gain: PositiveFloat = Field(1.0, description="of the feedback weights at the start")
    seed: Traced[int] = 0
    networks: tuple[Literal["jordan", "adding", "temporal_order"], ...] = Field(
        tuple(_NETWORKS), min_length=1, description="where gradients are compared"
    )
    spread: PositiveFloat = Field(1.5, description="standard deviation of the Jordan net's weights")
    memory_length: int = Field(3, ge=2, description="steps T of the pulse memory")
    n_updates: PositiveInt = Field(1000, description="Adam updates on the pulse memory")
    learning_rate: PositiveFloat = Field(0.03, description="of these updates")
    n_h: PositiveInt = Field(16, description="units of the vanilla network on the other tasks")
    n_sequences: PositiveInt = Field(32, description="sequences of adding and temporal order")
    axes = ("reading", "gain", "seed")


def coordinates(setting: Setting) -> dict[str, Any]:
    """Networks, cycles with frozen weights, decays of the trace."""
    return {"network": setting.networks, "cycle": np.arange(_N_STEPS + 1), "decay": _DECAYS}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        "relative_error": Variable(("network",), "||g - g_exact|| / ||g_exact||, NaN if refused"),
        "cosine": Variable(("network",), "cosine between g and g_exact, NaN if refused"),
        "error_by_cycle": Variable(("cycle",), "relative error in the n-th cycle, frozen weights"),
        "memory_error": Variable((), "E on the pulse memory after training"),
        "loop_gain": Variable((), "mean |d o_t / d o_{t-1}| of the output fed back"),
        "loop_gain_over_bound": Variable((), "largest |d o_t / d o_{t-1}| over its bound"),
        "sent_error": Variable((), "largest |di3_t - dE/do_{t-1} by feedback|, autodiff"),
        "trace_error": Variable(("decay",), "relative error of the true trace with this decay"),
    }


def _network(setting: Setting, name: str) -> tuple[Any, Any]:
    gain, spread, n_h = setting.gain, setting.spread, setting.n_h
    return decks.delta_x_networks.network(name, gain=gain, spread=spread, n_h=n_h)


def shared(setting: Setting) -> tuple[dict[str, Any], dict[str, jax.Array]]:
    """Draw networks and sequences, and measure what does not depend on the reading."""
    networks = {name: _network(setting, name) for name in _NETWORKS}
    key = jax.random.key(setting.seed)
    drawn = decks.delta_x_networks.draw_each(networks, key, setting.n_sequences)
    (cell, task), jordan = networks["jordan"], drawn["jordan"]
    found = {"trace_error": decks.errors_of_traces(_DECAYS, cell, task.loss, *jordan)}
    return drawn, found | decks.feedback_statistics(cell, task.loss, *jordan[:2])


def measure(setting: Setting, shared: tuple[Any, dict[str, jax.Array]]) -> dict[str, jax.Array]:
    """Compare one reading to the gradient, and train with it."""
    (drawn, of_the_feedback), rule = shared, decks.readings.delta_x(setting.reading)
    found = {name: (jnp.full(1, jnp.nan),) * 2 for name in ("jordan", *setting.networks)}
    for name in found:
        if name == "jordan" or setting.reading not in _ON_OUTPUTS:
            n_cycles = _N_STEPS + 1 if name == "jordan" else 1
            cell, task = _network(setting, name)
            found[name] = decks.errors_by_cycle(rule, cell, task.loss, *drawn[name], n_cycles)
    memory_error = decks.delta_x_networks.pulse_memory_error(
        rule, _network(setting, "jordan")[0], drawn["jordan"][0], length=setting.memory_length,
        n_updates=setting.n_updates, learning_rate=setting.learning_rate,
    )  # fmt: skip
    return of_the_feedback | {
        "relative_error": jnp.stack([found[name][0][0] for name in setting.networks]),
        "cosine": jnp.stack([found[name][1][0] for name in setting.networks]),
        "error_by_cycle": found["jordan"][0],
        "memory_error": memory_error,
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Errors of the gradients, what each reading learns, the stale reading, eligibility traces."""
    frame = figures.Frame(height=5.6, widths=((1.6, 1), (1, 1)), height_ratios=(1, 1))
    errors, memory, cycles, trace = frame.panels
    _draw_errors(errors, cube["relative_error"].median(("gain", "seed")))
    _draw_memory(memory, (cube["memory_error"] < _SOLVED).mean("seed"))
    _draw_cycles(cycles, cube["error_by_cycle"].median(("gain", "seed")))
    _draw_trace(trace, cube.isel(reading=0))
    return frame.finished(figures.handles(_NETWORKS, cube["network"], linestyle="none"))


def answer(cube: xr.Dataset) -> str:
    """Which readings give the gradient."""
    worst = cube["relative_error"].max(("gain", "seed", "network")).to_series().dropna()
    near = worst[(worst <= 1e-12) & ~worst.index.isin(("none", "teacher_forcing"))]
    labels, others = " or ".join(_LOOKS[of].label for of in near.index), worst.drop(near.index)
    told = [f"Delta x gives the gradient within {near.max():.0e} {labels}."] * bool(len(near))
    more = f"The largest errors of {'other' if told else 'all'} readings are {others.min():.1g}"
    return " ".join(told + [f"{more} or more."] * bool(len(others))) or "All errors are unknown."


def _draw_errors(panel: figures.Axes, error: xr.DataArray) -> None:
    shown, rows = np.maximum(error, 1e-17), error["reading"].values
    for name in error["network"].values:
        looks = {of: replace(_LOOKS[of], marker=_NETWORKS[name].marker, hollow=True) for of in rows}
        figures.dot_rows(
            panel, shown.sel(network=[name]), rows="reading", seeds="network", looks=looks,
            coloured=True, xscale="log", xlim=(5e-18, 1e3), xlabel="relative error of the gradient",
        )  # fmt: skip
    panel.axvspan(1e-17, 1e-12, color="#3b7dd8", alpha=0.12, linewidth=0)
    panel.text(10**-14.5, len(rows) - 0.7, "rounding", ha="center", rotation=90, fontsize=7)
    panel.tick_params(axis="y", labelsize=7)


def _draw_memory(panel: figures.Axes, share: xr.DataArray) -> None:
    # Beside the errors the rows are named already; in a column they lie below.
    shown, place = ([], "right") if not figures.in_column() else (share["reading"].values, "bottom")
    words = {name: _LOOKS[name].label for name in shown}
    image = figures.matrix(panel, share, rows="reading", columns="gain", limits=(0, 1),
                           colours="viridis", row_words=words, xlabel="feedback gain")  # fmt: skip
    panel.tick_params(axis="y", labelsize=7)
    panel.figure.colorbar(image, ax=panel, label="share that remembers a pulse", location=place)


def _draw_cycles(panel: figures.Axes, error: xr.DataArray) -> None:
    looks = {name: replace(_LOOKS[name], dashes="--") for name in ("none", "one_step", "exact")}
    looks["stale"] = replace(_LOOKS["stale"], marker="o", size=3)
    lines = figures.curves(panel, np.maximum(error, 1e-17), over="cycle", each="reading",
                           looks=looks, yscale="log", ylim=(3e-18, 3), ylabel="relative error",
                           xlabel="training cycle, weights frozen")  # fmt: skip
    for line in lines:  # named beside its middle where it falls, at the left where it is small
        y = line.get_ydata()
        x, side = (0.1, "left") if y[0] < 1e-8 else (_N_STEPS, "right")
        x, up = (3, 1e-2 * y[3]) if line.get_marker() == "o" else (x, 1.6 * y[0])
        panel.text(x, up, line.get_label(), ha=side, color=line.get_color(), fontsize=7)


def _draw_trace(panel: figures.Axes, cube: xr.Dataset) -> None:
    looks = figures.ordered_looks(_DECAYS[:-1], "trace, decay {:g}", marker="o", size=3)
    looks[0.0] = replace(looks[0.0], label="no memory")
    figures.curves(panel, cube["trace_error"], over="gain", each="decay", band="seed", looks=looks,
                   xscale="log", yscale="log", xlabel="feedback gain",
                   ylabel="relative error")  # fmt: skip
    loop, gain = cube["loop_gain"].median("seed").values, cube["gain"].values
    panel.plot(gain, loop, color="#606060", linestyle=":", label="mean loop gain $|g|$")
    figures.ticks(panel, "x", gain)
    panel.legend(fontsize=7, loc="lower right")


def _remembers(cube: xr.Dataset) -> bool:
    """Return whether a gradient without memory, off by about the loop gain, is off at all."""
    return not cube["trace_error"].sel(decay=0.0).median() <= 0.01  # NaN is no small error


def _solved(cube: xr.Dataset, reading: str, beyond: str) -> xr.DataArray:
    share = (cube["memory_error"] < _SOLVED).mean(["gain", "seed"])
    return share.sel(reading=reading) - share.sel(reading=beyond)


CLAIMS = (
    Group((
        every_run("di3 against dE/do_{{t-1}} by autodiff, largest gap", "sent_error", equals=0,
            source="definition; float64 rounding"),
        every_run("loop gain over its bound sum_j |V_Rj W_j3| / 16, largest",
            "loop_gain_over_bound", at_most=1,
            source="logistic slopes are at most 1/4 in either layer"),
        every_run("true trace without decay against BPTT, relative", "trace_error",
            at={"decay": 1.0}, equals=0, source="Williams and Zipser 1989: RTRL is exact"),
        median_run("true trace with decay 0.5: error over that without memory, median",
            lambda one: one["trace_error"].sel(decay=0.5) / one["trace_error"].sel(decay=0.0),
            where=lambda one: ~(one["trace_error"].sel(decay=0.0) <= 1e-9),
            equals=0.5, tolerance=0.1,
            source="first order in the loop gain: a lag of k counts decay^k, so 1 - decay is lost"),
    ), part=lambda cube: cube.isel(reading=0), tolerance=1e-12),
    Row(lambda one, reading: f"{_LOOKS[reading].label}: relative error, largest",
        lambda one: largest(one["relative_error"], skip_nan=True), equals=0, tolerance=1e-12,
        source="exact adjoint (Werbos 1990); float64 rounding",
        for_each={"reading": ("exact", "target_shift")}),
    Group((
        every_run("stale delta x after T - 1 = 4 cycles: relative error, largest",
            "error_by_cycle", at={"reading": "stale", "cycle": _N_STEPS - 1}, equals=0,
            source="cycle n is truncation at n + 1 steps: nothing is left to cut at T"),
        median_run("stale delta x before that, cycle 3: relative error, median", "error_by_cycle",
            at={"reading": "stale", "cycle": _N_STEPS - 2}, at_least=1e-9, tolerance=0,
            source="one lag is still missing: not exact by accident", when=_remembers),
        every_run("stale in cycle 1 against one step back only, largest gap",
            lambda one: one["error_by_cycle"].sel(reading=["stale", "one_step"]).diff("reading"),
            at={"cycle": 1}, equals=0, source="Williams and Peng 1990: truncation at two steps"),
    ), when=swept(reading=("none", "stale", "one_step")), tolerance=1e-12),
    median_run("behind the slope: relative error on the Jordan network, median",
        lambda cube: cube["error_by_cycle"].sel(reading="behind_slope", cycle=0), at_least=1e-3,
        source="wrong by a factor 1/s' >= 4 a step back, though it looks right",
        when=(swept(reading=("exact", "behind_slope")), _remembers)),
    Group((
        Row("pulse memory: share solved with delta x minus without",
            lambda cube: _solved(cube, "exact", beyond="none"), at_least=0.3,
            source="without delta x nothing tells the fed-back output what to keep"),
        Row("pulse memory: share solved by the stale form minus exact",
            lambda cube: _solved(cube, "stale", beyond="exact"), equals=0, tolerance=0.15,
            source="weights change little in T - 1 cycles"),
    ), at={"gain": lambda gain: (gain >= 0.1) & (gain <= 20)},  # from which training gets anywhere
       when=(swept(reading=("none", "exact", "stale")),
             lambda cube: cube.setting.n_updates >= 1000)),)  # fmt: skip
