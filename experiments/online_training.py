"""How fast does each learning rule learn online, on tasks that ask for memory?

The weights change while the sequence runs: online rules update at every step at which a loss falls
due, truncated backpropagation at the end of every block, BPTT at the end of every sequence. Each
loss is taken before its update and on a fresh sequence, so the learning curve is a test as well.
The delay of the copy task grows by one step when the loss of the recalled symbols falls below 0.15
bit, and the longest delay solved is reported.

Command:   rnnjax run online_training
Run time:  about 5 minutes on 2 cores, compiling included.
Figure:    one panel a task: median over seeds and band of the loss (on copy, of the delay) over
           the sequences seen, for every rule at its better learning rate, with lines for chance
           and, on the add task, the exact plateaus. It must show RTRL beside BPTT, and the local
           rules above them where the answer needs what happened before.
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

_MOST_BANDS = 7  # in a panel with more rules, only the first two have a band: more would hide it
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
    last = runs["loss"].isel(point=slice(-max(1, cube.sizes["point"] // 8), None)).mean("point")
    # The median of the last losses, an eighth of all, or of minus the delay: less is better.
    end = (-runs["solved"] if task == "copy" else last).median("seed")
    return at_best(runs.assign(end=end), end, "learning_rate")


def _looks(arms: np.ndarray) -> dict[str, Look]:
    words = {arm: rule_label(_ARMS[arm][0]).replace("window", "$K$ =") for arm in arms}
    return {arm: Look(words[arm], colour, dashes=dashes)
            for arm, (_, colour, dashes) in _ARMS.items() if arm in arms}  # fmt: skip


def figure(cube: xr.Dataset) -> figures.Figure:
    """One panel a task: median and band of every rule over the sequences seen."""
    tasks = [task for task in _PROBLEMS if task in cube["task"].values]
    n_rows = -(-len(tasks) // 2)
    frame = figures.Frame(n_rows, 2, n=len(tasks), height=1.0 + 2.45 * n_rows)
    for panel, task in zip(frame.panels, tasks, strict=True):
        _draw_task(panel, _of_task(cube, task), task)
    return frame.finished(figures.handles(_looks(cube["rule"].values)), fontsize=7)


def _draw_task(panel: figures.Axes, runs: xr.Dataset, task: str) -> None:
    setting, problem = runs.setting, _PROBLEMS[task]
    per_point = setting.longer * problem.n_sequences * setting.batch_size
    seen = (np.arange(runs.sizes["point"]) + 1) * per_point
    values = runs["delay" if task == "copy" else "loss"].assign_coords(seen=("point", seen))
    rules = [*_looks(runs["rule"].values)]
    n_banded = len(rules) if len(rules) <= _MOST_BANDS else 2
    for band, shown in (("seed", rules[:n_banded]), (None, rules[n_banded:])):
        figures.curves(panel, values if band else median(values), over="seen", each="rule",
                       band=band, looks=_looks(shown), line={"linewidth": 1.2},
                       xlabel="sequences seen", xlim=(0, seen[-1]), title=problem.words,
                       ylabel="delay (steps)" if task == "copy" else "loss (nat)")  # fmt: skip
    for name, value in problem.levels.items():
        figures.level(panel, y=value, text=name, color="#808080", linewidth=0.8, dashes=":")
    if task == "copy":
        panel.yaxis.get_major_locator().set_params(integer=True)
    top = 1.12 * max(problem.levels.values()) if problem.levels else None
    panel.set_ylim(0.43 if task == "add" else 0, top)


def _gap_of_one_step_rules(cube: xr.Dataset) -> float | None:
    loss = cube["loss"].isel(point=0)
    pairs = [[f"{task}/rflo", f"{task}/tbptt_1"] for task in _PROBLEMS if task != "copy"]
    gaps = [largest(abs(loss.sel(case=pair).diff("case"))) for pair in pairs
            if swept(case=pair)(cube)]  # fmt: skip
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
                lambda runs: runs["end"], unit="nat",
                at_most=lambda runs, task: _PROBLEMS[task].learned,
                for_each=({"rule": "bptt", "words": "BPTT"}, {"rule": "rtrl", "words": "RTRL"}),
                source="{level}: the gradient is exact, so the memory asked for is learned"),
            Row("{task}: loss of RFLO over that of RTRL at the end, medians", at_least=1,
                value=lambda runs: runs["end"].sel(rule="rflo") / runs["end"].sel(rule="rtrl"),
                when=(swept(rule=("rflo", "rtrl")), lambda runs: runs.setting.leak == 1),
                source=_LEAKLESS),
        ), part=_of_task, for_each=(
            {"task": "add", "level": "the plateau of the first lag alone"},
            {"task": "digits", "level": "half of chance"},
            {"task": "delayed_xor", "level": "half of chance"})),
        Row("copy: longest delay solved by RTRL minus that by RFLO, medians",
            lambda runs: runs["end"].sel(rule="rflo") - runs["end"].sel(rule="rtrl"),
            unit="steps", at_least=1, source=_LEAKLESS,
            part=lambda cube: _of_task(cube, "copy"), when=swept(rule=("rflo", "rtrl"))),
    ), when=lambda cube: cube.setting.n_points * cube.setting.longer >= 40),
)  # fmt: skip
