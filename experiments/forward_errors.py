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

import math
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Row
from rnnjax.lazy import jax, jnp
from rnnjax.reductions import cells, largest, median, smallest
from rnnjax.sweep import ActivationName, Traced, Variable

PRECISION = "float64"
_DUE = ("every step", "last step")
_EVERY, _LAST = _DUE
_EPSILON = {"float32": 2.0**-24, "float64": 2.0**-53}
_PAPER = "Zucchet, Pourcel and Ernoult 2026"
_LINEAR_SCALE = 1e-5  # of inputs that leave tanh linear to 1e-9
_RIGHT = 0.999  # cosine of a gradient that counts as right
_MIN_RISE = 8.0  # nat
_FEWEST_STEPS = 5
_GREY = 12.0  # binary orders about the end of the range in which entries of S differ
Arithmetic = Literal["float32", "float64", "float32_scale_free", "float64_scale_free"]
_LOOKS = {
    "float32": figures.Look("float32", "#D55E00", "o", size=2.5),
    "float64": figures.Look("float64", "#0072B2", "s", size=2.5),
    "float32_scale_free": figures.Look("float32 scale free", "#D55E00", "o", hollow=True, size=5),
    "float64_scale_free": figures.Look("float64 scale free", "#0072B2", "s", hollow=True, size=5),
}


class Setting(sweep.Setting):
    """One network, whose errors are propagated in one arithmetic."""

    arithmetic: Arithmetic = "float32"
    length: PositiveInt = Field(100, description="steps T")
    input_scale: PositiveFloat = Field(1.0, description="standard deviation of the inputs")
    gain: PositiveFloat = Field(1.0, description="recurrent strength g")
    seed: Traced[int] = Field(0, description="of weights and sequence")
    n_h: int = Field(32, ge=1, le=1024, description="units")
    n_x: PositiveInt = Field(8, description="inputs")
    weights: Literal["orthogonal", "gaussian"] = Field(
        "orthogonal", description="initial recurrent weights, to be multiplied by the gain"
    )
    activation: ActivationName = Field("tanh", description="f in h' = f(W h + U x)")
    n_parts: int = Field(25, ge=3, le=1000, description="steps at which the error is kept")
    axes = ("arithmetic", "length", "input_scale", "gain", "seed")


def coordinates(setting):
    """When the loss falls due, and how far through the sequence a step is."""
    return {"due": np.array(_DUE), "part": np.linspace(0, 1, setting.n_parts)}


def variables(setting):
    """What is measured in every cell of the sweep; errors are against BPTT in float64."""
    error = "natural log of |error of delta_t|"
    none = "first step at which delta_t has no right digit"
    step = {"units": "step", "infinite": "beyond"}
    return {
        "cosine": Variable(("due",), "cosine of dL/dW with BPTT's; NaN if it is 0 or no number"),
        "cosine_bptt": Variable(("due",), "the same for BPTT in the same arithmetic"),
        "log_norm_ratio": Variable(("due",), "natural log of |dL/dW| over BPTT's", "nat"),
        "share_finite": Variable(("due",), "share of the delta_t that are finite numbers"),
        "log_error": Variable(("due", "part"), f"{error} over |delta_t|", "nat"),
        "log_growth": Variable(("part",), "natural log of |J_t^-T .. J_2^-T u|, |u| = 1", "nat"),
        "error_slope": Variable(
            ("due",), f"growth of the {error}, later half of the finite steps", "nat/step"
        ),
        "slope_steps": Variable((), "steps over which error_slope is taken, loss at every step"),
        "growth_rate": Variable((), "log_growth at the last step, a step", "nat/step"),
        "growth_bound": Variable((), "mean of -ln(smallest slope smallest singular value of W)"),
        "half_digits_step": Variable(("due",), "first step with half the digits wrong", **step),
        "all_digits_step": Variable(("due",), none, **step),
        "predicted_step": Variable(
            ("due",), f"{none} if rounding of delta_1 grows as u does", **step
        ),
    }


def _cell(setting, **fields):
    weights = getattr(rnnjax.cells, setting.weights)
    return rnnjax.Vanilla(setting.n_x, setting.n_h, 1, recurrent=weights, **fields)


