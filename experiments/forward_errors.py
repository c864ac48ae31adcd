"""How long can errors be propagated forward in time before rounding takes over?

Command:   rnnjax run forward_errors
Run time:  about four minutes on 2 cores, compiling included.
Figure:    Forward propagation computes delta_{t+1} = J^-T (delta_t - g_t): backpropagation in the
           direction of time, exact but for rounding. a, b: cosine of its weight gradient with that
           of BPTT over the recurrent strength, plain (lines, which end where a number overflows)
           and scale-free (circles): the same. c: the error of delta_t over the steps, beside eps
           times the length of a vector that J^-T carries (dashed). d: the step at which no digit is
           left, as that predicts; inputs of variance 1 leave 6 to 20 steps. e: in a linear network
           the error grows by -ln g a step. f: what numbers without a range do save: with a loss at
           the last step alone the whole gradient underflows in plain numbers.
Source:    Zucchet, Pourcel and Ernoult, Forward propagation of errors through time, 2026.
"""

import json
import math
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax.sweep import ActivationName, Lane, Static, Variable
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig

PRECISION = "float64"
_DUE = ("every step", "last step")
_EPSILON = {"float32": 2.0**-24, "float64": 2.0**-53}
_PAPER = "Zucchet, Pourcel and Ernoult 2026"
_LINEAR_SCALE = 1e-5  # of inputs that leave tanh linear to 1e-9
_RIGHT = 0.999  # cosine of a gradient that counts as right
_MIN_RISE = 8.0  # nat
_FEWEST_STEPS = 5
_GREY = 12.0  # binary orders about the end of the range in which entries of S differ
Arithmetic = Literal["float32", "float64", "float32_scale_free", "float64_scale_free"]
REPRODUCES = {
    "plain: slope": "Zucchet, Pourcel and Ernoult 2026, error growth",
    "scale-free: slope": "Zucchet, Pourcel and Ernoult 2026, error growth",
}


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    arithmetic: Static[Arithmetic]
    length: Static[PositiveInt]
    input_scale: Lane[PositiveFloat]
    gain: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """Which networks."""

    axes: Axes
    n_h: int = Field(32, ge=1, le=1024, description="units")
    n_x: PositiveInt = Field(8, description="inputs")
    weights: Literal["orthogonal", "gaussian"] = Field(
        "orthogonal", description="initial recurrent weights, to be multiplied by the gain"
    )
    activation: ActivationName = Field("tanh", description="f in h' = f(W h + U x)")
    n_parts: int = Field(25, ge=3, le=1000, description="steps at which the error is kept")


def coordinates(config):
    """When the loss falls due, and how far through the sequence a step is."""
    return {"due": np.array(_DUE), "part": np.linspace(0, 1, config.n_parts)}


def variables(config):
    """What is measured in every cell of the sweep; errors are against BPTT in float64."""
    error = "natural log of |error of delta_t|"
    none = "first step at which delta_t has no right digit"
    return {
        "cosine": Variable(("due",), "cosine of dL/dW with BPTT's; NaN if it is 0 or no number"),
        "cosine_bptt": Variable(("due",), "the same for BPTT in the same arithmetic"),
        "log_norm_ratio": Variable(("due",), "natural log of |dL/dW| over BPTT's", "nat"),
        "share_finite": Variable(("due",), "share of the delta_t that are finite numbers"),
        "log_error": Variable(("due", "part"), f"{error} over |delta_t|", "nat"),
        "log_growth": Variable(
            ("part",), "natural log of |J_t^-T .. J_2^-T u| for a unit vector u", "nat"
        ),
        "error_slope": Variable(
            ("due",), f"growth of the {error}, later half of the finite steps", "nat/step"
        ),
        "slope_steps": Variable((), "steps over which error_slope is taken, loss at every step"),
        "growth_rate": Variable((), "log_growth at the last step, a step", "nat/step"),
        "growth_bound": Variable((), "mean of -ln(smallest slope smallest singular value of W)"),
        "half_digits_step": Variable(
            ("due",), "first step with half the digits wrong", "step", infinite="beyond"
        ),
        "all_digits_step": Variable(("due",), none, "step", infinite="beyond"),
        "predicted_step": Variable(
            ("due",), f"{none} if rounding of delta_1 grows as u does", "step", infinite="beyond"
        ),
    }


def _task(config, length):
    return rnnjax.tasks.WhiteNoise(length, config.n_x)


