"""How much of the initial state is left at each step: dh_t/dh_0, forward in time.

  ln sqrt(n/m sum_i |dh_t/dh_0 u_i|^2 / n),   u_1..u_m random orthonormal directions         (1)

an estimate of the root mean square gain ||dh_t/dh_0||_F / sqrt(n).
"""

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence
from rnnjax.scaled import Scaled
from rnnjax.types import Array

_DIRECTIONS = 4


def forward_memory(r: Recurrence) -> dict[str, Array]:
    """Measure ln of the gain of dh_t/dh_0 at t = 1..T, equation (1), (T,).

    NaN behind the last step at which something of the loss enters.
    """
    moves = steps.motion(r)
    n = moves.states.shape[1]
    m = min(_DIRECTIONS, n)
    # Fixed directions, so that two reports on one network agree.
    drawn = jax.random.normal(jax.random.key(0), (n, m), moves.states.real.dtype)
    start = scaled.normalise(jnp.linalg.qr(drawn)[0].T.astype(moves.states.dtype))

    def one(v: Scaled, at: tuple[Array, Array]) -> tuple[Scaled, Scaled]:
        h, t = at
        _, push = jax.linearize(lambda h: moves.step(h, t), h)
        v = scaled.normalise(jax.vmap(push)(v.value), v.exponent)
        return v, v

    _, v = jax.lax.scan(one, start, (moves.states[:-1], steps.numbers(r)))
    flat = Scaled(v.value.reshape(len(v.value), -1), v.exponent)
    log_norms = steps.log_norms(flat) - 0.5 * jnp.log(m)
    return {"log_norm_forward": jnp.where(steps.read(r), log_norms, jnp.nan)}
