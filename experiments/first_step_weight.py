"""Why does the first step of a sequence have the highest weighting?

Command:   rnnjax run first_step_weight
Run time:  about 20 seconds on 2 cores, compiling included.
Figure:    The share of ||dw_t|| by step; 1/5 would be equal. (a) Errors come first: targets begin
           near 0.1 where an untrained network answers 0.5, so |o - y| is 1.35 times larger at t = 1
           than at t = 5, and t = 1 holds 0.26 and is the largest in 95 % of starts. Recurrence has
           no part in it: with equal errors every share is 0.2. (b) If weights change after every
           step, step 1 has corrected what later steps share: equal errors then give it 0.32 at
           eta = 2 and 0.55 at 5. (c) delta-x needs a loop gain near 1 (share 1/3 at g = 1); these
           networks have 0.06, where it adds 0.0005. (d) An eligibility ratio leaves t = 1 and 2 as
           they are and creates nothing. (e) Training ends it: t = 1 is the largest in 67 % after
           100 cycles, 18 % after 200, none after 500. (f) With an error at the last step only, one
           neuron gives its first copy the least weight for |w_n| < 1, the most beyond.
Source:    Slides "RNN", C. Yuan, 2022 ("t=1 has the highest weighting (why)??"); Werbos,
           Backpropagation through time, Proceedings of the IEEE, 1990 (the sum over steps).
"""

import contextlib
import json
import math

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Variable

_DECK = 'slides "RNN" 2022, The rnn way'
_FEWEST_SEEDS = 30  # for what holds on average
_T = 5
_FED_BACK = 1  # the output r, the last one
_LOOP = 6.0  # factor of the weights of the fed-back output in the strong loop
_TARGET, _SCHEDULE = 0.9, 0.5  # of the data whose steps are all alike
_NETWORKS = ("data pairs", "equal steps", "strong loop")
_RULES = ("local", "delta-x")
_MULTIPLIERS = ("literal", "safeguarded")
_ETAS = (0.1, 0.5, 1.0, 2.0, 5.0)
_GAINS = (-0.8, 0.05, 0.5, 1.0, 1.5)
_N_CHAIN, _CHAIN = 10, (0.5, 0.9, 1.0, 1.5)
_SHARE = r"share of $\|\mathrm{d}w_t\|$"
_STYLES = (
    {"color": "#0072B2", "marker": "o"},
    {"color": "#D55E00", "marker": "x", "linestyle": "--", "markersize": 4.5},
    {"color": "#000000", "marker": "s"},
    {"color": "#CC79A7", "marker": "^", "linestyle": "-."},
)
_CYCLES = (0, 1, 2, 3, 5, 10, 20, 30, 50, 70, 100, 200, 300, 500, 1000, 2000)


class Axes(BaseAxes):
    """The swept axis."""

    seed: Lane[int]


class Config(BaseConfig):
    """How the networks begin, and how they are trained."""

    axes: Axes
    n_hidden: int = Field(4, ge=1, le=1024, description="hidden units")
    spread: PositiveFloat = Field(1.0, description="standard deviation of the first weights")
    eta: PositiveFloat = Field(2.0, description="learning rate over the cycles")
    n_cycles: int = Field(500, ge=1, le=2000, description="training cycles")


def coordinates(config):
    """Steps, and the settings that are compared."""
    return {
        "step": np.arange(1, _T + 1),
        "network": np.array(_NETWORKS),
        "rule": np.array(_RULES),
        "multiplier": np.array(_MULTIPLIERS),
        "data": np.array(_NETWORKS[:2]),
        "eta": np.array(_ETAS),
        "cycle": np.array(_cycles(config)),
        "gain": np.array(_GAINS),
        "w_n": np.array(_CHAIN),
        "chain_step": np.arange(1, _N_CHAIN + 1),
    }


def _cycles(config):
    return [cycle for cycle in _CYCLES if cycle <= config.n_cycles]


