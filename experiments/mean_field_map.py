"""Does noise tame chaos, and does mean-field theory say where?

Command:   rnnjax run mean_field_map
Run time:  about three minutes on 2 cores, compiling included.
Figure:    h_t = f(W h_{t-1} + s x_t) with W_ij ~ N(0, g^2/n_h) and white noise x_t into each unit.
           a, b: largest Lyapunov exponent over the gain g and the noise s (rows of equal height),
           simulated, median over seeds, and by mean field, ln(chi)/2; black: chi = 1, below which
           gradients vanish. c: simulation over mean field, every network. d: variance q of the
           pre-activations, simulated and by mean field (dashed, in a darker tone).
Source:    Molgedey, Schuchhardt and Schuster, Suppressing chaos in neural networks by noise,
           Physical Review Letters, 1992; Sompolinsky, Crisanti and Sommers, Chaos in random neural
           networks, ibid., 1988.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import crossing, largest, median, tabulate
from rnnjax.sweep import ActivationName, Traced, Variable
from rnnjax.theory import wide_networks

_LOOKS = {
    "tanh": figures.Look("tanh", figures.BLUE, ".", size=3),
    "erf": figures.Look("erf", figures.VERMILION, ".", size=3),
}
_WIDE = 200  # units from which simulations are held against theory
_WEAK = 0.2  # noise below which that takes
_LARGEST_GAIN = 3  # beyond it the few units that are not saturated are too few for an average
_WIDEST = 1000  # units: at s = 0.1 a network of 256 is critical at g = 1.29 instead of 1.19


class Setting(sweep.Setting):
    """One network under noise, and how long it is followed."""

    activation: ActivationName = "tanh"
    noise: NonNegativeFloat = Field(0.0, description="standard deviation s of the noise")
    gain: PositiveFloat = Field(1.0, description="g, factor of the recurrent weights")
    seed: Traced[int] = Field(0, description="of weights and noise")
    n_h: int = Field(1024, ge=2, le=4096, description="units, each with a noise of its own")
    n_steps: PositiveInt = Field(500, description="steps over which everything is measured")
    n_discarded: NonNegativeInt = Field(100, description="steps before them")
    axes = ("activation", "noise", "gain", "seed")


def coordinates(setting: Setting) -> dict[str, jax.Array]:
    """No inner dimensions."""
    return {}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        "largest_exponent": Variable((), "largest Lyapunov exponent", "nat/step"),
        "largest_error": Variable((), "its standard error", "nat/step"),
        "variance": Variable((), "q, mean of the squared pre-activations"),
    }


def shared(setting: Setting) -> tuple:
    """Weights of gain 1 and noise of scale 1, which all networks of a seed have."""
    key = jax.random.key(setting.seed)
    params = rnnjax.Vanilla(1, setting.n_h, 1).init(jax.random.fold_in(key, 0))
    n_steps = setting.n_discarded + setting.n_steps
    return params, jax.random.normal(jax.random.fold_in(key, 1), (n_steps, setting.n_h))


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Measure the largest exponent of one network, and the variance of what its units receive."""
    params, noise = shared
    params = params._replace(W=setting.gain * params.W, U=jnp.eye(setting.n_h))
    # Without noise a first kick is all that moves the network.
    kick = jnp.zeros(len(noise)).at[0].set(1.0)[:, None]
    x = jnp.maximum(setting.noise, kick) * noise
    f = rnnjax.activation_named(setting.activation)
    cell = rnnjax.Vanilla(setting.n_h, setting.n_h, 1, activation=f)
    batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))
    found = rnnjax.probes.lyapunov_spectrum(
        cell, None, params, batch, n_exponents=1, n_discarded=setting.n_discarded
    )
    z = rnnjax.unroll(cell, params, x).h_prev @ params.W.T + x
    return {
        "largest_exponent": found["exponents"][0],
        "largest_error": found["exponents_error"][0],
        "variance": jnp.mean(z[setting.n_discarded :] ** 2),
    }


def _predicted(cube: xr.Dataset, theory: Callable[..., float | None]) -> xr.DataArray:
    """Return what a theory says at every gain and noise of one activation, or of each."""
    name = cube["activation"]
    if not name.ndim:
        return _predicted(cube.expand_dims("activation"), theory).isel(activation=0)
    return tabulate(
        lambda activation, gain, noise: theory(str(activation), gain, noise**2),
        activation=name, gain=cube["gain"], noise=cube["noise"],
    )  # fmt: skip


def _known(cube: xr.Dataset) -> xr.Dataset:
    """Return the networks whose activation has a theory."""
    return cube.sel(activation=np.isin(cube["activation"], wide_networks.ACTIVATIONS))


def figure(cube: xr.Dataset) -> figures.Figure:
    """Maps of the largest exponent, simulated and by theory; all networks; the variance."""
    cube = cube.sortby(["gain", "noise"])
    known = _known(cube)
    one = (known if known.sizes["activation"] else cube).isel(activation=0)
    frame = figures.Frame(2, 2, height=5.0)
    has_theory = bool(known.sizes["activation"])
    _draw_maps(frame.rows[0], one, has_theory)
    if has_theory:
        figures.scatter(
            frame.panels[2], _predicted(known, wide_networks.largest_exponent),
            known["largest_exponent"], each="activation", looks=_LOOKS, diagonal=True,
            xlabel=r"mean field $\ln(\chi)/2$ (nat/step)", ylabel=r"simulated $\lambda_1$",
        )  # fmt: skip
        frame.panels[2].legend(loc="upper left")
    q = {"mean field": _predicted(one, wide_networks.variance)} if has_theory else {}
    legend = figures.curves(
        frame.panels[3], median(one["variance"]), over="gain", each="noise", label="$s$ = {:.2g}",
        theory=q, xlabel="gain $g$", ylabel="variance $q$", title=str(one["activation"].item()),
    )  # fmt: skip
    frame.panels[3].legend(handles=legend, loc="upper left", ncols=2, fontsize=7)
    return frame.finished()


