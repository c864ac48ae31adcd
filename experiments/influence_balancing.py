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

from typing import NamedTuple, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, matplotlib, optax
from rnnjax.reductions import largest
from rnnjax.sweep import RuleName, Traced, Variable

PRECISION = "float64"

_THEORY = rnnjax.theory.influence_balancing
_MOST_STATES = 64
_FEW = 50  # fewer samples say little of a variance
_STOCHASTIC = ("UORO", "NodePerturbation")
_WRONG = "#FBEFE9"
_LOOKS = {
    "BPTT": Look("truncated BPTT", figures.VERMILION, "o"),
    "RTRL": Look("RTRL", figures.BLACK, "s"),
    "EProp": Look("e-prop = SnAp-1", figures.BLUE, "^"),
    "UORO": Look("UORO", figures.GREEN, "D"),
    "NodePerturbation": Look("node perturbation", figures.PINK, "x"),
}
# n, n_+, theta_0 and learning rate of the paper, and theta after some updates, with a tolerance.
_PUBLISHED = (23, 10, 0.5, 1e-4)
_COLUMNS = (1, 100, 1000, 3000)
_REFERENCE = {
    ("BPTT", 1): ((0.49995, 1e-7), (0.502425, 1e-6), (0.944109, 1e-6), (3.259685, 1e-6)),
    ("BPTT", 10): ((0.495, 1e-7), (0.948065, 1e-6), (177.79, 0.005), (1.40e7, 5e4)),
    ("BPTT", 100): ((0.4976, 1e-7), (0.298149, 1e-6), (-0.148569, 1e-6), (-0.166653, 1e-6)),
    ("RTRL", 1): ((0.49995, 1e-7), (0.172353, 1e-6), (-0.165803, 1e-6), (-0.16666667, 1e-8)),
}


class Setting(sweep.Setting):
    """The network, the rule, and how it trains."""

    rule: RuleName = Field("BPTT", description="BPTT is truncated by the window, state carried")
    window: Traced[PositiveInt] = Field(10, description="steps from one update to the next")
    longest: PositiveInt = Field(100, description="longest window; a program has as many steps")
    n_states: int = Field(23, ge=1, le=_MOST_STATES, description="n, the units of the chain")
    n_positive: int = Field(10, ge=0, le=_MOST_STATES, description="units pushed up by theta")
    n_updates: PositiveInt = Field(3000, description="updates, one every `window` steps")
    theta: float = Field(0.5, description="theta before the first update")
    learning_rate: PositiveFloat = Field(1e-4, description="of gradient descent")
    stochastic_learning_rate: PositiveFloat = Field(1e-5, description="for stochastic rules")
    n_draws: PositiveInt = Field(10, description="runs of a stochastic rule, each its own noise")
    n_steps: PositiveInt = Field(100, description="steps over which the sensitivity is followed")
    axes = ("rule", "window")

    @model_validator(mode="after")
    def _has_an_optimum(self) -> Self:
        if self.window > self.longest:
            raise ConfigError("window", f"expected at most longest = {self.longest}")
        try:
            _THEORY.signs(self.n_states, self.n_positive)
        except ValueError as error:
            raise ConfigError(*str(error).split(": ", 1)) from None
        return self


def coordinates(setting):
    """Numbers of updates, steps of the network, and runs."""
    places = {k * 10**e for e in range(9) for k in (1, 2, 5)} | {*_COLUMNS}
    updates = {0, setting.n_updates} | {u for u in places if u < setting.n_updates}
    return {
        "update": np.array(sorted(updates)),
        "step": np.arange(1, setting.n_steps + 1),
        "draw": np.arange(setting.n_draws),
    }


def variables(setting):
    """What is measured in every cell of the sweep."""
    seen = "ds/dtheta as the rule sees it"
    return {
        "theta": Variable(("update", "draw"), "theta after so many updates"),
        "theta_end": Variable(("draw",), "theta after the last update"),
        "sensitivity": Variable(("draw",), f"{seen} at the last update"),
        "sensitivity_sign": Variable(("draw",), "sign of the sensitivity at the last update"),
        "sensitivity_after": Variable(("step", "draw"), f"{seen} so many steps from the start"),
    }


class Chain(NamedTuple):
    """s' = A s + theta v where x = 1, and s' = s where x = 0: the network rests.

    Resting lets windows of every length be lanes of one program. With `copies` every unit has a
    theta of its own, of the same value: rules that keep a trace within a unit need that.
    """

    n_states: int
    n_positive: int
    copies: bool = False
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


