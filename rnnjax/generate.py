"""Sequences of symbols sampled from a network, each the input of the next step."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import boundary, dynamics, ranges, shape_checks
from rnnjax.types import Array, Cell, Params


@ranges.arguments(
    first=ranges.Number(at_least=0, whole=True),
    chances=ranges.Number(at_least=0, below=1),
    rarest=ranges.Number(at_least=0, at_most=1),
)
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
      first: the symbol that precedes the first sampled one, from 0 to n_y - 1.
      chances: uniform random numbers in [0, 1), one for each sampled symbol, (T,).
      rarest: symbols of a smaller probability are never sampled; at most 1/n_y (Hewitt, Manning and
        Liang, Truncation sampling as language model desmoothing, Findings of EMNLP 2022).

    Returns:
      symbols, int (T,); -1 from the step on whose logits are not numbers.

    Raises:
      ValueError: an argument does not fit; the one-line message names it. The values of traced
        arguments are not known and not checked.
    """
    embeds, n_x = dynamics.traits(cell).tokens, getattr(cell, "n_x", None)
    cell, params, n_symbols = _admitted(cell, params, embeds, n_x)
    _check(n_symbols, first, chances, rarest)
    shape = () if n_x is None else (n_x,)

    def write(carry: tuple[Array, Array], chance: Array) -> tuple[tuple[Array, Array], Array]:
        h, symbol = carry
        x = symbol.reshape(shape) if embeds else jax.nn.one_hot(symbol, n_symbols)
        h = cell.step(params, h, x)
        share = jax.nn.softmax(cell.readout(params, h))
        # With n_y equal shares, rounding may leave all of them below 1/n_y.
        kept = jnp.where(share < jnp.minimum(rarest, jnp.max(share)), 0, share)
        below = jnp.cumsum(kept)
        # A chance may be rounded to 1: then the last symbol that is possible.
        last = jnp.max(jnp.where(kept > 0, jnp.arange(n_symbols), 0))
        drawn = jnp.minimum(jnp.sum(chance * below[-1] >= below[:-1]), last)
        symbol = jnp.where(jnp.isnan(below[-1]) | (symbol < 0), -1, drawn)
        return (h, symbol), symbol

    start = (cell.initial_state(), jnp.asarray(first, int))
    return jax.lax.scan(write, start, chances)[1]


def _admitted(
    cell: Cell, params: Params, embeds: bool, n_x: int | None
) -> tuple[Cell, Params, int]:
    """Return the cell and its parameters in the internal form, and the number of symbols."""
    if embeds:
        x = jnp.zeros((1,) if n_x is None else (1, n_x), int)
    elif n_x is None and hasattr(cell, "step"):
        x = jnp.zeros((1, shape_checks.n_outputs(cell, params)))
    else:
        x = jnp.zeros((1, n_x or 1))
    cell, params, _ = boundary.admitted_inputs(cell, params, x)
    n_symbols = shape_checks.n_outputs(cell, params)
    if n_x is not None and n_x != (1 if embeds else n_symbols):
        one = "n_x = 1" if embeds else f"n_x = n_y = {n_symbols}"
        raise ValueError(f"cell: expected one symbol a step, {one}, got n_x = {n_x}")
    return cell, params, n_symbols


def _check(n_symbols: int, first: Array | int, chances: Array, rarest: Array | float) -> None:
    ranges.Number(at_least=0, at_most=n_symbols - 1, whole=True).checked("first", first)
    shaped = (("first", first, ()), ("rarest", rarest, ()), ("chances", chances, ("T",)))
    for name, value, axes in shaped:
        if jnp.ndim(value) != len(axes):
            expected = "an array (T,)" if axes else "one number"
            raise ranges.refusal(name, expected, shape_checks.described(value), shown_by=str)
    known = not isinstance(rarest, jax.core.Tracer)
    # 1/n_y as float32 may lie above 1/n_y.
    if known and np.float32(rarest) > np.float32(1 / n_symbols):
        raise ranges.refusal("rarest", f"at most 1/n_y = 1/{n_symbols}", float(rarest))
