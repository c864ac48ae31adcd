"""W5: Lyapunov exponents, beside a NumPy loop with a QR decomposition at every step.

A driven tanh network with the largest exponent below 0, so that all sides follow one trajectory
and their exponents can be compared. The NumPy loop is that of most published code, in float64.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from rnnjax import Vanilla, probes
from rnnjax.types import Batch

_N_X, _GAIN = 8, 1.5  # every unit has noise of variance 1, beyond which g = 1.86 were chaotic


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the cases of W5."""
    sizes = ((64, 1, 100), (32, 32, 100))
    # A step of a full spectrum costs what any other does, so that 500 of 2000 tell as much.
    for n_h, k, n_steps in sizes if quick else ((1024, 1, 2000), (256, 256, 500), (512, 512, 500)):
        yield lambda n_h=n_h, k=k, n_steps=n_steps: _case(n_h, k, n_steps)


def _case(n_h: int, k: int, n_steps: int) -> harness.Case:
    cell = Vanilla(_N_X, n_h, 1, gain=_GAIN)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((n_steps, _N_X))
    params = cell.init(jax.random.key(0))
    params = params._replace(b=jnp.zeros(n_h))
    W, drive = np.float64(params.W), x @ np.float64(params.U).T

    def spectrum(params, x):
        batch = Batch(x=x, y=jnp.zeros((len(x), 1)), mask=jnp.ones(len(x)))
        return probes.lyapunov_spectrum(cell, None, params, batch, n_exponents=k)["exponents"]

    start = np.linalg.qr(np.random.default_rng(0).standard_normal((n_h, k)))[0]

    def difference(results):
        reference = np.sort(results["NumPy loop"])[::-1]
        return float(np.max(np.abs(np.asarray(results["rnnjax"]) - reference)))

    ours = harness.compiled(spectrum, params, jnp.asarray(x, jnp.float32))
    return harness.Case(
        f"{'largest exponent' if k == 1 else 'full spectrum'}, n_h {n_h}, T {n_steps}",
        ours,
        {"NumPy loop": harness.Side(lambda: _numpy_loop(W, drive, start), goal=5)},
        difference,
        "largest difference of an exponent from the NumPy loop, nat/step",
        flop=2.0 * n_h**2 * (k + 1) * n_steps,
    )


def _numpy_loop(W: np.ndarray, drive: np.ndarray, Q: np.ndarray) -> np.ndarray:
    h, total = np.zeros(len(W)), np.zeros(Q.shape[1])
    for d in drive:
        h = np.tanh(W @ h + d)
        Q, R = np.linalg.qr((1 - h**2)[:, None] * (W @ Q))
        total += np.log(np.abs(np.diag(R)))
    return total / len(drive)
