"""How long does a network remember last night's dinner, and who saw whom?

Command:   rnnjax run dinner
Run time:  about 45 seconds on 2 cores, compiling included.
Figure:    Top: dinner is pizza, sushi, waffles, pizza and so on; only the pizza of night 0 is
           known, and from then on every prediction stands in for what was missed. The network
           built by hand, o_t = f(k P (dinner_{t-1} + o_{t-1})), fades at k < 1 and latches at
           k > 1, as a trained one does. Middle: its margin over the gain k: memory needs squashing,
           and a loop gain above 1 where the squashing is steepest. Networks that write a book for
           children: one that sees a single word writes "Doug saw Doug." in every third sentence of
           three words, LSTM and GRU never. Bottom: the gates of the LSTM along its own text.
Source:    Brandon Rohrer, How recurrent neural networks and long short-term memory work,
           e2eml.school, 2017, on which the slides "RNN" (C. Yuan, 2022) draw: "What's for dinner?",
           "Unrolled predictions", "The structure of RNN", "Continous with LSTM".
"""

import json
import math
from collections import Counter
from decimal import Decimal

import numpy as np
from pydantic import Field, PositiveFloat, field_validator

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Variable
from rnnjax.sweep.axes import check_values, expand

_ROHRER = "B. Rohrer, How RNNs and LSTM work, e2eml.school, 2017"
_CHAIN = "one neuron, m = tanh(k m) from m = 1, in double precision"
_DINNERS = ("pizza", "sushi", "waffles")
_N_UNROLLED = 16  # nights; two weeks of missed ones end on night 15
_N_TRAINING = 6  # nights of a sequence to learn from: at most five in a row are missed
# f(z) of the network built by hand: activation, steepness, bias, and bias for each unit of gain.
_SQUASHINGS = {
    "tanh(kz)": ("tanh", 1.0, 0.0, 0.0),
    "logistic(6k(z - 1/2))": ("sigmoid", 6.0, 0.0, -3.0),
    "logistic(6kz - 3)": ("sigmoid", 6.0, -3.0, 0.0),
    "logistic(kz)": ("sigmoid", 1.0, 0.0, 0.0),
}
_N_ROUNDINGS = 8  # a margin of so few is none
# Margins on nights 15 and 200 by gain, each right to half a unit in its last place.
_MARGINS = {
    0.5: ("2.8e-5", "6e-61"),
    0.9: ("0.106", "4e-10"),
    1.0: ("0.298", "0.086"),
    1.1: ("0.513", "0.503"),
    2.0: ("0.958", "0.958"),
}
# Lambert's W(1/e): (1 - r) logit(r), the slope of logistic(k z) at its fixed point, is never more.
_STEEPEST = 0.2784645427610738
_INPUTS = ("calendar", "calendar and last night")
_CELLS = ("one word", "vanilla", "GRU", "LSTM")
_GATES = ("forget", "input", "output")
_N_SHOWN = 20  # words
_COLOURS = ("#0072B2", "#CC79A7", "#009E73", "#D55E00")
_DASHED = (0, (3, 1.5))
# Kind of sentence: label, marker, colour, and rate of one who writes by the odds of single words.
_MISTAKES = {
    "sees itself": ("X saw X.", "D", "#D55E00", 1 / 3),
    "runs on": ("X saw Y saw Z ...", "^", "#0072B2", 1 / 4),
    "fragment": ("X.", "o", "#009E73", 1 / 2),
}


class Axes(BaseAxes):
    """The swept axis: initial weights, and the chances by which words are chosen."""

    seed: Lane[int]


