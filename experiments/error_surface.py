"""Why does the cost of a recurrent unit have a wall, and what does clipping save there?

Command:   rnnjax run error_surface
Run time:  about 25 seconds on 2 cores, compiling included.
Figure:    One unit x_t = w s(x_{t-1}) + b, cost E = (s(x_T) - 0.7)^2, T = 50. a: where the state
           settles over the bias at w = 5; between two folds there are two answers, and an unstable
           fixed point between them. b: E over w and b, with a descent that is thrown off the wall
           and a clipped one that reaches the valley. c: where the gradient is largest at a given w:
           where the start is the unstable fixed point (dashed), another line for each start. d:
           gradient and curvature at the wall over T grow as m^T and m^2T, m the slope of the map
           at the start.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (figures 3 and 6); Doya, Bifurcations of recurrent neural networks in gradient
           descent learning, 1993.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, set_to
from rnnjax.figures import BLACK, BLUE, GREEN, VERMILION, Look
from rnnjax.lazy import jax, jnp, matplotlib, optax, xr
from rnnjax.reductions import largest
from rnnjax.sweep import Variable
from rnnjax.theory import one_unit

PRECISION = "float64"
_ARMS = ("plain", "clipped")
_STEEP = 50.0  # m^T from which the ridge stands out of everything else in its row
Line = tuple[float, float, PositiveInt]


class Setting(sweep.Setting):
    """The start, the plane, the cost on it, and the descents."""

    weight: float = Field(5.0, gt=4, description="w of the diagram and at the wall")
    start: float = Field(0.5, description="x_0")
    length: int = Field(50, ge=2, le=1000, description="steps T")
    target: float = Field(0.7, gt=0, lt=1, description="what s(x_T) should be")
    weights: Line = Field((4.0, 7.0, 601), description="from, to, how many")
    biases: Line = Field((-3.5, -1.5, 601), description="from, to, how many")
    every: PositiveInt = Field(10, description="distance of the rows and columns that are kept")
    n_settle: PositiveInt = Field(4000, description="steps until a state is said to have settled")
    begin_weight: float = Field(6.0, description="w where descents begin")
    begin_biases: Line = Field((-2.7, -2.3, 24), description="and b: from, to, how many")
    learning_rate: PositiveFloat = 0.05
    max_norm: PositiveFloat = Field(1.0, description="threshold of clipping")
    n_updates: PositiveInt = 2000
    update_every: PositiveInt = Field(10, description="distance of the updates that are kept")
    axes = ("start",)

    @field_validator("start")
    @classmethod
    def _has_a_wall(cls, start: float, info: ValidationInfo) -> float:
        try:
            one_unit.wall(info.data["weight"], start)
        except ValueError as error:
            raise ValueError(f"expected starts with a wall, got {start:g}: {error}") from None
        return start


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """The plane as it is kept, the rows of the whole grid, and what else is told apart."""
    weights, biases = np.linspace(*setting.weights), np.linspace(*setting.biases)
    lower, upper = (fold.b for fold in one_unit.folds(setting.weight))
    margin = 0.5 * (upper - lower)
    return {
        "w": weights[:: setting.every],
        "b": biases[:: setting.every],
        "row": weights,
        "diagram_b": np.linspace(lower - margin, upper + margin, 201),
        "from": np.array(["below", "above"]),
        "fold": np.array(["lower", "upper"]),
        "fold_part": np.array(["x", "b"]),
        "length": np.arange(1, setting.length + 1),
        "parameter": np.array(["w", "b"]),
        "arm": np.array(_ARMS),
        "begin": np.linspace(*setting.begin_biases),
        "update": np.arange(0, setting.n_updates, setting.update_every),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every start."""
    plane, of_arm = "on the whole grid", ("arm", "begin")
    return {
        "settled": Variable(("from", "diagram_b"), "x behind n_settle steps at `weight`"),
        "folds": Variable(("fold", "fold_part"), "fixed points of slope 1 at `weight`"),
        "cost": Variable(("w", "b"), "E"),
        "slopes": Variable(("w", "b", "parameter"), "dE/dw and dE/db"),
        "largest_gradient": Variable((), f"largest |dE| {plane}"),
        "largest_at": Variable(("parameter",), f"where |dE| is largest {plane}"),
        "median_gradient": Variable((), f"median of |dE| {plane}"),
        "steepest_b": Variable(("row",), "b with the largest |dE| of a row of the grid"),
        "log_wall_gradient": Variable(("length",), "natural log of |dE| at the wall by T", "nat"),
        "wall_curvature": Variable(("length",), "second derivative of E along dE at the wall"),
        "wall_direction": Variable(("length", "parameter"), "dE / |dE| at the wall by T"),
        "wall_step": Variable(("arm",), "length of one step from the wall"),
        "descent": Variable(("arm", "update", "parameter"), "w and b in the first descent"),
        "longest_step": Variable(of_arm, "longest step in a descent"),
        "last_cost": Variable(of_arm, "last E in a descent"),
    }


