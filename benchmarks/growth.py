"""How the time grows with the number of units, the length and the number of networks.

The norm of the gradient at every lag costs a product of a matrix and a vector each way at every
step, that at every length a product of two matrices: times should grow as n_h^2 and n_h^3, and in
proportion to the length and to the number of networks, once what every step costs beside the
arithmetic no longer counts. Long sequences keep every sqrt(T)-th state alone.
"""

import math
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp

import rnnjax
from benchmarks import harness
from benchmarks.harness import Growth

_N_X, _N_SIDE, _GAIN = 8, 8, 1.0
_LONG = 10**4  # steps from which states are computed again rather than kept


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the points of all curves."""
    if quick:
        yield lambda: _case("every lag", "units n_h", 8, 2, 8, 16, 2)
        yield lambda: _case("every lag", "units n_h", 16, 2, 16, 16, 2)
        return
    lengths = (10**2, 10**3, 10**4, 10**5, 10**6)
    lanes = (1, 4, 16, 64, 256, 1024, 4096)
    n_steps = 64
    for n_h in (16, 32, 64, 128, 256, 512, 1024):
        yield lambda n_h=n_h: _case("every lag", "units n_h", n_h, 2, n_h, 4 * n_steps, _N_SIDE)
        yield lambda n_h=n_h: _case("every length", "units n_h", n_h, 3, n_h, n_steps, _N_SIDE)
    for length in lengths:
        yield lambda length=length: _case("every lag", "steps T", length, 1, 64, length, 1)
    for n in lanes:
        yield lambda n=n: _case("every lag", "networks", n, 1, 64, 4 * n_steps, n)
        yield lambda n=n: _case("every length", "networks", n, 1, 64, n_steps, n)


def _case(
    what: str, over: str, at: int, expected: float, n_h: int, n_steps: int, n_lanes: int
) -> harness.Case:
    cell = rnnjax.Vanilla(_N_X, n_h, 1, gain=_GAIN)
    keys = jax.random.split(jax.random.key(0), n_lanes)
    params = jax.jit(jax.vmap(cell.init))(keys)
    x = jax.random.normal(jax.random.key(1), (n_lanes, n_steps, _N_X))
    segment = math.isqrt(n_steps) if n_steps >= _LONG else None

    def norms(params, x):
        batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))
        if what == "every length":
            return rnnjax.probes.log_norm_by_length(cell, None, params, batch)
        return rnnjax.probes.log_norm_by_lag(cell, None, params, batch, segment=segment)

    spread = n_lanes % jax.device_count() == 0
    program = harness.over_devices(norms) if spread else jax.vmap(norms)
    return harness.Case(
        f"{what}, {n_lanes} networks, n_h {n_h}, T {n_steps}",
        harness.compiled(program, params, x),
        growth=Growth(what, over, at, expected),
    )
