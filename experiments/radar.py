"""Can a network tell where the next radar point will be without knowing which came first?

Command:   rnnjax run radar
           rnnjax run radar --whole-steps false --growth 0.1 --n-blobs 2     harder motion
Run time:  about a minute and a half on 2 cores, compiling included.
Figure:    above, two points of a straight way: squared error and share of right directions of each
           network, with the floor 9/4 E[v^2] of all that do not know the order; the grid of the
           slides; and the same on a grid of 5 x 5 cells, where the bars that are marked are what
           the best guess without order reaches. Below, frames of a moving blob with forecasts made
           one frame earlier, and the scores of the forecasts over the noise of the frames. It must
           show that a dense network fails only where it is not told the order, that one linear
           neuron is enough, and that a simple RNN forecasts blobs better than anything can that is
           blind to the order.
Source:    the slides "RNN: simple RNN" (two radar points; a dense network "might end up the wrong
           direction"); Shi et al., Convolutional LSTM network, NIPS 2015, and Ayzel, Scheffer and
           Heistermann, RainNet v1.0, Geoscientific Model Development, 2020 (baselines and scores).
"""

import json

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

import rnnjax
from rnnjax.sweep import ActivationName, Lane, Variable
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.theory import nowcasting

_BLIND, _ORDERED, _RECURRENT, _REVERSED, _GREY = (
    "#D55E00",
    "#009E73",
    "#0072B2",
    "#CC79A7",
    "#8a8a8a",
)
# "dense" has hidden units, "ANN" and "RNN" are the one neuron of the slides.
NETS = {
    "dense, order-blind": _BLIND,
    "dense, trained one way": _BLIND,
    "dense, ordered": _ORDERED,
    "ANN, order-blind": _BLIND,
    "ANN, ordered": _ORDERED,
    "RNN, own weights": _RECURRENT,
    "RNN": _RECURRENT,
    "RNN, reversed": _REVERSED,
}
VIEWS = {"order-blind": _BLIND, "ordered": _ORDERED, "RNN": _RECURRENT}
FORECASTS = {
    "zero": (_GREY, ":", "."),
    "persistence": (_GREY, "--", "s"),
    "frame mean": ("#505050", "-.", "v"),
    "advection": (_ORDERED, "-", "^"),
    "swapped": (_REVERSED, "-", "x"),
    "order-blind": (_BLIND, "--", "D"),
    "order-blind, all frames": (_BLIND, "-", "D"),
    "RNN": (_RECURRENT, "-", "o"),
    "RNN, reversed": (_REVERSED, "--", "o"),
}
# These stay, or their two halves lie half the way round the torus: no direction to speak of.
_UNDIRECTED = ("zero", "persistence", "order-blind, all frames", "RNN, reversed")
FILMS = ("truth", "RNN", "order-blind")
DECK_PAIRS = {"training": (0.0, 1.0), "test": (1.0, 2.0)}  # either coordinate of the slides' cells
_MEAN_SQUARE_SPEED = 13 / 12
_FLOOR = 9 / 4 * _MEAN_SQUARE_SPEED
_GRID_SIDE = 5
_N_VELOCITIES = 24
_EXAMPLE = 18  # with whole steps, the number of the velocity (1, 2)


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    noise: Lane[NonNegativeFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """Which networks are trained, how long, and on which motion."""

    axes: Axes
    n_pairs: int = Field(1024, ge=8, description="pairs of points to train on")
    n_chain_updates: int = Field(300, ge=101, description="updates of the one-neuron networks")
    n_dense: int = Field(16, ge=1, le=1024, description="tanh units of the dense networks")
    n_dense_updates: int = Field(600, ge=1, description="updates of the dense networks")
    n_h: int = Field(192, ge=1, le=4096, description="units of the RNN on frames")
    activation: ActivationName = Field("relu", description="of the RNN on frames")
    n_updates: int = Field(1200, ge=1, description="updates of the RNN on frames")
    batch_size: int = Field(32, ge=1, description="fresh sequences of frames in an update")
    learning_rate: PositiveFloat = Field(5e-3, description="of Adam on frames, falls as a cosine")
    n_test: int = Field(960, ge=_N_VELOCITIES, description="sequences of frames to test on")
    length: int = Field(6, ge=2, le=1000, description="frames seen, T")
    side: int = Field(16, ge=8, le=128, description="rows of a frame, and pixels in a row")
    width: PositiveFloat = Field(1.2, description="width of a blob in pixels")
    n_blobs: int = Field(1, ge=1, le=100, description="blobs in a frame")
    whole_steps: bool = Field(True, description="velocities of whole pixels, or any between")
    wander: NonNegativeFloat = Field(0.0, description="change of velocity from frame to frame")
    growth: NonNegativeFloat = Field(0.0, description="standard deviation of growth, nat a frame")


def coordinates(config):
    """Networks, forecasts, and the pixels of an example."""
    return {
        "net": np.array(list(NETS)),
        "deck": np.array(list(DECK_PAIRS)),
        "point": np.array(["x(t-1)", "x(t)"]),
        "update": np.arange(config.n_chain_updates),
        "border": np.array(["edge", "torus"]),
        "view": np.array(list(VIEWS)),
        "forecast": np.array(list(FORECASTS)),
        "film": np.array(FILMS),
        "frame": np.arange(3, config.length + 2),
        "row": np.arange(config.side),
        "column": np.arange(config.side),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    net, forecast, cell = ("net",), ("forecast",), ("border", "view")
    return {
        "point_error": Variable(net, "mean squared error of the third point"),
        "point_error_one_way": Variable(net, "the same over v > 0"),
        "point_direction": Variable(net, "share of answers in the direction of motion"),
        "swap_change": Variable(net, "mean squared change of the answer when the points swap"),
        "deck_answer": Variable(("deck", *net), "either coordinate of the answer on the slides"),
        "coefficient": Variable((*net, "point"), "answer to 1 at this point and 0 at the other"),
        "recurrent_weight": Variable((), "w_n of the one-neuron RNN"),
        "chain_loss": Variable(("update",), "loss of the one-neuron RNN before each update"),
        "cell_accuracy": Variable(cell, "share of right cells on the grid"),
        "cell_surprise": Variable(cell, "cross-entropy on the grid", "nat"),
        "frame_error": Variable(forecast, "mean squared error of the next frame"),
        "success_index": Variable(forecast, "critical success index at 1/2"),
        "frame_direction": Variable(forecast, "share of forecasts in the direction of motion"),
        "example": Variable(("film", "frame", "row", "column"), "height of the pixels"),
    }


def _blobs(config, noise):
    motion = {key: getattr(config, key) for key in ("whole_steps", "wander", "growth", "n_blobs")}
    sizes = {key: getattr(config, key) for key in ("length", "side", "width")}
    return rnnjax.tasks.MovingBlobs(**motion, **sizes, noise=noise)


def _rnn(config):
    n_pixels = config.side**2
    activation = rnnjax.activation_named(config.activation)
    # Inputs are scaled up because a frame is nearly empty.
    gains = {"gain": 0.5, "input_gain": 3.0, "readout_gain": 0.1}
    return rnnjax.Vanilla(n_pixels, config.n_h, n_pixels, activation=activation, **gains)


def _dense(config, n_x, n_y):
    return rnnjax.Vanilla(n_x, config.n_dense, n_y)


def draw(config, noise, seed):
    """Draw weights, training pairs and test frames from the seed, the same at every noise."""
    import jax
    from jax import numpy as jnp
    from jax import random

    key_points, key_cells, key_rnn, key_pairs, key_fit, key_test = random.split(random.key(seed), 6)
    blobs, keys_test = _blobs(config, noise), random.split(key_test, config.n_test)
    if config.whole_steps:  # every velocity equally often
        velocities = np.resize(blobs.velocities(), (config.n_test, 2))
        test = jax.vmap(blobs.sequence)(keys_test, jnp.asarray(velocities, float))
    else:
        test = jax.vmap(blobs.sample)(keys_test)
    pairs = random.split(key_pairs, config.n_pairs)
    return {
        "noise": noise,
        "pairs": jax.vmap(rnnjax.decks.TwoPoints().sample)(pairs),
        "points": _dense(config, 2, 1).init(key_points),
        "cells": _dense(config, 2 * _GRID_SIDE**2, _GRID_SIDE**2).init(key_cells),
        "rnn": _rnn(config).init(key_rnn),
        "key": random.key_data(key_fit),
        "test": test,
    }


def measure(config, drawn):
    """Train every network of one lane and test it."""
    return {**_on_points(config, drawn), **_on_cells(config, drawn), **_on_frames(config, drawn)}


# What a network is shown, (B, 2, 2n), of two points (B, 2, n). All of them have two steps; where
# everything comes in the second, the network is a dense one.


def _at_once(x):
    """Both points in the last step, in their order."""
    from jax import numpy as jnp

    flat = x.reshape(len(x), 1, -1)
    return jnp.concatenate([jnp.zeros_like(flat), flat], axis=1)


def _order_blind(x):
    """The lesser and the greater in the last step: the same whichever was first."""
    from jax import numpy as jnp

    return _at_once(jnp.sort(x, axis=1))


def _one_by_one(x):
    """A point a step, through the same input weights."""
    from jax import numpy as jnp

    return jnp.concatenate([x, jnp.zeros_like(x)], axis=2)


def _own_weights(x):
    """A point a step, each through an input weight of its own, as on the slides; n = 1."""
    from jax import numpy as jnp

    return x * jnp.eye(2)


def _answer(cell, params, x):
    """Return the output after the last step, (n_y,); two steps compile faster without a scan."""
    h = cell.initial_state()
    for x_t in x:
        h = cell.step(params, h, x_t)
    return cell.readout(params, h)


def _answers(cell, params, x):
    """Return the outputs (net, B, n_y) of nets with inputs (net, B, 2, n_x)."""
    import jax

    return jax.vmap(lambda p, x: jax.vmap(lambda x: _answer(cell, p, x))(x))(params, x)


def _adam(rate):
    """Adam on all weights as one vector: one update to compile instead of one a matrix."""
    import optax

    return optax.flatten(optax.adam(rate))


def _fitted(cell, task, params, batches, optimiser, n_updates):
    """Train a cell on each of the batches (stacked), all from one start: (params, losses)."""
    import jax
    import optax
    from jax import numpy as jnp

    def loss(params, batch):
        def of_one(one):
            return one.mask[-1] * task.loss(_answer(cell, params, one.x), one.y[-1])

        return jnp.mean(jax.vmap(of_one)(batch))

    def fit(batch):
        def update(carry, _):
            params, state = carry
            value, grads = jax.value_and_grad(loss)(params, batch)
            updates, state = optimiser.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), value

        start = (params, optimiser.init(params))
        (trained, _), losses = jax.lax.scan(update, start, length=n_updates)
        return trained, losses

    return jax.vmap(fit)(batches)


def _stacked(batches):
    import jax
    from jax import numpy as jnp

    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)


