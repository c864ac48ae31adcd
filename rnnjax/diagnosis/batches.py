"""Functions of one example mapped over all of them, a batch at a time.

The programs of a diagnosis run for a few batches only: on small networks nearly all of its time is
the compiler's. Programs are therefore compiled side by side, each by its work (see
`rnnjax.compiling`).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import compiling


class Pass(NamedTuple):
    """A function to be mapped over examples.

    Attributes:
      function: (example) -> a tree of arrays.
      examples: leaves (n, ...).
    """

    function: Callable[[Any], Any]
    examples: Any


def over_examples(passes: Sequence[Pass], batch_size: int) -> list[Any]:
    """Return what each function gives for each of its examples, stacked on the host."""
    batches = [_split(one.examples, batch_size) for one in passes]
    with ThreadPoolExecutor() as pool:
        # The next program is traced while the one before is compiled.
        programs = []
        for one, of_one in zip(passes, batches, strict=True):
            traced = jax.jit(jax.vmap(one.function)).trace(of_one[0])
            work = len(of_one) * compiling.work_of(traced.jaxpr, n_trips=2)
            programs.append(pool.submit(traced.lower().compile, compiling.options(work)))
    return [
        _run(program.result(), of_one, one.examples)
        for program, of_one, one in zip(programs, batches, passes, strict=True)
    ]


def _run(program: Callable[[Any], Any], batches: Sequence[Any], examples: Any) -> Any:
    found = [jax.device_get(program(batch)) for batch in batches]
    n = len(jax.tree.leaves(examples)[0])
    return jax.tree.map(lambda *a: np.concatenate(a)[:n], *found)


def _split(examples: Any, batch_size: int) -> list[Any]:
    """Return batches of one size, so that one program takes all; the last example fills them up."""
    n = len(jax.tree.leaves(examples)[0])
    size = -(-n // -(-n // batch_size))
    numbers = np.minimum(np.arange(-(-n // size) * size), n - 1).reshape(-1, size)
    return [jax.tree.map(lambda a, at=at: jnp.asarray(a)[at], examples) for at in numbers]
