"""Does a network carry gradients over longer lags once its Lyapunov exponents were pulled to 0?

Command:   rnnjax run gradient_flossing
Run time:  about five minutes on 2 cores, compiling included.
Figure:    A tanh network before and after flossing, which pulls its first k Lyapunov exponents to
           0; means over seeds. a: eight exponents over flossing updates, at the largest k. b: the
           spectrum on a long fresh sequence; marks: exponent k. c: ||dL/dh|| by lag, over that at
           lag 0. d: condition number s_1/s_k of the product of Jacobians by lag, before (dashed, in
           a darker tone) and after. What such a network learns is shown by `flossed_training`.
Source:    Engelken, Gradient flossing: improving gradient descent through dynamic control of
           Jacobians, NeurIPS 2023. There T = 300, states are pre-activations, the initial state is
           learned and flossing takes 500 updates; here T = 60, initial states are 0, and flossing
           takes 1500 updates, because 500 leave 75 exponents at 0.13.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.sweep import Traced, Variable

_N_SHOWN = 8  # exponents kept over the flossing updates
_N_SETTLING = 100  # steps of the long sequence that are not counted
_LAGS = (10, 20, 30)
_LONG_ENOUGH = 300  # updates from which claims on what was reached are made


class Setting(sweep.Setting):
    """How large the network is, and how it is flossed."""

    n_flossed: PositiveInt = Field(1, description="k, exponents that are pulled to 0")
    gain: PositiveFloat = 1.0
    seed: Traced[int] = 0
    n_h: int = Field(80, ge=2, description="units")
    n_points: int = Field(10, ge=1, description="points of a curve")
    flossing_per_point: PositiveInt = Field(50, description="flossing updates")
    window: PositiveInt = Field(55, description="steps of a flossing sequence")
    n_discarded: PositiveInt = Field(16, description="of these, not counted")
    learning_rate: PositiveFloat = Field(0.001, description="of Adam")
    delay: PositiveInt = Field(15, description="d of the loss whose gradient is followed")
    length: PositiveInt = Field(60, description="its steps T")
    n_long: int = Field(400, ge=120, description="steps of the long fresh sequence")
    axes = ("n_flossed", "gain", "seed")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 2 * self.delay >= self.length:
            raise ConfigError("delay", f"expected at most (T - 1) / 2, got {self.delay}")
        if self.n_flossed > self.n_h:
            raise ConfigError("n_flossed", f"expected at most n_h = {self.n_h}")
        return self


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Stages, exponents, lags, and the points of flossing."""
    return {
        "stage": np.array(["start", "flossed"]),
        "index": np.arange(1, setting.n_h + 1),
        "product_lag": np.array(_LAGS),
        "lag": np.arange(setting.length + 1),
        "share": np.linspace(0, 1, _N_SHOWN),
        "flossing": np.arange(1, setting.n_points + 1) * setting.flossing_per_point,
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    chosen = "exponents 1 to k of a flossing sequence, evenly chosen"
    spectrum = Variable(("stage", "index"), "exponents on a long fresh sequence", "nat/step")
    products = Variable(
        ("stage", "product_lag", "index"), "ln singular values of dh_T/dh_{T-lag}", "nat"
    )
    return {
        **sweep.named("mean_log_det", "log_norm", before=("stage",)),
        "flossing_exponents": Variable(("flossing", "share"), chosen, "nat/step"),
        "spectrum": spectrum,
        "log_singular": products,
    }


def _cell(setting: Setting) -> rnnjax.Vanilla:
    return rnnjax.Vanilla(1, setting.n_h, 1, bias_gain=0.1, gain=setting.gain)


def shared(setting: Setting) -> Any:
    """Draw weights, the same at every gain but for it, and sequences; floss the network."""
    # The keys are those of `flossed_training`, which trains the same networks.
    keys, draw = jax.random.split(jax.random.key(setting.seed), 7), jax.random.bernoulli
    n_updates = setting.n_points * setting.flossing_per_point
    of_flossing = draw(keys[1], shape=(n_updates, setting.window))
    start = _cell(setting).init(keys[0])
    penalty = rnnjax.penalties.Flossing(setting.n_flossed, setting.n_discarded)
    adam = optax.adam(setting.learning_rate)
    batches = rnnjax.tasks.temporal_xor.without_answers(of_flossing)
    flossed, exponents = penalty.descend(_cell(setting), start, batches, adam)
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), start, flossed)
    every = setting.flossing_per_point
    long, asked = draw(keys[4], shape=(setting.n_long,)), draw(keys[5], shape=(setting.length,))
    return both, exponents[every - 1 :: every], long, asked


