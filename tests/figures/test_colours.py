"""Colours of an ordered parameter: told apart by everyone, in grey print too."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from rnnjax.figures import ordered_colours

_COLOUR_BLIND = {  # Machado, Oliveira, Fernandes 2009, severity 1; rows act on linear RGB
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _lab(colours, sight):
    encoded = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(_COLOUR_BLIND[sight]), 0, 1)
    ratio = seen @ _TO_XYZ.T / [0.9505, 1.0, 1.089]
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )


@pytest.mark.parametrize("sight", _COLOUR_BLIND)
def test_ordered_colours_are_told_apart_from_each_other_and_from_white(sight):
    lab = _lab(ordered_colours(5), sight)
    assert (np.diff(lab[:, 0]) > 3).all()
    assert np.linalg.norm(np.diff(lab, axis=0), axis=1).min() > 10
    assert np.linalg.norm(lab - [100, 0, 0], axis=1).min() > 40


def test_ordered_colours_number_as_asked():
    assert [len(set(ordered_colours(n))) for n in (1, 2, 9)] == [1, 2, 9]
    with pytest.raises(ValueError, match="at least 1"):
        ordered_colours(0)
