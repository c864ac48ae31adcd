"""How far apart may two symbols be before a network can no longer learn their order?

Command:   rnnjax run temporal_order
Run time:  about ten minutes on 2 cores, compiling included.
Figure:    50 units learn which of two symbols came first and which second. a to c: share of the
           networks with less than 1 % of fresh sequences wrong, by gradient descent (SGD), with
           clipped gradients (-C), a penalty on gradients whose length changes on the way back (-R),
           and both (-CR); set apart sideways. d, e: median and 10 to 90 % of seeds. f: errors of
           networks that are trained on many lengths (grey); thin: each seed; dotted: guessing.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013, figure 7; here a thousandth of the updates, at its rate and at ten times it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, xr
from rnnjax.reductions import at_best, band, smallest
from rnnjax.sweep import Traced, Variable

_PAPER = "Pascanu, Mikolov and Bengio 2013"
_SOLVED = 0.01  # share of wrong answers, of the paper
_STOPS_AT = 0.005  # half of it, so that luck in a check is not taken for success
_N_INPUTS, _N_CLASSES = 6, 4
COMPILE = "quickly"
_ONE, _MANY = "shortest == length", "shortest < length"  # cases of one length, and of many
_WORDS = {"sigmoid": "sigmoid", "basic_tanh": "basic tanh", "smart_tanh": "smart tanh"}
_LOOKS = {
    "SGD": Look("SGD", "#808080", "o", ":", size=4),
    "SGD-C": Look("SGD-C", "#0072B2", "s", size=4),
    "SGD-R": Look("SGD-R", "#D55E00", "^", "--", size=4),
    "SGD-CR": Look("SGD-CR", "#009E73", "D", size=4),
}
_Length = Annotated[int, Field(ge=10)]


class Setting(sweep.Setting):
    """A network, the sequences it learns from, and how long it is trained."""

    start: Literal["sigmoid", "basic_tanh", "smart_tanh"] = "smart_tanh"
    shortest: _Length = Field(20, description="steps of the shortest sequences of training")
    length: _Length = Field(20, description="steps T of the longest ones")
    learning_rate: PositiveFloat = 0.01
    seed: Traced[int] = 0
    n_h: int = Field(50, ge=2, description="units")
    batch_size: PositiveInt = Field(20, description="sequences of an update")
    n_checks: PositiveInt = Field(20, description="checks of a whole training")
    every: PositiveInt = Field(250, description="updates between two checks")
    n_checked: PositiveInt = Field(1000, description="fresh sequences of a check")
    n_tested: PositiveInt = Field(10_000, description="fresh sequences that decide at the end")
    max_norm: PositiveFloat = Field(1.0, description="norm to which gradients are clipped")
    penalty: NonNegativeFloat = Field(4.0, description="weight of the penalty")
    test_lengths: tuple[_Length, ...] = Field(
        (200, 500), min_length=1, description="T of further tests"
    )
    n_further: PositiveInt = Field(1000, description="fresh sequences of each of them")
    axes = (("case", "start", "shortest", "length"), "learning_rate", "seed")

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Self:
        if self.shortest > self.length:
            message = f"expected at least shortest = {self.shortest}, got {self.length}"
            raise ConfigError("length", message)
        return self


def coordinates(setting: Setting) -> dict[str, Any]:
    """Ways to train, checks by the updates behind them, and lengths of further tests."""
    update = setting.every * (np.arange(setting.n_checks) + 1)
    return {"arm": [*_LOOKS], "update": update, "test_length": setting.test_lengths}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    checks = ("arm", "update")
    message = "in the updates before the check; that of the last one where training has stopped"
    return {
        "error": Variable(("arm",), "share of wrong answers of the trained network", "1"),
        "solved_at": Variable(("arm",), "updates until it stopped", "update", infinite="beyond"),
        "check": Variable(checks, "share of wrong answers of fresh sequences", "1"),
        "loss": Variable(checks, f"mean loss {message}", "nat"),
        "log_gradient": Variable(checks, f"ln of the largest gradient norm {message}", "nat"),
        "radius": Variable(checks, "spectral radius of the recurrent weights", "1"),
        "further_error": Variable(("arm", "test_length"), "share of wrong answers", "1"),
    }


def shared(setting: Setting) -> tuple[Any, jax.Array]:
    """Draw the numbers that weights are made of, and a key for the sequences."""
    keys = jax.random.split(jax.random.key(setting.seed), 4)
    return rnnjax.penalties.starts.draw(keys[:3], _N_INPUTS, setting.n_h, _N_CLASSES), keys[3]


def measure(setting: Setting, shared: tuple[Any, jax.Array]) -> dict[str, jax.Array]:
    """Train one network by every arm, the arms one after the other, and test it."""
    numbers, key = shared
    cell, params = rnnjax.penalties.starts.network(setting.start, numbers, _N_INPUTS)
    many = setting.shortest < setting.length
    task = rnnjax.tasks.TemporalOrder(setting.length, setting.shortest if many else None)
    tests = [(rnnjax.tasks.TemporalOrder(T), setting.n_further) for T in setting.test_lengths]
    tests.insert(0, (task, setting.n_tested))
    names = ("n_checks", "every", "n_checked", "batch_size", "learning_rate", "max_norm", "penalty")
    options = {name: getattr(setting, name) for name in names} | {"tests": tests}
    options |= {"solved": _STOPS_AT, "stops_at": -1.0 if many else _STOPS_AT}
    return rnnjax.penalties.sgd_cr.every_arm(cell, task, params, key, **options)


def _success(runs: xr.Dataset) -> xr.DataArray:
    return (runs["error"] < _SOLVED).mean("seed")


def _best(cube: xr.Dataset) -> xr.Dataset:
    """Return the runs of each case and arm at the rate with most success, then least error."""
    score = 0.01 * cube["error"].mean("seed") - _success(cube)
    return at_best(cube, score, "learning_rate").sortby(["length", "start"])


def figure(cube: xr.Dataset) -> figures.Figure:
    """Success over length by start and arm; what training looks like; longer sequences."""
    frame, runs = figures.Frame(2, 3, height=4.7), _best(cube)
    one, many = (runs.query(case=lengths) for lengths in (_ONE, _MANY))
    gradients, radii, further = frame.rows[1]
    if one.sizes["case"]:
        share, lengths = _success(one), np.unique(one["length"])
        for panel, start in zip(frame.rows[0], _WORDS, strict=True):
            figures.curves(
                panel, share[share["start"].values == start], over="length", each="arm",
                looks=_LOOKS, apart=(1.1, 0), xlim=(lengths[0] - 3, lengths[-1] + 3),
                xticks=lengths, xlabel="length $T$ (steps)", ylim=(-0.06, 1.06),
                ylabel="" if start != "sigmoid" else "share of networks", title=_WORDS[start],
            )  # fmt: skip
        last = one.isel(case=-1)  # the longest sequences, from the smart start if any
        norm = np.exp(np.minimum(last["log_gradient"], 80))
        _draw_training(gradients, last, norm, yscale="log", ylabel="largest gradient norm")
        _draw_training(radii, last, last["radius"], ylabel=r"spectral radius of $W$")
    if many.sizes["case"]:
        _draw_further(further, many.isel(case=-1))
    return frame.finished(figures.handles(_LOOKS))


def _draw_training(panel: figures.Axes, one: xr.Dataset, values: xr.DataArray, **axes: Any) -> None:
    top = float(band(values)[2].where(np.isfinite).max().fillna(1.0))
    figures.curves(
        panel, values, over="update", each="arm", band="seed", looks=_LOOKS, level=1,
        line={"linewidth": 1.2, "marker": ""}, xlabel="updates",
        title=f"{_WORDS[one['start'].item()]}, $T$ = {int(one['length'])}", **axes,
        ylim=(None, 2 * min(top, 1e8) if "yscale" in axes else 1.05 * min(top, 4)),
    )  # fmt: skip


def _draw_further(panel: figures.Axes, one: xr.Dataset) -> None:
    ends = int(one["shortest"]), int(one["length"])
    lengths = [np.mean(ends), *one["test_length"].values]
    for arm, look in _LOOKS.items():
        values = np.vstack([one["error"].sel(arm=arm), one["further_error"].sel(arm=arm).T])
        panel.plot(lengths, values, color=look.colour, linewidth=0.4, alpha=0.6)
        panel.plot(lengths, np.median(values, axis=1), **look.line())
    figures.level(panel, y=0.75, color="#808080", linestyle=":", linewidth=0.8)
    panel.axvspan(*ends, color="#e8e8e8", zorder=0)
    panel.set(xlabel="length of the test (steps)", ylabel="share of wrong answers",
              ylim=(-0.04, 1.04), title="trained on $T$ = {}-{}".format(*ends))  # fmt: skip


def answer(cube: xr.Dataset) -> str:
    """The longest sequences that at least half of the networks learn, from the best start."""
    runs, told = _best(cube), {}
    runs = runs.query(case=_ONE) if runs.query(case=_ONE).sizes["case"] else runs
    for arm in _LOOKS:
        learned = runs["length"].values[_success(runs).sel(arm=arm).values >= 0.5]
        told.setdefault(max(learned, default=0), []).append(arm)
    words = [f"{T or 'none'} with {', '.join(told[T])}" for T in sorted(told, reverse=True)]
    return f"At least half of the networks learn T = {'; '.join(words)}."


def _gain_of_clipping(runs: xr.Dataset) -> xr.DataArray:
    share = _success(runs)
    return share.sel(arm=["SGD-C", "SGD-CR"]).max() - share.sel(arm="SGD")


def _by_start(runs: xr.Dataset, starts: list[str]) -> xr.DataArray:
    """Return the success by start, arm and length, NaN where a start has no such length."""
    share = _success(runs.query(case=_ONE)).set_index(case=["start", "length"])
    return share.unstack("case").reindex(start=starts)


def _sigmoid_beyond_tanh(runs: xr.Dataset) -> xr.DataArray | None:
    share = _by_start(runs, [*_WORDS]).dropna("length")
    mean = share.mean(("arm", "length"))
    return mean.sel(start="sigmoid") - mean.drop_sel(start="sigmoid").min() if share.size else None


def _failures_without_clipping(runs: xr.Dataset) -> xr.DataArray | None:
    share = _by_start(runs, ["basic_tanh", "smart_tanh"]).mean("length")
    gap = (share.sel(arm="SGD-CR") - share.sel(arm="SGD-R")).mean(skipna=False)
    return None if np.isnan(gap) else gap


def _errors_of_one(runs: xr.Dataset) -> xr.DataArray:
    """Return the further errors of the network of SGD-CR with the fewest in the checks."""
    runs = runs.sel(arm="SGD-CR")
    return runs["further_error"].isel(seed=int(runs["check"].isel(update=-1).argmin("seed")))


def _at(length: int) -> Callable[..., xr.Dataset]:
    """Return how to select the runs of a start at one length."""
    case = f"{_ONE} and length == {length}"
    return lambda runs, start: runs.query(case=f"{case} and start == '{start}'")


CLAIMS = (
    Row("networks that have learned: spectral radius, least",
        lambda cube: smallest(cube["radius"].isel(update=-1), cube["error"] < _SOLVED),
        at_least=1, when=lambda cube: bool((cube["error"] < _SOLVED).any()),
        source=f"{_PAPER}: more memory implies a larger spectral radius; above 1"),
    Group((
        Group((
            Row("T = 20, {words}: success of SGD-CR, share of seeds",
                lambda runs: _success(runs).sel(arm="SGD-CR"), equals=1, part=_at(20)),
            Row("T = 50, {words}: success with clipping minus without, share of seeds",
                _gain_of_clipping, at_least=0.4, part=_at(50)),
        ), for_each=({"start": "basic_tanh", "words": "basic tanh"},
                     {"start": "smart_tanh", "words": "smart tanh"}),
            source=f"{_PAPER}, figure 7",
            reproduces=f"{_PAPER}, figure 7 (curves; margins are ours)"),
        Row("success of sigmoid minus that of the worse tanh start, mean of arms",
            _sigmoid_beyond_tanh, at_most=0,
            source=f"{_PAPER}, figure 7: sigmoid is the worst start"),
        Row("failures of SGD-R minus those of SGD-CR, tanh starts, mean share",
            _failures_without_clipping, at_least=0.1,
            source=f"{_PAPER}, footnote 4: without clipping it usually fails; at least a tenth"
                   " more"),
        Row(lambda one, test_length: f"many lengths, {int(one['shortest'])} to "
            f"{int(one['length'])}, {_WORDS[one['start'].item()]}: errors at T = {test_length}",
            _errors_of_one, equals=0, tolerance=_SOLVED,
            for_each=lambda runs: {"case": runs.query(case=_MANY)["case"].values,
                                   "test_length": (200, 500)},
            source=f"{_PAPER}: 0 of 10,000 (T up to 5000); tolerance: what counts as learned",
            reproduces=f"{_PAPER}, section 4.1.1"),
    ), part=_best, when=lambda runs: runs.setting.every * runs.setting.n_checks >= 2000),
)  # fmt: skip
