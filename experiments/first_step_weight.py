"""Why does the first step of a sequence have the highest weighting?

Command:   rnnjax run first_step_weight
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    The share of ||dw_t|| by step; 1/5 would be equal. (a) Errors come first: targets begin
           near 0.1 where an untrained network answers 0.5. Recurrence has no part in it: with equal
           errors every share is 0.2. (b) If weights change after every step, step 1 has corrected
           what later steps share. (c) delta-x needs a loop gain near 1. (d) An eligibility ratio
           leaves t = 1 and 2 as they are. (e) Training ends it. (f) With an error at the last step
           only, one neuron gives its first copy the least weight for |w_n| < 1, the most beyond.
Source:    Slides "RNN", C. Yuan, 2022 ("t=1 has the highest weighting (why)??"); Werbos,
           Backpropagation through time, Proceedings of the IEEE, 1990 (the sum over steps).
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import BLACK, BLUE, PINK, VERMILION, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import in_standard_errors
from rnnjax.sweep import Traced, Variable
from rnnjax.theory import scalar_chain

_DECK = 'slides "RNN" 2022, The rnn way'
_ROUNDING, _POWERS = "tolerance: float32 rounding", "exact: w_n^(T-t), T = 10"
_RATIO = f'slides "RNN" 2022, Rnn+et: the ratio begins with t = 3; {_ROUNDING}'
_SUMS = "exact: delta_t = e sum_{{j=0..T-t}} g^j, T = 5"
_ORDER = "e_{{t+1}} <- (1 - eta K) e_{{t+1}}: step 1 has corrected what later steps share"
_SHARE = r"share of $\|\mathrm{d}w_t\|$"
_T = 5
_LOOP = 6.0  # factor of the weights of the fed-back output in the strong loop
_SCHEDULE, _TARGET = 0.5, 0.9  # of the data whose steps are all alike
_PLACES = {
    "step": tuple(range(1, _T + 1)),
    "network": ("data pairs", "equal steps", "strong loop"),
    "rule": ("local", "delta-x"),
    "multiplier": ("literal", "safeguarded"),
    "data": ("data pairs", "equal steps"),
    "online_rate": (0.1, 0.5, 1.0, 2.0, 5.0),
    "gain": (-0.8, 0.05, 0.5, 1.0, 1.5),
    "w_n": (0.5, 0.9, 1.0, 1.5),
    "chain_step": tuple(range(1, 11)),
}
_PAIRS = {"network": "data pairs", "rule": "local"}
_STYLES = ((BLUE, "o", "-"), (VERMILION, "x", "--"), (PINK, "^", "-."), (BLACK, "s", "-"))
_DATA = {"data pairs": Look("data pairs", BLUE, "o"),
         "equal steps": Look("equal errors", BLACK, "s")}  # fmt: skip
_UPDATES = (0, 1, 2, 3, 5, 10, 20, 30, 50, 70, 100, 200, 300, 500, 1000, 2000)


class Setting(sweep.Setting):
    """How a network begins, and how it is trained."""

    seed: Traced[int] = 0
    n_h: int = Field(4, ge=1, le=1024, description="hidden units")
    spread: PositiveFloat = Field(1.0, description="standard deviation of the first weights")
    learning_rate: PositiveFloat = Field(2.0, description="over the cycles")
    n_updates: int = Field(500, ge=1, le=2000, description="training cycles")
    axes = ("seed",)


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Steps, and what is compared."""
    places = {**_PLACES, "update": _recorded(setting)}
    return {dim: np.array(values) for dim, values in places.items()}


