"""How fast does each learning rule learn online, on tasks that ask for memory?

The weights change while the sequence runs: online rules update at every step at which a loss falls
due, truncated backpropagation at the end of every block, BPTT at the end of every sequence. Each
loss is taken before its update and on a fresh sequence, so the learning curve is a test as well.

The copy task has a curriculum: its delay grows by one step when the loss of the recalled symbols
falls below 0.15 bit, and what is reported is the longest delay solved.

Command:   rnnjax run online_training
Run time:  about 5 minutes on 2 cores, compiling included.
Figure:    one panel a task: median over seeds and a band of the loss (on copy, of the delay) over
           the sequences seen, for every rule at its better learning rate, with lines for chance
           and, on the add task, the exact plateaus. Where there are more than seven rules, only
           BPTT and RTRL have a band. It must show RTRL beside BPTT, and the local rules above them
           where the answer needs what happened before.
Source:    Marschall, Cho and Savin, A unified framework of online learning algorithms for training
           recurrent neural networks, Journal of Machine Learning Research, 2020 (comparison);
           Mujika, Meier and Steger, NeurIPS 2018, and Menick et al., ICLR 2021 (curriculum).
"""

import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import sweep
from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, jnp, optax
from rnnjax.sweep import NameOf, Traced, Variable

COMPILE = "quickly"

_MOST_BANDS = 7  # in a panel with more rules, only the first two have a band: more would hide it
_SOLVED = 0.15 * math.log(2)  # nats a recalled symbol


class Problem(NamedTuple):
    """One task.

    Attributes:
      words: for the figure.
      task: () -> the task; of copy with a delay.
      length: T; that of copy has room for the longest delay.
      n_counted: steps that have a loss.
      n_sequences: sequences at a point of the curve.
      chance: loss in nats without any memory.
    """

    words: str
    task: Callable[..., Any]
    length: int
    n_counted: int
    n_sequences: int
    chance: float


_LAGS = (2, 5)
_LONGEST = 24
_N_ITEMS, _N_SYMBOLS = 2, 2


def _copy(delay=1):
    return rnnjax.tasks.Copy(_N_SYMBOLS, _N_ITEMS, delay, _LONGEST, blanks=False)


_PROBLEMS = {
    "add": Problem(
        f"add task, lags {_LAGS[0]} and {_LAGS[1]}",
        lambda: rnnjax.tasks.AddTask(*_LAGS, length=16),
        length=16,
        n_counted=16 - _LAGS[1],
        n_sequences=15,
        chance=rnnjax.theory.add_task.plateaus().no_memory,
    ),
    "copy": Problem(
        f"copy {_N_ITEMS} bits, growing delay",
        _copy,
        length=_LONGEST + 2 * _N_ITEMS,
        n_counted=_N_ITEMS,
        n_sequences=12,
        chance=math.log(_N_SYMBOLS),
    ),
    "digits": Problem(
        "digits, row by row",
        lambda: rnnjax.tasks.Digits(by_rows=True),
        length=8,
        n_counted=1,
        n_sequences=30,
        chance=math.log(10),
    ),
    "delayed_xor": Problem(
        "delayed exclusive or",
        lambda: rnnjax.tasks.DelayedXOR(7, 8),
        length=16,
        n_counted=1,
        n_sequences=20,
        chance=math.log(2),
    ),
}


class Arm(NamedTuple):
    """One way to train.

    Attributes:
      words: for the figure.
      look: colour and dashes.
      rule: from (cell, params, key) to the rule.
      window: steps of an update; None for those of a sequence.
    """

    words: str
    look: tuple[str, Any]
    rule: Callable[..., Any]
    window: int | None = 1


def _truncated(window):
    look = ("#23408f", _SOLID if window > 1 else _DOTTED)
    return Arm(f"truncated BPTT, $K$ = {window}", look,
               lambda *_: rnnjax.rules.TruncatedBPTT(window), window)  # fmt: skip


def _random_feedback(cell, params, key):
    return rnnjax.rules.random_feedback(key, cell, params)


