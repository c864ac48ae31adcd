"""Gradient and Omega in one pass back, for a vanilla network whose one loss falls due at the end.

Without a loss on the way delta_{t-1} = J_t^T delta_t. With u_t = delta_t / |delta_t| carried back
in place of delta_t, and r_t = |J_t^T u_t|,

  Omega = sum_t (r_t - 1)^2                              (1)
  ln |delta_t| = ln |delta_T| + sum_{s > t} ln r_s       (2)

so the ratios give the penalty, their product the gradient, and both are one sum over steps:

  dL/dW + weight dOmega/dW = sum_t z_t (|delta_t| h_{t-1} + 2 weight (r_t - 1) u_{t-1})^T    (3)

with z_t = f'_t u_t. It is what `Penalised(BPTT(), Omega(), weight)` gives, several times faster in
a training. The sums are carried with a scale e^E, so that no norm is too large.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells import Vanilla, VanillaParams
from rnnjax.losses import cross_entropy
from rnnjax.matvec import matvec
from rnnjax.ranges import Number, arguments, refusal
from rnnjax.types import Array, Batch

_SLOPES = {"tanh": lambda h: 1 - h * h, "sigmoid": lambda h: h * (1 - h)}


class AtEnd(NamedTuple):
    """The gradient of a batch.

    Attributes:
      loss: its mean cross-entropy, ().
      gradient: shaped as params; to be multiplied by e^exponent.
      exponent: E, ().
    """

    loss: Array
    gradient: VanillaParams
    exponent: Array


def states(cell: Vanilla, params: VanillaParams, x: Array) -> Array:
    """Return the states h_1..h_T, (T, B, n_h), of a batch of inputs (B, T, n_x).

    NaN where the leak is traced and not 1.

    Raises:
      ValueError: the cell is no network of tanh or sigmoid units that do not leak.
    """
    _check_cell(cell)
    across = params.W.T

    def step(h: Array, drive: Array) -> tuple[Array, Array]:
        h = cell.activation(h @ across + drive)
        return h, h

    drives = matvec(params.U, jnp.swapaxes(x, 0, 1)) + params.b[None, None]
    found = jax.lax.scan(step, jnp.zeros((x.shape[0], cell.n_h)), drives)[1]
    is_traced = isinstance(cell.leak, jax.core.Tracer)
    return jnp.where(cell.leak == 1, found, jnp.nan) if is_traced else found


def _check_cell(cell: Any) -> None:
    wanted = f"a Vanilla network of {' or '.join(_SLOPES)} units with leak 1"
    if not isinstance(cell, Vanilla):
        raise refusal("cell", wanted, type(cell).__name__, shown_by=str)
    if cell.activation.name not in _SLOPES:
        raise refusal("cell", wanted, f"{cell.activation.name} units", shown_by=str)
    if not isinstance(cell.leak, jax.core.Tracer) and not np.all(np.asarray(cell.leak) == 1):
        raise refusal("cell", wanted, f"leak {cell.leak}", shown_by=str)


def _check_one_loss(mask: Array, last: Array | None) -> None:
    """Refuse weights elsewhere than at the end, if they are known."""
    if isinstance(mask, jax.core.Tracer) or isinstance(last, jax.core.Tracer):
        return
    weighted = np.asarray(mask) != 0
    ends = np.full(len(weighted), weighted.shape[1] - 1) if last is None else np.asarray(last)
    if not np.array_equal(weighted, np.arange(weighted.shape[1]) == ends[:, None]):
        end = "the last step" if last is None else "step `last`"
        raise refusal("mask", f"a weight at {end} alone", "another one", shown_by=str)


def logits(params: VanillaParams, h: Array, last: Array | None = None) -> tuple[Array, Array]:
    """Return the states in which the answers are due, (B, n_h), and the answers, (B, n_y).

    Args:
      params: parameters.
      h: states, (T, B, n_h).
      last: index of the step at which each sequence ends, (B,); None for T - 1.
    """
    due = h[-1] if last is None else jnp.take_along_axis(h, last[None, :, None], axis=0)[0]
    return due, matvec(params.V, due) + params.c[None]


def at_end(batch: Batch, last: Array | None) -> tuple[Array, Array, Array]:
    """Return where each sequence of a batch ends, (B,), and its target and weight there.

    Weights, (B,), are NaN if any sequence has another one than that.
    """
    n, n_steps = batch.mask.shape
    ends = jnp.full(n, n_steps - 1) if last is None else last
    targets, weights = (
        jax.vmap(lambda of_one, end: of_one[end])(a, ends) for a in (batch.y, batch.mask)
    )
    is_end = jax.nn.one_hot(ends, n_steps, dtype=bool)
    return ends, targets, jnp.where(jnp.all((batch.mask != 0) == is_end), weights, jnp.nan)


@arguments(weight=Number())
def gradient(
    cell: Vanilla,
    params: VanillaParams,
    batch: Batch,
    weight: Array | float,
    last: Array | None = None,
) -> AtEnd:
    """Return the mean cross-entropy of a batch and its gradient with that of Omega, equation (3).

    Args:
      cell: a network of tanh or sigmoid units that do not leak.
      params: its parameters.
      batch: sequences, leaves (B, T, ...); the weight of the one loss of each is its mask there.
      weight: of Omega.
      last: see `logits`.

    Raises:
      ValueError: the cell is of another kind, or the mask has a weight at another step. Where the
        mask is traced all is NaN then.
    """
    h = states(cell, params, batch.x)
    _check_one_loss(batch.mask, last)
    due, answers = logits(params, h, last)
    ends, targets, weights = at_end(batch, last)

    def mean_loss(answers: Array) -> Array:
        return jnp.mean(weights * jax.vmap(cross_entropy)(answers, targets))

    loss, d_answers = jax.value_and_grad(mean_loss)(answers)
    total, exponent = _pass_back(cell, params, batch.x, h, d_answers @ params.V, ends, weight)
    W, U, b = jnp.split(total, [cell.n_h, cell.n_h + cell.n_x], axis=1)
    lesser = jnp.exp(-exponent)
    V, c = lesser * (d_answers.T @ due), lesser * jnp.sum(d_answers, axis=0)
    found = VanillaParams(W=W, U=U, b=b[:, 0], V=V, c=c)
    return AtEnd(loss, found, exponent)


def _pass_back(
    cell: Vanilla,
    params: VanillaParams,
    x: Array,
    h: Array,
    g: Array,
    ends: Array,
    weight: Array | float,
) -> tuple[Array, Array]:
    """Return the gradient by (W, U, b) side by side, (n_h, n_h + n_x + 1), and its exponent E."""
    source, log_source = _unit(g)

    def back(carry: tuple, at: Any) -> tuple[tuple, None]:
        delta, log_norm, total, exponent = carry
        t, slope, h_prev, x = at
        delta = jnp.where((t == ends)[:, None], source, delta)
        log_norm = jnp.where(t == ends, log_source, log_norm)
        z = slope * delta
        before, log_ratio = _unit(z @ params.W)
        higher = jnp.maximum(exponent, jnp.max(log_norm))
        share = jnp.exp(log_norm - higher)[:, None]
        # The first state is given, not computed: its Jacobian carries nothing on.
        counts = (t > 0) & jnp.isfinite(log_norm + log_ratio)
        pull = jnp.where(counts, 2 * (jnp.exp(log_ratio) - 1), 0) * jnp.exp(-higher)
        pull = (weight / len(ends)) * pull[:, None]
        sent = jnp.concatenate([h_prev * share + before * pull, x * share, share], axis=1)
        total = jnp.exp(exponent - higher) * total + z.T @ sent
        return (before, log_norm + log_ratio, total, higher), None

    begin = (
        jnp.zeros_like(source),
        jnp.full(len(ends), -jnp.inf),
        jnp.zeros((cell.n_h, cell.n_h + cell.n_x + 1)),
        jnp.zeros(()),
    )
    h_prev = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])
    slopes = _SLOPES[cell.activation.name](h)
    steps = (jnp.arange(len(h)), slopes, h_prev, jnp.swapaxes(x, 0, 1))
    (_, _, total, exponent), _ = jax.lax.scan(back, begin, steps, reverse=True)
    return total, exponent


def _unit(v: Array) -> tuple[Array, Array]:
    """Return vectors (B, n) at length 1, 0 where they are 0, and ln of their lengths."""
    length = jnp.sqrt(jnp.sum(v * v, axis=1))
    return v / jnp.where(length > 0, length, 1)[:, None], jnp.log(length)
