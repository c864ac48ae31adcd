"""What does one recurrent neuron remember of a long list of inputs?

Command:   rnnjax run one_neuron
Run time:  about 40 seconds on 2 cores, compiling included.
Figure:    Top: |dy_t/dx_{t-k}| over the lag k for 51 inputs, one panel an activation, median and 10
           to 90 % of random sequences whose path is active, with |w_n|^k dashed and the bound
           dotted. Only |w_n| decides, and only for the identity and active relu paths: w_n = -1.5,
           "less than one", grows by 6e8, while tanh at w_n = 2 shrinks to 3e-34 and the logistic
           function shrinks everywhere. Bottom: the growth a lag; the share of the ten newest and
           ten oldest inputs, which changes hands at |w_n| = 1 (0.65 newest at 0.9, 0.62 oldest at
           1.1) although the newest coefficient stays what it is; the lag with 1 % left (44 at 0.9);
           and the gradient of a squared error E by all weights, with what clipping leaves of it:
           its norm, in the same direction.
Source:    Slides "RNN: simple RNN" (a chain of one neuron; w_n below and above one); Pascanu,
           Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013
           (bound and clipping).
"""

import contextlib
import json
import math

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax.sweep import ActivationName, Lane, Static, Variable
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig

_DECK = 'slides "RNN: simple RNN"'
_ISSUES = f"{_DECK}, 'The RNN issues'"
_ROUNDING = "tolerance: float32 rounding"
_QUANTILES = (0.1, 0.5, 0.9)
_STEPS = ("f(2 w1)", "4 w2", "4 w2 + w_n f(2 w1)", "f(4 w2 + w_n f(2 w1))", "y")
_WEIGHTS = ("w1", "w2", "w3", "w_n")
_NETWORKS = ("ANN, two inputs", "RNN, two inputs", "RNN, own input weights", "RNN, shared")
_EXAMPLE = {"w1": 0.5, "w2": 0.25, "w3": 2.0}
_INPUTS = (2.0, 4.0)
_N_ENDS = 10  # inputs that count as the newest and as the oldest
_PERCENT_DECADES = 2.0  # 1 %
_SHOWN = (-1.5, 0.5, 0.9, 1.0, 1.1, 2.0)
_THEORY = rnnjax.theory.scalar_chain
_COLOURS = {"identity": "#000000", "tanh": "#0072B2", "sigmoid": "#D55E00", "relu": "#009E73"}
_MARKERS = {"identity": "o", "tanh": "s", "sigmoid": "^", "relu": "x"}


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    activation: Static[ActivationName]
    w_n: Lane[float]


class Config(BaseConfig):
    """What is swept, and on how many inputs."""

    axes: Axes
    length: int = Field(51, ge=20, le=10**4, description="inputs T, (t-50) to (t) if 51")
    n_sequences: int = Field(2000, ge=1, le=10**6, description="sequences with x ~ U(-1, 1)")
    seed: int = Field(0, ge=0, description="of the random sequences")
    target: float = Field(0.25, description="what y should be, in the squared error")
    max_norm: PositiveFloat = Field(1.0, description="threshold of clipping by norm")


def coordinates(config):
    """Lags 0..T-1, lengths 1..T, and the names of what the worked example has."""
    return {
        "lag": np.arange(config.length),
        "length": np.arange(1, config.length + 1),
        "quantile": np.array(_QUANTILES),
        "step": np.array(_STEPS),
        "weight": np.array(_WEIGHTS),
        "network": np.array(_NETWORKS),
    }


