"""Does an eligibility ratio accelerate training?

C. Yuan's slides multiply a gradient step by the ratio of the two steps before it, so that a trend
found in them is continued. Every reading of that formula trains the same small network here, as it
stands and safeguarded, beside what is known to accelerate.

Command:   rnnjax run eligibility_ratio
Run time:  about 3 minutes on 2 cores, nearly all of it compiling.
Figure:    (a) rate of convergence on a quadratic against step size x curvature. It must show the
           literal ratio across cycles on 1 / (1 + a), above plain descent's 1 - a, and ending at
           a = 1 where plain descent goes on to 2. (b) the multipliers of a geometric sequence,
           which the recursive reading takes round a cycle of six. (c) training error over cycles
           of plain descent, the literal and the safeguarded ratio and the controls. (d) the error
           at the end, every arm: the literal ratio within a sequence must end above its start in
           most runs, the safeguarded one must change nothing that 1.75 times the learning rate
           does not do better.
Source:    C. Yuan, RNN (slides), 2022, "rnn+et"; Fahlman 1988 (Quickprop and its limit 1.75);
           Riedmiller and Braun 1993 (Rprop); Aitken's delta-squared process.
"""

from typing import Annotated

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, swept
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, optax
from rnnjax.reductions import largest
from rnnjax.sweep import NameOf, Traced, Variable

PRECISION = "float64"  # rates are compared to closed forms, and |x| falls to 1e-280

_CONTROLS = {
    "plain": ("plain descent", lambda rate: optax.sgd(rate)),
    "faster": (r"plain, rate $\times$ 1.75", lambda rate: optax.sgd(1.75 * rate)),
    "trace": ("true trace, decay 0.5", lambda rate: optax.sgd(rate)),
    "aitken": ("Aitken, every 20 cycles", lambda rate: optax.chain(_aitken(), optax.sgd(rate))),
    "momentum": (r"momentum 0.9, rate $\times$ 0.2", lambda rate: optax.sgd(0.2 * rate, 0.9)),
    "quickprop": ("Quickprop", lambda rate: rnnjax.updates.quickprop(rate)),
    "rprop": ("Rprop", lambda rate: optax.rprop(0.05)),
}
_COLOURS = {
    "plain": "#000000",
    "each_weight_literal": "#c2478f",
    "each_weight_safe": "#e08a1e",
    "cycles_literal": "#7f3fae",
    "faster": "#2f9e77",
    "momentum": "#3b7dd8",
    "rprop": "#23408f",
}
_DESCENTS = ("plain", "literal", "recursive", "safe")
_METHODS = ("plain", "literal", "safe", "momentum", "aitken", "quickprop", "quickprop_unlimited")
_WATCHED = ("each_weight", "each_unit", "cycles")
_STEP_SIZES = np.round(np.arange(1, 40) * 0.05, 2)  # a = learning rate x curvature
_GROWTHS = np.array([0.8, 1.25])
_GOAL, _N_DESCENT, _N_WATCHED, _N_STEPS = 1e-6, 600, 100, 14


def _labels():
    """Words for every arm."""
    controls = {arm: words for arm, (words, _) in _CONTROLS.items()}
    return controls | rnnjax.decks.readings.ratio_words()


class Setting(sweep.Setting):
    """What is trained, how, and for how long."""

    arm: Annotated[str, NameOf(_labels)] = "plain"
    seed: Traced[int] = 0
    learning_rate: PositiveFloat = Field(0.5, description="of every arm but rprop (0.05)")
    n_cycles: PositiveInt = Field(1500, description="training cycles, a multiple of every")
    every: PositiveInt = Field(25, description="cycles between two records of the error")
    spread: PositiveFloat = Field(1.5, description="standard deviation of the first weights")
    axes = ("arm", "seed")


def coordinates(setting):
    """Cycles, step sizes on the quadratic, and names."""
    return {
        "cycle": np.arange(0, setting.n_cycles, setting.every),
        "step_size": _STEP_SIZES,
        "descent": np.array(_DESCENTS),
        "optimiser": np.array(_METHODS),
        "reading": np.array(_WATCHED),
        "growth": _GROWTHS,
        "step": np.arange(1, _N_STEPS + 1),
    }


