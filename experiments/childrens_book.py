"""How many words must a network remember to write a children's book about who saw whom?

Command:   rnnjax run childrens_book
Run time:  about 30 seconds on 2 cores, compiling included.
Figure:    "Doug saw Jane." "Jane saw Spot." "Spot saw Doug." follow each other at random. a: rates
           of three mistakes in what networks write that were trained on this book; dashed: rates of
           a writer that knows one word back. b: their cross-entropy, a dot a seed; dashed: entropy
           of the book, given one word or two. c: the gates of the LSTM along its own text, a row a
           unit.
Source:    Brandon Rohrer, How recurrent neural networks and long short-term memory work,
           e2eml.school, 2017, on which the slides "RNN" (C. Yuan, 2022) draw: "Continous with
           LSTM".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax import decks, figures, sweep
from rnnjax.claims import Group, Row, every_run
from rnnjax.decks import sentences
from rnnjax.figures import BLUE, GREEN, THEORY, VERMILION, Look
from rnnjax.lazy import jax, jnp, matplotlib, optax, xr
from rnnjax.sweep import Traced, Variable

_CELLS = ("one word", "vanilla", "GRU", "LSTM")
_GATES = ("forget", "input", "output")
_N_SHOWN = 20  # words
_LEVEL = {"dashes": (0, (3, 1.5)), "linewidth": 0.8}
_MISTAKES = {
    "sees itself": Look("X saw X.", VERMILION, "D", size=4),
    "runs on": Look("X saw Y saw Z ...", BLUE, "^", size=4),
    "fragment": Look("X.", GREEN, "o", size=4),
}


class Setting(sweep.Setting):
    """Which networks read the book, and how much they write."""

    seed: Traced[int] = Field(0, description="of initial weights and of the choice of words")
    n_h: int = Field(8, ge=1, le=256, description="units of the networks")
    n_updates: int = Field(1000, ge=1, le=10**6, description="updates of every training")
    learning_rate: PositiveFloat = Field(0.05, description="of Adam")
    n_words: int = Field(4000, ge=100, le=10**6, description="words that every network writes")
    rarest: float = Field(0.01, ge=0, le=0.2, description="less probable words are not written")
    axes = ("seed",)


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Networks, words, gates and units."""
    return {
        "cell": np.array(_CELLS),
        "word": np.arange(setting.n_words),
        "read": np.arange(_N_SHOWN),
        "gate": np.array(_GATES),
        "unit": np.arange(setting.n_h),
        "entry": np.arange(3),
    }


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured for every seed."""
    texts = "texts of 4 sentences"
    return {
        "book_loss": Variable(("cell",), f"cross-entropy over all {texts}", "nat/word"),
        "sees_itself": Variable(("cell",), f"probability of X after 'X saw' in all {texts}"),
        "text": Variable(("cell", "word"), "words written: 0..4 for Doug, Jane, Spot, saw, stop"),
        "gate_value": Variable(("read", "gate", "unit"), "gates of the LSTM as it reads its text"),
        "gate_demo": Variable(("entry",), "memory 0.8, 0.8, 0.8 behind forget gates 1, 0.5, 0"),
    }


def shared(setting: Setting) -> Any:
    """The initial weights of all networks, and the chances by which they choose words."""
    key = jax.random.key(setting.seed)
    key_weights, key_words = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    cells = decks.book_networks.cells(setting.n_h)
    starts = rnnjax.cells.initial_weights.of_cells(key_weights, cells)
    return starts, jax.random.uniform(key_words, (setting.n_words,))


def measure(setting: Setting, shared: Any) -> dict[str, jax.Array]:
    """Let networks read the book and write, and follow the gates of the LSTM along its text."""
    networks, ((of_vanilla, of_gru, of_lstm), chances) = decks.book_networks, shared
    (vanilla, gru, lstm), adam = networks.cells(setting.n_h), optax.adam(setting.learning_rate)

    def on_book(cell: Any, start: Any, memory: Any = 1.0) -> Any:
        params = networks.trained(cell, start, adam, setting.n_updates, memory)
        return params, networks.read_and_written(cell, params, chances, setting.rarest)

    # Without recurrent weights the vanilla network sees one word.
    without_and_with = jax.vmap(lambda memory: on_book(vanilla, of_vanilla, memory)[1])
    plain = without_and_with(jnp.array([0.0, 1.0]))
    (_, by_gru), (params, by_lstm) = on_book(gru, of_gru), on_book(lstm, of_lstm)
    found = jax.tree.map(lambda two, *one: jnp.stack([*two, *one]), plain, by_gru, by_lstm)
    gates = networks.gates_along(lstm, params, by_lstm["text"][:_N_SHOWN], _GATES)
    return {**found, "gate_value": gates, "gate_demo": decks.by_hand.forgotten()}


def figure(cube: xr.Dataset) -> matplotlib.figure.Figure:
    """Mistakes and losses of all networks; the gates of the LSTM over a text."""
    frame = figures.Frame(height=4.6, layout="ab;cc", height_ratios=[1.5, 1.4])
    _draw_kinds(frame.panels[0], cube)
    _draw_losses(frame.panels[1], cube)
    image = _draw_gates(frame.panels[2], cube)
    frame.figure.colorbar(image, ax=frame.panels[2], label="value", aspect=16, pad=0.01)
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """How much of what networks write is not in the book, with one word seen and with memory."""
    kinds = {str(cell): _kinds(cube.sel(cell=cell)) for cell in cube["cell"].values}
    wrong = {cell: 1 - of["in the book"] / max(1, of.total()) for cell, of in kinds.items()}
    alone, most = wrong["one word"], max(wrong[cell] for cell in _CELLS[1:])
    loss, two = cube["book_loss"].sel(cell="LSTM").median().item(), sentences.entropy(2)
    enough = "Two words are enough: " if most < 0.01 < alone else ""
    alone, most = (f"{100 * of:.{3 if of > 0.99 else 2}g}" for of in (alone, most))
    return (f"{enough}{alone} % of sentences are not in the book with one word seen, "
            f"{f'up to {most} %' if most != '0' else 'none'} with memory. The cross-entropy of "
            f"the LSTM is {loss:.3f} nat a word; the entropy of the book is "
            f"{sentences.entropy(1):.3f} given one word and {two:.3f} given two.")  # fmt: skip


def _kinds(one: xr.Dataset) -> Any:
    """The number of sentences of each kind that a network wrote, over all seeds."""
    return sentences.kinds_written(one["text"].transpose("seed", "word").values)


def _draw_kinds(panel: matplotlib.axes.Axes, cube: xr.Dataset) -> None:
    rates = [sentences.mistake_rates(_kinds(cube.sel(cell=cell))) for cell in cube["cell"].values]
    for shift, (kind, look) in enumerate(_MISTAKES.items(), -1):
        figures.level(panel, y=sentences.RATES_BY_ODDS[kind], color=look.colour, **_LEVEL)
        places, values = np.arange(len(rates)) + 0.2 * shift, [rate[kind][0] for rate in rates]
        panel.plot(places, values, label=look.label, **look.dots())
    figures.ticks(panel, "x", range(len(rates)), cube["cell"].values)
    panel.set(ylabel="rate of mistakes", xlim=(-0.5, len(rates) - 0.5), ylim=(-0.03, 0.85))
    panel.legend(loc="upper right", fontsize=7)


def _draw_losses(panel: matplotlib.axes.Axes, cube: xr.Dataset) -> None:
    for n_before, told in ((1, "one word seen"), (2, "two words seen")):
        figures.level(panel, y=sentences.entropy(n_before), color=THEORY, **_LEVEL)
        panel.annotate(told, (len(_CELLS) - 0.5, sentences.entropy(n_before)), (0, 5), ha="right",
                       textcoords="offset points", fontsize=7, color=THEORY)  # fmt: skip
    losses = cube["book_loss"].transpose("cell", "seed")
    panel.plot(losses, **Look("", BLUE, size=4).dots())
    figures.ticks(panel, "x", range(len(losses)), cube["cell"].values)
    panel.set(ylabel="cross-entropy (nat/word)", xlim=(-0.5, len(losses) - 0.5), ylim=(0, 1.05))


def _draw_gates(panel: matplotlib.axes.Axes, cube: xr.Dataset) -> matplotlib.image.AxesImage:
    text = cube["text"].sel(cell="LSTM").isel(word=slice(_N_SHOWN)).transpose("seed", "word")
    words = np.array(sentences.WORDS)[text.values]
    # The first text whose first words have all names: some have not.
    seed = int(np.argmax([len(set(one)) for one in words]))
    gates = cube["gate_value"].isel(seed=seed).stack(row=("gate", "unit"))
    image = figures.matrix(panel, gates, rows="row", columns="read", row_words={},
                           limits=(0, 1), colours="viridis", xlabel="word read",
                           title="gates of the LSTM")  # fmt: skip
    edges = np.arange(len(_GATES) + 1) * cube.sizes["unit"] - 0.5
    panel.hlines(edges[1:-1], -0.5, _N_SHOWN - 0.5, color="white", linewidth=2)
    figures.ticks(panel, "x", range(_N_SHOWN), words[seed], rotation=90)
    figures.ticks(panel, "y", (edges[1:] + edges[:-1]) / 2, _GATES)
    return image


def _mistakes(one: xr.Dataset, kind: str) -> tuple[float, int]:
    """The rate of a mistake, and the number of sentences that it refers to."""
    return sentences.mistake_rates(_kinds(one))[kind]


_ROHRER = "B. Rohrer, How RNNs and LSTM work, e2eml.school, 2017"
_ODDS = "chain with the odds of the book"
_SEEN = ({"cell": "one word", "n": 1, "formula": "ln(6)/2"},
         *({"cell": cell, "n": 2, "formula": "ln(3)/4"} for cell in _CELLS[1:]))  # fmt: skip
CLAIMS = (
    Group((
        every_run("{cell}: loss, least", "book_loss", tolerance=1e-5,
                  at_least=lambda one, n: sentences.entropy(n)),
        every_run("{cell}: loss, most", "book_loss", tolerance=0.01,
                  at_most=lambda one, n: sentences.entropy(n)),
    ), for_each=_SEEN, source="entropy of the book, counted: {formula}"),
    Group((
        Row(lambda one, cell: f"{cell}: not in the book, of {_kinds(one).total()} sentences",
            lambda one: _kinds(one).total() - _kinds(one)["in the book"], equals=0,
            source=f"{_ROHRER}; words below {{cube.setting.rarest:g}} are not written"),
        every_run("{cell}: chance of X after 'X saw', most", "sees_itself", equals=0,
                  tolerance=0.01, source=_ROHRER),
    ), for_each={"cell": _CELLS[1:]}, when=lambda one: one.setting.rarest > 0),
    Group((
        Row("one word: chance of X after 'X saw'", lambda one: one["sees_itself"].mean(),
            equals=1 / 3, tolerance=0.01, source=_ODDS),
        Row(lambda one, kind: f"one word: rate of '{_MISTAKES[kind].label}'",
            lambda one, kind: _mistakes(one, kind)[0],
            equals=lambda one, kind: sentences.RATES_BY_ODDS[kind],
            tolerance=lambda one, kind: 4 * sentences.rate_error(kind, _mistakes(one, kind)[1]),
            for_each={"kind": tuple(_MISTAKES)}, source=f"{_ODDS}; tolerance: 4 standard errors"),
    ), at={"cell": "one word"}),
    Row("(0.8, 0.8, 0.8) behind gates (1, 0.5, 0) minus (0.8, 0.4, 0), worst",
        lambda cube: np.max(np.abs(cube["gate_demo"].values - [0.8, 0.4, 0.0])), equals=0,
        tolerance=1e-6, source=f"{_ROHRER}; rounding"),
)  # fmt: skip