def variables(config):
    """What is measured in every cell of the sweep; x = 1 unless it says random."""
    random = "of active random sequences"
    norm = "natural log of |d(squared error)/d(all weights)|"
    return {
        "log_coefficient": Variable(("lag",), "natural log of |dy_t/dx_{t-lag}|", "nat"),
        "sign": Variable(("lag",), "sign of dy_t/dx_{t-lag}"),
        "log_coefficient_random": Variable(
            ("quantile", "lag"), f"quantiles of ln|dy_t/dx_(t-lag)| {random}", "nat"
        ),
        "share_active": Variable(("lag",), "share of random sequences with dy_t/dx_{t-lag} not 0"),
        "growth_rate_random": Variable((), f"mean growth of ln|dy/dx| a lag {random}", "nat/step"),
        "horizon": Variable(
            (), f"first lag at which 1 % is left, median {random}", "step", infinite="beyond"
        ),
        "log_weight_gradient": Variable(("length",), "natural log of |dy/dw_n|", "nat"),
        "weight_gradient_sign": Variable(("length",), "sign of dy/dw_n"),
        "log_loss_gradient": Variable(
            ("length",), "natural log of |d((y - target)^2/2)/dw_n|", "nat"
        ),
        "log_norm": Variable((), norm, "nat"),
        "clipped_norm": Variable((), "|d(squared error)/d(all weights)| after clipping"),
        "share_oldest": Variable((), "share of the ten oldest in d(squared error)/dw_x"),
        "clipped_share_oldest": Variable((), "share_oldest after clipping"),
        "example": Variable(("step",), "steps of y = w3 f(4 w2 + w_n f(2 w1))"),
        "example_gradient": Variable(("weight",), "dy/dweight in the example"),
        "n_weights": Variable(("network",), "weights with a gradient that is not 0"),
    }


def draw(config, w_n):
    """Draw the random sequences, the same at every w_n and activation."""
    from jax import random

    shape = (config.n_sequences, config.length)
    return w_n, random.uniform(random.key(config.seed), shape, minval=-1.0)


def measure(config, drawn, activation):
    """Probe one chain with unit input and output weights."""
    from jax import numpy as jnp

    w_n, x = drawn
    cell = rnnjax.Chain(1, rnnjax.activation_named(activation))
    params = rnnjax.cells.ChainParams(w_n, jnp.ones(1), jnp.ones(()))
    coefficients = rnnjax.decks.chain_coefficients(cell, params, jnp.ones(config.length))
    random = rnnjax.decks.active_coefficients(cell, params, x, _QUANTILES)
    of_two = _worked_example(cell.activation, w_n)
    n_weights = [*of_two.pop("n_weights"), config.length + 2, sum(leaf.size for leaf in params)]
    return {
        **coefficients,
        **random,
        "horizon": rnnjax.analysis.horizon(random["log_coefficient_random"][1], _PERCENT_DECADES),
        **_of_weights(config, cell.activation, w_n),
        **of_two,
        "n_weights": jnp.stack([jnp.asarray(n, int) for n in n_weights]),
    }


def _output(y_hat, y):
    return y_hat[0]


def _worked_example(activation, w_n):
    """Measure the slides' example, and count weights with a gradient, without and with memory."""
    import jax
    from jax import numpy as jnp

    cell = rnnjax.Chain(2, activation)
    w_x = jnp.array([_EXAMPLE["w1"], _EXAMPLE["w2"]])
    params = rnnjax.cells.ChainParams(w_n, w_x, jnp.asarray(_EXAMPLE["w3"]))
    steps, gradient = rnnjax.decks.two_steps(cell, params, *jnp.diag(jnp.array(_INPUTS)))

    def without_memory(p):  # both inputs at once
        return cell.readout(p, cell.step(p, cell.initial_state(), jnp.array(_INPUTS)))[0]

    gradients = [jax.grad(without_memory)(params), gradient]
    counts = [sum(jnp.sum(leaf != 0) for leaf in gradient) for gradient in gradients]
    by_name = jnp.stack([*gradient.w_x, gradient.w_3, gradient.w_n])
    return {"example": steps, "example_gradient": by_name, "n_weights": counts}


