"""What do the sheets of the workbook learn, and does a trained first set of weights help?

Command:   rnnjax run workbook
           rnnjax run workbook --axes.sheet rnn      one sheet: rnn, rnn+et or rnn+et+dx
Run time:  about 40 seconds on 2 cores, compiling included.
Figure:    a, b: error of the pairs used and of the pairs held out, over training cycles, for the
           three sheets, from random weights and from a first set that was trained as a feedforward
           network; medians and 10 to 90 % of seeds. A median ends where half of the runs have no
           finite weights any more. c: the error after training where one kind of input says
           nothing (i1 constant through time, i2 known at each step, i3 the previous output). d:
           the printed table of the slides: only the logistic function passes through all twelve
           cells of outo over neto.
Source:    C. Yuan, slides on RNNs, 2022: sheets, first set from a feedforward program, more data
           sets than used, three kinds of input, printed table. The data are made here
           (rnnjax.decks.DataPairs); counts as in Yuan and Lee, IEEE Access 8, 2020.
"""

import json
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

_STARTS = ("random", "first_set")
_REMOVED = ("nothing", "i1", "i2", "i3")
_SLIDES = "C. Yuan, slides on RNNs, 2022"
_LOOKS = {
    "rnn": ("#0072B2", "o"),
    "rnn+et": ("#D55E00", "s"),
    "rnn+et+dx": ("#009E73", "^"),
}


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    sheet: Static[Literal["rnn", "rnn+et", "rnn+et+dx"]]
    seed: Lane[int]


class Config(BaseConfig):
    """How the network of the workbook is trained."""

    axes: Axes
    eta: PositiveFloat = Field(0.5, description="learning rate")
    spread: PositiveFloat = Field(1.0, description="standard deviation of random weights")
    cycles: int = Field(1000, ge=1, le=10**6, description="training cycles")
    first_cycles: int = Field(
        500, ge=0, le=10**6, description="cycles of the feedforward training of the first set"
    )

    @property
    def recorded(self) -> tuple[int, ...]:
        """The cycles at which errors are recorded: 0, then 1, 2, 3, 5, 7 of each decade."""
        each = {k * 10**n for k in (1, 2, 3, 5, 7) for n in range(7)}
        return (0, *sorted(c for c in each if c < self.cycles), self.cycles)


def coordinates(config):
    """Starts, recorded cycles, and the inputs that are removed."""
    return {
        "start": np.array(_STARTS),
        "cycle": np.array(config.recorded),
        "removed": np.array(_REMOVED),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    told = "mean over pairs of sum over t of half the squared error"
    return {
        "training_error": Variable(("start", "cycle"), f"{told}, 27 pairs used"),
        "held_out_error": Variable(("start", "cycle"), f"{told}, 54 pairs held out"),
        "forced_error": Variable(("start",), f"{told}, pairs used, i3 the true previous output"),
        "removed_training_error": Variable(("removed",), f"{told}, used, trained without an input"),
        "removed_held_out_error": Variable(("removed",), f"{told}, held out, the same"),
    }


def _rule(sheet):
    rules = rnnjax.rules
    inner = rules.BPTT() if sheet.endswith("+dx") else rules.BPTT(window=1)
    return rnnjax.decks.EligibilityRatio(rule=inner) if "+et" in sheet else inner


def draw(config, seed):
    """Draw random weights, and train the first set from them; the same for every sheet."""
    import jax
    from jax import numpy as jnp

    workbook, task = rnnjax.decks.workbook, rnnjax.decks.DataPairs()
    cell = workbook.network(spread=config.spread)
    params = cell.init(jax.random.key(seed))
    pairs = task.training()
    first = workbook.first_set(
        cell, task.loss, params, pairs, eta=config.eta, n_cycles=config.first_cycles
    )
    starts = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, first)
    forced = rnnjax.rules.TeacherForcing()

    def forced_error(params):
        return rnnjax.rules.batch_gradient(forced, cell, task.loss, params, pairs, ()).loss

    return starts, jax.vmap(forced_error)(starts)


def measure(config, drawn, sheet):
    """Train on one sheet from both starts, and from the random one without each kind of input."""
    import jax
    from jax import numpy as jnp

    starts, forced_error = drawn
    random = jax.tree.map(lambda a: a[0], starts)
    rates = jax.tree.map(lambda w: jnp.full_like(w, config.eta), random)
    runs = [(jax.tree.map(lambda a, n=n: a[n], starts), rates) for n in range(2)]
    # An input says nothing if its weights are 0 and stay 0.
    runs += [(_without(random, k), _without(rates, k)) for k in range(3)]
    runs = jax.tree.map(lambda *leaves: jnp.stack(leaves), *runs)
    training, held_out = jax.vmap(lambda p, eta: _errors(config, sheet, p, eta))(*runs)
    ends = np.array([0, 2, 3, 4])
    return {
        "training_error": training[:2],
        "held_out_error": held_out[:2],
        "forced_error": forced_error,
        "removed_training_error": training[ends, -1],
        "removed_held_out_error": held_out[ends, -1],
    }


