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

import json
from typing import Annotated, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

import rnnjax
from rnnjax import sweep
from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, jnp
from rnnjax.sweep import Traced, Variable

PRECISION = "float64"
_THEORY = rnnjax.theory.curse_of_memory
_PAPER = "Zucchet and Orvieto 2024"
_MEMORIES = 15  # steps to discard, in units of the longest memory: what is left is e^-15
_DEVIATIONS = 5.0
# (l, r): E h^2 and E (dh/dl)^2; and of a teacher the curvature of the loss.
_MOMENTS = {
    (0.9, 0.0): (5.26316, 263.88686),
    (0.9, 0.5): (13.87560, 778.11743),
    (0.95, 0.9): (131.21132, 34815.1247),
    (0.9, 0.99): (91.30855, 8732.84887),
}
_CURVATURES = {0.9: (263.89, 0.005), 0.99: (251262.6, 0.05), 0.999: (2.50125e8, 500.0)}
_MEASURED = {
    "state": (_THEORY.state_variance, "E h^2"),
    "sensitivity": (_THEORY.sensitivity_variance, "E (dh/dl)^2"),
    "normalised_state": (_THEORY.normalised_variance, "E u^2"),
    "normalised_sensitivity": (_THEORY.normalised_sensitivity_variance, "E (du/dl)^2"),
}
_MARKERS = ("o", "s", "^", "D", "v", "x")
REPRODUCES = {
    "l = 0.9": "Zucchet and Orvieto 2024, figure 1",
    "E h^2 against theory, relative": "Zucchet and Orvieto 2024, figure 1",
    "E (dh/dl)^2 against theory, relative": "Zucchet and Orvieto 2024, figure 1",
    "curvature of the loss at": "Zucchet and Orvieto 2024, figure 1",
}


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
    found = {}
    for name, (_, symbol) in _MEASURED.items():
        found[name] = Variable((), symbol)
        found[f"{name}_error"] = Variable((), f"standard error of {symbol}")
    told = "second derivative of the loss at the teacher"
    return {
        **found,
        "reparametrised_sensitivity": Variable((), "E (du/dv)^2, l = exp(-exp(v))"),
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
    by_v = (decay * jnp.log(decay)) ** 2
    reparametrised = found["normalised_sensitivity"] * by_v
    return {**found, "reparametrised_sensitivity": reparametrised, **shared}


def _chain():
    return rnnjax.Chain(1, rnnjax.activation_named("identity"))


def _chain_params(decay):
    return rnnjax.cells.ChainParams(decay, jnp.ones(1), jnp.ones(()))


def _lru_params(v):
    """Return a linear recurrent unit of phase 0 whose input is normalised, l = exp(-exp(v))."""
    one = jnp.array([1.0, 0.0])[:, None, None]
    log_gamma = 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(v)))
    phase = jnp.full(1, -jnp.inf)
    return rnnjax.cells.LRUParams(v[None], phase, log_gamma[None], one, one, jnp.zeros(1))


def _mean_squares(setting):
    """Return the mean squares over time of states and sensitivities, (n_sequences,) each."""
    decay, r, n = setting.decay, setting.correlation, setting.n_sequences
    v = jnp.log(-jnp.log(decay))
    chain, unit, key = _chain(), rnnjax.LRU(1, 1), jax.random.key(setting.seed)

    def followed(cell, params_of, at, h, tangent, x):
        """Step a unit and its derivative by the one number that sets its memory."""

        def step(at, h):
            return cell.step(params_of(at), h, x)

        return jax.jvp(step, (at, h), (jnp.ones(()), tangent))

    def step(carry, t):
        x, plain, normalised, sums = carry
        noise = jax.random.normal(jax.random.fold_in(key, t), x.shape)
        x = r * x + jnp.sqrt(1 - r**2) * noise
        plain = jax.vmap(lambda s, x: followed(chain, _chain_params, decay, *s, x))(plain, x)
        normalised = jax.vmap(lambda s, x: followed(unit, _lru_params, v, *s, x))(normalised, x)
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
    return dict(zip(_MEASURED, (h, dh, u, du), strict=True))


