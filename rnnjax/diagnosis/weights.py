"""At which steps the weights learn: the gradient of a recurrence by step of use.

  c_t = (dh_t/dw)^T dL/dh_t,   g = sum_t c_t,   share_t = <c_t, g> / |g|^2                (1)

The shares sum to 1; one may be negative where a step pulls against the others. Weights are all
parameters of the scan; those that only an output of the step uses have no part in the state.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import lanes, scaled
from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence, graded
from rnnjax.jaxprs.outer_products import taken_apart
from rnnjax.jaxprs.packing import Layout, wide
from rnnjax.scaled import Scaled
from rnnjax.types import Array

_MOST = 2**24  # entries of the gradients of all steps that are held at once


def pullback(
    r: Recurrence, at: Array | None = None
) -> Callable[[Array], tuple[list[Array], Array]]:
    """Return the transposed derivative of all steps, or of some.

    Args:
      r: the recurrence.
      at: numbers of steps from 0, int32 (S,); all T if None.

    Returns:
      the map from v, (S, n), to sum_s (dh_s/dw)^T v_s, by leaf, and J_s^T v_s, (S, n).
    """
    numbers, before = steps.numbers(r), r.states[:-1]
    if at is not None:
        numbers, before = numbers[at], before[at]

    def all_steps(w: Any, h: Array) -> Array:
        return jax.vmap(lambda h, t: steps.new_state(r, w, h, t))(h, numbers)

    pull: Callable = jax.vjp(all_steps, r.params, before)[1]
    return pull


def contracted(r: Recurrence, deltas: Scaled, pull: Callable | None = None) -> Scaled:
    """Return sum_t (dh_t/dw)^T delta_t, value (n_w,), exponent (); `pull` is that of `pullback`."""
    pull, layout = pull or pullback(r), Layout.of(r.params)

    def at_once(deltas: Scaled, top: Array) -> Scaled:
        plain = scaled.in_unit(deltas, jnp.broadcast_to(top, deltas.exponent.shape))
        return scaled.normalise(layout.pack(pull(plain)[0]), top)

    def by_bands(deltas: Scaled, top: Array) -> Scaled:
        images = graded.transposed(
            lambda v: pull(v[0])[0], [deltas], [deltas.value], until_known=True
        )
        return graded.in_common(graded.flattened(images))

    # With an exponent for each entry it takes twice as long.
    top, is_one_band = graded.band_of([deltas])
    return jax.lax.cond(lanes.in_all(is_one_band), at_once, by_bands, deltas, top)


def by_use(r: Recurrence) -> dict[str, Array]:
    """Measure equation (1) by lag behind the last step.

    Returns:
      ``log_norm_weight_gradient_by_lag``: ln |c_{T-k}|, (T+1,), NaN beyond the first step;
      ``weight_gradient_share``: share_{T-k}, (T+1,). All NaN for a scan without weights.
    """
    if not r.params:
        nothing = jnp.full(r.length + 1, jnp.nan, r.states.real.dtype)
        return {"log_norm_weight_gradient_by_lag": nothing, "weight_gradient_share": nothing}
    g = contracted(r, r.deltas)
    last = steps.last_step(r)
    shares = _products(r, g) / _inner(g.value, g.value)
    nothing = jnp.full(1, jnp.nan, shares.dtype)
    stacks = [jnp.concatenate([nothing, a]) for a in (_log_norms(r), shares)]
    # Weights act from step 1 on: h_0 at the largest lag is no step of theirs.
    log_norms, shares = (steps.by_lag(stack, last) for stack in stacks)
    return {"log_norm_weight_gradient_by_lag": log_norms, "weight_gradient_share": shares}


def _log_norms(r: Recurrence) -> Array:
    """Return ln |c_t| of every step, (T,); of an outer product from its two vectors."""

    def step(w: Any, at: tuple[Array, Array]) -> Array:
        return steps.new_state(r, w, *at)

    numbers = steps.numbers(r)
    apart = taken_apart(step, r.params, (r.states[0], numbers[0]))

    def one(h: Array, t: Array, delta: Scaled) -> Array:
        def value(shifts: list[Array], others: list[Array]) -> tuple[Array, list[Array]]:
            return apart.function(shifts, others, (h, t))

        _, pull, vectors = jax.vjp(value, apart.shifts, apart.others, has_aux=True)
        errors, others = pull(delta.value)
        pairs = zip(errors, vectors, strict=True)
        # The state may depend on no weight at all.
        logs = [jnp.full((), -jnp.inf, delta.value.real.dtype)]
        logs += [_log_length([error]) + _log_length([x]) for error, x in pairs]
        if others:
            logs.append(_log_length(others))
        log_norm = 0.5 * jax.nn.logsumexp(2 * jnp.stack(logs))
        return log_norm + delta.exponent * scaled.LOG_2

    at = (r.states[:-1], numbers, r.deltas)
    if sum(w.size for w in apart.others) * r.length <= _MOST:
        return jax.vmap(one)(*at)
    return jax.lax.map(lambda at: one(*at), at)  # no step's gradient is kept


def _log_length(parts: list[Array]) -> Array:
    """Return ln of the norm of plain arrays, (), whatever the squares of their entries are.

    In the unit of the sum of magnitudes: XLA fuses both sums with what makes the entries, while to
    look for the largest entry of a matrix takes ten times as long. Magnitudes near the end of the
    range count less, so that their sum stays within it; the unit need not be exact.
    """
    parts = [wide(part) for part in parts]
    reals = [x for p in parts for x in ((p.real, p.imag) if jnp.iscomplexobj(p) else (p,))]
    infos, n = [jnp.finfo(x.dtype) for x in reals], sum(x.size for x in reals)
    most = [info.max / max(4 * n, 1) for info in infos]
    sums = [jnp.sum(jnp.minimum(jnp.abs(x), m)) for x, m in zip(reals, most, strict=True)]
    size = jnp.sum(jnp.stack(sums))
    unit = scaled.power_of_two(-scaled.exponent_of(size), size.dtype)
    squares = jnp.sum(jnp.stack([jnp.sum((x * unit) ** 2) for x in reals]))
    found = 0.5 * jnp.log(squares) - jnp.log(unit)
    return jnp.where(size == 0, -jnp.inf, found)


def _products(r: Recurrence, g: Scaled) -> Array:
    """Return <c_t, g> of every step in the unit of g squared, (T,), by one pass over all steps.

    They are the derivatives of <sum_t s_t c_t, g> with respect to the s_t.
    """
    pull, layout, deltas = pullback(r), Layout.of(r.params), r.deltas

    def of_sum(s: Array) -> Array:
        return _inner(layout.pack(pull(s[:, None] * deltas.value)[0]), g.value)

    found = jax.grad(of_sum)(jnp.ones(r.length, deltas.value.real.dtype))
    # |c_t| may exceed |g|, but not by more than the range of the dtype.
    return scaled.shift(found, deltas.exponent - g.exponent)


def _inner(a: Array, b: Array) -> Array:
    """Return the inner product of two gradients, (); real for complex weights too."""
    return jnp.sum((jnp.conj(a) * b).real)