def _batch(setting: Setting, length: Any) -> rnnjax.Batch:
    return rnnjax.tasks.logistic_unit.due_after(length, setting.length, setting.target)


def shared(setting: Setting) -> dict[str, jax.Array]:
    """The diagram: settle from far below and above, and find the fixed points of slope 1."""
    unit, b = rnnjax.tasks.logistic_unit, jnp.asarray(coordinates(setting)["diagram_b"])
    settled = unit.settled(setting.weight, b, setting.n_settle)
    return {"settled": settled, "folds": unit.folds(setting.weight)}


def measure(setting: Setting, shared: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Measure the plane, the wall and two descents for one start."""
    at = rnnjax.tasks.LogisticUnit(start=setting.start), rnnjax.losses.squared_error
    measured = (_on_plane(setting, *at), _at_the_wall(setting, *at), _descents(setting, *at))
    return {name: value for part in (shared, *measured) for name, value in part.items()}


def _on_plane(setting: Setting, cell: Any, loss: Any) -> dict[str, jax.Array]:
    grids = (setting.weights, setting.biases)
    weights, biases = (jnp.asarray(np.linspace(*grid)) for grid in grids)
    axes, batch = (cell.at(1.0, 0.0), cell.at(0.0, 1.0)), _batch(setting, setting.length)
    found = rnnjax.probes.plane(cell, loss, cell.at(0.0, 0.0), batch, axes, weights, biases)
    ridge = rnnjax.analysis.ridge(found["log_gradient_norm"], weights, biases)
    some = slice(None, None, setting.every)
    return {
        "cost": found["loss"][some, some],
        "slopes": found["slopes"][some, some],
        "largest_gradient": ridge.largest,
        "largest_at": ridge.at,
        "median_gradient": ridge.median,
        "steepest_b": ridge.second,
    }


def _at_the_wall(setting: Setting, cell: Any, loss: Any) -> dict[str, jax.Array]:
    def at(length: jax.Array) -> Any:
        at = cell, loss, cell.wall(setting.weight), _batch(setting, length)
        return rnnjax.probes.curvature_along_gradient(*at)

    found = jax.vmap(at)(jnp.arange(1, setting.length + 1))
    along = found["direction"]
    return {
        "log_wall_gradient": found["log_gradient_norm"],
        "wall_curvature": found["curvature"],
        "wall_direction": jnp.stack([along["w"], along["b"]], axis=1),
    }


def _descents(setting: Setting, cell: Any, loss: Any) -> dict[str, jax.Array]:
    """Descend plainly and clipped, from the beginnings and, last, from the wall."""
    batch, n = _batch(setting, setting.length), setting.n_updates

    def descend(params: Any, max_norm: jax.Array) -> Any:
        sgd = rnnjax.updates.clip_by_norm(max_norm, optax.sgd(setting.learning_rate))
        return rnnjax.updates.path(cell, loss, params, batch, sgd, n_updates=n + 1)

    biases = np.linspace(*setting.begin_biases)
    begin = cell.at(np.full(len(biases), setting.begin_weight), biases)
    starts = jax.tree.map(jnp.append, begin, cell.wall(setting.weight))
    both = jax.vmap(jax.vmap(descend, (0, None)), (None, 0))
    place, cost, step = both(starts, jnp.asarray([jnp.inf, setting.max_norm]))
    length = jnp.hypot(step["w"], step["b"])
    first = jnp.stack([place["w"][:, 0], place["b"][:, 0]], axis=-1)
    return {
        "wall_step": length[:, -1, 0],
        "descent": first[:, : n : setting.update_every],
        "longest_step": jnp.max(length[:, :-1, :-1], axis=2),
        "last_cost": cost[:, :-1, -1],
    }


def figure(cube: xr.Dataset) -> matplotlib.figure.Figure:
    """The diagram, the cost on the plane, its ridges, and the growth at the wall."""
    one = cube.sel(start=0.5 if 0.5 in cube["start"] else cube["start"].values[0])
    frame = figures.Frame(2, 2, height=5.2)
    _draw_diagram(frame.panels[0], one)
    _draw_cost(frame.panels[1], one)
    _draw_ridge(frame.panels[2], cube)
    _draw_growth(frame.panels[3], one)
    return frame.finished()


def _draw_diagram(panel: matplotlib.axes.Axes, one: xr.Dataset) -> None:
    w, looks = one.setting.weight, {"below": Look("settled", BLACK), "above": Look("", BLACK)}
    figures.curves(panel, one["settled"], over="diagram_b", each="from", looks=looks,
                   xlabel=f"bias $b$ ($w$ = {w:g})", ylabel="state $x$")  # fmt: skip
    x, b = one["folds"].transpose("fold_part", "fold").values
    between = np.linspace(*x, 100)
    unstable = Look("unstable", BLACK, dashes=":")
    panel.plot(between - w * one_unit.sigmoid(between), between, **unstable.line(label="unstable"))
    panel.plot(b, x, **Look("folds", VERMILION).dots(label="folds"))
    panel.legend(loc="upper left")


def _draw_cost(panel: matplotlib.axes.Axes, one: xr.Dataset) -> None:
    mesh = panel.pcolormesh(one["b"], one["w"], one["cost"].transpose("w", "b"), rasterized=True)
    panel.figure.colorbar(mesh, ax=panel, label="cost $E$", aspect=22, pad=0.02)
    for arm in _ARMS:
        w, b = one["descent"].sel(arm=arm).transpose("parameter", "update").values
        figures.overlay_line(panel, b, w, label=f"descent, {arm}", dashed=arm == "plain")
    panel.set(xlabel="bias $b$", ylabel="weight $w$")
    panel.legend(loc="upper right", labelcolor="white", handlelength=2.4)


def _draw_ridge(panel: matplotlib.axes.Axes, cube: xr.Dataset) -> None:
    looks = figures.ordered_looks(cube["start"].values, "$x_0$ = {:g}", marker="o")
    some = cube.isel(row=slice(None, None, max(1, cube.sizes["row"] // 30)))
    inside = some["steepest_b"].where(some["steepest_b"] > cube.setting.biases[0])
    figures.scatter(
        panel, inside, some["row"], each="start", looks=looks, xlim=cube.setting.biases[:2],
        ylim=cube.setting.weights[:2], xlabel="bias $b$ of the largest gradient",
        ylabel="weight $w$",
    )  # fmt: skip
    for start, look in looks.items():
        wall = start - cube["row"] * one_unit.sigmoid(start)
        panel.plot(wall, cube["row"], color=look.colour, linestyle="--", linewidth=0.8, zorder=1)
    panel.locator_params(axis="x", nbins=5)
    panel.legend(loc="upper right")


def _draw_growth(panel: matplotlib.axes.Axes, one: xr.Dataset) -> None:
    w, start, length = one.setting.weight, one["start"].item(), one["length"]
    m = w * one_unit.sigmoid(start) * (1 - one_unit.sigmoid(start))
    looks = {2: Look("|curvature|", GREEN), 1: Look("gradient", BLUE)}
    sizes = [abs(one["wall_curvature"]), np.exp(one["log_wall_gradient"])]
    growth = xr.concat(sizes, xr.Variable("power", [*looks]), coords="minimal")
    line = 2.5 * growth.isel(length=-1, drop=True) * m ** (growth["power"] * (length - length[-1]))
    legend = figures.curves(
        panel, growth, over="length", each="power", looks=looks, theory={"$m^{2T}$, $m^T$": line},
        yscale="log", xlabel=f"steps $T$ ($w$ = {w:g}, $x_0$ = {start:g})", ylabel="at the wall",
    )  # fmt: skip
    panel.legend(handles=legend, loc="upper left")


def _folds(cube: xr.Dataset) -> np.ndarray:
    """The folds to six digits: x and b of each, (2, 2)."""
    return np.round(one_unit.folds(cube.setting.weight), 6)


def _width(cube: xr.Dataset) -> float:
    """The width of the interval of b with two answers for every start."""
    two = abs(cube["settled"].diff("from")).squeeze("from") > 0.5
    places = cube["diagram_b"].values[two.all("start")]
    return np.ptp(places) if len(places) else np.nan


def _gap_to_recursion(cube: xr.Dataset) -> float:
    """The gap to the closed recursion that 99 % of points keep: of E, and of dE over |dE|."""
    found = cube.transpose("start", "w", "b", "parameter", ...)
    start, w, b = np.ix_(*(cube[name].values for name in ("start", "w", "b")))
    value, *slopes = one_unit.cost(w, b, cube.setting.length, start, cube.setting.target)
    gap = np.max(abs(found["slopes"].values - np.stack(slopes, axis=-1)), axis=-1)
    return np.quantile([abs(found["cost"].values - value), gap / np.hypot(*slopes)], 0.99)


def _off_the_ridge(cube: xr.Dataset) -> float | None:
    """The largest distance of the steepest b of a row from the wall, where it stands out."""
    (first, last, _), start, row = cube.setting.biases, cube["start"], cube["row"]
    s = start.copy(data=one_unit.sigmoid(start))
    wall = start - row * s
    known = ((row * s * (1 - s)) ** cube.setting.length > _STEEP) & (wall > first) & (wall < last)
    return largest(abs(cube["steepest_b"] - wall), known) if known.any() else None


def _at_wall(cube: xr.Dataset, what: str) -> float:
    """The worst relative gap to a closed form at the walls of all starts."""
    setting, start = cube.setting, cube["start"].values
    known = one_unit.at_wall(setting.weight, start, setting.length, setting.target)
    gradient, curvature = (xr.DataArray(of, dims=("length", "start")) for of in known)
    step, along = cube["wall_step"] / setting.learning_rate, cube["wall_direction"]
    s = xr.DataArray(one_unit.sigmoid(start), dims="start")
    product = abs(along.sel(parameter="w") * s + along.sel(parameter="b"))
    ratios = {
        "gradient for every T": np.exp(cube["log_wall_gradient"]) / gradient,
        "curvature for every T": cube["wall_curvature"] / curvature,
        "|cosine| of dE and its normal": product / np.hypot(s, 1),
        "a plain step": step.sel(arm="plain") / gradient.isel(length=-1),
        "a clipped step": step.sel(arm="clipped") / setting.max_norm,
    }
    return largest(abs(ratios[what] - 1))


def _share(one: xr.Dataset, of: Callable[[xr.Dataset], xr.DataArray]) -> xr.DataArray:
    return of(one).mean()


def _at_point(one: xr.Dataset, at_w: float, at_b: float) -> float | None:
    """The worst difference from the known digits; None where the point was not measured."""
    near = one.sel(w=at_w, b=at_b, method="nearest")
    if abs(near["w"] - at_w) + abs(near["b"] - at_b) > 1e-9:
        return None
    return np.max(abs(np.array([near["cost"], *near["slopes"].values]) - _KNOWN[at_w, at_b]))


_PAPER = "Pascanu, Mikolov and Bengio 2013"
_FIGURE = f"{_PAPER}, figure 6"
_AT_WALL = {
    "gradient for every T": "closed form: grows as m^T",
    "curvature for every T": f"closed form: as m^2T ({_PAPER}, section 2.3)",
    "|cosine| of dE and its normal": "exact: dx/dw : dx/db = s(x_0) : 1",
    "a plain step": "exact: learning rate times |dE|",
    "a clipped step": f"exact: learning rate times threshold ({_PAPER})",
}
# E, dE/dw and dE/db by the closed recursion in float64, x_0 = 0.5, T = 50, target 0.7.
_KNOWN = {
    (5.0, -2.5): (0.0240888688, 0.0863116695, 0.1009250176),
    (5.0, -2.3): (0.0401812049, 0.0586412302, 0.0651241795),
    (5.0, -2.7): (0.3605432052, -0.0194195785, -0.1950785165),
    (6.0, -3.0): (0.0525692351, 0.0462363954, 0.0497550840),
}
_LARGEST_AT = (4.83, -2.50667)
_THROWN = {"told": "with a step longer than 1", "of": lambda one: one["longest_step"] > 1}
_SHARE = "{arm} descents {told}, share"
_ARRIVED = {"told": "with E < 0.01 at the end", "of": lambda one: one["last_cost"] < 0.01}
CLAIMS = (
    Row("w = {cube.setting.weight:g}: folds, x and b, worst",
        lambda cube: largest(abs(cube["folds"].transpose(..., "fold", "fold_part") - _folds(cube))),
        equals=0, tolerance=1e-6, reproduces=f"{_PAPER}, figure 3 (Doya 1993)",
        source=f"closed form (Doya 1993); {_PAPER}, figure 3: two values of b"),
    Row("width of the interval of b with two answers", _width,
        equals=lambda cube: np.ptp(_folds(cube)[:, 1]),
        tolerance=lambda cube: 2 * (cube["diagram_b"][1] - cube["diagram_b"][0]).item(),
        source="closed form; tolerance: two steps of b"),
    # Where the start lies on the wall within rounding, rounding grows as m^T.
    Row("plane: E, and dE over |dE|, 99 % of points", _gap_to_recursion, equals=0, tolerance=1e-9,
        source="closed recursion of dx/dw and dx/db; tolerance: rounding beside the wall"),
    Row("steepest b of a row against the wall, worst", _off_the_ridge, equals=0,
        tolerance=lambda cube: np.linspace(*cube.setting.biases, retstep=True)[1] * (1 + 1e-9),
        source="the start is the unstable fixed point; tolerance: a step of the grid"),
    Row("at the wall: {what}, relative, worst", _at_wall, equals=0, tolerance=1e-8,
        for_each={"what": tuple(_AT_WALL)}, source=lambda cube, what: _AT_WALL[what]),
    Group((
        Row("E and dE at w = {at_w:g}, b = {at_b:g}, worst difference", _at_point, equals=0,
            tolerance=6e-11, for_each=lambda one: [{"at_w": w, "at_b": b} for w, b in _KNOWN]),
        Group((
            Row("largest |dE| on the grid", lambda one: one["largest_gradient"], equals=1722.6,
                tolerance=0.05),
            Row("median |dE| on the grid", lambda one: one["median_gradient"], equals=0.0566,
                tolerance=5e-5, reproduces=""),
            Row(f"distance of the largest |dE| from {_LARGEST_AT}",
                lambda one: math.hypot(*(one["largest_at"].values - _LARGEST_AT)), equals=0,
                tolerance=1e-5),
        ), when=set_to(weights=(4.0, 7.0, 601), biases=(-3.5, -1.5, 601))),
        Group((
            Row(_SHARE, _share, at_least=0.8, at={"arm": "plain"}, for_each=(_THROWN,)),
            Row(_SHARE, _share, at_most=0.0, at={"arm": "clipped"}, for_each=(_THROWN,)),
            Row(_SHARE, _share, at_most=0.5, at={"arm": "plain"}, for_each=(_ARRIVED,)),
            Row(_SHARE, _share, at_least=0.9, at={"arm": "clipped"}, for_each=(_ARRIVED,)),
        ), when=(set_to(learning_rate=0.05, max_norm=1.0, begin_weight=6.0,
                        begin_biases=(-2.7, -2.3, 24)), lambda one: one.setting.n_updates >= 1000),
            source=f"{_FIGURE}; which descent is thrown when is decided by rounding"),
    ), at={"start": 0.5}, reproduces=_FIGURE, when=set_to(target=0.7, length=50),
        source=f"closed recursion in float64; the cost of {_FIGURE}"),
)  # fmt: skip
