"""Why are long memories hard to learn even where no gradient explodes?

Command:   rnnjax run curse_of_memory
Run time:  about 30 seconds on 2 cores, compiling included.
Figure:    One linear unit h_t = l h_{t-1} + x_t whose inputs are correlated as r^|d|, over its
           memory 1 / (1 - l). a: mean square of the state; b: of its sensitivity dh/dl, for white
           inputs as (1 - l)^-3; c: of du/dv for the normalised unit, u = sqrt(1 - l^2) h, by v,
           l = exp(-exp(v)). d: curvature of the loss of a student at its teacher l*, by l, and for
           the normalised unit by v. Points: measured; dashed: closed forms.
Source:    Zucchet and Orvieto, Recurrent neural networks: vanishing and exploding gradients are not
           the end of the story, NeurIPS 2024; Orvieto et al., Resurrecting recurrent neural
           networks for long sequences, ICML 2023 (the linear recurrent unit).
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import largest, relative_gap, tabulate
from rnnjax.sweep import Traced, Variable

PRECISION = "float64"
_THEORY = rnnjax.theory.curse_of_memory
_PAPER = "Zucchet and Orvieto 2024"
_MEMORIES = 15  # steps to discard, in units of the longest memory: what is left is e^-15
_MEASURED = {
    "state": (_THEORY.state_variance, "E h^2"),
    "sensitivity": (_THEORY.sensitivity_variance, "E (dh/dl)^2"),
    "normalised_state": (_THEORY.normalised_variance, "E u^2"),
    "normalised_sensitivity": (_THEORY.normalised_sensitivity_variance, "E (du/dl)^2"),
    "reparametrised_sensitivity": (_THEORY.reparametrised_sensitivity_variance, "E (du/dv)^2"),
}
_WITH_ERRORS = tuple(_MEASURED)[:-1]


class Setting(sweep.Setting):
    """One unit and its inputs, and the teachers."""

    decay: float = Field(0.9, gt=0, lt=1, description="l in h_t = l h_{t-1} + x_t")
    correlation: float = Field(0.0, ge=0, lt=1, description="r, of inputs one step apart")
    n_sequences: int = Field(10_000, ge=2, description="independent sequences")
    n_discarded: PositiveInt = Field(1500, description="steps before the first that counts")
    n_steps: PositiveInt = Field(1500, description="steps that count")
    seed: Traced[int] = Field(0, ge=0, description="of the inputs, the same for every unit")
    teachers: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.5, 0.9, 0.99, 0.999), min_length=1, description="l* of teachers, white inputs"
    )
    axes = ("decay", "correlation")

    @model_validator(mode="after")
    def _the_start_is_forgotten(self) -> Self:
        least = _MEMORIES / (1 - max(self.decay, self.correlation))
        if self.n_discarded < least * (1 - 1e-9):
            message = f"expected at least {least:.0f} for this memory, got {self.n_discarded}"
            raise ConfigError("n_discarded", message)
        return self


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """The teachers."""
    return {"teacher": np.array(setting.teachers)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    found = {name: Variable((), symbol) for name, (_, symbol) in _MEASURED.items()}
    for name in _WITH_ERRORS:
        found[f"{name}_error"] = Variable((), f"standard error of {_MEASURED[name][1]}")
    message = "second derivative of the loss at the teacher"
    found["curvature"] = Variable(("teacher",), f"{message}, by l")
    found["reparametrised_curvature"] = Variable(("teacher",), f"{message}, normalised, by v")
    return found


def _chain(decay: jax.Array) -> tuple:
    """Return a chain and its parameters."""
    params = rnnjax.cells.ChainParams(decay, jnp.ones(1), jnp.ones(()))
    return rnnjax.Chain(1, rnnjax.activation_named("identity")), params


def _lru(v: jax.Array) -> tuple:
    """Return a linear recurrent unit of phase 0 whose input is normalised, l = exp(-exp(v))."""
    one, phase = jnp.array([1.0, 0.0])[:, None, None], jnp.full(1, -jnp.inf)
    log_gamma = 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(v)))
    params = rnnjax.cells.LRUParams(v[None], phase, log_gamma[None], one, one, jnp.zeros(1))
    return rnnjax.LRU(1, 1), params


def shared(setting: Setting) -> dict[str, jax.Array]:
    """The curvatures, which depend on the teachers alone."""
    # A response of e^-40 is behind the last digit of the sum of squares.
    n_steps = round(-20 / np.log(max(setting.teachers))) + 2
    l, one_number = jnp.asarray(setting.teachers), rnnjax.probes.one_number
    by_l = jax.vmap(lambda l: one_number.curvature_at_teacher(_chain, l, n_steps))
    by_v = jax.vmap(lambda v: one_number.curvature_at_teacher(_lru, v, n_steps))
    return {"curvature": by_l(l), "reparametrised_curvature": by_v(jnp.log(-jnp.log(l)))}


def measure(setting: Setting, shared: dict) -> dict[str, jax.Array]:
    """Run many sequences through a chain and a linear recurrent unit, with their derivatives."""
    found, decay, key = {}, setting.decay, jax.random.key(setting.seed)
    units, by_v = [(_chain, decay), (_lru, jnp.log(-jnp.log(decay)))], decay * jnp.log(decay)
    sizes = {name: getattr(setting, name) for name in ("n_sequences", "n_steps", "n_discarded")}
    moments = rnnjax.probes.one_number.mean_squares
    (h, dh), (u, du_dv) = moments(units, key, setting.correlation, **sizes)
    for name, squares in zip(_WITH_ERRORS, (h, dh, u, du_dv / by_v**2), strict=True):
        found[name] = jnp.mean(squares)
        found[f"{name}_error"] = jnp.std(squares) / (setting.n_sequences - 1) ** 0.5
    reparametrised = found["normalised_sensitivity"] * by_v**2
    return {**found, "reparametrised_sensitivity": reparametrised, **shared}


_MOMENTS = {
    "state": ("state", r"$\mathrm{E}\,h^2$"),
    "sensitivity": ("sensitivity", r"$\mathrm{E}\,(\mathrm{d}h/\mathrm{d}l)^2$"),
    "reparametrised_sensitivity": (
        "sensitivity, normalised, by $v$", r"$\mathrm{E}\,(\mathrm{d}u/\mathrm{d}v)^2$"),
}  # fmt: skip
_BY_L = figures.Look("by $l$", figures.VERMILION, "o", "none")
_BY_V = figures.Look("normalised,\nby $v$", figures.BLUE, "s", "none")
_CURVATURES = {
    "curvature": (_THEORY.curvature, _BY_L),
    "reparametrised_curvature": (_THEORY.normalised_curvature, _BY_V),
}


def figure(cube: xr.Dataset) -> figures.Figure:
    """Moments of state, sensitivity and their cure over the memory; the loss's curvature."""
    frame, cube = figures.Frame(2, 2, height=4.6), cube.sortby("decay")
    *moments, curvature = frame.panels
    style = {"marker": "o", "dashes": "none", "size": 4}
    looks = figures.ordered_looks(cube["correlation"].values, "$r$ = {:g}", **style)
    drawn = []
    for panel, (name, (title, label)) in zip(moments, _MOMENTS.items(), strict=True):
        theory = _expected(cube, name, decay=_fine(cube["decay"]))
        drawn.append(_draw(panel, cube[name], theory, looks=looks, each="correlation", title=title,
                           ylabel=label, xlabel="memory $1 / (1 - l)$ (steps)"))  # fmt: skip
    top = max(moments[1].get_ylim()[1], 10.0)
    for panel, lines in zip(moments, drawn, strict=True):
        panel.set(ylim=(0.05, top))
        figures.direct_labels(panel, lines[:-1])
    one, fine = cube.isel(decay=0, correlation=0), _fine(cube["teacher"])
    by_l, by_v = (
        _draw(curvature, one[name], tabulate(theory, teacher=fine), looks=look,
              xlabel="memory of the teacher $1 / (1 - l^*)$ (steps)", title="loss of a student",
              ylabel="curvature at the teacher")
        for name, (theory, look) in _CURVATURES.items()
    )  # fmt: skip
    figures.direct_labels(curvature, [by_l[0], by_v[0]])
    moments[0].legend(handles=by_l[1:], loc="upper left")
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """How much more the sensitivity grows with the memory than the state."""
    cube = cube.sortby("decay")
    r, (short, long) = cube["correlation"].values[0], 1 / (1 - cube["decay"].values[[0, -1]])
    h, dh, du = (cube[name].sel(correlation=r).values for name in _MOMENTS)
    first = f"At a memory of {long:.3g} steps E h^2 is {h[-1]:.3g} and E (dh/dl)^2 {dh[-1]:.3g}"
    if long > short and np.isfinite([*h[[0, -1]], *dh[[0, -1]]]).all():
        first = (f"From {short:.3g} to {long:.3g} steps of memory E h^2 grows {h[-1] / h[0]:.2g}"
                 f"-fold, the sensitivity E (dh/dl)^2 {dh[-1] / dh[0]:,.0f}-fold")  # fmt: skip
    most = largest(xr.DataArray(du), skip_nan=True)
    return (f"{first}. Normalised and by v, E (du/dv)^2 is at most {most:.2g} (all at "
            f"correlation r = {r:g}).")  # fmt: skip


