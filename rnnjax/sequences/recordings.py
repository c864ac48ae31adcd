"""Recordings of people: an EEG, and spoken vowels."""

from pathlib import Path

import numpy as np

from rnnjax.sequences import scale
from rnnjax.sequences.files import Package

_MATPLOTLIB = Package("matplotlib", "matplotlib")
_AEON = Package("aeon", "aeon", alone=True)  # it needs an older NumPy than rnnjax
_N_CHANNELS = 4  # of the EEG, whose file has no header


def eeg() -> np.ndarray:
    """Return four channels of an EEG, (800, 4), each of mean 0 and variance 1.

    Source: `eeg.dat` of the sample data of matplotlib, which its example "MRI with EEG" shows as
    10 s, so 80 samples a second; whose it is, and in which unit, is not said. Licence: that of
    matplotlib (based on that of Python).

    Raises:
      ModuleNotFoundError, FileNotFoundError: matplotlib is not there, or not with its sample data.
    """
    path = _MATPLOTLIB.file("eeg", "mpl-data", "sample_data", "eeg.dat")
    return scale.by_channel(np.fromfile(path, "<f8").reshape(-1, _N_CHANNELS))


def japanese_vowels() -> np.ndarray:
    """Return utterances of the vowels a and e, (640, 29, 12), of mean 0 and variance 1 a channel.

    Twelve coefficients of linear prediction of each of 7 to 29 frames, nine speakers; behind the
    end of an utterance every value is NaN, so ``~np.isnan(x[..., 0])`` are the steps that belong to
    it. First the 270 that are published for training, then the 370 for testing, both speaker
    by speaker.

    Source: Kudo, Toyama and Shimbo, Multidimensional curve classification using passing-through
    regions, Pattern Recognition Letters, 1999; UCI Machine Learning Repository, Japanese Vowels, in
    the files of aeon (BSD 3-Clause). Licence: CC BY 4.0.

    Raises:
      ModuleNotFoundError, FileNotFoundError: aeon is not there, or not with these files.
    """
    parts = (f"JapaneseVowels_{part}.ts" for part in ("TRAIN", "TEST"))
    folder = ("datasets", "data", "JapaneseVowels")
    paths = [_AEON.file("japanese_vowels", *folder, part) for part in parts]
    utterances = [utterance for path in paths for utterance in _utterances(path)]
    longest = max(len(utterance) for utterance in utterances)
    x = np.full((len(utterances), longest, utterances[0].shape[1]), np.nan)
    for row, utterance in zip(x, utterances, strict=True):
        row[: len(utterance)] = utterance
    return scale.by_channel(x)


def _utterances(path: Path) -> list[np.ndarray]:
    """Return the sequences (T, n_x) of a .ts file: ``channel:...:channel:class``, a line each."""
    lines = path.read_text(encoding="utf-8").split("@data", 1)[1].split()
    channels = (line.split(":")[:-1] for line in lines)
    return [np.array([c.split(",") for c in each], float).T for each in channels]
