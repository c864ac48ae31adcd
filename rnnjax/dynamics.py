"""The contract of a cell: what its scans, probes and rules ask of it.

A cell is a step, and its linearisation is an operator. There are three tiers:

1. A cell (`rnnjax.types.Cell`) has `init`, `initial_state`, `step` and `readout`. It passes every
   probe, and every rule that does not ask how weights act on the state.
2. A pre-activation cell (`rnnjax.types.PreactivationCell`) also tells z_t = W s(h_{t-1}) + d_t and
   h_t = g(h_{t-1}, z_t) by `drive`, `recurrent_weights`, `presynaptic` and
   `step_from_preactivation`. Its forward pass keeps z_t, and no product is computed again on the
   way back. No parameter has to have a certain name.
3. Any cell is linearised by `rnnjax.tangents.linearize`: the Jacobian J_t = dh_t/dh_{t-1} is an
   operator with `mv` (J v), `mm` (J M), `rmv` (J^T v) and `as_matrix`.

Beyond its tier a cell may define five members:

=================================  =========================  ====================================
member                             default                    the reason to define it
=================================  =========================  ====================================
drive(params, x)                   x                          the part of a step that does not
                                                              depend on h, (n_d,): for all t at
                                                              once where inputs are many
advance(params, h, d)              the pre-activation cell's  the rest of the step:
                                   equations, or `step`       step(p, h, x) =
                                                              advance(p, h, drive(p, x))
linearize(params, at, *, by_row)   automatic differentiation  slopes that remain accurate under
                                   of the step, or of what    saturation, a structure (diagonal,
                                   is behind z_t              block-triangular) that others use
output(params, h)                  h                          what a layer sends on to the next
                                                              one, real (n_o,)
traits                             `Traits()`                 facts that the step does not say:
                                                              homogeneous, bounded,
                                                              entries_per_unit, n_unread, tokens
=================================  =========================  ====================================

Inputs are compared with `n_x` where a cell has it, and a layer of a stack needs it.

Slopes by automatic differentiation are those of the dtype: s(z) (1 - s(z)) of a gate is 0 in
float32 from z = 17, where those of `rnnjax.tangents.leaky` carry on.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.matvec import matvec
from rnnjax.types import Array, Cell, Params, Point

_PREACTIVATION = ("drive", "recurrent_weights", "presynaptic", "step_from_preactivation")


@fields.value
class Traits:
    """What is known of a cell that its step does not say; all as a cell says nothing by default.

    Attributes:
      homogeneous: whether the step is positively homogeneous in state and drive. The forward pass
        then carries a power-of-two scale and cannot overflow.
      bounded: whether no state and no readout leaves the range of the dtype. Those of steps without
        weight are then not kept away from the loss.
      entries_per_unit: m where the state is m vectors of n_h / m units, one behind the other (an
        LSTM's [h, c] has m = 2); None if units have different numbers of entries.
      n_unread: the number of state entries that no later step reads, such as an output that is kept
        for the readout: their columns of the Jacobian are 0.
      tokens: whether inputs are integers, which the cell embeds.
    """

    homogeneous: bool = fields.flag(default=False)
    bounded: bool = fields.flag(default=False)
    entries_per_unit: int | None = fields.count(default=1, optional=True)
    n_unread: int = fields.count(default=0, at_least=0)
    tokens: bool = fields.flag(default=False)


def traits(cell: Cell) -> Traits:
    """Return what is known of a cell."""
    found = getattr(cell, "traits", None)
    return found if isinstance(found, Traits) else Traits()  # or a name of the cell's own


def is_homogeneous(cell: Cell) -> bool:
    """Return whether the cell's step may be carried with a scale."""
    return traits(cell).homogeneous


def entries_per_unit(cell: Cell) -> int:
    """Return m, the number of state entries of a unit; 1 where not all units have as many."""
    return traits(cell).entries_per_unit or 1


def has_preactivation(cell: Cell) -> bool:
    """Return whether a cell is a pre-activation cell."""
    return all(hasattr(cell, name) for name in _PREACTIVATION)


def is_split(cell: Cell) -> bool:
    """Return whether a cell has a drive, and a step from the state and the drive.

    One of the two alone is a method of the cell's own, whatever it means.
    """
    has_both = hasattr(cell, "drive") and hasattr(cell, "advance")
    return has_both or has_preactivation(cell)


def drive(cell: Cell, params: Params, x: Array) -> Array:
    """Return the part of one step that does not depend on the state, (n_d,)."""
    whole: Any = cell
    return whole.drive(params, x) if is_split(cell) else x


def preactivation(cell: Any, params: Params, h: Array, d: Array) -> Array:
    """Return z_t = W s(h_{t-1}) + d_t, (n_z,), of a pre-activation cell."""
    return matvec(cell.recurrent_weights(params), cell.presynaptic(h)) + d


def advance(cell: Cell, params: Params, h: Array, d: Array) -> Array:
    """Return h_t (n_h,) from h_{t-1} (n_h,) and the drive (n_d,)."""
    return advance_and_preactivation(cell, params, h, d)[0]


def advance_and_preactivation(
    cell: Cell, params: Params, h: Array, d: Array
) -> tuple[Array, Array | None]:
    """Return h_t (n_h,), and z_t (n_z,) of a pre-activation cell, None of any other."""
    whole: Any = cell
    if has_preactivation(cell):
        z = preactivation(cell, params, h, d)
        return whole.step_from_preactivation(h, z), z
    return (whole.advance if is_split(cell) else cell.step)(params, h, d), None


def point(cell: Cell, params: Params, h: Array, d: Array, z: Array | None = None) -> Point:
    """Return where a step is linearised; z_t is computed where it is missing."""
    if z is None and has_preactivation(cell):
        z = preactivation(cell, params, h, d)
    return Point(h, d, z)


def output(cell: Cell, params: Params, h: Array) -> Array:
    """Return what a layer of this cell sends on to the next one, (n_o,)."""
    return cell.output(params, h) if hasattr(cell, "output") else h


def reads_out_its_state(cell: Cell, params: Params) -> bool:
    """Return whether the readout of a state is the state itself."""
    h = jax.eval_shape(cell.initial_state)
    traced = jax.make_jaxpr(lambda p, h: cell.readout(p, h))(params, h).jaxpr
    return traced.outvars[0] is traced.invars[-1]


def inputs_read(function: Callable[..., Any], arguments: Any) -> set[int]:
    """Return the numbers of the leaves of `arguments` on which the values of a function depend."""
    return read_by(jax.make_jaxpr(function)(arguments).jaxpr)


def read_by(traced: Any) -> set[int]:
    """Return the numbers of the inputs on which the outputs of a jaxpr depend."""
    needed = {id(v) for v in traced.outvars}
    for equation in reversed(traced.eqns):
        if any(id(v) in needed for v in equation.outvars):
            needed |= {id(v) for v in equation.invars}
    return {i for i, v in enumerate(traced.invars) if id(v) in needed}


def outputs_made_of(function: Callable[..., Any], fixed: Any, argument: Any) -> tuple[bool, ...]:
    """Return which leaves of function(fixed, argument) depend on the argument."""
    traced = jax.make_jaxpr(function)(fixed, argument).jaxpr
    made = {id(v) for v in traced.invars[len(jax.tree.leaves(fixed)) :]}
    for equation in traced.eqns:
        if any(id(v) in made for v in equation.invars):
            made |= {id(v) for v in equation.outvars}
    return tuple(id(v) in made for v in traced.outvars)


def is_affine(function: Callable[[Array], Array], x: Array) -> bool:
    """Return whether a function is affine: its derivative does not depend on its argument."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return False
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)

    def derivative(at: tuple[Array, Array]) -> Array:
        return jax.jvp(function, at[:1], at[1:])[1]

    return 0 not in inputs_read(derivative, (like, like))
