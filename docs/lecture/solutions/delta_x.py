"""Exercise 5: dw of the sheets rnn and rnn+et+dx against the derivative of E by differences."""

import jax
import numpy as np

from rnnjax import decks, rules, scaled, scan
from rnnjax.decks.workbook import network

CELL, TASK = network(spread=2.0), decks.DataPairs()


def error(params, pair):
    """Return E of one data pair."""
    return scan.sequence_loss(CELL, TASK.loss, params, pair)


def answer(step=1e-5):
    """Return the numbers of the exercise."""
    params = CELL.init(jax.random.key(0))
    pair = jax.tree.map(lambda a: a[0], TASK.training())
    whole, local = (
        np.asarray(jax.jit(lambda p, rule=rule: scaled.plain(rule(CELL, TASK.loss, p, pair).grads))(
            params
        ).W) for rule in (rules.BPTT(), rules.BPTT(window=1))
    )  # fmt: skip
    run = jax.jit(error)
    by_difference = np.zeros_like(whole)
    for place in np.ndindex(*whole.shape):
        up, down = (params._replace(W=params.W.at[place].add(s)) for s in (step, -step))
        by_difference[place] = (run(up, pair) - run(down, pair)) / (2 * step)
    size = np.linalg.norm(by_difference)
    return {
        "with delta x: relative distance": np.linalg.norm(whole - by_difference) / size,
        "without delta x: relative distance": np.linalg.norm(local - by_difference) / size,
    }


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    print(*(f"{name:36} {value:.1e}" for name, value in answer().items()), sep="\n")
