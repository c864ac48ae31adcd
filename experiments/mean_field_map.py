"""Does noise tame chaos, and does mean-field theory say where?

Command:   rnnjax run mean_field_map
Run time:  about three minutes on 2 cores, compiling included.
Figure:    h_t = f(W h_{t-1} + s x_t) with W_ij ~ N(0, g^2/n_h) and white noise x_t into each unit.
           a, b: the largest Lyapunov exponent over the gain g and the noise s, simulated (a) and by
           theory, ln(chi)/2 (b), with the line chi = 1 on both: below it gradients vanish, above it
           they explode, and noise shifts it to larger gains. c: simulation over theory, every
           network. d: variance q of the pre-activations, simulated and by theory (dashed).
Source:    Molgedey, Schuchhardt and Schuster, Suppressing chaos in neural networks by noise,
           Physical Review Letters, 1992; Sompolinsky, Crisanti and Sommers, Chaos in random neural
           networks, ibid., 1988.
"""

import json

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

import rnnjax
from rnnjax.sweep import ActivationName, Lane, Static, Variable
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig

_SOURCE = "mean field: Molgedey, Schuchhardt and Schuster 1992 (rnnjax.theory.mean_field)"
REPRODUCES = {
    "tanh, s^2 =": "Molgedey, Schuchhardt and Schuster 1992, critical gain under noise",
}
_WIDE = 200  # units from which simulations are held against theory
_WEAK = 0.2  # noise below which that takes
_WIDEST = 1000  # units: at s = 0.1 a network of 256 is critical at g = 1.29 instead of 1.19


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    activation: Static[ActivationName]
    noise: Lane[NonNegativeFloat]
    gain: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """Which networks, and how long they are followed."""

    axes: Axes
    n_h: int = Field(1024, ge=2, le=4096, description="units, each with a noise of its own")
    n_steps: PositiveInt = Field(500, description="steps over which everything is measured")
    n_discarded: NonNegativeInt = Field(100, description="steps before them")


def coordinates(config):
    """No inner dimensions."""
    return {}


def variables(config):
    """What is measured in every cell of the sweep."""
    return {
        "largest_exponent": Variable((), "largest Lyapunov exponent", "nat/step"),
        "largest_error": Variable((), "its standard error", "nat/step"),
        "variance": Variable((), "q, mean of the squared pre-activations"),
    }


def draw(config, noise, gain, seed):
    """Draw weights and noise; both are the same at every gain and scale of the noise."""
    from jax import numpy as jnp
    from jax import random

    key = random.key(seed)
    params = rnnjax.Vanilla(1, config.n_h, 1, gain=gain).init(random.fold_in(key, 0))
    x = random.normal(random.fold_in(key, 1), (config.n_discarded + config.n_steps, config.n_h))
    # Without noise a first kick is all that moves the network.
    kick = jnp.zeros(len(x)).at[0].set(1.0)[:, None]
    return params._replace(U=jnp.eye(config.n_h)), jnp.maximum(noise, kick) * x


def measure(config, drawn, activation):
    """Measure the largest exponent of one network, and the variance of what its units receive."""
    from jax import numpy as jnp

    params, x = drawn
    f = rnnjax.activation_named(activation)
    cell = rnnjax.Vanilla(config.n_h, config.n_h, 1, activation=f)
    batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))
    found = rnnjax.probes.lyapunov_spectrum(
        cell, None, params, batch, n_exponents=1, n_discarded=config.n_discarded
    )
    trajectory = rnnjax.unroll(cell, params, x)
    z = trajectory.h_prev @ params.W.T + x
    return {
        "largest_exponent": found["exponents"][0],
        "largest_error": found["standard_error"][0],
        "variance": jnp.mean(z[config.n_discarded :] ** 2),
    }


def _theory(activation, gain, noise):
    """Return (largest exponent, q) of an infinitely wide network; None without a theory."""
    fields, exact = rnnjax.theory.mean_field, rnnjax.theory.mean_field_exact
    if activation == "tanh":
        log_slope = fields.tanh_log_slope
        exponent = fields.largest_exponent(np.tanh, log_slope, gain, noise**2)
        return exponent, fields.variance(np.tanh, gain, noise**2)
    if activation == "erf":
        q = exact.erf_variance(gain, noise**2)
        return exact.erf_largest_exponent(gain, noise**2), q
    return None


def _predicted(cube, name):
    """Return the largest exponent and q by theory, (noise, gain) each."""
    cells = [
        [_theory(name, gain, noise) for gain in cube["gain"].values]
        for noise in cube["noise"].values
    ]
    return np.moveaxis(np.array(cells), -1, 0)


def _known(cube):
    """Return the activations that have a theory."""
    return [str(name) for name in cube["activation"].values if _theory(str(name), 2.0, 1.0)]


