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

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, swept
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, optax
from rnnjax.reductions import at_best, largest, median
from rnnjax.sweep import NameOf, Traced, Variable

COMPILE = "quickly"

_MOST_BANDS = 7  # in a panel with more rules, only the first two have a band: more would hide it
_SOLVED = 0.15 * math.log(2)  # nats a recalled symbol
_LAGS, _LONGEST, _N_ITEMS, _N_SYMBOLS = (2, 5), 24, 2, 2
_WIDEST = 10  # inputs and outputs, those of digits
_PLATEAUS = rnnjax.theory.add_task.plateaus()


class Problem(NamedTuple):
    """One task, and what a point of its curve is."""

    words: str
    task: Callable[..., Any]
    length: int  # T; that of copy has room for the longest delay
    n_counted: int  # steps that have a loss
    n_sequences: int  # at a point of the curve
    chance: float  # loss in nats without any memory


def _copy(delay=1):
    return rnnjax.tasks.Copy(_N_SYMBOLS, _N_ITEMS, delay, _LONGEST, blanks=False)


_PROBLEMS = {
    "add": Problem("add task, lags {} and {}".format(*_LAGS),
                   lambda: rnnjax.tasks.AddTask(*_LAGS, length=16),
                   16, 16 - _LAGS[1], 15, _PLATEAUS.no_memory),
    "copy": Problem(f"copy {_N_ITEMS} bits, growing delay", _copy,
                    _LONGEST + 2 * _N_ITEMS, _N_ITEMS, 12, math.log(_N_SYMBOLS)),
    "digits": Problem("digits, row by row", lambda: rnnjax.tasks.Digits(by_rows=True),
                      8, 1, 30, math.log(10)),
    "delayed_xor": Problem("delayed exclusive or", lambda: rnnjax.tasks.DelayedXOR(7, 8),
                           16, 1, 20, math.log(2)),
}  # fmt: skip


class Arm(NamedTuple):
    """One way to train."""

    look: Look
    rule: Callable[..., Any]  # (key, cell, params) -> rule
    window: int | None = 1  # steps of an update; None for those of a sequence


def _truncated(*windows):
    return {
        f"tbptt_{window}": Arm(
            Look(f"truncated BPTT, $K$ = {window}", "#23408f", "", "-" if window > 1 else _DOTTED),
            lambda *_, window=window: rnnjax.rules.TruncatedBPTT(window),
            window,
        )
        for window in windows
    }


def _feedback(*given):
    return rnnjax.rules.random_feedback(*given)


