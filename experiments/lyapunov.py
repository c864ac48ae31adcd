"""When is a random network chaotic, and how many of its directions grow?

Command:   rnnjax run lyapunov
           rnnjax run lyapunov --config experiments/lyapunov.wide.toml --out results/lyapunov_wide
           rnnjax run lyapunov --config experiments/lyapunov.onset.toml --out results/lyapunov_onset
Run time:  about a minute on 2 cores, compiling included; wide: about ten minutes; onset: about
           five.
Figure:    An autonomous network h_t = f(W h_{t-1}), W_ij ~ N(0, g^2/n_h). a: the largest Lyapunov
           exponent over the gain, with mean-field theory (dashed); it changes sign at g = 1. b: the
           whole spectrum at some gains. c, d: the Kaplan-Yorke dimension and the entropy rate, both
           per unit; the dimension rises beyond g = 1 and falls again where units saturate. Crosses:
           published simulations of tanh with n_h = 4096.
Source:    Molgedey, Schuchhardt and Schuster, Suppressing chaos in neural networks by noise,
           Physical Review Letters, 1992 (the largest exponent); Clark, Lyapunov spectrum of random
           neural networks, preprint, 2026 (the spectrum at n_h = 4096).
"""

import json

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax.sweep import ActivationName, Lane, Static, Variable
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig

_PREPRINT = "Clark 2026, simulation at n_h = 4096"
_DMFT = "mean field: ln(chi)/2 (Molgedey, Schuchhardt and Schuster 1992)"
# gain: (dimension, entropy rate), per unit.
_PUBLISHED = {
    1.5: (0.165113, 0.0027729),
    3.0: (0.287168, 0.0251060),
    5.0: (0.245943, 0.0389117),
}
REPRODUCES = {
    "tanh, g = 1.5: largest": "Molgedey, Schuchhardt and Schuster 1992, largest exponent",
    "tanh, g = 3: largest": "Molgedey, Schuchhardt and Schuster 1992, largest exponent",
    "tanh, g = 5: largest": "Molgedey, Schuchhardt and Schuster 1992, largest exponent",
    "tanh, g = 1.5: kaplan": "Clark 2026 (preprint), spectrum at n_h = 4096",
    "tanh, g = 1.5: entropy": "Clark 2026 (preprint), spectrum at n_h = 4096",
    "tanh, g = 3: kaplan": "Clark 2026 (preprint), spectrum at n_h = 4096",
    "tanh, g = 3: entropy": "Clark 2026 (preprint), spectrum at n_h = 4096",
    "tanh, g = 5: kaplan": "Clark 2026 (preprint), spectrum at n_h = 4096",
    "tanh, g = 5: entropy": "Clark 2026 (preprint), spectrum at n_h = 4096",
}
_WIDE = 500  # units from which finite-size effects stay within the tolerances
_SMALLEST_OF_A_LIMIT = 200
_N_SPECTRA = 5


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    activation: Static[ActivationName]
    gain: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """Which networks, and how long they are followed."""

    axes: Axes
    n_h: int = Field(100, ge=2, le=4096, description="units")
    n_steps: PositiveInt = Field(1000, description="steps over which exponents are taken")
    n_discarded: NonNegativeInt = Field(200, description="steps before them")
    sizes: tuple[PositiveInt, ...] = Field(
        (), description="n_h of further networks, of which only the largest exponent is measured"
    )
    n_steps_sizes: PositiveInt = Field(2000, description="steps for these")

    @model_validator(mode="after")
    def _no_size_twice(self):
        if len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"sizes: expected each once, got {self.sizes}")
        return self


def coordinates(config):
    """Which exponent, and the sizes of the further networks."""
    found = {"index": np.arange(1, config.n_h + 1)}
    return {**found, "size": np.array(config.sizes)} if config.sizes else found