def _expected(cube: xr.Dataset, name: str, **decay: np.ndarray) -> xr.DataArray:
    """Return a moment by theory, at the swept memories or at others."""
    places = {"decay": cube["decay"], "correlation": cube["correlation"], **decay}
    return tabulate(_MEASURED[name][0], **places)


def _fine(memory: xr.DataArray) -> np.ndarray:
    """Return values of l for a smooth line."""
    return 1 - np.geomspace(1 - memory.min().item(), 1 - memory.max().item(), 60)


def _draw(panel: figures.Axes, values: xr.DataArray, theory: xr.DataArray, **curves) -> list:
    """Draw points over the memory 1 / (1 - l), from one step on; whole decades are labelled."""
    of = theory.dims[0]
    values, theory = (one.assign_coords(memory=1 / (1 - one[of])) for one in (values, theory))
    curves["xlim"] = (1, 1.2 * max(values["memory"].max().item(), 10))
    lines = figures.curves(panel, values, over="memory", theory={"closed form": theory},
                           xscale="log", yscale="log", **curves)  # fmt: skip
    panel.xaxis.set_minor_formatter("")
    return lines


def _moments(cube: xr.Dataset) -> list[dict]:
    return [{"moment": name, "symbol": _MEASURED[name][1]} for name in _WITH_ERRORS]


