"""Checks of a trained network from shapes alone, with one-line errors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import errors

from rnnjax.cells import flat_state, tree_shapes
from rnnjax.errors import one_line
from rnnjax.ranges import refusal

Like = jax.ShapeDtypeStruct
TOKEN = Like((), jnp.int32)


class Traced(NamedTuple):
    """What the trace of a step shows.

    Attributes:
      carry: shapes and dtypes of the carry.
      y: those of the output.
      output: see `flat_state.output_number`.
    """

    carry: Any
    y: Any
    output: int


def refused(argument: str, expected: str, got: str, advice: str = "") -> ValueError:
    """Return the error for an argument."""
    return refusal(argument, expected, one_line(got, 240), advice, shown_by=str)


def followed(argument: str, expected: str, name: str, call: Callable[..., Any], *like: Any) -> Any:
    """Return the jaxpr and the result's shapes of a call; an error in it becomes a ValueError."""
    try:
        return jax.make_jaxpr(call, return_shape=True)(*like)
    except errors.InvalidRngError:
        advice = "; make it with deterministic=True"
        raise refused(argument, "a module that draws no random numbers", name, advice) from None
    except errors.ModifyScopeVariableError as error:
        raise _updates(argument, name, str(error).split("\n")[0]) from None
    except Exception as error:
        said = one_line(" ".join(str(error).split()), 160)
        raise refused(
            argument, expected, f"{name}, which raised {type(error).__name__}: {said}"
        ) from None


def check_params(params: Any) -> None:
    """Check that all parameters are floating point arrays.

    Raises:
      ValueError: one is not.
    """
    for name, leaf in _leaves(params):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            raise refused("params", "floating point arrays", f"{name} of {jnp.result_type(leaf)}")


def check_untied(given: dict[str, Any]) -> None:
    """Check that no array is a parameter of two parts.

    Args:
      given: the parameters of each part as they were passed.

    Raises:
      ValueError: one is.
    """
    seen: dict[int, str] = {}
    for slot, params in given.items():
        for name, leaf in _leaves(params):
            if seen.get(id(leaf), slot) != slot:
                advice = "; pass a copy of it, jnp.array(...), and add the two gradients"
                got = f"{name}, which is one of {seen[id(leaf)]} as well"
                raise refused(slot, "parameters of its own", got, advice)
            seen[id(leaf)] = slot


def check_variables(argument: str, part: Any, variables: dict[str, Any], value: Like) -> None:
    """Check that variables have the names and shapes that a linen module draws for an input.

    Raises:
      ValueError: they have not.
    """
    name = named(part.module)
    message = f"a module that takes {_form(value)}"
    drawn = followed(argument, message, name, part.draw, value)[1]
    got = tree_shapes.by_name(variables["params"])
    wanted = tree_shapes.by_name(drawn.get("params", {}))
    if found := tree_shapes.mismatch(wanted, got, name):
        raise ValueError(
            f"{argument}: {found}{_if_nested(wanted, got) or _if_stacked(wanted, got)}"
        )
    for collection in sorted(set(drawn) - {"params"}):
        of = tree_shapes.by_name(variables.get(collection, {}))
        if found := tree_shapes.mismatch(tree_shapes.by_name(drawn[collection]), of, name):
            advice = "; pass all variables of the module, not its parameters alone"
            raise ValueError(f"{argument}: {collection}: {found}{'' if of else advice}")


def _if_nested(wanted: tree_shapes.Shapes, got: tree_shapes.Shapes) -> str:
    """Return advice if one entry of what was given holds what the module draws."""
    for entry in sorted({name.split(".")[0] for name in got}):
        below = {name.removeprefix(f"{entry}.") for name in got if name.startswith(f"{entry}.")}
        if below == wanted.keys():
            return f"; pass its entry {entry!r}"
    return ""


def _if_stacked(wanted: tree_shapes.Shapes, got: tree_shapes.Shapes) -> str:
    stacked = all(got[name][1:] == shape and len(got[name]) > len(shape)
                  for name, shape in wanted.items() if name in got)  # fmt: skip
    return "; jax.vmap over sets of parameters" if wanted.keys() == got.keys() and stacked else ""


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(jax.tree_util.keystr(p, simple=True, separator="."), leaf) for p, leaf in found]


def embedded(embed: Any, params: Any, constants: Any, x: Like) -> Like:
    """Return shape and dtype of d_t.

    Raises:
      ValueError: the embedding does not take the input, or returns no floating point array.
    """
    if embed is None:
        return x
    message = f"a module or function that takes {_form(x)}"
    out = followed("embed", message, "one", embed.apply, params, constants, x)[1]
    if not isinstance(out, Like) or not jnp.issubdtype(out.dtype, jnp.inexact):
        raise refused("embed", "a result that is one floating point array", _form(out))
    check_unwritten(embed, "embed", params, constants, x)
    return out


