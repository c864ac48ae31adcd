"""Stand-ins for what JAX draws, for what tests need before they run: nothing is compiled for them.

Every process of a run collects all tests, so what a test module computes is computed by each.
"""

import jax
import numpy as np
from flax import nnx


def of_ones(make):
    """What `make` returns, an nnx module among others, with ones for the numbers of its arrays."""
    made = nnx.eval_shape(make)
    return jax.tree.map(lambda a: jax.device_put(np.ones(a.shape, a.dtype)), made)


def of_normals(make, *arguments, scale=0.5):
    """The real arrays that `make` returns, filled with normal numbers of this scale."""
    rng, made = np.random.default_rng(0), jax.eval_shape(make, *arguments)
    return jax.tree.map(lambda a: jax.device_put(scale * rng.standard_normal(a.shape)), made)
