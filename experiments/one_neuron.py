"""What does one recurrent neuron remember of a long list of inputs?

Command:   rnnjax run one_neuron
Run time:  about 40 seconds on 2 cores, compiling included.
Figure:    Top: |dy_t/dx_{t-k}| over the lag k for 51 inputs, one panel an activation, median and 10
           to 90 % of random sequences whose path is active, with |w_n|^k dashed and the bound
           dotted. Only |w_n| decides, and only for the identity and active relu paths. Bottom: the
           growth a lag; the share of the ten newest and ten oldest inputs, which changes hands at
           |w_n| = 1; the lag with 1 % left; and the gradient of a squared error E by all weights,
           with what clipping leaves of it: its norm, in the same direction.
Source:    Slides "RNN: simple RNN" (a chain of one neuron; w_n below and above one); Pascanu,
           Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013
           (bound and clipping).
"""

import math

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import BLACK, BLUE, GREEN, PINK, THEORY, VERMILION, Look
from rnnjax.lazy import jax, jnp, matplotlib
from rnnjax.reductions import gap, largest, tabulate
from rnnjax.sweep import ActivationName, Traced, Variable
from rnnjax.theory import scalar_chain

_WEIGHTS = ("w1", "w2", "w3", "w_n")
_N_WEIGHTS = {"ANN, two inputs": 3, "RNN, two inputs": 4, "RNN, own input weights": None,
              "RNN, shared": 3}  # fmt: skip
_EXAMPLE, _INPUTS = (0.5, 0.25, 2.0), (2.0, 4.0)  # w1, w2, w3; x1, x2
_QUANTILES = (0.1, 0.5, 0.9)
_N_ENDS = 10  # inputs that count as the newest and as the oldest
_SHOWN = (-1.5, 0.5, 0.9, 1.0, 1.1, 2.0)
LOOKS = {
    "identity": Look("identity", BLACK, "o"),
    "tanh": Look("tanh", BLUE, "s"),
    "sigmoid": Look("sigmoid", VERMILION, "^"),
    "relu": Look("relu", GREEN, "x"),
}


class Setting(sweep.Setting):
    """One chain, and on how many inputs."""

    activation: ActivationName = "tanh"
    w_n: float = Field(1.0, description="recurrent weight")
    length: int = Field(51, ge=20, le=10**4, description="inputs T, (t-50) to (t) if 51")
    n_sequences: int = Field(2000, ge=1, le=10**6, description="sequences with x ~ U(-1, 1)")
    seed: Traced[int] = Field(0, ge=0, description="of the random sequences")
    target: float = Field(0.25, description="what y should be, in the squared error")
    max_norm: PositiveFloat = Field(1.0, description="threshold of clipping by norm")
    axes = ("activation", "w_n")


def coordinates(setting):
    """Lags 0..T-1, lengths 1..T, and the names of what the worked example has."""
    return {
        "lag": np.arange(setting.length),
        "length": np.arange(1, setting.length + 1),
        "quantile": np.array(_QUANTILES),
        "step": np.array(["f(2 w1)", "4 w2", "4 w2 + w_n f(2 w1)", "f(4 w2 + w_n f(2 w1))", "y"]),
        "weight": np.array(_WEIGHTS),
        "network": np.array(list(_N_WEIGHTS)),
    }


def variables(setting):
    """What is measured in every cell of the sweep; x = 1 unless it says random."""
    lag, length, random = ("lag",), ("length",), "of active random sequences"
    norm = "|d(squared error)/d(all weights)|"
    return {
        "log_coefficient": Variable(lag, "natural log of |dy_t/dx_{t-lag}|", "nat"),
        "sign": Variable(lag, "sign of dy_t/dx_{t-lag}"),
        "log_coefficient_random": Variable(
            ("quantile", "lag"), f"quantiles of ln|dy_t/dx_(t-lag)| {random}", "nat"
        ),
        "share_active": Variable(lag, "share of random sequences with dy_t/dx_{t-lag} not 0"),
        "growth_rate_random": Variable((), f"mean growth of ln|dy/dx| a lag {random}", "nat/step"),
        "horizon": Variable((), f"first lag with 1 % left, median {random}", "step", "beyond"),
        "log_weight_gradient": Variable(length, "natural log of |dy/dw_n|", "nat"),
        "weight_gradient_sign": Variable(length, "sign of dy/dw_n"),
        "log_loss_gradient": Variable(length, "natural log of |d((y - target)^2/2)/dw_n|", "nat"),
        "log_norm": Variable((), f"natural log of {norm}", "nat"),
        "clipped_norm": Variable((), f"{norm} after clipping"),
        "share_oldest": Variable((), "share of the ten oldest in d(squared error)/dw_x"),
        "clipped_share_oldest": Variable((), "share_oldest after clipping"),
        "example": Variable(("step",), "steps of y = w3 f(4 w2 + w_n f(2 w1))"),
        "example_gradient": Variable(("weight",), "dy/dweight in the example"),
        "n_weights": Variable(("network",), "weights with a gradient that is not 0"),
    }