def _cell(config, **fields):
    weights = getattr(rnnjax.cells, config.weights)
    return rnnjax.Vanilla(config.n_x, config.n_h, 1, recurrent=weights, **fields)


def draw(config, input_scale, gain, seed):
    """Draw weights and the longest sequence from the seed, the same at every gain and scale."""
    from jax import random

    key = random.key(seed)
    params = _cell(config, gain=gain).init(random.fold_in(key, 0))
    batch = _task(config, max(config.axes.length)).sample(random.fold_in(key, 1))
    batch = batch.replace(x=input_scale * batch.x)
    return params, batch, _log_smallest(config, params.W, gain)


def _log_smallest(config, W, gain):
    """Return ln of the smallest singular value of W; to compute it takes long to compile."""
    from jax import numpy as jnp

    if config.weights == "orthogonal":
        return jnp.log(gain)
    return jnp.log(jnp.linalg.svd(W, compute_uv=False)[-1])


def measure(config, drawn, arithmetic, length):
    """Carry errors forward through one network, in one arithmetic, and compare with BPTT."""
    import jax
    from jax import numpy as jnp

    params, batch, log_smallest = drawn
    cell = _cell(config, activation=rnnjax.activation_named(config.activation))
    task = _task(config, length)
    masks = jnp.stack([jnp.full(length, 1 / length), jnp.eye(length)[-1]])
    due = jax.vmap(lambda mask: jax.tree.map(lambda a: a[:length], batch).replace(mask=mask))(masks)
    kind = arithmetic.removesuffix("_scale_free")
    rule = rnnjax.rules.ForwardErrors(scale_free=kind != arithmetic)
    forward, backward, wide = _in_arithmetic(cell, task, params, due, rule, kind)
    exact = backward if kind == "float64" else _by_bptt(cell, task, *wide)
    growth, slopes = _growth(cell, *wide[:2])
    return {
        **_of_gradients(forward[1], backward[1], exact[1]),
        **_of_errors(config, forward[0], exact[0], growth, _EPSILON[kind]),
        "growth_rate": growth[-1] / max(1, length - 1),
        "growth_bound": -(log_smallest + jnp.mean(jnp.log(slopes))),
    }


def _cast(tree, dtype):
    """Return a tree with its real numbers in a dtype; exponents stay integers."""
    import jax
    from jax import numpy as jnp

    def cast(a):
        return a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a

    return jax.tree.map(cast, tree)


def _in_arithmetic(cell, task, params, batch, rule, kind):
    """Run forward propagation and BPTT in float32 or float64, on a trajectory of that precision.

    Returns:
      (deltas, dL/dW) of either as float64, leaves (n_due, ...), and (params, trajectory, batch) in
      float64, bit for bit those of `kind`: what differs from them is the backward pass alone.
    """
    import jax

    # A cell makes its initial state and its Jacobian in JAX's default precision.
    with jax.enable_x64(kind == "float64"):
        params, batch = _cast((params, batch), kind)
        trajectory = rnnjax.unroll(cell, params, batch.x[0])
        g = jax.vmap(lambda due: _source(cell, task, params, trajectory, due))(batch)
        forward = jax.vmap(lambda g: rule.errors(cell, params, trajectory, g))(g)
        backward = jax.vmap(lambda g: _adjoint(cell, params, trajectory, g))(g)
        both = jax.tree.map(lambda a, b: jax.numpy.stack([a, b]), forward, backward)
        W = _of_weights(cell, params, trajectory, batch, both)
        found = [
            (deltas, jax.tree.map(lambda a, i=i: a[i], W))
            for i, deltas in enumerate((forward, backward))
        ]
    return *_cast(found, "float64"), _cast((params, trajectory, batch), "float64")


def _by_bptt(cell, task, params, trajectory, batch):
    """Return delta_t and dL/dW by BPTT on a trajectory, leaves (n_due, ...)."""
    import jax

    g = jax.vmap(lambda due: _source(cell, task, params, trajectory, due))(batch)
    deltas = jax.vmap(lambda g: _adjoint(cell, params, trajectory, g))(g)
    one = jax.tree.map(lambda a: a[None], deltas)
    W = _of_weights(cell, params, trajectory, batch, one)
    return deltas, jax.tree.map(lambda a: a[0], W)


def _source(cell, task, params, trajectory, batch):
    h = rnnjax.scaled.plain(trajectory.states)
    return rnnjax.adjoint.readout_source(cell, task.loss, params, h, batch.y, batch.mask)[1]


