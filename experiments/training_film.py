"""What do spectrum, adjoint, horizon and alignments do while a network learns?

Command:   rnnjax run training_film
Run time:  about 3 minutes on 2 cores, compiling included.
Figure:    A film strip: a clipped tanh network (top) and an LSTM (second row) learn the temporal
           order; each frame shows ln ||dL/dh|| by lag (relative to lag 0, median over seeds) and,
           in the same frame, the Lyapunov exponents (grey, upper axis). Below, over updates: test
           accuracy; leading exponent and ln of the spectral radius; horizon; cosine of other rules'
           gradients with the exact one; directions that the product of Jacobians leaves open, and
           the angle by which its leading singular direction turns from lag to lag.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (the task; more memory goes with a larger spectral radius); Vogt, Puelma
           Touzel, Shlizerman and Lajoie, On Lyapunov exponents for RNNs, Frontiers in Applied
           Mathematics and Statistics, 2022 (spectra while learning). Here T = 30 and Adam.
"""

import math
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import BLACK, BLUE, VERMILION, Look
from rnnjax.lazy import jax, jnp, matplotlib, optax
from rnnjax.reductions import largest, median
from rnnjax.sweep import RuleName, Traced, Variable

_PASCANU = "Pascanu, Mikolov and Bengio 2013"
_SETTLING = 50  # steps of the long sequence that are not counted
_LONG_ENOUGH = 500  # updates from which claims on learning are made
_TRUNCATED = "BPTT(window=3)"
_RULES = {
    "RTRL": Look("RTRL", BLACK),
    "UORO": Look("UORO, mean", "#2f9e77"),
    "SnAp": Look("SnAp-1", "#e08a1e"),
    "EProp(autapse=False)": Look("e-prop", "#c2478f"),
    _TRUNCATED: Look("BPTT, 3 steps", "#23408f"),
}
_CELLS = {"vanilla": Look("tanh", BLUE), "lstm": Look("LSTM", VERMILION)}
_COLOURS = {look.label: look.colour for look in _CELLS.values()}


class Setting(sweep.Setting):
    """How large the network is, and how it is trained and looked at."""

    cell: Literal["vanilla", "lstm"] = "vanilla"
    seed: Traced[int] = 0
    n_state: int = Field(
        24, ge=2, description="state entries, even; an LSTM has half as many cells"
    )
    gain: PositiveFloat = Field(0.8, description="of the recurrent weights at the start")
    length: int = Field(30, ge=10, description="steps T of the temporal order")
    n_frames: PositiveInt = Field(16, description="looks at the network")
    every: PositiveInt = Field(50, description="updates from one to the next")
    batch_size: PositiveInt = Field(16, description="sequences in an update")
    learning_rate: PositiveFloat = Field(0.003, description="of Adam")
    threshold: PositiveFloat = Field(1.0, description="clipping of the gradient's norm")
    n_seen: PositiveInt = Field(8, description="sequences over which adjoints are averaged")
    n_test: PositiveInt = Field(200, description="fresh sequences of the accuracy")
    n_long: int = Field(200, gt=_SETTLING, description="steps over which exponents are taken")
    n_draws: PositiveInt = Field(16, description="draws of a stochastic rule")
    rules: tuple[RuleName, ...] = Field(tuple(_RULES), description="rules compared with BPTT")
    axes = ("cell", "seed")


def coordinates(setting):
    """Updates at the looks, lags, exponents and rules."""
    return {
        "update": np.arange(setting.n_frames) * setting.every,
        "lag": np.arange(setting.length + 1),
        "turn_lag": np.arange(1, setting.length),
        "index": np.arange(1, setting.n_state + 1),
        "rule": np.array(setting.rules),
    }


