"""When is a random network chaotic, and how many of its directions grow?

Command:   rnnjax run lyapunov
           rnnjax run lyapunov --config experiments/lyapunov.wide.toml --out results/lyapunov_wide
Run time:  about a minute on 2 cores, compiling included; wide: about ten minutes.
Figure:    h_t = f(W h_{t-1}), W_ij ~ N(0, g^2/n_h), over the gain g; bands span all networks. a:
           largest Lyapunov exponent; dashed: mean field. b: median spectrum. c, d: Kaplan-Yorke
           dimension and entropy rate per unit; crosses: published. A single gain: all networks.
Source:    Molgedey, Schuchhardt and Schuster, Suppressing chaos in neural networks by noise,
           Physical Review Letters, 1992 (the largest exponent); Clark, Lyapunov spectrum of random
           neural networks, preprint, 2026 (the spectrum at n_h = 4096).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import evenly, largest, median, tabulate
from rnnjax.sweep import ActivationName, Traced, Variable
from rnnjax.theory import wide_networks

# Dimension and entropy rate per unit, by gain, at n_h = 4096.
_PUBLISHED = {1.5: (0.165113, 0.0027729), 3.0: (0.287168, 0.0251060), 5.0: (0.245943, 0.0389117)}
_LARGEST_GAIN = 100  # beyond it logs of slopes, -2 |z|, have lost the digits that claims are on
_MARKS = (figures.Look("mean field", figures.THEORY, dashes="--"),
          figures.Look("$n_h$ = 4096", figures.BLACK, "x", "none", size=5))  # fmt: skip


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
    per_unit = cube[["kaplan_yorke_dimension", "entropy_rate"]] / cube.sizes["index"]
    legend = _draw_over_gain(a, cube["largest_exponent"], r"exponent $\lambda_1$ (nat/step)")
    _draw_spectra(b, cube)
    legend += _draw_over_gain(c, per_unit["kaplan_yorke_dimension"], "dimension / $n_h$", 1)
    legend += _draw_over_gain(d, per_unit["entropy_rate"], "entropy rate / $n_h$ (nat/step)", 2)
    return frame.finished(legend)


def answer(cube: xr.Dataset) -> str:
    """Where networks are chaotic, and how large the dimension becomes."""
    exponent, n_h, told = median(cube["largest_exponent"]), cube.sizes["index"], ""
    for name in cube["activation"].values:
        where = figures.where_positive(exponent.sel(activation=name), "gain")
        most = median(cube["kaplan_yorke_dimension"].sel(activation=name)).max() / n_h
        are = "expand" if name == "identity" else "are chaotic"  # no linear network is chaotic
        told += f"{name} networks of {n_h} units {are} {where}. "
        told += f"Largest Kaplan-Yorke dimension a unit: {most:.2g}. ".replace("nan", "unknown")
    return told.strip()


def _reference(activation: str, gain: float, place: int) -> float:
    """Return the largest exponent of mean field (place 0), or a published number of tanh."""
    if place:
        return _PUBLISHED.get(gain, (np.nan, np.nan))[place - 1] if activation == "tanh" else np.nan
    known = activation in wide_networks.ACTIVATIONS
    return wide_networks.largest_exponent(str(activation), gain) if known else np.nan


def _draw_over_gain(panel: figures.Axes, values: xr.DataArray, label: str, place: int = 0) -> list:
    """Draw a curve for each activation, with a band of all networks, and its references."""
    known = tabulate(lambda activation, gain: _reference(activation, gain, place),
                     activation=values["activation"], gain=values["gain"])  # fmt: skip
    looks, marks = figures.distinct_looks(values["activation"].values, size=3), _MARKS[place > 0]
    if values.sizes["gain"] == 1:
        numbers = 1.2 * np.concatenate([values.values.ravel(), known.values.ravel(), [0]])
        numbers = numbers[np.isfinite(numbers)]
        figures.dot_rows(panel, values.isel(gain=0), rows="activation", looks=looks, xlabel=label,
                         xlim=(numbers.min(), numbers.max()))  # fmt: skip
        dashed = {"color": marks.colour, "dashes": "--", "label": marks.label}
        known = known.values[np.isfinite(known.values)]
        return [figures.level(panel, x=number, **dashed) for number in known]
    drawn = figures.curves(panel, values, over="gain", each="activation", band="seed", looks=looks,
                           edges="extremes", xlabel="gain $g$", ylabel=label)  # fmt: skip
    panel.margins(x=0.03)
    for name, look in looks.items():
        panel.plot(known["gain"], known.sel(activation=name), **marks.line(color=look.colour))
    return [*drawn, marks.handle()]


def _draw_spectra(panel: figures.Axes, cube: xr.Dataset) -> None:
    one, n_h = evenly(cube.isel(activation=0), "gain", 5), cube.sizes["index"]
    spectrum = one["spectrum"].median("seed").assign_coords(rank=(cube["index"] - 0.5) / n_h)
    figures.curves(
        panel, spectrum, over="rank", each="gain", label="$g$ = {:.3g}", level=0, yscale="asinh",
        xlabel=r"rank $i / n_h$", ylabel=r"exponent $\lambda_i$ (nat/step)",
        title=f"{one['activation'].item()}, $n_h$ = {n_h}",
    )  # fmt: skip
    low, high = panel.get_ylim()
    figures.ticks(panel, "y", [y for y in (-100, -30, -10, -3, -1, 0, 1) if low <= y <= high])
    panel.legend(loc="lower left", fontsize=7)


def _mean_by_size(one: xr.Dataset) -> xr.DataArray:
    return one["exponent_by_size"].mean("seed").isel(size=one["size"].argsort())


def _mean_field(one: xr.Dataset, gain: float) -> float:
    return _reference("tanh", gain, 0)


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
        when=lambda one: one.setting.n_h >= 500,  # then the finite size is within the tolerances
        source=f"Clark 2026, simulation at n_h = 4096; tolerance {share:.0%}",
        reproduces="Clark 2026 (preprint), spectrum at n_h = 4096",
    )


_RESTING, _SMOOTH = ("tanh", "erf", "hard_tanh"), ("tanh", "erf", "sigmoid")
_DMFT = "mean field: ln(chi)/2 (Molgedey, Schuchhardt and Schuster 1992)"
CLAIMS = (
    every_run("sum of the exponents minus mean ln |det J_t|, per unit, worst",
        lambda one: abs(one["spectrum"].sum("index") - one["mean_log_det"]) / one.sizes["index"],
        where=lambda cube: np.isfinite(cube["mean_log_det"]), equals=0, tolerance=1e-4,
        at={"gain": lambda gain: gain <= _LARGEST_GAIN},
        source="exact: |det J| is the product of |R_ii|; tolerance: float32"),
    # A complex pair turns the direction: what is left after T steps is bounded over T.
    Row("g <= 0.8: largest exponent minus ln rho(W), worst",
        lambda one: largest(abs(one["largest_exponent"] - one["log_spectral_radius"])),
        at={"activation": _RESTING, "gain": lambda gain: gain <= 0.8}, equals=0,
        tolerance=lambda one: 5 / one.setting.n_steps,
        source="exact at the fixed point h = 0; tolerance: 5 nat over all steps"),
    Row("smooth activations: share of finite exponents",
        lambda one: np.isfinite(one["spectrum"]).mean(), equals=1,
        at={"activation": _SMOOTH, "gain": lambda gain: gain <= _LARGEST_GAIN},
        source="exact: W is invertible and no slope is 0"),
    Group((
        Group((
            Row(lambda one, gain:
                    f"tanh, g = {gain:g}: largest exponent at n_h = {int(one['size'].max())}",
                lambda one: _mean_by_size(one).isel(size=-1), tolerance=0.01,
                when=lambda one: one["size"].max() >= 1000, equals=_mean_field,
                source=f"{_DMFT}; tolerance: finite n_h"),
            Row("tanh, g = {gain:g}: largest exponent, extrapolated to n_h = oo", _extrapolated,
                when=lambda one: one.sizes["size"] >= 3 and one["size"].min() >= 200,
                equals=_mean_field, tolerance=0.005, source=f"{_DMFT}; linear in 1/n_h"),
        ), when=lambda one: "exponent_by_size" in one,
           reproduces="Molgedey, Schuchhardt and Schuster 1992, largest exponent"),
        _per_unit("kaplan_yorke_dimension", 0, 0.05),
        _per_unit("entropy_rate", 1, 0.08),
    ), at={"activation": "tanh"}, for_each={"gain": tuple(_PUBLISHED)}),)  # fmt: skip
