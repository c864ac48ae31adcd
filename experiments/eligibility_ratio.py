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

import json
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import sweep
from rnnjax.lazy import jax, jnp, optax
from rnnjax.sweep import NameOf, Traced, Variable

PRECISION = "float64"  # rates are compared to closed forms, and |x| falls to 1e-280

_WITHIN = ("each_weight", "recursive", "each_unit", "each_pair", "norms", "projection")
_ACROSS = ("cycles", "cycles_recursive", "cycles_norms", "cycles_projection")
_RATIOS = tuple(f"{name}_{form}" for name in (*_WITHIN, *_ACROSS) for form in ("literal", "safe"))
_CONTROLS = ("plain", "faster", "trace", "aitken", "momentum", "quickprop", "rprop")
ARMS = (*_CONTROLS[:3], *_RATIOS, *_CONTROLS[3:])
_DESCENTS = ("plain", "literal", "recursive", "safe")
_METHODS = ("plain", "literal", "safe", "momentum", "aitken", "quickprop", "quickprop_unlimited")
_READINGS = ("each_weight", "each_unit", "cycles")
_STEP_SIZES = np.round(np.arange(1, 40) * 0.05, 2)  # a = learning rate x curvature
_GROWTHS = np.array([0.8, 1.25])
_GOAL, _N_DESCENT, _N_WATCHED, _N_STEPS = 1e-6, 600, 100, 14


class Setting(sweep.Setting):
    """What is trained, how, and for how long."""

    arm: Annotated[str, NameOf(lambda: ARMS)] = "plain"
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
        "reading": np.array(_READINGS),
        "growth": _GROWTHS,
        "step": np.arange(1, _N_STEPS + 1),
    }


def variables(setting):
    """What is measured in every cell of the sweep."""
    of = "over weights and steps of the first 100 cycles of plain descent"
    by_step_size, reading = ("descent", "step_size"), ("reading",)
    late, first = "x_k / x_{k-1} late in descent on a quadratic", "first k with x_k not finite"
    goal = "k with |x_k| <= 1e-6 at a = 0.05"
    recursive = "multipliers of growth^t, recursive reading"
    return {
        "error": Variable(("cycle",), "E = mean over pairs of sum_t |o - y|^2 / 2, inf if lost"),
        "end_error": Variable((), "E after the last cycle, inf if it was lost"),
        "held_out_error": Variable((), "E of the pairs held out, after the last cycle"),
        "quadratic_rate": Variable(by_step_size, f"{late}, inf if lost"),
        "overflow_step": Variable(by_step_size, first, "step", infinite="beyond"),
        "steps_to_goal": Variable(("optimiser",), goal, "step", infinite="beyond"),
        "recursive_multiplier": Variable(("growth", "step"), recursive),
        "multiplier_median": Variable(reading, f"literal multiplier, median {of}"),
        "multiplier_negative": Variable(reading, f"share of negative multipliers {of}"),
        "multiplier_above": Variable(reading, f"share with |m| > 1.75 {of}"),
        "multiplier_largest": Variable(reading, f"largest |m| {of}"),
    }


def _cell(setting):
    return rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=setting.spread)


def shared(setting):
    """Draw the first weights, and measure what no arm changes."""
    params = _cell(setting).init(jax.random.key(setting.seed))
    return params, {
        **_quadratic(),
        "steps_to_goal": _steps_to_goal(),
        "recursive_multiplier": _recursive_multipliers(),
        **_multipliers(setting, params),
    }


def measure(setting, shared):
    """Train one network."""
    params, found = shared
    cell, task = _cell(setting), rnnjax.decks.DataPairs()
    rule, optimiser = _arm(setting)
    pairs, key, n = task.training(), jax.random.key(0), setting.n_cycles
    training = rnnjax.fit(cell, task, rule, optimiser, key, n_updates=n, batch=pairs, params=params)
    loss = jax.vmap(lambda pair: rnnjax.sequence_loss(cell, task.loss, training.params, pair))
    return {
        **found,
        "error": _or_inf(training.loss[:: setting.every]),
        "end_error": _or_inf(jnp.mean(loss(pairs))),
        "held_out_error": _or_inf(jnp.mean(loss(task.held_out()))),
    }


def _or_inf(value):
    return jnp.where(jnp.isfinite(value), value, jnp.inf)


