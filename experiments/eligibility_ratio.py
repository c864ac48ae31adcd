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
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, NameOf, Static, Variable

PRECISION = "float64"  # rates are compared to closed forms, and |x| falls to 1e-280

_WITHIN = ("each_weight", "recursive", "each_unit", "each_pair", "norms", "projection")
_ACROSS = ("cycles", "cycles_recursive", "cycles_norms", "cycles_projection")
_RATIOS = tuple(f"{name}_{form}" for name in (*_WITHIN, *_ACROSS) for form in ("literal", "safe"))
_CONTROLS = ("plain", "faster", "trace", "aitken", "momentum", "quickprop", "rprop")
ARMS = (*_CONTROLS[:3], *_RATIOS, *_CONTROLS[3:])
_DESCENTS = ("plain", "literal", "recursive", "safe")
_METHODS = ("plain", "literal", "safe", "momentum", "aitken", "quickprop", "quickprop_unlimited")
_READINGS = ("each_weight", "each_unit", "cycles")
_STEP_SIZES = np.round(np.arange(1, 40) * 0.05, 2)  # a = rate x curvature
_GROWTHS = np.array([0.8, 1.25])
_GOAL, _N_DESCENT, _N_WATCHED = 1e-6, 600, 100


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    arm: Static[Annotated[str, NameOf(lambda: ARMS)]]
    seed: Lane[int]


class Config(BaseConfig):
    """What is trained, and for how long."""

    axes: Axes
    rate: PositiveFloat = Field(0.5, description="learning rate of every arm but rprop (0.05)")
    n_cycles: PositiveInt = Field(1500, description="training cycles, a multiple of every")
    every: PositiveInt = Field(25, description="cycles between two records of the error")
    spread: PositiveFloat = Field(1.5, description="standard deviation of the first weights")


def coordinates(config):
    """Cycles, step sizes on the quadratic, and names."""
    return {
        "cycle": np.arange(0, config.n_cycles, config.every),
        "step_size": _STEP_SIZES,
        "descent": np.array(_DESCENTS),
        "optimiser": np.array(_METHODS),
        "reading": np.array(_READINGS),
        "growth": _GROWTHS,
        "step": np.arange(1, 15),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    of = "over weights and steps of the first 100 cycles of plain descent"
    return {
        "error": Variable(("cycle",), "E = mean over pairs of sum_t |o - y|^2 / 2, inf if lost"),
        "end_error": Variable((), "E after the last cycle, inf if it was lost"),
        "held_out_error": Variable((), "E of the pairs held out, after the last cycle"),
        "quadratic_rate": Variable(
            ("descent", "step_size"), "x_k / x_{k-1} late in descent on a quadratic, inf if lost"
        ),
        "overflow_step": Variable(
            ("descent", "step_size"), "first k with x_k not finite", "step", infinite="beyond"
        ),
        "steps_to_goal": Variable(
            ("optimiser",), "k with |x_k| <= 1e-6 at a = 0.05", "step", infinite="beyond"
        ),
        "recursive_multiplier": Variable(
            ("growth", "step"), "multipliers of growth^t, recursive reading"
        ),
        "multiplier_median": Variable(("reading",), f"literal multiplier, median {of}"),
        "multiplier_negative": Variable(("reading",), f"share of negative multipliers {of}"),
        "multiplier_above": Variable(("reading",), f"share with |m| > 1.75 {of}"),
        "multiplier_largest": Variable(("reading",), f"largest |m| {of}"),
    }


def _cell(config):
    return rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=config.spread)


def _arm(config, name):
    """The learning rule and the optimiser of an arm."""
    import optax

    rules, ratios, updates = rnnjax.rules, rnnjax.decks.ratios, rnnjax.updates
    local, descent = rules.BPTT(window=1), optax.sgd(config.rate)
    controls = {
        "plain": (local, descent),
        "faster": (local, optax.sgd(1.75 * config.rate)),
        "trace": (rules.EligibilityTrace(0.5), descent),
        "momentum": (local, optax.sgd(0.2 * config.rate, momentum=0.9)),
        "aitken": (
            local,
            optax.chain(
                rnnjax.decks.eligibility_ratio(
                    ratios.Extrapolated(high=50.0), ratios.projection, every=20
                ),
                descent,
            ),
        ),
        "quickprop": (local, updates.quickprop(config.rate)),
        "rprop": (local, optax.rprop(0.05)),
    }
    if name in controls:
        return controls[name]
    reading, form = name.rsplit("_", 1)
    multiplier = ratios.Literal() if form == "literal" else ratios.Safeguarded()
    options = _reading(reading.removeprefix("cycles_"))
    if not reading.startswith("cycles"):
        return rnnjax.decks.EligibilityRatio(local, multiplier, **options), descent
    return local, optax.chain(rnnjax.decks.eligibility_ratio(multiplier, **options), descent)


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


def draw(config, seed):
    """Draw the first weights; what needs no arm is measured here, once for all of them."""
    from jax import random

    params = _cell(config).init(random.key(seed))
    shared = {
        **_quadratic(),
        "steps_to_goal": _steps_to_goal(),
        "recursive_multiplier": _recursive_multipliers(),
        **_multipliers(config, params),
    }
    return params, shared


