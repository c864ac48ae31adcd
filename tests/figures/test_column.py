"""Figures for one column of a page: rows that break, shared axes, labels; and titles."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.figures import (
    COLUMN_WIDTH,
    PAGE_WIDTH,
    Frame,
    entitle,
    headline,
    styled,
    where_positive,
)


def drawn(on, **given):
    with styled(on):
        return Frame(height=3.0, **given)


def places(frame):
    """The row and column of each panel in its grid."""
    spans = [panel.get_subplotspec() for panel in frame.panels]
    return [(span.rowspan.start, span.colspan.start) for span in spans]


def test_a_row_of_four_breaks_in_two_and_the_figure_grows():
    frame = drawn("column", n_rows=2, n_columns=4, sharex=True, sharey="row")
    first = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert places(frame) == [*first, *[(row + 2, column) for row, column in first]]
    assert [len(row) for row in frame.rows] == [4, 4]
    assert tuple(frame.figure.get_size_inches()) == (COLUMN_WIDTH, 6.0)


def test_on_a_page_nothing_breaks():
    frame = drawn("page", n_rows=2, n_columns=4)
    assert places(frame) == [(row, column) for row in range(2) for column in range(4)]
    assert tuple(frame.figure.get_size_inches()) == (PAGE_WIDTH, 3.0)
    assert tuple(drawn("page", n_columns=3).figure.get_size_inches()) == (PAGE_WIDTH, 3.0)


def test_the_width_is_that_of_the_block_alone():
    with pytest.raises(KeyError), styled("column"):
        raise KeyError
    assert drawn("page").figure.get_figwidth() == PAGE_WIDTH
    assert Frame(height=1.0).figure.get_figwidth() == PAGE_WIDTH


@pytest.mark.parametrize("sharey", ["row", True, "all"])
def test_axes_are_shared_as_before_the_rows_broke(sharey):
    frame = drawn("column", n_rows=2, n_columns=4, sharex="col", sharey=sharey)
    (a, b, _, d), (e, *_, h) = frame.rows
    a.set_ylim(0, 5)
    d.set_xlim(0, 7)
    assert d.get_ylim() == (0, 5) and h.get_xlim() == (0, 7)
    assert (e.get_ylim() == (0, 5)) == (sharey != "row")
    assert b.get_xlim() != (0, 7)


def test_unequal_rows_and_letters_keep_their_heights():
    frame = drawn("column", widths=((3, 1), (1, 1, 1, 1)), height_ratios=(2, 1))
    assert [len(row) for row in frame.rows] == [2, 4]
    assert frame.figure.get_figheight() == 6.0  # a row of two becomes two, one of four two
    letters = drawn("column", layout="ab;cc", height_ratios=(2, 1))
    assert places(letters) == [(0, 0), (1, 0), (2, 0)]
    assert letters.figure.get_figheight() == 5.0  # heights 2, 2 and 1 in place of 2 and 1


def test_a_last_row_may_stay_open():
    frame = drawn("column", n_rows=2, n_columns=2, n=3)
    assert places(frame) == [(0, 0), (1, 0), (2, 0)] and len(frame.figure.axes) == 3


def test_each_part_of_a_broken_row_has_the_label_of_its_first_panel():
    frame = drawn("column", n_columns=4)
    frame.panels[0].set_ylabel("gain")
    frame.finished()
    assert [panel.get_ylabel() for panel in frame.panels] == ["gain", "", "gain", ""]


def test_a_legend_fits_the_column():
    frame = drawn("column", n_columns=2)
    lines = frame.panels[0].plot([[0, 1, 2], [1, 2, 3]], label=["a", "b", "c"])
    assert frame.finished(lines, ncols=4).legends[0]._ncols == 2


def test_what_is_as_narrow_as_a_column_stays():
    frame = drawn("column", n_columns=2, width=COLUMN_WIDTH)
    assert places(frame) == [(0, 0), (0, 1)] and frame.figure.get_figheight() == 3.0


@pytest.mark.parametrize(
    ("answer", "first"),
    [
        ("Tanh falls by 2.5 decades. Relu grows.", "Tanh falls by 2.5 decades"),
        ("It falls", "It falls"),
        ("It falls by 3.", "It falls by 3"),
        ("  It falls.\nIt grows.", "It falls"),
    ],
)
def test_the_first_sentence_is_the_title(answer, first):
    assert headline(answer) == first


def test_a_figure_grows_by_the_lines_of_its_title():
    with styled("column"):
        figure = Frame(height=2.0).finished()
        entitle(
            figure, "Gradients of all networks fall over all lags that were measured here. Rest."
        )
    title = figure.get_suptitle()
    assert title.replace("\n", " ") == (
        "Gradients of all networks fall over all lags that were measured here"
    )
    assert figure.get_figheight() == pytest.approx(2.0 + 0.17 * len(title.splitlines()))
    assert len(title.splitlines()) > 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([-1, 1, 3], "beyond gain 1.50"),
        ([-1, 1, -1, 3], "beyond gain 3.25 (and at some lower gains)"),
        ([np.nan, -1, 0, 2], "beyond gain 3.00"),
        ([1, 2], "at every gain from 1 to 2"),
        ([-1, 0], "at no gain from 1 to 2"),
        ([1], "at gain 1"),
        ([0], "at no gain (1 alone)"),
        ([1, -1, 1], "at some gains"),
        ([-1, 1, -1], "at some gains"),
        ([np.nan], "at an unknown gain"),
    ],
)
def test_where_a_curve_is_positive(values, words):
    gains = np.arange(1.0, len(values) + 1)
    curve = xr.DataArray(np.array(values, dtype=float), coords={"gain": gains}, dims="gain")
    assert where_positive(curve, "gain") == words
    assert where_positive(curve[::-1], "gain") == words


@pytest.mark.parametrize(
    ("values", "rates", "words"),
    [
        ([-1, 3], [0.001, 0.005], "beyond rate 0.002"),
        ([-1, 2], [1.0, 1.0003], "beyond rate 1.0001"),
        ([-1, 1], [1e-9, 3e-9], "beyond rate 0.000000002"),
        ([-1, 1], [100.0, 300.0], "beyond rate 200.00"),
        ([-np.inf, np.inf], [1.0, 2.0], "beyond some rate from 1 to 2"),
        ([-1, 1], [1e-8, 1e8], "beyond some rate from 1e-08 to 1e+08"),
        ([-1, 1], [1e30, 3e30], "beyond rate 2e+30"),
    ],
)
def test_where_has_the_digits_of_the_axis(values, rates, words):
    curve = xr.DataArray(np.array(values, dtype=float), coords={"rate": rates}, dims="rate")
    assert where_positive(curve, "rate") == words


def test_several_curves_are_not_told_as_one():
    curves = xr.DataArray([[-1.0], [2.0]], coords={"gain": [1.0]}, dims=("n_h", "gain"))
    with pytest.raises(ValueError, match="expected one curve over gain, got n_h, gain"):
        where_positive(curves, "gain")
