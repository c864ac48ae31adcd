"""Why are long memories hard to learn even where no gradient explodes?

Command:   rnnjax run curse_of_memory
Run time:  about 30 seconds on 2 cores, compiling included.
Figure:    One linear unit h_t = l h_{t-1} + x_t whose inputs are correlated as r^|d|. a: the mean
           square of the state over 1 - l; b: that of its sensitivity dh/dl, which grows far faster:
           as (1 - l)^-3. c: the same unit normalised, u = sqrt(1 - l^2) h, and differentiated by v,
           l = exp(-exp(v)): it stays of order one at every memory. d: the curvature of the loss of
           a student at its teacher, plain and in the other coordinates. Dashed: closed forms.
Source:    Zucchet and Orvieto, Recurrent neural networks: vanishing and exploding gradients are not
           the end of the story, NeurIPS 2024; Orvieto et al., Resurrecting recurrent neural
           networks for long sequences, ICML 2023 (the linear recurrent unit).
"""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, jnp
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
            told = f"expected at least {least:.0f} for this memory, got {self.n_discarded}"
            raise ConfigError("n_discarded", told)
        return self


def coordinates(setting):
    """The teachers."""
    return {"teacher": np.array(setting.teachers)}


def variables(setting):
    """What is measured in every cell of the sweep."""
    found = {name: Variable((), symbol) for name, (_, symbol) in _MEASURED.items()}
    told = "second derivative of the loss at the teacher"
    return {
        **found,
        **{
            f"{n}_error": Variable((), f"standard error of {_MEASURED[n][1]}") for n in _WITH_ERRORS
        },
        "curvature": Variable(("teacher",), f"{told}, by l"),
        "reparametrised_curvature": Variable(("teacher",), f"{told}, normalised, by v"),
    }


def shared(setting):
    """The curvatures, which depend on the teachers alone."""
    return _curvatures(setting.teachers)


def measure(setting, shared):
    """Run many sequences through a chain and a linear recurrent unit, with their derivatives."""
    found, decay = {}, setting.decay
    for name, squares in _mean_squares(setting).items():
        found[name] = jnp.mean(squares)
        found[f"{name}_error"] = jnp.std(squares) / (setting.n_sequences - 1) ** 0.5
    reparametrised = found["normalised_sensitivity"] * (decay * jnp.log(decay)) ** 2
    return {**found, "reparametrised_sensitivity": reparametrised, **shared}


def _chain(decay):
    """Return a chain and its parameters."""
    params = rnnjax.cells.ChainParams(decay, jnp.ones(1), jnp.ones(()))
    return rnnjax.Chain(1, rnnjax.activation_named("identity")), params


def _lru(v):
    """Return a linear recurrent unit of phase 0 whose input is normalised, l = exp(-exp(v))."""
    one, phase = jnp.array([1.0, 0.0])[:, None, None], jnp.full(1, -jnp.inf)
    log_gamma = 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(v)))
    params = rnnjax.cells.LRUParams(v[None], phase, log_gamma[None], one, one, jnp.zeros(1))
    return rnnjax.LRU(1, 1), params


def _mean_squares(setting):
    """Return the mean squares over time of states and sensitivities, (n_sequences,) each."""
    decay, r, n = setting.decay, setting.correlation, setting.n_sequences
    key, v = jax.random.key(setting.seed), jnp.log(-jnp.log(decay))

    def followed(unit, at, h, tangent, x):
        """Step a unit and its derivative by the one number that sets its memory."""

        def step(at, h):
            cell, params = unit(at)
            return cell.step(params, h, x)

        return jax.jvp(step, (at, h), (jnp.ones(()), tangent))

    def step(carry, t):
        x, plain, normalised, sums = carry
        noise = jax.random.normal(jax.random.fold_in(key, t), x.shape)
        x = r * x + jnp.sqrt(1 - r**2) * noise
        plain = jax.vmap(lambda s, x: followed(_chain, decay, *s, x))(plain, x)
        normalised = jax.vmap(lambda s, x: followed(_lru, v, *s, x))(normalised, x)
        values = [*plain, *(a.real for a in normalised)]
        counts = t >= setting.n_discarded
        sums = [s + jnp.where(counts, a[:, 0] ** 2, 0) for s, a in zip(sums, values, strict=True)]
        return (x, plain, normalised, sums), None

    steps = jnp.arange(setting.n_discarded + setting.n_steps)
    x = jax.random.normal(jax.random.fold_in(key, len(steps)), (n, 1))
    zero = (jnp.zeros((n, 1)),) * 2
    start = (x, zero, (jnp.zeros((n, 1), complex),) * 2, [jnp.zeros(n)] * 4)
    h, dh, u, du_dv = (s / setting.n_steps for s in jax.lax.scan(step, start, steps)[0][3])
    du = du_dv / (decay * jnp.log(decay)) ** 2
    return dict(zip(_WITH_ERRORS, (h, dh, u, du), strict=True))


