"""What of a jaxpr is linear in some of its inputs.

Every variable is of a kind: exactly zero, independent of these inputs, linear in them, or anything
else, in words. Only primitives that are listed keep something linear, so that one that is not known
does not. A part without the inputs makes a linear number affine, unless it is exactly zero.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
from jax.extend.core import primitives

from rnnjax.jaxprs.derivative_rules import is_rule
from rnnjax.jaxprs.program import counts_of, inner_of, is_call, is_literal

ZERO, INDEPENDENT, LINEAR = 0, 1, 2
Kind = int | str  # in words: the operation that is not linear, and of what
_INPUT = "the cotangent"

# Linear in all operands together.
_JOINTLY = """
    add add_any all_gather all_to_all broadcast_in_dim complex concatenate conj convert_element_type
    copy copy_p cumsum device_put expand_dims fft imag name neg pad pbroadcast pcast ppermute psum
    psum2 psum_invariant pvary real reduce_precision reduce_scatter reduce_sum reduce_window_sum
    reshape rev sharding_constraint slice split squeeze stop_gradient sub tile transpose
"""
# Linear in these operands together, while the others, as indices, are independent.
_IN_SOME = {
    "div": slice(0, 1), "dynamic_slice": slice(0, 1), "dynamic_update_slice": slice(0, 2),
    "gather": slice(0, 1), "scatter": slice(0, 3, 2), "scatter-add": slice(0, 3, 2),
    "scatter-sub": slice(0, 3, 2), "scatter_add": slice(0, 3, 2), "scatter_sub": slice(0, 3, 2),
    "select_and_gather_add": slice(0, 1), "select_and_scatter_add": slice(0, 1),
    "select_n": slice(1, None), "triangular_solve": slice(1, 2),
}  # fmt: skip
# Linear in one operand where the others are independent.
_IN_EACH = ("mul", "dot_general", "conv_general_dilated", "ragged_dot", "ragged_dot_general")
_CALLS = ("custom_vmap_call", "shard_map")


def kinds_of(closed: Any, kinds: Sequence[Kind]) -> list[Kind]:
    """Return the kinds of the outputs of a jaxpr from those of its inputs."""
    jaxpr, constants = closed, []
    if isinstance(closed, jex.ClosedJaxpr):
        jaxpr, constants = closed.jaxpr, [_of_value(c) for c in closed.consts]
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *kinds], strict=True))

    def kind_of(atom: Any) -> Kind:
        return _of_value(atom.val) if is_literal(atom) else env[atom]

    for equation in jaxpr.eqns:
        given = [kind_of(a) for a in equation.invars]
        env.update(zip(equation.outvars, _after(equation, given), strict=True))
    return [kind_of(a) for a in jaxpr.outvars]


def _of_value(value: Any) -> Kind:
    if isinstance(value, jax.core.Tracer) or not hasattr(value, "dtype"):
        return ZERO if isinstance(value, int | float) and value == 0 else INDEPENDENT
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended):
        return INDEPENDENT
    return INDEPENDENT if np.any(np.asarray(value)) else ZERO


def _after(equation: Any, given: list[Kind]) -> list[Kind]:
    """Return the kinds of the results of an equation."""
    name, params = equation.primitive.name, equation.params
    if is_call(equation) or is_rule(equation):
        return kinds_of(inner_of(equation), given)
    if name in _CALLS:
        return kinds_of(params["jaxpr" if "jaxpr" in params else "call"], given)
    if name == "optimization_barrier":
        return given
    if name == "cond":
        return _after_cond(equation, given)
    if equation.primitive is primitives.while_p:
        return _after_while(equation, given)
    if equation.primitive is primitives.scan_p:
        n, n_carried = counts_of(equation)
        return _repeated(
            params["jaxpr"], given[:n], given[n : n + n_carried], given[n + n_carried :]
        )
    return [_of_one(equation, given)] * len(equation.outvars)


def _of_one(equation: Any, given: list[Kind]) -> Kind:
    """Return the kind of all results of an equation that holds no jaxpr."""
    name = equation.primitive.name
    for kind in given:
        if isinstance(kind, str):
            return kind
    other = f"{name} of {_INPUT}"
    if name in _IN_EACH:
        if given.count(LINEAR) > 1:
            return other
        return ZERO if ZERO in given else max(given, key=int)  # linear, if one of them is
    among = _values_of(equation)
    if among is None or (name == "convert_element_type" and not _stays_inexact(equation)):
        return other if LINEAR in given else INDEPENDENT
    numbers = range(len(given))[among]
    if any(kind == LINEAR and i not in numbers for i, kind in enumerate(given)):
        return other
    outside = [INDEPENDENT] if equation.params.get("fill_value") else []  # of a gather
    return _joined([*(given[i] for i in numbers), *outside], name)


def _values_of(equation: Any) -> slice | None:
    """Return in which operands together an equation is linear; None if in none."""
    name = equation.primitive.name
    if name in _JOINTLY.split():
        return slice(None)
    if name == "custom_linear_solve":
        return slice(sum(equation.params["const_lengths"]), None)
    return _IN_SOME.get(name)


def _stays_inexact(equation: Any) -> bool:
    return bool(jnp.issubdtype(equation.params["new_dtype"], jnp.inexact))


def _joined(kinds: Sequence[Kind], name: str) -> Kind:
    """Return the kind of what is one of some numbers, or their sum."""
    for kind in kinds:
        if isinstance(kind, str):
            return kind
    if LINEAR in kinds and INDEPENDENT in kinds:
        return f"{name} of {_INPUT} and of a part without it"
    return max(kinds, key=int, default=ZERO)


def _all_joined(several: Sequence[Sequence[Kind]], name: str) -> list[Kind]:
    return [_joined(kinds, name) for kinds in zip(*several, strict=True)]


def _refused_by(name: str, chooser: Kind) -> Kind:
    """Return what makes results not linear whose number or branch is chosen by a number."""
    return chooser if isinstance(chooser, str) else f"{name} of {_INPUT}"


def _after_cond(equation: Any, given: list[Kind]) -> list[Kind]:
    if isinstance(given[0], str) or given[0] == LINEAR:
        return [_refused_by("cond", given[0])] * len(equation.outvars)
    return _all_joined([kinds_of(b, given[1:]) for b in equation.params["branches"]], "cond")


def _after_while(equation: Any, given: list[Kind]) -> list[Kind]:
    params = equation.params
    n_test, n_body = params["cond_nconsts"], params["body_nconsts"]
    start = n_test + n_body
    carry = _repeated(params["body_jaxpr"], given[n_test:start], given[start:], [])
    (test,) = kinds_of(params["cond_jaxpr"], [*given[:n_test], *carry])
    if isinstance(test, str) or test == LINEAR:
        return [_refused_by("while", test)] * len(equation.outvars)
    return carry


def _repeated(
    body: Any, constants: list[Kind], carry: list[Kind], inputs: list[Kind]
) -> list[Kind]:
    """Return the kinds of the last carry of a loop, and of what its steps give besides.

    No kind comes back that a carry has left, so that the loop ends.
    """
    while True:
        results = kinds_of(body, [*constants, *carry, *inputs])
        after = _all_joined([carry, results[: len(carry)]], "loop")
        if after == carry:
            return [*carry, *results[len(carry) :]]
        carry = after
