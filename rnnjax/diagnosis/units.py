"""Which units have a slope of almost 0, and which gates stay shut or open.

A unit is one entry of an activation of the step (tanh, relu, erf; the logistic function where the
step has no other). The keep gate of a state entry is the factor with which the step hands it on
while all activations are held,

  keep_i = dh_t,i/dh_{t-1},i  with tanh, logistic and erf constant                       (1)

the forget gate of an LSTM, the update gate of a GRU, whatever their names and signs. It differs
from a weight by its Jacobian: a diagonal one whose entries lie in [0, 1] and change with t.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence
from rnnjax.jaxprs.sites import Site, evaluated
from rnnjax.types import Array

FLAT = 1e-3  # a slope below it lets nothing through that matters in float32 after a few steps
SHUT, OPEN = 0.05, 0.95
_UNIT_KINDS = ("tanh", "relu", "erf")


def kinds_of(r: Recurrence) -> list[tuple[str, int]]:
    """Return kind and size of the activations of a step, from shapes alone."""
    found: list[Site] = []

    def step(r: Recurrence) -> Array:
        new, sites = evaluated(r.cell, r.params, r.states[0], jnp.zeros((), jnp.int32))
        found.extend(sites)
        return new

    jax.eval_shape(step, r)
    return [(site.kind, site.before.size) for site in found]


def unit_sites(r: Recurrence) -> list[int]:
    """Return the numbers of the activations whose entries are units."""
    kinds = [kind for kind, _ in kinds_of(r)]
    own = [i for i, kind in enumerate(kinds) if kind in _UNIT_KINDS]
    return own or list(range(len(kinds)))


def units_of(r: Recurrence) -> list[str]:
    """Return the activation of every unit."""
    kinds = kinds_of(r)
    return [kind for i in unit_sites(r) for kind, size in [kinds[i]] for _ in range(size)]


def slopes(r: Recurrence) -> dict[str, Array]:
    """Measure, for every unit, at how many steps up to the last one its slope is below 1e-3.

    Returns:
      ``flat_share``, ``dead``: (n_units,), the share of steps, and whether a relu has the slope 0
      at all of them; empty where the step has no activation.
    """
    at = (r.states[:-1], steps.numbers(r))
    chosen = unit_sites(r)

    def one(at: Any) -> tuple[Array, Array]:
        _, sites = evaluated(r.cell, r.params, *at)
        own = [sites[i] for i in chosen]
        flat = [(jnp.abs(site.slope) < FLAT).ravel() for site in own]
        relu = [jnp.full(site.before.size, site.kind == "relu") for site in own]
        return _joined(flat), _joined(relu)

    flat, relu = jax.vmap(one)(at)
    counts = steps.counted(r)
    shut = jnp.all(flat | ~counts[:, None], axis=0) & jnp.any(counts)
    return {"flat_share": steps.mean(flat, counts), "dead": shut & jnp.any(relu, axis=0)}


def _joined(parts: list[Array]) -> Array:
    return jnp.concatenate(parts) if parts else jnp.zeros(0, bool)


def keep_of(r: Recurrence, h: Array, t: Array, held: list[Array], v: Array) -> Array:
    """Return the Jacobian of a step with held activations times v, (n,): keep_i v_i for gates."""

    def step(h: Array) -> Array:
        return evaluated(r.cell, r.params, h, t, held=held)[0]

    return jax.jvp(step, (h,), (v,))[1]


def keep_factors(r: Recurrence) -> tuple[Array, Array]:
    """Return keep_i of equation (1) at every step, (T, n), and whether it is a gate, (n,).

    Steps behind the last one, padding, do not count: a state that is held there is no gate.
    """
    n = r.states.shape[1]
    other = jax.random.normal(jax.random.key(0), (n,), r.states.dtype)

    def one(h: Array, t: Array) -> tuple[Array, Array]:
        held = [site.after for site in evaluated(r.cell, r.params, h, t)[1]]
        keep = keep_of(r, h, t, held, jnp.ones_like(h))
        # A diagonal Jacobian multiplies any vector by its diagonal.
        moved = keep_of(r, h, t, held, other)
        diagonal = jnp.abs(moved - keep * other) <= 1e-4 * jnp.abs(other)
        # A factor that turns a complex state is no gate.
        return keep.real, diagonal & (jnp.abs(keep.imag) <= 1e-4)

    keep, diagonal = jax.vmap(one)(r.states[:-1], steps.numbers(r))
    counts = steps.counted(r)[:, None]
    within = jnp.all((keep >= -1e-4) & (keep <= 1 + 1e-4) & diagonal | ~counts, axis=0)
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
