"""Dinner from what has nothing to do with it: the weekday, the month and a late meeting.

The dinners go round in a cycle of three nights whatever the calendar says. The nights are those of
21 years of 365 days: since 365, 7 and 3 have no common factor, every pair of a day of the year and
a weekday comes exactly once with each of the three dinners (Chinese remainder theorem). Weekday,
month and a meeting that depends on the date alone therefore carry no information: any function of
them names the right dinner on exactly one night in three, and its cross-entropy is at least ln 3.

After Brandon Rohrer, How recurrent neural networks and long short-term memory work, e2eml.school,
2017, whose first network looks at these three and fares no better than chance.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import COUNT, KEY, arguments
from rnnjax.types import Array, Batch

_N_DINNERS = 3
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_OF_YEAR = sum(_DAYS_OF_MONTH)
_DAYS_BETWEEN_MEETINGS = 5  # on working days


@fields.dataclass
class DinnerCalendar:
    """Tonight's dinner from the calendar; one step, n_x = 23, n_y = 3.

    The inputs are the weekday (7), the month (12), whether a meeting is late (1), and last night's
    dinner (3).

    Attributes:
      yesterday: 1 shows last night's dinner, 0 hides it behind zeros.
    """

    yesterday: Array | float = fields.number(default=0.0, at_least=0, at_most=1)
    length = 1
    n_x = len(WEEKDAYS) + len(_DAYS_OF_MONTH) + 1 + _N_DINNERS
    n_y = _N_DINNERS
    n_nights = _N_DINNERS * len(WEEKDAYS) * _DAYS_OF_YEAR

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one night, uniformly."""
        return self.night(jax.random.randint(key, (), 0, self.n_nights))

    def night(self, n: Array | int) -> Batch:
        """Return the night of this index, 0 to n_nights - 1."""
        day, weekday = n % _DAYS_OF_YEAR, n % len(WEEKDAYS)
        month = jnp.searchsorted(jnp.cumsum(jnp.array(_DAYS_OF_MONTH)), day, side="right")
        late = (day % _DAYS_BETWEEN_MEETINGS == 0) & (weekday < WEEKDAYS.index("Saturday"))
        inputs = [
            jax.nn.one_hot(weekday, len(WEEKDAYS)),
            jax.nn.one_hot(month, len(_DAYS_OF_MONTH)),
            jnp.where(late, 1.0, 0.0)[None],
            self.yesterday * jax.nn.one_hot((n - 1) % _N_DINNERS, _N_DINNERS),
        ]
        return Batch(
            x=jnp.concatenate(inputs)[None],
            y=jax.nn.one_hot(n % _N_DINNERS, _N_DINNERS)[None],
            mask=jnp.ones(1),
        )

    @arguments(every=COUNT)
    def nights(self, every: int = 1) -> Batch:
        """Return the nights of every so manieth day of the year in all 21 years.

        Each of those days comes once with every pair of a weekday and a dinner.

        Returns:
          leaves (n, 1, ...); n = n_nights where every day is taken.
        """
        n = np.arange(self.n_nights)
        return jax.vmap(self.night)(jnp.asarray(n[n % _DAYS_OF_YEAR % every == 0]))

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
