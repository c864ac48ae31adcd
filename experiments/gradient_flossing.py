"""Does a network learn over longer delays once its Lyapunov exponents were pulled to 0?

Command:   rnnjax run gradient_flossing
Run time:  about ten minutes on 2 cores, compiling included.
Figure:    A tanh network whose first k Lyapunov exponents are pulled to 0 before it is trained on
           the temporal exclusive or (same update budget for all; `interflossed`: again while it is
           trained). a: the exponents over flossing updates, at the largest k. b: the spectrum on a
           long fresh sequence before (grey) and behind flossing. c: ||dL/dh|| by lag before and
           behind. d: condition number s_1/s_k of the product of Jacobians by lag, before (open) and
           behind. e: test accuracy over the delay at the end, by arm, with standard errors. f:
           learning curves at the longest delay. In e and f plain training at its best gain is drawn
           dashed: a network that only wanted a larger gain would reach the flossed ones there.
Source:    Engelken, Gradient flossing: improving gradient descent through dynamic control of
           Jacobians, NeurIPS 2023. There T = 300, states are pre-activations, the initial state is
           learned, the readout starts with weights of size 1, flossing before training takes 500
           updates and interflossing 2 x 500; here T = 60, initial states are 0, the readout starts
           with 1/sqrt(n_h), flossing takes 1500 updates (500 leave 75 exponents at 0.13) and
           interflossing 2 x 50.
"""

import math

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

_STAGES = ("start", "flossed")
_ARMS = ("plain", "preflossed", "interflossed")
_N_SHOWN = 8  # exponents kept over the flossing updates
_PAPER = "Engelken, Gradient flossing, NeurIPS 2023"
_LONG_ENOUGH = 300  # updates from which claims on what was reached are made
_SOLVED = 0.95
_COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#D55E00")
_MARKERS = ("o", "s", "^", "D", "v", "x")
REPRODUCES = {
    "mean |lambda|": "Engelken 2023, exponents under gradient flossing (curves; bounds are ours)",
    "condition number": "Engelken 2023, condition number (curves; the bound is ours)",
    "accuracy": "Engelken 2023, delayed temporal exclusive or (curves; margins are ours)",
    "solved": "Engelken 2023, delayed temporal exclusive or (curves; margins are ours)",
}


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    n_flossed: Static[PositiveInt]
    gain: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """How large networks are, how they are flossed and trained."""

    axes: Axes
    n_h: int = Field(80, ge=2, description="units")
    delays: tuple[PositiveInt, ...] = Field((5, 10, 15), description="d of the task")
    length: PositiveInt = Field(60, description="steps T of the task")
    batch_size: PositiveInt = Field(16, description="sequences in an update")
    n_points: int = Field(10, ge=1, description="points of a curve")
    updates_per_point: PositiveInt = Field(60, description="of training; equal in all arms")
    flossing_per_point: PositiveInt = Field(50, description="flossing updates before training")
    interflossed_at: tuple[PositiveInt, ...] = Field((2, 4), description="points of training")
    n_interflossing: PositiveInt = Field(50, description="flossing updates at each of them")
    window: PositiveInt = Field(55, description="steps of a flossing sequence")
    n_discarded: PositiveInt = Field(16, description="of these, not counted")
    rate: PositiveFloat = Field(0.001, description="learning rate of Adam")
    threshold: PositiveFloat = Field(0.03, description="clipping of the mean loss's gradient")
    n_test: PositiveInt = Field(100, description="fresh test sequences")
    n_long: int = Field(400, ge=120, description="steps of the long fresh sequence")

    @model_validator(mode="after")
    def _fits(self):
        if 2 * max(self.delays) >= self.length:
            raise ValueError(f"delays: expected at most (T - 1) / 2, got {self.delays}")
        if max(self.axes.n_flossed) > self.n_h:
            raise ValueError(f"axes.n_flossed: expected at most n_h = {self.n_h}")
        return self


_N_SETTLING = 100  # steps of the long sequence that are not counted
_LAGS = (10, 20, 30)


