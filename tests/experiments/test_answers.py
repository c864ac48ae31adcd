"""What experiments say of cubes with other axes: one value, another order, no success."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from rnnjax.figures import styled
from rnnjax.sweep.experiment import load

RESULTS = Path(__file__).parents[2] / "results"


def committed(name):
    """An experiment and its committed cube."""
    return load(name), xr.load_dataset(RESULTS / name / "cube.nc")


def filled(cube, **values):
    """The cube with variables that hold one number everywhere."""
    return cube.assign({name: xr.full_like(cube[name], value) for name, value in values.items()})


def renamed(cube, axis, coordinate, name):
    """The cube whose first place of an axis has another name."""
    names = cube[coordinate].values.astype(object)
    names[0] = name
    return cube.assign_coords({coordinate: (axis, names.astype(str))})


CASES = {
    "add_task": (lambda cube: cube.sel(case=["RFLO/none"]), "Of 1 rules 0 learn lag 3"),
    "cell_gallery": (
        lambda cube: cube.assign(log_norm=-50.0 * cube["lag"] + 0 * cube["log_norm"]),
        "0 of 24 cells keep a gradient within a factor of 10 over 256 steps of white noise.",
    ),
    "childrens_book": (lambda cube: filled(cube, text=0), "100 % of sentences are not"),
    "delta_x": (lambda cube: cube.sel(reading=["none"]), "The largest errors of all readings"),
    "flossed_training": (lambda cube: cube.isel(n_flossed=[0]).assign_coords(n_flossed=[1]),
                         "with 1 exponent flossed"),
    "forward_errors": (lambda cube: cube.isel(gain=[0]), "steps. Gain 0.5, inputs"),
    "gradient_flossing": (lambda cube: cube.isel(gain=[0, 0, 0]).assign_coords(gain=[2, 0.5, 1.5]),
                          "Gain 1.5."),
    "influence_seen": (lambda cube: cube.sel(rule=["RTRL"]).assign_coords(rule=["UORO"]),
                       "1 stochastic rule, which is not shown."),
    "lyapunov": (lambda cube: renamed(cube, "activation", "activation", "identity"),
                 "identity networks of 100 units expand beyond gain"),
    "mean_field_map": (lambda cube: renamed(cube, "activation", "activation", "identity").isel(
                       activation=[0]), "Identity networks grow at noise 0 beyond gain"),
    "one_neuron_gradient": (lambda cube: filled(cube, clipped_share_oldest=np.nan),
                            "At w_n = 5 the gradient has norm 1e71 (identity), 0.75 (tanh), "
                            "0.75 (sigmoid), 1e71 (relu)."),
    "online_training": (lambda cube: filled(cube, solved=0), "growing delay: not solved."),
    "radar_points": (lambda cube: filled(cube, point_direction=1.0), "and 100 % right directions"),
    "rule_alignment": (lambda cube: cube.sel(rule=["RTRL"]), "are 1.00 (RTRL)."),
    "state_tracking": (lambda cube: cube.isel(cell=[0]).assign_coords(cell=["GRU(n_h=4)"]),
                       "% with other cells. Medians"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_answer_says_what_there_is(name):
    experiment, cube = committed(name)
    part, words = CASES[name]
    told = experiment.answer(part(cube))
    assert words in told and "1e+02" not in told and "Of 0 rules" not in told
    assert told.endswith(words) or not words.endswith(".") or name == "online_training"


def test_no_delta_x_is_no_reading_that_gives_the_gradient():
    experiment, cube = committed("delta_x")
    assert "no delta x" not in experiment.answer(filled(cube, relative_error=1e-17))


@pytest.mark.parametrize("name", ["state_tracking", "trainability"])
def test_cells_that_no_table_names_are_drawn(name):
    experiment, cube = committed(name)
    axis = "cell" if "cell" in cube.dims else "case"
    one = renamed(cube.isel({axis: [0]}), axis, "cell", "S5(n_states=4)")
    with styled():
        figure = experiment.figure(one)
        figure.canvas.draw()
    assert sum(np.size(line.get_xdata()) for panel in figure.axes for line in panel.lines) > 20
    plt.close(figure)


def test_a_single_network_at_rest_lies_inside_of_its_panel():
    experiment, cube = committed("lyapunov")
    one = cube.isel(gain=[0])
    with styled():
        panel = experiment.figure(one).axes[0]
    low, high = panel.get_xlim()
    assert low < one["largest_exponent"].min() and one["largest_exponent"].max() < high


def claims(name, change):
    """The claims on a changed cube, by name."""
    experiment, cube = committed(name)
    return {claim.name: claim for claim in experiment.claims(change(cube))}


def test_claims_are_left_out_where_they_say_nothing():
    few = claims("matrix_products", lambda cube: cube.isel(seed=[0], index=slice(12)).assign_attrs(
        config=cube.attrs["config"].replace('"n": 100', '"n": 12')))  # fmt: skip
    assert not any("triangle law" in name for name in few)
    lost = claims("forward_errors", lambda cube: cube.isel(gain=[0], length=[-1]).assign(
        cosine=cube["cosine"].isel(gain=[0], length=[-1]).where(False)))  # fmt: skip
    assert not any(name.startswith("float32, loss at T: gradient lost") for name in lost)
    exact = claims("delta_x", lambda cube: filled(cube, trace_error=1e-16))
    assert not any("decay 0.5" in name for name in exact)
    short = claims("dinner", lambda cube: cube.assign_attrs(
        config=cube.attrs["config"].replace('"n_updates": 1000', '"n_updates": 2')))  # fmt: skip
    assert not any(name.startswith(("trained", "with last night")) for name in short)
    assert any(name.startswith("tanh, gain 1:") for name in short)
