"""Every experiment without a sweep: one of its lanes is traced, its committed cubes are read.

`rnnjax run NAME --quick` of each experiment is a wide test, in the file of the experiment.
"""

import io
import json
import re
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from rnnjax import catalog
from rnnjax.claims import ClaimError
from rnnjax.figures import COLUMN_WIDTH, headline, styled
from rnnjax.sweep.experiment import load
from rnnjax.sweep.inferred import results
from rnnjax.sweep.options import fixed_options
from rnnjax.sweep.request import request_of
from rnnjax.sweep.shared import traced_part
from rnnjax.sweep.toml_files import toml_beside

CUBES = sorted((Path(__file__).parents[2] / "results").glob("*/cube.nc"))


# Fewer of what is traced one by one: the code of the experiment is the same for each of them.
FEWER = {"training_film": {"rules": ["RTRL"]}}


@pytest.mark.parametrize("name", catalog.experiment_files())
def test_a_quick_sweep_can_be_traced(name):
    """One lane of its first group gives names and shapes that its variables declare."""
    experiment = load(name)
    data = toml_beside(experiment, "quick") | FEWER.get(name, {})
    plan = request_of(experiment, data, experiment.precision).plan
    group = plan.groups[0]

    def measure(traced, leaves):
        setting = plan.config.setting(plan.static_values(group) | traced)
        shared = None if part is None else part.whole(leaves)
        return results(experiment.measured(setting, shared), experiment.name)

    with fixed_options(experiment.precision):
        part = traced_part(experiment.shared, plan, group) if experiment.shared else None
        traced = {name: one[0] for name, one in plan.traced_values(group.lanes[:1]).items()}
        found = jax.eval_shape(measure, traced, part.leaves if part else ())
    declared = {name: plan.inner_shape(name) for name in plan.variables}
    assert {name: value.shape for name, value in found.items()} == declared


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
    stored = json.loads((folder / "claims.json").read_text())
    stored = stored["claims"] if isinstance(stored, dict) else stored
    told = {claim["name"]: claim for claim in stored}
    assert list(found) and found.keys() == told.keys()
    for name, claim in found.items():
        for field in ("measured", "expected", "tolerance"):
            # JSON has words for what is not finite; sums may come in another order elsewhere.
            value = float(told[name][field])
            np.testing.assert_allclose(claim[field], value, rtol=1e-6, atol=1e-12, err_msg=name)
        assert claim["relation"] == told[name]["relation"]


# Claims on what no float of the cube says: texts, integers, numbers printed elsewhere.
OF_NO_FLOATS = {
    "childrens_book": ("vanilla: not in the book", "GRU: not", "LSTM: not", "one word: rate of"),
    "one_neuron": ("identity: signs that differ",),
    "one_neuron_gradient": ("ANN, two inputs: trained", "RNN, two inputs: trained",
                            "RNN, own input weights: trained", "RNN, shared: trained"),
    "workbook": ("printed cells of",),
}  # fmt: skip


def test_no_claim_passes_without_a_number(committed):
    folder, experiment, cube = committed
    nothing = {name: v.where(False) for name, v in cube.data_vars.items() if v.dtype.kind == "f"}
    claims: list = []
    # Means and extremes of nothing warn, or raise in the name of their claim.
    with warnings.catch_warnings(), suppress(ClaimError):
        warnings.simplefilter("ignore")
        claims = experiment.claims(cube.assign(nothing))
    passed = [claim.name for claim in claims if claim.passed]
    assert [n for n in passed if not n.startswith(OF_NO_FLOATS.get(folder.name, ()))] == []


@pytest.mark.wide
def test_what_was_not_swept_is_no_claim_and_no_error(committed):
    _, experiment, cube = committed
    for axis in json.loads(cube.attrs["config"])["axes"]:
        for end in (0, -1):
            assert isinstance(experiment.claims(cube.isel({axis: [end]})), list)


@pytest.mark.parametrize("width", ["page", "column"])
def test_a_committed_cube_can_be_drawn(committed, width):
    _, experiment, cube = committed
    with styled(width):
        figure = experiment.figure(cube)
    assert figure.axes
    assert width == "page" or figure.get_figwidth() <= COLUMN_WIDTH
    plt.close(figure)


def test_the_answer_of_a_committed_cube_is_its_caption(committed):
    folder, experiment, cube = committed
    answer = experiment.answer(cube)
    assert 20 <= len(headline(answer)) <= 120 and len(answer) <= 500
    assert re.search(r"\d", answer) and not re.search(r"\bnan\b|\$", answer)
    assert (folder / "caption.txt").read_text().startswith(answer)


@pytest.mark.wide
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_cube_without_numbers_is_drawn_and_answered(committed, share):
    """Without a warning, which would be an error here, however many of the numbers are missing."""
    _, experiment, cube = committed
    rng = np.random.default_rng(0)
    lost = {
        name: values.where(rng.random(values.shape) >= share)
        for name, values in cube.data_vars.items()
        if values.dtype.kind == "f"
    }
    cube = cube.assign(lost)
    with styled("page"):
        figure = experiment.figure(cube)
        figure.savefig(io.BytesIO(), format="raw", dpi=30)
    plt.close(figure)
    assert isinstance(experiment.answered(cube), str)


@pytest.mark.wide
def test_a_cube_of_one_cell_is_drawn_and_answered(committed):
    _, experiment, cube = committed
    cube = cube.isel({axis: [0] for axis in json.loads(cube.attrs["config"])["axes"]})
    with styled("page"):
        figure = experiment.figure(cube)
        figure.savefig(io.BytesIO(), format="raw", dpi=30)
    plt.close(figure)
    assert isinstance(experiment.answered(cube), str)
