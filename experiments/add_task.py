"""Which lag does a learning rule learn, and what cross-entropy does it reach?

In the add task a coin's bias depends on the inputs lag_1 and lag_2 steps back, so the cross-entropy
tells which of the two a network uses: three exact plateaus, for none, the first and both. Every
rule trains the same networks on the same streams with an update at every step; truncated
backpropagation once a block, with its state carried on, and BPTT once a sequence.

What is reported is no training loss. It is the cross-entropy against the exact probabilities on
fresh streams, with each of the four pasts given its exact share: free of label noise, and never
below the entropy of the task. Two controls have no rule at all: "readout only" keeps its recurrent
weights, so what it gains is what random features happen to carry; "memoryless" has no recurrent
weights, and must stay on the first plateau.

Command:   rnnjax run add_task
Run time:  about 4 minutes on 2 cores, compiling included.
Figure:    (a) the cross-entropy of every rule at its better learning rate, one dot a seed, beside
           the plateaus. (b) how much of the effect of either lag is found in the answers, 1 being
           all of it. (c) the cross-entropy over the window of truncated backpropagation, with the
           lags marked: behind them the lag is in the gradient. It must show BPTT and RTRL on the
           last plateau.
Source:    Pitis, Recurrent neural networks in Tensorflow I, r2rt.com, 2016 (task, plateaus,
           windows); Marschall, Cho and Savin, A unified framework of online learning algorithms for
           training recurrent neural networks, Journal of Machine Learning Research, 2020.
"""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

COMPILE = "quickly"

_WINDOW = r"tbptt_([1-9]\d*)"
_PASTS = ("00", "01", "10", "11")  # (x at lag_1, x at lag_2)
_PROBABILITIES = tuple(
    rnnjax.theory.add_task.probability(float(first), float(second)) for first, second in _PASTS
)
_N_HELD_OUT = 16  # streams
_HELD_OUT_LENGTH = 400  # steps that count, in each of them


class Arm(NamedTuple):
    """One way to train.

    Attributes:
      words: for the figure.
      kind: what it knows of the past, for the colours.
      rule: from (cell, params, key) to the rule.
    """

    words: str
    kind: str
    rule: Callable[..., Any]


_ARMS = {
    "bptt": Arm("BPTT", "exact", lambda *_: rnnjax.rules.BPTT()),
    "rtrl": Arm("RTRL", "exact", lambda *_: rnnjax.rules.RTRL()),
    "snap_2": Arm("SnAp-2 (= RTRL)", "exact", lambda *_: rnnjax.rules.SnAp(2)),
    "trace_0.7": Arm("eligibility trace, decay 0.7", "decays",
                     lambda *_: rnnjax.rules.EligibilityTrace(0.7)),
    "uoro": Arm("UORO", "unbiased", lambda *_: rnnjax.rules.UORO()),
    "kf_rtrl": Arm("KF-RTRL", "unbiased", lambda *_: rnnjax.rules.KFRTRL()),
    "reverse_kf_rtrl": Arm("reverse KF-RTRL", "unbiased",
                           lambda *_: rnnjax.rules.ReverseKFRTRL()),
    "node_perturbation": Arm("node perturbation", "unbiased",
                             lambda *_: rnnjax.rules.NodePerturbation()),
    "kernl": Arm("KeRNL", "learned", lambda *_: rnnjax.rules.KeRNL()),
    "dni": Arm("DNI", "learned", lambda *_: rnnjax.rules.DNI()),
    "snap_1": Arm("SnAp-1", "local", lambda *_: rnnjax.rules.SnAp(1)),
    "eprop": Arm("e-prop", "local", lambda *_: rnnjax.rules.EProp(autapse=False)),
    "rflo": Arm("RFLO", "local", lambda *_: rnnjax.rules.RFLO()),
    "rflo_random": Arm("RFLO, random feedback", "local",
                       lambda *given: rnnjax.rules.RFLO(_random_feedback(*given))),
    "readout": Arm("readout only", "control", lambda *_: rnnjax.rules.RFLO()),
    "memoryless": Arm("memoryless", "control", lambda *_: rnnjax.rules.RFLO()),
}  # fmt: skip
_EXACT = ("bptt", "rtrl", "snap_2")
_KINDS = {
    "exact": ("#000000", "o", "exact"),
    "truncated": ("#23408f", "s", "truncated BPTT, state carried"),
    "decays": ("#56b4e9", "h", "exact with a decay"),
    "unbiased": ("#2f9e77", "^", "unbiased, random"),
    "learned": ("#c2478f", "D", "learned model of the future"),
    "local": ("#e08a1e", "v", "within the unit"),
    "control": ("#808080", "X", "control"),
}


