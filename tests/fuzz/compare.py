"""Runs one program on many inputs and reports where the library differs from its oracle."""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from tests.fuzz import draw, oracles
from tests.fuzz.subjects import SUBJECTS, loss_of

NUMBERS_A_PROGRAM = 8
TOLERANCE = {"float64": 1e-9, "float32": 2e-3, "bfloat16": 2e-3, "float16": 2e-3}
FLOOR = 5e-2  # added to the size: the error of the loss's own derivative where a value is tiny


class Difference(NamedTuple):
    """A case in which the library differs from its oracle, with the seed that draws it again."""

    seed: int
    what: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.what}"


def cases(seed: int) -> Iterator[list[Difference]]:
    """Run the cases of one program; yield one list of differences for each case."""
    rng = np.random.default_rng(seed)
    made = draw.program(rng)
    name = list(SUBJECTS)[rng.integers(len(SUBJECTS))]
    subject = SUBJECTS[name]
    if subject.float64_only:
        made = made._replace(dtype="float64")
    if not subject.fits(made.cell, made.n_steps):
        made = made._replace(n_steps=min(made.n_steps, 3))
        if not subject.fits(made.cell, made.n_steps):
            return
    cell, loss = made.cell, loss_of(made.labels)
    run = jax.jit(functools.partial(subject.run, cell, loss))
    table = jax.jit(functools.partial(oracles.table, cell, loss))
    oracle = functools.partial(subject.expected, cell, loss)
    oracle = jax.jit(oracle) if subject.compiled else oracle
    for _ in range(NUMBERS_A_PROGRAM):
        numbers = draw.numbers(made, rng)
        message = f"{name} on {_told(cell)}, T {made.n_steps}, {made.dtype}, labels {made.labels}, "
        narrow = draw.narrowed((numbers.params, numbers.batch), made.dtype)
        try:
            found = run(*narrow)
        except Exception as error:
            yield [Difference(seed, f"{message}{type(error).__name__}: {error}")]
            return
        known = jax.tree.map(np.asarray, table(numbers.params, numbers.batch))
        expected = oracle(numbers.params, numbers.batch, known)
        tolerance = TOLERANCE[made.dtype] * _growth(known.jacobians, made.dtype)
        differences = [
            Difference(seed, f"{message}{numbers.told}: {key}{where}")
            for key, (right, size) in expected.items()
            for where in _apart(found[key], right, size, tolerance)
        ]
        yield differences


def _told(cell: Any) -> str:
    """Return a short description of a cell, with the name of its activation."""
    said = {k: getattr(v, "name", v) for k, v in vars(cell).items() if not callable(v)}
    named = {"activation": cell.activation.name} if hasattr(cell, "activation") else {}
    return f"{type(cell).__name__}({said | named})"


def _growth(jacobians: jax.Array, dtype: str) -> float:
    """Return the factor by which rounding errors may grow along a sequence, at least 1."""
    if dtype == "float64":
        return 1.0
    norms = np.linalg.norm(np.asarray(jacobians), ord=2, axis=(1, 2))
    return float(np.prod(np.maximum(norms, 1)))


def _apart(found: Any, right: Any, size: Any, tolerance: float) -> Iterator[str]:
    sizes = jax.tree.leaves(size)
    leaves = jax.tree.leaves(right)
    sizes = sizes * len(leaves) if len(sizes) == 1 else sizes
    pairs = zip(jax.tree.leaves(found), leaves, sizes, strict=True)
    for number, (a, b, s) in enumerate(pairs):
        a, b, s = np.asarray(a, complex), np.asarray(b, complex), np.asarray(s, float)
        if a.shape != b.shape:
            yield f"[{number}] has shape {a.shape}, expected {b.shape}"
            continue
        unknown = np.isposinf(b.real)  # the oracle gives no value
        same = (a == b) | (np.isnan(a) & np.isnan(b)) | unknown
        with np.errstate(invalid="ignore"):
            scale = np.maximum(s, np.max(s, initial=0) * 1e-3)
            close = np.abs(a - b) <= tolerance * (np.broadcast_to(scale, a.shape) + FLOOR)
        if not np.all(same | close):
            worst = np.argmax(~(same | close))
            yield f"[{number}] is {a.flat[worst]:.6g}, expected {b.flat[worst]:.6g}"
