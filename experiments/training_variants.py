"""When does an eligibility ratio or a delta x help training, when does it harm, and by how much?

The arms of C. Yuan's slides (rnn, rnn+et, rnn+dx, rnn+et+dx), as they stand and safeguarded, beside
the controls: a plain step of the same length, momentum and Rprop. Every arm is given the same
learning rates to choose from, the same networks and the same sequences, always all of them at once.

Command:   rnnjax run training_variants
Run time:  about 8 minutes on 2 cores, compiling included.
Figure:    (a) the loss that each arm reaches at its best learning rate, over that of plain
           backpropagation through time (rnn+dx), for every setting: blue helps, red harms, and the
           number says by what factor; a dagger counts the runs lost. (b) the same over the gain of
           the recurrent weights and (c) over the sequence length, on the adding problem. It must
           show at a glance that delta x helps where memory is asked for, that the literal ratio
           harms, and that the safeguarded ratio gains what a longer step gains.
Source:    C. Yuan, RNN (slides), 2022; Polyak 1964 (momentum); Riedmiller and Braun 1993 (Rprop).
"""

import json
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import sweep
from rnnjax.errors import ConfigError
from rnnjax.lazy import jax, jnp, optax
from rnnjax.sweep import ActivationName, Traced, Variable


class Arm(NamedTuple):
    """The numbers of one way to train.

    Attributes:
      decay: 0 without delta x, 1 with it.
      ratio: 0 none, 1 literal, 2 safeguarded.
      matched: 1 if the step is the plain one, made as long as the scaled one.
      momentum: of the optimiser; its rate is reduced by 1 - momentum.
      rprop: 1 if Rprop takes the place of descent, its first step a tenth of the rate.
      forward: 1 if delta x is the literal one, added to the output going forward.
    """

    decay: float = 1
    ratio: float = 0
    matched: float = 0
    momentum: float = 0
    rprop: float = 0
    forward: float = 0


_ARMS = {
    "rnn": Arm(decay=0),
    "et_literal": Arm(decay=0, ratio=1),
    "et_safe": Arm(decay=0, ratio=2),
    "dx_literal": Arm(forward=1),
    "dx": Arm(),
    "et_dx_both_literal": Arm(ratio=1, forward=1),
    "et_dx_literal": Arm(ratio=1),
    "et_dx_safe": Arm(ratio=2),
    "matched": Arm(ratio=2, matched=1),
    "momentum": Arm(momentum=0.9),
    "rprop": Arm(rprop=1),
}
_WORDS = {
    "rnn": "rnn (no delta x)",
    "et_literal": "rnn + et, literal",
    "et_safe": "rnn + et, safeguarded",
    "dx_literal": "rnn + dx, literal",
    "dx": "rnn + dx (BPTT)",
    "et_dx_both_literal": "rnn + et + dx, both literal",
    "et_dx_literal": "rnn + et + dx, et literal",
    "et_dx_safe": "rnn + et + dx, safeguarded",
    "matched": "BPTT, step as long as that",
    "momentum": "BPTT, momentum 0.9",
    "rprop": "BPTT, Rprop",
}
_TASKS = {
    "data_pairs": lambda T: rnnjax.decks.DataPairs(T),
    "adding": lambda T: rnnjax.tasks.Adding(T),
    "temporal_order": lambda T: rnnjax.tasks.TemporalOrder(T),
    "digits": lambda T: rnnjax.tasks.Digits(by_rows=T == 8),
}
_LEARNING_RATES = np.array([0.1, 0.3, 1.0])
_REFERENCE = "dx"
_LEARNT = 1e-6  # losses below count as this: what is left of them is rounding


class Setting(sweep.Setting):
    """A network, its task, and how long it is trained in every arm."""

    task: Literal["data_pairs", "adding", "temporal_order", "digits"] = "adding"
    length: PositiveInt = Field(10, description="steps T")
    activation: ActivationName = "tanh"
    gain: PositiveFloat = Field(1.0, description="of the recurrent weights at the start")
    seed: Traced[int] = 0
    n_h: PositiveInt = Field(8, description="units; the Jordan network of data_pairs has 4")
    n_sequences: PositiveInt = Field(16, description="sequences of training, all in every update")
    n_updates: PositiveInt = Field(150, description="updates of every arm and learning rate")
    axes = (("case", "task", "length", "activation"), "gain", "seed")

    @model_validator(mode="after")
    def _task_has_the_length(self):
        least = 10 if self.task == "temporal_order" else 2
        told, fits = f"at least {least}", self.length >= least
        if self.task == "digits":
            told, fits = "8 or 64", self.length in (8, 64)
        if not fits:
            raise ConfigError("length", f"expected {told} for {self.task}, got {self.length}")
        return self


