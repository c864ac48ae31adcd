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

import functools
import json
from typing import Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Variable

PRECISION = "float64"
_THEORY = rnnjax.theory.one_unit
_PAPER = "Pascanu, Mikolov and Bengio 2013"
# E, dE/dw and dE/db by the closed recursion in float64, x_0 = 0.5, T = 50, target 0.7.
_VALUES = {
    (5.0, -2.5): (0.0240888688, 0.0863116695, 0.1009250176),
    (5.0, -2.3): (0.0401812049, 0.0586412302, 0.0651241795),
    (5.0, -2.7): (0.3605432052, -0.0194195785, -0.1950785165),
    (6.0, -3.0): (0.0525692351, 0.0462363954, 0.0497550840),
}
_GRID = ((4.0, 7.0, 601), (-3.5, -1.5, 601))
_ON_GRID = {"largest": 1722.6, "at": (4.83, -2.50667), "median": 0.0566}
_FOLDS = ((0.962424, -2.655610), (-0.962424, -2.344390))
_ARMS = ("plain", "clipped")
_STYLES = {"plain": ("#D55E00", "--"), "clipped": ("#FFFFFF", "-")}
_STEEP = 50.0  # m^T from which the ridge stands out of everything else in its row
REPRODUCES = {
    "w = 5: folds": "Pascanu, Mikolov and Bengio 2013, figure 3 (Doya 1993)",
    "E and dE at": "Pascanu, Mikolov and Bengio 2013, figure 6",
    "largest |dE| on the grid": "Pascanu, Mikolov and Bengio 2013, figure 6",
    "distance of the largest": "Pascanu, Mikolov and Bengio 2013, figure 6",
    "plain descents": "Pascanu, Mikolov and Bengio 2013, figure 6",
    "clipped descents": "Pascanu, Mikolov and Bengio 2013, figure 6",
}


class Axes(BaseAxes):
    """The swept axis."""

    start: Lane[float]


class Config(BaseConfig):
    """The plane, the cost on it, and the descents."""

    axes: Axes
    n_steps: int = Field(50, ge=2, le=1000, description="T")
    target: float = Field(0.7, gt=0, lt=1, description="what s(x_T) should be")
    weights: tuple[float, float, PositiveInt] = Field(_GRID[0], description="from, to, how many")
    biases: tuple[float, float, PositiveInt] = Field(_GRID[1], description="from, to, how many")
    every: PositiveInt = Field(10, description="distance of the rows and columns that are kept")
    weight: float = Field(5.0, gt=4, description="w of the diagram and at the wall")
    n_settle: PositiveInt = Field(4000, description="steps until a state is said to have settled")
    begin_weight: float = Field(6.0, description="w where descents begin")
    begin_biases: tuple[float, float, PositiveInt] = Field(
        (-2.7, -2.3, 24), description="and b: from, to, how many"
    )
    learning_rate: PositiveFloat = 0.05
    max_norm: PositiveFloat = Field(1.0, description="threshold of clipping")
    n_updates: PositiveInt = 2000
    update_every: PositiveInt = Field(10, description="distance of the updates that are kept")

    @model_validator(mode="after")
    def _every_start_has_a_wall(self) -> Self:
        for start in self.axes.start:
            try:
                _THEORY.wall(self.weight, start)
            except ValueError as error:
                told = f"expected starts with a wall, got {start:g}: {error}"
                raise rnnjax.errors.ConfigError("axes.start", told) from None
        return self


def coordinates(config):
    """The plane as it is kept, the rows of the whole grid, and what else is told apart."""
    weights, biases = np.linspace(*config.weights), np.linspace(*config.biases)
    lower, upper = (fold.b for fold in _THEORY.folds(config.weight))
    margin = 0.5 * (upper - lower)
    return {
        "w": weights[:: config.every],
        "b": biases[:: config.every],
        "row": weights,
        "diagram_b": np.linspace(lower - margin, upper + margin, 201),
        "from": np.array(["below", "above"]),
        "fold": np.array(["lower", "upper"]),
        "fold_part": np.array(["x", "b"]),
        "length": np.arange(1, config.n_steps + 1),
        "parameter": np.array(["w", "b"]),
        "arm": np.array(_ARMS),
        "begin": np.linspace(*config.begin_biases),
        "update": np.arange(0, config.n_updates, config.update_every),
    }


