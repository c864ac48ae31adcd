"""Temporal order in quick mode, and its claims against cubes that are wrong."""

import json

import numpy as np
import pytest
import xarray as xr

from rnnjax.cli import main
from rnnjax.figures import styled
from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "temporal_order"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["check"].dims == ("case", "learning_rate", "seed", "arm", "update")
    assert cube["further_error"].dims == ("case", "learning_rate", "seed", "arm", "test_length")
    assert set(np.unique(cube["loss_status"])) == {1}
    assert not failed(NAME, cube) and len(verdicts(NAME, cube)) == 1


def test_training_stops_when_it_is_solved(cube):
    """What comes behind the stop is what was seen at it."""
    stops = cube["solved_at"].values.ravel()
    checks = cube["check"].transpose(*cube["solved_at"].dims, "update").values.reshape(-1, 4)
    assert np.any(np.isfinite(stops))
    for stop, row in zip(stops, checks, strict=True):
        n = 4 if np.isinf(stop) else int(stop) // 100
        assert np.all(row[n - 1 :] <= 0.005) or np.isinf(stop)
        assert np.all(row[: n - 1] > 0.005) and len(set(row[n - 1 :])) == 1


def test_errors_are_shares(cube):
    for name in ("error", "check", "further_error"):
        assert np.all((cube[name] >= 0) & (cube[name] <= 1)), name
    assert np.any(cube["error"] < 0.01) and np.any(cube["further_error"] > 0.5)


def as_it_should_be(**changed):
    """A cube of a whole sweep that passes; `changed` error by "case arm"."""
    cases = [f"{start}/{T}/{T}" for start in ("sigmoid", "basic_tanh", "smart_tanh")
             for T in (20, 50)] + ["smart_tanh/20/50"]  # fmt: skip
    start, shortest, length = zip(*(case.split("/") for case in cases), strict=True)
    arms = ["SGD", "SGD-C", "SGD-R", "SGD-CR"]
    error = np.full((len(cases), 2, 5, len(arms)), 0.75)
    for i, case in enumerate(cases):
        if "tanh" in case:
            # Of two rates the first is the worse one, and no claim may take it.
            error[i, 1, :, 3] = 0.0
            error[i, 1, :4, 1] = 0.0
    found = xr.Dataset(
        {"error": (("case", "learning_rate", "seed", "arm"), error)},
        coords={"case": cases, "start": ("case", list(start)),
                "shortest": ("case", [*map(int, shortest)]),
                "length": ("case", [*map(int, length)]), "arm": arms, "update": [2000, 4000],
                "test_length": [50, 200, 500]},
        attrs={"config": json.dumps({"every": 2000, "n_checks": 2})},
    )  # fmt: skip
    radius, far = changed.pop("radius", 1.2), changed.pop("far", 0.0)
    for told, value in changed.items():
        case, arm = told.split(" ")
        found["error"].loc[{"case": case, "arm": arm}] = value
    updates = xr.ones_like(found["update"], dtype=float)
    return found.assign(
        check=found["error"] * updates,
        loss=found["error"] * updates,
        log_gradient=found["error"] * updates,
        radius=radius + 0 * found["error"] * updates,
        further_error=far + 0 * found["error"] * xr.ones_like(found["test_length"], dtype=float),
    )


def test_a_sweep_that_is_as_it_should_be_passes():
    assert len(verdicts(NAME, as_it_should_be())) == 9
    assert not failed(NAME, as_it_should_be())


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        ("networks that have learned", {"radius": 0.9}),
        ("T = 20, basic tanh", {"basic_tanh/20/20 SGD-CR": 0.02}),
        ("T = 20, smart tanh", {"smart_tanh/20/20 SGD-CR": 0.02}),
        ("T = 50, basic tanh", {"basic_tanh/50/50 SGD": 0.0}),
        ("T = 50, smart tanh", {"smart_tanh/50/50 SGD": 0.0}),
        ("success of sigmoid", {f"sigmoid/{T}/{T} {arm}": 0.0
                                for T in (20, 50) for arm in ("SGD", "SGD-C", "SGD-R")}),
        ("failures of SGD-R", {f"{start}/{T}/{T} SGD-R": 0.0
                               for T in (20, 50) for start in ("basic_tanh", "smart_tanh")}),
        ("many lengths, 20 to 50, smart tanh: errors at T = 200", {"far": 0.02}),
        ("many lengths, 20 to 50, smart tanh: errors at T = 500", {"far": 0.02}),
    ],
)  # fmt: skip
def test_each_claim_can_fail(claim, changed):
    assert any(told.startswith(claim) for told in failed(NAME, as_it_should_be(**changed)))


def test_claims_and_figure_stand_on_other_axes(cube):
    experiment = load(NAME)
    with styled():
        experiment.figure(as_it_should_be())
        experiment.figure(as_it_should_be().sel(case=["smart_tanh/20/50"]))
        experiment.figure(cube)
    some = as_it_should_be().sel(case=["sigmoid/20/20"])
    assert not verdicts(NAME, some)


@pytest.mark.parametrize(
    ("start", "shortest", "length", "key", "message"),
    [
        ("tanh", 20, 20, "case.start", "expected 'sigmoid', 'basic_tanh' or 'smart_tanh'"),
        ("sigmoid", 9, 9, "case.shortest", "expected a number greater than or equal to 10"),
        ("sigmoid", 30, 20, "length", "expected at least shortest = 30, got 20"),
    ],
)
def test_a_case_that_cannot_be_is_one_line(start, shortest, length, key, message, capsys):
    values = {"start": start, "shortest": shortest, "length": length}
    flags = [f"--axes.case.{name}={value}" for name, value in values.items()]
    assert main(["plan", NAME, *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and key in told and message in told
