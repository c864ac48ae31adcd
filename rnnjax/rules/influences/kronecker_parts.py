"""What both Kronecker estimates of the influence are made of.

Where weights act through pre-activations z_t = W s_{t-1} + U x_t + b alone, the direct influence is
a product,

  D_t = L_t (x) a_t,   L_t = dh_t/dz_t (n_h, n_z),   a_t = [s_{t-1}, x_t, 1]           (1)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics, preactivation, scaled, scan
from rnnjax.preactivation import Weights
from rnnjax.rules import influence
from rnnjax.rules.base import require
from rnnjax.rules.influence import Blocks
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array

_ALL = "all"


class Factors(NamedTuple):
    """The two factors of the influence; what has the shape of a_t is a block for each of W, U, b.

    Attributes:
      A: blocks (n_a,) in KF-RTRL, value (n_z,) in its reverse.
      B: value (n_h, n_z) in KF-RTRL, blocks (n_h, n_a) in its reverse.
    """

    A: Any
    B: Any


class Prepared(NamedTuple):
    """T_t as a matrix, the new term of each factor, the sign of the old ones, s_t, x_t."""

    T: Scaled
    new: Factors
    sign: Array
    s: Scaled
    x: Array


def require_sums(rule: Any, problem: Problem, x: Array) -> None:
    """Refuse a cell whose weights do not act as equation (1) says."""
    cell = problem.cell
    reason = "because its weights do not act through one sum"
    require(dynamics.has_preactivation(cell), cell, rule, "pre-activations", reason)
    reason = "whose drive is no affine function of its input"
    is_affine = preactivation.is_affine(cell, problem.params, as_numbers(cell, x))
    require(is_affine, cell, rule, "a drive U x + b", reason)


def as_numbers(cell: Any, x: Array) -> Array:
    """Return inputs as the factor of U; integers are numbers unless the cell embeds them."""
    is_number = jnp.issubdtype(x.dtype, jnp.inexact) or dynamics.traits(cell).tokens
    return x if is_number else x.astype(cell.initial_state().dtype)


def n_sums(problem: Problem) -> int:
    """Return n_z."""
    return len(problem.cell.recurrent_weights(problem.params))


def direct(problem: Problem, observed: ObservedStep) -> tuple[Scaled, dict[str, Scaled]]:
    """Return L_t and a_t of equation (1)."""
    cell, at = problem.cell, observed.trajectory
    z = scan.point(cell, problem.params, at).preactivation
    L = scaled.normalise(jax.jacrev(lambda z: cell.step_from_preactivation(at.h_prev, z))(z))
    a = presynaptic(cell, at.h_prev, as_numbers(cell, observed.batch.x))
    return L, {name: scaled.normalise(v, _level(name, at)) for name, v in a.items()}


def _level(name: str, at: Trajectory) -> Array:
    """Return the exponent at which a part of a_t is given: states are carried as 2^E h."""
    return at.exponent if name == "W" else jnp.zeros_like(at.exponent)


def presynaptic(cell: Any, h: Array, x: Array) -> dict[str, Array]:
    """Return a_t as one vector, or by weight where the states have no bound."""
    parts = dict(zip(Weights._fields, (cell.presynaptic(h), x, jnp.ones(1, h.dtype)), strict=True))
    return parts if dynamics.is_homogeneous(cell) else {_ALL: jnp.concatenate([*parts.values()])}


def zero(shape: tuple[int, ...], dtype: Any) -> Scaled:
    """Return zeros."""
    return scaled.normalise(jnp.zeros(shape, dtype))


def times(tree: Any, sign: Array) -> Any:
    """Return a tree of `Scaled` times a sign."""
    return jax.tree.map(
        lambda s: Scaled(sign * s.value, s.exponent), tree, is_leaf=scaled.is_scaled
    )


def product(a: Scaled, b: Scaled) -> Scaled:
    """Return the outer product."""
    # Its largest entry is the product of the largest ones: of order 1 like them.
    return Scaled(jnp.outer(a.value, b.value), a.exponent + b.exponent)


def of_rows(s: Scaled, block: Scaled) -> Scaled:
    """Return s^T block."""
    return scaled.normalise(s.value @ block.value, s.exponent + block.exponent)


def outer(problem: Problem, x: Array, post: Scaled, pre: dict[str, Scaled]) -> Blocks:
    """Return post (x) pre as blocks, by leaves of the parameters or by functions of them."""
    x = as_numbers(problem.cell, x)
    products = {name: product(post, v) for name, v in pre.items()}
    if _ALL in products:
        return _whole(problem, x, products[_ALL])
    numbers = preactivation.leaves(problem.cell, problem.params, x)
    if numbers is None:
        return _sum_by_leaf(problem, x, products)
    shapes = [leaf.shape for leaf in jax.tree.leaves(problem.params)]
    # By name: jax returns dicts in the order of their keys.
    return {
        i: Scaled(products[name].value.reshape(shapes[i]), products[name].exponent)
        for i, name in zip(numbers, Weights._fields, strict=True)
    }


def _whole(problem: Problem, x: Array, product: Scaled) -> Blocks:
    """Return the product by [W, U, b], value (n_z, n_a), as one block."""
    cell, _, params = problem
    n_s = cell.recurrent_weights(params).shape[1]
    W, U, b = jnp.split(product.value, [n_s, n_s + x.size], axis=1)
    by_weights = Weights(W, U, b[:, 0])
    numbers = preactivation.leaves(cell, params, x)
    if numbers is None:
        own, _, to_leaves = _by_leaves(problem, x)
        by_leaf = dict(zip(own, to_leaves(by_weights)[0], strict=True))
    else:
        by_leaf = dict(sorted(zip(numbers, by_weights, strict=True)))
    (whole,) = influence.grouped(cell, by_leaf).values()
    return {influence.ALL: Scaled(whole, product.exponent)}


def _by_leaves(problem: Problem, x: Array) -> tuple[list[int], Weights, Any]:
    """Return the leaves that a step reads, the weights, and the vjp from these to the leaves."""
    numbers = influence.read(problem, x)
    leaves, structure = jax.tree.flatten(problem.params)

    def of_read(some: list[Array]) -> Weights:
        chosen = dict(zip(numbers, some, strict=True))
        own = [chosen.get(i, leaf) for i, leaf in enumerate(leaves)]
        return preactivation.weights(problem.cell, jax.tree.unflatten(structure, own), x)

    return numbers, *jax.vjp(of_read, [leaves[i] for i in numbers])


def _sum_by_leaf(problem: Problem, x: Array, products: dict[str, Scaled]) -> Blocks:
    """Return the products at the leaves, one of W, U and b after the other: their units differ."""
    numbers, like, to_leaves = _by_leaves(problem, x)
    nothing = jax.tree.map(jnp.zeros_like, like)
    found: Blocks = {}
    for name, product in products.items():
        own = product.value.reshape(getattr(like, name).shape)
        (parts,) = to_leaves(nothing._replace(**{name: own}))
        for i, part in zip(numbers, parts, strict=True):
            new = scaled.normalise(part, product.exponent)
            found[i] = scaled.add(found[i], new) if i in found else new
    return found