def variables(config):
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
        "log_wall_gradient": Variable(("length",), "natural log of |dE| at the wall by T", "nat"),
        "wall_curvature": Variable(("length",), "second derivative of E along dE at the wall"),
        "wall_direction": Variable(("length", "parameter"), "dE / |dE| at the wall by T"),
        "wall_step": Variable(("arm",), "length of one step from the wall"),
        "descent": Variable(("arm", "update", "parameter"), "w and b in the first descent"),
        "longest_step": Variable(("arm", "begin"), "longest step in a descent"),
        "last_cost": Variable(("arm", "begin"), "last E in a descent"),
    }


@functools.cache
def _cell_class():
    """Make the unit, a cell like any that a user may write."""
    import jax
    from flax import struct
    from jax import numpy as jnp

    @struct.dataclass
    class Unit:
        """x' = w s(x) + b, read out as s(x)."""

        start: float = 0.0

        def initial_state(self):
            return jnp.full((1,), self.start)

        def step(self, params, h, x):
            return params["w"] * jax.nn.sigmoid(h) + params["b"]

        def readout(self, params, h):
            return jax.nn.sigmoid(h)

    return Unit


def _point(w, b):
    from jax import numpy as jnp

    return {"w": jnp.asarray(w, float), "b": jnp.asarray(b, float)}


def _batch(config, length):
    """Return silence of T steps whose target counts at one step, which may be traced."""
    from jax import numpy as jnp

    y = jnp.full((config.n_steps, 1), config.target)
    counts = jnp.arange(1, config.n_steps + 1) == length
    return rnnjax.Batch(jnp.zeros_like(y), y, counts.astype(y.dtype))


def draw(config, start):
    """Draw nothing: the unit and its start are given."""
    return start


def measure(config, drawn):
    """Measure the plane, the wall and two descents for one start."""
    cell = _cell_class()(drawn)
    parts = (_diagram, _on_the_plane, _at_the_wall, _descents)
    return {name: value for part in parts for name, value in part(config, cell).items()}


def _diagram(config, cell):
    """Settle from far below and above, and find the fixed points of slope 1 by bisection."""
    import jax
    from jax import numpy as jnp

    b = jnp.asarray(coordinates(config)["diagram_b"])
    params, unbiased = _point(config.weight, b), _point(config.weight, 0.0)
    ends = jnp.stack([b, b + config.weight])
    settled = jax.lax.fori_loop(0, config.n_settle, lambda _, x: cell.step(params, x, None), ends)

    def halved(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        steep = jax.grad(lambda x: cell.step(unbiased, x, None))(middle) > 1
        return jnp.where(steep, middle, low), jnp.where(steep, high, middle)

    # The slope of the map falls with |x|.
    x, _ = jax.lax.fori_loop(0, 60, halved, (jnp.asarray(0.0), jnp.asarray(50.0)))
    x = jnp.stack([x, -x])
    return {"settled": settled, "folds": jnp.stack([x, x - cell.step(unbiased, x, None)], axis=1)}


def _on_the_plane(config, cell):
    from jax import numpy as jnp

    grids = (config.weights, config.biases)
    weights, biases = (jnp.asarray(np.linspace(*grid)) for grid in grids)
    axes, batch = (_point(1.0, 0.0), _point(0.0, 1.0)), _batch(config, config.n_steps)
    loss = rnnjax.losses.squared_error
    found = rnnjax.probes.plane(cell, loss, _point(0.0, 0.0), batch, axes, weights, biases)
    log_norm, some = found["log_gradient_norm"], slice(None, None, config.every)
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


def _wall(config, cell):
    """Return the parameters at which the start is the unstable fixed point."""
    import jax

    return _point(config.weight, cell.start - config.weight * jax.nn.sigmoid(cell.start))


def _at_the_wall(config, cell):
    import jax
    from jax import numpy as jnp

    def at(length):
        loss, batch = rnnjax.losses.squared_error, _batch(config, length)
        return rnnjax.probes.curvature_along_gradient(cell, loss, _wall(config, cell), batch)

    found = jax.vmap(at)(jnp.arange(1, config.n_steps + 1))
    along = found["direction"]
    return {
        "log_wall_gradient": found["log_gradient_norm"],
        "wall_curvature": found["curvature"],
        "wall_direction": jnp.stack([along["w"], along["b"]], axis=1),
    }


def _descents(config, cell):
    """Descend plainly and clipped, from the wall and from the beginning."""
    import jax
    import optax
    from jax import numpy as jnp

    loss, batch = rnnjax.losses.squared_error, _batch(config, config.n_steps)

    def update(params, max_norm):
        out = rnnjax.BPTT()(cell, loss, params, batch, ())
        descent = rnnjax.updates.clip_by_norm(max_norm, optax.sgd(config.learning_rate))
        step = descent.update(out.grads, descent.init(params), params)[0]
        told = out.loss, jnp.hypot(step["w"], step["b"]), jnp.stack([params["w"], params["b"]])
        return optax.apply_updates(params, step), told

    def descend(params, max_norm):
        n = config.n_updates + 1
        return jax.lax.scan(lambda p, _: update(p, max_norm), params, None, length=n)[1]

    begin = _point(config.begin_weight, np.linspace(*config.begin_biases))
    starts = jax.tree.map(lambda w, b: jnp.append(jnp.broadcast_to(b, len(begin["b"])), w),
                          _wall(config, cell), begin)  # fmt: skip
    both = jax.vmap(jax.vmap(descend, (0, None)), (None, 0))
    loss, length, place = both(starts, jnp.asarray([jnp.inf, config.max_norm]))
    return {
        "wall_step": length[:, -1, 0],
        "descent": place[:, 0, : config.n_updates : config.update_every],
        "longest_step": jnp.max(length[:, :-1, :-1], axis=2),
        "last_cost": loss[:, :-1, -1],
    }


def figure(cube):
    """The diagram, the cost on the plane, its ridges, and the growth at the wall."""
    from matplotlib.figure import Figure

    config = json.loads(cube.attrs["config"])
    one = cube.sel(start=0.5 if 0.5 in cube["start"].values else cube["start"].values[0])
    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 5.2))
    panels = drawn.subplots(2, 2)
    _draw_diagram(panels[0, 0], one, config)
    _draw_cost(panels[0, 1], one)
    _draw_ridge(panels[1, 0], cube, config)
    _draw_growth(panels[1, 1], one, config)
    rnnjax.figures.letter_panels(panels.flat)
    return drawn


