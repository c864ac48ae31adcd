"""Does a gradient with a short memory at least point the right way?

Command:   rnnjax run influence_balancing
Run time:  about two minutes on 2 cores, compiling included.
Figure:    a: distance of the one parameter theta from theta* = -1/6 over the updates; truncated
           backpropagation runs away with windows up to 40 and comes nearer from 41 on, RTRL with
           every window. b: the sensitivity ds/dtheta that a rule sees after so many steps; the
           truth is -6, the trace of a unit's own state (e-prop) says +2 for ever. c: the distance
           after the last update over the window; bars are 10 to 90 % of runs. d: SnAp-n, one copy
           of theta a unit, sees 2, 4, .., 20, .. and has the right sign from n = 21 of 23 on: a
           mask in space fails as a window in time does.
Source:    Tallec and Ollivier, Unbiased online recurrent optimization, ICLR 2018 (the task); Vicol,
           Metz and Sohl-Dickstein, Unbiased gradient estimation in unrolled computation graphs with
           persistent evolution strategies, ICML 2021 (its numbers).
"""

import functools
import json
import math
from typing import Annotated, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, NameOf, Static, Variable

PRECISION = "float64"
_MOST_STATES = 64
_STOCHASTIC = ("uoro", "node_perturbation")
_THEORY = rnnjax.theory.influence_balancing
_FEW = 50  # fewer samples say little of a variance
_WRONG = "#FBEFE9"
_STYLES = {
    "bptt": ("#D55E00", "o"),
    "rtrl": ("#000000", "s"),
    "eprop": ("#0072B2", "^"),
    "uoro": ("#009E73", "D"),
    "node_perturbation": ("#CC79A7", "x"),
}
_LABELS = {
    "bptt": "truncated BPTT",
    "rtrl": "RTRL",
    "eprop": "e-prop = SnAp-1",
    "uoro": "UORO",
    "node_perturbation": "node perturbation",
}
# n, n_+, theta_0 and learning rate of the paper, and theta after some updates, with a tolerance.
_PUBLISHED = (23, 10, 0.5, 1e-4)
_COLUMNS = (1, 100, 1000, 3000)
_REFERENCE = {
    ("bptt", 1): ((0.49995, 1e-7), (0.502425, 1e-6), (0.944109, 1e-6), (3.259685, 1e-6)),
    ("bptt", 10): ((0.495, 1e-7), (0.948065, 1e-6), (177.79, 0.005), (1.40e7, 5e4)),
    ("bptt", 100): ((0.4976, 1e-7), (0.298149, 1e-6), (-0.148569, 1e-6), (-0.166653, 1e-6)),
    ("rtrl", 1): ((0.49995, 1e-7), (0.172353, 1e-6), (-0.165803, 1e-6), (-0.16666667, 1e-8)),
}


def _rule_names():
    masks = (f"snap{n}" for n in range(1, _MOST_STATES + 1))
    return ("bptt", "rtrl", "eprop", *masks, *_STOCHASTIC)


REPRODUCES = {
    "bptt, K = ": "Vicol, Metz and Sohl-Dickstein 2021, influence balancing",
    "rtrl, K = ": "Vicol, Metz and Sohl-Dickstein 2021, influence balancing",
    "bptt: longest window": "Tallec and Ollivier 2018, influence balancing",
}


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    rule: Static[Annotated[str, NameOf(_rule_names)]]
    window: Lane[PositiveInt]


class Config(BaseConfig):
    """Which network, and how it is trained."""

    axes: Axes
    n_states: int = Field(23, ge=1, le=_MOST_STATES, description="n, the units of the chain")
    n_positive: int = Field(10, ge=0, le=_MOST_STATES, description="units pushed up by theta")
    n_updates: PositiveInt = Field(3000, description="updates, one every `window` steps")
    theta: float = Field(0.5, description="theta before the first update")
    learning_rate: PositiveFloat = Field(1e-4, description="of gradient descent")
    stochastic_learning_rate: PositiveFloat = Field(1e-5, description="for stochastic rules")
    sigma: PositiveFloat = Field(1e-2, description="size of the noise of node perturbation")
    n_draws: PositiveInt = Field(10, description="runs of a stochastic rule, each its own noise")
    n_steps: PositiveInt = Field(100, description="steps over which the sensitivity is followed")

    @model_validator(mode="after")
    def _has_an_optimum(self) -> Self:
        try:
            _THEORY.signs(self.n_states, self.n_positive)
        except ValueError as error:
            key, message = str(error).split(": ", 1)
            raise rnnjax.errors.ConfigError(key, message) from None
        return self