class Unroll:
    """The task: some steps at rest, then `window` steps, with the loss at the end of the last."""

    def __init__(self, window, n_steps):
        steps = jnp.arange(n_steps)
        moves = (steps >= n_steps - window).astype(float)
        end = (steps == n_steps - 1).astype(float)
        self.window, self.batch = window, rnnjax.Batch(moves[:, None], jnp.ones((n_steps, 1)), end)

    def sample(self, key):
        return self.batch

    def loss(self, y_hat, y):
        return (y_hat[0] - y[0]) ** 2 / 2


def _output(y_hat, y):
    """Return s itself, whose gradient is the sensitivity that a rule sees."""
    return y_hat[0]


def measure(setting):
    """Train theta with one rule and one window, and see what the rule sees."""
    rules, of = rnnjax.rules, coordinates(setting)
    rule = rules.named(setting.rule)
    copies = isinstance(rule, rules.EProp | rules.SnAp)
    cell = Chain(setting.n_states, setting.n_positive, copies, setting.theta)
    train = _train_by_windows if isinstance(rule, rules.BPTT) else _train_online

    def run(draw):
        theta, sensitivity, after = train(setting, cell, rule, jax.random.key(draw))
        return {
            "theta": theta[jnp.asarray(of["update"])],
            "theta_end": theta[-1],
            "sensitivity": sensitivity,
            "sensitivity_sign": jnp.sign(sensitivity).astype(int),
            "sensitivity_after": after,
        }

    if rule.stochastic:
        return jax.vmap(run, out_axes=-1)(jnp.asarray(of["draw"]))
    same = (setting.n_draws,)
    return jax.tree.map(lambda a: jnp.broadcast_to(a[..., None], (*a.shape, *same)), run(0))


def _train_by_windows(setting, cell, rule, key):
    """Return theta after 0, 1, .. updates, and the sensitivities, by truncated BPTT."""
    task = Unroll(setting.window, setting.longest)
    rule = rnnjax.rules.TruncatedBPTT(setting.longest, carries=True)
    training = rnnjax.fit(
        cell, task, rule, optax.sgd(setting.learning_rate), key, n_updates=setting.n_updates,
        batch_size=1, probe=lambda cell, loss, params, batch: params["theta"],
    )  # fmt: skip
    longest = max(setting.longest, setting.n_steps)
    whole, params = rule.replace(window=longest), training.params
    state = whole.init(cell, params, task.batch)

    def seen(window):
        return whole(cell, _output, params, Unroll(window, longest).batch, state).grads

    windows = jnp.append(jnp.arange(1, setting.n_steps + 1), setting.window)
    found = rnnjax.scaled.plain(jax.vmap(seen)(windows))["theta"]
    return jnp.append(training.probes, params["theta"]), found[-1], found[:-1]


def _train_online(setting, cell, rule, key):
    """Return theta after 0, 1, .. updates, and the sensitivities; state and memory are carried."""
    learning_rate = setting.stochastic_learning_rate if rule.stochastic else setting.learning_rate
    batch, params = Unroll(setting.window, setting.longest).batch, cell.init(key)

    def update(carry, n):
        network, theta = carry
        now = jax.tree.map(lambda a: theta * jnp.ones_like(a), params)
        noise = rule.noise(cell, now, jax.random.fold_in(key, n), len(batch.x))
        network, seen = _window(rule, cell, now, network, batch, noise)
        error = network[0].value[0] - batch.y[-1, 0]
        return (network, theta - learning_rate * error * seen), (theta, seen)

    state = rule.init(cell, params, batch, key)
    network, _, _ = rnnjax.rules.online.start(rule, cell, params, batch.x[0], state)
    carry = (network, jnp.asarray(cell.theta, batch.x.dtype))
    (_, end), (thetas, seen) = jax.lax.scan(update, carry, jnp.arange(setting.n_updates))
    return jnp.append(thetas, end), seen[-1], _sensitivity_after(setting, cell, rule, key)


def _window(rule, cell, params, network, batch, noise):
    """Run an online rule over one window; return (state, memory) and the sensitivity at its end.

    The rule is asked for ds/dtheta: (s - 1) times that is the gradient of the loss.
    """
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


def _sensitivity_after(setting, cell, rule, key):
    """Return what an online rule sees after t = 1, 2, .. steps from the start."""
    n, params = setting.n_steps, cell.init(key)
    every = rnnjax.Batch(jnp.ones((n, 1)), jnp.ones((n, 1)), jnp.ones(n))
    state = rule.init(cell, params, every, key)
    seen = rule(cell, _output, params, every, state, per_step=True).grads
    return jnp.sum(rnnjax.scaled.plain(seen)["theta"].reshape(n, -1), axis=1)