def _random_feedback(cell, params, key):
    return rnnjax.rules.random_feedback(key, cell, params)


def _window(name):
    """The window of truncated backpropagation, None for other rules."""
    found = re.fullmatch(_WINDOW, name)
    return int(found[1]) if found else None


def _arm(name):
    window = _window(name)
    if window is None:
        return _ARMS[name]
    words = f"truncated BPTT, $K$ = {window}"
    return Arm(words, "truncated", lambda *_: rnnjax.rules.TruncatedBPTT(window))


def _checked_rule(name):
    """Refuse a name that is neither in the table nor a window."""
    if name not in _ARMS and _window(name) is None:
        raise ValueError(f"expected one of {', '.join(_ARMS)} or tbptt_STEPS, got {name!r}")
    return name


REPRODUCES = {
    "BPTT: cross": "Pitis 2016; Marschall, Cho and Savin 2020, add task",
    "RTRL: cross": "Pitis 2016; Marschall, Cho and Savin 2020, add task",
    "memoryless": "Pitis 2016; Marschall, Cho and Savin 2020, add task",
}


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    rule: Static[Annotated[str, AfterValidator(_checked_rule)]]
    rate: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """The task, the network, and how long it is trained."""

    axes: Axes
    lag_1: PositiveInt = Field(3, description="the lag that is worth more")
    lag_2: PositiveInt = Field(8, description="the other lag")
    n_h: PositiveInt = Field(12, description="units; RTRL costs their fourth power")
    gain: NonNegativeFloat = Field(
        0.5, description="of the initial recurrent weights; a small one carries few random features"
    )
    leak: float = Field(1.0, gt=0, le=1, description="a in h' = (1 - a) h + a f(...)")
    batch: PositiveInt = Field(20, description="streams side by side")
    n_steps: PositiveInt = Field(9000, description="steps of a stream, each with an update")
    n_blocks: PositiveInt = Field(
        1500, description="least number of updates of rules with one update a block"
    )
    sequence: PositiveInt = Field(40, description="steps of a sequence of BPTT")

    @model_validator(mode="after")
    def _lags_differ(self) -> Self:
        if self.lag_1 == self.lag_2:
            told = f"expected a lag other than lag_1 = {self.lag_1}"
            raise rnnjax.errors.ConfigError("lag_2", told)
        longest = max(self.lag_1, self.lag_2)
        for name in ("sequence", "n_steps"):
            if getattr(self, name) <= longest:
                told = f"expected more steps than the longer lag, {longest}"
                raise rnnjax.errors.ConfigError(name, told)
        return self


def coordinates(config):
    """The four pasts, as the inputs at lag_1 and lag_2."""
    return {"past": np.array(_PASTS)}


def variables(config):
    """What is measured in every cell of the sweep."""
    return {
        "cross_entropy": Variable((), "against the exact probabilities, on fresh streams", "nat"),
        "cross_entropy_error": Variable((), "standard error of cross_entropy", "nat"),
        "answer": Variable(("past",), "mean probability given to y = 1 after each past"),
    }


def _task(config, length, drawn=True):
    return rnnjax.tasks.AddTask(config.lag_1, config.lag_2, length, drawn)


def _cell(config):
    return rnnjax.Vanilla(2, config.n_h, 2, leak=config.leak, gain=config.gain, bias_gain=0.1)


def draw(config, rate, seed):
    """Draw weights from the seed, the same for every rule and rate, and keys."""
    from jax import random

    keys = random.split(random.key(seed), 4)
    return _cell(config).init(keys[0]), keys[1:], rate