_SOLID, _DASHED, _DOTTED = "-", (0, (4, 1.5)), (0, (1, 1.2))
_WIDEST = 10  # inputs and outputs, those of digits
_WINDOWS = sorted({K for one in _PROBLEMS.values() for K in range(1, 99) if one.length % K == 0})
_ARMS = {
    "bptt": Arm("BPTT", ("#000000", _SOLID), lambda *_: rnnjax.rules.BPTT(), None),
    "rtrl": Arm("RTRL", ("#d03030", _DASHED), lambda *_: rnnjax.rules.RTRL()),
    **{f"tbptt_{window}": _truncated(window) for window in _WINDOWS},
    "uoro": Arm("UORO", ("#2f9e77", _SOLID), lambda *_: rnnjax.rules.UORO()),
    "kf_rtrl": Arm("KF-RTRL", ("#2f9e77", _DASHED), lambda *_: rnnjax.rules.KFRTRL()),
    "reverse_kf_rtrl": Arm("reverse KF-RTRL", ("#2f9e77", _DOTTED),
                           lambda *_: rnnjax.rules.ReverseKFRTRL()),
    "snap_1": Arm("SnAp-1", ("#e08a1e", _SOLID), lambda *_: rnnjax.rules.SnAp(1)),
    "rflo": Arm("RFLO", ("#e08a1e", _DASHED), lambda *_: rnnjax.rules.RFLO()),
    "rflo_random": Arm("RFLO, random feedback", ("#e08a1e", _DOTTED),
                       lambda *given: rnnjax.rules.RFLO(_random_feedback(*given))),
    "eprop": Arm("e-prop, random feedback", ("#8a6d1d", _DOTTED),
                 lambda *given: rnnjax.rules.EProp(feedback=_random_feedback(*given))),
    "kernl": Arm("KeRNL", ("#c2478f", _SOLID), lambda *_: rnnjax.rules.KeRNL()),
    "dni": Arm("DNI", ("#c2478f", _DASHED), lambda *_: rnnjax.rules.DNI()),
    "trace_0.7": Arm("eligibility trace, decay 0.7", ("#56b4e9", _SOLID),
                     lambda *_: rnnjax.rules.EligibilityTrace(0.7)),
    "node_perturbation": Arm("node perturbation", ("#909090", _SOLID),
                             lambda *_: rnnjax.rules.NodePerturbation()),
}  # fmt: skip


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

    @model_validator(mode="after")
    def _window_divides(self):
        length, window = _PROBLEMS[self.task].length, _ARMS[self.rule].window
        if length % (window or 1):
            told = f"expected a window that divides T = {length} of {self.task}, got {self.rule}"
            raise ConfigError("rule", told)
        return self


def coordinates(setting):
    """The points of a learning curve, as the share of the training that is behind."""
    return {"point": (np.arange(setting.n_points) + 1) / setting.n_points}


def variables(setting):
    """What is measured in every cell of the sweep."""
    return {
        "loss": Variable(("point",), "mean loss of the steps that count, before updates", "nat"),
        "delay": Variable(("point",), "delay of the copy task; 0 in other tasks", "step"),
        "solved": Variable((), "longest delay of copy solved; 0 in other tasks", "step"),
    }


def shared(setting):
    """Draw keys and the normal numbers of which the weights of every network are cut.

    So no case compiles a generator of its own for them.
    """
    keys = jax.random.split(jax.random.key(setting.seed), 3)
    numbers = jax.random.normal(keys[0], (setting.n_h, setting.n_h + 2 * _WIDEST))
    return numbers, keys[1:]


def measure(setting, shared):
    """Train one network on one task by one rule."""
    numbers, (key_rule, key_data) = shared
    problem = _PROBLEMS[setting.task]
    task = problem.task()
    cell = rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, leak=setting.leak)
    params = _start(cell, numbers)
    n = setting.longer * problem.n_sequences
    learner = _learner(setting, cell, _ARMS[setting.rule].rule(cell, params, key_rule))
    if setting.task == "copy":
        return _curriculum(setting, learner, params, key_data, n)
    losses = learner(task, key_data, setting.n_points * n, params).loss.sum(axis=1)
    loss = losses.reshape(setting.n_points, n).mean(axis=1) / problem.n_counted
    delay = jnp.zeros(setting.n_points)
    return {"loss": _lost_is_infinite(loss), "delay": delay, "solved": jnp.zeros(())}


