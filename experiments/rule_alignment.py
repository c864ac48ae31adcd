"""How well does each learning rule point along the gradient, and where does it go wrong?

One network is trained by exact backpropagation on the add task; every other rule of the field is
measured along the way without a say. At some points of the training each gradient is compared with
every other: as a whole, and by how long ago the weights were used.

Command:   rnnjax run rule_alignment
Run time:  about 10 minutes on 2 cores, nearly all of it compiling.
Figure:    Cosines of gradients, medians over seeds, at the last comparison; one row a rule.
           a: of every pair of rules, columns numbered as the rows, stochastic rules by their mean
           over draws. b: with the exact gradient, by how long ago the weights were used; a
           hatched cell has no gradient. c, d: with the exact gradient over the gain of the initial
           weights, a panel an activation, mean over single draws.
Source:    Marschall, Cho and Savin, A unified framework of online learning algorithms for training
           recurrent neural networks, Journal of Machine Learning Research, 2020 (any number of
           rules measured passively on one trajectory; no table of values was published).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import rule_label
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import largest
from rnnjax.sweep import ActivationName, Named, Traced, Variable

COMPILE = "quickly"  # dozens of programs, each of which runs for seconds

_TOLD = ("BPTT(window=3)", "SnAp", "UORO")  # in the answer, where they are compared


class Setting(sweep.Setting):
    """What is compared, on which network."""

    activation: ActivationName = "tanh"
    rule: Annotated[str, Named("rules", words=("random", "safeguarded"))] = "RTRL"
    gain: PositiveFloat = 1.0
    seed: Traced[int] = 0
    n_h: PositiveInt = Field(12, description="units")
    leak: float = Field(0.7, gt=0, le=1, description="a in h' = (1 - a) h + a f(...)")
    bias: NonNegativeFloat = Field(0.1, description="standard deviation of b at the start")
    length: PositiveInt = Field(40, description="steps of a sequence")
    lag_1: PositiveInt = Field(3, description="first lag of the add task")
    lag_2: PositiveInt = Field(8, description="second lag of the add task")
    edges: tuple[NonNegativeInt, ...] = Field(
        (0, 1, 2, 4, 8, 16, 32), description="edges of the windows of lags, rising from 0"
    )
    n_draws: PositiveInt = Field(32, description="draws of each stochastic rule")
    n_taught: PositiveInt = Field(200, description="sequences for rules that learn the network")
    n_updates: PositiveInt = Field(600, description="updates, a multiple of every")
    every: PositiveInt = Field(300, description="updates between two comparisons")
    batch_size: PositiveInt = Field(8, description="sequences in an update")
    learning_rate: PositiveFloat = Field(0.003, description="of Adam")
    axes = ("activation", "rule", "gain", "seed")


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """The updates before which rules are compared, windows by their first lag, and the weights."""
    return {
        "update": np.arange(0, setting.n_updates, setting.every),
        "first_lag": np.array(setting.edges[:-1]),
        "weight": np.arange(setting.n_h * (setting.n_h + 3)),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    at, cosines = ("update",), ("cosine", "mean_cosine", "sign_agreement", "reason")
    by_lag = ("cosine_by_lag", "log_norm_by_lag")
    return {
        **sweep.named(*cosines, "log_gradient_norm", "log_bias", "log_spread", before=at),
        **sweep.named("direction", "cosine_of_W", "log_ratio", *by_lag, before=at),
        "silent": Variable(at, "whether no unit moves along the sequence"),
        "loss": Variable(at, "cross-entropy a step, mean over the updates that follow", "nat"),
    }


def _network(setting: Setting) -> tuple:
    activation = rnnjax.activation_named(setting.activation)
    options = {"gain": setting.gain, "leak": setting.leak, "bias_gain": setting.bias}
    cell = rnnjax.Vanilla(2, setting.n_h, 2, activation, **options)
    return cell, rnnjax.tasks.AddTask(setting.lag_1, setting.lag_2, setting.length)


def shared(setting: Setting) -> tuple:
    """Train one network exactly; give weights and exact gradients before some of the updates."""
    cell, task = _network(setting)
    key_train, key_feedback, key_batch, key_rule = jax.random.split(jax.random.key(setting.seed), 4)
    optimiser = rnnjax.updates.clip_by_norm(1.0, optax.adam(setting.learning_rate))
    sizes = {name: getattr(setting, name) for name in ("n_updates", "batch_size", "every")}
    training = rnnjax.fit(cell, task, rnnjax.BPTT(), optimiser, key_train, **sizes,
                          probe=lambda cell, loss, params, batch: {"params": params})  # fmt: skip
    params, batch = training.probes["params"], task.sample(key_batch)
    exact = jax.vmap(lambda p: _gradients(setting, rnnjax.BPTT(), p, batch, ()))(params)
    feedback = rnnjax.rules.random_feedback(key_feedback, cell, training.params)
    n_due = setting.length - max(setting.lag_1, setting.lag_2)
    loss = jnp.mean(training.loss.reshape(-1, setting.every), axis=1) / n_due
    return params, exact, batch, feedback, key_rule, loss


def _gradients(setting: Setting, rule: Any, params: Any, batch: rnnjax.Batch, state: Any) -> tuple:
    """The gradient of a rule as a whole, draw by draw, and by lag."""
    cell, task = _network(setting)
    at = (rule, cell, task.loss, params, batch, state)
    whole = rnnjax.rules.recurrent_gradient(*at, n_draws=setting.n_draws)
    return whole, rnnjax.rules.gradient_by_lag(*at, setting.edges)


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Compare one rule with exact backpropagation on the way of the training."""
    params, exact, batch, feedback, key, loss = shared
    (cell, task), rules = _network(setting), rnnjax.rules
    words = {"random": feedback, "safeguarded": rnnjax.decks.ratios.Safeguarded()}
    rule = rules.named(setting.rule, words)

    def at_update(at):
        params, exact = at
        state = rule.init(cell, params, batch, key)
        if isinstance(rule, rules.KeRNL | rules.DNI):
            state = rules.taught(rule, cell, task, params, key, n_sequences=setting.n_taught)
        own = _gradients(setting, rule, params, batch, state)
        silent = rnnjax.probes.is_silent(cell, None, params, batch)["is_silent"]
        found = rnnjax.analysis.alignment_with_exact(*own, *exact, silent, n_W=setting.n_h**2)
        return {**found, "silent": silent}

    return {**jax.lax.map(at_update, (params, exact)), "loss": loss}


