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

import math
from typing import NamedTuple

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, field_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import BLUE, GREEN, THEORY, VERMILION, Look
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import largest
from rnnjax.sweep import Variable
from rnnjax.theory import one_unit

PRECISION = "float64"
_GRID = ((4.0, 7.0, 601), (-3.5, -1.5, 601))
_BEGINNING = (-2.7, -2.3, 24)
_ARMS = ("plain", "clipped")
_STEEP = 50.0  # m^T from which the ridge stands out of everything else in its row


class Setting(sweep.Setting):
    """The start, the plane, the cost on it, and the descents."""

    weight: float = Field(5.0, gt=4, description="w of the diagram and at the wall")
    start: float = Field(0.5, description="x_0")
    length: int = Field(50, ge=2, le=1000, description="steps T")
    target: float = Field(0.7, gt=0, lt=1, description="what s(x_T) should be")
    weights: tuple[float, float, PositiveInt] = Field(_GRID[0], description="from, to, how many")
    biases: tuple[float, float, PositiveInt] = Field(_GRID[1], description="from, to, how many")
    every: PositiveInt = Field(10, description="distance of the rows and columns that are kept")
    n_settle: PositiveInt = Field(4000, description="steps until a state is said to have settled")
    begin_weight: float = Field(6.0, description="w where descents begin")
    begin_biases: tuple[float, float, PositiveInt] = Field(
        _BEGINNING, description="and b: from, to, how many"
    )
    learning_rate: PositiveFloat = 0.05
    max_norm: PositiveFloat = Field(1.0, description="threshold of clipping")
    n_updates: PositiveInt = 2000
    update_every: PositiveInt = Field(10, description="distance of the updates that are kept")
    axes = ("start",)

    @field_validator("start")
    @classmethod
    def _has_a_wall(cls, start, info):
        try:
            one_unit.wall(info.data["weight"], start)
        except ValueError as error:
            raise ValueError(f"expected starts with a wall, got {start:g}: {error}") from None
        return start


def coordinates(setting):
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


def variables(setting):
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


class Unit(NamedTuple):
    """x' = w s(x) + b, read out as s(x); a cell like any that a user may write."""

    start: float

    def initial_state(self):
        """x_0."""
        return jnp.full((1,), self.start)

    def step(self, params, h, x):
        """The next state."""
        return params["w"] * jax.nn.sigmoid(h) + params["b"]

    def readout(self, params, h):
        """s(x)."""
        return jax.nn.sigmoid(h)


def _point(w, b):
    return {"w": jnp.asarray(w, float), "b": jnp.asarray(b, float)}


def _batch(setting, length):
    """Silence of T steps whose target counts at one step, which may be traced."""
    y = jnp.full((setting.length, 1), setting.target)
    counts = jnp.arange(1, setting.length + 1) == length
    return rnnjax.Batch(jnp.zeros_like(y), y, counts.astype(y.dtype))