def measure(config, drawn, arm):
    """Train one network."""
    import jax
    from jax import numpy as jnp
    from jax import random

    params, shared = drawn
    cell, task = _cell(config), rnnjax.decks.DataPairs()
    rule, optimiser = _arm(config, arm)
    training = rnnjax.fit(
        cell,
        task,
        rule,
        optimiser,
        random.key(0),
        n_updates=config.n_cycles,
        batch=task.training(),
        params=params,
    )

    def error(pairs):
        losses = jax.vmap(lambda b: rnnjax.sequence_loss(cell, task.loss, training.params, b))(
            pairs
        )
        return _or_inf(jnp.mean(losses))

    return {
        **shared,
        "error": _or_inf(training.loss[:: config.every]),
        "end_error": error(task.training()),
        "held_out_error": error(task.held_out()),
    }


def _or_inf(value):
    from jax import numpy as jnp

    return jnp.where(jnp.isfinite(value), value, jnp.inf)


def _quadratic():
    """Rates and overflows of the ratio across cycles, (descent, step_size)."""
    import jax
    import optax
    from jax import numpy as jnp

    ratios = rnnjax.decks.ratios
    scalings = (
        optax.identity(),
        rnnjax.decks.eligibility_ratio(),
        rnnjax.decks.eligibility_ratio(recursive=True),
        rnnjax.decks.eligibility_ratio(ratios.Safeguarded()),
    )

    def seen(a):
        paths = [
            rnnjax.decks.descend(optax.chain(scaling, optax.sgd(1.0)), a, _N_DESCENT)
            for scaling in scalings
        ]
        rates = jnp.stack([rnnjax.decks.late_rate(x) for x in paths])
        return rates, jnp.stack([rnnjax.decks.first_step(~jnp.isfinite(x)) for x in paths])

    rates, lost = jax.vmap(seen, out_axes=1)(jnp.asarray(_STEP_SIZES))
    return {"quadratic_rate": rates, "overflow_step": lost}


def _steps_to_goal():
    """Updates until |x| <= 1e-6 from x = 1 at a = 0.05, (optimiser,)."""
    import optax
    from jax import numpy as jnp

    updates, ratios, descent = rnnjax.updates, rnnjax.decks.ratios, optax.sgd(1.0)
    extrapolation = rnnjax.decks.eligibility_ratio(ratios.Extrapolated(), every=3)
    safe = rnnjax.decks.eligibility_ratio(ratios.Safeguarded())
    optimisers = {
        "plain": descent,
        "literal": optax.chain(rnnjax.decks.eligibility_ratio(), descent),
        "safe": optax.chain(safe, descent),
        "momentum": optax.sgd(1.0, momentum=0.8),
        "aitken": optax.chain(extrapolation, descent),
        "quickprop": updates.quickprop(1.0),
        "quickprop_unlimited": updates.quickprop(1.0, jnp.inf),
    }
    paths = [rnnjax.decks.descend(optimisers[method], 0.05, 400) for method in _METHODS]
    return jnp.stack([rnnjax.decks.first_step(jnp.abs(x) <= _GOAL) for x in paths])


def _recursive_multipliers():
    """u_t / d_t of the recursive reading for d_t = growth^t, (growth, step)."""
    import jax
    from jax import numpy as jnp

    rule = rnnjax.decks.EligibilityRatio(recursive=True)
    d = jnp.asarray(_GROWTHS)[:, None] ** jnp.arange(1.0, 15.0)
    level = jnp.zeros(d.shape[1], jnp.int32)
    scale = jax.vmap(lambda d: rule.scale_steps(rnnjax.scaled.normalise(d, level)))
    return rnnjax.scaled.plain(scale(d)) / d


def _multipliers(config, params):
    """Literal multipliers along plain descent, watched without being used, (reading,) each."""
    import jax
    from jax import numpy as jnp

    cell, task, rule = _cell(config), rnnjax.decks.DataPairs(), rnnjax.BPTT(window=1)
    batch = task.training()

    def one(params, _):
        def of_pair(pair):
            grads = rule(cell, task.loss, params, pair, (), per_step=True).grads
            return rnnjax.scaled.plain(grads)

        pairs = jax.vmap(of_pair)(batch)
        steps = jax.tree.map(lambda g: jnp.mean(g, axis=0), pairs)
        params = jax.tree.map(lambda p, g: p - config.rate * jnp.sum(g, axis=0), params, steps)
        flat = jnp.concatenate([g.reshape(len(g), -1) for g in jax.tree.leaves(steps)], axis=1)
        return params, (flat, jnp.concatenate([pairs.b, pairs.c], axis=-1))

    _, (weights, units) = jax.lax.scan(one, params, None, length=_N_WATCHED)
    cycles = jnp.sum(weights, axis=1)
    ratios = (
        weights[:, 1:-1] / weights[:, :-2],
        units[:, :, 1:-1] / units[:, :, :-2],
        cycles[1:-1] / cycles[:-2],
    )
    flat = [m.ravel() for m in ratios]
    return {
        "multiplier_median": jnp.stack([jnp.median(m) for m in flat]),
        "multiplier_negative": jnp.stack([jnp.mean(m < 0) for m in flat]),
        "multiplier_above": jnp.stack([jnp.mean(jnp.abs(m) > 1.75) for m in flat]),
        "multiplier_largest": jnp.stack([jnp.max(jnp.abs(m)) for m in flat]),
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