def _arm(setting):
    """The learning rule and the optimiser of an arm."""
    rules, decks, updates = rnnjax.rules, rnnjax.decks, rnnjax.updates
    rate, local = setting.learning_rate, rules.BPTT(window=1)
    descent = optax.sgd(rate)
    if setting.arm in _RATIOS:
        reading, form = setting.arm.rsplit("_", 1)
        multiplier = decks.ratios.Literal() if form == "literal" else decks.ratios.Safeguarded()
        options = _reading(reading.removeprefix("cycles_"))
        if reading in _WITHIN:
            return decks.EligibilityRatio(local, multiplier, **options), descent
        return local, optax.chain(decks.eligibility_ratio(multiplier, **options), descent)
    aitken = decks.ratios.Extrapolated(high=50.0), decks.ratios.projection
    return {
        "plain": (local, descent),
        "faster": (local, optax.sgd(1.75 * rate)),
        "trace": (rules.EligibilityTrace(0.5), descent),
        "momentum": (local, optax.sgd(0.2 * rate, momentum=0.9)),
        "aitken": (local, optax.chain(decks.eligibility_ratio(*aitken, every=20), descent)),
        "quickprop": (local, updates.quickprop(rate)),
        "rprop": (local, optax.rprop(0.05)),
    }[setting.arm]


def _reading(name):
    ratios = rnnjax.decks.ratios
    return {
        "each_weight": {},
        "cycles": {},
        "recursive": {"recursive": True},
        "each_unit": {"of": ratios.EachUnit(rnnjax.Jordan.layers), "mean_first": False},
        "each_pair": {"mean_first": False},
        "norms": {"of": ratios.norms},
        "projection": {"of": ratios.projection},
    }[name]


def _quadratic():
    """Rates and overflows of the ratio across cycles, (descent, step_size)."""
    decks = rnnjax.decks
    scalings = {
        "plain": optax.identity(),
        "literal": decks.eligibility_ratio(),
        "recursive": decks.eligibility_ratio(recursive=True),
        "safe": decks.eligibility_ratio(decks.ratios.Safeguarded()),
    }
    optimisers = [optax.chain(scalings[name], optax.sgd(1.0)) for name in _DESCENTS]

    def seen(a):
        paths = [decks.descend(optimiser, a, _N_DESCENT) for optimiser in optimisers]
        rates = jnp.stack([decks.late_rate(x) for x in paths])
        return rates, jnp.stack([decks.first_step(~jnp.isfinite(x)) for x in paths])

    rates, lost = jax.vmap(seen, out_axes=1)(jnp.asarray(_STEP_SIZES))
    return {"quadratic_rate": rates, "overflow_step": lost}


def _steps_to_goal():
    """Updates until |x| <= 1e-6 from x = 1 at a = 0.05, (optimiser,)."""
    decks, quickprop, descent = rnnjax.decks, rnnjax.updates.quickprop, optax.sgd(1.0)
    extrapolation = decks.eligibility_ratio(decks.ratios.Extrapolated(), every=3)
    safe = decks.eligibility_ratio(decks.ratios.Safeguarded())
    optimisers = {
        "plain": descent,
        "literal": optax.chain(decks.eligibility_ratio(), descent),
        "safe": optax.chain(safe, descent),
        "momentum": optax.sgd(1.0, momentum=0.8),
        "aitken": optax.chain(extrapolation, descent),
        "quickprop": quickprop(1.0),
        "quickprop_unlimited": quickprop(1.0, jnp.inf),
    }
    paths = [decks.descend(optimisers[method], 0.05, 400) for method in _METHODS]
    return jnp.stack([decks.first_step(jnp.abs(x) <= _GOAL) for x in paths])


def _recursive_multipliers():
    """u_t / d_t of the recursive reading for d_t = growth^t, (growth, step)."""
    rule = rnnjax.decks.EligibilityRatio(recursive=True)
    d = jnp.asarray(_GROWTHS)[:, None] ** jnp.arange(1.0, _N_STEPS + 1)
    level = jnp.zeros(d.shape[1], jnp.int32)
    scale = jax.vmap(lambda d: rule.scale_steps(rnnjax.scaled.normalise(d, level)))
    return rnnjax.scaled.plain(scale(d)) / d