def coordinates(setting):
    """Arms and learning rates."""
    return {"arm": np.array(list(_ARMS)), "learning_rate": _LEARNING_RATES}


def variables(setting):
    """What is measured in every cell of the sweep."""
    dims = ("arm", "learning_rate")
    return {
        "loss": Variable(dims, "mean loss after training, inf if lost"),
        "held_out_loss": Variable(dims, "the same on other sequences, inf if lost"),
        "start_loss": Variable((), "mean loss before training"),
    }


def measure(setting):
    """Train one network in every arm with every learning rate."""
    task = _TASKS[setting.task](setting.length)
    cell = _cell(setting, task)
    params, training, held_out = _drawn(setting, cell, task)

    def after(arm, learning_rate, rule):
        rule = _variant(rule(arm), arm.ratio, arm.matched)
        optimiser = _optimiser(learning_rate, arm.momentum, arm.rprop)
        key, n = jax.random.key(0), setting.n_updates
        trained = rnnjax.fit(
            cell, task, rule, optimiser, key, n_updates=n, batch=training, params=params
        ).params
        return jnp.stack([_mean_loss(cell, task, trained, b) for b in (training, held_out)])

    loss, held_out_loss = jnp.moveaxis(_by_arm(after), -1, 0)
    start_loss = _mean_loss(cell, task, params, training).astype(jnp.float32)
    return {"loss": loss, "held_out_loss": held_out_loss, "start_loss": start_loss}


def _cell(setting, task):
    options = {"gain": setting.gain, "activation": rnnjax.activation_named(setting.activation)}
    if setting.task == "data_pairs":
        return rnnjax.Jordan(2, 4, 2, feedback=(1,), start=0.1, spread=1.5, **options)
    return rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, **options)


def _drawn(setting, cell, task):
    """A network, the sequences that it is trained on, and others."""
    keys = jax.random.split(jax.random.key(setting.seed), 3)
    params, n = cell.init(keys[0]), setting.n_sequences
    if setting.task == "data_pairs":
        return params, task.training(), task.held_out()
    sample = jax.vmap(task.sample)
    training, held_out = (
        sample(jax.random.split(key, n)) for key, n in ((keys[1], n), (keys[2], 4 * n))
    )
    return params, training, held_out


def _by_arm(after):
    """What is found after training by (arm, learning_rate, rule), (arm, learning rate, ...).

    Arms that share a rule differ in numbers only, so each family is one program over its arms.
    """
    rules = (lambda arm: rnnjax.BPTT(decay=arm.decay), lambda arm: rnnjax.decks.ForwardDeltaX())
    found = {}
    for forward, rule in enumerate(rules):
        family = {name: arm for name, arm in _ARMS.items() if arm.forward == forward}
        arms = jax.tree.map(lambda *numbers: jnp.array(numbers, float), *family.values())
        by_rate = jax.vmap(lambda arm, rate, rule=rule: after(arm, rate, rule), (None, 0))
        by_arm = jax.vmap(by_rate, (0, None))(arms, jnp.asarray(_LEARNING_RATES))
        found |= dict(zip(family, by_arm, strict=True))
    return jnp.stack([found[name] for name in _ARMS])


def _mean_loss(cell, task, params, sequences):
    losses = jax.vmap(lambda b: rnnjax.sequence_loss(cell, task.loss, params, b))(sequences)
    loss = jnp.mean(losses)
    return jnp.where(jnp.isfinite(loss), loss, jnp.inf)


def _variant(inner, ratio, matched):
    """The rule of an arm: an eligibility ratio chosen by number, and its length on plain steps."""
    literal, safe = rnnjax.decks.ratios.Literal(), rnnjax.decks.ratios.Safeguarded()

    def chosen(newer, older):
        scaled = jnp.where(ratio == 1, literal(newer, older), safe(newer, older))
        return jnp.where(ratio == 0, 1.0, scaled)

    return rnnjax.decks.MatchedLength(rnnjax.decks.EligibilityRatio(inner, chosen), matched)


