"""W7: how learning rules lie to BPTT, over recurrent strength, length and seed, in both precisions.

Three rules and BPTT on add-task sequences, 7 strengths, T of 30 to 1000, 10 networks each. There is
no peer: the goal is a time.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from rnnjax import Vanilla, analysis, rules
from rnnjax.tasks import AddTask

_RULES = {
    "bptt": rules.BPTT(),
    "bptt_10": rules.TruncatedBPTT(10),
    "rflo": rules.RFLO(),
    "snap1": rules.SnAp(1),
}


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the case of W7."""
    yield lambda: _case((30,) if quick else (30, 100, 300, 1000), 1 if quick else 10)


def _case(lengths: tuple[int, ...], n_seeds: int) -> harness.Case:
    gains, seeds = np.meshgrid(np.linspace(0.5, 2.0, 7), np.arange(n_seeds))
    sides = [
        _side(length, precision == "float64", gains.ravel(), seeds.ravel())
        for precision in ("float32", "float64")
        for length in lengths
    ]
    name = (
        f"{len(_RULES) - 1} rules, 7 strengths, T {lengths}, {n_seeds} seeds, n_h 32, 32 and 64 bit"
    )
    return harness.Case(name, harness.together(sides), limit_seconds=10)


def _side(length: int, wide: bool, gains: np.ndarray, seeds: np.ndarray) -> harness.Side:
    task = AddTask(6, 10, length=length)

    def cosines(gain, seed):
        cell = Vanilla(2, 32, 2, gain=gain)
        key_cell, key_task, key_rule = jax.random.split(jax.random.key(seed), 3)
        params, batch = cell.init(key_cell), task.sample(key_task)

        def gradient(rule):
            state = rule.init(cell, params, batch, key_rule)
            return rules.recurrent_gradient(rule, cell, task.loss, params, batch, state)

        drawn = {name: gradient(rule) for name, rule in _RULES.items()}
        return analysis.pairwise_alignment(drawn, reference="bptt")["cosine"][:, 0]

    # Lanes that fill the devices: the last ones are done twice.
    n = -(-len(gains) // jax.device_count()) * jax.device_count()
    gains, seeds = np.resize(gains, n), np.resize(seeds, n)
    with jax.enable_x64(wide):
        lanes = jnp.asarray(gains, float), jnp.asarray(seeds, int)
        return harness.compiled(lambda *lanes: harness.over_devices(cosines)(*lanes), *lanes)