def _recorded(setting: Setting) -> tuple[int, ...]:
    return tuple(n for n in _UPDATES if n <= setting.n_updates)


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured of every start; a share is that of ||dw_t|| in sum_t ||dw_t||."""
    online, after = ("data", "online_rate", "step"), "after training cycles"
    return {
        "share": Variable(("network", "rule", "step"), "share of step t, frozen weights"),
        "share_ratio": Variable(("multiplier", "step"), "share under an eligibility ratio"),
        "share_online": Variable(online, "share, update after every step"),
        "share_training": Variable(("update", "step"), f"share {after}"),
        "error": Variable(("update", "step"), f"mean |o - y| of the outputs {after}"),
        "loss": Variable(("update",), "mean squared error sum over a sequence, halved"),
        "loop_gain": Variable(("network",), "mean do_t/do_{t-1} of the fed-back output"),
        "share_loop": Variable(("gain", "step"), "share in a linear loop with equal errors"),
        "share_last": Variable(("w_n", "chain_step"), "share in a chain, one error at the end"),
    }


def shared(setting: Setting) -> tuple:
    """The network of the slides, whose last output is fed back, and its first weights."""
    cell = decks.workbook.network(spread=setting.spread, n_hidden=setting.n_h)
    return cell, cell.init(jax.random.key(setting.seed))


def measure(setting: Setting, shared: tuple) -> dict[str, jax.Array]:
    """Where the gradient comes from, for one start."""
    (cell, params), task, weights = shared, decks.DataPairs(length=_T), decks.step_weights
    batch, local, n = task.training(), rnnjax.BPTT(window=1), len(_PLACES["network"])
    pairs = batch, jnp.broadcast_to(cell.initial_state(), batch.y[:, 0].shape)
    equal = weights.alike(cell, params, batch, _SCHEDULE, _TARGET)
    strong = weights.with_loop(params, _LOOP)
    nets = (params, *pairs), (params, *equal), (strong, *pairs)
    nets = jax.tree.map(lambda *leaves: jnp.stack(leaves), *nets)
    options = {"eta": setting.learning_rate, "cycles": _recorded(setting)}
    trained = decks.workbook.train(cell, task.loss, local, params, batch, **options)
    always = jax.tree.map(lambda a: jnp.broadcast_to(a, (len(trained.b), *a.shape)), pairs)
    # One program serves the networks and the cycles.
    everything = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), nets, (trained, *always))
    found = weights.by_step(cell, task.loss, local, *everything)
    exact = weights.by_step(cell, task.loss, rnnjax.BPTT(), *nets)
    shares, first = weights.shares(found["grads"]), jax.tree.map(lambda a: a[0], found["grads"])
    multipliers = (decks.ratios.Literal(), decks.ratios.Safeguarded())
    rates, gains, w_n = (jnp.array(_PLACES[dim]) for dim in ("online_rate", "gain", "w_n"))
    online = [weights.online_shares(cell, task.loss, params, *data, rates)
              for data in (pairs, equal)]  # fmt: skip
    of_chains = jax.vmap(weights.chain_shares, (0, None))
    return {
        "share": jnp.stack([shares[:n], weights.shares(exact["grads"])], axis=1),
        "share_ratio": weights.ratio_shares(first, multipliers),
        "share_online": jnp.stack(online),
        "share_training": shares[n:],
        **{name: found[name][n:] for name in ("error", "loss")},
        "loop_gain": found["loop_gain"][:n],
        "share_loop": of_chains(gains, jnp.ones(_T)),
        "share_last": of_chains(w_n, jnp.zeros(len(_PLACES["chain_step"])).at[-1].set(1)),
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Six panels, one a candidate cause, each with the line of equal shares."""
    frame = figures.Frame(2, 3, height=5.0)
    errors, online, loops, ratios, training, last = frame.panels
    share, ratio = cube["share"].mean("seed"), cube["share_ratio"].mean("seed")
    pairs, error = share.sel(_PAIRS), cube["error"].sel(update=0)
    _draw(errors, {
        "data pairs": pairs,
        "same, delta-x": share.sel(network="data pairs", rule="delta-x"),
        "share of $|o_t - y_t|$": (error / error.sum("step")).mean("seed"),
        "equal errors": share.sel(network="equal steps", rule="local"),
    }, title="errors fall with $t$: yes")  # fmt: skip
    figures.curves(online, cube["share_online"].sel(step=1), over="online_rate", each="data",
                   band="seed", looks=_DATA, level=1 / _T, xscale="log", ylim=(0, 1.05),
                   xlabel=r"learning rate $\eta$", ylabel="share of $t = 1$",
                   title="update every step: yes")  # fmt: skip
    figures.ticks(online, "x", cube["online_rate"])
    _draw_chain(loops, cube["share_loop"], "$g$ = {:g}", "delta-x: if $g$ is large")
    own = float(abs(cube["loop_gain"].sel(network="data pairs")).mean())
    loops.text(1.0, 0.75, f"networks of a:\nmean $|g|$ = {own:.2f}", va="top")
    of_ratios = {f"ratio, {name}": ratio.sel(multiplier=name) for name in _PLACES["multiplier"]}
    _draw(ratios, {"no ratio": pairs, **of_ratios}, title="eligibility ratio: no")
    _draw_training(training, cube["share_training"])
    _draw_chain(last, cube["share_last"], "$w_n$ = {:g}", "one error, at the end")
    for panel in frame.panels:
        panel.legend(loc="upper right")
    return frame.finished()