def shared(setting):
    """The random sequences."""
    shape = (setting.n_sequences, setting.length)
    return jax.random.uniform(jax.random.key(setting.seed), shape, minval=-1.0)


def measure(setting, x):
    """Probe one chain with unit input and output weights."""
    activation, w_n, n = rnnjax.activation_named(setting.activation), setting.w_n, setting.length
    cell = rnnjax.Chain(1, activation)
    params = rnnjax.cells.ChainParams(jnp.asarray(w_n), jnp.ones(1), jnp.ones(()))
    random = decks.active_coefficients(cell, params, x, _QUANTILES)
    example = decks.worked_example(activation, (*_EXAMPLE, w_n), _INPUTS)
    n_weights = [*example["n_weights"], n + 2, sum(leaf.size for leaf in params)]
    return {
        **decks.chain_coefficients(cell, params, jnp.ones(n)),
        **random,
        "horizon": rnnjax.analysis.horizon(random["log_coefficient_random"][1], 2.0),  # 1 %
        **decks.loss_gradients(activation, w_n, n, setting.target, setting.max_norm, _N_ENDS),
        **example,
        "n_weights": jnp.stack([jnp.asarray(count, int) for count in n_weights]),
    }


def figure(cube):
    """Coefficients by lag, one panel an activation, above what they make of inputs and losses."""
    cube, names = cube.sortby("w_n"), [str(name) for name in cube["activation"].values]
    drawn = matplotlib.figure.Figure(figsize=(figures.PAGE_WIDTH * max(1, len(names) / 4), 4.8))
    top, bottom = drawn.subfigures(2, 1, height_ratios=(1.1, 1))
    panels = list(top.subplots(1, len(names), sharey=True, squeeze=False)[0])
    entries = _draw_coefficients(panels, cube)
    top.legend(handles=entries, loc="outside lower center", ncols=8, columnspacing=1.0)
    growth, shares, horizon, gradient = below = bottom.subplots(1, 4)
    steepest = sorted({scalar_chain.STEEPEST.get(name, 1.0) for name in names})
    bounds = {f"{g:g}": lambda w, g=g: _log(w, 1, g) - math.log(g) for g in steepest}
    _draw(growth, cube["growth_rate_random"], bounds, level=0, ylim=(-5.2, 2.2),
          ylabel="growth rate (nat/step)")  # fmt: skip
    _draw_shares(shares, cube)
    _draw(horizon, cube["horizon"], {"": scalar_chain.horizon}, yscale="log",
          ylabel="lag with 1 % left (steps)", ylim=(0.8, 1.5 * cube.sizes["lag"]))  # fmt: skip
    dotted = {"linestyle": ":", "marker": ""}
    _draw(gradient, np.log10(cube["clipped_norm"].where(cube["clipped_norm"] > 0)), line=dotted)
    _draw(gradient, cube["log_norm"] / math.log(10),
          ylabel=r"$\log_{10}\|\mathrm{d}E/\mathrm{d}w\|$")  # fmt: skip
    others = [Look("closed form, bound", THEORY, "", "--"), Look("clipped", THEORY, "", ":")]
    entries = [*figures.handles(LOOKS, names), *(look.handle() for look in others)]
    bottom.legend(handles=entries, loc="outside lower center", ncols=8)
    figures.letter_panels([*panels, *below])
    return drawn


def _log(w_n, lag, steepest=1.0):
    return float(scalar_chain.log_coefficient(w_n, lag, steepest))