def _in_pairs(cube: xr.Dataset) -> xr.Dataset:
    """With the cosine of every pair of gradients, and by how much one is the better aligned."""
    direction, cosine = cube["direction"], cube["mean_cosine"]
    # NaN, not 0, where one of them is undefined: the sum must not skip it.
    pairs = (direction * direction.rename(rule="other")).sum("weight", skipna=False)
    return cube.assign(pairs=pairs, gap=cosine - cosine.rename(rule="other"))


def figure(cube: xr.Dataset) -> figures.Figure:
    """The alignment matrix, alignment by lag, and alignment against gain, one row a rule."""
    last, n, column = cube.isel(update=-1), cube.sizes["rule"], figures.in_column()
    words = {rule: f"{rule_label(rule)}  {k}" for k, rule in enumerate(last["rule"].values, 1)}
    by_gain = (1,) * cube.sizes["activation"]
    widths = [(1,), (1, *by_gain)] if column else [(2.2, 1, *by_gain)]
    frame = figures.Frame(widths=widths, height=(1.0 + 0.15 * n) * len(widths),
                          width=figures.COLUMN_WIDTH if column else figures.PAGE_WIDTH)  # fmt: skip
    pairs, lags, *gains = frame.panels
    activation, gain = _shown(last)
    sheet, first = last.sel(activation=activation, gain=gain), last["first_lag"].values.tolist()
    spans = {a: f"{a}-{b - 1}" if b > a + 1 else f"{a}" for a, b in pairwise(first)}
    at = f"{activation}, $g$ = {gain:.3g}"
    image = figures.matrix(
        pairs, _in_pairs(sheet)["pairs"].median("seed"), rows="rule", columns="other",
        row_words=words, column_words=dict(zip(words, range(1, n + 1), strict=True)),
        title=f"every pair, {at}",
    )  # fmt: skip
    figures.matrix(lags, sheet["cosine_by_lag"].median("seed"), rows="rule", columns="first_lag",
                   column_words={**spans, first[-1]: f"{first[-1]} on"}, row_words=words,
                   xlabel="lag (steps)", title="by lag")  # fmt: skip
    for panel, name in zip(gains, last["activation"].values, strict=True):
        figures.matrix(panel, last["mean_cosine"].sel(activation=name).median("seed"), rows="rule",
                       columns="gain", row_words=words, xlabel="gain $g$", title=name,
                       column_words={g: f"{g:.2g}" for g in last["gain"].values})  # fmt: skip
    for panel in frame.panels:
        panel.tick_params(labelsize=7, labelleft=panel in (pairs, *[lags] * column))
        panel.title.set_size(7.5)
    for panel in (lags, *gains):
        panel.tick_params(axis="x", rotation=90)
    bar = {"location": "bottom", "shrink": 0.9, "aspect": 30} if column else {"pad": 0.01}
    frame.figure.colorbar(image, ax=frame.rows[-1], label="cosine", **bar)
    return frame.finished()


