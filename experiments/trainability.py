"""Does the time scale of the gradient at the start predict which delays can be learned?

Command:   rnnjax run trainability
Run time:  about 10 minutes on 2 cores, compiling included.
Figure:    Cells of several kinds, one number of each (forget bias, gain or another) at some levels,
           learn to recall a symbol or to copy two after a delay, with few updates. Before, on
           inputs of the task, the time is measured in which the gradient of the last state falls by
           e. a: share of seeds that learn it over delay / time scale, a point a cell, level and
           delay; dashed: the threshold c that separates best; at the right end, gradients that do
           not fall. b: c of each cell by itself. c: area under the curve of what could predict
           success: delay / time scale, the same by the largest exponent or the horizon, the delay
           alone, the number of state entries. d: the same share over the delay alone.
Source:    For vanilla networks, minimalRNN, LSTM and GRU: Chen, Pennington and Schoenholz,
           Dynamical isometry and a mean field theory of RNNs, ICML 2018; Gilboa et al., Dynamical
           isometry and a mean field theory of LSTMs and GRUs, 2019. That one constant holds for all
           cells is what is tested here, not assumed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Row
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import area_under_curve, at_best, best_threshold, median
from rnnjax.sweep import Named, Traced, Variable

COMPILE = "quickly"
_LEARNED = 0.9  # share of right answers
_RULES_OF_THUMB = {
    "e_folding_time": "delay / e-folding time",
    "exponent_time": "delay / time of the exponent",
    "horizon": "delay / horizon",
    "delay_alone": "delay alone",
    "n_entries": "state entries",
}


class Setting(sweep.Setting):
    """A cell with one number of it, a task with a delay, and how long it is trained."""

    cell: Annotated[str, Named("cells")] = "LSTM"
    knob: str = Field(
        "forget_bias", description="the field of the cell that sets how long it keeps"
    )
    low: float = Field(-2.0, description="its value at level 0")
    high: float = Field(6.0, description="its value at level 1")
    task: Literal["recall", "copy"] = "recall"
    delay: int = Field(20, ge=2, description="steps between what is shown and the answer")
    level: Traced[float] = Field(0.5, ge=0, le=1, description="where between both values")
    learning_rate: Traced[PositiveFloat] = Field(0.01, description="of Adam")
    seed: Traced[int] = Field(0, description="of weights and sequences")
    n_entries: PositiveInt = Field(24, description="state entries, at most")
    n_symbols: int = Field(4, ge=2, description="kinds of symbols")
    batch_size: PositiveInt = Field(16, description="sequences of an update")
    n_updates: PositiveInt = Field(300, description="updates")
    max_norm: PositiveFloat = Field(1.0, description="norm to which gradients are clipped")
    probed: int = Field(
        250, ge=16, description="steps of the sequence that is measured at the start"
    )
    n_tested: PositiveInt = Field(100, description="sequences of the test")
    axes = (("case", "cell", "knob", "low", "high"), ("problem", "task", "delay"), "level",
            "learning_rate", "seed")  # fmt: skip


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    start = "at the start, inputs of the task"
    return {
        "accuracy": Variable((), "share of right answers after training", "1"),
        "loss": Variable((), "mean loss of the last tenth of the updates", "nat"),
        "growth_rate": Variable((), f"growth of ln ||dL_T/dh|| a lag, {start}", "nat/step"),
        "exponent": Variable((), f"largest exponent, {start}", "nat/step"),
        "horizon": Variable((), f"lag at which 0.01 is left, {start}", "step", infinite="beyond"),
        "size": Variable((), "state entries that steps read", "1"),
    }


def _network(setting: Setting, n_x: int, n_y: int) -> Any:
    """Return the cell at its level, with as many units as the state entries allow."""
    value = setting.low + setting.level * (setting.high - setting.low)
    given = {"n_x": n_x, "n_y": n_y, setting.knob: value}
    return rnnjax.cells.of_size(setting.cell, setting.n_entries, **given)


def _task(setting: Setting) -> Any:
    if setting.task == "recall":
        return rnnjax.tasks.DelayedRecall(setting.n_symbols, setting.delay + 1)
    return rnnjax.tasks.Copy(setting.n_symbols, 2, setting.delay, blanks=False)


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Measure the gradient at the start, train, and test."""
    task = _task(setting)
    cell = _network(setting, task.n_x, task.n_y)
    keys = jax.random.split(jax.random.key(setting.seed), 4)
    params = cell.init(keys[0])
    optimiser = rnnjax.updates.clip_by_norm(setting.max_norm, optax.adam(setting.learning_rate))
    done = rnnjax.fit(
        cell, task, rnnjax.BPTT(), optimiser, keys[1],
        n_updates=setting.n_updates, batch_size=setting.batch_size, params=params,
    )  # fmt: skip
    return {
        "accuracy": _accuracy(cell, task, done.params, keys[2], setting.n_tested),
        "loss": jnp.mean(done.loss[-max(1, setting.n_updates // 10) :]),
        "size": jnp.asarray(cell.n_h - rnnjax.dynamics.traits(cell).n_unread),
        **_time_scales(cell, params, _waiting(setting, task.n_x, keys[3])),
    }


def _waiting(setting: Setting, n_x: int, key: jax.Array) -> rnnjax.Batch:
    """Return a sequence of what the task shows while it waits: noise, or the blank."""
    x = 0.2 * jax.random.normal(key, (setting.probed, n_x))
    if setting.task == "copy":
        x = jnp.zeros((setting.probed, n_x)).at[:, setting.n_symbols].set(1.0)
    return rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))


def _time_scales(cell: Any, params: Any, batch: rnnjax.Batch) -> dict[str, jax.Array]:
    found = rnnjax.probes.gradient_horizon(cell, None, params, batch)
    spectrum = rnnjax.probes.lyapunov_spectrum(cell, None, params, batch, n_exponents=1)
    return {
        "growth_rate": found["growth_rate"],
        "horizon": found["horizon"],
        "exponent": spectrum["exponents"][0],
    }


def _accuracy(cell: Any, task: Any, params: Any, key: jax.Array, n: int) -> jax.Array:
    def right(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        batch = task.sample(key)
        answer = rnnjax.scan.outputs(cell, params, batch.x)
        due = batch.mask > 0
        hit = jnp.argmax(answer, axis=1) == jnp.argmax(batch.y, axis=1)
        return jnp.sum(hit & due), jnp.sum(due)

    hits, dues = jax.vmap(right)(jax.random.split(key, n))
    return jnp.sum(hits) / jnp.sum(dues)


def _runs(cube: xr.Dataset) -> xr.Dataset:
    """Return success and what could predict it, a place for each cell, task, delay and level."""
    learned = (cube["accuracy"] >= _LEARNED).mean("seed")
    at_rate = at_best(learned, -learned, "learning_rate")
    start = cube.isel(learning_rate=0)
    found = xr.Dataset({"share": at_rate.drop_vars("learning_rate")})
    for name, rate in (("e_folding_time", "growth_rate"), ("exponent_time", "exponent")):
        decay = -start[rate].median("seed")
        found[name] = xr.where(decay > 0, start["delay"] * decay, 0.0)
    found["horizon"] = start["delay"] / median(start["horizon"])
    found["delay_alone"] = start["delay"] + 0 * found["share"]
    found["n_entries"] = -start["size"].median("seed") + 0 * found["share"]
    return found.drop_vars("learning_rate", errors="ignore")


def _area(runs: xr.Dataset, name: str) -> float:
    score, share = xr.broadcast(runs[name], runs["share"])
    return area_under_curve(score.values, share.values >= 0.5)


def _threshold(runs: xr.Dataset) -> tuple[float, float]:
    score, share = xr.broadcast(runs["e_folding_time"], runs["share"])
    return best_threshold(score.values, share.values >= 0.5)


def _by_cell(runs: xr.Dataset) -> dict[str, xr.Dataset]:
    names = [str(name).partition("(")[0] for name in runs["cell"].values]
    return {n: runs.isel(case=[i for i, m in enumerate(names) if m == n]) for n in names}


def figure(cube: xr.Dataset) -> figures.Figure:
    """Success over the scaled delay, thresholds by cell, areas, success over the delay alone."""
    frame, runs = figures.Frame(2, 2, height=6.0), _runs(cube)
    each = _by_cell(runs)
    looks = figures.distinct_looks(list(each))
    scaled, thresholds, areas, alone = frame.panels
    c = _threshold(runs)[0]
    _draw_success(scaled, each, looks, "e_folding_time", "delay / e-folding time at the start")
    figures.level(scaled, x=c, color="black")
    _draw_thresholds(thresholds, each, looks, c)
    _draw_areas(areas, runs)
    _draw_success(alone, each, looks, "delay_alone", "delay (steps)")
    return frame.finished(figures.handles(looks), ncols=5)


def _draw_success(panel: figures.Axes, each: dict, looks: dict, name: str, xlabel: str) -> None:
    spread = np.random.default_rng(0)  # points apart, so that none hides another
    for cell, runs in each.items():
        score, share = (a.values.ravel() for a in xr.broadcast(runs[name], runs["share"]))
        y = share + spread.uniform(-0.02, 0.02, share.shape)
        x = np.maximum(score, 1e-2)
        panel.plot(x, y, color=looks[cell].colour, marker=looks[cell].marker, markersize=3.5,
                   linestyle="", alpha=0.7)  # fmt: skip
    panel.set(xscale="log", xlabel=xlabel, ylim=(-0.06, 1.06))
    panel.set_ylabel("share of seeds that learn it")


def _draw_thresholds(panel: figures.Axes, each: dict, looks: dict, c: float) -> None:
    for row, (cell, runs) in enumerate(each.items()):
        own = _threshold(runs)
        panel.plot(own[0], row, color=looks[cell].colour, marker=looks[cell].marker)
    panel.set(xscale="log", yticks=range(len(each)), yticklabels=list(each),
              xlabel="$c$ of one cell: delay / e-folding time")  # fmt: skip
    panel.invert_yaxis()
    figures.level(panel, x=c, color="black")


def _draw_areas(panel: figures.Axes, runs: xr.Dataset) -> None:
    areas = [_area(runs, name) for name in _RULES_OF_THUMB]
    panel.barh(range(len(areas)), areas, color=figures.BLUE, height=0.6)
    panel.set(yticks=range(len(areas)), yticklabels=list(_RULES_OF_THUMB.values()),
              xlim=(0, 1.0), xlabel="area under the curve")  # fmt: skip
    panel.invert_yaxis()
    figures.level(panel, x=0.5, color=figures.GREY)


def _swept_enough(cube: xr.Dataset) -> bool:
    return cube.sizes["case"] >= 5 and cube.sizes["problem"] >= 4


_OURS = "hypothesis of this project: one constant for all cells; no published value"
CLAIMS = (
    Row("success by delay / e-folding time: area under the curve",
        lambda cube: _area(_runs(cube), "e_folding_time"), at_least=0.8, source=_OURS,
        when=_swept_enough),
    Row("the same, minus the area of the delay alone",
        lambda cube: _area(_runs(cube), "e_folding_time") - _area(_runs(cube), "delay_alone"),
        at_least=0.0, source=_OURS, when=_swept_enough),
    Row("the same, minus the area of the number of state entries",
        lambda cube: _area(_runs(cube), "e_folding_time") - _area(_runs(cube), "n_entries"),
        at_least=0.0, source=_OURS, when=_swept_enough),
)  # fmt: skip
