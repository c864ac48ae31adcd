"""How far apart may two symbols be before a network can no longer learn their order?

Command:   rnnjax run temporal_order
Run time:  about ten minutes on 2 cores, compiling included.
Figure:    50 units learn which of two symbols came first and which second. a to c: share of the
           networks that get there (less than 1 % of 10,000 fresh sequences wrong) over the length
           of the sequences, from three starts, by stochastic gradient descent (SGD), with clipped
           gradients (SGD-C), with a penalty on gradients that change their length on the way back
           (SGD-R) and with both (SGD-CR); each at its better learning rate. d: the largest norm of
           the gradient before clipping, e: the spectral radius of the recurrent weights, over
           training, median and band. f: the error of networks trained on short sequences of many
           lengths (grey), on others of these lengths and on sequences ten times as long.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013, section 4.1.1 and figure 7. There the rate is 0.01 and training may take five
           million updates; here the rate is that and ten times that, and the updates are a
           thousandth. A network stops when at most 0.5 % of fresh sequences are wrong (those of
           many lengths go on), and 10,000 others decide about success.
"""

import json
import re
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

_PAPER = "Pascanu, Mikolov and Bengio 2013"
_SOLVED = 0.01  # share of wrong answers, of the paper
_STOPS_AT = 0.005  # half of it, so that luck in a check is not taken for success
_PIECE = 500  # sequences that are tested side by side
_N_INPUTS, _N_CLASSES = 6, 4
COMPILE = "quickly"
REPRODUCES = {
    f"T = {T}": f"{_PAPER}, figure 7 (curves; margins are ours)" for T in (20, 50)
} | {"many lengths": f"{_PAPER}, section 4.1.1"}  # fmt: skip


class _Start(NamedTuple):
    words: str
    activation: str
    scale: float  # standard deviation of weights
    sparse: bool  # 15 incoming weights, spectral radius 0.95


class _Arm(NamedTuple):
    clips: bool
    penalises: bool
    colour: str
    marker: str
    dashes: str


_STARTS = {
    "sigmoid": _Start("sigmoid", "sigmoid", 0.01, False),
    "basic_tanh": _Start("basic tanh", "tanh", 0.1, False),
    "smart_tanh": _Start("smart tanh", "tanh", 0.01, True),
}
_ARMS = {
    "SGD": _Arm(False, False, "#808080", "o", ":"),
    "SGD-C": _Arm(True, False, "#0072B2", "s", "-"),
    "SGD-R": _Arm(False, True, "#D55E00", "^", "--"),
    "SGD-CR": _Arm(True, True, "#009E73", "D", "-"),
}


def _parts(setting):
    """Return the start, the shortest and the longest T of a setting."""
    start, lengths = setting.split("/")
    shortest, _, longest = lengths.partition("-")
    return start, int(shortest), int(longest or shortest)


def _checked_setting(setting):
    if not re.fullmatch(rf"({'|'.join(_STARTS)})/\d+(-\d+)?", setting):
        raise ValueError(f"expected START/T or START/T-T with a start of {', '.join(_STARTS)}")
    _, shortest, longest = _parts(setting)
    if not 10 <= shortest <= longest:
        raise ValueError(f"expected lengths of at least 10, in order, got {setting!r}")
    return setting


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    setting: Static[Annotated[str, AfterValidator(_checked_setting)]]
    rate: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """How large the networks are, and how long they are trained."""

    axes: Axes
    n_h: int = Field(50, ge=2, description="units")
    batch: PositiveInt = Field(20, description="sequences of an update")
    n_checks: PositiveInt = Field(20, description="checks of a whole training")
    every: PositiveInt = Field(250, description="updates between two checks")
    n_checked: PositiveInt = Field(1000, description="fresh sequences of a check")
    n_tested: PositiveInt = Field(10_000, description="fresh sequences that decide at the end")
    threshold: PositiveFloat = Field(1.0, description="norm to which gradients are clipped")
    penalty: NonNegativeFloat = Field(4.0, description="weight of the penalty")
    test_lengths: tuple[Annotated[int, Field(ge=10)], ...] = Field(
        (200, 500), min_length=1, description="T of further tests"
    )
    n_further: PositiveInt = Field(1000, description="fresh sequences of each of them")


