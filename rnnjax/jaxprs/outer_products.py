"""Weights that act through one product with a vector: their gradient of a step is an outer product.

  z = W x,   dL/dW = delta x^T with delta = dL/dz,   |dL/dW| = |delta| |x|                (1)

so that its norm takes no matrix. Matrices may stand side by side or in parts, as the gates of an
LSTM do: what only moves entries keeps norms, and the norm is that of all weights of a product.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.jaxprs.program import Equations, equations_of, is_literal, read
from rnnjax.jaxprs.run import bound
from rnnjax.types import Array

# They move entries and compute none, where the result has as many as their operands.
_MOVING = {"broadcast_in_dim", "concatenate", "copy", "reshape", "rev", "split", "squeeze"}
_MOVING |= {"transpose"}


class Apart(NamedTuple):
    """A function of weights with the products of equation (1) taken out.

    Attributes:
      function: (shifts, others, at) -> its value, and the vector x of every product; a shift is
        added to each product z.
      shifts: zeros, one for each product.
      others: the weights that act in other ways.
    """

    function: Callable[[list[Array], list[Array], Any], tuple[Array, list[Array]]]
    shifts: list[Array]
    others: list[Array]


def taken_apart(
    function: Callable[[Sequence[Array], Any], Array], weights: Sequence[Array], at: Any
) -> Apart:
    """Return a function of weights, at one point, with the products of equation (1) taken out.

    Args:
      function: (weights, at) -> array.
      weights: its weights.
      at: what else it takes, a tree of arrays or their shapes.
    """
    given = list(weights)
    equations = equations_of(jax.make_jaxpr(function)(given, at))
    products, left = _products(equations, len(given))

    def value(shifts: list[Array], others: list[Array], at: Any) -> tuple[Array, list[Array]]:
        values = list(given)
        for i, other in zip(left, others, strict=True):
            values[i] = other
        return _evaluated(equations, [*values, *jax.tree.leaves(at)], products, shifts)

    made = [equations.all[n].outvars[0].aval for n in products]
    shifts = [jnp.zeros(aval.shape, aval.dtype) for aval in made]
    return Apart(value, shifts, [given[i] for i in left])


def _evaluated(
    equations: Equations, inputs: list[Array], products: dict[int, int], shifts: list[Array]
) -> tuple[Array, list[Array]]:
    env = {**equations.constants, **dict(zip(equations.inputs, inputs, strict=True))}
    added, vectors = iter(shifts), []
    for n, equation in enumerate(equations.all):
        values = [read(env, atom) for atom in equation.invars]
        results = bound(equation, values)
        if n in products:
            results = [results[0] + next(added)]
            x = jnp.asarray(values[products[n]])  # integers or flags may be multiplied as they are
            vectors.append(x.astype(jnp.promote_types(x.dtype, results[0].dtype)))
        env |= dict(zip(equation.outvars, results, strict=True))
    return read(env, equations.outputs[0]), vectors


def _products(equations: Equations, n_weights: int) -> tuple[dict[int, int], list[int]]:
    """Return the products: the place of x by the number of the equation; and the other weights."""
    atoms = [*(atom for equation in equations.all for atom in equation.invars), *equations.outputs]
    uses = Counter(atom for atom in atoms if not is_literal(atom))
    # Which weights a variable consists of, as long as each has been read once.
    weights = equations.inputs[:n_weights]
    made_of = {var: {i} for i, var in enumerate(weights)}
    candidates: dict[int, tuple[int, set[int]]] = {}
    others = {i for i, var in enumerate(weights) if uses[var] > 1}
    for n, equation in enumerate(equations.all):
        parts = [set() if is_literal(v) else made_of.get(v, set()) for v in equation.invars]
        members = set[int]().union(*parts)
        if not members:
            continue
        if _only_moves(equation, parts):
            made_of |= dict.fromkeys(equation.outvars, members)
            read_twice = any(uses[var] > 1 for var in equation.outvars)
            others |= members if read_twice else set()
        elif (place := _place_of_vector(equation, parts)) is not None:
            candidates[n] = place, members
        else:
            others |= members
    for atom in equations.outputs:
        others |= set() if is_literal(atom) else made_of.get(atom, set())
    while True:
        kept = {n: c for n, c in candidates.items() if not c[1] & others}
        # A weight of which one part acts in another way is differentiated as a whole.
        wider = others.union(*(c[1] for n, c in candidates.items() if n not in kept))
        if wider == others:
            return {n: place for n, (place, _) in kept.items()}, sorted(others)
        others = wider


def _only_moves(equation: Any, parts: Sequence[set[int]]) -> bool:
    """Return whether an equation of weights only moves their entries."""
    size = sum(var.aval.size for var in equation.invars)
    same = size == sum(var.aval.size for var in equation.outvars)
    return equation.primitive.name in _MOVING and same and all(parts)


def _place_of_vector(equation: Any, parts: Sequence[set[int]]) -> int | None:
    """Return which operand of a product of a weight is a vector that is no weight, if one is."""
    if equation.primitive.name != "dot_general" or all(parts):
        return None
    place = 1 if parts[0] else 0
    contracting, batch = equation.params["dimension_numbers"]
    vector, weight = equation.invars[place].aval, equation.invars[1 - place].aval
    # Of real weights of a complex product the gradient is the real part of an outer product.
    if jnp.iscomplexobj(equation.outvars[0].aval) and not jnp.iscomplexobj(weight):
        return None
    n_contracted = 1
    for axis in contracting[place]:
        n_contracted *= vector.shape[axis]
    return place if vector.size == n_contracted and not batch[place] else None
