"""Can a network tell where the next radar point will be without knowing which came first?

Command:   rnnjax run radar_points
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    Two points of a straight way, and where the third one will be. a: squared error, a dot a
           seed, bar: median; dashed: the floor 9/4 E[v^2] of all that do not know the order. b:
           share of answers in the direction of motion. c: answers to the example of the slides.
           "dense" has tanh units; ANN and RNN are one linear neuron, as on the slides.
Source:    The slides "RNN: simple RNN" (two radar points; a dense network "might end up the wrong
           direction").
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.figures import BLUE, GREEN, PINK, VERMILION, Look
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import median
from rnnjax.sweep import Traced, Variable

_DENSE = ("dense, order-blind", "dense, trained one way", "dense, ordered")
# "dense" has hidden units, "ANN" and "RNN" are the one neuron of the slides.
NETS = {
    **dict(zip(_DENSE, (VERMILION, VERMILION, GREEN), strict=True)),
    "ANN, order-blind": VERMILION, "ANN, ordered": GREEN, "RNN, own weights": BLUE, "RNN": BLUE,
    "RNN, reversed": PINK,
}  # fmt: skip
SLIDES = {"training": (0.0, 1.0), "test": (1.0, 2.0)}  # either coordinate of the slides' cells
_MEAN_SQUARE_SPEED = 13 / 12
_FLOOR = 9 / 4 * _MEAN_SQUARE_SPEED


class Setting(sweep.Setting):
    """Which networks are trained, and for how long."""

    seed: Traced[int] = 0
    n_pairs: int = Field(1024, ge=8, description="pairs of points to train on")
    n_h: int = Field(16, ge=1, le=1024, description="tanh units of the dense networks")
    n_updates: int = Field(600, ge=1, description="updates of the dense networks")
    n_chain_updates: int = Field(300, ge=101, description="updates of the one-neuron networks")
    axes = ("seed",)


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Networks, and what they are asked."""
    return {
        "net": np.array(list(NETS)),
        "deck": np.array(list(SLIDES)),
        "point": np.array(["x(t-1)", "x(t)"]),
        "update": np.arange(setting.n_chain_updates),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every seed."""
    net = ("net",)
    return {
        "point_error": Variable(net, "mean squared error of the third point"),
        "point_error_one_way": Variable(net, "the same over v > 0"),
        "point_direction": Variable(net, "share of answers in the direction of motion"),
        "swap_change": Variable(net, "mean squared change of the answer when the points swap"),
        "deck_answer": Variable(("deck", *net), "either coordinate of the answer on the slides"),
        "coefficient": Variable((*net, "point"), "answer to 1 at this point and 0 at the other"),
        "recurrent_weight": Variable((), "w_n of the one-neuron RNN"),
        "chain_loss": Variable(("update",), "loss of the one-neuron RNN before each update"),
    }


def shared(setting: Setting) -> tuple:
    """Pairs to train on, and the first weights of the dense networks."""
    key_weights, _, _, key_pairs, *_ = jax.random.split(jax.random.key(setting.seed), 6)
    keys = jax.random.split(key_pairs, setting.n_pairs)
    return jax.vmap(decks.TwoPoints().sample)(keys), _dense(setting).init(key_weights)


def _dense(setting: Setting) -> rnnjax.Vanilla:
    return rnnjax.Vanilla(2, setting.n_h, 1)


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Train every network, and ask it for third points."""
    pairs, start = shared
    task, test = decks.TwoPoints(), decks.TwoPoints().grid(32)
    asked = jnp.array([*SLIDES.values(), (1.0, 0.0), (0.0, 1.0)])[..., None]
    x = jnp.concatenate([test.x, asked])
    x = jnp.concatenate([x, x[:, ::-1]])
    found = []
    for cell, params, optimiser, n_updates, nets in _families(setting, pairs, start):
        shown = [pairs.replace(x=view(pairs.x)) for view, pairs in nets]
        trained, losses = decks.two_inputs.trained(cell, task, params, shown, optimiser, n_updates)
        views = jnp.stack([view(x) for view, _ in nets])
        found.append(decks.two_inputs.answers(cell, trained, views)[..., 0])
    forward, backward = jnp.split(jnp.concatenate(found), 2, axis=1)
    # The last network is the RNN; here it runs once more, fed in reverse.
    forward, backward = (jnp.concatenate([one, other[-1:]]) for one, other in
                         ((forward, backward), (backward, forward)))  # fmt: skip
    n_test = len(test.x)
    return {
        **_scores(test, forward[:, :n_test], backward[:, :n_test]),
        "deck_answer": forward[:, n_test:-2].T,
        "coefficient": forward[:, -2:],
        "recurrent_weight": trained.w_n[-1],
        "chain_loss": losses[-1],
    }


def _families(setting: Setting, pairs: rnnjax.Batch, start: tuple) -> tuple:
    """The dense networks and the one neuron: cell, start, optimiser, updates, views with pairs."""
    blind, ordered = decks.two_inputs.order_blind, decks.two_inputs.at_once
    low, high = jnp.min(pairs.x, axis=1), jnp.max(pairs.x, axis=1)
    y = pairs.y.at[:, -1].set(2 * high - low)
    to_the_right = pairs.replace(x=jnp.stack([low, high], 1), y=y)
    # All weights as one vector: one update to compile instead of one a matrix.
    adam, sgd = optax.flatten(optax.adam(1e-2)), optax.sgd(0.03)
    neuron = rnnjax.cells.ChainParams(*map(jnp.array, (0.1, [0.5, 0.5], 0.5)))
    views = (blind, ordered, decks.two_inputs.own_weights, decks.two_inputs.one_by_one)
    return (
        (_dense(setting), start, adam, setting.n_updates,
         [(blind, pairs), (blind, to_the_right), (ordered, pairs)]),
        (rnnjax.Chain(2), neuron, sgd, setting.n_chain_updates, [(view, pairs) for view in views]),
    )  # fmt: skip


def _scores(test: rnnjax.Batch, answers: jax.Array, swapped: jax.Array) -> dict[str, jax.Array]:
    """Scores of the answers (net, B) to the test pairs, and to the same pairs swapped."""
    last, step = test.x[:, 1, 0], test.x[:, 1, 0] - test.x[:, 0, 0]
    square, moved = (answers - test.y[:, -1, 0]) ** 2, (answers - last)[..., None]
    return {
        "point_error": jnp.mean(square, axis=1),
        "point_error_one_way": 2 * jnp.mean(square * (step > 0), axis=1),
        "point_direction": rnnjax.analysis.share_in_direction(moved, step[:, None]),
        "swap_change": jnp.mean((answers - swapped) ** 2, axis=1),
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Errors and directions of all networks, beside the grid of the slides."""
    frame = figures.Frame(1, 3, height=2.4, width_ratios=[1.5, 0.8, 1.8])
    errors, directions, grid = frame.panels
    looks = {net: Look(net, colour) for net, colour in NETS.items()}
    for panel, name in ((errors, "point_error"), (directions, "point_direction")):
        figures.dot_rows(panel, cube[name].transpose("net", "seed"), rows="net", looks=looks,
                         coloured=True, median=True, ylim=(len(NETS) - 0.5, -1.2))  # fmt: skip
        panel.tick_params(axis="y", length=0, labelsize=7)
    errors.axvline(_FLOOR, color="#404040", linestyle="--", linewidth=0.8, zorder=0)
    errors.text(_FLOOR / 4, -0.75, "floor without order", ha="right", va="center", fontsize=7)
    errors.set(xscale="log", xlim=(1e-14, 1e2), xticks=[1e-12, 1e-6, 1], xlabel="squared error")
    directions.set(xlim=(-0.06, 1.06), xticks=[0, 0.5, 1], xlabel="share of right directions")
    directions.tick_params(labelleft=figures.in_column())
    _draw_grid(grid, median(cube["deck_answer"].sel(deck="test")))
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """Errors and directions of a network without the order, and of one neuron with it."""
    at = cube[["point_error", "point_direction"]].median("seed").sel(net=[_DENSE[0], "RNN"])
    (error, low), (right, all_right) = at["point_error"].values, 100 * at["point_direction"].values
    said = "Yes" if error < 0.9 * _FLOOR else "No"
    return (f"{said}: without the order a dense network has squared error {error:.3g} and "
            f"{right:.{3 if right > 99 else 2}g} % right directions. The least without order is "
            f"{_FLOOR:.4g}. One linear recurrent neuron has {low:.1g} and {all_right:.3g} %."
            )  # fmt: skip


def _draw_grid(ax: figures.Axes, answers: xr.DataArray) -> None:
    """The grid of the slides, and where three of the networks see the next point."""
    ax.set(xlim=(-0.5, 4.5), ylim=(3.5, -0.5), aspect="equal", xticks=[], yticks=[])
    ax.set_title("the slides' grid", fontsize=8)
    ax.spines[:].set_visible(True)
    for line in range(4):
        figures.level(ax, x=line + 0.5)
        figures.level(ax, y=line + 0.5)
    ax.text(0.95, 1, "$x_{t-1}$", ha="center", va="center")
    ax.text(2.1, 2, "$x_t$", ha="center", va="center")
    for cell, text in ((0, "wrong"), (3, "expected")):
        ax.text(cell, cell + 0.4, text, ha="center", color="#505050", fontsize=6.5)
    for net in ("dense, order-blind", "RNN", "RNN, reversed"):
        place = float(answers.sel(net=net))
        ax.plot(place, place, "o", color=NETS[net], markersize=5)
        text = net.replace(", ", ",\n")
        ax.text(place + 0.25, place - 0.05, text, color=NETS[net], va="center", fontsize=6.5)


_EXACT = "exact: c = 2b - a"
_TRAINED = f"{_EXACT}; tolerance: training"
_SLIDES = "slides 'RNN: simple RNN', wrong and expected prediction"
_SYMMETRIC = "exact: a function of {{a, b}}; tolerance: float32 rounding, squared"
_BEHIND = "exact for the best answer, the middle; slides: 'wrong direction'; tolerance: training"
_MIDDLE = "9/4 E[v^2] (rnnjax.decks.tasks.two_points, equation 2); tolerance: training"
_GRID = "tolerance: grid of test pairs"
_9V2 = 9 * _MEAN_SQUARE_SPEED


def _of(net: str, name: str, variable: str, source: str, **more) -> Row:
    """A claim on every run of a network."""
    return every_run(f"{net}: {name}", variable, at={"net": net}, source=source, **more)


def _coefficient(name: str, net: str, point: str, expected: float) -> Row:
    return every_run(name, "coefficient", at={"net": net, "point": point}, equals=expected,
                     tolerance=5e-5, source=_EXACT)  # fmt: skip


def _cells(name: str, net: str, deck: str, expected: float) -> Row:
    return every_run(name, "deck_answer", at={"net": net, "deck": deck}, equals=expected,
                     tolerance=1e-4, source=_SLIDES)  # fmt: skip


_BLIND, _ONE_WAY, _ORDERED = _DENSE
CLAIMS = (
    Group((
        _of("ANN, order-blind", "squared error", "point_error", _MIDDLE, equals=_FLOOR,
            tolerance=0.01 * _FLOOR),
        _of("ANN, order-blind", "right directions", "point_direction", _BEHIND, equals=0),
        _coefficient("ANN: coefficient of x(t-1)", "ANN, ordered", "x(t-1)", -1),
        _coefficient("ANN: coefficient of x(t)", "ANN, ordered", "x(t)", 2),
        _coefficient("RNN, own weights: w_3 w_n w_1", "RNN, own weights", "x(t-1)", -1),
        _coefficient("RNN, own weights: w_3 w_2", "RNN, own weights", "x(t)", 2),
        _coefficient("RNN: w_3 w_x", "RNN", "x(t)", 2),
        every_run("RNN: w_n", "recurrent_weight", equals=-0.5, tolerance=5e-5, source=_EXACT),
        every_run("RNN: loss after 100 updates", "chain_loss", at={"update": 100}, at_most=0,
                  tolerance=1e-11, source=_TRAINED),
        _of("RNN", "right directions", "point_direction", _EXACT, equals=1),
        _of("RNN", "change when the points swap", "swap_change",
            f"exact: (2b - a) - (2a - b) = 3v; {_GRID}", equals=_9V2, tolerance=2e-3),
        _of("RNN, reversed", "squared error", "point_error", f"exact: answers 2a - b; {_GRID}",
            equals=_9V2, tolerance=2e-3),
        _cells("slides' training cells, RNN", "RNN", "training", 2),
        _cells("slides' test cells, RNN", "RNN", "test", 3),
        _cells("slides' test cells, RNN, reversed", "RNN, reversed", "test", 0),
    ), when=lambda cube: cube.setting.n_chain_updates >= 200),
    Group((
        _of(_BLIND, "squared error", "point_error", _MIDDLE, at_least=_FLOOR,
            tolerance=0.05 * _FLOOR),
        _of(_BLIND, "right directions", "point_direction", _BEHIND, at_most=0, tolerance=0.05),
        _of(_BLIND, "change when the points swap", "swap_change", _SYMMETRIC, equals=0,
            tolerance=1e-12),
        _of(_ONE_WAY, "squared error that way", "point_error_one_way", _TRAINED, at_most=0,
            tolerance=0.01),
        _of(_ONE_WAY, "squared error both ways", "point_error",
            "exact: 9 v^2 on half of the pairs; tolerance: training", equals=_9V2 / 2,
            tolerance=0.05),
        _of(_ORDERED, "squared error", "point_error", _TRAINED, at_most=0, tolerance=0.01),
        _of(_ORDERED, "right directions", "point_direction", _TRAINED, equals=1),
    ), when=lambda cube: cube.setting.n_updates >= 500),)  # fmt: skip
