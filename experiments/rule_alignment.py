"""How well does each learning rule point along the gradient, and where does it go wrong?

One network is trained by exact backpropagation on the add task; every other rule of the field is
measured along the way without a say. At some points of the training each gradient is compared with
every other: as a whole, and by how long ago the weights were used.

Command:   rnnjax run rule_alignment
Run time:  about 10 minutes on 2 cores, nearly all of it compiling.
Figure:    (a) the cosine of every pair of rules at the first gain above 1, tanh, medians over
           seeds. It must show one block of exact rules, RFLO and e-prop without autapses as one,
           and the stochastic rules pale even in the mean over draws. (b) cosine with the exact
           gradient by lag: every rule is right at lag 0, truncation ends at its window, local
           rules lose the direction as the lag grows. (c) cosine with the exact gradient against
           gain, single draws, one panel for each activation.
Source:    Marschall, Cho and Savin, A unified framework of online learning algorithms for training
           recurrent neural networks, Journal of Machine Learning Research, 2020 (any number of
           rules measured passively on one trajectory; no table of values was published).
"""

from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, swept
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, matplotlib, optax
from rnnjax.reductions import largest
from rnnjax.sweep import ActivationName, Named, Traced, Variable

COMPILE = "quickly"  # dozens of programs, each of which runs for seconds

_LOOKS = {
    "BPTT": Look("BPTT", ""),
    "RTRL": Look("RTRL", "#000000"),
    "SnAp(n=2)": Look("SnAp-2", ""),
    "BPTT(window=10)": Look("BPTT, window 10", "#2f9e77"),
    "BPTT(window=3)": Look("BPTT, window 3", "#2f9e77", dashes="--"),
    "BPTT(window=1)": Look("BPTT, window 1", "#2f9e77", dashes=":"),
    "TruncatedBPTT(window=10, carries=False)": Look("truncated, blocks of 10", ""),
    "SnAp": Look("SnAp-1", "#23408f"),
    "EProp(autapse=False)": Look("e-prop", ""),
    "RFLO": Look("RFLO", "#3b7dd8"),
    "EProp(autapse=False, feedback=random)": Look("e-prop, random feedback", ""),
    "RFLO(feedback=random)": Look("RFLO, random feedback", "#3b7dd8", dashes=":"),
    "EligibilityTrace(decay=0.5)": Look("trace, decay 0.5", ""),
    "KeRNL": Look("KeRNL", "#e08a1e"),
    "DNI": Look("DNI", "#c2478f"),
    "UORO": Look("UORO", "#e86a4c"),
    "KFRTRL": Look("KF-RTRL", "#e86a4c", dashes="--"),
    "ReverseKFRTRL": Look("reverse KF-RTRL", ""),
    "NodePerturbation": Look("node perturbation", "#808080"),
    "ForwardErrors": Look("forward errors", ""),
    "EligibilityRatio(multiplier=safeguarded)": Look("eligibility ratio", ""),
    "ForwardDeltaX": Look("delta-x, forward", ""),
    "SlopelessDeltaX": Look("delta-x, behind the slope", ""),
}
"""By rule; those with a colour have a curve over the gain."""


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


def coordinates(setting):
    """The updates before which rules are compared, windows by their first lag, and the weights."""
    return {
        "update": np.arange(0, setting.n_updates, setting.every),
        "first_lag": np.array(setting.edges[:-1]),
        "weight": np.arange(setting.n_h * (setting.n_h + 3)),
    }


def variables(setting):
    """What is measured in every cell of the sweep."""
    at, by_lag, whole = ("update",), ("update", "first_lag"), "gradient by W, U and b"
    return {
        **sweep.named("cosine", "mean_cosine", "sign_agreement", "reason", before=at),
        **sweep.named("log_gradient_norm", "log_bias", "log_spread", before=at),
        "direction": Variable((*at, "weight"), f"{whole}, mean over draws, as a unit vector"),
        "cosine_of_W": Variable(at, "cosine with the exact gradient, W alone"),
        "log_ratio": Variable(at, "ln of that norm over the exact one's"),
        "cosine_by_lag": Variable(by_lag, "cosine with the exact gradient by lag of use"),
        "log_norm_by_lag": Variable(by_lag, "ln of the norm of the gradient by lag of use"),
        "silent": Variable(at, "whether no unit moves along the sequence"),
        "loss": Variable(at, "cross-entropy a step, mean over the updates that follow", "nat"),
    }


def _network(setting):
    activation = rnnjax.activation_named(setting.activation)
    cell = rnnjax.Vanilla(
        2, setting.n_h, 2, activation, gain=setting.gain, leak=setting.leak, bias_gain=setting.bias
    )
    return cell, rnnjax.tasks.AddTask(setting.lag_1, setting.lag_2, setting.length)