def _on_points(config, drawn):
    import optax
    from jax import numpy as jnp

    task, pairs = rnnjax.decks.TwoPoints(), drawn["pairs"]
    low, high = jnp.min(pairs.x, axis=1), jnp.max(pairs.x, axis=1)
    to_the_right = pairs.replace(
        x=jnp.stack([low, high], 1), y=pairs.y.at[:, -1].set(2 * high - low)
    )
    start = rnnjax.cells.chain.ChainParams(*map(jnp.array, (0.1, [0.5, 0.5], 0.5)))
    families = (
        (_dense(config, 2, 1), drawn["points"], _adam(1e-2), config.n_dense_updates,
         [(_order_blind, pairs), (_order_blind, to_the_right), (_at_once, pairs)]),
        (rnnjax.Chain(2), start, optax.sgd(0.03), config.n_chain_updates,
         [(view, pairs) for view in (_order_blind, _at_once, _own_weights, _one_by_one)]),
    )  # fmt: skip
    test = task.grid(32)
    asked = jnp.array([*DECK_PAIRS.values(), (1.0, 0.0), (0.0, 1.0)])[..., None]
    x = jnp.concatenate([test.x, asked])
    x = jnp.concatenate([x, x[:, ::-1]])
    found = []
    for cell, params, optimiser, n_updates, nets in families:
        shown = _stacked([pairs.replace(x=view(pairs.x)) for view, pairs in nets])
        trained, losses = _fitted(cell, task, params, shown, optimiser, n_updates)
        found.append(_answers(cell, trained, jnp.stack([view(x) for view, _ in nets]))[..., 0])
    forward, backward = jnp.split(jnp.concatenate(found), 2, axis=1)
    # The last network is the RNN; here it runs once more, fed in reverse.
    forward, backward = (
        jnp.concatenate([one, other[-1:]])
        for one, other in ((forward, backward), (backward, forward))
    )
    n_test = len(test.x)
    return {
        **_point_scores(test, forward[:, :n_test], backward[:, :n_test]),
        "deck_answer": forward[:, n_test:-2].T,
        "coefficient": forward[:, -2:],
        "recurrent_weight": trained.w_n[-1],
        "chain_loss": losses[-1],
    }


