"""Networks that are trained on dinners and on the calendar, and what they answer."""

import jax
import jax.numpy as jnp
import optax

from rnnjax.cells import Vanilla, VanillaParams
from rnnjax.decks import by_hand, full_batch
from rnnjax.decks.tasks.dinner import DINNERS, Dinner
from rnnjax.decks.tasks.dinner_calendar import DinnerCalendar
from rnnjax.types import Array

_N_NIGHTS = 6  # of a sequence to learn from: at most five in a row are missed


def cells() -> tuple[Vanilla, Vanilla]:
    """Construct the network for dinners, and the dense one for the calendar, which is one step."""
    return Vanilla(Dinner.n_x, 3, Dinner.n_y), Vanilla(DinnerCalendar.n_x, 8, DinnerCalendar.n_y)


def trained_on_dinners(
    params: VanillaParams, optimiser: optax.GradientTransformation, n_updates: int
) -> VanillaParams:
    """Return the parameters after training on every sequence of six nights, some of them missed."""
    task = Dinner(length=_N_NIGHTS)
    batch = task.every_sequence()
    return full_batch.trained(cells()[0], task, params, batch, optimiser, n_updates)


def away(params: VanillaParams, n_nights: int) -> tuple[Array, Array]:
    """Ask the network for the dinners of nights away from home.

    Args:
      params: of the network for dinners.
      n_nights: T.

    Returns:
      probabilities after each known dinner, (3, T, 3), and the first night that is wrong after any
      of them, inf if there is none, ().
    """
    nights = jax.vmap(Dinner(length=n_nights).away)(jnp.arange(len(DINNERS)))
    y = full_batch.outputs(cells()[0], params, nights.x)
    wrong = jnp.argmax(y, -1) != jnp.argmax(nights.y, -1)
    return jax.nn.softmax(y), jnp.min(by_hand.first_night(wrong))


def on_calendar(
    params: VanillaParams,
    yesterday: Array | float,
    optimiser: optax.GradientTransformation,
    n_updates: int,
) -> tuple[Array, Array]:
    """Train the dense network on every seventh day of the year, and ask it for all nights.

    Args:
      params: the start.
      yesterday: 1 shows last night's dinner, 0 hides it.
      optimiser: any optax optimiser that needs the gradient alone.
      n_updates: updates.

    Returns:
      the share of the nights of 21 years that are right, (), and their mean loss, ().
    """
    task, cell = DinnerCalendar(yesterday=yesterday), cells()[1]
    params = full_batch.trained(cell, task, params, task.nights(every=7), optimiser, n_updates)
    nights = task.nights()
    said = jnp.argmax(full_batch.outputs(cell, params, nights.x), -1)
    right = said == jnp.argmax(nights.y, -1)
    share = jnp.mean(right.astype(params.W.dtype))
    return share, full_batch.mean_loss(cell, task, params, nights)