def measure(setting: Setting, shared: Any) -> dict[str, jax.Array]:
    """Measure how a network carries perturbations and gradients, before and after flossing."""
    both, exponents, long, asked = shared
    kept = np.round(np.linspace(0, setting.n_flossed - 1, _N_SHOWN)).astype(int)
    cell, probes = _cell(setting), rnnjax.probes
    batch = rnnjax.tasks.temporal_xor.without_answers(long)
    task = rnnjax.tasks.TemporalXOR(setting.delay, setting.length)
    last = jax.tree.map(lambda a: a[-max(_LAGS) :], batch)

    def of_one(params: Any) -> dict[str, jax.Array]:
        at = cell, None, params
        spectrum = probes.lyapunov_spectrum(*at, batch, n_discarded=_N_SETTLING)
        singular = probes.log_singular_values(*at, last, every=_LAGS[0])
        return {
            "spectrum": spectrum["exponents"],
            **probes.mean_log_det(*at, batch, n_discarded=_N_SETTLING),
            "log_singular": singular["log_singular_values"],
            **probes.log_norm_by_lag(cell, task.loss, params, task.sequence(asked)),
        }

    return {**jax.lax.map(of_one, both), "flossing_exponents": exponents[:, kept]}


def _log_condition(cube: xr.Dataset) -> xr.DataArray:
    """Return log10 s_1/s_k of the products of Jacobians, with the k of each network."""
    values = cube["log_singular"] / math.log(10)
    return values.sel(index=1) - values.sel(index=cube["n_flossed"])


def figure(cube: xr.Dataset) -> figures.Figure:
    """Exponents and transport at the gain next to 1, before and after flossing."""
    at = cube.sortby(["n_flossed", "gain"]).sel(gain=1, method="nearest")
    frame = figures.Frame(2, 2, height=4.8)
    flossing, spectra, norms, conditions = frame.panels
    looks = figures.distinct_looks(at["n_flossed"].values, "$k$ = {}", size=4)
    _draw_flossing(flossing, at.isel(n_flossed=-1))
    _draw_stages(spectra, at["spectrum"], looks, over="index", xlabel="exponent $i$", level=0,
                 ylabel=r"$\lambda_i$ (nat/step)", ylim=(-4, 0.3))  # fmt: skip
    for k, look in looks.items():
        last = at["spectrum"].sel(n_flossed=k, stage="flossed", index=k).mean("seed")
        spectra.plot(k, last, **look.dots(clip_on=False))
    spectra.legend(loc="lower left", fontsize=7)
    lines = _draw_stages(
        norms, _relative_norm(at), looks, over="lag", xlabel="lag $l$ (steps)",
        ylabel=r"$\log_{10} \|\mathrm{d}L_T/\mathrm{d}h_{T-l}\|$, relative",
    )  # fmt: skip
    figures.direct_labels(norms, lines)
    _draw_conditions(conditions, _log_condition(at).mean("seed"), looks)
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """What is left of a gradient at the longest lag, before and after flossing."""
    at = cube.sortby(["n_flossed", "gain"]).sel(gain=1, method="nearest").isel(n_flossed=-1)
    k, left = at["n_flossed"].item(), _relative_norm(at).mean("seed").isel(lag=-1)
    before, after = (10 ** left.sel(stage=stage).item() for stage in ("start", "flossed"))
    exponents = abs(at["spectrum"].sel(index=slice(1, k))).mean(["index", "seed"])
    started, flossed = (exponents.sel(stage=stage).item() for stage in ("start", "flossed"))
    told = (
        f"Over {at['lag'].values[-1]} steps a gradient changes by the factor {before:.2g} before, "
        f"{after:.2g} after flossing of {k} exponent{'s' * (k > 1)}. "
        f"{'Their' if k > 1 else 'Its'} mean |lambda| on a fresh sequence is {started:.2g} before, "
        f"{flossed:.2g} nat a step after it. Gain {at['gain']:g}."
    )
    return told.replace("nan", "unknown")


def _relative_norm(at: xr.Dataset) -> xr.DataArray:
    """Return log10 of the norm of the gradient over that at lag 0."""
    norm = at["log_norm"] / math.log(10)
    return norm - norm.isel(lag=0)