def variables(config):
    """What is measured of every start; a share is that of ||dw_t|| in sum_t ||dw_t||."""
    return {
        "share": Variable(("network", "rule", "step"), "share of step t, frozen weights"),
        "share_ratio": Variable(("multiplier", "step"), "share under an eligibility ratio"),
        "share_online": Variable(("data", "eta", "step"), "share, update after every step"),
        "share_training": Variable(("cycle", "step"), "share after training cycles"),
        "error": Variable(("cycle", "step"), "mean |o - y| of the outputs after training cycles"),
        "loss": Variable(("cycle",), "mean squared error sum over a sequence, halved"),
        "loop_gain": Variable(("network",), "mean do_t/do_{t-1} of the fed-back output"),
        "share_loop": Variable(("gain", "step"), "share in a linear loop with equal errors"),
        "share_last": Variable(
            ("w_n", "chain_step"), "share of input weights, chain with one error, at the end"
        ),
    }


def draw(config, seed):
    """Draw the first weights."""
    from jax import random

    return _cell(config).init(random.key(seed))


def _cell(config):
    cell = rnnjax.Jordan(2, config.n_hidden, 2, feedback=(_FED_BACK,), spread=config.spread)
    return cell.replace(start=rnnjax.tasks.data_pairs.START)


def measure(config, drawn):
    """Measure where the gradient comes from, for one start."""
    import jax
    from jax import numpy as jnp

    cell, params = _cell(config), drawn
    pairs, equal = _data(cell, params)
    strong = params._replace(W=params.W.at[:, -1].set(_strong_loop(params)))
    nets = _stacked([(params, pairs), (params, equal), (strong, pairs)])
    trained = _trained(config, cell, params, pairs)
    always = jax.tree.map(lambda a: jnp.broadcast_to(a, (len(trained.b), *a.shape)), pairs)
    # One program serves the networks and the cycles.
    everything = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), nets, (trained, always))
    local = jax.vmap(lambda net: _steps(cell, rnnjax.BPTT(window=1), *net))(everything)
    exact = jax.vmap(lambda net: _steps(cell, rnnjax.BPTT(), *net))(nets)
    n = len(_NETWORKS)
    shares = _share(local["grads"])
    return {
        "share": jnp.stack([shares[:n], _share(exact["grads"])], axis=1),
        "share_ratio": _under_ratios(jax.tree.map(lambda a: a[0], local["grads"])),
        "share_online": _online(cell, params, _stacked([pairs, equal])),
        "share_training": shares[n:],
        "error": local["error"][n:],
        "loss": local["loss"][n:],
        "loop_gain": local["gain"][:n],
        **_of_chains(),
    }


def _task():
    return rnnjax.tasks.DataPairs(length=_T)


def _stacked(trees):
    import jax
    from jax import numpy as jnp

    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _strong_loop(params):
    """Return weights of the fed-back output so that every path of the loop is positive."""
    from jax import numpy as jnp

    return _LOOP * jnp.abs(params.W[:, -1]) * jnp.sign(params.V[_FED_BACK])


def _data(cell, params):
    """Return the training pairs, and data whose steps are all alike, each as (batch, o_0).

    Alike means: the same inputs, the same target, and a fixed point of the network as o_0.
    """
    import jax
    from jax import numpy as jnp

    pairs = _task().training()
    start = jnp.broadcast_to(cell.initial_state(), pairs.y[:, 0].shape)
    x = pairs.x.at[..., 1].set(_SCHEDULE)
    equal = rnnjax.Batch(x, jnp.full_like(pairs.y, _TARGET), pairs.mask)
    settle = jax.vmap(lambda o, x: cell.step(params, o, x))
    fixed = jax.lax.fori_loop(0, 60, lambda _, o: settle(o, x[:, 0]), start)
    return (pairs, start), (equal, fixed)


def _steps(cell, rule, params, data):
    """Return dw_t of a rule, averaged over pairs, and errors, loss and loop gain of a network."""
    import jax
    from jax import numpy as jnp

    scaled, loss = rnnjax.scaled, _task().loss

    def one_pair(batch, start):
        begun = cell.replace(start=start)
        out = rule(begun, loss, params, batch, (), per_step=True)
        run = rnnjax.unroll(begun, params, batch.x)
        return out.loss, out.grads, scaled.plain(run.states) - batch.y, _gain(begun, params, run)

    losses, grads, errors, gains = jax.vmap(one_pair)(*data)
    grads = scaled.divide(scaled.sum_over_leading(grads), len(losses))
    error, gain = jnp.mean(jnp.abs(errors), axis=(0, 2)), jnp.mean(gains)
    return {"grads": grads, "error": error, "loss": jnp.mean(losses), "gain": gain}


