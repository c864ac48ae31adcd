"""Which cells keep a gradient, and what do they let in meanwhile?

Command:   rnnjax run cell_gallery
Run time:  about 3 minutes on 2 cores, compiling included.
Figure:    A number of each cell, such as a forget bias, is swept. a, b: what is left of the
           gradient of the last state k steps back, by inputs, at the level that keeps most. c: let
           in, |dL/dx| / |dL/dh| a step, over the lag at which 0.01 is left; points: levels; grey:
           not fallen in T steps; numbers: as in a. d: exponents at the level of a, a dash each.
Source:    the papers named in the files of `rnnjax/cells`. The comparison is ours.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import largest, median
from rnnjax.sweep import Named, Traced, Variable

PRECISION = "float64"
COMPILE = "quickly"
_LIMIT, _LOWEST = 3.0, 4.0  # decades of panels a and b, nat a step of panel d
_FAMILIES = {
    "one sum": (figures.GREY, ("Vanilla", "IndRNN", "Antisymmetric", "OrthogonalRNN")),
    "gates that read the state": (figures.BLUE, ("LSTM", "GRU", "MinimalRNN", "SLSTM")),
    "decays": (figures.ORANGE, ("MinGRU", "MinLSTM", "RGLRU", "LRU", "S5", "S6")),
    "matrices": (figures.GREEN, ("MLSTM", "GatedLinearAttention", "Retention", "DeltaNet",
                                 "GatedDeltaNet")),
    "oscillators": (figures.VERMILION, ("CoRNN", "UnICORNN")),
    "spikes": (figures.PINK, ("LIF", "ALIF")),
}  # fmt: skip
_SEQUENCES = {"white_noise": "white noise", "eeg": "EEG", "text": "text"}
_CONTRACTING = ("MinGRU", "MinLSTM", "LRU", "RGLRU", "S5", "S6", "GatedLinearAttention",
                "Retention", "DeltaNet", "GatedDeltaNet", "MLSTM")  # fmt: skip


class Setting(sweep.Setting):
    """One cell, the number of it that is swept, and what it listens to."""

    cell: Annotated[str, Named("cells")] = "LSTM"
    knob: str = Field("forget_bias", description="the field of the cell that is swept")
    low: float = Field(-2.0, description="its value at level 0")
    high: float = Field(6.0, description="its value at level 1")
    inputs: Literal["white_noise", "eeg", "text"] = "white_noise"
    level: Traced[float] = Field(0.5, ge=0, le=1, description="where between both values")
    seed: Traced[int] = Field(0, description="of weights and white noise")
    n_entries: PositiveInt = Field(32, description="state entries that steps read, at most")
    length: int = Field(256, ge=16, le=800, description="steps T")
    axes = (("case", "cell", "knob", "low", "high"), "inputs", "level", "seed")


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Lags 0..T and the places of exponents from the largest to the smallest."""
    return {"lag": np.arange(setting.length + 1), "place": np.linspace(0, 1, 16)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        "log_norm": Variable(("lag",), "ln ||dL_T/dh_(T-lag)||", "nat"),
        "horizon": Variable((), "lag at which 0.01 is left", "step", infinite="beyond"),
        "let_in": Variable((), "mean of ln ||dL/dx_t|| / ||dL/dh_t|| over steps", "nat"),
        "exponent": Variable(("place",), "exponents, evenly from first to last", "nat/step"),
    }


def shared(setting: Setting) -> tuple[jax.Array, jax.Array]:
    """Inputs, (T, n_x), and the key of the weights, the same for every cell."""
    key_x, key = jax.random.split(jax.random.key(setting.seed))
    if setting.inputs == "white_noise":
        return jax.random.normal(key_x, (setting.length, 4)), key
    sequence = {"eeg": rnnjax.sequences.eeg, "text": rnnjax.sequences.text}[setting.inputs]()
    return jnp.asarray(sequence[: setting.length], float), key


def measure(setting: Setting, shared: tuple[jax.Array, jax.Array]) -> dict[str, jax.Array]:
    """Measure one cell at one level on one sequence."""
    x, key = shared
    knob = {setting.knob: setting.low + setting.level * (setting.high - setting.low)}
    cell = rnnjax.cells.of_size(setting.cell, setting.n_entries, n_x=x.shape[1], **knob)
    params = cell.init(key)
    batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))
    found = rnnjax.probes.gradient_horizon(cell, None, params, batch)
    by_lag = rnnjax.probes.log_norm_by_lag(cell, None, params, batch)
    n_read = cell.n_h - rnnjax.dynamics.traits(cell).n_unread
    spectrum = rnnjax.probes.lyapunov_spectrum(cell, None, params, batch, n_exponents=n_read)
    places = np.round(np.linspace(0, n_read - 1, 16)).astype(int)
    return {
        "log_norm": by_lag["log_norm"],
        "horizon": found["horizon"],
        "let_in": _let_in(cell, params, batch),
        "exponent": spectrum["exponents"][places],
    }


