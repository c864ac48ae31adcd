"""Which lag does a learning rule learn, and what cross-entropy does it reach?

In the add task a coin's bias depends on the inputs lag_1 and lag_2 steps back. Rules train the same
networks with an update at every step; truncated backpropagation once a block, BPTT once a sequence.
"readout only" keeps its recurrent weights; "memoryless" has none.

Command:   rnnjax run add_task
Run time:  about 4 minutes on 2 cores, compiling included.
Figure:    a: cross-entropy on fresh streams at the better learning rate, a dot a seed, bar: median;
           dashed: exact plateaus. b: share of the effect of either lag in the answers, medians. c:
           cross-entropy over the window of truncated backpropagation; dotted: the lags.
Source:    Pitis, Recurrent neural networks in Tensorflow I, r2rt.com, 2016 (task, plateaus,
           windows); Marschall, Cho and Savin, A unified framework of online learning algorithms for
           training recurrent neural networks, Journal of Machine Learning Research, 2020.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row, every_run, set_to, swept
from rnnjax.errors import ConfigError
from rnnjax.figures import Look, rule_label
from rnnjax.lazy import jax, optax, xr
from rnnjax.reductions import at_best
from rnnjax.sweep import Named, Traced, Variable

COMPILE = "quickly"
_PLATEAUS = rnnjax.theory.add_task.plateaus()
_LAGS, _PASTS = ("lag_1", "lag_2"), ("00", "01", "10", "11")  # (x at lag_1, x at lag_2)
_SHOWN, _FAINT = (0.44, 0.69), {"alpha": 0.45, "markeredgewidth": 0}
_PLATEAU = {"color": "#b02020", "linewidth": 0.9, "dashes": (0, (3.2, 1.8))}
_KINDS = (*figures.RULE_KINDS, _CONTROL := Look("control", "#808080", "X"))
_CONTROLS = {"fixed": "readout only", "none": "memoryless"}
_RTRL, _SNAP_2 = "RTRL/trained", "SnAp(n=2)/trained"
_RFLO, _EPROP = "RFLO/trained", "EProp(autapse=False)/trained"


class Setting(sweep.Setting):
    """The task, the network, the rule, and how long it trains."""

    rule: Annotated[str, Named("rules", words=("random",))] = "RTRL"
    recurrence: Literal["trained", "fixed", "none"] = Field(
        "trained", description="the recurrent network: trained, as drawn, or without its weights"
    )
    learning_rate: PositiveFloat = Field(0.003, description="of Adam; lowered along a cosine")
    seed: Traced[int] = 0
    lag_1: PositiveInt = Field(3, description="the lag that is worth more")
    lag_2: PositiveInt = Field(8, description="the other lag")
    n_h: PositiveInt = Field(12, description="units; RTRL costs their fourth power")
    gain: NonNegativeFloat = Field(0.5, description="of W at the start; a large one carries lags")
    leak: float = Field(1.0, gt=0, le=1, description="a in h' = (1 - a) h + a f(...)")
    batch_size: PositiveInt = Field(20, description="streams side by side")
    n_steps: PositiveInt = Field(9000, description="steps of a stream, each with an update")
    n_blocks: PositiveInt = Field(1500, description="least updates of rules with one a block")
    length: PositiveInt = Field(40, description="steps of a sequence of BPTT")
    axes = (("case", "rule", "recurrence"), "learning_rate", "seed")

    @model_validator(mode="after")
    def _lags_differ(self) -> Self:
        if self.lag_1 == self.lag_2:
            raise ConfigError("lag_2", f"expected a lag other than lag_1 = {self.lag_1}")
        for name in ("length", "n_steps"):
            if getattr(self, name) <= (longest := max(self.lag_1, self.lag_2)):
                raise ConfigError(name, f"expected more steps than the longer lag, {longest}")
        return self


def coordinates(setting: Setting) -> dict[str, Any]:
    """The four pasts, as the inputs at lag_1 and lag_2."""
    return {"past": _PASTS}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return sweep.named("cross_entropy", "cross_entropy_error", "answer")


def _task(setting: Setting, length: int, drawn: bool = True) -> Any:
    return rnnjax.tasks.AddTask(setting.lag_1, setting.lag_2, length, drawn)


def _cell(setting: Setting) -> Any:
    return rnnjax.Vanilla(2, setting.n_h, 2, leak=setting.leak, gain=setting.gain, bias_gain=0.1)


def shared(setting: Setting) -> tuple[Any, jax.Array]:
    """Draw weights and keys, the same for every rule and learning rate."""
    key, *keys = jax.random.split(jax.random.key(setting.seed), 4)
    return _cell(setting).init(key), keys


def measure(setting: Setting, shared: tuple[Any, jax.Array]) -> dict[str, jax.Array]:
    """Train one network by a rule, and ask it about fresh streams."""
    params, (key_training, key_rule, key_held_out) = shared
    if setting.recurrence == "none":
        params = params._replace(W=0 * params.W)
    trained = _trained(setting, params, key_training, key_rule)
    task = _task(setting, 400 + max(setting.lag_1, setting.lag_2), drawn=False)
    streams = jax.vmap(task.sample)(jax.random.split(key_held_out, 16))  # 400 steps of each count
    answers = jax.vmap(lambda x: rnnjax.outputs(_cell(setting), trained, x))(streams.x)
    return rnnjax.analysis.answers_by_past(answers, task.loss, streams)


def _trained(setting: Setting, params: Any, key: jax.Array, key_rule: jax.Array) -> Any:
    """Parameters after training; the learning rate is lowered along a cosine."""
    cell = _cell(setting)
    random = rnnjax.rules.random_feedback(key_rule, cell, params)
    rule = rnnjax.rules.named(setting.rule, {"random": random})
    by_sequence = isinstance(rule, rnnjax.BPTT)
    block = setting.length if by_sequence else getattr(rule, "window", 1)
    n_updates = setting.n_steps if block == 1 else max(setting.n_steps // block, setting.n_blocks)
    n_sequences = n_updates if by_sequence else 1
    # The mean over a block has that much less noise; without this the longest would be slowest.
    rate = setting.learning_rate * block**0.5
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, n_updates))
    if setting.recurrence != "trained":
        kept = params._replace(W=True, U=True, b=True, V=False, c=False)
        optimiser = optax.chain(optimiser, optax.masked(optax.set_to_zero(), kept))
    return rnnjax.fit_online(
        cell, _task(setting, n_updates * block // n_sequences), rule, optimiser, key, params=params,
        n_sequences=n_sequences, batch_size=setting.batch_size, steps_per_update=block,
    ).params  # fmt: skip


def _best(cube: xr.Dataset) -> xr.Dataset:
    return at_best(cube, cube["cross_entropy"].median("seed"), "learning_rate")


def _effects(cube: xr.Dataset) -> xr.DataArray:
    # In the law the first input adds 1/2 to the probability, and the second one takes 1/4.
    weights = xr.DataArray([[-1, -1, 1, 1], [2, -2, 2, -2]], {"lag": [*_LAGS], "past": [*_PASTS]})
    return (weights * cube["answer"]).sum("past", skipna=False)


def _window(case: str) -> int:  # of truncated backpropagation, 0 for other rules
    call = names.parsed(case.partition("/")[0])
    return call.fields["window"] if call.name == "TruncatedBPTT" else 0


def _look(case: str) -> Look:
    rule, _, recurrence = case.partition("/")
    if recurrence in _CONTROLS:
        return replace(_CONTROL, label=_CONTROLS[recurrence])
    words = f"truncated BPTT, $K$ = {_window(case)}" if _window(case) else rule_label(rule)
    return replace(figures.rule_kind(rule), label=words)


def figure(cube: xr.Dataset) -> figures.Figure:
    """Cross-entropies by rule, what of the lags is in the answers, and the window."""
    best, lags = _best(cube), [getattr(cube.setting, lag) for lag in _LAGS]
    middle = best["cross_entropy"].median("seed").sortby("case")
    order = middle.sortby(middle)["case"].values.tolist()
    looks = {case: replace(_look(case), size=3) for case in order}
    frame = figures.Frame(1, 3, height=1.9 + 0.155 * len(order), width_ratios=(1.6, 0.8, 1.0))
    by_rule, by_lag, by_window = frame.panels
    by_lag.sharey(by_rule)
    figures.dot_rows(by_rule, best["cross_entropy"], rows="case", looks=looks, spread=0,
                     median=True, dots=_FAINT, xlim=_SHOWN, ylim=(len(order) - 0.5, -1.5),
                     xlabel="cross-entropy (nat)")  # fmt: skip
    _draw_effects(by_lag, best.sel(case=order), lags)
    _draw_windows(by_window, best, lags)
    for value, text in zip(_PLATEAUS, ("neither", f"lag {lags[0]}", "both"), strict=True):
        figures.level(by_rule, x=value, **_PLATEAU)
        figures.level(by_window, y=value, **_PLATEAU)
        by_rule.text(value, -0.9, f" {text} ", ha="left" if value < 0.6 else "right", fontsize=7)
        by_window.annotate(text, (by_window.get_xlim()[1], value), (-1, -2), ha="right", va="top",
                           textcoords="offset points", fontsize=7)  # fmt: skip
    shown = {look.colour for look in looks.values()}
    kinds = [kind.handle(linestyle="", markersize=4.5) for kind in _KINDS if kind.colour in shown]
    return frame.finished(kinds, ncols=3)


def answer(cube: xr.Dataset) -> str:
    """How many rules learn each lag, and the least cross-entropy."""
    cases = [*cube["case"].values]
    rules = _best(cube).sel(case=[c for c in cases if c.endswith("/trained")] or cases)
    n, least = (_effects(rules).median("seed") > 0.5).sum("case").values, rules["cross_entropy"]
    return (f"Of {least.notnull().any('seed').sum():d} rules {n[0]} learn lag {cube.setting.lag_1} "
            f"and {n[1]} lag {cube.setting.lag_2} (half of its effect); the least cross-entropy is "
            f"{least.median('seed').min():.3f} nat.")  # fmt: skip


def _draw_effects(panel: figures.Axes, best: xr.Dataset, lags: list[int]) -> None:
    rows, median = np.arange(best.sizes["case"]), _effects(best).median("seed").clip(-0.1, 1.2)
    looks = (Look("", "#23408f", "o", size=3.8), Look("", "#eaa12f", "D", hollow=True, size=3.8))
    for lag, share, look in zip(lags, median, looks, strict=True):
        panel.plot(share, rows, **look.dots(label=f"lag {lag}"))
    figures.level(panel, x=1, linewidth=0.7)
    panel.tick_params(labelleft=figures.in_column())  # else the first panel has the names
    panel.set(xlabel="share of the effect", xlim=(-0.12, 1.22))
    panel.legend(loc="upper center", ncols=2, fontsize=7, handletextpad=0.1, columnspacing=0.8)


def _draw_windows(panel: figures.Axes, best: xr.Dataset, lags: list[int]) -> None:
    window = xr.DataArray([_window(case) for case in best["case"].values], dims="case")
    runs = best["cross_entropy"].assign_coords(window=window)[window.values > 0].sortby("window")
    look = replace(figures.rule_kind("TruncatedBPTT"), size=3)
    figures.scatter(panel, runs["window"], runs, looks=look, dots=_FAINT)
    panel.plot(runs["window"], runs.median("seed"), color=look.colour)
    for lag in lags:
        figures.level(panel, x=lag, color="#909090", linewidth=0.8, dashes=":", text=f"lag {lag}")
    panel.set(xlabel="window $K$ (steps)", ylabel="cross-entropy (nat)", ylim=_SHOWN,
              xlim=(0, max([*runs["window"].values, *lags]) + 1))  # fmt: skip


def _reaching(cube: xr.Dataset) -> dict[str, list[str]]:
    longest = max(cube.setting.lag_1, cube.setting.lag_2)
    return {"case": [c for c in cube["case"].values if _window(c) > longest or c == _SNAP_2]}


_PITIS = "Pitis 2016; Marschall, Cho and Savin 2020, add task"
_REACHES = Row(lambda one, case: f"{_look(case).label}: cross-entropy, median over seeds, nat",
    lambda one: one["cross_entropy"].median(), equals=_PLATEAUS.both_lags, tolerance=0.01,
    source="the entropy of the task: Pitis 2016 (window 10); closed form (rnnjax.theory.add_task)",
)  # fmt: skip
CLAIMS = (
    every_run("least cross-entropy of any run, nat", "cross_entropy", tolerance=1e-5,
        at_least=_PLATEAUS.both_lags,
        source="exact: no predictor beats the entropy; tolerance: float32 rounding"),
    Group((_REACHES,), part=_best, for_each={"case": ["BPTT/trained", _RTRL]}, reproduces=_PITIS),
    Group((_REACHES,), part=_best, for_each=_reaching),
    Row(lambda one, lag: f"RTRL: share of the effect of lag {getattr(one.setting, lag)} in the "
        "answers, median", lambda one, lag: _effects(one).sel(lag=lag).median(), equals=1,
        for_each={"lag": _LAGS}, part=_best, at={"case": _RTRL}, tolerance=0.2,
        source="the law of the task; tolerance: 0.01 nat is a share of 0.4 at the lag worth less"),
    every_run("RFLO against e-prop without autapses: largest difference of a run, nat",
        lambda cube: abs(cube["cross_entropy"].sel(case=[_RFLO, _EPROP]).diff("case")),
        equals=0, tolerance=1e-4, when=swept(case=(_RFLO, _EPROP)), source="exact: one trace under "
        "two names where no unit hears itself (Murray 2019; Bellec 2020)"),
    Group((
        every_run("memoryless: least cross-entropy of any run, nat", "cross_entropy",
            at_least=_PLATEAUS.no_memory, tolerance=1e-5,
            source="exact: x_t says nothing of y_t; tolerance: float32 rounding"),
        Row("memoryless: cross-entropy, median, nat", lambda one: one["cross_entropy"].median(),
            equals=_PLATEAUS.no_memory, tolerance=0.005,
            source="the entropy of the mean answer: Pitis 2016; tolerance: training"),
    ), at={"case": "RFLO/none"}, reproduces=_PITIS),
    every_run("readout only: least cross-entropy of a seed, nat", "cross_entropy",
        at_least=_PLATEAUS.first_lag, part=_best, at={"case": "RFLO/fixed"},
        # Other initial weights keep more of lag_1.
        when=(set_to(leak=1), lambda one: one.setting.gain <= 0.5 and one.setting.lag_1 >= 3),
        source="control: what a rule gains beyond the first lag is not in the network as drawn"),
)  # fmt: skip
