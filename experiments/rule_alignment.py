"""How well does each learning rule point along the gradient, and where does it go wrong?

One network is trained by exact backpropagation on the add task; every other rule of the field is
measured along the way without a say. At some points of the training each gradient is compared with
every other: as a whole, and by how long ago the weights were used.

Command:   rnnjax run rule_alignment
Run time:  about 10 minutes on 2 cores, nearly all of it compiling.
Figure:    (a) the cosine of every pair of rules at the first gain above 1, tanh, medians over
           seeds: one block of exact rules, RFLO and e-prop without autapses as one, the stochastic
           rules pale even in the mean over draws. (b) cosine with the exact gradient by lag: every
           rule is right at lag 0, truncation ends at its window, local rules lose the direction.
           (c) cosine with the exact gradient against gain, single draws, a panel an activation.
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
from rnnjax.figures import Look, rule_label
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import largest
from rnnjax.sweep import ActivationName, Named, Traced, Variable

COMPILE = "quickly"  # dozens of programs, each of which runs for seconds

_CURVES = {
    "RTRL": ("#000000", "-"),
    "SnAp": ("#23408f", "-"),
    "RFLO": ("#3b7dd8", "-"),
    "RFLO(feedback=random)": ("#3b7dd8", ":"),
    "BPTT(window=10)": ("#2f9e77", "-"),
    "BPTT(window=3)": ("#2f9e77", "--"),
    "BPTT(window=1)": ("#2f9e77", ":"),
    "KeRNL": ("#e08a1e", "-"),
    "DNI": ("#c2478f", "-"),
    "UORO": ("#e86a4c", "-"),
    "KFRTRL": ("#e86a4c", "--"),
    "NodePerturbation": ("#808080", "-"),
}


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
    """The alignment matrix, alignment by lag, and alignment against gain."""
    n_rule, last, gains = cube.sizes["rule"], cube.isel(update=-1), cube["gain"].values
    heights, widths = (1.3 + 0.155 * n_rule, 2.6), (n_rule, 0.55 * n_rule)
    frame = figures.Frame(widths=(widths, (1,) * cube.sizes["activation"]), height=sum(heights),
                          height_ratios=heights)  # fmt: skip
    (matrix, lags), panels = frame.rows
    _draw_matrices(matrix, lags, last)
    looks = {rule: Look(rule_label(rule), colour, dashes=dashes)
             for rule, (colour, dashes) in _CURVES.items()}  # fmt: skip
    curves = figures.curves(
        panels, last["mean_cosine"].median("seed"), over="gain", each="rule", panels="activation",
        looks=looks, level=0, line={"linewidth": 1.1}, xscale="log", xlabel="gain $g$",
        ylim=(-0.15, 1.05), ylabel="cosine with exact gradient",
    )  # fmt: skip
    for panel in panels:
        figures.ticks(panel, "x", gains, [f"{g:.2g}" for g in gains])
        panel.tick_params(labelleft=panel is panels[0])
    panels[0].figure.legend(handles=curves, loc="outside right center", fontsize=6.5)
    return frame.finished()


def _draw_matrices(matrix: figures.Axes, lags: figures.Axes, last: xr.Dataset) -> None:
    """Show tanh at the first gain above 1, as medians over seeds of what is defined."""
    activation = "tanh" if "tanh" in last["activation"] else last["activation"].values[0]
    gain = min((g for g in last["gain"].values if g > 1), default=last["gain"].values[-1])
    sheet = last.sel(activation=activation, gain=gain)
    words = {rule: rule_label(rule) for rule in last["rule"].values.tolist()}
    figures.matrix(matrix, _in_pairs(sheet)["pairs"].median("seed"), rows="rule", columns="other",
                   row_words=words, column_words=words)  # fmt: skip
    first = sheet["first_lag"].values.tolist()
    spans = {a: f"{a}-{b - 1}" if b > a + 1 else f"{a}" for a, b in pairwise(first)}
    image = figures.matrix(lags, sheet["cosine_by_lag"].median("seed"), rows="rule",
                           columns="first_lag", row_words={}, xlabel="lag of use (steps)",
                           column_words={**spans, first[-1]: f"{first[-1]} on"})  # fmt: skip
    matrix.figure.colorbar(image, ax=lags, label="cosine", shrink=0.9)
    title = f"cosine of every pair of gradients\n{activation}, gain {gain:.3g}, means over draws"
    matrix.set_title(title, fontsize=7.5)
    lags.set_title("with the exact gradient, by lag\nhatched: no gradient at all", fontsize=7.5)
    for panel in (matrix, lags):
        panel.tick_params(axis="x", rotation=90)
        panel.tick_params(labelsize=6)


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
    ), part=_in_pairs),
)  # fmt: skip
