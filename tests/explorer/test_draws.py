"""The page's random numbers and initial weights against jax's."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from tests.explorer.settings import setting

DRAWN = [
    setting(cell="neuron", n=1, bias=0.7, gain=0.35, seed=5),
    setting(n=33, bias=0.3, gain=1.7, seed=9),
    setting(n=4, weights="identity", gain=0.9, seed=2**31 - 1),
    setting(cell="lstm", n=12, forget=2.3, gain=0.8, seed=77),
    setting(cell="gru", n=10, forget=-1.1, gain=2.9, seed=1234),
    setting(cell="jordan", activation="sigmoid", gain=3.1, seed=3),
]
# In a process of its own: the tests' flags of XLA take away the fused multiply-adds of users.
PROGRAM = """
import json, sys
import jax, numpy as np
from rnnjax.tasks import WhiteNoise
from tests.explorer.settings import cell_of
found = []
for s in json.loads(sys.argv[1]):
    key, cell = jax.random.key(s["seed"]), cell_of(s)
    params = cell.init(jax.random.fold_in(key, 0))._asdict()
    x = WhiteNoise(s["T"], cell.n_x, cell.n_y).sample(jax.random.fold_in(key, 1)).x
    found.append({n: np.asarray(v, float).ravel().tolist() for n, v in {**params, "x": x}.items()})
print(json.dumps(found))
"""


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**31 - 1])
def test_keys_and_bits_are_those_of_jax(computing, seed):
    program = """([seed, data]) => {
      const d = window.rnnjax.draws, key = d.keyOf(seed);
      return [key, d.foldIn(key, data), ...d.split(key, 5), [...d.randomBits(key, 101)]];
    }"""
    *keys, bits = computing.evaluate(program, [seed, 4000000000])
    with jax.enable_x64(False):
        key = jax.random.key(seed)
        mine = [key, jax.random.fold_in(key, 4000000000), *jax.random.split(key, 5)]
        assert keys == [jax.random.key_data(one).tolist() for one in mine]
        assert bits == jax.random.bits(key, (101,)).tolist()
        uniform = computing.evaluate(
            "s => [...window.rnnjax.draws.uniform(window.rnnjax.draws.keyOf(s), 50)]", seed
        )
        assert uniform == jax.random.uniform(key, (50,)).tolist()


@pytest.mark.parametrize("drawn", [DRAWN[1:4], pytest.param(DRAWN, marks=pytest.mark.wide)])
def test_weights_and_inputs_are_those_of_init(computing, drawn):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment |= {
        "JAX_ENABLE_X64": "0",
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or "",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(drawn)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    shown = computing.evaluate(
        "ss => ss.map(s => window.rnnjax.compute(s, ['weights']).weights)", drawn
    )
    n_compared = 0
    for s, of_page, of_jax in zip(drawn, shown, json.loads(done.stdout), strict=True):
        if s["cell"] == "jordan":
            inputs, fed_back = np.split(np.reshape(of_jax["W"], (4, 5)), [3], axis=1)
            of_jax |= {"U": inputs.ravel(), "W": fed_back.ravel()}
        for name, values in of_page.items():
            np.testing.assert_allclose(values, of_jax[name], rtol=3e-7, atol=0, err_msg=name)
            n_compared += len(values)
    assert n_compared > 830 * len(drawn)


def test_most_normal_numbers_are_jax_s_to_the_last_bit(computing):
    """The rest is the rounding of log1p: 1 in 100 as users run jax, 1 in 20 with tests' flags."""
    program = "() => [...window.rnnjax.draws.normal(window.rnnjax.draws.keyOf(3), 20000)]"
    shown = np.array(computing.evaluate(program), np.float32)
    with jax.enable_x64(False):
        expected = np.asarray(jax.random.normal(jax.random.key(3), (20000,)))
    assert np.mean(shown != expected) < 0.08
    np.testing.assert_allclose(shown, expected, rtol=3e-7)