def variables(config):
    """What is measured in every cell of the sweep."""
    rate, silent = "nat/step", "; -inf where a direction is lost for good"
    found = {
        "largest_exponent": Variable((), "largest Lyapunov exponent", rate),
        "largest_error": Variable((), "its standard error", rate),
        "spectrum": Variable(("index",), f"Lyapunov exponents, descending{silent}", rate),
        "kaplan_yorke_dimension": Variable((), "Kaplan-Yorke dimension"),
        "entropy_rate": Variable((), "sum of the positive exponents", rate),
        "mean_log_det": Variable((), "mean of ln |det J_t|, the sum of all exponents", rate),
        "log_spectral_radius": Variable((), "natural log of the spectral radius of W", rate),
        "mean_square": Variable((), "mean of the squared pre-activations"),
    }
    if config.sizes:
        told = "largest Lyapunov exponent of further networks"
        found["exponent_by_size"] = Variable(("size",), told, rate)
    return found


def _cell(n_h, **fields):
    return rnnjax.Vanilla(1, n_h, 1, **fields)


def draw(config, gain, seed):
    """Draw the weights of every size; the seeds are the same at every gain."""
    from jax import numpy as jnp
    from jax import random

    key = random.key(seed)
    nets = [_cell(n, gain=gain).init(random.fold_in(key, n)) for n in (config.n_h, *config.sizes)]
    return nets, jnp.linalg.slogdet(nets[0].W)[1]


def measure(config, drawn, activation):
    """Measure the whole spectrum of one network and the largest exponents of the others."""
    from jax import numpy as jnp

    nets, log_det = drawn
    f = rnnjax.activation_named(activation)
    params, cell = nets[0], _cell(config.n_h, activation=f)
    batch = _kick(config.n_discarded + config.n_steps)
    found = rnnjax.probes.lyapunov_spectrum(
        cell, None, params, batch, n_discarded=config.n_discarded
    )
    spectrum = found["exponents"]
    trajectory = rnnjax.unroll(cell, params, batch.x)
    z = (trajectory.h_prev @ params.W.T)[config.n_discarded :]
    measured = {
        "largest_exponent": spectrum[0],
        "largest_error": found["standard_error"][0],
        "spectrum": spectrum,
        "kaplan_yorke_dimension": rnnjax.analysis.kaplan_yorke_dimension(spectrum),
        "entropy_rate": rnnjax.analysis.entropy_rate(spectrum),
        "mean_log_det": log_det + jnp.mean(jnp.sum(f.log_slope(z), axis=1)),
        "log_spectral_radius": rnnjax.matrices.log_spectral_radius(params.W),
        "mean_square": jnp.mean(z**2),
    }
    if config.sizes:
        further = [_largest(config, n, p, f) for n, p in zip(config.sizes, nets[1:], strict=True)]
        measured["exponent_by_size"] = jnp.stack(further)
    return measured


def _kick(n_steps):
    """Return inputs that are 0 but for the first: the network is on its own from then on."""
    from jax import numpy as jnp

    x = jnp.zeros((n_steps, 1)).at[0].set(1.0)
    return rnnjax.Batch(x, jnp.zeros((n_steps, 1)), jnp.ones(n_steps))


def _largest(config, n_h, params, f):
    cell = _cell(n_h, activation=f)
    batch = _kick(config.n_discarded + config.n_steps_sizes)
    return rnnjax.probes.lyapunov_spectrum(
        cell, None, params, batch, n_exponents=1, n_discarded=config.n_discarded
    )["exponents"][0]


def _theory(activation, gain):
    """Return the largest exponent of an infinitely wide network; None where no theory is given."""
    fields, exact = rnnjax.theory.mean_field, rnnjax.theory.mean_field_exact
    if activation == "tanh":
        return fields.largest_exponent(np.tanh, fields.tanh_log_slope, gain, 0.0)
    return exact.erf_largest_exponent(gain, 0.0) if activation == "erf" else None


