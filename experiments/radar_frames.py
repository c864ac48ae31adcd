"""Can an RNN forecast frames of a moving blob better than what is blind to their order?

Command:   rnnjax run radar_frames
           rnnjax run radar_frames --whole-steps false --growth 0.1 --n-blobs 2     harder motion
Run time:  about a minute on 2 cores, compiling included.
Figure:    a: frames of a moving blob and forecasts made one frame earlier; black: the true blob at
           half of its height. b: mean squared error of the next frame, c: critical success index
           at 1/2, d: share in the direction of motion; medians and 10 to 90 % of seeds.
Source:    Shi et al., Convolutional LSTM network, NIPS 2015, and Ayzel et al., RainNet v1.0,
           Geoscientific Model Development, 2020 (baselines, scores); slides "RNN: simple RNN".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, every_run
from rnnjax.figures import BLUE, GREEN, GREY, PINK, VERMILION, Look
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.sweep import ActivationName, Traced, Variable
from rnnjax.theory import nowcasting

LOOKS = {
    "zero": Look("zero", GREY, ".", ":"),
    "persistence": Look("persistence", GREY, "s", "--"),
    "frame mean": Look("frame mean", "#505050", "v", "-."),
    "advection": Look("advection", GREEN, "^"),
    "swapped": Look("swapped", PINK, "x"),
    "order-blind": Look("order-blind", VERMILION, "D", "--"),
    "order-blind, all frames": Look("order-blind, all frames", VERMILION, "D"),
    "RNN": Look("RNN", BLUE, "o"),
    "RNN, reversed": Look("RNN, reversed", PINK, "o", "--"),
}
# These stay, or their two halves lie half the way round the torus: no direction to speak of.
_UNDIRECTED = ("zero", "persistence", "order-blind, all frames", "RNN, reversed")
FILMS = ("truth", "RNN", "order-blind")
_SCORES = {"frame_error": "squared error", "success_index": "success index",
           "frame_direction": "right direction"}  # fmt: skip
_MOVES = np.delete(np.mgrid[-2:3, -2:3].reshape(2, -1).T, 12, axis=0)  # velocities, but 0
_N_MOVES = len(_MOVES)
_EXAMPLE = 18  # with whole steps, the number of the velocity (1, 2)


class Setting(sweep.Setting):
    """How the RNN is trained, and on which motion."""

    noise: NonNegativeFloat = Field(0.0, description="standard deviation of noise of a pixel")
    seed: Traced[int] = 0
    n_h: int = Field(192, ge=1, le=4096, description="units of the RNN")
    activation: ActivationName = Field("relu", description="of the RNN")
    n_updates: int = Field(1200, ge=1, description="updates of the RNN")
    batch_size: int = Field(32, ge=1, description="fresh sequences in an update")
    learning_rate: PositiveFloat = Field(5e-3, description="of Adam, falls as a cosine")
    n_test: int = Field(960, ge=_N_MOVES, description="sequences to test on")
    length: int = Field(6, ge=2, le=1000, description="frames seen, T")
    side: int = Field(16, ge=8, le=128, description="rows of a frame, and pixels in a row")
    width: PositiveFloat = Field(1.2, description="width of a blob in pixels")
    n_blobs: int = Field(1, ge=1, le=100, description="blobs in a frame")
    whole_steps: bool = Field(True, description="velocities of whole pixels, or any between")
    wander: NonNegativeFloat = Field(0.0, description="change of velocity from frame to frame")
    growth: NonNegativeFloat = Field(0.0, description="standard deviation of growth, nat a frame")
    axes = ("noise", "seed")


_MOTION = ("whole_steps", "wander", "growth", "n_blobs", "length", "side", "width", "noise")


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Forecasts, and the pixels of an example."""
    return {"forecast": np.array(list(LOOKS)), "film": np.array(FILMS),
            "frame": np.arange(3, setting.length + 2), "row": np.arange(setting.side),
            "column": np.arange(setting.side)}  # fmt: skip


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        "frame_error": Variable(("forecast",), "mean squared error of the next frame"),
        "success_index": Variable(("forecast",), "critical success index at 1/2"),
        "frame_direction": Variable(("forecast",), "share of forecasts in the direction of motion"),
        "example": Variable(("film", "frame", "row", "column"), "height of the pixels"),
    }


def _blobs(setting: Setting) -> rnnjax.tasks.MovingBlobs:
    return rnnjax.tasks.MovingBlobs(**{name: getattr(setting, name) for name in _MOTION})


