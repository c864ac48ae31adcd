"""Maps, dots, matrices, marks, looks and the frame: what they draw, and what they refuse."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from rnnjax.figures import (
    BLUE,
    GREEN,
    Frame,
    Look,
    curves,
    direct_labels,
    distinct_looks,
    dot_rows,
    handles,
    level,
    maps,
    matrix,
    ordered_colours,
    ordered_looks,
    scatter,
    styled,
    ticks,
)

inf, nan = np.inf, np.nan
LOOKS = {"lstm": Look("LSTM", BLUE, "s"), "gru": Look("GRU", GREEN, hollow=True, size=5)}


@pytest.fixture
def ax():
    with styled():
        yield Figure(figsize=(3, 2)).subplots()


def table(values, **coordinates):
    return xr.DataArray(np.asarray(values, dtype=float), coords=coordinates, dims=[*coordinates])


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_maps_share_one_limit_and_one_bar():
    values = table(
        [[[1, 2, 3], [4, 5, 6]], [[-90, 0, inf], [0, 0, 0]]],
        activation=["tanh", "relu"], gain=[0.5, 1], lag=[0, 1, 2],
    )  # fmt: skip
    with styled():
        panels = Figure().subplots(1, 2)
        meshes = maps(panels, values.transpose("lag", "activation", "gain"), x="lag", y="gain",
                      panels="activation", limit=7, bar="norm", ylabel="g")  # fmt: skip
    assert_array_equal(meshes[0].get_array(), [[1, 2, 3], [4, 5, 6]])
    assert {mesh.get_clim() for mesh in meshes} == {(-7, 7)}
    (bar,) = [ax for ax in panels[0].figure.axes if ax not in panels]
    assert bar.get_ylabel() == "norm"
    assert [ax.get_title() for ax in panels] == ["tanh", "relu"]
    assert [ax.get_ylabel() for ax in panels] == ["g", ""]
    assert [len(ax.collections) for ax in panels] == [1, 2]  # the second one has a hatched cell


def test_a_map_needs_just_its_two_dims(ax):
    with pytest.raises(ValueError, match="maps over gain, lag, got gain, lag, seed"):
        maps(ax, table(np.zeros((1, 1, 1)), gain=[1], lag=[0], seed=[0]), x="lag", y="gain")


def test_dot_rows_have_every_run_in_the_order_of_the_looks(ax):
    runs = table([[3, 1, inf], [5, 6, 7], [0, 0, 0]], cell=["gru", "lstm", "tanh"], seed=[0, 1, 2])
    dot_rows(ax, runs, rows="cell", looks=LOOKS, beyond=9, count="solved", median=True, xlabel="n")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["LSTM", "GRU"]
    assert texts(ax) == ["3/3", "2/3"] and ax.get_title(loc="right") == "solved"
    first, _, middle, second, crosses, _ = ax.lines
    assert_array_equal(first.get_xdata(), [5, 6, 7])
    assert_array_equal(second.get_xdata(), [1, 3])
    assert_array_equal(crosses.get_xdata(), [9])
    assert (first.get_marker(), second.get_marker(), crosses.get_marker()) == ("s", "o", "x")
    assert_array_equal(middle.get_xdata(), [6, 6])
    assert_allclose(first.get_ydata(), [-0.25, 0, 0.25])
    assert ax.get_ylim() == (1.5, -0.5) and ax.get_xlabel() == "n"


def test_labels_of_rows_have_their_colours_on_request(ax):
    runs = table([[3, 1], [5, 6]], cell=["gru", "lstm"], seed=[0, 1])
    for coloured in (False, True):
        dot_rows(ax, runs, rows="cell", looks=LOOKS, coloured=coloured)
        colours = [tick.get_color() for tick in ax.get_yticklabels()]
        assert (colours == [look.colour for look in LOOKS.values()][: len(colours)]) == coloured


def test_runs_that_are_not_finite_are_left_out_unless_they_have_a_place(ax):
    dot_rows(ax, table([[1, inf]], cell=["gru"], seed=[0, 1]), rows="cell")
    assert [[*line.get_xdata()] for line in ax.lines] == [[1]]


def test_scatter_pairs_the_cells_of_both_variables(ax):
    predicted = table([10, 20], gain=[1, 2])
    measured = table([[1, 2], [3, inf]], cell=["gru", "lstm"], gain=[1, 2])
    scatter(ax, predicted, measured, each="cell", looks=LOOKS, diagonal=True, xscale="log",
            yscale="log")  # fmt: skip
    lstm, gru, diagonal = ax.lines
    assert_array_equal(gru.get_xydata(), [[10, 1], [20, 2]])
    assert_array_equal(lstm.get_xydata()[0], [10, 3])
    assert (lstm.get_label(), gru.get_markerfacecolor()) == ("LSTM", "none")
    assert_allclose(diagonal.get_xydata(), [[0.7, 0.7], [28, 28]])
    assert ax.get_xlim() == ax.get_ylim()


def test_a_matrix_has_its_first_row_on_top_and_nan_shows_the_hatching(ax):
    values = table([[0.5, -2, nan], [1, 0, -1]], rule=["a", "b"], lag=[1, 2, 3])
    image = matrix(ax, values.T, rows="rule", columns="lag", row_words={"a": "A", "b": "B"},
                   number="{:g}".format)  # fmt: skip
    shown = image.get_array()
    assert_array_equal(shown.filled(9), [[0.5, -1, 9], [1, 0, -1]])
    assert ax.patch.get_hatch() and ax.get_ylim()[0] > ax.get_ylim()[1]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["A", "B"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "3"]
    assert texts(ax) == ["0.5", "-2", "nan", "1", "0", "-1"]


def test_a_matrix_without_words_has_no_ticks(ax):
    matrix(ax, table([[1]], rule=["a"], lag=[1]), rows="rule", columns="lag", row_words={})
    assert not len(ax.get_yticks())


def test_a_level_lies_behind_the_curves_with_its_words(ax):
    line = level(ax, y=0.5, text="chance")
    assert_array_equal(line.get_ydata(), [0.5, 0.5])
    assert texts(ax) == ["chance"] and line.get_zorder() == 0
    assert_array_equal(level(ax, x=2, label="published", dashes=":").get_xdata(), [2, 2])
    for wrong in ({}, {"x": 1, "y": 1}):
        with pytest.raises(ValueError, match="expected x or y"):
            level(ax, **wrong)


def test_ticks_stand_at_the_values_alone(ax):
    ax.set_xscale("log")
    ticks(ax, "x", [0.5, 2, 30])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.5", "2", "30"]
    assert not len(ax.get_xticks(minor=True))
    ticks(ax, "y", [0, 1], ["no", "yes"])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["no", "yes"]


def test_direct_labels_do_not_lie_on_one_another(ax):
    lines = [ax.plot([end, end], label=str(end))[0] for end in (1, 0.99, 0, nan)]
    ax.set_ylim(0, 1)
    direct_labels(ax, lines, distance=0.1)
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert heights == {"0": 0.0, "0.99": pytest.approx(0.945), "1": pytest.approx(1.045)}


def test_labels_are_moved_by_as_little_as_possible(ax):
    lines = [ax.plot([end, end], label=str(end))[0] for end in (0.2, 0.5, 0.51, 0.52, 0.9)]
    ax.set_ylim(0, 1)
    direct_labels(ax, lines, distance=0.1)
    heights = [text.get_position()[1] for text in ax.texts]
    np.testing.assert_allclose(heights, [0.2, 0.41, 0.51, 0.61, 0.9])


def test_distinct_looks_differ_in_colour_and_marker():
    looks = distinct_looks(np.array([1, 16, 75]), "$k$ = {}", size=4)
    assert [look.label for look in looks.values()] == ["$k$ = 1", "$k$ = 16", "$k$ = 75"]
    assert len({look.colour for look in looks.values()}) == 3
    assert len({look.marker for look in looks.values()}) == 3


def test_looks_of_an_ordered_parameter():
    looks = ordered_looks(np.array([-1.0, 2.0]), "$g$ = {:g}", marker="o")
    assert [*looks] == [-1.0, 2.0] and [look.colour for look in looks.values()] == ordered_colours(
        2
    )
    assert looks[-1.0].label == "$g$ = \N{MINUS SIGN}1" and looks[2.0].marker == "o"


def test_handles_are_of_what_is_shown_in_the_order_of_the_looks():
    shown = handles(LOOKS, np.array(["gru", "lstm", "tanh"]), linestyle="none")
    assert [(h.get_label(), h.get_marker()) for h in shown] == [("LSTM", "s"), ("GRU", "None")]
    assert [h.get_label() for h in handles(LOOKS, ["gru"])] == ["GRU"]
    assert len(handles(LOOKS)) == 2


def test_a_look_is_the_arguments_of_lines_and_dots():
    assert LOOKS["lstm"].line() == {"color": BLUE, "linestyle": "-", "marker": "s"}
    dots = LOOKS["gru"].dots(alpha=0.5)
    assert dots == {"color": GREEN, "linestyle": "none", "marker": "o", "markerfacecolor": "none",
                    "markersize": 5, "alpha": 0.5}  # fmt: skip


def test_a_frame_letters_its_panels_and_shows_each_label_once():
    with styled():
        frame = Frame(2, 2, n=3, height=4, width=3, sharex=True)
        looks = [Look("a", BLUE).handle(), Look("b", GREEN).handle(), Look("a", GREEN).handle()]
        figure = frame.finished(looks, ncols=2)
    assert figure.get_size_inches().tolist() == [3, 4]
    assert [len(row) for row in frame.rows] == [2, 1] and len(figure.axes) == 3
    assert [panel.get_title(loc="left") for panel in frame.panels] == ["a", "b", "c"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert legend.get_lines()[0].get_color() == BLUE


def test_a_panel_for_which_the_cube_has_nothing_is_hidden_and_the_others_keep_their_letters():
    with styled():
        frame = Frame(1, 4, height=2)
        _, curve, words, image = frame.panels
        curve.plot([1], [2])
        words.text(0, 0, "unknown")
        image.imshow([[1]])
        frame.finished()
    assert [panel.get_visible() for panel in frame.panels] == [False, True, True, True]
    assert [panel.get_title(loc="left") for panel in frame.panels] == ["a", "b", "c", "d"]


def test_a_frame_without_a_legend_and_with_a_layout():
    frame = Frame(height=3, layout="ab;cc", height_ratios=(1, 2))
    assert len(frame.panels) == 3 and not frame.finished().legends
    assert frame.panels[2].get_subplotspec().colspan.stop == 2


def test_rows_of_their_own_widths_are_laid_out_by_themselves():
    with styled():
        frame = Frame(height=3, widths=((3, 1), (1,)), height_ratios=(2, 1))
        assert [len(row) for row in frame.rows] == [2, 1]
        frame.finished().canvas.draw()
    a, b, c = (panel.get_window_extent() for panel in frame.panels)
    assert a.width > 2 * b.width and c.width > a.width + b.width
    assert a.height > 1.5 * c.height


def words(panel):
    return [text.get_text() for text in panel.texts if text.get_visible()]


def test_a_panel_without_a_finite_number_says_so():
    frame = Frame(2, 3, height=4)
    line, empty, dots, coloured, levels, fine = frame.panels
    curves(line, table([nan, inf], lag=[0, 1]), over="lag", yscale="log", line={"markevery": 0.1})
    empty.set_xlabel("nothing was drawn here")
    dot_rows(dots, table([[nan, nan]], rule=["lstm"], seed=[0, 1]), rows="rule", looks=LOOKS)
    maps(coloured, table(np.full((2, 2), nan), lag=[0, 1], gain=[1, 2]), x="lag", y="gain", bar="b")
    level(levels, y=1.0, text="chance")
    curves(fine, table([1, nan], lag=[0, 1]), over="lag", ylim=(0.5, 2))
    level(fine, y=7.0, text="far beyond the panel")
    frame.finished()
    for panel in (line, dots, coloured):
        assert "no finite value" in words(panel)
    assert not empty.get_visible() and words(levels) == ["chance"] and words(fine) == []
    assert line.get_yscale() == "linear"
    (mesh,) = [one for one in coloured.collections if one.get_array() is not None]
    assert mesh.colorbar.get_ticks().size == 0
    frame.figure.draw_without_rendering()  # matplotlib fails late


def test_a_limit_beside_no_data_is_left_to_matplotlib(ax):
    curves(ax, table([nan, nan], lag=[0, 1]), over="lag", ylim=(0.43, None))
    low, high = ax.get_ylim()
    assert low < high
