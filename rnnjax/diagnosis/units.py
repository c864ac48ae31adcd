"""Which units have a slope of almost 0, and which gates stay shut or open.

A unit is one entry of an activation of the step (tanh, relu, erf; the logistic function where the
step has no other) that is not part of a larger one: the logistic function within a silu is none.
Neither are the max(0, x) with which LayerNorm keeps a variance from being negative, and activations
of weights or other constants of the scan alone.
The keep gate of a state entry is the factor with which the step hands it on while all activations
are held,

  keep_i = dh_t,i/dh_{t-1},i  with tanh, logistic and erf constant                       (1)

the forget gate of an LSTM, the update gate of a GRU, whatever their names and signs. It differs
from a weight by its Jacobian: a diagonal one whose entries lie in [0, 1] and change with t. It
differs from the slope of an activation that is not known as one (an ELU) in that it is the same for
every h_{t-1} while the others are held.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence, sites
from rnnjax.jaxprs.sites import Site, evaluated
from rnnjax.types import Array

FLAT = 1e-3  # a slope below it lets nothing through that matters in float32 after a few steps
SHUT, OPEN = 0.05, 0.95
_UNIT_KINDS = ("tanh", "relu", "erf")


def kinds_of(r: Recurrence) -> list[tuple[str, int]]:
    """Return kind and size of the activations of a step, from shapes alone."""
    found: list[Site] = []

    def step(r: Recurrence) -> Array:
        new, seen = evaluated(r.cell, r.params, r.states[0], jnp.zeros((), jnp.int32))
        found.extend(seen)
        return new

    jax.eval_shape(step, r)
    return [(site.kind, site.before.size) for site in found]


def unit_sites(r: Recurrence) -> list[int]:
    """Return the numbers of the activations whose entries are units."""
    kinds, parts = [kind for kind, _ in kinds_of(r)], sites.parts(r.cell)
    known = [i for i, is_none in enumerate(sites.no_units(r.cell)) if not is_none]
    own = [i for i in known if kinds[i] in _UNIT_KINDS and not parts[i]]
    if own or not any(parts[i] for i in known):
        return own or known
    return []  # the units are those larger activations, which are not known


def units_of(r: Recurrence) -> list[str]:
    """Return the activation of every unit."""
    kinds = kinds_of(r)
    return [kind for i in unit_sites(r) for kind, size in [kinds[i]] for _ in range(size)]


def slopes(r: Recurrence) -> dict[str, Array]:
    """Measure, for every unit, at how many steps up to the last one its slope is below 1e-3.

    Returns:
      ``flat_share``, ``dead``: (n_units,), the share of steps, and whether a relu has the slope 0
      at all of them; empty where the step has no activation. Steps at which the slope is NaN count
      in neither. Where the loss enters at no step the share is NaN, and dead is a relu that has the
      slope 0 at all steps there are: if all relus are dead, the loss may not reach the layer.
    """
    at = (r.states[:-1], steps.numbers(r))
    chosen = unit_sites(r)

    def one(at: Any) -> tuple[Array, Array, Array]:
        _, found = evaluated(r.cell, r.params, *at)
        own = [found[i] for i in chosen]
        flat = [(jnp.abs(site.slope) < FLAT).ravel() for site in own]
        # The slope of a relu at NaN reads 0.
        known = [~(jnp.isnan(s.before) | jnp.isnan(s.slope)).ravel() for s in own]
        relu = [jnp.full(site.before.size, site.kind == "relu") for site in own]
        return _joined(flat), _joined(known), _joined(relu)

    flat, known, relu = jax.vmap(one)(at)
    counts = steps.counted(r)
    considered = (counts | ~jnp.any(counts))[:, None] & known
    shut = jnp.all(flat | ~considered, axis=0) & jnp.any(considered, axis=0)
    counted = counts[:, None] & known
    share = jnp.sum(flat & counted, axis=0) / jnp.sum(counted, axis=0)
    return {"flat_share": share, "dead": shut & jnp.any(relu, axis=0)}


def _joined(parts: list[Array]) -> Array:
    return jnp.concatenate(parts) if parts else jnp.zeros(0, bool)


Held = list[Array | None]


def held_of(r: Recurrence, found: list[Site]) -> Held:
    """Return the values at which activations are held; None for what is no whole one."""
    free = map(any, zip(sites.parts(r.cell), sites.no_units(r.cell), strict=True))
    return [None if is_free else site.after for site, is_free in zip(found, free, strict=True)]


def keep_of(r: Recurrence, h: Array, t: Array, held: Held, v: Array) -> Array:
    """Return the Jacobian of a step with held activations times v, (n,): keep_i v_i for gates."""

    def step(h: Array) -> Array:
        return evaluated(r.cell, r.params, h, t, held=held)[0]

    return jax.jvp(step, (h,), (v,))[1]


def keep_factors(r: Recurrence) -> tuple[Array, Array]:
    """Return keep_i of equation (1) at every step, (T, n), and whether it is a gate, (n,).

    Steps behind the last one, padding, do not count: a state that is held there is no gate.
    """
    n = r.states.shape[1]
    other = steps.as_state(r, jax.random.normal(jax.random.key(0), (n,), r.states.dtype))
    rounding = 4 * jnp.finfo(r.states.dtype).eps  # of 1 - z and the like

    def one(h: Array, t: Array) -> tuple[Array, Array]:
        held = held_of(r, evaluated(r.cell, r.params, h, t)[1])
        keep = keep_of(r, h, t, held, jnp.ones_like(h))
        # A diagonal Jacobian multiplies any vector by its diagonal, that of gates at any state.
        moved = keep_of(r, h + other, t, held, other)
        allowed = (1e-4 * jnp.abs(keep) + rounding) * jnp.abs(other)
        diagonal = jnp.abs(moved - keep * other) <= allowed
        # A factor that turns a complex state is no gate.
        return keep.real, diagonal & (jnp.abs(keep.imag) <= 1e-4)

    keep, diagonal = jax.vmap(one)(r.states[:-1], steps.numbers(r))
    counts = steps.counted(r)[:, None]
    within = (keep >= -rounding) & (keep <= 1 + rounding)
    within = jnp.all(within & diagonal | ~counts, axis=0)
    keep = jnp.clip(keep, 0, 1)
    high, low = jnp.where(counts, keep, -jnp.inf), jnp.where(counts, keep, jnp.inf)
    return keep, within & (jnp.max(high, axis=0) - jnp.min(low, axis=0) > 1e-6)


def gates(r: Recurrence) -> dict[str, Array]:
    """Measure how far the keep gate of each state entry is open.

    Returns:
      ``gate_shut_share``, ``gate_open_share``, ``gate_mean``: (n,), shares of steps below 0.05 and
      above 0.95, and the mean; NaN where the entry has no keep gate.
    """
    keep, is_gate = keep_factors(r)
    counts = steps.counted(r)

    def share(truths: Array) -> Array:
        return jnp.where(is_gate, steps.mean(truths, counts), jnp.nan)

    return {
        "gate_shut_share": share(keep < SHUT),
        "gate_open_share": share(keep > OPEN),
        "gate_mean": share(keep),
    }