def takes(embed: Any, params: Any, constants: Any, x: Like) -> bool:
    """Return whether an embedding makes an array with at least one axis of such an input."""
    try:
        out = jax.eval_shape(embed.apply, params, constants, x)
    except Exception:
        return False
    return isinstance(out, Like) and len(out.shape) > 0


def step_of(cell: Any, params: Any, constants: Any, d: Like, name: str) -> Traced:
    """Return what the trace of a step shows.

    Raises:
      ValueError: the step is not that of a cell, its initial carry depends on parameters, or it
        would have to update a variable.
    """
    message = f"a cell that takes inputs {_form(d)}"
    draw = lambda p, c: cell.carry(p, c, d.shape)  # noqa: E731
    program, carry = followed("module", message, name, draw, params, constants)
    if _reads(program.jaxpr, len(jax.tree.leaves(params))):
        advice = "; make it a constant, because initial_state has no parameters"
        raise refused("module", "a cell whose initial carry is fixed", f"{name}, learns it", advice)
    out = followed("module", message, name, cell.apply, params, constants, carry, d)
    if not isinstance(out[1], tuple) or len(out[1]) != 2:
        raise refused("module", "a cell that returns (carry, y)", f"{name}: {_form(out[1])}")
    new, y = out[1]
    _check_carry(name, carry, new)
    _check_numbers(name, carry, y)
    check_unwritten(cell, "module", params, constants, carry, d)
    n_carry = len(jax.tree.leaves(carry))
    return Traced(new, y, flat_state.output_number(out[0].jaxpr, n_carry))


def check_head(head: Any, params: Any, constants: Any, y: Like) -> None:
    """Check that a head takes the output of the cell and returns one array.

    Raises:
      ValueError: it does not.
    """
    if head is None:
        if len(y.shape) != 1:
            raise refused("readout", "one for an output of several axes", f"None for {_form(y)}")
        return
    if hasattr(head, "draw"):
        check_variables("readout", head, head.variables(params, constants), y)
    message = f"a module or function that takes the output {_form(y)} of the cell"
    out = followed("readout", message, "one", head.apply, params, constants, y)[1]
    if not isinstance(out, Like):
        raise refused("readout", "a result that is one array", _form(out))
    check_unwritten(head, "readout", params, constants, y)


def check_unwritten(part: Any, argument: str, *given: Any) -> None:
    """Check that a part of an nnx network assigns to none of its variables.

    Raises:
      ValueError: it does.
    """
    if not hasattr(part, "written"):
        return
    found: list[str] = []
    jax.eval_shape(lambda *at: found.extend(part.written(*at)), *given)
    if found:
        raise _updates(argument, "it", ", ".join(found))


def _updates(argument: str, name: str, what: str) -> ValueError:
    return refused(
        argument, "a module whose variables no step updates", f"{name} that updates {what}"
    )


def _check_carry(name: str, before: Any, after: Any) -> None:
    trees = [jax.tree.map(lambda leaf: leaf.shape, carry) for carry in (before, after)]
    if trees[0] != trees[1]:
        what = f"{name} that makes {trees[1]} of {trees[0]}"
        raise refused("module", "a cell whose carry keeps its shape", what)


def _check_numbers(name: str, carry: Any, y: Any) -> None:
    if not isinstance(y, Like):
        raise refused("module", "a cell whose output is one array", f"{name}: {_form(y)}")
    arrays = [*jax.tree.leaves(carry), y]
    if len(arrays) == 1:
        raise refused("module", "a cell with a carry", f"{name}, whose carry is empty")
    # The real output of a complex state is kept as its real part.
    real = {jnp.issubdtype(a.dtype, jnp.floating) for a in arrays[:-1]}
    real |= {jnp.issubdtype(y.dtype, jnp.floating)} if real == {True} else set()
    inexact = all(jnp.issubdtype(a.dtype, jnp.inexact) for a in arrays)
    if len(real) > 1 or not inexact:
        kinds = ", ".join(sorted({str(a.dtype) for a in arrays}))
        raise refused("module", "a carry and an output of one kind of number", f"{name}: {kinds}")


def _reads(program: Any, n_params: int) -> bool:
    """Return whether the results of a jaxpr depend on its first inputs."""
    needed = {id(v) for v in program.outvars}
    for equation in reversed(program.eqns):
        if any(id(v) in needed for v in equation.outvars):
            needed |= {id(v) for v in equation.invars}
    return any(id(v) in needed for v in program.invars[:n_params])


def _form(value: Any) -> str:
    if isinstance(value, Like):
        return f"{value.dtype}{tuple(value.shape)}"
    return one_line(tree_shapes.listed(tree_shapes.by_name(value)) or repr(value), 80)


def named(module: Any) -> str:
    """Return the name of the class of a module, as it is written in code: ``linen.RNN``."""
    cls = module if isinstance(module, type) else type(module)
    home = {"flax.linen": "linen.", "flax.nnx": "nnx."}
    return home.get(".".join(cls.__module__.split(".")[:2]), "") + cls.__name__
