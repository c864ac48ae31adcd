"""What does a rule with a short memory see of a parameter that acts late?

Command:   rnnjax run influence_seen
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    The network of `influence_balancing`, which trains its one parameter theta; shaded: wrong
           sign of ds/dtheta. a: ds/dtheta that a rule sees after so many steps. b: in the long run,
           over the units whose influence a rule keeps (SnAp-n, with a copy of theta in each unit,
           keeps n, RTRL all). Dotted: closed form. Stochastic rules are not shown.
Source:    Tallec and Ollivier, Unbiased online recurrent optimization, ICLR 2018 (the task).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row
from rnnjax.errors import ConfigError
from rnnjax.figures import Look
from rnnjax.lazy import jax, jnp, matplotlib, xr
from rnnjax.reductions import largest, tabulate
from rnnjax.sweep import RuleName, Variable

PRECISION = "float64"

_THEORY = rnnjax.theory.influence_balancing
_STOCHASTIC = ("UORO", "NodePerturbation")
_SEEN = r"$\mathrm{d}s/\mathrm{d}\theta$"
_WRONG = {"color": "#FBEFE9", "linewidth": 0, "zorder": 0}
_LABELS = {"BPTT": "truncated BPTT", "EProp": "e-prop = SnAp-1"}


class Setting(sweep.Setting):
    """The network, the rule, and how long it looks."""

    rule: RuleName = Field("BPTT", description="BPTT sees the last steps, others what they carry")
    n_states: int = Field(23, ge=1, le=64, description="n, the units of the chain")
    n_positive: int = Field(10, ge=0, le=64, description="units pushed up by theta")
    theta: float = Field(0.5, description="theta, on which no sensitivity depends")
    n_draws: PositiveInt = Field(10, description="runs of a stochastic rule, each its own noise")
    n_steps: PositiveInt = Field(100, description="steps over which the sensitivity is followed")
    n_windows: PositiveInt = Field(15, description="times as many for its value in the long run")
    axes = ("rule",)

    @model_validator(mode="after")
    def _has_an_optimum(self) -> Self:
        try:
            _THEORY.signs(self.n_states, self.n_positive)
        except ValueError as error:
            raise ConfigError(*str(error).split(": ", 1)) from None
        return self


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Steps of the network, and runs."""
    return {"step": np.arange(1, setting.n_steps + 1), "draw": np.arange(setting.n_draws)}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every rule."""
    seen = "ds/dtheta as the rule sees it"
    return {
        "sensitivity_after": Variable(("step", "draw"), f"{seen} so many steps from the start"),
        "sensitivity_at_last": Variable(("draw",), f"{seen} after n_windows windows of n_steps"),
    }


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Follow what one rule sees."""
    rules, updates, draws = rnnjax.rules, rnnjax.updates, jnp.arange(setting.n_draws)
    rule = rules.named(setting.rule)
    # Rules with traces in units need a copy of theta in each.
    copies = isinstance(rule, rules.EProp | rules.SnAp)
    cell = rnnjax.tasks.InfluenceChain(setting.n_states, setting.n_positive, copies, setting.theta)

    def run(draw: Any) -> dict[str, jax.Array]:
        # The network is linear: that theta moves after every window changes nothing here.
        found = updates.learn_in_windows(
            rule, cell, setting.n_steps, 1e-5, jax.random.key(draw), longest=setting.n_steps,
            n_steps=setting.n_steps, n_updates=setting.n_windows,
        )  # fmt: skip
        return {"sensitivity_after": found.after, "sensitivity_at_last": found.seen[-1]}

    if rule.stochastic:
        return jax.vmap(run, out_axes=-1)(draws)
    n = setting.n_draws
    return jax.tree.map(lambda a: jnp.broadcast_to(a[..., None], (*a.shape, n)), run(0))


def _looks(cube: xr.Dataset, *without: str) -> dict[str, Look]:
    """Return the looks of the rules of a cube but for some."""
    rules = [r for r in cube["rule"].values.tolist() if names.parsed(r).name not in without]
    label = figures.rule_label
    return {r: figures.rule_look(r, label=_LABELS.get(r, label(r)), size=3.5) for r in rules}


def _with_theory(cube: xr.Dataset) -> xr.Dataset:
    """Return the cube with theta*, c_K, and the first window of the right sign."""
    network = cube.setting.n_states, cube.setting.n_positive
    return cube.assign(
        best=float(_THEORY.optimum(*network)),
        change=_THEORY.first_right_window(*network),
        exact=tabulate(lambda K: _THEORY.sensitivity(int(K), *network), step=cube["step"]),
        seen=cube["sensitivity_after"].isel(draw=0, drop=True),
    )


def figure(cube: xr.Dataset) -> figures.Figure:
    """What rules see after so many steps, and what a mask sees in the long run."""
    cube, frame = _with_theory(cube), figures.Frame(1, 2, height=2.9)
    seen, masks = frame.panels
    _draw_seen(seen, cube)
    _draw_masks(masks, cube)
    exact = Look("closed form", figures.THEORY, dashes=":").handle()
    return frame.finished([exact, matplotlib.patches.Patch(label="wrong sign", **_WRONG)])


