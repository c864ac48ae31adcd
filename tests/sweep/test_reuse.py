"""Cells of earlier sweeps are those of the same values, whatever their labels."""

import numpy as np
import pytest

from rnnjax import sweep
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.request import request_of
from rnnjax.sweep.reuse import Earlier
from rnnjax.sweep.running import computed_here


class Setting(sweep.Setting):
    a: float = 1.0
    b: sweep.Static[float] = 2.0
    parts: tuple[float, ...] = (0.0,)
    word: str = "w"


def measure(setting):
    return {"y": 100 * setting.a + 10 * setting.b + sum(setting.parts) + len(setting.word)}


def request(axes):
    return request_of(Experiment("own", Setting, measure), {"axes": axes}, "float64")


@pytest.mark.parametrize(
    ("before", "now", "known"),
    [
        ({"a": [1.0, 2.0]}, {"a": [2.0, 3.0, 1.0]}, [True, False, True]),
        ({"case": {"a": [1.0, 3.0], "b": [2.0, 4.0]}}, {"case": {"b": [2.0, 4.0], "a": [1.0, 3.0]}},
         [True, True]),
        ({"case": {"parts": [[1.0], [2.0]], "b": [2.0, 1.0]}},
         {"case": {"b": [1.0, 2.0], "parts": [[2.0], [2.0]]}}, [True, False]),
        ({"case": {"b": [1.0, 2.0], "word": ["x", "y"]}},
         {"case": {"b": [1.0000000000001, 2.0], "word": ["x", "y"]}}, [False, True]),
        ({"parts": [[1.0, 2.0], [3.0]]}, {"parts": [[1.0000000000001, 2.0], [3.0], [1.0]]},
         [False, True, False]),
    ],
)  # fmt: skip
def test_cells_are_taken_by_the_values_of_their_fields(tmp_path, before, now, known):
    computed_here(request(before), tmp_path / "out", None, False)
    here = request(now)
    earlier = Earlier(here.plan, here.spec | {"reuse": [tmp_path / "out"], "reuse_unknown": True})
    found = np.concatenate([earlier.known(group) for group in here.plan.groups])
    assert found.tolist() == known
    cube = computed_here(here, None, None, False)
    for group in here.plan.groups:
        values: dict = {}
        earlier.fill(group, values)
        taken = earlier.known(group)
        place = tuple(here.plan.places(group)[axis] for axis in here.plan.axes)
        np.testing.assert_array_equal(values["y"][taken], cube["y"].values[place][taken])
