"""Node perturbation: try noise in the states and keep what paid off. The weak baseline.

  h'_t = step(h'_{t-1}, x_t) + sigma xi_t                   (1)   h' is perturbed, h is not
  Z_t  = Z_{t-1} + xi_t^T D_t                               (2)
  dl_t/dw ~ (l_t(h') - l_t(h)) / sigma  Z_t                 (3)

To first order in sigma l_t(h') - l_t(h) = sigma g_t sum_s (dh_t/dh_s) xi_s, so the mean over xi is
RTRL, with the variance of one number that must tell n_h T directions apart. No derivative travels
through time. Williams, Simple statistical gradient-following algorithms for connectionist
reinforcement learning (REINFORCE), Machine Learning, 1992; with the unperturbed loss as baseline:
Fiete and Seung, Gradient learning in spiking neural networks by dynamic perturbation of
conductances, Physical Review Letters, 2006.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics, fields, scaled
from rnnjax.rules import influence
from rnnjax.rules.influence import Blocks
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.online_rule import OnlineRule
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch


class Prepared(NamedTuple):
    """What a step needs: xi_t^T D_t, the drive and the noise of h', and l_t of h."""

    new: Blocks
    drive: Array
    xi: Array
    batch: Batch
    loss: Array


@fields.dataclass
class NodePerturbation(OnlineRule):
    """Equations (1) to (3), for any cell; the perturbed states are plain numbers.

    Attributes:
      sigma: size of the noise, > 0. Small ones are below rounding, large ones biased: in float32
        between 1e-3 and 1e-1.
      xi: the noise of every step, (T, n_h), in place of random one; for a complex state (T, 2 n_h):
        of the real parts, then of the imaginary ones, which are nodes of their own.
    """

    sigma: Array | float = fields.number(default=1e-2, above=0)
    xi: Array | None = fields.array("T", "n_h", default=None, real=True)
    step_axis = "loss"
    stochastic = True

    def noise(self, problem: Problem, key: Any, n_steps: int) -> Array:
        """Return xi of every step, (T, n_h)."""
        h = problem.cell.initial_state()
        shape = (n_steps, h.size)
        if self.xi is None:
            return jax.random.normal(key, shape, h.dtype)
        if jnp.shape(self.xi) != shape:
            raise ValueError(f"xi: expected shape {shape}, got {jnp.shape(self.xi)}")
        return jnp.asarray(self.xi, h.dtype)

    def begin(self, problem: Problem, x: Array, learned: Any) -> tuple[Array, Blocks]:
        """Return h'_0 = h_0 and Z_0 = 0."""
        return problem.cell.initial_state(), influence.nothing(problem, x, ())

    def restarted(
        self, problem: Problem, x: Array, fresh: tuple[Array, Blocks], memory: tuple[Array, Blocks]
    ) -> tuple[Array, Blocks]:
        """Return Z = 0 beside h', which goes on: l_t(h') - l_t(h) is of the whole perturbation."""
        return memory[0], fresh[1]

    def prepare(self, problem: Problem, observed: ObservedStep) -> Prepared:
        """Return xi_t^T D_t, and what the perturbed step and its loss need."""
        at, noise = observed.batch, observed.noise
        xi = scaled.normalise(noise)
        new = influence.pull(problem, observed.trajectory, at.x, xi)
        drive = dynamics.drive(problem.cell, problem.params, at.x)
        return Prepared(new, drive, noise, at, observed.loss)

    def step(
        self, problem: Problem, memory: tuple[Array, Blocks], prepared: Prepared
    ) -> tuple[tuple[Array, Blocks], Blocks]:
        """Return h'_t and Z_t, and equation (3)."""
        cell, loss, params = problem
        h, Z = memory
        h = dynamics.advance(cell, params, h, prepared.drive) + self.sigma * prepared.xi
        Z = scaled.add_trees(Z, prepared.new)
        at = prepared.batch
        perturbed = jnp.where(at.mask != 0, at.mask * loss(cell.readout(params, h), at.y), 0)
        gain = scaled.normalise((perturbed - prepared.loss) / self.sigma)
        return (h, Z), {
            i: Scaled(gain.value * z.value, gain.exponent + z.exponent) for i, z in Z.items()
        }
