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

from __future__ import annotations

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import evenly, largest
from rnnjax.sweep import ActivationName, Traced, Variable
from rnnjax.theory import wide_networks

# Dimension and entropy rate per unit, by gain, at n_h = 4096.
_PUBLISHED = {1.5: (0.165113, 0.0027729), 3.0: (0.287168, 0.0251060), 5.0: (0.245943, 0.0389117)}
_COLOURS = (figures.BLUE, figures.VERMILION, figures.GREEN)
_WIDE = 500  # units from which finite-size effects stay within the tolerances
_SMALLEST = 200  # units of a limit


class Setting(sweep.Setting):
    """One network, and how long it is followed."""

    activation: ActivationName = "tanh"
    gain: PositiveFloat = Field(1.0, description="g, factor of the recurrent weights")
    seed: Traced[int] = Field(0, description="of the weights")
    n_h: int = Field(100, ge=2, le=4096, description="units")
    n_steps: PositiveInt = Field(1000, description="steps over which exponents are taken")
    n_discarded: NonNegativeInt = Field(200, description="steps before them")
    sizes: tuple[PositiveInt, ...] = Field(
        (), description="n_h of further networks, of which only the largest exponent is measured"
    )
    n_steps_sizes: PositiveInt = Field(2000, description="steps for these")
    axes = ("activation", "gain", "seed")

    @model_validator(mode="after")
    def _no_size_twice(self) -> Setting:
        if len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"sizes: expected each once, got {self.sizes}")
        return self


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Which exponent, and the sizes of the further networks."""
    found = {"index": np.arange(1, setting.n_h + 1)}
    return {**found, "size": np.array(setting.sizes)} if setting.sizes else found


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    rate, silent = "nat/step", "; -inf where a direction is lost for good"
    found = {
        "largest_exponent": Variable((), "largest Lyapunov exponent", rate),
        "largest_error": Variable((), "its standard error", rate),
        "spectrum": Variable(("index",), f"Lyapunov exponents, descending{silent}", rate),
        **sweep.named("kaplan_yorke_dimension", "entropy_rate"),
        "mean_log_det": Variable((), "mean of ln |det J_t|, the sum of all exponents", rate),
        "log_spectral_radius": Variable((), "natural log of the spectral radius of W", rate),
        "mean_square": Variable((), "mean of the squared pre-activations"),
    }
    if setting.sizes:
        message = "largest Lyapunov exponent of further networks"
        found["exponent_by_size"] = Variable(("size",), message, rate)
    return found


def shared(setting: Setting) -> tuple:
    """Weights of gain 1 of every size, and ln |det W| of the first."""
    key = jax.random.key(setting.seed)
    sizes = (setting.n_h, *setting.sizes)
    nets = [rnnjax.Vanilla(1, n, 1).init(jax.random.fold_in(key, n)) for n in sizes]
    return nets, jnp.linalg.slogdet(nets[0].W)[1]


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Measure the whole spectrum of one network and the largest exponents of the others."""
    nets, log_det = shared
    params, *further = (net._replace(W=setting.gain * net.W) for net in nets)
    cell, batch, found = _followed(setting, params, setting.n_steps)
    spectrum = found["exponents"]
    trajectory = rnnjax.unroll(cell, params, batch.x)
    z = (trajectory.h_prev @ params.W.T)[setting.n_discarded :]
    log_slopes = jnp.mean(jnp.sum(cell.activation.log_slope(z), axis=1))
    measured = {
        "largest_exponent": spectrum[0],
        "largest_error": found["exponents_error"][0],
        "spectrum": spectrum,
        "kaplan_yorke_dimension": rnnjax.analysis.kaplan_yorke_dimension(spectrum),
        "entropy_rate": rnnjax.analysis.entropy_rate(spectrum),
        "mean_log_det": log_det + setting.n_h * jnp.log(setting.gain) + log_slopes,
        "log_spectral_radius": rnnjax.matrices.log_spectral_radius(params.W),
        "mean_square": jnp.mean(z**2),
    }
    if further:
        of_sizes = [_followed(setting, net, setting.n_steps_sizes, 1)[2] for net in further]
        measured["exponent_by_size"] = jnp.stack([one["exponents"][0] for one in of_sizes])
    return measured


