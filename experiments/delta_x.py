"""What has to be done with the delta x to make it the gradient?

C. Yuan's slides let the delta of the previous step correct this one. Ten readings of that sentence
are put beside backpropagation through time: how far each gradient is off, and what it can learn.

Command:   rnnjax run delta_x
Run time:  about 3 minutes on 2 cores, compiling included.
Figure:    (a) relative error of each reading's gradient on three networks: it must show the two
           exact readings at rounding, 14 orders below the others. (b) the stale reading, where
           delta x comes from the previous cycle: with frozen weights its error must fall with each
           cycle and be exact after T - 1 cycles. (c) share of networks that learn to remember a
           pulse, against the gain of the feedback: without delta x none does. (d) how wrong the
           gradient is without delta x, by gain, and with a true eligibility trace that decays: at
           the gains of the slides' table hardly at all, which is why the two sheets look alike.
Source:    C. Yuan, RNN (slides), 2022, "rnn+et+dx"; Werbos 1990 (backpropagation through time);
           Williams and Peng 1990 (truncation); Jordan 1986 (output feedback).
"""

import json
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import sweep
from rnnjax.lazy import jax, jnp, optax
from rnnjax.sweep import NameOf, Traced, Variable

PRECISION = "float64"  # the exact readings are told from the others by their rounding

_RULES = {
    "none": lambda: rnnjax.BPTT(window=1),
    "exact": lambda: rnnjax.BPTT(),
    "target_shift": lambda: rnnjax.decks.TargetShift(),
    "stale": lambda: rnnjax.decks.StaleDeltaX(),
    "one_step": lambda: rnnjax.BPTT(window=2),
    "literal": lambda: rnnjax.decks.ForwardDeltaX(),
    "literal_minus": lambda: rnnjax.decks.ForwardDeltaX(sign=-1.0),
    "literal_fed": lambda: rnnjax.decks.ForwardDeltaX(feeds=True),
    "behind_slope": lambda: rnnjax.decks.SlopelessDeltaX(),
    "teacher_forcing": lambda: rnnjax.rules.TeacherForcing(),
}
_EXACT = ("exact", "target_shift")
_ON_OUTPUTS = ("target_shift", "teacher_forcing")  # need a state that is the output
_NETWORKS = ("jordan", "adding", "temporal_order")
_DECAYS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_N_STEPS, _GENERAL_LENGTH = 5, 10
_SOLVED = 0.008  # a tenth of what guessing costs


class Setting(sweep.Setting):
    """A reading, the networks on which it is tried, and how long they are trained."""

    reading: Annotated[str, NameOf(lambda: _RULES)] = "exact"
    gain: PositiveFloat = Field(1.0, description="of the feedback weights at the start")
    seed: Traced[int] = 0
    networks: tuple[Literal["jordan", "adding", "temporal_order"], ...] = Field(
        _NETWORKS, min_length=1, description="where gradients are compared, jordan first"
    )
    spread: PositiveFloat = Field(1.5, description="standard deviation of the Jordan net's weights")
    memory_length: int = Field(3, ge=2, description="steps T of the pulse memory")
    n_updates: PositiveInt = Field(1000, description="Adam updates on the pulse memory")
    learning_rate: PositiveFloat = Field(0.03, description="of these updates")
    n_h: PositiveInt = Field(16, description="units of the vanilla network on the other tasks")
    n_sequences: PositiveInt = Field(32, description="sequences of adding and temporal order")
    axes = ("reading", "gain", "seed")


def coordinates(setting):
    """Networks, cycles with frozen weights, decays of the trace."""
    return {
        "network": np.array(setting.networks),
        "cycle": np.arange(_N_STEPS + 1),
        "decay": _DECAYS,
    }


def variables(setting):
    """What is measured in every cell of the sweep."""
    return {
        "relative_error": Variable(("network",), "||g - g_exact|| / ||g_exact||, NaN if refused"),
        "cosine": Variable(("network",), "cosine between g and g_exact, NaN if refused"),
        "error_by_cycle": Variable(("cycle",), "relative error in the n-th cycle, frozen weights"),
        "memory_error": Variable((), "E on the pulse memory after training"),
        "loop_gain": Variable((), "mean |d o_t / d o_{t-1}| of the output fed back"),
        "loop_gain_over_bound": Variable((), "largest |d o_t / d o_{t-1}| over its bound"),
        "sent_error": Variable((), "largest |di3_t - dE/do_{t-1} by feedback|, autodiff"),
        "trace_error": Variable(("decay",), "relative error of the true trace with this decay"),
    }


