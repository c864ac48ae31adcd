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

import json
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

import rnnjax
from rnnjax.sweep import ActivationName, Lane, NameOf, Static, Variable
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig

COMPILE = "quickly"  # dozens of programs, each of which runs for seconds

_WORDS = {
    "bptt": "BPTT",
    "rtrl": "RTRL",
    "snap2": "SnAp-2",
    "bptt_10": "BPTT, window 10",
    "bptt_3": "BPTT, window 3",
    "bptt_1": "BPTT, window 1",
    "truncated_10": "truncated, blocks of 10",
    "snap1": "SnAp-1",
    "eprop": "e-prop",
    "rflo": "RFLO",
    "eprop_random": "e-prop, random feedback",
    "rflo_random": "RFLO, random feedback",
    "trace": "trace, decay 0.5",
    "kernl": "KeRNL",
    "dni": "DNI",
    "uoro": "UORO",
    "kf_rtrl": "KF-RTRL",
    "reverse_kf": "reverse KF-RTRL",
    "node": "node perturbation",
    "forward_errors": "forward errors",
    "ratio": "eligibility ratio",
    "forward_delta_x": "delta-x, forward",
    "slopeless": "delta-x, behind the slope",
}
RULES = tuple(_WORDS)
_UNBIASED = ("uoro", "kf_rtrl", "reverse_kf")
_EXACT = "bptt"


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    activation: Static[ActivationName]
    rule: Static[Annotated[str, NameOf(lambda: RULES)]]
    gain: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """What is compared, on which network."""

    axes: Axes
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
    rate: PositiveFloat = Field(0.003, description="learning rate of Adam")