def _draw_seen(panel: figures.Axes, cube: xr.Dataset) -> None:
    """Draw what each deterministic rule sees after so many steps, and c_K in closed form."""
    exact, change, n = cube["exact"], int(cube["change"]), cube.sizes["step"]
    drawn = figures.curves(
        panel, cube["seen"], over="step", each="rule", looks=_looks(cube, *_STOCHASTIC, "RTRL"),
        line={"linewidth": 1, "marker": ""}, xlabel="steps seen, $K$", xlim=(0, n),
        ylabel=f"{_SEEN} as the rule sees it",
    )  # fmt: skip
    panel.plot(exact["step"], exact, color=figures.THEORY, linestyle=":", linewidth=1.2, zorder=3)
    if 1 < change <= n:
        figures.level(panel, x=change - 0.5)
        place = {"transform": panel.get_xaxis_transform(), "va": "center", "fontsize": 7}
        panel.text(change + 0.01 * n, 0.62, f"right sign\nfrom $K$ = {change}", **place)
    _shade_wrong_sign(panel, cube)
    figures.direct_labels(panel, drawn)


def _draw_masks(panel: figures.Axes, cube: xr.Dataset) -> None:
    """Draw the sensitivity in the long run over the units whose influence is kept."""
    n_states, n_positive = cube.setting.n_states, cube.setting.n_positive
    units = np.arange(1, n_states + 1)
    exact = [_THEORY.sensitivity_of_first_units(n, n_states, n_positive) for n in units]
    panel.plot(units, exact, color=figures.THEORY, linestyle=":", linewidth=1.2)
    for rule, look in _looks(cube, *_STOCHASTIC, "BPTT").items():
        value = cube["sensitivity_at_last"].sel(rule=rule).isel(draw=0).item()
        kept = _THEORY.units_kept(rule, n_states)
        panel.plot(kept, value, **look.dots(markersize=5))
        side = "left" if kept < n_states / 4 else "right"  # where the closed form is not
        panel.text(kept, value, f"   {look.label}   ", ha=side, va="center", color=look.colour,
                   fontsize=7)  # fmt: skip
    panel.set(xlabel="units whose influence is kept, $n$", xlim=(0, n_states + 1))
    panel.set_ylabel(f"{_SEEN} in the long run")
    _shade_wrong_sign(panel, cube)


def answer(cube: xr.Dataset) -> str:
    """Up to how many steps truncated backpropagation sees the wrong sign, and what others see."""
    cube, told = _with_theory(cube), []
    bptt = cube["seen"].sel(rule=cube["rule"] == "BPTT")
    if bptt.size and np.isfinite(bptt).all():
        wrong = int(cube["step"].where(bptt[0] * cube["best"] <= 0, 0).max())
        told.append(f"Truncated BPTT sees ds/dtheta with the wrong sign up to {wrong} of "
                    f"{cube.sizes['step']} steps.")  # fmt: skip
    seen = cube["sensitivity_at_last"].isel(draw=0)
    others = [f"{look.label} {seen.sel(rule=rule).item():.3g}"
              for rule, look in _looks(cube, *_STOCHASTIC, "BPTT").items()]  # fmt: skip
    told += [f"ds/dtheta in the long run: {', '.join(others)}."] if others else []
    n = cube.sizes["rule"]
    nothing = f"{n} stochastic rule{'s' * (n > 1)}, which {'are' if n > 1 else 'is'} not shown."
    return " ".join(told).replace("nan", "unknown") or nothing


def _shade_wrong_sign(panel: figures.Axes, cube: xr.Dataset) -> None:
    low, high = panel.get_ylim()
    panel.axhspan(*((0, high) if cube["best"] < 0 else (low, 0)), **_WRONG)
    panel.set_ylim(low, high)


def _limit_error(one: xr.Dataset, rule: str) -> xr.DataArray:
    """Return the deviation of what is seen in the long run from 2 V(k)."""
    n, n_positive = one.setting.n_states, one.setting.n_positive
    exact = _THEORY.sensitivity_of_first_units(_THEORY.units_kept(rule, n), n, n_positive)
    return abs(one["sensitivity_at_last"].isel(draw=0) - exact)


def _is_long(one: xr.Dataset) -> bool:
    return one.setting.n_windows * one.setting.n_steps >= 64 * one.setting.n_states


_EXACT = "exact: binomial sum in fractions (theory.influence_balancing, 3)"
CLAIMS = (Group((
    Row("bptt: c_K against the closed form, all K", at={"rule": "BPTT"}, tolerance=1e-12, equals=0,
        value=lambda one: largest(abs(one["seen"] - one["exact"]))),
    Row("bptt: longest window of wrong sign", at={"rule": "BPTT"},
        value=lambda one: one["step"].where(one["seen"] * one["best"] <= 0, 0).max(),
        equals=lambda one: one["change"] - 1, when=lambda one: one["change"] <= one.sizes["step"],
        reproduces="Tallec and Ollivier 2018, influence balancing"),
    Row("eprop: ds/dtheta after t steps against 2 (1 - 2^-t)", at={"rule": "EProp"}, equals=0,
        value=lambda one: largest(abs(one["seen"] - 2 * (1 - 0.5 ** one["step"]))),
        tolerance=1e-12, source="exact: the trace keeps the diagonal 1/2 alone"),
    Row("{rule}: ds/dtheta in the long run against 2 V(k)", _limit_error,
        for_each="rule", equals=0, tolerance=1e-9, source="exact: theory.influence_balancing (4)",
        when=(lambda one, rule: names.parsed(rule).name not in ("BPTT", *_STOCHASTIC),
              _is_long)),
), part=_with_theory, source=_EXACT),)  # fmt: skip