def _adjoint(cell, params, trajectory, g):
    from jax import numpy as jnp

    nothing = rnnjax.scaled.normalise(jnp.zeros_like(g.value[0]))
    residuals = rnnjax.scan.residuals(cell, params, trajectory)
    return rnnjax.adjoint.scan_back(cell, params, residuals, nothing, g)[0]


def _of_weights(cell, params, trajectory, batch, deltas):
    """Return dL/dW, leaves (n, n_due, ...), of deltas (n, n_due, T, n_h)."""
    import jax

    def one(deltas):
        return rnnjax.gradient.through_steps(cell, params, trajectory, batch.x[0], deltas)[0]

    return jax.vmap(jax.vmap(one))(deltas)


def _growth(cell, params, trajectory):
    """Return ln|J_t^-T .. J_2^-T u| of t = 1..T, and the smallest slope of each step."""
    import jax
    from jax import numpy as jnp

    def step(v, at):
        J = rnnjax.scan.linearize(cell, params, at).as_matrix()
        v = rnnjax.matrices.solve(J.value.T, v)
        size = jnp.linalg.norm(v)
        return v / size, jnp.log(size) - J.exponent * math.log(2)

    def slope(at):
        found = rnnjax.tangents.slope(rnnjax.scan.linearize(cell, params, at))
        return jnp.min(rnnjax.scaled.shift(found.value, found.exponent))

    later = jax.tree.map(lambda a: a[1:], trajectory)
    u = rnnjax.adjoint.unit_cotangent(trajectory.h_prev[0])
    _, growth = jax.lax.scan(step, u, later)
    return jnp.append(0.0, jnp.cumsum(growth)), jax.vmap(slope)(later)


def _of_gradients(forward, backward, exact):
    scaled = rnnjax.scaled
    return {
        "cosine": scaled.cosine(forward, exact),
        "cosine_bptt": scaled.cosine(backward, exact),
        "log_norm_ratio": scaled.log_norm(forward) - scaled.log_norm(exact),
    }


def _of_errors(config, deltas, true, growth, epsilon):
    """Measure the error of delta_t, leaves (n_due, T), and when it is as large as delta_t."""
    import jax
    from jax import numpy as jnp

    scaled = rnnjax.scaled
    error = scaled.add(deltas, scaled.Scaled(-true.value, true.exponent))
    finite = jnp.all(jnp.isfinite(deltas.value), axis=-1)
    log_error = jnp.where(finite, scaled.log_norm(error), jnp.inf)
    log_size = scaled.log_norm(true)
    relative = log_error - log_size
    predicted = math.log(epsilon) + log_size[:, :1] + growth[None] - log_size
    parts = jnp.asarray(coordinates(config)["part"]) * (len(growth) - 1)
    kept = jnp.round(parts).astype(int)
    slope, steps = jax.vmap(_late_slope)(log_error, finite)
    return {
        "share_finite": jnp.mean(finite, axis=1),
        "log_error": relative[:, kept].astype(jnp.float32),
        "log_growth": growth[kept].astype(jnp.float32),
        "error_slope": slope,
        "slope_steps": steps[0],
        "half_digits_step": _first_step(relative >= math.log(epsilon) / 2),
        "all_digits_step": _first_step(relative >= 0),
        "predicted_step": _first_step(predicted >= 0),
    }


def _first_step(there):
    """Return the first t at which something is there, (n_due,), inf if it never is."""
    from jax import numpy as jnp

    return jnp.where(jnp.any(there, axis=1), jnp.argmax(there, axis=1) + 1.0, jnp.inf)


