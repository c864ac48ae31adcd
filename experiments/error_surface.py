"""Where does the cost of a recurrent unit have a wall, and why there?

Command:   rnnjax run error_surface
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    One unit x_t = w s(x_{t-1}) + b, cost E = (s(x_T) - 0.7)^2, T = 50. a: where the state
           settles over the bias, from below and from above. b: E over w and b for one start. c: b
           of the largest gradient of each w, a colour for each start x_0. Dashed in b and c: where
           the start is the unstable fixed point. How steep the wall is: see `clipped_descent`.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (figures 3 and 6); Doya, Bifurcations of recurrent neural networks in gradient
           descent learning, 1993.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, PositiveInt, ValidationInfo, field_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, set_to
from rnnjax.figures import BLACK, VERMILION, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import largest
from rnnjax.sweep import Variable
from rnnjax.theory import one_unit

PRECISION = "float64"
_STEEP = 50.0  # m^T from which the ridge stands out of everything else in its row
Line = tuple[float, float, PositiveInt]


class Setting(sweep.Setting):
    """The start, the diagram, and the plane with the cost on it."""

    weight: float = Field(5.0, gt=4, description="w of the diagram")
    start: float = Field(0.5, description="x_0")
    length: int = Field(50, ge=2, le=1000, description="steps T")
    target: float = Field(0.7, gt=0, lt=1, description="what s(x_T) should be")
    weights: Line = Field((4.0, 7.0, 601), description="from, to, how many")
    biases: Line = Field((-3.5, -1.5, 601), description="from, to, how many")
    every: PositiveInt = Field(10, description="distance of the rows and columns that are kept")
    n_settle: PositiveInt = Field(4000, description="steps until a state is said to have settled")
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
    """The plane as it is kept, the rows of the whole grid, and the diagram."""
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
        "parameter": np.array(["w", "b"]),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every start."""
    plane = "on the whole grid"
    return {
        "settled": Variable(("from", "diagram_b"), "x behind n_settle steps at `weight`"),
        "folds": Variable(("fold", "fold_part"), "fixed points of slope 1 at `weight`"),
        "cost": Variable(("w", "b"), "E"),
        "slopes": Variable(("w", "b", "parameter"), "dE/dw and dE/db"),
        "largest_gradient": Variable((), f"largest |dE| {plane}"),
        "largest_at": Variable(("parameter",), f"where |dE| is largest {plane}"),
        "median_gradient": Variable((), f"median of |dE| {plane}"),
        "steepest_b": Variable(("row",), "b with the largest |dE| of a row of the grid"),
    }


def shared(setting: Setting) -> dict[str, jax.Array]:
    """The diagram: settle from far below and above, and find the fixed points of slope 1."""
    unit, b = rnnjax.tasks.logistic_unit, jnp.asarray(coordinates(setting)["diagram_b"])
    settled = unit.settled(setting.weight, b, setting.n_settle)
    return {"settled": settled, "folds": unit.folds(setting.weight)}