def _point_scores(test, answers, swapped):
    """Score the answers (net, B) to the test pairs, and to the same pairs the other way round."""
    from jax import numpy as jnp

    last, step = test.x[:, 1, 0], test.x[:, 1, 0] - test.x[:, 0, 0]
    square = (answers - test.y[:, -1, 0]) ** 2
    return {
        "point_error": jnp.mean(square, axis=1),
        "point_error_one_way": 2 * jnp.mean(square * (step > 0), axis=1),
        "point_direction": _right_way((answers - last) * step, step**2),
        "swap_change": jnp.mean((answers - swapped) ** 2, axis=1),
    }


def _right_way(along, square):
    """Share of answers (..., B) that move at least a hundredth of the true way in its direction.

    Not merely above 0, because an answer that does not move has a rounding error of either sign.
    """
    from jax import numpy as jnp

    return jnp.mean(along > 0.01 * square, axis=-1)


def _on_cells(config, drawn):
    import jax
    from jax import numpy as jnp

    task = rnnjax.decks.GridSteps(_GRID_SIDE, torus=True)
    every, shape = task.sequences(), (2, len(VIEWS))
    inside = set(map(tuple, nowcasting.straight_lines(_GRID_SIDE, torus=False).tolist()))
    lines = nowcasting.straight_lines(_GRID_SIDE, torus=True).tolist()
    within = np.array([tuple(line) in inside for line in lines])
    weights = jnp.array([within / np.mean(within), np.ones(len(lines))])
    views = [view(every.x) for view in (_order_blind, _at_once, _one_by_one)]
    batches = _stacked(
        [every.replace(x=x, mask=every.mask * w[:, None]) for w in weights for x in views]
    )
    cell = _dense(config, 2 * task.n_x, task.n_y)
    start, n_updates = drawn["cells"], config.n_dense_updates
    trained, _ = _fitted(cell, task, start, batches, _adam(3e-2), n_updates)
    logits = _answers(cell, trained, batches.x)
    right = jnp.argmax(logits, axis=-1) == jnp.argmax(every.y[:, -1], axis=-1)
    surprise = jax.vmap(jax.vmap(task.loss), (0, None))(logits, every.y[:, -1])
    weight = batches.mask[..., -1]
    return {
        "cell_accuracy": jnp.mean(weight * right, axis=1).reshape(shape),
        "cell_surprise": jnp.mean(weight * surprise, axis=1).reshape(shape),
    }