def shared(setting):
    """Weights, ln of the smallest singular value of W, and a sequence: of any length the start."""
    key = jax.random.key(setting.seed)
    params = _cell(setting, gain=setting.gain).init(jax.random.fold_in(key, 0))
    task = rnnjax.tasks.WhiteNoise(setting.length, setting.n_x, scale=setting.input_scale)
    batch = task.sample(jax.random.fold_in(key, 1))
    if setting.weights == "orthogonal":
        return params, jnp.log(setting.gain), batch
    return params, jnp.log(jnp.linalg.svd(params.W, compute_uv=False)[-1]), batch


def measure(setting, shared):
    """Carry errors forward through one network, in one arithmetic, and compare with BPTT."""
    params, log_smallest, batch = shared
    n_steps, kind = setting.length, setting.arithmetic.removesuffix("_scale_free")
    cell = _cell(setting, activation=rnnjax.activation_named(setting.activation))
    masks = jnp.stack([jnp.full(n_steps, 1 / n_steps), jnp.eye(n_steps)[-1]])
    due = jax.vmap(lambda mask: batch.replace(mask=mask))(masks)
    rule = rnnjax.rules.ForwardErrors(scale_free=kind != setting.arithmetic)
    forward, backward, wide = _in_arithmetic(cell, params, due, rule, kind)
    exact = backward if kind == "float64" else _by_bptt(cell, *wide)
    growth, slopes = _growth(cell, *wide[:2])
    return {
        **_of_gradients(forward[1], backward[1], exact[1]),
        **_of_errors(setting, forward[0], exact[0], growth, _EPSILON[kind]),
        "growth_rate": growth[-1] / max(1, n_steps - 1),
        "growth_bound": -(log_smallest + jnp.mean(jnp.log(slopes))),
    }


def _cast(tree, dtype):
    """Return a tree with its real numbers in a dtype; exponents stay integers."""
    return jax.tree.map(
        lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree
    )


def _in_arithmetic(cell, params, batch, rule, kind):
    """Run forward propagation and BPTT in float32 or float64, on a trajectory of that precision.

    Returns:
      (deltas, dL/dW) of either as float64, leaves (n_due, ...), and (params, trajectory, batch) in
      float64, bit for bit those of `kind`: what differs from them is the backward pass alone.
    """
    # A cell makes its initial state and its Jacobian in JAX's default precision.
    with jax.enable_x64(kind == "float64"):
        params, batch = _cast((params, batch), kind)
        trajectory = rnnjax.unroll(cell, params, batch.x[0])
        g = _sources(cell, params, trajectory, batch)
        forward = jax.vmap(lambda g: rule.errors(cell, params, trajectory, g))(g)
        backward = _adjoints(cell, params, trajectory, g)
        both = jax.tree.map(lambda a, b: jnp.stack([a, b]), forward, backward)
        W = _of_weights(cell, params, trajectory, batch, both)
        found = [
            (deltas, jax.tree.map(lambda a, i=i: a[i], W))
            for i, deltas in enumerate((forward, backward))
        ]
    return *_cast(found, "float64"), _cast((params, trajectory, batch), "float64")


def _by_bptt(cell, params, trajectory, batch):
    """Return delta_t and dL/dW by BPTT on a trajectory, leaves (n_due, ...)."""
    deltas = _adjoints(cell, params, trajectory, _sources(cell, params, trajectory, batch))
    one = jax.tree.map(lambda a: a[None], deltas)
    W = _of_weights(cell, params, trajectory, batch, one)
    return deltas, jax.tree.map(lambda a: a[0], W)


def _sources(cell, params, trajectory, batch):
    """Return dl_t/dh_t of the squared error at every step, leaves (n_due, T, ...)."""
    h, loss = rnnjax.scaled.plain(trajectory.states), rnnjax.losses.squared_error
    source = rnnjax.adjoint.readout_source
    return jax.vmap(lambda due: source(cell, loss, params, h, due.y, due.mask)[1])(batch)


def _adjoints(cell, params, trajectory, g):
    nothing = rnnjax.scaled.normalise(jnp.zeros_like(g.value[0, 0]))
    residuals = rnnjax.scan.residuals(cell, params, trajectory)
    back = rnnjax.adjoint.scan_back
    return jax.vmap(lambda g: back(cell, params, residuals, nothing, g)[0])(g)


