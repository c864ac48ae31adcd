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

import math
from collections import Counter
from decimal import Decimal
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.decks import sentences
from rnnjax.figures import BLUE, GREEN, PINK, VERMILION, Look
from rnnjax.lazy import jax, jnp, optax
from rnnjax.reductions import largest, smallest
from rnnjax.sweep import Traced, Variable
from rnnjax.sweep.axes import check_values, expand

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
_INPUTS = ("calendar", "calendar and last night")
_CELLS = ("one word", "vanilla", "GRU", "LSTM")
_GATES = ("forget", "input", "output")
_N_SHOWN = 20  # words
_DASHED = (0, (3, 1.5))
# By kind of sentence; the rates are those of one who writes by the odds of single words.
_MISTAKES = {
    "sees itself": Look("X saw X.", VERMILION, "D"),
    "runs on": Look("X saw Y saw Z ...", BLUE, "^"),
    "fragment": Look("X.", GREEN, "o"),
}
_RATES = {"sees itself": 1 / 3, "runs on": 1 / 4, "fragment": 1 / 2}
Gains = Annotated[tuple[PositiveFloat, ...], BeforeValidator(expand), AfterValidator(check_values)]


class Setting(sweep.Setting):
    """What is built by hand, and how the others are trained."""

    seed: Traced[int] = Field(0, description="of initial weights and of the choice of words")
    gains: Gains = Field(
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
    axes = ("seed",)


def coordinates(setting):
    """Names and numbers of what is measured."""
    return {
        "gain": np.array(setting.gains),
        "squashing": np.array(list(_SQUASHINGS)),
        "night": np.arange(1, _N_UNROLLED + 1),
        "late_night": np.array([_N_UNROLLED - 1, setting.n_nights]),
        "last_known": np.array(_DINNERS),
        "dinner": np.array(_DINNERS),
        "inputs": np.array(_INPUTS),
        "cell": np.array(_CELLS),
        "word": np.arange(setting.n_words),
        "read": np.arange(_N_SHOWN),
        "gate": np.array(_GATES),
        "unit": np.arange(setting.n_h),
        "entry": np.arange(3),
    }


def variables(setting):
    """What is measured for every seed; what is built by hand is the same for all of them."""
    by_gain, never, inputs = ("squashing", "gain"), f"if none of {setting.n_nights}", ("inputs",)
    margin, none = "natural log of right dinner minus best other one", "no margin but rounding"
    unrolled, texts = ("last_known", "night", "dinner"), "texts of 4 sentences"
    return {
        "prediction": Variable(("gain", *unrolled), "o_t of f = tanh"),
        "log_margin": Variable((*by_gain, "late_night"), margin, "nat"),
        "forgotten": Variable(
            by_gain, f"first night with {none}; beyond {never}", "night", "beyond"
        ),
        "trained": Variable(unrolled, "probability, after training"),
        "trained_wrong": Variable((), f"first night wrong; beyond {never}", "night", "beyond"),
        "spectral_radius": Variable((), "largest |eigenvalue| of W after training on dinners"),
        "calendar_accuracy": Variable(inputs, "share of the nights of 21 years"),
        "calendar_loss": Variable(inputs, "cross-entropy over these nights", "nat"),
        "book_loss": Variable(("cell",), f"cross-entropy over all {texts}", "nat/word"),
        "sees_itself": Variable(("cell",), f"probability of X after 'X saw' in all {texts}"),
        "text": Variable(("cell", "word"), "words written: 0..4 for Doug, Jane, Spot, saw, stop"),
        "gate_value": Variable(("read", "gate", "unit"), "gates of the LSTM as it reads its text"),
        "gate_demo": Variable(("entry",), "memory 0.8, 0.8, 0.8 behind forget gates 1, 0.5, 0"),
    }


def _cells(setting):
    n_words, n_inputs = len(sentences.WORDS), decks.DinnerCalendar.n_x
    return {
        "dinner": rnnjax.Vanilla(3, 3, 3),
        "calendar": rnnjax.Vanilla(n_inputs, 8, 3),
        "vanilla": rnnjax.Vanilla(n_words, setting.n_h, n_words),
        "GRU": rnnjax.GRU(n_words, setting.n_h, n_words),
        "LSTM": rnnjax.LSTM(n_words, setting.n_h, n_words),
    }


def shared(setting):
    """The initial weights of all networks, and the chances by which they choose words."""
    key, cells = jax.random.key(setting.seed), _cells(setting)
    key_weights, key_words = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    starts = rnnjax.cells.initial_weights.of_cells(key_weights, list(cells.values()))
    chances = jax.random.uniform(key_words, (setting.n_words,))
    return dict(zip(cells, starts, strict=True)), chances


def measure(setting, shared):
    """Unroll the network built by hand; train the others on dinners, a calendar and a book."""
    starts, chances = shared
    cells = _cells(setting)
    return {
        **_built_by_hand(setting),
        **_on_dinners(setting, cells["dinner"], starts["dinner"]),
        **_on_calendar(setting, cells["calendar"], starts["calendar"]),
        **_on_book(setting, cells, starts, chances),
        "gate_demo": decks.by_hand.forgotten(),
    }


def _built_by_hand(setting):
    found, gains = [], jnp.array(setting.gains)
    for name in ("tanh", "sigmoid"):
        f, rows = rnnjax.activation_named(name), [r for n, *r in _SQUASHINGS.values() if n == name]

        def unrolled(row, gain, f=f):
            steepness, bias, of_gain = row
            b = bias + of_gain * gain
            o, *rest = decks.by_hand.away(f, steepness * gain, b, setting.n_nights)
            return o[:, :_N_UNROLLED], *rest

        over_gains = jax.vmap(unrolled, (None, 0))
        found.append(jax.vmap(over_gains, (0, None))(jnp.array(rows), gains))
    o, log_margin, forgotten = (jnp.concatenate(parts) for parts in zip(*found, strict=True))
    return {
        "prediction": o[list(_SQUASHINGS).index("tanh(kz)")],
        "log_margin": log_margin[..., coordinates(setting)["late_night"] - 1],
        "forgotten": forgotten,
    }


def _trained(setting, start, mean_loss):
    """The parameters after full-batch training with Adam."""
    adam = optax.adam(setting.learning_rate)
    return rnnjax.updates.minimise(mean_loss, start, adam, n_updates=setting.n_updates)[0]


def _mean_loss(cell, task, batch):
    def of_params(params):
        of_one = jax.vmap(lambda one: rnnjax.sequence_loss(cell, task.loss, params, one))
        return of_one(batch).mean()

    return of_params


def _outputs(cell, params, x):
    return jax.vmap(lambda x: rnnjax.outputs(cell, params, x))(x)


def _on_dinners(setting, cell, start):
    task = decks.Dinner(length=_N_TRAINING)
    params = _trained(setting, start, _mean_loss(cell, task, task.every_sequence()))
    away = jax.vmap(decks.Dinner(length=setting.n_nights).away)(jnp.arange(3))
    y = _outputs(cell, params, away.x)
    wrong = jnp.argmax(y, -1) != jnp.argmax(away.y, -1)
    return {
        "trained": jax.nn.softmax(y[:, :_N_UNROLLED]),
        "trained_wrong": jnp.min(decks.by_hand.first_night(wrong)),
        "spectral_radius": jnp.exp(rnnjax.matrices.log_spectral_radius(params.W)),
    }


def _on_calendar(setting, cell, start):
    """Train the dense network that one step of a recurrent network is."""

    def answers(params, nights):
        steps = jax.vmap(lambda x: cell.step(params, cell.initial_state(), x))(nights.x[:, 0])
        return jax.vmap(lambda h: cell.readout(params, h))(steps)

    def of_inputs(yesterday):
        task = decks.DinnerCalendar(yesterday=yesterday)

        def mean_loss(params, nights):
            return jax.vmap(task.loss)(answers(params, nights), nights.y[:, 0]).mean()

        seen, nights = task.nights(every=7), task.nights()
        params = _trained(setting, start, lambda params: mean_loss(params, seen))
        said = jnp.argmax(answers(params, nights), -1)
        return (said == jnp.argmax(nights.y[:, 0], -1)).mean(), mean_loss(params, nights)

    accuracy, loss = jax.vmap(of_inputs)(jnp.array([0.0, 1.0]))
    return {"calendar_accuracy": accuracy, "calendar_loss": loss}


def _on_book(setting, cells, starts, chances):
    task = decks.ChildrensBook(n_sentences=3)

    def of_cell(name, limited=lambda params: params):
        mean_loss = _mean_loss(cells[name], task, task.every_text())
        params = _trained(setting, starts[name], lambda params: mean_loss(limited(params)))
        return limited(params), _read_and_written(setting, cells[name], limited(params), chances)

    def of_plain(memory):
        return of_cell("vanilla", lambda params: params._replace(W=memory * params.W))[1]

    # Without recurrent weights the vanilla network sees one word.
    plain = jax.vmap(of_plain)(jnp.array([0.0, 1.0]))
    (_, of_gru), (params, of_lstm) = of_cell("GRU"), of_cell("LSTM")
    found = jax.tree.map(lambda two, *one: jnp.stack([*two, *one]), plain, of_gru, of_lstm)
    return {**found, "gate_value": _gates(cells["LSTM"], params, of_lstm["text"])}


def _read_and_written(setting, cell, params, chances):
    task = decks.ChildrensBook(n_sentences=4)
    texts, stop = task.every_text(), task.n_x - 1
    y = _outputs(cell, params, texts.x)
    # The inputs are a full stop, X, "saw", a name, and so on.
    X, after_verb = texts.x[:, 1::4], jax.nn.softmax(y[:, 2::4])
    return {
        "book_loss": jax.vmap(jax.vmap(task.loss))(y, texts.y).mean(),
        "sees_itself": jnp.sum(X * after_verb, -1).mean(),
        "text": rnnjax.scan.generate(cell, params, stop, chances, setting.rarest),
    }


def _gates(cell, params, text):
    x = jax.nn.one_hot(text[:_N_SHOWN], cell.n_x)
    h = rnnjax.unroll(cell, params, x).h_prev
    gates = jax.vmap(lambda h, x: cell.gates(params, h, x))(h, x)
    return jnp.stack([gates[name] for name in _GATES], 1)


def figure(cube):
    """Unrolled predictions; margins, sentences and losses; the gates of the LSTM over a text."""
    frame = figures.Frame(
        height=6.4, layout="aaaabbbbcccc;ddddddeeefff;gggggggggggg", height_ratios=[0.6, 1.5, 1.4]
    )
    *strips, margins, kinds, losses, gates = frame.panels
    image = _draw_strips(strips, cube)
    bar = {"pad": 0.01, "label": "prediction", "aspect": 8, "ticks": [0, 0.5, 1]}
    frame.figure.colorbar(image, ax=strips, **bar)
    _draw_margins(margins, cube.sortby("gain").isel(seed=0))
    _draw_kinds(kinds, cube)
    _draw_losses(losses, cube)
    image = _draw_gates(gates, cube)
    frame.figure.colorbar(image, ax=gates, label="gate", aspect=16, pad=0.01)
    return frame.finished()


def _shade(panel, x, rows):
    """Numbers between 0 and 1 as a map, the first row on top."""
    extent = (x[0] - 0.5, x[-1] + 0.5, len(rows) - 0.5, -0.5)
    look = {"aspect": "auto", "interpolation": "none"}
    return panel.imshow(rows, vmin=0, vmax=1, extent=extent, **look)


def _draw_strips(panels, cube):
    first, gain = cube.isel(seed=0).sel(last_known="pizza"), cube["gain"].values
    # One gain below 1 and one above, where there are such.
    shown = (int(np.argmin(np.abs(gain - near))) for near in (0.9, 2))
    strips = [(f"by hand, $k$ = {gain[i]:g}", first["prediction"].isel(gain=i)) for i in shown]
    strips.append(("trained", first["trained"]))
    for panel, (title, values) in zip(panels, strips, strict=True):
        image = _shade(panel, values["night"].values, values.transpose("dinner", "night").values)
        panel.set(title=title, xlabel="night", xticks=[1, 5, 10, 15])
        figures.ticks(panel, "y", range(3), _DINNERS if panel is panels[0] else [""] * 3)
    return image


def _draw_margins(panel, one):
    margins, (two_weeks, late) = np.exp(one["log_margin"].astype(float)), one["late_night"].values
    for name, colour in zip(_SQUASHINGS, (BLUE, PINK, GREEN, VERMILION), strict=True):
        looks = {two_weeks: Look("", colour, "", _DASHED), late: Look(name, colour)}
        figures.curves(
            panel, margins.sel(squashing=name), over="gain", each="late_night", looks=looks
        )
    figures.level(panel, x=1)
    panel.plot(one["gain"], one["gain"] ** two_weeks, color="#808080", linewidth=0.9, linestyle=":")
    for label, dashes in ((f"night {late}", "-"), (f"night {two_weeks}", _DASHED),
                          (f"no squashing, night {two_weeks}", ":")):  # fmt: skip
        panel.plot([], [], **Look(label, "#404040", "", dashes).line(label=label, linewidth=0.9))
    panel.set_xscale("log", base=2)
    figures.ticks(panel, "x", [0.5, 1, 2, 4])
    panel.set(xlabel="feedback gain $k$", ylabel="margin of the right dinner", ylim=(-0.03, 1.05))
    panel.legend(loc="center right", fontsize=7, handlelength=1.5, bbox_to_anchor=(1, 0.4))


def _draw_kinds(panel, cube):
    rates = [sentences.mistake_rates(_kinds(cube, cell)) for cell in cube["cell"].values]
    for shift, (kind, look) in enumerate(_MISTAKES.items(), -1):
        panel.axhline(_RATES[kind], color=look.colour, linewidth=0.8, linestyle=_DASHED)
        places, values = np.arange(len(rates)) + 0.2 * shift, [rate[kind][0] for rate in rates]
        panel.plot(places, values, label=look.label, **look.dots(markersize=4))
    panel.set(ylabel="rate of mistakes", ylim=(-0.03, 0.85))
    _name_cells(panel, cube)
    panel.legend(loc="upper right", fontsize=7)


def _draw_losses(panel, cube):
    for n_before, label in ((1, "one word seen"), (2, "two words seen")):
        floor = sentences.entropy(n_before)
        panel.axhline(floor, color="#404040", linewidth=0.8, linestyle=_DASHED)
        panel.text(3.45, floor + 0.015, label, ha="right", va="bottom", fontsize=7)
    panel.plot(
        cube["book_loss"].transpose("cell", "seed"), **Look("", BLUE, "o").dots(markersize=4)
    )
    panel.set(ylabel="cross-entropy (nat/word)", ylim=(0, 1.05))
    _name_cells(panel, cube)


def _name_cells(panel, cube):
    names = cube["cell"].values
    figures.ticks(panel, "x", range(len(names)), names, rotation=30, ha="right",
                  rotation_mode="anchor")  # fmt: skip
    panel.set_xlim(-0.5, len(names) - 0.5)


def _draw_gates(panel, cube):
    texts = _words(cube, "LSTM")[:, :_N_SHOWN]
    # The first text whose first words have all names: some have not.
    seed = int(np.argmax([len(set(text)) for text in texts]))
    gates = cube["gate_value"].isel(seed=seed).transpose("gate", "unit", "read").values
    n_units = gates.shape[1]
    image = _shade(panel, np.arange(_N_SHOWN), gates.reshape(-1, _N_SHOWN))
    for boundary in range(1, len(_GATES)):
        panel.axhline(boundary * n_units - 0.5, color="white", linewidth=2)
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    figures.ticks(panel, "x", range(_N_SHOWN), texts[seed], **turned)
    middles = (np.arange(len(_GATES)) + 0.5) * n_units - 0.5
    figures.ticks(panel, "y", middles, [f"{gate} gate" for gate in _GATES])
    panel.set_xlabel("word read")
    panel.tick_params(length=0)
    return image


def _words(cube, cell):
    """The words that a cell wrote, (seed, word)."""
    text = cube["text"]
    written = text.sel(cell=cell) if "cell" in text.dims else text
    return np.array(sentences.WORDS)[written.transpose("seed", "word").values]


def _kinds(cube, cell=""):
    """The number of sentences of each kind that a cell wrote, over all seeds."""
    return sum((Counter(sentences.count_kinds(list(t))) for t in _words(cube, cell)), Counter())


_ROHRER = "B. Rohrer, How RNNs and LSTM work, e2eml.school, 2017"
_CHAIN = "one neuron, m = tanh(k m) from m = 1, in double precision"
_ODDS = "chain with the odds of the book"
_COPRIME = "365, 7 and 3 coprime: all dates and weekdays meet all dinners; tolerance: "
# Lambert's W(1/e): (1 - r) logit(r), the slope of logistic(k z) at its fixed point, is never more.
_STEEPEST = 0.2784645427610738
# Margins of tanh on nights 15 and 200 by gain, each right to half a unit in its last place.
_MARGINS = {0.5: ("2.8e-5", "6e-61"), 0.9: ("0.106", "4e-10"), 1.0: ("0.298", "0.086"),
            1.1: ("0.513", "0.503"), 2.0: ("0.958", "0.958")}  # fmt: skip


def _said(cube):
    """What is said and whether it is wrong, (seed, gain, last known, night)."""
    values = cube["prediction"].transpose("seed", "gain", "last_known", "night", "dinner").values
    said = np.argmax(values, -1)
    return said, said != (np.arange(3)[:, None] + cube["night"].values) % 3


def _known_margins(cube):
    """The gains and nights of `_MARGINS`, in log10, with half a unit of the last place."""
    cases = []
    for gain, texts in _MARGINS.items():
        for night, text in zip((15, 200), texts, strict=True):
            expected, last_place = float(text), 10.0 ** Decimal(text).as_tuple().exponent
            slack = last_place / 2 / expected / math.log(10)
            cases.append({"gain": gain, "late_night": night, "text": text,
                          "expected": math.log10(expected), "slack": slack})  # fmt: skip
    return cases


def _off_the_chain(one):
    """The largest distance of ln margins from those of one neuron with w_n = k."""
    logs, off = one["log_margin"].transpose("gain", "late_night"), []
    for (at_gain, at_night), log_margin in np.ndenumerate(logs.values.astype(float)):
        m, k = 1.0, logs["gain"].values[at_gain]
        for _ in range(int(logs["late_night"].values[at_night])):
            m = math.tanh(k * m)
        off.append(abs(log_margin - math.log(m)))
    return max(off)


def _rate(one):
    """The largest growth of ln margin a night."""
    logs = one["log_margin"].astype(float)
    nights = one["late_night"].values
    return largest(logs.isel(late_night=1) - logs.isel(late_night=0)) / (nights[1] - nights[0])


def _wrong_kinds(one, cell):
    kinds = _kinds(one, cell)
    return kinds.total() - kinds["in the book"]


def _mistakes(one, kind):
    """The rate of a kind of mistake of the network that sees one word."""
    return sentences.mistake_rates(_kinds(one))[kind][0]


def _errors_of(one, kind):
    """Four standard errors of this rate."""
    n = sentences.mistake_rates(_kinds(one))[kind][1]
    return 4 * math.sqrt(_RATES[kind] * (1 - _RATES[kind]) / max(1, n))


_ENTROPY = "entropy of the book, counted: {formula}"
_SEEN = ({"cell": "one word", "n": 1, "formula": "ln(6)/2"},
         {"cell": "vanilla", "n": 2, "formula": "ln(3)/4"},
         {"cell": "GRU", "n": 2, "formula": "ln(3)/4"},
         {"cell": "LSTM", "n": 2, "formula": "ln(3)/4"})  # fmt: skip
CLAIMS = (
    # All gains and seeds, every dinner as the last known one.
    Group((
        Row("dinner from last night's, wrong", lambda cube: _said(cube)[1][..., 0].sum(), equals=0),
        Row("dinner from that of two nights ago, wrong",
            lambda cube: _said(cube)[1][..., 1].sum(), equals=0),
        Row("dinners of nights 1 to 16 away, wrong", lambda cube: _said(cube)[1].sum(), equals=0),
        Row("14 missed nights after pizza: share of pizza",
            lambda cube: np.mean(_said(cube)[0][:, :, 0, 14] == 0), equals=1),
    ), source=f"{_ROHRER}: pizza, sushi, waffles, pizza"),
    Group((
        Row("tanh, gain {gain:g}: log10 margin on night {late_night}",
            lambda one: one["log_margin"].item() / math.log(10), for_each=_known_margins,
            equals="expected", tolerance="slack", source=f"{_CHAIN}: {{text}}"),
        Row("tanh: ln margin against one neuron with w_n = k, worst", _off_the_chain, equals=0,
            tolerance=1e-3, source=f"{_CHAIN}; tolerance: rounding"),
        Row("tanh, gain above 1: first night forgotten, least",
            lambda one: smallest(one["forgotten"]), at={"gain": lambda gain: gain > 1},
            at_least=lambda one: one.setting.n_nights,
            source="m = tanh(k m) has a stable root m > 0 for k > 1"),
    ), part=lambda cube: cube.isel(seed=0), at={"squashing": "tanh(kz)"}),
    Group((
        Row("logistic(kz): ln margin a night, most at any gain", _rate,
            at={"squashing": "logistic(kz)"}, at_most=math.log(_STEEPEST), tolerance=1e-3,
            source="slope at the fixed point is at most W(1/e), closed form; tolerance: transient"),
        Row("logistic(kz), gain 0.9 to 4.5: last night with any margin",
            lambda one: largest(one["forgotten"]) - 1, at_most=60,
            at={"squashing": "logistic(kz)", "gain": lambda gain: (gain >= 0.9) & (gain <= 4.5)},
            source="every start goes to one fixed point"),
        Row("logistic(6z - 3): margin on late nights, least",
            lambda one: math.exp(smallest(one["log_margin"])), equals=0.859, tolerance=5e-4,
            at={"squashing": "logistic(6kz - 3)", "gain": 1.0},
            source="root of m = tanh(1.5 m): logistic(6z - 3) is tanh about 1/2"),
    ), part=lambda cube: cube.isel(seed=0)),
    Row("trained: first night that is wrong, least", lambda cube: smallest(cube["trained_wrong"]),
        at_least=lambda cube: cube.setting.n_nights, source=_ROHRER),
    Row("trained: probability of pizza after 14 missed nights, least", lambda cube: smallest(
        cube["trained"].sel(last_known="pizza", dinner="pizza", night=15)), at_least=1,
        tolerance=0.1, source=_ROHRER),
    Row("trained: spectral radius of W, least", lambda cube: smallest(cube["spectral_radius"]),
        at_least=1, source="memory needs gain above 1"),
    Row("from weekday, month and meeting: |accuracy - 1/3|, worst",
        lambda one: largest(abs(one["calendar_accuracy"] - 1 / 3)), at={"inputs": _INPUTS[0]},
        equals=0, tolerance=1e-3, source=f"{_COPRIME}near ties"),
    Row("from weekday, month and meeting: cross-entropy, least",
        lambda one: smallest(one["calendar_loss"]), at={"inputs": _INPUTS[0]},
        at_least=math.log(3), tolerance=1e-5, source=f"{_COPRIME}rounding"),
    Row("with last night's dinner: accuracy, least",
        lambda one: smallest(one["calendar_accuracy"]), at={"inputs": _INPUTS[1]}, at_least=1,
        source=_ROHRER),
    Group((
        Row("{cell}: loss, least", lambda one: smallest(one["book_loss"]), tolerance=1e-5,
            at_least=lambda one, n: sentences.entropy(n), source=_ENTROPY),
        Row("{cell}: loss, most", lambda one: largest(one["book_loss"]), tolerance=0.01,
            at_most=lambda one, n: sentences.entropy(n), source=_ENTROPY),
    ), for_each=_SEEN),
    Group((
        Row(lambda one, cell: f"{cell}: not in the book, of {_kinds(one).total()} sentences",
            _wrong_kinds, equals=0,
            source=f"{_ROHRER}; words below {{cube.setting.rarest:g}} are not written"),
        Row("{cell}: chance of X after 'X saw', most", lambda one: largest(one["sees_itself"]),
            equals=0, tolerance=0.01, source=_ROHRER),
    ), for_each={"cell": _CELLS[1:]}, when=lambda one: one.setting.rarest > 0),
    Group((
        Row("one word: chance of X after 'X saw'", lambda one: one["sees_itself"].mean(),
            equals=1 / 3, tolerance=0.01, source=_ODDS),
        Row(lambda one, kind: f"one word: rate of '{_MISTAKES[kind].label}'", _mistakes,
            equals=lambda one, kind: _RATES[kind], tolerance=_errors_of,
            for_each={"kind": tuple(_MISTAKES)}, source=f"{_ODDS}; tolerance: 4 standard errors"),
    ), at={"cell": "one word"}),
    Row("(0.8, 0.8, 0.8) behind gates (1, 0.5, 0) minus (0.8, 0.4, 0), worst",
        lambda cube: np.max(np.abs(cube["gate_demo"].values - [0.8, 0.4, 0.0])), equals=0,
        tolerance=1e-6, source=f"{_ROHRER}; rounding"),
)  # fmt: skip
