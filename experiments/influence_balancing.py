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

from typing import Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, matplotlib
from rnnjax.reductions import largest
from rnnjax.sweep import RuleName, Traced, Variable

PRECISION = "float64"

_THEORY = rnnjax.theory.influence_balancing
_MOST_STATES = 64
_FEW = 50  # fewer samples say little of a variance
_STOCHASTIC = ("UORO", "NodePerturbation")
_WRONG, _SEEN = "#FBEFE9", r"$\mathrm{d}s/\mathrm{d}\theta$"
_MARKS = {
    "BPTT": (figures.VERMILION, "o"),
    "RTRL": (figures.BLACK, "s"),
    "EProp": (figures.BLUE, "^"),
    "UORO": (figures.GREEN, "D"),
    "NodePerturbation": (figures.PINK, "x"),
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
    places = {k * 10**e for e in range(9) for k in (1, 2, 5)} | {3000}
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


def measure(setting):
    """Train theta with one rule and one window, and see what the rule sees."""
    rules, of = rnnjax.rules, coordinates(setting)
    rule = rules.named(setting.rule)
    learner = _by_windows if isinstance(rule, rules.BPTT) else _online
    learning_rate = setting.stochastic_learning_rate if rule.stochastic else setting.learning_rate

    def run(draw):
        network, window, after = learner(setting, rule, jax.random.key(draw))

        def update(carry, n):
            network, theta = carry
            network, s, seen = window(network, theta, n)
            return (network, theta - learning_rate * (s - 1) * seen), (theta, seen)

        start = network, jnp.asarray(setting.theta, after.dtype)
        (_, end), (thetas, seen) = jax.lax.scan(update, start, jnp.arange(setting.n_updates))
        return {
            "theta": jnp.append(thetas, end)[jnp.asarray(of["update"])],
            "theta_end": end,
            "sensitivity": seen[-1],
            "sensitivity_sign": jnp.sign(seen[-1]).astype(int),
            "sensitivity_after": after,
        }

    if rule.stochastic:
        return jax.vmap(run, out_axes=-1)(jnp.asarray(of["draw"]))
    n = setting.n_draws
    return jax.tree.map(lambda a: jnp.broadcast_to(a[..., None], (*a.shape, n)), run(0))


def _output(y_hat, y):
    """Return s itself: its gradient is the sensitivity, and times s - 1 that of the loss."""
    return y_hat[0]


def _task(setting, rule):
    """Return the network, with copies of theta for rules with traces in units, and a sequence."""
    copies = isinstance(rule, rnnjax.rules.EProp | rnnjax.rules.SnAp)
    cell = rnnjax.tasks.InfluenceChain(setting.n_states, setting.n_positive, copies)
    return cell, rnnjax.tasks.resting_then(setting.window, setting.longest)


def _by_windows(setting, rule, key):
    """Return the state, (state, theta, n) -> (state, s, sensitivity), and sensitivities by step."""
    cell, batch = _task(setting, rule)
    n = max(setting.longest, setting.n_steps)
    whole, params = rnnjax.rules.TruncatedBPTT(n, carries=True), cell.init(key)
    rule = whole.replace(window=setting.longest)
    state = rule.init(cell, params, batch)

    def window(state, theta, _, rule=rule, batch=batch):
        out = rule(cell, _output, {"theta": theta}, batch, state)
        return out.state, out.loss, rnnjax.scaled.plain(out.grads)["theta"]

    def after(n_seen):
        return window(state, params["theta"], 0, whole, rnnjax.tasks.resting_then(n_seen, n))[2]

    return state, window, jax.vmap(after)(jnp.arange(1, setting.n_steps + 1))


def _online(setting, rule, key):
    """Return the same for an online rule, whose memory is carried on as well."""
    cell, batch = _task(setting, rule)
    online, params, plain = rnnjax.rules.online, cell.init(key), rnnjax.scaled.plain
    state = rule.init(cell, params, batch, key)
    start, _, _ = online.start(rule, cell, params, batch.x[0], state)

    def window(network, theta, n):
        state, memory = network
        params = {"theta": jnp.full_like(cell.init(key)["theta"], theta)}
        noise = rule.noise(cell, params, jax.random.fold_in(key, n), len(batch.x))
        state, moments = online.observe(rule, cell, _output, params, state, batch, noise)
        prepared = jax.vmap(lambda moment: rule.prepare(cell, _output, params, moment))(moments)

        def step(memory, at):
            moves, now = at
            moved, grads = rule.step(cell, _output, params, memory, now)
            # While the network rests the memory does: new noise would be noise about nothing.
            kept = jax.tree.map(lambda a, b: jnp.where(moves > 0, a, b), moved, memory)
            return kept, sum(jnp.sum(g) for g in plain(grads).values())

        memory, seen = jax.lax.scan(step, memory, (batch.x[:, 0], prepared))
        return (state, memory), state.value[0], seen[-1]

    ones = jnp.ones((setting.n_steps, 1))
    every = rnnjax.Batch(ones, ones, ones[:, 0])
    state = rule.init(cell, params, every, key)
    grads = plain(rule(cell, _output, cell.init(key), every, state, per_step=True).grads)
    return start, window, jnp.sum(grads["theta"].reshape(setting.n_steps, -1), axis=1)


def _n_kept(rule, n_states):
    """Return how many units' influence an online rule keeps."""
    call = names.parsed(rule)
    kept = {"SnAp": call.fields.get("n", 1), "EProp": 1}
    return min(kept.get(call.name, n_states), n_states)


def _short(rule):
    """Return the name of a rule in claims."""
    return figures.rule_label(rule).lower().replace("-", "").replace(" ", "_")


def _look(rule):
    name, n = names.parsed(rule).name, _n_kept(rule, _MOST_STATES)
    words = {"BPTT": "truncated BPTT", "EProp": "e-prop = SnAp-1"}
    colour, marker = _MARKS.get(name, (figures.SKY, "<>v*"[n % 4]))
    dashes = "-" if name in _MARKS else "--"
    return Look(words.get(name, figures.rule_label(rule)), colour, marker, dashes)


def _network(cube):
    return cube.setting.n_states, cube.setting.n_positive


def _distance(cube, theta):
    return abs(theta - float(_THEORY.optimum(*_network(cube))))


def _start(cube):
    return _distance(cube, cube.setting.theta)


def _first(one):
    """Return what a rule sees after so many steps, at one window: it depends on none."""
    return one["sensitivity_after"].isel(window=0, draw=0)


def _closed_form(one):
    """Return c_K for the steps K."""
    steps = one["step"]
    exact = [float(_THEORY.sensitivity(K, *_network(one))) for K in steps.values.tolist()]
    return steps.copy(data=exact)


def _change(one):
    return _THEORY.first_right_window(*_network(one))


def _without(*rules):
    """Return cube -> the rules that it has but for these."""

    def rest(cube):
        found = cube["rule"].values.tolist()
        return {"rule": [rule for rule in found if names.parsed(rule).name not in rules]}

    return rest


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


def _shade(panel, low, high):
    """Shade what is wrong, within the limits that a panel has."""
    limits = panel.get_ylim()
    panel.axhspan(low, high, color=_WRONG, linewidth=0, zorder=0)
    panel.set_ylim(limits)


def _shade_wrong_sign(panel, cube):
    low, high = panel.get_ylim()
    _shade(panel, *((0, high) if _THEORY.optimum(*_network(cube)) < 0 else (low, 0)))


def _draw_paths(panel, cube):
    """Draw theta over the updates: every window of truncated BPTT, and RTRL at the shortest."""
    distance = _distance(cube, cube["theta"].isel(draw=0, update=slice(1, None)))
    dashed = {cube["window"].values[0]: Look("RTRL", figures.BLACK, dashes="--")}
    for rule, looks in (("BPTT", None), ("RTRL", dashed)):
        if rule in cube["rule"].values:
            figures.curves(panel, distance.sel(rule=rule).clip(1e-9), over="update", each="window",
                           looks=looks, label="$K$ = {}", line={"linewidth": 1.2})  # fmt: skip
            panel.legend(loc="upper left", ncols=2, fontsize=7)
    top = max([1.0, *(np.nanmax(line.get_ydata()) for line in panel.lines)])
    panel.set(xscale="log", yscale="log", xlabel="updates", ylabel=r"$|\theta-\theta^*|$",
              xlim=(1, cube["update"].values[-1]), ylim=(1e-6, 10 * top))  # fmt: skip
    panel.set_title("truncated BPTT")
    _shade(panel, _start(cube), 1e30)


def _draw_seen(panel, cube):
    """Draw what each deterministic rule sees after so many steps, and c_K in closed form."""
    seen, steps = cube["sensitivity_after"].isel(window=0, draw=0), cube["step"]
    for i, rule in enumerate(_without(*_STOCHASTIC, "RTRL")(cube)["rule"]):
        marks = (2 * i, max(1, len(steps) // 10))
        panel.plot(steps, seen.sel(rule=rule), **_look(rule).line(markevery=marks, linewidth=1))
    exact, change = _closed_form(cube), _change(cube)
    panel.plot(steps, exact, color=figures.THEORY, linestyle=":", linewidth=1.2, zorder=3)
    if 1 < change <= len(steps):
        place = {"xytext": (change + 8, 0.6 * float(exact.max())), "fontsize": 7}
        arrow = {"arrowstyle": "-|>", "linewidth": 0.6, "shrinkB": 1}
        told = f"{change - 1} wrong, {change} right"
        panel.annotate(told, (change - 0.5, 0), arrowprops=arrow, **place)
    panel.set(xlabel="steps seen, $K$", xlim=(0, len(steps)), ylabel=f"{_SEEN} as the rule sees it")
    _shade_wrong_sign(panel, cube)


def _draw_ends(panel, cube):
    """Draw the distance after the last update over the window; bars over draws."""
    ends, window = _distance(cube, cube["theta_end"]).clip(1e-9), cube["window"].values
    for rule in cube["rule"].values:
        one, look = ends.sel(rule=rule), _look(rule)
        panel.plot(window, one.median("draw"), **look.line(markersize=3.5, linewidth=1))
        if rule in _STOCHASTIC:
            low, high = one.quantile([0.1, 0.9], "draw")
            panel.vlines(window, low, high, color=look.colour, linewidth=0.8, alpha=0.6)
    top = max(1.0, float(ends.median("draw").max()))
    panel.set(xscale="log", yscale="log", xlabel="window $K$ (steps between updates)",
              ylabel=r"$|\theta-\theta^*|$", ylim=(1e-9, 30 * top),
              xlim=(0.9 * window[0], 1.1 * window[-1]))  # fmt: skip
    panel.set_title(f"after {cube.setting.n_updates} updates")
    _shade(panel, _start(cube), 1e30)


def _draw_masks(panel, cube):
    """Draw the sensitivity in the long run over the units whose influence is kept."""
    n_states = cube.setting.n_states
    exact = [_THEORY.sensitivity_of_first_units(n + 1, *_network(cube)) for n in range(n_states)]
    panel.plot(range(1, n_states + 1), exact, color=figures.THEORY, linestyle=":", linewidth=1.2)
    for rule in _without("BPTT", *_STOCHASTIC)(cube)["rule"]:
        value = cube["sensitivity"].sel(rule=rule).isel(window=-1, draw=0)
        panel.plot(_n_kept(rule, n_states), value, **_look(rule).dots(markersize=5))
    panel.set(xlabel="units whose influence is kept, $n$", xlim=(0, n_states + 1))
    panel.set_ylabel(f"{_SEEN} in the long run")
    _shade_wrong_sign(panel, cube)


def _gap_to_recursion(one, rule):
    """Return the largest relative gap between theta and its recursion, over all windows."""
    setting, gaps = one.setting, []
    kept = None if rule == "BPTT" else _n_kept(rule, setting.n_states)
    for window in one["window"].values.tolist():
        path = _THEORY.path(window, setting.n_updates, setting.learning_rate, setting.theta, kept,
                            *_network(one))[one["update"].values]  # fmt: skip
        gap = abs(one["theta"].sel(window=window).isel(draw=0) - path)
        gaps.append(largest(gap / np.maximum(1, np.abs(path))))
    return np.max(gaps)


def _longest_wrong(one):
    wrong = _first(one) * float(_THEORY.optimum(*_network(one))) <= 0
    return one["step"].where(wrong, 0).max()


def _further(one):
    """Return by how much theta ended further from theta* than it began."""
    return _distance(one, one["theta_end"]) - _start(one)


def _long(one):
    """Return the windows whose memory is as long as it gets by the last update."""
    return one.sel(window=one["window"] * one.setting.n_updates >= 64 * one.setting.n_states)


def _limit(one, rule):
    return _THEORY.sensitivity_of_first_units(_n_kept(rule, one.setting.n_states), *_network(one))


def _worst_limit(one, rule):
    seen = one["sensitivity"].isel(draw=0).values
    return seen[np.argmax(np.abs(seen - _limit(one, rule)))]


def _limit_source(one, rule):
    kept = _n_kept(rule, one.setting.n_states)
    return f"exact: 2 V({kept})" + ", ds*/dtheta" * (kept == one.setting.n_states)


def _noise_over_theory(one):
    n, n_updates = one.setting.n_states, one.setting.n_updates
    variance = _THEORY.output_variance(n) * n * n_updates * one["window"]
    return np.sqrt((one["sensitivity"] ** 2 / variance).mean())


def _published(cube):
    setting = cube.setting
    rows = _THEORY.published(*_network(cube), setting.theta, setting.learning_rate)
    return rows or {"rule": []}


_EXACT = "exact: binomial sum in fractions (theory.influence_balancing, 3)"
CLAIMS = (
    Row(lambda one, rule: f"{_short(rule)}: theta against its recursion, relative",
        _gap_to_recursion, equals=0, tolerance=1e-9, for_each=_without(*_STOCHASTIC),
        source="exact: theta.influence_balancing (5) in NumPy; tolerance: float64 rounding"),
    Group((
        Row("bptt: c_K against the closed form, all K",
            lambda one: largest(abs(_first(one) - _closed_form(one))), equals=0, tolerance=1e-12),
        Row("bptt: longest window of wrong sign", _longest_wrong,
            equals=lambda one: _change(one) - 1, when=lambda one: _change(one) <= len(one["step"]),
            reproduces="Tallec and Ollivier 2018, influence balancing"),
    ), at={"rule": "BPTT"}, source=_EXACT),
    Group((
        Row(lambda one: f"bptt, K < {_change(one)}: share that ends further from theta*",
            lambda one: (_further(one) > 0).isel(draw=0).mean(), equals=1,
            part=lambda one: one.sel(window=one["window"] < _change(one))),
        Row(lambda one: f"bptt, K >= {_change(one)}: share that ends nearer to theta*",
            lambda one: (_further(one) < 0).isel(draw=0).mean(), equals=1,
            part=lambda one: one.sel(window=one["window"] >= _change(one))),
    ), at={"rule": "BPTT"}, source="sign of c_K against that of ds*/dtheta"),
    Row(lambda one, rule: f"{_short(rule)}: ds/dtheta in the long run", _worst_limit, part=_long,
        equals=_limit, tolerance=1e-9, for_each=_without("BPTT", *_STOCHASTIC),
        source=_limit_source),
    Row("eprop: ds/dtheta after t steps against 2 (1 - 2^-t)",
        lambda one: largest(abs(_first(one) - 2 * (1 - 0.5 ** one["step"]))), equals=0,
        tolerance=1e-12, at={"rule": "EProp"}, source="exact: the trace keeps the diagonal 1/2 "
        "alone"),
    Row("uoro: share of runs, all windows, that end nearer to theta*",
        lambda one: (_further(one) < 0).mean(), at_least=0.9, at={"rule": "UORO"},
        source="Tallec and Ollivier 2018: unbiased, so right on average"),
    Row("node_perturbation: noise of ds/dtheta over sqrt(n t var s_1)", _noise_over_theory,
        equals=1, tolerance=0.5, at={"rule": "NodePerturbation"},
        when=lambda one: one["sensitivity"].size >= _FEW, source="closed form: Gaussian s_1 times "
        "a random walk; tolerance wide: windows share noise"),
    Row(lambda one, rule, window, update:
        f"{_short(rule)}, K = {window}: theta after {update} update{'s' * (update > 1)}",
        lambda one: one["theta"].isel(draw=0), equals="theta", tolerance="tolerance",
        for_each=_published, reproduces="Vicol, Metz and Sohl-Dickstein 2021, influence balancing",
        source="protocol of the code released with Vicol et al. 2021, run in NumPy"),
)  # fmt: skip