def figure(cube):
    """Maps of the largest exponent, simulated and by theory; all networks; the variance."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    cube = cube.sortby(["gain", "noise"])
    name = (_known(cube) or [str(cube["activation"].values[0])])[0]
    one = cube.sel(activation=name).transpose("noise", "gain", "seed")
    median = one["largest_exponent"].median("seed").values
    drawn = Figure(figsize=(figures.PAGE_WIDTH, 5.0))
    panels = drawn.subplots(2, 2)
    maps = [median, *([_predicted(cube, name)[0]] if _known(cube) else [])]
    limit = figures.symmetric_limit(np.stack(maps), cap=0.5)
    for ax, values, told in zip(panels[0], maps, ("simulated", "mean field"), strict=False):
        labels = {"x_label": "gain $g$", "y_label": "noise $s$", "title": f"{name}, {told}"}
        x, y = cube["gain"].values, cube["noise"].values
        image = figures.heat_map(ax, x, y, values, limit=limit, **labels)
        ax.contour(x, y, maps[-1], [0.0], colors="k", linewidths=1)
    figures.colour_bar(image, panels[0], label=r"largest exponent $\lambda_1$ (nat/step)")
    _draw_agreement(panels[1, 0], cube)
    _draw_variance(panels[1, 1], one, name)
    figures.letter_panels(panels.flat)
    return drawn


def _draw_agreement(ax, cube):
    """Draw simulated over predicted exponents, every network."""
    ends = [0.0]
    for name, colour in zip(_known(cube), ("#0072B2", "#D55E00"), strict=False):
        measured = cube["largest_exponent"].sel(activation=name)
        expected = np.broadcast_to(
            _predicted(cube, name)[0][..., None], measured.transpose("noise", "gain", "seed").shape
        )
        values = measured.transpose("noise", "gain", "seed").values
        ax.plot(expected.ravel(), values.ravel(), ".", color=colour, markersize=3, label=name)
        ends += [expected.min(), expected.max()]
    ax.plot([min(ends), max(ends)], [min(ends), max(ends)], color="#404040", linewidth=0.8)
    ax.set(xlabel=r"mean field $\ln(\chi)/2$ (nat/step)", ylabel=r"simulated $\lambda_1$")
    if len(ends) > 1:
        ax.legend(loc="upper left")


def _draw_variance(ax, one, name):
    """Draw q over the gain, a line for each noise, with theory."""
    noises = one["noise"].values
    predicted = _predicted(one, name)[1] if _theory(name, 2.0, 1.0) else None
    for i, colour in enumerate(rnnjax.figures.ordered_colours(len(noises))):
        q = one["variance"].isel(noise=i).median("seed").values
        ax.plot(one["gain"], q, color=colour, label=f"$s$ = {noises[i]:.2g}")
        if predicted is not None:
            ax.plot(one["gain"], predicted[i], color="#404040", linestyle="--", linewidth=0.8)
    ax.set(xlabel="gain $g$", ylabel="variance $q$")
    ax.legend(loc="upper left", ncols=2)


def claims(cube):
    """Numbers that must hold, each with its source."""
    n_h = json.loads(cube.attrs["config"])["n_h"]
    if n_h < _WIDE:
        return []
    found = []
    for name in _known(cube):
        one = cube.sortby(["gain", "noise"]).sel(activation=name)
        one = one.transpose("noise", "gain", "seed").mean("seed")
        exponent, q = _predicted(one, name)
        noisy = _covered(one["noise"].values, n_h)
        gap = np.abs(one["largest_exponent"].values - exponent)[noisy]
        ratio = np.abs(one["variance"].values[noisy] / q[noisy] - 1)
        told = f"{_SOURCE}; tolerance: n_h = {n_h}"
        found += [
            rnnjax.Claim(f"{name}, noise: exponent off theory, worst", gap.max(), 0.0, 0.03, told),
            rnnjax.Claim(f"{name}, noise: q over theory, worst", 1 + ratio.max(), 1.0, 0.05, told),
            *_critical(one, n_h, name, told),
        ]
    return found


def _covered(noise, n_h):
    """Return where a network of this size is wide enough for the theory, by the noise."""
    return noise > (0 if n_h >= _WIDEST else _WEAK)


def _critical(one, n_h, name, told):
    """Return the claims on the gain at which the exponent changes sign, for every noise."""
    gain, found = one["gain"].values, []
    for i, noise in enumerate(one["noise"].values):
        covered = _covered(noise, n_h)
        expected = _theory_crossing(name, noise, gain[0], gain[-1]) if covered else None
        if expected is not None:
            measured = _crossing(gain, one["largest_exponent"].values[i])
            title = f"{name}, s^2 = {noise**2:.3g}: critical gain"
            found.append(rnnjax.Claim(title, measured, expected, 0.05, told))
    return found


def _theory_crossing(name, noise, low, high):
    """Return the gain at which ln(chi)/2 = 0, by bisection; None if it is not between two gains."""
    if _theory(name, low, noise)[0] >= 0 or _theory(name, high, noise)[0] <= 0:
        return None
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if _theory(name, middle, noise)[0] > 0 else (middle, high)
    return low


def _crossing(gain, values):
    """Return where a rising curve first crosses 0, by a straight line; NaN if it does not."""
    above = np.flatnonzero((values[1:] > 0) & (values[:-1] <= 0))
    if not len(above):
        return np.nan
    i = int(above[0])
    return float(gain[i] - values[i] * (gain[i + 1] - gain[i]) / (values[i + 1] - values[i]))