def coordinates(config):
    """Stages, arms, delays, exponents, lags, and the points of flossing and training."""
    return {
        "stage": np.array(_STAGES),
        "arm": np.array(_ARMS),
        "delay": np.array(config.delays),
        "index": np.arange(1, config.n_h + 1),
        "product_lag": np.array(_LAGS),
        "lag": np.arange(config.length + 1),
        "share": np.linspace(0, 1, _N_SHOWN),
        "flossing": np.arange(1, config.n_points + 1) * config.flossing_per_point,
        "update": np.arange(1, config.n_points + 1) * config.updates_per_point,
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    rate = "nat/step"
    trained = ("arm", "delay", "update")
    return {
        "flossing_exponents": Variable(
            ("flossing", "share"), "exponents 1 to k of a flossing sequence, evenly chosen", rate
        ),
        "spectrum": Variable(("stage", "index"), "exponents on a long fresh sequence", rate),
        "mean_log_det": Variable(("stage",), "mean of ln |det J_t| on the same steps", rate),
        "log_singular": Variable(
            ("stage", "product_lag", "index"), "ln singular values of dh_T/dh_{T-lag}", "nat"
        ),
        "log_norm": Variable(
            ("stage", "lag"), "natural log of ||dL_T/dh_{T-lag}||, longest delay", "nat"
        ),
        "loss": Variable(trained, "mean loss of the updates before", "nat"),
        "accuracy": Variable(trained, "share of fresh answers that are right"),
    }


def _cell(config, **fields):
    return rnnjax.Vanilla(1, config.n_h, 1, bias_gain=0.1, **fields)


def draw(config, gain, seed):
    """Draw weights, the same at every gain but for it, and the bits of all sequences."""
    from jax import random

    n, n_updates = config.n_points, config.n_points * config.updates_per_point
    n_flossing = n * max(config.flossing_per_point, config.n_interflossing)
    keys = random.split(random.key(seed), 7)
    params = _cell(config, gain=gain).init(keys[0])
    shapes = {
        # No sequence is seen twice: flossing before and while training have their own.
        "flossing": (2, n_flossing, config.window),
        "task": (n_updates, config.batch_size, config.length),
        "test": (config.n_test, config.length),
        "long": (config.n_long,),
        "asked": (config.length,),
    }
    drawn = zip(keys[1:], shapes.items(), strict=False)
    return params, {name: random.bernoulli(key, shape=shape) for key, (name, shape) in drawn}


def measure(config, drawn, n_flossed):
    """Floss a network, measure it before and behind, and train all arms on every delay.

    One scan over jobs of one shape keeps the program small: flossing is the first of them, and
    each training begins from the network before or behind it.
    """
    import jax
    from jax import numpy as jnp

    params, bits = drawn
    session = _session(config, n_flossed, bits)
    arms, delays = np.meshgrid(np.arange(len(_ARMS)), config.delays, indexing="ij")
    jobs = [np.concatenate([first, a.ravel()]) for first, a in (([-1], arms), ([1], delays))]

    def job(flossed, at):
        arm, delay = at
        start = jax.tree.map(lambda a, b: jnp.where(arm <= 0, a, b), params, flossed)
        after, found = session(start, arm, delay)
        return jax.tree.map(lambda a, b: jnp.where(arm < 0, a, b), after, flossed), found

    flossed, found = jax.lax.scan(job, params, tuple(jnp.array(a) for a in jobs))
    exponents, loss, accuracy = found
    shape = len(_ARMS), len(config.delays), config.n_points
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, flossed)
    return {
        **jax.lax.map(lambda params: _measured(config, params, bits), both),
        "flossing_exponents": exponents[0][:, _shown(n_flossed)],
        "loss": loss[1:].reshape(shape),
        "accuracy": accuracy[1:].reshape(shape),
    }


def _shown(k):
    """Return which of k exponents are kept over the flossing updates."""
    return np.round(np.linspace(0, k - 1, _N_SHOWN)).astype(int)


def _inputs(bits):
    """Return inputs like those of the task, without a loss."""
    from jax import numpy as jnp

    x = bits.astype(float)[:, None]
    return rnnjax.Batch(x, jnp.zeros_like(x), jnp.ones_like(x[:, 0]))