def figure(cube):
    """The largest exponent, spectra, dimension and entropy rate over the gain."""
    from matplotlib.figure import Figure

    cube = cube.sortby("gain")
    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 4.6))
    panels = drawn.subplots(2, 2)
    _draw_largest(panels[0, 0], cube)
    _draw_spectra(panels[0, 1], cube)
    told = ("Kaplan-Yorke dimension / $n_h$", "entropy rate / $n_h$ (nat/step)")
    for ax, name, label, i in zip(
        panels[1], ("kaplan_yorke_dimension", "entropy_rate"), told, (0, 1), strict=True
    ):
        _draw_per_unit(ax, cube, name, label, [pair[i] for pair in _PUBLISHED.values()])
    rnnjax.figures.letter_panels(panels.flat)
    return drawn


def _activations(cube):
    return [str(name) for name in cube["activation"].values]


def _colours(cube):
    return dict(zip(_activations(cube), ("#0072B2", "#D55E00", "#009E73"), strict=False))


def _draw_largest(ax, cube):
    gain = cube["gain"].values
    for name, colour in _colours(cube).items():
        values = cube["largest_exponent"].sel(activation=name).transpose("seed", "gain").values
        ax.plot(gain, np.median(values, axis=0), color=colour, marker="o", markersize=3, label=name)
        ax.fill_between(gain, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
        fine = np.linspace(max(gain.min() - 0.05, 1.001), gain.max() + 0.05, 60)
        theory = [_theory(name, g) for g in fine]
        if theory[0] is not None:
            ax.plot(fine, theory, color="#404040", linestyle="--", linewidth=0.9, zorder=3)
    ax.axhline(0, color="#b0b0b0", linewidth=0.5, zorder=0)
    ax.margins(x=0.03)
    ax.set(xlabel="gain $g$", ylabel=r"largest exponent $\lambda_1$ (nat/step)")
    ax.plot([], [], color="#404040", linestyle="--", linewidth=0.9, label="mean field")
    ax.legend(loc="upper left")


def _draw_spectra(ax, cube):
    """Draw exponents over their rank, the median over seeds, of the first activation."""
    name, n_h = _activations(cube)[0], cube.sizes["index"]
    gains = cube["gain"].values
    chosen = gains[np.unique(np.linspace(0, len(gains) - 1, _N_SPECTRA).round().astype(int))]
    rank = (cube["index"].values - 0.5) / n_h
    for gain, colour in zip(chosen, rnnjax.figures.ordered_colours(len(chosen)), strict=True):
        spectrum = cube["spectrum"].sel(activation=name, gain=gain).median("seed").values
        ax.plot(rank, np.where(np.isfinite(spectrum), spectrum, np.nan), color=colour,
                label=f"$g$ = {gain:.3g}")  # fmt: skip
    ax.axhline(0, color="#b0b0b0", linewidth=0.5, zorder=0)
    ax.set(xlabel=r"rank $i / n_h$", ylabel=r"exponent $\lambda_i$ (nat/step)", title=name)
    ax.legend(loc="lower left")


def _draw_per_unit(ax, cube, variable, label, published):
    gain, n_h = cube["gain"].values, cube.sizes["index"]
    for name, colour in _colours(cube).items():
        values = cube[variable].sel(activation=name).transpose("seed", "gain").values / n_h
        ax.plot(gain, np.median(values, axis=0), color=colour, marker="o", markersize=3, label=name)
        ax.fill_between(gain, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
    if "tanh" in _activations(cube):
        style = {"linestyle": "none", "marker": "x", "color": "black", "zorder": 4}
        shown = [pair for pair in zip(_PUBLISHED, published, strict=True)
                 if gain.min() <= pair[0] <= gain.max()]  # fmt: skip
        ax.plot(*np.reshape(shown, (-1, 2)).T, label="tanh, $n_h$ = 4096", **style)
    ax.margins(x=0.03)
    ax.set(xlabel="gain $g$", ylabel=label, ylim=(0, None))
    ax.legend(loc="best")


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = [_sum_rule(cube), *_below_one(cube, config), *_finite_where_slopes_vanish(cube)]
    for gain, values in _PUBLISHED.items():
        if "tanh" in _activations(cube) and gain in cube["gain"].values:
            one = cube.sel(activation="tanh", gain=gain)
            found += _against_theory(one, gain)
            found += _against_published(one, gain, values, config["n_h"])
    return found


def _sum_rule(cube):
    """Return the claim that all exponents add up to the mean of ln |det J_t|."""
    total, expected = cube["spectrum"].sum("index").values, cube["mean_log_det"].values
    known = np.isfinite(expected)
    worst = np.max(np.abs(total - expected)[known] / cube.sizes["index"], initial=0.0)
    source = "exact: |det J| is the product of |R_ii|; tolerance: float32"
    name = "sum of the exponents minus mean ln |det J_t|, per unit, worst"
    return rnnjax.Claim(name, worst, 0.0, 1e-4, source)


def _below_one(cube, config):
    """Return the claim that a network at rest grows as the spectral radius of W says."""
    resting = [name for name in _activations(cube) if name in ("tanh", "erf", "hard_tanh")]
    low = [g for g in cube["gain"].values if g <= 0.8]
    if not resting or not low:
        return []
    some = cube.sel(activation=resting, gain=low)
    gap = np.abs(some["largest_exponent"] - some["log_spectral_radius"])
    # A complex pair turns the direction: what is left after T steps is bounded over T.
    tolerance = 5 / config["n_steps"]
    name = "g <= 0.8: largest exponent minus ln rho(W), worst"
    source = "exact at the fixed point h = 0; tolerance: 5 nat over all steps"
    return [rnnjax.Claim(name, float(gap.max()), 0.0, tolerance, source)]


def _finite_where_slopes_vanish(cube):
    """Return the claim that no exponent of a smooth activation is lost to underflow."""
    smooth = [name for name in _activations(cube) if name in ("tanh", "erf", "sigmoid")]
    if not smooth:
        return []
    share = np.mean(np.isfinite(cube["spectrum"].sel(activation=smooth).values))
    source = "exact: W is invertible and no slope is 0"
    return [rnnjax.Claim("smooth activations: share of finite exponents", share, 1.0, 0.0, source)]


def _against_theory(one, gain):
    expected = _theory("tanh", gain)
    found = []
    if "exponent_by_size" in one:
        by_size = one["exponent_by_size"].mean("seed")
        largest = by_size.isel(size=int(np.argmax(one["size"].values)))
        if int(largest["size"]) >= 1000:
            name = f"tanh, g = {gain:g}: largest exponent at n_h = {int(largest['size'])}"
            told = f"{_DMFT}; tolerance: finite n_h"
            found.append(rnnjax.Claim(name, float(largest), expected, 0.01, told))
        if one.sizes["size"] >= 3 and one["size"].min() >= _SMALLEST_OF_A_LIMIT:
            _rate, limit = np.polyfit(1 / one["size"].values, by_size.values, 1)
            name = f"tanh, g = {gain:g}: largest exponent, extrapolated to n_h = oo"
            told = f"{_DMFT}; linear in 1/n_h"
            found.append(rnnjax.Claim(name, limit, expected, 0.005, told))
    return found


def _against_published(one, gain, values, n_h):
    if n_h < _WIDE:
        return []
    # The median of networks, because just above g = 1 some of them come close to a cycle.
    pairs = zip(("kaplan_yorke_dimension", "entropy_rate"), values, (0.05, 0.08), strict=True)
    return [
        rnnjax.Claim(
            f"tanh, g = {gain:g}: {variable.replace('_', ' ')} / n_h",
            float(one[variable].median("seed")) / n_h,
            value,
            share * value,
            f"{_PREPRINT}; tolerance {share:.0%}",
        )
        for variable, value, share in pairs
    ]