def variables(setting):
    """What is measured in every cell of the sweep."""
    of = "over weights and steps of the first 100 cycles of plain descent"
    late, first = "x_k / x_{k-1} late in descent on a quadratic", "first k with x_k not finite"
    goal, by_step_size = "k with |x_k| <= 1e-6 at a = 0.05", ("descent", "step_size")
    recursive = "multipliers of growth^t, recursive reading"
    return {
        "error": Variable(("cycle",), "E = mean over pairs of sum_t |o - y|^2 / 2, inf if lost"),
        "end_error": Variable((), "E after the last cycle, inf if it was lost"),
        "held_out_error": Variable((), "E of the pairs held out, after the last cycle"),
        "quadratic_rate": Variable(by_step_size, f"{late}, inf if lost"),
        "overflow_step": Variable(by_step_size, first, "step", infinite="beyond"),
        "steps_to_goal": Variable(("optimiser",), goal, "step", infinite="beyond"),
        "recursive_multiplier": Variable(("growth", "step"), recursive),
        "multiplier_median": Variable(("reading",), f"literal multiplier, median {of}"),
        "multiplier_negative": Variable(("reading",), f"share of negative multipliers {of}"),
        "multiplier_above": Variable(("reading",), f"share with |m| > 1.75 {of}"),
        "multiplier_largest": Variable(("reading",), f"largest |m| {of}"),
    }


def _cell(setting):
    return rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=setting.spread)


def shared(setting):
    """Draw the first weights, and measure what no arm changes."""
    cell, task = _cell(setting), rnnjax.decks.DataPairs()
    params = cell.init(jax.random.key(setting.seed))
    options = {"learning_rate": setting.learning_rate, "n_cycles": _N_WATCHED}
    multipliers = rnnjax.decks.literal_multipliers(
        cell, task.loss, params, task.training(), **options
    )
    return params, {**_on_a_quadratic(), **rnnjax.decks.multiplier_statistics(multipliers)}


def measure(setting, shared):
    """Train one network."""
    params, found = shared
    cell, task = _cell(setting), rnnjax.decks.DataPairs()
    options = {"n_updates": setting.n_cycles, "batch": task.training(), "params": params}
    training = rnnjax.fit(cell, task, *_arm(setting), jax.random.key(0), **options)

    def error(pairs):
        return _or_inf(rnnjax.mean_loss(cell, task.loss, training.params, pairs))

    return {
        **found,
        "error": _or_inf(training.loss[:: setting.every]),
        "end_error": error(task.training()),
        "held_out_error": error(task.held_out()),
    }


def _or_inf(value):
    return jnp.where(jnp.isfinite(value), value, jnp.inf)


def _arm(setting):
    """The learning rule and the optimiser of an arm."""
    arm, local, descent = setting.arm, rnnjax.BPTT(window=1), optax.sgd(setting.learning_rate)
    if arm not in _CONTROLS:
        return rnnjax.decks.readings.with_ratio(arm, local, descent, rnnjax.Jordan.layers)
    rule = rnnjax.DiscountedRTRL(0.5) if arm == "trace" else local
    return rule, _CONTROLS[arm][1](setting.learning_rate)


def _aitken(high=50.0, every=20):
    ratios = rnnjax.decks.ratios
    return rnnjax.decks.eligibility_ratio(ratios.Extrapolated(high), ratios.projection, every=every)


def _on_a_quadratic():
    """The ratio across cycles where everything is known, and u_t / d_t for d_t = growth^t."""
    decks, quickprop, descent = rnnjax.decks, rnnjax.updates.quickprop, optax.sgd(1.0)
    scalings = {
        "literal": decks.eligibility_ratio(),
        "recursive": decks.eligibility_ratio(recursive=True),
        "safe": decks.eligibility_ratio(decks.ratios.Safeguarded()),
        "aitken": decks.eligibility_ratio(decks.ratios.Extrapolated(), every=3),
    }
    optimisers = {
        "plain": descent,
        **{name: optax.chain(scaling, descent) for name, scaling in scalings.items()},
        "momentum": optax.sgd(1.0, momentum=0.8),
        "quickprop": quickprop(1.0),
        "quickprop_unlimited": quickprop(1.0, jnp.inf),
    }
    descents = [optimisers[name] for name in _DESCENTS]
    rates, lost = decks.over_step_sizes(descents, jnp.asarray(_STEP_SIZES), _N_DESCENT)
    paths = [decks.descend(optimisers[method], 0.05, 400) for method in _METHODS]
    goal = jnp.stack([decks.first_step(jnp.abs(x) <= _GOAL) for x in paths])
    d = jnp.asarray(_GROWTHS)[:, None] ** jnp.arange(1.0, _N_STEPS + 1)
    level, rule = jnp.zeros(_N_STEPS, jnp.int32), decks.EligibilityRatio(recursive=True)
    u = jax.vmap(lambda d: rule.scale_steps(rnnjax.scaled.normalise(d, level)))(d)
    return {"quadratic_rate": rates, "overflow_step": lost, "steps_to_goal": goal,
            "recursive_multiplier": rnnjax.scaled.plain(u) / d}  # fmt: skip


