"""How fast does each learning rule learn online, on tasks that ask for memory?

Online rules update at every step at which a loss falls due, truncated backpropagation at the end of
every block, BPTT at that of the sequence. Losses are taken before their update, on fresh sequences.
The delay of copy grows by a step when the loss of recalled symbols falls below 0.15 bit.

Command:   rnnjax run online_training
Run time:  about 5 minutes on 2 cores, compiling included.
Figure:    One panel a task, every rule at its better learning rate. Curves: median and 10 to 90 %
           of seeds; dotted: chance, and the exact plateaus of the add task. Rows, for more than
           seven rules: the sequences after which the loss stays below half of chance, a dot a
           seed, bars: medians; at the right, how many of the seeds get there.
Source:    Marschall, Cho and Savin, A unified framework of online learning algorithms for training
           recurrent neural networks, Journal of Machine Learning Research, 2020 (comparison);
           Mujika, Meier and Steger, NeurIPS 2018, and Menick et al., ICLR 2021 (curriculum).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row, swept
from rnnjax.errors import ConfigError
from rnnjax.figures import Look, rule_label
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import at_best, largest, median
from rnnjax.sweep import NameOf, Traced, Variable

COMPILE = "quickly"
_MOST_CURVES = 7  # in a panel; of more rules a row each is shown
_SOLVED = 0.15 * math.log(2)  # nats a recalled symbol
_WIDEST = 10  # inputs and outputs, those of digits
_PLATEAUS = rnnjax.theory.add_task.plateaus()


class Problem(NamedTuple):
    """One task, and what a point of its curve is."""

    words: str
    task: Callable[..., Any]
    length: int  # T; that of copy has room for the longest delay
    n_counted: int  # steps that have a loss
    n_sequences: int  # at a point of the curve
    learned: float  # a loss that cannot be reached without the memory asked for
    levels: dict[str, float]  # losses to compare with


_PROBLEMS = {
    "add": Problem("add task, lags 2 and 5", lambda: rnnjax.tasks.AddTask(2, 5, length=16), 16, 11,
                   15, _PLATEAUS.first_lag, {"neither lag": _PLATEAUS.no_memory,
                   "lag 2 alone": _PLATEAUS.first_lag, "both lags": _PLATEAUS.both_lags}),
    "copy": Problem("copy 2 bits, growing delay",
                    lambda: rnnjax.tasks.Copy(2, 2, 1, longest=24, blanks=False), 28, 2, 12, 0, {}),
    "digits": Problem("digits, row by row", lambda: rnnjax.tasks.Digits(by_rows=True), 8, 1,
                      30, math.log(10) / 2, {"chance": math.log(10)}),
    "delayed_xor": Problem("delayed exclusive or", lambda: rnnjax.tasks.DelayedXOR(7, 8), 16, 1,
                           20, math.log(2) / 2, {"chance": math.log(2)}),
}  # fmt: skip
_DASHED, _DOTTED = (0, (4, 1.5)), (0, (1, 1.2))
_ARMS = {  # the rule, and the colour and dashes of its curve
    "bptt": ("BPTT", "#000000", "-"),
    "rtrl": ("RTRL", "#d03030", _DASHED),
    "tbptt_1": ("TruncatedBPTT(window=1)", "#23408f", _DOTTED),
    "tbptt_4": ("TruncatedBPTT(window=4)", "#23408f", "-"),
    "tbptt_8": ("TruncatedBPTT(window=8)", "#23408f", "-"),
    "tbptt_14": ("TruncatedBPTT(window=14)", "#23408f", "-"),
    "uoro": ("UORO", "#2f9e77", "-"),
    "kf_rtrl": ("KFRTRL", "#2f9e77", _DASHED),
    "reverse_kf_rtrl": ("ReverseKFRTRL", "#2f9e77", _DOTTED),
    "snap_1": ("SnAp", "#e08a1e", "-"),
    "rflo": ("RFLO", "#e08a1e", _DASHED),
    "rflo_random": ("RFLO(feedback=random)", "#e08a1e", _DOTTED),
    "eprop": ("EProp(feedback=random)", "#8a6d1d", _DOTTED),
    "kernl": ("KeRNL", "#c2478f", "-"),
    "dni": ("DNI", "#c2478f", _DASHED),
    "trace_0.7": ("DiscountedRTRL(decay=0.7)", "#56b4e9", "-"),
    "node_perturbation": ("NodePerturbation", "#909090", "-"),
}


class Setting(sweep.Setting):
    """A network, the task and the rule by which it is trained."""

    task: Literal["add", "copy", "digits", "delayed_xor"] = "delayed_xor"
    rule: Annotated[str, NameOf(lambda: _ARMS)] = "bptt"
    learning_rate: PositiveFloat = Field(0.01, description="of Adam")
    seed: Traced[int] = 0
    n_h: PositiveInt = Field(16, description="units; RTRL costs their fourth power")
    leak: float = Field(1.0, gt=0, le=1, description="a in h' = (1 - a) h + a f(...)")
    batch_size: PositiveInt = Field(4, description="sequences side by side")
    n_points: PositiveInt = Field(40, description="points of a learning curve")
    longer: PositiveInt = Field(1, description="factor on the sequences of every point")
    axes = (("case", "task", "rule"), "learning_rate", "seed")

    @property
    def steps_per_update(self) -> int:
        """The steps of a block of truncated backpropagation, of a sequence for BPTT, or one."""
        rule = names.parsed(_ARMS[self.rule][0])
        return _PROBLEMS[self.task].length if rule.name == "BPTT" else rule.fields.get("window", 1)

    @model_validator(mode="after")
    def _window_divides(self) -> Self:
        length = _PROBLEMS[self.task].length
        if length % self.steps_per_update:
            message = f"expected a window that divides T = {length} of {self.task}, got {self.rule}"
            raise ConfigError("rule", message)
        return self


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """The points of a learning curve, as the share of the training that is behind."""
    return {"point": (np.arange(setting.n_points) + 1) / setting.n_points}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        "loss": Variable(("point",), "mean loss of the steps that count, before updates", "nat"),
        "delay": Variable(("point",), "delay of the copy task; 0 in other tasks", "step"),
        "solved": Variable((), "longest delay of copy solved; 0 in other tasks", "step"),
    }


def shared(setting: Setting) -> tuple[jax.Array, jax.Array]:
    """Draw keys and the normal numbers of which every network is cut, which saves generators."""
    keys = jax.random.split(jax.random.key(setting.seed), 3)
    numbers = jax.random.normal(keys[0], (setting.n_h, setting.n_h + 2 * _WIDEST))
    return numbers, keys[1:]


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Train one network on one task by one rule."""
    numbers, (key_rule, key_data) = shared
    problem, optimiser = _PROBLEMS[setting.task], optax.adam(setting.learning_rate)
    task = problem.task()
    cell = rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, leak=setting.leak)
    params = rnnjax.cells.vanilla.params_of_numbers(cell, numbers)
    random = rnnjax.rules.random_feedback(key_rule, cell, params)
    rule = rnnjax.rules.named(_ARMS[setting.rule][0], {"random": random})

    def train(task, key, n, params):
        options = {"steps_per_update": setting.steps_per_update, "batch_size": setting.batch_size}
        start = (cell, task, rule, optimiser, key)
        return rnnjax.fit_online(*start, n_sequences=n, params=params, **options)

    n, n_points = setting.longer * problem.n_sequences, setting.n_points
    if setting.task == "copy":
        pieces = (train, task, params, jax.random.split(key_data, n_points))
        by_delay = rnnjax.train_pieces.train_by_delay
        loss, delay, solved = by_delay(*pieces, n_sequences=n, solved=_SOLVED)
    else:
        losses = train(task, key_data, n_points * n, params).loss.sum(axis=1)
        loss = losses.reshape(n_points, n).mean(axis=1) / problem.n_counted
        delay, solved = jnp.zeros(n_points), jnp.zeros(())
    return {"loss": jnp.where(jnp.isfinite(loss), loss, jnp.inf), "delay": delay, "solved": solved}


