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
import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures
from rnnjax.claims import Group, Row, swept
from rnnjax.reductions import at_best, largest, median
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

COMPILE = "quickly"

_WINDOW = r"tbptt_([1-9]\d*)"
_MOST_BANDS = 7  # in a panel with more rules, only the first two have a band: more would hide it
_SOLVED = 0.15 * math.log(2)  # nats a recalled symbol


class Arm(NamedTuple):
    """One way to train.

    Attributes:
      words: for the figure.
      look: colour and dashes.
      rule: from (cell, params, key) to the rule.
    """

    words: str
    look: tuple[str, Any]
    rule: Callable[..., Any]


_SOLID, _DASHED, _DOTTED = "-", (0, (4, 1.5)), (0, (1, 1.2))
_ARMS = {
    "bptt": Arm("BPTT", ("#000000", _SOLID), lambda *_: rnnjax.rules.BPTT()),
    "rtrl": Arm("RTRL", ("#d03030", _DASHED), lambda *_: rnnjax.rules.RTRL()),
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


def _random_feedback(cell, params, key):
    return rnnjax.rules.random_feedback(key, cell, params)


def _arm(name):
    found = re.fullmatch(_WINDOW, name)
    if not found:
        return _ARMS[name]
    window = int(found[1])
    look = ("#23408f", _SOLID if window > 1 else _DOTTED)
    return Arm(f"truncated BPTT, $K$ = {window}", look,
               lambda *_: rnnjax.rules.TruncatedBPTT(window))  # fmt: skip


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


def _parts(setting):
    """Task and rule of a setting."""
    task, rule = setting.split("/")
    return task, rule


def _checked_setting(setting):
    """Refuse a setting that is not task/rule."""
    parts = setting.split("/")
    if len(parts) != 2 or parts[0] not in _PROBLEMS:
        raise ValueError(
            f"expected TASK/RULE with a task of {', '.join(_PROBLEMS)}, got {setting!r}"
        )
    window = re.fullmatch(_WINDOW, parts[1])
    if parts[1] not in _ARMS and not window:
        raise ValueError(f"expected a rule of {', '.join(_ARMS)} or tbptt_STEPS, got {parts[1]!r}")
    length = _PROBLEMS[parts[0]].length
    if window and length % int(window[1]):
        raise ValueError(f"expected a window that divides T = {length}, got {setting!r}")
    return setting


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    setting: Static[Annotated[str, AfterValidator(_checked_setting)]]
    rate: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """How large the networks are, and how long they are trained."""

    axes: Axes
    n_h: PositiveInt = Field(16, description="units; RTRL costs their fourth power")
    leak: float = Field(1.0, gt=0, le=1, description="a in h' = (1 - a) h + a f(...)")
    batch: PositiveInt = Field(4, description="sequences side by side")
    n_points: PositiveInt = Field(40, description="points of a learning curve")
    longer: PositiveInt = Field(1, description="factor on the sequences of every point")


def coordinates(config):
    """The points of a learning curve, as the share of the training that is behind."""
    return {"point": (np.arange(config.n_points) + 1) / config.n_points}


def variables(config):
    """What is measured in every cell of the sweep."""
    return {
        "loss": Variable(("point",), "mean loss of the steps that count, before updates", "nat"),
        "delay": Variable(("point",), "delay of the copy task; 0 in other tasks", "step"),
        "solved": Variable((), "longest delay of copy solved; 0 in other tasks", "step"),
    }


def draw(config, rate, seed):
    """Draw what every setting has in common, the same at every rate: normal numbers and keys.

    The weights of a network are cut out of the normal numbers, so that no setting compiles a
    generator of its own for them.
    """
    from jax import random

    keys = random.split(random.key(seed), 3)
    widest = 10  # inputs and outputs, those of digits
    numbers = random.normal(keys[0], (config.n_h, config.n_h + 2 * widest))
    return numbers, keys[1:], rate


def measure(config, drawn, setting):
    """Train one network on one task by one rule."""
    from jax import numpy as jnp

    numbers, (key_rule, key_data), rate = drawn
    task, rule = _parts(setting)
    problem = _PROBLEMS[task]
    made = problem.task()
    cell = rnnjax.Vanilla(made.n_x, config.n_h, made.n_y, leak=config.leak)
    params = _start(cell, numbers)
    n = config.longer * problem.n_sequences
    learner = _learner(config, cell, problem, rule, rate, params, key_rule)
    if task == "copy":
        return _curriculum(config, learner, params, key_data, n)
    losses = learner(made, key_data, config.n_points * n, params).loss.sum(axis=1)
    loss = losses.reshape(config.n_points, n).mean(axis=1) / problem.n_counted
    delay = jnp.zeros(config.n_points)
    return {"loss": _lost_is_infinite(loss), "delay": delay, "solved": jnp.zeros(())}


def _start(cell, numbers):
    """Parameters cut out of normal numbers, scaled as `Vanilla.init` does; biases 0."""
    from jax import numpy as jnp

    n_x, n_h, n_y = cell.n_x, cell.n_h, cell.n_y
    W, U, V = jnp.split(numbers, [n_h, n_h + numbers[:, n_h:].shape[1] // 2], axis=1)
    return rnnjax.cells.vanilla.VanillaParams(
        W=W / n_h**0.5,
        U=U[:, :n_x] / n_x**0.5,
        b=jnp.zeros(n_h),
        V=V[:, :n_y].T / n_h**0.5,
        c=jnp.zeros(n_y),
    )


def _learner(config, cell, problem, rule, rate, params, key_rule):
    """Return (task, key, n_sequences, params) -> `OnlineTraining` by a rule."""
    import optax

    window = re.fullmatch(_WINDOW, rule)
    block = problem.length if rule == "bptt" else int(window[1]) if window else 1
    made = _arm(rule).rule(cell, params, key_rule)

    def train(task, key, n_sequences, params):
        return rnnjax.fit_online(
            cell,
            task,
            made,
            optax.adam(rate),
            key,
            n_sequences=n_sequences,
            batch_size=config.batch,
            steps_per_update=block,
            params=params,
        )

    return train


def _curriculum(config, learner, params, key, n):
    """Train on copy, n sequences at a time; the delay grows when the last ones were solved."""
    import jax
    from jax import numpy as jnp
    from jax import random

    def piece(carry, key):
        params, delay, solved = carry
        trained = learner(_copy(delay), key, n, params)
        loss = jnp.sum(trained.loss) / (n * _N_ITEMS)
        done = loss < _SOLVED
        later = jnp.minimum(delay + done, _LONGEST)
        return (trained.params, later, jnp.where(done, delay, solved)), (loss, delay)

    start = params, jnp.int32(1), jnp.int32(0)
    keys = random.split(key, config.n_points)
    (_, _, solved), (loss, delay) = jax.lax.scan(piece, start, keys)
    return {
        "loss": _lost_is_infinite(loss),
        "delay": delay.astype(loss.dtype),
        "solved": solved.astype(loss.dtype),
    }


def _lost_is_infinite(loss):
    from jax import numpy as jnp

    return jnp.where(jnp.isfinite(loss), loss, jnp.inf)


def _rules_of(cube, task):
    """Settings of a task by rule, in the order of the table."""
    parts = {_parts(str(setting)): str(setting) for setting in cube["setting"].values}
    rules = sorted((rule for name, rule in parts if name == task), key=_place)
    return {rule: parts[task, rule] for rule in rules}


def _place(rule):
    """Where a rule stands in the legend: windows behind BPTT and RTRL, by length."""
    known = [*_ARMS]
    return (known.index(rule), 0) if rule in known else (1.5, int(rule.removeprefix("tbptt_")))


def _of_task(cube, task):
    """The runs of a task over rule, seed and point, each rule at the rate with the best end.

    The end is the last losses, an eighth of all, or minus the delay solved: less is better.
    """
    rules = _rules_of(cube, task)
    runs = cube.sel(setting=[*rules.values()]).assign_coords(setting=[*rules])
    runs = runs.rename(setting="rule")
    n_last = max(1, cube.sizes["point"] // 8)
    last = runs["loss"].isel(point=slice(-n_last, None)).mean("point")
    end = -runs["solved"] if task == "copy" else last
    return at_best(runs.assign(end=end), end.median("seed"))


def _looks(rules):
    looks = {rule: _arm(rule) for rule in sorted(rules, key=_place)}
    return {
        rule: figures.Look(arm.words, arm.look[0], dashes=arm.look[1])
        for rule, arm in looks.items()
    }


def figure(cube):
    """One panel a task: median and band of every rule over the sequences seen."""
    tasks = [task for task in _PROBLEMS if _rules_of(cube, task)]
    n_rows = -(-len(tasks) // 2)
    frame = figures.Frame(n_rows, 2, n=len(tasks), height=1.0 + 2.45 * n_rows)
    for panel, task in zip(frame.panels, tasks, strict=True):
        _draw_task(panel, _of_task(cube, task), task)
    shown = {rule for task in tasks for rule in _rules_of(cube, task)}
    return frame.finished(figures.handles(_looks(shown)), fontsize=7)


def _draw_task(panel, runs, task):
    setting, problem, looks = runs.setting, _PROBLEMS[task], _looks(runs["rule"].values.tolist())
    per_point = setting.longer * problem.n_sequences * setting.batch
    seen = (np.arange(runs.sizes["point"]) + 1) * per_point
    values = runs["delay" if task == "copy" else "loss"].assign_coords(seen=("point", seen))
    banded = [*looks][: None if len(looks) <= _MOST_BANDS else 2]
    for band, some in (("seed", banded), (None, [rule for rule in looks if rule not in banded])):
        figures.curves(
            panel, values if band else median(values), over="seen", each="rule", band=band,
            looks={rule: looks[rule] for rule in some}, line={"linewidth": 1.2},
            xlabel="sequences seen", xlim=(0, seen[-1]), title=problem.words, ylabel="loss (nat)",
        )  # fmt: skip
    if task == "copy":
        panel.set(ylabel="delay (steps)", ylim=(0, None))
        panel.yaxis.get_major_locator().set_params(integer=True)
        return
    for name, value in _floors(task).items():
        figures.level(panel, y=value, text=name, color="#808080", linewidth=0.8, dashes=":")
    panel.set_ylim(0.43 if task == "add" else 0, 1.12 * problem.chance)


def _floors(task):
    """What no memory costs and, on the add task, the exact plateaus below it."""
    if task != "add":
        return {"chance": _PROBLEMS[task].chance}
    names = ("neither lag", f"lag {_LAGS[0]} alone", "both lags")
    return dict(zip(names, rnnjax.theory.add_task.plateaus(), strict=True))


def _gap_of_one_step_rules(cube):
    loss = cube["loss"].isel(point=0)
    pairs = [(f"{task}/rflo", f"{task}/tbptt_1") for task in _PROBLEMS if task != "copy"]
    gaps = [
        largest(abs(loss.sel(setting=a) - loss.sel(setting=b)))
        for a, b in pairs
        if swept(setting=(a, b))(cube)
    ]
    return np.max(gaps) if gaps else None


def _bound(runs, task):
    first_lag = rnnjax.theory.add_task.plateaus().first_lag
    return first_lag if task == "add" else _PROBLEMS[task].chance / 2


def _against_rtrl(runs):
    end = runs["end"].median("seed")
    return end.sel(rule="rflo") / end.sel(rule="rtrl")


def _delay_beyond_rflo(runs):
    end = runs["end"].median("seed")
    return end.sel(rule="rflo") - end.sel(rule="rtrl")


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
            Row(lambda runs, task, rule: f"{task}, {_arm(rule).words}: loss at the end, median",
                lambda runs: runs["end"].median("seed"), unit="nat", at_most=_bound,
                for_each={"rule": ("bptt", "rtrl")},
                source="{level}: the gradient is exact, so the memory asked for is learned"),
            Row("{task}: loss of RFLO over that of RTRL at the end, medians", _against_rtrl,
                at_least=1, when=(swept(rule=("rflo", "rtrl")),
                                  lambda runs: runs.setting.leak == 1), source=_LEAKLESS),
        ), for_each=_LEARNED, part=_of_task),
        Row("copy: longest delay solved by RTRL minus that by RFLO, medians", _delay_beyond_rflo,
            unit="steps", at_least=1, part=lambda cube: _of_task(cube, "copy"),
            when=swept(rule=("rflo", "rtrl")), source=_LEAKLESS),
    ), when=lambda cube: cube.setting.n_points * cube.setting.longer >= 40),
)  # fmt: skip