def shared(setting):
    """Draw networks and sequences, and measure what does not depend on the reading."""
    key = jax.random.key(setting.seed)
    drawn, exact = {}, {}
    for number, name in enumerate(_NETWORKS):
        key_weights, key_data = jax.random.split(jax.random.fold_in(key, number))
        cell, task = _cell_and_task(setting, name)
        drawn[name] = cell.init(key_weights), _sequences(setting, task, key_data)
        if name in setting.networks:
            exact[name] = _exact(cell, task, *drawn[name])
    return drawn, exact, _of_the_feedback(setting, drawn["jordan"][0])


def _cell_and_task(setting, network):
    """The network and its task."""
    gain = setting.gain
    if network == "jordan":
        cell = rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=setting.spread, gain=gain)
        return cell, rnnjax.decks.DataPairs(_N_STEPS)
    tasks = {"adding": rnnjax.tasks.Adding, "temporal_order": rnnjax.tasks.TemporalOrder}
    task = tasks[network](_GENERAL_LENGTH)
    return rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, gain=gain), task


def _sequences(setting, task, key):
    if isinstance(task, rnnjax.decks.DataPairs):
        return task.training()
    return jax.vmap(task.sample)(jax.random.split(key, setting.n_sequences))


def _exact(cell, task, params, sequences):
    """The gradient of the mean loss by automatic differentiation of the plain scan."""
    gradient = jax.grad(lambda p: _mean_loss(cell, task, p, sequences))(params)
    return rnnjax.scaled.normalise_tree(gradient)


def _mean_loss(cell, task, params, sequences):
    losses = jax.vmap(lambda b: rnnjax.sequence_loss(cell, task.loss, params, b))
    return jnp.mean(losses(sequences))


def measure(setting, shared):
    """Compare one reading to the gradient, and train with it."""
    drawn, exact, of_the_feedback = shared
    rule = _RULES[setting.reading]()
    found = {name: (jnp.full(1, jnp.nan),) * 2 for name in setting.networks}
    for name in found:
        if name == "jordan" or setting.reading not in _ON_OUTPUTS:
            n_cycles = _N_STEPS + 1 if name == "jordan" else 1
            cell, task = _cell_and_task(setting, name)
            found[name] = _by_cycle(rule, cell, task, *drawn[name], exact[name], n_cycles)
    errors, cosines = zip(*found.values(), strict=True)
    return {
        **of_the_feedback,
        "relative_error": jnp.stack([error[0] for error in errors]),
        "cosine": jnp.stack([cosine[0] for cosine in cosines]),
        "error_by_cycle": errors[0],  # the first is the Jordan network
        "memory_error": _memory_error(setting, rule, drawn["jordan"][0]),
    }


def _memory_error(setting, rule, params):
    """Mean loss of the free-running network after training on always the same sequences."""
    cell, _ = _cell_and_task(setting, "jordan")
    task = rnnjax.decks.PulseMemory(setting.memory_length)
    optimiser = rnnjax.updates.clip_by_norm(1.0, optax.adam(setting.learning_rate))
    key, n, pairs = jax.random.key(0), setting.n_updates, task.pairs()
    trained = rnnjax.fit(
        cell, task, rule, optimiser, key, n_updates=n, batch=pairs, params=params
    ).params
    return _mean_loss(cell, task, trained, pairs)


def _by_cycle(rule, cell, task, params, sequences, exact, n_cycles):
    """Relative error and cosine to BPTT, cycle after cycle with frozen weights, (n_cycles,)."""

    def one(state, _):
        out = rnnjax.rules.batch_gradient(rule, cell, task.loss, params, sequences, state)
        error = _distance(out.grads, exact) / _norm(exact)
        return out.state, (error, rnnjax.scaled.cosine(out.grads, exact))

    state = jax.vmap(lambda batch: rule.init(cell, params, batch))(sequences)
    return jax.lax.scan(one, state, None, length=n_cycles)[1]


def _norm(tree):
    return jnp.exp(rnnjax.scaled.log_norm(tree))


