"""What do the sheets of the workbook learn, and does a trained first set of weights help?

Command:   rnnjax run workbook
           rnnjax run workbook --axes.sheet rnn      one sheet: rnn, rnn+et or rnn+et+dx
Run time:  about 40 seconds on 2 cores, compiling included.
Figure:    a, b: error of the pairs used over training cycles for the three sheets, from random
           weights and from a first set that was trained as a feedforward network, median and 10 to
           90 % of seeds; dashed: pairs held out. A median ends where half of the runs have no
           finite weights any more. c: error after training where one kind of input says nothing
           (i1 constant through time, i2 known at each step, i3 the previous output). d: the
           printed table of the slides, output outo over net input neto, with three activations.
Source:    C. Yuan, slides on RNNs, 2022: sheets, first set from a feedforward program, more data
           sets than used, three kinds of input, printed table. The data are made here
           (rnnjax.decks.DataPairs); counts as in Yuan and Lee, IEEE Access 8, 2020.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat

from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.decks import printed_table as table
from rnnjax.figures import BLUE, GREEN, VERMILION, Look
from rnnjax.lazy import jax, jnp, matplotlib, xr
from rnnjax.reductions import band
from rnnjax.sweep import Traced, Variable

_SLIDES = "C. Yuan, slides on RNNs, 2022"
_REMOVED = {"nothing": "nothing", "i1": "$i_1$\nconstant", "i2": "$i_2$\nknown",
            "i3": "$i_3$\nfed back"}  # fmt: skip
LOOKS = {
    "rnn": Look("rnn", BLUE, "o"),
    "rnn+et": Look("rnn+et", VERMILION, "s"),
    "rnn+et+dx": Look("rnn+et+dx", GREEN, "^"),
}
_STARTS = {"random": Look("from random weights", "#404040", "", "--"),
           "first_set": Look("from a first set, trained feedforward", "#404040")}  # fmt: skip
_ERRORS = ("training_error", "held_out_error")
_ACTIVATIONS = {table.logistic: Look("logistic", BLUE), np.tanh: Look("tanh", VERMILION, "", "--"),
                table.relu: Look("relu", GREEN, "", "-.")}  # fmt: skip


class Setting(sweep.Setting):
    """How the network of the workbook is trained."""

    sheet: Literal["rnn", "rnn+et", "rnn+et+dx"] = "rnn"
    seed: Traced[int] = 0
    learning_rate: PositiveFloat = 0.5
    spread: PositiveFloat = Field(1.0, description="standard deviation of random weights")
    n_updates: int = Field(1000, ge=1, le=10**6, description="training cycles")
    n_first_updates: int = Field(
        500, ge=0, le=10**6, description="cycles of the feedforward training of the first set"
    )
    axes = ("sheet", "seed")


def _recorded(setting: Setting) -> tuple[int, ...]:
    """The cycles at which errors are recorded: 0, then 1, 2, 3, 5, 7 of each decade."""
    each = {k * 10**n for k in (1, 2, 3, 5, 7) for n in range(7)}
    return (0, *sorted(n for n in each if n < setting.n_updates), setting.n_updates)


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Starts, recorded cycles, and the inputs that are removed."""
    names = {"start": [*_STARTS], "update": _recorded(setting), "removed": [*_REMOVED]}
    return {dim: np.array(values) for dim, values in names.items()}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    told, by_update = "mean over pairs of sum over t of half the squared error", ("start", "update")
    return {
        "training_error": Variable(by_update, f"{told}, 27 pairs used"),
        "held_out_error": Variable(by_update, f"{told}, 54 pairs held out"),
        "forced_error": Variable(("start",), f"{told}, pairs used, i3 the true previous output"),
        "removed_training_error": Variable(("removed",), f"{told}, used, trained without an input"),
        "removed_held_out_error": Variable(("removed",), f"{told}, held out, the same"),
    }