def _of_weights(cell, params, trajectory, batch, deltas):
    """Return dL/dW, leaves (n, n_due, ...), of deltas (n, n_due, T, n_h)."""

    def one(deltas):
        return rnnjax.gradient.through_steps(cell, params, trajectory, batch.x[0], deltas)[0]

    return jax.vmap(jax.vmap(one))(deltas)


def _growth(cell, params, trajectory):
    """Return ln|J_t^-T .. J_2^-T u| of t = 1..T, and the smallest slope of each step."""

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


def _of_errors(setting, deltas, true, growth, epsilon):
    """Measure the error of delta_t, leaves (n_due, T), and when it is as large as delta_t."""
    scaled = rnnjax.scaled
    error = scaled.add(deltas, scaled.Scaled(-true.value, true.exponent))
    finite = jnp.all(jnp.isfinite(deltas.value), axis=-1)
    log_error = jnp.where(finite, scaled.log_norm(error), jnp.inf)
    log_size = scaled.log_norm(true)
    relative = log_error - log_size
    predicted = math.log(epsilon) + log_size[:, :1] + growth[None] - log_size
    kept = np.round(np.linspace(0, 1, setting.n_parts) * (setting.length - 1)).astype(int)
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
    return jnp.where(jnp.any(there, axis=1), jnp.argmax(there, axis=1) + 1.0, jnp.inf)