def _on_frames(config, drawn):
    import jax
    import optax
    from jax import numpy as jnp

    from rnnjax.tasks import moving_blobs

    cell, test = _rnn(config), drawn["test"]
    rate = optax.cosine_decay_schedule(config.learning_rate, config.n_updates)
    trained = rnnjax.fit(
        cell,
        _blobs(config, drawn["noise"]),
        rnnjax.BPTT(),
        rnnjax.updates.clip_by_norm(1.0, _adam(rate)),
        jax.random.wrap_key_data(drawn["key"]),
        n_updates=config.n_updates,
        batch_size=config.batch_size,
        params=drawn["rnn"],
    )
    x, after, now = test.x, test.y[:, -1], test.y[:, -2]
    both = jnp.concatenate([x, x[:, ::-1]])
    outputs = jax.vmap(lambda x: rnnjax.outputs(cell, trained.params, x))(both)
    told, of_reversed = jnp.split(outputs, 2)
    of_rnn = {"RNN": told[:, -1], "RNN, reversed": of_reversed[:, -1]}
    made = moving_blobs.simple_forecasts(x) | of_rnn
    forecasts = jnp.stack([made[name] for name in FORECASTS])
    moved = moving_blobs.displacement(now, forecasts)
    way = moving_blobs.displacement(now, after)
    success = jax.vmap(lambda frames: moving_blobs.critical_success_index(frames, after))
    return {
        "frame_error": jnp.mean((forecasts - after) ** 2, axis=(1, 2)),
        "success_index": success(forecasts),
        "frame_direction": _right_way(jnp.sum(moved * way, axis=-1), jnp.sum(way**2, axis=-1)),
        "example": _films(config, x, test.y, told),
    }


