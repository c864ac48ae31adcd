"""When does an eligibility ratio or a delta x help training, when does it harm, and by how much?

The arms of C. Yuan's slides (rnn, rnn+et, rnn+dx, rnn+et+dx), as they stand and safeguarded, beside
a plain step of the same length, momentum and Rprop: the same learning rates, networks and data.

Command:   rnnjax run training_variants
Run time:  about 8 minutes on 2 cores, compiling included.
Figure:    a: loss of each arm at its best learning rate over that of plain backpropagation through
           time (rnn + dx), median over seeds: blue is less, red is more; a grey dot: over 10 % of
           the runs are lost. b, c: losses of five of the arms on the adding problem, over the gain
           of the recurrent weights and over the sequence length; dotted: the best constant answer.
Source:    C. Yuan, RNN (slides), 2022; Polyak 1964 (momentum); Riedmiller and Braun 1993 (Rprop).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import at_best
from rnnjax.sweep import ActivationName, Traced, Variable

_LITERAL = ("et_literal", "et_dx_both_literal", "et_dx_literal")  # ratios
_LOOKS = {
    "rnn": Look("rnn (no delta x)", "#000000", "o", hollow=True, size=7),
    "et_literal": Look("rnn + et, literal", "#c2478f", "v", size=4),
    "et_safe": Look("rnn + et, safeguarded", "#e08a1e", "^", size=4),
    "dx_literal": Look("rnn + dx, literal", "#8a6d1d", "P", size=4),
    "dx": Look("rnn + dx (BPTT)", "#23408f", "s", size=4),
    "et_dx_both_literal": Look("rnn + et + dx, both literal", ""),  # in the matrix alone
    "et_dx_literal": Look("rnn + et + dx, et literal", "#b02020", "X", size=4),
    "et_dx_safe": Look("rnn + et + dx, safeguarded", "#2f9e77", "D", size=4),
    "matched": Look("BPTT, step as long as that", "#56b4e9", "d", size=4),
    "momentum": Look("BPTT, momentum 0.9", ""),
    "rprop": Look("BPTT, Rprop", "#707070", "*", size=4),
}
_TASKS = {
    "data_pairs": lambda T: rnnjax.decks.DataPairs(T),
    "adding": lambda T: rnnjax.tasks.Adding(T),
    "temporal_order": lambda T: rnnjax.tasks.TemporalOrder(T),
    "digits": lambda T: rnnjax.tasks.Digits(by_rows=T == 8),
}
_CHANCE = {"adding": 1 / 6, "temporal_order": np.log(4), "digits": np.log(10)}  # best constant
_LEARNING_RATES = [0.1, 0.3, 1.0]
_LEARNT = 1e-6  # losses below count as this: what is left of them is rounding
_LINES = ("rnn", "dx", "et_dx_literal", "et_dx_safe", "rprop")  # in panels b and c
_LOST = 30.0  # over the loss of guessing: the top of panels b and c


class Setting(sweep.Setting):
    """A network, its task, and how long it is trained in every arm."""

    task: Literal["data_pairs", "adding", "temporal_order", "digits"] = "adding"
    length: PositiveInt = Field(10, description="steps T")
    activation: ActivationName = "tanh"
    gain: PositiveFloat = Field(1.0, description="of the recurrent weights at the start")
    seed: Traced[int] = 0
    n_h: PositiveInt = Field(8, description="units; the Jordan network of data_pairs has 4")
    n_sequences: PositiveInt = Field(16, description="sequences of training, all in every update")
    n_updates: PositiveInt = Field(150, description="updates of every arm and learning rate")
    axes = (("case", "task", "length", "activation"), "gain", "seed")

    @model_validator(mode="after")
    def _task_has_the_length(self) -> Self:
        least = 10 if self.task == "temporal_order" else 2
        told, fits = f"at least {least}", self.length >= least
        if self.task == "digits":
            told, fits = "8 or 64", self.length in (8, 64)
        if not fits:
            raise ConfigError("length", f"expected {told} for {self.task}, got {self.length}")
        return self


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Arms and learning rates."""
    return {"arm": np.array([*_LOOKS]), "learning_rate": np.array(_LEARNING_RATES)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    dims = ("arm", "learning_rate")
    return {
        "loss": Variable(dims, "mean loss after training, inf if lost"),
        "held_out_loss": Variable(dims, "the same on other sequences, inf if lost"),
        "start_loss": Variable((), "mean loss before training"),
    }


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Train one network in every arm with every learning rate."""
    task = _TASKS[setting.task](setting.length)
    cell = _cell(setting, task)
    params, training, held_out = _drawn(setting, cell, task)

    def losses(params):
        each = [rnnjax.mean_loss(cell, task.loss, params, batch) for batch in (training, held_out)]
        return jnp.stack([jnp.where(jnp.isfinite(loss), loss, jnp.inf) for loss in each])

    def after(rule, optimiser):
        options = {"n_updates": setting.n_updates, "batch": training, "params": params}
        return losses(rnnjax.fit(cell, task, rule, optimiser, jax.random.key(0), **options).params)

    by_arm = rnnjax.decks.variants.by_arm(after, _LEARNING_RATES)
    loss, held_out_loss = jnp.moveaxis(by_arm, -1, 0)
    start_loss = losses(params)[0].astype(jnp.float32)
    return {"loss": loss, "held_out_loss": held_out_loss, "start_loss": start_loss}


def _cell(setting: Setting, task: Any) -> Any:
    options = {"gain": setting.gain, "activation": rnnjax.activation_named(setting.activation)}
    if setting.task == "data_pairs":
        return rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=1.5, **options)
    return rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, **options)


def _drawn(setting: Setting, cell: Any, task: Any) -> tuple:
    """A network, the sequences that it is trained on, and others."""
    keys = jax.random.split(jax.random.key(setting.seed), 3)
    params, n = cell.init(keys[0]), setting.n_sequences
    if setting.task == "data_pairs":
        return params, task.training(), task.held_out()
    sizes = zip(keys[1:], (n, 4 * n), strict=True)
    return params, *(jax.vmap(task.sample)(jax.random.split(key, n)) for key, n in sizes)


def _median_loss(cube: xr.Dataset) -> xr.DataArray:
    """Median over seeds at each arm's own best learning rate, (case, gain, arm)."""
    return np.maximum(cube["loss"].median("seed").min("learning_rate"), _LEARNT)


def _factor(cube: xr.Dataset) -> xr.DataArray:
    """log10 of the loss over that of plain backpropagation through time, (case, gain, arm)."""
    loss = np.log10(_median_loss(cube))
    return loss - loss.sel(arm="dx")


def _lost(cube: xr.Dataset) -> xr.DataArray:
    """Share of runs that end above their start, at the best learning rate, (case, gain, arm)."""
    runs = at_best(cube["loss"], cube["loss"].median("seed"), "learning_rate")
    return (runs > cube["start_loss"]).mean("seed")


def _words(cube: xr.Dataset) -> dict[str, str]:
    """Task, length and activation of every case, a line each."""
    fields = (cube[name].values for name in ("case", "task", "length", "activation"))
    return {case: f"{task.replace('_', ' ')}\n$T$ = {length}\n{activation}"
            for case, task, length, activation in zip(*fields, strict=True)}  # fmt: skip


def figure(cube: xr.Dataset) -> figures.Figure:
    """A matrix of factors against BPTT, above the losses over gain and over length."""
    frame = figures.Frame(height=5.6, layout="aa;bc", height_ratios=(1.35, 1))
    matrix, by_gain, by_length = frame.panels
    middle = cube["gain"].values[np.abs(np.log(cube["gain"].values)).argmin()]  # nearest to 1
    bar = frame.figure.colorbar(_draw_matrix(matrix, cube, middle), ax=matrix, pad=0.01,
                                location="top" if figures.in_column() else "right")  # fmt: skip
    bar.set_ticks([-1, 0, 1], labels=["0.1", "1", "10"])
    bar.set_label(f"loss over that of BPTT, gain {middle:g}")
    at = (cube["task"] == "adding") & (cube["activation"] == "tanh")
    shown = cube.isel(case=np.flatnonzero(at) if at.any() else [0]).sortby("length")
    loss, words, one = _over_guessing(shown), [*_words(shown).values()], shown.sizes["case"] // 2
    legend = _draw_lines(by_gain, loss.isel(case=one), "gain", words[one].split("\n"))
    _draw_lines(by_length, loss.sel(gain=middle), "length", words[0].split("\n")[::2])
    return frame.finished(legend, ncols=3)


def _draw_matrix(panel: figures.Axes, cube: xr.Dataset, gain: float) -> Any:
    factor, lost = (one(cube).sel(gain=gain).transpose("arm", "case") for one in (_factor, _lost))
    column, words = figures.in_column(), _words(cube)
    words = {case: text.replace("\n", ", ") for case, text in words.items()} if column else words
    image = figures.matrix(
        panel, factor, rows="arm", columns="case", column_words=words, colours="RdBu_r",
        row_words={arm: look.label for arm, look in _LOOKS.items()},
        number=lambda v: ">100" if v > 2 else "<.01" if v < -2 else f"{10**v:.{1 + (v > -1)}g}",
    )  # fmt: skip
    rows, columns = np.nonzero(lost.values > 0.1)
    panel.plot(columns + 0.41, rows - 0.38, ".", color="#808080", markersize=3)
    panel.tick_params(labelsize=7)
    panel.tick_params(axis="x", rotation=90 * column)
    panel.spines[:].set_visible(False)
    return image


def _over_guessing(cube: xr.Dataset) -> xr.DataArray:
    """Loss over that of the best constant answer, or of the start where that is not known."""
    start = cube["start_loss"].median(("gain", "seed"))
    known = [_CHANCE.get(str(one["task"].values), float(one)) for one in start]
    return np.minimum(_median_loss(cube) / start.copy(data=known), _LOST)


def _draw_lines(panel: figures.Axes, loss: xr.DataArray, over: str, title: list[str]) -> list:
    lines = figures.curves(
        panel, loss, over=over, each="arm", looks={arm: _LOOKS[arm] for arm in _LINES},
        xscale="log", yscale="log", line={"linewidth": 1.0, "clip_on": False},
        xlabel={"gain": "gain $g$ of the recurrent weights", "length": "sequence length $T$"}[over],
        title=", ".join(title), ylabel="loss over that of guessing", ylim=(None, _LOST),
    )  # fmt: skip
    figures.level(panel, y=1, color="#a0a0a0", linewidth=0.7, linestyle=":")
    panel.text(loss[over].values[-1], 0.5 * _LOST, "lost", ha="right", va="top", fontsize=7)
    figures.ticks(panel, "x", loss[over].values)
    return lines


def answer(cube: xr.Dataset) -> str:
    """Median factors on the loss of plain BPTT, over settings and gains."""
    of_all = 10 ** _factor(cube).median(["case", "gain"]).to_series()
    x = {arm: "over 100" if v > 100 else f"{v:.2g}" for arm, v in of_all.items()}
    worst = (10 ** _factor(cube).sel(arm="rnn")).median("gain").fillna(-np.inf).to_series()
    return (f"Without delta x the loss is {x['rnn']} times that of BPTT, with the literal ratio "
            f"{x['et_dx_literal']} times. Safeguarded ratio: {x['et_dx_safe']}; a plain step as "
            f"long: {x['matched']}; momentum: {x['momentum']}; Rprop: {x['rprop']} (medians). The "
            f"largest without delta x is {worst.max():.2g} ({worst.idxmax()}).")  # fmt: skip


def _gap_to_matched(cube: xr.Dataset) -> xr.DataArray:
    loss = np.log10(_median_loss(cube))
    return (loss.sel(arm="matched") - loss.sel(arm="et_dx_safe")).median()


def _median_factor(arm: str) -> Callable[[xr.Dataset], xr.DataArray]:
    return lambda cube: (10 ** _factor(cube).sel(arm=arm)).median()


CLAIMS = (
    Row("share of starts with a finite loss", lambda cube: np.isfinite(cube["start_loss"]).mean(),
        equals=1, source="every arm begins from the same networks and sequences"),
    Group((
        Row("literal ratio: least median factor on the loss over settings and gains, arm by arm",
            lambda cube: (10 ** _factor(cube).sel(arm=[*_LITERAL])).median(["case", "gain"]).min(),
            at_least=1, source="against the slide's 'the next step will be accelerated'"),
        Row("log10 loss of a plain step of the same length minus the safeguarded ratio's, median",
            _gap_to_matched, equals=0, tolerance=0.05,
            source="control: what the ratio gains, a longer step gains"),
        Row("rnn without delta x: median factor on the loss where memory is asked for",
            _median_factor("rnn"), at_least=1,
            at={"case": lambda case: case["task"].isin(["adding", "temporal_order"])},
            source="truncation at one step sees no lag"),
        Row("Rprop: median factor on the loss over settings and gains", _median_factor("rprop"),
            at_most=1, source="Riedmiller and Braun 1993"),
    ), when=lambda cube: cube.setting.n_updates >= 100),
)  # fmt: skip
