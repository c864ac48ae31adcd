"""Does a gradient with a short memory at least point the right way?

Command:   rnnjax run influence_balancing
Run time:  about two minutes on 2 cores, compiling included.
Figure:    a: distance of the one parameter theta from its optimum theta* over the updates, by
           truncated backpropagation with windows of K steps; dashed: RTRL, shortest window. b: that
           after the last update over the window, drawn at 1e-9 if it is less; bands: 10 to 90 % of
           runs. What the rules see of ds/dtheta is shown by `influence_seen`.
Source:    Tallec and Ollivier, Unbiased online recurrent optimization, ICLR 2018 (the task); Vicol,
           Metz and Sohl-Dickstein, Unbiased gradient estimation in unrolled computation graphs with
           persistent evolution strategies, ICML 2021 (its numbers).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, matplotlib, xr
from rnnjax.reductions import largest, relative_gap
from rnnjax.sweep import RuleName, Traced, Variable

PRECISION = "float64"

_THEORY = rnnjax.theory.influence_balancing
_FEW = 50  # fewer samples say little of a variance
_STOCHASTIC = ("UORO", "NodePerturbation")
_WRONG = {"color": "#FBEFE9", "linewidth": 0, "zorder": 0}
_LABELS = {"BPTT": "truncated BPTT", "EProp": "e-prop = SnAp-1"}


class Setting(sweep.Setting):
    """The network, the rule, and how it trains."""

    rule: RuleName = Field("BPTT", description="BPTT is truncated by the window, state carried")
    window: Traced[PositiveInt] = Field(10, description="steps from one update to the next")
    longest: PositiveInt = Field(100, description="longest window; a program has as many steps")
    n_states: int = Field(23, ge=1, le=64, description="n, the units of the chain")
    n_positive: int = Field(10, ge=0, le=64, description="units pushed up by theta")
    n_updates: PositiveInt = Field(3000, description="updates, one every `window` steps")
    theta: float = Field(0.5, description="theta before the first update")
    learning_rate: PositiveFloat = Field(1e-4, description="of gradient descent")
    stochastic_learning_rate: PositiveFloat = Field(1e-5, description="for stochastic rules")
    n_draws: PositiveInt = Field(10, description="runs of a stochastic rule, each its own noise")
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


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Numbers of updates, and runs."""
    places = {k * 10**e for e in range(9) for k in (1, 2, 5)} | {3000}
    updates = {0, setting.n_updates} | {u for u in places if u < setting.n_updates}
    return {"update": np.array(sorted(updates)), "draw": np.arange(setting.n_draws)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    seen = "ds/dtheta as the rule sees it"
    return {
        "theta": Variable(("update", "draw"), "theta after so many updates"),
        "theta_end": Variable(("draw",), "theta after the last update"),
        "sensitivity": Variable(("draw",), f"{seen} at the last update"),
        "sensitivity_sign": Variable(("draw",), "sign of the sensitivity at the last update"),
    }


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Train theta with one rule and one window."""
    rules, of = rnnjax.rules, coordinates(setting)
    rule = rules.named(setting.rule)
    # Rules with traces in units need a copy of theta in each.
    copies = isinstance(rule, rules.EProp | rules.SnAp)
    network = setting.n_states, setting.n_positive, copies, setting.theta
    learning_rate = setting.stochastic_learning_rate if rule.stochastic else setting.learning_rate

    def run(draw: Any) -> dict[str, jax.Array]:
        found = rnnjax.updates.learn_in_windows(
            rule, rnnjax.tasks.InfluenceChain(*network), setting.window, learning_rate,
            jax.random.key(draw), longest=setting.longest, n_steps=1, n_updates=setting.n_updates,
        )  # fmt: skip
        return {
            "theta": found.theta[jnp.asarray(of["update"])],
            "theta_end": found.theta[-1],
            "sensitivity": found.seen[-1],
            "sensitivity_sign": jnp.sign(found.seen[-1]).astype(int),
        }

    if rule.stochastic:
        return jax.vmap(run, out_axes=-1)(jnp.asarray(of["draw"]))
    n = setting.n_draws
    return jax.tree.map(lambda a: jnp.broadcast_to(a[..., None], (*a.shape, n)), run(0))


def _looks(cube: xr.Dataset) -> dict[str, Look]:
    rules, label = cube["rule"].values.tolist(), figures.rule_label
    return {r: figures.rule_look(r, label=_LABELS.get(r, label(r)), size=3.5) for r in rules}


def _with_theory(cube: xr.Dataset) -> xr.Dataset:
    """Return the cube with distances from theta* and the first window of the right sign."""
    network = cube.setting.n_states, cube.setting.n_positive
    best = float(_THEORY.optimum(*network))
    return cube.assign(
        change=_THEORY.first_right_window(*network),
        start=abs(cube.setting.theta - best),
        distance=abs(cube["theta"] - best),
        end=abs(cube["theta_end"] - best),
    )


def figure(cube: xr.Dataset) -> figures.Figure:
    """Distance from theta* over updates, and where rules end."""
    cube, frame = _with_theory(cube.sortby("window")), figures.Frame(1, 2, height=3.1)
    _draw_paths(frame.panels[0], cube)
    _draw_ends(frame.panels[1], cube)
    wrong = matplotlib.patches.Patch(label="further than at the start", **_WRONG)
    return frame.finished([*figures.handles(_looks(cube)), wrong], ncols=5)


def answer(cube: xr.Dataset) -> str:
    """With which windows rules end nearer to the optimum, the first one from which window on."""
    cube = _with_theory(cube.sortby("window"))
    window, nearer = cube["window"].values, cube["end"].median("draw") < cube["start"]
    told = [f"{look.label} with {nearer.sel(rule=rule).sum().item()} of {len(window)} windows"
            for rule, look in _looks(cube).items()]  # fmt: skip
    first = nearer.isel(rule=0).values
    if first.any() and not first.all() and window[~first].max() < window[first].min():
        told[0] = (f"{told[0].split(' with ')[0]} with windows from {window[first].min()} steps "
                   f"on, not up to {window[~first].max()}")  # fmt: skip
    first, others = told[0].replace(" with", " ends nearer to the optimum with", 1), told[1:]
    return f"{first[0].upper()}{first[1:]}. Other rules: {', '.join(others) or 'none'}."


def _draw_paths(panel: figures.Axes, cube: xr.Dataset) -> None:
    """Draw theta over the updates: every window of truncated BPTT, and RTRL at the shortest."""
    distance = cube["distance"].isel(draw=0, update=slice(1, None))
    dashed = {cube["window"].values[0]: Look("RTRL", figures.BLACK, dashes="--")}
    for rule, looks in (("BPTT", None), ("RTRL", dashed)):
        if rule in cube["rule"].values:
            figures.curves(panel, distance.sel(rule=rule).clip(1e-9), over="update", each="window",
                           looks=looks, label="$K$ = {}", line={"linewidth": 1.2})  # fmt: skip
            panel.legend(loc="upper left", ncols=2, fontsize=7)
    _finish(panel, cube, 1e-6, xlabel="updates", xlim=(1, max(2, cube["update"].values[-1])))
    panel.set_title("truncated BPTT")


def _draw_ends(panel: figures.Axes, cube: xr.Dataset) -> None:
    """Draw the distance after the last update over the window; bands over draws."""
    window = cube["window"].values
    figures.curves(panel, cube["end"].clip(1e-9), over="window", each="rule", band="draw",
                   looks=_looks(cube), line={"linewidth": 1})  # fmt: skip
    limits = 0.9 * window[0], 1.1 * window[-1]
    _finish(panel, cube, 1e-9, xlabel="window $K$ (steps between updates)", xlim=limits)
    panel.set_title(f"after {cube.setting.n_updates} updates")


def _finish(panel: figures.Axes, cube: xr.Dataset, least: float, **axes: Any) -> None:
    """Scale a panel of distances, and shade those beyond the start."""
    top = np.nanmax(np.concatenate([[1.0], *(line.get_ydata() for line in panel.lines)]))
    panel.set(xscale="log", yscale="log", ylim=(least, 30 * top), **axes)
    panel.set_ylabel(r"$|\theta-\theta^*|$")
    panel.axhspan(cube["start"], 1e30, **_WRONG)


def _short(rule: str) -> str:
    return figures.rule_label(rule).lower().replace("-", "").replace(" ", "_")


def _gap_to_recursion(one: xr.Dataset, rule: str) -> float:
    """Return the largest relative gap between theta and its recursion, over all windows."""
    s, theta = one.setting, one["theta"].isel(draw=0).transpose("window", "update")
    kept = None if rule == "BPTT" else _THEORY.units_kept(rule, s.n_states)
    training = s.n_updates, s.learning_rate, s.theta, kept, s.n_states, s.n_positive
    paths = [
        _THEORY.path(K, *training)[one["update"].values] for K in one["window"].values.tolist()
    ]
    return largest(relative_gap(theta, theta.copy(data=paths), least=1))


def _limit(one: xr.Dataset) -> int:
    n_states, n_positive = one.setting.n_states, one.setting.n_positive
    n_kept = _THEORY.units_kept(one["rule"].item(), n_states)
    return _THEORY.sensitivity_of_first_units(n_kept, n_states, n_positive)


def _limit_source(one: xr.Dataset, rule: str) -> str:
    kept = _THEORY.units_kept(rule, one.setting.n_states)
    return f"exact: 2 V({kept})" + ", ds*/dtheta" * (kept == one.setting.n_states)


def _noise_over_theory(one: xr.Dataset) -> xr.DataArray:
    n, n_updates = one.setting.n_states, one.setting.n_updates
    variance = _THEORY.output_variance(n) * n * n_updates * one["window"]
    return np.sqrt((one["sensitivity"] ** 2 / variance).mean())


def _published(cube: xr.Dataset) -> Any:
    s = cube.setting
    return _THEORY.published(s.n_states, s.n_positive, s.theta, s.learning_rate) or {"rule": []}


CLAIMS = (Group((
    Row(lambda one, rule: f"{_short(rule)}: theta against its recursion, relative",
        _gap_to_recursion, equals=0, tolerance=1e-9, for_each="rule",
        when=lambda one, rule: names.parsed(rule).name not in _STOCHASTIC,
        source="exact: theta.influence_balancing (5) in NumPy; tolerance: float64 rounding"),
    Group((
        Row("bptt, K < {cube[change]:d}: share that ends further from theta*",
            lambda one: (one["end"] > one["start"]).isel(draw=0).mean(), equals=1,
            part=lambda one: one.sel(window=one["window"] < one["change"])),
        Row("bptt, K >= {cube[change]:d}: share that ends nearer to theta*",
            lambda one: (one["end"] < one["start"]).isel(draw=0).mean(), equals=1,
            part=lambda one: one.sel(window=one["window"] >= one["change"])),
    ), at={"rule": "BPTT"}, source="sign of c_K against that of ds*/dtheta"),
    # The memory is as long as it gets by the last update.
    every_run(lambda one, rule: f"{_short(rule)}: ds/dtheta in the long run",
              lambda one: one["sensitivity"].isel(draw=0), for_each="rule",
              when=lambda one, rule: names.parsed(rule).name not in ("BPTT", *_STOCHASTIC),
              part=lambda one: one.sel(
                  window=one["window"] * one.setting.n_updates >= 64 * one.setting.n_states),
              equals=_limit, tolerance=1e-9, source=_limit_source),
    Row("uoro: share of runs, all windows, that end nearer to theta*",
        lambda one: (one["end"] < one["start"]).mean(), at_least=0.9, at={"rule": "UORO"},
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
), part=_with_theory),)  # fmt: skip
