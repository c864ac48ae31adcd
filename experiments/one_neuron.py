"""What does one recurrent neuron remember of a long list of inputs?

Command:   rnnjax run one_neuron
Run time:  about 30 seconds on 2 cores, compiling included.
Figure:    a, b: |dy_t/dx_{t-k}| over the lag k, median and 10 to 90 % of random sequences whose
           path is active, for two activations and some weights; dashed: |w_n|^k. c: the first lag
           at which 1 % of the newest coefficient is left, median of the sequences; dashed:
           ln 0.01 / ln|w_n|. d: share of the ten newest and the ten oldest inputs in the output of
           the identity. By the weights: `one_neuron_gradient`.
Source:    Slides "RNN: simple RNN" (a chain of one neuron; w_n below and above one); Pascanu,
           Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013
           (bound).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import Field

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.figures import ACTIVATION_LOOKS, BLUE, PINK, THEORY, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import gap, largest, tabulate
from rnnjax.sweep import ActivationName, Traced, Variable
from rnnjax.theory import scalar_chain

_QUANTILES = (0.1, 0.5, 0.9)
_N_ENDS = 10  # inputs that count as the newest and as the oldest
_SHOWN = (-1.5, 0.5, 0.9, 1.0, 1.1, 2.0)
_CLOSED = Look("closed form", THEORY, dashes="--")
_ENDS = {"newest": Look("newest 10", BLUE), "oldest": Look("oldest 10", PINK, dashes="-.")}


class Setting(sweep.Setting):
    """One chain, and on how many inputs."""

    activation: ActivationName = "tanh"
    w_n: float = Field(1.0, description="recurrent weight")
    length: int = Field(51, ge=20, le=10**4, description="inputs T, (t-50) to (t) if 51")
    n_sequences: int = Field(2000, ge=1, le=10**6, description="sequences with x ~ U(-1, 1)")
    seed: Traced[int] = Field(0, ge=0, description="of the random sequences")
    axes = ("activation", "w_n")


def coordinates(setting: Setting) -> dict[str, Any]:
    """Lags 0..T-1, and which of the ranked sequences are kept."""
    return {"lag": np.arange(setting.length), "quantile": _QUANTILES}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep; x = 1 unless it says random."""
    lag, ranked, random = ("lag",), ("quantile", "lag"), "of active random sequences"
    return {
        "log_coefficient": Variable(lag, "natural log of |dy_t/dx_{t-lag}|", "nat"),
        "sign": Variable(lag, "sign of dy_t/dx_{t-lag}"),
        "log_coefficient_random": Variable(ranked, f"quantiles of log_coefficient {random}", "nat"),
        "share_active": Variable(lag, "share of random sequences with dy_t/dx_{t-lag} not 0"),
        "growth_rate_random": Variable((), f"mean growth of ln|dy/dx| a lag {random}", "nat/step"),
        "horizon": Variable((), f"first lag with 1 % left, median {random}", "step", "beyond"),
    }


def shared(setting: Setting) -> jax.Array:
    """The random sequences."""
    shape = (setting.n_sequences, setting.length)
    return jax.random.uniform(jax.random.key(setting.seed), shape, minval=-1.0)


