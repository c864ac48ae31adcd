"""Units whose memory is set by one number a: how much state and sensitivity vary, how a loss bends.

A unit is a function of a that returns a cell with one input and one state, and its parameters.
Under stationary Gaussian inputs of E x_t x_{t+d} = r^|d|,

  x_t = r x_{t-1} + sqrt(1 - r^2) e_t,   h_t = f(h_{t-1}, x_t; a)                       (1)
  dh_t/da = f_a + f_h dh_{t-1}/da                                                       (2)

and a student of a teacher a*, whose outputs y* it is to give for an impulse, has at a = a* the
curvature

  d^2/da^2 sum_t |y_t(a) - y_t(a*)|^2 / 2                                               (3)

which for linear units is that of the mean squared difference under white inputs.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from rnnjax import losses, scan
from rnnjax.ranges import COUNT, Number, arguments
from rnnjax.types import Array, Batch, Cell, Params

Unit = Callable[[Array], tuple[Cell, Params]]


@arguments(
    correlation=Number(at_least=0, below=1),
    n_sequences=COUNT,
    n_steps=COUNT,
    n_discarded=Number(at_least=0, whole=True),
)
def mean_squares(
    units: Sequence[tuple[Unit, Array]],
    key: Array,
    correlation: Array | float,
    *,
    n_sequences: int,
    n_steps: int,
    n_discarded: int,
) -> list[tuple[Array, Array]]:
    """Measure the mean squares over time of the states (1) and of their sensitivities (2).

    Args:
      units: units and the number of each; all see the same inputs. Complex states count by their
        real part.
      key: of the inputs.
      correlation: r.
      n_sequences: independent sequences B.
      n_steps: steps that count.
      n_discarded: steps before them.

    Returns:
      for each unit, mean of h^2 and mean of (dh/da)^2, (B,) each.
    """

    def step(carry: tuple, t: Array) -> tuple[tuple, None]:
        x, followed, sums = carry
        noise = jax.random.normal(jax.random.fold_in(key, t), x.shape)
        x = correlation * x + jnp.sqrt(1 - correlation**2) * noise
        pairs = zip(units, followed, strict=True)
        followed = [_followed(unit, a, state, x) for (unit, a), state in pairs]
        values = [part.real[:, 0] ** 2 for state in followed for part in state]
        counts = t >= n_discarded
        sums = [s + jnp.where(counts, v, 0) for s, v in zip(sums, values, strict=True)]
        return (x, followed, sums), None

    steps = jnp.arange(n_discarded + n_steps)
    x = jax.random.normal(jax.random.fold_in(key, len(steps)), (n_sequences, 1))
    starts = [(jnp.zeros_like(unit(a)[0].initial_state(), shape=(n_sequences, 1)),) * 2
              for unit, a in units]  # fmt: skip
    sums = [jnp.zeros(n_sequences)] * (2 * len(units))
    _, _, sums = jax.lax.scan(step, (x, starts, sums), steps)[0]
    means = [s / n_steps for s in sums]
    return list(zip(means[::2], means[1::2], strict=True))


def _followed(unit: Unit, a: Array, state: tuple, x: Array) -> tuple[Array, Array]:
    """Step a unit and its derivative in every sequence, equation (2)."""

    def one(h: Array, tangent: Array, x: Array) -> tuple[Array, Array]:
        def step(a: Array, h: Array) -> Array:
            cell, params = unit(a)
            return cell.step(params, h, x)

        found: tuple[Array, Array] = jax.jvp(step, (a, h), (jnp.ones(()), tangent))
        return found

    h, tangent = state
    return jax.vmap(one)(h, tangent, x)


@arguments(n_steps=COUNT)
def curvature_at_teacher(unit: Unit, a: Array, n_steps: int) -> Array:
    """Measure the curvature (3) of the loss at a = a*, ().

    Args:
      unit: the unit.
      a: a*.
      n_steps: length of the responses to the impulse.
    """
    impulse = (jnp.arange(n_steps) == 0).astype(float)[:, None]
    target = jax.lax.stop_gradient(scan.outputs(*unit(a), impulse))
    batch = Batch(impulse, target, jnp.ones(n_steps))

    def loss(a: Array) -> Array:
        cell, params = unit(a)
        return 0.5 * scan.sequence_loss(cell, losses.squared_error, params, batch)

    return _slope(_slope(loss))(a)


def _slope(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda a: jax.jvp(function, (a,), (jnp.ones(()),))[1]
