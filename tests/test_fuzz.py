"""The fuzzer finds what is broken, and nothing else; a thousand cases of it with ``--slow``."""

import jax.numpy as jnp
import pytest

from rnnjax import masks
from tests.fuzz.compare import cases

pytestmark = pytest.mark.wide  # a wider sample

# Programs of a few seconds: a rule, a probe and derivatives, a complex cell among them.
QUICK = (3, 7, 13, 22)


def differences(seeds):
    return [str(d) for seed in seeds for found in cases(seed) for d in found]


def test_some_programs():
    assert differences(QUICK) == []


def test_a_difference_is_told_with_its_seed(monkeypatch):
    """With the end of a sequence in the wrong place."""
    monkeypatch.setattr(masks, "length", lambda mask: jnp.int32(len(mask)))
    found = [line for seed in (2, 5, 8) for line in differences([seed])]
    assert found and all(line.startswith("seed ") for line in found)


@pytest.mark.slow
def test_a_thousand_cases():
    found, n, seed = [], 0, 0
    while n < 1000:
        for case in cases(seed):
            n += 1
            found += [str(difference) for difference in case]
        seed += 1
    assert found == []