def _curvatures(teachers):
    """Differentiate the loss twice: with white inputs it is that of the impulse responses."""
    # A response of e^-40 is behind the last digit of the sum of squares.
    n_steps = round(-20 / np.log(max(teachers))) + 2
    impulse = (jnp.arange(n_steps) == 0).astype(float)[:, None]

    def second(cell, params_of, at):
        target = jax.lax.stop_gradient(rnnjax.outputs(cell, params_of(at), impulse))
        batch = rnnjax.Batch(impulse, target, jnp.ones(n_steps))

        def loss(at):
            squared = rnnjax.losses.squared_error
            return 0.5 * rnnjax.sequence_loss(cell, squared, params_of(at), batch)

        def slope(at):
            return jax.jvp(loss, (at,), (jnp.ones(()),))[1]

        return jax.jvp(slope, (at,), (jnp.ones(()),))[1]

    l = jnp.asarray(teachers)
    by_v = jax.vmap(lambda v: second(rnnjax.LRU(1, 1), _lru_params, v))
    return {
        "curvature": jax.vmap(lambda l: second(_chain(), _chain_params, l))(l),
        "reparametrised_curvature": by_v(jnp.log(-jnp.log(l))),
    }


def figure(cube):
    """Moments of state, sensitivity and their cure over the memory; the loss's curvature."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 4.6))
    panels = drawn.subplots(2, 2)
    cube = cube.sortby("decay")
    _draw_moment(panels[0, 0], cube, "state", r"$\mathrm{E}\,h^2$")
    _draw_moment(panels[0, 1], cube, "sensitivity", r"$\mathrm{E}\,(\mathrm{d}h/\mathrm{d}l)^2$")
    label = r"$\mathrm{E}\,(\mathrm{d}u/\mathrm{d}v)^2$, normalised"
    _draw_moment(panels[1, 0], cube, "reparametrised_sensitivity", label)
    _draw_curvatures(panels[1, 1], cube)
    top = max(panels[0, 1].get_ylim()[1], 10.0)
    for ax in panels.flat[:3]:
        ax.set(ylim=(0.05, top))
    panels[0, 0].legend(loc="upper left", title="correlation of inputs")
    rnnjax.figures.letter_panels(panels.flat)
    return drawn


def _expected(name, decay, correlation):
    if name == "reparametrised_sensitivity":
        plain = _THEORY.normalised_sensitivity_variance(decay, correlation)
        return plain * (decay * np.log(decay)) ** 2
    return _MEASURED[name][0](decay, correlation)


def _draw_moment(ax, cube, name, label):
    """Draw one moment over the memory 1 / (1 - l), on a scale that all panels share."""
    decay, correlation = cube["decay"].values, cube["correlation"].values
    colours = rnnjax.figures.ordered_colours(len(correlation))
    fine = 1 - np.geomspace(1 - decay.min(), 1 - decay.max(), 60)
    for i, (r, colour) in enumerate(zip(correlation, colours, strict=True)):
        values = cube[name].sel(correlation=r).values
        marker = _MARKERS[i % len(_MARKERS)]
        ax.loglog(1 / (1 - decay), values, linestyle="none", marker=marker, markersize=4,
                  color=colour, label=f"$r$ = {r:g}")  # fmt: skip
        theory = [_expected(name, l, r) for l in fine]
        ax.loglog(1 / (1 - fine), theory, color=colour, linestyle="--", linewidth=0.9, zorder=1)
    ax.set(xlabel="memory $1 / (1 - l)$ (steps)", ylabel=label)
    _from_one(ax, 1 / (1 - decay.max()))


def _draw_curvatures(ax, cube):
    teacher = cube["teacher"].values
    one = cube.isel(decay=0, correlation=0)
    fine = 1 - np.geomspace(1 - teacher.min(), 1 - teacher.max(), 60)
    for name, theory, colour, marker, told in (
        ("curvature", _THEORY.curvature, "#D55E00", "o", "by $l$"),
        ("reparametrised_curvature", _THEORY.normalised_curvature, "#0072B2", "s",
         "normalised, by $v$"),
    ):  # fmt: skip
        ax.loglog(1 / (1 - teacher), one[name].values, linestyle="none", marker=marker,
                  markersize=4, color=colour, label=told)  # fmt: skip
        line = [theory(l) for l in fine]
        ax.loglog(1 / (1 - fine), line, color=colour, linestyle="--", linewidth=0.9)
    ax.set(xlabel="memory of the teacher $1 / (1 - l^*)$ (steps)", ylabel="curvature of the loss")
    _from_one(ax, 1 / (1 - teacher.max()))
    ax.legend(loc="upper left")


def _from_one(ax, longest):
    """Let the memories begin at one step, and label whole decades only."""
    from matplotlib.ticker import NullFormatter

    ax.set_xlim(1, 1.2 * max(longest, 10))
    ax.xaxis.set_minor_formatter(NullFormatter())


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = [claim for name in _MEASURED for claim in _against_theory(cube, name)]
    found += _printed_moments(cube)
    if 0.0 in cube["correlation"].values:
        largest = cube["reparametrised_sensitivity"].sel(correlation=0.0).max()
        source = f"closed form: (m / (2 sinh m))^2, m = -ln l; idea of {_PAPER}; 2 %"
        name = "white inputs: largest E (du/dv)^2"
        found.append(rnnjax.Claim(name, largest, 0.25, 0.005, source, "at_most"))
    return [*found, *_of_teachers(cube, config)]


def _against_theory(cube, name):
    """Return the claims that a moment is right to 2 %, and to its standard error."""
    symbol = _MEASURED[name][1]
    ratios, deviations = [], []
    for l in cube["decay"].values:
        for r in cube["correlation"].values:
            one, expected = cube.sel(decay=l, correlation=r), _expected(name, l, r)
            ratios.append(float(one[name]) / expected - 1)
            deviations.append((float(one[name]) - expected) / float(one[f"{name}_error"]))
    source = f"closed form ({_PAPER}); tolerance: sampling"
    worst, most = np.max(np.abs(ratios)), np.max(np.abs(deviations))
    return [
        rnnjax.Claim(f"{symbol} against theory, relative, worst", worst, 0.0, 0.02, source),
        rnnjax.Claim(f"{symbol} against theory, standard errors, worst", most, 0.0, _DEVIATIONS,
                     "closed form; the errors are those between sequences"),
    ]  # fmt: skip


def _printed_moments(cube):
    """Return claims on moments that are known as numbers."""
    found = []
    for (l, r), values in _MOMENTS.items():
        if l in cube["decay"].values and r in cube["correlation"].values:
            one = cube.sel(decay=l, correlation=r)
            for name, value in zip(("state", "sensitivity"), values, strict=True):
                told = f"l = {l:g}, r = {r:g}: {_MEASURED[name][1]}"
                source = f"{_PAPER}: closed form, checked by double sums; 2 %"
                found.append(rnnjax.Claim(told, one[name], value, 0.02 * value, source))
    return found


def _of_teachers(cube, config):
    teacher, one = cube["teacher"].values, cube.isel(decay=0, correlation=0)
    found = []
    for l, (value, tolerance) in _CURVATURES.items():
        if l in teacher:
            source = f"{_PAPER}: (1 + l^2) / (1 - l^2)^3, to the digits given"
            name = f"curvature of the loss at l = l* = {l:g}"
            measured = one["curvature"].sel(teacher=l)
            found.append(rnnjax.Claim(name, measured, value, tolerance, source))
    expected = np.array([_THEORY.normalised_curvature(l) for l in teacher])
    worst = np.max(np.abs(one["reparametrised_curvature"].values / expected - 1))
    name = "curvature, normalised and by v, relative, worst"
    source = "closed form: (m / (2 sinh m))^2, m = -ln l*, at most 1/4"
    return [*found, rnnjax.Claim(name, worst, 0.0, 1e-9, source)]