def figure(cube):
    """Rates on a quadratic, the cycle of six, learning curves, and where every arm ends."""
    rows = 0.15 * cube.sizes["arm"]
    frame = figures.Frame(
        height=2.9 + rows, widths=((1, 1, 1), (1,)), height_ratios=(2.1, 0.8 + rows)
    )
    rates, six, learning, ends = frame.panels
    first = cube.isel(arm=0, seed=0)
    _draw_rates(rates, first["quadratic_rate"])
    _draw_cycle_of_six(six, first["recursive_multiplier"])
    looks = {arm: Look(_labels()[arm], colour) for arm, colour in _COLOURS.items()}
    log10 = np.log10(cube["error"]).assign_coords(cycle=cube["cycle"] + 1)
    figures.curves(
        learning, log10, over="cycle", each="arm", band="seed", looks=looks, xscale="log",
        xlabel="training cycle", ylabel=r"$\log_{10}$ training error $E$",
        ylim=(None, float(log10.isel(cycle=0, arm=0).max()) + 0.7),
    )  # fmt: skip
    _draw_ends(ends, cube)
    return frame.finished()


def _draw_rates(panel, rate):
    a, literal = rate["step_size"].values, _COLOURS["cycles_literal"]
    panel.plot(a, np.abs(1 - a), color="#000000", linewidth=0.8)
    panel.plot(a[a < 1], 1 / (1 + a[a < 1]), color=literal, linewidth=0.8)
    for descent, colour in (("plain", "#000000"), ("literal", literal)):
        values = rate.sel(descent=descent).where(np.isfinite)
        panel.plot(a, values, ".", color=colour, markersize=3.5)
    panel.axvspan(1, 2, color=literal, alpha=0.1, linewidth=0)
    panel.text(0.52, 0.72, "ratio over cycles\n$1 / (1 + a)$", color=literal, fontsize=6.5)
    panel.text(0.06, 0.06, "plain\n$|1 - a|$", fontsize=6.5)
    panel.text(1.97, 0.06, "ratio diverges", ha="right", color=literal, fontsize=6.5)
    panel.set(xlim=(0, 2), ylim=(0, 1.05), xlabel=r"$a$ = rate $\times$ curvature",
              ylabel=r"factor $x_{k+1} / x_k$")  # fmt: skip


def _draw_cycle_of_six(panel, multiplier):
    step = multiplier["step"].values
    for growth, marker in zip(multiplier["growth"].values, ("o", "s"), strict=True):
        colour = "#3b7dd8" if growth < 1 else "#e86a4c"
        line = {"color": colour, "linewidth": 1}
        panel.plot(step, multiplier.sel(growth=growth), marker=marker, markersize=3, **line)
        panel.plot(step[2:], np.full(len(step) - 2, growth), linestyle=":", **line)
        panel.text(4.6, growth**2 + (0.1 if growth > 1 else -0.17), f"$\\Delta w_t = {growth:g}^t$",
                   ha="center", color=colour, fontsize=6.5)  # fmt: skip
    panel.text(14, 1.9, "recursive: line\nraw: dotted", ha="right", va="center", fontsize=6.5)
    panel.set(xlabel="step $t$", ylabel="multiplier", ylim=(0.35, 2.1), xticks=[1, 4, 7, 10, 13])


def _draw_ends(panel, cube):
    arms, ends = cube["arm"].values, cube["end_error"].transpose("arm", "seed").values
    start = float(cube["error"].isel(cycle=0).median())
    panel.set_xscale("log")
    figures.outcome_rows(
        panel, ends, labels=[_labels()[arm] for arm in arms],
        colours=[_COLOURS.get(arm, "#707070") for arm in arms],
        failed=_worse_than_start(cube).sum("seed").values.tolist(),
        limits=(ends.min() / 2, 20 * start), what_failed="runs that ended\nabove their start",
    )  # fmt: skip
    figures.level(panel, x=start, color="#606060", linewidth=0.8, linestyle=":")
    panel.set_xlabel("training error $E$ at the end (dotted: at the start, median)")


def _worse_than_start(cube):
    return cube["end_error"] > cube["error"].isel(cycle=0)


def _gap_to_implicit_descent(first):
    a, rate = first["step_size"], first["quadratic_rate"].sel(descent="literal")
    return largest(abs(rate - 1 / (1 + a)), a < 0.97)


def _least_lost(first):
    # At a = 1 exactly the first step lands on the minimum, and the ratio is 0/0 from then on.
    a, rate = first["step_size"], first["quadratic_rate"].sel(descent="literal")
    return a.where(~np.isfinite(rate) & (a > 1)).min()