def _late_slope(log_error, finite):
    """Return the growth a step over the later half of the steps before the first overflow."""
    from jax import numpy as jnp

    n_finite = jnp.where(jnp.all(finite), len(finite), jnp.argmin(finite))
    last = jnp.maximum(n_finite - 1, 0)
    steps = last - last // 2
    rise = log_error[last] - log_error[last // 2]
    return jnp.where(steps > 0, rise / jnp.maximum(steps, 1), jnp.nan), steps


def figure(cube):
    """Alignment over the recurrent strength, growth of the error, and what scaling can save."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 5.0))
    panels = drawn.subplots(2, 3)
    cube = cube.sortby(["length", "gain", "input_scale"])
    _draw_alignments(panels[0, :2], cube)
    _draw_errors(panels[0, 2], cube)
    _draw_horizons(panels[1, 0], cube)
    _draw_slopes(panels[1, 1], cube)
    _draw_rescues(panels[1, 2], cube)
    rnnjax.figures.letter_panels(panels.flat)
    drawn.legend(handles=_handles(cube), loc="outside lower center", ncols=5)
    return drawn


def _names(cube):
    return [str(name) for name in cube["arithmetic"].values]


def _style(name):
    """Return the marks of an arithmetic: filled if plain, open if scale-free."""
    colour, marker = {"float32": ("#D55E00", "o"), "float64": ("#0072B2", "s")}[_kind(name)]
    if not _is_free(name):
        return {"color": colour, "marker": marker, "markersize": 2.5}
    return {"color": colour, "marker": marker, "markersize": 5, "markerfacecolor": "none"}


def _kind(name):
    return name.removesuffix("_scale_free")


def _is_free(name):
    return name.endswith("_scale_free")


def _handles(cube):
    from matplotlib.lines import Line2D

    arithmetics = [
        Line2D([], [], linestyle="none", label=name.replace("_", " "), **_style(name))
        for name in _names(cube)
    ]
    return [*arithmetics, Line2D([], [], color="#404040", linestyle="--", label="prediction")]


def _usual_scale(cube):
    """Return the input scale of the panels that show one: the second smallest."""
    return cube["input_scale"].values[min(1, cube.sizes["input_scale"] - 1)]


def _draw_alignments(axes, cube):
    """Draw the cosine over the gain, one panel a precision, medians and 10 to 90 % of seeds."""
    lengths, gain = cube["length"].values, cube["gain"].values
    colours = rnnjax.figures.ordered_colours(len(lengths))
    scale = _usual_scale(cube)
    for ax, kind in zip(axes, _EPSILON, strict=True):
        names = [name for name in _names(cube) if _kind(name) == kind]
        for length, colour in zip(lengths, colours, strict=True):
            for name in names:
                at = {"arithmetic": name, "length": length, "input_scale": scale}
                cosine = cube["cosine"].sel(due=_DUE[0], **at).transpose("gain", "seed").values
                low, middle, high = np.quantile(cosine, (0.1, 0.5, 0.9), axis=1)
                if _is_free(name):
                    mark = {"linestyle": "none", "marker": "o", "markerfacecolor": "none"}
                    ax.plot(gain, middle, color=colour, markersize=4, clip_on=False, **mark)
                    continue
                ax.plot(gain, middle, color=colour, label=f"$T$ = {length}", linewidth=1.2)
                ax.fill_between(gain, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.set(xlabel="recurrent strength $g$", ylim=(-0.45, 1.05))
        ax.set_title(f"{kind}, inputs {scale:g}")
        ax.axhline(0, color="#b0b0b0", linewidth=0.5, zorder=0)
    axes[0].set_ylabel(r"cosine of $\mathrm{d}L/\mathrm{d}W$ with BPTT's")
    for ax in axes:
        if ax.get_legend_handles_labels()[1]:
            ax.legend(loc="lower center", ncols=2, fontsize=7)


def _draw_errors(ax, cube):
    """Draw the relative error over the steps of the most precise arithmetic, one line a gain."""
    name = _names(cube)[-1]
    length = cube["length"].values[min(1, cube.sizes["length"] - 1)]
    at = {"arithmetic": name, "length": length, "input_scale": _usual_scale(cube)}
    one = cube.sel(due=_DUE[0], **at)
    step = 1 + one["part"].values * (length - 1)
    gains = one["gain"].values
    for gain, colour in zip(gains, rnnjax.figures.ordered_colours(len(gains)), strict=True):
        error = one["log_error"].sel(gain=gain).median("seed").values / math.log(10)
        growth = one["log_growth"].sel(gain=gain).median("seed").values + math.log(
            _EPSILON[_kind(name)]
        )
        ax.plot(step, error, color=colour, linewidth=1.1, label=f"$g$ = {gain:g}")
        ax.plot(step, growth / math.log(10), color=colour, linewidth=0.9, linestyle="--")
    lowest = math.log10(_EPSILON[_kind(name)]) - 1
    ax.axhline(0, color="#b0b0b0", linewidth=0.5, zorder=0)
    ax.set(xlabel="step $t$", xlim=(1, length), ylim=(lowest, -lowest))
    ax.set(
        ylabel=r"$\log_{10}$ relative error of $\delta_t$", title=f"{_kind(name)}, $T$ = {length}"
    )
    ax.legend(loc="upper left", fontsize=6.5, handlelength=1.2, labelspacing=0.25)


def _draw_horizons(ax, cube):
    """Draw the step without a right digit over the prediction, every network."""
    one = cube.sel(due=_DUE[0])
    ends = [10.0]
    for name in _names(cube):
        measured, predicted = (
            one[which].sel(arithmetic=name).values.ravel()
            for which in ("all_digits_step", "predicted_step")
        )
        style = {**_style(name), "linestyle": "none", "markeredgewidth": 0.4}
        ax.plot(predicted, measured, alpha=0.6, **style)
        ends += [*measured[np.isfinite(measured)], *predicted[np.isfinite(predicted)]]
    limits = (0.7 * min(ends), 1.4 * max(ends))
    ax.plot(limits, limits, color="#404040", linestyle="--", linewidth=0.9)
    ax.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    ax.set(xlabel="predicted step", ylabel="step with no digit left")


def _linear(cube):
    """Return the networks that are linear to 1e-9 and contract: all singular values are g."""
    config = json.loads(cube.attrs["config"])
    if config["weights"] != "orthogonal" or config["activation"] not in ("tanh", "identity"):
        return cube.isel(gain=[])
    small = cube["input_scale"].values <= _LINEAR_SCALE
    if config["activation"] == "identity":
        small = np.ones_like(small)
    return cube.isel(input_scale=np.flatnonzero(small)).sel(
        gain=[g for g in cube["gain"].values if g <= 1]
    )


def _draw_slopes(ax, cube):
    """Draw the slope of the error over -ln g in the linear regime."""
    one = _linear(cube).sel(due=_DUE[0])
    expected = -np.log(one["gain"].values)
    for name in _names(cube):
        long = one.sel(arithmetic=name).where(_is_long(one.sel(arithmetic=name)))
        slope = long["error_slope"].transpose("gain", ...).values
        x = np.broadcast_to(expected.reshape(-1, *(1,) * (slope.ndim - 1)), slope.shape)
        style = {**_style(name), "linestyle": "none", "markeredgewidth": 0.6}
        ax.plot(x.ravel(), slope.ravel(), **style)
    top = 1.1 * max([0.5, *expected])
    ax.plot([0, top], [0, top], color="#404040", linestyle="--", linewidth=0.9)
    ax.set(xlabel=r"$-\ln\,g$", ylabel="slope of the error (nat/step)", title="linear regime")
    ax.set(xlim=(0, top), ylim=(0, top))


def _draw_rescues(ax, cube):
    """Draw the share of networks with the right gradient over T, loss at the last step alone."""
    one = _linear(cube).sel(due=_DUE[1])
    lengths = one["length"].values
    for name in _names(cube):
        right = one["cosine"].sel(arithmetic=name) > _RIGHT
        if right.size:
            share = right.mean([dim for dim in right.dims if dim != "length"])
            ax.plot(lengths, share, linewidth=1, **_style(name))
    ax.set(xscale="log", xlabel="length $T$ (steps)", ylim=(0, 1.05))
    ax.set_xlim(0.85 * lengths[0], 1.18 * lengths[-1])
    ax.set(ylabel="share with the right gradient", title="loss at the last step")
    ax.set_xticks(lengths, [str(length) for length in lengths])
    ax.minorticks_off()


def _is_long(cube):
    """Return where the error grows by enough for its slope to be told to 2 %."""
    return cube["slope_steps"] * -np.log(cube["gain"]) >= _MIN_RISE


def claims(cube):
    """Numbers that must hold, each with its source."""
    every, _last = (cube.sel(due=due) for due in _DUE)
    linear = _linear(cube)
    found = [
        *_slopes(linear.sel(due=_DUE[0])),
        *_prediction(every),
        *_what_scaling_saves(linear.sel(due=_DUE[1])),
        *_what_scaling_cannot(cube, every),
        _at_least("BPTT in the same arithmetic: worst cosine", cube["cosine_bptt"], 1 - 1e-5),
    ]
    isometric = linear.sel(gain=[g for g in linear["gain"].values if g == 1])
    if isometric["cosine"].size:
        name = "g = 1, linear regime: worst cosine, any T and arithmetic"
        found.append(_at_least(name, isometric["cosine"], _RIGHT))
    return found


def _at_least(name, values, bound, source="exact arithmetic gives 1; tolerance: rounding"):
    return rnnjax.Claim(name, np.min(values), bound, 0.0, source, relation="at_least")


def _slopes(linear):
    """Return the claims on the slope of the error, which is -ln g where every |J^-1 v| is |v|/g."""
    found = []
    for free, told in ((False, "plain"), (True, "scale-free")):
        some = linear.sel(arithmetic=[n for n in _names(linear) if _is_free(n) == free])
        slope = some["error_slope"]
        # Where the rise is too small the slope says nothing; elsewhere a NaN must fail the claim.
        long = _is_long(some).transpose(*slope.dims).values
        expected = (0 * slope.fillna(0) - np.log(slope["gain"])).transpose(*slope.dims).values
        if long.any():
            worst = 1 + np.max(np.abs(slope.values[long] / expected[long] - 1))
            name = f"{told}: slope of the error over -ln g, worst"
            source = f"{_PAPER}: an error in delta_0 becomes lambda^-T eps"
            found.append(rnnjax.Claim(name, worst, 1.0, 0.02, source))
    return found


def _prediction(every):
    """Return the claims on the step without a digit, and on how fast errors can grow at all."""
    measured, predicted = every["all_digits_step"].values, every["predicted_step"].values
    both = np.isfinite(measured) & np.isfinite(predicted) & (predicted >= _FEWEST_STEPS)
    excess = np.max(every["growth_rate"].values - every["growth_bound"].values)
    source = "exact: |J^-T v| <= |v| / (g min f'); tolerance: float32 weights"
    found = [
        rnnjax.Claim(
            "growth of u over its bound, nat/step", excess, 0.0, 1e-5, source, relation="at_most"
        )
    ]
    if both.any():
        name = "step with no digit left over its prediction, median"
        ratio = np.median(measured[both] / predicted[both])
        source = "delta_1 off by eps, and J^-T from there; tolerance: a few rounding errors"
        found.append(rnnjax.Claim(name, ratio, 1.0, 0.1, source))
    return found


def _what_scaling_saves(last):
    """Return the claims on a loss at the last step: plain numbers lose g^T, scaled ones do not."""
    if not last["cosine"].size:
        return []
    found = []
    exponent = ((last["length"] - 1) * np.log2(last["gain"])).transpose("length", "gain")
    for name in _names(last):
        lost = last["cosine"].sel(arithmetic=name).isnull().transpose("length", "gain", ...).values
        lost = lost.reshape(*exponent.shape, -1)
        least = np.log2(np.finfo(_kind(name)).tiny)
        clear = np.abs(exponent.values - least) > _GREY
        if _is_free(name) or not clear.any():
            continue
        below = (exponent.values < least)[clear][:, None]
        told = f"{name}, loss at T: gradient lost exactly where g^(T-1) underflows, share"
        source = f"closed form: S_T = (g Q)^(T-1) against 2^{least:.0f}"
        found.append(rnnjax.Claim(told, np.mean(lost[clear] == below), 1.0, 0.0, source))
    free = last["cosine"].sel(arithmetic=[n for n in _names(last) if _is_free(n)])
    if free.size:
        told = "scale-free, loss at T, linear regime: worst cosine"
        found.append(_at_least(told, free, _RIGHT))
    return found


def _what_scaling_cannot(cube, every):
    """Return the claims that scaled numbers are always finite, and no better where digits go."""
    free = [name for name in _names(cube) if _is_free(name)]
    if not free:
        return []
    finite = cube["share_finite"].sel(arithmetic=free)
    found = [_at_least("scale-free: least share of finite delta_t", finite, 1.0, "exact")]
    ratios = [
        (
            every["all_digits_step"].sel(arithmetic=name)
            / every["all_digits_step"].sel(arithmetic=_kind(name))
        ).values
        for name in free
        if _kind(name) in _names(cube)
    ]
    known = np.concatenate([[], *(r[np.isfinite(r)] for r in ratios)])
    if known.size:
        name = "step with no digit left, scale-free over plain, median"
        source = "an exponent adds range, not digits; tolerance: rounding differs"
        found.append(rnnjax.Claim(name, np.median(known), 1.0, 0.05, source))
    some = every.sel(arithmetic=free)
    gone = (some["predicted_step"] < some["length"] / 3).values
    if gone.any():
        name = "scale-free, no digit left for 2/3 of T: |cosine|, median"
        cosine = np.abs(some["cosine"].transpose(*some["predicted_step"].dims).values[gone])
        source = "a gradient of rounding errors has no direction; tolerance: chance"
        found.append(rnnjax.Claim(name, np.median(cosine), 0.0, 0.2, source))
    return found
