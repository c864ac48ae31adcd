"""The children's book in quick mode, its claims against cubes that are wrong, and its figure."""

from itertools import pairwise

import numpy as np
import pytest

import rnnjax
from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("childrens_book")
WORDS = list(rnnjax.decks.sentences.WORDS)


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A quick sweep by the command line."""
    return quick_cube("childrens_book", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def failed(cube):
    return [name for name, passed in verdicts(cube).items() if not passed]


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 19
    assert failed(cube) == []


def test_dims_and_statuses(cube):
    assert cube["text"].dims == ("seed", "cell", "word")
    assert cube["gate_value"].dims == ("seed", "read", "gate", "unit")
    for name in cube.data_vars:
        if str(name).endswith("_status"):
            assert set(np.unique(cube[name])) == {1}


def test_the_network_without_recurrent_weights_writes_by_single_words(cube):
    """After each word it writes only what may follow in the book."""
    text = cube["text"].sel(cell="one word").values
    follow = {(a, b) for row in text for a, b in pairwise(row)}
    names, saw, stop = range(3), WORDS.index("saw"), WORDS.index(".")
    allowed = {(saw, name) for name in names} | {(stop, name) for name in names}
    assert follow == allowed | {(name, after) for name in names for after in (saw, stop)}


def spoilt(cube, name, change, **at):
    """The cube with one variable changed at one place."""
    values = cube[name].copy()
    values.loc[at] = change(values.loc[at])
    return cube.assign({name: values})


def say_itself(text):
    """A text of nothing but Doug saw Doug."""
    return np.resize([0, 3, 0, 4], text.shape)


@pytest.mark.parametrize(
    ("claim", "variable", "change", "at"),
    [
        ("one word: loss, least", "book_loss", lambda v: v - 0.01, {"seed": 1}),
        ("one word: loss, most", "book_loss", lambda v: v + 0.02, {"seed": 1}),
        ("vanilla: loss, least", "book_loss", lambda v: v - 0.01, {"seed": 1}),
        ("vanilla: loss, most", "book_loss", lambda v: v + 0.02, {"seed": 1}),
        ("GRU: loss, least", "book_loss", lambda v: v - 0.01, {"seed": 1}),
        ("GRU: loss, most", "book_loss", lambda v: v + 0.02, {"seed": 1}),
        ("LSTM: loss, least", "book_loss", lambda v: v - 0.01, {"seed": 1}),
        ("LSTM: loss, most", "book_loss", lambda v: v + 0.02, {"seed": 1}),
        ("vanilla: not in the book", "text", say_itself, {"cell": "vanilla", "seed": 0}),
        ("GRU: not in the book", "text", say_itself, {"cell": "GRU", "seed": 0}),
        ("LSTM: not in the book", "text", say_itself, {"cell": "LSTM", "seed": 0}),
        ("vanilla: chance of X", "sees_itself", lambda v: v + 0.1, {"seed": 1}),
        ("GRU: chance of X", "sees_itself", lambda v: v + 0.1, {"seed": 1}),
        ("LSTM: chance of X", "sees_itself", lambda v: v + 0.1, {"seed": 1}),
        ("one word: chance of X", "sees_itself", lambda v: v + 0.1, {"seed": 1}),
        ("one word: rate of 'X saw X.'", "text", say_itself, {"cell": "one word"}),
        ("one word: rate of 'X saw Y saw Z ...'", "text", say_itself, {"cell": "one word"}),
        ("one word: rate of 'X.'", "text", say_itself, {"cell": "one word"}),
        ("(0.8, 0.8, 0.8) behind", "gate_demo", lambda v: v + 0.1, {"entry": 1}),
    ],
)  # fmt: skip
def test_each_claim_can_fail(cube, claim, variable, change, at):
    names = failed(spoilt(cube, variable, change, **at))
    assert any(name.startswith(claim) for name in names)
    assert len(names) < len(verdicts(cube)) / 2


def test_every_claim_is_spoilt_above(cube):
    (mark,) = [m for m in test_each_claim_can_fail.pytestmark if m.name == "parametrize"]
    beginnings = [case[0] for case in mark.args[1]]
    assert len(beginnings) == len(verdicts(cube))
    assert all(name.startswith(tuple(beginnings)) for name in verdicts(cube))


def test_the_figure_can_be_drawn_of_one_seed(cube):
    EXPERIMENT.figure(cube.isel(seed=[1])).draw_without_rendering()


def test_a_word_that_is_too_probable_to_be_left_out_is_one_line(capsys):
    assert main(["plan", "childrens_book", "--rarest", "0.5"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "rarest: expected a number less" in error