def _curvatures(teachers):
    """Differentiate the loss twice: with white inputs it is that of the impulse responses."""
    # A response of e^-40 is behind the last digit of the sum of squares.
    n_steps = round(-20 / np.log(max(teachers))) + 2
    impulse = (jnp.arange(n_steps) == 0).astype(float)[:, None]

    def derivative(function):
        return lambda at: jax.jvp(function, (at,), (jnp.ones(()),))[1]

    def second(unit, at):
        target = jax.lax.stop_gradient(rnnjax.outputs(*unit(at), impulse))
        batch = rnnjax.Batch(impulse, target, jnp.ones(n_steps))

        def loss(at):
            cell, params = unit(at)
            squared = rnnjax.losses.squared_error
            return 0.5 * rnnjax.sequence_loss(cell, squared, params, batch)

        return derivative(derivative(loss))(at)

    l = jnp.asarray(teachers)
    by_v = jax.vmap(lambda v: second(_lru, v))
    return {
        "curvature": jax.vmap(lambda l: second(_chain, l))(l),
        "reparametrised_curvature": by_v(jnp.log(-jnp.log(l))),
    }


def figure(cube):
    """Moments of state, sensitivity and their cure over the memory; the loss's curvature."""
    frame, cube = figures.Frame(2, 2, height=4.6), cube.sortby("decay")
    *moments, curvature = frame.panels
    labels = {
        "state": r"$\mathrm{E}\,h^2$",
        "sensitivity": r"$\mathrm{E}\,(\mathrm{d}h/\mathrm{d}l)^2$",
        "reparametrised_sensitivity": r"$\mathrm{E}\,(\mathrm{d}u/\mathrm{d}v)^2$, normalised",
    }
    for panel, (name, label) in zip(moments, labels.items(), strict=True):
        _draw_moment(panel, cube, name, label)
    top = max(moments[1].get_ylim()[1], 10.0)
    for panel in moments:
        panel.set(ylim=(0.05, top))
    moments[0].legend(loc="upper left", title="correlation of inputs")
    _draw_curvatures(curvature, cube)
    return frame.finished()


def _expected(cube, name, decay=None):
    """Return a moment by theory, at the swept memories or at others."""
    decay = cube["decay"] if decay is None else decay
    return tabulate(_MEASURED[name][0], decay=decay, correlation=cube["correlation"])


def _fine(memory):
    """Return values of l for a smooth line."""
    return 1 - np.geomspace(1 - memory.min().item(), 1 - memory.max().item(), 60)


def _over_memory(panel, values, theory, of, **curves):
    """Draw points over the memory 1 / (1 - l), from one step on; whole decades are labelled."""
    values, theory = (one.assign_coords(memory=1 / (1 - one[of])) for one in (values, theory))
    figures.curves(
        panel, values, over="memory", theory={"theory": theory}, xscale="log", yscale="log",
        xlim=(1, 1.2 * max(values["memory"].max().item(), 10)), **curves,
    )  # fmt: skip
    panel.xaxis.set_minor_formatter("")


def _draw_moment(panel, cube, name, label):
    """Draw one moment over the memory, on a scale that all panels share."""
    style = {"marker": "o", "dashes": "none", "size": 4}
    looks = figures.ordered_looks(cube["correlation"].values, "$r$ = {:g}", **style)
    _over_memory(
        panel, cube[name], _expected(cube, name, _fine(cube["decay"])), "decay", looks=looks,
        each="correlation", xlabel="memory $1 / (1 - l)$ (steps)", ylabel=label,
    )  # fmt: skip