def shared(setting):
    """Train one network exactly; give weights and exact gradients before some of the updates."""
    cell, task = _network(setting)
    key_train, key_feedback, key_batch, key_rule = jax.random.split(jax.random.key(setting.seed), 4)
    training = rnnjax.fit(
        cell, task, rnnjax.BPTT(),
        rnnjax.updates.clip_by_norm(1.0, optax.adam(setting.learning_rate)), key_train,
        n_updates=setting.n_updates, batch_size=setting.batch_size, every=setting.every,
        probe=lambda cell, loss, params, batch: {"params": params},
    )  # fmt: skip
    n_due = setting.length - max(setting.lag_1, setting.lag_2)
    batch, params = task.sample(key_batch), training.probes["params"]
    exact = jax.vmap(lambda p: _gradients(setting, rnnjax.BPTT(), p, batch, ()))(params)
    return {
        "params": params,
        "exact": exact,
        "batch": batch,
        "feedback": rnnjax.rules.random_feedback(key_feedback, cell, training.params),
        "key": key_rule,
        "loss": jnp.mean(training.loss.reshape(-1, setting.every), axis=1) / n_due,
    }


def _gradients(setting, rule, params, batch, state):
    """The gradient of a rule as a whole, draw by draw, and by lag."""
    cell, task = _network(setting)
    at = (rule, cell, task.loss, params, batch, state)
    whole = rnnjax.rules.recurrent_gradient(*at, n_draws=setting.n_draws)
    return whole, rnnjax.rules.gradient_by_lag(*at, setting.edges)


def measure(setting, shared):
    """Compare one rule with exact backpropagation on the way of the training."""
    cell, _ = _network(setting)
    words = {"random": shared["feedback"], "safeguarded": rnnjax.decks.ratios.Safeguarded()}
    rule = rnnjax.rules.named(setting.rule, words)

    def at_update(at):
        params, exact = at
        state = _taught(setting, rule, params, shared["key"])
        own = _gradients(setting, rule, params, shared["batch"], state)
        silent = rnnjax.probes.is_silent(cell, None, params, shared["batch"])["is_silent"]
        return _compare(own, exact, silent, setting.n_h**2)

    seen = jax.lax.map(at_update, (shared["params"], shared["exact"]))
    return {**seen, "loss": shared["loss"]}


def _compare(own, exact, silent, n_W):
    """What one rule's gradient says beside the exact one."""
    scaled, analysis = rnnjax.scaled, rnnjax.analysis
    (draws, lags), (exact_draws, exact_lags) = own, exact
    whole, norm = analysis.versus(draws, exact_draws), scaled.log_norm
    of_W = [scaled.renormalise(d.replace(value=d.value[:, :n_W])) for d in (draws, exact_draws)]
    return {
        **whole,
        "direction": analysis.direction(draws),
        "cosine_of_W": analysis.versus(*of_W)["cosine"],
        "reason": jnp.where(silent, analysis.alignment.SILENT, whole["reason"]),
        "log_ratio": whole["log_gradient_norm"] - norm(analysis.mean_of(exact_draws)),
        "cosine_by_lag": jax.vmap(scaled.cosine)(lags, exact_lags),
        "log_norm_by_lag": jax.vmap(norm)(lags),
        "silent": silent,
    }


def _taught(setting, rule, params, key):
    """The rule's state once it has learned what it can about the network, which stands still."""
    cell, task = _network(setting)
    state = rule.init(cell, params, task.sample(key), key)
    if not isinstance(rule, (rnnjax.rules.KeRNL, rnnjax.rules.DNI)):
        return state

    def one(state, key):
        return rule(cell, task.loss, params, task.sample(key), state).state, None

    return jax.lax.scan(one, state, jax.random.split(key, setting.n_taught))[0]


def pairwise(cube):
    """The cosine of the gradients of every pair of rules, dims rule and other."""
    direction = cube["direction"]
    # NaN, not 0, where one of them is undefined: the sum must not skip it.
    return (direction * direction.rename(rule="other")).sum("weight", skipna=False)


def figure(cube):
    """The alignment matrix, alignment by lag, and alignment against gain."""
    n_rule, last = cube.sizes["rule"], cube.isel(update=-1)
    height = 1.3 + 0.155 * n_rule
    drawn = matplotlib.figure.Figure(figsize=(figures.PAGE_WIDTH, height + 2.6))
    upper, lower = drawn.subfigures(2, 1, height_ratios=(height, 2.6))
    matrix, lags = upper.subplots(1, 2, width_ratios=(n_rule, 0.55 * n_rule))
    panels = lower.subplots(1, cube.sizes["activation"], sharey=True, squeeze=False)[0]
    upper.colorbar(_draw_matrices(matrix, lags, last), ax=lags, label="cosine", shrink=0.9)
    curves = figures.curves(
        panels, last["mean_cosine"].median("seed"), over="gain", each="rule", panels="activation",
        looks={rule: look for rule, look in _LOOKS.items() if look.colour}, level=0,
        line={"linewidth": 1.1}, xscale="log", xlabel="gain $g$", ylim=(-0.15, 1.05),
        ylabel="cosine with exact gradient",
    )  # fmt: skip
    for panel in panels:
        gains = cube["gain"].values
        figures.ticks(panel, "x", gains, [f"{g:.2g}" for g in gains])
    lower.legend(handles=curves, loc="outside right center", fontsize=6.5)
    figures.letter_panels([matrix, lags, *panels])
    return drawn