def _draw_diagram(ax, one, config):
    w, b = config["weight"], one["diagram_b"].values
    for end, told in zip(one["settled"].transpose("from", ...).values, ("settled", None),
                         strict=True):  # fmt: skip
        ax.plot(b, end, color="black", linewidth=1.2, label=told)
    high, low = (float(x) for x in one["folds"].sel(fold_part="x"))
    x = np.linspace(low, high, 100)
    ax.plot(x - w * _THEORY.sigmoid(x), x, color="black", linestyle=":", label="unstable")
    ax.plot(one["folds"].sel(fold_part="b"), one["folds"].sel(fold_part="x"), linestyle="none",
            marker="o", color="#D55E00", label="folds")  # fmt: skip
    ax.set(xlabel=f"bias $b$ ($w$ = {w:g})", ylabel="state $x$")
    ax.legend(loc="upper left")


def _draw_cost(ax, one):
    import matplotlib.patheffects as effects

    edges = [rnnjax.figures.cell_edges(one[name].values) for name in ("b", "w")]
    mesh = ax.pcolormesh(*edges, one["cost"].transpose("w", "b").values, rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, label="cost $E$", aspect=22, pad=0.02)
    rim = [effects.Stroke(linewidth=2.4, foreground="black"), effects.Normal()]
    for arm, (colour, dash) in _STYLES.items():
        path = one["descent"].sel(arm=arm).transpose("update", "parameter").values
        ax.plot(path[:, 1], path[:, 0], color=colour, linestyle=dash, linewidth=1.2,
                path_effects=rim, label=f"descent, {arm}")  # fmt: skip
    ax.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    ax.set(xlabel="bias $b$", ylabel="weight $w$")
    ax.legend(loc="upper right", labelcolor="white", handlelength=2.4)


