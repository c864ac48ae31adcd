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

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row, swept
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, optax
from rnnjax.reductions import largest
from rnnjax.sweep import NameOf, Traced, Variable

PRECISION = "float64"  # the exact readings are told from the others by their rounding

_LOOKS = {
    "none": Look("no delta x", "#000000"),
    "exact": Look("into the error, backward (BPTT)", "#23408f"),
    "target_shift": Look("as a shift of the target, backward", "#3b7dd8"),
    "stale": Look("from the previous cycle", "#2f9e77"),
    "one_step": Look("one step back only", "#7f3fae"),
    "literal": Look("literal: into the output, forward", "#c2478f"),
    "literal_minus": Look("literal, minus sign", "#8a6d1d"),
    "literal_fed": Look("literal, and fed forward", "#e08a1e"),
    "behind_slope": Look("behind the slope", "#b02020"),
    "teacher_forcing": Look("teacher forcing (no delta x)", "#707070"),
}
_ON_OUTPUTS = ("target_shift", "teacher_forcing")  # need a state that is the output
_NETWORKS = {"jordan": "o", "adding": "s", "temporal_order": "^"}  # markers
_DECAYS = [0.0, 0.25, 0.5, 0.75, 1.0]
_N_STEPS, _GENERAL_LENGTH = 5, 10
_SOLVED = 0.008  # a tenth of what guessing costs