def _session(config, n_flossed, bits):
    """Return (params, arm, delay) -> (params, what was seen at every point).

    Arm -1 flosses alone, 0 and 1 are trained alone, 2 is flossed at some points of its training.
    """
    import jax
    from jax import numpy as jnp

    cell, s = _cell(config), config.updates_per_point
    adam, floss = _flossing_update(config, n_flossed, bits["flossing"])
    again = np.isin(np.arange(config.n_points), config.interflossed_at)
    again = jnp.array(again * config.n_interflossing)

    def run(params, arm, delay):
        task = rnnjax.tasks.TemporalXOR(delay, config.length)
        optimiser, update = _task_update(config, task, bits["task"])
        test = jax.vmap(task.sequence)(bits["test"])

        def piece(carry, at):
            (params, state, flossing), (point, again) = carry, at
            n_flossing = jnp.where(arm < 0, config.flossing_per_point, (arm == 2) * again)
            first = point * jnp.where(arm < 0, config.flossing_per_point, config.n_interflossing)
            nothing = jnp.zeros(n_flossed)
            params, flossing, seen = jax.lax.fori_loop(
                first,
                first + n_flossing,
                lambda i, carry: floss(jnp.where(arm < 0, 0, 1), i, carry),
                (params, flossing, nothing),
            )
            first, n = point * s, jnp.where(arm < 0, 0, s)
            params, state, loss = jax.lax.fori_loop(
                first, first + n, update, (params, state, jnp.zeros(()))
            )
            return (params, state, flossing), (seen, loss / s, _accuracy(cell, params, test))

        start = params, optimiser.init(params), adam.init(params)
        (params, *_), found = jax.lax.scan(piece, start, (jnp.arange(config.n_points), again))
        return params, found

    return run


def _flossing_update(config, n_flossed, bits):
    """Return Adam, and (part, number, carry) -> carry with the exponents before the update."""
    import jax
    import optax
    from jax import numpy as jnp

    cell, adam = _cell(config), optax.adam(config.rate)
    penalty = rnnjax.penalties.Flossing(n_flossed, config.n_discarded)

    def update(part, number, carry):
        params, state, _ = carry
        batch = _inputs(bits[part, number])

        def squares(params):
            exponents = penalty.exponents(cell, params, batch)
            return jnp.mean(exponents**2), exponents

        gradient, exponents = jax.grad(squares, has_aux=True)(params)
        updates, state = adam.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, exponents

    return adam, update


def _task_update(config, task, bits):
    """Return the optimiser, and (number, carry) -> carry with the mean loss summed up."""
    import jax
    import optax

    n_due = task.length - 2 * task.delay
    # The loss of a rule is the sum over steps; clipped is the gradient of their mean.
    optimiser = rnnjax.updates.clip_by_norm(config.threshold * n_due, optax.adam(config.rate))
    bptt, cell = rnnjax.rules.BPTT(), _cell(config)

    def update(number, carry):
        params, state, loss = carry
        batch = jax.vmap(task.sequence)(bits[number])
        out = rnnjax.rules.batch_gradient(bptt, cell, task.loss, params, batch, ())
        updates, state = optimiser.update(out.grads, state, params)
        return optax.apply_updates(params, updates), state, loss + out.loss / n_due

    return optimiser, update


def _accuracy(cell, params, batch):
    """Return the share of the answers that are right."""
    import jax
    from jax import numpy as jnp

    states = jax.vmap(lambda x: rnnjax.scaled.plain(rnnjax.unroll(cell, params, x).states))(batch.x)
    right = ((states @ params.V.T + params.c) > 0) == (batch.y > 0.5)
    return jnp.sum(right[..., 0] * batch.mask) / jnp.sum(batch.mask)


