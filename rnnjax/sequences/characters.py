"""Text, character by character."""

from pydoc_data.topics import topics

import numpy as np

from rnnjax.ranges import COUNT, arguments, refusal

ALPHABET = "\n" + "".join(map(chr, range(ord(" "), ord("~") + 1)))


@arguments(length=COUNT)
def text(length: int = 20_000) -> np.ndarray:
    """Return the first characters of the help of Python as one-hot rows, (length, 96).

    The columns are the characters of `ALPHABET`, the line break and printable ASCII; any other
    character is a question mark. One-hot as they are, not of mean 0. The help has some 500,000
    characters, and other ones in each release of Python.

    Source: the topics of `help`, which come with Python. Licence: that of Python (PSF).

    Args:
      length: T.
    """
    help_ = "".join(topics.values())
    if length > len(help_):
        raise refusal("length", f"1 to {len(help_)} characters", length)
    codes = np.frombuffer(help_[:length].encode("ascii", "replace"), np.uint8)
    column = np.full(128, ALPHABET.index("?"))
    column[[ord(character) for character in ALPHABET]] = range(len(ALPHABET))
    return np.eye(len(ALPHABET))[column[codes]]