def _network(setting: Setting) -> rnnjax.Vanilla:
    n_pixels, activation = setting.side**2, rnnjax.activation_named(setting.activation)
    # Inputs are scaled up because a frame is nearly empty.
    gains = {"gain": 0.5, "input_gain": 3.0, "readout_gain": 0.1}
    return rnnjax.Vanilla(n_pixels, setting.n_h, n_pixels, activation=activation, **gains)


def shared(setting: Setting) -> tuple:
    """The first weights, the key of the training, and frames to test on."""
    keys = jax.random.split(jax.random.key(setting.seed), 6)
    keys_test, blobs = jax.random.split(keys[5], setting.n_test), _blobs(setting)
    if setting.whole_steps:  # every velocity equally often
        velocities = np.resize(blobs.velocities(), (setting.n_test, 2))
        test = jax.vmap(blobs.sequence)(keys_test, jnp.asarray(velocities, float))
    else:
        test = jax.vmap(blobs.sample)(keys_test)
    return _network(setting).init(keys[2]), keys[4], test


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Train the RNN and score all forecasts."""
    start, key, test = shared
    cell, blobs = _network(setting), rnnjax.tasks.moving_blobs
    rate = optax.cosine_decay_schedule(setting.learning_rate, setting.n_updates)
    # All weights as one vector: one update to compile instead of one a matrix.
    optimiser = rnnjax.updates.clip_by_norm(1.0, optax.flatten(optax.adam(rate)))
    trained = rnnjax.fit(
        cell, _blobs(setting), rnnjax.BPTT(), optimiser, key, params=start,
        n_updates=setting.n_updates, batch_size=setting.batch_size,
    )  # fmt: skip
    x, after, now = test.x, test.y[:, -1], test.y[:, -2]
    both = jnp.concatenate([x, x[:, ::-1]])
    outputs = jax.vmap(lambda x: rnnjax.outputs(cell, trained.params, x))(both)
    told, of_reversed = jnp.split(outputs, 2)
    made = {**blobs.simple_forecasts(x), "RNN": told[:, -1], "RNN, reversed": of_reversed[:, -1]}
    forecasts = jnp.stack([made[name] for name in LOOKS])
    moved, way = blobs.displacement(now, forecasts), blobs.displacement(now, after)
    success = jax.vmap(lambda frames: blobs.critical_success_index(frames, after))
    return {
        "frame_error": jnp.mean((forecasts - after) ** 2, axis=(1, 2)),
        "success_index": success(forecasts),
        "frame_direction": rnnjax.analysis.share_in_direction(moved, way),
        "example": _films(setting, x, test.y, told),
    }


def _films(setting: Setting, x: jax.Array, y: jax.Array, told: jax.Array) -> jax.Array:
    """The films of the one example that stays farthest from the border of its frames."""
    advected, side = rnnjax.tasks.moving_blobs.advected, setting.side
    x, y, told = (a[_EXAMPLE::_N_MOVES] for a in (x, y, told))
    frames = y.reshape(*y.shape[:2], side, side)
    inside = jnp.sum(frames[:, :, 1:-1, 1:-1] ** 2, axis=(1, 2, 3))
    example = jnp.argmax(inside / jnp.sum(frames**2, axis=(1, 2, 3)))
    before, last = x[example, :-1], x[example, 1:]
    middles = (advected(before, last) + advected(last, before)) / 2
    films = jnp.stack([y[example, 1:], told[example, 1:], middles])
    return films.reshape(len(FILMS), -1, side, side)


def figure(cube: xr.Dataset) -> figures.Figure:
    """Films of an example, beside the scores of all forecasts."""
    frame = figures.Frame(height=4.0, layout="ab;ac;ad", width_ratios=[2.3, 1])
    cube, (films, *scores) = cube.sortby("noise"), frame.panels
    _draw_films(films, cube["example"].isel(noise=0, seed=0))
    for panel, (name, words) in zip(scores, _SCORES.items(), strict=True):
        looks = {k: LOOKS[k] for k in LOOKS if name != "frame_direction" or k not in _UNDIRECTED}
        figures.curves(panel, cube[name], over="noise", each="forecast", band="seed", looks=looks,
                       line={"linewidth": 1.2}, ylabel=words, xlabel="")  # fmt: skip
        panel.set_xticks(cube["noise"] if len(cube["noise"]) <= 5 else cube["noise"][::3])
        panel.tick_params(labelbottom=panel is scores[-1])
    scores[-1].set_xlabel("noise of the frames")
    return frame.finished(figures.handles(LOOKS, linewidth=1.2), handlelength=2.8)


def answer(cube: xr.Dataset) -> str:
    """The error of the RNN over those of other forecasts, at the least and the most noise."""
    least, most = (cube.sortby("noise").isel(noise=at).median("seed") for at in (0, -1))
    ratio, right = _ratio("RNN", "order-blind, all frames")(least), least["frame_direction"]
    told = f"{'Yes' if ratio < 1 else 'No'}: the RNN has {ratio:.2g} times the squared error of the"
    told += f" order-blind forecast from all frames. At noise {least['noise']:g} its forecasts go"
    told += f" the right way in {100 * right.sel(forecast='RNN'):.3g} % of cases."
    more = f" Over that of advection, its error at noise {most['noise']:g} is "
    return told + f"{more}{_ratio('RNN', 'advection')(most):.2g}." * bool(most["noise"])


def _draw_films(ax: figures.Axes, shown: xr.DataArray) -> None:
    """Truth and forecasts of the last frames, a row a film, with the truth as a contour."""
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
    figures.ticks(ax, "x", places, [f"frame {frame}" for frame in shown["frame"].values])
    middles = np.arange(n_films) * height + height / 2 - 1
    figures.ticks(ax, "y", middles, FILMS, rotation=90, verticalalignment="center")
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)


def _is_in_theory(cube: xr.Dataset) -> bool:
    """Whether the errors of the simple forecasts have a closed form."""
    s = cube.setting
    uniform = s.whole_steps and not (s.wander or s.growth) and s.n_blobs == 1
    return uniform and s.n_test % _N_MOVES == 0 and 0.8 <= s.width <= s.side / 8


def _errors(cube: xr.Dataset) -> dict[str, float]:
    """The closed forms of the squared errors of this motion, by forecast."""
    s = cube.setting
    return nowcasting.blob_errors(_MOVES, s.length, s.side, s.width)


def _ratio(name: str, over: str) -> Callable[[xr.Dataset], xr.DataArray]:
    return lambda one: one["frame_error"].sel(forecast=name) / one["frame_error"].sel(forecast=over)


def _is_trained(cube: xr.Dataset) -> bool:
    return cube.setting.n_updates >= 300 and not (cube.setting.wander or cube.setting.growth)


_WITHOUT_ORDER = "both motions are equally likely (rnnjax.theory.nowcasting)"
CLAIMS = (
    Group((
        every_run("frames, {forecast}: squared error", "frame_error", tolerance=1e-5,
                  for_each=lambda cube: {"forecast": [*_errors(cube)]},
                  equals=lambda one: _errors(one)[one["forecast"].item()]),
        every_run("frames, persistence: success index", "success_index", tolerance=0.01,
                  at={"forecast": "persistence"},
                  equals=lambda one: nowcasting.persistence_success(_MOVES, one.setting.width)),
        every_run("frames, advection: success index", "success_index",
                  at={"forecast": "advection"}, equals=1),
        every_run("frames, swapped: success index", "success_index",
                  at={"forecast": "swapped"}, equals=0),
        every_run("frames, order-blind: right directions", "frame_direction",
                  at={"forecast": "order-blind"}, equals=0),
    ), at={"noise": 0.0}, when=_is_in_theory, source="closed form (rnnjax.theory.nowcasting)"),
    Group((
        every_run("frames, RNN: squared error over the least without order",
                  _ratio("RNN", "order-blind, all frames"), at_most=1, source=_WITHOUT_ORDER),
        every_run("frames, RNN: right directions", "frame_direction", at={"forecast": "RNN"},
                  at_least=1, tolerance=0.01, source="the order is known"),
        every_run("frames, RNN, reversed: squared error over that of no forecast",
                  _ratio("RNN, reversed", "zero"), at_least=1,
                  source="slides: 'sequential' data and model"),
    ), at={"noise": 0.0}, when=_is_trained),
    every_run("frames with noise, RNN: squared error over that of advection",
              _ratio("RNN", "advection"), at={"noise": lambda noise: noise >= 0.1}, at_most=1,
              when=(_is_trained, lambda cube: cube.setting.n_updates >= 1000),
              source="two frames pass on their noise, a trained network weighs all of them"),
)  # fmt: skip
