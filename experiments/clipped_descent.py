"""How steep is the wall in the cost of a recurrent unit, and what does clipping save there?

Command:   rnnjax run clipped_descent
Run time:  about 15 seconds on 2 cores, compiling included.
Figure:    One unit x_t = w s(x_{t-1}) + b, cost E = (s(x_T) - 0.7)^2, T = 50, whose wall
           `error_surface` finds. a: gradient and curvature at the wall over T; dashed: the slopes
           m^T and m^2T, m the slope of the map at the start. b: E over w and b in closed form, with
           the first plain and the first clipped descent. c: the longest step of each descent over
           the bias where it begins, beside the wall.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (section 2.3 and figure 6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, set_to
from rnnjax.figures import BLUE, GREEN, PINK, VERMILION, Look
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import largest, slope
from rnnjax.sweep import Variable
from rnnjax.theory import one_unit

PRECISION = "float64"
_LOOKS = {"plain": Look("plain", VERMILION, "o"), "clipped": Look("clipped", BLUE, "s")}
_SHOWN = (4.0, 7.0, 241), (-3.5, -1.5, 241)  # the plane behind the descents: w and b
Line = tuple[float, float, PositiveInt]


class Setting(sweep.Setting):
    """The start, the wall, and the descents."""

    weight: float = Field(5.0, gt=4, description="w at the wall")
    start: float = Field(0.5, description="x_0")
    length: int = Field(50, ge=2, le=1000, description="steps T")
    target: float = Field(0.7, gt=0, lt=1, description="what s(x_T) should be")
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
    """Lengths, parameters, and where descents begin and are looked at."""
    return {
        "length": np.arange(1, setting.length + 1),
        "parameter": np.array(["w", "b"]),
        "arm": np.array([*_LOOKS]),
        "begin": np.linspace(*setting.begin_biases),
        "update": np.arange(0, setting.n_updates, setting.update_every),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every start."""
    of_arm = ("arm", "begin")
    return {
        "log_wall_gradient": Variable(("length",), "natural log of |dE| at the wall by T", "nat"),
        "wall_curvature": Variable(("length",), "second derivative of E along dE at the wall"),
        "wall_direction": Variable(("length", "parameter"), "dE / |dE| at the wall by T"),
        "wall_step": Variable(("arm",), "length of one step from the wall"),
        "descent": Variable(("arm", "update", "parameter"), "w and b in the first descent"),
        "longest_step": Variable(of_arm, "longest step in a descent"),
        "last_cost": Variable(of_arm, "last E in a descent"),
    }


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Measure the wall and two descents for one start."""
    at = rnnjax.tasks.LogisticUnit(start=setting.start), rnnjax.losses.squared_error
    return {**_at_the_wall(setting, *at), **_descents(setting, *at)}


def _batch(setting: Setting, length: Any) -> rnnjax.Batch:
    return rnnjax.tasks.logistic_unit.due_after(length, setting.length, setting.target)


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


def figure(cube: xr.Dataset) -> figures.Figure:
    """The growth at the wall, two descents on the plane, and the longest steps of all."""
    one = cube.sel(start=0.5 if 0.5 in cube["start"] else cube["start"].values[0])
    frame = figures.Frame(1, 3, height=2.7)
    growth, plane, steps = frame.panels
    _draw_growth(growth, one)
    _draw_descents(plane, one)
    figures.curves(steps, one["longest_step"], over="begin", each="arm", looks=_LOOKS,
                   line={"markersize": 3}, yscale="log", xlabel="bias $b$ at the start",
                   ylabel="longest step", title="all descents")  # fmt: skip
    steps.margins(x=0.03)
    steps.legend(loc=(0.3, 0.16))  # between the two curves
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """The gradient at the wall, and how many descents take a long step."""
    one = cube.sel(start=0.5 if 0.5 in cube["start"] else cube["start"].values[0])
    T, long, arrived = one.sizes["length"], _THROWN["of"](one), _ARRIVED["of"](one)
    grown = np.exp(slope(one["log_wall_gradient"], "length", start=T // 2)).item()
    counted = (long, arrived, one["longest_step"].notnull())
    (plain, clipped), ends, n = (of.sum("begin").sel(arm=[*_LOOKS]).values for of in counted)
    return (f"At T = {T} the gradient at the wall is {np.exp(one['log_wall_gradient'][-1]):.3g}; "
            f"{plain} of {n[0]} plain and {clipped} of {n[1]} clipped descents take a step above 1."
            f" The gradient grows {grown:.3g}-fold a step of T. In the end {ends[0]} plain "
            f"and {ends[1]} clipped descents have a cost below 0.01.")  # fmt: skip


def _draw_growth(panel: figures.Axes, one: xr.Dataset) -> None:
    w, start, length = one.setting.weight, one["start"].item(), one["length"]
    m = w * one_unit.sigmoid(start) * (1 - one_unit.sigmoid(start))
    looks = {2: Look("|curvature|", GREEN), 1: Look("gradient", PINK)}
    sizes = [abs(one["wall_curvature"]), np.exp(one["log_wall_gradient"])]
    growth = xr.concat(sizes, xr.Variable("power", [*looks]), coords="minimal")
    line = 2.5 * growth.isel(length=-1, drop=True) * m ** (growth["power"] * (length - length[-1]))
    legend = figures.curves(
        panel, growth, over="length", each="power", looks=looks, theory={"$m^{2T}$, $m^T$": line},
        yscale="log", xlabel=f"steps $T$ ($w$ = {w:g}, $x_0$ = {start:g})",
        ylabel="gradient, |curvature|", title="at the wall",
    )  # fmt: skip
    panel.legend(handles=legend, loc="upper left")


def _draw_descents(panel: figures.Axes, one: xr.Dataset) -> None:
    setting, (w, b) = one.setting, (np.linspace(*line) for line in _SHOWN)
    start = one["start"].item()
    value = one_unit.cost(w[:, None], b, setting.length, start, setting.target).value
    mesh = panel.pcolormesh(b, w, value, rasterized=True)
    panel.figure.colorbar(mesh, ax=panel, label="cost $E$", aspect=22, pad=0.02)
    for arm in _LOOKS:
        w, b = one["descent"].sel(arm=arm).transpose("parameter", "update").values
        figures.overlay_line(panel, b, w, label=arm, dashed=arm == "plain")
    panel.set(xlabel="bias $b$", ylabel="weight $w$", title="the first descents")
    panel.legend(loc="upper right", labelcolor="white", handlelength=2.4)


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


_PAPER = "Pascanu, Mikolov and Bengio 2013"
_FIGURE = f"{_PAPER}, figure 6"
_AT_WALL = {
    "gradient for every T": "closed form: grows as m^T",
    "curvature for every T": f"closed form: as m^2T ({_PAPER}, section 2.3)",
    "|cosine| of dE and its normal": "exact: dx/dw : dx/db = s(x_0) : 1",
    "a plain step": "exact: learning rate times |dE|",
    "a clipped step": f"exact: learning rate times threshold ({_PAPER})",
}
_THROWN = {"told": "with a step longer than 1", "of": lambda one: one["longest_step"] > 1}
_ARRIVED = {"told": "with E < 0.01 at the end", "of": lambda one: one["last_cost"] < 0.01}
_SHARE = "{arm} descents {told}, share"
CLAIMS = (
    Row("at the wall: {what}, relative, worst", _at_wall, equals=0, tolerance=1e-8,
        for_each={"what": tuple(_AT_WALL)}, source=lambda cube, what: _AT_WALL[what]),
    Group((
        Row(_SHARE, _share, at_least=0.8, at={"arm": "plain"}, for_each=(_THROWN,)),
        Row(_SHARE, _share, at_most=0.0, at={"arm": "clipped"}, for_each=(_THROWN,)),
        Row(_SHARE, _share, at_most=0.5, at={"arm": "plain"}, for_each=(_ARRIVED,)),
        Row(_SHARE, _share, at_least=0.9, at={"arm": "clipped"}, for_each=(_ARRIVED,)),
    ), at={"start": 0.5}, reproduces=_FIGURE,
        when=(set_to(target=0.7, length=50, learning_rate=0.05, max_norm=1.0, begin_weight=6.0,
                     begin_biases=(-2.7, -2.3, 24)), lambda one: one.setting.n_updates >= 1000),
        source=f"{_FIGURE}; which descent is thrown when is decided by rounding"),
)  # fmt: skip
