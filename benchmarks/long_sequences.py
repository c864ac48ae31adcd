"""W6: the norm of the gradient at every lag of one long sequence, T of 10^4 to 10^6, n_h 64.

Only every sqrt(T)-th state is kept and the others are computed again on the way back. The network
is linear and its W g times an orthogonal matrix, so that the log norm at lag k is k ln g. The same
work with all states kept stands beside it where memory allows.
"""

import math
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from benchmarks import harness

_N_X, _N_H, _GAIN = 8, 64, 0.999


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the cases of W6."""
    for n_steps in (1000,) if quick else (10**4, 10**5, 10**6):
        yield lambda n_steps=n_steps: _case(n_steps)


def _case(n_steps: int) -> harness.Case:
    cell = rnnjax.Vanilla(_N_X, _N_H, 1, activation=rnnjax.activation_named("identity"))
    generator = np.random.default_rng(0)
    Q = np.linalg.qr(generator.standard_normal((_N_H, _N_H)))[0]
    params = cell.init(jax.random.key(0))._replace(W=jnp.asarray(_GAIN * Q, jnp.float32))
    x = jnp.asarray(generator.standard_normal((n_steps, _N_X)), jnp.float32)
    whole = harness.compiled(lambda params, x: _norms(cell, params, x, None), params, x)
    exact = np.arange(n_steps + 1) * math.log(_GAIN)
    return harness.Case(
        f"every lag of one sequence, n_h {_N_H}, T 10^{math.log10(n_steps):g}",
        harness.compiled(lambda params, x: _norms(cell, params, x, math.isqrt(n_steps)), params, x),
        {"rnnjax, all states kept": whole} if n_steps <= 10**5 else {},
        lambda results: float(np.max(np.abs(np.asarray(results["rnnjax"]) - exact) / n_steps)),
        "largest difference of a log norm from k ln g, per step",
    )


def _norms(cell, params, x, segment):
    batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))
    found = rnnjax.probes.log_norm_by_lag(cell, None, params, batch, segment=segment)
    return found["log_norm"]
