"""KF-RTRL and its reverse: unbiased estimates of the influence as a Kronecker product.

Where weights act through pre-activations z_t = W s_{t-1} + U x_t + b alone, the direct influence is
a product,

  D_t = L_t (x) a_t,   L_t = dh_t/dz_t (n_h, n_z),   a_t = [s_{t-1}, x_t, 1]           (1)

KF-RTRL keeps  dh/d(weight i, j) ~ B[:, i] A[j]  with two random signs nu a step:
  A_t = nu_0 p_0 A_{t-1}        + nu_1 p_1 a_t                                         (2)
  B_t = nu_0 / p_0 J_t B_{t-1}  + nu_1 / p_1 L_t                                       (3)
  p_0^2 = |J_t B_{t-1}| / |A_{t-1}|,   p_1^2 = |L_t| / |a_t|                           (4)

Its reverse keeps  dh/d(weight i, j) ~ A[i] B[:, j]  with a sign for each of the n_z sums:
  A_t = p_0 A_{t-1}      + p_1 nu_t                                                    (5)
  B_t = J_t B_{t-1} / p_0 + (L_t nu_t) (x) a_t / p_1                                   (6)

The mean over all sign sequences is RTRL. KF-RTRL: Mujika, Meier and Steger, Approximating real-time
recurrent learning with random Kronecker factors, NeurIPS 2018. Reverse: Marschall, Cho and Savin, A
unified framework of online learning algorithms for training recurrent neural networks, Journal of
Machine Learning Research, 2020.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics, fields, preactivation, scaled, scan
from rnnjax.preactivation import Weights
from rnnjax.rules import influence, online
from rnnjax.rules.base import require
from rnnjax.rules.influence import Blocks
from rnnjax.rules.uoro import log_balance, signs_of, times_exp
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Cell, Params, StepLoss

_ALL = "all"


class Prepared(NamedTuple):
    """What a step needs: J_t, the new term of each factor, the sign of the old ones, g_t, x_t."""

    J: Scaled
    new: Any
    sign: Array
    g: Scaled
    x: Array


class Kronecker(NamedTuple):
    """The two factors of the influence; what has the shape of a_t is a block for each of W, U, b.

    Attributes:
      A: blocks (n_a,) in KF-RTRL, value (n_z,) in its reverse.
      B: value (n_h, n_z) in KF-RTRL, blocks (n_h, n_a) in its reverse.
    """

    A: Any
    B: Any


@fields.dataclass
class KFRTRL:
    """Equations (1) to (4), for pre-activation cells.

    Attributes:
      signs: nu of every step, (T, 2), in place of random ones.
    """

    signs: Array | None = fields.array("T", "2", default=None)
    step_axis = "loss"
    exact = False
    stochastic = True
    init = online.init
    untaught = online.untaught
    learned = online.nothing_learned
    __call__ = online.over_sequence

    def noise(self, cell: Cell, params: Params, key: Array, n_steps: int) -> Array:
        """Return nu of every step, (T, 2)."""
        return signs_of(self.signs, key, (n_steps, 2), cell.initial_state().dtype)

    def begin(self, cell: Any, params: Params, x: Array, learned: Any) -> Kronecker:
        """Return factors of 0."""
        _require(self, cell, params, x)
        h = cell.initial_state()
        A = {name: _zero(v.shape, h.dtype) for name, v in _presynaptic(cell, h, x).items()}
        return Kronecker(A, _zero((h.size, len(cell.recurrent_weights(params))), h.dtype))

    def prepare(self, cell: Any, loss: StepLoss, params: Params, moment: online.Moment) -> Prepared:
        """Return the terms of equations (2) and (3) that are new in a step."""
        L, a = _parts(cell, params, moment)
        p_1 = log_balance(L, a)
        sign = moment.noise
        new = Kronecker(_times(times_exp(a, p_1), sign[1]), _times(times_exp(L, -p_1), sign[1]))
        J = influence.jacobian(cell, params, moment.trajectory)
        return Prepared(J, new, sign[0], moment.g, moment.batch.x)

    def step(
        self,
        cell: Any,
        loss: StepLoss,
        params: Params,
        memory: Kronecker,
        prepared: Prepared,
    ) -> tuple[Kronecker, Blocks]:
        """Return A_t and B_t, and (g_t B_t) (x) A_t."""
        J, sign = prepared.J, prepared.sign
        moved = scaled.normalise(J.value @ memory.B.value, memory.B.exponent + J.exponent)
        p_0 = log_balance(moved, memory.A)
        A = scaled.add_trees(_times(times_exp(memory.A, p_0), sign), prepared.new.A)
        B = scaled.add(_times(scaled.times_exp(moved, -p_0), sign), prepared.new.B)
        return Kronecker(A, B), _outer(cell, params, prepared.x, _of_rows(prepared.g, B), A)


@fields.dataclass
class ReverseKFRTRL:
    """Equations (1), (5) and (6), for pre-activation cells.

    Attributes:
      signs: nu of every step, (T, n_z), in place of random ones.
    """

    signs: Array | None = fields.array("T", "n_z", default=None)
    step_axis = "loss"
    exact = False
    stochastic = True
    init = online.init
    untaught = online.untaught
    learned = online.nothing_learned
    __call__ = online.over_sequence

    def noise(self, cell: Any, params: Params, key: Array, n_steps: int) -> Array:
        """Return nu of every step, (T, n_z)."""
        shape = (n_steps, len(cell.recurrent_weights(params)))
        return signs_of(self.signs, key, shape, cell.initial_state().dtype)

    def begin(self, cell: Any, params: Params, x: Array, learned: Any) -> Kronecker:
        """Return factors of 0."""
        _require(self, cell, params, x)
        h = cell.initial_state()
        parts = _presynaptic(cell, h, x)
        B = {name: _zero((h.size, *v.shape), h.dtype) for name, v in parts.items()}
        return Kronecker(_zero((len(cell.recurrent_weights(params)),), h.dtype), B)

    def prepare(self, cell: Any, loss: StepLoss, params: Params, moment: online.Moment) -> Prepared:
        """Return the terms of equations (5) and (6) that are new in a step."""
        L, a = _parts(cell, params, moment)
        nu = scaled.normalise(moment.noise)
        seen = scaled.normalise(L.value @ nu.value, L.exponent + nu.exponent)
        new = {name: _product(seen, v) for name, v in a.items()}
        p_1 = log_balance(new, nu)
        both = Kronecker(scaled.times_exp(nu, p_1), times_exp(new, -p_1))
        J = influence.jacobian(cell, params, moment.trajectory)
        return Prepared(J, both, jnp.ones((), J.value.dtype), moment.g, moment.batch.x)

    def step(
        self,
        cell: Any,
        loss: StepLoss,
        params: Params,
        memory: Kronecker,
        prepared: Prepared,
    ) -> tuple[Kronecker, Blocks]:
        """Return A_t and B_t, and A_t (x) (g_t B_t)."""
        moved = {
            name: scaled.renormalise(block)
            for name, block in influence.transported(prepared.J, memory.B).items()
        }
        p_0 = log_balance(moved, memory.A)
        A = scaled.add(scaled.times_exp(memory.A, p_0), prepared.new.A)
        B = scaled.add_trees(times_exp(moved, -p_0), prepared.new.B)
        met = {name: _of_rows(prepared.g, block) for name, block in B.items()}
        return Kronecker(A, B), _outer(cell, params, prepared.x, A, met)


def _require(rule: Any, cell: Cell, params: Params, x: Array) -> None:
    reason = "because its weights do not act through one sum"
    require(dynamics.has_preactivation(cell), cell, rule, "pre-activations", reason)
    reason = "whose drive is no affine function of its input"
    is_affine = preactivation.is_affine(cell, params, x)
    require(is_affine, cell, rule, "a drive U x + b", reason)


def _parts(cell: Any, params: Params, moment: online.Moment) -> tuple[Scaled, dict[str, Scaled]]:
    """Return L_t and a_t of equation (1)."""
    at = moment.trajectory
    z = scan.point(cell, params, at).preactivation
    L = scaled.normalise(jax.jacrev(lambda z: cell.step_from_preactivation(at.h_prev, z))(z))
    a = _presynaptic(cell, at.h_prev, moment.batch.x)
    return L, {name: scaled.normalise(v, _level(name, at)) for name, v in a.items()}


def _level(name: str, at: Trajectory) -> Array:
    """Return the exponent at which a part of a_t is given: states are carried as 2^E h."""
    return at.exponent if name == "W" else jnp.zeros_like(at.exponent)


def _presynaptic(cell: Any, h: Array, x: Array) -> dict[str, Array]:
    """Return a_t as one vector, or by weight where the states have no bound."""
    parts = dict(zip(Weights._fields, (cell.presynaptic(h), x, jnp.ones(1, h.dtype)), strict=True))
    return parts if dynamics.is_homogeneous(cell) else {_ALL: jnp.concatenate([*parts.values()])}


def _zero(shape: tuple[int, ...], dtype: Any) -> Scaled:
    return scaled.normalise(jnp.zeros(shape, dtype))


def _times(tree: Any, sign: Array) -> Any:
    return jax.tree.map(
        lambda s: Scaled(sign * s.value, s.exponent), tree, is_leaf=influence.is_scaled
    )


def _product(a: Scaled, b: Scaled) -> Scaled:
    # Its largest entry is the product of the largest ones: of order 1 like them.
    return Scaled(jnp.outer(a.value, b.value), a.exponent + b.exponent)


def _of_rows(g: Scaled, block: Scaled) -> Scaled:
    return scaled.normalise(g.value @ block.value, g.exponent + block.exponent)


def _outer(cell: Any, params: Any, x: Array, post: Scaled, pre: dict[str, Scaled]) -> Blocks:
    """Return post (x) pre as blocks, by leaves of the parameters or by functions of them."""
    products = {name: _product(post, v) for name, v in pre.items()}
    if _ALL in products:
        return _whole(cell, params, x, products[_ALL])
    numbers = preactivation.leaves(cell, params, x)
    if numbers is None:
        return _sum_by_leaf(cell, params, x, products)
    shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
    # By name: jax returns dicts in the order of their keys.
    return {
        i: Scaled(products[name].value.reshape(shapes[i]), products[name].exponent)
        for i, name in zip(numbers, Weights._fields, strict=True)
    }


def _whole(cell: Any, params: Any, x: Array, product: Scaled) -> Blocks:
    """Return the product by [W, U, b], value (n_z, n_a), as one block."""
    n_s = cell.recurrent_weights(params).shape[1]
    W, U, b = jnp.split(product.value, [n_s, n_s + x.size], axis=1)
    by_weights = Weights(W, U, b[:, 0])
    numbers = preactivation.leaves(cell, params, x)
    if numbers is None:
        own, _, to_leaves = _by_leaves(cell, params, x)
        by_leaf = dict(zip(own, to_leaves(by_weights)[0], strict=True))
    else:
        by_leaf = dict(sorted(zip(numbers, by_weights, strict=True)))
    (whole,) = influence.grouped(cell, by_leaf).values()
    return {influence.ALL: Scaled(whole, product.exponent)}


def _by_leaves(cell: Any, params: Any, x: Array) -> tuple[list[int], Weights, Any]:
    """Return the leaves that a step reads, the weights, and the vjp from these to the leaves."""
    numbers = influence.read(cell, params, x)
    leaves, structure = jax.tree.flatten(params)

    def of_read(some: list[Array]) -> Weights:
        chosen = dict(zip(numbers, some, strict=True))
        own = [chosen.get(i, leaf) for i, leaf in enumerate(leaves)]
        return preactivation.weights(cell, jax.tree.unflatten(structure, own), x)

    return numbers, *jax.vjp(of_read, [leaves[i] for i in numbers])


def _sum_by_leaf(cell: Any, params: Any, x: Array, products: dict[str, Scaled]) -> Blocks:
    """Return the products at the leaves, one of W, U and b after the other: their units differ."""
    numbers, like, to_leaves = _by_leaves(cell, params, x)
    nothing = jax.tree.map(jnp.zeros_like, like)
    found: Blocks = {}
    for name, product in products.items():
        own = product.value.reshape(getattr(like, name).shape)
        (parts,) = to_leaves(nothing._replace(**{name: own}))
        for i, part in zip(numbers, parts, strict=True):
            new = scaled.normalise(part, product.exponent)
            found[i] = scaled.add(found[i], new) if i in found else new
    return found
