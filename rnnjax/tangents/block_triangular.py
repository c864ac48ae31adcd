"""The Jacobian of layers, each of which drives the next one at the same step.

  u^1 = J^1 v^1,   u^l = J^l v^l + B^l C^l u^{l-1}                               (1)
  w^L = v^L,       w^{l-1} = v^{l-1} + (C^l)^T (B^l)^T w^l,   (J^T v)^l = (J^l)^T w^l   (2)

with J^l = dh^l_t/dh^l_{t-1}, B^l = dh^l_t/dd^l_t, and C^l = dd^l_t/dh^{l-1}_t from the new state of
the layer below to the drive. No layer acts on a lower one: J_t is block-triangular.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import dynamics, fields, scaled
from rnnjax.ranges import Kind
from rnnjax.scaled import Scaled
from rnnjax.tangents.tangent import in_common
from rnnjax.types import Array


class Arrangement(NamedTuple):
    """Where the layers stand in the whole state.

    Attributes:
      sizes: the state entries of the layers.
      m: vectors of the state, in each of which the layers stand one behind the other.
      driven: the entries of the drive of each layer that has a part of d_t.
    """

    sizes: tuple[int, ...]
    m: int
    driven: tuple[int, ...]


_ARRANGEMENT = Kind(lambda value: isinstance(value, Arrangement), "an Arrangement")


@struct.dataclass
class Between:
    """C^l of equation (1).

    Attributes:
      lower: the layer below, a cell and its parameters.
      upper: the layer that it drives.
      h: the new state of the layer below, (n,).
    """

    lower: tuple[Any, Any]
    upper: tuple[Any, Any]
    h: Array

    def mv(self, v: Array) -> Array:
        """Return C v, (n_d,)."""
        return jax.jvp(self._drive, (self.h,), (v.astype(self.h.dtype),))[1]

    def rmv(self, v: Array) -> Array:
        """Return C^T v, (n,)."""
        d, pull = jax.vjp(self._drive, self.h)
        return pull(v.astype(d.dtype))[0]

    def _drive(self, h: Array) -> Array:
        return dynamics.drive(*self.upper, dynamics.output(*self.lower, h))


def between(lower: tuple[Any, Any], upper: tuple[Any, Any], h: Array) -> Between:
    """Construct C^l; of an affine map it is the same at every h, which then is not kept."""
    found = Between(lower, upper, h)
    is_affine = dynamics.is_affine(found._drive, h)
    return Between(lower, upper, jnp.zeros_like(h)) if is_affine else found


@fields.dataclass
class BlockTriangular:
    """Equations (1) and (2).

    Attributes:
      blocks: the tangents of the layers, first layer first.
      between: C^2, ..., C^L.
      arrangement: where the layers stand, static.
      by_row: whether rows have exponents of their own, static.
    """

    blocks: tuple[Any, ...]
    between: tuple[Between, ...]
    arrangement: Arrangement = fields.declared(_ARRANGEMENT, static=True)
    by_row: bool = fields.flag()

    def mv(self, v: Array) -> Scaled:
        """Return J v, equation (1)."""
        parts = self._parts(v)
        own = [block.mv(part) for block, part in zip(self.blocks, parts, strict=True)]
        return self._up(own, lambda product, v: product(v))

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        parts = self._parts(M)
        own = [block.mm(part) for block, part in zip(self.blocks, parts, strict=True)]
        return self._up(own, _of_columns)

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v, equation (2)."""
        found = []
        for block, w in zip(self.blocks, self._down(v)[0], strict=True):
            own = block.rmv(w.value)
            found.append(Scaled(own.value, own.exponent + w.exponent))
        return Scaled(*_alike(found, self._joined))

    def as_matrix(self) -> Scaled:
        """Return J."""
        like = [jax.eval_shape(block.as_matrix).value for block in self.blocks]
        return self.mm(jnp.eye(sum(self.arrangement.sizes), dtype=jnp.result_type(*like)))

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v, for the drives of the first layer, or of all of them."""
        parts = jnp.split(v, list(itertools.accumulate(self.arrangement.driven))[:-1])
        own = [block.from_drive(part) for block, part in zip(self.blocks, parts, strict=False)]
        return self._up(own, lambda product, v: product(v))

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v."""
        return Scaled(*_alike(self._down(v)[1][: len(self.arrangement.driven)], jnp.concatenate))

    def _up(self, own: Sequence[Scaled], apply: Callable[..., Any]) -> Scaled:
        """Return the layers' own parts and what each sends up, by `apply` of one product."""
        found = [own[0]]
        for i in range(1, len(self.blocks)):
            u = in_common(found[-1])
            moved = apply(self.blocks[i].from_drive, apply(self.between[i - 1].mv, u.value))
            moved = Scaled(moved.value, moved.exponent + u.exponent)
            found.append(_sum(own[i], moved) if i < len(own) else moved)
        return self._by_rows(found) if self.by_row else Scaled(*_alike(found, self._joined))

    def _down(self, v: Array) -> tuple[list[Scaled], list[Scaled]]:
        """Return w^l of every layer, equation (2), and (B^l)^T w^l."""
        parts = [Scaled(part, jnp.zeros((), jnp.int32)) for part in self._parts(v)]
        by_state, by_drive = [parts[-1]], []
        for i in reversed(range(len(parts))):
            w = by_state[-1]
            e = in_common(self.blocks[i].to_drive(w.value))
            by_drive.append(Scaled(e.value, e.exponent + w.exponent))
            if i:
                below = self.between[i - 1].rmv(e.value)
                by_state.append(_sum(parts[i - 1], Scaled(below, by_drive[-1].exponent)))
        return by_state[::-1], by_drive[::-1]

    def _joined(self, values: Sequence[Array]) -> Array:
        return joined(values, self.arrangement.m)

    def _parts(self, h: Array) -> tuple[Array, ...]:
        return split(h, self.arrangement.sizes, self.arrangement.m)

    def _by_rows(self, parts: Sequence[Scaled]) -> Scaled:
        rows = [jnp.broadcast_to(part.exponent, part.value.shape[:1]) for part in parts]
        return Scaled(self._joined([part.value for part in parts]), self._joined(rows))


