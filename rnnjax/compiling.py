"""How much XLA optimises a program, by the work that the program has to do.

Optimising is most of what compiling takes. A program that runs for a few milliseconds does not win
that back: it is compiled with as little of it as there is. Products of large matrices run as fast
as ever, because XLA hands them to a library; every other operation takes about 1 ns more an
element. A program with more to do is compiled by XLA's older code generator, in half the time; its
logarithms and exponentials may take 0.2 ns more an element. Numbers differ by rounding.
"""

import functools
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from rnnjax.lazy import jax

# Elements that a program computes, where the next way to compile costs as much as it saves, for
# programs that XLA as it is compiles in a second: probes and gradients of nine cells, two cores.
_LITTLE, _SOME = 5e8, 2e9
_SMALL = 16  # entries that a product contracts: up to so many XLA generates code of its own
# Options with which jax itself has to run a program: to step through it, to look for NaN.
_WITHOUT_PROGRAMS = ("jax_disable_jit", "jax_debug_nans", "jax_debug_infs")
# Options on which the program of a function depends, beside its arguments.
_OF_PROGRAMS = (
    "jax_enable_x64", "jax_default_matmul_precision", "jax_threefry_partitionable",
    "jax_numpy_dtype_promotion", "jax_numpy_rank_promotion", "jax_default_device",
    "jax_default_prng_impl", "jax_random_seed_offset",
)  # fmt: skip
_TRIPS = 1000  # of a loop that ends on a condition
_LEAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
# Other releases may not know these, and would refuse them.
_OLDER_CODE = {"xla_cpu_use_fusion_emitters": False}
_ONE_PART = {"xla_cpu_parallel_codegen_split_count": 1}


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
    """Return a function compiled once for each combination of shapes and options of jax, by work.

    Within other transformations it is the function under `jax.jit`.

    Args:
      function: of arrays and trees of them.
      n_trips: steps that a loop that ends on a condition is taken to make.
    """

    def jitted() -> Any:
        # Each a function of its own: of one that it knows jax keeps the trace, whatever the
        # variables of the function and the generator of random numbers are by now.
        return jax.jit(functools.partial(function))

    plain, programs = jitted(), {}

    @functools.wraps(function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, kwargs))
        is_traced = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        if is_traced or any(getattr(jax.config, option) for option in _WITHOUT_PROGRAMS):
            return plain(*args, **kwargs)
        places = (getattr(leaf, "sharding", None) for leaf in leaves)
        around = tuple(getattr(jax.config, option, None) for option in _OF_PROGRAMS)
        key = structure, tuple(zip(map(jax.typeof, leaves), places, strict=True)), around
        if key not in programs:
            programs[key] = _compiled(jitted(), args, kwargs, n_trips) or plain
        return programs[key](*args, **kwargs)

    return compiled


def _compiled(
    jitted: Any, args: tuple[Any, ...], kwargs: dict[str, Any], n_trips: int
) -> Callable[..., Any] | None:
    """Return the program for these arguments; None where it needs more of what is around it."""
    traced = jitted.trace(*args, **kwargs)
    if len(traced.jaxpr.in_avals) != len(jax.tree.leaves((args, kwargs))):
        return None  # values of a transformation around it
    try:
        lowered = traced.lower()
    except (NameError, AssertionError):
        return None  # names of axes of a transformation around it
    return lowered.compile(compiler_options=options(work_of(traced.jaxpr, n_trips)))


def options(work: float) -> dict[str, Any]:
    """Return options of XLA for a program that computes so many elements; XLA_FLAGS come first."""
    is_known = jax.__version_info__[:2] == (0, 10)
    chosen: Mapping[str, Any] = {}
    if jax.default_backend() != "cpu":
        return {}
    if work <= _LITTLE:
        chosen = _LEAST | (_OLDER_CODE | _ONE_PART if is_known else {})
    elif work <= _SOME and is_known:
        chosen = _OLDER_CODE
    flags = os.environ.get("XLA_FLAGS", "")
    return {name: value for name, value in chosen.items() if name not in flags}


def work_of(jaxpr: Any, n_trips: int = _TRIPS) -> float:
    """Return about how many elements one run of a program computes; `n_trips` as in `by_work`."""
    return sum(_of_equation(equation, n_trips) for equation in jaxpr.eqns)


def _of_equation(equation: Any, n_trips: int) -> float:
    leaves = jax.tree.leaves(equation.params, is_leaf=_is_jaxpr)
    inner = [work_of(leaf, n_trips) for leaf in leaves if _is_jaxpr(leaf)]
    name = equation.primitive.name
    if name == "scan":
        return equation.params["length"] * sum(inner)
    if name == "while":
        return n_trips * sum(inner)
    if name == "cond":
        return max(inner)
    if inner:
        return sum(inner)
    size = sum(math.prod(getattr(out.aval, "shape", ())) for out in equation.outvars)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        n = math.prod(equation.invars[0].aval.shape[i] for i in contracted)
        return size * n if n <= _SMALL else size
    return size


def _is_jaxpr(leaf: Any) -> bool:
    return hasattr(leaf, "eqns")