def coordinates(config):
    """Ways to train, checks by the updates behind them, and lengths of further tests."""
    return {
        "arm": np.array(list(_ARMS)),
        "update": config.every * (np.arange(config.n_checks) + 1),
        "test_length": np.array(config.test_lengths),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    checks = ("arm", "update")
    told = "in the updates before the check; that of the last one where training has stopped"
    return {
        "error": Variable(("arm",), "share of wrong answers of the trained network", "1"),
        "solved_at": Variable(("arm",), "updates until it stopped", "update", infinite="beyond"),
        "check": Variable(checks, "share of wrong answers of fresh sequences", "1"),
        "loss": Variable(checks, f"mean loss {told}", "nat"),
        "log_gradient": Variable(checks, f"ln of the largest gradient norm {told}", "nat"),
        "radius": Variable(checks, "spectral radius of the recurrent weights", "1"),
        "further_error": Variable(("arm", "test_length"), "share of wrong answers", "1"),
    }


def draw(config, rate, seed):
    """Draw weights and keys, the same for every setting and at every rate."""
    from jax import random

    keys = random.split(random.key(seed), 4)
    n, beside = config.n_h, config.n_h * (_N_INPUTS + _N_CLASSES)
    dense = random.normal(keys[0], (n, n))
    sparse = rnnjax.cells.SparseRescaled(15, 0.95)(keys[1], n)
    return {"rate": rate, "W": (dense, sparse), "beside": random.normal(keys[2], (beside,)),
            "key": keys[3]}  # fmt: skip


def measure(config, drawn, setting):
    """Train one network by every arm, the arms one after the other, and test it."""
    import jax
    from jax import numpy as jnp

    name, shortest, longest = _parts(setting)
    start, many = _STARTS[name], shortest < longest
    task = rnnjax.tasks.TemporalOrder(longest, shortest if many else None)
    cell = rnnjax.Vanilla(
        _N_INPUTS, config.n_h, _N_CLASSES, activation=rnnjax.activation_named(start.activation)
    )
    params = _start_weights(config, start, drawn)

    def one_arm(settings):
        trained, found = _trained(config, cell, task, params, drawn, *settings, stops=not many)
        keys = jax.random.split(jax.random.fold_in(drawn["key"], 1), 1 + len(config.test_lengths))
        found["error"] = _error(cell, task, trained, keys[0], config.n_tested)
        found["further_error"] = jnp.stack([
            _error(cell, rnnjax.tasks.TemporalOrder(T), trained, key, config.n_further)
            for key, T in zip(keys[1:], config.test_lengths, strict=True)
        ])  # fmt: skip
        return found

    thresholds = jnp.array([config.threshold if arm.clips else jnp.inf for arm in _ARMS.values()])
    weights = jnp.array([config.penalty * arm.penalises for arm in _ARMS.values()])
    found = jax.lax.map(one_arm, (thresholds, weights))
    # A network that has left the range of floats has no loss.
    lost = ("loss", "log_gradient", "radius")
    return found | {key: jnp.where(jnp.isnan(found[key]), jnp.inf, found[key]) for key in lost}


def _start_weights(config, start, drawn):
    from jax import numpy as jnp

    n = config.n_h
    dense, sparse = drawn["W"]
    U, V = jnp.split(start.scale * drawn["beside"], [n * _N_INPUTS])
    return rnnjax.cells.VanillaParams(
        W=sparse if start.sparse else start.scale * dense,
        U=U.reshape(n, _N_INPUTS),
        b=jnp.zeros(n),
        V=V.reshape(_N_CLASSES, n),
        c=jnp.zeros(_N_CLASSES),
    )


def _trained(config, cell, task, params, drawn, threshold, weight, *, stops):
    """Return the weights where training stopped or ended, and what was seen at the checks."""
    import jax
    import optax
    from jax import numpy as jnp

    at_end = rnnjax.penalties.omega_at_end.gradient

    def update(params, key):
        batch = jax.vmap(task.sample)(jax.random.split(key, config.batch))
        loss, gradient, exponent = at_end(cell, params, batch, weight, _last(task, batch))
        log_norm = exponent + jnp.log(optax.tree.norm(gradient))
        # Before clipping the gradient may be larger than any float.
        factor = jnp.exp(exponent + jnp.minimum(0, jnp.log(threshold) - log_norm))
        step = drawn["rate"] * factor
        params = jax.tree.map(lambda w, g: w - step * g, params, gradient)
        return params, (loss, log_norm)

    def until_check(state):
        params, n, seen, _ = state
        keys = jax.random.split(jax.random.fold_in(drawn["key"], n + 2), config.every + 1)
        params, (loss, log_norm) = jax.lax.scan(update, params, keys[1:])
        check = _error(cell, task, params, keys[0], config.n_checked)
        now = {
            "check": check,
            "loss": jnp.mean(loss),
            "log_gradient": jnp.max(log_norm),
            "radius": jnp.exp(rnnjax.matrices.log_spectral_radius(params.W)),
        }
        seen = jax.tree.map(lambda a, value: a.at[n].set(value), seen, now)
        return params, n + 1, seen, check <= _STOPS_AT

    def goes_on(state):
        _, n, _, solved = state
        return (n < config.n_checks) & ~(stops & solved)

    names = ("check", "loss", "log_gradient", "radius")
    nothing = {name: jnp.zeros(config.n_checks) for name in names}
    begin = (params, jnp.int32(0), nothing, jnp.zeros((), bool))
    params, n, seen, _ = jax.lax.while_loop(goes_on, until_check, begin)
    held = jnp.minimum(jnp.arange(config.n_checks), n - 1)
    seen = {name: values[held] for name, values in seen.items()}
    reached = seen["check"] <= _STOPS_AT
    at = config.every * (1.0 + jnp.argmax(reached))
    return params, seen | {"solved_at": jnp.where(jnp.any(reached), at, jnp.inf)}


def _error(cell, task, params, key, n):
    """Return the share of wrong answers on n fresh sequences."""
    import jax
    from jax import numpy as jnp

    piece = min(n, _PIECE)

    def wrong(key):
        batch = jax.vmap(task.sample)(jax.random.split(key, piece))
        h = rnnjax.penalties.omega_at_end.states(cell, params, batch.x)
        _, logits = rnnjax.penalties.omega_at_end.logits(params, h, _last(task, batch))
        return jnp.mean(jnp.argmax(logits, axis=1) != jnp.argmax(batch.y[:, 0], axis=1))

    return jnp.mean(jax.lax.map(wrong, jax.random.split(key, n // piece)))


def _last(task, batch):
    """Return the step at which each sequence of a batch ends, None where all have one length."""
    from jax import numpy as jnp

    return None if task.shortest is None else jnp.argmax(batch.mask, axis=1)


def _runs(cube, setting, arm):
    """Return the runs of an arm, (seed,), at the rate with most success, then least error."""
    runs = cube.sel(setting=setting, arm=arm)
    error = runs["error"].transpose("rate", "seed").values
    score = np.mean(error < _SOLVED, axis=1) - 0.01 * np.mean(error, axis=1)
    return runs.isel(rate=int(np.argmax(score)))


def _success(cube, setting, arm):
    """Return the share of networks that got there, at the better rate."""
    return float(np.mean(_runs(cube, setting, arm)["error"].values < _SOLVED))


def _settings(cube, start):
    """Return the settings of one length and a start by length, in order."""
    found = {str(s): _parts(str(s)) for s in cube["setting"].values}
    one = {longest: s for s, (name, shortest, longest) in found.items()
           if name == start and shortest == longest}  # fmt: skip
    return dict(sorted(one.items()))


def _settings_of_many_lengths(cube):
    return [str(s) for s in cube["setting"].values if "-" in str(s)]


def figure(cube):
    """Success over length by start and arm; what training looks like; longer sequences."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 4.7))
    panels = drawn.subplots(2, 3)
    for ax, start in zip(panels[0], _STARTS, strict=True):
        _draw_success(ax, cube, start)
    shown = [T for start in _STARTS for T in _settings(cube, start)]
    start = max(_STARTS, key=lambda name: max(_settings(cube, name), default=0))
    start = "smart_tanh" if max(shown, default=0) in _settings(cube, "smart_tanh") else start
    setting = _settings(cube, start).get(max(shown, default=0))
    _draw_training(panels[1, 0], cube, setting, "log_gradient")
    _draw_training(panels[1, 1], cube, setting, "radius")
    _draw_further(panels[1, 2], cube)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4)
    rnnjax.figures.letter_panels(panels.flat)
    return drawn


def _draw_success(ax, cube, start):
    settings = _settings(cube, start)
    for place, (name, arm) in enumerate(_ARMS.items()):
        shares = [_success(cube, setting, name) for setting in settings.values()]
        # A little apart, for lines that lie on one another.
        aside = place - 1.5
        ax.plot(np.array(list(settings)) + 0.5 * aside, np.array(shares) - 0.01 * aside,
                color=arm.colour,
                marker=arm.marker, linestyle=arm.dashes, markersize=4, label=name)  # fmt: skip
    every = sorted({T for one in _STARTS for T in _settings(cube, one)})
    if every:
        ax.set(xlim=(every[0] - 3, every[-1] + 3), xticks=every)
    ax.set(xlabel="length $T$ (steps)", ylim=(-0.06, 1.06), title=_STARTS[start].words)
    if start == next(iter(_STARTS)):
        ax.set_ylabel("share of networks that learn it")


def _draw_training(ax, cube, setting, variable):
    labels = {"log_gradient": "largest gradient norm", "radius": r"spectral radius of $W$"}
    ax.set(xlabel="updates", ylabel=labels[variable])
    if setting is None:
        return
    updates, tops = cube["update"].values, []
    for name, arm in _ARMS.items():
        values = _runs(cube, setting, name)[variable].transpose("seed", "update").values
        values = np.exp(np.minimum(values, 80)) if variable == "log_gradient" else values
        band = rnnjax.reductions.seed_band(values)
        ax.plot(updates, band.median, color=arm.colour, linestyle=arm.dashes, linewidth=1.2)
        ax.fill_between(updates, band.low, band.high, color=arm.colour, alpha=0.12, linewidth=0)
        tops += [*band.high[np.isfinite(band.high)]]
    ax.axhline(1, color="#b0b0b0", linewidth=0.6, zorder=0)
    if variable == "radius":
        ax.set_ylim(0, min(max(tops, default=2), 4) * 1.1)
    else:
        ax.set(yscale="log", ylim=(None, min(max(tops, default=1), 1e8) * 2))
    start, _, T = _parts(setting)
    ax.set_title(f"{_STARTS[start].words}, $T$ = {T}")


def _draw_further(ax, cube):
    found = _settings_of_many_lengths(cube)
    lengths = cube["test_length"].values
    ax.axhline(0.75, color="#808080", linestyle=":", linewidth=0.8)
    ax.set(xlabel="length of the test (steps)", ylabel="share of wrong answers", ylim=(-0.04, 0.82))
    if not found:
        return
    _, shortest, longest = _parts(found[-1])
    lengths = np.concatenate([[(shortest + longest) / 2], lengths])
    ax.axvspan(shortest, longest, color="#e8e8e8", zorder=0)
    for name, arm in _ARMS.items():
        runs = _runs(cube, found[-1], name)
        own = runs["error"].values[:, None]
        values = np.hstack([own, runs["further_error"].transpose("seed", "test_length").values])
        for one in values:
            ax.plot(lengths, one, color=arm.colour, linewidth=0.4, alpha=0.6)
        ax.plot(lengths, np.median(values, axis=0), color=arm.colour, linestyle=arm.dashes,
                marker=arm.marker, markersize=4)  # fmt: skip
    ax.set_title(f"trained on $T$ = {shortest} to {longest}")


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = _of_solved(cube)
    if config["every"] * config["n_checks"] < 2000:
        return found
    for start in ("basic_tanh", "smart_tanh"):
        found += _of_tanh(cube, start)
    return [*found, *_of_sigmoid(cube), *_of_penalty_alone(cube), *_of_many_lengths(cube)]


def _of_solved(cube):
    """Return the claim on the spectral radius of networks that have learned, if there are any."""
    solved = (cube["error"] < _SOLVED).values
    radius = cube["radius"].isel(update=-1).transpose(*cube["error"].dims).values
    if not np.any(solved):
        return []
    told = "networks that have learned: spectral radius, least"
    source = f"{_PAPER}: more memory implies a larger spectral radius; above 1"
    return [rnnjax.Claim(told, np.min(radius[solved]), 1.0, 0.0, source, "at_least")]


def _of_tanh(cube, start):
    """Return claims on short sequences, which are all learned, and on what clipping adds."""
    found, settings, words = [], _settings(cube, start), _STARTS[start].words
    if 20 in settings:
        told = f"T = 20, {words}: success of SGD-CR, share of seeds"
        share = _success(cube, settings[20], "SGD-CR")
        found.append(rnnjax.Claim(told, share, 1.0, 0.0, f"{_PAPER}, figure 7"))
    if 50 in settings:
        share = {arm: _success(cube, settings[50], arm) for arm in _ARMS}
        gain = max(share["SGD-C"], share["SGD-CR"]) - share["SGD"]
        told = f"T = 50, {words}: success with clipping minus without, share of seeds"
        found.append(rnnjax.Claim(told, gain, 0.4, 0.0, f"{_PAPER}, figure 7", "at_least"))
    return found


def _mean_success(cube, start, lengths, arms=tuple(_ARMS)):
    settings = _settings(cube, start)
    return np.mean([_success(cube, settings[T], arm) for T in lengths for arm in arms])


def _of_sigmoid(cube):
    common = set.intersection(*({*_settings(cube, start)} for start in _STARTS))
    if not common:
        return []
    worst = min(_mean_success(cube, start, common) for start in ("basic_tanh", "smart_tanh"))
    told = "success of sigmoid minus that of the worse tanh start, mean of arms"
    source = f"{_PAPER}, figure 7: sigmoid is the worst start"
    measured = _mean_success(cube, "sigmoid", common) - worst
    return [rnnjax.Claim(told, measured, 0.0, 0.0, source, "at_most")]


def _of_penalty_alone(cube):
    """Return the claim that the penalty without clipping fails more often than with it."""
    lengths = {start: _settings(cube, start) for start in ("basic_tanh", "smart_tanh")}
    if not all(lengths.values()):
        return []
    failures = {
        arm: 1 - np.mean([_mean_success(cube, s, lengths[s], [arm]) for s in lengths])
        for arm in ("SGD-R", "SGD-CR")
    }
    told = "failures of SGD-R minus those of SGD-CR, tanh starts, mean share"
    source = f"{_PAPER}, footnote 4: without clipping it usually fails; at least a tenth more"
    gap = failures["SGD-R"] - failures["SGD-CR"]
    return [rnnjax.Claim(told, gap, 0.1, 0.0, source, "at_least")]


def _of_many_lengths(cube):
    """Return claims on one network: of those of SGD-CR the one with the fewest errors in checks."""
    found = []
    for setting in _settings_of_many_lengths(cube):
        runs = _runs(cube, setting, "SGD-CR")
        one = runs.isel(seed=int(np.argmin(runs["check"].isel(update=-1).values)))
        start, shortest, longest = _parts(setting)
        for T in cube["test_length"].values:
            if T in (200, 500):
                told = f"many lengths, {shortest} to {longest}, {_STARTS[start].words}: errors at"
                source = f"{_PAPER}: 0 of 10,000 (T up to 5000); tolerance: what counts as learned"
                error = one["further_error"].sel(test_length=T)
                found.append(rnnjax.Claim(f"{told} T = {T}", error, 0.0, _SOLVED, source))
    return found
