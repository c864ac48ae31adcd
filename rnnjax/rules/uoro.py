"""UORO: an unbiased estimate of the influence of rank one.

  M_t ~ s_t theta_t^T                                                              (1)
  s_t     = rho_0 J_t s_{t-1} + rho_1 nu_t                                         (2)
  theta_t = theta_{t-1} / rho_0 + nu_t^T D_t / rho_1                               (3)
  rho_0^2 = |theta_{t-1}| / |J_t s_{t-1}|,   rho_1^2 = |nu_t^T D_t| / |nu_t|       (4)
  dl_t/dw ~ (g_t s_t) theta_t                                                      (5)

nu_t are random signs, one a state entry, so E[nu nu^T] = I and the mean over all sign sequences is
exactly RTRL; (4) balances the two factors and so keeps the variance down. Memory: n_h and one
number a weight. Tallec and Ollivier, Unbiased online recurrent optimization, ICLR 2018.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, scaled, scan
from rnnjax.rules import influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.types import Array, Cell, Params, StepLoss


class Prepared(NamedTuple):
    """What a step needs: J_t, and the new part of each factor."""

    residuals: Residuals
    nu: Scaled
    new: Blocks
    g: Scaled


@fields.dataclass
class UORO:
    """Equations (1) to (5), for any cell.

    Attributes:
      signs: nu of every step, (T, n_h), in place of random ones: all of them give the exact mean.
        For a complex state (T, 2 n_h): of the real parts, then of the imaginary ones.
    """

    signs: Array | None = fields.array("T", "n_h", default=None)
    step_axis = "loss"
    exact = False
    stochastic = True
    init = online.init
    untaught = online.untaught
    learned = online.nothing_learned
    __call__ = online.over_sequence

    def noise(self, cell: Cell, params: Params, key: Array, n_steps: int) -> Array:
        """Return nu of every step, (T, n_h)."""
        h = cell.initial_state()
        return signs_of(self.signs, key, (n_steps, h.size), h.dtype)

    def begin(self, cell: Cell, params: Params, x: Array, learned: Any) -> tuple[Scaled, Blocks]:
        """Return s_0 and theta_0, both 0."""
        s = scaled.normalise(jnp.zeros_like(cell.initial_state()))
        return s, influence.nothing(cell, params, x, ())

    def prepare(
        self, cell: Cell, loss: StepLoss, params: Params, moment: online.Moment
    ) -> Prepared:
        """Return J_t, rho_1 nu_t, nu_t^T D_t / rho_1 and g_t."""
        at, nu = moment.trajectory, scaled.normalise(moment.noise)
        residuals = scan.residuals_of_step(cell, params, at)
        new = influence.pull(cell, params, at, moment.batch.x, nu)
        rho_1 = log_balance(new, nu)
        nu, new = scaled.times_exp(nu, rho_1), times_exp(new, -rho_1)
        return Prepared(residuals, nu, new, moment.g)

    def step(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        memory: tuple[Scaled, Blocks],
        prepared: Prepared,
    ) -> tuple[tuple[Scaled, Blocks], Blocks]:
        """Return s_t and theta_t, and equation (5)."""
        s, theta = memory
        moved = prepared.residuals.bound(cell, params).mv(s.value)
        moved = scaled.normalise(moved.value, s.exponent + moved.exponent)
        rho_0 = log_balance(theta, moved)
        s = scaled.add(scaled.times_exp(moved, rho_0), prepared.nu)
        theta = scaled.add_trees(times_exp(theta, -rho_0), prepared.new)
        return (s, theta), weighted(prepared.g, s, theta)


def signs_of(given: Array | None, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return random signs, or the given ones.

    Raises:
      ValueError: those that are given are of another shape.
    """
    if given is None:
        return jax.random.rademacher(key, shape, dtype)
    if jnp.shape(given) != shape:
        raise ValueError(f"signs: expected shape {shape}, got {jnp.shape(given)}")
    return jnp.asarray(given, dtype)


def log_balance(a: Any, b: Any) -> Array:
    """Return log sqrt(|a| / |b|) for trees of `Scaled`, 0 where one of them is 0.

    Nothing needs balancing there, and any factor leaves the estimate unbiased.
    """
    difference = 0.5 * (_log_length(a) - _log_length(b))
    return jnp.where(jnp.isfinite(difference), difference, 0)


def _log_length(tree: Any) -> Array:
    """Return the log-norm of a tree; a single array is not brought to order 1 a second time."""
    leaves = jax.tree.leaves(tree, is_leaf=influence.is_scaled)
    if len(leaves) > 1:
        return scaled.log_norm(tree)
    (only,) = leaves
    squares = jnp.sum(only.value**2)
    return 0.5 * jnp.log(squares) + only.exponent * scaled.LOG_2


def times_exp(tree: Any, log_factor: Array) -> Any:
    """Return a tree of `Scaled` times e^log_factor."""
    return jax.tree.map(
        lambda leaf: scaled.times_exp(leaf, log_factor), tree, is_leaf=influence.is_scaled
    )


def weighted(g: Scaled, s: Scaled, theta: Blocks) -> Blocks:
    """Return (g s) theta, equation (5)."""
    share = scaled.normalise(jnp.sum(g.value * s.value), g.exponent + s.exponent)
    return {
        i: Scaled(share.value * block.value, share.exponent + block.exponent)
        for i, block in theta.items()
    }
