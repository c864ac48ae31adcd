"""Decay curves: quantiles that drop no seed, lines that end where the numbers end."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from rnnjax.figures import curve_handles, decay_curves, ordered_colours, seed_band, styled

inf, nan = np.inf, np.nan


@pytest.fixture
def ax():
    with styled():
        yield Figure(figsize=(3, 2)).subplots()


def _one_curve(ax, samples, **more):
    samples = np.asarray(samples, dtype=float)
    x = np.arange(samples.shape[1])
    (line,) = decay_curves(ax, x, [samples], labels=["a"], colours=["#336699"], **more)
    return line


def _bands(ax):
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


def test_finite_band_is_the_quantiles():
    samples = np.random.default_rng(1).normal(size=(12, 7))
    assert_allclose(np.stack(seed_band(samples)), np.quantile(samples, [0.1, 0.5, 0.9], axis=0))


@pytest.mark.parametrize("n_seed", [1, 2, 4])
def test_few_seeds_have_the_band_of_all_seeds(n_seed):
    samples = np.random.default_rng(2).normal(size=(n_seed, 3))
    low, median, high = seed_band(samples)
    assert_array_equal(low, samples.min(axis=0))
    assert_array_equal(high, samples.max(axis=0))
    assert_allclose(median, np.median(samples, axis=0))


def test_five_seeds_have_quantiles():
    assert seed_band([[0], [1], [2], [3], [4]]).low == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("seeds", "low", "median", "high"),
    [
        ([-inf, -2, -1], -inf, -2, -1),  # the vanished seed has a rank: not -1.5
        ([-inf, -inf, -1], -inf, -inf, -1),
        ([-inf, -1], -inf, -inf, -1),
        ([1, 2, inf], 1, 2, inf),
        ([1, inf, inf], 1, inf, inf),
        ([-inf, inf], -inf, nan, inf),
        ([nan, 1, 2], nan, nan, nan),
        ([-inf] * 2 + [0] * 9, -inf, 0, 0),  # the quantile falls on a rank: no 0 * inf
        ([-inf] * 5, -inf, -inf, -inf),
    ],
)
def test_seeds_that_are_not_finite_are_ranked_and_never_dropped(seeds, low, median, high):
    band = seed_band(np.array(seeds)[:, None])
    assert_array_equal(np.concatenate(band), [low, median, high])


def test_masked_seed_counts_as_nan():
    assert np.isnan(seed_band(np.ma.array([[1.0], [2.0]], mask=[[True], [False]])).median).all()


@pytest.mark.parametrize("samples", [np.zeros(3), np.zeros((0, 3)), np.zeros((1, 2, 3))])
def test_band_refuses_what_is_not_seed_by_x(samples):
    with pytest.raises(ValueError, match="n_seed"):
        seed_band(samples)


def test_the_line_is_the_median_and_not_the_mean(ax):
    line = _one_curve(ax, [[0, 0], [0, -1], [0, 90]])
    assert_array_equal(line.get_ydata(), [0, 0])


def test_the_band_polygon_follows_the_quantiles(ax):
    _one_curve(ax, [[0, -1], [0, 0], [0, 2]])
    (band,) = _bands(ax)
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert corners == {(0, 0), (1, -1), (1, 2)}


def test_a_curve_ends_with_a_dot_where_the_median_is_not_finite(ax):
    line = _one_curve(ax, [[0, -1, -2, -inf, -inf], [0, -1, -2, -3, -inf], [0, -1, -2, -inf, -inf]])
    assert_array_equal(line.get_ydata(), [0, -1, -2, nan, nan])
    assert line.get_markevery() == [2] and line.get_marker() == "."
    assert _bands(ax)[0].get_paths()[0].vertices[:, 0].max() == 2


def test_points_beside_a_gap_and_lonely_points_are_marked(ax):
    line = _one_curve(ax, [[0, nan, 1, nan, 2, 3, inf, 4, 5]])
    assert line.get_markevery() == [0, 2, 4, 5, 7]
    assert _one_curve(ax, [[7]]).get_markevery() == [0]
    assert _one_curve(ax, [[7, 8]]).get_markevery() == []
    assert len(_bands(ax)[0].get_paths()) == 4


def test_an_infinite_band_edge_runs_off_the_panel(ax):
    _one_curve(ax, [[0, -1], [0, -2], [0, -inf]])
    (band,) = _bands(ax)
    assert band.get_paths()[0].vertices[:, 1].min() < ax.get_ylim()[0] - 5
    assert np.isfinite(band.get_paths()[0].vertices).all()
    assert -2.5 < ax.get_ylim()[0] < -2  # and does not set the limits


def test_the_limits_show_the_whole_finite_band(ax):
    _one_curve(ax, [[0, -1], [0, -2], [0, -30]])
    assert ax.get_ylim()[0] < -30


def test_a_curve_without_a_finite_point_draws_nothing_and_raises_nothing(ax):
    line = _one_curve(ax, [[nan, inf]])
    assert np.isnan(line.get_ydata()).all() and _bands(ax) == []
    ax.figure.draw_without_rendering()


def test_theories_are_dashed_then_dotted_in_a_darker_tone(ax):
    _one_curve(ax, [[0, 1]], theory=[[[0, 1]], [[0, inf]]])
    median, dashed, dotted = ax.lines
    assert dashed.is_dashed() and dotted.is_dashed() and not median.is_dashed()
    assert dashed._unscaled_dash_pattern != dotted._unscaled_dash_pattern
    assert dashed.get_zorder() > median.get_zorder()
    shares = np.divide(to_rgb(dashed.get_color()), to_rgb(median.get_color()))
    assert shares.max() < 0.6 and np.ptp(shares) < 0.02
    assert_array_equal(dotted.get_ydata(), [0, nan])


def test_lengths_that_do_not_match_are_refused(ax):
    good = {"labels": ["a"], "colours": ["red"]}
    for more, words in [
        ({"labels": []}, "labels"),
        ({"colours": ["red", "blue"]}, "colours"),
        ({"theory": [[[0, 1], [0, 1]]]}, "theory lines"),
        ({"theory": [[[0, 1, 2]]]}, "theory lines"),
        ({"theory": [[[0, 1]]] * 4}, "at most 3"),
    ]:
        with pytest.raises(ValueError, match=words):
            decay_curves(ax, [0, 1], [[[0, 1]]], **good | more)
    with pytest.raises(ValueError, match="lags"):
        decay_curves(ax, [0, 1, 2], [[[0, 1]]], **good)
    assert len(ax.lines) == 0


def test_legend_entries_match_the_lines(ax):
    line = _one_curve(ax, [[0, 1]], theory=[[[0, 1]]])
    solid, dashed = curve_handles(["a"], ["#336699"], ["mean field"])
    assert (solid.get_color(), solid.get_label()) == (line.get_color(), "a")
    assert dashed._unscaled_dash_pattern == ax.lines[1]._unscaled_dash_pattern
    assert dashed.get_label() == "mean field"


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
