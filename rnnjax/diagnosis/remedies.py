"""Changes to a layer whose effect on this network is measured, on the same examples.

A changed layer runs along the inputs that it had, and the gradient of its last step is carried back
through it: by how much this gradient falls from the last step to the first is compared before and
after. T is the last step at which the loss enters the layer: padding behind it does not count.

  gates:       keep gates shifted to keep = 1 - 1/T on average (Gers, Schmidhuber and Cummins 2000;
               Tallec and Ollivier, Can recurrent neural networks warp time?, ICLR 2018)
  orthogonal:  recurrent weights replaced by their orthogonal factors (Saxe, McClelland and Ganguli,
               Exact solutions to the nonlinear dynamics of learning, ICLR 2014)
  leak:        h_t = (1 - 1/tau) h_{t-1} + step(h_{t-1}) / tau, tau = T / 4 (Jaeger, Lukosevicius,
               Popovici and Siewert, Optimization and applications of echo state networks, 2007)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.diagnosis import recurrent_weights, steps, units
from rnnjax.diagnosis.transport import along
from rnnjax.jaxprs import Recurrence
from rnnjax.jaxprs.sites import evaluated
from rnnjax.types import Array

ByLag = dict[str, Array]
_HALVINGS = 40


def effects(r: Recurrence, recurrent: tuple[int, ...]) -> ByLag:
    """Return ln of the gradient by lag, (T+1,), with each change that the layer allows.

    Args:
      r: the recurrence.
      recurrent: the numbers of its recurrent weights, see `recurrent_weights.recurrent`.
    """
    found = {"gates": along(r, shifted_gates(r))}
    if recurrent:
        params = tuple(
            recurrent_weights.orthogonal(w, min(w.shape)) if i in recurrent else w
            for i, w in enumerate(r.params)
        )
        found["orthogonal"] = along(r, lambda h, t: steps.new_state(r, params, h, t))
    if r.uncut is r:  # a leak would lead around what cuts the gradient
        found["leak"] = along(r, leaky(r))
    return found


def leaky(r: Recurrence) -> Callable[[Array, Array], Array]:
    """Return the step with a leak of a quarter of the sequence."""
    T = jnp.sum(steps.counted(r)).astype(r.states.real.dtype)
    rate = 1 / jnp.maximum(1, T / 4)
    return lambda h, t: (1 - rate) * h + rate * steps.new_state(r, r.params, h, t)


def shifted_gates(r: Recurrence) -> Callable[[Array, Array], Array]:
    """Return the step with the bias of each keep gate raised until it keeps 1 - 1/T on average.

    On average over the steps, at the states as they were; a gate that is open further stays so.
    """
    uncut = r.uncut
    keep, is_gate = units.keep_factors(uncut)
    shift = jnp.where(is_gate, _raised(keep, steps.counted(r)), 0)
    signs = _signs(uncut, shift)

    def step(h: Array, t: Array) -> Array:
        def change(i: int, before: Array) -> Array:
            return before + signs[i].astype(before.dtype)

        return evaluated(r.cell, r.params, h, t, change=change)[0]

    return step


def _raised(keep: Array, counts: Array) -> Array:
    """Return what to add to the arguments of logistic gates, (T, n), to open them, (n,) >= 0.

    The mean over steps grows with the shift: it is found by bisection, as gates that open and shut
    are far from the gate of their mean argument.
    """
    tiny = jnp.finfo(keep.dtype).tiny
    logit = jnp.log(jnp.maximum(keep, tiny)) - jnp.log(jnp.maximum(1 - keep, tiny))
    shut = 1 / jnp.maximum(jnp.sum(counts), 2).astype(keep.dtype)  # 1 - keep, wanted

    def halved(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) / 2
        too_low = steps.mean(jax.nn.sigmoid(-logit - middle[None]), counts) > shut
        return jnp.where(too_low, middle, low), jnp.where(too_low, high, middle)

    nothing = jnp.zeros_like(keep[0])
    most = jnp.max(jnp.where(counts[:, None], -logit, 0), axis=0) - jnp.log(shut)
    low, _ = jax.lax.fori_loop(0, _HALVINGS, halved, (nothing, jnp.maximum(most, 0)))
    return low


def _signs(r: Recurrence, shift: Array) -> list[Array]:
    """Return for each activation what to add to its argument: the shift of the gate that it is.

    The derivative of keep_i with respect to the value of the gate is 1 or -1 (a gate that closes to
    keep).
    """
    h, t = r.states[0], jnp.zeros((), jnp.int32)
    sites = evaluated(r.cell, r.params, h, t)[1]
    held = units.held_of(r, sites)

    def weighted(held: units.Held) -> Array:
        return jnp.sum(shift * units.keep_of(r, h, t, held, jnp.ones_like(h)).real)

    by_value = jax.grad(weighted)(held)
    return [
        jnp.zeros_like(site.after) if d is None or site.kind != "logistic" else d
        for d, site in zip(by_value, sites, strict=True)
    ]
