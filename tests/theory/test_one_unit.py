import numpy as np
import pytest

from rnnjax.theory import one_unit


def test_at_weight_five_there_are_two_bifurcations():
    lower, upper = one_unit.folds(5.0)
    np.testing.assert_allclose(lower, (0.962424, -2.655610), rtol=0, atol=6e-7)
    np.testing.assert_allclose(upper, (-0.962424, -2.344390), rtol=0, atol=6e-7)


@pytest.mark.parametrize("weight", [4.001, 5.0, 8.0, 30.0])
def test_at_a_bifurcation_a_fixed_point_has_slope_one(weight):
    for x, b in one_unit.folds(weight):
        s = one_unit.sigmoid(x)
        np.testing.assert_allclose(weight * s + b, x, atol=1e-13)
        np.testing.assert_allclose(weight * s * (1 - s), 1, rtol=1e-12)


@pytest.mark.parametrize("weight", [4.5, 5.0, 8.0])
def test_fixed_points_appear_and_vanish_at_the_bifurcations(weight):
    lower, upper = one_unit.folds(weight)
    counts = [
        len(one_unit.fixed_points(weight, bias))
        for bias in (lower.b - 1e-6, lower.b + 1e-6, -weight / 2, upper.b - 1e-6, upper.b + 1e-6)
    ]
    assert counts == [1, 3, 3, 3, 1]
    assert not one_unit.is_bistable(weight, lower.b - 1e-6)
    assert one_unit.is_bistable(weight, lower.b + 1e-6)
    assert one_unit.is_bistable(weight, upper.b - 1e-6)
    assert not one_unit.is_bistable(weight, upper.b + 1e-6)


@pytest.mark.parametrize(
    ("weight", "bias"), [(5, -2.5), (5, -2.3), (5, -2.7), (6, -3), (2, -1), (0, 0.3), (4, -2)]
)
def test_fixed_points_are_stable_but_for_the_middle_one(weight, bias):
    found = np.array(one_unit.fixed_points(weight, bias))
    assert len(found) == (3 if one_unit.is_bistable(weight, bias) else 1)
    s = one_unit.sigmoid(found)
    np.testing.assert_allclose(weight * s + bias, found, atol=1e-14)
    slopes = weight * s * (1 - s)
    assert (slopes > 1).tolist() == [k == 1 for k in range(len(found))]
    for start in (found[0] - 1, found[-1] + 1):
        x = start
        for _ in range(2000 if weight != 4 else 0):
            x = weight * one_unit.sigmoid(x) + bias
        assert weight == 4 or x == pytest.approx(found[0 if start < found[0] else -1], abs=1e-12)


@pytest.mark.parametrize(
    ("weight", "bias", "expected"),
    [
        (5, -2.5, (0.0240888688, 0.0863116695, 0.1009250176)),
        (5, -2.3, (0.0401812049, 0.0586412302, 0.0651241795)),
        (5, -2.7, (0.3605432052, -0.0194195785, -0.1950785165)),
        (6, -3, (0.0525692351, 0.0462363954, 0.0497550840)),
    ],
)
def test_cost_after_fifty_steps_and_its_gradient(weight, bias, expected):
    np.testing.assert_allclose(one_unit.cost(weight, bias), expected, rtol=0, atol=6e-11)


@pytest.mark.parametrize(("weight", "bias"), [(5.0, -2.5), (5.0, -2.7), (4.83, -2.50), (-6.0, 1.0)])
def test_the_gradient_is_a_central_difference(weight, bias):
    def value(w, b):
        return one_unit.cost(w, b, n_steps=20).value

    size, found = 1e-6, one_unit.cost(weight, bias, n_steps=20)
    by_weight = (value(weight + size, bias) - value(weight - size, bias)) / (2 * size)
    by_bias = (value(weight, bias + size) - value(weight, bias - size)) / (2 * size)
    np.testing.assert_allclose(found[1:], (by_weight, by_bias), rtol=2e-6, atol=1e-9)


def test_the_cost_has_a_wall_where_the_start_is_on_the_border_of_two_basins():
    """601 x 601 values of w in [4, 7] and b in [-3.5, -1.5]; the maximum depends on the grid."""
    weights, biases = np.linspace(4, 7, 601), np.linspace(-3.5, -1.5, 601)
    found = one_unit.cost(weights[:, None], biases)
    norm = np.hypot(found.by_weight, found.by_bias)
    row, column = np.unravel_index(np.argmax(norm), norm.shape)
    assert norm[row, column] == pytest.approx(1722.6, abs=0.06)
    assert np.median(norm) == pytest.approx(0.0566, abs=6e-5)
    assert (weights[row], biases[column]) == pytest.approx((4.83, -2.50667), abs=6e-6)
    step = biases[1] - biases[0]
    assert biases[column] == pytest.approx(one_unit.wall(weights[row], 0.5), abs=step)
    # In every row well beyond its onset and not beyond the grid, the steepest place is at the wall.
    rows = np.flatnonzero((weights > 4.6) & (weights < 6.42))
    walls = np.array([one_unit.wall(weight, 0.5) for weight in weights[rows]])
    assert len(rows) > 300 and walls.min() > biases[0]
    np.testing.assert_allclose(biases[np.argmax(norm[rows], axis=1)], walls, rtol=0, atol=step)


@pytest.mark.parametrize("weight", [4.6, 5.0, 6.0])
def test_on_both_sides_of_the_wall_the_state_goes_to_different_fixed_points(weight):
    bias = one_unit.wall(weight, 0.5)
    assert one_unit.fixed_points(weight, bias)[1] == pytest.approx(0.5, abs=1e-12)
    ends = [one_unit.cost(weight, bias + side, 2000).value for side in (-1e-6, 1e-6)]
    assert ends[0] > ends[1] + 0.1


def test_below_the_threshold_there_is_no_bifurcation_and_no_wall():
    with pytest.raises(ValueError, match="weight: expected > 4, where there are bifurcations"):
        one_unit.folds(4.0)
    with pytest.raises(ValueError, match=r"weight: expected > 4.25525 for a wall, got 4.2"):
        one_unit.wall(4.2, 0.5)
    assert not one_unit.is_bistable(3.0, -1.5)


@pytest.mark.parametrize(("weight", "start"), [(5.0, 0.5), (6.0, -0.5), (5.0, 0.0)])
def test_gradient_and_curvature_at_the_wall_are_those_of_the_cost(weight, start):
    bias, s = one_unit.wall(weight, start), one_unit.sigmoid(start)
    found = one_unit.at_wall(weight, start, n_steps=20)
    along, size = np.array([s, 1.0]) / np.hypot(s, 1.0), 1e-7
    for n_steps in (1, 2, 20):
        slopes = []
        for side in (-size, size):
            w, b = np.array([weight, bias]) + side * along
            slopes.append(along @ one_unit.cost(w, b, n_steps, start)[1:])
        here = one_unit.cost(weight, bias, n_steps, start)
        norm = np.hypot(here.by_weight, here.by_bias)
        np.testing.assert_allclose(found.gradient[n_steps - 1], norm, rtol=1e-10)
        curvature = (slopes[1] - slopes[0]) / (2 * size)
        np.testing.assert_allclose(found.curvature[n_steps - 1], curvature, rtol=1e-6, atol=1e-6)