def shared(setting: Setting) -> tuple:
    """Random weights, and the first set that is trained from them; the same for every sheet."""
    workbook, task = decks.workbook, decks.DataPairs()
    cell, pairs = workbook.network(spread=setting.spread), task.training()
    params = cell.init(jax.random.key(setting.seed))
    options = {"eta": setting.learning_rate, "n_cycles": setting.n_first_updates}
    first = workbook.first_set(cell, task.loss, params, pairs, **options)
    starts = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, first)
    return starts, jax.vmap(lambda p: workbook.forced_error(cell, task.loss, p, pairs))(starts)


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Train on one sheet from both starts, and from the random one without each kind of input."""
    (starts, forced_error), workbook = shared, decks.workbook
    random, first = (jax.tree.map(lambda a, n=n: a[n], starts) for n in range(2))
    rates = jax.tree.map(lambda w: jnp.full_like(w, setting.learning_rate), random)
    rule, cell, task = workbook.rule_of(setting.sheet), workbook.network(), decks.DataPairs()
    # Without a rate the weights of an input stay 0.
    without = [[workbook.without_input(one, k) for one in (random, rates)] for k in range(3)]
    runs = [(random, rates), (first, rates), *map(tuple, without)]

    def errors(params, eta):
        cycles = _recorded(setting)
        return workbook.errors(cell, task, rule, params, eta=eta, cycles=cycles)

    training, held_out = jax.vmap(errors)(*jax.tree.map(lambda *leaves: jnp.stack(leaves), *runs))
    ends = np.array([0, 2, 3, 4])
    return {
        "training_error": training[:2],
        "held_out_error": held_out[:2],
        "forced_error": forced_error,
        "removed_training_error": training[ends, -1],
        "removed_held_out_error": held_out[ends, -1],
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Error over cycles from both starts; the inputs removed; the printed table."""
    frame = figures.Frame(2, 2, height=5.6)
    a, b, c, d = frame.panels
    shown = np.concatenate([cube[name].median("seed").values.ravel() for name in _ERRORS])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    ends = (0.6 * shown.min(), 2 * shown.max()) if shown.size else (0.1, 1)
    for panel, (start, look) in zip((a, b), _STARTS.items(), strict=True):
        used, held_out = (cube[name].sel(start=start) for name in _ERRORS)
        entries = figures.curves(
            panel, used, over="update", each="sheet", band="seed", looks=LOOKS, yscale="log",
            line={"markevery": (1, 4)}, theory={"54 pairs held out": held_out.median("seed")},
            xlabel="training cycle", ylabel="error $E$", ylim=ends, title=look.label,
        )  # fmt: skip
        panel.set_xscale("symlog", linthresh=1, linscale=0.4)
        panel.set_xlim(0, cube["update"].values[-1])
    _draw_removed(c, cube)
    _draw_table(d)
    return frame.finished(entries)


def answer(cube: xr.Dataset) -> str:
    """What the errors of the sheets come to, and what the first set changes."""
    told = []
    for sheet in cube["sheet"].values:
        n, error = _is_worse(cube, sheet).sum(), cube["training_error"].sel(sheet=sheet)
        ends = error.sel(start="random").median("seed").values[[0, -1]]
        worse = f"{n:d} of {cube.sizes['seed']} runs end worse"
        told.append(f"{sheet}: {worse if n else 'error {:.2g} to {:.2g}'.format(*ends)}")
    ratio = _of_first_set(cube.sel(sheet="rnn")) if "rnn" in cube["sheet"].values else None
    more = ("" if ratio is None else " From the first set, its cycles counted, the error of rnn is "
            f"{ratio:.2g} times that from random weights.")  # fmt: skip
    return f"{'; '.join(told)}.{more}"


def _is_worse(cube: xr.Dataset, sheet: str) -> xr.DataArray:
    """Which seeds end worse than they began, from random weights."""
    error = cube["training_error"].sel(sheet=sheet, start="random")
    return error.isel(update=-1) >= error.isel(update=0)


def _draw_removed(panel: figures.Axes, cube: xr.Dataset) -> None:
    """The error after training without each kind of input, used and held out."""
    sheet = "rnn" if "rnn" in cube["sheet"].values else str(cube["sheet"].values[0])
    places, own = np.arange(len(_REMOVED)), LOOKS[sheet]
    for name, label, face, shift in (("training", "pairs used", own.colour, -0.1),
                                     ("held_out", "pairs held out", "white", 0.1)):  # fmt: skip
        errors = band(cube[f"removed_{name}_error"].sel(sheet=sheet))
        low, middle, high = (np.minimum(edge.values, 10**3) for edge in errors)
        panel.errorbar(places + shift, middle, (middle - low, high - middle), label=label,
                       linewidth=0.9, **own.dots(markersize=5, markerfacecolor=face))  # fmt: skip
    figures.ticks(panel, "x", places, list(_REMOVED.values()))
    panel.set(ylabel="error $E$ after training", xlabel="input that says nothing", ylim=(0, None),
              xlim=(-0.5, len(_REMOVED) - 0.5), title=f"sheet {sheet}, random weights")  # fmt: skip
    panel.legend(loc="upper left")


