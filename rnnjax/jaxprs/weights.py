"""Which variables of a program are weights: computed from its parameters and from nothing else."""

from collections.abc import Iterable
from typing import Any

from rnnjax.jaxprs.program import Loop, Program, is_literal


def weights_in(program: Program, are_weights: Iterable[bool]) -> set[Any]:
    """Return the variables computed from weights alone: neither from data nor from a state.

    Args:
      program: the program.
      are_weights: which of its inputs are weights; the others are data.
    """
    pairs = list(zip(program.inputs, are_weights, strict=True))
    weights = {v for v, is_weight in pairs if is_weight}
    data = {v for v, is_weight in pairs if not is_weight}
    for piece in program.pieces:
        if isinstance(piece, Loop):
            data |= set(piece.outputs)
            continue
        for equation in piece.jaxpr.jaxpr.eqns:
            read_here = {v for v in equation.invars if not is_literal(v)}
            if read_here & data:
                data |= set(equation.outvars)
            elif read_here & weights:
                weights |= set(equation.outvars)
    return weights