def _shown(cube: xr.Dataset) -> tuple[str, float]:
    """Return tanh, if it is there, and the first gain above 1."""
    names, gains = cube["activation"].values, cube["gain"].values
    return "tanh" if "tanh" in names else names[0], min(
        (g for g in gains if g > 1), default=gains[-1]
    )


def answer(cube: xr.Dataset) -> str:
    """Cosines of single draws with the exact gradient, and how many rules are right by lag."""
    activation, gain = _shown(cube)
    one = cube.isel(update=-1).sel(activation=activation, gain=gain).median("seed")
    cosine = one["mean_cosine"].to_series().dropna()
    inexact = cosine[cosine < 1 - 1e-3]
    some = [rule for rule in _TOLD if rule in inexact] or [*cosine.index[:3]]
    words = ", ".join(f"{cosine[rule]:.2f} ({rule_label(rule)})" for rule in some) or "undefined"
    by_lag = one["cosine_by_lag"].sel(rule=[*inexact.index])
    near, far = (int((by_lag.isel(first_lag=k) > 0.9).sum()) for k in (0, -1))
    told = f"At gain {gain:.3g} ({activation}) cosines with the gradient are {words}."
    return told if inexact.empty else (
        f"{told} Of {len(inexact)} rule{'s' * (len(inexact) > 1)} that are not exact, {near} have "
        f"a cosine above 0.9 at lag {by_lag['first_lag'][0]:g}, and {far} from lag "
        f"{by_lag['first_lag'][-1]:g} on."
    )  # fmt: skip


def _nothing_beyond(one: xr.Dataset, rule: str) -> xr.DataArray | float:
    window = names.parsed(rule).fields["window"]
    beyond = one["log_norm_by_lag"].where(one["first_lag"] >= window, drop=True)
    return np.isneginf(beyond).mean() if beyond.size else 1.0


def _in_errors(one: xr.Dataset) -> xr.DataArray:
    """The bias of a mean of n draws, in its standard errors."""
    return (np.exp(one["log_bias"] - one["log_spread"]) * one.setting.n_draws**0.5).median()


CLAIMS = (
    Group((
        Row(lambda one, rule, other: f"{rule_label(rule)} and {rule_label(other)}: 1 - cosine, "
            "largest of all cells", lambda one: largest(1 - one["pairs"], skip_nan=True),
            equals=0, tolerance=1e-4, source="{why}", for_each=(
                {"rule": "RTRL", "other": "BPTT", "why": "exact rules, float32 rounding"},
                {"rule": "SnAp(n=2)", "other": "BPTT", "why": "exact rules, float32 rounding"},
                {"rule": "RFLO", "other": "EProp(autapse=False)",
                 "why": "on a leaky network the two are one rule"})),
        Row(lambda one, rule: f"{rule_label(rule)}: 1 - cosine at lag 0, median",
            lambda one: (1 - one["cosine_by_lag"]).median()
            if one.setting.edges[1] == 1 else np.nan,
            equals=0, tolerance="tolerance", at={"first_lag": 0},
            for_each=({"rule": "SnAp", "tolerance": 1e-4}, {"rule": "RFLO", "tolerance": 1e-4},
                      {"rule": "KeRNL", "tolerance": 0.3}),
            source="D_t meets g_t without a Jacobian between; only KeRNL's learned A changes it"),
        Row(lambda one, rule: f"{rule_label(rule)}: share of windows beyond it with a gradient of "
            "exactly 0", _nothing_beyond, equals=1,
            for_each={"rule": ("BPTT(window=1)", "BPTT(window=3)", "BPTT(window=10)")},
            source="the gradient along a lag of at least the window is exactly 0"),
        Row(lambda one, rule: f"{rule_label(rule)}: |mean of draws - exact| in standard errors, "
            "median", _in_errors, equals=1, tolerance=0.5, at={"update": 0},
            for_each={"rule": ("UORO", "KFRTRL", "ReverseKFRTRL")},
            source="unbiased: the mean over all sign sequences is RTRL"),
        Row(lambda one, rule, other: f"cosine with the exact gradient: {rule_label(rule)} above "
            f"{rule_label(other)}, median gap", lambda one: one["gap"].median(), at_least=0,
            for_each=({"rule": "SnAp", "other": "UORO"},
                      {"rule": "BPTT(window=3)", "other": "BPTT(window=1)"},
                      {"rule": "RFLO", "other": "RFLO(feedback=random)"}),
            source="the order of Marschall, Cho and Savin 2020, who give no numbers"),
        Row("undefined cosines without a reason",
            lambda cube: (~np.isfinite(cube["cosine"]) & (cube["reason"] == 0)).sum(), equals=0,
            source="an angle to nothing is not 0: it is NaN, and the cube says why"),
    ), part=_in_pairs),)  # fmt: skip