def _draw_maps(panels: list[figures.Axes], one: xr.Dataset, has_theory: bool) -> None:
    """Draw the largest exponent, simulated and by theory, with the line chi = 1 on both.

    Noises are rows of equal height: in steps of their own, small ones would be hard to see.
    """
    maps = {"simulated": median(one["largest_exponent"])}
    if has_theory:
        maps["mean field"] = _predicted(one, wide_networks.largest_exponent)
    rows = {"noise": np.arange(one.sizes["noise"])}
    ordered = [values.transpose("noise", "gain").assign_coords(rows) for values in maps.values()]
    limit, meshes = figures.symmetric_limit(np.stack(ordered), cap=0.5), []
    turns = [crossing(row, "gain") for row in ordered[-1]]
    for panel, told, values in zip(panels, maps, ordered, strict=False):
        meshes += figures.maps(
            panel, values, x="gain", y="noise", limit=limit, bar="", xlabel="gain $g$",
            ylabel="noise $s$", title=f"{one['activation'].item()}, {told}",
        )  # fmt: skip
        figures.ticks(panel, "y", rows["noise"], [f"{s:.2g}" for s in one["noise"].values])
        figures.overlay_line(panel, turns, rows["noise"])
    figures.colour_bar(meshes, panels, label=r"largest exponent $\lambda_1$ (nat/step)")


def answer(cube: xr.Dataset) -> str:
    """At which gain networks become chaotic, at the least and the largest noise."""
    cube = cube.sortby(["gain", "noise"])
    known = _known(cube)
    has_theory = bool(known.sizes["activation"])
    one = (known if has_theory else cube).isel(activation=0)
    # A linear network grows, and is never chaotic.
    verb = "grow" if one["activation"] == "identity" else "become chaotic"
    found = f"{one['activation'].item()} networks {verb} "
    found += f"{_onsets(median(one['largest_exponent']))}."
    if has_theory:
        predicted = _predicted(one, wide_networks.largest_exponent)
        off = _off_theory(one.mean("seed"))
        found += f" Mean field: they {verb} {_onsets(predicted)}; "
        found += f"largest deviation {off:.2g} nat/step."
    return found[0].upper() + found[1:].replace("nan", "unknown")


def _onsets(exponent: xr.DataArray) -> str:
    """Tell beyond which gain an exponent is positive, at the least and the largest noise."""
    ends = dict.fromkeys(exponent["noise"].values[[0, -1]].tolist())
    told = [figures.where_positive(exponent.sel(noise=s), "gain") for s in ends]
    return ", ".join(f"at noise {s:.2g} {where}" for where, s in zip(told, ends, strict=True))


def _covered(cube: xr.Dataset) -> xr.Dataset:
    """Return the mean over seeds where networks are wide enough for the theory."""
    least = 0 if cube.setting.n_h >= _WIDEST else _WEAK
    cube = cube.sortby(["gain", "noise"])
    at = {"noise": cube["noise"] > least, "gain": cube["gain"] <= _LARGEST_GAIN}
    return cube.isel({axis: np.flatnonzero(places) for axis, places in at.items()}).mean("seed")


def _off_theory(one: xr.Dataset) -> float:
    return largest(abs(one["largest_exponent"] - _predicted(one, wide_networks.largest_exponent)))


def _variance_over_theory(one: xr.Dataset) -> float:
    return 1 + largest(abs(one["variance"] / _predicted(one, wide_networks.variance) - 1))


def _crossings(one: xr.Dataset, activation: str) -> list[dict]:
    """Return the noises at which theory has a critical gain among those that were swept."""
    low, high = one["gain"].values[[0, -1]]
    found = [
        {"noise": noise, "critical": wide_networks.critical_gain(activation, noise**2, low, high)}
        for noise in one["noise"].values
    ]
    return [case for case in found if case["critical"] is not None]


CLAIMS = (
    Group((
        Row("{activation}, noise: exponent off theory, worst", _off_theory, equals=0,
            tolerance=0.03),
        Row("{activation}, noise: q over theory, worst", _variance_over_theory, equals=1,
            tolerance=0.05),
        Row(lambda one, activation, noise: f"{activation}, s^2 = {noise**2:.3g}: critical gain",
            lambda one: crossing(one["largest_exponent"], "gain"), for_each=_crossings,
            equals="critical", tolerance=0.05, reproduces=lambda one, activation:
            "Molgedey, Schuchhardt and Schuster 1992, critical gain under noise"
            if activation == "tanh" else ""),
    ), for_each={"activation": wide_networks.ACTIVATIONS}, part=_covered,
       when=lambda one: one.setting.n_h >= _WIDE,
       source="mean field: Molgedey, Schuchhardt and Schuster 1992 (rnnjax.theory.mean_field); "
              "tolerance: n_h = {cube.setting.n_h}"),
)  # fmt: skip