def shared(setting):
    """The diagram: settle from far below and above, and find the fixed points of slope 1."""
    cell, b = Unit(0.0), jnp.asarray(coordinates(setting)["diagram_b"])
    params, unbiased = _point(setting.weight, b), _point(setting.weight, 0.0)
    ends = jnp.stack([b, b + setting.weight])
    settled = jax.lax.fori_loop(0, setting.n_settle, lambda _, x: cell.step(params, x, None), ends)

    def halved(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        steep = jax.grad(lambda x: cell.step(unbiased, x, None))(middle) > 1
        return jnp.where(steep, middle, low), jnp.where(steep, high, middle)

    # The slope of the map falls with |x|.
    x, _ = jax.lax.fori_loop(0, 60, halved, (jnp.asarray(0.0), jnp.asarray(50.0)))
    x = jnp.stack([x, -x])
    return {"settled": settled, "folds": jnp.stack([x, x - cell.step(unbiased, x, None)], axis=1)}


def measure(setting, shared):
    """Measure the plane, the wall and two descents for one start."""
    cell = Unit(setting.start)
    wall = _point(setting.weight, cell.start - setting.weight * jax.nn.sigmoid(cell.start))
    at_wall = _at_the_wall(setting, cell, wall)
    return {**shared, **_on_plane(setting, cell), **at_wall, **_descents(setting, cell, wall)}


def _on_plane(setting, cell):
    grids = (setting.weights, setting.biases)
    weights, biases = (jnp.asarray(np.linspace(*grid)) for grid in grids)
    axes, batch = (_point(1.0, 0.0), _point(0.0, 1.0)), _batch(setting, setting.length)
    loss = rnnjax.losses.squared_error
    found = rnnjax.probes.plane(cell, loss, _point(0.0, 0.0), batch, axes, weights, biases)
    log_norm, some = found["log_gradient_norm"], slice(None, None, setting.every)
    columns = jnp.argmax(log_norm, axis=1)
    row = jnp.argmax(jnp.max(log_norm, axis=1))
    return {
        "cost": found["loss"][some, some],
        "slopes": found["slopes"][some, some],
        "largest_gradient": jnp.exp(jnp.max(log_norm)),
        "largest_at": jnp.stack([weights[row], biases[columns[row]]]),
        "median_gradient": jnp.exp(jnp.median(log_norm)),
        "steepest_b": biases[columns],
    }


def _at_the_wall(setting, cell, wall):
    def at(length):
        loss, batch = rnnjax.losses.squared_error, _batch(setting, length)
        return rnnjax.probes.curvature_along_gradient(cell, loss, wall, batch)

    found = jax.vmap(at)(jnp.arange(1, setting.length + 1))
    along = found["direction"]
    return {
        "log_wall_gradient": found["log_gradient_norm"],
        "wall_curvature": found["curvature"],
        "wall_direction": jnp.stack([along["w"], along["b"]], axis=1),
    }


def _descents(setting, cell, wall):
    """Descend plainly and clipped, from the wall and from the beginning."""
    loss, batch = rnnjax.losses.squared_error, _batch(setting, setting.length)

    def update(params, max_norm):
        out = rnnjax.BPTT()(cell, loss, params, batch, ())
        descent = rnnjax.updates.clip_by_norm(max_norm, optax.sgd(setting.learning_rate))
        step = descent.update(out.grads, descent.init(params), params)[0]
        told = out.loss, jnp.hypot(step["w"], step["b"]), jnp.stack([params["w"], params["b"]])
        return optax.apply_updates(params, step), told

    def descend(params, max_norm):
        n = setting.n_updates + 1
        return jax.lax.scan(lambda p, _: update(p, max_norm), params, None, length=n)[1]

    biases = np.linspace(*setting.begin_biases)
    w, b = jnp.full(len(biases), setting.begin_weight), jnp.asarray(biases)
    starts = _point(jnp.append(w, wall["w"]), jnp.append(b, wall["b"]))
    both = jax.vmap(jax.vmap(descend, (0, None)), (None, 0))
    cost, length, place = both(starts, jnp.asarray([jnp.inf, setting.max_norm]))
    return {
        "wall_step": length[:, -1, 0],
        "descent": place[:, 0, : setting.n_updates : setting.update_every],
        "longest_step": jnp.max(length[:, :-1, :-1], axis=2),
        "last_cost": cost[:, :-1, -1],
    }


def figure(cube):
    """The diagram, the cost on the plane, its ridges, and the growth at the wall."""
    one = cube.sel(start=0.5 if 0.5 in cube["start"].values else cube["start"].values[0])
    frame = figures.Frame(2, 2, height=5.2)
    diagram, cost, ridge, growth = frame.panels
    _draw_diagram(diagram, one)
    _draw_cost(cost, one)
    _draw_ridge(ridge, cube)
    _draw_growth(growth, one)
    return frame.finished()


def _draw_diagram(panel, one):
    w, b = one.setting.weight, one["diagram_b"].values
    for end, label in (("below", "settled"), ("above", None)):
        panel.plot(b, one["settled"].sel({"from": end}), color="black", linewidth=1.2, label=label)
    folds = one["folds"].transpose("fold_part", "fold").values
    x = np.linspace(*folds[0][::-1], 100)
    panel.plot(x - w * one_unit.sigmoid(x), x, color="black", linestyle=":", label="unstable")
    panel.plot(*folds[::-1], **Look("folds", VERMILION, "o").dots(), label="folds")
    panel.set(xlabel=f"bias $b$ ($w$ = {w:g})", ylabel="state $x$")
    panel.legend(loc="upper left")


def _draw_cost(panel, one):
    edges = [figures.cell_edges(one[name].values) for name in ("b", "w")]
    mesh = panel.pcolormesh(*edges, one["cost"].transpose("w", "b").values, rasterized=True)
    panel.figure.colorbar(mesh, ax=panel, label="cost $E$", aspect=22, pad=0.02)
    for arm, colour, dashes in (("plain", VERMILION, "--"), ("clipped", "#FFFFFF", "-")):
        w, b = one["descent"].sel(arm=arm).transpose("parameter", "update").values
        panel.plot(b, w, color="black", linewidth=2.4)
        panel.plot(b, w, color=colour, linestyle=dashes, linewidth=1.2, label=f"descent, {arm}")
    panel.set(
        xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]], xlabel="bias $b$", ylabel="weight $w$"
    )
    panel.legend(loc="upper right", labelcolor="white", handlelength=2.4)