def _films(config, x, y, told):
    """Return the films of the one example that stays farthest from the border of its frames."""
    from jax import numpy as jnp

    from rnnjax.tasks.moving_blobs import advected

    x, y, told = (a[_EXAMPLE::_N_VELOCITIES] for a in (x, y, told))
    frames = y.reshape(*y.shape[:2], config.side, config.side)
    inside = jnp.sum(frames[:, :, 1:-1, 1:-1] ** 2, axis=(1, 2, 3))
    example = jnp.argmax(inside / jnp.sum(frames**2, axis=(1, 2, 3)))
    before, last = x[example, :-1], x[example, 1:]
    middles = (advected(before, last) + advected(last, before)) / 2
    films = jnp.stack([y[example, 1:], told[example, 1:], middles])
    return films.reshape(len(FILMS), -1, config.side, config.side)


def figure(cube):
    """Networks on two points and on cells, above forecasts of frames and their scores."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 5.9))
    above, below = drawn.add_gridspec(2, 1, height_ratios=[1, 1.8])
    above = above.subgridspec(1, 4, width_ratios=[1.5, 0.8, 1.8, 1.2])
    below = below.subgridspec(3, 2, width_ratios=[2.3, 1])
    networks, directions, deck, cells = (drawn.add_subplot(place) for place in above)
    films = drawn.add_subplot(below[:, 0])
    scores = [drawn.add_subplot(below[row, 1]) for row in range(3)]
    _draw_networks(networks, directions, cube)
    _draw_deck(deck, cube)
    _draw_cells(cells, cube)
    _draw_films(films, cube)
    handles = _draw_scores(scores, cube)
    drawn.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2.8)
    rnnjax.figures.letter_panels([networks, directions, deck, cells, films, *scores])
    return drawn


def _draw_networks(errors, directions, cube):
    """Draw error and share of right directions, a row a network: all runs, and their median."""
    for ax, name in ((errors, "point_error"), (directions, "point_direction")):
        for row, (net, colour) in enumerate(NETS.items()):
            runs = cube[name].sel(net=net).values.ravel()
            ax.plot(runs, np.full(runs.shape, row), ".", color=colour, alpha=0.3, clip_on=False)
            ax.plot(np.median(runs), row, "o", color=colour, markersize=4.5, clip_on=False)
            ax.axhline(row, color="#e4e4e4", linewidth=0.6, zorder=-1)
        ax.set(ylim=(len(NETS) - 0.5, -1.2), yticks=[])
    errors.axvline(_FLOOR, color="#404040", linestyle="--", linewidth=0.8, zorder=0)
    errors.text(_FLOOR / 4, -0.75, "floor without order", ha="right", va="center", fontsize=7)
    errors.set(xscale="log", xlim=(1e-14, 1e2), xticks=[1e-12, 1e-6, 1], xlabel="squared error")
    errors.minorticks_off()
    errors.set_yticks(range(len(NETS)), list(NETS), fontsize=7)
    errors.tick_params(axis="y", length=0)
    for tick, colour in zip(errors.get_yticklabels(), NETS.values(), strict=True):
        tick.set_color(colour)
    directions.set(xlim=(0, 1), xticks=[0, 1], xlabel="right direction")


def _draw_deck(ax, cube):
    """Draw the grid of the slides and where three of the networks see the next point."""
    answers = cube["deck_answer"].sel(deck="test").median(["noise", "seed"])
    ax.set(xlim=(-0.5, 4.5), ylim=(3.5, -0.5), aspect="equal", xticks=[], yticks=[])
    ax.set_title("the slides' grid", fontsize=8)
    ax.spines[:].set_visible(True)
    for line in range(4):
        ax.axvline(line + 0.5, color="#c8c8c8", linewidth=0.5, zorder=0)
        ax.axhline(line + 0.5, color="#c8c8c8", linewidth=0.5, zorder=0)
    ax.text(0.95, 1, "$x_{t-1}$", ha="center", va="center")
    ax.text(2.1, 2, "$x_t$", ha="center", va="center")
    for cell, text in ((0, "wrong"), (3, "expected")):
        ax.text(cell, cell + 0.4, text, ha="center", color="#505050", fontsize=6.5)
    for net in ("dense, order-blind", "RNN", "RNN, reversed"):
        place = float(answers.sel(net=net))
        ax.plot(place, place, "o", color=NETS[net], markersize=5)
        text = net.replace(", ", ",\n")
        ax.text(place + 0.25, place - 0.05, text, color=NETS[net], va="center", fontsize=6.5)


def _draw_cells(ax, cube):
    """Draw the share of right cells on both grids, and what the best guess would reach."""
    shares = cube["cell_accuracy"].median(["noise", "seed"])
    for number, border in enumerate(cube["border"].values):
        for place, (view, colour) in enumerate(VIEWS.items()):
            share = float(shares.sel(border=border, view=view))
            ax.bar(number + 0.28 * (place - 1), share, 0.25, color=colour)
        best = _best_without_order(border)[0]
        ax.hlines(best, number - 0.45, number - 0.11, color="black", linewidth=1.5)
        ax.text(number - 0.14, best + 0.02, f"{best:.3g}", ha="right", fontsize=7)
    ax.set(xlim=(-0.75, 1.5), ylim=(0, 1.05), yticks=[0, 0.5, 1], ylabel="right cells")
    ax.set_xticks([0, 1], ["5 x 5", "torus"])
    ax.tick_params(axis="x", length=0)


def _draw_films(ax, cube):
    """Draw truth and forecasts of the last frames, a row a film, with the truth as a contour."""
    shown = cube["example"].sel(noise=float(cube["noise"].min())).isel(seed=0)
    shown = shown.isel(frame=slice(-5, None)).transpose("film", "row", "frame", "column")
    # One picture of all, with a gap of a pixel around each frame.
    padded = np.pad(shown.values, ((0, 0), (0, 1), (0, 0), (0, 1)), constant_values=np.nan)
    n_films, height, n_frames, width = padded.shape
    picture = padded.reshape(n_films * height, n_frames * width)[:-1, :-1]
    ax.imshow(picture, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    truth = np.ma.masked_invalid(picture[: height - 1])
    has_contour = truth.min() < 0.5 < truth.max()
    for film in range(1, n_films if has_contour else 1):
        rows = film * height + np.arange(height - 1)
        ax.contour(np.arange(picture.shape[1]), rows, truth, [0.5], colors="black", linewidths=0.7)
    places = np.arange(n_frames) * width + width / 2 - 1
    ax.set_xticks(places, [f"frame {frame}" for frame in shown["frame"].values])
    ax.set_yticks(
        np.arange(n_films) * height + height / 2 - 1, FILMS, rotation=90, verticalalignment="center"
    )
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)


def _draw_scores(axes, cube):
    """Draw error, success index and direction over the noise; return the handles of the legend."""
    cube = cube.sortby("noise")
    noise = cube["noise"].values
    for ax, name in zip(axes, ("frame_error", "success_index", "frame_direction"), strict=True):
        for forecast, (colour, dashes, marker) in FORECASTS.items():
            if name == "frame_direction" and forecast in _UNDIRECTED:
                continue
            runs = cube[name].sel(forecast=forecast).transpose("seed", "noise").values
            band = rnnjax.reductions.seed_band(runs)
            style = {"color": colour, "linestyle": dashes, "marker": marker, "linewidth": 1.2}
            ax.plot(noise, band.median, label=forecast, **style)
            ax.fill_between(noise, band.low, band.high, color=colour, alpha=0.2, linewidth=0)
        margin = 0.05 * (noise[-1] - noise[0]) or 0.01
        ax.set(xlim=(noise[0] - margin, noise[-1] + margin))
        ax.set_xticks(noise if len(noise) <= 5 else noise[::3])
    axes[0].set(ylabel="squared error")
    axes[1].set(ylabel="success index", ylim=(-0.04, 1.04))
    axes[2].set(ylabel="right direction", ylim=(-0.04, 1.04), xlabel="noise of the frames")
    for ax in axes[:2]:
        ax.tick_params(labelbottom=False)
    return axes[0].get_legend_handles_labels()[0]


def _best_without_order(border):
    """Accuracy and cross-entropy of the best guess on the grid."""
    lines = nowcasting.straight_lines(_GRID_SIDE, border == "torus").tolist()
    return nowcasting.best_guess([frozenset(line[:2]) for line in lines], [x[2] for x in lines])


_EXACT = "exact: c = 2b - a"
_TRAINED = "exact: c = 2b - a; tolerance: training"
_SLIDES = "slides 'RNN: simple RNN', wrong and expected prediction"
_SYMMETRIC = "exact: a function of {a, b}; tolerance: float32 rounding, squared"
_BEHIND = "exact for the best answer, the middle; slides: 'wrong direction'; tolerance: training"
_MIDDLE = "9/4 E[v^2] (rnnjax.decks.tasks.two_points, equation 2); tolerance: training"
# Name, variable, where in it, expected, tolerance, source, and the relation if it is not "equal".
_ONE_NEURON = (
    ("ANN, order-blind: squared error", "point_error", {"net": "ANN, order-blind"}, _FLOOR,
     0.01 * _FLOOR, _MIDDLE),
    ("ANN, order-blind: right directions", "point_direction", {"net": "ANN, order-blind"}, 0,
     0, _BEHIND),
    ("ANN: coefficient of x(t-1)", "coefficient", {"net": "ANN, ordered", "point": "x(t-1)"}, -1,
     5e-5, _EXACT),
    ("ANN: coefficient of x(t)", "coefficient", {"net": "ANN, ordered", "point": "x(t)"}, 2, 5e-5,
     _EXACT),
    ("RNN, own weights: w_3 w_n w_1", "coefficient",
     {"net": "RNN, own weights", "point": "x(t-1)"}, -1, 5e-5, _EXACT),
    ("RNN, own weights: w_3 w_2", "coefficient", {"net": "RNN, own weights", "point": "x(t)"}, 2,
     5e-5, _EXACT),
    ("RNN: w_3 w_x", "coefficient", {"net": "RNN", "point": "x(t)"}, 2, 5e-5, _EXACT),
    ("RNN: w_n", "recurrent_weight", {}, -0.5, 5e-5, _EXACT),
    ("RNN: loss after 100 updates", "chain_loss", {"update": 100}, 0, 1e-11, _TRAINED, "at_most"),
    ("RNN: right directions", "point_direction", {"net": "RNN"}, 1, 0, _EXACT),
    ("RNN: change when the points swap", "swap_change", {"net": "RNN"}, 9 * _MEAN_SQUARE_SPEED,
     2e-3, "exact: (2b - a) - (2a - b) = 3v; tolerance: grid of test pairs"),
    ("RNN, reversed: squared error", "point_error", {"net": "RNN, reversed"},
     9 * _MEAN_SQUARE_SPEED, 2e-3, "exact: answers 2a - b; tolerance: grid of test pairs"),
    ("slides' training cells, RNN", "deck_answer", {"net": "RNN", "deck": "training"}, 2, 1e-4,
     _SLIDES),
    ("slides' test cells, RNN", "deck_answer", {"net": "RNN", "deck": "test"}, 3, 1e-4, _SLIDES),
    ("slides' test cells, RNN, reversed", "deck_answer", {"net": "RNN, reversed", "deck": "test"},
     0, 1e-4, _SLIDES),
)  # fmt: skip
_DENSE = (
    ("dense, order-blind: squared error", "point_error", {"net": "dense, order-blind"}, _FLOOR,
     0.05 * _FLOOR, _MIDDLE, "at_least"),
    ("dense, order-blind: right directions", "point_direction", {"net": "dense, order-blind"}, 0,
     0.05, _BEHIND, "at_most"),
    ("dense, order-blind: change when the points swap", "swap_change",
     {"net": "dense, order-blind"}, 0, 1e-12, _SYMMETRIC),
    ("dense, trained one way: squared error that way", "point_error_one_way",
     {"net": "dense, trained one way"}, 0, 0.01, _TRAINED, "at_most"),
    ("dense, trained one way: squared error both ways", "point_error",
     {"net": "dense, trained one way"}, 9 / 2 * _MEAN_SQUARE_SPEED, 0.05,
     "exact: 9 v^2 on half of the pairs; tolerance: training"),
    ("dense, ordered: squared error", "point_error", {"net": "dense, ordered"}, 0, 0.01, _TRAINED,
     "at_most"),
    ("dense, ordered: right directions", "point_direction", {"net": "dense, ordered"}, 1, 0,
     _TRAINED),
)  # fmt: skip


def claims(cube):
    """Numbers that must hold, each with its source; what needs training only where there was."""
    config = json.loads(cube.attrs["config"])
    found = _claims_of_simple_forecasts(cube, config)
    if config["n_chain_updates"] >= 200:
        found += [_claim(cube, *row) for row in _ONE_NEURON]
    if config["n_dense_updates"] >= 500:
        found += [_claim(cube, *row) for row in _DENSE]
        found += [claim for border in ("edge", "torus") for claim in _claims_of_cells(cube, border)]
    if config["n_updates"] >= 300 and not (config["wander"] or config["growth"]):
        found += _claims_of_rnn(cube, config)
    return found


def _claim(cube, name, variable, where, expected, tolerance, source, relation="equal"):
    """Claim it of the worst of all runs."""
    runs = np.ravel(cube[variable].sel(where).values)
    worst = {
        "equal": runs[np.argmax(np.abs(runs - expected))],
        "at_most": np.max(runs),
        "at_least": np.min(runs),
    }
    return rnnjax.Claim(name, worst[relation], expected, tolerance, source, relation)


def _claims_of_cells(cube, border):
    source = "enumeration of lines (rnnjax.theory.nowcasting); tolerance: training"
    share, surprise = _best_without_order(border)
    blind = {"border": border, "view": "order-blind"}
    start = f"cells, {border}, "
    return [
        _claim(cube, start + "order-blind: accuracy", "cell_accuracy", blind, share, 1e-6, source),
        _claim(cube, start + "order-blind: cross-entropy", "cell_surprise", blind, surprise, 0.02,
               source),
        *(_claim(cube, f"{start}{view}: accuracy", "cell_accuracy",
                 {"border": border, "view": view}, 1, 1e-6, source)
          for view in ("ordered", "RNN")),
    ]  # fmt: skip


def _claims_of_simple_forecasts(cube, config):
    """Compare the simple forecasts with their closed forms, where there are some."""
    uniform = config["whole_steps"] and not (config["wander"] or config["growth"])
    in_theory = uniform and config["n_blobs"] == 1 and config["n_test"] % _N_VELOCITIES == 0
    width = config["width"]
    if not (in_theory and 0.8 <= width <= config["side"] / 8 and 0.0 in cube["noise"]):
        return []
    velocities = np.array([v for v in np.ndindex(5, 5) if v != (2, 2)]) - 2
    errors = nowcasting.blob_errors(velocities, config["length"], config["side"], width)
    overlap = nowcasting.persistence_success(velocities, width)
    source = "closed form (rnnjax.theory.nowcasting)"
    clean = cube.sel(noise=0.0)
    rows = [
        *((f"frames, {name}: squared error", "frame_error", name, value, 1e-5)
          for name, value in errors.items()),
        ("frames, persistence: success index", "success_index", "persistence", overlap, 0.01),
        ("frames, advection: success index", "success_index", "advection", 1, 0),
        ("frames, swapped: success index", "success_index", "swapped", 0, 0),
        ("frames, order-blind: right directions", "frame_direction", "order-blind", 0, 0),
    ]  # fmt: skip
    return [
        _claim(clean, name, variable, {"forecast": forecast}, expected, tolerance, source)
        for name, variable, forecast, expected, tolerance in rows
    ]


def _claims_of_rnn(cube, config):
    """What the RNN must reach on frames without noise, and with it where it was trained for long.

    Against each other the forecasts are compared in the same run.
    """
    error = cube["frame_error"]
    of_rnn = error.sel(forecast="RNN")
    compared = {
        "blind": of_rnn / error.sel(forecast="order-blind, all frames"),
        "advection": of_rnn / error.sel(forecast="advection"),
        "reversed": error.sel(forecast="RNN, reversed") / error.sel(forecast="zero"),
    }
    cube = cube.assign(compared)
    found = []
    if 0.0 in cube["noise"]:
        clean = cube.sel(noise=0.0)
        found = [
            _claim(clean, "frames, RNN: squared error over the least without order", "blind", {},
                   1, 0, "both motions are equally likely (rnnjax.theory.nowcasting)", "at_most"),
            _claim(clean, "frames, RNN: right directions", "frame_direction", {"forecast": "RNN"},
                   1, 0.01, "the order is known", "at_least"),
            _claim(clean, "frames, RNN, reversed: squared error over that of no forecast",
                   "reversed", {}, 1, 0, "slides: 'sequential' data and model", "at_least"),
        ]  # fmt: skip
    noisy = cube["noise"].values[cube["noise"].values >= 0.1]
    if len(noisy) and config["n_updates"] >= 1000:
        loud = cube.sel(noise=noisy)
        name = "frames with noise, RNN: squared error over that of advection"
        source = "two frames pass on their noise, a trained network weighs all of them"
        found.append(_claim(loud, name, "advection", {}, 1, 0, source, "at_most"))
    return found