def _measured(config, params, bits):
    """Measure how a network carries perturbations and gradients along a long sequence."""
    import jax
    from jax import numpy as jnp

    cell, probes, batch = _cell(config), rnnjax.probes, _inputs(bits["long"])
    found = probes.lyapunov_spectrum(cell, None, params, batch, n_discarded=_N_SETTLING)
    trajectory = rnnjax.unroll(cell, params, batch.x)
    z = trajectory.h_prev @ params.W.T + trajectory.drive
    rows = rnnjax.scaled.Scaled(params.W, jnp.zeros(config.n_h, jnp.int32))
    log_det = jnp.sum(rnnjax.matrices.graded_qr(rows)[1])
    slopes = jnp.mean(jnp.sum(cell.activation.log_slope(z[_N_SETTLING:]), axis=1))
    last = jax.tree.map(lambda a: a[-max(_LAGS) :], batch)
    singular = probes.log_singular_values(cell, None, params, last, every=_LAGS[0])
    task = rnnjax.tasks.TemporalXOR(max(config.delays), config.length)
    return {
        "spectrum": found["exponents"],
        "mean_log_det": log_det + slopes,
        "log_singular": singular["log_singular_values"],
        **probes.log_norm_by_lag(cell, task.loss, params, task.sequence(bits["asked"])),
    }


def _first(cube, name, k, *dims):
    """Return a variable of networks flossed with k, its first k entries last."""
    found = cube[name].sel(n_flossed=k).isel(index=slice(0, k))
    return found.transpose(..., *dims, "index").values


def _log_condition(cube, k):
    """Return ln s_1/s_k by (gain, seed, stage, product_lag)."""
    values = _first(cube, "log_singular", k, "gain", "seed", "stage", "product_lag")
    return values[..., 0] - values[..., -1]


def _final(cube):
    """Return the accuracy at the end, the mean of the last two points."""
    return cube["accuracy"].isel(update=slice(-2, None)).mean("update")


def _best_gain(cube):
    """Return the gain at which plain training ends best."""
    plain = _final(cube).sel(arm="plain").mean(("n_flossed", "seed", "delay"))
    return float(plain["gain"][int(plain.argmax("gain"))])


def _trained_gain(cube):
    """Return the gain of the comparison: 1, or the one next to it."""
    gains = cube["gain"].values
    return float(gains[np.argmin(np.abs(gains - 1))])


def figure(cube):
    """Exponents, transport and training, with and without flossing."""
    from matplotlib.figure import Figure

    cube = cube.sortby("n_flossed").sortby("gain")
    at = cube.sel(gain=_trained_gain(cube))
    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 7.2))
    panels = drawn.subplots(3, 2)
    _draw_flossing(panels[0, 0], at)
    _draw_spectra(panels[0, 1], at)
    _draw_norms(panels[1, 0], at)
    _draw_conditions(panels[1, 1], cube)
    _draw_delays(panels[2, 0], cube)
    _draw_learning(panels[2, 1], cube)
    rnnjax.figures.letter_panels(panels.flat)
    return drawn


def _look(cube, k):
    place = [int(n) for n in cube["n_flossed"].values].index(k)
    return {"color": _COLOURS[place % len(_COLOURS)], "marker": _MARKERS[place % len(_MARKERS)]}