def _off_theory(cube: xr.Dataset, moment: str) -> float:
    return largest(relative_gap(cube[moment], _expected(cube, moment)))


def _off_theory_in_errors(cube: xr.Dataset, moment: str) -> float:
    return largest(abs(cube[moment] - _expected(cube, moment)) / cube[f"{moment}_error"])


def _off_normalised(cube: xr.Dataset) -> float:
    expected = tabulate(_THEORY.normalised_curvature, teacher=cube["teacher"])
    return largest(relative_gap(cube["reparametrised_curvature"], expected))


_UNITS = (
    {"decay": 0.9, "correlation": 0.0, "state": 5.26316, "sensitivity": 263.88686},
    {"decay": 0.9, "correlation": 0.5, "state": 13.87560, "sensitivity": 778.11743},
    {"decay": 0.95, "correlation": 0.9, "state": 131.21132, "sensitivity": 34815.1247},
    {"decay": 0.9, "correlation": 0.99, "state": 91.30855, "sensitivity": 8732.84887},
)
_FIGURE = f"{_PAPER}, figure 1"
CLAIMS = (
    Group((
        Row("{symbol} against theory, relative, worst", _off_theory, equals=0, tolerance=0.02,
            source=f"closed form ({_PAPER}); tolerance: sampling", reproduces=lambda cube, moment:
                _FIGURE if moment in ("state", "sensitivity") else ""),
        Row("{symbol} against theory, standard errors, worst", _off_theory_in_errors, equals=0,
            tolerance=5, source="closed form; the errors are those between sequences"),
    ), for_each=_moments),
    Group((
        Row("l = {decay:g}, r = {correlation:g}: E h^2", lambda one: one["state"],
            equals="state", tolerance=lambda one, state: 0.02 * state),
        Row("l = {decay:g}, r = {correlation:g}: E (dh/dl)^2", lambda one: one["sensitivity"],
            equals="sensitivity", tolerance=lambda one, sensitivity: 0.02 * sensitivity),
    ), for_each=_UNITS, reproduces=_FIGURE,
       source=f"{_PAPER}: closed form, checked by double sums; 2 %"),
    Row("white inputs: largest E (du/dv)^2", lambda one: largest(one["reparametrised_sensitivity"]),
        at={"correlation": 0.0}, at_most=0.25, tolerance=0.005,
        source=f"closed form: (m / (2 sinh m))^2, m = -ln l; idea of {_PAPER}; 2 %"),
    Group((
        Row("curvature of the loss at l = l* = {teacher:g}", lambda one: one["curvature"],
            equals="value", tolerance="digits", reproduces=_FIGURE,
            for_each=({"teacher": 0.9, "value": 263.89, "digits": 0.005},
                      {"teacher": 0.99, "value": 251262.6, "digits": 0.05},
                      {"teacher": 0.999, "value": 2.50125e8, "digits": 500.0}),
            source=f"{_PAPER}: (1 + l^2) / (1 - l^2)^3, to the digits given"),
        Row("curvature, normalised and by v, relative, worst", _off_normalised, equals=0,
            tolerance=1e-9, source="closed form: (m / (2 sinh m))^2, m = -ln l*, at most 1/4"),
    ), part=lambda cube: cube.isel(decay=0, correlation=0)),
)  # fmt: skip
