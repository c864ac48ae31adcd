"""How much XLA optimises a program, by the work that the program has to do.

Optimising is most of what compiling takes. A program that runs for a few milliseconds does not win
that back: it is compiled with as little of it as there is, in a fifth of the time, and runs a
quarter to four times as long again. Where nearly all work is products of matrices, which XLA hands
to a library, only the code around them is generated in the older and faster way. Numbers differ by
rounding.
"""

import functools
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rnnjax.lazy import jax

# In multiplications. Trainings and diagnoses of 32 to 512 units with less than that were computed
# sooner with little optimisation, compiling included (two cores): at the limit a training of an
# LSTM takes a third of the CPU time, and runs for 1 s in place of 0.3.
_LITTLE = 1e10
_OF_AN_ELEMENT = 10  # an element of any other operation, in multiplications of a matrix product
_MOSTLY = 0.8
_TRIPS = 1000  # of a loop that ends on a condition
_LEAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
# Other releases may not know these, and would refuse them.
_OLDER_CODE = {"xla_cpu_use_fusion_emitters": False}
_ONE_PART = {"xla_cpu_parallel_codegen_split_count": 1}


class Work(NamedTuple):
    """What a program computes, in multiplications.

    Attributes:
      products: those of matrix products.
      others: what all other operations take, about.
    """

    products: float
    others: float = 0.0

    def times(self, number: float) -> "Work":
        """Return so many times the work."""
        return Work(number * self.products, number * self.others)


def run_once(function: Callable[..., Any], *args: Any) -> Any:
    """Compute a function once, compiled by its work: sooner than by `jax.jit` where it is little.

    What is called many times, such as an update of a training, runs faster with `jax.jit`.

    Args:
      function: of arrays and trees of them.
      args: its arguments.

    Returns:
      what the function returns.

    Example:
      >>> import jax.numpy as jnp
      >>> float(run_once(lambda x: jnp.sum(x**2), jnp.arange(4.0)))
      14.0
    """
    return by_work(function)(*args)


def by_work(function: Callable[..., Any], *, n_trips: int = _TRIPS) -> Callable[..., Any]:
    """Return a function compiled once for each combination of shapes, each time by its work.

    Within other transformations it is the function under `jax.jit`.

    Args:
      function: of arrays and trees of them.
      n_trips: steps that a loop that ends on a condition is taken to make.
    """
    plain, programs = jax.jit(function), {}

    @functools.wraps(function)
    def compiled(*args: Any) -> Any:
        leaves, structure = jax.tree.flatten(args)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return plain(*args)
        places = (getattr(leaf, "sharding", None) for leaf in leaves)
        key = structure, tuple(zip(map(jax.typeof, leaves), places, strict=True))
        if key not in programs:
            traced = plain.trace(*args)
            if len(traced.jaxpr.in_avals) != len(leaves):  # and values of a transformation around
                return plain(*args)
            chosen = options(work_of(traced.jaxpr, n_trips))
            programs[key] = traced.lower().compile(compiler_options=chosen)
        return programs[key](*args)

    return compiled


def options(work: Work) -> dict[str, Any]:
    """Return options of XLA for a program that does so much work; XLA_FLAGS come first."""
    total = work.products + work.others
    is_known = jax.__version_info__[:2] == (0, 10)
    chosen: Mapping[str, Any] = {}
    if jax.default_backend() != "cpu":
        return {}
    if total <= _LITTLE:
        chosen = _LEAST | (_OLDER_CODE | _ONE_PART if is_known else {})
    elif is_known and work.products > _MOSTLY * total:
        chosen = _OLDER_CODE
    flags = os.environ.get("XLA_FLAGS", "")
    return {name: value for name, value in chosen.items() if name not in flags}


def work_of(jaxpr: Any, n_trips: int = _TRIPS) -> Work:
    """Return about how much work one run of a program takes; `n_trips` as in `by_work`."""
    return _sum([_of_equation(equation, n_trips) for equation in jaxpr.eqns])


def _sum(works: list[Work]) -> Work:
    return Work(sum(work.products for work in works), sum(work.others for work in works))


def _of_equation(equation: Any, n_trips: int) -> Work:
    leaves = jax.tree.leaves(equation.params, is_leaf=_is_jaxpr)
    inner = [work_of(leaf, n_trips) for leaf in leaves if _is_jaxpr(leaf)]
    name = equation.primitive.name
    if name == "scan":
        return _sum(inner).times(equation.params["length"])
    if name == "while":
        return _sum(inner).times(n_trips)
    if name == "cond":
        return max(inner, key=sum)
    if inner:
        return _sum(inner)
    size = sum(math.prod(getattr(out.aval, "shape", ())) for out in equation.outvars)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return Work(size * math.prod(shape[i] for i in contracted))
    return Work(0, _OF_AN_ELEMENT * size)


def _is_jaxpr(leaf: Any) -> bool:
    return hasattr(leaf, "eqns")