def _of_task(cube: xr.Dataset, task: str) -> xr.Dataset:
    """The runs of a task over rule, seed and point, each rule at the rate that ends best."""
    runs = cube.isel(case=np.flatnonzero(cube["task"] == task)).swap_dims(case="rule")
    problem, n_points = _PROBLEMS[task], cube.sizes["point"]
    last = runs["loss"].isel(point=slice(-max(1, n_points // 8), None)).mean("point")
    # The median of the last losses, an eighth of all, or of minus the delay: less is better.
    end = (-runs["solved"] if task == "copy" else last).median("seed")
    n = problem.n_sequences * cube.setting.longer * cube.setting.batch_size
    below = (runs["loss"] < problem.learned).isel(point=slice(None, None, -1)).cumprod("point")
    after = n * (n_points + 1 - below.sum("point")).where(below.sum("point") > 0, np.inf)
    seen = ("point", n * (np.arange(n_points) + 1))
    return at_best(runs.assign(end=end, after=after), end, "learning_rate").assign_coords(seen=seen)


def figure(cube: xr.Dataset) -> figures.Figure:
    """One panel a task: curves of a few rules, or when each of many has learned it."""
    by_task = {task: _of_task(cube, task) for task in _PROBLEMS if task in cube["task"].values}
    drawn, n = {}, 1 if figures.in_column() else 2
    widths = [(1,) * len([*by_task][k : k + n]) for k in range(0, len(by_task), n)]
    frame = figures.Frame(widths=widths, height=0.6 + 2.5 * len(widths))
    for panel, (task, runs) in zip(frame.panels, by_task.items(), strict=True):
        ends = (0, int(runs["seen"][-1]))
        looks = {arm: Look(rule_label(rule).replace("window", "$K$ ="), colour, dashes=dashes) for
                 arm, (rule, colour, dashes) in _ARMS.items() if arm in runs["rule"]}  # fmt: skip
        panel.set_title(_PROBLEMS[task].words)
        if task != "copy" and len(looks) > _MOST_CURVES:
            figures.dot_rows(panel, runs["after"], rows="rule", looks=looks, median=True, count=" ",
                             xlim=ends, xlabel="sequences until learned")  # fmt: skip
            continue
        name, unit = ("delay", "steps") if task == "copy" else ("loss", "nat")
        figures.curves(panel, runs[name], over="seen", each="rule", band="seed", looks=looks,
                       line={"linewidth": 1.2}, xlim=ends, ylim=(0.43 * (task == "add"), None),
                       xlabel="sequences seen", ylabel=f"{name} ({unit})")  # fmt: skip
        for text, value in _PROBLEMS[task].levels.items():
            figures.level(panel, y=value, text=text, color="#808080", dashes=":")
        drawn |= looks
    return frame.finished(figures.handles(drawn), ncols=6)


def answer(cube: xr.Dataset) -> str:
    """How many rules learn each task and which is first, from the task with most rules on."""
    tasks, told = [*cube["task"].values], ""
    for task in sorted({*tasks}, key=lambda task: (-tasks.count(task), task)):
        runs = _of_task(cube, task)
        best = runs["end"] if task == "copy" else median(runs["after"])
        first = rule_label(_ARMS[best.fillna(np.inf).to_series().idxmin()][0])
        n, least = int(np.isfinite(best).sum()), float(best.min())
        words = f"{n} of {best.size} rules learn it in {int(runs['seen'][-1]):,} sequences"
        words += f", {first} first, after {least:,.0f}" if n else ""
        if task == "copy":
            words = f"{first} solves the longest delay, {-least:g} steps" if least else "not solved"
        told += f"{_PROBLEMS[task].words.capitalize()}: {words}. "
    return told.strip()


def _gap_of_one_step_rules(cube: xr.Dataset) -> float | None:
    loss = cube["loss"].isel(point=0)
    pairs = [[f"{task}/rflo", f"{task}/tbptt_1"] for task in _PROBLEMS if task != "copy"]
    gaps = [largest(abs(loss.sel(case=p).diff("case"))) for p in pairs if swept(case=p)(cube)]
    return np.max(gaps) if gaps else None


_LEAKLESS = "without a leak its trace knows one step: Murray 2019"
CLAIMS = (
    Row("RFLO without leak against truncation at one step, loss at the first point",
        _gap_of_one_step_rules, unit="nat", equals=0, tolerance=1e-3,
        when=lambda cube: cube.setting.leak == 1,
        source="exact: Murray 2019 with a = 1; tolerance: float32 rounding over the updates"),
    Group((
        Group((
            Row("{task}, {words}: loss at the end, median",
                lambda one: one["end"], unit="nat", at_most=lambda _, task: _PROBLEMS[task].learned,
                for_each=({"rule": "bptt", "words": "BPTT"}, {"rule": "rtrl", "words": "RTRL"}),
                source="{level}: the gradient is exact, so the memory asked for is learned"),
            Row("{task}: loss of RFLO over that of RTRL at the end, medians", at_least=1,
                value=lambda runs: runs["end"].sel(rule="rflo") / runs["end"].sel(rule="rtrl"),
                when=(swept(rule=("rflo", "rtrl")), lambda runs: runs.setting.leak == 1),
                source=_LEAKLESS),
        ), part=_of_task, for_each=({"task": "add", "level": "the plateau of the first lag alone"},
            {"task": "digits", "level": "half of chance"},
            {"task": "delayed_xor", "level": "half of chance"})),
        Row("copy: longest delay solved by RTRL minus that by RFLO, medians",
            lambda runs: runs["end"].sel(rule="rflo") - runs["end"].sel(rule="rtrl"),
            unit="steps", at_least=1, source=_LEAKLESS,
            part=lambda cube: _of_task(cube, "copy"), when=swept(rule=("rflo", "rtrl"))),
    ), when=lambda cube: cube.setting.n_points * cube.setting.longer >= 40),)  # fmt: skip
