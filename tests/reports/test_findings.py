"""Every finding fires on what is sick, is silent on what is healthy, and tells the right number."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import rnnjax
from rnnjax.reports.findings import findings
from rnnjax.reports.thresholds import THRESHOLDS
from rnnjax.reports.wording import count, percent, power, quantity, with_error
from tests.reports.datasets import HEALTHY, SICK, Layer, dataset, healthy, sick, two_layers

ALARMS = {
    "vanishing": {"vanishes"},
    "exploding": {"explodes"},
    "overflowing": {"explodes", "overflow float32"},
    "dead": {"dead units"},
    "saturated": {"flat units"},
    "shut": {"gates shut"},
    "chaotic": {"spectrum"},
    "not finite": {"not finite forward", "not finite backward"},
    "too long": {"vanishes"},
}


def by_name(data, layer="Net/RNN_0"):
    return {f.name: f for f in findings(data) if f.layer in ("", layer)}


def alarms(data):
    return {f.name for f in findings(data) if f.alarm}


@pytest.mark.parametrize("name", SICK)
def test_what_is_sick_is_alarmed_about_and_nothing_else(name):
    assert alarms(sick(name)) == ALARMS[name]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"T": 400, "rate": -0.01, "forward_rate": -0.02},  # 1.7 decades over a long sequence
        {"T": 12, "rate": -0.4},
        {"rate": -0.25},  # lost in rounding from lag 67 on
        {"exponents": (0.04, -0.1, -0.2), "error": 0.03},  # grows by e^4, within its error
        {"activation": "relu", "dead": 0.1, "keep": False},
        {"flat": 0.3, "shut": 0.3},
        {"exponents": (0.004, -0.01, -0.1)},  # positive, within its error
        {"exponents": (0.004, -0.1, -0.2), "error": 0.001},  # grows by e^0.4 only
        {"lengths": (100, 80, 60, 40, 20, 10)},
        {"rate": 0.04},  # 1.7 decades
        {"state": "h float16(24)"},
    ],
    ids=str,
)
def test_what_is_healthy_is_not_alarmed_about(changes):
    assert alarms(healthy(**changes)) == set()
    assert alarms(two_layers()) == set()


def test_a_sum_of_losses_with_a_weak_last_step_does_not_explode():
    data = healthy()
    rows = np.log(math.exp(-12) + data["lag"].values)
    data["log_norm_by_lag"][:] = rows[None, None]
    found = by_name(data)["explodes"]
    assert found.number > 5 and not found.alarm


def test_the_numbers_of_the_gradient_by_hand():
    data, found = sick("vanishing"), by_name(sick("vanishing"))
    rows = data["log_norm_by_lag"].values[0]
    m = np.array([np.median(rows[:, k]) for k in range(rows.shape[1])])
    horizon = next(k for k in range(101) if m[k] <= m[0] - math.log(100))
    assert found["horizon"].number == horizon
    assert f"in {horizon} steps of 100" in found["horizon"].statement
    slopes = np.array([np.polyfit(range(101), row, 1)[0] for row in rows])
    e_folding = found["e-folding time"]
    assert e_folding.number == pytest.approx(-1 / slopes.mean(), rel=1e-9)
    error = slopes.std(ddof=1) / 6**0.5 / slopes.mean() ** 2
    assert e_folding.error == pytest.approx(error, rel=1e-9)
    assert with_error(-1 / slopes.mean(), error) in e_folding.statement
    lost = next(k for k in range(101) if m[k] <= m[0] - math.log(2**24))
    assert found["vanishes"].number == lost
    assert f"From lag {lost} of 100" in found["vanishes"].statement
    for name in ("float32", "bfloat16", "float16"):
        lag = sorted(data[f"zero_lag_{name}"].values[0])[2]
        assert found[f"underflow {name}"].number == lag
        assert f"From lag {lag} on a {name} gradient" in found[f"underflow {name}"].statement
    assert found["underflow float32"].source.startswith("IEEE 754-2019, binary32; half of")


def test_the_window_and_the_last_steps_by_hand():
    data, found = healthy(), by_name(healthy())
    cosine = np.median(data["window_cosine"].values[0], axis=0)
    K = 1 + max(k for k in range(100) if cosine[k] < 0.99) + 1
    norm = np.median(data["window_norm_share"].values[0], axis=0)[K - 1]
    message = f"K = {K} of 100 steps keeps cosine 0.99 and {percent(norm)} of the norm"
    assert found["window"].number == K and message in found["window"].statement
    sums = np.array([np.cumsum(row[:100]) for row in data["weight_gradient_share"].values[0]])
    n = 1 + next(k for k in range(100) if np.median(sums[:, k]) >= 0.8)
    assert found["where weights learn"].number == n
    assert f"the last {n} steps of 100" in found["where weights learn"].statement


def test_growth_by_hand():
    m = np.median(sick("exploding")["log_norm_by_lag"].values[0], axis=0)
    found = by_name(sick("exploding"))["explodes"]
    assert found.number == pytest.approx((m.max() - m[0]) / math.log(10), rel=1e-12)
    assert f"grows by {found.number:.3g} decades up to lag {m.argmax()}" in found.statement


def test_units_and_gates_by_hand():
    flat, shut = by_name(sick("saturated"))["flat units"], by_name(sick("shut"))["gates shut"]
    assert flat.number == 18 / 24 and flat.statement.startswith("18 of 24 units are flat")
    assert "unit 0 (97 %), 1 (97 %)" in flat.statement and "10 (97 %)" not in flat.statement
    mean = float(sick("shut")["gate_mean"].mean())
    assert shut.number == 18 / 24 and f"their mean is {mean:.3g}." in shut.statement
    dead = by_name(sick("dead"))["dead units"]
    assert dead.number == 0.5 and dead.statement.startswith("12 of 24 relu units are dead")
    assert dead.statement.endswith("8, 9 and 2 more.")


def test_open_gates_are_no_alarm():
    data = healthy()
    data["gate_open_share"][:] = 0.99
    found = by_name(data)["gates open"]
    assert found.number == 1 and not found.alarm


def test_relus_are_not_called_flat_and_tanhs_are_not_called_dead():
    assert "flat units" not in by_name(sick("dead"))
    assert "dead units" not in by_name(sick("saturated"))


def test_the_spectrum_by_hand():
    found = by_name(sick("chaotic"))
    assert found["spectrum"].number == 0.11 and found["spectrum"].error == 0.01
    growth = 0.11 * 100 / math.log(10)
    assert f"Chaotic, 0.110 ± 0.010 nat a step: a difference grows by {growth:.3g} decades" in (
        found["spectrum"].statement
    )
    assert found["dimension"].number == pytest.approx(2 + 0.13 / 0.4)
    values = found["singular values"]
    assert values.number == pytest.approx(64 * 0.11)
    assert f"gain {power(64 * 0.11)}, number 3 with {power(-64 * 0.4)}" in values.statement
    assert "Contracting" in by_name(healthy())["spectrum"].statement
    slightly = by_name(healthy(exponents=(0.004, -0.1, -0.2), error=0.001))["spectrum"]
    assert slightly.statement.startswith("Expanding, 0.0040 ± 0.0010 nat a step.")
    assert "Neither" in by_name(healthy(exponents=(0.004, -0.1, -0.2)))["spectrum"].statement
    lost = by_name(healthy(exponents=(-math.inf,) * 3, error=math.nan))["spectrum"]
    assert lost.statement == "Every direction of the state is lost for good, -inf nat a step."
    unknown = by_name(healthy(error=math.nan))["spectrum"]
    assert "without a standard error" in unknown.statement and unknown.error is None


def test_forward_memory_by_hand():
    rows = sick("vanishing")["log_norm_forward"].values[0]
    t = 1 + next(k for k in range(100) if np.median(rows[:, k]) <= -math.log(100))
    found = by_name(sick("vanishing"))["forward memory"]
    assert found.number == t
    assert f"falls by two decades in {t} steps; the gradient does so in" in found.statement


def test_the_two_horizons_are_compared_only_where_both_are_falls_by_two_decades():
    told = by_name(healthy(rate=-0.2))["forward memory"].statement
    assert re.search(r"falls by 1\.\d+ decades over 100 steps; the gradient falls by two dec", told)
    told = by_name(healthy(rate=-0.2, forward_rate=0.1))["forward memory"].statement
    assert re.search(r"grows by 4\.\d+ decades over 100 steps; the gradient falls by two dec", told)
    assert "gradient" not in by_name(healthy(forward_rate=-0.2))["forward memory"].statement


def test_a_gradient_that_rises_again_is_not_lost():
    data = healthy()
    rows = np.where(np.arange(101) < 3, 0.0, -20 + 0.5 * np.arange(101))
    data["log_norm_by_lag"][:] = rows[None, None]
    found = by_name(data)
    assert "vanishes" not in found and found["horizon"].number == 3
    data["log_norm_by_lag"][0, :, 60:] = -17  # 2^-24 is -16.6
    assert by_name(data)["vanishes"].number == 60 and not by_name(data)["vanishes"].alarm


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([0, 7, 14], "grows by 6.08 decades up to lag 2."),
        ([0, 9, 9, 9, 9, 9], "grows by 3.91 decades up to lag 1, 0 of them while the lag doubles."),
        ([0, 9, 8, 7, 6, 5], "grows by 3.91 decades up to lag 1, 0 of them while the lag doubles."),
    ],
)
def test_growth_that_does_not_go_on(rows, told):
    data = healthy(T=len(rows) - 1)
    data["log_norm_by_lag"][:] = np.array(rows, float)[None, None]
    found = by_name(data)["explodes"]
    assert found.statement == f"The gradient {told}" and not found.alarm


@pytest.mark.parametrize("state", ["h float32(24)", "h float64(24)"])
def test_exponents_of_the_size_of_rounding_are_0(state):
    found = by_name(healthy(exponents=(3e-8, -1e-8, -2e-8), error=1e-9, state=state))["spectrum"]
    expected = "Neutral, 0 within rounding" if "32" in state else "Expanding"
    assert found.statement == f"{expected}, 3e-08 ± 1e-09 nat a step." and not found.alarm
    found = by_name(healthy(exponents=(-3e-7, -1, -2), error=1e-8))["spectrum"]
    assert found.statement.startswith("Contracting")


def test_a_gradient_that_changes_by_rounding_neither_falls_nor_grows():
    found = by_name(healthy(rate=-1e-8, wobble=0.0))["e-folding time"]
    assert "neither falls nor grows beyond rounding" in found.statement
    assert found.number == math.inf


@pytest.mark.parametrize(
    ("growth", "told"),
    [(0.1, "Unbounded growth of the state"), (0.02, "Chaotic"), (-0.1, "Chaotic"), (np.nan, "Ch")],
)
def test_a_state_that_grows_as_differences_do_is_not_chaotic(growth, told):
    """The exponent is 0.11: a quarter of it is 0.0275, which is 1.4 nat in 50 of 100 steps."""
    data = sick("chaotic").assign(state_growth=("layer", [growth]))
    found = by_name(data)["spectrum"]
    assert found.statement.startswith(told) and found.alarm
    assert "grows by 4.78 decades in 100 steps" in found.statement


@pytest.mark.parametrize(("first", "is_alarm"), [(0.045, False), (0.047, True)])
def test_growth_by_less_than_two_decades_is_no_chaos(first, is_alarm):
    """Over 100 steps 4.61 nat are two decades."""
    found = by_name(healthy(exponents=(first, 0.02, -0.4)))["spectrum"]
    assert found.alarm == is_alarm
    assert found.statement.startswith("Chaotic" if is_alarm else "Expanding")


def test_a_linear_layer_is_unstable_and_not_chaotic():
    data = sick("chaotic").assign(linear=("layer", [True]))
    found = by_name(data)["spectrum"]
    assert found.statement.startswith("Expanding, 0.110") and found.alarm
    assert "grows by 4.78 decades in 100 steps" in found.statement


def test_what_the_inputs_alone_decide():
    """Only what is contracting beyond its errors, and only once the first state has died."""
    dead = by_name(sick("vanishing"))["dimension"].statement
    assert dead.endswith("dimension 0 (state of 24 numbers): the inputs alone decide the state.")
    alive = by_name(healthy())["dimension"].statement
    assert alive.endswith("the inputs alone decide the state in the long run, but not yet within "
                          "100 steps.")  # fmt: skip
    for first in (-0.015, 0.015):
        assert "dimension" not in by_name(healthy(exponents=(first, -0.15, -0.3)))


def test_steps_are_those_of_the_examples_measured():
    """Of all examples half go on for 50 steps, of the four that were looked at closely for 30."""
    layer = Layer(T=60, n=10, lengths=(50, 30, 12, 5, 60, 60), wobble=0.0, rate=-0.6)
    data = dataset(layer)
    for name in ("weight_gradient_share", "window_cosine", "window_norm_share"):
        data[name][:, 4:] = np.nan
    found = by_name(data)
    assert "in 8 steps of 50" in found["horizon"].statement
    assert found["vanishes"].statement.startswith("From lag 28 of 50 on")
    assert "of 30 steps keeps" in found["window"].statement
    assert found["where weights learn"].statement.endswith("steps of 30.")
    two = data.isel(example=[0, 1, 2, 3])
    assert by_name(two)["vanishes"].statement.startswith("From lag 28 of 30 on")


def test_where_numbers_stop_being_finite():
    found = by_name(sick("not finite"))
    forward, backward = found["not finite forward"], found["not finite backward"]
    assert forward.statement == (
        "forward: not finite from step 40 on, at log, model.py:33, in 1 of 6 examples."
    )
    assert backward.number == 30 and "from step 30 down, at log, model.py:33" in backward.statement
    arriving = sick("not finite")
    arriving["non_finite_forward_at"][0, 2] = "arrives with the input of the step"
    assert by_name(arriving)["not finite forward"].statement == (
        "forward: not finite from step 40 on; it arrives with the input of the step, in 1 of 6 "
        "examples."
    )
    both = dataset(replace(HEALTHY, forward_nan=(2, 40), backward_nan=(2, 60)))
    told = by_name(both)["not finite backward"].statement
    assert told.endswith("in 1 of them the forward pass is not finite either.")


def test_norms_of_the_whole_gradient_by_hand():
    data = healthy()
    norms = np.exp(data["log_norm_gradient"].values)
    found = by_name(data)["gradient norms"]
    clip = np.exp(np.quantile(np.log(norms), 0.9))
    assert found.number == pytest.approx(np.log(clip), rel=1e-12)
    assert f"clipping them at {clip:.2g} touches {(norms > clip).sum()} of 6" in found.statement
    median = np.exp(np.median(np.log(norms)))
    assert f"median {median:.2g}, largest {norms.max():.2g}" in found.statement


def test_losses_and_gradients_that_are_not_numbers():
    data = healthy()
    data["loss"][1] = np.nan
    data["log_norm_gradient"][:2] = [np.nan, -np.inf]
    found = by_name(data)
    assert found["loss"].alarm and found["loss"].statement == (
        "The loss is not finite in 1 of 6 examples."
    )
    assert found["gradient"].alarm and found["gradient"].number == 1
    assert found["zero gradient"].number == 1 and not found["zero gradient"].alarm
    data["log_norm_gradient"][:] = -np.inf
    assert by_name(data)["zero gradient"].alarm


def test_a_loss_that_does_not_reach_a_layer():
    data = healthy()
    data["last_step"][0, :2] = -1
    data["log_norm_by_lag"][0, :2] = np.nan
    found = by_name(data)["reach"]
    assert found.number == 4 and not found.alarm
    data["log_norm_by_lag"][0] = -np.inf
    found = by_name(data)["reach"]
    assert found.number == 0 and found.alarm and "in any example" in found.statement


def test_zeros_in_a_few_examples_are_a_reading():
    data = healthy()
    data["zero_lag_float32"][0, 4] = 30
    found = by_name(data)["underflow float32"]
    assert found.number == math.inf and not found.alarm
    assert found.statement.startswith("In 1 of 6 examples") and "lag 30" in found.statement


@pytest.mark.parametrize(("state", "alarm"), [("h float16(24)", True), ("h float32(24)", False)])
def test_a_format_alarms_only_those_who_use_it(state, alarm):
    data = healthy(rate=-0.5, start=-5.0, state=state)
    assert by_name(data)["underflow float16"].alarm is alarm


def test_an_exact_zero_in_the_first_half_is_an_alarm():
    late, early = healthy(rate=-1.5), healthy(rate=-2.5)
    assert not by_name(late)["underflow float32"].alarm
    assert by_name(early)["underflow float32"].alarm


def test_sequences_of_different_lengths_count_from_their_own_ends():
    data = dataset(Layer(T=60, n=10, lengths=(60, 60, 50, 45, 30, 20), wobble=0.0))
    found = by_name(data)
    assert found["horizon"].statement.startswith("The gradient falls by 0.65 decades over 50 lags")
    assert found["e-folding time"].number == pytest.approx(1 / 0.03, rel=1e-6)
    # From its own length on a window holds the whole gradient, whether the dataset says so or not.
    filled = data.copy()
    beyond = data["window"] >= data["last_step"]
    for name in ("window_cosine", "window_norm_share"):
        filled[name] = data[name].where(~beyond, 1.0).transpose(*data[name].dims)
    assert by_name(filled)["window"].number == found["window"].number < 60


def test_a_window_that_is_too_short_says_so():
    found = by_name(healthy(measured_window=20))["window"]
    assert found.number == math.inf
    assert found.statement.startswith("No window of up to 20 steps keeps cosine 0.99")


def test_one_example():
    found = {f.name: f for f in findings(dataset(HEALTHY, n_examples=1))}
    assert found["e-folding time"].error is None
    assert "one example: no standard error" in found["e-folding time"].statement
    assert "gradient norms" not in found
    found = {f.name: f for f in findings(dataset(SICK["vanishing"], n_examples=1))}
    assert "(median; 1 of 1 example)" in found["underflow float16"].statement
    found = {f.name: f for f in findings(dataset(SICK["overflowing"], n_examples=1))}
    assert found["overflow float32"].statement.startswith("In 1 of 1 example a float32 gradient")


def test_one_step_and_one_unit_and_nothing_measured():
    findings(dataset(Layer(T=1, n=1)))
    data = healthy()
    nothing = data.map(lambda v: v * np.nan if v.dtype.kind == "f" else v)
    nothing = nothing.drop_vars(["loss", "log_norm_gradient"])
    assert alarms(nothing) == set()


@pytest.mark.parametrize("name", sorted(str(n) for n in healthy().data_vars))
def test_what_was_not_measured_is_not_said(name):
    data = sick("not finite")
    before, after = by_name(data), by_name(data.drop_vars(name))
    assert set(after) <= set(before)
    gone = {
        "exponents": {"spectrum"}, "dimension": {"dimension"}, "window_cosine": {"window"},
        "weight_gradient_share": {"where weights learn"}, "log_norm_forward": {"forward memory"},
        "flat_share": {"flat units"}, "gate_shut_share": {"gates shut"},
        "log_norm_by_lag": {"horizon", "e-folding time"}, "log_norm_gradient": {"gradient norms"},
        "non_finite_forward_step": {"not finite forward"}, "gate_open_share": {"gates open"},
        "non_finite_backward_step": {"not finite backward"},
        "log_singular_values": {"singular values"},
    }  # fmt: skip
    assert gone.get(name, set()) == set(before) - set(after)


def test_a_dataset_that_was_stored_says_the_same(tmp_path):
    data = dataset(SICK["not finite"], replace(SICK["dead"], name="b", T=40, n=9))
    data.to_netcdf(tmp_path / "diagnosis.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "diagnosis.nc", engine="h5netcdf") as stored:
        again = findings(stored.load())
    assert [f.statement for f in again] == [f.statement for f in findings(data)]


def test_every_threshold_is_used_and_has_a_source():
    for threshold in THRESHOLDS.values():
        assert threshold.source and threshold.unit and math.isfinite(threshold.value)
    for name in SICK:
        for found in findings(sick(name)):
            assert bool(found.source) == (found.threshold is not None)
            assert found.compared_with and found.statement.endswith(".")
            assert not math.isnan(found.number)


def test_numbers_in_words():
    assert (count(1, "step"), count(2, "step")) == ("1 step", "2 steps")
    assert with_error(3.14159, 0.0123) == "3.142 ± 0.012"
    assert with_error(1234, 56) == "1234 ± 56" and with_error(2.0, 0) == "2 ± 0"
    assert with_error(1e9, 1e7) == "1e+09 ± 1e+07"
    assert with_error(0.5, 1e-9) == "0.5 ± 1e-09"
    assert (percent(0.0004), percent(0.99999), percent(1)) == ("0.04 %", "> 99.9 %", "100 %")
    assert (power(0.0), power(-1000.0), power(-math.inf)) == ("1", "5.1e-435", "0")
    assert power(math.log(9.96e-7)) == "1.0e-06"
    assert quantity(0.25, "share of units") == "25 % of units"
    assert quantity(-math.inf, "nat a step") == "-inf nat a step"
    assert quantity(1, "steps") == "1 step" and quantity(math.inf, "steps") == "not reached"


def test_every_threshold_is_explained():
    text = (Path(rnnjax.__file__).parent.parent / "docs" / "howto" / "diagnose.md").read_text()
    table = text.partition("## Thresholds")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z ]+)`", table)) == set(THRESHOLDS)
    rows = text.partition("## Findings")[2].partition("\n## ")[0]
    named = {f.name for name in SICK for f in findings(sick(name))}
    known = set(re.findall(r"`([A-Za-z -]+)`", rows))
    assert {re.sub(r"float.*|bfloat16", "FORMAT", name) for name in named} <= known
