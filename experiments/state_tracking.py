"""Can a network count if its step has no negative eigenvalue, and does the gradient tell?

Command:   rnnjax run state_tracking
Run time:  about 7 minutes on 2 cores, compiling included.
Figure:    Networks of one layer learn the parity of bits, or the sum of digits modulo 3, from
           sequences of 3 to 40 steps. a, b: share of right answers at the last step of longer
           sequences, a dot a seed and length; dotted: chance. [0, 1], [-1, 1]: eigenvalues of the
           step. c: largest exponent before (open) and after training (filled), median over seeds.
           d, e: norm of the gradient k steps back over that at lag 0, medians over seeds.
Source:    Grazzi, Siems, Zela, Franke, Hutter and Pontil, Unlocking state-tracking in linear RNNs
           through negative eigenvalues, ICLR 2025. There networks have two layers of width 128 and
           the answer is due at the last step; here it is due at every one, so that seconds of
           training are enough. The second task there is arithmetic modulo 5; counting modulo 3 is
           that of their theorem 2.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Row
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import largest, median, smallest
from rnnjax.sweep import Named, Traced, Variable

COMPILE = "quickly"
_PAPER = "Grazzi et al., ICLR 2025"
_LOOKS = {
    "Vanilla(n_h=16)": Look("tanh", figures.GREY, "o"),
    "LSTM(n_units=16)": Look("LSTM", figures.BLACK, "s"),
    "SLSTM(n_units=16)": Look("sLSTM", figures.BLUE, "^"),
    "MLSTM(n_units=6)": Look("mLSTM", figures.PINK, "v", "--"),
    "S6(n_units=8, n_states=4)": Look("S6, [0, 1]", figures.VERMILION, "D", "--"),
    "S6(n_units=8, n_states=4, negative=True)": Look("S6, [−1, 1]", figures.VERMILION, "D"),
    "DeltaNet(n_units=8)": Look("DeltaNet, [0, 1]", figures.GREEN, "P", "--"),
    "DeltaNet(n_units=8, negative=True)": Look("DeltaNet, [−1, 1]", figures.GREEN, "P"),
}
_POSITIVE = tuple(name for name, look in _LOOKS.items() if look.dashes == "--")
_SIGNED = tuple(name for name in _LOOKS if "negative" in name)
_NONLINEAR = ("Vanilla(n_h=16)", "LSTM(n_units=16)", "SLSTM(n_units=16)")
_CLASSES = {"parity": 2, "modulo_3": 3}


class Setting(sweep.Setting):
    """A network, what it counts, and how long it is trained."""

    task: Literal["parity", "modulo_3"] = "parity"
    cell: Annotated[str, Named("cells")] = "DeltaNet(n_units=8, negative=True)"
    seed: Traced[int] = Field(0, description="of weights and sequences")
    shortest: int = Field(3, ge=3, description="steps of the shortest sequences of training")
    longest: int = Field(40, ge=8, description="steps of the longest ones")
    learning_rate: PositiveFloat = Field(0.01, description="of Adam")
    max_norm: PositiveFloat = Field(1.0, description="norm to which gradients are clipped")
    batch_size: PositiveInt = Field(64, description="sequences of an update")
    n_updates: int = Field(2000, ge=10, multiple_of=10, description="updates")
    test_lengths: tuple[Annotated[int, Field(ge=3)], ...] = Field(
        (40, 64, 96, 128, 192, 256), min_length=1, description="T of the tests"
    )
    n_tested: PositiveInt = Field(500, description="sequences of a test")
    axes = ("task", "cell", "seed")


def coordinates(setting: Setting) -> dict[str, object]:
    """Lengths of the tests, lags, points of the training, and before and after it."""
    return {
        "test_length": setting.test_lengths,
        "lag": np.arange(setting.longest + 1),
        "point": (np.arange(10) + 1) / 10,
        "trained": [False, True],
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        "accuracy": Variable(("test_length",), "share of right answers at the last step", "1"),
        "loss": Variable(("point",), "mean cross-entropy of an answer before the point", "nat"),
        "log_norm": Variable(("trained", "lag"), "ln ||dL_T/dh_(T-lag)||, one sequence", "nat"),
        "exponent": Variable(("trained",), "largest exponent, the same sequence", "nat/step"),
    }


def _counting(setting: Setting, longest: int, shortest: int | None) -> rnnjax.types.Task:
    modulus = _CLASSES[setting.task]
    return rnnjax.tasks.ModularCounting(modulus, longest, shortest, every_step=True)


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Train one network, test it, and measure its gradient before and after."""
    n = _CLASSES[setting.task]
    cell = rnnjax.cells.named(setting.cell, n_x=n, n_y=n)
    task = _counting(setting, setting.longest, setting.shortest)
    optimiser = rnnjax.updates.clip_by_norm(setting.max_norm, optax.adam(setting.learning_rate))
    keys = jax.random.split(jax.random.key(setting.seed), 4)
    before = cell.init(keys[0])
    done = rnnjax.fit(
        cell, task, rnnjax.BPTT(), optimiser, keys[1],
        n_updates=setting.n_updates, batch_size=setting.batch_size, params=before,
    )  # fmt: skip
    seen = _counting(setting, setting.longest, None).sample(keys[2])
    profiles = [_profile(cell, task.loss, params, seen) for params in (before, done.params)]
    # An answer is due at each step of sequences that are as long as the mean of both ends.
    n_answers, lengths = (setting.shortest + setting.longest) / 2, setting.test_lengths
    return {
        "accuracy": jnp.stack(
            [rnnjax.accuracy(cell, done.params, _tests(setting, T, keys[3])) for T in lengths]
        ),
        "loss": done.loss.reshape(10, -1).mean(axis=1) / n_answers,
        **jax.tree.map(lambda *both: jnp.stack(both), *profiles),
    }