def _draw_curvatures(panel, cube):
    one, fine = cube.isel(decay=0, correlation=0), _fine(cube["teacher"])
    for name, theory, look in (
        ("curvature", _THEORY.curvature, figures.Look("by $l$", figures.VERMILION, "o", "none")),
        ("reparametrised_curvature", _THEORY.normalised_curvature,
         figures.Look("normalised, by $v$", figures.BLUE, "s", "none")),
    ):  # fmt: skip
        _over_memory(
            panel, one[name], tabulate(theory, teacher=fine), "teacher", looks=look,
            xlabel="memory of the teacher $1 / (1 - l^*)$ (steps)", ylabel="curvature of the loss",
        )  # fmt: skip
    panel.legend(loc="upper left")


def _off_theory(cube, moment):
    return largest(relative_gap(cube[moment], _expected(cube, moment)))


def _off_theory_in_errors(cube, moment):
    return largest(abs(cube[moment] - _expected(cube, moment)) / cube[f"{moment}_error"])


def _off_normalised(cube):
    expected = tabulate(_THEORY.normalised_curvature, teacher=cube["teacher"])
    return largest(relative_gap(cube["reparametrised_curvature"], expected))


# Of a unit: (l, r, E h^2, E (dh/dl)^2); of a teacher: (l, curvature of the loss, digits given).
_UNITS = (
    (0.9, 0.0, 5.26316, 263.88686),
    (0.9, 0.5, 13.87560, 778.11743),
    (0.95, 0.9, 131.21132, 34815.1247),
    (0.9, 0.99, 91.30855, 8732.84887),
)
_TEACHERS = ((0.9, 263.89, 0.005), (0.99, 251262.6, 0.05), (0.999, 2.50125e8, 500.0))
_PRINTED = [
    {"decay": l, "correlation": r, "moment": name, "symbol": _MEASURED[name][1], "value": value}
    for l, r, *values in _UNITS
    for name, value in zip(("state", "sensitivity"), values, strict=True)
]
_FIGURE = f"{_PAPER}, figure 1"
CLAIMS = (
    Group((
        Row("{symbol} against theory, relative, worst", _off_theory, equals=0, tolerance=0.02,
            source=f"closed form ({_PAPER}); tolerance: sampling", reproduces=lambda cube, moment:
                _FIGURE if moment in ("state", "sensitivity") else ""),
        Row("{symbol} against theory, standard errors, worst", _off_theory_in_errors, equals=0,
            tolerance=5, source="closed form; the errors are those between sequences"),
    ), for_each=[{"moment": name, "symbol": _MEASURED[name][1]} for name in _WITH_ERRORS]),
    Row("l = {decay:g}, r = {correlation:g}: {symbol}", lambda one, moment: one[moment],
        for_each=_PRINTED, equals="value", tolerance=lambda one, value: 0.02 * value,
        source=f"{_PAPER}: closed form, checked by double sums; 2 %", reproduces=_FIGURE),
    Row("white inputs: largest E (du/dv)^2", lambda one: largest(one["reparametrised_sensitivity"]),
        at={"correlation": 0.0}, at_most=0.25, tolerance=0.005,
        source=f"closed form: (m / (2 sinh m))^2, m = -ln l; idea of {_PAPER}; 2 %"),
    Group((
        Row("curvature of the loss at l = l* = {teacher:g}", lambda one: one["curvature"],
            for_each=[{"teacher": l, "value": c, "digits": d} for l, c, d in _TEACHERS],
            equals="value", tolerance="digits", reproduces=_FIGURE,
            source=f"{_PAPER}: (1 + l^2) / (1 - l^2)^3, to the digits given"),
        Row("curvature, normalised and by v, relative, worst", _off_normalised, equals=0,
            tolerance=1e-9, source="closed form: (m / (2 sinh m))^2, m = -ln l*, at most 1/4"),
    ), part=lambda cube: cube.isel(decay=0, correlation=0)),
)  # fmt: skip
