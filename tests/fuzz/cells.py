"""Cells that the package does not have: with complex numbers, or three state entries per unit."""

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.types import Traits


def _complex(key, *shape):
    return jax.random.normal(key, shape) + 1j * jax.random.normal(jax.random.fold_in(key, 1), shape)


@struct.dataclass
class ComplexLinear:
    """h' = A h + B x, y = Re(C h), all weights complex: holomorphic, not declared homogeneous."""

    n_x: int = struct.field(pytree_node=False)
    n_h: int = struct.field(pytree_node=False)
    n_y: int = struct.field(pytree_node=False)

    def init(self, key):
        a, b, c = jax.random.split(key, 3)
        n = self.n_h
        return {
            "A": _complex(a, n, n) / (2 * n) ** 0.5,
            "B": _complex(b, n, self.n_x),
            "C": _complex(c, self.n_y, n),
        }

    def initial_state(self):
        return jnp.zeros(self.n_h, complex)

    def step(self, params, h, x):
        return params["A"] @ h + params["B"] @ x

    def readout(self, params, h):
        return (params["C"] @ h).real


@struct.dataclass
class RealWeights(ComplexLinear):
    """h' = e^(i theta) (A h) + B x: a complex state, holomorphic, with real weights."""

    def init(self, key):
        a, b, c, d = jax.random.split(key, 4)
        n = self.n_h
        return {
            "A": jax.random.normal(a, (n, n)) / n**0.5,
            "B": jax.random.normal(b, (n, self.n_x)),
            "C": jax.random.normal(c, (self.n_y, n)),
            "theta": jax.random.normal(d, (n,)),
        }

    def step(self, params, h, x):
        return jnp.exp(1j * params["theta"]) * (params["A"] @ h) + params["B"] @ x


@struct.dataclass
class Modulated(ComplexLinear):
    """h' = z softplus(|z| + b) / |z|, z = A h + B x: not a holomorphic function of h."""

    def init(self, key):
        return {**super().init(key), "b": 0.1 * jax.random.normal(key, (self.n_h,))}

    def step(self, params, h, x):
        z = super().step(params, h, x)
        size = jnp.sqrt(z.real**2 + z.imag**2 + 1e-3)
        return z * jax.nn.softplus(size + params["b"]) / size


@struct.dataclass
class ThreeEntries:
    """Units [v, a, b]: v' = tanh(W v + U x + c + a - b / 2), a and b low-pass filters."""

    n_x: int = struct.field(pytree_node=False)
    n_units: int = struct.field(pytree_node=False)
    n_y: int = struct.field(pytree_node=False)
    leak: float = 0.4
    traits = Traits(entries_per_unit=3)

    @property
    def n_h(self):
        return 3 * self.n_units

    def init(self, key):
        w, u, v = jax.random.split(key, 3)
        n = self.n_units
        return {
            "W": jax.random.normal(w, (n, n)) / n**0.5,
            "U": jax.random.normal(u, (n, self.n_x)),
            "bias": jnp.zeros(n),
            "V": jax.random.normal(v, (self.n_y, n)),
        }

    def initial_state(self):
        return jnp.zeros(self.n_h)

    def step(self, params, h, x):
        v, a, b = jnp.split(h, 3)
        new = jnp.tanh(params["W"] @ v + params["U"] @ x + params["bias"] + a - 0.5 * b)
        return jnp.concatenate([new, 0.6 * a + 0.4 * new, 0.8 * b + 0.2 * new * v])

    def readout(self, params, h):
        return params["V"] @ h[: self.n_units]
