"""Does an eligibility ratio accelerate training?

C. Yuan's slides multiply a gradient step by the ratio of the two steps before it. Every reading of
that formula trains the same network, as it stands and safeguarded, beside known accelerations.

Command:   rnnjax run eligibility_ratio
Run time:  about 3 minutes on 2 cores, nearly all of it compiling.
Figure:    a: rate of convergence on a quadratic, plain and with the literal ratio over cycles;
           dashed: closed forms. b: multipliers of a geometric sequence in the recursive reading;
           dashed: raw ratios. c: training error, medians and 10 to 90 %. d: that at the end.
Source:    C. Yuan, RNN (slides), 2022, "rnn+et"; Fahlman 1988 (Quickprop and its limit 1.75);
           Riedmiller and Braun 1993 (Rprop); Aitken's delta-squared process.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row, every_run, swept
from rnnjax.decks import readings
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import largest, smallest, tabulate
from rnnjax.sweep import NameOf, Traced, Variable

PRECISION = "float64"  # rates are compared to closed forms, and |x| falls to 1e-280

_COLOURS = {
    "plain": "#000000", "each_weight_literal": "#c2478f", "each_weight_safe": "#e08a1e",
    "cycles_literal": "#7f3fae", "faster": "#2f9e77", "momentum": "#3b7dd8", "rprop": "#23408f",
}  # fmt: skip
_TOLD = {"each_weight_literal": "literal", "each_weight_safe": "safeguarded",
         "plain": "without a ratio", "faster": "at 1.75 x rate"}  # fmt: skip
_DESCENTS = ("plain", "literal", "recursive", "safe")
_METHODS = ("plain", "literal", "safe", "momentum", "aitken", "quickprop", "quickprop_unlimited")
_WATCHED = ("each_weight", "each_unit", "cycles")
_STEP_SIZES = np.round(np.arange(1, 40) * 0.05, 2)  # a = learning rate x curvature
_GROWTHS = np.array([0.8, 1.25])
_N_STEPS = 14


class Setting(sweep.Setting):
    """What is trained, how, and for how long."""

    arm: Annotated[str, NameOf(readings.arm_words)] = "plain"
    seed: Traced[int] = 0
    learning_rate: PositiveFloat = Field(0.5, description="of every arm but rprop (0.05)")
    n_cycles: PositiveInt = Field(1500, description="training cycles, a multiple of every")
    every: PositiveInt = Field(25, description="cycles between two records of the error")
    spread: PositiveFloat = Field(1.5, description="standard deviation of the first weights")
    axes = ("arm", "seed")


def coordinates(setting: Setting) -> dict[str, Any]:
    """Cycles, step sizes on the quadratic, and names."""
    return {
        "cycle": np.arange(0, setting.n_cycles, setting.every),
        "step_size": _STEP_SIZES,
        "descent": _DESCENTS,
        "optimiser": _METHODS,
        "reading": _WATCHED,
        "growth": _GROWTHS,
        "step": np.arange(1, _N_STEPS + 1),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return readings.RATIO_VARIABLES | {
        "error": Variable(("cycle",), "E = mean over pairs of sum_t |o - y|^2 / 2, inf if lost"),
        "end_error": Variable((), "E after the last cycle, inf if it was lost"),
        "held_out_error": Variable((), "E of the pairs held out, after the last cycle"),
    }


def _cell(setting: Setting) -> rnnjax.Jordan:
    return rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=setting.spread)


def shared(setting: Setting) -> tuple[Any, dict[str, jax.Array]]:
    """Draw the first weights, and measure what no arm changes."""
    cell, task = _cell(setting), decks.DataPairs()
    params = cell.init(jax.random.key(setting.seed))
    options = {"learning_rate": setting.learning_rate, "n_cycles": 100}
    multipliers = decks.literal_multipliers(cell, task.loss, params, task.training(), **options)
    known = decks.ratio_in_closed_form(_DESCENTS, _STEP_SIZES, _METHODS, _GROWTHS, _N_STEPS)
    return params, known | decks.multiplier_statistics(multipliers)


def measure(setting: Setting, shared: tuple[Any, dict[str, jax.Array]]) -> dict[str, jax.Array]:
    """Train one network."""
    params, found = shared
    cell, task = _cell(setting), decks.DataPairs()
    arm = readings.arm(setting.arm, setting.learning_rate, cell.layers)
    options = {"n_updates": setting.n_cycles, "batch": task.training(), "params": params}
    training = rnnjax.fit(cell, task, *arm, jax.random.key(0), **options)
    errors = {"error": training.loss[:: setting.every]}
    for name, pairs in {"end_error": task.training(), "held_out_error": task.held_out()}.items():
        errors[name] = rnnjax.mean_loss(cell, task.loss, training.params, pairs)
    return found | {name: jnp.where(jnp.isfinite(E), E, jnp.inf) for name, E in errors.items()}


def figure(cube: xr.Dataset) -> figures.Figure:
    """Rates on a quadratic, the cycle of six, learning curves, and where every arm ends."""
    words = readings.arm_words()
    rows, widths = 0.15 * cube.sizes["arm"], ((1, 1, 1), (1,))
    frame = figures.Frame(height=2.9 + rows, widths=widths, height_ratios=(2.1, 0.8 + rows))
    rates, six, learning, ends = frame.panels
    _draw_rates(rates, cube["quadratic_rate"].isel(arm=0, seed=0))
    _draw_cycle_of_six(six, cube["recursive_multiplier"].isel(arm=0, seed=0))
    looks = {arm: Look(words[arm], colour) for arm, colour in _COLOURS.items()}
    log10 = np.log10(cube["error"]).assign_coords(cycle=cube["cycle"] + 1)
    figures.curves(learning, log10, over="cycle", each="arm", band="seed", looks=looks,
                   xscale="log", xlabel="training cycle", ylabel=r"$\log_{10} E$",
                   ylim=(None, float(log10.isel(cycle=0, arm=0).max()) + 0.7),
                   title="colours as in d")  # fmt: skip
    _draw_ends(ends, cube, words)
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """The errors at the end with the ratio, without it and at a larger rate."""
    ends = cube["end_error"].median("seed").to_series().dropna()
    best = ends[ends.index.isin([*readings.ratio_words()])].min()
    verdict = "Less than a larger rate: " if best >= ends.get("faster", np.inf) else ""
    told = [f"{ends[arm]:.2g} {words}" for arm, words in _TOLD.items() if arm in ends]
    lowest = f"{ends.min():.2g} ({readings.arm_words()[ends.idxmin()]})" if len(ends) else "unknown"
    lowest = lowest.replace("$\\times$", "x")
    return f"{verdict}E ends at {', '.join(told) or lowest}. The lowest of all is {lowest}."


def _draw_rates(panel: figures.Axes, rate: xr.DataArray) -> None:
    colours = {"plain": "#000000", "literal": _COLOURS["cycles_literal"]}
    forms = {"plain": lambda a: abs(1 - a), "literal": lambda a: 1 / (1 + a) if a < 1 else np.nan}
    theory = tabulate(lambda name, a: forms[name](a), descent=[*forms], step_size=_STEP_SIZES)
    looks = {name: Look("", colour, ".", "none", size=3.5) for name, colour in colours.items()}
    figures.curves(panel, rate.where(np.isfinite), over="step_size", each="descent", looks=looks,
                   theory={"": theory}, xlim=(0, 2), ylim=(0, 1.05),
                   xlabel=r"$a$ = rate $\times$ curvature", ylabel="factor")  # fmt: skip
    panel.axvspan(1, 2, color=colours["literal"], alpha=0.1, linewidth=0)
    words = {"color": colours["literal"], "fontsize": 7}
    panel.text(0.5, 0.74, "ratio over cycles\n$1 / (1 + a)$", **words)
    panel.text(1.97, 0.06, "ratio diverges", ha="right", **words)
    panel.text(0.06, 0.06, "plain\n$|1 - a|$", color=colours["plain"], fontsize=7)


def _draw_cycle_of_six(panel: figures.Axes, multiplier: xr.DataArray) -> None:
    looks = {0.8: Look("", "#3b7dd8", "o", size=3), 1.25: Look("", "#e86a4c", "s", size=3)}
    raw = multiplier["growth"].where(multiplier["step"] > 2)
    figures.curves(panel, multiplier, over="step", each="growth", looks=looks, theory={"": raw},
                   line={"linewidth": 1}, xlabel="step $t$", ylabel="multiplier",
                   ylim=(0.35, 2.1), xticks=[1, 4, 7, 10, 13])  # fmt: skip
    for g, look in looks.items():
        panel.text(4.6, g**2 + (0.1 if g > 1 else -0.2), f"$\\Delta w_t = {g:g}^t$",
                   ha="center", color=look.colour, fontsize=7)  # fmt: skip
    panel.text(14, 1.9, "recursive: line\nraw: dashed", ha="right", va="center", fontsize=7)


def _draw_ends(panel: figures.Axes, cube: xr.Dataset, words: dict[str, str]) -> None:
    arms, ends = cube["arm"].values, cube["end_error"].transpose("arm", "seed")
    start = float(cube["error"].isel(cycle=0).median())
    panel.set(xscale="log", xlabel="error $E$ at the end")
    figures.outcome_rows(panel, ends.values, labels=[words[a] for a in arms],
                         colours=[_COLOURS.get(arm, "#707070") for arm in arms],
                         what_failed="above start",
                         failed=_worse_than_start(cube).sum("seed").values.tolist(),
                         limits=(smallest(ends, skip_nan=True) / 2, 20 * start))  # fmt: skip
    figures.level(panel, x=start, color="#606060", dashes=":")
    panel.text(1.2 * start, len(arms) - 1, "start", va="center", fontsize=7)
    panel.tick_params(axis="y", labelsize=6.5)


def _worse_than_start(cube: xr.Dataset) -> xr.DataArray:
    return cube["end_error"] > cube["error"].isel(cycle=0)


def _over_the_best_safe(cube: xr.Dataset, *arms: str) -> float | None:
    """Return the end error of the worst of some arms over that of the best safeguarded ratio."""
    ends = cube["end_error"].median("seed")
    safe = ends.sel(arm=ends["arm"].str.endswith("_safe"))
    return float(ends.sel(arm=[*arms]).max() / safe.min()) if safe.size else None


def _is_long(cube: xr.Dataset) -> bool:
    return cube.setting.n_cycles >= 500


_KNOWN = {
    "plain": (270, "closed form: ln 1e-6 / ln 0.95"),
    "literal": (284, "rate 1 / 1.05 after two plain steps; slower than plain descent"),
    "safe": (270, "ratios below 1 never speed up: plain descent"),
    "aitken": (3, "Aitken: exact for a geometric error"),
    "quickprop_unlimited": (2, "Fahlman 1988: a parabola is solved by one secant step"),
}
CLAIMS = (
    Group((
        every_run("literal ratio: |rate - 1/(1+a)|, largest for a < 1",
            lambda one: abs(one["quadratic_rate"] - 1 / (1 + one["step_size"])),
            at={"descent": "literal", "step_size": lambda a: a < 0.97}, equals=0, tolerance=1e-4,
            source="fixed point of r_{{k+1}} = 1 - a r_{{k-1}}: the rate of implicit gradient "
            "descent"),
        # At a = 1 exactly the first step lands on the minimum, and the ratio is 0/0 from then on.
        Row("literal ratio: least a > 1 that diverges",
            lambda one: one["step_size"].where(~np.isfinite(one["quadratic_rate"])).min(),
            at={"descent": "literal", "step_size": lambda a: a > 1}, equals=1.05, tolerance=1e-9,
            source="perturbations of the fixed point obey z^2 = -a: stable for a < 1; step 0.05"),
        Row("plain descent: largest rate for a <= 1.95", lambda one: largest(one["quadratic_rate"]),
            at={"descent": "plain"}, equals=0.95, tolerance=1e-9,
            source="closed form |1 - a|: stable for a < 2"),
        every_run("recursive multipliers of growth^t against 1, 1, g, g^2, g^2, g",
            lambda one: abs(
                one["recursive_multiplier"] - one["growth"] ** decks.recursive_powers(one["step"])
            ), equals=0, tolerance=1e-9, source="L_t = l + L_{{t-1}} - L_{{t-2}} in "
            "logs: roots exp(+-i pi / 3), an undamped period of 6"),
        Row("updates to |x| <= 1e-6 at a = 0.05: {optimiser}", lambda one: one["steps_to_goal"],
            for_each={"optimiser": _KNOWN}, equals=lambda one, optimiser: _KNOWN[optimiser][0],
            source=lambda one, optimiser: _KNOWN[optimiser][1]),
    ), part=lambda cube: cube.isel(arm=0, seed=0)),
    Row("share of runs that the literal ratio over time ends above their start",
        lambda cube: _worse_than_start(cube.sel(arm="each_weight_literal")).mean(), at_least=0.5,
        source="against the slide's 'the next step will be accelerated'; plain descent: 0",
        when=(swept(arm=("plain", "each_weight_literal")), _is_long)),
    Row("literal ratio over cycles: error at the end over plain descent's, median",
        lambda cube: np.divide(
            *cube["end_error"].median("seed").sel(arm=["cycles_literal", "plain"]).values),
        at_least=1, tolerance=0.1, when=swept(arm=("plain", "cycles_literal")),
        source="multipliers near 1 gain nothing; steps near a sign change multiply by hundreds"),
    Row("1.75 x the learning rate: error at the end over the best safeguarded ratio's",
        lambda cube: _over_the_best_safe(cube, "faster"), at_most=1,
        when=(swept(arm="faster"), _is_long),
        source="control: a multiplier within [1, 1.75] against always 1.75"),
    Row("momentum and Rprop: the worse one's error over the best safeguarded ratio's",
        lambda cube: _over_the_best_safe(cube, "rprop", "momentum"), at_most=1,
        when=(swept(arm=("rprop", "momentum")), _is_long),
        source="Polyak 1964; Riedmiller and Braun 1993"),
    Group((
        Row("share of negative literal multipliers over time, median of runs",
            lambda one: one["multiplier_negative"].sel(reading="each_weight").median(),
            at_least=0.1, source="a negative multiplier turns a descent step uphill"),
        Row("literal multiplier over cycles, median",
            lambda one: one["multiplier_median"].sel(reading="cycles").median(),
            equals=1, tolerance=0.1,
            source="gradients change little from cycle to cycle: nothing to accelerate"),
    ), part=lambda cube: cube.isel(arm=0)),
)  # fmt: skip