def _gap_to_the_period(first):
    g = first["growth"].values[:, None]
    period = np.concatenate([g**0, g**0, g, g**2, g**2, g], axis=1)
    expected = np.take(period, np.arange(first.sizes["step"]) % 6, axis=1)
    return np.max(np.abs(first["recursive_multiplier"].values - expected))


def _median_end(cube, arm):
    return float(np.median(cube["end_error"].sel(arm=arm).values))


def _over_the_best_safe(*arms):
    """The end error of the worst of some arms over that of the best safeguarded ratio, medians."""

    def ratio(cube):
        safe = [arm for arm in cube["arm"].values if arm.endswith("_safe")]
        best = min((_median_end(cube, arm) for arm in safe), default=None)
        return best and max(_median_end(cube, arm) for arm in arms) / best

    return ratio


_KNOWN = (
    {"optimiser": "plain", "n": 270, "told": "closed form: ln 1e-6 / ln 0.95"},
    {"optimiser": "literal", "n": 284,
     "told": "rate 1 / 1.05 after two plain steps; slower than plain descent"},
    {"optimiser": "safe", "n": 270, "told": "ratios below 1 never speed up: plain descent"},
    {"optimiser": "aitken", "n": 3, "told": "Aitken: exact for a geometric error"},
    {"optimiser": "quickprop_unlimited", "n": 2,
     "told": "Fahlman 1988: a parabola is solved by one secant step"},
)  # fmt: skip


def _is_long(cube):
    return cube.setting.n_cycles >= 500


CLAIMS = (
    Group((
        Row("literal ratio: |rate - 1/(1+a)|, largest for a < 1", _gap_to_implicit_descent,
            equals=0, tolerance=1e-4, source="fixed point of r_{{k+1}} = 1 - a r_{{k-1}}: the rate "
            "of implicit gradient descent"),
        Row("literal ratio: least a > 1 that diverges", _least_lost, equals=1.05, tolerance=1e-9,
            source="perturbations of the fixed point obey z^2 = -a: stable for a < 1; grid step "
            "0.05"),
        Row("plain descent: largest rate for a <= 1.95",
            lambda first: largest(first["quadratic_rate"].sel(descent="plain")),
            equals=0.95, tolerance=1e-9, source="closed form |1 - a|: stable for a < 2"),
        Row("recursive multipliers of growth^t against 1, 1, g, g^2, g^2, g", _gap_to_the_period,
            equals=0, tolerance=1e-9, source="L_t = l + L_{{t-1}} - L_{{t-2}} in logs: roots "
            "exp(+-i pi / 3), an undamped period of 6"),
        Row("updates to |x| <= 1e-6 at a = 0.05: {optimiser}", lambda one: one["steps_to_goal"],
            equals="n", for_each=_KNOWN, source="{told}"),
    ), part=lambda cube: cube.isel(arm=0, seed=0)),
    Row("share of runs that the literal ratio over time ends above their start",
        lambda cube: _worse_than_start(cube.sel(arm="each_weight_literal")).mean(), at_least=0.5,
        source="against the slide's 'the next step will be accelerated'; plain descent: 0",
        when=(swept(arm=("plain", "each_weight_literal")), _is_long)),
    Row("literal ratio over cycles: error at the end over plain descent's, median",
        lambda cube: _median_end(cube, "cycles_literal") / _median_end(cube, "plain"),
        at_least=1, tolerance=0.1, when=swept(arm=("plain", "cycles_literal")),
        source="multipliers near 1 gain nothing; steps near a sign change multiply by hundreds"),
    Row("1.75 x the learning rate: error at the end over the best safeguarded ratio's",
        _over_the_best_safe("faster"), at_most=1, when=(swept(arm="faster"), _is_long),
        source="control: a multiplier within [1, 1.75] against always 1.75"),
    Row("momentum and Rprop: the worse one's error over the best safeguarded ratio's",
        _over_the_best_safe("rprop", "momentum"), at_most=1,
        when=(swept(arm=("rprop", "momentum")), _is_long),
        source="Polyak 1964; Riedmiller and Braun 1993"),
    Row("share of negative literal multipliers over time, median of runs",
        lambda cube: cube["multiplier_negative"].isel(arm=0).sel(reading="each_weight").median(),
        at_least=0.1, source="a negative multiplier turns a descent step uphill"),
    Row("literal multiplier over cycles, median",
        lambda cube: cube["multiplier_median"].isel(arm=0).sel(reading="cycles").median(),
        equals=1, tolerance=0.1,
        source="gradients change little from cycle to cycle: nothing to accelerate"),
)  # fmt: skip