def _let_in(cell: Any, params: Any, batch: rnnjax.Batch) -> jax.Array:
    """Return the mean of ln ||dL/dx_t|| / ||dL/dh_t|| over steps."""
    deltas = rnnjax.adjoint.adjoint(cell, None, params, batch)
    before = rnnjax.unroll(cell, params, batch.x).h_prev

    def one(h: jax.Array, x: jax.Array, delta: jax.Array) -> jax.Array:
        new, pull = jax.vjp(lambda x: cell.step(params, h, x), x)
        size = jnp.linalg.norm(pull(delta.astype(new.dtype))[0])
        return jnp.log(size) - jnp.log(jnp.linalg.norm(delta))

    # Where silent units have let nothing come back there is nothing to compare.
    each = jax.vmap(one)(before, batch.x, deltas.value[1:])
    return jnp.nanmean(jnp.where(jnp.isfinite(each), each, jnp.nan))


def _name(cell: str) -> str:
    kind = str(cell).partition("(")[0]
    return f"{kind} [−1, 1]" if "negative=True" in str(cell) else kind


def _family(cell: str) -> str:
    kind = str(cell).partition("(")[0]
    return next((name for name, (_, kinds) in _FAMILIES.items() if kind in kinds), "one sum")


def _colour(cell: str) -> str:
    return _FAMILIES[_family(cell)][0]


def _at_best(cube: xr.Dataset) -> xr.Dataset:
    """Return the cube at the level of each cell that keeps most under the first kind of inputs."""
    by_lag = median(cube["log_norm"].isel(inputs=0, drop=True))
    left = by_lag.isel(lag=-1, drop=True) - by_lag.isel(lag=0, drop=True)
    # What grows keeps no gradient: the level at which least is lost or gained.
    return cube.isel(level=abs(left).fillna(np.inf).argmin("level"))


def figure(cube: xr.Dataset) -> figures.Figure:
    """Gradients by lag under two kinds of inputs, what is let in, exponents."""
    best = _at_best(cube)
    left = median(best["log_norm"] - best["log_norm"].isel(lag=0)) / math.log(10)
    order = np.argsort(abs(left.isel(inputs=0, lag=-1).values))
    cube, best, left = (one.isel(case=order) for one in (cube, best, left))
    frame = figures.Frame(2, 2, height=2.4 + 0.27 * len(order))
    noise, real, let_in, exponents = frame.panels
    for panel, inputs in zip((noise, real), left["inputs"].values[:2], strict=False):
        _draw_left(frame, panel, left.sel(inputs=inputs))
    _draw_let_in(let_in, cube.isel(inputs=0))
    _draw_exponents(exponents, best.isel(inputs=0))
    for panel in (noise, real, exponents):
        _name_rows(panel, left["cell"].values)
    looks = {name: figures.Look(name, colour) for name, (colour, _) in _FAMILIES.items()}
    return frame.finished(figures.handles(looks, map(_family, left["cell"].values)), ncols=3)


def answer(cube: xr.Dataset) -> str:
    """How many cells keep a gradient, and what these let in."""
    best = _at_best(cube).isel(inputs=0)
    left = median(best["log_norm"].isel(lag=-1) - best["log_norm"].isel(lag=0)) / math.log(10)
    let_in = zip(np.exp(best["let_in"].median("seed").values), best["cell"].values, strict=True)
    kept = sorted(one for one, of in zip(let_in, left.values, strict=True) if abs(of) <= 1)
    ends = [f"{x:.2g} ({_name(cell)})" for x, cell in kept[:: max(1, len(kept) - 1)]]
    return (f"{len(kept)} of {left.size} cells keep a gradient within a factor of 10 over "
            f"{cube.sizes['lag'] - 1} steps of {_SEQUENCES[str(best['inputs'].item())]}."
            + f" They let in |dL/dx| / |dL/dh| of {' to '.join(ends)}." * bool(ends))  # fmt: skip


def _name_rows(panel: figures.Axes, cells: np.ndarray) -> None:
    names = [f"{_name(cell)}  {number}" for number, cell in enumerate(cells, 1)]
    panel.set_yticks(range(len(names)), names, fontsize=7)
    for label, cell in zip(panel.get_yticklabels(), cells, strict=True):
        label.set_color(_colour(cell))


def _draw_left(frame: figures.Frame, panel: figures.Axes, left: xr.DataArray) -> None:
    values = np.clip(left.transpose("case", "lag").values[:, 1:], -_LIMIT, _LIMIT)
    drawn = panel.imshow(values, aspect="auto", cmap="RdBu_r", vmin=-_LIMIT, vmax=_LIMIT,
                         interpolation="nearest")  # fmt: skip
    panel.set(xlabel="lag $k$ (steps)", title=_SEQUENCES[str(left["inputs"].item())])
    frame.figure.colorbar(drawn, ax=panel, label=r"$\log_{10}$ of what is left", extend="both")


