"""Closed forms of nowcasting against counting, against pixels, and against each other."""

import math

import numpy as np
import pytest

from rnnjax.theory import nowcasting

VELOCITIES = np.array([v for v in np.ndindex(5, 5) if v != (2, 2)]) - 2
SIDE, WIDTH, T = 16, 1.2, 6


def guesses(torus):
    lines = nowcasting.straight_lines(5, torus).tolist()
    cells = [line[2] for line in lines]
    blind = nowcasting.best_guess([frozenset(line[:2]) for line in lines], cells)
    return lines, blind, nowcasting.best_guess([tuple(line[:2]) for line in lines], cells)


def test_the_5_by_5_grid_has_96_lines_of_which_28_keys_of_68_are_ambiguous():
    lines, blind, ordered = guesses(torus=False)
    assert len(lines) == 96 and len(set(map(tuple, lines))) == 96
    assert ordered == (1.0, 0.0)
    np.testing.assert_allclose(blind, (68 / 96, 56 / 96 * math.log(2)), rtol=1e-12)
    assert round(blind[0], 3) == 0.708
    answers = {}
    for first, second, third in lines:
        answers.setdefault(frozenset((first, second)), set()).add(third)
    ambiguous = [key for key, found in answers.items() if len(found) == 2]
    assert (len(ambiguous), len(answers)) == (28, 68)
    assert round(len(ambiguous) / len(answers), 2) == 0.41


def test_on_the_torus_every_pair_has_exactly_two_continuations():
    lines, blind, ordered = guesses(torus=True)
    assert len(lines) == 200
    assert ordered == (1.0, 0.0)
    np.testing.assert_allclose(blind, (0.5, math.log(2)), rtol=1e-12)


def test_lines_are_straight_and_of_neighbours():
    lines = nowcasting.straight_lines(5, torus=False)
    rows, columns = np.divmod(lines, 5)
    for cells in (rows, columns):
        steps = np.diff(cells, axis=1)
        np.testing.assert_array_equal(steps[:, 0], steps[:, 1])
        assert np.abs(steps).max() == 1


def frames(places):
    """Blobs at places (..., 2), summed over the images of the torus, (..., SIDE, SIDE)."""
    pixel = np.arange(SIDE)
    images = SIDE * np.arange(-2, 3)
    away = pixel - (np.asarray(places)[..., None, None] + images[:, None])
    profile = np.sum(np.exp(-0.5 * (away / WIDTH) ** 2), axis=-2)
    return profile[..., 0, :, None] * profile[..., 1, None, :]


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (2, -2), (3.3, 0.4), (8, 8), (15, 0), (14, 14)])
def test_the_difference_of_two_blobs_is_that_of_their_pixels(shift):
    place = np.array([3.21, 7.9])
    measured = np.mean((frames(place) - frames(place + shift)) ** 2)
    expected = nowcasting.blob_difference(np.array(shift), SIDE, WIDTH)
    np.testing.assert_allclose(measured, expected, atol=1e-7)


def test_the_errors_of_simple_forecasts_are_those_of_pixels():
    k = np.arange(T + 1)[:, None, None]
    film = frames(np.array([2.2, 5.7]) + k * VELOCITIES)
    before, last, after = film[T - 2], film[T - 1], film[T]
    middle = frames(np.array([2.2, 5.7]) + (T - 3) * VELOCITIES)  # where the swapped motion leads
    back = frames(np.array([2.2, 5.7]) - VELOCITIES)
    forecasts = {
        "zero": 0 * last,
        "persistence": last,
        "frame mean": np.mean(film[:T], axis=0),
        "advection": after,
        "swapped": middle,
        "order-blind": (after + middle) / 2,
        "order-blind, all frames": (after + back) / 2,
    }
    assert not np.array_equal(before, middle)
    expected = nowcasting.blob_errors(VELOCITIES, T, SIDE, WIDTH)
    assert set(expected) == set(forecasts)
    for name, forecast in forecasts.items():
        error = np.mean((forecast - after) ** 2)
        np.testing.assert_allclose(error, expected[name], atol=2e-7, err_msg=name)


def test_the_errors_have_the_values_of_the_16_by_16_torus():
    errors = nowcasting.blob_errors(VELOCITIES, T, SIDE, WIDTH)
    known = {"zero": 0.01767, "persistence": 0.01687, "frame mean": 0.01957, "swapped": 0.03383}
    known |= {"advection": 0, "order-blind": 0.00846, "order-blind, all frames": 0.00773}
    assert {name: round(value, 5) for name, value in errors.items()} == known


def test_the_success_index_of_persistence_is_that_of_fine_pixels():
    fine = 0.02
    place = np.arange(-6, 6, fine)
    radius = WIDTH * math.sqrt(2 * math.log(2))
    disc = np.hypot(*np.meshgrid(place, place)) < radius
    hits = union = 0
    for row, column in VELOCITIES:
        moved = np.roll(disc, (round(row / fine), round(column / fine)), axis=(0, 1))
        hits, union = hits + np.sum(disc & moved), union + np.sum(disc | moved)
    measured = nowcasting.persistence_success(VELOCITIES, WIDTH)
    np.testing.assert_allclose(measured, hits / union, rtol=2e-3)