def coordinates(config):
    """Numbers of updates, steps of the network, and runs."""
    places = {k * 10**e for e in range(9) for k in (1, 2, 5)} | set(_COLUMNS)
    updates = sorted({0, config.n_updates} | {u for u in places if u < config.n_updates})
    return {
        "update": np.array(updates),
        "step": np.arange(1, config.n_steps + 1),
        "draw": np.arange(config.n_draws),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    seen = "ds/dtheta as the rule sees it"
    return {
        "theta": Variable(("update", "draw"), "theta after so many updates"),
        "theta_end": Variable(("draw",), "theta after the last update"),
        "sensitivity": Variable(("draw",), f"{seen} at the last update"),
        "sensitivity_sign": Variable(("draw",), "sign of the sensitivity at the last update"),
        "sensitivity_after": Variable(("step", "draw"), f"{seen} so many steps from the start"),
    }


@functools.cache
def _cell_class():
    """Make the network of the task, a cell like any that a user may write."""
    import jax.numpy as jnp
    from flax import struct

    @struct.dataclass
    class Chain:
        """s' = A s + theta v where x = 1, and s' = s where x = 0: the network rests.

        Resting lets windows of every length be lanes of one program. With `copies` every unit has
        a theta of its own, of the same value: rules that keep a trace within a unit need that.
        """

        n_states: int = struct.field(pytree_node=False)
        n_positive: int = struct.field(pytree_node=False)
        copies: bool = struct.field(pytree_node=False, default=False)
        theta: float = 0.5

        def init(self, key):
            return {"theta": jnp.full((self.n_states,) if self.copies else (), self.theta)}

        def initial_state(self):
            return jnp.ones(self.n_states)

        def step(self, params, s, x):
            v = jnp.where(jnp.arange(self.n_states) < self.n_positive, 1.0, -1.0)
            moved = 0.5 * (s + jnp.append(s[1:], 0.0)) + params["theta"] * v
            return jnp.where(x[0] > 0, moved, s)

        def readout(self, params, s):
            return s[:1]

    return Chain


class _Unroll:
    """The task: some steps at rest, then `window` steps, with the loss at the end of the last."""

    def __init__(self, window, n_steps):
        from jax import numpy as jnp

        steps = jnp.arange(n_steps)
        moves = (steps >= n_steps - window).astype(float)
        end = (steps == n_steps - 1).astype(float)
        self.window = window
        self.batch = rnnjax.Batch(moves[:, None], jnp.ones((n_steps, 1)), end)

    def sample(self, key):
        return self.batch

    @staticmethod
    def loss(y_hat, y):
        return (y_hat[0] - y[0]) ** 2 / 2


def _output(y_hat, y):
    """Return s itself, whose gradient is the sensitivity that a rule sees."""
    return y_hat[0]


def _rule(config, name):
    rules = rnnjax.rules
    if name == "bptt":
        return rules.TruncatedBPTT(window=max(config.axes.window), carries=True)
    if name.startswith("snap"):
        return rules.SnAp(int(name.removeprefix("snap")))
    if name == "node_perturbation":
        return rules.NodePerturbation(config.sigma)
    return {"rtrl": rules.RTRL, "eprop": rules.EProp, "uoro": rules.UORO}[name]()


def draw(config, window):
    """Return the window: the noise of stochastic rules has its own seeds."""
    return window


def measure(config, drawn, rule):
    """Train theta with one rule and one window, and see what the rule sees."""
    import jax
    from jax import numpy as jnp

    copies = rule == "eprop" or rule.startswith("snap")
    cell = _cell_class()(config.n_states, config.n_positive, copies, config.theta)
    task = _Unroll(drawn, max(config.axes.window))
    train = _train_by_windows if rule == "bptt" else _train_online
    learner, of = _rule(config, rule), coordinates(config)

    def run(seed):
        key = jax.random.key(seed)
        theta, sensitivity, after = train(config, cell, task, learner, key)
        return {
            "theta": theta[jnp.asarray(of["update"])],
            "theta_end": theta[-1],
            "sensitivity": sensitivity,
            "sensitivity_sign": jnp.sign(sensitivity).astype(int),
            "sensitivity_after": after,
        }

    if learner.stochastic:
        found = jax.vmap(run)(jnp.asarray(of["draw"]))
    else:
        found = jax.tree.map(
            lambda a: jnp.broadcast_to(a[None], (config.n_draws, *a.shape)), run(0)
        )
    return {name: jnp.moveaxis(values, 0, -1) for name, values in found.items()}


def _train_by_windows(config, cell, task, rule, key):
    """Return theta after 0, 1, .. updates, and the sensitivities, by truncated BPTT."""
    import jax
    import optax
    from jax import numpy as jnp

    training = rnnjax.fit(
        cell,
        task,
        rule,
        optax.sgd(config.learning_rate),
        key,
        n_updates=config.n_updates,
        batch_size=1,
        probe=lambda cell, loss, params, batch: params["theta"],
    )
    theta = jnp.append(training.probes, training.params["theta"])
    longest = max(*config.axes.window, config.n_steps)
    whole = rule.replace(window=longest)
    state = whole.init(cell, training.params, task.batch)

    def seen(window):
        batch = _Unroll(window, longest).batch
        return whole(cell, _output, training.params, batch, state).grads

    windows = jnp.append(jnp.arange(1, config.n_steps + 1), task.window)
    found = rnnjax.scaled.plain(jax.vmap(seen)(windows))["theta"]
    return theta, found[-1], found[:-1]


def _train_online(config, cell, task, rule, key):
    """Return theta after 0, 1, .. updates, and the sensitivities; state and memory are carried."""
    import jax
    from jax import numpy as jnp

    rate = config.stochastic_learning_rate if rule.stochastic else config.learning_rate
    batch, params = task.batch, cell.init(key)
    ones = jax.tree.map(jnp.ones_like, params)

    def update(carry, n):
        network, theta = carry
        params = jax.tree.map(lambda one: theta * one, ones)
        noise = rule.noise(cell, params, jax.random.fold_in(key, n), len(batch.x))
        network, seen = _window(rule, cell, params, network, batch, noise)
        error = network[0].value[0] - batch.y[-1, 0]
        return (network, theta - rate * error * seen), (theta, seen)

    state = rule.init(cell, params, batch, key)
    network, _, _ = rnnjax.rules.online.start(rule, cell, params, batch.x[0], state)
    carry = (network, jnp.asarray(config.theta, batch.x.dtype))
    (_, end), (thetas, seen) = jax.lax.scan(update, carry, jnp.arange(config.n_updates))
    return jnp.append(thetas, end), seen[-1], _sensitivity_after(config, cell, rule, key)


def _window(rule, cell, params, network, batch, noise):
    """Run an online rule over one window; return (state, memory) and the sensitivity at its end.

    The rule is asked for ds/dtheta: (s - 1) times that is the gradient of the loss.
    """
    import jax
    from jax import numpy as jnp

    state, memory = network
    state, moments = rnnjax.rules.online.observe(rule, cell, _output, params, state, batch, noise)
    prepared = jax.vmap(lambda moment: rule.prepare(cell, _output, params, moment))(moments)

    def step(memory, at):
        moves, now = at
        moved, grads = rule.step(cell, _output, params, memory, now)
        # While the network rests the memory does: new noise would be noise about nothing.
        kept = jax.tree.map(lambda a, b: jnp.where(moves > 0, a, b), moved, memory)
        return kept, sum(jnp.sum(g) for g in rnnjax.scaled.plain(grads).values())

    memory, seen = jax.lax.scan(step, memory, (batch.x[:, 0], prepared))
    return (state, memory), seen[-1]


def _sensitivity_after(config, cell, rule, key):
    """Return what an online rule sees after t = 1, 2, .. steps from the start."""
    from jax import numpy as jnp

    n, params = config.n_steps, cell.init(key)
    every = rnnjax.Batch(jnp.ones((n, 1)), jnp.ones((n, 1)), jnp.ones(n))
    state = rule.init(cell, params, every, key)
    seen = rule(cell, _output, params, every, state, per_step=True).grads
    return jnp.sum(rnnjax.scaled.plain(seen)["theta"].reshape(n, -1), axis=1)


def figure(cube):
    """Distance from theta* over updates, what rules see, where they end, what a mask sees."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 5.4))
    panels = drawn.subplots(2, 2).ravel()
    config = json.loads(cube.attrs["config"])
    cube = cube.sortby("window")
    draws = (_draw_paths, _draw_seen, _draw_ends, _draw_masks)
    for ax, draw_panel in zip(panels, draws, strict=True):
        draw_panel(ax, cube, config)
    rnnjax.figures.letter_panels(panels)
    drawn.legend(handles=_handles(cube), loc="outside lower center", ncols=5)
    return drawn


def _network(config):
    return config["n_states"], config["n_positive"]


def _names(cube):
    return [str(name) for name in cube["rule"].values]


def _style(name):
    if name.startswith("snap"):
        marker = "<>v*"[int(name.removeprefix("snap")) % 4]
        return {"color": "#56B4E9", "marker": marker, "linestyle": "--"}
    colour, marker = _STYLES[name]
    return {"color": colour, "marker": marker}


def _handles(cube):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    rules = [
        Line2D([], [], label=_LABELS.get(name, name.replace("snap", "SnAp-")), **_style(name))
        for name in _names(cube)
    ]
    exact = Line2D([], [], color="#404040", linestyle=":", label="closed form")
    return [*rules, exact, Patch(facecolor=_WRONG, label="wrong sign")]


def _distance_axis(ax, config):
    """Mark where theta started; what rises above went the wrong way."""
    start = abs(config["theta"] - float(_THEORY.optimum(*_network(config))))
    ax.axhspan(start, 1e30, color=_WRONG, linewidth=0, zorder=0)
    ax.set(yscale="log", ylabel=r"$|\theta-\theta^*|$")


def _draw_paths(ax, cube, config):
    """Draw theta over the updates: every window of truncated BPTT, and RTRL at the shortest."""
    window, update = cube["window"].values, cube["update"].values[1:]
    distance = abs(cube["theta"] - float(_THEORY.optimum(*_network(config)))).isel(draw=0)
    curves = []
    for K, colour in zip(window, rnnjax.figures.ordered_colours(len(window)), strict=True):
        curves.append(("bptt", K, {"color": colour, "label": f"$K$ = {K}"}))
    curves.append(("rtrl", window[0], {"color": "black", "linestyle": "--", "label": "RTRL"}))
    top = 1.0
    for name, K, style in curves:
        if name in _names(cube):
            values = distance.sel(rule=name, window=K).values[1:]
            ax.plot(update, np.maximum(values, 1e-9), linewidth=1.2, **style)
            top = max(top, np.nanmax(values))
    _distance_axis(ax, config)
    ax.set(xscale="log", xlabel="updates", xlim=(1, update[-1]), ylim=(1e-6, 10 * top))
    ax.set_title("truncated BPTT")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(loc="upper left", ncols=2, fontsize=7)


def _shade_wrong_sign(ax, config):
    ax.autoscale_view()
    low, high = ax.get_ylim()
    away = (0, high) if _THEORY.optimum(*_network(config)) < 0 else (low, 0)
    ax.axhspan(*away, color=_WRONG, linewidth=0, zorder=0)
    ax.set_ylim(low, high)


def _draw_seen(ax, cube, config):
    """Draw what each deterministic rule sees after so many steps, and c_K in closed form."""
    step = cube["step"].values
    shift = 0
    for name in _names(cube):
        if name not in (*_STOCHASTIC, "rtrl"):
            values = cube["sensitivity_after"].sel(rule=name).isel(window=0, draw=0).values
            marked = {"markevery": (shift, max(1, len(step) // 10)), "linewidth": 1}
            ax.plot(step, values, **{**_style(name), **marked})
            shift += 2
    exact = [float(_THEORY.sensitivity(int(K), *_network(config))) for K in step]
    ax.plot(step, exact, color="#404040", linestyle=":", linewidth=1.2, zorder=3)
    change = _THEORY.first_right_window(*_network(config))
    if 1 < change <= step[-1]:
        told = f"{change - 1} wrong, {change} right"
        place = {"xytext": (change + 8, 0.6 * max(exact)), "fontsize": 7}
        arrow = {"arrowstyle": "-|>", "linewidth": 0.6, "shrinkB": 1}
        ax.annotate(told, (change - 0.5, 0), arrowprops=arrow, **place)
    ax.set(xlabel="steps seen, $K$", xlim=(0, step[-1]))
    ax.set_ylabel(r"$\mathrm{d}s/\mathrm{d}\theta$ as the rule sees it")
    _shade_wrong_sign(ax, config)


def _draw_ends(ax, cube, config):
    """Draw the distance after the last update over the window; bars over draws."""
    optimum = float(_THEORY.optimum(*_network(config)))
    ends = abs(cube["theta_end"] - optimum).transpose("rule", "window", "draw")
    window = ends["window"].values
    for name, values in zip(_names(cube), np.maximum(ends.values, 1e-9), strict=True):
        style = {**_style(name), "markersize": 3.5, "linewidth": 1}
        ax.plot(window, np.median(values, axis=1), **style)
        if name in _STOCHASTIC:
            low, high = np.quantile(values, (0.1, 0.9), axis=1)
            ax.vlines(window, low, high, color=style["color"], linewidth=0.8, alpha=0.6)
    _distance_axis(ax, config)
    top = np.nanmax(np.median(ends.values, axis=2), initial=1)
    ax.set(xscale="log", xlabel="window $K$ (steps between updates)", ylim=(1e-9, 30 * top))
    ax.set_xlim(0.9 * window[0], 1.1 * window[-1])
    ax.set_title(f"after {config['n_updates']} updates")


def _n_kept(name, n_states):
    """Return how many units' influence an online rule keeps."""
    if name.startswith("snap"):
        return min(int(name.removeprefix("snap")), n_states)
    return 1 if name == "eprop" else n_states


def _draw_masks(ax, cube, config):
    """Draw the sensitivity in the long run over the units whose influence is kept."""
    n_states, n_positive = _network(config)
    kept = np.arange(1, n_states + 1)
    exact = [_THEORY.sensitivity_of_first_units(n, n_states, n_positive) for n in kept]
    ax.plot(kept, exact, color="#404040", linestyle=":", linewidth=1.2)
    for name in _names(cube):
        if name not in ("bptt", *_STOCHASTIC):
            value = cube["sensitivity"].sel(rule=name).isel(window=-1, draw=0)
            style = {**_style(name), "linestyle": "none", "markersize": 5}
            ax.plot([_n_kept(name, n_states)], [float(value)], **style)
    ax.set(xlabel="units whose influence is kept, $n$", xlim=(0, n_states + 1))
    ax.set_ylabel(r"$\mathrm{d}s/\mathrm{d}\theta$ in the long run")
    _shade_wrong_sign(ax, config)


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = []
    for name in _names(cube):
        one = cube.sel(rule=name)
        if name in _STOCHASTIC:
            found += _of_stochastic(one, name, config)
            continue
        found.append(_follows_recursion(one, name, config))
        found += _of_truncation(one, config) if name == "bptt" else _of_memory(one, name, config)
    published = (*_network(config), config["theta"], config["learning_rate"])
    return [*found, *_of_reference(cube)] if published == _PUBLISHED else found


def _follows_recursion(cube, name, config):
    network, n = _network(config), config["n_updates"]
    gaps = []
    for window in map(int, cube["window"].values):
        seen = np.full(n, float(_THEORY.sensitivity(window, *network)))
        if name != "bptt":
            kept = _n_kept(name, network[0])
            seen = _THEORY.seen_in_carried_memory(kept, window, n, *network)
        start = config["learning_rate"], config["theta"]
        expected = _THEORY.descend(seen, window, *start, *network)[cube["update"].values]
        gap = np.abs(cube["theta"].sel(window=window).isel(draw=0).values - expected)
        gaps.append(gap / np.maximum(1, np.abs(expected)))
    return rnnjax.Claim(
        f"{name}: theta against its recursion, relative",
        np.max(gaps),
        0.0,
        1e-9,
        "exact: theta.influence_balancing (5) in NumPy; tolerance: float64 rounding",
    )


def _of_truncation(cube, config):
    network = _network(config)
    seen, steps = cube["sensitivity_after"].isel(window=0, draw=0).values, cube["step"].values
    exact = [float(_THEORY.sensitivity(int(K), *network)) for K in steps]
    gap = np.max(np.abs(seen - exact))
    source = "exact: binomial sum in fractions (theory.influence_balancing, 3)"
    found = [rnnjax.Claim("bptt: c_K against the closed form, all K", gap, 0.0, 1e-12, source)]
    change, final = _THEORY.first_right_window(*network), float(_THEORY.optimum(*network))
    if change <= steps[-1]:
        longest = max(steps[seen * final <= 0], default=0)
        name = "bptt: longest window of wrong sign"
        found.append(rnnjax.Claim(name, longest, change - 1, 0.0, source))
    distance = np.abs(cube["theta_end"].isel(draw=0).values - final)
    start, windows = abs(config["theta"] - final), cube["window"].values
    sides = {
        f"< {change}: share that ends further from": (windows < change, distance > start),
        f">= {change}: share that ends nearer to": (windows >= change, distance < start),
    }
    for told, (chosen, right) in sides.items():
        if chosen.any():
            source = "sign of c_K against that of ds*/dtheta"
            share = np.mean(right[chosen])
            found.append(rnnjax.Claim(f"bptt, K {told} theta*", share, 1.0, 0.0, source))
    return found


def _of_memory(cube, name, config):
    """Return the claims on what an online rule sees at the end of a long run."""
    network = _network(config)
    seen, windows = cube["sensitivity"].isel(draw=0).values, cube["window"].values
    long, found = windows * config["n_updates"] >= 64 * network[0], []
    if long.any():
        kept = _n_kept(name, network[0])
        expected = _THEORY.sensitivity_of_first_units(kept, *network)
        worst = seen[long][np.argmax(np.abs(seen[long] - expected))]
        source = f"exact: 2 V({kept})" + ", ds*/dtheta" * (kept == network[0])
        name_of = f"{name}: ds/dtheta in the long run"
        found.append(rnnjax.Claim(name_of, worst, expected, 1e-9, source))
    if name == "eprop":
        gap = cube["sensitivity_after"].isel(window=0, draw=0) - 2 * (1 - 0.5 ** cube["step"])
        source = "exact: the trace keeps the diagonal 1/2 alone"
        name_of = "eprop: ds/dtheta after t steps against 2 (1 - 2^-t)"
        found.append(rnnjax.Claim(name_of, np.max(np.abs(gap)), 0.0, 1e-12, source))
    return found


def _of_stochastic(cube, name, config):
    """Return the claims on rules that are right on average, with a noise that may drown that."""
    if name == "uoro":
        optimum = float(_THEORY.optimum(*_network(config)))
        nearer = abs(cube["theta_end"] - optimum) < abs(config["theta"] - optimum)
        told = "uoro: share of runs, all windows, that end nearer to theta*"
        source = "Tallec and Ollivier 2018: unbiased, so right on average"
        return [rnnjax.Claim(told, np.mean(nearer), 0.9, 0.0, source, relation="at_least")]
    n_states = config["n_states"]
    variance = _THEORY.output_variance(n_states) * n_states * config["n_updates"] * cube["window"]
    ratio = cube["sensitivity"] / np.sqrt(variance)
    if ratio.size < _FEW:
        return []
    told = "node_perturbation: noise of ds/dtheta over sqrt(n t var s_1)"
    source = "closed form: Gaussian s_1 times a random walk; tolerance wide: windows share noise"
    return [rnnjax.Claim(told, math.sqrt(np.mean(ratio**2)), 1.0, 0.5, source)]


def _of_reference(cube):
    """Return the claims on theta after some updates, where these are on the axes."""
    return [
        rnnjax.Claim(
            f"{rule}, K = {window}: theta after {update} update{'s' * (update > 1)}",
            cube["theta"].sel(rule=rule, window=window, update=update).isel(draw=0),
            expected,
            tolerance,
            "protocol of the code released with Vicol et al. 2021, run in NumPy",
        )
        for (rule, window), row in _REFERENCE.items()
        for update, (expected, tolerance) in zip(_COLUMNS, row, strict=True)
        if rule in _names(cube)
        and window in cube["window"].values
        and update in cube["update"].values
    ]
