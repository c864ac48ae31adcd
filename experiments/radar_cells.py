"""Which cell of a grid comes next on a straight line, if it is not known which came first?

Command:   rnnjax run radar_cells
Run time:  about 15 seconds on 2 cores, compiling included.
Figure:    The share of right cells on a grid of 5 x 5 cells and on a torus, which has no edges, by
           dense networks and an RNN, medians over seeds. Black: what the best guess without order
           reaches. Edges tell part of the order: few lines can be continued both ways.
Source:    The slides "RNN: simple RNN" (two radar points on a grid of cells; a dense network "might
           end up the wrong direction").
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.figures import BLUE, GREEN, VERMILION
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import median
from rnnjax.sweep import Traced, Variable
from rnnjax.theory import nowcasting

VIEWS = {"order-blind": VERMILION, "ordered": GREEN, "RNN": BLUE}
BORDERS = ("edge", "torus")
_SIDE = 5
_GRIDS = {"edge": f"{_SIDE} x {_SIDE} grid", "torus": "torus"}
_WORDS = {"order-blind": "dense, order-blind", "ordered": "dense, ordered"}


class Setting(sweep.Setting):
    """Which networks are trained, and for how long."""

    seed: Traced[int] = 0
    n_h: int = Field(16, ge=1, le=1024, description="tanh units of the networks")
    n_updates: int = Field(600, ge=1, description="updates of the networks")
    axes = ("seed",)


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Grids, and what networks are shown of them."""
    return {"border": np.array(BORDERS), "view": np.array(list(VIEWS))}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every seed."""
    cell = ("border", "view")
    return {
        "cell_accuracy": Variable(cell, "share of right cells on the grid"),
        "cell_surprise": Variable(cell, "cross-entropy on the grid", "nat"),
    }


def shared(setting: Setting) -> tuple:
    """The first weights."""
    _, key, *_ = jax.random.split(jax.random.key(setting.seed), 6)
    return _network(setting).init(key)


def _network(setting: Setting) -> rnnjax.Vanilla:
    return rnnjax.Vanilla(2 * _SIDE**2, setting.n_h, _SIDE**2)


def measure(setting: Setting, start: tuple) -> dict[str, jax.Array]:
    """Train a network on every line of either grid, by what it is shown, and ask it for all."""
    task, two = decks.GridSteps(_SIDE, torus=True), decks.two_inputs
    every, cell = task.sequences(), _network(setting)
    inside = set(map(tuple, nowcasting.straight_lines(_SIDE, torus=False).tolist()))
    lines = nowcasting.straight_lines(_SIDE, torus=True).tolist()
    within = np.array([tuple(line) in inside for line in lines])
    weights = jnp.array([within / np.mean(within), np.ones(len(lines))])
    views = [view(every.x) for view in (two.order_blind, two.at_once, two.one_by_one)]
    batches = [every.replace(x=x, mask=every.mask * w[:, None]) for w in weights for x in views]
    # All weights as one vector: one update to compile instead of one a matrix.
    adam = optax.flatten(optax.adam(3e-2))
    trained, _ = two.trained(cell, task, start, batches, adam, setting.n_updates)
    logits = two.answers(cell, trained, jnp.stack([batch.x for batch in batches]))
    right = jnp.argmax(logits, axis=-1) == jnp.argmax(every.y[:, -1], axis=-1)
    surprise = jax.vmap(jax.vmap(task.loss), (0, None))(logits, every.y[:, -1])
    weight = jnp.stack([batch.mask[:, -1] for batch in batches])
    shape = (len(BORDERS), len(VIEWS))
    return {
        "cell_accuracy": jnp.mean(weight * right, axis=1).reshape(shape),
        "cell_surprise": jnp.mean(weight * surprise, axis=1).reshape(shape),
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """The share of right cells on both grids, and what the best guess would reach."""
    frame = figures.Frame(height=2.4, width=figures.COLUMN_WIDTH)
    (panel,) = frame.panels
    shares = median(cube["cell_accuracy"])
    for number, border in enumerate(BORDERS):
        for place, (view, colour) in enumerate(VIEWS.items()):
            share = float(shares.sel(border=border, view=view))
            x, label = number + 0.28 * (place - 1), None if number else _WORDS.get(view, view)
            panel.bar(x, share, 0.25, color=colour, label=label)
            panel.text(x, share + 0.02, f"{share:.3g}", ha="center", fontsize=7)
        label = None if number else "best guess without order"
        best = {"color": "black", "linewidth": 1.5, "linestyle": "--", "label": label}
        panel.hlines(_best_guess(border)[0], number - 0.42, number - 0.14, **best)
    panel.set(xlim=(-0.5, 1.5), ylim=(0, 1.1), yticks=[0, 0.5, 1], ylabel="share of right cells")
    figures.ticks(panel, "x", [0, 1], _GRIDS.values())
    panel.tick_params(axis="x", length=0)
    return frame.finished(panel.get_legend_handles_labels()[0], ncols=2)


def answer(cube: xr.Dataset) -> str:
    """The shares of right cells on both grids, without and with the order."""
    shares = 100 * median(cube["cell_accuracy"])
    one, other = (f"{float(shares.sel(border=border, view='order-blind')):.3g} %"
                  for border in BORDERS)  # fmt: skip
    return (
        f"Without the order a network names {one} of the next cells on a {_GRIDS['edge']} and "
        f"{other} on a torus. With the order, of both points at once or one by one, the least "
        f"share is {float(shares.drop_sel(view='order-blind').min()):.3g} %."
    )


def _best_guess(border: str) -> tuple[float, float]:
    """Accuracy and cross-entropy of the best guess without order."""
    lines = nowcasting.straight_lines(_SIDE, border == "torus").tolist()
    return nowcasting.best_guess([frozenset(line[:2]) for line in lines], [x[2] for x in lines])


def _claims(border: str) -> tuple[Row, ...]:
    share, surprise = _best_guess(border)
    blind = {"border": border, "view": "order-blind"}
    return (
        every_run(f"cells, {border}, order-blind: accuracy", "cell_accuracy", at=blind,
                  equals=share, tolerance=1e-6),
        every_run(f"cells, {border}, order-blind: cross-entropy", "cell_surprise", at=blind,
                  equals=surprise, tolerance=0.02),
        *(every_run(f"cells, {border}, {view}: accuracy", "cell_accuracy",
                    at={"border": border, "view": view}, equals=1, tolerance=1e-6)
          for view in ("ordered", "RNN")),
    )  # fmt: skip


CLAIMS = (
    Group(
        (*_claims("edge"), *_claims("torus")),
        when=lambda cube: cube.setting.n_updates >= 500,
        source="enumeration of lines (rnnjax.theory.nowcasting); tolerance: training",
    ),
)
