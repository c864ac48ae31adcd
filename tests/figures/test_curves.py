"""Curves: quantiles that drop no seed, lines that end where the numbers end, theory beside them."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal

from rnnjax.figures import Look, curves, ordered_colours, styled

inf, nan = np.inf, np.nan


@pytest.fixture
def ax():
    with styled():
        yield Figure(figsize=(3, 2)).subplots()


def seeds(samples):
    """A variable over seed and lag."""
    return xr.DataArray(
        np.asarray(samples, dtype=float),
        coords={"lag": np.arange(np.shape(samples)[1])},
        dims=("seed", "lag"),
    )


def gains(samples):
    """A variable over gain and lag."""
    values = seeds(samples).rename(seed="gain")
    return values.assign_coords(gain=0.5 * (1 + np.arange(len(samples))))


def _one_curve(ax, samples, **more):
    line, *_ = curves(ax, seeds(samples), over="lag", band="seed", **more)
    return line


def _bands(ax):
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


def _dots(ax):
    return [x for line in ax.lines if line.get_marker() == "." for x in line.get_xdata()]


def test_the_line_is_the_median_and_not_the_mean(ax):
    line = _one_curve(ax, [[0, 0], [0, -1], [0, 90]])
    assert_array_equal(line.get_ydata(), [0, 0])


@pytest.mark.parametrize(("edges", "low", "high"), [("quantiles", 0.4, 3.6), ("extremes", 0, 4)])
def test_the_band_polygon_follows_its_edges(ax, edges, low, high):
    _one_curve(ax, [[n, 0] for n in range(5)], edges=edges)
    (band,) = _bands(ax)
    corners = band.get_paths()[0].vertices
    assert {round(y, 9) for x, y in corners if x == 0} == {low, high}
    assert {y for x, y in corners if x == 1} == {0}


def test_a_curve_ends_with_a_dot_where_the_median_is_not_finite(ax):
    line = _one_curve(ax, [[0, -1, -2, -inf, -inf], [0, -1, -2, -3, -inf], [0, -1, -2, -inf, -inf]])
    assert_array_equal(line.get_ydata(), [0, -1, -2, nan, nan])
    assert _dots(ax) == [2] and line.get_marker() == "None"
    assert _bands(ax)[0].get_paths()[0].vertices[:, 0].max() == 2


def test_points_beside_a_gap_and_lonely_points_are_marked(ax):
    _one_curve(ax, [[0, nan, 1, nan, 2, 3, inf, 4, 5]])
    assert _dots(ax) == [0, 2, 4, 5, 7]
    assert len(_bands(ax)[0].get_paths()) == 4


@pytest.mark.parametrize(("samples", "dots"), [([[7]], [0]), ([[7, 8]], [])])
def test_only_a_lonely_point_of_a_whole_curve_is_marked(ax, samples, dots):
    _one_curve(ax, samples)
    assert _dots(ax) == dots


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


def test_each_value_has_a_curve_in_ordered_colours_with_its_label(ax):
    first, second = curves(ax, gains([[0, 1], [2, 3]]), over="lag", each="gain", label="$g$ = {:g}")
    assert [line.get_label() for line in (first, second)] == ["$g$ = 0.5", "$g$ = 1"]
    assert [line.get_color() for line in (first, second)] == ordered_colours(2)
    assert_array_equal(second.get_ydata(), [2, 3])


def test_looks_choose_what_is_drawn_and_in_which_order(ax):
    values = xr.DataArray(
        [[0, 1], [2, 3], [4, 5]],
        coords={"rule": ["a", "b", "c"], "lag": [0, 1]},
        dims=("rule", "lag"),
    )
    looks = {
        "c": Look("third", "#ff0000", "s"),
        "d": Look("", "#00ff00"),
        "a": Look("one", "#0000ff"),
    }
    lines = curves(ax, values, over="lag", each="rule", looks=looks)
    assert [(line.get_label(), line.get_marker()) for line in lines] == [
        ("third", "s"),
        ("one", "None"),
    ]
    assert_array_equal(lines[0].get_ydata(), [4, 5])


def test_texts_label_themselves_and_numbers_have_a_true_minus(ax):
    words = gains([[0, 1]]).assign_coords(gain=["tanh-like"]).rename(gain="activation")
    numbers = gains([[0, 1]]).assign_coords(gain=[-0.5])
    (line,) = curves(ax, words, over="lag", each="activation")
    assert line.get_label() == "tanh-like"
    (line,) = curves(ax, numbers, over="lag", each="gain")
    assert line.get_label() == "gain = \N{MINUS SIGN}0.5"


def test_theories_of_each_curve_are_dashed_then_dotted_in_a_darker_tone(ax):
    line, *entries = curves(
        ax, gains([[0, 1]]), over="lag", each="gain",
        theory={"mean field": gains([[0, 1]]), "bound": gains([[0, inf]])},
    )  # fmt: skip
    median, dashed, dotted = ax.lines
    assert median is line and [entry.get_label() for entry in entries] == ["mean field", "bound"]
    assert dashed.is_dashed() and dotted.is_dashed() and not median.is_dashed()
    assert dashed._unscaled_dash_pattern != dotted._unscaled_dash_pattern
    assert entries[0]._unscaled_dash_pattern == dashed._unscaled_dash_pattern
    assert dashed.get_zorder() > median.get_zorder()
    shares = np.divide(to_rgb(dashed.get_color()), to_rgb(median.get_color()))
    assert shares.max() < 0.6 and np.ptp(shares) < 0.02
    assert_array_equal(dotted.get_ydata(), [0, nan])


def test_a_theory_for_all_curves_may_have_points_of_its_own(ax):
    fine = xr.DataArray(np.linspace(0, 1, 5), coords={"lag": np.linspace(0, 1, 5)}, dims="lag")
    curves(ax, gains([[0, 1], [0, 2]]), over="lag", each="gain", theory={"line": fine})
    assert len(ax.lines) == 3 and len(ax.lines[-1].get_xdata()) == 5


def test_panels_share_what_is_said_and_are_titled_by_their_values():
    with styled():
        panels = Figure().subplots(1, 2)
    values = xr.concat([gains([[0, 1]]), gains([[2, 3]])], "activation")
    values = values.assign_coords(activation=["tanh", "relu"])
    theory = {"line": gains([[5, 6]])}
    curves(panels, values, over="lag", each="gain", panels="activation", theory=theory,
           ylabel="norm", level=0)  # fmt: skip
    assert [ax.get_title() for ax in panels] == ["tanh", "relu"]
    assert [ax.get_ylabel() for ax in panels] == ["norm", ""]
    median, predicted, level = panels[1].lines
    assert_array_equal(median.get_ydata(), [2, 3])
    assert_array_equal(predicted.get_ydata(), [5, 6])
    assert_array_equal(level.get_ydata(), [0, 0])


def test_labels_come_from_the_attributes_unless_they_are_given(ax):
    values = gains([[0, 1]])
    values["lag"].attrs = {"long_name": "lag $k$", "units": "steps"}
    curves(ax, values.assign_attrs(long_name="log norm", units="nat"), over="lag", each="gain")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lag $k$ (steps)", "log norm (nat)")
    curves(ax, values.rename("norm"), over="lag", each="gain", xlabel="k", ylim=(-3, 3))
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()) == ("k", "norm", (-3, 3))


def test_the_horizontal_axis_may_be_any_coordinate(ax):
    values = gains([[0, 1]]).assign_coords(seen=("lag", [10, 30]))
    (line,) = curves(ax, values, over="seen", each="gain")
    assert_array_equal(line.get_xdata(), [10, 30])
    assert ax.get_xlabel() == "seen"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "curves over lag, got gain, lag: select or reduce first"),
        ({"each": "gain", "band": "seed"}, "curves over gain, lag, seed, got gain, lag"),
        ({"each": "gain", "theory": {"a": gains([[0, 1]])["gain"]}}, "'lag'|lag"),
        ({"each": "gain", "theory": dict.fromkeys("abcd", gains([[0, 1]]))}, "at most 3 theories"),
        ({"each": "gain", "looks": Look("a", "red")}, "a look for each value of gain"),
        ({"panels": "gain"}, "a panel for each of 2 values of gain, got 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(ax, more, words):
    with pytest.raises((ValueError, KeyError), match=words):
        curves(ax, gains([[0, 1], [2, 3]]), over="lag", **more)


def test_several_panels_need_their_dim():
    with pytest.raises(ValueError, match="one panel, got 2: name their dim by panels="):
        curves(Figure().subplots(1, 2), gains([[0, 1]]), over="lag", each="gain")


def test_curves_that_coincide_are_moved_apart_and_stay_centred(ax):
    values = xr.DataArray(
        np.ones((3, 2)), coords={"rule": ["a", "b", "c"], "lag": [0.0, 1.0]}, dims=["rule", "lag"]
    )
    entries = curves(ax, values, over="lag", each="rule", apart=(0.5, 0.1))
    for place, line in zip((-1, 0, 1), entries, strict=True):
        np.testing.assert_allclose(line.get_xdata(), np.array([0, 1]) + 0.5 * place)
        np.testing.assert_allclose(line.get_ydata(), 1 + 0.1 * place)


@pytest.mark.parametrize(
    ("values", "places"), [([2.0], [0]), ([2.0, nan, 3, 3, nan], [0, 2, 3]), ([1.0, 2, 3], [])]
)
def test_a_point_without_neighbours_has_the_marker_that_stands_at_few(ax, values, places):
    line = {"marker": "s", "markevery": 0.12}
    values = xr.DataArray(np.array(values), coords={"lag": np.arange(len(values))}, dims="lag")
    curves(ax, values, over="lag", line=line)
    alone = [one for one in ax.lines[1:] if one.get_marker() == "s"]
    assert [x for one in alone for x in one.get_xdata()] == places


@pytest.mark.parametrize("values", [[nan, nan], [-1.0, -2.0]])
def test_nothing_positive_is_drawn_on_no_logarithmic_scale(ax, values, recwarn):
    curves(ax, xr.DataArray(values, dims="lag"), over="lag", yscale="log", level=0)
    ax.figure.canvas.draw()
    assert ax.get_yscale() == "linear" and not recwarn.list


@pytest.mark.parametrize("limits", [(3, 3), (nan, 1), (0, inf), (None, nan)])
def test_limits_without_a_range_are_those_of_the_data(ax, limits):
    curves(ax, xr.DataArray([1.0, 2.0], dims="lag"), over="lag", xlim=limits, ylim=(0, None))
    low, high = ax.get_xlim()
    assert low <= 0 and 1 <= high < 2 and ax.get_ylim()[0] == 0


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_single_point_is_inside_of_its_panel_without_a_warning(ax, scale, recwarn):
    one = xr.DataArray([5.0], coords={"gain": [0.9]}, dims="gain")
    limits = {"xlim": one["gain"].values[[0, -1]], "ylim": (1, 1.2 * 5)}
    curves(ax, one, over="gain", xscale=scale, yscale=scale, **limits)
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    assert low < 0.9 < high and ax.get_ylim() == (1, 6)
    assert [str(one.message) for one in recwarn.list] == []
