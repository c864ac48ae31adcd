"""The eligibility ratio across training cycles.

  dw'_k = dw_k m(dw_{k-1}, dw_{k-2})   for cycle k >= 3                               (1)

(`rnnjax.decks.ratios` has the multipliers.) On a quadratic with curvature c, and gradient descent
with rate eta and a = eta c, the literal ratio gives x_{k+1} = x_k - a x_k x_{k-1} / x_{k-2}. With
r_k = x_k / x_{k-1} that is r_{k+1} = 1 - a r_{k-1}, whose fixed point r = 1 / (1 + a) is the rate
of implicit gradient descent, slower than 1 - a, and is stable only for a < 1, where plain descent
is stable for a < 2: a contracting sequence has ratios below 1, so its steps are shrunk.
"""

from typing import Any

import optax

from rnnjax import scaled
from rnnjax.decks import ratios
from rnnjax.ranges import COUNT, Flag, Kind, arguments

LITERAL = ratios.Literal()


@arguments(
    multiplier=Kind(callable, "a multiplier such as rnnjax.decks.ratios.Literal()", static=False),
    of=Kind(callable, "a function (newer, older) -> pairs", static=False),
    recursive=Flag(),
    every=COUNT,
)
def eligibility_ratio(
    multiplier: ratios.Multiplier = LITERAL,
    of: ratios.Of = ratios.each_weight,
    *,
    recursive: bool = False,
    every: int = 1,
) -> optax.GradientTransformation:
    """Construct a transformation that scales gradients by equation (1).

    Example:
      ``optax.chain(eligibility_ratio(), optax.sgd(0.1))``; with ``Extrapolated()`` and ``every=3``
      it is Aitken's delta-squared process at each third step.

    Args:
      multiplier: m.
      of: what the ratio is taken of.
      recursive: take the ratio of scaled gradients instead of those that came in.
      every: scale each `every`-th gradient only.

    Returns:
      an optax transformation of plain gradients.
    """

    def init(params: Any) -> ratios.History:
        return ratios.no_history(scaled.normalise_tree(params))

    def update(grads: Any, state: ratios.History, params: Any = None) -> tuple[Any, Any]:
        u, state = ratios.step(
            multiplier, of, state, scaled.normalise_tree(grads), recursive=recursive, every=every
        )
        return scaled.plain(u), state

    return optax.GradientTransformation(init, update)