def _late_slope(log_error, finite):
    """Return the growth a step over the later half of the steps before the first overflow."""
    n_finite = jnp.where(jnp.all(finite), len(finite), jnp.argmin(finite))
    last = jnp.maximum(n_finite - 1, 0)
    steps = last - last // 2
    rise = log_error[last] - log_error[last // 2]
    return jnp.where(steps > 0, rise / jnp.maximum(steps, 1), jnp.nan), steps


def figure(cube):
    """Alignment over the recurrent strength, growth of the error, and what scaling can save."""
    frame = figures.Frame(2, 3, height=5.0)
    cube = cube.sortby(["length", "gain", "input_scale"])
    _draw_alignments(frame.rows[0][:2], cube)
    *_, prediction = _draw_errors(frame.panels[2], cube)
    _draw_horizons(frame.panels[3], cube.sel(due=_EVERY))
    linear = _linear(cube)
    _draw_slopes(frame.panels[4], linear.sel(due=_EVERY))
    _draw_rescues(frame.panels[5], linear.sel(due=_LAST))
    dots = figures.handles(_LOOKS, cube["arithmetic"].values, linestyle="none")
    return frame.finished([*dots, prediction], ncols=5)


def _usual(cube):
    """Return the networks of the panels that show one input scale: the second smallest."""
    return cube.isel(input_scale=min(1, cube.sizes["input_scale"] - 1)).sel(due=_EVERY)


def _draw_alignments(panels, cube):
    """Draw the cosine over the gain, one panel a precision; scale-free as circles."""
    some, label = _usual(cube), "$T$ = {}"
    circles = figures.ordered_looks(
        cube["length"].values, label, marker="o", dashes="none", hollow=True, size=4
    )
    for panel, kind in zip(panels, _EPSILON, strict=True):
        told = {"title": f"{kind}, inputs {some['input_scale']:g}", "ylim": (-0.45, 1.05)}
        told |= {"xlabel": "recurrent strength $g$", "ylabel": "", "level": 0}
        for name in _names(cube):
            at = {"over": "gain", "each": "length", "label": label, **told}
            cosine = some["cosine"].sel(arithmetic=name)
            if name == kind:
                figures.curves(panel, cosine, band="seed", line={"linewidth": 1.2}, **at)
                panel.legend(loc="lower center", ncols=2, fontsize=7)
            elif _kind(name) == kind:
                line = {"clip_on": False}
                figures.curves(panel, median(cosine), looks=circles, line=line, **at)
    panels[0].set_ylabel(r"cosine of $\mathrm{d}L/\mathrm{d}W$ with BPTT's")


def _draw_errors(panel, cube):
    """Draw the relative error over the steps of the most precise arithmetic, one line a gain."""
    name = _names(cube)[-1]
    one = _usual(cube).sel(arithmetic=name).isel(length=min(1, cube.sizes["length"] - 1))
    length, epsilon = int(one["length"]), _EPSILON[_kind(name)]
    one = one.assign_coords(step=1 + one["part"] * (length - 1))
    growth = one["log_growth"].median("seed") + math.log(epsilon)
    lowest = math.log10(epsilon) - 1
    legend = figures.curves(
        panel, one["log_error"].median("seed") / math.log(10), over="step", each="gain",
        label="$g$ = {:g}", theory={"prediction": growth / math.log(10)}, level=0,
        xlabel="step $t$", ylabel=r"$\log_{10}$ relative error of $\delta_t$", xlim=(1, length),
        ylim=(lowest, -lowest), title=f"{_kind(name)}, $T$ = {length}", line={"linewidth": 1.1},
    )  # fmt: skip
    small = {"fontsize": 6.5, "handlelength": 1.2, "labelspacing": 0.25}
    panel.legend(handles=legend[:-1], loc="upper left", **small)
    return legend


def _draw_horizons(panel, cube):
    """Draw the step without a right digit over the prediction, every network."""
    figures.scatter(
        panel, cube["predicted_step"], cube["all_digits_step"], each="arithmetic", looks=_LOOKS,
        diagonal=True, dots={"alpha": 0.6, "markeredgewidth": 0.4}, xscale="log", yscale="log",
        xlabel="predicted step", ylabel="step with no digit left",
    )  # fmt: skip


def _draw_slopes(panel, linear):
    """Draw the slope of the error over -ln g in the linear regime."""
    expected = -np.log(linear["gain"])
    top = 1.1 * max([0.5, *expected.values])
    figures.scatter(
        panel, expected, linear["error_slope"].where(_is_long(linear)), each="arithmetic",
        looks=_LOOKS, diagonal=True, dots={"markeredgewidth": 0.6}, xlim=(0, top),
        xlabel=r"$-\ln\,g$", ylabel="slope of the error (nat/step)", title="linear regime",
    )  # fmt: skip


def _draw_rescues(panel, linear):
    """Draw the share of networks with the right gradient over T, loss at the last step alone."""
    right, lengths = linear["cosine"] > _RIGHT, linear["length"].values
    if right.size:
        figures.curves(
            panel, right.mean(["input_scale", "gain", "seed"]), over="length", each="arithmetic",
            looks=_LOOKS, line={"linewidth": 1}, xscale="log",
        )  # fmt: skip
    panel.set(xlabel="length $T$ (steps)", xlim=(0.85 * lengths[0], 1.18 * lengths[-1]))
    panel.set(ylabel="share with the right gradient", ylim=(0, 1.05), title="loss at the last step")
    figures.ticks(panel, "x", lengths)


def _names(cube):
    return [str(name) for name in cube["arithmetic"].values]


def _kind(name):
    return name.removesuffix("_scale_free")


def _linear(cube):
    """Return the networks that are linear to 1e-9 and contract: all singular values are g."""
    setting = cube.setting
    if setting.weights != "orthogonal" or setting.activation not in ("tanh", "identity"):
        return cube.isel(gain=[])
    small = (cube["input_scale"] <= _LINEAR_SCALE) | (setting.activation == "identity")
    return cube.isel(input_scale=np.flatnonzero(small), gain=np.flatnonzero(cube["gain"] <= 1))


def _is_long(cube):
    """Return where the error grows by enough for its slope to be told to 2 %."""
    return cube["slope_steps"] * -np.log(cube["gain"]) >= _MIN_RISE


def _slope_over_theory(linear):
    """Return the worst slope of the error over -ln g, as every |J^-1 v| is |v|/g."""
    long = _is_long(linear)
    # Where the rise is too small the slope says nothing; elsewhere a NaN must fail the claim.
    gaps = abs(linear["error_slope"] / -np.log(linear["gain"]) - 1)
    return 1 + largest(gaps, long) if long.any() else None


def _over_prediction(every):
    measured, predicted = every["all_digits_step"], every["predicted_step"]
    both = np.isfinite(measured) & np.isfinite(predicted) & (predicted >= _FEWEST_STEPS)
    return (measured / predicted).where(both).median() if both.any() else None


def _least_exponent(arithmetic):
    return np.log2(np.finfo(arithmetic).tiny)


def _lost_where_powers_underflow(last, arithmetic):
    exponent, least = (last["length"] - 1) * np.log2(last["gain"]), _least_exponent(arithmetic)
    clear = abs(exponent - least) > _GREY
    right = last["cosine"].isnull() == (exponent < least)
    return cells(right, clear).mean() if clear.any() else None


def _free_over_plain(every):
    steps, names = every["all_digits_step"], _names(every)
    pairs = [(n, _kind(n)) for n in names if _kind(n) != n and _kind(n) in names]
    ratios = [(steps.sel(arithmetic=a) / steps.sel(arithmetic=b)).values for a, b in pairs]
    known = np.concatenate([[], *(ratio[np.isfinite(ratio)] for ratio in ratios)])
    return np.median(known) if known.size else None


def _cosine_without_digits(free):
    gone = free["predicted_step"] < free["length"] / 3
    return np.median(cells(abs(free["cosine"]), gone)) if gone.any() else None


def _slope_row(told, at):
    return Row(
        f"{told}: slope of the error over -ln g, worst", _slope_over_theory, part=_linear,
        at=at | _AT_EVERY, equals=1, tolerance=0.02, reproduces=f"{_PAPER}, error growth",
        source=f"{_PAPER}: an error in delta_0 becomes lambda^-T eps",
    )  # fmt: skip


_EXACT = "exact arithmetic gives 1; tolerance: rounding"
_PLAIN = {"arithmetic": lambda names: ~names.str.endswith("_scale_free")}
_FREE = {"arithmetic": lambda names: names.str.endswith("_scale_free")}
_AT_EVERY, _AT_LAST = {"due": _EVERY}, {"due": _LAST}
CLAIMS = (
    _slope_row("plain", _PLAIN),
    _slope_row("scale-free", _FREE),
    Row("growth of u over its bound",
        lambda cube: largest(cube["growth_rate"] - cube["growth_bound"]), unit="nat/step",
        at_most=0, tolerance=1e-5,
        source="exact: |J^-T v| <= |v| / (g min f'); tolerance: float32 weights"),
    Row("step with no digit left over its prediction, median", _over_prediction, at=_AT_EVERY,
        equals=1, tolerance=0.1,
        source="delta_1 off by eps, and J^-T from there; tolerance: a few rounding errors"),
    Row("{arithmetic}, loss at T: gradient lost exactly where g^(T-1) underflows, share",
        _lost_where_powers_underflow, for_each={"arithmetic": tuple(_EPSILON)}, part=_linear,
        at=_AT_LAST, equals=1, source=lambda last, arithmetic:
            f"closed form: S_T = (g Q)^(T-1) against 2^{_least_exponent(arithmetic):.0f}"),
    Row("scale-free, loss at T, linear regime: worst cosine", lambda one: smallest(one["cosine"]),
        part=_linear, at=_FREE | _AT_LAST, at_least=_RIGHT, source=_EXACT),
    Row("scale-free: least share of finite delta_t", lambda one: smallest(one["share_finite"]),
        at=_FREE, at_least=1, source="exact"),
    Row("step with no digit left, scale-free over plain, median", _free_over_plain, at=_AT_EVERY,
        equals=1, tolerance=0.05, source="an exponent adds range, not digits; "
        "tolerance: rounding differs"),
    Row("scale-free, no digit left for 2/3 of T: |cosine|, median", _cosine_without_digits,
        at=_FREE | _AT_EVERY, equals=0, tolerance=0.2,
        source="a gradient of rounding errors has no direction; tolerance: chance"),
    Row("BPTT in the same arithmetic: worst cosine", lambda cube: smallest(cube["cosine_bptt"]),
        at_least=1 - 1e-5, source=_EXACT),
    Row("g = 1, linear regime: worst cosine, any T and arithmetic",
        lambda one: smallest(one["cosine"]), part=_linear, at={"gain": 1}, at_least=_RIGHT,
        source=_EXACT),
)  # fmt: skip
