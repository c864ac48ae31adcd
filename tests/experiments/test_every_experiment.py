"""Every experiment without a sweep: its programs are traced, its committed cubes read.

`rnnjax run NAME --quick` of each experiment is a wide test, in the file of the experiment.
"""

import json
from dataclasses import asdict
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from rnnjax import catalog
from rnnjax.cli.config import read_toml
from rnnjax.figures import styled
from rnnjax.sweep.experiment import load
from rnnjax.sweep.programs import Programs
from rnnjax.sweep.request import request_of

CUBES = sorted((Path(__file__).parents[2] / "results").glob("*/cube.nc"))


@pytest.mark.parametrize("name", catalog.experiment_files())
def test_a_quick_sweep_can_be_traced(name):
    """Draws and measurements of its first group, which names and shapes its variables declare."""
    experiment = load(name)
    data = read_toml(experiment.toml("quick"))
    plan = request_of(experiment, data, experiment.precision).plan
    # As a user's sweep: without the strictness of the tests.
    with jax.enable_x64(experiment.precision == "float64"), jax.numpy_rank_promotion("allow"):
        programs = Programs(experiment, plan, jax.devices()[:1])
        group = plan.groups[0]
        _, drawn = programs._traced_draw(group)
        found = programs._trace(programs._measure_lane(group), drawn).out_info
    assert set(found) == set(plan.variables)


@pytest.fixture(scope="module", params=CUBES, ids=lambda path: path.parent.name)
def committed(request):
    """The folder of a committed cube, its experiment and the cube."""
    cube = xr.load_dataset(request.param)
    return request.param.parent, load(cube.attrs["experiment"]), cube


def test_every_experiment_has_a_committed_cube():
    assert set(catalog.experiment_files()) <= {path.parent.name for path in CUBES}


def test_claims_of_a_committed_cube_are_the_committed_ones(committed):
    folder, experiment, cube = committed
    found = {claim.name: asdict(claim) for claim in experiment.claims(cube)}
    told = {claim["name"]: claim for claim in json.loads((folder / "claims.json").read_text())}
    assert list(found) and found.keys() == told.keys()
    for name, claim in found.items():
        for field in ("measured", "expected", "tolerance"):
            # JSON has words for what is not finite; sums may come in another order elsewhere.
            value = float(told[name][field])
            np.testing.assert_allclose(claim[field], value, rtol=1e-6, atol=1e-12, err_msg=name)
        assert claim["relation"] == told[name]["relation"]


def test_no_claim_holds_of_what_was_never_measured(committed):
    _, experiment, cube = committed
    numbers = [name for name, values in cube.data_vars.items() if values.dtype.kind == "f"]
    unmeasured = cube.assign({name: cube[name] * np.nan for name in numbers})
    claims = {claim.name: claim.passed for claim in experiment.claims(cube)}
    assert {c.name: c.passed for c in experiment.claims(unmeasured)} != claims


def test_a_committed_cube_can_be_drawn(committed):
    _, experiment, cube = committed
    with styled():
        figure = experiment.figure(cube)
    assert figure.axes
    plt.close(figure)
