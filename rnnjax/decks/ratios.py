"""Eligibility ratios: a gradient step multiplied by the ratio of the two steps before it.

  u_n = d_n m(a_{n-1}, a_{n-2})   for n >= 3,    u_1 = d_1,  u_2 = d_2                 (1)
  m(a, b) = a / b                                   literal                            (2)

n counts steps of time within a sequence (`rnnjax.decks.EligibilityRatio`) or training cycles
(`rnnjax.decks.eligibility_ratio`). The history a is the gradient d as it came, or, recursively,
the scaled u. C. Yuan's slides on RNNs (2022) write dw_3 (dw_2 / dw_1) and call it an eligibility
trace; it has no memory that decays and is no trace (see `rnnjax.rules.DiscountedRTRL`).

What the ratio is taken of is a choice of its own: each weight, each unit, or the whole gradient.
Multipliers and these choices are values, so that every reading is a product of them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, scaled
from rnnjax.ranges import COUNT, Flag, Kind, arguments, refusal
from rnnjax.scaled import Scaled
from rnnjax.types import Array

# (a_{n-1}, a_{n-2}) in one unit -> m, elementwise
Multiplier = Callable[[Array, Array], Array]
# trees of Scaled (a_{n-1}, a_{n-2}) -> a tree of pairs of Scaled, to be broadcast to the leaves
Of = Callable[[Any, Any], Any]


@fields.dataclass
class Literal:
    """Equation (2) as it stands: inf where a_{n-2} is 0, NaN where both are."""

    of_complex = True

    def __call__(self, newer: Array, older: Array) -> Array:
        """Return newer / older."""
        return newer / older


@fields.dataclass
class Safeguarded:
    """The ratio where it can be trusted, within bounds; 1 where it cannot.

      m = clip(a b / (b^2 + e^2), low, high)  if a b > 0 and |b| > e,  else 1;  e = floor rms(b)

    Across cycles low > 0 makes the step a descent direction. The growth limit 1.75 is that of
    Fahlman, Faster-learning variations on back-propagation, 1988.

    Attributes:
      low: least multiplier; 1 only accelerates.
      high: greatest multiplier, not below low.
      floor: e in units of the root mean square of b over its array.
    """

    of_complex = False

    low: Array | float = fields.number(default=1.0)
    high: Array | float = fields.number(default=1.75, infinite=True)
    floor: Array | float = fields.number(default=1e-3, at_least=0)

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        if all(isinstance(end, (int, float)) for end in ends) and self.low > self.high:
            raise refusal("high", f"at least low, {self.low}", self.high)

    def __call__(self, newer: Array, older: Array) -> Array:
        """Return the multiplier."""
        e = self.floor * jnp.sqrt(jnp.mean(older**2))
        trusted = (newer * older > 0) & (jnp.abs(older) > e)
        ratio = newer * older / jnp.where(trusted, older**2 + e**2, 1)
        return jnp.where(trusted, jnp.clip(ratio, self.low, self.high), 1)


@fields.dataclass
class Extrapolated:
    """The sum of the geometric series that the ratio r begins: 1 / (1 - r) where 0 < r < 1.

    One such step lands in the limit of a sequence with geometric error: Aitken's delta-squared.

    Attributes:
      high: greatest multiplier, at least 1; inf for none.
    """

    of_complex = False
    high: Array | float = fields.number(default=jnp.inf, at_least=1, infinite=True)

    def __call__(self, newer: Array, older: Array) -> Array:
        """Return the multiplier; 1 outside 0 < r < 1."""
        ratio = newer / jnp.where(older == 0, 1, older)
        geometric = (older != 0) & (ratio > 0) & (ratio < 1)
        return jnp.where(
            geometric, jnp.minimum(1 / (1 - jnp.where(geometric, ratio, 0)), self.high), 1
        )


class Pair(NamedTuple):
    """Two numbers whose ratio is taken, each a `Scaled` that broadcasts to a leaf."""

    newer: Scaled
    older: Scaled


def each_weight(newer: Any, older: Any) -> Any:
    """Take a ratio of every weight by itself."""
    return _map(Pair, newer, older)


_LAYERS = Kind(
    lambda value: (
        isinstance(value, tuple)
        and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)
    ),
    "the layers of a cell, pairs (bias, parameters of its units)",
)


@fields.dataclass
class EachUnit:
    """Take a ratio of every unit's delta, the gradient of its bias, for all of its weights.

    Attributes:
      layers: (bias, the parameters whose leading axis are the same units), names of fields, as the
        attribute `layers` of a cell.
    """

    layers: tuple[tuple[str, tuple[str, ...]], ...] = fields.declared(_LAYERS, static=True)

    def __call__(self, newer: Any, older: Any) -> Any:
        """Return the pairs, one a parameter."""
        pairs = {}
        for bias, names in self.layers:
            for name in names:
                like = getattr(newer, name).value
                pairs[name] = Pair(
                    *(_rows(getattr(tree, bias), like.ndim) for tree in (newer, older))
                )
        return type(newer)(**pairs)


def norms(newer: Any, older: Any) -> Any:
    """Take one ratio, of the norms of the whole gradient."""
    logs = [scaled.log_norm(tree) for tree in (newer, older)]
    pair = Pair(*(scaled.from_log(log) for log in logs))
    return _map(lambda _: pair, newer)


def projection(newer: Any, older: Any) -> Any:
    """Take one ratio, <a_{n-1}, a_{n-2}> / <a_{n-2}, a_{n-2}> over the whole gradient."""
    of_norms = jax.tree.leaves(norms(newer, older), is_leaf=_is_pair)[0]
    cosine = scaled.cosine(newer, older)
    pair = Pair(Scaled(of_norms.newer.value * cosine, of_norms.newer.exponent), of_norms.older)
    return _map(lambda _: pair, newer)


class History(NamedTuple):
    """The two steps before, and how many there were.

    Attributes:
      newer: a_{n-1}, a tree of `Scaled`.
      older: a_{n-2}.
      n_seen: n - 1, int32 ().
    """

    newer: Any
    older: Any
    n_seen: Array


def no_history(like: Any) -> History:
    """Return the history before the first step, for gradients shaped as a tree of `Scaled`."""
    nothing = _map(
        lambda s: Scaled(jnp.zeros_like(s.value), jnp.full_like(s.exponent, scaled.ZERO_EXPONENT)),
        like,
    )
    return History(nothing, nothing, jnp.zeros((), jnp.int32))


@arguments(recursive=Flag(), every=COUNT)
def step(
    multiplier: Multiplier,
    of: Of,
    history: History,
    d: Any,
    *,
    recursive: bool = False,
    every: int = 1,
) -> tuple[Any, History]:
    """Apply equation (1) once.

    Args:
      multiplier: m.
      of: what the ratio is taken of.
      history: the two steps before.
      d: d_n, a tree of `Scaled` without leading axes.
      recursive: keep u in the history instead of d.
      every: apply the multiplier at each `every`-th step only.

    Returns:
      u_n, shaped as d, and the history behind it.
    """
    applies = (history.n_seen >= 2) & ((history.n_seen + 1) % every == 0)

    if not getattr(multiplier, "of_complex", True):
        _require_real(multiplier, d)

    def scale(leaf: Scaled, pair: Pair) -> Scaled:
        # Both in the unit of the older one: a ratio beyond the range of the dtype reads inf.
        newer = scaled.shift(pair.newer.value, pair.newer.exponent - pair.older.exponent)
        m = jnp.where(applies, multiplier(newer, pair.older.value), 1).astype(leaf.value.dtype)
        return scaled.normalise(leaf.value * m, leaf.exponent)

    u = _map(scale, d, of(history.newer, history.older))
    return u, History(u if recursive else d, history.newer, history.n_seen + 1)


def _require_real(multiplier: Multiplier, tree: Any) -> None:
    if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(tree)):
        name = type(multiplier).__name__
        raise ValueError(
            f"multiplier: expected Literal for complex weights, got {name}, which compares signs"
        )


def _is_pair(node: Any) -> bool:
    return isinstance(node, Pair)


def _map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    return jax.tree.map(function, tree, *others, is_leaf=scaled.is_scaled)


def _rows(bias: Scaled, n_axes: int) -> Scaled:
    return Scaled(jnp.expand_dims(bias.value, range(1, n_axes)), bias.exponent)