def variables(setting):
    """What is measured in every cell of the sweep."""
    at = ("update",)
    return {
        **sweep.named("exponents", "mean_log_det", before=at),
        "loss": Variable(at, "mean loss of the updates that follow", "nat"),
        "accuracy": Variable(at, "share of fresh sequences that are classified right"),
        "log_norm": Variable((*at, "lag"), "mean over sequences of ln ||dL_T/dh_{T-lag}||", "nat"),
        "log_readout": Variable(at, "the same of V^T dl_T/dy_T", "nat"),
        "horizon": Variable(at, "lags until the mean fell by a decade; T if it does not", "step"),
        "log_radius": Variable(at, "ln of the spectral radius of W, or of an LSTM's rest Jacobian"),
        "log_condition": Variable(at, "ln s_1/s_n of dh_T/dh_{T/2}; inf where s_n is 0", "nat"),
        "participation": Variable(at, "participation ratio of its singular values"),
        "turn": Variable((*at, "turn_lag"), "turn of its leading direction in the next lag", "rad"),
        "cosine": Variable((*at, "rule"), "cosine with the exact gradient, recurrent weights"),
    }


def _network(setting):
    """Return the cell and the task."""
    task, n = rnnjax.tasks.TemporalOrder(setting.length), setting.n_state
    if setting.cell == "lstm":
        return rnnjax.LSTM(task.n_x, n // 2, task.n_y, gain=setting.gain), task
    return rnnjax.Vanilla(task.n_x, n, task.n_y, gain=setting.gain), task


def shared(setting):
    """Draw weights, sequences that are looked at, and the key of the training."""
    cell, task = _network(setting)
    keys = jax.random.split(jax.random.key(setting.seed), 5)
    return {
        "params": cell.init(keys[0]),
        "seen": jax.vmap(task.sample)(jax.random.split(keys[1], setting.n_seen)),
        "test": jax.vmap(task.sample)(jax.random.split(keys[2], setting.n_test)),
        "long": rnnjax.tasks.TemporalOrder(setting.n_long).sample(keys[3]),
        "key": keys[4],
    }


def measure(setting, shared):
    """Train one network, and look at it before every so many updates."""
    cell, task = _network(setting)
    rules = {name: rnnjax.rules.named(name) for name in setting.rules}

    def look(cell, loss, params, batch, states=None):
        cosine = _cosines(setting, rules, states or {}, (cell, loss, params, batch))
        return {**_frame(setting, shared, cell, loss, params, batch), "cosine": cosine}

    optimiser = rnnjax.updates.clip_by_norm(setting.threshold, optax.adam(setting.learning_rate))
    training = rnnjax.fit(
        cell, task, rnnjax.BPTT(), optimiser, shared["key"],
        n_updates=setting.n_frames * setting.every, batch_size=setting.batch_size, probe=look,
        every=setting.every, params=shared["params"],
        passengers={name: rule for name, rule in rules.items() if rule.stochastic},
    )  # fmt: skip
    loss = jnp.mean(training.loss.reshape(setting.n_frames, setting.every), axis=1)
    return {**training.probes, "loss": loss}


def _frame(setting, shared, cell, loss, params, batch):
    """Look once at a network."""
    probes, test, along = rnnjax.probes, shared["test"], (cell, None, params, shared["long"])

    def outputs(batch):
        return rnnjax.outputs(cell, params, batch.x)[-1]

    def of_one(batch):
        """Return the adjoint norm by lag, and that at lag 0 by hand."""
        error = jax.grad(loss)(outputs(batch), batch.y[-1])
        by_lag = probes.log_norm_by_lag(cell, loss, params, batch)
        return by_lag["log_norm"], jnp.log(jnp.linalg.norm(params.V.T @ error))

    log_norm, log_readout = (jnp.mean(a, axis=0) for a in jax.vmap(of_one)(shared["seen"]))
    half = probes.log_singular_values(cell, None, params, batch, every=setting.length // 2)
    values = half["log_singular_values"][0]
    right = jnp.argmax(jax.vmap(outputs)(test), -1) == jnp.argmax(test.y[:, -1], -1)
    return {
        "accuracy": jnp.mean(right),
        "exponents": probes.lyapunov_spectrum(*along, n_discarded=_SETTLING)["exponents"],
        **probes.mean_log_det(*along, n_discarded=_SETTLING),
        "log_norm": log_norm,
        "log_readout": log_readout,
        "horizon": jnp.minimum(rnnjax.analysis.horizon(log_norm, 1.0), setting.length),
        "log_radius": rnnjax.matrices.log_spectral_radius(_at_rest(cell, params)),
        "log_condition": values[0] - values[-1],
        "participation": rnnjax.matrices.participation_ratio(values),
        "turn": probes.leading_directions(cell, None, params, batch)["angle"],
    }


def _at_rest(cell, params):
    """Return W of a vanilla network, or the Jacobian of an LSTM at rest."""
    if isinstance(cell, rnnjax.Vanilla):
        return params.W
    rest = jnp.zeros_like(cell.initial_state())
    return jax.jacfwd(lambda h: cell.step(params, h, jnp.zeros(cell.n_x)))(rest)


def _cosines(setting, rules, states, at):
    """Return the cosine of every rule's gradient, mean over draws, with the exact one, (rule,)."""
    cell, _, params, batch = at
    gradient = rnnjax.rules.recurrent_gradient
    exact, found = gradient(rnnjax.BPTT(), *at, ()), []
    for name, rule in rules.items():
        state = states[name] if name in states else rule.init(cell, params, batch, None)
        draws = gradient(rule, *at, state, n_draws=setting.n_draws if rule.stochastic else 1)
        found.append(rnnjax.analysis.versus(draws, exact)["cosine"])
    return jnp.stack(found)


def figure(cube):
    """A film strip over curves."""
    cells = [name for name in _CELLS if name in cube["cell"].values]
    frames = np.unique(np.linspace(0, cube.sizes["update"] - 1, 6).astype(int))
    heights = [1.35 * len(cells), 5.2]
    drawn = matplotlib.figure.Figure(figsize=(figures.PAGE_WIDTH, sum(heights)))
    # Two parts, so that the columns of neither follow those of the other.
    film, curves = drawn.subfigures(2, 1, height_ratios=heights)
    strips = film.subplots(len(cells), len(frames), squeeze=False)
    for name, strip in zip(cells, strips, strict=True):
        _draw_strip(strip, cube.sel(cell=name).isel(update=frames), _CELLS[name].label)
    panels = list(curves.subplots(2, 3).flat)
    if len(cells) == 1:
        panels.pop(4).remove()
    _draw_curves(panels, cube, cells)
    figures.letter_panels([*strips[:, 0], *panels])
    return drawn


def _draw_strip(strip, one, words):
    """Draw the transport of gradients by lag, with the exponents behind it, frame by frame."""
    norms = (one["log_norm"] - one["log_norm"].isel(lag=0)).median("seed") / math.log(10)
    exponents = one["exponents"].median("seed").transpose("update", "index").values
    low, high, least = float(norms.min()) - 0.3, float(norms.max()) + 0.3, exponents.min()
    for i, (ax, update) in enumerate(zip(strip, one["update"].values, strict=True)):
        above = ax.twiny()
        levels = np.linspace(high, low, exponents.shape[1])
        above.hlines(levels, least, exponents[i], color="#c8c8c8", linewidth=1.2, zorder=0)
        above.set_xlim(least, 0.5)
        above.tick_params(labelsize=6, colors="#808080", pad=1, length=2)
        ax.set_zorder(above.get_zorder() + 1)
        ax.patch.set_visible(False)
        ax.plot(one["lag"], norms.sel(update=update), color=_COLOURS[words], linewidth=1.6)
        figures.level(ax, y=0, color="black", dashes=":")
        ax.set(ylim=(low, high), xlim=(0, one["lag"][-1]))
        ax.tick_params(labelsize=6, pad=1, length=2, labelleft=i == 0)
        told = f"{'' if i else 'update '}{update}"
        ax.text(0.96, 0.94, told, transform=ax.transAxes, fontsize=7, ha="right", va="top")
    strip[0].set_ylabel(rf"{words}: $\log_{{10}}\|\mathrm{{d}}L/\mathrm{{d}}h\|$", fontsize=7)
    strip[len(strip) // 2].set_xlabel("lag (steps); grey: exponents (nat/step, upper axis)")


def _draw_curves(panels, cube, cells):
    def of_cells(ax, values, words, dashed=None):
        figures.curves(ax, values, band="seed", ylabel=words, **over, each="cell", looks=_CELLS)
        if dashed is not None:
            figures.curves(ax, median(dashed), ylabel=words, line={"linestyle": "--"}, **over,
                           each="cell", looks=_CELLS)  # fmt: skip

    over = {"over": "update", "xlabel": "updates"}
    turn = 10 * cube["turn"].isel(turn_lag=slice(-5, None)).mean("turn_lag")
    accuracy, growth, horizon, *of_rules, product = panels
    of_cells(accuracy, cube["accuracy"], "test accuracy")
    of_cells(growth, cube["exponents"].isel(index=0), "nat/step", dashed=cube["log_radius"])
    of_cells(horizon, cube["horizon"], "horizon (lags)")
    of_cells(product, cube["participation"], "of the Jacobian product", dashed=turn)
    figures.level(growth, y=0, color="black", dashes=":")
    for ax, name in zip(of_rules, cells, strict=True):
        figures.curves(ax, median(cube["cosine"].sel(cell=name)), each="rule", looks=_RULES, **over,
                       ylabel=f"cosine with BPTT, {_CELLS[name].label}", ylim=(-0.3, 1.05))  # fmt: skip
    solid, dashed = (r"$\lambda_1$", "directions left open"), (r"$\ln \rho$", "10 x turn (rad)")
    for ax, *words in zip((growth, product), solid, dashed, strict=True):
        looks = map(Look, words, ["#606060"] * 2, [""] * 2, ["-", "--"])
        ax.legend(handles=[look.handle() for look in looks], fontsize=6, loc="best")
    for ax in (accuracy, of_rules[0]):
        ax.legend(fontsize=6, loc="best")


def _change(values):
    """Return the value at the last look minus that at the first one."""
    return values.isel(update=-1) - values.isel(update=0)


def _of_determinants(cube):
    gap = abs(cube["exponents"].sum("index") - cube["mean_log_det"])
    return largest(gap) / cube.sizes["index"]


_LEARNING = Group((
    Row("{cell}: test accuracy at the end",
        lambda one: one["accuracy"].isel(update=-1).median(), at_least=0.9),
    Row("{cell}: horizon at the end over that at the start",
        lambda one: (one["horizon"].isel(update=-1) / one["horizon"].isel(update=0)).median(),
        at_least=1.5),
    Row("{cell}: |lambda_1| at the end minus at the start, nat/step",
        lambda one: _change(abs(one["exponents"].isel(index=0))).median(), at_most=-0.05),
    Group((
        Row("{cell}: spectral radius at the end, least of all seeds",
            lambda one: np.exp(one["log_radius"].isel(update=-1)).min(), at_least=1,
            source=f"{_PASCANU}: solutions have a radius above 1"),
        Row("{cell}: spectral radius at the end minus at the start, least",
            lambda one: _change(np.exp(one["log_radius"])).min(), at_least=0,
            source=f"{_PASCANU}: more memory goes with a larger spectral radius"),
    ), when=lambda one, cell: cell == "vanilla",
        reproduces=f"{_PASCANU}, memory and spectral radius"),
    Row("{cell}: cosine of BPTT over 3 steps, change from start to end",
        lambda one: _change(one["cosine"].median("seed")), at={"rule": _TRUNCATED}, at_most=-0.1),
), for_each="cell", when=lambda one: one["update"].values[-1] >= _LONG_ENOUGH,
    source=f"{_PASCANU}: memory has to be built; the margin was set before the sweep ran",
)  # fmt: skip
CLAIMS = (
    Row("sum of all exponents minus mean ln |det J|, nat/step, worst", _of_determinants,
        equals=0, tolerance=1e-4,
        source="exact for any QR decomposition; float32, per entry of the state"),
    Row("ln ||dL/dh|| at lag 0 minus that of V^T dl/dy, worst",
        lambda cube: largest(abs(cube["log_norm"].sel(lag=0) - cube["log_readout"])),
        equals=0, tolerance=1e-4, source="chain rule; float32"),
    Row("RTRL: cosine with BPTT minus 1, worst of all updates",
        lambda one: largest(abs(one["cosine"] - 1)), at={"rule": "RTRL"},
        equals=0, tolerance=1e-5, source="RTRL is exact (Williams, Zipser 1989)"),
    _LEARNING,
)  # fmt: skip
