"""Why does the first step of a sequence have the highest weighting?

Command:   rnnjax run first_step_weight
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    Shares of ||dw_t||, means over starts; grey: equal shares. a: frozen weights, data pairs
           (targets begin near 0.1, outputs near 0.5) and equal errors. b: updates after every step,
           median and 10 to 90 %. c: delta-x in a linear loop of gain g, equal errors. d: with an
           eligibility ratio. e: training. f: one neuron, one error. Dashed: closed forms.
Source:    Slides "RNN", C. Yuan, 2022 ("t=1 has the highest weighting (why)??"); Werbos,
           Backpropagation through time, Proceedings of the IEEE, 1990 (the sum over steps).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import BLACK, BLUE, PINK, VERMILION, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import in_standard_errors, is_largest
from rnnjax.sweep import Traced, Variable
from rnnjax.theory import scalar_chain

_ROUNDING = "tolerance: float32 rounding"
_SUMS = "exact: delta_t = e sum_{{j=0..T-t}} g^j, T = 5"
_ORDER = "e_{{t+1}} <- (1 - eta K) e_{{t+1}}: step 1 has corrected what later steps share"
_SHARE = r"share of $\|\mathrm{d}w_t\|$"
_T = 5
_LOOP = 6.0  # factor of the weights of the fed-back output in the strong loop
_SCHEDULE, _TARGET = 0.5, 0.9  # of the data whose steps are all alike
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
    """Steps, what is compared, and the training cycles after which shares are measured."""
    return {
        "step": np.arange(1, _T + 1),
        "network": np.array(["data pairs", "equal steps", "strong loop"]),
        "rule": np.array(["local", "delta-x"]),
        "multiplier": np.array(["literal", "safeguarded"]),
        "data": np.array(["data pairs", "equal steps"]),
        "online_rate": np.array([0.1, 0.5, 1.0, 2.0, 5.0]),
        "gain": np.array([-0.8, 0.05, 0.5, 1.0, 1.5]),
        "w_n": np.array([0.5, 0.9, 1.0, 1.5]),
        "chain_step": np.arange(1, 11),
        "update": np.array([n for n in _UPDATES if n <= setting.n_updates]),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured of every start; a share is that of ||dw_t|| in sum_t ||dw_t||."""
    return {
        "share": Variable(("network", "rule", "step"), "share of step t, frozen weights"),
        "share_ratio": Variable(("multiplier", "step"), "share under an eligibility ratio"),
        "share_online": Variable(("data", "online_rate", "step"), "share, update after every step"),
        "share_training": Variable(("update", "step"), "share after training cycles"),
        "error": Variable(("update", "step"), "mean |o - y| of the outputs after training cycles"),
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
    (cell, params), weights, ratios = shared, decks.step_weights, decks.ratios
    task, places = decks.DataPairs(length=_T), coordinates(setting)
    batch, loss = task.training(), task.loss
    pairs = batch, jnp.broadcast_to(cell.initial_state(), batch.y[:, 0].shape)
    equal = weights.alike(cell, params, batch, _SCHEDULE, _TARGET)
    strong = weights.with_loop(params, _LOOP)
    options = {"eta": setting.learning_rate, "cycles": tuple(places["update"].tolist())}
    trained = decks.workbook.train(cell, loss, rnnjax.BPTT(window=1), params, batch, **options)
    nets = (params, *pairs), (params, *equal), (strong, *pairs)
    multipliers = (ratios.Literal(), ratios.Safeguarded())
    rates, gains, w_n = (jnp.array(places[dim]) for dim in ("online_rate", "gain", "w_n"))
    online = [weights.online_shares(cell, loss, params, *at, rates) for at in (pairs, equal)]
    of_chains = jax.vmap(weights.chain_shares, (0, None))
    return {
        **weights.compared(cell, loss, nets, trained, multipliers),
        "share_online": jnp.stack(online),
        "share_loop": of_chains(gains, jnp.ones(_T)),
        "share_last": of_chains(w_n, jnp.zeros(len(places["chain_step"])).at[-1].set(1)),
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Six panels, one a candidate cause, each with the line of equal shares."""
    errors, online, loops, ratios, training, last = (frame := figures.Frame(2, 3, height=5)).panels
    share, error = cube["share"], cube["error"].sel(update=0)
    errors.set_title("frozen weights")
    _draw(errors, {"data pairs": share.sel(_PAIRS),
                   "same, delta-x": share.sel(network="data pairs", rule="delta-x"),
                   "share of $|o_t - y_t|$": error / error.sum("step"),
                   "equal errors": share.sel(network="equal steps", rule="local")})  # fmt: skip
    figures.curves(online, cube["share_online"].sel(step=1), over="online_rate", each="data",
                   band="seed", looks=_DATA, level=1 / _T, xscale="log", ylim=(0, 1.05),
                   xlabel=r"rate $\eta$", ylabel="share of $t = 1$", title="online")  # fmt: skip
    figures.ticks(online, "x", cube["online_rate"])
    _draw_chain(loops, cube["share_loop"], "$g$ = {:g}", "delta-x")
    under = {str(of): cube["share_ratio"].sel(multiplier=of) for of in cube["multiplier"].values}
    _draw(ratios, {"no ratio": share.sel(_PAIRS), **under}, title="eligibility ratio")
    share, largest = cube["share_training"], is_largest(cube["share_training"], "step")
    chances = {f"P($t$ = {t} largest)": largest.sel(step=t) for t in (1, _T)}
    _draw(training, {**chances, "share of $t = 1$": share.sel(step=1)}, "update",
          xlabel="training cycle", ylabel="probability, share", title="training")  # fmt: skip
    training.set_xscale("symlog", linthresh=1)
    _draw_chain(last, cube["share_last"], "$w_n$ = {:g}", "one error, at the end")
    online.legend(loc="upper right")
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """The share of the first step, by errors as they are and by equal ones."""
    share, online = (cube[of].sel(step=1).mean("seed") for of in ("share", "share_online"))
    pairs, equal = 100 * share.sel(rule="local", network=[*_DATA]).values
    first = is_largest(cube["error"].isel(update=0).mean("seed"), "step").sel(step=1) == 1
    last, why = online.sel(data="equal steps").isel(online_rate=-1), "Its error is the largest: s"
    return (f"{why if first else 'S'}tep 1 has {pairs:.0f} % of ||dw_t||, {equal:.0f} % where "
            f"errors are equal. It has {100 * last.item():.0f} % with equal errors and an update "
            f"after every step (rate {last['online_rate']:g}).")  # fmt: skip


def _draw(panel: figures.Axes, lines: dict, over: str = "step", **axes) -> None:  # of means
    axes = {"xlabel": "step $t$", "xticks": range(1, _T + 1), "ylabel": _SHARE, **axes}
    for (label, values), style in zip(lines.items(), _STYLES, strict=False):
        figures.curves(panel, values.mean("seed"), over=over, looks=Look(label, *style), **axes)
    figures.level(panel, y=1 / _T)
    panel.set_ylim(0, 1.5 if over == "update" else 0.45)
    panel.legend(loc="upper right")


def _draw_chain(panel: figures.Axes, shares: xr.DataArray, label: str, title: str) -> None:
    one, each, over = shares.isel(seed=0), *shares.dims[1:]
    lines = figures.curves(panel, one, over=over, each=each, label=label, line={"marker": "o"},
                           theory={"": _closed(one)}, level=1 / one.sizes[over], title=title,
                           xlabel="step $t$", ylabel=_SHARE, ylim=(0, 0.65))  # fmt: skip
    figures.direct_labels(panel, lines[:-1])


def _closed(shares: xr.DataArray) -> xr.DataArray:
    each, over = shares.dims[-2:]  # weight of a linear neuron, step
    form = {"gain": scalar_chain.step_shares, "w_n": scalar_chain.input_shares}[each]
    table = [form(value, shares.sizes[over]) for value in shares[each].values]
    return xr.DataArray(table, {each: shares[each], over: shares[over]})


def _p_first(shares: xr.DataArray) -> xr.DataArray:
    return is_largest(shares, "step").sel(step=1).mean(skipna=False)


def _unscaled(cube: xr.Dataset) -> xr.DataArray:
    factor = cube["share_ratio"] / cube["share"].sel(_PAIRS)
    return abs(np.log(factor.sel(step=1) / factor.sel(step=2))).max()


def _added(one: xr.Dataset) -> xr.DataArray:
    """What delta-x adds to the share of t = 1."""
    return one["share"].sel(step=1, rule="delta-x") - one["share"].sel(step=1, rule="local")


CLAIMS = (
    Row("equal steps, local rule: largest |share - 1/5|",
        lambda cube: abs(cube["share"].sel(network="equal steps", rule="local") - 1 / _T).max(),
        equals=0, tolerance=2e-6, source=f"exact: every step is the same; {_ROUNDING}"),
    Row("linear loop: shares against the closed form",
        lambda cube: abs(cube["share_loop"] - _closed(cube["share_loop"])).max(),
        equals=0, tolerance=1e-6, source=f"{_SUMS}; {_ROUNDING}"),
    Group((
        Row("linear loop, g = {gain:g}: share of t = 1",
            lambda one: one["share_loop"].sel(step=1).mean(), equals="share", tolerance=6e-4,
            for_each=({"gain": 0.05, "share": 0.202}, {"gain": 0.5, "share": 0.240},
                      {"gain": 1.0, "share": 0.333}, {"gain": 1.5, "share": 0.446},
                      {"gain": -0.8, "share": 0.238})),
        Row("linear loop, g = -0.8: step with the largest share", at={"gain": -0.8}, equals=5,
            value=lambda one: one["share_loop"].mean("seed").argmax("step") + 1),
    ), source=_SUMS),
    Row("one error at the end, w_n = {w_n:g}: share of the {copy} copy",
        lambda one: one["share_last"].mean(), equals="share", tolerance="slack",
        source="exact: w_n^(T-t), T = 10",
        for_each=({"w_n": 0.5, "copy": "last", "chain_step": 10, "share": 0.5, "slack": 0.005},
                  {"w_n": 1.5, "copy": "first", "chain_step": 1, "share": 0.339, "slack": 5e-4})),
    Row("eligibility ratio: change of ln(share of t=1 / share of t=2)", _unscaled, equals=0,
        tolerance=1e-5,
        source=f'slides "RNN" 2022, Rnn+et: the ratio begins with t = 3; {_ROUNDING}'),
    Group((
        Row("data pairs, frozen: P(t = 1 largest)", lambda one: _p_first(one["share"]),
            at_least=0.5, at=_PAIRS,
            source='slides "RNN" 2022, The rnn way: \'t=1 has the highest weighting\''),
        Row("data pairs, frozen: share of t = 1 above 1/5, standard errors",
            lambda one: in_standard_errors(one["share"] - 1 / _T), at={**_PAIRS, "step": 1},
            at_least=3, source="measured on the data pairs; more than chance"),
        Row("data pairs, start: mean error at t = 1 over that at t = 5", at={"update": 0},
            value=lambda one: one["error"].sel(step=1).mean() / one["error"].sel(step=_T).mean(),
            at_least=1, source="the targets begin at 0.1 and rise to meet outputs near 0.5"),
        Row("data pairs: what delta-x adds to the share of t = 1, mean",
            lambda one: abs(_added(one).mean("seed")), at={"network": "data pairs"},
            equals=0, tolerance=0.005, source="a loop of small gain adds nothing"),
        Row("data pairs: mean |loop gain|", lambda one: abs(one["loop_gain"]).mean(),
            at_most=lambda one: one.setting.n_h * one.setting.spread**2 * (2 / np.pi) / 16,
            at={"network": "data pairs"},
            source="exact: slopes of at most 1/4 twice, E|V W| = 2/pi a hidden unit"),
        Row("strong loop: what delta-x adds to t = 1, standard errors",
            lambda one: in_standard_errors(_added(one)), at={"network": "strong loop"},
            at_least=3, source="delta-x accumulates where the loop is positive and strong"),
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
        Row("equal steps, eta = 0.1: share of t = 1", equals=0.2, tolerance=0.01,
            value=lambda one: one["share_online"].mean(), source="limit of small steps",
            at={"data": "equal steps", "online_rate": 0.1, "step": 1}),
        Row("after {update} training cycles: P(t = 1 largest)", at_most=1 / _T,
            value=lambda one: _p_first(one["share_training"]), for_each={"update": (300, 500)},
            source="not structural: no more than chance once the common error is gone"),
    ), when=lambda cube: cube.sizes["seed"] >= 30),
)  # fmt: skip