def _of_weights(config, activation, w_n):
    """Measure gradients by the weights at every length, every input with a weight of its own."""
    from jax import numpy as jnp
    from jax import vmap

    n = config.length
    cell = rnnjax.Chain(n, activation)
    params = rnnjax.cells.ChainParams(w_n, jnp.ones(n), jnp.ones(()))
    x, nothing = jnp.eye(n), jnp.zeros((n, 1))
    # The mask picks the length: the output of step t alone is that of a sequence of t inputs.
    by_length = vmap(
        lambda mask: rnnjax.BPTT()(cell, _output, params, rnnjax.Batch(x, nothing, mask))
    )(jnp.eye(n))
    error = by_length.loss - config.target
    gradient = by_length.grads.w_n
    log_gradient = rnnjax.scaled.log_norm(gradient)
    return {
        "log_weight_gradient": log_gradient,
        "weight_gradient_sign": jnp.sign(gradient.value).astype(int),
        "log_loss_gradient": log_gradient + jnp.log(jnp.abs(error)),
        **_clipping(config, by_length.grads, error[-1]),
    }


def _clipping(config, by_length, error):
    """Clip the gradient of the squared error at the full length, error times dy/dw."""
    import jax
    import optax
    from jax import numpy as jnp

    scaled = rnnjax.scaled
    gradient = jax.tree.map(
        lambda g: scaled.Scaled(g.value[-1] * error, g.exponent[-1]),
        by_length,
        is_leaf=lambda node: isinstance(node, scaled.Scaled),
    )
    clipped = scaled.clip_norm(gradient, config.max_norm)

    def oldest(by_input):
        largest = jnp.max(jnp.abs(by_input))
        sizes = jnp.abs(by_input) / jnp.where(largest > 0, largest, 1)
        return jnp.sum(sizes[:_N_ENDS]) / jnp.maximum(jnp.sum(sizes), 1)

    return {
        "log_norm": scaled.log_norm(gradient),
        "clipped_norm": optax.tree.norm(clipped),
        "share_oldest": oldest(gradient.w_x.value),
        "clipped_share_oldest": oldest(clipped.w_x),
    }


