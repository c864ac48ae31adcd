"""A complex network represented as a real network of twice the size.

  h = a + i b  ->  [a, b],    w = u + i v  ->  (u, v)                            (1)

A step that is not a holomorphic function of its state (modReLU, or anything that takes a real part)
has no complex Jacobian: its linearisation consists of four real blocks, which only a holomorphic
step can combine into one complex matrix. The same holds for the derivative of a state with respect
to a weight. In the real view every derivative is an ordinary real one, and rules that run forward
in time need no special treatment of complex numbers. For a holomorphic step with Jacobian J + i K
the view carries the blocks [[J, -K], [K, J]], which costs as many real products as the complex
matrix.

JAX's gradient of a real loss with respect to w is dL/du - i dL/dv; gradients of the view are
recombined in this form.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, fields, holomorphic, scaled, tangents
from rnnjax.dynamics import Traits
from rnnjax.ranges import Kind
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Cell, Params, Point

_FLAGS = Kind(lambda value: isinstance(value, tuple), "flags in a tuple")


def split(z: Array) -> Array:
    """Return the concatenation [Re z, Im z], (2 n,), for z (n,)."""
    return jnp.concatenate([z.real, z.imag])


def joined(v: Array) -> Array:
    """Return the complex vector (n,) whose real and imaginary parts are the halves of v (2 n,)."""
    return jax.lax.complex(*jnp.split(v, 2))


@fields.dataclass
class RealView:
    """A cell represented with real numbers only, equation (1).

    Attributes:
      cell: the cell.
      of_leaves: which leaves of the parameters are complex; the view's are (2, *leaf), static.
      of_state: whether the state is complex, static.
      of_drive: whether the drive is complex, static.
    """

    cell: Any
    of_leaves: tuple[bool, ...] = fields.declared(_FLAGS, static=True)
    of_state: bool = fields.flag()
    of_drive: bool = fields.flag()

    @property
    def user_cell(self) -> Any:
        """The cell as it was given."""
        return getattr(self.cell, "user_cell", self.cell)

    @property
    def seen(self) -> Any:
        """The cell that a rule computes with: this view."""
        return self

    def inward(self, params: Params) -> Params:
        """Convert the cell's parameters to those of the view."""
        leaves, structure = jax.tree.flatten(params)
        parts = [
            jnp.stack([leaf.real, leaf.imag]) if is_complex else leaf
            for leaf, is_complex in zip(leaves, self.of_leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, parts)

    def _outward(self, params: Params) -> Params:
        leaves, structure = jax.tree.flatten(params)
        wholes = [
            jax.lax.complex(leaf[0], leaf[1]) if is_complex else leaf
            for leaf, is_complex in zip(leaves, self.of_leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, wholes)

    def gradient(self, grads: Any, n_leading: int = 0) -> Any:
        """Convert a gradient of the view's parameters to JAX's gradient of the cell's parameters.

        Args:
          grads: tree of `Scaled`, value (*leading, 2, *leaf) where the leaf is complex.
          n_leading: the number of leading axes.
        """
        leaves, structure = jax.tree.flatten(grads, is_leaf=scaled.is_scaled)
        wholes = self.gradient_by_leaf(dict(enumerate(leaves)), n_leading)
        return jax.tree.unflatten(structure, wholes.values())

    def gradient_by_leaf(self, grads: dict[int, Scaled], n_leading: int = 0) -> dict[int, Scaled]:
        """Convert the gradient of some leaves in the same way, keyed by leaf index."""

        def whole(leaf: Scaled) -> Scaled:
            u, v = jnp.moveaxis(leaf.value, n_leading, 0)
            return Scaled(jax.lax.complex(u, -v), leaf.exponent)

        return {i: whole(leaf) if self.of_leaves[i] else leaf for i, leaf in grads.items()}

    def cotangent(self, g: Array) -> Array:
        """Convert JAX's cotangent of the cell's state, (n,), to that of the view's state."""
        return split(g.conj()) if self.of_state else g

    def initial_state(self) -> Array:
        """Return h_0."""
        return self._seen(self.cell.initial_state())

    def step(self, params: Params, h: Array, x: Array) -> Array:
        """Return h_t."""
        return self._seen(self.cell.step(self._outward(params), self.state(h), x))

    def readout(self, params: Params, h: Array) -> Array:
        """Return y_t of the cell, unchanged."""
        return self.cell.readout(self._outward(params), self.state(h))

    def output(self, params: Params, h: Array) -> Array:
        """Return what a layer of the cell sends on to the next one."""
        return dynamics.output(self.cell, self._outward(params), self.state(h))

    def drive(self, params: Params, x: Array) -> Array:
        """Return the part of a step that does not depend on the state."""
        d = dynamics.drive(self.cell, self._outward(params), x)
        return split(d) if self.of_drive else d

    def advance(self, params: Params, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive."""
        d = joined(d) if self.of_drive else d
        return self._seen(dynamics.advance(self.cell, self._outward(params), self.state(h), d))

    def linearize(self, params: Params, at: Point, *, by_row: bool = False) -> Any:
        """Return the Jacobian as a real matrix."""
        d = joined(at.drive) if self.of_drive else at.drive
        own, h = self._outward(params), self.state(at.h)
        inner = dynamics.point(self.cell, own, h, d)
        J = tangents.linearize(self.cell, own, inner, by_row=by_row)
        return tangents.OfComplex(J, self.of_drive) if self.of_state else J

    @property
    def traits(self) -> Traits:
        """Those of the cell; the imaginary parts of its vectors follow the real parts.

        Complex states are never taken for bounded, see `rnnjax.scan.readouts`.
        """
        known, n_parts = dynamics.traits(self.cell), 1 + self.of_state
        return replace(
            known,
            bounded=known.bounded and not self.of_state,
            entries_per_unit=n_parts * (known.entries_per_unit or 1),
            n_unread=n_parts * known.n_unread,
        )

    def _seen(self, h: Array) -> Array:
        return split(h) if self.of_state else h

    def state(self, h: Array) -> Array:
        """Convert a state of the view to the cell's form."""
        return joined(h) if self.of_state else h


def parts_together(cell: Cell, pattern: Any) -> Any:
    """Return a pattern over state entries, bool (n_h, ...), made equal for both parts of a number.

    An entry is True if it was True for the real or for the imaginary part.
    """
    if not (isinstance(cell, RealView) and cell.of_state):
        return pattern
    real, imaginary = pattern[: len(pattern) // 2], pattern[len(pattern) // 2 :]
    either = real | imaginary
    return (jnp if isinstance(pattern, jax.Array) else np).concatenate([either, either])


class Unchanged(NamedTuple):
    """The counterpart of `RealView` for a cell that needs no conversion; `seen` is that cell."""

    seen: Any

    def inward(self, params: Params) -> Params:
        """Return the parameters."""
        return params

    def gradient(self, grads: Any, n_leading: int = 0) -> Any:
        """Return the gradient."""
        return grads

    def gradient_by_leaf(self, grads: dict[int, Scaled], n_leading: int = 0) -> dict[int, Scaled]:
        """Return the gradient of some leaves."""
        return grads

    def state(self, h: Array) -> Array:
        """Return the state."""
        return h


def of(cell: Cell, params: Params, x: Array) -> RealView | Unchanged:
    """Return the real view of a cell whose state or any parameter is complex, else `Unchanged`.

    Args:
      cell: the cell.
      params: its parameters.
      x: any input, (n_x,).
    """
    of_leaves = tuple(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(params))
    of_state = jnp.iscomplexobj(cell.initial_state())
    if isinstance(cell, RealView) or not (of_state or any(of_leaves)):
        return Unchanged(cell)
    d = jax.eval_shape(lambda p, x: dynamics.drive(cell, p, x), params, x)
    return RealView(cell, of_leaves, of_state, jnp.issubdtype(d.dtype, jnp.complexfloating))


def for_jacobians(cell: Cell, params: Params, x: Array) -> RealView | Unchanged:
    """Return the real view of a cell with a complex state and no complex Jacobian.

    A cell with a holomorphic step keeps its n x n complex Jacobians; a cell with a real state is
    not changed either.

    Args:
      cell: the cell.
      params: its parameters.
      x: any input, (n_x,).
    """
    if not jnp.iscomplexobj(cell.initial_state()) or holomorphic.is_holomorphic(cell, params, x):
        return Unchanged(cell)
    return of(cell, params, x)
