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
    n_steps = 100 if quick else 2000
    for n_h, k in ((64, 1), (32, 32)) if quick else ((1024, 1), (256, 256), (512, 512)):
        yield lambda n_h=n_h, k=k: _case(n_h, k, n_steps, quick)


def _case(n_h: int, k: int, n_steps: int, quick: bool) -> harness.Case:
    cell = Vanilla(_N_X, n_h, 1, gain=_GAIN)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((n_steps, _N_X))
    params = cell.init(jax.random.key(0))
    params = params._replace(b=jnp.zeros(n_h))
    W, drive = np.float64(params.W), x @ np.float64(params.U).T

    def spectrum(params, x):
        batch = Batch(x=x, y=jnp.zeros((len(x), 1)), mask=jnp.ones(len(x)))
        return probes.lyapunov_spectrum(cell, None, params, batch, n_exponents=k)["exponents"]

    fewer = 1 if k == 1 or quick else 10
    start = np.linalg.qr(np.random.default_rng(0).standard_normal((n_h, k)))[0]
    numpy_loop = harness.Side(
        lambda: _numpy_loop(W, drive[: n_steps // fewer], start),
        scale=fewer,
        share=f"{n_steps // fewer} of {n_steps} steps" if fewer > 1 else "",
        goal=5,
    )

    def difference(results):
        reference = np.sort(_numpy_loop(W, drive, start))[::-1]
        return float(np.max(np.abs(np.asarray(results["rnnjax"]) - reference)))

    ours = harness.compiled(spectrum, params, jnp.asarray(x, jnp.float32))
    return harness.Case(
        f"{'largest exponent' if k == 1 else 'full spectrum'}, n_h {n_h}, T {n_steps}",
        ours,
        {"NumPy loop": numpy_loop},
        difference,
        "largest difference of an exponent from the NumPy loop over all steps, nat/step",
        flop=2.0 * n_h**2 * (k + 1) * n_steps,
    )


def _numpy_loop(W: np.ndarray, drive: np.ndarray, Q: np.ndarray) -> np.ndarray:
    h, total = np.zeros(len(W)), np.zeros(Q.shape[1])
    for d in drive:
        h = np.tanh(W @ h + d)
        Q, R = np.linalg.qr((1 - h**2)[:, None] * (W @ Q))
        total += np.log(np.abs(np.diag(R)))
    return total / len(drive)