def _followed(
    setting: Setting, params: tuple, n_steps: int, n_exponents: int | None = None
) -> tuple[rnnjax.Vanilla, rnnjax.Batch, dict[str, jax.Array]]:
    """Return a cell, its inputs and its exponents; only the first input is not 0."""
    f = rnnjax.activation_named(setting.activation)
    cell = rnnjax.Vanilla(1, len(params.W), 1, activation=f)
    x = jnp.zeros((setting.n_discarded + n_steps, 1)).at[0].set(1.0)
    batch = rnnjax.Batch(x, jnp.zeros_like(x), jnp.ones(len(x)))
    options = {"n_exponents": n_exponents, "n_discarded": setting.n_discarded}
    return cell, batch, rnnjax.probes.lyapunov_spectrum(cell, None, params, batch, **options)


def figure(cube: xr.Dataset) -> figures.Figure:
    """The largest exponent, spectra, dimension and entropy rate over the gain."""
    frame, cube = figures.Frame(2, 2, height=4.6), cube.sortby("gain")
    a, b, c, d = frame.panels
    _draw_largest(a, cube)
    _draw_spectra(b, cube)
    _draw_per_unit(c, cube, "kaplan_yorke_dimension", 0, "Kaplan-Yorke dimension / $n_h$")
    _draw_per_unit(d, cube, "entropy_rate", 1, "entropy rate / $n_h$ (nat/step)")
    return frame.finished()


def _draw_over_gain(panel: figures.Axes, values: xr.DataArray, **axes) -> list:
    """Draw a curve for each activation, with a band of all networks."""
    names = map(str, values["activation"].values)
    looks = {n: figures.Look(n, c, "o", size=3) for n, c in zip(names, _COLOURS, strict=False)}
    drawn = figures.curves(panel, values, over="gain", each="activation", band="seed", looks=looks,
                           edges="extremes", xlabel="gain $g$", **axes)  # fmt: skip
    panel.margins(x=0.03)
    return drawn


def _draw_largest(panel: figures.Axes, cube: xr.Dataset) -> None:
    label = r"largest exponent $\lambda_1$ (nat/step)"
    drawn = _draw_over_gain(panel, cube["largest_exponent"], level=0, ylabel=label)
    gain, known = cube["gain"].values, np.isin(cube["activation"], wide_networks.ACTIVATIONS)
    fine = np.linspace(max(gain.min() - 0.05, 1.001), gain.max() + 0.05, 60)
    theory = figures.Look("mean field", figures.THEORY, dashes="--")
    for name in cube["activation"].values[known]:
        exponents = [wide_networks.largest_exponent(str(name), g) for g in fine]
        panel.plot(fine, exponents, **theory.line(linewidth=0.9, zorder=3))
    panel.legend(handles=[*drawn, theory.handle(linewidth=0.9)], loc="upper left")


def _draw_spectra(panel: figures.Axes, cube: xr.Dataset) -> None:
    """Draw exponents over their rank, the median over seeds, of the first activation."""
    one, n_h = evenly(cube.isel(activation=0), "gain", 5), cube.sizes["index"]
    spectrum = one["spectrum"].median("seed").assign_coords(rank=(cube["index"] - 0.5) / n_h)
    figures.curves(
        panel, spectrum, over="rank", each="gain", label="$g$ = {:.3g}", level=0,
        xlabel=r"rank $i / n_h$", ylabel=r"exponent $\lambda_i$ (nat/step)",
        title=str(one["activation"].item()),
    )  # fmt: skip
    panel.legend(loc="lower left")


def _draw_per_unit(
    panel: figures.Axes, cube: xr.Dataset, variable: str, place: int, label: str
) -> None:
    _draw_over_gain(panel, cube[variable] / cube.sizes["index"], ylabel=label)
    gain = cube["gain"]
    if "tanh" in cube["activation"].values:
        shown = {g: row[place] for g, row in _PUBLISHED.items() if gain.min() <= g <= gain.max()}
        look = figures.Look("tanh, $n_h$ = 4096", figures.BLACK, "x")
        panel.plot([*shown], [*shown.values()], **look.dots(label=look.label, zorder=4))
    panel.set_ylim(0, None)
    panel.legend(loc="best")


