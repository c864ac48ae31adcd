"""Influence balancing: a linear chain whose parameter seems to help at first and harms in the end.

  s_t = A s_{t-1} + theta v,   A_ii = A_i,i+1 = 1/2,   s_0 = 1,   loss (s_t[1] - 1)^2 / 2      (1)

v is +1 for the first N_+ units and -1 for the rest, so that ds[1]/dtheta changes its sign after
some steps: a gradient with a shorter memory descends the wrong way. Tallec and Ollivier, Unbiased
online recurrent optimization, ICLR 2018. Closed forms are in `rnnjax.theory.influence_balancing`.
"""

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.ranges import COUNT, Number, arguments, refusal
from rnnjax.types import Array, Batch


@fields.dataclass
class InfluenceChain:
    """The network of equation (1), a cell with one input that says whether a step is made at all.

    Where the input is 0 the network rests, so that sequences of all lengths have one shape.

    Attributes:
      n_states: n, the units.
      n_positive: N_+.
      copies: whether every unit has a theta of its own, of the same value: rules that keep a trace
        within a unit need that.
      theta: before the first update.
    """

    n_states: int = fields.count(default=23)
    n_positive: int = fields.count(default=10, at_least=0)
    copies: bool = fields.flag(default=False)
    theta: Array | float = fields.number(default=0.5)
    n_x = 1
    n_y = 1

    def init(self, key: Array | None) -> dict[str, Array]:
        """Return the parameters: theta, () or (n_states,)."""
        return {"theta": jnp.full((self.n_states,) if self.copies else (), self.theta)}

    def initial_state(self) -> Array:
        """Return s_0."""
        return jnp.ones(self.n_states)

    def step(self, params: dict[str, Array], h: Array, x: Array) -> Array:
        """Make a step where x > 0."""
        v = jnp.where(jnp.arange(self.n_states) < self.n_positive, 1.0, -1.0)
        moved = 0.5 * (h + jnp.append(h[1:], 0.0)) + params["theta"] * v
        return jnp.where(x[0] > 0, moved, h)

    def readout(self, params: dict[str, Array], h: Array) -> Array:
        """Return s[1], (1,)."""
        return h[:1]


@arguments(n_steps=COUNT, window=Number(at_least=1, whole=True))
def resting_then(window: Array | int, n_steps: int) -> Batch:
    """Return one sequence: some steps of rest, then `window` steps, with the loss at the end.

    Args:
      window: steps that are made, from 1 to T, may be traced.
      n_steps: T.

    Raises:
      ValueError: an argument is out of its range.
    """
    Number(at_least=1, at_most=n_steps, whole=True).checked("window", window)
    if jnp.ndim(window):
        raise refusal("window", "one number", window)
    steps = jnp.arange(n_steps)
    moves, end = steps >= n_steps - window, steps == n_steps - 1
    return Batch(moves.astype(float)[:, None], jnp.ones((n_steps, 1)), end.astype(float))