def measure(config, drawn, rule):
    """Train one network by a rule, and ask it about fresh streams."""
    from jax import random

    params, (key_training, key_rule, key_held_out), rate = drawn
    cell = _cell(config)
    if rule == "memoryless":
        params = params._replace(W=0 * params.W)
    trained = _trained(config, cell, params, rule, rate, key_training, key_rule)
    task = _task(config, _HELD_OUT_LENGTH + max(config.lag_1, config.lag_2), drawn=False)
    return _asked(cell, task, trained, random.split(key_held_out, _N_HELD_OUT))


def _trained(config, cell, params, rule, rate, key_training, key_rule):
    """Parameters after training; the rate is lowered along a cosine."""
    import optax

    block = config.sequence if rule == "bptt" else _window(rule) or 1
    n_updates = config.n_steps if block == 1 else max(config.n_steps // block, config.n_blocks)
    # The mean over a block has that much less noise; without this the longest would be slowest.
    schedule = optax.cosine_decay_schedule(rate * block**0.5, n_updates)
    optimiser = optax.adam(schedule)
    if rule in ("readout", "memoryless"):
        kept = params._replace(W=True, U=True, b=True, V=False, c=False)
        optimiser = optax.chain(optimiser, optax.masked(optax.set_to_zero(), kept))
    length = block if rule == "bptt" else n_updates * block
    return rnnjax.fit_online(
        cell,
        _task(config, length),
        _arm(rule).rule(cell, params, key_rule),
        optimiser,
        key_training,
        n_sequences=n_updates * block // length,
        batch_size=config.batch,
        steps_per_update=block,
        params=params,
    ).params


def _asked(cell, task, params, keys):
    """Cross-entropy with its error, and the answers.

    Every past, with x_t behind it, has its exact share: an eighth. A network without memory is then
    measured without chance, and never below its plateau.
    """
    import jax
    from jax import numpy as jnp

    streams = jax.vmap(task.sample)(keys)
    logits = jax.vmap(lambda x: rnnjax.outputs(cell, params, x))(streams.x)
    losses = jax.vmap(jax.vmap(task.loss))(logits, streams.y)
    # The four pasts have four probabilities, so the target tells which it is.
    past = streams.y[..., 1:] == jnp.array(_PROBABILITIES)[None, None]
    past = past * streams.mask[..., None]
    of_case = past[..., None] * streams.x[..., None, :]  # (stream, step, past, x_t)
    n_steps = of_case.sum(axis=1)
    loss = jnp.einsum("nt,ntpx->npx", losses, of_case)
    mean = loss.sum(axis=0) / n_steps.sum(axis=0)
    share = len(keys) / n_steps.sum(axis=0)
    of_stream = jnp.mean((loss - n_steps * mean[None]) * share[None], axis=(1, 2))
    answer = jnp.einsum("nt,ntpx->px", jax.nn.softmax(logits)[..., 1], of_case)
    cross_entropy = jnp.mean(mean)
    return {
        "cross_entropy": jnp.where(jnp.isfinite(cross_entropy), cross_entropy, jnp.inf),
        "cross_entropy_error": jnp.std(of_stream, ddof=1) / len(keys) ** 0.5,
        "answer": jnp.mean(answer / n_steps.sum(axis=0), axis=1),
    }


def _at_best_rate(cube):
    """The cube at every rule's rate of the least median cross-entropy."""
    best = cube["cross_entropy"].median("seed").fillna(np.inf).argmin("rate")
    return cube.isel(rate=best)


def _effects(cube):
    """Share of the effect of either lag that the answers have, a dict of (rule, seed)."""
    answer = cube["answer"]
    at = {past: answer.sel(past=past) for past in _PASTS}
    law = dict(zip(_PASTS, _PROBABILITIES, strict=True))

    def of(by):
        first = by["10"] + by["11"] - by["00"] - by["01"]
        second = by["01"] + by["11"] - by["00"] - by["10"]
        return first, second

    shares = (found / true for found, true in zip(of(at), of(law), strict=True))
    return dict(zip(("lag_1", "lag_2"), shares, strict=True))


def figure(cube):
    """Cross-entropies by rule, what of the lags is in the answers, and the window."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    names = [str(name) for name in cube["rule"].values]
    best = _at_best_rate(cube)
    order = _ordered(best, names)
    drawn = Figure(figsize=(figures.PAGE_WIDTH, 1.9 + 0.155 * len(names)))
    axes = drawn.subplots(1, 3, width_ratios=(1.6, 0.8, 1.0))
    _draw_rules(axes[0], best, order)
    _draw_effects(axes[1], best, order)
    _draw_windows(axes[2], best, order)
    figures.letter_panels(axes)
    kinds = [kind for kind in _KINDS if any(_arm(name).kind == kind for name in names)]
    drawn.legend(handles=[_handle(kind) for kind in kinds], loc="outside lower center", ncols=4)
    return drawn


def _ordered(best, names):
    """Names from the least to the greatest median cross-entropy."""
    median = best["cross_entropy"].median("seed")
    return sorted(names, key=lambda name: (float(median.sel(rule=name)), name))


def _handle(kind):
    from matplotlib.lines import Line2D

    colour, marker, words = _KINDS[kind]
    return Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4.5, label=words)


def _plateaus(cube):
    """Value and name of each plateau."""
    config = json.loads(cube.attrs["config"])
    names = ("neither lag", f"lag {config['lag_1']} alone", "both lags")
    return list(zip(rnnjax.theory.add_task.plateaus(), names, strict=True))


_PLATEAU = {"color": "#b02020", "linewidth": 0.9, "linestyle": (0, (3.2, 1.8)), "zorder": 0}


def _draw_rules(ax, best, order):
    for row, name in enumerate(order):
        colour, marker, _ = _KINDS[_arm(name).kind]
        values = best["cross_entropy"].sel(rule=name).values
        inside = values[values < 0.7]
        ax.plot(inside, np.full(len(inside), row), marker, color=colour, markersize=3, alpha=0.45,
                markeredgewidth=0)  # fmt: skip
        ax.plot([np.median(values)] * 2, [row - 0.36, row + 0.36], color=colour, linewidth=1.8)
    for value, name in _plateaus(best):
        # Where the best rules stand, at the top, the first plateau is far from every dot.
        place = {"y": 0.98, "va": "top"} if name == "neither lag" else {"y": 0.02, "va": "bottom"}
        ax.axvline(value, **_PLATEAU)
        ax.text(value - 0.003, s=name, color="#b02020", fontsize=6.5, rotation=90, ha="right",
                transform=ax.get_xaxis_transform(), **place)  # fmt: skip
    ax.set_yticks(range(len(order)), [_arm(name).words for name in order])
    ax.set(xlabel="cross-entropy on fresh streams (nat)", xlim=(0.44, 0.69))
    ax.set_ylim(len(order) - 0.4, -0.6)


def _draw_effects(ax, best, order):
    config = json.loads(best.attrs["config"])
    rows = np.arange(len(order))
    looks = {"lag_1": ("#23408f", "o", "#23408f"), "lag_2": ("#eaa12f", "D", "none")}
    for lag, share in _effects(best).items():
        colour, marker, face = looks[lag]
        median = share.median("seed").sel(rule=order).values
        ax.plot(np.clip(median, -0.1, 1.2), rows, marker, color=colour, markersize=3.8,
                markerfacecolor=face, label=f"lag {config[lag]}")  # fmt: skip
    for share in (0, 1):
        ax.axvline(share, color="#b0b0b0", linewidth=0.7, zorder=0)
    ax.set(xlabel="share of the effect", xlim=(-0.12, 1.22))
    ax.set_yticks(rows, [])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.legend(loc="lower center", bbox_to_anchor=(0.56, 0.985), ncols=2, fontsize=6.5,
              handletextpad=0.1, columnspacing=0.8, borderpad=0.1)  # fmt: skip


def _draw_windows(ax, best, order):
    """Cross-entropy over the window K, one dot a seed, with the lags behind which it must see."""
    config = json.loads(best.attrs["config"])
    windows = sorted(filter(None, map(_window, order)))
    colour, marker, _ = _KINDS["truncated"]
    values = [best["cross_entropy"].sel(rule=f"tbptt_{K}").values for K in windows]
    for K, of_seeds in zip(windows, values, strict=True):
        ax.plot(np.full(len(of_seeds), K), of_seeds, marker, color=colour, markersize=3,
                alpha=0.45, markeredgewidth=0)  # fmt: skip
    ax.plot(windows, [np.median(of_seeds) for of_seeds in values], color=colour)
    lags = (config["lag_1"], config["lag_2"])
    for lag in lags:
        ax.axvline(lag, color="#909090", linewidth=0.8, linestyle=":", zorder=0)
        ax.text(lag + 0.15, 0.615, f"lag {lag}", rotation=90, va="center", fontsize=6.5,
                color="#606060")  # fmt: skip
    for value, _ in _plateaus(best):
        ax.axhline(value, **_PLATEAU)
    ax.set(xlabel="window $K$ (steps)", ylabel="cross-entropy (nat)", ylim=(0.44, 0.69))
    ax.set(xlim=(0, max([*windows, *lags]) + 1))


def claims(cube):
    """Numbers that must hold, each with its source."""
    plateaus = rnnjax.theory.add_task.plateaus()
    best = _at_best_rate(cube)
    names = [str(name) for name in cube["rule"].values]
    config = json.loads(cube.attrs["config"])
    found = [_never_below(cube, plateaus.both_lags)]
    for name in names:
        window = _window(name)
        if name in _EXACT or (window and window > max(config["lag_1"], config["lag_2"])):
            found.append(_reaches(best, name, plateaus.both_lags))
    if "rtrl" in names:
        found += _has_both_effects(best, config)
    if {"rflo", "eprop"} <= set(names):
        found.append(_two_names_of_one_rule(cube))
    if "memoryless" in names:
        found += _stays_on_the_first(cube, plateaus.no_memory)
    if "readout" in names and _forgets(config):
        found.append(_random_features_are_few(best, plateaus.first_lag))
    return found


def _forgets(config):
    """Whether a network with its initial recurrent weights keeps little of lag_1."""
    return config["gain"] <= 0.5 and config["leak"] == 1 and config["lag_1"] >= 3


def _never_below(cube, plateau):
    return rnnjax.Claim(
        "least cross-entropy of any run, nat",
        float(cube["cross_entropy"].min()),
        plateau,
        1e-5,
        "exact: no predictor beats the entropy; tolerance: float32 rounding",
        relation="at_least",
    )


def _reaches(best, name, plateau):
    return rnnjax.Claim(
        f"{_arm(name).words}: cross-entropy, median over seeds, nat",
        float(best["cross_entropy"].sel(rule=name).median()),
        plateau,
        0.01,
        "the entropy of the task: Pitis 2016 (window 10); closed form (rnnjax.theory.add_task)",
    )


def _has_both_effects(best, config):
    return [
        rnnjax.Claim(
            f"RTRL: share of the effect of lag {config[lag]} in the answers, median",
            float(share.sel(rule="rtrl").median()),
            1.0,
            0.2,
            "the law of the task; tolerance: 0.01 nat is a share of 0.4 at the lag worth less",
        )
        for lag, share in _effects(best).items()
    ]


def _stays_on_the_first(cube, plateau):
    values = cube["cross_entropy"].sel(rule="memoryless")
    told = "exact: x_t says nothing of y_t; tolerance: float32 rounding"
    return [
        rnnjax.Claim("memoryless: least cross-entropy of any run, nat", float(values.min()),
                     plateau, 1e-5, told, relation="at_least"),
        rnnjax.Claim("memoryless: cross-entropy, median, nat", float(values.median()), plateau,
                     0.005, "the entropy of the mean answer: Pitis 2016; tolerance: training"),
    ]  # fmt: skip


def _two_names_of_one_rule(cube):
    gap = cube["cross_entropy"].sel(rule="rflo") - cube["cross_entropy"].sel(rule="eprop")
    return rnnjax.Claim(
        "RFLO against e-prop without autapses: largest difference of a run, nat",
        float(np.abs(gap.values).max()),
        0.0,
        1e-4,
        "exact: one trace under two names where no unit hears itself (Murray 2019; Bellec 2020)",
    )


def _random_features_are_few(best, plateau):
    return rnnjax.Claim(
        "readout only: least cross-entropy of a seed, nat",
        float(best["cross_entropy"].sel(rule="readout").min()),
        plateau,
        0.0,
        "control: what a rule gains beyond the first lag is not in the network from the start",
        relation="at_least",
    )
