"""How the gradients of learning rules lie to one another.

For gradients G_a (one or several draws of each rule a):

  cosine             of the mean over draws                   cos(E G_a, E G_b)          (1)
  mean_cosine        over draws                               E cos(G_a, G_b)            (2)
  sign_agreement     share of the weights on whose sign both means agree                 (3)
                     (of complex weights both parts count)
  log_gradient_norm  ln |E G_a|                                                          (4)
  log_bias           ln |E G_a - G| with G the reference,
  log_spread         ln sqrt(E |G_a - E G_a|^2)                                          (5)

What is undefined (an angle to a gradient that is 0) is NaN, and `reason` says why. The gradients
are vectors with one exponent each, as `rnnjax.rules.recurrent_gradient` returns them.

The idea of measuring any number of rules on the trajectory of one of them is that of Marschall, Cho
and Savin, A unified framework of online learning algorithms for training recurrent neural networks,
Journal of Machine Learning Research, 2020.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from rnnjax import real_view, scaled
from rnnjax.analysis.given import check_shape
from rnnjax.errors import one_of
from rnnjax.scaled import Scaled
from rnnjax.types import Array

DEFINED, SILENT, ZERO, NOT_FINITE = range(4)
"""`reason`: defined; no unit moves; one of the two gradients is 0; one of them is not finite."""


def pairwise_alignment(draws: Mapping[str, Scaled], *, reference: str) -> dict[str, Array]:
    """Measure equations (1) to (5) for every pair of rules.

    Args:
      draws: by name of R rules, (n_draws, n_weights), of `rnnjax.rules.recurrent_gradient`.
      reference: the rule that gives G.

    Returns:
      ``cosine``, ``mean_cosine``, ``sign_agreement``, (R, R); ``log_gradient_norm``,
      ``log_bias``, ``log_spread``, (R,); ``reason``, int8 (R, R), without SILENT, of which only the
      states tell (see `rnnjax.probes.is_silent`).

    Raises:
      ValueError: the reference is none of the rules, or rules have draws of other shapes.
    """
    if reference not in draws:
        raise ValueError(f"reference: {one_of(reference, draws)}")
    shape = jnp.shape(draws[reference].value)
    for name, drawn in draws.items():
        check_shape(f"draws[{name!r}]", drawn.value, shape)
    every = jax.tree.map(lambda *a: jnp.stack(a), *draws.values())

    def against(other: Scaled) -> dict[str, Array]:
        return jax.vmap(lambda own: alignment_with(own, other))(every)

    found = jax.vmap(against, out_axes=1)(every)
    place = list(draws).index(reference)
    one_sided = ("log_gradient_norm", "log_bias", "log_spread")
    return {**found, **{key: found[key][:, place] for key in one_sided}}


def alignment_with(draws: Scaled, reference: Scaled) -> dict[str, Array]:
    """Measure equations (1) to (5) for one rule against another.

    Args:
      draws: of the rule, (n_draws, n_weights).
      reference: of the other, likewise.

    Returns:
      ``cosine``, ``mean_cosine``, ``sign_agreement``, ``log_gradient_norm``, ``log_bias``,
      ``log_spread``, () each, and ``reason``, int8 ().
    """
    mean, truth = mean_of(draws), mean_of(reference)
    apart = scaled.log_norm(_difference(draws, mean))
    signs = _signs(mean) * _signs(truth)
    log_norm = scaled.log_norm(mean)
    return {
        "cosine": scaled.cosine(mean, truth),
        "mean_cosine": jnp.mean(scaled.cosine(draws, reference)),
        "sign_agreement": jnp.where(
            jnp.any(jnp.isnan(signs)), jnp.nan, jnp.sum(signs > 0) / jnp.sum(signs != 0)
        ),
        "log_gradient_norm": log_norm,
        "log_bias": scaled.log_norm(_difference(mean, truth)),
        "log_spread": 0.5 * (jax.nn.logsumexp(2 * apart) - jnp.log(len(apart))),
        "reason": _reason(log_norm, scaled.log_norm(truth)),
    }


def alignment_with_exact(
    draws: Scaled,
    by_lag: Scaled,
    exact: Scaled,
    exact_by_lag: Scaled,
    silent: Array,
    *,
    n_W: int,
) -> dict[str, Array]:
    """Measure one rule against the exact gradient: as a whole, by W alone, and by lag.

    Args:
      draws: of the rule, (n_draws, n_weights).
      by_lag: of the rule, by the lag of use, (n_window, n_weights).
      exact: of an exact rule, as draws.
      exact_by_lag: of an exact rule, as by_lag.
      silent: whether no unit moves, bool ().
      n_W: number of recurrent weights, which are the first ones.

    Returns:
      those of `alignment_with`, ``reason`` with SILENT; ``direction``: the mean over draws as a
      unit vector, (n_weights,); ``cosine_of_W``, (); ``log_ratio``: ln of the norm over that of the
      exact gradient, (); ``cosine_by_lag`` and ``log_norm_by_lag``, (n_window,).
    """
    whole = alignment_with(draws, exact)
    of_W = [scaled.renormalise(Scaled(d.value[:, :n_W], d.exponent)) for d in (draws, exact)]
    return {
        **whole,
        "direction": direction(draws),
        "cosine_of_W": alignment_with(*of_W)["cosine"],
        "reason": jnp.where(silent, SILENT, whole["reason"]),
        "log_ratio": whole["log_gradient_norm"] - scaled.log_norm(mean_of(exact)),
        "cosine_by_lag": jax.vmap(scaled.cosine)(by_lag, exact_by_lag),
        "log_norm_by_lag": jax.vmap(scaled.log_norm)(by_lag),
    }


def _signs(v: Scaled) -> Array:
    """Return the signs of a vector's entries; of complex ones those of both parts."""
    value = v.value
    return jnp.sign(real_view.split(value) if jnp.iscomplexobj(value) else value)


def mean_of(draws: Scaled) -> Scaled:
    """Return the mean over draws, value (n_weights,)."""
    return scaled.divide(scaled.sum_over_leading(draws), len(draws.exponent))


def direction(draws: Scaled) -> Array:
    """Return the mean over draws as a unit vector, (n_weights,); NaN where it is 0 or infinite."""
    unit: Array = scaled.direction(mean_of(draws))
    return unit


def _difference(a: Scaled, b: Scaled) -> Scaled:
    """Return a - b for vectors, a stacked or not."""
    negative = Scaled(jnp.broadcast_to(-b.value, a.value.shape), b.exponent + 0 * a.exponent)
    return scaled.add(a, negative) if a.exponent.ndim == 0 else jax.vmap(scaled.add)(a, negative)


def _reason(log_norm: Array, other: Array) -> Array:
    both = jnp.stack([log_norm, other])
    finite = jnp.all(~jnp.isnan(both) & (both < jnp.inf))
    zero = jnp.any(jnp.isneginf(both))
    return jnp.where(~finite, NOT_FINITE, jnp.where(zero, ZERO, DEFINED)).astype(jnp.int8)