def _draw_flossing(panel: figures.Axes, at: xr.Dataset) -> None:
    k, values = int(at["n_flossed"]), at["flossing_exponents"].mean("seed")
    looks = {share: replace(look, label=f"$i$ = {round(share * (k - 1)) + 1}")
             for share, look in figures.ordered_looks(values["share"].values).items()}  # fmt: skip
    lines = figures.curves(
        panel, values, over="flossing", each="share", looks=looks, level=0, title=f"$k$ = {k}",
        xlabel="flossing updates", ylabel=r"$\lambda_i$ (nat/step)",
    )  # fmt: skip
    shown = {line.get_label(): line for line in [*lines[:: len(lines) // 2], lines[-1]]}
    panel.legend(handles=[*shown.values()], loc="lower right", fontsize=7)


def _draw_stages(
    panel: figures.Axes, values: xr.DataArray, looks: dict[int, Look], **axes: Any
) -> list[Any]:
    """Draw a mean over seeds: before flossing in grey, and after it for each k."""
    values, line = values.mean("seed"), {"marker": "", "linewidth": 1.5}
    before, after = (values.sel(stage=stage, drop=True) for stage in ("start", "flossed"))
    before = before.isel(n_flossed=[0]).assign_coords(n_flossed=[0])
    both = xr.concat([before, after], "n_flossed", coords="minimal")
    looks = {0: Look("before", figures.GREY), **looks}
    return figures.curves(panel, both, each="n_flossed", looks=looks, line=line, **axes)


def _draw_conditions(panel: figures.Axes, values: xr.DataArray, looks: dict[int, Look]) -> None:
    legend = figures.curves(
        panel, values.sel(stage="flossed"), over="product_lag", each="n_flossed",
        looks={k: look for k, look in looks.items() if k > 1}, ylim=(0, None),
        theory={"before": values.sel(stage="start")}, xlabel="lag $l$ (steps)",
        line={"clip_on": False}, ylabel=r"$\log_{10} (s_1 / s_k)$",
    )  # fmt: skip
    figures.ticks(panel, "x", values["product_lag"].values)
    panel.legend(handles=legend, loc="upper left", fontsize=7)


def _next_to_1(cube: xr.Dataset) -> dict[str, Any]:
    gain = cube["gain"].sortby("gain").sel(gain=1, method="nearest").item()
    gains = [gain] if 0.5 <= gain <= 2 else []  # from elsewhere the way to 0 is too long
    return {"n_flossed": np.sort(cube["n_flossed"].values), "gain": gains}


_PAPER = "Engelken, Gradient flossing, NeurIPS 2023"
CLAIMS = (
    every_run("sum of all exponents minus mean ln |det J|, nat/step, worst",
        lambda one: abs(one["spectrum"].sum("index") - one["mean_log_det"]) / one.sizes["index"],
        at={"gain": lambda gain: gain <= 100},  # beyond it logs of slopes, -2 |z|, lose the digits
        equals=0, tolerance=1e-4,
        source="exact for any QR decomposition; float32, per unit"),
    Group((
        Group((
            Row("mean |lambda| of the first {n_flossed}, g = {gain:g}, fresh flossing sequence",
                lambda one: abs(one["flossing_exponents"].isel(flossing=-1)).mean(skipna=False),
                equals=0),
            Row("mean |lambda| of the first {n_flossed}, g = {gain:g}, long fresh sequence",
                lambda one, n_flossed: abs(one["spectrum"].sel(
                    stage="flossed", index=slice(1, n_flossed))).mean(skipna=False), equals=0),
        ), tolerance=0.02, source=f"{_PAPER}: the exponents reach 0; the bound is ours",
           reproduces="Engelken 2023, exponents under gradient flossing (curves; bounds are ours)"),
        Row("condition number s_1/s_{n_flossed} at lag 30: decades gained, median",
            lambda one: _log_condition(one).sel(product_lag=30).diff("stage").median(),
            at_most=-1, when=lambda one, n_flossed: n_flossed > 1,
            source=f"{_PAPER}: it falls",
            reproduces="Engelken 2023, condition number (curves; the bound is ours)"),
    ), for_each=_next_to_1, when=lambda one: one["flossing"].values[-1] >= _LONG_ENOUGH),
)  # fmt: skip