def _draw_ridge(panel, cube):
    (first, last, _), w = cube.setting.biases, cube["row"].values
    every, colours = max(1, len(w) // 30), figures.ordered_colours(cube.sizes["start"])
    for start, colour in zip(cube["start"].values, colours, strict=True):
        steepest = cube["steepest_b"].sel(start=start).values
        inside, look = steepest > first, Look(f"$x_0$ = {start:g}", colour, "o")
        panel.plot(steepest[inside][::every], w[inside][::every], **look.dots(), label=look.label)
        wall = start - w * one_unit.sigmoid(start)
        panel.plot(wall, w, color=colour, linestyle="--", linewidth=0.8, zorder=1)
    panel.set(xlim=(first, last), xlabel="bias $b$ of the largest gradient")
    panel.set(ylim=cube.setting.weights[:2], ylabel="weight $w$")
    panel.locator_params(axis="x", nbins=5)
    panel.legend(loc="upper right")


def _draw_growth(panel, one):
    length, w, start = one["length"], one.setting.weight, float(one["start"])
    s = float(one_unit.sigmoid(start))
    m = w * s * (1 - s)
    for values, power, look, theory in (
        (abs(one["wall_curvature"]), 2, Look("|curvature|", GREEN), "$m^{2T}$, $m^T$"),
        (np.exp(one["log_wall_gradient"]), 1, Look("gradient", BLUE), None),
    ):
        figures.curves(panel, values, over="length", looks=look)
        line = 2.5 * float(values[-1]) * m ** (power * (length - length[-1]))
        panel.plot(length, line, color=THEORY, linestyle="--", linewidth=0.8, label=theory)
    panel.set(yscale="log", xlabel=f"steps $T$ ($w$ = {w:g}, $x_0$ = {start:g})")
    panel.set_ylabel("at the wall")
    panel.legend(loc="upper left")


_PAPER = "Pascanu, Mikolov and Bengio 2013"
_FIGURE = f"{_PAPER}, figure 6"
# E, dE/dw and dE/db by the closed recursion in float64, x_0 = 0.5, T = 50, target 0.7.
_VALUES = {
    (5.0, -2.5): (0.0240888688, 0.0863116695, 0.1009250176),
    (5.0, -2.3): (0.0401812049, 0.0586412302, 0.0651241795),
    (5.0, -2.7): (0.3605432052, -0.0194195785, -0.1950785165),
    (6.0, -3.0): (0.0525692351, 0.0462363954, 0.0497550840),
}
_LARGEST_AT = (4.83, -2.50667)


def _folds(cube):
    """The known folds: x and b of each, (2, 2)."""
    known = ((0.962424, -2.655610), (-0.962424, -2.344390))
    return np.array(known if cube.setting.weight == 5 else one_unit.folds(cube.setting.weight))


def _sigmoid(x):
    return x.copy(data=one_unit.sigmoid(x.values))


def _width(cube):
    """The width of the interval of b with two answers for every start."""
    two = abs(cube["settled"].diff("from")).squeeze("from") > 0.5
    places = cube["diagram_b"].values[two.all("start")]
    return np.ptp(places) if len(places) else np.nan


def _gap_to_recursion(cube):
    """The gap to the closed recursion that 99 % of points keep: of E, and of dE over |dE|."""
    gaps = []
    for start in cube["start"].values:
        one = cube.sel(start=start).transpose("w", "b", "parameter", ...)
        given = cube.setting.length, float(start), cube.setting.target
        value, *slopes = one_unit.cost(one["w"].values[:, None], one["b"].values, *given)
        gap = np.max(abs(one["slopes"].values - np.stack(slopes, axis=-1)), axis=-1)
        gaps += [abs(one["cost"].values - value), gap / np.hypot(*slopes)]
    return np.quantile(np.stack(gaps), 0.99)


def _off_the_ridge(cube):
    """The largest distance of the steepest b of a row from the wall, where it stands out."""
    (first, last, _), row, s = cube.setting.biases, cube["row"], _sigmoid(cube["start"])
    wall = cube["start"] - row * s
    known = ((row * s * (1 - s)) ** cube.setting.length > _STEEP) & (wall > first) & (wall < last)
    return largest(abs(cube["steepest_b"] - wall), known) if known.any() else None


def _step_of_grid(cube):
    first, last, n = cube.setting.biases
    return (last - first) / max(n - 1, 1) * (1 + 1e-9)


def _wall(name, measured, expected, source):
    """A row on a quantity at the walls of all starts, against its closed form."""

    def gap(cube):
        walls = [one_unit.at_wall(cube.setting.weight, float(start), cube.setting.length,
                                  cube.setting.target) for start in cube["start"].values]  # fmt: skip
        known = xr.DataArray(walls, {"start": cube["start"]}, ("start", "kind", "length"))
        return largest(abs(measured(cube) / expected(cube, *known.transpose("kind", ...)) - 1))

    name = f"at the wall: {name}, relative, worst"
    return Row(name, gap, equals=0, tolerance=1e-8, source=source)


def _normal(cube):
    """The unit vector along (s(x_0), 1)."""
    s = _sigmoid(cube["start"])
    return xr.concat([s, xr.ones_like(s)], cube["parameter"]) / np.hypot(s, 1)


def _step(arm):
    return lambda cube: cube["wall_step"].sel(arm=arm) / cube.setting.learning_rate


def _at_point(one, at_w, at_b):
    """The worst difference from the known values at a point; None where it was not measured."""
    near = one.sel(w=at_w, b=at_b, method="nearest")
    if abs(near["w"] - at_w) + abs(near["b"] - at_b) > 1e-9:
        return None
    return np.max(abs(np.array([near["cost"], *near["slopes"].values]) - _VALUES[at_w, at_b]))


def _is_long(cube):
    s = cube.setting
    given = (s.learning_rate, s.max_norm, s.begin_weight, *s.begin_biases[:2])
    return given == (0.05, 1.0, 6.0, -2.7, -2.3) and s.n_updates >= 1000 and s.begin_biases[2] >= 8


def _is_thrown(one):
    return (one["longest_step"] > 1).mean()


def _has_arrived(one):
    return (one["last_cost"] < 0.01).mean()


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
        tolerance=_step_of_grid,
        source="the start is the unstable fixed point; tolerance: a step of the grid"),
    _wall("gradient for every T", lambda cube: np.exp(cube["log_wall_gradient"]),
          lambda cube, gradient, curvature: gradient, "closed form: grows as m^T"),
    _wall("curvature for every T", lambda cube: cube["wall_curvature"],
          lambda cube, gradient, curvature: curvature,
          f"closed form: as m^2T ({_PAPER}, section 2.3)"),
    _wall("|cosine| of dE and its normal", lambda cube: abs(cube["wall_direction"].dot(_normal(cube), "parameter")),
          lambda cube, *_: 1, "exact: dx/dw : dx/db = s(x_0) : 1"),
    _wall("a plain step", _step("plain"), lambda cube, gradient, _: gradient.isel(length=-1),
          "exact: learning rate times |dE|"),
    _wall("a clipped step", _step("clipped"), lambda cube, *_: cube.setting.max_norm,
          f"exact: learning rate times threshold ({_PAPER})"),
    Group((
        Row("E and dE at w = {at_w:g}, b = {at_b:g}, worst difference", _at_point, equals=0,
            tolerance=6e-11, for_each=[{"at_w": w, "at_b": b} for w, b in _VALUES]),
        Group((
            Row("largest |dE| on the grid", lambda one: one["largest_gradient"], equals=1722.6,
                tolerance=0.05),
            Row("median |dE| on the grid", lambda one: one["median_gradient"], equals=0.0566,
                tolerance=5e-5, reproduces=""),
            Row(f"distance of the largest |dE| from {_LARGEST_AT}",
                lambda one: math.hypot(*(one["largest_at"].values - _LARGEST_AT)), equals=0,
                tolerance=1e-5),
        ), when=lambda one: (tuple(one.setting.weights), tuple(one.setting.biases)) == _GRID),
        Group((
            Row("{arm} descents with a step longer than 1, share", _is_thrown, at={"arm": "plain"},
                at_least=0.8),
            Row("{arm} descents with a step longer than 1, share", _is_thrown,
                at={"arm": "clipped"}, at_most=0.0),
            Row("{arm} descents with E < 0.01 at the end, share", _has_arrived,
                at={"arm": "plain"}, at_most=0.5),
            Row("{arm} descents with E < 0.01 at the end, share", _has_arrived,
                at={"arm": "clipped"}, at_least=0.9),
        ), when=_is_long, source=f"{_FIGURE}; which descent is thrown when is decided by rounding"),
    ), at={"start": 0.5}, reproduces=_FIGURE,
        source=f"closed recursion in float64; the cost of {_FIGURE}",
        when=lambda one: (one.setting.target, one.setting.length) == (0.7, 50)),
)  # fmt: skip
