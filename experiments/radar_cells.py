"""Which cell of a grid comes next on a straight line, if it is not known which came first?

Command:   rnnjax run radar_cells
Run time:  about 15 seconds on 2 cores, compiling included.
Figure:    The share of right cells on a grid of 5 x 5 cells, and on one without edges, of dense
           networks and an RNN; the bars that are marked are what the best guess without order
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
            label = None if number else view
            panel.bar(number + 0.28 * (place - 1), share, 0.25, color=colour, label=label)
        best = _best_guess(border)[0]
        panel.hlines(best, number - 0.45, number - 0.11, color="black", linewidth=1.5)
        panel.text(number - 0.14, best + 0.02, f"{best:.3g}", ha="right", fontsize=7)
    panel.set(xlim=(-0.75, 1.5), ylim=(0, 1.05), yticks=[0, 0.5, 1], ylabel="right cells")
    figures.ticks(panel, "x", [0, 1], ["5 x 5", "torus"])
    panel.tick_params(axis="x", length=0)
    return frame.finished(panel.get_legend_handles_labels()[0], ncols=3)


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
