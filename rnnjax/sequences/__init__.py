"""Real sequences, read from files that installed packages bring, without importing these packages.

Nothing is downloaded. Arrays are float64, (T, n_x) or (N, T, n_x), of mean 0 and variance 1; text
is one-hot.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from rnnjax.sequences.characters import text
    from rnnjax.sequences.images import digits_rows, mnist_rows
    from rnnjax.sequences.recordings import eeg, japanese_vowels
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = ["digits_rows", "eeg", "japanese_vowels", "mnist_rows", "text"]
