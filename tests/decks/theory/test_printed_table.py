"""The printed table as it is printed, and what it can and cannot tell."""

import dataclasses

import numpy as np
import pytest

from rnnjax.decks import printed_table
from rnnjax.decks.theory.printed_table import (
    NETWORKS,
    cells,
    cells_reproduced,
    intervals,
    least_reproduced,
    table_of,
)


def test_the_table_is_six_rows_of_thirteen_cells():
    assert [len(row) for row in cells()] == [13] * 6
    assert cells()[0] == ["-3.2", "0.1", "0", "0.5", "-0", "0.1", "0", "-0.1", "-0", "0.1", *"000"]
    assert cells()[5][:4] == ["-2.9", "0.1", "0.1", "0.5"]
    signs = [[row[c] for row in cells()] for c in (4, 6, 7, 8)]
    assert signs == [["-0", "-0", "0", "0", "0", "-0"], ["0"] * 6, ["-0.1"] * 6, ["-0"] * 6]


def test_five_rows_rise_and_the_sixth_falls_back():
    """Rows 1 to 5 are the steps of a pair, row 6 begins the next one."""
    neto = np.array([[float(cell) for cell in row[:2]] for row in cells()])
    assert (np.diff(neto[:5], axis=0) > 0).all() and (np.diff(neto, axis=0)[4] < 0).all()


def test_minus_zero_is_an_interval_below_zero():
    ends = intervals()
    assert ends[0, 4].tolist() == [-0.05, 0.0] and ends[0, 6].tolist() == [0.0, 0.05]
    np.testing.assert_allclose(ends[0, 0], [-3.25, -3.15])


def test_all_twelve_outputs_are_logistic_and_none_is_tanh():
    fit, right = printed_table.outputs_that_fit, printed_table.outputs_that_round
    assert fit(printed_table.logistic) == 12 and right(printed_table.logistic) == 10
    assert fit(np.tanh) == 0 and right(np.tanh) == 0
    assert fit(printed_table.relu) == 3 and right(printed_table.relu) == 2


def test_the_outputs_have_changed_places():
    assert printed_table.BAND == {"outo1": "o2", "outo2": "o1"}


@pytest.mark.parametrize("delta_x", [False, True])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_each_network_reproduces_all_cells(network, delta_x):
    assert cells_reproduced(network, delta_x=delta_x) == 78
    changed = dataclasses.replace(network, V=network.V * 1.1)
    assert cells_reproduced(changed, delta_x=delta_x) < 78


def test_the_networks_differ_so_the_table_does_not_tell_which_it_was():
    first, second, third = NETWORKS
    for a, b in ((first, second), (first, third), (second, third)):
        assert np.abs(a.W - b.W).min() > 0 and np.abs(a.V - b.V).max() > 1
    assert {network.sign for network in NETWORKS} == {1, -1}


def test_the_deltas_are_derivatives_of_the_error():
    """With delta x, di3 of the second step is dE/d i3 there: by complex steps."""
    network, tiny = NETWORKS[0], 1e-30

    def error(nudge):
        o, total = np.zeros(2, complex), 0
        for t in range(5):
            i3 = 0.1 if t == 0 else o[1]
            x = np.array([network.i1[0], network.i2[t], i3 + (nudge if t == 1 else 0)])
            o = 1 / (1 + np.exp(-network.V @ (1 / (1 + np.exp(-network.W @ x)))))
            total = total + 0.5 * np.sum((o - network.y[t]) ** 2)
        return total

    derivative = error(1j * tiny).imag / tiny
    assert abs(table_of(network, delta_x=True)[1, 12] - derivative) < 1e-15
    assert abs(table_of(network, delta_x=False)[1, 12] - derivative) > 1e-6


def test_every_network_reproduces_all_cells():
    assert least_reproduced() == 78