def _draw_matrices(matrix, lags, last):
    """Show tanh at the first gain above 1, as medians over seeds of what is defined."""
    activation = "tanh" if "tanh" in last["activation"] else last["activation"].values[0]
    above = last["gain"].values[last["gain"].values > 1]
    gain = above.min() if above.size else last["gain"].values[-1]
    sheet = last.sel(activation=activation, gain=gain)
    words = {rule: look.label for rule, look in _LOOKS.items()}
    figures.matrix(
        matrix, pairwise(sheet).median("seed"), rows="rule", columns="other", row_words=words,
        column_words=words,
    )  # fmt: skip
    title = f"cosine of every pair of gradients\n{activation}, gain {gain:.3g}, means over draws"
    matrix.set_title(title, fontsize=7.5)
    first = sheet["first_lag"].values
    ends = [*first[1:], None]
    spans = {
        a: f"{a}" if b == a + 1 else f"{a}-{b - 1}" if b else f"{a} on"
        for a, b in zip(first, ends, strict=True)
    }
    image = figures.matrix(
        lags, sheet["cosine_by_lag"].median("seed"), rows="rule", columns="first_lag",
        row_words={}, column_words=spans, xlabel="lag of use (steps)",
    )  # fmt: skip
    lags.set_title("with the exact gradient, by lag\nhatched: no gradient at all", fontsize=7.5)
    for panel in (matrix, lags):
        panel.tick_params(axis="x", rotation=90)
        panel.tick_params(labelsize=6)
    return image


def _pairs(*pairs, **more):
    """Cases of two rules with their words."""
    return [{"one": a, "two": b, "a": _LOOKS[a].label, "b": _LOOKS[b].label, **more}
            for a, b in pairs]  # fmt: skip


def _rules(*rules, **more):
    return [{"rule": rule, "words": _LOOKS[rule].label, **more} for rule in rules]


def _both(cube, one, two):
    return swept(rule=(one, two))(cube)


def _largest_angle(cube, one, two):
    return largest(1 - pairwise(cube).sel(rule=one, other=two), skip_nan=True)


def _gap(cube, one, two):
    cosine = cube["mean_cosine"]
    return (cosine.sel(rule=one) - cosine.sel(rule=two)).median()


def _at_once(one):
    at_0 = one["cosine_by_lag"].sel(first_lag=0)
    return (1 - at_0).median() if one.setting.edges[1] == 1 else np.nan


def _nothing_beyond(one, window):
    beyond = one["log_norm_by_lag"].where(one["first_lag"] >= window, drop=True)
    return np.isneginf(beyond).mean() if beyond.size else 1.0


def _in_errors(one):
    """The bias of a mean of n draws, in its standard errors."""
    log_ratio = (one["log_bias"] - one["log_spread"]).isel(update=0)
    return (np.exp(log_ratio) * one.setting.n_draws**0.5).median()


_EQUAL = Row("{a} and {b}: 1 - cosine, largest of all cells", _largest_angle, equals=0,
             tolerance=1e-4, when=_both)  # fmt: skip
CLAIMS = (
    Group((_EQUAL,), for_each=_pairs(("RTRL", "BPTT"), ("SnAp(n=2)", "BPTT")),
          source="exact rules, float32 rounding"),
    Group((_EQUAL,), for_each=_pairs(("RFLO", "EProp(autapse=False)")),
          source="on a leaky network the two are one rule"),
    Row("{words}: 1 - cosine at lag 0, median", _at_once, equals=0, tolerance="tolerance",
        for_each=_rules("SnAp", "RFLO", tolerance=1e-4) + _rules("KeRNL", tolerance=0.3),
        source="D_t meets g_t without a Jacobian between; only KeRNL's learned A changes it"),
    Row("{words}: share of windows beyond it with a gradient of exactly 0", _nothing_beyond,
        equals=1, source="the gradient along a lag of at least the window is exactly 0",
        for_each=[case for K in (1, 3, 10) for case in _rules(f"BPTT(window={K})", window=K)]),
    Row("{words}: |mean of draws - exact| in standard errors, median", _in_errors, equals=1,
        tolerance=0.5, for_each=_rules("UORO", "KFRTRL", "ReverseKFRTRL"),
        source="unbiased: the mean over all sign sequences is RTRL"),
    Row("cosine with the exact gradient: {a} above {b}, median gap", _gap, at_least=0, when=_both,
        for_each=_pairs(("SnAp", "UORO"), ("BPTT(window=3)", "BPTT(window=1)"),
                        ("RFLO", "RFLO(feedback=random)")),
        source="the order of Marschall, Cho and Savin 2020, who give no numbers"),
    Row("undefined cosines without a reason",
        lambda cube: (~np.isfinite(cube["cosine"]) & (cube["reason"] == 0)).sum(), equals=0,
        source="an angle to nothing is not 0: it is NaN, and the cube says why"),
)  # fmt: skip