_DASHED, _DOTTED = (0, (4, 1.5)), (0, (1, 1.2))
_ARMS = {
    "bptt": Arm(Look("BPTT", "#000000"), lambda *_: rnnjax.rules.BPTT(), None),
    "rtrl": Arm(Look("RTRL", "#d03030", "", _DASHED), lambda *_: rnnjax.rules.RTRL()),
    **_truncated(1, 2, 4, 7, 8, 14),
    "uoro": Arm(Look("UORO", "#2f9e77"), lambda *_: rnnjax.rules.UORO()),
    "kf_rtrl": Arm(Look("KF-RTRL", "#2f9e77", "", _DASHED), lambda *_: rnnjax.rules.KFRTRL()),
    "reverse_kf_rtrl": Arm(Look("reverse KF-RTRL", "#2f9e77", "", _DOTTED),
                           lambda *_: rnnjax.rules.ReverseKFRTRL()),
    "snap_1": Arm(Look("SnAp-1", "#e08a1e"), lambda *_: rnnjax.rules.SnAp(1)),
    "rflo": Arm(Look("RFLO", "#e08a1e", "", _DASHED), lambda *_: rnnjax.rules.RFLO()),
    "rflo_random": Arm(Look("RFLO, random feedback", "#e08a1e", "", _DOTTED),
                       lambda *given: rnnjax.rules.RFLO(_feedback(*given))),
    "eprop": Arm(Look("e-prop, random feedback", "#8a6d1d", "", _DOTTED),
                 lambda *given: rnnjax.rules.EProp(feedback=_feedback(*given))),
    "kernl": Arm(Look("KeRNL", "#c2478f"), lambda *_: rnnjax.rules.KeRNL()),
    "dni": Arm(Look("DNI", "#c2478f", "", _DASHED), lambda *_: rnnjax.rules.DNI()),
    "trace_0.7": Arm(Look("eligibility trace, decay 0.7", "#56b4e9"),
                     lambda *_: rnnjax.rules.EligibilityTrace(0.7)),
    "node_perturbation": Arm(Look("node perturbation", "#909090"),
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
        length = _PROBLEMS[self.task].length
        if length % (_ARMS[self.rule].window or 1):
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
    problem, arm = _PROBLEMS[setting.task], _ARMS[setting.rule]
    task = problem.task()
    cell = rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, leak=setting.leak)
    params = _start(cell, numbers)
    rule, optimiser = arm.rule(key_rule, cell, params), optax.adam(setting.learning_rate)
    sizes = {"batch_size": setting.batch_size, "steps_per_update": arm.window or problem.length}

    def train(task, key, n, params):
        options = {"n_sequences": n, "params": params, **sizes}
        return rnnjax.fit_online(cell, task, rule, optimiser, key, **options)

    n, n_points = setting.longer * problem.n_sequences, setting.n_points
    if setting.task == "copy":
        return _curriculum(setting, train, params, key_data, n)
    losses = train(task, key_data, n_points * n, params).loss.sum(axis=1)
    loss = losses.reshape(n_points, n).mean(axis=1) / problem.n_counted
    return {"loss": _or_inf(loss), "delay": jnp.zeros(n_points), "solved": jnp.zeros(())}


def _start(cell, numbers):
    """Parameters cut out of normal numbers, scaled as `Vanilla.init` does; biases 0."""
    n_x, n_h, n_y = cell.n_x, cell.n_h, cell.n_y
    W, U, V = jnp.split(numbers, [n_h, n_h + numbers[:, n_h:].shape[1] // 2], axis=1)
    U, V = U[:, :n_x] / n_x**0.5, V[:, :n_y].T / n_h**0.5
    b, c = jnp.zeros(n_h), jnp.zeros(n_y)
    return rnnjax.cells.vanilla.VanillaParams(W=W / n_h**0.5, U=U, b=b, V=V, c=c)


def _curriculum(setting, train, params, key, n):
    """Train on copy, n sequences at a time; the delay grows when the last ones were solved."""

    def piece(carry, key):
        params, delay, solved = carry
        trained = train(_copy(delay), key, n, params)
        loss = jnp.sum(trained.loss) / (n * _N_ITEMS)
        done = loss < _SOLVED
        later = jnp.minimum(delay + done, _LONGEST)
        return (trained.params, later, jnp.where(done, delay, solved)), (loss, delay)

    start = params, jnp.int32(1), jnp.int32(0)
    keys = jax.random.split(key, setting.n_points)
    (_, _, solved), (loss, delay) = jax.lax.scan(piece, start, keys)
    delay, solved = delay.astype(loss.dtype), solved.astype(loss.dtype)
    return {"loss": _or_inf(loss), "delay": delay, "solved": solved}


def _or_inf(loss):
    return jnp.where(jnp.isfinite(loss), loss, jnp.inf)


def _of_task(cube, task):
    """The runs of a task over rule, seed and point, each rule at the learning rate that ends best.

    The end is the last losses, an eighth of all, or minus the delay solved: less is better.
    """
    runs = cube.isel(case=np.flatnonzero(cube["task"] == task)).swap_dims(case="rule")
    last = runs["loss"].isel(point=slice(-max(1, cube.sizes["point"] // 8), None)).mean("point")
    end = -runs["solved"] if task == "copy" else last
    return at_best(runs.assign(end=end), end.median("seed"), "learning_rate")


def _looks(rules):
    return {rule: arm.look for rule, arm in _ARMS.items() if rule in rules}


def figure(cube):
    """One panel a task: median and band of every rule over the sequences seen."""
    tasks = [task for task in _PROBLEMS if task in cube["task"].values]
    n_rows = -(-len(tasks) // 2)
    frame = figures.Frame(n_rows, 2, n=len(tasks), height=1.0 + 2.45 * n_rows)
    for panel, task in zip(frame.panels, tasks, strict=True):
        _draw_task(panel, _of_task(cube, task), task)
    return frame.finished(figures.handles(_looks(cube["rule"].values)), fontsize=7)


def _draw_task(panel, runs, task):
    setting, problem, looks = runs.setting, _PROBLEMS[task], _looks(runs["rule"].values)
    per_point = setting.longer * problem.n_sequences * setting.batch_size
    seen = (np.arange(runs.sizes["point"]) + 1) * per_point
    values = runs["delay" if task == "copy" else "loss"].assign_coords(seen=("point", seen))
    banded = [*looks][: None if len(looks) <= _MOST_BANDS else 2]
    for band, some in (("seed", banded), (None, [rule for rule in looks if rule not in banded])):
        figures.curves(
            panel, values if band else median(values), over="seen", each="rule", band=band,
            looks=_looks(some), line={"linewidth": 1.2},
            xlabel="sequences seen", xlim=(0, seen[-1]), title=problem.words, ylabel="loss (nat)",
        )  # fmt: skip
    if task == "copy":
        panel.set(ylabel="delay (steps)", ylim=(0, None))
        panel.yaxis.get_major_locator().set_params(integer=True)
        return
    floors = {"chance": problem.chance}
    if task == "add":
        names = ("neither lag", f"lag {_LAGS[0]} alone", "both lags")
        floors = dict(zip(names, _PLATEAUS, strict=True))
    for name, value in floors.items():
        figures.level(panel, y=value, text=name, color="#808080", linewidth=0.8, dashes=":")
    panel.set_ylim(0.43 if task == "add" else 0, 1.12 * problem.chance)


def _gap_of_one_step_rules(cube):
    loss = cube["loss"].isel(point=0)
    pairs = [(f"{task}/rflo", f"{task}/tbptt_1") for task in _PROBLEMS if task != "copy"]
    swept_pairs = [pair for pair in pairs if swept(case=pair)(cube)]
    gaps = [largest(abs(loss.sel(case=a) - loss.sel(case=b))) for a, b in swept_pairs]
    return np.max(gaps) if gaps else None


def _end(runs, rule):
    return runs["end"].median("seed").sel(rule=rule)


def _bound(runs, task):
    return _PLATEAUS.first_lag if task == "add" else _PROBLEMS[task].chance / 2


_LEARNED = (
    {"task": "add", "level": "the plateau of the first lag alone"},
    {"task": "digits", "level": "half of chance"},
    {"task": "delayed_xor", "level": "half of chance"},
)
_LEAKLESS = "without a leak its trace knows one step: Murray 2019"
CLAIMS = (
    Row("RFLO without leak against truncation at one step, loss at the first point",
        _gap_of_one_step_rules, unit="nat", equals=0, tolerance=1e-3,
        when=lambda cube: cube.setting.leak == 1,
        source="exact: Murray 2019 with a = 1; tolerance: float32 rounding over the updates"),
    Group((
        Group((
            Row(lambda runs, task, rule: f"{task}, {_ARMS[rule].look.label}: loss at the end, median",
                lambda runs: runs["end"].median("seed"), unit="nat", at_most=_bound,
                for_each={"rule": ("bptt", "rtrl")},
                source="{level}: the gradient is exact, so the memory asked for is learned"),
            Row("{task}: loss of RFLO over that of RTRL at the end, medians",
                lambda runs: _end(runs, "rflo") / _end(runs, "rtrl"), at_least=1,
                when=(swept(rule=("rflo", "rtrl")), lambda runs: runs.setting.leak == 1),
                source=_LEAKLESS),
        ), for_each=_LEARNED, part=_of_task),
        Row("copy: longest delay solved by RTRL minus that by RFLO, medians",
            lambda runs: _end(runs, "rflo") - _end(runs, "rtrl"), unit="steps", at_least=1,
            part=lambda cube: _of_task(cube, "copy"), when=swept(rule=("rflo", "rtrl")),
            source=_LEAKLESS),
    ), when=lambda cube: cube.setting.n_points * cube.setting.longer >= 40),
)  # fmt: skip