def _start(cell, numbers):
    """Parameters cut out of normal numbers, scaled as `Vanilla.init` does; biases 0."""
    n_x, n_h, n_y = cell.n_x, cell.n_h, cell.n_y
    W, U, V = jnp.split(numbers, [n_h, n_h + numbers[:, n_h:].shape[1] // 2], axis=1)
    return rnnjax.cells.vanilla.VanillaParams(
        W=W / n_h**0.5,
        U=U[:, :n_x] / n_x**0.5,
        b=jnp.zeros(n_h),
        V=V[:, :n_y].T / n_h**0.5,
        c=jnp.zeros(n_y),
    )


def _learner(setting, cell, rule):
    """Return (task, key, n_sequences, params) -> `OnlineTraining` by a rule."""
    window = _ARMS[setting.rule].window
    block = _PROBLEMS[setting.task].length if window is None else window
    optimiser = optax.adam(setting.learning_rate)

    def train(task, key, n_sequences, params):
        return rnnjax.fit_online(
            cell,
            task,
            rule,
            optimiser,
            key,
            n_sequences=n_sequences,
            batch_size=setting.batch_size,
            steps_per_update=block,
            params=params,
        )

    return train


def _curriculum(setting, learner, params, key, n):
    """Train on copy, n sequences at a time; the delay grows when the last ones were solved."""

    def piece(carry, key):
        params, delay, solved = carry
        trained = learner(_copy(delay), key, n, params)
        loss = jnp.sum(trained.loss) / (n * _N_ITEMS)
        done = loss < _SOLVED
        later = jnp.minimum(delay + done, _LONGEST)
        return (trained.params, later, jnp.where(done, delay, solved)), (loss, delay)

    start = params, jnp.int32(1), jnp.int32(0)
    keys = jax.random.split(key, setting.n_points)
    (_, _, solved), (loss, delay) = jax.lax.scan(piece, start, keys)
    return {
        "loss": _lost_is_infinite(loss),
        "delay": delay.astype(loss.dtype),
        "solved": solved.astype(loss.dtype),
    }


def _lost_is_infinite(loss):
    return jnp.where(jnp.isfinite(loss), loss, jnp.inf)


def _rules_of(cube, task):
    """Cases of a task by rule, in the order of the table."""
    there = cube["rule"].values[cube["task"].values == task]
    return {rule: f"{task}/{rule}" for rule in _ARMS if rule in there}


def _score(cube, task):
    """What a rate is judged by, less is better: the last losses, or minus the delay solved."""
    if task == "copy":
        return -cube["solved"]
    return cube["loss"].isel(point=slice(-_last(cube), None)).mean("point")


def _last(cube):
    """Number of points that are the end of the training: an eighth of them."""
    return max(1, cube.sizes["point"] // 8)


def _at_best_rate(cube, task, case):
    """The runs of a case at the learning rate with the best median score, (seed, point)."""
    runs = cube.sel(case=case)
    best = int(_score(runs, task).median("seed").fillna(np.inf).argmin("learning_rate"))
    return runs.isel(learning_rate=best)


def figure(cube):
    """One panel a task: median and band of every rule over the sequences seen."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figures = rnnjax.figures
    tasks = [task for task in _PROBLEMS if _rules_of(cube, task)]
    n_rows = -(-len(tasks) // 2)
    drawn = Figure(figsize=(figures.PAGE_WIDTH, 1.0 + 2.45 * n_rows))
    panels = drawn.subplots(n_rows, 2, squeeze=False)
    for ax in panels.flat[len(tasks) :]:
        ax.remove()
    for ax, task in zip(panels.flat, tasks, strict=False):
        _draw_task(ax, cube, task)
    figures.letter_panels(panels.flat[: len(tasks)])
    shown = {rule: None for task in tasks for rule in _rules_of(cube, task)}
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, label=words)
        for words, (colour, dashes), *_ in (arm for rule, arm in _ARMS.items() if rule in shown)
    ]
    drawn.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7)
    return drawn


def _draw_task(ax, cube, task):
    config, problem = json.loads(cube.attrs["config"]), _PROBLEMS[task]
    per_point = config["longer"] * problem.n_sequences * config["batch_size"]
    seen = (np.arange(cube.sizes["point"]) + 1) * per_point
    variable = "delay" if task == "copy" else "loss"
    rules = _rules_of(cube, task)
    for place, (rule, case) in enumerate(rules.items()):
        colour, dashes = _ARMS[rule].look
        runs = _at_best_rate(cube, task, case)[variable].transpose("seed", "point").values
        band = rnnjax.figures.seed_band(runs)
        ax.plot(seen, band.median, color=colour, linestyle=dashes, linewidth=1.2)
        if len(rules) <= _MOST_BANDS or place < 2:
            ax.fill_between(seen, band.low, band.high, color=colour, alpha=0.1, linewidth=0)
    ax.set(xlabel="sequences seen", xlim=(0, seen[-1]), title=problem.words)
    if task == "copy":
        ax.set(ylabel="delay (steps)", ylim=(0, None))
        ax.yaxis.get_major_locator().set_params(integer=True)
        return
    _draw_floors(ax, task, seen[-1])
    ax.set(ylabel="loss (nat)")


def _draw_floors(ax, task, right):
    """Draw what no memory costs and, on the add task, the exact plateaus below it."""
    chance = _PROBLEMS[task].chance
    floors = {"chance": chance}
    if task == "add":
        names = ("neither lag", f"lag {_LAGS[0]} alone", "both lags")
        floors = dict(zip(names, rnnjax.theory.add_task.plateaus(), strict=True))
    for name, value in floors.items():
        ax.axhline(value, color="#808080", linewidth=0.8, linestyle=":", zorder=0)
        ax.text(right, value, name, ha="right", va="center", fontsize=6.5, color="#404040",
                bbox={"facecolor": "#ffffff", "alpha": 0.8, "linewidth": 0, "pad": 0.8},
                zorder=5)  # fmt: skip
    ax.set_ylim(0.43 if task == "add" else 0, 1.12 * chance)


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = _one_step_rules_agree(cube, config)
    if config["n_points"] * config["longer"] < 40:
        return found
    for task in ("add", "digits", "delayed_xor"):
        found += _exact_rules_learn(cube, task) + _local_rules_are_behind(cube, task, config)
    return found + _exact_rules_remember_longer(cube)


def _end(cube, task, case):
    """Score at the end of the training at the best rate, median over seeds."""
    return float(_score(_at_best_rate(cube, task, case), task).median("seed"))


def _one_step_rules_agree(cube, config):
    """RFLO without a leak and truncation at one step: one rule under two names."""
    cases = {*cube["case"].values}
    pairs = [(f"{task}/rflo", f"{task}/tbptt_1") for task in _PROBLEMS if task != "copy"]
    pairs = [pair for pair in pairs if cases.issuperset(pair) and config["leak"] == 1]
    if not pairs:
        return []
    loss = cube["loss"].isel(point=0)
    gaps = [loss.sel(case=a) - loss.sel(case=b) for a, b in pairs]
    return [
        rnnjax.Claim(
            "RFLO without leak against truncation at one step, loss at the first point, nat",
            max(float(np.abs(gap.values).max()) for gap in gaps),
            0.0,
            1e-3,
            "exact: Murray 2019 with a = 1; tolerance: float32 rounding over the updates",
        )
    ]


def _exact_rules_learn(cube, task):
    bound = {"add": rnnjax.theory.add_task.plateaus().first_lag}
    bound = bound.get(task, _PROBLEMS[task].chance / 2)
    cases = _rules_of(cube, task)
    told = "the plateau of the first lag alone" if task == "add" else "half of chance"
    return [
        rnnjax.Claim(
            f"{task}, {_ARMS[rule].words}: loss at the end, median, nat",
            _end(cube, task, cases[rule]),
            bound,
            0.0,
            f"{told}: the gradient is exact, so the memory asked for is learned",
            relation="at_most",
        )
        for rule in ("bptt", "rtrl")
        if rule in cases
    ]


def _local_rules_are_behind(cube, task, config):
    cases = _rules_of(cube, task)
    if not {"rflo", "rtrl"} <= cases.keys() or config["leak"] != 1:
        return []
    return [
        rnnjax.Claim(
            f"{task}: loss of RFLO over that of RTRL at the end, medians",
            _end(cube, task, cases["rflo"]) / _end(cube, task, cases["rtrl"]),
            1.0,
            0.0,
            "without a leak its trace knows one step: Murray 2019",
            relation="at_least",
        )
    ]


def _exact_rules_remember_longer(cube):
    cases = _rules_of(cube, "copy")
    if not {"rflo", "rtrl"} <= cases.keys():
        return []
    solved = {rule: -_end(cube, "copy", cases[rule]) for rule in ("rflo", "rtrl")}
    return [
        rnnjax.Claim(
            "copy: longest delay solved by RTRL minus that by RFLO, medians, steps",
            solved["rtrl"] - solved["rflo"],
            1.0,
            0.0,
            "without a leak its trace knows one step: Murray 2019",
            relation="at_least",
        )
    ]