def _without(params, k):
    """Set the weights of input k to 0."""
    return params._replace(W=params.W.at[:, k].set(0))


def _errors(config, sheet, params, eta):
    """Return the error of the pairs used and held out at the recorded cycles."""
    import jax
    from jax import numpy as jnp

    task, cell = rnnjax.decks.DataPairs(), rnnjax.decks.workbook.network()
    weights = rnnjax.decks.workbook.train(
        cell,
        task.loss,
        _rule(sheet),
        params,
        task.training(),
        eta=eta,
        cycles=config.recorded,
    )

    def error(params, pairs):
        of_pairs = jax.vmap(lambda pair: rnnjax.sequence_loss(cell, task.loss, params, pair))(pairs)
        return jnp.mean(of_pairs)

    found = jax.vmap(lambda p: (error(p, task.training()), error(p, task.held_out())))(weights)
    # A ratio with a vanishing denominator can throw the weights beyond all numbers.
    return [jnp.where(jnp.isfinite(e), e, jnp.inf) for e in found]


def figure(cube):
    """Error over cycles, used and held out; the inputs removed; the printed table."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    drawn = Figure(figsize=(figures.PAGE_WIDTH, 5.6))
    (a, b), (c, d) = drawn.subplots(2, 2)
    b.sharey(a)
    _draw_curves(a, cube, "training_error", "27 pairs used for training")
    _draw_curves(b, cube, "held_out_error", "54 pairs held out")
    _draw_removed(c, cube)
    _draw_table(d)
    figures.letter_panels([a, b, c, d])
    drawn.legend(handles=_handles(cube), loc="outside upper center", ncols=2)
    return drawn


def _handles(cube):
    from matplotlib.lines import Line2D

    sheets = [
        Line2D([], [], color=colour, marker=marker, label=f"sheet {name}: {_told(cube, name)}")
        for name, (colour, marker) in _LOOKS.items()
        if name in cube["sheet"].values
    ]
    starts = [
        Line2D([], [], color="#404040", linestyle="--", label="from random weights"),
        Line2D([], [], color="#404040", label="from a first set, trained feedforward"),
    ]
    return [*sheets, *starts]


def _worse(cube, sheet):
    """Return which seeds end worse than they began, from random weights."""
    error = cube["training_error"].sel(sheet=sheet, start="random")
    return (error.isel(cycle=-1) >= error.isel(cycle=0)).values


def _told(cube, sheet):
    worse = _worse(cube, sheet)
    return f"{worse.sum()} of {len(worse)} random starts end worse"


def _draw_curves(ax, cube, name, title):
    """Draw medians over seeds from both starts, with bands from 10 to 90 %."""
    cycle = cube["cycle"].values
    low, high = _limits(cube)
    for sheet in cube["sheet"].values:
        colour, marker = _LOOKS[str(sheet)]
        for start, dashes in (("random", "--"), ("first_set", "-")):
            values = cube[name].sel(sheet=sheet, start=start).transpose("seed", "cycle").values
            # A band whose edge is infinite runs off the panel; a median stops where it is.
            band = [10 ** np.minimum(q, 3) for q in rnnjax.reductions.seed_band(np.log10(values))]
            median = np.where(band[1] < 10**3, band[1], np.nan)
            ax.plot(cycle, median, dashes, color=colour, marker=marker, markevery=(1, 4))
            ax.fill_between(cycle, band[0], band[2], color=colour, alpha=0.08, linewidth=0)
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    ax.set(yscale="log", ylabel="error $E$", xlabel="training cycle", title=title)
    ax.set(xlim=(0, cycle[-1]), ylim=(low, high))


def _limits(cube):
    """Return what shows the medians of every curve."""
    both = [cube[name].median("seed") for name in ("training_error", "held_out_error")]
    values = np.concatenate([median.values.ravel() for median in both])
    values = values[np.isfinite(values) & (values > 0)]
    return 0.6 * values.min(), 2 * values.max()


def _draw_removed(ax, cube):
    """Draw the error after training without each kind of input, used and held out."""
    sheet = "rnn" if "rnn" in cube["sheet"].values else str(cube["sheet"].values[0])
    colour, marker = _LOOKS[sheet]
    places = np.arange(len(_REMOVED))
    for name, face, shift in (("training", colour, -0.1), ("held_out", "white", 0.1)):
        values = cube[f"removed_{name}_error"].sel(sheet=sheet).transpose("seed", "removed").values
        low, median, high = (
            10 ** np.minimum(q, 3) for q in rnnjax.reductions.seed_band(np.log10(values))
        )
        ax.errorbar(
            places + shift,
            median,
            (median - low, high - median),
            color=colour,
            marker=marker,
            markerfacecolor=face,
            linestyle="none",
            linewidth=0.9,
            markersize=5,
            label="pairs used" if face == colour else "pairs held out",
        )
    ax.set_xticks(places, ["nothing", "$i_1$\nconstant", "$i_2$\nknown", "$i_3$\nfed back"])
    ax.set(ylabel="error $E$ after training", xlabel="input that says nothing")
    ax.set(xlim=(-0.5, len(_REMOVED) - 0.5), title=f"sheet {sheet}, random weights")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left")


def _draw_table(ax):
    """Draw the printed cells of outo over neto as boxes, and the activations through them."""
    from matplotlib.patches import Rectangle

    table = rnnjax.decks.printed_table
    x = np.linspace(-3.6, 1.1, 200)
    curves = (
        ("logistic", table.logistic, "#0072B2", "-"),
        ("tanh", np.tanh, "#D55E00", "--"),
        ("relu", table.relu, "#009E73", "-."),
    )
    for name, function, colour, dashes in curves:
        label = f"{name}: {table.outputs_that_fit(function)} of 12"
        ax.plot(x, function(x), dashes, color=colour, label=label, linewidth=1.2)
    for row in table.intervals():
        for neto, outo in ((row[0], row[2]), (row[1], row[3])):
            box = Rectangle((neto[0], outo[0]), *np.diff([neto, outo]).ravel(), fill=False)
            ax.add_patch(box)
    ax.set(xlabel="neto as printed", ylabel="outo as printed", xlim=(x[0], x[-1]))
    ax.set(ylim=(-1.05, 1.05), title="the printed table, boxes: rounding")
    ax.legend(loc="upper left", title="passes through", alignment="left")


def claims(cube):
    """Numbers that must hold, each with its source."""
    found = _table_claims()
    sheets = [str(sheet) for sheet in cube["sheet"].values]
    if "rnn" in sheets:
        found += _rnn_claims(cube)
    if json.loads(cube.attrs["config"])["cycles"] >= 100:
        found += [_ratio_claim(cube, sheet) for sheet in sheets if "+et" in sheet]
    return found


def _table_claims():
    table = rnnjax.decks.printed_table
    source = f"{_SLIDES}, printed table"
    counts = (
        ("fit the logistic function", table.outputs_that_fit(table.logistic), 12),
        ("round right by the logistic function", table.outputs_that_round(table.logistic), 10),
        ("round right by tanh", table.outputs_that_round(np.tanh), 0),
        ("round right by relu", table.outputs_that_round(table.relu), 2),
    )
    found = [
        rnnjax.Claim(f"printed cells of outo that {name}", count, expected, 0, source)
        for name, count, expected in counts
    ]
    least = min(
        table.cells_reproduced(network, delta_x=delta_x)
        for network in table.NETWORKS
        for delta_x in (False, True)
    )
    told = "printed cells of 78 that each of 3 unlike networks reproduces"
    why = f"{source}: it fixes neither the weights nor the sign of the error"
    return [*found, rnnjax.Claim(told, least, 78, 0, why)]


def _rnn_claims(cube):
    config, rnn = json.loads(cube.attrs["config"]), cube.sel(sheet="rnn")
    found = [
        rnnjax.Claim(
            "rnn: runs that end worse than they began",
            float(_worse(cube, "rnn").sum()),
            0,
            0,
            f"{_SLIDES}: w_new = w_old - eta dw; a gradient, at a small eta",
        )
    ]
    spent, first = config["cycles"], config["first_cycles"]
    error = rnn["training_error"]
    if spent >= 500 and first >= 100 and spent - first in cube["cycle"].values:
        with_first_set = error.sel(start="first_set", cycle=spent - first)
        ratio = with_first_set / error.sel(start="random", cycle=spent)
        found.append(
            rnnjax.Claim(
                "rnn: error from the first set over error from random, equal cycles",
                float(ratio.median()),
                1,
                0,
                f"{_SLIDES}: CAYMAL gives the first set; its cycles are counted",
                relation="at_most",
            )
        )
    if spent >= 500:
        found += _generalises(rnn) + _needs_inputs(rnn)
    return found


def _generalises(rnn):
    end = rnn.isel(cycle=-1).sel(start="random")
    ratio = float((end["held_out_error"] / end["training_error"]).median())
    why = "balanced choice of the 27 pairs: every level of each factor is seen equally often"
    return [rnnjax.Claim("rnn: error held out over error used", ratio, 1, 0.2, why)]


def _needs_inputs(rnn):
    """Each kind of input carries what the outputs depend on, so nothing else replaces it."""
    error = rnn["removed_held_out_error"]
    ratio = (error / error.sel(removed="nothing")).median("seed")
    return [
        rnnjax.Claim(
            f"rnn: error held out without {name}, over that with all",
            float(ratio.sel(removed=name)),
            1,
            0,
            f"{_SLIDES}: three kinds of inputs; equations of rnnjax.decks.DataPairs need each",
            relation="at_least",
        )
        for name in _REMOVED[1:]
    ]


def _ratio_claim(cube, sheet):
    return rnnjax.Claim(
        f"{sheet}: share of runs that end worse than they began",
        float(_worse(cube, sheet).mean()),
        0.5,
        0,
        f"against {_SLIDES}, 'the next step will be accelerated': dw' is no descent direction",
        relation="at_least",
    )