def _draw_table(panel: figures.Axes) -> None:
    """The printed cells of outo over neto as boxes, and the activations through them."""
    x = np.linspace(-3.6, 1.1, 200)
    for function, look in _ACTIVATIONS.items():
        label = f"{look.label}: {table.outputs_that_fit(function)} of 12"
        panel.plot(x, function(x), label=label, **look.line(linewidth=1.2))
    for row in table.intervals():
        for neto, outo in ((row[0], row[2]), (row[1], row[3])):
            size = np.diff([neto, outo]).ravel()
            panel.add_patch(matplotlib.patches.Rectangle((neto[0], outo[0]), *size, fill=False))
    panel.set(xlabel="neto as printed", ylabel="outo as printed", xlim=(x[0], x[-1]),
              ylim=(-1.05, 1.05), title="the printed table, boxes: rounding")  # fmt: skip
    panel.legend(loc="upper left", title="passes through", alignment="left")


def _of_first_set(rnn: xr.Dataset) -> xr.DataArray | None:
    """The error from the first set over that from random weights, its cycles counted."""
    spent, first = rnn.setting.n_updates, rnn.setting.n_first_updates
    if first < 100 or spent - first not in rnn["update"].values:
        return None
    error = rnn["training_error"]
    with_first_set = error.sel(start="first_set", update=spent - first)
    return _ratio(with_first_set, error.sel(start="random", update=spent))


def _held_out(one: xr.Dataset, *removed: str) -> list[xr.DataArray]:
    return [one["removed_held_out_error"].sel(removed=name) for name in removed]


def _ratio(above: xr.DataArray, below: xr.DataArray) -> xr.DataArray:
    return (above / below).median()


_BALANCED = "balanced choice of the 27 pairs: every level of each factor is seen equally often"
_KINDS = f"{_SLIDES}: three kinds of inputs; equations of rnnjax.decks.DataPairs need each"
_FASTER = "'the next step will be accelerated'"
_NO_DESCENT = f"against {_SLIDES}, {_FASTER}: dw' is no descent direction"
CLAIMS = (
    Group((
        Row("printed cells of outo that fit the logistic function",
            lambda _: table.outputs_that_fit(table.logistic), equals=12),
        Row("printed cells of outo that round right by {name}",
            lambda _, of: table.outputs_that_round(of), equals="expected",
            for_each=({"name": "the logistic function", "of": table.logistic, "expected": 10},
                      {"name": "tanh", "of": np.tanh, "expected": 0},
                      {"name": "relu", "of": table.relu, "expected": 2})),
        Row("printed cells of 78 that each of 3 unlike networks reproduces",
            lambda _: table.least_reproduced(), equals=78, source=f"{_SLIDES}, printed table: it "
            "fixes neither the weights nor the sign of the error"),
    ), source=f"{_SLIDES}, printed table"),
    Row("rnn: runs that end worse than they began", lambda cube: _is_worse(cube, "rnn").sum(),
        when=lambda cube: "rnn" in cube["sheet"].values, equals=0,
        source=f"{_SLIDES}: w_new = w_old - eta dw; a gradient, at a small eta"),
    Group((
        Row("rnn: error from the first set over error from random, equal cycles", _of_first_set,
            at_most=1, source=f"{_SLIDES}: CAYMAL gives the first set; its cycles are counted"),
        Row("rnn: error held out over error used",
            lambda one: _ratio(one["held_out_error"], one["training_error"]), equals=1,
            part=lambda rnn: rnn.isel(update=-1).sel(start="random"), tolerance=0.2,
            source=_BALANCED),
        # Each kind of input carries what the outputs depend on, so nothing else replaces it.
        Row("rnn: error held out without {without}, over that with all",
            lambda one, without: _ratio(*_held_out(one, without, "nothing")),
            at_least=1, source=_KINDS, for_each={"without": ("i1", "i2", "i3")}),
    ), at={"sheet": "rnn"}, when=lambda cube: cube.setting.n_updates >= 500),
    Row("{name}: share of runs that end worse than they began",
        lambda cube, name: _is_worse(cube, name).mean(), at_least=0.5,
        for_each=lambda cube: [{"name": str(s)} for s in cube["sheet"].values if "+et" in s],
        when=lambda cube: cube.setting.n_updates >= 100, source=_NO_DESCENT),
)  # fmt: skip