def measure(setting: Setting, shared: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Measure the plane for one start."""
    unit, cell = rnnjax.tasks.logistic_unit, rnnjax.tasks.LogisticUnit(start=setting.start)
    batch = unit.due_after(setting.length, setting.length, setting.target)
    grids = (setting.weights, setting.biases)
    weights, biases = (jnp.asarray(np.linspace(*grid)) for grid in grids)
    at = cell, rnnjax.losses.squared_error, cell.at(0.0, 0.0), batch
    found = rnnjax.probes.plane(*at, (cell.at(1.0, 0.0), cell.at(0.0, 1.0)), weights, biases)
    ridge = rnnjax.analysis.ridge(found["log_gradient_norm"], weights, biases)
    some = slice(None, None, setting.every)
    return {
        **shared,
        "cost": found["loss"][some, some],
        "slopes": found["slopes"][some, some],
        "largest_gradient": ridge.largest,
        "largest_at": ridge.at,
        "median_gradient": ridge.median,
        "steepest_b": ridge.second,
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """The diagram, the cost on the plane, and its ridges."""
    one = cube.sel(start=0.5 if 0.5 in cube["start"] else cube["start"].values[0])
    diagram, cost, ridge = (frame := figures.Frame(1, 3, height=2.7)).panels
    _draw_diagram(diagram, one)
    mesh = cost.pcolormesh(one["b"], one["w"], one["cost"].transpose("w", "b"), rasterized=True)
    cost.figure.colorbar(mesh, ax=cost, label="cost $E$", aspect=22, pad=0.02)
    figures.overlay_line(cost, _wall(cube).sel(start=one["start"]), one["row"], dashed=True)
    cost.set(xlabel="bias $b$", ylabel="weight $w$", title=f"$x_0$ = {one['start']:g}")
    _draw_ridge(ridge, cube)
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """How far the largest gradients are from where the start is the unstable fixed point."""
    one = cube.sel(start=0.5 if 0.5 in cube["start"] else cube["start"].values[0])
    folds, distance = _folds(cube)[:, 1], _off_the_ridge(cube) or np.nan
    lies = f"The wall lies within {distance:.1g} in b of where x_0 is the unstable fixed point. "
    return (f"{lies if distance == distance else ''}From x_0 = {one['start']:g} |dE| is at most "
            f"{one['largest_gradient']:.4g}, its median {one['median_gradient']:.2g}. At w = "
            f"{cube.setting.weight:g} two states are stable from b = {folds[0]:.3g} to "
            f"{folds[1]:.3g}.")  # fmt: skip


def _draw_diagram(panel: figures.Axes, one: xr.Dataset) -> None:
    w, looks = one.setting.weight, {"below": Look("settled", BLACK), "above": Look("", BLACK)}
    figures.curves(panel, one["settled"], over="diagram_b", each="from", looks=looks,
                   xlabel="bias $b$", ylabel="state $x$", title=f"$w$ = {w:g}",
                   ylim=(None, 1.8 * largest(one["settled"])))  # fmt: skip
    x, b = one["folds"].transpose("fold_part", "fold").values
    between = np.linspace(*x, 100)
    panel.plot(between - w * one_unit.sigmoid(between), between, ":", color=BLACK, label="unstable")
    panel.plot(b, x, "o", color=VERMILION, label="folds")
    panel.legend(loc="upper left")


def _draw_ridge(panel: figures.Axes, cube: xr.Dataset) -> None:
    looks = figures.ordered_looks(cube["start"].values, "$x_0$ = {:g}", marker="o")
    some = cube["steepest_b"].isel(row=slice(None, None, max(1, cube.sizes["row"] // 30)))
    inside = some.where(some > cube.setting.biases[0])
    figures.scatter(panel, inside, some["row"], each="start", looks=looks, xlabel="bias $b$",
                    xlim=cube.setting.biases[:2], ylim=cube.setting.weights[:2],
                    ylabel="weight $w$", title="largest gradient")  # fmt: skip
    for start, look in looks.items():
        panel.plot(_wall(cube).sel(start=start), cube["row"], "--", color=look.colour, lw=0.8)
    panel.locator_params(axis="x", nbins=5)
    panel.legend(loc="upper right")


def _wall(cube: xr.Dataset) -> xr.DataArray:
    """The bias at which a start is a fixed point, over the rows of the grid."""
    start = cube["start"]
    return start - cube["row"] * start.copy(data=one_unit.sigmoid(start))


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
    (first, last, _), start, wall = cube.setting.biases, cube["start"], _wall(cube)
    s = start.copy(data=one_unit.sigmoid(start))
    steep = (cube["row"] * s * (1 - s)) ** cube.setting.length > _STEEP
    known = steep & (wall > first) & (wall < last)
    return largest(abs(cube["steepest_b"] - wall), known) if known.any() else None


def _at_point(one: xr.Dataset, at_w: float, at_b: float) -> float | None:
    """The worst difference from the known digits; None where the point was not measured."""
    near = one.sel(w=at_w, b=at_b, method="nearest")
    if abs(near["w"] - at_w) + abs(near["b"] - at_b) > 1e-9:
        return None
    return np.max(abs(np.array([near["cost"], *near["slopes"].values]) - _KNOWN[at_w, at_b]))


_PAPER = "Pascanu, Mikolov and Bengio 2013"
# E, dE/dw and dE/db by the closed recursion in float64, x_0 = 0.5, T = 50, target 0.7.
_KNOWN = {
    (5.0, -2.5): (0.0240888688, 0.0863116695, 0.1009250176),
    (5.0, -2.3): (0.0401812049, 0.0586412302, 0.0651241795),
    (5.0, -2.7): (0.3605432052, -0.0194195785, -0.1950785165),
    (6.0, -3.0): (0.0525692351, 0.0462363954, 0.0497550840),
}
_LARGEST_AT = (4.83, -2.50667)
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
    ), at={"start": 0.5}, reproduces=f"{_PAPER}, figure 6", when=set_to(target=0.7, length=50),
        source=f"closed recursion in float64; the cost of {_PAPER}, figure 6"),
)  # fmt: skip