class Config(BaseConfig):
    """What is built by hand, and how the others are trained."""

    axes: Axes
    gains: tuple[PositiveFloat, ...] = Field(
        "lin(0.5, 4.5, 81)", description="feedback gains k of the network built by hand"
    )
    n_nights: int = Field(200, ge=_N_UNROLLED, le=10**5, description="the longest time away")
    n_h: int = Field(8, ge=1, le=256, description="units of the networks that read the book")
    n_updates: int = Field(1000, ge=1, le=10**6, description="updates of every training")
    learning_rate: PositiveFloat = Field(0.05, description="of Adam")
    n_words: int = Field(4000, ge=100, le=10**6, description="words that every network writes")
    rarest: float = Field(
        0.01, ge=0, le=0.2, description="words of a smaller probability are not written"
    )

    _grammar = field_validator("gains", mode="before")(lambda given: expand(given, float))
    _no_gain_twice = field_validator("gains")(check_values)


def coordinates(config):
    """Names and numbers of what is measured."""
    return {
        "gain": np.array(config.gains),
        "squashing": np.array(list(_SQUASHINGS)),
        "night": np.arange(1, _N_UNROLLED + 1),
        "late_night": np.array([_N_UNROLLED - 1, config.n_nights]),
        "last_known": np.array(_DINNERS),
        "dinner": np.array(_DINNERS),
        "inputs": np.array(_INPUTS),
        "cell": np.array(_CELLS),
        "word": np.arange(config.n_words),
        "read": np.arange(_N_SHOWN),
        "gate": np.array(_GATES),
        "unit": np.arange(config.n_h),
        "entry": np.arange(3),
    }


def variables(config):
    """What is measured for every seed; what is built by hand is the same for all of them."""
    by_squashing, never = ("squashing", "gain"), f"; beyond if none of {config.n_nights}"
    return {
        "prediction": Variable(("gain", "last_known", "night", "dinner"), "o_t of f = tanh"),
        "log_margin": Variable(
            (*by_squashing, "late_night"), "natural log of right dinner minus best other one", "nat"
        ),
        "forgotten": Variable(
            by_squashing, f"first night with no margin but rounding{never}", "night", "beyond"
        ),
        "trained": Variable(("last_known", "night", "dinner"), "probability, after training"),
        "trained_wrong": Variable(
            (), f"first night wrong after training{never}", "night", "beyond"
        ),
        "spectral_radius": Variable((), "largest |eigenvalue| of W after training on dinners"),
        "calendar_accuracy": Variable(("inputs",), "share of the nights of 21 years"),
        "calendar_loss": Variable(("inputs",), "cross-entropy over these nights", "nat"),
        "book_loss": Variable(("cell",), "cross-entropy over all texts of 4 sentences", "nat/word"),
        "sees_itself": Variable(("cell",), "probability of X after 'X saw' in these texts"),
        "text": Variable(("cell", "word"), "words written: 0..4 for Doug, Jane, Spot, saw, stop"),
        "gate_value": Variable(("read", "gate", "unit"), "gates of the LSTM as it reads its text"),
        "gate_demo": Variable(("entry",), "memory 0.8, 0.8, 0.8 behind forget gates 1, 0.5, 0"),
    }


def _cells(config):
    n_words, n_inputs = len(rnnjax.decks.sentences.WORDS), rnnjax.decks.DinnerCalendar.n_x
    return {
        "dinner": rnnjax.Vanilla(3, 3, 3),
        "calendar": rnnjax.Vanilla(n_inputs, 8, 3),
        "vanilla": rnnjax.Vanilla(n_words, config.n_h, n_words),
        "GRU": rnnjax.GRU(n_words, config.n_h, n_words),
        "LSTM": rnnjax.LSTM(n_words, config.n_h, n_words),
    }


def draw(config, seed):
    """Draw the initial weights of all networks, and the chances by which they choose words."""
    from jax import random

    key, cells = random.key(seed), _cells(config)
    starts = rnnjax.cells.initial_weights.of_cells(random.fold_in(key, 0), list(cells.values()))
    chances = random.uniform(random.fold_in(key, 1), (config.n_words,))
    return dict(zip(cells, starts, strict=True)), chances