def _draw_ridge(ax, cube, config):
    w, starts = cube["row"].values, cube["start"].values
    every = max(1, len(w) // 30)
    for start, colour in zip(starts, rnnjax.figures.ordered_colours(len(starts)), strict=True):
        steepest = cube["steepest_b"].sel(start=start).values
        inside = steepest > config["biases"][0]
        ax.plot(steepest[inside][::every], w[inside][::every], linestyle="none", marker="o",
                color=colour, label=f"$x_0$ = {start:g}")  # fmt: skip
        s = float(_THEORY.sigmoid(start))
        ax.plot(start - w * s, w, color=colour, linestyle="--", linewidth=0.8, zorder=1)
    ax.set(xlim=config["biases"][:2], xlabel="bias $b$ of the largest gradient")
    ax.set(ylim=config["weights"][:2], ylabel="weight $w$")
    ax.locator_params(axis="x", nbins=5)
    ax.legend(loc="upper right")


def _draw_growth(ax, one, config):
    length, start = one["length"].values, float(one["start"])
    s = float(_THEORY.sigmoid(start))
    m = config["weight"] * s * (1 - s)
    gradient, curvature = np.exp(one["log_wall_gradient"].values), one["wall_curvature"].values
    for values, power, colour, told in (
        (np.abs(curvature), 2, "#009E73", "|curvature|"),
        (gradient, 1, "#0072B2", "gradient"),
    ):
        ax.semilogy(length, values, color=colour, label=told)
        line = 2.5 * values[-1] * m ** (power * (length - length[-1]))
        label = "$m^{2T}$, $m^T$" if power == 2 else None
        ax.semilogy(length, line, color="#404040", linestyle="--", linewidth=0.8, label=label)
    ax.set(xlabel=f"steps $T$ ($w$ = {config['weight']:g}, $x_0$ = {start:g})")
    ax.set_ylabel("at the wall")
    ax.legend(loc="upper left")


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = [*_of_folds(cube, config), _against_recursion(cube, config)]
    found += [*_of_ridge(cube, config), *_of_wall(cube, config)]
    if 0.5 in cube["start"].values and (config["target"], config["n_steps"]) == (0.7, 50):
        found += _of_the_paper(cube.sel(start=0.5), config)
    return found


def _of_folds(cube, config):
    known = np.array(_FOLDS if config["weight"] == 5 else _THEORY.folds(config["weight"]))
    worst = np.max(np.abs(cube["folds"].transpose("start", "fold", "fold_part").values - known))
    source = f"closed form (Doya 1993); {_PAPER}, figure 3: two values of b"
    name = f"w = {config['weight']:g}: folds, x and b, worst"
    b, ends = cube["diagram_b"].values, cube["settled"].transpose("from", "start", ...).values
    two = np.abs(ends[1] - ends[0]) > 0.5
    width = np.ptp(b[two.all(axis=0)]) if two.all(axis=0).any() else np.nan
    answers = "width of the interval of b with two answers"
    steps = "closed form; tolerance: two steps of b"
    return [
        rnnjax.Claim(name, worst, 0.0, 1e-6, source),
        rnnjax.Claim(answers, width, np.ptp(known[:, 1]), 2 * (b[1] - b[0]), steps),
    ]


def _against_recursion(cube, config):
    """Return the claim that the whole plane is that of the closed recursion."""
    gaps = []
    for start in cube["start"].values:
        one = cube.sel(start=start).transpose("w", "b", "parameter", ...)
        given = config["n_steps"], float(start), config["target"]
        value, *slopes = _THEORY.cost(one["w"].values[:, None], one["b"].values, *given)
        gap = np.max(np.abs(one["slopes"].values - np.stack(slopes, axis=-1)), axis=-1)
        gaps += [np.abs(one["cost"].values - value), gap / np.hypot(*slopes)]
    name = "plane: E, and dE over |dE|, 99 % of points"
    # Where the start lies on the wall within rounding, rounding grows as m^T.
    source = "closed recursion of dx/dw and dx/db; tolerance: rounding beside the wall"
    return rnnjax.Claim(name, np.quantile(np.stack(gaps), 0.99), 0.0, 1e-9, source)


def _of_ridge(cube, config):
    """Return the claim that the gradient is steepest where the start is on the border."""
    gaps, row = [], cube["row"].values
    first, last, n = config["biases"]
    step = (last - first) / max(n - 1, 1)
    for start in cube["start"].values:
        s = float(_THEORY.sigmoid(start))
        wall = start - row * s
        steep = (row * s * (1 - s)) ** config["n_steps"] > _STEEP
        known = steep & (wall > first) & (wall < last)
        gaps += list(np.abs(cube["steepest_b"].sel(start=start).values - wall)[known])
    if not gaps:
        return []
    name = "steepest b of a row against the wall, worst"
    source = "the start is the unstable fixed point; tolerance: a step of the grid"
    return [rnnjax.Claim(name, max(gaps), 0.0, step * (1 + 1e-9), source)]


def _of_wall(cube, config):
    """Return claims on gradient, curvature and one step at the wall."""
    gaps = {"gradient": [], "curvature": [], "cosine": [], "plain": [], "clipped": []}
    for start in cube["start"].values:
        given = config["weight"], float(start), config["n_steps"], config["target"]
        gradient, curvature = _THEORY.at_wall(*given)
        one, rate = cube.sel(start=start), config["learning_rate"]
        gaps["gradient"].append(np.exp(one["log_wall_gradient"].values) / gradient - 1)
        gaps["curvature"].append(one["wall_curvature"].values / curvature - 1)
        normal = np.array([float(_THEORY.sigmoid(start)), 1.0])
        cosine = one["wall_direction"].transpose("length", ...).values @ normal
        gaps["cosine"].append(np.abs(cosine) / np.linalg.norm(normal) - 1)
        for arm, norm in zip(_ARMS, (gradient[-1], config["max_norm"]), strict=True):
            gaps[arm].append(one["wall_step"].sel(arm=arm).values / (rate * norm) - 1)
    told = {
        "gradient": ("gradient for every T", "closed form: grows as m^T"),
        "curvature": ("curvature for every T", f"closed form: as m^2T ({_PAPER}, section 2.3)"),
        "cosine": ("|cosine| of dE and its normal", "exact: dx/dw : dx/db = s(x_0) : 1"),
        "plain": ("a plain step", "exact: learning rate times |dE|"),
        "clipped": ("a clipped step", f"exact: learning rate times threshold ({_PAPER})"),
    }
    return [
        rnnjax.Claim(f"at the wall: {told[key][0]}, relative, worst",
                     np.max(np.abs(values)), 0.0, 1e-8, told[key][1])
        for key, values in gaps.items()
    ]  # fmt: skip


def _of_the_paper(one, config):
    """Return claims on numbers that are known for x_0 = 0.5, T = 50 and a target of 0.7."""
    found = []
    source = f"closed recursion in float64; the cost of {_PAPER}, figure 6"
    for (w, b), values in _VALUES.items():
        near = one.sel(w=w, b=b, method="nearest")
        if abs(near["w"] - w) + abs(near["b"] - b) < 1e-9:
            measured = [near["cost"], *near["slopes"].values]
            name = f"E and dE at w = {w:g}, b = {b:g}, worst difference"
            worst = np.max(np.abs(np.array(measured) - values))
            found.append(rnnjax.Claim(name, worst, 0.0, 6e-11, source))
    if (tuple(config["weights"]), tuple(config["biases"])) == _GRID:
        largest, at, median = _ON_GRID.values()
        away = np.hypot(*(one["largest_at"].values - at))
        for name, value, expected, tolerance in (
            ("largest |dE| on the grid", one["largest_gradient"], largest, 0.05),
            ("median |dE| on the grid", one["median_gradient"], median, 5e-5),
            (f"distance of the largest |dE| from {at}", away, 0.0, 1e-5),
        ):
            found.append(rnnjax.Claim(name, value, expected, tolerance, source))
    return found + _of_descents(one, config)


def _of_descents(one, config):
    given = (config["learning_rate"], config["max_norm"], config["begin_weight"])
    few = config["n_updates"] < 1000 or config["begin_biases"][2] < 8
    if given != (0.05, 1.0, 6.0) or config["begin_biases"][:2] != [-2.7, -2.3] or few:
        return []
    source = f"{_PAPER}, figure 6; which descent is thrown when is decided by rounding"
    thrown, arrived = one["longest_step"] > 1, one["last_cost"] < 0.01
    found = []
    for what, shares, arm, expected, relation in (
        ("a step longer than 1", thrown, "plain", 0.8, "at_least"),
        ("a step longer than 1", thrown, "clipped", 0.0, "at_most"),
        ("E < 0.01 at the end", arrived, "plain", 0.5, "at_most"),
        ("E < 0.01 at the end", arrived, "clipped", 0.9, "at_least"),
    ):
        share = float(shares.sel(arm=arm).mean())
        name = f"{arm} descents with {what}, share"
        found.append(rnnjax.Claim(name, share, expected, 0.0, source, relation))
    return found
