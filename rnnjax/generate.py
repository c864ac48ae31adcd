"""Sequences of symbols sampled from a network, each the input of the next step."""

import jax
import jax.numpy as jnp

from rnnjax import dynamics, ranges
from rnnjax.types import Array, Cell, Params


@ranges.arguments(rarest=ranges.Number(at_least=0, at_most=1))
def generate(
    cell: Cell,
    params: Params,
    first: Array | int,
    chances: Array,
    rarest: Array | float = 0.0,
) -> Array:
    """Return a sequence of symbols sampled from a cell, each the input of the next step.

    Args:
      cell: a cell whose inputs are one-hot, or tokens that it embeds, and whose outputs are logits
        of the same symbols.
      params: its parameters.
      first: the symbol that precedes the first sampled one.
      chances: uniform random numbers in [0, 1), one for each sampled symbol, (T,).
      rarest: symbols of a smaller probability are never sampled; at most 1/n_y (Hewitt, Manning and
        Liang, Truncation sampling as language model desmoothing, Findings of EMNLP 2022).

    Returns:
      symbols, int (T,).
    """
    embeds, n_x = dynamics.traits(cell).tokens, getattr(cell, "n_x", None)
    shape = () if n_x is None else (n_x,)
    (n_symbols,) = jax.eval_shape(cell.readout, params, cell.initial_state()).shape

    def write(carry: tuple[Array, Array], chance: Array) -> tuple[tuple[Array, Array], Array]:
        h, symbol = carry
        x = symbol.reshape(shape) if embeds else jax.nn.one_hot(symbol, n_symbols)
        h = cell.step(params, h, x)
        share = jax.nn.softmax(cell.readout(params, h))
        below = jnp.cumsum(jnp.where(share < rarest, 0, share))
        symbol = jnp.sum(chance * below[-1] >= below[:-1])
        return (h, symbol), symbol

    start = (cell.initial_state(), jnp.asarray(first, int))
    return jax.lax.scan(write, start, chances)[1]