def measure(config, drawn):
    """Unroll the network built by hand; train the others on dinners, a calendar and a book."""
    starts, chances = drawn
    cells = _cells(config)
    return {
        **_built_by_hand(config),
        **_trained_on_dinners(config, cells["dinner"], starts["dinner"]),
        **_trained_on_calendar(config, cells["calendar"], starts["calendar"]),
        **_trained_on_book(config, cells, starts, chances),
        "gate_demo": _gate_demo(),
    }


def _network(activation, steepness, bias, gain):
    """Return o_t = f(k P (dinner_{t-1} + o_{t-1})) as a vanilla cell with its parameters."""
    from jax import numpy as jnp

    W = steepness * gain * jnp.asarray(rnnjax.decks.tasks.dinner.CYCLE, float)
    V, b, c = jnp.eye(3), jnp.full(3, bias), jnp.zeros(3)
    return rnnjax.Vanilla(3, 3, 3, activation=activation), rnnjax.cells.VanillaParams(W, W, b, V, c)


def _built_by_hand(config):
    import jax
    from jax import numpy as jnp

    found, gains = [], jnp.array(config.gains)
    for name in ("tanh", "sigmoid"):
        f, rows = rnnjax.activation_named(name), [r for n, *r in _SQUASHINGS.values() if n == name]
        of_row = jax.vmap(lambda row, gain, f=f: _unrolled(config, f, *row, gain), (None, 0))
        found.append(jax.vmap(of_row, (0, None))(jnp.array(rows), gains))
    o, log_margin, forgotten = (jnp.concatenate(parts) for parts in zip(*found, strict=True))
    return {
        "prediction": o[list(_SQUASHINGS).index("tanh(kz)")],
        "log_margin": log_margin[..., coordinates(config)["late_night"] - 1],
        "forgotten": forgotten,
    }


def _unrolled(config, activation, steepness, bias, bias_of_gain, gain):
    """Return o of two weeks after each dinner, ln(margin) of every night, and the first without.

    Away, a network has its last prediction for a result; after pizza, plain arithmetic is followed
    until nothing but rounding is left of the margin.
    """
    import jax
    from jax import numpy as jnp

    b = bias + bias_of_gain * gain
    cell, params = _network(activation, steepness, b, gain)
    away = jax.vmap(rnnjax.decks.Dinner(length=config.n_nights).away)(jnp.arange(3))
    o = jax.vmap(lambda x: rnnjax.outputs(cell, params, x))(away.x)
    right, of_pizza = away.y[0] > 0, o[0]
    value = jnp.sum(jnp.where(right, of_pizza, 0), -1)
    margin = value - jnp.max(jnp.where(right, -jnp.inf, of_pizza), -1)
    rounding = _N_ROUNDINGS * jnp.finfo(o.dtype).eps * jnp.max(jnp.abs(of_pizza), -1)
    log_margin = rnnjax.analysis.log_margins(activation, steepness * gain, b, config.n_nights)
    return o[:, :_N_UNROLLED], log_margin, _first(margin <= rounding)


def _first(wrong):
    """Return the first night that is wrong, infinite if none is."""
    from jax import numpy as jnp

    return jnp.where(wrong.any(-1), jnp.argmax(wrong, -1) + 1.0, jnp.inf)


