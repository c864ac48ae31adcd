"""Heat maps: cells where they belong, colours that mean what they say, gaps that show."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from rnnjax.figures import (
    Frame,
    cell_edges,
    colour_bar,
    heat_map,
    not_finite_handle,
    overlay_contours,
    overlay_line,
    styled,
    symmetric_limit,
)
from rnnjax.figures.heat_maps import NOT_FINITE

inf, nan = np.inf, np.nan


@pytest.fixture
def ax():
    with styled():
        yield Figure(figsize=(3, 2)).subplots()


def _hatched(ax):
    return [artist for artist in ax.collections if artist.get_gid() == NOT_FINITE]


def _covered(ax, x, y):
    """The cells whose centre lies in a hatched polygon."""
    paths = [path for artist in _hatched(ax) for path in artist.get_paths()]
    return np.array([[sum(p.contains_point((a, b)) for p in paths) for a in x] for b in y])


@pytest.mark.parametrize(
    ("centres", "scale", "edges"),
    [
        ([0, 1, 2], "linear", [-0.5, 0.5, 1.5, 2.5]),
        ([0, 1, 3, 7], "linear", [-0.5, 0.5, 2, 5, 9]),
        ([3, 1, 0], "linear", [4, 2, 0.5, -0.5]),
        ([5], "linear", [4.5, 5.5]),
        ([1e30], "linear", [1e30 - 1e24, 1e30 + 1e24]),  # half a unit is nothing beside it
        ([1, 4, 16], "log", [0.5, 2, 8, 32]),
        ([2], "log", [2**0.5, 2**1.5]),
    ],
)
def test_edges_lie_halfway_between_centres(centres, scale, edges):
    assert_allclose(cell_edges(centres, scale), edges, rtol=1e-14)


@pytest.mark.parametrize(
    ("centres", "scale", "words"),
    [
        ([0, 1, 1], "linear", "strictly"),
        ([0, 2, 1], "linear", "strictly"),
        ([], "linear", "vector"),
        ([0, nan], "linear", "finite"),
        ([[0, 1]], "linear", "vector"),
        ([0, 1], "log", "positive"),
        ([1, 2], "cubic", "cubic"),
    ],
)
def test_centres_without_edges_are_refused(centres, scale, words):
    with pytest.raises(ValueError, match=words):
        cell_edges(centres, scale)


def test_uneven_cells_are_drawn_at_their_edges(ax):
    mesh = heat_map(ax, [0, 1, 3], [1, 4], np.zeros((2, 3)), limit=1, y_scale="log")
    corners = mesh.get_coordinates()
    assert_allclose(corners[0, :, 0], [-0.5, 0.5, 2, 4])
    assert_allclose(corners[:, 0, 1], [0.5, 2, 8])
    assert ax.get_xlim() == (-0.5, 4) and ax.get_ylim() == (0.5, 8)
    assert ax.get_yscale() == "log"


def test_one_cell_is_a_heat_map(ax):
    mesh = heat_map(ax, [3], [1], [[0.5]], limit=1)
    assert_allclose(mesh.get_coordinates()[[0, -1], [0, -1]], [[2.5, 0.5], [3.5, 1.5]])


def test_colours_diverge_from_white_and_end_at_the_limit(ax):
    mesh = heat_map(ax, [0, 1, 2, 3, 4], [0], [[-9, -2, 0, 2, 9]], limit=2)
    mesh.update_scalarmappable()
    far_below, below, middle, above, far_above = mesh.get_facecolor()[:, :3]
    assert_allclose(middle, 1)
    assert_allclose(far_below, below)
    assert_allclose(far_above, above)
    assert below[2] > 2 * below[0] and above[0] > 2 * above[2]
    assert mesh.get_rasterized()


def test_colours_beyond_a_linear_range_are_logarithmic(ax):
    mesh = heat_map(ax, [0, 1, 2, 3], [0], [[-100, 0, 1, 10]], limit=100, linear=1)
    shares = np.asarray(mesh.norm(mesh.get_array()))[0]
    assert_allclose(shares[:2], [0, 0.5], atol=1e-12)
    assert_allclose(shares[3] - shares[2], (1 - shares[2]) / 2)  # a decade of the two above 1
    assert shares[2] > 0.6  # 0.505 on a linear scale
    bar = colour_bar(mesh, ax, label="")
    assert bar.get_ticks().tolist() == [-100, -10, -1, 0, 1, 10, 100]


def test_a_linear_range_that_holds_all_is_a_linear_scale(ax):
    mesh = heat_map(ax, [0, 1], [0], [[0.5, 1]], limit=1, linear=1)
    assert_allclose(mesh.norm([0.5]), 0.75)
    with pytest.raises(ValueError, match="linear range, got 0"):
        heat_map(ax, [0], [0], [[0]], limit=1, linear=0)


def test_heat_maps_of_different_scales_have_no_common_bar(ax):
    meshes = [heat_map(ax, [0], [0], [[0]], limit=10, linear=linear) for linear in (None, 1)]
    with pytest.raises(ValueError, match="share one scale"):
        colour_bar(meshes, ax, label="")


@pytest.mark.parametrize("value", [1.0, nan])
def test_not_finite_is_in_the_legend_only_where_a_cell_is_hatched(value):
    with styled():
        frame = Frame(height=2)
        heat_map(frame.panels[0], [0], [0], [[value]], limit=1)
        legends = frame.finished([not_finite_handle()]).legends
    assert len(legends) == np.isnan(value)


def test_cells_that_are_not_finite_are_hatched_and_not_coloured(ax):
    x, y = np.arange(5), np.arange(4)
    values = np.zeros((4, 5))
    values[0, 0], values[1:3, 3:], values[3, 1] = nan, inf, -inf
    mesh = heat_map(ax, x, y, values, limit=1)
    assert (np.ma.getmaskarray(mesh.get_array()) == ~np.isfinite(values)).all()
    (artist,) = _hatched(ax)
    assert isinstance(artist, PolyCollection) and artist.get_hatch()
    assert np.ptp(artist.get_facecolor()[0, :3]) == 0 and np.ptp(artist.get_edgecolor()[0, :3]) == 0
    assert (_covered(ax, x, y) == ~np.isfinite(values)).all()
    assert len(artist.get_paths()) == 3  # the block of four is one rectangle


def test_hatching_covers_any_pattern_exactly_once(ax):
    x, y = np.arange(13), np.arange(11)
    values = np.where(np.random.default_rng(3).random((11, 13)) < 0.6, nan, 0)
    heat_map(ax, x, y, values, limit=1)
    assert (_covered(ax, x, y) == np.isnan(values)).all()


def test_masked_entries_are_hatched(ax):
    heat_map(ax, [0, 1], [0], np.ma.array([[1.0, 2.0]], mask=[[False, True]]), limit=1)
    assert _covered(ax, [0, 1], [0]).tolist() == [[0, 1]]


def test_a_finite_map_has_no_hatching_and_a_lost_one_is_all_hatched(ax):
    heat_map(ax, [0, 1], [0], [[1, 2]], limit=1)
    assert _hatched(ax) == []
    heat_map(ax, [0, 1], [0], [[nan, inf]], limit=1)
    assert _covered(ax, [0, 1], [0]).tolist() == [[1, 1]]


def test_the_legend_entry_looks_like_the_hatched_cells(ax):
    heat_map(ax, [0], [0], [[nan]], limit=1)
    handle = not_finite_handle()
    assert handle.get_hatch() == _hatched(ax)[0].get_hatch()
    assert_allclose(handle.get_facecolor(), _hatched(ax)[0].get_facecolor()[0])


def test_heat_map_refuses_what_it_cannot_draw(ax):
    with pytest.raises(ValueError, match=r"\(2, 3\), got \(3, 2\)"):
        heat_map(ax, [0, 1, 2], [0, 1], np.zeros((3, 2)), limit=1)
    for limit in (0, -1, nan, inf):
        with pytest.raises(ValueError, match="limit"):
            heat_map(ax, [0], [0], [[0]], limit=limit)


@pytest.mark.parametrize(
    ("values", "cap", "limit"),
    [
        ([-3, 1], None, 5),
        ([0.07], None, 0.1),
        ([2] * 7, None, 2),
        ([2.0000000000000004], None, 2),
        ([2.1] * 7, None, 5),
        ([1e-30], None, 1e-30),
        ([0.3] * 200 + [1e9], None, 0.5),  # 2 % of outliers do not set the scale
        ([inf, -inf, nan, 40], None, 50),
        ([800], 100, 100),
        ([3], 100, 5),
        ([nan, inf], None, 1),
        ([0, 0], None, 1),
        ([], None, 1),
        (np.ma.array([1.0, 1e6], mask=[False, True]), None, 1),
    ],
)
def test_limit_is_round_and_set_by_the_finite_values(values, cap, limit):
    assert symmetric_limit(values, cap) == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize(
    ("row", "extend"),
    [
        ([0, 2], "neither"),
        ([-3, 2], "min"),
        ([0, 3], "max"),
        ([-3, 3], "both"),
        ([0, inf], "neither"),
    ],
)
def test_the_bar_points_to_values_beyond_the_limit(ax, row, extend):
    bar = colour_bar(heat_map(ax, [0, 1], [0], [row], limit=2), ax, label="log-norm")
    assert bar.extend == extend
    assert bar.ax.get_ylabel() == "log-norm"
    assert_allclose(bar.get_ticks(), [-2, -1, 0, 1, 2])


def test_one_bar_serves_panels_of_one_limit_only():
    with styled():
        axes = Figure().subplots(1, 2)
        panels = [
            heat_map(ax, [0], [0], [[v]], limit=1) for ax, v in zip(axes, (0, 3), strict=True)
        ]
        assert colour_bar(panels, axes, label="").extend == "max"
        panels[1] = heat_map(axes[1], [0], [0], [[0]], limit=5)
        with pytest.raises(ValueError, match="share one scale"):
            colour_bar(panels, axes, label="")


def test_overlays_leave_the_limits_alone_and_label_each_contour(ax):
    lag, gain = np.arange(20), np.linspace(0.5, 2, 9)
    theory = np.outer(np.log10(gain), lag)
    heat_map(ax, lag, gain, theory, limit=5)
    before = ax.get_xlim(), ax.get_ylim()
    line = overlay_line(ax, [-50, 50], [1, 1], label="$g$ = 1")
    overlay_contours(
        ax, np.arange(40), gain, np.outer(np.log10(gain), np.arange(40)), levels=[-2, 2]
    )
    assert (ax.get_xlim(), ax.get_ylim()) == before
    assert line in ax.get_children() and line.get_label() == "$g$ = 1"
    assert sorted(text.get_text() for text in ax.texts) == ["2", "\N{MINUS SIGN}2"]


@pytest.mark.parametrize(
    "theory", [np.zeros((2, 3)), np.full((2, 3), nan), [[0.0, 3.0, 9.0]], [[3, 3, 3], [nan, 3, 3]]]
)
def test_a_theory_that_crosses_no_level_or_has_one_row_draws_nothing(ax, theory):
    drawn = overlay_contours(ax, np.arange(3), np.arange(len(theory)), theory, levels=[3])
    assert drawn is None and not ax.collections and not ax.texts