def _draw_coefficients(panels, cube):
    there, names, lag = cube["w_n"].values, cube["activation"].values, cube["lag"].values
    shown = [w for w in _SHOWN if w in there] or list(there[:: -(-len(there) // 6)])

    def bound(name, w_n, k):  # where gamma is 1 it is the first line
        gamma = scalar_chain.STEEPEST.get(name, 1.0)
        return _log(w_n, k, gamma) / math.log(10) if gamma != 1 else math.nan

    theory = {
        "$|w_n|^k$": tabulate(lambda w, k: _log(w, k) / math.log(10), w_n=shown, lag=lag),
        r"$|w_n|^k\gamma^{k+1}$": tabulate(bound, activation=names, w_n=shown, lag=lag),
    }
    handles = figures.curves(
        panels, cube["log_coefficient_random"].sel(w_n=shown) / math.log(10), over="lag",
        each="w_n", panels="activation", band="quantile", label="$w_n$ = {:g}", theory=theory,
        xlabel="lag $k$ (steps)", ylabel=r"$\log_{10}|\mathrm{d}y_t/\mathrm{d}x_{t-k}|$",
        ylim=(-42, 20),
    )  # fmt: skip
    for panel, name in zip(panels, names, strict=True):
        panel.set_title("relu, active paths" if name == "relu" else name)
    return handles


def _draw(panel, values, theory=(), **axes):
    ends = values["w_n"].values[[0, -1]]
    lines = {
        name: tabulate(form, w_n=np.linspace(*ends, 801)) for name, form in dict(theory).items()
    }
    axes = {"xlabel": "recurrent weight $w_n$", "xlim": ends, "line": {"markevery": 0.12,
            "markersize": 3.5, "linewidth": 1.1}, **axes}  # fmt: skip
    figures.curves(panel, values.where(np.isfinite), over="w_n", each="activation", looks=LOOKS,
                   theory=lines, **axes)  # fmt: skip


def _draw_shares(panel, cube):
    """The shares of the newest and oldest ten of all inputs under f(x) = x."""
    if "identity" not in cube["activation"].values:
        panel.set_axis_off()
        return
    shares = _shares(cube.sel(activation="identity"))
    for name, lags, look in (("newest", slice(_N_ENDS), (BLUE, "", "-")),
                             ("oldest", slice(-_N_ENDS, None), (PINK, "", "-."))):  # fmt: skip
        figures.curves(panel, shares.isel(lag=lags).sum("lag"), over="w_n",
                       looks=Look(f"{name} {_N_ENDS}", *look), ylim=(-0.02, 1.45),
                       xlim=cube["w_n"].values[[0, -1]], xlabel="recurrent weight $w_n$",
                       ylabel="share of inputs, identity", yticks=[0, 0.5, 1])  # fmt: skip
    panel.legend(loc="upper center", ncols=1)


def _shares(one):
    logs = one["log_coefficient"]
    sizes = np.exp(logs - logs.max("lag"))
    return sizes / sizes.sum("lag")


_DECK = 'slides "RNN: simple RNN"'
_ISSUES, _EXACT = f"{_DECK}, 'The RNN issues'", "exact: ln 0.01 / ln|w_n|"
_ROUNDING = "tolerance: float32 rounding"
_FORMULA = f"{_DECK}: w3 f(4 w2 + w_n f(2 w1)), steps 1 to 6"
_CLIPPING = f"Pascanu et al. 2013, algorithm 1; {_ROUNDING}"
_SIMULATED = "NumPy float64 simulation, 200 000 random sequences; tolerance: 3 std. errors"


def _largest(values):
    """The largest value, NaN if one is; without values there is nothing to claim."""
    return np.max(values) if len(values) else None


def _example_error(cube):
    """The worked example against its closed form, at all weights."""
    errors = []
    for name in set(cube["activation"].values) & set(scalar_chain.FUNCTIONS):
        for w_n in cube["w_n"].values:
            at = cube.sel(activation=name, w_n=w_n)
            exact = scalar_chain.two_steps(name, (*_EXAMPLE, w_n), _INPUTS)
            errors += [*abs(at["example"].values - exact.values)]
            errors += [*abs(at["example_gradient"].values - exact.gradient)]
    return _largest(errors)


def _excess(cube):
    """By how much coefficients exceed the bound, a step."""
    names = [n for n in cube["activation"].values.tolist() if n in scalar_chain.STEEPEST]
    bound = tabulate(lambda name, w, k: _log(w, k, scalar_chain.STEEPEST[name]), activation=names,
                     w_n=cube["w_n"], lag=cube["lag"])  # fmt: skip
    logs = cube.sel(activation=names)
    both = (logs["log_coefficient"], logs["log_coefficient_random"].max("quantile"))
    return _largest(
        [largest((one - bound).where(one != bound, 0) / (one["lag"] + 1)) for one in both]
    )


def _clipping_error(cube):
    with np.errstate(divide="ignore"):
        after, limit = np.log(cube["clipped_norm"]), math.log(cube.setting.max_norm)
    return largest(gap(after, np.minimum(cube["log_norm"], limit)))


def _coefficient_error(one):
    exact = tabulate(_log, w_n=one["w_n"], lag=one["lag"])
    return largest(gap(one["log_coefficient"], exact).isel(lag=slice(1, None)) / one["lag"][1:])


def _by_length_error(one):
    logs = one["log_weight_gradient"].isel(length=slice(1, None))
    exact = tabulate(lambda w, n: scalar_chain.weight_gradient(w, int(n) - 1), w_n=one["w_n"],
                     length=logs["length"])  # fmt: skip
    return largest(abs(np.exp(logs - np.log(exact)) - 1))


def _active_error(one):
    logs = one["log_coefficient_random"].sel(quantile=0.5)
    exact = tabulate(_log, w_n=one["w_n"], lag=one["lag"])
    return largest(gap(logs, exact) / (1 + one["lag"]), np.isfinite(logs))


def _rise(one):
    return float(one["log_coefficient"][-1] - one["log_coefficient"][0])


def _of_line(what, value, source, **expected):
    """A quantity of f(x) = x with 51 inputs at single weights: (expected, tolerance) by weight."""
    cases = [{"w_n": float(w), "expected": e, "slack": t} for w, (e, t) in expected["at"].items()]
    return Row(f"identity, w_n = {{w_n:g}}: {what}", value, for_each=cases, equals="expected",
               tolerance="slack", source=source)  # fmt: skip


def _share(*lags):
    return lambda one: _shares(one).isel(lag=slice(*lags)).sum()


def _decades(one):
    return 50 * one["growth_rate_random"] / math.log(10)


def _error_of(spread):
    """Three standard errors of the sweep and of the simulation, of n and 200 000 sequences."""
    return lambda one: 3 * spread * math.sqrt(1 / one.setting.n_sequences + 1 / 200_000)


def _simulated(name, value, by_weight):
    """A row for each weight: (mean, standard deviation) by weight."""
    return [
        Row(name, value, at={"w_n": w_n}, equals=mean, tolerance=_error_of(spread))
        for w_n, (mean, spread) in by_weight.items()
    ]


_TANH = {0.5: (-22.72, 1.2), 0.9: (-12.91, 2.1), 1.1: (-11.35, 2.9), 2.0: (-33.36, 5.0),
         4.0: (-107.93, 4.1)}  # fmt: skip
_RELU = {w_n: (share, share**0.5) for w_n, share in ((0.9, 0.0033), (1.1, 0.2066))}
_POWERS = {w: (abs(w) ** 50, 3e-5 * abs(w) ** 50) for w in (0.5, 0.9, 1.1, 2.0, -1.5)}
_OLD, _RECENT = (f"{_ISSUES}: 'forget {which} inputs'" for which in ("any older", "recent"))
_NEWEST, _OLDEST = "share of the newest ten", "share of the oldest ten"
CLAIMS = (
    Row("{activation}: w3 f(4 w2 + w_n f(2 w1)) at w_n = 0.8",
        lambda one: one["example"].sel(step="y"), at={"w_n": 0.8}, equals="y", tolerance=2e-6,
        for_each=[{"activation": "identity", "y": 3.6}, {"activation": "tanh", "y": 1.846106},
                  {"activation": "sigmoid", "y": 1.65978}, {"activation": "relu", "y": 3.6}],
        source=_FORMULA),
    Row("{network}: trained weights", lambda one: one["n_weights"],
        at={"activation": "identity", "w_n": 0.8}, for_each="network",
        equals=lambda one, network: _N_WEIGHTS[network] or one.sizes["lag"] + 2,
        source=f"{_DECK}: w1, w2, w3, and w_n in the RNN; T + 2; w_x, w_n and w_3"),
    Row("worked example, steps and derivatives: largest error", _example_error, equals=0,
        tolerance=2e-5, source=f"{_FORMULA}, and the chain rule; {_ROUNDING}"),
    Row("largest excess over |w_n|^k gamma^(k+1), nat/step", _excess, at_most=0, tolerance=2e-6,
        source=f"Pascanu et al. 2013, eq. 7 for one unit; {_ROUNDING} a step"),
    Row("norm after clipping: largest error, nat", _clipping_error, equals=0, tolerance=1e-5,
        source=_CLIPPING),
    Row("clipping moves the oldest ten's share by at most",
        lambda cube: largest(abs(cube["clipped_share_oldest"] - cube["share_oldest"])),
        equals=0, tolerance=1e-5, source=_CLIPPING),
    Group((
        Row("identity: ln|dy/dx_{{t-k}}| against k ln|w_n|, nat/step", _coefficient_error,
            at={"w_n": lambda w: w != 0}, equals=0, tolerance=2e-6,
            source=f"exact: the polynomial in w_n ({_ISSUES}); {_ROUNDING}"),
        Row("identity: signs that differ from those of w_n^k",
            lambda one: np.sum(one["sign"] != np.sign(one["w_n"]) ** one["lag"]),
            at={"w_n": lambda w: w != 0}, equals=0, source="exact"),
        Row("identity: dy/dw_n by length, relative error", _by_length_error,
            at={"w_n": lambda w: w >= 0}, equals=0, tolerance=3e-5,
            source=f"exact: sum k w_n^(k-1); {_ROUNDING}"),
        Row("identity: |ln| of the newest coefficient at any w_n",
            lambda one: largest(abs(one["log_coefficient"].isel(lag=0))), equals=0,
            source="exact: w_3 w_x; a large w_n swamps the recent inputs and erases none"),
    ), at={"activation": "identity"}),
    Group((
        _of_line("oldest over newest coefficient", lambda one: math.exp(_rise(one)),
                 f"{_ISSUES}: |w_n|^50", at=_POWERS),
        _of_line("1 % horizon, lags", lambda one: 50 * math.log(0.01) / _rise(one), _EXACT,
                 at={0.5: (6.6, 0.06), 0.9: (43.7, 0.06)}),
        _of_line("first lag below 1 %", lambda one: one["horizon"], _EXACT,
                 at={0.5: (7, 0), 0.9: (44, 0)}),
        _of_line(_NEWEST, _share(0, _N_ENDS), _OLD, at={0.9: (0.65, 0.005)}),
        _of_line(_OLDEST, _share(-_N_ENDS, None), _OLD, at={0.9: (0.009, 0.0006)}),
        _of_line(_NEWEST, _share(0, _N_ENDS), _RECENT, at={1.1: (0.012, 0.0006)}),
        _of_line(_OLDEST, _share(-_N_ENDS, None), _RECENT, at={1.1: (0.62, 0.005)}),
        _of_line("share of the newest one", _share(0, 1), _RECENT, at={1.1: (0.0008, 0.00006)}),
        _of_line("share of the oldest one", _share(-1, None), _RECENT,
                 at={1.1: (0.092, 0.0006), 2.0: (0.5, 0.005)}),
        _of_line("mean lag", lambda one: (_shares(one) * one["lag"]).sum(), "exact sums",
                 at={0.9: (8.8, 0.06), 1.0: (25.0, 0.06), 1.1: (40.4, 0.06)}),
        _of_line("dy/dw_n", lambda one: math.exp(one["log_weight_gradient"][-1]),
                 "exact: n (n + 1) / 2, n = 50", at={1.0: (1275, 0.01)}),
    ), at={"activation": "identity"}, when=lambda cube: cube.sizes["lag"] == 51),
    Row("{activation}: fastest growth at any w_n, nat/step",
        lambda one: largest(one["growth_rate_random"]), at_most=0, source="{why}",
        for_each=[{"activation": "tanh", "why": f"contradicts {_ISSUES}, 'bigger than one': saturation"},
                  {"activation": "sigmoid", "why": "contradicts the same slide, also beyond w_n = 4 where the bound grows"}]),
    Row("relu, active paths: ln|dy/dx| against k ln w_n, nat/step", _active_error,
        at={"activation": "relu"}, equals=0, tolerance=2e-6,
        source=f"exact: every slope is 1; {_ROUNDING}"),
    Group((
        Group(_simulated("tanh, w_n = {w_n:g}: log10 of oldest/newest", _decades, _TANH),
              at={"activation": "tanh"}),
        Group(_simulated("relu, w_n = {w_n:g}: share of paths of 51 active",
                         lambda one: one["share_active"].sel(lag=50), _RELU),
              at={"activation": "relu"}),
    ), when=lambda cube: cube.sizes["lag"] == 51, source=_SIMULATED),
)  # fmt: skip
