import numpy as np
import pytest

from rnnjax.sweep.status import Status, fill_value, flag_attributes, status_of

VALUES = np.array([[1.0, np.inf], [-np.inf, np.nan]], np.float32)


def test_every_kind_of_value_has_its_status():
    assert status_of(VALUES).tolist() == [
        [Status.OK, Status.OVERFLOW],
        [Status.UNDERFLOW, Status.NAN],
    ]
    assert status_of(VALUES).dtype == np.int8


def test_beyond_the_window_is_no_overflow():
    assert status_of(VALUES, "beyond").tolist() == [
        [Status.OK, Status.BEYOND],
        [Status.BEYOND, Status.NAN],
    ]


def test_integers_and_bools_are_always_ok():
    for values in (np.array([-1, 0, 5]), np.array([True, False, True])):
        assert status_of(values).tolist() == [Status.OK] * 3


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="complex"):
        status_of(np.array([1j]))
    with pytest.raises(ValueError, match="below"):
        status_of(VALUES, "below")


def test_the_codes_are_the_published_ones():
    flags = flag_attributes()
    words = "missing ok overflow nan underflow failed beyond"
    assert flags["flag_meanings"] == words
    assert flags["flag_values"].tolist() == list(range(7))
    assert flags["flag_values"].dtype == np.int8


def test_fills_keep_the_dtype():
    for dtype in ("f4", "f8", "i1", "i8", "u2", "u8", "?"):
        kind = np.dtype(dtype)
        filled = np.full(2, fill_value(kind), kind)
        expected = {"f": np.nan, "i": -1, "u": np.iinfo("u8").max, "b": False}[kind.kind]
        np.testing.assert_array_equal(filled, np.array(expected).astype(kind))