def _gain(cell, params, run):
    """Return do_t/do_{t-1} of the fed-back output at every step, (T,)."""
    import jax
    from jax import numpy as jnp

    unit = jnp.arange(cell.n_h) == _FED_BACK

    def gain(at):
        moved = rnnjax.scan.linearize(cell, params, at).mv(unit.astype(at.h_prev.dtype))
        return rnnjax.scaled.shift(moved.value, moved.exponent)[_FED_BACK]

    return jax.vmap(gain)(run)


def _share(grads):
    """Return the share of ||dw_t|| in the sum over steps, (..., T)."""
    import jax

    return jax.nn.softmax(rnnjax.scaled.log_norm(grads))


def _under_ratios(grads):
    from jax import numpy as jnp

    rules = rnnjax.rules
    multipliers = (rnnjax.ratios.Literal(), rnnjax.ratios.Safeguarded())
    scaled = [rules.EligibilityRatio(multiplier=m).scale_steps(grads) for m in multipliers]
    return jnp.stack([_share(steps) for steps in scaled])


def _trained(config, cell, params, data):
    """Return the parameters at the cycles to be shown, under descent with the local rule."""
    import jax
    from jax import numpy as jnp

    batch, rule, loss = data[0], rnnjax.BPTT(window=1), _task().loss

    def cycle(params, _):
        out = rnnjax.rules.batch_gradient(rule, cell, loss, params, batch, ())
        step = rnnjax.scaled.plain(out.grads)
        return jax.tree.map(lambda w, dw: w - config.eta * dw, params, step), params

    _, history = jax.lax.scan(cycle, params, length=config.n_cycles + 1)
    return jax.tree.map(lambda a: a[jnp.array(_cycles(config))], history)


def _online(cell, params, data):
    """Return shares when the weights change after every step, (data, eta, T)."""
    import jax
    import optax
    from jax import numpy as jnp

    def of(data, eta):
        batch, start = data

        def step(carry, at):
            params, o = carry
            x, y = at

            def loss(p):
                o_new = jax.vmap(lambda o, x: cell.step(p, o, x))(o, x)
                return jnp.mean(jax.vmap(_task().loss)(o_new, y)), o_new

            dw, o_new = jax.grad(loss, has_aux=True)(params)
            new = jax.tree.map(lambda w, dw: w - eta * dw, params, dw)
            return (new, o_new), optax.tree.norm(dw)

        by_time = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), (batch.x, batch.y))
        _, norms = jax.lax.scan(step, (params, start), by_time)
        return norms / jnp.sum(norms)

    over_eta = jax.vmap(of, in_axes=(None, 0))
    return jax.vmap(over_eta, in_axes=(0, None))(data, jnp.array(_ETAS))


def _of_chains():
    """Return shares in one linear neuron, with equal errors and with one error at the end."""
    import jax
    from jax import numpy as jnp

    cell = rnnjax.Chain(1)
    x, steps = jnp.ones((_N_CHAIN, 1)), jnp.arange(_N_CHAIN)

    def of(w_n, mask):
        params = rnnjax.cells.ChainParams(w_n, jnp.ones(1), jnp.ones(()))
        batch = rnnjax.Batch(x, jnp.zeros_like(x), mask.astype(x.dtype))
        # The loss is the output itself, so that its error is 1 whatever the state.
        out = rnnjax.BPTT()(cell, lambda y_hat, y: y_hat[0], params, batch, per_step=True)
        return _share(out.grads.w_x)

    masks = [steps < _T] * len(_GAINS) + [steps == _N_CHAIN - 1] * len(_CHAIN)
    shares = jax.vmap(of)(jnp.array([*_GAINS, *_CHAIN]), jnp.stack(masks))
    return {"share_loop": shares[: len(_GAINS), :_T], "share_last": shares[len(_GAINS) :]}