def _multipliers(setting, params):
    """Literal multipliers along plain descent, watched without being used, (reading,) each."""
    cell, task, rule = _cell(setting), rnnjax.decks.DataPairs(), rnnjax.BPTT(window=1)
    batch, rate = task.training(), setting.learning_rate

    def one(params, _):
        def of_pair(pair):
            grads = rule(cell, task.loss, params, pair, (), per_step=True).grads
            return rnnjax.scaled.plain(grads)

        pairs = jax.vmap(of_pair)(batch)
        steps = jax.tree.map(lambda g: jnp.mean(g, axis=0), pairs)
        params = jax.tree.map(lambda p, g: p - rate * jnp.sum(g, axis=0), params, steps)
        flat = jnp.concatenate([g.reshape(len(g), -1) for g in jax.tree.leaves(steps)], axis=1)
        return params, (flat, jnp.concatenate([pairs.b, pairs.c], axis=-1))

    _, (weights, units) = jax.lax.scan(one, params, None, length=_N_WATCHED)
    cycles = jnp.sum(weights, axis=1)
    ratios = (
        weights[:, 1:-1] / weights[:, :-2],
        units[:, :, 1:-1] / units[:, :, :-2],
        cycles[1:-1] / cycles[:-2],
    )
    statistics = {
        "median": jnp.median,
        "negative": lambda m: jnp.mean(m < 0),
        "above": lambda m: jnp.mean(jnp.abs(m) > 1.75),
        "largest": lambda m: jnp.max(jnp.abs(m)),
    }
    return {
        f"multiplier_{name}": jnp.stack([statistic(m.ravel()) for m in ratios])
        for name, statistic in statistics.items()
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
_WORDS = {
    "plain": "plain descent",
    "faster": r"plain, rate $\times$ 1.75",
    "trace": "true trace, decay 0.5",
    "each_weight": "each weight, over time",
    "recursive": "each weight, over time, recursive",
    "each_unit": "each unit's delta, over time",
    "each_pair": "each weight of each pair, over time",
    "norms": "norm of the step, over time",
    "projection": "projection, over time",
    "cycles": "each weight, over cycles",
    "cycles_recursive": "each weight, over cycles, recursive",
    "cycles_norms": "norm, over cycles",
    "cycles_projection": "projection, over cycles",
    "aitken": "Aitken, every 20 cycles",
    "momentum": r"momentum 0.9, rate $\times$ 0.2",
    "quickprop": "Quickprop",
    "rprop": "Rprop",
}


def _words(arm):
    name, _, form = arm.rpartition("_")
    return f"{_WORDS[name]}: {form}" if form in ("literal", "safe") else _WORDS[arm]


def figure(cube):
    """Rates on a quadratic, the cycle of six, learning curves, and where every arm ends."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    drawn = Figure(figsize=(figures.PAGE_WIDTH, 2.9 + 0.15 * cube.sizes["arm"]))
    upper, lower = drawn.subfigures(2, 1, height_ratios=(2.1, 0.8 + 0.15 * cube.sizes["arm"]))
    top, below = upper.subplots(1, 3), lower.subplots()
    _draw_rates(top[0], cube)
    _draw_cycle_of_six(top[1], cube)
    _draw_learning(top[2], cube)
    _draw_ends(below, cube)
    figures.letter_panels([*top, below])
    return drawn


def _draw_rates(ax, cube):
    first = cube.isel(arm=0, seed=0)
    a, literal = first["step_size"].values, _COLOURS["cycles_literal"]
    below = a < 1
    ax.plot(a, np.abs(1 - a), color="#000000", linewidth=0.8)
    ax.plot(a[below], 1 / (1 + a[below]), color=literal, linewidth=0.8)
    for descent, colour in (("plain", "#000000"), ("literal", literal)):
        values = first["quadratic_rate"].sel(descent=descent).values
        ax.plot(a, np.where(np.isfinite(values), values, np.nan), ".", color=colour, markersize=3.5)
    ax.axvspan(1, 2, color=literal, alpha=0.1, linewidth=0)
    ax.text(0.52, 0.72, "ratio over cycles\n$1 / (1 + a)$", color=literal, fontsize=6.5)
    ax.text(0.06, 0.06, "plain\n$|1 - a|$", fontsize=6.5)
    ax.text(1.97, 0.06, "ratio diverges", ha="right", color=literal, fontsize=6.5)
    ax.set(xlim=(0, 2), ylim=(0, 1.05), xlabel=r"$a$ = rate $\times$ curvature",
           ylabel=r"factor $x_{k+1} / x_k$")  # fmt: skip


def _draw_cycle_of_six(ax, cube):
    first = cube.isel(arm=0, seed=0)
    step = first["step"].values
    for growth, marker in zip(first["growth"].values, ("o", "s"), strict=True):
        colour = "#3b7dd8" if growth < 1 else "#e86a4c"
        multipliers = first["recursive_multiplier"].sel(growth=growth).values
        ax.plot(step, multipliers, marker=marker, markersize=3, linewidth=1, color=colour)
        ax.plot(step[2:], np.full(len(step) - 2, growth), color=colour, linestyle=":", linewidth=1)
        ax.text(4.6, growth**2 + (0.1 if growth > 1 else -0.17), f"$\\Delta w_t = {growth:g}^t$",
                ha="center", color=colour, fontsize=6.5)  # fmt: skip
    ax.text(14, 1.9, "recursive: line\nraw: dotted", ha="right", va="center", fontsize=6.5)
    ax.set(xlabel="step $t$", ylabel="multiplier", ylim=(0.35, 2.1), xticks=[1, 4, 7, 10, 13])


def _draw_learning(ax, cube):
    figures = rnnjax.figures
    looks = {arm: figures.Look(_words(arm), colour) for arm, colour in _COLOURS.items()}
    log10 = np.log10(cube["error"]).assign_coords(cycle=cube["cycle"] + 1)
    figures.curves(
        ax, log10, over="cycle", each="arm", band="seed", looks=looks, xscale="log",
        xlabel="training cycle", ylabel=r"$\log_{10}$ training error $E$",
        ylim=(None, float(log10.isel(cycle=0, arm=0).max()) + 0.7),
    )  # fmt: skip


def _draw_ends(ax, cube):
    arms = [str(arm) for arm in cube["arm"].values]
    ends = [cube["end_error"].sel(arm=arm).values for arm in arms]
    start = float(cube["error"].isel(cycle=0).median())
    least = min(float(values.min()) for values in ends)
    ax.set_xscale("log")
    rnnjax.figures.outcome_rows(
        ax,
        ends,
        labels=[_words(arm) for arm in arms],
        colours=[_COLOURS.get(arm, "#707070") for arm in arms],
        failed=[int(_worse_than_start(cube.sel(arm=arm)).sum()) for arm in arms],
        limits=(least / 2, 20 * start),
        what_failed="runs that ended\nabove their start",
    )
    ax.axvline(start, color="#606060", linewidth=0.8, linestyle=":", zorder=0)
    ax.set_xlabel("training error $E$ at the end (dotted: at the start, median)")


def _worse_than_start(cube):
    return cube["end_error"] > cube["error"].isel(cycle=0)


def claims(cube):
    """Numbers that must hold, each with its source."""
    first = cube.isel(arm=0, seed=0)
    found = [*_claims_on_the_quadratic(first), _cycle_of_six(first), *_claims_on_steps(first)]
    arms = set(cube["arm"].values)
    config = json.loads(cube.attrs["config"])
    if {"plain", "each_weight_literal"} <= arms and config["n_cycles"] >= 500:
        found.append(_literal_is_destructive(cube))
    if {"plain", "cycles_literal"} <= arms:
        found.append(_cycles_gain_nothing(cube))
    safe = sorted(arm for arm in arms if arm.endswith("_safe"))
    if "faster" in arms and safe and config["n_cycles"] >= 500:
        found.append(_faster_beats(cube, safe))
    if {"rprop", "momentum"} <= arms and safe and config["n_cycles"] >= 500:
        found.append(_known_methods_win(cube, safe))
    return [*found, *_claims_on_multipliers(cube.isel(arm=0))]


def _claims_on_the_quadratic(first):
    a = first["step_size"].values
    literal, plain = (first.sel(descent=name) for name in ("literal", "plain"))
    stable = a < 0.97
    gap = np.abs(literal["quadratic_rate"].values - 1 / (1 + a))[stable]
    # At a = 1 exactly the first step lands on the minimum, and the ratio is 0/0 from then on.
    lost = a[~np.isfinite(literal["quadratic_rate"].values) & (a > 1)]
    return [
        rnnjax.Claim(
            "literal ratio: |rate - 1/(1+a)|, largest for a < 1",
            float(np.max(gap)),
            0.0,
            1e-4,
            "fixed point of r_{k+1} = 1 - a r_{k-1}: the rate of implicit gradient descent",
        ),
        rnnjax.Claim(
            "literal ratio: least a > 1 that diverges",
            float(lost.min()) if len(lost) else float("nan"),
            1.05,
            1e-9,
            "perturbations of the fixed point obey z^2 = -a: stable for a < 1; grid step 0.05",
        ),
        rnnjax.Claim(
            "plain descent: largest rate for a <= 1.95",
            float(plain["quadratic_rate"].max()),
            0.95,
            1e-9,
            "closed form |1 - a|: stable for a < 2",
        ),
    ]


def _cycle_of_six(first):
    g = first["growth"].values[:, None]
    period = np.concatenate([g**0, g**0, g, g**2, g**2, g], axis=1)
    expected = np.take(period, np.arange(first.sizes["step"]) % 6, axis=1)
    return rnnjax.Claim(
        "recursive multipliers of growth^t against 1, 1, g, g^2, g^2, g",
        float(np.max(np.abs(first["recursive_multiplier"].values - expected))),
        0.0,
        1e-9,
        "L_t = l + L_{t-1} - L_{t-2} in logs: roots exp(+-i pi / 3), an undamped period of 6",
    )


def _claims_on_steps(first):
    steps = first["steps_to_goal"]
    source = {
        "plain": (270, "closed form: ln 1e-6 / ln 0.95"),
        "literal": (284, "rate 1 / 1.05 after two plain steps; slower than plain descent"),
        "safe": (270, "ratios below 1 never speed up: plain descent"),
        "aitken": (3, "Aitken: exact for a geometric error"),
        "quickprop_unlimited": (2, "Fahlman 1988: a parabola is solved by one secant step"),
    }
    return [
        rnnjax.Claim(
            f"updates to |x| <= 1e-6 at a = 0.05: {method}",
            float(steps.sel(optimiser=method).values),
            number,
            0.0,
            told,
        )
        for method, (number, told) in source.items()
    ]


def _median_end(cube, arm):
    return float(np.median(cube["end_error"].sel(arm=arm).values))


def _literal_is_destructive(cube):
    worse = _worse_than_start(cube.sel(arm="each_weight_literal"))
    return rnnjax.Claim(
        "share of runs that the literal ratio over time ends above their start",
        float(worse.mean()),
        0.5,
        0.0,
        "against the slide's 'the next step will be accelerated'; plain descent: 0",
        relation="at_least",
    )


def _cycles_gain_nothing(cube):
    return rnnjax.Claim(
        "literal ratio over cycles: error at the end over plain descent's, median",
        _median_end(cube, "cycles_literal") / _median_end(cube, "plain"),
        1.0,
        0.1,
        "multipliers near 1 gain nothing; steps near a sign change multiply by hundreds",
        relation="at_least",
    )


def _faster_beats(cube, safe):
    best = min(_median_end(cube, arm) for arm in safe)
    return rnnjax.Claim(
        "1.75 x the learning rate: error at the end over the best safeguarded ratio's",
        _median_end(cube, "faster") / best,
        1.0,
        0.0,
        "control: a multiplier within [1, 1.75] against always 1.75",
        relation="at_most",
    )


def _known_methods_win(cube, safe):
    best = min(_median_end(cube, arm) for arm in safe)
    worst = max(_median_end(cube, arm) for arm in ("rprop", "momentum"))
    return rnnjax.Claim(
        "momentum and Rprop: the worse one's error over the best safeguarded ratio's",
        worst / best,
        1.0,
        0.0,
        "Polyak 1964; Riedmiller and Braun 1993",
        relation="at_most",
    )


def _claims_on_multipliers(cube):
    median = {
        name: cube[name].transpose("seed", "reading").median("seed")
        for name in ("multiplier_negative", "multiplier_median")
    }
    return [
        rnnjax.Claim(
            "share of negative literal multipliers over time, median of runs",
            float(median["multiplier_negative"].sel(reading="each_weight")),
            0.1,
            0.0,
            "a negative multiplier turns a descent step uphill",
            relation="at_least",
        ),
        rnnjax.Claim(
            "literal multiplier over cycles, median",
            float(median["multiplier_median"].sel(reading="cycles")),
            1.0,
            0.1,
            "gradients change little from cycle to cycle: nothing to accelerate",
        ),
    ]