def measure(setting: Setting, x: jax.Array) -> dict[str, jax.Array]:
    """Probe one chain with unit input and output weights."""
    cell = rnnjax.Chain(1, rnnjax.activation_named(setting.activation))
    params = rnnjax.cells.ChainParams(jnp.asarray(setting.w_n), jnp.ones(1), jnp.ones(()))
    random = decks.active_coefficients(cell, params, x, _QUANTILES)
    return {
        **decks.chain_coefficients(cell, params, jnp.ones(setting.length)),
        **random,
        "horizon": rnnjax.analysis.horizon(random["log_coefficient_random"][1], 2.0),  # 1 %
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Coefficients by lag for two activations, above what all make of the inputs."""
    cube, names = _beside_theory(cube.sortby("w_n")), cube["activation"].values.tolist()
    shown = [name for name in ACTIVATION_LOOKS if name in names][:2]
    frame = figures.Frame(height=5.2, widths=((1,) * len(shown), (1, 1)))
    lags = _draw_coefficients(frame.rows[0], cube.sel(activation=shown))
    _draw_by_weight(frame.rows[1], cube)
    weights = [*figures.handles(ACTIVATION_LOOKS, names), _CLOSED.handle()]
    ncols = 4 if figures.in_column() else 7
    for part, entries in zip(frame.figure.subfigs, (lags, weights), strict=True):
        part.legend(handles=entries, loc="outside lower center", ncols=ncols, columnspacing=1.0)
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """After how many steps 1 % is left, and whose share is large on either side of |w_n| = 1."""
    last = cube["horizon"].max("w_n").to_series()  # infinite where an input never falls to 1 %
    within = " or ".join(f"{n:g} ({name})" for name, n in last.items() if np.isfinite(n))
    rest = ", ".join(str(name) for name, n in last.items() if not np.isfinite(n))
    told = [f"1 % of an input is left after at most {within} steps"] * bool(within)
    more = f"{rest} may keep more" if within else f"With {rest} more than 1 % may be left"
    told = "; ".join(told + [more] * bool(rest)) + "."
    share = _beside_theory(cube)["share"].sel(activation=[n for n in last.index if n == "identity"])
    ten = {0.9: ("newest", slice(_N_ENDS)), 1.1: ("oldest", slice(-_N_ENDS, None))}
    for w in [w for w in ten if share.size and w in cube["w_n"].values]:
        part = 100 * share.sel(w_n=w).isel(lag=ten[w][1]).sum(skipna=False)
        told += f" At w_n = {w:g} the {ten[w][0]} ten make {part:.0f} % of the identity's output."
    return told


def _beside_theory(cube: xr.Dataset) -> xr.Dataset:
    """Return the cube with closed forms, and with the share of each input in the last output."""
    logs, steepest = cube["log_coefficient"], scalar_chain.STEEPEST
    sizes, coefficient = np.exp(logs - logs.max("lag")), scalar_chain.log_coefficient
    share = sizes / sizes.sum("lag", skipna=False)
    by_lag = {axis: cube[axis] for axis in ("activation", "w_n", "lag")}
    bound = tabulate(lambda name, w, k: coefficient(w, k, steepest.get(name, np.nan)), **by_lag)
    power = tabulate(lambda _, w, k: coefficient(w, k), **by_lag)
    rise = logs.isel(lag=-1, drop=True) - logs.isel(lag=0, drop=True)
    decades = np.abs(np.log10(np.abs(cube["w_n"].where(cube["w_n"] != 0, 1))))
    rounding = 2e-6 * np.maximum(1, decades)  # of logs in float32, a step
    middle = cube["log_coefficient_random"].sel(quantile=0.5, drop=True)
    return cube.assign(bound=bound, power=power, rise=rise, share=share, moment=share * cube["lag"],
                       rounding=rounding, middle=middle)  # fmt: skip


def _draw_coefficients(panels: list[figures.Axes], cube: xr.Dataset) -> list[Any]:
    there = cube["w_n"].values
    shown = [w for w in _SHOWN if w in there] or list(there[:: -(-len(there) // 6)])
    log10 = cube[["log_coefficient_random", "power"]].sel(w_n=shown) / math.log(10)
    return figures.curves(
        panels, log10["log_coefficient_random"], over="lag", each="w_n", panels="activation",
        theory={"$|w_n|^k$": log10["power"]}, band="quantile", label="$w_n$ = {:g}",
        xlabel="lag $k$ (steps)", ylim=(-42, 20),
        ylabel=r"$\log_{10}|\mathrm{d}y_t/\mathrm{d}x_{t-k}|$",
    )  # fmt: skip


def _draw_by_weight(panels: list[figures.Axes], cube: xr.Dataset) -> None:
    """Draw the horizon and shares of inputs over the weight."""
    horizon, shares = panels
    ends, lag, names = cube["w_n"].values[[0, -1]], cube["lag"], cube["activation"].values
    exact = tabulate(scalar_chain.horizon, w_n=np.linspace(*ends, 801))
    line = {"markevery": 0.12, "markersize": 3.5, "linewidth": 1.1}
    weight = {"over": "w_n", "xlabel": "recurrent weight $w_n$", "xlim": ends}
    figures.curves(horizon, cube["horizon"], each="activation", looks=ACTIVATION_LOOKS, line=line,
                   theory={"": exact}, yscale="log", ylim=(0.8, 1.5 * len(lag)),
                   ylabel="lag with 1 % left (steps)", **weight)  # fmt: skip
    if "identity" not in names:
        shares.set_axis_off()
        return
    share, newest = cube["share"].sel(activation="identity"), lag < _N_ENDS
    ten = {"newest": share.where(newest, 0), "oldest": share.where(newest[::-1].values, 0)}
    sums = xr.Dataset(ten).sum("lag", skipna=False).to_array("end")
    figures.curves(shares, sums, each="end", looks=_ENDS, ylabel="share of the output",
                   ylim=(-0.02, 1.3), yticks=[0, 0.5, 1], title="identity", **weight)  # fmt: skip
    shares.legend(loc="upper center", ncols=2)


def _excess(one: xr.Dataset) -> xr.DataArray:
    """Return by how much coefficients exceed the bound, a step."""
    most = np.maximum(one["log_coefficient"], one["log_coefficient_random"].max("quantile"))
    return (most - one["bound"]).where(most != one["bound"], 0) / (one["lag"] + 1)


def _three_errors(one: xr.Dataset, spread: float) -> float:
    """Return three standard errors, of the sweep and of the simulation with 200 000 sequences."""
    return 3 * spread * math.sqrt(1 / one.setting.n_sequences + 1 / 200_000)


def _share(*lags: int | None) -> Any:
    return lambda one: one["share"][slice(*lags)].sum(skipna=False)


def _of_line(what: str, source: str, value: Any, at: dict[float, tuple[float, float]]) -> Row:
    """Return a row on f(x) = x with 51 inputs: what is expected, and the tolerance, by weight."""
    cases = [{"w_n": float(w), "expected": e, "slack": t} for w, (e, t) in at.items()]
    return Row(f"identity, w_n = {{w_n:g}}: {what}", value, for_each=cases, equals="expected",
               tolerance="slack", source=source)  # fmt: skip


_ISSUES, _HORIZON = "slides 'RNN: simple RNN', 'The RNN issues'", "exact: ln 0.01 / ln|w_n|"
_OLD, _RECENT = f"{_ISSUES}: 'forget any older inputs'", f"{_ISSUES}: 'forget recent inputs'"
_ROUNDING, _ROUNDED = "tolerance: float32 rounding", lambda one: largest(one["rounding"])
# By w_n: mean and standard deviation; share of active paths.
_TANH = {0.5: (-22.72, 1.2), 0.9: (-12.91, 2.1), 1.1: (-11.35, 2.9), 2.0: (-33.36, 5.0),
         4.0: (-107.93, 4.1)}  # fmt: skip
_RELU = {0.9: 0.0033, 1.1: 0.2066}
CLAIMS = (Group((
    every_run("largest excess over |w_n|^k gamma^(k+1), nat/step", _excess,
        at={"activation": [*scalar_chain.STEEPEST]}, at_most=0, tolerance=_ROUNDED,
        source=f"Pascanu et al. 2013, eq. 7 for one unit; {_ROUNDING} a step"),
    Group((
        Row("identity: ln|dy/dx_{{t-k}}| against k ln|w_n|, nat/step",
            lambda one: largest(gap(one["log_coefficient"], one["power"]) / one["lag"]),
            at={"w_n": lambda w: w != 0, "lag": lambda k: k > 0}, equals=0, tolerance=_ROUNDED,
            source=f"exact: the polynomial in w_n ({_ISSUES}); {_ROUNDING}"),
        Row("identity: signs that differ from those of w_n^k",
            lambda one: np.sum(one["sign"] != np.sign(one["w_n"]) ** one["lag"]),
            at={"w_n": lambda w: w != 0}, equals=0, source="exact"),
        every_run("identity: |ln| of the newest coefficient at any w_n",
            lambda one: abs(one["log_coefficient"].isel(lag=0)), equals=0,
            source="exact: w_3 w_x; a large w_n swamps the recent inputs and erases none"),
        Group((
            Row("identity, w_n = {w_n:g}: oldest over newest coefficient",
                lambda one: math.exp(one["rise"]), for_each={"w_n": (0.5, 0.9, 1.1, 2.0, -1.5)},
                equals=lambda one, w_n: abs(w_n) ** 50, source=f"{_ISSUES}: |w_n|^50",
                tolerance=lambda one, w_n: 3e-5 * abs(w_n) ** 50),
            _of_line("1 % horizon, lags", _HORIZON, lambda one: 50 * math.log(0.01) / one["rise"],
                     {0.5: (6.6, 0.06), 0.9: (43.7, 0.06)}),
            _of_line("first lag below 1 %", _HORIZON, lambda one: one["horizon"],
                     {0.5: (7, 0), 0.9: (44, 0)}),
            _of_line("share of the newest ten", _OLD, _share(10), {0.9: (0.65, 0.005)}),
            _of_line("share of the oldest ten", _OLD, _share(-10, None), {0.9: (0.009, 0.0006)}),
            _of_line("share of the newest ten", _RECENT, _share(10), {1.1: (0.012, 0.0006)}),
            _of_line("share of the oldest ten", _RECENT, _share(-10, None), {1.1: (0.62, 0.005)}),
            _of_line("share of the newest one", _RECENT, _share(1), {1.1: (0.0008, 0.00006)}),
            _of_line("share of the oldest one", _RECENT, _share(-1, None),
                     {1.1: (0.092, 0.0006), 2.0: (0.5, 0.005)}),
            _of_line("mean lag", "exact sums", lambda one: one["moment"].sum(skipna=False),
                     {0.9: (8.8, 0.06), 1.0: (25.0, 0.06), 1.1: (40.4, 0.06)}),
        ), when=lambda one: one.sizes["lag"] == 51),
    ), at={"activation": "identity"}),
    every_run("{activation}: fastest growth at any w_n, nat/step", "growth_rate_random",
        at_most=0, source="contradicts {slide}",
        for_each=[{"activation": "tanh", "slide": f"{_ISSUES}, 'bigger than one': saturation"},
                  {"activation": "sigmoid",
                   "slide": "the same slide, also beyond w_n = 4 where the bound grows"}]),
    Row("relu, active paths: ln|dy/dx| against k ln w_n, nat/step",
        lambda one: largest(gap(one["middle"], one["power"]) / (1 + one["lag"]),
                            np.isfinite(one["middle"])),
        at={"activation": "relu"}, equals=0, tolerance=_ROUNDED,
        source=f"exact: every slope is 1; {_ROUNDING}"),
    Group((
        Row("tanh, w_n = {w_n:g}: log10 of oldest/newest",
            lambda one: 50 * one["growth_rate_random"] / math.log(10), for_each={"w_n": _TANH},
            at={"activation": "tanh"}, equals=lambda one, w_n: _TANH[w_n][0],
            tolerance=lambda one, w_n: _three_errors(one, _TANH[w_n][1])),
        Row("relu, w_n = {w_n:g}: share of paths of 51 active",
            lambda one: one["share_active"].sel(lag=50), for_each={"w_n": _RELU},
            at={"activation": "relu"}, equals=lambda one, w_n: _RELU[w_n],
            tolerance=lambda one, w_n: _three_errors(one, _RELU[w_n] ** 0.5)),
    ), when=lambda cube: cube.sizes["lag"] == 51,
       source="NumPy float64 simulation, 200 000 random sequences; tolerance: 3 std. errors"),
), part=_beside_theory),)  # fmt: skip
