"""Reductions over all cells: what is NaN, infinite or exactly 0 is neither lost nor invented."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from rnnjax.reductions import (
    cells,
    finite_states,
    gap,
    largest,
    relative_gap,
    shares_below,
    smallest,
    tabulate,
)

inf, nan = np.inf, np.nan


def row(*values):
    return xr.DataArray(np.array(values) + 0.0, dims="x")


def test_largest_and_smallest_are_nan_where_a_cell_is():
    assert (largest(row(1, 3, 2)), smallest(row(1, 3, 2))) == (3.0, 1.0)
    assert np.isnan(largest(row(1, nan, 2))) and np.isnan(smallest(row(1, nan)))
    assert largest(row(1, nan, 2), skip_nan=True) == 2.0
    assert largest(row(1, inf)) == inf
    assert np.isnan(largest(row()))


def test_only_cells_that_count_count():
    values = xr.DataArray([[1.0, 2.0], [nan, 9.0]], dims=("gain", "lag"))
    where = xr.DataArray([True, False], dims="gain")
    assert largest(values, where) == 2.0
    assert_array_equal(cells(values.transpose("lag", "gain"), where), [1.0, 2.0])
    assert np.isnan(largest(values, ~where | where))
    assert np.isnan(largest(values, where & ~where))


def test_finite_states_are_those_without_a_step_that_is_not():
    cube = xr.Dataset({"first_non_finite_step": ("seed", [-1, 0, 7])})
    assert finite_states(cube).values.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("found", "expected", "distance", "relative"),
    [
        (2.0, 4.0, 2.0, 0.5),
        (-inf, -inf, 0.0, 0.0),
        (inf, -inf, inf, nan),
        (-3.0, -inf, inf, nan),
        (nan, 1.0, nan, nan),
        (0.0, 0.0, 0.0, 0.0),
        (1.0, 0.0, 1.0, inf),
    ],
)
def test_gaps_are_0_only_where_both_are_the_same(found, expected, distance, relative):
    assert_array_equal(gap(row(found), row(expected)), [distance])
    assert_array_equal(relative_gap(row(found), row(expected)), [relative])


def test_small_numbers_are_judged_absolutely():
    assert_allclose(relative_gap(row(0.1, 10), row(0.2, 20), least=1), [0.1, 0.5])


def test_shares_below_are_the_ranks():
    shares = shares_below(xr.DataArray([[3.0, 1.0], [2.0, 4.0]], dims=("a", "b")))
    assert shares["value"].values.tolist() == [1, 2, 3, 4]
    assert_allclose(shares, [0.125, 0.375, 0.625, 0.875])
    assert np.all(np.isnan(shares_below(xr.DataArray([3.0, np.nan, 1.0], dims="a"))))


def test_a_table_has_every_combination_and_nan_for_none():
    table = tabulate(lambda g, s: None if s else 2 * g, gain=[1, 2], noise=[0.0, 0.5])
    assert table.dims == ("gain", "noise")
    assert_array_equal(table, [[2, nan], [4, nan]])


def places(values, x):
    return xr.DataArray(np.array(values, dtype=float), coords={"x": x}, dims="x")


def test_arrays_are_compared_by_their_labels():
    found, turned = places([1, 2, 4], [1, 2, 3]), places([4, 2, 1], [3, 2, 1])
    assert gap(found, turned).values.tolist() == [0.0, 0.0, 0.0]
    assert cells(found, turned > 3).tolist() == [4.0]
    assert_array_equal(gap(row(1j), row(1)), [2**0.5])


def row_of(values):
    return xr.DataArray(np.asarray(values), dims="x")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: cells(row(1, 2, 3), row_of([1, 0, 1])), "where: expected True or False, got int"),
        (lambda: largest(row(1, 2), row(1, nan)), "where: expected True or False, got float64"),
        (lambda: cells(row(1, 2), row(1, 2).expand_dims("y") > 1), "where: .* dims .* got y"),
        (
            lambda: cells(places([1, 2, 3], [1, 2, 3]), places([1, 2], [1, 2]) > 1),
            "where: .* place",
        ),
        (lambda: gap(places([1, 2, 3], [1, 2, 3]), places([1, 2], [1, 2])), "expected: .* places"),
        (lambda: relative_gap(places([1], [1]), places([1, 2], [1, 2])), "expected: .* places"),
        (lambda: gap(row(1), None), "expected: expected real numbers, got object"),
        (lambda: largest(row_of([1j])), "values: expected real numbers, got complex128"),
        (lambda: largest(row_of(np.array(["2020"], "M8[ns]"))), "values: .* got datetime64"),
        (lambda: shares_below(row_of([1j])), "values: expected real numbers, got complex128"),
        (lambda: tabulate(lambda g: 1j * g, gain=[1.0]), "function: .* numbers, got complex128"),
        (
            lambda: tabulate(lambda g: [g, g], gain=[1.0]),
            "function: expected one number, got shape",
        ),
        (lambda: tabulate(lambda g: g, gain=1.0), "gain: expected a sequence of values, got shape"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_line(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        wrong()
    assert "\n" not in str(caught.value)