def _n_kept(rule, n_states):
    """Return how many units' influence an online rule keeps."""
    call = names.parsed(rule)
    kept = {"SnAp": call.fields.get("n", 1), "EProp": 1}
    return min(kept.get(call.name, n_states), n_states)


def _short(rule):
    """Return the name of a rule in claims."""
    call = names.parsed(rule)
    shorts = {"NodePerturbation": "node_perturbation", "SnAp": f"snap{call.fields.get('n', 1)}"}
    return shorts.get(call.name, call.name.lower())


def _look(rule):
    name = names.parsed(rule).name
    if name == "SnAp":
        n = _n_kept(rule, _MOST_STATES)
        return Look(f"SnAp-{n}", figures.SKY, "<>v*"[n % 4], dashes="--")
    return _LOOKS.get(name, Look(rule, figures.GREY))


def _network(cube):
    return cube.setting.n_states, cube.setting.n_positive


def _distance(cube, theta):
    """Return |theta - theta*| of a variable or a number."""
    return abs(theta - float(_THEORY.optimum(*_network(cube))))


def _closed_form(cube, steps):
    """Return c_K in closed form, over the steps K."""
    return steps.copy(data=[float(_THEORY.sensitivity(int(K), *_network(cube))) for K in steps])


def figure(cube):
    """Distance from theta* over updates, what rules see, where they end, what a mask sees."""
    cube = cube.sortby("window")
    frame = figures.Frame(2, 2, height=5.4)
    draws = (_draw_paths, _draw_seen, _draw_ends, _draw_masks)
    for panel, draw in zip(frame.panels, draws, strict=True):
        draw(panel, cube)
    rules = [_look(rule).handle() for rule in cube["rule"].values]
    exact = Look("closed form", figures.THEORY, dashes=":").handle()
    wrong = matplotlib.patches.Patch(facecolor=_WRONG, label="wrong sign")
    return frame.finished([*rules, exact, wrong], ncols=5)


def _mark_start(panel, cube):
    """Shade what lies above the start: it went the wrong way."""
    start = _distance(cube, cube.setting.theta)
    panel.axhspan(start, 1e30, color=_WRONG, linewidth=0, zorder=0)
    panel.set(xscale="log", yscale="log", ylabel=r"$|\theta-\theta^*|$")


def _shade_wrong_sign(panel, cube):
    panel.autoscale_view()
    low, high = panel.get_ylim()
    away = (0, high) if _THEORY.optimum(*_network(cube)) < 0 else (low, 0)
    panel.axhspan(*away, color=_WRONG, linewidth=0, zorder=0)
    panel.set_ylim(low, high)


def _draw_paths(panel, cube):
    """Draw theta over the updates: every window of truncated BPTT, and RTRL at the shortest."""
    distance = _distance(cube, cube["theta"].isel(draw=0, update=slice(1, None)))
    shortest = cube["window"].values[0]
    shown = {"BPTT": None, "RTRL": {shortest: Look("RTRL", figures.BLACK, dashes="--")}}
    top = 1.0
    for rule in (rule for rule in shown if rule in cube["rule"].values):
        one = distance.sel(rule=rule)
        figures.curves(panel, one.clip(1e-9), over="update", each="window", looks=shown[rule],
                       label="$K$ = {}", line={"linewidth": 1.2})  # fmt: skip
        top = max(top, float(one.isel(window=0 if shown[rule] else slice(None)).max()))
    _mark_start(panel, cube)
    panel.set(xlabel="updates", xlim=(1, cube["update"].values[-1]), ylim=(1e-6, 10 * top))
    panel.set_title("truncated BPTT")
    if panel.lines:
        panel.legend(loc="upper left", ncols=2, fontsize=7)