def figure(cube):
    """Coefficients by lag, one panel an activation, above what they make of inputs and losses."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    names = [str(name) for name in cube["activation"].values]
    cube = cube.sortby("w_n")
    width = rnnjax.figures.PAGE_WIDTH * max(1, len(names) / 4)
    drawn = Figure(figsize=(width, 4.8))
    top, bottom = drawn.subfigures(2, 1, height_ratios=(1.1, 1))
    panels = top.subplots(1, len(names), sharey=True, squeeze=False)[0]
    handles = _draw_coefficients(panels, cube, names)
    top.legend(handles=handles, loc="outside lower center", ncols=8, columnspacing=1.0)
    below = bottom.subplots(1, 4)
    draws = (_draw_growth, _draw_shares, _draw_horizon, _draw_gradient)
    for ax, draw_panel in zip(below, draws, strict=True):
        draw_panel(ax, cube, names)
        ax.set(xlabel="recurrent weight $w_n$", xlim=cube["w_n"].values[[0, -1]])
        ax.xaxis.set_major_locator(MultipleLocator(2))
    bottom.legend(handles=_name_handles(names), loc="outside lower center", ncols=8)
    rnnjax.figures.letter_panels([*panels, *below])
    return drawn


def _draw_coefficients(panels, cube, names):
    w_n = cube["w_n"].values
    shown = [value for value in _SHOWN if value in w_n] or list(w_n[:: -(-len(w_n) // 6)])
    log10 = cube["log_coefficient_random"].sel(w_n=shown) / math.log(10)
    for ax, name in zip(panels, names, strict=True):
        handles = rnnjax.figures.curves(
            ax, log10.sel(activation=name), over="lag", each="w_n", band="quantile",
            label="$w_n$ = {:g}", theory=_lines(name, shown, log10["lag"].values),
            xlabel="lag $k$ (steps)", ylabel="", ylim=(-42, 20), title=_title(name),
        )  # fmt: skip
    panels[0].set_ylabel(r"$\log_{10}|\mathrm{d}y_t/\mathrm{d}x_{t-k}|$")
    return handles


def _lines(name, w_n, lag):
    """Return |w_n|^k and the bound, as log10 by their labels; where gamma is 1 both are one."""

    def line(gamma):
        def log10(w, k):
            return _THEORY.log_coefficient(w, k, gamma) / math.log(10)

        return rnnjax.reductions.tabulate(log10, w_n=w_n, lag=lag)

    gamma = _THEORY.STEEPEST.get(name, math.nan)
    bound = line(gamma) if gamma != 1 else line(1.0) * math.nan
    return {"$|w_n|^k$": line(1.0), r"$|w_n|^k\gamma^{k+1}$": bound}


def _title(name):
    return "relu, active paths" if name == "relu" else name


def _style(name):
    colour = _COLOURS.get(name, "#666666")
    marks = {"marker": _MARKERS.get(name, "."), "markevery": 0.12, "markersize": 3.5}
    return {"color": colour, "linewidth": 1.1, **marks}


def _name_handles(names):
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=name, **_style(name)) for name in names]
    theory = Line2D([], [], color="#606060", linestyle=":", label="closed form, bound")
    clipped = Line2D([], [], color="#606060", linestyle="--", label="clipped")
    return [*handles, theory, clipped]


def _over_w_n(ax, values, name, **more):
    numbers = values.sel(activation=name).where(np.isfinite)
    ax.plot(numbers["w_n"], numbers, **{**_style(name), **more})


def _theory_line(ax, cube, closed_form):
    w_n = np.linspace(*cube["w_n"].values[[0, -1]], 801)
    line = [closed_form(value) for value in w_n]
    ax.plot(w_n, line, color="#606060", linestyle=":", linewidth=1.1, zorder=3)


def _draw_growth(ax, cube, names):
    for name in names:
        _over_w_n(ax, cube["growth_rate_random"], name)
    for gamma in sorted({_THEORY.STEEPEST.get(name, 1.0) for name in names}):
        _theory_line(
            ax, cube, lambda w, g=gamma: float(_THEORY.log_coefficient(w, 1, g)) - math.log(g)
        )
    ax.axhline(0, color="#b0b0b0", linewidth=0.5, zorder=0)
    ax.set(ylabel="growth rate (nat/step)", ylim=(-5.2, 2.2))


def _draw_shares(ax, cube, names):
    """Draw the shares of the newest and oldest ten of all inputs under f(x) = x."""
    if "identity" not in names:
        ax.set_axis_off()
        return
    linear = cube.sel(activation="identity")
    shares = _shares(linear["log_coefficient"].transpose("w_n", "lag").values)
    newest, oldest = shares[:, :_N_ENDS].sum(axis=1), shares[:, -_N_ENDS:].sum(axis=1)
    ax.plot(linear["w_n"], newest, color="#0072B2", label=f"newest {_N_ENDS}")
    ax.plot(linear["w_n"], oldest, color="#CC79A7", linestyle="-.", label=f"oldest {_N_ENDS}")
    ax.set(ylabel="share of inputs, identity", ylim=(-0.02, 1.45), yticks=[0, 0.5, 1])
    ax.legend(loc="upper center", ncols=1)


def _draw_horizon(ax, cube, names):
    for name in names:
        _over_w_n(ax, cube["horizon"], name)
    _theory_line(ax, cube, _THEORY.horizon)
    top = cube.sizes["lag"]
    ax.set(ylabel="lag with 1 % left (steps)", yscale="log", ylim=(0.8, 1.5 * top))


def _draw_gradient(ax, cube, names):
    for name in names:
        _over_w_n(ax, cube["log_norm"] / math.log(10), name)
        clipped = np.log10(cube["clipped_norm"].where(cube["clipped_norm"] > 0))
        _over_w_n(ax, clipped, name, linestyle="--", marker="")
    ax.set(ylabel=r"$\log_{10}\|\mathrm{d}E/\mathrm{d}w\|$")


def _shares(logs):
    """Return shares by lag (..., n_lags) from logs of coefficients."""
    sizes = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return sizes / sizes.sum(axis=-1, keepdims=True)


def claims(cube):
    """Numbers that must hold, each with its source; one whose w_n was not swept is left out."""
    cube = cube.sortby("w_n")
    rows = [*_of_every_activation(cube), *_of_the_line(cube), *_of_the_issues(cube)]
    rows += _of_saturation(cube)
    found = []
    for name, measured, expected, tolerance, source, *relation in rows:
        with contextlib.suppress(KeyError):
            found.append(rnnjax.Claim(name, measured(), expected, tolerance, source, *relation))
    return found


def _of_every_activation(cube):
    """The worked example, what clipping does, and the bound."""
    formula = f"{_DECK}: w3 f(4 w2 + w_n f(2 w1)), steps 1 to 6"
    deck = {"w_n": 0.8, "step": "y"}
    y = {"identity": 3.6, "tanh": 1.846106, "sigmoid": 1.65978, "relu": 3.6}
    n_weights = [3, 4, cube.sizes["lag"] + 2, 3]
    counts = {"activation": "identity", "w_n": 0.8}
    rows = [
        (f"{name}: w3 f(4 w2 + w_n f(2 w1)) at w_n = 0.8",
         lambda name=name: cube["example"].sel(activation=name, **deck), value, 2e-6, formula)
        for name, value in y.items()
    ] + [
        (f"{network}: trained weights",
         lambda network=network: cube["n_weights"].sel(network=network, **counts),
         number, 0, f"{_DECK}: w1, w2, w3, and w_n in the RNN; T + 2; w_x, w_n and w_3")
        for network, number in zip(_NETWORKS, n_weights, strict=True)
    ]  # fmt: skip
    moved = np.abs(cube["clipped_share_oldest"] - cube["share_oldest"])
    clipping = f"Pascanu et al. 2013, algorithm 1; {_ROUNDING}"
    return [
        *rows,
        ("worked example, steps and derivatives: largest error", lambda: _example_error(cube),
         0, 2e-5, f"{formula}, and the chain rule; {_ROUNDING}"),
        ("largest excess over |w_n|^k gamma^(k+1), nat/step", lambda: _excess_over_bound(cube),
         0, 2e-6, f"Pascanu et al. 2013, eq. 7 for one unit; {_ROUNDING} a step", "at_most"),
        ("norm after clipping: largest error, nat", lambda: _clipping_error(cube),
         0, 1e-5, clipping),
        ("clipping moves the oldest ten's share by at most", moved.max, 0, 1e-5, clipping),
    ]  # fmt: skip


def _example_error(cube):
    worst = []
    for name in set(cube["activation"].values) & set(_THEORY.FUNCTIONS):
        for w_n in cube["w_n"].values:
            at = cube.sel(activation=name, w_n=w_n)
            exact = _THEORY.two_steps(name, (*_EXAMPLE.values(), w_n), _INPUTS)
            worst.append(np.max(np.abs(at["example"].values - exact.values)))
            worst.append(np.max(np.abs(at["example_gradient"].values - exact.gradient)))
    return _largest(worst)


def _excess_over_bound(cube):
    lag, excess = cube["lag"].values, []
    for name in set(cube["activation"].values) & set(_THEORY.STEEPEST):
        one, steepest = cube.sel(activation=name), _THEORY.STEEPEST[name]
        bound = _THEORY.log_coefficient(one["w_n"].values[:, None], lag, steepest)
        for variable in (one["log_coefficient"], one["log_coefficient_random"].max("quantile")):
            logs = variable.transpose("w_n", "lag").values
            with np.errstate(invalid="ignore"):  # both may be -inf
                excess.append(np.max(np.where(logs == bound, 0.0, logs - bound) / (lag + 1)))
    return _largest(excess)


def _largest(values):
    """Return the largest value, NaN if one is; without values there is nothing to claim."""
    if not len(values):
        raise KeyError
    return np.max(values)


def _clipping_error(cube):
    limit = math.log(json.loads(cube.attrs["config"])["max_norm"])
    with np.errstate(divide="ignore", invalid="ignore"):
        after, expected = np.log(cube["clipped_norm"]), np.minimum(cube["log_norm"], limit)
        return np.max(np.where(after == expected, 0.0, np.abs(after - expected)))


def _of_the_line(cube):
    """f(x) = x against its closed forms, at every weight, lag and length."""

    def linear(variable, where):
        one = cube[variable].sel(activation="identity")
        return one.sel(w_n=one["w_n"][where(one["w_n"])]).transpose("w_n", ...)

    def coefficients():
        logs = linear("log_coefficient", lambda w: w != 0)
        lag, w_n = logs["lag"].values, logs["w_n"].values[:, None]
        gap = np.abs(logs.values - _THEORY.log_coefficient(w_n, lag))
        return _largest(gap[:, 1:] / lag[1:])

    def wrong_signs():
        signs = linear("sign", lambda w: w != 0)
        return np.sum(signs.values != np.sign(signs["w_n"].values)[:, None] ** signs["lag"].values)

    def by_length():
        logs = linear("log_weight_gradient", lambda w: w >= 0).isel(length=slice(1, None))
        closed = [
            [_THEORY.weight_gradient(w_n, n - 1) for n in logs["length"].values]
            for w_n in logs["w_n"].values
        ]
        return _largest(np.abs(np.exp(logs.values - np.log(closed)) - 1))

    return [
        ("identity: ln|dy/dx_{t-k}| against k ln|w_n|, nat/step", coefficients,
         0, 2e-6, f"exact: the polynomial in w_n ({_ISSUES}); {_ROUNDING}"),
        ("identity: signs that differ from those of w_n^k", wrong_signs, 0, 0, "exact"),
        ("identity: dy/dw_n by length, relative error", by_length,
         0, 3e-5, f"exact: sum k w_n^(k-1); {_ROUNDING}"),
        ("identity: |ln| of the newest coefficient at any w_n",
         lambda: np.abs(linear("log_coefficient", lambda w: w == w).isel(lag=0)).max(),
         0, 0, "exact: w_3 w_x; a large w_n swamps the recent inputs and erases none"),
    ]  # fmt: skip


def _of_the_issues(cube):
    """The numbers of 51 inputs at single weights: the slides' sentences, and where they fail."""
    if cube.sizes["lag"] != 51:
        return []
    old, recent = (f"{_ISSUES}: 'forget {which} inputs'" for which in ("any older", "recent"))
    power, horizon, sums = f"{_ISSUES}: |w_n|^50", "exact: ln 0.01 / ln|w_n|", "exact sums"
    numbers = [
        (w_n, "ratio", abs(w_n) ** 50, 3e-5 * abs(w_n) ** 50, power)
        for w_n in (0.5, 0.9, 1.1, 2.0, -1.5)
    ]
    numbers += [
        (0.5, "horizon", 6.6, 0.06, horizon),
        (0.9, "horizon", 43.7, 0.06, horizon),
        (0.5, "first lag", 7, 0, horizon),
        (0.9, "first lag", 44, 0, horizon),
        (0.9, "newest ten", 0.65, 0.005, old),
        (0.9, "oldest ten", 0.009, 0.0006, old),
        (1.1, "newest ten", 0.012, 0.0006, recent),
        (1.1, "oldest ten", 0.62, 0.005, recent),
        (1.1, "newest one", 0.0008, 0.00006, recent),
        (1.1, "oldest one", 0.092, 0.0006, recent),
        (2.0, "oldest one", 0.5, 0.005, recent),
        (0.9, "mean lag", 8.8, 0.06, sums),
        (1.0, "mean lag", 25.0, 0.06, sums),
        (1.1, "mean lag", 40.4, 0.06, sums),
        (1.0, "dy/dw_n", 1275, 0.01, "exact: n (n + 1) / 2, n = 50"),
    ]
    linear = "identity, w_n = {:g}: {}"
    return [
        (linear.format(w_n, _QUANTITIES[which][0]),
         lambda w_n=w_n, which=which: _QUANTITIES[which][1](
             cube.sel(activation="identity", w_n=w_n)),
         *expected)
        for w_n, which, *expected in numbers
    ]  # fmt: skip