def _draw_let_in(panel: figures.Axes, cube: xr.Dataset) -> None:
    beyond = 1.4 * (cube.sizes["lag"] - 1)
    horizon = np.minimum(median(cube["horizon"]).fillna(np.inf), beyond)
    let_in = np.exp(cube["let_in"].median("seed"))
    # Of levels that keep as long, the last one.
    best = horizon.sizes["level"] - 1 - horizon.isel(level=slice(None, None, -1)).argmax("level")
    rank = np.argsort(np.argsort(let_in.isel(level=best).values))
    for i, (cell, at) in enumerate(zip(cube["cell"].values, best.values, strict=True)):
        x, y = (values.isel(case=i).values for values in (horizon, let_in))
        panel.plot(x, y, color=_colour(cell), marker="o", linewidth=0.7, markersize=2.5)
        shift = 4 + 9 * (rank[i] % 4) if x[at] == beyond else 3
        panel.annotate(str(i + 1), (x[at], y[at]), (shift, 0), color=_colour(cell),
                       textcoords="offset points", fontsize=6.5, va="center")  # fmt: skip
    panel.axvspan(cube.sizes["lag"] - 1, 3.4 * beyond, color="#eeeeee", zorder=0)
    panel.set(xscale="log", yscale="log", xlabel="lag at which 0.01 is left (steps)",
              xlim=(2.5, 3.4 * beyond), title="let in")  # fmt: skip


def _draw_exponents(panel: figures.Axes, best: xr.Dataset) -> None:
    exponent = best["exponent"].median("seed").transpose("case", "place").values
    for row, (cell, values) in enumerate(zip(best["cell"].values, exponent, strict=True)):
        panel.plot(np.maximum(values, -_LOWEST), [row] * len(values), "|", c=_colour(cell), ms=7)
    panel.set_xscale("symlog", linthresh=0.01)
    panel.set_xticks([-1, -0.1, -0.01, 0, 0.01], ["−1", "−.1", "−.01", "0", ".01"])
    panel.set_xticks([], minor=True)
    panel.set(xlabel=f"exponents (nat/step), clipped at −{_LOWEST:g}", title="exponents",
              xlim=(-1.15 * _LOWEST, 0.05))  # fmt: skip
    panel.invert_yaxis()
    figures.level(panel, x=0, color=figures.GREY)


def _of(cube: xr.Dataset, names: tuple[str, ...]) -> xr.Dataset:
    cells = [str(cell).partition("(")[0] in names for cell in cube["cell"].values]
    return cube.isel(case=np.flatnonzero(cells))


def _min_gru_exponent(one: xr.Dataset) -> float:
    """Return -E softplus(u), u ~ N(-b, 1 + spread of the weights), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    bias = float(one["low"].item())
    return -float(weights @ np.logaddexp(0, nodes - bias) / math.sqrt(2 * math.pi))


CLAIMS = (
    Group((
        Row("cells that are linear in h: largest exponent, worst",
            lambda one: largest(one["exponent"]), at_most=0, tolerance=1e-9),
        Row("the same: gradient at any lag over that at lag 0, worst, nats",
            lambda one: largest(one["log_norm"] - one["log_norm"].isel(lag=0)), at_most=0,
            tolerance=1e-9),
    ), part=lambda cube: _of(cube, _CONTRACTING),
        source="closed form: no factor of their steps exceeds 1"),
    Row("orthogonal, no bias: exponents from 0, worst",
        lambda one: largest(abs(one["exponent"])), equals=0, tolerance=1e-9,
        part=lambda cube: _of(cube, ("OrthogonalRNN",)), at={"level": lambda level: level == 1},
        source="closed form: W is orthogonal"),
    Row("retention: fall of the gradient a lag behind lag 1 minus ln(31/32), worst",
        lambda one: largest(abs(one["log_norm"].diff("lag").isel(lag=slice(1, None))
                                - math.log(31 / 32))),
        equals=0, tolerance=1e-9, part=lambda cube: _of(cube, ("Retention",)), unit="nat",
        source="closed form: gamma = 1 - 2^-5 of the first head (Sun et al. 2023)"),
    Row("minGRU: mean exponent over cells, level 0, from -E softplus of its gate, white noise",
        lambda one: one["exponent"].mean(), equals=_min_gru_exponent, tolerance=0.1,
        part=lambda cube: _of(cube, ("MinGRU",)), at={"inputs": "white_noise", "level": 0.0},
        source="closed form: J = diag(1 - z); tolerance: 4 seeds of 256 steps"),
)  # fmt: skip
