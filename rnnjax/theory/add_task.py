"""The add task in closed form: its law, and what each memory of the past is worth.

  P(y_t = 1) = 1/2 + 1/2 x_{t-lag_1} - 1/4 x_{t-lag_2},   x ~ Bernoulli(1/2)             (1)

The least cross-entropy of a predictor that knows a part of the past is the entropy of y given that
part. With both inputs fair and independent it does not depend on the lags:

  nothing known:        H(5/8)                                                           (2)
  x_{t-lag_1} known:    (H(3/8) + H(7/8)) / 2                                            (3)
  both known:           (H(1/2) + H(1/4) + H(1) + H(3/4)) / 4                            (4)

Pitis, Recurrent neural networks in Tensorflow I, r2rt.com, 2016; in the comparison of online rules
by Marschall, Cho and Savin, A unified framework of online learning algorithms for training
recurrent neural networks, Journal of Machine Learning Research, 2020.
"""

import math
from typing import Any, NamedTuple

from rnnjax.theory.domain import check_number

_BASE, _FIRST, _SECOND = 0.5, 0.5, -0.25


class Plateaus(NamedTuple):
    """Least cross-entropies in nats, equations (2) to (4).

    Attributes:
      no_memory: of the best constant answer.
      first_lag: of the best answer from x_{t-lag_1} alone.
      both_lags: of equation (1) itself: no predictor can be below.
    """

    no_memory: float
    first_lag: float
    both_lags: float


def probability(first: Any, second: Any) -> Any:
    """Return P(y = 1), equation (1), for the inputs at the two lags; also for arrays."""
    return _BASE + _FIRST * first + _SECOND * second


def entropy(p: float) -> float:
    """Return H(p) in nats of a coin that shows 1 with probability p.

    Raises:
      ValueError: p is not from 0 to 1.
    """
    check_number("p", p, at_least=0, at_most=1)
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)


def plateaus() -> Plateaus:
    """Return the three plateaus.

    Example:
        >>> [round(plateau, 6) for plateau in plateaus()]
        [0.661563, 0.519167, 0.454454]
    """
    bits = (0.0, 1.0)
    by_first = [[probability(first, second) for second in bits] for first in bits]
    return Plateaus(
        no_memory=entropy(_mean([_mean(row) for row in by_first])),
        first_lag=_mean([entropy(_mean(row)) for row in by_first]),
        both_lags=_mean([_mean([entropy(p) for p in row]) for row in by_first]),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