class Setting(sweep.Setting):
    """A reading, the networks on which it is tried, and how long they are trained."""

    reading: Annotated[str, NameOf(lambda: _LOOKS)] = "exact"
    gain: PositiveFloat = Field(1.0, description="of the feedback weights at the start")
    seed: Traced[int] = 0
    networks: tuple[Literal["jordan", "adding", "temporal_order"], ...] = Field(
        tuple(_NETWORKS), min_length=1, description="where gradients are compared, jordan first"
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
    cycle = np.arange(_N_STEPS + 1)
    return {"network": np.array(setting.networks), "cycle": cycle, "decay": np.array(_DECAYS)}


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
        sequences = _sequences(setting, task, key_data)
        params = cell.init(key_weights)
        drawn[name] = params, sequences
        exact[name] = _exact(cell, task, params, sequences)
    return drawn, exact, _of_the_feedback(setting, *drawn["jordan"], exact["jordan"])


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
    gradient = jax.grad(lambda p: rnnjax.mean_loss(cell, task.loss, p, sequences))(params)
    return rnnjax.scaled.normalise_tree(gradient)


def measure(setting, shared):
    """Compare one reading to the gradient, and train with it."""
    drawn, exact, of_the_feedback = shared
    rule = rnnjax.decks.readings.delta_x(setting.reading)
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
    cell, task = (
        _cell_and_task(setting, "jordan")[0],
        rnnjax.decks.PulseMemory(setting.memory_length),
    )
    optimiser = rnnjax.updates.clip_by_norm(1.0, optax.adam(setting.learning_rate))
    options = {"n_updates": setting.n_updates, "batch": task.pairs(), "params": params}
    trained = rnnjax.fit(cell, task, rule, optimiser, jax.random.key(0), **options).params
    return rnnjax.mean_loss(cell, task.loss, trained, task.pairs())


def _by_cycle(rule, cell, task, params, sequences, exact, n_cycles):
    """Relative error and cosine to BPTT, cycle after cycle with frozen weights, (n_cycles,)."""
    scaled = rnnjax.scaled

    def one(state, _):
        out = rnnjax.rules.batch_gradient(rule, cell, task.loss, params, sequences, state)
        gap = jax.tree.map(jnp.subtract, scaled.plain(out.grads), scaled.plain(exact))
        norms = (jnp.exp(scaled.log_norm(tree)) for tree in (scaled.normalise_tree(gap), exact))
        return out.state, (jnp.divide(*norms), scaled.cosine(out.grads, exact))

    state = jax.vmap(lambda batch: rule.init(cell, params, batch))(sequences)
    return jax.lax.scan(one, state, None, length=n_cycles)[1]


def _of_the_feedback(setting, params, pairs, exact):
    """The loop's gain, the delta x against autodiff, and the bridge of the decaying trace."""
    cell, task = _cell_and_task(setting, "jordan")
    found = jax.vmap(lambda pair: rnnjax.decks.feedback(cell, task.loss, params, pair))(pairs)

    def error_of_trace(decay):
        trace = rnnjax.EligibilityTrace(decay)
        return _by_cycle(trace, cell, task, params, pairs, exact, 1)[0][0]

    return {
        "loop_gain": jnp.mean(found.loop_gain),
        "loop_gain_over_bound": jnp.max(found.loop_gain / found.bound[:, None]),
        "sent_error": jnp.max(jnp.abs(found.sent - found.expected)),
        "trace_error": jax.lax.map(error_of_trace, jnp.array(_DECAYS)),
    }


def figure(cube):
    """Errors of the gradients, the stale reading's convergence, and what each reading learns."""
    frame = figures.Frame(height=6.2, widths=((1.25, 1), (1, 1)), height_ratios=(1.15, 1))
    errors, cycles, memory, trace = frame.panels
    _draw_errors(errors, cube["relative_error"].median(("gain", "seed")))
    _draw_cycles(cycles, cube["error_by_cycle"].median(("gain", "seed")))
    _draw_memory(memory, cube["memory_error"])
    _draw_trace(trace, cube.isel(reading=0))
    return frame.finished()


def _draw_errors(panel, error):
    looks = [_LOOKS[reading] for reading in error["reading"].values]
    for network in error["network"].values:
        shown = np.maximum(error.sel(network=network).values, 1e-17)
        label = "Jordan network" if network == "jordan" else network.replace("_", " ")
        panel.scatter(shown, range(len(looks)), marker=_NETWORKS[network], s=16, label=label,
                      facecolors="none", edgecolors=[look.colour for look in looks])  # fmt: skip
    panel.axvspan(1e-17, 1e-12, color="#3b7dd8", alpha=0.12, linewidth=0)
    panel.text(10**-14.5, len(looks) - 1.6, "rounding", ha="center", color="#23408f", fontsize=7)
    panel.set(xscale="log", xlim=(5e-18, 1e3), ylim=(len(looks) - 0.5, -0.5),
              xlabel="relative error of the gradient")  # fmt: skip
    panel.set_yticks(range(len(looks)), [look.label for look in looks])
    for tick, look in zip(panel.get_yticklabels(), looks, strict=True):
        tick.set_color(look.colour)
    panel.legend(loc="center left", bbox_to_anchor=(0.02, 0.45), fontsize=6.5, handletextpad=0.2)


def _draw_cycles(panel, error):
    looks = {
        reading: replace(_LOOKS[reading], dashes="--") for reading in ("none", "one_step", "exact")
    }
    looks["stale"] = replace(_LOOKS["stale"], marker="o", size=3)
    lines = figures.curves(
        panel, np.maximum(error, 1e-17), over="cycle", each="reading", looks=looks, yscale="log",
        ylim=(3e-18, 3), xlabel="training cycle, weights frozen", ylabel="relative error",
        xticks=error["cycle"].values,
    )  # fmt: skip
    for line in lines:
        x, y = line.get_data()
        at, up = (3, 0.01) if line.get_marker() == "o" else (-1, 1.6)
        panel.text(
            x[at], up * y[at], line.get_label(), ha="right", color=line.get_color(), fontsize=6.5
        )


def _draw_memory(panel, error):
    share = (error < _SOLVED).mean("seed")
    share = share.sel(reading=[name for name in _LOOKS if name in share["reading"]])
    # Lines that coincide are set apart, by less than half of one network in ten.
    n = share.sizes["reading"]
    share = share + share["reading"].copy(data=0.009 * (np.arange(n) - n / 2))
    figures.curves(
        panel, share, over="gain", each="reading", looks=_LOOKS, xscale="log",
        line={"marker": "o", "markersize": 3, "linewidth": 1.2}, ylim=(-0.06, 1.06),
        xlabel="gain of the feedback weights", ylabel="share that remembers a pulse",
    )  # fmt: skip
    figures.ticks(panel, "x", error["gain"].values)


def _draw_trace(panel, cube):
    looks = figures.ordered_looks(_DECAYS[:-1], "trace, decay {:g}", marker="o", size=3)
    looks[0.0] = replace(looks[0.0], label="no memory")
    figures.curves(
        panel, cube["trace_error"], over="gain", each="decay", band="seed", looks=looks,
        xscale="log", yscale="log", xlabel="gain of the feedback weights", ylabel="relative error",
    )  # fmt: skip
    loop, gain = cube["loop_gain"].median("seed").values, cube["gain"].values
    panel.plot(gain, loop, color="#606060", linestyle=":", label="mean loop gain $|g|$")
    figures.ticks(panel, "x", gain)
    panel.legend(fontsize=6.5, loc="lower right")


def _error_at(reading, cycle):
    return lambda cube: cube["error_by_cycle"].sel(reading=reading, cycle=cycle).median()


def _gap_to_one_step(cube):
    by_cycle = cube["error_by_cycle"].sel(cycle=1)
    return largest(abs(by_cycle.sel(reading="stale") - by_cycle.sel(reading="one_step")))


def _solved_beyond(reading, other):
    def gain(cube):
        share = (cube["memory_error"] < _SOLVED).mean(["gain", "seed"])
        return share.sel(reading=reading) - share.sel(reading=other)

    return gain


def _halved_trace(one):
    error = one["trace_error"]
    return (error.sel(decay=0.5) / error.sel(decay=0.0)).median()


CLAIMS = (
    Group((
        Row("di3 against dE/do_{{t-1}} by autodiff, largest gap",
            lambda one: largest(one["sent_error"]), equals=0, tolerance=1e-12,
            source="definition; float64 rounding"),
        Row("loop gain over its bound sum_j |V_Rj W_j3| / 16, largest",
            lambda one: largest(one["loop_gain_over_bound"]), at_most=1, tolerance=1e-12,
            source="logistic slopes are at most 1/4 in either layer"),
        Row("true trace without decay against BPTT, relative",
            lambda one: largest(one["trace_error"].sel(decay=1.0)), equals=0, tolerance=1e-12,
            source="Williams and Zipser 1989: RTRL is exact"),
        Row("true trace with decay 0.5: error over that without memory, median",
            _halved_trace, equals=0.5, tolerance=0.1,
            source="first order in the loop gain: a lag of k counts decay^k, so 1 - decay is lost"),
    ), part=lambda cube: cube.isel(reading=0)),
    Row(lambda one, reading: f"{_LOOKS[reading].label}: relative error, largest",
        lambda one: largest(one["relative_error"], skip_nan=True), equals=0, tolerance=1e-12,
        source="exact adjoint (Werbos 1990); float64 rounding",
        for_each={"reading": ("exact", "target_shift")}),
    Group((
        Row("stale delta x after T - 1 = 4 cycles: relative error, largest",
            lambda cube: largest(cube["error_by_cycle"].sel(reading="stale", cycle=_N_STEPS - 1)),
            equals=0, tolerance=1e-12,
            source="cycle n is truncation at n + 1 steps: nothing is left to cut at T"),
        Row("stale delta x before that, cycle 3: relative error, median",
            _error_at("stale", _N_STEPS - 2), at_least=1e-9,
            source="one lag is still missing: not exact by accident"),
        Row("stale in cycle 1 against one step back only, largest gap", _gap_to_one_step, equals=0,
            tolerance=1e-12, source="Williams and Peng 1990: truncation at two steps"),
    ), when=swept(reading=("none", "stale", "one_step"))),
    Row("behind the slope: relative error on the Jordan network, median",
        _error_at("behind_slope", 0), at_least=1e-3,
        source="wrong by a factor 1/s' >= 4 a step back, though it looks right",
        when=swept(reading=("exact", "behind_slope"))),
    Group((
        Row("pulse memory: share solved with delta x minus without",
            _solved_beyond("exact", "none"), at_least=0.3,
            source="without delta x nothing tells the fed-back output what to keep"),
        Row("pulse memory: share solved by the stale form minus exact",
            _solved_beyond("stale", "exact"), equals=0, tolerance=0.15,
            source="weights change little in T - 1 cycles"),
    ), when=(swept(reading=("none", "exact", "stale")),
             lambda cube: cube.setting.n_updates >= 1000)),
)  # fmt: skip
