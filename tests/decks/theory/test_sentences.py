import math
from collections import Counter

import numpy as np
import pytest

from rnnjax.decks import sentences

BOOK = ["Doug", "saw", "Jane", ".", "Jane", "saw", "Spot", ".", "Spot", "saw", "Doug", "."]


def test_the_book_has_its_three_sentences():
    assert [word for sentence in sentences.SENTENCES for word in sentence] == BOOK
    assert set(BOOK) == set(sentences.WORDS) and len(sentences.WORDS) == 5


@pytest.mark.parametrize(
    ("n_before", "expected"),
    [
        (0, math.log(4) / 2 + math.log(6) / 2),  # saw and stop 1/4 each, every name 1/6
        (1, math.log(6) / 2),
        (2, math.log(3) / 4),
        (3, math.log(3) / 4),
        (4, math.log(3) / 4),
        (5, math.log(3) / 4),
    ],
)
def test_entropies_are_the_closed_forms(n_before, expected):
    np.testing.assert_allclose(sentences.entropy(n_before), expected, rtol=1e-14)
    with pytest.raises(ValueError, match="n_before: expected 0 or more words, got -1"):
        sentences.entropy(-1)


def followers(n_before):
    """What comes after each context in a long text in which all triples of sentences occur."""
    rng = np.random.default_rng(0)
    text = [w for n in rng.integers(0, 3, 500) for w in sentences.SENTENCES[n]]
    found = {}
    for at in range(n_before, len(text)):
        found.setdefault(tuple(text[at - n_before : at]), Counter())[text[at]] += 1
    return found


def test_one_word_leaves_three_names_or_two_words_and_two_words_only_the_next_sentence():
    names, after = set(sentences.NAMES), followers(1)
    assert set(after[("saw",)]) == set(after[(".",)]) == names
    assert all(set(after[(name,)]) == {"saw", "."} for name in names)
    open_ends = {context for context, next_words in followers(2).items() if len(next_words) > 1}
    assert open_ends == {(name, ".") for name in names}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Doug saw Jane", "in the book"),
        ("Spot saw Doug", "in the book"),
        ("Doug saw Doug", "sees itself"),
        ("Doug saw Spot", "wrong name"),
        ("Doug saw Jane saw Spot saw Doug", "runs on"),
        ("Doug", "fragment"),
        ("", "no grammar"),
        ("Doug saw", "no grammar"),
        ("saw Doug saw", "no grammar"),
        ("Doug Jane Spot", "no grammar"),
    ],
)
def test_kinds_of_sentences(text, kind):
    assert sentences.sentence_kind(text.split()) == kind
    assert kind in sentences.KINDS


def test_sentences_are_counted_and_the_last_without_an_end_is_not():
    counts = sentences.count_kinds([*BOOK, "Doug", "saw", "Doug", ".", "Jane", ".", "Spot"])
    expected = dict.fromkeys(sentences.KINDS, 0)
    assert counts == expected | {"in the book": 3, "sees itself": 1, "fragment": 1}
    rates = sentences.mistake_rates(counts)
    assert rates == {"sees itself": (1 / 4, 4), "runs on": (0, 5), "fragment": (1 / 5, 5)}
    assert sentences.mistake_rates(expected)["fragment"] == (0, 0)


def test_sentences_of_several_texts_are_counted_together():
    numbers = [[sentences.WORDS.index(word) for word in text] for text in (BOOK, ["Doug", "."])]
    found = sentences.kinds_written(numbers)
    assert found == Counter({"in the book": 3, "fragment": 1})


def test_the_error_of_a_rate_is_that_of_independent_sentences():
    assert sentences.rate_error("fragment", 100) == 0.05
    assert sentences.rate_error("runs on", 0) == sentences.rate_error("runs on", 1)


def test_who_writes_by_the_odds_of_single_words_makes_the_mistakes_at_the_expected_rates():
    """The walk of such a writer, summed exactly over all sentences of up to six verbs."""
    names = dict.fromkeys(sentences.NAMES, 1 / 3)
    odds = {"saw": names, ".": names}
    odds |= {name: {"saw": 1 / 2, ".": 1 / 2} for name in names}
    assert {(word,): set(after) for word, after in odds.items()} == {
        context: set(counted) for context, counted in followers(1).items()
    }
    found = Counter()
    open_ends = [((), 1.0)]
    while open_ends:
        words, share = open_ends.pop()
        if len(words) > 13:
            found["too long"] += share
        elif words and words[-1] == ".":
            found[sentences.sentence_kind(words[:-1])] += share
        else:
            after = odds[words[-1] if words else "."]
            open_ends += [((*words, word), share * p) for word, p in after.items()]
    of_three_words = found["in the book"] + found["sees itself"] + found["wrong name"]
    assert sentences.RATES_BY_ODDS == {"sees itself": 1 / 3, "fragment": 1 / 2, "runs on": 1 / 4}
    np.testing.assert_allclose(found["sees itself"] / of_three_words, 1 / 3)
    np.testing.assert_allclose(found["fragment"], 1 / 2)
    np.testing.assert_allclose(found["runs on"] + found["too long"], 1 / 4)
    assert found["no grammar"] == 0 and found["too long"] < 0.02
