"""How much XLA optimises a program, by the work that the program has to do.

Optimising is most of what compiling takes. A program that runs for a few milliseconds does not win
that back: it is compiled with as little of it as there is, in a third of the time, and runs a
quarter to four times as long again. Its numbers differ by rounding.
"""

import math
from typing import Any

from rnnjax.lazy import jax

# In multiplications. Of LSTMs of 64 and 512 units, T 100 and 200, on two cores, those with less
# than that were computed sooner with little optimisation, compiling included.
_LITTLE_WORK = 5e9
_OF_AN_ELEMENT = 10  # an element of any other operation, in multiplications of a matrix product
_TRIPS = 1000  # of a loop that ends on a condition
_LEAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
# Other releases may not know these, and would refuse them.
_LEAST_OF_0_10 = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


def options(work: float) -> dict[str, Any]:
    """Return options of XLA for a program that does so much work, in multiplications."""
    if jax.default_backend() != "cpu" or work > _LITTLE_WORK:
        return {}
    return _LEAST | (_LEAST_OF_0_10 if jax.__version_info__[:2] == (0, 10) else {})


def work_of(jaxpr: Any) -> float:
    """Return about how much work one run of a program takes, in multiplications."""
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> float:
    inner = [
        work_of(leaf)
        for leaf in jax.tree.leaves(equation.params, is_leaf=_is_jaxpr)
        if _is_jaxpr(leaf)
    ]
    name = equation.primitive.name
    if name == "scan":
        return equation.params["length"] * sum(inner)
    if name == "while":
        return _TRIPS * sum(inner)
    if name == "cond":
        return max(inner)
    if inner:
        return sum(inner)
    size = sum(math.prod(getattr(out.aval, "shape", ())) for out in equation.outvars)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return size * math.prod(shape[i] for i in contracted)
    return _OF_AN_ELEMENT * size


def _is_jaxpr(leaf: Any) -> bool:
    return hasattr(leaf, "eqns")