def _draw_training(panel: figures.Axes, share: xr.DataArray) -> None:
    largest = share.argmax("step")
    _draw(panel, {
        "P($t$ = 1 largest)": (largest == 0).mean("seed"),
        f"P($t$ = {_T} largest)": (largest == _T - 1).mean("seed"),
        "share of $t = 1$": share.sel(step=1).mean("seed"),
    }, "update", xlabel="training cycle", ylabel="probability, share", ylim=(0, 1.5),
       yticks=(0, 0.5, 1), title="training ends it")  # fmt: skip
    panel.set_xscale("symlog", linthresh=1)


def _draw(panel: figures.Axes, lines: dict, over: str = "step", **axes) -> None:
    axes = {"xlabel": "step $t$", "ylabel": _SHARE, "ylim": (0, 0.45), **axes}
    for (label, values), style in zip(lines.items(), _STYLES, strict=False):
        figures.curves(panel, values, over=over, looks=Look(label, *style), **axes)
    figures.level(panel, y=1 / _T)


def _draw_chain(panel: figures.Axes, shares: xr.DataArray, label: str, title: str) -> None:
    one, each, over = shares.isel(seed=0), *shares.dims[1:]
    figures.curves(panel, one, over=over, each=each, label=label, line={"marker": "o"},
                   theory={"closed form": _closed(shares)}, level=1 / one.sizes[over],
                   xlabel="step $t$", ylabel=_SHARE, ylim=(0, 0.8), title=title)  # fmt: skip


def _closed(shares: xr.DataArray) -> xr.DataArray:
    """The closed form of the shares in a linear neuron."""
    one = shares.isel(seed=0).transpose(..., shares.dims[-1])
    form = {"gain": scalar_chain.step_shares, "w_n": scalar_chain.input_shares}[one.dims[0]]
    return one.copy(data=[form(value, one.shape[1]) for value in one[one.dims[0]].values])


def _p_first(shares: xr.DataArray) -> xr.DataArray:
    return (shares.argmax("step") == 0).mean()


def _ratio_of_errors(cube: xr.Dataset) -> xr.DataArray:
    error = cube["error"].sel(update=0).mean("seed")
    return error.sel(step=1) / error.sel(step=_T)


def _unscaled(cube: xr.Dataset) -> xr.DataArray:
    factor = cube["share_ratio"] / cube["share"].sel(_PAIRS)
    return abs(np.log(factor.sel(step=1) / factor.sel(step=2))).max()


def _added(cube: xr.Dataset, network: str) -> xr.DataArray:
    """What delta-x adds to the share of t = 1."""
    first = cube["share"].sel(step=1, network=network)
    return first.sel(rule="delta-x") - first.sel(rule="local")