def _draw_flossing(ax, at):
    k = int(at["n_flossed"].values[-1])
    values = at["flossing_exponents"].sel(n_flossed=k).mean("seed").transpose("share", "flossing")
    places = _shown(k) + 1
    colours = rnnjax.figures.ordered_colours(len(places))
    for i, (place, colour) in enumerate(zip(places, colours, strict=True)):
        label = f"$i$ = {place}" if i in (0, len(places) // 2, len(places) - 1) else None
        ax.plot(at["flossing"], values[i], color=colour, label=label)
    ax.axhline(0, color="black", linewidth=0.6, linestyle=":")
    ax.set(xlabel=f"flossing updates, $k$ = {k}", ylabel=r"$\lambda_i$ (nat/step)")
    ax.legend(loc="lower right", fontsize=7)


def _draw_spectra(ax, at):
    index = at["index"].values
    start = at["spectrum"].isel(n_flossed=0).sel(stage="start").mean("seed")
    ax.plot(index, start, color="#808080", linewidth=2, label="before")
    for k in at["n_flossed"].values:
        values = at["spectrum"].sel(n_flossed=k, stage="flossed").mean("seed")
        look = _look(at, int(k))
        ax.plot(index, values, color=look["color"], label=f"$k$ = {k}")
        ax.plot([k], [float(values.sel(index=k))], linestyle="", **look, markersize=4)
    ax.axhline(0, color="black", linewidth=0.6, linestyle=":")
    ax.set(xlabel="exponent $i$", ylabel=r"$\lambda_i$, fresh, long (nat/step)", ylim=(-4, 0.3))
    ax.legend(loc="lower left", fontsize=7)


def _draw_norms(ax, at):
    lag = at["lag"].values
    start = at["log_norm"].isel(n_flossed=0).sel(stage="start").mean("seed").values
    ax.plot(lag, (start - start[0]) / math.log(10), color="#808080", linewidth=2, label="before")
    for k in at["n_flossed"].values:
        values = at["log_norm"].sel(n_flossed=k, stage="flossed").mean("seed").values
        values = (values - values[0]) / math.log(10)
        ax.plot(lag, values, color=_look(at, int(k))["color"], label=f"$k$ = {k}")
    ax.set(xlabel="lag (steps)", ylabel=r"$\log_{10} \|\mathrm{d}L_T/\mathrm{d}h_{T-lag}\|$, rel.")
    ax.legend(loc="lower left", fontsize=7)


def _draw_conditions(ax, cube):
    place = list(cube["gain"].values).index(_trained_gain(cube))
    for k in (int(k) for k in cube["n_flossed"].values if k > 1):
        values = _log_condition(cube, k)[place].mean(axis=0) / math.log(10)
        look, lags = _look(cube, k), cube["product_lag"].values
        ax.plot(lags, values[0], linestyle=":", **look, markerfacecolor="white")
        ax.plot(lags, values[1], **look, label=f"$k$ = {k}")
    ax.plot([], [], color="#606060", linestyle=":", marker="o", markerfacecolor="white",
            label="before")  # fmt: skip
    ax.set(xlabel="lag (steps)", ylabel=r"$\log_{10} (s_1 / s_k)$", ylim=(0, None))
    ax.legend(loc="upper left", fontsize=7)


def _arms(cube):
    """Yield label, k, arm, gain and look of everything that was trained."""
    gain, best = _trained_gain(cube), _best_gain(cube)
    some = cube["n_flossed"].values
    grey = {"color": "#606060", "marker": "x"}
    yield "plain", some[0], "plain", gain, {**grey, "linestyle": "-"}
    if best != gain:
        yield f"plain, $g$ = {best:g}", some[0], "plain", best, {**grey, "linestyle": (0, (4, 2))}
    for k in some:
        yield f"$k$ = {k}", k, "preflossed", gain, {**_look(cube, int(k)), "linestyle": "-"}
    last = {**_look(cube, int(some[-1])), "linestyle": (0, (1, 1.2))}
    yield f"$k$ = {some[-1]}, interflossed", some[-1], "interflossed", gain, last


def _draw_delays(ax, cube):
    final, n = _final(cube), cube.sizes["seed"]
    for label, k, arm, gain, look in _arms(cube):
        runs = final.sel(n_flossed=k, arm=arm, gain=gain)
        error = runs.std("seed", ddof=1) / math.sqrt(n) if n > 1 else 0 * runs.mean("seed")
        ax.errorbar(
            cube["delay"], runs.mean("seed"), error, label=label, capsize=2, markersize=4, **look
        )
    ax.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
    ax.set(xlabel="delay $d$ (steps)", ylabel="test accuracy at the end", ylim=(0.45, 1.02))
    ax.set_xticks(cube["delay"].values)
    ax.legend(loc="lower left", fontsize=7)


def _draw_learning(ax, cube):
    longest = cube["accuracy"].sel(delay=cube["delay"].max())
    for _, k, arm, gain, look in _arms(cube):
        runs = longest.sel(n_flossed=k, arm=arm, gain=gain).transpose("seed", "update").values
        band, colour = rnnjax.reductions.seed_band(runs), look["color"]
        ax.plot(cube["update"], band.median, color=colour, linestyle=look["linestyle"])
        ax.fill_between(cube["update"], band.low, band.high, color=colour, alpha=0.12, linewidth=0)
    ax.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
    ax.set(xlabel=f"updates of training, $d$ = {int(longest['delay'])}", ylim=(0.45, 1.02))
    ax.set_ylabel("test accuracy")


def claims(cube):
    """Numbers that must hold, each with its source."""
    cube = cube.sortby("n_flossed").sortby("gain")
    found = _of_determinants(cube)
    for k in map(int, cube["n_flossed"].values):
        if cube["flossing"].values[-1] >= _LONG_ENOUGH:
            found += _of_exponents(cube, k)
    if cube["update"].values[-1] >= _LONG_ENOUGH:
        found += _of_training(cube)
    return found


def _of_determinants(cube):
    """Return the identity of the whole spectrum, which holds before and behind flossing."""
    n = cube.sizes["index"]
    spectrum = cube["spectrum"].sum("index")
    worst = float(np.abs(spectrum - cube["mean_log_det"]).max()) / n
    source = "exact for any QR decomposition; float32, per unit"
    told = "sum of all exponents minus mean ln |det J|, nat/step, worst"
    return [rnnjax.Claim(told, worst, 0.0, 1e-4, source)]


def _of_exponents(cube, k):
    """Return what flossing does to k exponents at the published gain, over all seeds."""
    gain = _trained_gain(cube)
    one = cube.sel(gain=[gain])
    window = np.abs(one["flossing_exponents"].sel(n_flossed=k).isel(flossing=-1)).mean().item()
    long = np.abs(_first(one.sel(stage="flossed"), "spectrum", k)).mean()
    source, told = (
        f"{_PAPER}: the exponents reach 0; the bound is ours",
        f"mean |lambda| of the first {k}, g = {gain:g}",
    )
    found = [
        rnnjax.Claim(f"{told}, fresh flossing sequence", window, 0.0, 0.02, source),
        rnnjax.Claim(f"{told}, long fresh sequence", long, 0.0, 0.02, source),
    ]
    if k > 1:
        condition = _log_condition(one, k)[..., -1]
        change = np.median(condition[..., 1] - condition[..., 0]) / math.log(10)
        told = f"condition number s_1/s_{k} at lag {max(_LAGS)}: decades gained, median"
        at = "at_most"
        found.append(rnnjax.Claim(told, change, -1.0, 0.0, f"{_PAPER}: it falls", at))
    return found


def _of_training(cube):
    """Return by how much flossed networks beat plain ones, in pairs of the same seed."""
    k, gain = int(cube["n_flossed"].values[-1]), _trained_gain(cube)
    final = _final(cube)
    plain = final.sel(n_flossed=k, arm="plain")
    flossed = final.sel(n_flossed=k, gain=gain)
    pre, best = flossed.sel(arm="preflossed"), plain.sel(gain=_best_gain(cube))
    gap = (pre - plain.sel(gain=gain)).mean("delay")
    mean, n = float(gap.mean()), cube.sizes["seed"]
    solved = ((pre >= _SOLVED).mean() - (plain.sel(gain=gain) >= _SOLVED).mean()).item()
    found = [
        _at_least(f"accuracy, k = {k} preflossed minus plain, g = {gain:g}", mean, 0.1),
        _at_least(f"solved at {_SOLVED:g}, k = {k} preflossed minus plain", solved, 0.2),
        _at_least(f"accuracy, k = {k} preflossed minus plain at its best gain",
                  float((pre - best).mean()), 0.05),
    ]  # fmt: skip
    longest = flossed.sel(delay=cube["delay"].max())
    more = longest.sel(arm="interflossed") - longest.sel(arm="preflossed")
    if n > 1:
        found += [
            _at_least(f"{told}, in standard errors", _in_standard_errors(difference), 2.0)
            for told, difference in (
                (f"accuracy, k = {k}: the difference", gap),
                (f"accuracy, k = {k}, longest delay: interflossed minus preflossed", more),
            )
        ]
    return found


def _in_standard_errors(over_seeds):
    error = float(over_seeds.std("seed", ddof=1)) / math.sqrt(over_seeds.sizes["seed"])
    return float(over_seeds.mean()) / max(error, 1e-9)


def _at_least(told, measured, expected):
    source = f"{_PAPER}; the margin is ours, set behind a pilot of one other seed"
    return rnnjax.Claim(told, measured, expected, 0.0, source, relation="at_least")