def _distance(a, b):
    scaled = rnnjax.scaled
    gap = jax.tree.map(lambda x, y: x - y, scaled.plain(a), scaled.plain(b))
    return _norm(scaled.normalise_tree(gap))


def _of_the_feedback(setting, params):
    """The loop's gain, the delta x against autodiff, and the bridge of the decaying trace."""
    cell, task = _cell_and_task(setting, "jordan")
    pairs = task.training()
    exact = _exact(cell, task, params, pairs)

    def of_pair(pair):
        trajectory = rnnjax.unroll(cell, params, pair.x)
        J = jax.vmap(lambda h, x: jax.jacobian(cell.step, 1)(params, h, x))
        loop = jnp.abs(J(trajectory.h_prev, pair.x)[:, 1, 1])
        return loop, _sent(cell, task, params, pair)

    loops, sent = jax.vmap(of_pair)(pairs)
    bound = jnp.abs(params.V[1]) @ jnp.abs(params.W[:, 2]) / 16

    def error_of_trace(decay):
        trace = rnnjax.EligibilityTrace(decay)
        return _by_cycle(trace, cell, task, params, pairs, exact, 1)[0][0]

    return {
        "loop_gain": jnp.mean(loops),
        "loop_gain_over_bound": jnp.max(loops) / bound,
        "sent_error": jnp.max(sent),
        "trace_error": jax.lax.map(error_of_trace, jnp.asarray(_DECAYS)),
    }


def _sent(cell, task, params, pair):
    """Largest gap between di3 of the backward pass and dE/do_{t-1} through the feedback alone."""

    def loss(nudges):
        def step(o, at):
            x, nudge = at
            o = cell.step(params, o + nudge, x)
            return o, o

        _, o = jax.lax.scan(step, cell.initial_state(), (pair.x, nudges))
        return jnp.sum(jax.vmap(task.loss)(o, pair.y))

    expected = jax.grad(loss)(jnp.zeros_like(pair.y))[:, 1]
    scaled, adjoint = rnnjax.scaled, rnnjax.adjoint
    trajectory = rnnjax.unroll(cell, params, pair.x)
    h = scaled.plain(trajectory.states)
    _, g = adjoint.readout_source(cell, task.loss, params, h, pair.y, pair.mask)
    nothing = scaled.normalise(jnp.zeros(2))
    residuals = rnnjax.scan.residuals(cell, params, trajectory)
    deltas, _ = adjoint.scan_back(cell, params, residuals, nothing, g)
    di3 = scaled.plain(adjoint.rmv_of_steps(cell, params, residuals, deltas))[:, 1]
    return jnp.max(jnp.abs(di3 - expected))


_COLOURS = {
    "none": "#000000",
    "exact": "#23408f",
    "target_shift": "#3b7dd8",
    "stale": "#2f9e77",
    "one_step": "#7f3fae",
    "literal": "#c2478f",
    "literal_minus": "#8a6d1d",
    "literal_fed": "#e08a1e",
    "behind_slope": "#b02020",
    "teacher_forcing": "#707070",
}
_WORDS = {
    "none": "no delta x",
    "exact": "into the error, backward (BPTT)",
    "target_shift": "as a shift of the target, backward",
    "stale": "from the previous cycle",
    "one_step": "one step back only",
    "literal": "literal: into the output, forward",
    "literal_minus": "literal, minus sign",
    "literal_fed": "literal, and fed forward",
    "behind_slope": "behind the slope",
    "teacher_forcing": "teacher forcing (no delta x)",
}
_MARKERS = {"jordan": "o", "adding": "s", "temporal_order": "^"}
_TITLES = {"jordan": "Jordan network", "adding": "adding", "temporal_order": "temporal order"}