def _optimiser(learning_rate, momentum, is_rprop):
    """Descent with momentum or Rprop, chosen by number."""
    descent = optax.chain(optax.trace(momentum), optax.scale(-(1 - momentum) * learning_rate))
    rprop = optax.rprop(0.1 * learning_rate)

    def init(params):
        return descent.init(params), rprop.init(params)

    def update(grads, state, params=None):
        down, state_of_descent = descent.update(grads, state[0], params)
        signs, state_of_rprop = rprop.update(grads, state[1], params)
        chosen = jax.tree.map(lambda d, s: jnp.where(is_rprop == 1, s, d), down, signs)
        return chosen, (state_of_descent, state_of_rprop)

    return optax.GradientTransformation(init, update)


def figure(cube):
    """A matrix of factors against BPTT, above the factors over gain and over length."""
    from matplotlib.figure import Figure

    figures = rnnjax.figures
    drawn = Figure(figsize=(figures.PAGE_WIDTH, 6.0))
    grid = drawn.add_gridspec(2, 2, height_ratios=(1.35, 1))
    matrix, by_gain, by_length = (
        drawn.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1])
    )
    _draw_matrix(drawn, matrix, cube)
    _draw_by_gain(by_gain, cube)
    _draw_by_length(by_length, cube)
    figures.letter_panels([matrix, by_gain, by_length])
    handles, labels = by_gain.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7)
    return drawn


def _median_loss(cube):
    """Median over seeds at each arm's own best learning rate, (case, gain, arm)."""
    return np.maximum(cube["loss"].median("seed").min("learning_rate"), _LEARNT)


def _factor(cube):
    """log10 of the loss over that of the reference, (case, gain, arm)."""
    loss = np.log10(_median_loss(cube))
    return loss - loss.sel(arm=_REFERENCE)


def _at_best_rate(cube):
    """Loss of every run at its arm's best learning rate, (case, gain, seed, arm)."""
    loss = cube["loss"]
    best = loss.median("seed").fillna(np.inf).argmin("learning_rate")
    return loss.isel(learning_rate=best)


def _lost(cube):
    """Share of runs that end above their start, at the best rate, (case, gain, arm)."""
    return (_at_best_rate(cube) > cube["start_loss"]).mean("seed")


def _middle(gain):
    """The gain nearest to 1."""
    return float(gain[np.abs(np.log(gain)).argmin()])


def _parts(case):
    task, length, activation = case.split("/")
    return task, int(length), activation


def _title(case):
    task, length, activation = _parts(case)
    return f"{task.replace('_', ' ')}\n$T$ = {length}\n{activation}"