def _rise(one):
    return float(one["log_coefficient"][-1] - one["log_coefficient"][0])


def _share(one, lags):
    return np.sum(_shares(one["log_coefficient"].values)[lags])


_QUANTITIES = {
    "ratio": ("oldest over newest coefficient", lambda one: math.exp(_rise(one))),
    "horizon": ("1 % horizon, lags", lambda one: 50 * math.log(0.01) / _rise(one)),
    "first lag": ("first lag below 1 %", lambda one: one["horizon"]),
    "newest ten": ("share of the newest ten", lambda one: _share(one, slice(0, _N_ENDS))),
    "oldest ten": ("share of the oldest ten", lambda one: _share(one, slice(-_N_ENDS, None))),
    "newest one": ("share of the newest one", lambda one: _share(one, 0)),
    "oldest one": ("share of the oldest one", lambda one: _share(one, -1)),
    "mean lag": (
        "mean lag",
        lambda one: _shares(one["log_coefficient"].values) @ one["lag"].values,
    ),
    "dy/dw_n": ("dy/dw_n", lambda one: math.exp(one["log_weight_gradient"][-1])),
}


def _of_saturation(cube):
    """What becomes of "w_n > 1 explodes" with an activation that does something."""

    def decades(name, w_n):
        return 50 * cube["growth_rate_random"].sel(activation=name, w_n=w_n) / math.log(10)

    def fastest(name):
        return cube["growth_rate_random"].sel(activation=name).max()

    def active_error():
        found = cube["log_coefficient_random"].sel(activation="relu", quantile=0.5)
        logs = found.transpose("w_n", "lag").values
        exact = _THEORY.log_coefficient(cube["w_n"].values[:, None], cube["lag"].values)
        active, lag = np.isfinite(logs), np.broadcast_to(cube["lag"].values, logs.shape)
        return _largest(np.abs(logs[active] - exact[active]) / (1 + lag[active]))

    def active(w_n):
        return cube["share_active"].sel(activation="relu", w_n=w_n, lag=50)

    n = json.loads(cube.attrs["config"])["n_sequences"]
    n_simulated = 200_000
    simulated = "NumPy float64 simulation, 200 000 random sequences; tolerance: 3 std. errors"
    rows = [
        ("tanh: fastest growth at any w_n, nat/step", lambda: fastest("tanh"),
         0, 0, f"contradicts {_ISSUES}, 'bigger than one': saturation", "at_most"),
        ("sigmoid: fastest growth at any w_n, nat/step", lambda: fastest("sigmoid"),
         0, 0, "contradicts the same slide, also beyond w_n = 4 where the bound grows", "at_most"),
        ("relu, active paths: ln|dy/dx| against k ln w_n, nat/step", active_error,
         0, 2e-6, f"exact: every slope is 1; {_ROUNDING}"),
    ]  # fmt: skip
    if cube.sizes["lag"] != 51:
        return rows
    rows += [
        (f"tanh, w_n = {w_n:g}: log10 of oldest/newest", lambda w_n=w_n: decades("tanh", w_n),
         value, 3 * spread * math.sqrt(1 / n + 1 / n_simulated), simulated)
        for w_n, value, spread in (
            (0.5, -22.72, 1.2), (0.9, -12.91, 2.1), (1.1, -11.35, 2.9), (2.0, -33.36, 5.0),
            (4.0, -107.93, 4.1),
        )
    ]  # fmt: skip
    rows += [
        (f"relu, w_n = {w_n:g}: share of paths of 51 active", lambda w_n=w_n: active(w_n),
         share, 3 * math.sqrt(share * (1 / n + 1 / n_simulated)), simulated)
        for w_n, share in ((0.9, 0.0033), (1.1, 0.2066))
    ]  # fmt: skip
    return rows