def _tests(setting: Setting, length: int, key: jax.Array) -> rnnjax.Batch:
    """Return sequences of one length whose last answer counts."""
    test = _counting(setting, length, None).replace(every_step=False)
    return jax.vmap(test.sample)(jax.random.split(key, setting.n_tested))


def _profile(cell, loss, params, batch) -> dict[str, jax.Array]:
    by_lag = rnnjax.probes.log_norm_by_lag(cell, loss, params, batch)["log_norm"]
    spectrum = rnnjax.probes.lyapunov_spectrum(cell, loss, params, batch, n_exponents=1)
    return {"log_norm": by_lag, "exponent": spectrum["exponents"][0]}


def figure(cube: xr.Dataset) -> figures.Figure:
    """Accuracy by task and exponents, one row a cell; gradients by lag before and after."""
    looks = {name: look for name, look in _LOOKS.items() if name in cube["cell"].values}
    others = [str(name) for name in cube["cell"].values if name not in looks]
    looks |= {name: Look(name, figures.SKY, "X") for name in others}
    tasks, one = [task for task in _CLASSES if task in cube["task"].values], cube.isel(task=0)
    column = figures.in_column()
    rows = [(1,)] * (len(tasks) + 1) if column else [(1,) * (len(tasks) + 1)]
    height = (0.6 + 0.17 * len(looks)) * len(rows) + (5.4 if column else 3.0)
    frame = figures.Frame(widths=[*rows, (1, 1)], height=height)
    *accuracies, exponents, before, after = frame.panels
    for panel, task in zip(accuracies, tasks, strict=True):
        _draw_accuracy(panel, cube.sel(task=task), looks)
    _draw_exponents(exponents, one, looks)
    for panel in (*accuracies[1:], exponents):
        panel.tick_params(axis="y", labelleft=column)
    for panel, trained in ((before, False), (after, True)):
        _draw_profiles(panel, one, looks, trained)
    return frame.finished(figures.handles(looks, marker=""), ncols=4)


def _draw_accuracy(panel: figures.Axes, one: xr.Dataset, looks: dict[str, Look]) -> None:
    task = str(one["task"].item())
    runs = one["accuracy"].stack(run=("test_length", "seed"))
    figures.dot_rows(
        panel, runs, rows="cell", seeds="run", looks=looks, coloured=True, xlim=(-0.03, 1.05),
        xlabel="share of right answers", title=task.replace("_", " "), dots={"markersize": 3},
    )  # fmt: skip
    figures.level(panel, x=1 / _CLASSES[task], color=figures.GREY, dashes=":")


def _draw_profiles(
    panel: figures.Axes, one: xr.Dataset, looks: dict[str, Look], trained: bool
) -> None:
    relative = median(one["log_norm"] - one["log_norm"].isel(lag=0)).sel(trained=trained)
    figures.curves(
        panel, relative / np.log(10), over="lag", each="cell", looks=looks, level=0,
        line={"linewidth": 1.4, "marker": ""}, xlabel="lag $k$ (steps)", ylim=(-12, 1),
        ylabel=r"$\log_{10}\|\mathrm{d}L/\mathrm{d}h_{T-k}\|$, relative",
        title=f"{one['task'].item()}, {'after' if trained else 'before'} training",
    )  # fmt: skip