def _draw_matrix(drawn, ax, cube):
    gain = _middle(cube["gain"].values)
    at = cube.sel(gain=gain)
    factor = _factor(cube).sel(gain=gain).transpose("arm", "case").values
    lost = _lost(cube).sel(gain=gain).transpose("arm", "case").values
    settings = [str(setting) for setting in at["case"].values]
    image = ax.imshow(np.clip(factor, -1, 1), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(factor):
        mark = "$^\\dagger$" if lost[row, column] > 0.1 else ""
        bounded = "> 100" if value > 2 else "< 0.01" if value < -2 else f"{10**value:.2g}"
        told = f"{bounded}{mark}"
        colour = "#ffffff" if abs(value) > 0.6 else "#000000"
        ax.text(column, row, told, ha="center", va="center", fontsize=6.5, color=colour)
    ax.set_xticks(range(len(settings)), [_title(setting) for setting in settings], fontsize=6.5)
    ax.set_yticks(range(len(_ARMS)), [*_WORDS.values()])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = drawn.colorbar(image, ax=ax, pad=0.01, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["0.1", "1", "10"])
    bar.set_label(f"loss over that of BPTT, gain {gain:g}\n($\\dagger$: over 10 % of runs lost)")


_SHOWN = {
    "rnn": ("#000000", "o"),
    "et_literal": ("#c2478f", "v"),
    "et_safe": ("#e08a1e", "^"),
    "dx_literal": ("#8a6d1d", "P"),
    "dx": ("#23408f", "s"),
    "et_dx_literal": ("#b02020", "X"),
    "et_dx_safe": ("#2f9e77", "D"),
    "matched": ("#56b4e9", "d"),
    "rprop": ("#707070", "*"),
}


def _draw_lines(ax, x, loss, chance):
    """Loss over that of guessing, one line an arm, (x, arm); what was lost stands at the top."""
    top = 30.0
    for name, (colour, marker) in _SHOWN.items():
        values = np.minimum(loss.sel(arm=name).values / chance, top)
        hollow = {"markerfacecolor": "none", "markersize": 7} if name == "rnn" else {}
        ax.plot(x, values, color=colour, marker=marker, linewidth=1.0, clip_on=False,
                label=_WORDS[name], **{"markersize": 4, **hollow})  # fmt: skip
    ax.axhline(1, color="#a0a0a0", linewidth=0.7, linestyle=":", zorder=0)
    ax.text(x[-1], 0.55 * top, "lost", ha="right", va="top", color="#b02020", fontsize=7)
    ax.set(xscale="log", yscale="log", ylabel="loss over that of guessing", ylim=(None, top))
    ax.set_xticks(x, [f"{value:g}" for value in x])
    ax.set_xticks([], minor=True)


def _adding_settings(cube):
    """Settings of tanh on the adding problem, by length; the first setting if there are none."""
    parts = {str(setting): _parts(str(setting)) for setting in cube["case"].values}
    found = [s for s, (task, _, f) in parts.items() if task == "adding" and f == "tanh"]
    return sorted(found, key=lambda setting: parts[setting][1]) or [str(cube["case"].values[0])]


def _draw_by_gain(ax, cube):
    settings = _adding_settings(cube)
    setting = settings[len(settings) // 2]
    loss = _median_loss(cube).sel(case=setting)
    _draw_lines(ax, cube["gain"].values, loss, _chance(cube, setting))
    ax.set(xlabel="gain $g$ of the recurrent weights", title=_title(setting).replace("\n", ", "))


def _draw_by_length(ax, cube):
    settings = _adding_settings(cube)
    loss = _median_loss(cube).sel(case=settings, gain=_middle(cube["gain"].values))
    chances = np.array([_chance(cube, setting) for setting in settings])
    lengths = np.array([_parts(setting)[1] for setting in settings])
    _draw_lines(ax, lengths, loss, chances)
    task, _, activation = _parts(settings[0])
    ax.set(xlabel="sequence length $T$", title=f"{task.replace('_', ' ')}, {activation}")


def _chance(cube, setting):
    """The loss of the best constant answer where it is known, else that before training."""
    known = {"adding": 1 / 6, "temporal_order": np.log(4), "digits": np.log(10)}
    start = float(cube["start_loss"].sel(case=setting).median())
    return known.get(_parts(setting)[0], start)


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    if config["n_updates"] < 100:
        return [_starts_agree(cube)]
    factor = _factor(cube)
    memory = [s for s in cube["case"].values if _parts(str(s))[0] in ("adding", "temporal_order")]
    found = [_starts_agree(cube), _literal_harms(factor), _safe_is_a_longer_step(cube)]
    if memory:
        found.append(_delta_x_helps(factor.sel(case=memory)))
    return [*found, _rprop_wins(factor)]


def _starts_agree(cube):
    """A learning rate can only be judged from one start: the same for every arm."""
    start = cube["start_loss"]
    return rnnjax.Claim(
        "share of starts with a finite loss",
        float(np.isfinite(start).mean()),
        1.0,
        0.0,
        "every arm begins from the same networks and sequences",
    )


def _literal_harms(factor):
    literal = [name for name, arm in _ARMS.items() if arm.ratio == 1]
    return rnnjax.Claim(
        "literal ratio: least median factor on the loss over settings and gains, arm by arm",
        float((10 ** factor.sel(arm=literal)).median(["case", "gain"]).min()),
        1.0,
        0.0,
        "against the slide's 'the next step will be accelerated'",
        relation="at_least",
    )


def _safe_is_a_longer_step(cube):
    loss = np.log10(_median_loss(cube))
    gap = (loss.sel(arm="matched") - loss.sel(arm="et_dx_safe")).median()
    return rnnjax.Claim(
        "log10 loss of a plain step of the same length minus the safeguarded ratio's, median",
        float(gap),
        0.0,
        0.05,
        "control: what the ratio gains, a longer step gains",
    )


def _delta_x_helps(factor):
    return rnnjax.Claim(
        "rnn without delta x: median factor on the loss where memory is asked for",
        float((10 ** factor.sel(arm="rnn")).median()),
        1.0,
        0.0,
        "truncation at one step sees no lag",
        relation="at_least",
    )


def _rprop_wins(factor):
    return rnnjax.Claim(
        "Rprop: median factor on the loss over settings and gains",
        float((10 ** factor.sel(arm="rprop")).median()),
        1.0,
        0.0,
        "Riedmiller and Braun 1993",
        relation="at_most",
    )