def _sum_rule(cube: xr.Dataset) -> float:
    """Return how far all exponents are from adding up to the mean of ln |det J_t|, a unit."""
    gap = abs(cube["spectrum"].sum("index") - cube["mean_log_det"]) / cube.sizes["index"]
    known = np.isfinite(cube["mean_log_det"])
    return largest(gap, known) if known.any() else 0.0


def _mean_by_size(one: xr.Dataset) -> xr.DataArray:
    return one["exponent_by_size"].mean("seed").isel(size=one["size"].argsort())


def _mean_field(one: xr.Dataset, gain: float) -> float:
    return wide_networks.largest_exponent("tanh", gain)


def _extrapolated(one: xr.Dataset) -> float:
    by_size = _mean_by_size(one)
    return np.polyfit(1 / by_size["size"].values, by_size.values, 1)[1]


def _per_unit(name: str, place: int, share: float) -> Row:
    """Return the row on a variable per unit; just above g = 1 some networks come near a cycle."""
    return Row(
        f"tanh, g = {{gain:g}}: {name.replace('_', ' ')} / n_h",
        lambda one: one[name].median("seed") / one.setting.n_h,
        equals=lambda one, gain: _PUBLISHED[gain][place],
        tolerance=lambda one, gain: share * _PUBLISHED[gain][place],
        when=lambda one: one.setting.n_h >= _WIDE,
        source=f"Clark 2026, simulation at n_h = 4096; tolerance {share:.0%}",
        reproduces="Clark 2026 (preprint), spectrum at n_h = 4096",
    )


_RESTING, _SMOOTH = ("tanh", "erf", "hard_tanh"), ("tanh", "erf", "sigmoid")
_DMFT = "mean field: ln(chi)/2 (Molgedey, Schuchhardt and Schuster 1992)"
CLAIMS = (
    Row("sum of the exponents minus mean ln |det J_t|, per unit, worst", _sum_rule, equals=0,
        tolerance=1e-4, source="exact: |det J| is the product of |R_ii|; tolerance: float32"),
    # A complex pair turns the direction: what is left after T steps is bounded over T.
    Row("g <= 0.8: largest exponent minus ln rho(W), worst",
        lambda one: largest(abs(one["largest_exponent"] - one["log_spectral_radius"])),
        at={"activation": _RESTING, "gain": lambda gain: gain <= 0.8}, equals=0,
        tolerance=lambda one: 5 / one.setting.n_steps,
        source="exact at the fixed point h = 0; tolerance: 5 nat over all steps"),
    Row("smooth activations: share of finite exponents",
        lambda one: np.isfinite(one["spectrum"]).mean(), at={"activation": _SMOOTH}, equals=1,
        source="exact: W is invertible and no slope is 0"),
    Group((
        Group((
            Row(lambda one, gain:
                    f"tanh, g = {gain:g}: largest exponent at n_h = {int(one['size'].max())}",
                lambda one: _mean_by_size(one).isel(size=-1), tolerance=0.01,
                when=lambda one: one["size"].max() >= 1000, equals=_mean_field,
                source=f"{_DMFT}; tolerance: finite n_h"),
            Row("tanh, g = {gain:g}: largest exponent, extrapolated to n_h = oo", _extrapolated,
                when=lambda one: one.sizes["size"] >= 3 and one["size"].min() >= _SMALLEST,
                equals=_mean_field, tolerance=0.005, source=f"{_DMFT}; linear in 1/n_h"),
        ), when=lambda one: "exponent_by_size" in one,
           reproduces="Molgedey, Schuchhardt and Schuster 1992, largest exponent"),
        _per_unit("kaplan_yorke_dimension", 0, 0.05),
        _per_unit("entropy_rate", 1, 0.08),
    ), at={"activation": "tanh"}, for_each={"gain": tuple(_PUBLISHED)}),
)  # fmt: skip