def _draw_exponents(panel: figures.Axes, one: xr.Dataset, looks: dict[str, Look]) -> None:
    for row, (name, look) in enumerate(looks.items()):
        before, after = one["exponent"].sel(cell=name).median("seed").values
        panel.plot([before, after], [row, row], color=look.colour, linewidth=0.8)
        panel.plot(before, row, color=look.colour, marker=look.marker, fillstyle="none")
        panel.plot(after, row, color=look.colour, marker=look.marker)
    labels = [look.label for look in looks.values()]
    panel.margins(x=0.05)
    panel.set(xlabel="largest exponent (nat/step)", yticks=range(len(labels)), yticklabels=labels,
              title=str(one["task"].item()), ylim=(len(labels) - 0.5, -0.5))  # fmt: skip
    for tick, look in zip(panel.get_yticklabels(), looks.values(), strict=True):
        tick.set_color(look.colour)
    figures.level(panel, x=0, color=figures.GREY)


def answer(cube: xr.Dataset) -> str:
    """The shares of right answers, and the exponents, without and with negative eigenvalues."""
    task = "parity" if "parity" in cube["task"].values else str(cube["task"].values[0])
    one = cube.sel(task=task).isel(test_length=-1, trained=-1).median("seed")
    kinds = {"eigenvalues in [0, 1]": _POSITIVE, "eigenvalues in [-1, 1]": _SIGNED,
             "nonlinear cells": _NONLINEAR}  # fmt: skip
    there = {words: [name for name in names if name in one["cell"].values]
             for words, names in kinds.items()}  # fmt: skip
    known = {name for names in there.values() for name in names}
    there["other cells"] = [name for name in one["cell"].values if name not in known]
    found = {words: one.sel(cell=names) for words, names in there.items() if names}
    right = [f"{_span(100 * of['accuracy'], '.0f')} % with {words}" for words, of in found.items()]
    rates = [f"{_span(of['exponent'], '.2g')} with {words}" for words, of in found.items()]
    linear = found.get("eigenvalues in [0, 1]")
    said = "" if linear is None else "Yes: " if linear["accuracy"].max() > 0.9 else "No: "
    told = f"{said}{task.replace('_', ' ')} is right in {', '.join(right[:2])}. "
    return (f"{told[0].upper()}{told[1:]}Medians over seeds at T = {one['test_length']:g}"
            f"{''.join(f'; {more}' for more in right[2:])}. Largest exponents after training, in "
            f"nat/step: {', '.join(rates)}.")  # fmt: skip


def _span(values: xr.DataArray, digits: str) -> str:
    """Write the least and the largest value, or the one that both are."""
    return " to ".join(dict.fromkeys(f"{float(v):{digits}}" for v in (values.min(), values.max())))


def _beyond(one: xr.Dataset) -> xr.DataArray:
    """Return the accuracy on sequences longer than those of training."""
    return one["accuracy"].sel(test_length=slice(one.setting.longest, None))


def _trained_enough(one: xr.Dataset) -> bool:
    return one.setting.n_updates >= 2000


_SOURCE = f"{_PAPER}, figure 1: three seeds, at chance or perfect"
CLAIMS = (
    Row("parity, {cell}: share of right answers from T = {cube.setting.longest} on, mean",
        lambda one: _beyond(one).mean(), for_each={"cell": _POSITIVE}, at={"task": "parity"},
        at_most=0.55, source=_SOURCE, reproduces=f"{_PAPER}, figure 1 and theorem 1",
        when=_trained_enough),
    Row("parity, {cell}: the same, least of lengths and seeds",
        lambda one: smallest(_beyond(one)), for_each={"cell": _SIGNED}, at={"task": "parity"},
        at_least=0.95, source=_SOURCE, reproduces=f"{_PAPER}, figure 1",
        when=_trained_enough),
    Row("parity, {cell}: the same, best seed, least of lengths",
        lambda one: _beyond(one).min("test_length").max(), for_each={"cell": _NONLINEAR},
        at={"task": "parity"}, at_least=0.95, source="a saturated unit is a flip-flop: XOR of two",
        when=_trained_enough),
    Row("modulo 3, {cell}: share of right answers from T = {cube.setting.longest} on, mean",
        lambda one: _beyond(one).mean(), for_each={"cell": (*_POSITIVE, _SIGNED[0])},
        at={"task": "modulo_3"}, at_most=1 / 3 + 0.05,
        source=f"{_PAPER}, theorem 2: a diagonal real step cannot; tolerance: chance + 0.05",
        when=_trained_enough),
    Row("linear cells: largest exponent after training, worst",
        lambda one: largest(one["exponent"].sel(trained=True)), at_most=1e-4,
        at={"cell": lambda cell: [name in (*_POSITIVE, *_SIGNED) for name in cell.values]},
        source="closed form: no factor of these cells exceeds 1; tolerance: float32"),
)  # fmt: skip