def _trained(config, start, mean_loss):
    """Return parameters after full-batch training with Adam.

    Automatic differentiation of a scan is backpropagation through time. The rule `rnnjax.BPTT`
    gives the same, but its scaled numbers, which nothing here needs, compile for twice as long.
    """
    import jax
    import optax

    optimiser = optax.adam(config.learning_rate)

    def update(carry, _):
        params, state = carry
        updates, state = optimiser.update(jax.grad(mean_loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    carry = (start, optimiser.init(start))
    return jax.lax.scan(update, carry, None, length=config.n_updates)[0][0]


def _mean_loss(cell, task, batch):
    """Return the function of the parameters that gives the mean loss of the sequences."""
    import jax

    def of_params(params):
        of_one = jax.vmap(lambda one: rnnjax.sequence_loss(cell, task.loss, params, one))
        return of_one(batch).mean()

    return of_params


def _trained_on_dinners(config, cell, start):
    import jax
    from jax import numpy as jnp

    task = rnnjax.decks.Dinner(length=_N_TRAINING)
    params = _trained(config, start, _mean_loss(cell, task, task.every_sequence()))
    away = jax.vmap(rnnjax.decks.Dinner(length=config.n_nights).away)(jnp.arange(3))
    y = jax.vmap(lambda x: rnnjax.outputs(cell, params, x))(away.x)
    wrong = jnp.argmax(y, -1) != jnp.argmax(away.y, -1)
    return {
        "trained": jax.nn.softmax(y[:, :_N_UNROLLED]),
        "trained_wrong": jnp.min(_first(wrong)),
        "spectral_radius": jnp.exp(rnnjax.matrices.log_spectral_radius(params.W)),
    }


def _trained_on_calendar(config, cell, start):
    """Train the dense network that one step of a recurrent network is."""
    import jax
    from jax import numpy as jnp

    def answers(params, nights):
        steps = jax.vmap(lambda x: cell.step(params, cell.initial_state(), x))(nights.x[:, 0])
        return jax.vmap(lambda h: cell.readout(params, h))(steps)

    def of_inputs(yesterday):
        task = rnnjax.decks.DinnerCalendar(yesterday=yesterday)

        def mean_loss(params, nights):
            return jax.vmap(task.loss)(answers(params, nights), nights.y[:, 0]).mean()

        seen, nights = task.nights(every=7), task.nights()
        params = _trained(config, start, lambda params: mean_loss(params, seen))
        said = jnp.argmax(answers(params, nights), -1)
        return (said == jnp.argmax(nights.y[:, 0], -1)).mean(), mean_loss(params, nights)

    accuracy, loss = jax.vmap(of_inputs)(jnp.array([0.0, 1.0]))
    return {"calendar_accuracy": accuracy, "calendar_loss": loss}


def _trained_on_book(config, cells, starts, chances):
    import jax
    from jax import numpy as jnp

    task = rnnjax.decks.ChildrensBook(n_sentences=3)

    def of_cell(name, limited=lambda params: params):
        mean_loss = _mean_loss(cells[name], task, task.every_text())
        params = _trained(config, starts[name], lambda params: mean_loss(limited(params)))
        return limited(params), _read_and_written(config, cells[name], limited(params), chances)

    def of_plain(memory):
        return of_cell("vanilla", lambda params: params._replace(W=memory * params.W))[1]

    # Without recurrent weights the vanilla network sees one word.
    plain = jax.vmap(of_plain)(jnp.array([0.0, 1.0]))
    (_, of_gru), (params, of_lstm) = of_cell("GRU"), of_cell("LSTM")
    found = jax.tree.map(lambda two, *one: jnp.stack([*two, *one]), plain, of_gru, of_lstm)
    return {**found, "gate_value": _gates(cells["LSTM"], params, of_lstm["text"])}


def _read_and_written(config, cell, params, chances):
    import jax
    from jax import numpy as jnp

    task = rnnjax.decks.ChildrensBook(n_sentences=4)
    texts, stop = task.every_text(), task.n_x - 1
    y = jax.vmap(lambda x: rnnjax.outputs(cell, params, x))(texts.x)
    # The inputs are a full stop, X, "saw", a name, and so on.
    X, after_verb = texts.x[:, 1::4], jax.nn.softmax(y[:, 2::4])
    return {
        "book_loss": jax.vmap(jax.vmap(task.loss))(y, texts.y).mean(),
        "sees_itself": jnp.sum(X * after_verb, -1).mean(),
        "text": rnnjax.scan.generate(cell, params, stop, chances, config.rarest),
    }


def _gates(cell, params, text):
    import jax
    from jax import numpy as jnp

    x = jax.nn.one_hot(text[:_N_SHOWN], cell.n_x)
    h = rnnjax.unroll(cell, params, x).h_prev
    gates = jax.vmap(lambda h, x: cell.gates(params, h, x))(h, x)
    return jnp.stack([gates[name] for name in _GATES], 1)


def _gate_demo():
    """Return what is left of a memory behind forget gates that are open, half open and shut."""
    from jax import numpy as jnp

    opened, shut = 100.0, -100.0  # 1 and 0 to rounding
    b = jnp.array([shut] * 3 + [opened, 0.0, shut] + [0.0] * 6)
    W, U, V, c = jnp.zeros((12, 3)), jnp.zeros((12, 1)), jnp.zeros((1, 3)), jnp.zeros(1)
    memory = jnp.array([0.0, 0.0, 0.0, 0.8, 0.8, 0.8])
    return rnnjax.LSTM(1, 3).step(rnnjax.cells.GatedParams(W, U, b, V, c), memory, c)[3:]


def figure(cube):
    """Unrolled predictions; margins, sentences and losses; the gates of the LSTM over a text."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 6.4))
    rows = drawn.add_gridspec(3, 1, height_ratios=[0.6, 1.5, 1.4])
    middle = rows[1].subgridspec(1, 3, width_ratios=[2, 1, 1])
    strips = [drawn.add_subplot(place) for place in rows[0].subgridspec(1, 3)]
    margins, sentences, losses = (drawn.add_subplot(place) for place in middle)
    gates = drawn.add_subplot(rows[2])
    mesh = _draw_strips(strips, cube)
    drawn.colorbar(mesh, ax=strips, label="prediction", aspect=8, pad=0.01, ticks=[0, 0.5, 1])
    _draw_margins(margins, cube)
    _draw_sentences(sentences, cube)
    _draw_losses(losses, cube)
    drawn.colorbar(_draw_gates(gates, cube), ax=gates, label="gate", aspect=16, pad=0.01)
    rnnjax.figures.letter_panels([*strips, margins, sentences, losses, gates])
    return drawn


def _shade(ax, x, rows):
    """Draw numbers between 0 and 1 as a map, the first row on top."""
    extent = (x[0] - 0.5, x[-1] + 0.5, len(rows) - 0.5, -0.5)
    look = {"aspect": "auto", "interpolation": "none"}
    return ax.imshow(rows, vmin=0, vmax=1, extent=extent, **look)


def _draw_strips(axes, cube):
    gain, night = cube["gain"].values, cube["night"].values
    by_hand = cube["prediction"].isel(seed=0).sel(last_known="pizza")
    # One gain below 1 and one above, where there are such.
    shown = (int(np.argmin(np.abs(gain - near))) for near in (0.9, 2))
    strips = [(f"by hand, $k$ = {gain[i]:g}", by_hand.isel(gain=i)) for i in shown]
    strips.append(("trained", cube["trained"].isel(seed=0).sel(last_known="pizza")))
    for ax, (title, values) in zip(axes, strips, strict=True):
        mesh = _shade(ax, night, values.transpose("dinner", "night").values)
        ax.set(title=title, xlabel="night", xticks=[1, 5, 10, 15])
        ax.set_yticks(range(3), _DINNERS if ax is axes[0] else [""] * 3)
    return mesh


def _draw_margins(ax, cube):
    ordered = cube.sortby("gain").isel(seed=0).transpose("squashing", "late_night", "gain", ...)
    gain, (two_weeks, late) = ordered["gain"].values, ordered["late_night"].values
    margins = np.exp(ordered["log_margin"].values.astype(float))
    for name, of_one, colour in zip(ordered["squashing"].values, margins, _COLOURS, strict=True):
        ax.plot(gain, of_one[0], color=colour, linewidth=0.9, linestyle=_DASHED)
        ax.plot(gain, of_one[1], color=colour, label=str(name).replace("-", "\N{MINUS SIGN}"))
    ax.axvline(1, color="#d0d0d0", linewidth=0.6, zorder=0)
    ax.plot(gain, gain**two_weeks, color="#808080", linewidth=0.9, linestyle=":")
    for label, width, dashes in (
        (f"night {late}", 1.5, "-"),
        (f"night {two_weeks}", 0.9, _DASHED),
        (f"no squashing, night {two_weeks}", 0.9, ":"),
    ):
        ax.plot([], [], color="#404040", linewidth=width, linestyle=dashes, label=label)
    ax.set_xscale("log", base=2)
    ax.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    ax.set(xlabel="feedback gain $k$", ylabel="margin of the right dinner", ylim=(-0.03, 1.05))
    ax.legend(loc="center right", fontsize=7, handlelength=1.5, bbox_to_anchor=(1, 0.4))


def _draw_sentences(ax, cube):
    rates = [rnnjax.decks.sentences.mistake_rates(kinds) for kinds in _kinds(cube).values()]
    for shift, (kind, (label, marker, colour, chance)) in enumerate(_MISTAKES.items(), -1):
        ax.axhline(chance, color=colour, linewidth=0.8, linestyle=_DASHED)
        values = [of_cell[kind][0] for of_cell in rates]
        (dots,) = ax.plot(np.arange(len(rates)) + 0.2 * shift, values, marker, color=colour)
        dots.set(label=label, markersize=4)
    ax.set(ylabel="rate of mistakes", ylim=(-0.03, 0.85))
    _name_cells(ax, cube)
    ax.legend(loc="upper right", fontsize=7)


def _draw_losses(ax, cube):
    for n_before, label in ((1, "one word seen"), (2, "two words seen")):
        floor = rnnjax.decks.sentences.entropy(n_before)
        ax.axhline(floor, color="#404040", linewidth=0.8, linestyle=_DASHED)
        ax.text(3.45, floor + 0.015, label, ha="right", va="bottom", fontsize=7)
    losses = cube["book_loss"].transpose("cell", "seed").values
    ax.plot(losses, linestyle="", marker="o", markersize=4, color="#0072B2")
    ax.set(ylabel="cross-entropy (nat/word)", ylim=(0, 1.05))
    _name_cells(ax, cube)


def _name_cells(ax, cube):
    names = cube["cell"].values
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.5, len(names) - 0.5)


def _draw_gates(ax, cube):
    texts = _words(cube, "LSTM")[:, :_N_SHOWN]
    # The first text whose first words have all names: some have not.
    seed = int(np.argmax([len(set(text)) for text in texts]))
    gates = cube["gate_value"].isel(seed=seed).transpose("gate", "unit", "read").values
    mesh = _shade(ax, np.arange(_N_SHOWN), gates.reshape(-1, _N_SHOWN))
    for boundary in range(1, len(_GATES)):
        ax.axhline(boundary * gates.shape[1] - 0.5, color="white", linewidth=2)
    ax.set_xticks(range(_N_SHOWN), texts[seed], rotation=45, ha="right", rotation_mode="anchor")
    middles = (np.arange(len(_GATES)) + 0.5) * gates.shape[1] - 0.5
    ax.set_yticks(middles, [f"{gate} gate" for gate in _GATES])
    ax.set_xlabel("word read")
    ax.tick_params(length=0)
    return mesh


def _words(cube, cell):
    """Return the words that a cell wrote, (seed, word)."""
    written = cube["text"].sel(cell=cell).transpose("seed", "word").values
    return np.array(rnnjax.decks.sentences.WORDS)[written]


def _kinds(cube):
    """Count the sentences of each kind that each cell wrote, over all seeds."""
    counted = rnnjax.decks.sentences.count_kinds
    return {
        str(cell): sum((Counter(counted(list(text))) for text in _words(cube, cell)), Counter())
        for cell in cube["cell"].values
    }


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    parts = (_of_unrolling, _of_margins, _of_squashing, _of_training, _of_calendar, _of_book)
    rows = [row for of_part in parts for row in of_part(cube, config)]
    gap = np.max(np.abs(cube["gate_demo"].values - [0.8, 0.4, 0.0]))
    name = "(0.8, 0.8, 0.8) behind gates (1, 0.5, 0) minus (0.8, 0.4, 0), worst"
    return [rnnjax.Claim(*row) for row in [*rows, (name, gap, 0, 1e-6, f"{_ROHRER}; rounding")]]


def _of_unrolling(cube, config):
    """All gains and seeds, every dinner as the last known one."""
    values = cube["prediction"].transpose("seed", "gain", "last_known", "night", "dinner").values
    said, night = np.argmax(values, -1), cube["night"].values
    wrong = said != (np.arange(3)[:, None] + night) % 3
    told = f"{_ROHRER}: pizza, sushi, waffles, pizza"
    rows = [
        ("dinner from last night's, wrong", wrong[..., 0].sum(), 0),
        ("dinner from that of two nights ago, wrong", wrong[..., 1].sum(), 0),
        ("dinners of nights 1 to 16 away, wrong", wrong.sum(), 0),
        ("14 missed nights after pizza: share of pizza", np.mean(said[:, :, 0, 14] == 0), 1),
    ]
    return [(*row, 0, told) for row in rows]


def _of_margins(cube, config):
    """The margin of tanh is the state of a one-neuron chain whose recurrent weight is k."""
    margins = cube["log_margin"].isel(seed=0).sel(squashing="tanh(kz)").transpose("gain", ...)
    rows, off = [], []
    for (at_gain, at_night), log_margin in np.ndenumerate(margins.values.astype(float)):
        k, n = margins["gain"].values[at_gain], int(margins["late_night"].values[at_night])
        off.append(abs(log_margin - math.log(_one_neuron(k, n))))
        if k in _MARGINS and n in (15, 200):
            text = _MARGINS[k][n == 200]
            expected, last_place = float(text), 10.0 ** Decimal(text).as_tuple().exponent
            slack = last_place / 2 / expected / math.log(10)
            name = f"tanh, gain {k:g}: log10 margin on night {n}"
            decades = log_margin / math.log(10), math.log10(expected)
            rows.append((name, *decades, slack, f"{_CHAIN}: {text}"))
    name = "tanh: ln margin against one neuron with w_n = k, worst"
    return [*rows, (name, max(off), 0, 1e-3, f"{_CHAIN}; tolerance: rounding")]


def _one_neuron(w_n, n_steps):
    m = 1.0
    for _ in range(n_steps):
        m = math.tanh(w_n * m)
    return m


def _of_squashing(cube, config):
    """What keeps a margin, and what loses it."""
    at = cube.isel(seed=0).transpose("squashing", "gain", "late_night", ...)
    gain, (two_weeks, late) = at["gain"].values, at["late_night"].values
    tanh, logistic = (at.sel(squashing=f"{name}(kz)") for name in ("tanh", "logistic"))
    early, last = logistic["log_margin"].values.astype(float).T
    rate = np.max(last - early) / (late - two_weeks)
    name = "logistic(kz): ln margin a night, most at any gain"
    told = "slope at the fixed point is at most W(1/e), closed form; tolerance: transient"
    rows = [(name, rate, math.log(_STEEPEST), 1e-3, told, "at_most")]
    if (usual := (gain >= 0.9) & (gain <= 4.5)).any():
        name = "logistic(kz), gain 0.9 to 4.5: last night with any margin"
        night = logistic["forgotten"].values[usual].max() - 1
        rows.append((name, night, 60, 0, "every start goes to one fixed point", "at_most"))
    if (gain == 1).any():
        name = "logistic(6z - 3): margin on late nights, least"
        least = at["log_margin"].sel(squashing="logistic(6kz - 3)", gain=1.0).values.min()
        told = "root of m = tanh(1.5 m): logistic(6z - 3) is tanh about 1/2"
        rows.append((name, math.exp(least), 0.859, 5e-4, told))
    if (gain > 1).any():
        name = "tanh, gain above 1: first night forgotten, least"
        night = tanh["forgotten"].values[gain > 1].min()
        told = "m = tanh(k m) has a stable root m > 0 for k > 1"
        rows.append((name, night, config["n_nights"], 0, told, "at_least"))
    return rows


def _of_training(cube, config):
    pizza = cube["trained"].sel(last_known="pizza", dinner="pizza", night=15).min()
    rows = [
        ("first night that is wrong", cube["trained_wrong"].min(), config["n_nights"], 0, _ROHRER),
        ("probability of pizza after 14 missed nights", pizza, 1, 0.1, _ROHRER),
        ("spectral radius of W", cube["spectral_radius"].min(), 1, 0, "memory needs gain above 1"),
    ]
    return [(f"trained: {name}, least", *row, "at_least") for name, *row in rows]


def _of_calendar(cube, config):
    blind, seeing = (cube.sel(inputs=name) for name in _INPUTS)
    off = np.max(np.abs(blind["calendar_accuracy"].values - 1 / 3))
    loss, right = blind["calendar_loss"].min(), seeing["calendar_accuracy"].min()
    name = "from weekday, month and meeting: "
    told = "365, 7 and 3 coprime: all dates and weekdays meet all dinners; tolerance: "
    return [
        (f"{name}|accuracy - 1/3|, worst", off, 0, 1e-3, f"{told}near ties"),
        (f"{name}cross-entropy, least", loss, math.log(3), 1e-5, f"{told}rounding", "at_least"),
        ("with last night's dinner: accuracy, least", right, 1, 0, _ROHRER),
    ]


def _of_book(cube, config):
    kinds, rows = _kinds(cube), []
    for cell in map(str, cube["cell"].values):
        n_before, formula = (1, "ln(6)/2") if cell == "one word" else (2, "ln(3)/4")
        floor = rnnjax.decks.sentences.entropy(n_before)
        loss, itself = (cube[name].sel(cell=cell) for name in ("book_loss", "sees_itself"))
        told = f"entropy of the book, counted: {formula}"
        rows.append((f"{cell}: loss, least", loss.min(), floor, 1e-5, told, "at_least"))
        rows.append((f"{cell}: loss, most", loss.max(), floor, 0.01, told, "at_most"))
        if cell != "one word" and config["rarest"] > 0:
            n, told = kinds[cell].total(), f"words below {config['rarest']:g} are not written"
            name, wrong = (
                f"{cell}: not in the book, of {n} sentences",
                n - kinds[cell]["in the book"],
            )
            rows.append((name, wrong, 0, 0, f"{_ROHRER}; {told}"))
            rows.append(
                (f"{cell}: chance of X after 'X saw', most", itself.max(), 0, 0.01, _ROHRER)
            )
    told = "chain with the odds of the book"
    itself = cube["sees_itself"].sel(cell="one word").mean()
    rows.append(("one word: chance of X after 'X saw'", itself, 1 / 3, 0.01, told))
    for kind, (rate, n) in rnnjax.decks.sentences.mistake_rates(kinds["one word"]).items():
        label, *_, chance = _MISTAKES[kind]
        slack = 4 * math.sqrt(chance * (1 - chance) / max(1, n))
        errors = f"{told}; tolerance: 4 standard errors"
        rows.append((f"one word: rate of '{label}'", rate, chance, slack, errors))
    return rows
