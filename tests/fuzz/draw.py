"""Random cases: a cell, its parameters, a sequence, a mask, a dtype, scales and zeros."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import activations
from tests.fuzz import cells

ACTIVATIONS = [a for a in vars(activations).values() if isinstance(a, activations.Activation)]
DTYPES = {"float64": 0.5, "float32": 0.3, "bfloat16": 0.1, "float16": 0.1}
MASKS = ("ones", "weights", "holes", "trailing", "leading", "both ends", "last", "one")
FILLS = {"zero": 0.0, "nan": np.nan, "inf": np.inf, "huge": 1e30}
ZEROS = ("none", "none", "inputs", "pulse", "weights", "bias", "everything", "targets")


class Program(NamedTuple):
    """What is compiled once: the cell, its sizes and the dtype."""

    cell: Any
    n_steps: int
    dtype: str
    labels: bool


class Numbers(NamedTuple):
    """The inputs of a program: parameters and a sequence, and how they were drawn."""

    params: Any
    batch: rnnjax.Batch
    told: dict[str, Any]


def program(rng: np.random.Generator) -> Program:
    """Draw a cell, a length and a dtype."""
    n_x, n_y = (int(rng.integers(1, 4)) for _ in range(2))
    n = int(rng.integers(1, 5))
    activation = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]
    leak = float(rng.choice([1.0, 1.0, 0.3]))
    vanilla = rnnjax.Vanilla(n_x, n, n_y, activation=activation, leak=leak)
    found = [
        *[vanilla] * 5,
        rnnjax.LSTM(n_x, n, n_y),
        rnnjax.GRU(n_x, n, n_y),
        rnnjax.MinimalGated(n_x, n, n_y),
        rnnjax.LRU(n_x, n, n_y),
        rnnjax.Chain(n_x, activation=activation),
        rnnjax.Jordan(n_x, n, n_y),
        cells.ComplexLinear(n_x, n, n_y),
        cells.RealWeights(n_x, n, n_y),
        cells.Modulated(n_x, n, n_y),
        cells.ThreeEntries(n_x, n, n_y),
    ]
    cell = found[rng.integers(len(found))]
    dtype = str(rng.choice(list(DTYPES), p=list(DTYPES.values())))
    is_complex = isinstance(cell, cells.ComplexLinear | rnnjax.LRU)
    if is_complex and dtype not in ("float32", "float64"):
        dtype = "float32"
    return Program(cell, int(rng.choice([1, 2, 3, 5, 7])), dtype, bool(rng.random() < 0.2))


def numbers(made: Program, rng: np.random.Generator) -> Numbers:
    """Draw parameters and a sequence for a program, in float64 but rounded to its dtype."""
    cell, n_steps = made.cell, made.n_steps
    key = jax.random.key(int(rng.integers(2**31)))
    params = cell.init(key)
    gain = float(2.0 ** rng.integers(-3, 2))
    params = jax.tree.map(lambda a: a * gain, params)
    x = rng.standard_normal((n_steps, cell.n_x)) * float(10.0 ** rng.integers(-2, 2))
    y = rng.standard_normal((n_steps, cell.n_y))
    mask, fill = _mask(rng, n_steps), str(rng.choice(list(FILLS)))
    zeros = str(rng.choice(ZEROS))
    params, x = _with_zeros(zeros, params, x)
    length = int(np.max(np.nonzero(mask)[0])) + 1
    x[length:] = FILLS[fill]
    y[mask == 0] = FILLS[fill]
    if made.labels:
        y = rng.integers(0, cell.n_y, n_steps)
    told = {"gain": gain, "mask": mask.tolist(), "fill": fill, "zeros": zeros}
    rounded = jax.tree.map(lambda a: _rounded(a, made.dtype), (params, x, y, mask))
    return Numbers(rounded[0], rnnjax.Batch(*rounded[1:]), told)


def _mask(rng: np.random.Generator, n: int) -> np.ndarray:
    kind = str(rng.choice(MASKS))
    mask = np.ones(n)
    if kind == "weights":
        mask = rng.uniform(0.5, 2, n)
    if kind == "holes":
        mask = (rng.random(n) < 0.5) * rng.uniform(0.5, 2, n)
    if kind in ("trailing", "both ends"):
        mask[int(rng.integers(1, n + 1)) :] = 0
    if kind in ("leading", "both ends"):
        mask[: int(rng.integers(0, n))] = 0
    if kind == "last":
        mask[:-1] = 0
    if kind == "one":
        mask = 1.5 * (np.arange(n) == rng.integers(n))
    if not mask.any():
        mask[rng.integers(n)] = 1
    return mask


def _with_zeros(kind: str, params: Any, x: np.ndarray) -> tuple[Any, np.ndarray]:
    leaves, structure = jax.tree.flatten(params)
    if kind == "inputs":
        x = 0 * x
    if kind == "pulse":
        x[1:] = 0
    if kind == "weights":
        leaves[0] = 0 * leaves[0]
    if kind == "bias":
        leaves = [0 * leaf if leaf.ndim == 1 else leaf for leaf in leaves]
    if kind == "everything":
        leaves = [0 * leaf for leaf in leaves]
    return jax.tree.unflatten(structure, leaves), x


def _rounded(a: Any, dtype: str) -> jax.Array:
    """Return numbers rounded to a dtype, as float64: the inputs of both library and oracle."""
    a = jnp.asarray(a)
    if jnp.issubdtype(a.dtype, jnp.integer):
        return a
    if jnp.iscomplexobj(a):
        return a.astype(jnp.complex64 if dtype == "float32" else jnp.complex128).astype(complex)
    return a.astype(dtype).astype(jnp.float64)


def narrowed(tree: Any, dtype: str) -> Any:
    """Return rounded numbers in their dtype; the conversion is exact."""

    def one(a: jax.Array) -> jax.Array:
        if jnp.issubdtype(a.dtype, jnp.integer):
            return a
        if jnp.iscomplexobj(a):
            return a.astype(jnp.complex64 if dtype == "float32" else jnp.complex128)
        return a.astype(dtype)

    return jax.tree.map(one, tree)
