"""The grammar of axes."""

import math
from itertools import pairwise

import pytest

from rnnjax.sweep.axes import MAX_VALUES, check_values, expand


@pytest.mark.parametrize(
    ("given", "item", "values"),
    [
        ([0.5, 1, 2.0], float, (0.5, 1, 2.0)),
        (1.5, float, (1.5,)),
        ("0.5,1,2", float, (0.5, 1, 2)),
        ("[0.5, 1, 2]", float, (0.5, 1, 2)),
        (" 3 ", float, (3,)),
        ("1e-3", float, (0.001,)),
        ("lin(0,1,5)", float, (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("lin(2, 1, 3)", float, (2.0, 1.5, 1.0)),
        ("lin(0.1,0.7,7)", float, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        ("lin(-1,1,3)", float, (-1.0, 0.0, 1.0)),
        ("lin(3,9,1)", float, (3.0,)),
        ("log(0.01,100,5)", float, (0.01, 0.1, 1.0, 10.0, 100.0)),
        ("log(1e-300,1e300,3)", float, (1e-300, 1.0, 1e300)),
        ("intlog(1,1000,4)", int, (1, 10, 100, 1000)),
        ("intlog(1,4,9)", int, (1, 2, 3, 4)),
        ("range(4)", int, (0, 1, 2, 3)),
        ("lin(1,3,3)", int, (1, 2, 3)),
        ([2.0, 3], int, (2, 3)),
        ("tanh,relu", str, ("tanh", "relu")),
        ('["tanh", "relu"]', str, ("tanh", "relu")),
        ("tanh", str, ("tanh",)),
        ("true,false", bool, (True, False)),
    ],
)
def test_expands(given, item, values):
    expanded = expand(given, item)
    assert expanded == values
    assert [type(value) for value in expanded] == [type(value) for value in values]


def test_the_ends_are_exact_and_the_spacing_even():
    values = expand("lin(0.5,2,31)")
    assert (values[0], values[-1], len(values)) == (0.5, 2.0, 31)
    assert all(math.isclose(b - a, 0.05) for a, b in pairwise(values))
    assert 0.6 in values
    third = 1 / 3
    assert expand(f"lin({third!r},{2 * third!r},2)") == (third, 2 * third)
    ratios = expand("log(0.3,7,11)")
    assert (ratios[0], ratios[-1]) == (0.3, 7.0)
    assert len({round(b / a, 9) for a, b in pairwise(ratios)}) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("lin(0,1)", "expected a list"),
        ("lin(0,1,5", "expected a list"),
        ("lin(0,1,5))", "expected a list"),
        ("linspace(0,1,5)", "expected a list"),
        ("range(1,2)", "expected a list"),
        ("0.5,,1", "expected a list"),
        ("half", "expected a list"),
        ("__import__('os')", "expected a list"),
        (None, "expected a list"),
        ({"lin": 3}, "expected a list"),
        ("", "at least one"),
        ([], "at least one"),
        ("[]", "at least one"),
        ("range(0)", "count"),
        ("range(-3)", "count"),
        ("range(2.5)", "count"),
        ("lin(0,1,1e3)", "count"),
        (f"range({MAX_VALUES + 1})", "count"),
        ("range(1000000000000)", "count"),
        (f"range({'9' * 5000})", "count"),
        ("lin(0,1,٣)", "count"),
        ("lin(nan,1,3)", "finite"),
        ("log(1,inf,3)", "finite"),
        ("lin(-1e308,1e308,3)", "finite"),
        ("log(0,1,3)", "above zero"),
        ("log(-1,1,3)", "above zero"),
        ("intlog(0.5,8,3)", "whole ends"),
        ("1," * MAX_VALUES + "1", "at most"),
        ([0.0] * (MAX_VALUES + 1), "at most"),
    ],
)
def test_refuses(given, told):
    with pytest.raises(ValueError, match=told) as caught:
        expand(given)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_values_must_differ():
    assert check_values((1, 2)) == (1, 2)
    with pytest.raises(ValueError, match=r"differ, got 1\.0 twice"):
        check_values((1, 2, 1.0))