def figure(cube):
    """Six panels, one a candidate cause, each with the line of equal shares."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 5.0))
    axes = drawn.subplots(2, 3)
    draws = (
        _draw_errors, _draw_online, _draw_loops, _draw_ratios, _draw_training, _draw_last
    )  # fmt: skip
    for ax, draw_panel in zip(axes.flat, draws, strict=True):
        draw_panel(ax, cube)
        ax.legend(loc="upper right")
    rnnjax.figures.letter_panels(axes.flat)
    return drawn


def _by_step(ax, steps, shares, label, **style):
    """Draw the mean over seeds by step; shares (seed, step)."""
    ax.plot(steps, np.mean(shares, axis=0), label=label, **style)


def _of_steps(ax, n, title, top):
    ax.axhline(1 / n, color="#909090", linewidth=0.8, linestyle=":", zorder=0)
    ax.set(xlabel="step $t$", ylabel=_SHARE, ylim=(0, top), xlim=(0.8, n + 0.2), title=title)


def _draw_errors(ax, cube):
    frozen = cube["share"].transpose("network", "rule", "seed", "step")
    error = cube["error"].sel(cycle=0).transpose("seed", "step").values
    steps = cube["step"].values
    lines = [
        (frozen.sel(network="data pairs", rule="local"), "data pairs", _STYLES[0]),
        (frozen.sel(network="data pairs", rule="delta-x"), "same, delta-x", _STYLES[1]),
        (error / error.sum(axis=1, keepdims=True), "share of $|o_t - y_t|$", _STYLES[3]),
        (frozen.sel(network="equal steps", rule="local"), "equal errors", _STYLES[2]),
    ]
    for shares, label, style in lines:
        _by_step(ax, steps, shares, label, **style)
    _of_steps(ax, _T, "errors fall with $t$: yes", 0.45)


def _draw_online(ax, cube):
    for name, style in zip(cube["data"].values, (_STYLES[0], _STYLES[2]), strict=True):
        first = cube["share_online"].sel(data=name, step=1).transpose("eta", "seed").values
        band = rnnjax.figures.seed_band(first.T)
        ax.fill_between(cube["eta"], band.low, band.high, color=style["color"], alpha=0.15, lw=0)
        label = {"equal steps": "equal errors"}.get(name, name)
        ax.plot(cube["eta"], first.mean(axis=1), label=label, **style)
    ax.axhline(1 / _T, color="#909090", linewidth=0.8, linestyle=":", zorder=0)
    ax.set(xlabel=r"learning rate $\eta$", ylabel="share of $t = 1$", xscale="log", ylim=(0, 1.05))
    ax.set(title="update every step: yes", xticks=_ETAS, xticklabels=[f"{e:g}" for e in _ETAS])
    ax.minorticks_off()


def _draw_loops(ax, cube):
    colours = rnnjax.figures.ordered_colours(len(_GAINS))
    for gain, colour in zip(_GAINS, colours, strict=True):
        shares = cube["share_loop"].sel(gain=gain).isel(seed=0)
        label = f"$g$ = {gain:g}".replace("-", "\N{MINUS SIGN}")
        ax.plot(cube["step"], shares, color=colour, linestyle="", marker="o", label=label)
        closed = rnnjax.theory.scalar_chain.step_shares(gain, _T)
        ax.plot(cube["step"], closed, color=colour, linewidth=1)
    own = float(np.abs(cube["loop_gain"].sel(network="data pairs")).mean())
    _of_steps(ax, _T, "delta-x: if $g$ is large", 0.62)
    ax.text(1.0, 0.57, f"networks of a:\nmean $|g|$ = {own:.2f}", va="top")


def _draw_ratios(ax, cube):
    steps = cube["step"].values
    local = cube["share"].sel(network="data pairs", rule="local").transpose("seed", "step")
    _by_step(ax, steps, local, "no ratio", **_STYLES[0])
    styles = (_STYLES[1], _STYLES[3])
    for name, style in zip(cube["multiplier"].values, styles, strict=True):
        shares = cube["share_ratio"].sel(multiplier=name).transpose("seed", "step")
        _by_step(ax, steps, shares, f"ratio, {name}", **style)
    _of_steps(ax, _T, "eligibility ratio: no", 0.45)


def _draw_training(ax, cube):
    shares, cycles = cube["share_training"], cube["cycle"].values
    largest = shares.argmax("step")
    for step, style in ((0, _STYLES[0]), (_T - 1, _STYLES[3])):
        label = f"P($t$ = {step + 1} largest)"
        ax.plot(cycles, (largest == step).mean("seed"), label=label, **style)
    first = shares.sel(step=1).mean("seed")
    ax.plot(cycles, first, label="share of $t = 1$", **_STYLES[2])
    ax.axhline(1 / _T, color="#909090", linewidth=0.8, linestyle=":", zorder=0)
    ax.set_xscale("symlog", linthresh=1)
    ax.set(xlabel="training cycle", ylim=(0, 1.5), yticks=(0, 0.5, 1), xlim=(-0.1, cycles[-1]))
    ax.set(ylabel="probability, share", title="training ends it")


def _draw_last(ax, cube):
    colours = rnnjax.figures.ordered_colours(len(_CHAIN))
    for w_n, colour in zip(_CHAIN, colours, strict=True):
        shares = cube["share_last"].sel(w_n=w_n).isel(seed=0)
        ax.plot(cube["chain_step"], shares, color=colour, marker="o", label=f"$w_n$ = {w_n:g}")
        closed = rnnjax.theory.scalar_chain.shares(w_n, _N_CHAIN)[::-1]
        ax.plot(cube["chain_step"], closed, color="black", linewidth=0.8, linestyle="--")
    _of_steps(ax, _N_CHAIN, "one error, at the end", 0.8)


def claims(cube):
    """Numbers that must hold, each with its source; what was not measured is left out."""
    found = []
    rows = _exact(cube)
    if cube.sizes["seed"] >= _FEWEST_SEEDS:
        rows += [*_of_frozen_weights(cube), *_of_updates(cube)]
    for name, measured, expected, tolerance, source, *relation in rows:
        with contextlib.suppress(KeyError):
            found.append(rnnjax.Claim(name, measured(), expected, tolerance, source, *relation))
    return found


def _exact(cube):
    """Closed forms."""
    theory = rnnjax.theory.scalar_chain
    equal = cube["share"].sel(network="equal steps", rule="local")
    loops = cube["share_loop"].transpose("seed", "gain", "step")
    ratio = cube["share_ratio"].sel(step=1) / cube["share_ratio"].sel(step=2)
    frozen = cube["share"].sel(network="data pairs", rule="local")
    unscaled = np.abs(np.log(ratio * frozen.sel(step=2) / frozen.sel(step=1)))
    sums = "exact: delta_t = e sum_{j=0..T-t} g^j, T = 5"
    powers = "exact: w_n^(T-t), T = 10"
    rounding = "tolerance: float32 rounding"
    closed = [theory.step_shares(gain, _T) for gain in cube["gain"].values]
    first = [(0.05, 0.202), (0.5, 0.240), (1.0, 0.333), (1.5, 0.446), (-0.8, 0.238)]
    return [
        ("equal steps, local rule: largest |share - 1/5|", lambda: np.abs(equal - 1 / _T).max(),
         0, 2e-6, f"exact: every step is the same; {rounding}"),
        ("linear loop: shares against the closed form", lambda: np.abs(loops.values - closed).max(),
         0, 1e-6, f"{sums}; {rounding}"),
        *((f"linear loop, g = {gain:g}: share of t = 1",
           lambda gain=gain: loops.sel(gain=gain, step=1).mean(), share, 0.0006, sums)
          for gain, share in first),
        ("linear loop, g = -0.8: step with the largest share",
         lambda: loops.sel(gain=-0.8).mean("seed").argmax("step") + 1, 5, 0, sums),
        ("one error at the end, w_n = 0.5: share of the last copy",
         lambda: cube["share_last"].sel(w_n=0.5, chain_step=_N_CHAIN).mean(), 0.5, 0.005, powers),
        ("one error at the end, w_n = 1.5: share of the first copy",
         lambda: cube["share_last"].sel(w_n=1.5, chain_step=1).mean(), 0.339, 0.0005, powers),
        ("eligibility ratio: change of ln(share of t=1 / share of t=2)", unscaled.max,
         0, 1e-5, f'slides "RNN" 2022, Rnn+et: the ratio begins with t = 3; {rounding}'),
    ]  # fmt: skip


def _p_first(shares):
    """Return the share of starts for which t = 1 has the largest share."""
    return (shares.argmax("step") == 0).mean()


def _in_standard_errors(values):
    """Return the mean over seeds in units of its standard error."""
    return values.mean("seed") * math.sqrt(values.sizes["seed"]) / values.std("seed", ddof=1)


def _of_frozen_weights(cube):
    """Random starts: errors come first, and what delta-x and the ratio add."""
    local = cube["share"].sel(rule="local", step=1)
    added = (cube["share"].sel(rule="delta-x", step=1) - local).sel(network="data pairs")
    strong = cube["share"].sel(network="strong loop", step=1)
    error = cube["error"].sel(cycle=0).mean("seed")
    pairs = cube["share"].sel(network="data pairs", rule="local")
    config = json.loads(cube.attrs["config"])
    bound = config["n_hidden"] * config["spread"] ** 2 * (2 / math.pi) / 16
    own = "measured on the data pairs; more than chance"
    return [
        ("data pairs, frozen: P(t = 1 largest)", lambda: _p_first(pairs), 0.5, 0,
         f"{_DECK}: 't=1 has the highest weighting'", "at_least"),
        ("data pairs, frozen: share of t = 1 above 1/5, standard errors",
         lambda: _in_standard_errors(local.sel(network="data pairs") - 1 / _T), 3, 0, own,
         "at_least"),
        ("data pairs, start: mean error at t = 1 over that at t = 5",
         lambda: error.sel(step=1) / error.sel(step=_T), 1, 0,
         "the targets begin at 0.1 and rise to meet outputs near 0.5", "at_least"),
        ("data pairs: what delta-x adds to the share of t = 1, mean",
         lambda: np.abs(added.mean("seed")), 0, 0.005, "a loop of small gain adds nothing"),
        ("data pairs: mean |loop gain|",
         lambda: np.abs(cube["loop_gain"].sel(network="data pairs")).mean(), bound, 0,
         "exact: slopes of at most 1/4 twice, E|V W| = 2/pi a hidden unit", "at_most"),
        ("strong loop: what delta-x adds to t = 1, standard errors",
         lambda: _in_standard_errors(strong.sel(rule="delta-x") - strong.sel(rule="local")), 3, 0,
         "delta-x accumulates where the loop is positive and strong", "at_least"),
        *((f"{name} ratio: P(t = 1 largest) less that without",
           lambda name=name: _p_first(cube["share_ratio"].sel(multiplier=name)) - _p_first(pairs),
           0, 0, "the ratio leaves t = 1 as it is", "at_most")
          for name in cube["multiplier"].values),
    ]  # fmt: skip


def _of_updates(cube):
    """Updates after every step, and after every cycle."""
    online = cube["share_online"].sel(step=1).mean("seed").transpose("data", "eta")
    rises = online.diff("eta")
    equal = cube["share_online"].sel(data="equal steps")

    def after(cycle):
        return cube["share_training"].sel(cycle=cycle)

    order = "e_{t+1} <- (1 - eta K) e_{t+1}: step 1 has corrected what later steps share"
    return [
        ("update after every step: least rise of the share of t = 1 with eta", rises.min,
         0, 0, order, "at_least"),
        ("equal steps, eta = 5: P(t = 1 largest)", lambda: _p_first(equal.sel(eta=5.0)),
         0.5, 0, order, "at_least"),
        ("equal steps, eta = 5: share of t = 1", lambda: equal.sel(eta=5.0, step=1).mean("seed"),
         0.4, 0, order, "at_least"),
        ("equal steps, eta = 0.1: share of t = 1",
         lambda: equal.sel(eta=0.1, step=1).mean("seed"), 0.2, 0.01, "limit of small steps"),
        *((f"after {cycle} training cycles: P(t = 1 largest)",
           lambda cycle=cycle: _p_first(after(cycle)), 1 / _T, 0,
           "not structural: no more than chance once the common error is gone", "at_most")
          for cycle in (300, 500)),
    ]  # fmt: skip