def _draw_seen(panel, cube):
    """Draw what each deterministic rule sees after so many steps, and c_K in closed form."""
    seen, steps = cube["sensitivity_after"].isel(window=0, draw=0), cube["step"]
    shown = [rule for rule in cube["rule"].values if rule not in (*_STOCHASTIC, "RTRL")]
    for i, rule in enumerate(shown):
        marks = (2 * i, max(1, len(steps) // 10))
        panel.plot(steps, seen.sel(rule=rule), **_look(rule).line(markevery=marks, linewidth=1))
    exact, change = _closed_form(cube, steps), _THEORY.first_right_window(*_network(cube))
    panel.plot(steps, exact, color=figures.THEORY, linestyle=":", linewidth=1.2, zorder=3)
    if 1 < change <= len(steps):
        place = {"xytext": (change + 8, 0.6 * float(exact.max())), "fontsize": 7}
        arrow = {"arrowstyle": "-|>", "linewidth": 0.6, "shrinkB": 1}
        told = f"{change - 1} wrong, {change} right"
        panel.annotate(told, (change - 0.5, 0), arrowprops=arrow, **place)
    panel.set(xlabel="steps seen, $K$", xlim=(0, len(steps)))
    panel.set_ylabel(r"$\mathrm{d}s/\mathrm{d}\theta$ as the rule sees it")
    _shade_wrong_sign(panel, cube)


def _draw_ends(panel, cube):
    """Draw the distance after the last update over the window; bars over draws."""
    ends, window = _distance(cube, cube["theta_end"]), cube["window"].values
    for rule in cube["rule"].values:
        one, look = ends.sel(rule=rule).clip(1e-9), _look(rule)
        panel.plot(window, one.median("draw"), **look.line(markersize=3.5, linewidth=1))
        if rule in _STOCHASTIC:
            low, high = one.quantile([0.1, 0.9], "draw")
            panel.vlines(window, low, high, color=look.colour, linewidth=0.8, alpha=0.6)
    _mark_start(panel, cube)
    top = max(1.0, float(ends.median("draw").max()))
    panel.set(xlabel="window $K$ (steps between updates)", ylim=(1e-9, 30 * top))
    panel.set(xlim=(0.9 * window[0], 1.1 * window[-1]))
    panel.set_title(f"after {cube.setting.n_updates} updates")


def _draw_masks(panel, cube):
    """Draw the sensitivity in the long run over the units whose influence is kept."""
    n_states, kept = cube.setting.n_states, np.arange(1, cube.setting.n_states + 1)
    exact = [_THEORY.sensitivity_of_first_units(n, *_network(cube)) for n in kept]
    panel.plot(kept, exact, color=figures.THEORY, linestyle=":", linewidth=1.2)
    for rule in (rule for rule in cube["rule"].values if rule not in ("BPTT", *_STOCHASTIC)):
        value = cube["sensitivity"].sel(rule=rule).isel(window=-1, draw=0)
        panel.plot(_n_kept(rule, n_states), value, **_look(rule).dots(markersize=5))
    panel.set(xlabel="units whose influence is kept, $n$", xlim=(0, n_states + 1))
    panel.set_ylabel(r"$\mathrm{d}s/\mathrm{d}\theta$ in the long run")
    _shade_wrong_sign(panel, cube)


def _followed(one, rule):
    """Return the largest relative gap between theta and its recursion, over all windows."""
    n, network, setting = one.setting.n_updates, _network(one), one.setting
    gaps = []
    for window in one["window"].values.tolist():
        seen = np.full(n, float(_THEORY.sensitivity(window, *network)))
        if rule != "BPTT":
            kept = _n_kept(rule, network[0])
            seen = _THEORY.seen_in_carried_memory(kept, window, n, *network)
        path = _THEORY.descend(seen, window, setting.learning_rate, setting.theta, *network)
        expected = path[one["update"].values]
        gap = abs(one["theta"].sel(window=window).isel(draw=0) - expected)
        gaps.append(largest(gap / np.maximum(1, np.abs(expected))))
    return np.max(gaps)


def _first(one):
    """Return what a rule sees after so many steps, at one window: it depends on none."""
    return one["sensitivity_after"].isel(window=0, draw=0)


def _change(one):
    return _THEORY.first_right_window(*_network(one))


def _longest_wrong(one):
    wrong = _first(one) * float(_THEORY.optimum(*_network(one))) <= 0
    return one["step"].where(wrong, 0).max()


def _shares(one, right):
    """Return the share of windows that end further from theta*, or nearer to it if `right`."""
    moved = _distance(one, one["theta_end"].isel(draw=0)) - _distance(one, one.setting.theta)
    return (moved < 0 if right else moved > 0).mean()


def _long(one):
    """Return the windows whose memory is as long as it gets by the last update."""
    return one.sel(window=one["window"] * one.setting.n_updates >= 64 * one.setting.n_states)


def _limit(one, rule):
    return _THEORY.sensitivity_of_first_units(_n_kept(rule, one.setting.n_states), *_network(one))


def _worst_limit(one, rule):
    seen = one["sensitivity"].isel(draw=0)
    return seen.values[np.argmax(np.abs(seen.values - _limit(one, rule)))]


def _limit_source(one, rule):
    kept = _n_kept(rule, one.setting.n_states)
    return f"exact: 2 V({kept})" + ", ds*/dtheta" * (kept == one.setting.n_states)


def _noise_over_theory(one):
    n, setting = one.setting.n_states, one.setting
    variance = _THEORY.output_variance(n) * n * setting.n_updates * one["window"]
    return np.sqrt((one["sensitivity"] ** 2 / variance).mean())


def _deterministic(cube):
    return {"rule": [rule for rule in cube["rule"].values.tolist() if rule not in _STOCHASTIC]}


def _with_memory(cube):
    return {"rule": [rule for rule in _deterministic(cube)["rule"] if rule != "BPTT"]}


def _published(cube):
    """Return theta after some updates as published, by rule and window."""
    return [
        {"rule": rule, "window": window, "update": update, "expected": theta, "slack": slack}
        for (rule, window), row in _REFERENCE.items()
        for update, (theta, slack) in zip(_COLUMNS, row, strict=True)
    ]


def _is_published(cube):
    setting = cube.setting
    return (*_network(cube), setting.theta, setting.learning_rate) == _PUBLISHED


_VICOL = "Vicol, Metz and Sohl-Dickstein 2021, influence balancing"
_SIGN = "sign of c_K against that of ds*/dtheta"
_EXACT = "exact: binomial sum in fractions (theory.influence_balancing, 3)"
CLAIMS = (
    Row(lambda one, rule: f"{_short(rule)}: theta against its recursion, relative", _followed,
        equals=0, tolerance=1e-9, for_each=_deterministic,
        source="exact: theta.influence_balancing (5) in NumPy; tolerance: float64 rounding"),
    Group((
        Row("bptt: c_K against the closed form, all K", equals=0, tolerance=1e-12, source=_EXACT,
            value=lambda one: largest(abs(_first(one) - _closed_form(one, one["step"])))),
        Row("bptt: longest window of wrong sign", _longest_wrong, source=_EXACT,
            equals=lambda one: _change(one) - 1, when=lambda one: _change(one) <= len(one["step"]),
            reproduces="Tallec and Ollivier 2018, influence balancing"),
        Row(lambda one: f"bptt, K < {_change(one)}: share that ends further from theta*",
            lambda one: _shares(one, right=False), equals=1, source=_SIGN,
            part=lambda one: one.sel(window=one["window"] < _change(one))),
        Row(lambda one: f"bptt, K >= {_change(one)}: share that ends nearer to theta*",
            lambda one: _shares(one, right=True), equals=1, source=_SIGN,
            part=lambda one: one.sel(window=one["window"] >= _change(one))),
    ), at={"rule": "BPTT"}),
    Row(lambda one, rule: f"{_short(rule)}: ds/dtheta in the long run", _worst_limit, part=_long,
        equals=_limit, tolerance=1e-9, for_each=_with_memory, source=_limit_source),
    Row("eprop: ds/dtheta after t steps against 2 (1 - 2^-t)", equals=0, tolerance=1e-12,
        value=lambda one: largest(abs(_first(one) - 2 * (1 - 0.5 ** one["step"]))),
        at={"rule": "EProp"}, source="exact: the trace keeps the diagonal 1/2 alone"),
    Row("uoro: share of runs, all windows, that end nearer to theta*",
        lambda one: (_distance(one, one["theta_end"]) < _distance(one, one.setting.theta)).mean(),
        at_least=0.9, at={"rule": "UORO"},
        source="Tallec and Ollivier 2018: unbiased, so right on average"),
    Row("node_perturbation: noise of ds/dtheta over sqrt(n t var s_1)", _noise_over_theory,
        equals=1, tolerance=0.5, at={"rule": "NodePerturbation"},
        when=lambda one: one["sensitivity"].size >= _FEW,
        source="closed form: Gaussian s_1 times a random walk; tolerance wide: windows share "
        "noise"),
    Row(lambda one, rule, window, update:
        f"{_short(rule)}, K = {window}: theta after {update} update{'s' * (update > 1)}",
        lambda one: one["theta"].isel(draw=0), equals="expected", tolerance="slack",
        for_each=_published, when=_is_published, reproduces=_VICOL,
        source="protocol of the code released with Vicol et al. 2021, run in NumPy"),
)  # fmt: skip
