"""How long does a network remember last night's dinner?

Command:   rnnjax run dinner
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    Dinner is pizza, sushi, waffles, pizza and so on; only the pizza of night 0 is known, and
           from then on every prediction stands in for what was missed. a, b: predictions of the
           network built by hand, o_t = f(k P (dinner_{t-1} + o_{t-1})), f = tanh; c: of a trained
           one. d: output of the right dinner minus the best other one over the gain k, a colour for
           each f; dashed: on an earlier night; dotted: f(z) = k z.
Source:    Brandon Rohrer, How recurrent neural networks and long short-term memory work,
           e2eml.school, 2017, on which the slides "RNN" (C. Yuan, 2022) draw: "What's for dinner?",
           "Unrolled predictions", "The structure of RNN".
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.decks import ring
from rnnjax.figures import BLUE, GREEN, PINK, VERMILION, Look
from rnnjax.lazy import jax, jnp, matplotlib, optax, xr
from rnnjax.reductions import crossing, largest, slope, smallest, tabulate
from rnnjax.sweep import Traced, Variable
from rnnjax.sweep.axes import check_values, expand

_DINNERS = ("pizza", "sushi", "waffles")
_N_UNROLLED = 16  # nights; two weeks of missed ones end on night 15
_COLOURS = dict(zip(ring.SQUASHINGS, (BLUE, PINK, GREEN, VERMILION), strict=True))
_INPUTS = ("calendar", "calendar and last night")
Gains = Annotated[tuple[PositiveFloat, ...], BeforeValidator(expand), AfterValidator(check_values)]


class Setting(sweep.Setting):
    """What is built by hand, and how the others are trained."""

    seed: Traced[int] = Field(0, description="of initial weights")
    gains: Gains = Field("lin(0.5, 4.5, 81)", description="k of the network built by hand")
    n_nights: int = Field(200, ge=_N_UNROLLED, le=10**5, description="the longest time away")
    n_updates: int = Field(1000, ge=1, le=10**6, description="updates of every training")
    learning_rate: PositiveFloat = Field(0.05, description="of Adam")
    axes = ("seed",)


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Names and numbers of what is measured."""
    return {
        "gain": np.array(setting.gains),
        "squashing": np.array(list(ring.SQUASHINGS)),
        "night": np.arange(1, _N_UNROLLED + 1),
        "late_night": np.array([_N_UNROLLED - 1, setting.n_nights]),
        "last_known": np.array(_DINNERS),
        "dinner": np.array(_DINNERS),
        "inputs": np.array(_INPUTS),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every seed; what is built by hand is the same for all of them."""
    by_gain, inputs, late = ("squashing", "gain"), ("inputs",), f"in {setting.n_nights} nights"
    margin, none = "natural log of right dinner minus best other one", "no margin but rounding"
    unrolled = ("last_known", "night", "dinner")
    return {
        "prediction": Variable(("gain", *unrolled), "o_t of f = tanh"),
        "log_margin": Variable((*by_gain, "late_night"), margin, "nat"),
        "forgotten": Variable(by_gain, f"first night with {none} {late}", "night", "beyond"),
        "trained": Variable(unrolled, "probability, after training"),
        "trained_wrong": Variable((), f"first night wrong {late}", "night", "beyond"),
        "spectral_radius": Variable((), "largest |eigenvalue| of W after training on dinners"),
        "calendar_accuracy": Variable(inputs, "share of the nights of 21 years"),
        "calendar_loss": Variable(inputs, "cross-entropy over these nights", "nat"),
    }


def shared(setting: Setting) -> Any:
    """The initial weights of the recurrent network and of the dense one."""
    key = jax.random.fold_in(jax.random.key(setting.seed), 0)
    return rnnjax.cells.initial_weights.of_cells(key, decks.dinner_networks.cells())


def measure(setting: Setting, shared: Any) -> dict[str, jax.Array]:
    """Unroll the network built by hand; train the others on dinners and on a calendar."""
    (recurrent, dense), networks = shared, decks.dinner_networks
    training = optax.adam(setting.learning_rate), setting.n_updates
    gains = jnp.array(setting.gains)
    o, log_margin, forgotten = decks.by_hand.away_by_gain(gains, setting.n_nights)
    params = networks.trained_on_dinners(recurrent, *training)
    probabilities, wrong = networks.away(params, setting.n_nights)
    on_calendar = jax.vmap(lambda yesterday: networks.on_calendar(dense, yesterday, *training))
    accuracy, loss = on_calendar(jnp.array([0.0, 1.0]))
    return {
        "prediction": o[:, :, :_N_UNROLLED],
        "log_margin": log_margin[..., coordinates(setting)["late_night"] - 1],
        "forgotten": forgotten,
        "trained": probabilities[:, :_N_UNROLLED],
        "trained_wrong": wrong,
        "spectral_radius": jnp.exp(rnnjax.matrices.log_spectral_radius(params.W)),
        "calendar_accuracy": accuracy,
        "calendar_loss": loss,
    }


def figure(cube: xr.Dataset) -> matplotlib.figure.Figure:
    """Unrolled predictions above the margins over the gain."""
    one = cube.sortby("gain").isel(seed=0)
    frame = figures.Frame(height=4.1, layout="abc;ddd", height_ratios=[0.55, 1.5])
    *strips, margins = frame.panels
    image = _draw_strips(strips, one.sel(last_known="pizza"))
    aspect = 24 if figures.in_column() else 8
    frame.figure.colorbar(image, ax=strips, pad=0.01, label="prediction", aspect=aspect)
    return frame.finished(_draw_margins(margins, one), ncols=3)


def answer(cube: xr.Dataset) -> str:
    """From which gain on the margin lasts, and how many trained networks are right."""
    one, late = cube.sortby("gain").isel(seed=0), cube["late_night"].values[-1]
    margins = np.exp(one["log_margin"].sel(squashing="tanh(kz)", late_night=late).astype(float))
    least, (low, high) = crossing(margins, "gain", 0.5), margins["gain"].values[[0, -1]]
    first = f"The margin of tanh on night {late} is {margins[0]:.2g} at gain {low:g}"
    first += f" and {margins[-1]:.2g} at {high:g}" if high > low else ""
    if least == least:
        first = (f"A tanh network built by hand remembers for {late} nights from a gain of "
                 f"{least:.2f} on (margin 0.5)")  # fmt: skip
    n, right = cube.sizes["seed"], (cube["trained_wrong"] > late).sum()
    return f"{first}. Of {n} trained networks {right:d} are right on all {late} nights."


def _draw_strips(panels: list[Any], one: xr.Dataset) -> matplotlib.image.AxesImage:
    # One gain below 1 and one above, where there are such.
    shown = [one["prediction"].sel(gain=near, method="nearest") for near in (0.9, 2)]
    titles = [*(f"by hand, $k$ = {values['gain']:g}" for values in shown), "trained"]
    for panel, values, title in zip(panels, [*shown, one["trained"]], titles, strict=True):
        image = figures.matrix(panel, values, rows="dinner", columns="night", limits=(0, 1),
                               colours="viridis", title=title, xlabel="night")  # fmt: skip
        panel.set_yticklabels(_DINNERS if panel is panels[0] or figures.in_column() else [])
        figures.ticks(panel, "x", [0, 4, 9, 14], ["1", "5", "10", "15"])
    return image


def _draw_margins(panel: matplotlib.axes.Axes, one: xr.Dataset) -> list[Any]:
    margins, (two_weeks, late) = np.exp(one["log_margin"].astype(float)), one["late_night"].values
    earlier = {f"night {two_weeks}": margins.sel(late_night=two_weeks),
               f"no squashing, night {two_weeks}": one["gain"] ** two_weeks}  # fmt: skip
    looks = {name: Look(name, colour) for name, colour in _COLOURS.items()}
    legend = figures.curves(
        panel, margins.sel(late_night=late), over="gain", each="squashing", looks=looks,
        theory=earlier, xlabel="feedback gain $k$", ylim=(-0.03, 1.05),
        ylabel=f"margin, night {late}", title="margin of the right dinner",
    )  # fmt: skip
    figures.level(panel, x=1)
    panel.set_xscale("log", base=2)
    figures.ticks(panel, "x", [0.5, 1, 2, 4])
    return legend


def _wrong(cube: xr.Dataset) -> xr.DataArray:
    """Whether what is said is wrong, by seed, gain, last known dinner and night."""
    said, last_known = cube["prediction"].argmax("dinner", skipna=False), cube["last_known"]
    return said != (last_known.copy(data=np.arange(3)) + cube["night"]) % 3


def _trained_enough(cube: xr.Dataset) -> bool:
    return cube.setting.n_updates >= 300


_ROHRER = "B. Rohrer, How RNNs and LSTM work, e2eml.school, 2017"
_LEAST = 0.01  # gain from which float32 holds what is left of a dinner after two weeks
_CHAIN = "one neuron, m = tanh(k m) from m = 1, in double precision"
_COPRIME = "365, 7 and 3 coprime: all dates and weekdays meet all dinners; tolerance: "
CLAIMS = (
    # All gains and seeds, every dinner as the last known one.
    Group((
        Row("dinner from {asked}, wrong", lambda one: _wrong(one).sum(), equals=0,
            for_each=({"night": 1, "asked": "last night's"},
                      {"night": 2, "asked": "that of two nights ago"})),
        Row("dinners of nights 1 to 16 away, wrong", lambda cube: _wrong(cube).sum(), equals=0,
            at={"gain": lambda gain: gain >= _LEAST}),
        Row("14 missed nights after pizza: share of pizza",
            lambda cube: 1 - _wrong(cube).sel(last_known="pizza", night=15).mean(), equals=1),
    ), source=f"{_ROHRER}: pizza, sushi, waffles, pizza"),
    Group((
        Group((
            Row("tanh, gain {gain:g}: log10 margin on night {late_night}",
                lambda one: one["log_margin"].item() / math.log(10), equals="expected",
                tolerance="slack", for_each=ring.known_margins(), source=f"{_CHAIN}: {{text}}"),
            Row("tanh: ln margin against one neuron with w_n = k, worst",
                lambda one: largest(abs(one["log_margin"].astype(float) - tabulate(
                    ring.log_margin, gain=one["gain"], late_night=one["late_night"]))),
                at={"gain": lambda gain: gain >= _LEAST}, equals=0, tolerance=1e-3,
                source=f"{_CHAIN}; tolerance: rounding"),
            every_run("tanh, gain above 1: first night forgotten, least", "forgotten",
                at_least=lambda one: one.setting.n_nights, at={"gain": lambda gain: gain > 1},
                source="m = tanh(k m) has a stable root m > 0 for k > 1"),
        ), at={"squashing": "tanh(kz)"}),
        every_run("logistic(kz): ln margin a night, most at any gain",
            lambda one: slope(one["log_margin"].astype(float), "late_night"), tolerance=1e-3,
            at={"squashing": "logistic(kz)"}, at_most=math.log(ring.MOST_LOGISTIC_SLOPE),
            source="slope at the fixed point is at most W(1/e), closed form; tolerance: transient"),
        every_run("logistic(kz), gain 0.9 to 4.5: last night with any margin",
            lambda one: one["forgotten"] - 1, at_most=60,
            at={"squashing": "logistic(kz)", "gain": lambda gain: (gain >= 0.9) & (gain <= 4.5)},
            source="every start goes to one fixed point"),
        Row("logistic(6z - 3): margin on late nights, least",
            lambda one: math.exp(smallest(one["log_margin"])), equals=0.859, tolerance=5e-4,
            at={"squashing": "logistic(6kz - 3)", "gain": 1.0},
            source="root of m = tanh(1.5 m): logistic(6z - 3) is tanh about 1/2"),
    ), part=lambda cube: cube.isel(seed=0)),
    Group((
        every_run("trained: first night that is wrong, least", "trained_wrong",
            at_least=lambda cube: cube.setting.n_nights),
        every_run("trained: probability of pizza after 14 missed nights, least", "trained",
            at={"last_known": "pizza", "dinner": "pizza", "night": 15}, at_least=1, tolerance=0.1),
        every_run("trained: spectral radius of W, least", "spectral_radius", at_least=1,
            source="memory needs gain above 1"),
    ), source=_ROHRER, when=_trained_enough),
    Group((
        Row("from weekday, month and meeting: |accuracy - 1/3|, worst",
            lambda one: largest(abs(one["calendar_accuracy"] - 1 / 3)), equals=0, tolerance=1e-3,
            source=f"{_COPRIME}near ties"),
        every_run("from weekday, month and meeting: cross-entropy, least", "calendar_loss",
                  at_least=math.log(3), tolerance=1e-5, source=f"{_COPRIME}rounding"),
    ), at={"inputs": _INPUTS[0]}),
    every_run("with last night's dinner: accuracy, least", "calendar_accuracy", equals=1,
              at={"inputs": _INPUTS[1]}, source=_ROHRER, when=_trained_enough),
)  # fmt: skip