def coordinates(config):
    """The updates before which rules are compared, windows by their first lag, and the weights."""
    return {
        "update": np.arange(0, config.n_updates, config.every),
        "first_lag": np.array(config.edges[:-1]),
        "weight": np.arange(config.n_h * (config.n_h + 3)),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    at, by_lag, whole = ("update",), ("update", "first_lag"), "by the recurrent weights"
    return {
        "direction": Variable(
            ("update", "weight"), f"the gradient {whole} W, U, b, mean over draws, as a unit vector"
        ),
        "cosine": Variable(at, "cosine with the exact gradient, of the mean over draws"),
        "mean_cosine": Variable(at, "cosine with the exact gradient, mean over single draws"),
        "sign_agreement": Variable(at, "share of recurrent weights on whose sign both agree"),
        "cosine_of_W": Variable(at, "cosine with the exact gradient, W alone"),
        "reason": Variable(
            at, "why a cosine is undefined: 0 it is not, 1 silent network, 2 zero, 3 not finite"
        ),
        "log_norm": Variable(at, f"ln of the norm of the gradient {whole}"),
        "log_ratio": Variable(at, "ln of that norm over the exact one's"),
        "log_bias": Variable(at, "ln |mean over draws - exact gradient|"),
        "log_spread": Variable(at, "ln of the standard deviation over draws"),
        "cosine_by_lag": Variable(by_lag, "cosine with the exact gradient by lag of use"),
        "log_norm_by_lag": Variable(by_lag, "ln of the norm of the gradient by lag of use"),
        "silent": Variable(at, "whether no unit moves along the sequence"),
        "loss": Variable(at, "cross-entropy a step, mean over the updates that follow", "nat"),
    }


def _rule(name, feedback):
    """The rule of this name."""
    rules = rnnjax.rules
    return {
        "bptt": lambda: rules.BPTT(),
        "rtrl": lambda: rules.RTRL(),
        "snap2": lambda: rules.SnAp(2),
        "bptt_10": lambda: rules.BPTT(window=10),
        "bptt_3": lambda: rules.BPTT(window=3),
        "bptt_1": lambda: rules.BPTT(window=1),
        "truncated_10": lambda: rules.TruncatedBPTT(10, carries=False),
        "snap1": lambda: rules.SnAp(1),
        "eprop": lambda: rules.EProp(autapse=False),
        "rflo": lambda: rules.RFLO(),
        "eprop_random": lambda: rules.EProp(autapse=False, feedback=feedback),
        "rflo_random": lambda: rules.RFLO(feedback),
        "trace": lambda: rules.EligibilityTrace(0.5),
        "kernl": lambda: rules.KeRNL(),
        "dni": lambda: rules.DNI(),
        "uoro": lambda: rules.UORO(),
        "kf_rtrl": lambda: rules.KFRTRL(),
        "reverse_kf": lambda: rules.ReverseKFRTRL(),
        "node": lambda: rules.NodePerturbation(),
        "forward_errors": lambda: rules.ForwardErrors(),
        "ratio": lambda: rnnjax.decks.EligibilityRatio(
            rules.BPTT(), rnnjax.decks.ratios.Safeguarded()
        ),
        "forward_delta_x": lambda: rnnjax.decks.ForwardDeltaX(),
        "slopeless": lambda: rnnjax.decks.SlopelessDeltaX(),
    }[name]()


def _network(config, activation, gain):
    cell = rnnjax.Vanilla(
        2,
        config.n_h,
        2,
        activation=rnnjax.activation_named(activation),
        gain=gain,
        leak=config.leak,
        bias_gain=config.bias,
    )
    return cell, rnnjax.tasks.AddTask(config.lag_1, config.lag_2, config.length)


def draw(config, gain, seed, activation):
    """Train one network exactly; give weights and exact gradients before some of the updates."""
    import jax
    import optax
    from jax import numpy as jnp
    from jax import random

    cell, task = _network(config, activation, gain)
    key_train, key_feedback, key_batch, key_rule = random.split(random.key(seed), 4)
    training = rnnjax.fit(
        cell,
        task,
        rnnjax.BPTT(),
        rnnjax.updates.clip_by_norm(1.0, optax.adam(config.rate)),
        key_train,
        n_updates=config.n_updates,
        batch_size=config.batch_size,
        every=config.every,
        probe=lambda cell, loss, params, batch: {"params": params},
    )
    n_due = config.length - max(config.lag_1, config.lag_2)
    batch, params = task.sample(key_batch), training.probes["params"]
    return {
        "gain": gain,
        "params": params,
        "exact": jax.vmap(lambda p: _gradients(config, rnnjax.BPTT(), cell, task, p, batch, ()))(
            params
        ),
        "batch": batch,
        "feedback": rnnjax.rules.random_feedback(key_feedback, cell, training.params),
        "key": key_rule,
        "loss": jnp.mean(training.loss.reshape(-1, config.every), axis=1) / n_due,
    }


def _gradients(config, rule, cell, task, params, batch, state):
    """The gradient of a rule as a whole, draw by draw, and by lag."""
    rules = rnnjax.rules
    at = (rule, cell, task.loss, params, batch, state)
    whole = rules.recurrent_gradient(*at, n_draws=config.n_draws)
    return whole, rules.gradient_by_lag(*at, config.edges)


def measure(config, drawn, activation, rule):
    """Compare one rule with exact backpropagation on the way of the training."""
    import jax

    cell, task = _network(config, activation, drawn["gain"])
    compared = _rule(rule, drawn["feedback"])

    def at_update(at):
        params, exact = at
        state = _taught(config, compared, cell, task, params, drawn["key"])
        own = _gradients(config, compared, cell, task, params, drawn["batch"], state)
        silent = rnnjax.probes.is_silent(cell, None, params, drawn["batch"])["is_silent"]
        return _compare(own, exact, silent, config.n_h**2)

    seen = jax.lax.map(at_update, (drawn["params"], drawn["exact"]))
    return {**seen, "loss": drawn["loss"]}


def _compare(own, exact, silent, n_W):
    """What one rule's gradient says beside the exact one."""
    import jax
    from jax import numpy as jnp

    scaled, versus = rnnjax.scaled, rnnjax.analysis.versus
    (draws, lags), (exact_draws, exact_lags) = own, exact
    whole = versus(draws, exact_draws)
    of_W = [scaled.renormalise(d.replace(value=d.value[:, :n_W])) for d in (draws, exact_draws)]
    return {
        **whole,
        "direction": _direction(draws, whole["log_norm"]),
        "cosine_of_W": versus(*of_W)["cosine"],
        "reason": jnp.where(silent, rnnjax.analysis.alignment.SILENT, whole["reason"]),
        "log_ratio": whole["log_norm"] - versus(exact_draws, exact_draws)["log_norm"],
        "cosine_by_lag": jax.vmap(scaled.cosine)(lags, exact_lags),
        "log_norm_by_lag": jax.vmap(scaled.log_norm)(lags),
        "silent": silent,
    }


def _taught(config, rule, cell, task, params, key):
    """The rule's state once it has learned what it can about the network, which stands still."""
    import jax

    state = rule.init(cell, params, task.sample(key), key)
    if not isinstance(rule, (rnnjax.rules.KeRNL, rnnjax.rules.DNI)):
        return state

    def one(state, key):
        return rule(cell, task.loss, params, task.sample(key), state).state, None

    return jax.lax.scan(one, state, jax.random.split(key, config.n_taught))[0]


def _direction(draws, log_norm):
    """The mean of some draws as a unit vector, NaN where it is 0."""
    from jax import numpy as jnp

    scaled = rnnjax.scaled
    unit = scaled.times_exp(rnnjax.analysis.mean_of(draws), -log_norm)
    return jnp.where(jnp.isfinite(log_norm), scaled.plain(unit), jnp.nan)


def _shown(cube):
    """The sheet of the cube that the matrices show: last comparison, tanh, first gain above 1."""
    activation = "tanh" if "tanh" in cube["activation"].values else cube["activation"].values[0]
    gains = cube["gain"].values
    gain = gains[gains > 1].min() if (gains > 1).any() else gains[-1]
    return cube.sel(activation=activation, gain=gain).isel(update=-1), activation, float(gain)


def _median(values, over=("seed",)):
    """Median of what is defined, NaN where nothing is; a numpy array."""
    return values.median(over, skipna=True).values


def figure(cube):
    """The alignment matrix, alignment by lag, and alignment against gain."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    n_rule, n_activation = cube.sizes["rule"], cube.sizes["activation"]
    height = 1.3 + 0.155 * n_rule
    drawn = Figure(figsize=(figures.PAGE_WIDTH, height + 2.6))
    upper, lower = drawn.subfigures(2, 1, height_ratios=(height, 2.6))
    matrix, lags = upper.subplots(1, 2, width_ratios=(n_rule, 0.55 * n_rule))
    panels = np.atleast_1d(lower.subplots(1, n_activation, sharey=True))
    sheet, activation, gain = _shown(cube)
    _draw_matrix(matrix, sheet, f"{activation}, gain {gain:.3g}")
    image = _draw_lags(lags, sheet)
    upper.colorbar(image, ax=lags, label="cosine", shrink=0.9)
    for ax, name in zip(panels, cube["activation"].values, strict=True):
        _draw_gains(ax, cube.sel(activation=name).isel(update=-1), str(name))
    panels[0].set_ylabel("cosine with exact gradient")
    handles, labels = panels[0].get_legend_handles_labels()
    lower.legend(handles, labels, loc="outside right center", fontsize=6.5)
    figures.letter_panels([matrix, lags, *panels])
    return drawn


def pairwise(cube):
    """The cosine of the gradients of every pair of rules, dims rule and other."""
    direction = cube["direction"]
    other = direction.rename(rule="other")
    # NaN, not 0, where one of them is undefined: the sum must not skip it.
    return (direction * other).sum("weight", skipna=False)


def _draw_matrix(ax, sheet, told):
    names = [str(name) for name in sheet["rule"].values]
    _shade(ax, _median(pairwise(sheet).transpose("rule", "other", "seed")))
    ax.set_xticks(range(len(names)), [_WORDS[name] for name in names], rotation=90)
    ax.set_yticks(range(len(names)), [_WORDS[name] for name in names])
    ax.tick_params(length=0, labelsize=6)
    ax.set_title(f"cosine of every pair of gradients\n{told}, means over draws", fontsize=7.5)


def _draw_lags(ax, sheet):
    values = _median(sheet["cosine_by_lag"].transpose("rule", "first_lag", "seed"))
    image = _shade(ax, values)
    lags = sheet["first_lag"].values
    ends = [*lags[1:], None]
    told = [
        f"{a}" if b == a + 1 else (f"{a}-{b - 1}" if b else f"{a} on")
        for a, b in zip(lags, ends, strict=True)
    ]
    ax.set_xticks(range(len(lags)), told, rotation=90)
    ax.set_yticks([])
    ax.tick_params(length=0, labelsize=6)
    ax.set_xlabel("lag of use (steps)")
    ax.set_title("with the exact gradient, by lag\nhatched: no gradient at all", fontsize=7.5)
    return image


def _shade(ax, values):
    """Cosines as cells from -1 (orange) over white to 1 (blue); hatched where undefined."""
    ax.set_facecolor("#ececec")
    ax.patch.set_hatch("//////")
    ax.patch.set_edgecolor("#8a8a8a")
    ax.grid(visible=False)
    return ax.imshow(np.ma.masked_invalid(values), cmap="PuOr", vmin=-1, vmax=1, aspect="auto")


_LINES = {
    "rtrl": ("#000000", "-"),
    "snap1": ("#23408f", "-"),
    "rflo": ("#3b7dd8", "-"),
    "rflo_random": ("#3b7dd8", ":"),
    "bptt_10": ("#2f9e77", "-"),
    "bptt_3": ("#2f9e77", "--"),
    "bptt_1": ("#2f9e77", ":"),
    "kernl": ("#e08a1e", "-"),
    "dni": ("#c2478f", "-"),
    "uoro": ("#e86a4c", "-"),
    "kf_rtrl": ("#e86a4c", "--"),
    "node": ("#808080", "-"),
}


def _draw_gains(ax, at, title):
    for name, (colour, style) in _LINES.items():
        if name not in at["rule"].values:
            continue
        values = at["mean_cosine"].sel(rule=name).transpose("gain", "seed")
        ax.plot(at["gain"].values, _median(values), style, color=colour, label=_WORDS[name],
                linewidth=1.1)  # fmt: skip
    ax.axhline(0, color="#606060", linewidth=0.6)
    ax.set(xlabel="gain $g$", title=title, ylim=(-0.15, 1.05))
    ax.set_xscale("log")
    ax.set_xticks(at["gain"].values, [f"{g:.2g}" for g in at["gain"].values], minor=False)
    ax.minorticks_off()


def claims(cube):
    """Numbers that must hold, each with its source."""
    names = set(cube["rule"].values)
    found = []
    for name in ("rtrl", "snap2"):
        if name in names:
            found.append(_equal(cube, name, _EXACT, "exact rules, float32 rounding"))
    if {"rflo", "eprop"} <= names:
        found.append(_equal(cube, "rflo", "eprop", "on a leaky network the two are one rule"))
    found += [_right_at_once(cube, name) for name in ("snap1", "rflo", "kernl") if name in names]
    for name, window in (("bptt_1", 1), ("bptt_3", 3), ("bptt_10", 10)):
        if name in names:
            found.append(_nothing_beyond(cube, name, window))
    found += [_unbiased(cube, name) for name in _UNBIASED if name in names]
    if {"snap1", "uoro"} <= names:
        found.append(_median_above(cube, "snap1", "uoro"))
    if {"bptt_3", "bptt_1"} <= names:
        found.append(_median_above(cube, "bptt_3", "bptt_1"))
    if {"rflo", "rflo_random"} <= names:
        found.append(_median_above(cube, "rflo", "rflo_random"))
    found.append(_undefined_has_a_reason(cube))
    return found


def _equal(cube, name, other, why):
    cosine = pairwise(cube).sel(rule=name, other=other)
    return rnnjax.Claim(
        f"{_WORDS[name]} and {_WORDS[other]}: 1 - cosine, largest of all cells",
        float((1 - cosine).max()),
        0.0,
        1e-4,
        why,
    )


def _right_at_once(cube, name):
    at_0 = cube["cosine_by_lag"].sel(rule=name, first_lag=0)
    if json.loads(cube.attrs["config"])["edges"][1] != 1:
        at_0 = at_0 * np.nan
    return rnnjax.Claim(
        f"{_WORDS[name]}: 1 - cosine at lag 0, median",
        float((1 - at_0).median()),
        0.0,
        1e-4 if name != "kernl" else 0.3,
        "D_t meets g_t without a Jacobian between; only KeRNL's learned A changes it",
    )


def _nothing_beyond(cube, name, window):
    beyond = cube["log_norm_by_lag"].sel(rule=name)
    beyond = beyond.where(cube["first_lag"] >= window, drop=True)
    return rnnjax.Claim(
        f"{_WORDS[name]}: share of windows beyond it with a gradient of exactly 0",
        float(np.isneginf(beyond).mean()) if beyond.size else 1.0,
        1.0,
        0.0,
        "the gradient along a lag of at least the window is exactly 0",
    )


def _unbiased(cube, name):
    """The bias of a mean of n draws of an unbiased rule is its standard error."""
    n_draws = json.loads(cube.attrs["config"])["n_draws"]
    at = cube.sel(rule=name).isel(update=0)
    in_errors = np.exp(at["log_bias"] - at["log_spread"]) * np.sqrt(n_draws)
    return rnnjax.Claim(
        f"{_WORDS[name]}: |mean of draws - exact| in standard errors, median",
        float(in_errors.median()),
        1.0,
        0.5,
        "unbiased: the mean over all sign sequences is RTRL",
    )


def _median_above(cube, better, worse):
    cosine = cube["mean_cosine"]
    gap = cosine.sel(rule=better) - cosine.sel(rule=worse)
    return rnnjax.Claim(
        f"cosine with the exact gradient: {_WORDS[better]} above {_WORDS[worse]}, median gap",
        float(gap.median()),
        0.0,
        0.0,
        "the order of Marschall, Cho and Savin 2020, who give no numbers",
        relation="at_least",
    )


def _undefined_has_a_reason(cube):
    undefined = ~np.isfinite(cube["cosine"].values)
    told = cube["reason"].values != 0
    return rnnjax.Claim(
        "undefined cosines without a reason",
        float((undefined & ~told).sum()),
        0.0,
        0.0,
        "an angle to nothing is not 0: it is NaN, and the cube says why",
    )
