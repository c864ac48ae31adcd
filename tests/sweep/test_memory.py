"""Chunks chosen from a memory budget, against what the compiler says of them."""

from pathlib import Path

import jax
import pytest

from rnnjax.cli import main
from rnnjax.errors import ConfigError
from rnnjax.sweep.experiment import load
from rnnjax.sweep.memory import largest_chunk, needed
from rnnjax.sweep.request import request_of

TOY = Path(__file__).with_name("toy_experiment.py")
AXES = {"axes": {"activation": ["tanh", "relu"], "gain": "lin(0.5, 2, 40)", "seed": "range(50)"}}


@pytest.fixture(scope="module")
def request_of_toy():
    return request_of(load(str(TOY)), AXES, "float32")


# Of 4 kB more lanes are tried at first than fit.
@pytest.mark.parametrize("budget", [4e3, 2e4, 1e5])
def test_the_largest_program_fills_the_memory_and_does_not_exceed_it(request_of_toy, budget):
    devices = jax.devices()[:1]
    chunk = largest_chunk(request_of_toy, budget, devices)
    assert 1 < chunk < request_of_toy.plan.n_lanes
    taken = [needed(request_of_toy, group, devices, chunk) for group in request_of_toy.plan.groups]
    assert 0.8 * budget < max(taken) <= budget


def test_one_lane_that_does_not_fit_is_refused(request_of_toy):
    with pytest.raises(ConfigError, match=r"^memory: expected at least \d+ bytes, which 1 l"):
        largest_chunk(request_of_toy, 100, jax.devices()[:1])


def test_every_device_has_something_to_do(request_of_toy):
    assert largest_chunk(request_of_toy, 1e12, jax.devices()[:1]) == 2000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--memory", "10"], "--memory: expected a size like 500MB or 2GB, got '10'"),
        (["--memory", "infGB"], "--memory: expected a size like 500MB or 2GB, got 'infGB'"),
        (["--memory", "1GB", "--chunk", "3"], "chunk: expected no --chunk beside --memory"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(capsys, arguments, told):
    try:
        status = main(["plan", str(TOY), *arguments])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