def figure(cube):
    """Errors of the gradients, the stale reading's convergence, and what each reading learns."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    drawn = Figure(figsize=(figures.PAGE_WIDTH, 6.2))
    upper, lower = drawn.subfigures(2, 1, height_ratios=(1.15, 1))
    top = upper.subplots(1, 2, width_ratios=(1.25, 1))
    below = lower.subplots(1, 2)
    _draw_errors(top[0], cube)
    _draw_cycles(top[1], cube)
    _draw_memory(below[0], cube)
    _draw_trace(below[1], cube)
    figures.letter_panels([*top, *below])
    return drawn


def _median(values):
    """Median over gains and seeds."""
    return values.median([dim for dim in ("gain", "seed") if dim in values.dims])


def _draw_errors(ax, cube):
    readings = [str(reading) for reading in cube["reading"].values]
    error = _median(cube["relative_error"])
    for network in cube["network"].values:
        marker, values = _MARKERS[network], error.sel(network=network).values
        shown = np.maximum(values, 1e-17)
        ax.scatter(shown, np.arange(len(readings)), marker=marker, s=16, facecolors="none",
                   edgecolors=[_COLOURS[r] for r in readings], label=_TITLES[network])  # fmt: skip
    ax.axvspan(1e-17, 1e-12, color="#3b7dd8", alpha=0.12, linewidth=0)
    ax.text(10**-14.5, len(readings) - 1.6, "rounding", ha="center", color="#23408f", fontsize=7)
    ax.set(xscale="log", xlim=(5e-18, 1e3), ylim=(len(readings) - 0.5, -0.5),
           xlabel="relative error of the gradient")  # fmt: skip
    ax.set_yticks(range(len(readings)), [_WORDS[r] for r in readings])
    for tick, reading in zip(ax.get_yticklabels(), readings, strict=True):
        tick.set_color(_COLOURS[reading])
    ax.legend(loc="center left", bbox_to_anchor=(0.02, 0.45), fontsize=6.5, handletextpad=0.2)


def _draw_cycles(ax, cube):
    cycle = cube["cycle"].values
    for reading in ("none", "one_step", "stale", "exact"):
        if reading in cube["reading"].values:
            error = _median(cube["error_by_cycle"].sel(reading=reading)).values
            line = {"marker": "o", "markersize": 3} if reading == "stale" else {"linestyle": "--"}
            ax.plot(cycle, np.maximum(error, 1e-17), color=_COLOURS[reading], **line)
            at, up = (3, 0.01) if reading == "stale" else (len(cycle) - 1, 1.6)
            ax.text(cycle[at], up * max(error[at], 1e-17), _WORDS[reading], ha="right",
                    color=_COLOURS[reading], fontsize=6.5)  # fmt: skip
    ax.set(yscale="log", ylim=(3e-18, 3), xlabel="training cycle, weights frozen",
           ylabel="relative error", xticks=cycle)  # fmt: skip


def _draw_memory(ax, cube):
    solved = (cube["memory_error"] < _SOLVED).mean("seed")
    gain = cube["gain"].values
    shown = [reading for reading in _COLOURS if reading in cube["reading"].values]
    for number, reading in enumerate(shown):
        # Lines that coincide are set apart, by less than half of one network in ten.
        share = solved.sel(reading=reading).values + 0.009 * (number - len(shown) / 2)
        ax.plot(gain, share, marker="o", markersize=3, linewidth=1.2, color=_COLOURS[reading])
    ax.set(xscale="log", xlabel="gain of the feedback weights", ylim=(-0.06, 1.06),
           ylabel="share that remembers a pulse")  # fmt: skip
    ax.set_xticks(gain, [f"{g:g}" for g in gain])
    ax.set_xticks([], minor=True)


def _draw_trace(ax, cube):
    error = cube["trace_error"].isel(reading=0)
    gain = cube["gain"].values
    colours = rnnjax.figures.ordered_colours(cube.sizes["decay"] - 1)
    for decay, colour in zip(cube["decay"].values[:-1], colours, strict=True):
        told = "no memory" if decay == 0 else f"trace, decay {decay:g}"
        band = rnnjax.reductions.seed_band(error.sel(decay=decay).transpose("seed", "gain").values)
        ax.plot(gain, band.median, marker="o", markersize=3, color=colour, label=told)
        ax.fill_between(gain, band.low, band.high, color=colour, alpha=0.12, linewidth=0)
    loop = cube["loop_gain"].isel(reading=0).median("seed").values
    ax.plot(gain, loop, color="#606060", linestyle=":", label="mean loop gain $|g|$")
    ax.set(xscale="log", yscale="log", xlabel="gain of the feedback weights",
           ylabel="relative error")  # fmt: skip
    ax.set_xticks(gain, [f"{g:g}" for g in gain])
    ax.set_xticks([], minor=True)
    ax.legend(fontsize=6.5)


def claims(cube):
    """Numbers that must hold, each with its source."""
    readings = set(cube["reading"].values)
    found = _claims_on_the_feedback(cube.isel(reading=0))
    for reading in _EXACT:
        if reading in readings:
            found.append(_is_exact(cube, reading))
    if {"none", "stale", "one_step"} <= readings:
        found += _claims_on_stale(cube)
    if {"exact", "behind_slope"} <= readings:
        found.append(_behind_the_slope(cube))
    config = json.loads(cube.attrs["config"])
    if {"none", "exact", "stale"} <= readings and config["n_updates"] >= 1000:
        found += _claims_on_memory(cube)
    return found


def _largest(values):
    return float(np.nanmax(values.values))


def _claims_on_the_feedback(cube):
    trace = cube["trace_error"]
    return [
        rnnjax.Claim(
            "di3 against dE/do_{t-1} by autodiff, largest gap",
            _largest(cube["sent_error"]),
            0.0,
            1e-12,
            "definition; float64 rounding",
        ),
        rnnjax.Claim(
            "loop gain over its bound sum_j |V_Rj W_j3| / 16, largest",
            _largest(cube["loop_gain_over_bound"]),
            1.0,
            1e-12,
            "logistic slopes are at most 1/4 in either layer",
            relation="at_most",
        ),
        rnnjax.Claim(
            "true trace without decay against BPTT, relative",
            _largest(trace.sel(decay=1.0)),
            0.0,
            1e-12,
            "Williams and Zipser 1989: RTRL is exact",
        ),
        rnnjax.Claim(
            "true trace with decay 0.5: error over that without memory, median",
            float((trace.sel(decay=0.5) / trace.sel(decay=0.0)).median()),
            0.5,
            0.1,
            "first order in the loop gain: a lag of k counts decay^k, so 1 - decay is lost",
        ),
    ]


def _is_exact(cube, reading):
    return rnnjax.Claim(
        f"{_WORDS[reading]}: relative error, largest",
        _largest(cube["relative_error"].sel(reading=reading)),
        0.0,
        1e-12,
        "exact adjoint (Werbos 1990); float64 rounding",
    )


def _claims_on_stale(cube):
    by_cycle = cube["error_by_cycle"]
    stale = by_cycle.sel(reading="stale")
    gap = np.abs(stale.isel(cycle=1) - by_cycle.sel(reading="one_step").isel(cycle=1))
    return [
        rnnjax.Claim(
            "stale delta x after T - 1 = 4 cycles: relative error, largest",
            _largest(stale.sel(cycle=_N_STEPS - 1)),
            0.0,
            1e-12,
            "cycle n is truncation at n + 1 steps: nothing is left to cut at T",
        ),
        rnnjax.Claim(
            "stale delta x before that, cycle 3: relative error, median",
            float(stale.sel(cycle=_N_STEPS - 2).median()),
            1e-9,
            0.0,
            "one lag is still missing: not exact by accident",
            relation="at_least",
        ),
        rnnjax.Claim(
            "stale in cycle 1 against one step back only, largest gap",
            _largest(gap),
            0.0,
            1e-12,
            "Williams and Peng 1990: truncation at two steps",
        ),
    ]


def _behind_the_slope(cube):
    error = cube["error_by_cycle"].sel(cycle=0, reading="behind_slope")
    return rnnjax.Claim(
        "behind the slope: relative error on the Jordan network, median",
        float(error.median()),
        1e-3,
        0.0,
        "wrong by a factor 1/s' >= 4 a step back, though it looks right",
        relation="at_least",
    )


def _claims_on_memory(cube):
    share = (cube["memory_error"] < _SOLVED).mean(["gain", "seed"])
    exact, none = (float(share.sel(reading=reading)) for reading in ("exact", "none"))
    return [
        rnnjax.Claim(
            "pulse memory: share solved with delta x minus without",
            exact - none,
            0.3,
            0.0,
            "without delta x nothing tells the fed-back output what to keep",
            relation="at_least",
        ),
        rnnjax.Claim(
            "pulse memory: share solved by the stale form minus exact",
            float(share.sel(reading="stale")) - exact,
            0.0,
            0.15,
            "weights change little in T - 1 cycles",
        ),
    ]
