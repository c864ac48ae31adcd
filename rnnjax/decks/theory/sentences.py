"""The language of a children's book of three sentences, counted out.

"Doug saw Jane." "Jane saw Spot." "Spot saw Doug." follow each other at random. Only the first word
of a sentence is free, so a reader who remembers two words meets

  ln 3 / 4 nats a word,                                              (1)

the entropy rate. One who sees a single word knows neither whether a name begins a sentence or ends
it (ln 2) nor, at "saw", who is looking (ln 3), and meets

  (ln 3 + 2 ln 2 + ln 3) / 4 = ln(6) / 2 nats a word.                (2)

Who writes by these odds writes a sentence with n verbs with probability 2^-(n+1), and of those with
one verb every third is of the kind "Doug saw Doug.". The book is that of Brandon Rohrer, How
recurrent neural networks and long short-term memory work, e2eml.school, 2017.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

NAMES = ("Doug", "Jane", "Spot")
VERB = "saw"
STOP = "."
WORDS = (*NAMES, VERB, STOP)
# Each sees the next one, the last the first.
SENTENCES = tuple(
    (name, VERB, seen, STOP) for name, seen in zip(NAMES, (*NAMES[1:], NAMES[0]), strict=True)
)
LENGTH = len(SENTENCES[0])
KINDS = ("in the book", "sees itself", "wrong name", "runs on", "fragment", "no grammar")
RATES_BY_ODDS = {"sees itself": 1 / 3, "runs on": 1 / 4, "fragment": 1 / 2}
"""How often who writes by the odds of single words makes the mistakes of `mistake_rates`."""


def entropy(n_before: int) -> float:
    """Return the entropy of a word given the `n_before` words before it, in nats.

    Counted over every place of every text that is long enough: equation (2) for 1, equation (1) for
    2 and more; 0 is the entropy of single words.

    Raises:
      ValueError: n_before is negative.
    """
    if n_before < 0:
        raise ValueError(f"n_before: expected 0 or more words, got {n_before}")
    n_sentences = 1 + math.ceil(n_before / LENGTH)
    windows: Counter[tuple[str, ...]] = Counter()
    for text in itertools.product(SENTENCES, repeat=n_sentences):
        words = tuple(itertools.chain(*text))
        for last in range(len(words) - LENGTH, len(words)):
            windows[words[last - n_before : last + 1]] += 1
    contexts: Counter[tuple[str, ...]] = Counter()
    for window, count in windows.items():
        contexts[window[:-1]] += count
    nats = (n * math.log(contexts[window[:-1]] / n) for window, n in windows.items())
    return math.fsum(nats) / windows.total()


def sentence_kind(words: Sequence[str]) -> str:
    """Return which of `KINDS` a sentence is.

    Args:
      words: its words without the full stop.

    Example:
      >>> sentence_kind(["Doug", "saw", "Doug"]), sentence_kind(["Jane"])
      ('sees itself', 'fragment')
    """
    names, verbs = words[::2], words[1::2]
    if len(words) % 2 == 0 or not set(names) <= set(NAMES) or not set(verbs) <= {VERB}:
        return "no grammar"
    if len(verbs) != 1:
        return "runs on" if verbs else "fragment"
    if names[0] == names[1]:
        return "sees itself"
    return "in the book" if (*words, STOP) in SENTENCES else "wrong name"


def count_kinds(text: Sequence[str]) -> dict[str, int]:
    """Count the sentences of each of `KINDS`, leaving out a last one that has no end.

    Args:
      text: words; the first begins a sentence.
    """
    counts = dict.fromkeys(KINDS, 0)
    sentence: list[str] = []
    for word in text:
        if word == STOP:
            counts[sentence_kind(sentence)] += 1
            sentence = []
        else:
            sentence.append(word)
    return counts


def kinds_written(texts: Iterable[Iterable[int]]) -> Counter[str]:
    """Count the sentences of each of `KINDS` over several texts.

    Args:
      texts: of each text the numbers of its words, indices of `WORDS`.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(count_kinds([WORDS[number] for number in text]))
    return counts


def mistake_rates(counts: Mapping[str, int]) -> dict[str, tuple[float, int]]:
    """Return how often three mistakes are made: the rate, and the sentences it refers to.

    "runs on" and "fragment" are shares of all sentences; "sees itself" is one of the sentences
    with one verb and two names.

    Args:
      counts: sentences of each kind, as from `count_kinds`.
    """
    n_all = sum(counts.values())
    n_of_two = sum(counts[kind] for kind in ("in the book", "sees itself", "wrong name"))
    out_of = {"sees itself": n_of_two, "runs on": n_all, "fragment": n_all}
    return {kind: (counts[kind] / n if n else 0.0, n) for kind, n in out_of.items()}


def rate_error(kind: str, n: int) -> float:
    """Return the standard error of the rate of a mistake in n sentences written by the odds."""
    rate = RATES_BY_ODDS[kind]
    return math.sqrt(rate * (1 - rate) / max(1, n))