CLAIMS = (
    Row("equal steps, local rule: largest |share - 1/5|",
        lambda cube: abs(cube["share"].sel(network="equal steps", rule="local") - 1 / _T).max(),
        equals=0, tolerance=2e-6, source=f"exact: every step is the same; {_ROUNDING}"),
    Row("linear loop: shares against the closed form",
        lambda cube: abs(cube["share_loop"] - _closed(cube["share_loop"])).max(),
        equals=0, tolerance=1e-6, source=f"{_SUMS}; {_ROUNDING}"),
    Row("linear loop, g = {gain:g}: share of t = 1",
        lambda one: one["share_loop"].sel(step=1).mean(), source=_SUMS, equals="share",
        tolerance=6e-4, for_each=(
            {"gain": 0.05, "share": 0.202}, {"gain": 0.5, "share": 0.240},
            {"gain": 1.0, "share": 0.333}, {"gain": 1.5, "share": 0.446},
            {"gain": -0.8, "share": 0.238})),
    Row("linear loop, g = -0.8: step with the largest share",
        lambda one: one["share_loop"].mean("seed").argmax("step") + 1, at={"gain": -0.8},
        equals=5, source=_SUMS),
    Row("one error at the end, w_n = {w_n:g}: share of the {copy} copy",
        lambda one: one["share_last"].mean(), equals="share", tolerance="slack", source=_POWERS,
        for_each=({"w_n": 0.5, "copy": "last", "chain_step": 10, "share": 0.5, "slack": 0.005},
                  {"w_n": 1.5, "copy": "first", "chain_step": 1, "share": 0.339, "slack": 5e-4})),
    Row("eligibility ratio: change of ln(share of t=1 / share of t=2)", _unscaled, equals=0,
        tolerance=1e-5, source=_RATIO),
    Group((
        Row("data pairs, frozen: P(t = 1 largest)", lambda one: _p_first(one["share"].sel(_PAIRS)),
            at_least=0.5, source=f"{_DECK}: 't=1 has the highest weighting'"),
        Row("data pairs, frozen: share of t = 1 above 1/5, standard errors",
            lambda one: in_standard_errors(one["share"].sel({**_PAIRS, "step": 1}) - 1 / _T),
            at_least=3, source="measured on the data pairs; more than chance"),
        Row("data pairs, start: mean error at t = 1 over that at t = 5", _ratio_of_errors,
            at_least=1, source="the targets begin at 0.1 and rise to meet outputs near 0.5"),
        Row("data pairs: what delta-x adds to the share of t = 1, mean",
            lambda one: abs(_added(one, "data pairs").mean("seed")),
            equals=0, tolerance=0.005, source="a loop of small gain adds nothing"),
        Row("data pairs: mean |loop gain|",
            lambda one: abs(one["loop_gain"].sel(network="data pairs")).mean(),
            at_most=lambda one: one.setting.n_h * one.setting.spread**2 * (2 / math.pi) / 16,
            source="exact: slopes of at most 1/4 twice, E|V W| = 2/pi a hidden unit"),
        Row("strong loop: what delta-x adds to t = 1, standard errors",
            lambda one: in_standard_errors(_added(one, "strong loop")), at_least=3,
            source="delta-x accumulates where the loop is positive and strong"),
        Row("{multiplier} ratio: P(t = 1 largest) less that without", for_each="multiplier",
            value=lambda one: _p_first(one["share_ratio"]) - _p_first(one["share"].sel(_PAIRS)),
            at_most=0, source="the ratio leaves t = 1 as it is"),
        Row("update after every step: least rise of the share of t = 1 with eta",
            lambda one: one["share_online"].sel(step=1).mean("seed").diff("online_rate").min(),
            at_least=0, source=_ORDER),
        Group((
            Row("equal steps, eta = 5: P(t = 1 largest)",
                lambda one: _p_first(one["share_online"]), at_least=0.5),
            Row("equal steps, eta = 5: share of t = 1",
                lambda one: one["share_online"].sel(step=1).mean(), at_least=0.4),
        ), at={"data": "equal steps", "online_rate": 5.0}, source=_ORDER),
        Row("equal steps, eta = 0.1: share of t = 1",
            lambda one: one["share_online"].sel(step=1).mean(), equals=0.2, tolerance=0.01,
            at={"data": "equal steps", "online_rate": 0.1}, source="limit of small steps"),
        Row("after {update} training cycles: P(t = 1 largest)",
            lambda one: _p_first(one["share_training"]), for_each={"update": (300, 500)},
            at_most=1 / _T,
            source="not structural: no more than chance once the common error is gone"),
    ), when=lambda cube: cube.sizes["seed"] >= 30),
)  # fmt: skip
