"""Values of an axis far beyond those for which claims hold: no verdict there, the others stay."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from rnnjax.sweep.experiment import load

RESULTS = Path(__file__).parents[2] / "results"
# What networks of gain 1e30 measure: slopes of units that are all saturated are lost.
LOST = {
    "delta_x": {
        "relative_error": 0.0, "error_by_cycle": 0.0, "trace_error": 1e-16, "loop_gain": 0.0,
        "loop_gain_over_bound": 0.0, "sent_error": 0.0, "memory_error": 1.0,
    },
    "forward_errors": {
        "growth_bound": np.inf, "growth_rate": np.nan, "log_growth": np.nan, "cosine": np.nan,
        "cosine_bptt": np.nan, "share_finite": 0.01, "half_digits_step": np.inf,
        "all_digits_step": 2.0, "predicted_step": np.nan, "log_error": np.nan,
    },
    "gates": {"rate": -np.inf, "log_norm": -np.inf, "gate_rate": -4e29},
    "gradient_flossing": {"spectrum": -np.inf, "mean_log_det": -np.inf},
    "lyapunov": {"spectrum": -np.inf, "mean_log_det": -1e31, "largest_exponent": -np.inf},
    "mean_field_map": {"largest_exponent": -np.inf, "variance": np.inf},
}  # fmt: skip


def numbers_of(claims):
    return {c.name: (c.measured, c.expected, c.tolerance, c.passed) for c in claims}


def committed(name):
    experiment = load(name)
    return experiment, xr.load_dataset(RESULTS / name / "cube.nc")


@pytest.mark.parametrize("name", LOST)
def test_claims_say_nothing_of_networks_whose_slopes_are_lost(name):
    experiment, cube = committed(name)
    lost = cube.isel(gain=[-1]).assign_coords(gain=[1e30])
    lost = lost.assign({k: xr.full_like(lost[k], v) for k, v in LOST[name].items()})
    both = xr.concat([cube, lost], "gain", data_vars="minimal", combine_attrs="override")
    found, before = numbers_of(experiment.claims(both)), numbers_of(experiment.claims(cube))
    # Medians over all networks are those of more networks; the verdict is the same.
    assert {name: of[-1] for name, of in found.items()} == {n: of[-1] for n, of in before.items()}
    assert all(passed for *_, passed in numbers_of(experiment.claims(lost)).values())


@pytest.mark.parametrize("w_n", [7.0, -1e30])
def test_claims_on_clipping_say_nothing_of_outputs_beyond_float32(w_n):
    experiment, cube = committed("one_neuron_gradient")
    assert cube["w_n"].values[-1] == 5
    moved = cube.assign_coords(w_n=[*cube["w_n"].values[:-1], w_n])
    beyond = (moved["w_n"] == w_n) & moved["activation"].isin(["identity", "relu"])
    names = ["log_norm", "clipped_norm", "share_oldest", "clipped_share_oldest"]
    moved = moved.assign({name: moved[name].where(~beyond) for name in names})
    found, before = numbers_of(experiment.claims(moved)), numbers_of(experiment.claims(cube))
    on_clipping = [name for name in before if "clipping" in name]
    assert len(on_clipping) == 2
    for name in on_clipping:
        assert found[name][-1] and found[name][0] <= before[name][0]
    alone = numbers_of(experiment.claims(moved.sel(activation=["identity"], w_n=[w_n])))
    assert not alone.keys() & {*on_clipping}
