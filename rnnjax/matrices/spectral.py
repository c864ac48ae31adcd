"""Spectral radius and norm of a square matrix, in logs.

By Gelfand's formula with repeated squaring (matrix products only, so that it runs under vmap and on
any device):

  log rho(W) = lim_m 2^-m log ||W^(2^m)||                                       (1)

Powers of a matrix whose entries span half the exponents of the dtype would lose the small ones,
which the eigenvalues need as much as the large ones: [[0, 1e-200], [1e200, 0]] has the radius 1.
Such a matrix is balanced first, by powers of two d, until its rows are as long as its columns
(Osborne, On pre-conditioning of matrices, Journal of the ACM, 1960),

  W_ij <- W_ij 2^(d_j - d_i)                                                    (2)

The limit has the derivatives of log rho, the powers have not: where the largest eigenvalues are a
complex pair, log ||W^n|| goes on turning with n, and its second derivatives grow as n times
rounding. Derivatives are therefore those of the eigenvalues themselves, by a decomposition; of
several that are largest they are one's.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import lanes, scaled
from rnnjax.ranges import refusal
from rnnjax.scaled import Scaled
from rnnjax.types import Array

_N_SWEEPS = 16  # each halves the exponents between a row and its column


def square_matrix(name: str, values: Any) -> Array:
    """Return a square matrix in floats, (n, n).

    Raises:
      ValueError: it is none, which JAX would broadcast or refuse from within.
    """
    W = jnp.asarray(values)
    if W.ndim != 2 or W.shape[0] != W.shape[1] or not W.size:
        raise refusal(name, "a matrix (n, n); vmap over several", W.shape, shown_by=str)
    return W.astype(jnp.result_type(W, float))


def log_spectral_radius(W: Array) -> Array:
    """Return log max |eigenvalue|, (), of W (n, n), equation (1); -inf where a power of W is 0.

    It has a first derivative; for a second one JAX raises NotImplementedError.
    """
    return _log_radius(square_matrix("W", W), is_hermitian=False)


def log_radius_of_hermitian(W: Array) -> Array:
    """Return the same of a matrix W = W^H, with derivatives of all orders."""
    return _log_radius(square_matrix("W", W), is_hermitian=True)


def _log_radius(W: Array, is_hermitian: bool) -> Array:
    start = jax.lax.cond(lanes.in_any(_is_wide(W)), _balanced, scaled.normalise, W)
    return _of_powers(is_hermitian, start.value, start.exponent)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _of_powers(is_hermitian: bool, V: Array, exponent: Array) -> Array:
    """Return equation (1) for W = V 2^exponent, V of order 1."""

    # W^(2^m) = V exp(2^m s): V stays near 1, and s, unlike the exponent of the power, in range.
    def square(carry: tuple[Array, Array], weight: Array) -> tuple[tuple[Array, Array], None]:
        V, s = carry
        power = scaled.normalise(V @ V)
        return (power.value, s + power.exponent * scaled.LOG_2 * weight), None

    # As many as the dtype has digits: what is left, 2^-m log(condition number), is then rounding.
    n_squarings = jnp.finfo(V.dtype).nmant + 1
    weights = 0.5 ** jnp.arange(1, n_squarings + 1, dtype=V.real.dtype)
    (V, s), _ = jax.lax.scan(square, (V, exponent * scaled.LOG_2), weights)
    last = jnp.log(jnp.linalg.norm(V)) * weights[-1]
    return jnp.where(jnp.any(V != 0), s + last, -jnp.inf)


@_of_powers.defjvp
def _(is_hermitian: bool, primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> Any:
    """Return equation (1) and the derivative of log max |eigenvalue|, not finite where rho is 0."""
    (V, exponent), dV = primals, tangents[0]
    eigenvalues = jnp.linalg.eigvalsh if is_hermitian else jnp.linalg.eigvals

    def log_largest(V: Array) -> Array:
        wide = V.astype(jnp.promote_types(V.dtype, jnp.float32))
        return jnp.log(jnp.max(jnp.abs(eigenvalues(wide)))).astype(V.real.dtype)

    moved = jax.jvp(log_largest, (V,), (dV,))[1]
    return _of_powers(is_hermitian, V, exponent), moved


def _sizes(W: Array) -> tuple[Array, Array]:
    """Return the exponents of all entries, int32 (n, n), and the least one of those that are."""
    sizes = scaled.exponent_of(W, W.ndim)
    return sizes, jnp.min(jnp.where(scaled.is_zero(sizes), jnp.max(sizes), sizes))


def _is_wide(W: Array) -> Array:
    sizes, least = _sizes(W)
    return jnp.max(sizes) - least > jnp.finfo(W.dtype).maxexp // 2


def _balanced(W: Array) -> Scaled:
    """Return W after equation (2), itself where its entries lie close together."""
    sizes, least = _sizes(W)

    def one(d: Array, i: Array) -> tuple[Array, None]:
        row = jnp.maximum(jnp.max(sizes[i] + d) - d[i], least)
        column = jnp.maximum(jnp.max(sizes[:, i] - d) + d[i], least)
        return d.at[i].add((row - column) // 2), None

    n = len(W)
    rows = jnp.tile(jnp.arange(n), _N_SWEEPS)
    d, _ = jax.lax.scan(one, jnp.zeros(n, jnp.int32), rows)
    moves = jnp.where(_is_wide(W), d[None] - d[:, None], 0)
    top = jnp.max(sizes + moves)
    return scaled.normalise(scaled.shift(W, moves - top), top)


def log_spectral_norm(W: Array) -> Array:
    """Return log of the largest singular value, (), of W (m, n): rho(W^H W)^(1/2)."""
    unit = scaled.normalise(W)
    V = unit.value
    return 0.5 * log_radius_of_hermitian(V.conj().T @ V) + unit.exponent * scaled.LOG_2