def _alike(parts: Sequence[Scaled], join: Callable[..., Array]) -> tuple[Array, Array]:
    """Return the rows of several parts joined at one exponent, and the exponent."""
    alike = [in_common(part) for part in parts]
    top = functools.reduce(jnp.maximum, [part.exponent for part in alike])
    return join([scaled.lower(part.value, part.exponent - top) for part in alike]), top


def split(h: Array, sizes: Sequence[int], m: int) -> tuple[Array, ...]:
    """Return the parts of the layers, of a state (n_h,) or of a matrix with such columns."""
    rows = h.reshape(m, -1, *h.shape[1:])
    ends = [0, *itertools.accumulate(n // m for n in sizes)]
    return tuple(rows[:, a:b].reshape(-1, *h.shape[1:]) for a, b in itertools.pairwise(ends))


def joined(parts: Sequence[Array], m: int) -> Array:
    """Return the whole of what was `split`."""
    rows = [part.reshape(m, -1, *part.shape[1:]) for part in parts]
    whole = jnp.concatenate(rows, axis=1)
    return whole.reshape(-1, *whole.shape[2:])


def _of_columns(product: Callable[[Array], Any], M: Array) -> Any:
    """Return a product of every column of a matrix; its exponent is the same for all of them."""
    like = jax.eval_shape(product, M[:, 0])
    axes: Any = Scaled(1, None) if isinstance(like, Scaled) else 1  # type: ignore[arg-type]
    return jax.vmap(product, in_axes=1, out_axes=axes)(M)


def _sum(a: Scaled, b: Scaled) -> Scaled:
    """Return a + b, whose rows may have exponents of their own, at exponents of no product."""
    top = jnp.maximum(a.exponent, b.exponent)

    def in_unit(part: Scaled) -> Array:
        below = part.exponent - top
        below = below.reshape(-1, *[1] * (part.value.ndim - 1)) if below.ndim else below
        return scaled.lower(part.value, below)

    return Scaled(in_unit(a) + in_unit(b), top)
