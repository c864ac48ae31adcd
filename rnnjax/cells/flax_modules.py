"""Checks which flax modules are recurrent cells, and error messages for those that are not.

A cell maps (carry, x) to (carry, y), draws its parameters from a key, and has no other state: no
batch statistics and no random numbers of its own. This is checked when an adapter is made, from
shapes alone, and a violation raises a one-line error.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import errors, linen, nnx

from rnnjax.errors import one_line
from rnnjax.ranges import refusal

_CELL = "a linen cell such as linen.GRUCell(8)"
_CLASS = "the class of an nnx cell such as nnx.GRUCell"
_BOTH_ENDS = "it reads a sequence from both ends, which no step can"
_PROGRAM = "rnnjax.recurrences measures whole programs"
# What these transformations make computes the same step: recomputed, or compiled.
_OF_ONE_STEP = ("Checkpoint", "Remat", "Jit")


def check_linen(module: Any) -> None:
    """Check that a module is a linen cell.

    Raises:
      ValueError: it is not; the message has one line.
    """
    if isinstance(module, type):
        advice = "; pass it to from_nnx" if issubclass(module, nnx.Module) else "; make one of it"
        raise _refusal("module", _CELL, f"the class {_named(module)}", advice)
    if isinstance(module, nnx.Module):
        advice = f"; pass its class, {_named(type(module))}, to from_nnx"
        raise _refusal("module", _CELL, _named(type(module)), advice)
    if not isinstance(module, linen.Module):
        raise refusal("module", _CELL, module)
    name = _named(type(module))
    if isinstance(module, linen.Bidirectional):
        raise _refusal("module", _CELL, name, f"; {_BOTH_ENDS}; {_PROGRAM}")
    if isinstance(module, linen.RNN):
        raise _refusal("module", _CELL, name, f"; pass its cell, rnn.cell; {_PROGRAM}")
    if _is_mapped(type(module)):
        advice = "; pass the cell that was transformed, with variables of one network"
        raise _refusal("module", _CELL, f"the transformed {name}", advice)
    if not hasattr(module, "initialize_carry"):
        raise _refusal("module", _CELL, name, ", which has no initialize_carry")


@functools.lru_cache(maxsize=64)
def check_linen_shapes(module: linen.Module, n_x: int) -> None:
    """Check that the step of a linen module is that of a cell with n_x inputs.

    Raises:
      ValueError: it has variables other than parameters, or its step fails; the message has one
        line.
    """
    message, name = f"{_CELL} with n_x = {n_x}", _named(type(module))

    def drawn(key: Any) -> Any:
        carry = module.initialize_carry(key, (n_x,))
        return module.init(key, carry, jnp.zeros(n_x))

    def step(key: Any) -> Any:
        carry = module.initialize_carry(key, (n_x,))
        return carry, module.apply(drawn(key), carry, jnp.zeros(n_x))[0]

    if others := sorted(set(_shapes("module", message, name, drawn)) - {"params"}):
        message = f"{_CELL} that has parameters alone"
        raise _refusal("module", message, f"{name} with {', '.join(others)}")
    _check_carry("module", name, *_shapes("module", message, name, step))


def check_nnx(cell_class: Any, options: tuple[tuple[str, Any], ...]) -> None:
    """Check that a class is one of nnx cells and that its options can identify a program.

    Raises:
      ValueError: it is not a class of nnx cells, or an option has no hash; the message has one
        line.
    """
    if isinstance(cell_class, linen.Module):
        raise _refusal("cell_class", _CLASS, _named(type(cell_class)), "; pass it to from_linen")
    if not isinstance(cell_class, type):
        raise refusal("cell_class", _CLASS, cell_class)
    name = _named(cell_class)
    if issubclass(cell_class, linen.Module):
        raise _refusal("cell_class", _CLASS, name, "; make a cell of it and pass it to from_linen")
    if issubclass(cell_class, nnx.Bidirectional):
        raise _refusal("cell_class", _CLASS, name, f"; {_BOTH_ENDS}; {_PROGRAM}")
    if issubclass(cell_class, nnx.RNN):
        raise _refusal("cell_class", _CLASS, name, f"; pass the class of its cell; {_PROGRAM}")
    if not hasattr(cell_class, "initialize_carry"):
        raise _refusal("cell_class", _CLASS, name, ", which has no initialize_carry")
    for option, value in options:
        try:
            hash(value)
        except TypeError:
            raise refusal(option, "an option that has a hash", value) from None


def check_nnx_object(cell: nnx.Module) -> None:
    """Check that an nnx module is a cell.

    Raises:
      ValueError: it is not; the message has one line.
    """
    name, expected = _named(type(cell)), "an nnx cell such as nnx.GRUCell(2, 8, rngs=rngs)"
    if isinstance(cell, nnx.Bidirectional):
        raise _refusal("cell_class", expected, name, f"; {_BOTH_ENDS}; {_PROGRAM}")
    if isinstance(cell, nnx.RNN):
        raise _refusal("cell_class", expected, name, f"; pass its cell, rnn.cell; {_PROGRAM}")
    if not hasattr(cell, "initialize_carry"):
        advice = "; pass the cell in it, and its head as readout"
        raise _refusal("cell_class", expected, f"{name}, which has no initialize_carry", advice)


def check_nnx_shapes(build: Callable[[Any], Any], cell_class: type, n_x: int) -> None:
    """Check that an nnx cell can be made and stepped, and has no state other than parameters.

    Args:
      build: a function that makes the cell from a key.
      cell_class: its class.
      n_x: number of inputs.

    Raises:
      ValueError: one of these does not hold; the message has one line.
    """
    name = _named(cell_class)
    message = f"{_CLASS}, called as cell_class(n_x, n_units, rngs=...), with n_x = {n_x}"

    seen: set[str] = set()

    def look(key: Any) -> None:
        kinds = {type(leaf) for leaf in _variables(build(key))}
        seen.update(kind.__name__ for kind in kinds - {nnx.Param})

    def step(key: Any) -> Any:
        cell = build(key)
        carry = cell.initialize_carry((n_x,), rngs=nnx.Rngs(key))
        return carry, cell(carry, jnp.zeros(n_x))[0]

    _shapes("cell_class", message, name, look)
    if seen:
        message = "an nnx cell whose only state is nnx.Param"
        raise _refusal("cell_class", message, f"{name} with {', '.join(sorted(seen))}")
    _check_carry("cell_class", name, *_shapes("cell_class", message, name, step))


def _variables(cell: nnx.Module) -> list[Any]:
    is_variable = lambda node: isinstance(node, nnx.Variable)  # noqa: E731
    return jax.tree.leaves(nnx.split(cell)[1], is_leaf=is_variable)


def _shapes(argument: str, expected: str, name: str, step: Callable[[Any], Any]) -> Any:
    """Return the shapes of the result of flax code; any error in it becomes a ValueError."""
    try:
        return jax.eval_shape(step, jax.random.key(0))
    except errors.InvalidRngError:
        raise _refusal(argument, "a cell that draws no random numbers", name) from None
    except Exception as error:
        said = one_line(str(error).split("\n")[0], 160)
        what = f"{name}, which raised {type(error).__name__}: {said}"
        raise _refusal(argument, expected, what) from None


def _check_carry(argument: str, name: str, before: Any, after: Any) -> None:
    shapes = [jax.tree.map(lambda leaf: leaf.shape, carry) for carry in (before, after)]
    if shapes[0] != shapes[1]:
        what = f"{name} that makes {shapes[1]} of {shapes[0]}"
        raise _refusal(argument, "a cell whose carry keeps its shape", what)


def _is_mapped(cls: type) -> bool:
    """Return whether a class is made by a linen transformation that changes what a step is."""
    transformed = cls.__module__ == "flax.linen.transforms"
    return transformed and not cls.__name__.startswith(_OF_ONE_STEP)


def _named(module: type) -> str:
    """Return the name of a class as it is written in code: ``linen.RNN``."""
    home = {"flax.linen": "linen.", "flax.nnx": "nnx."}
    parts = module.__module__.split(".")
    return home.get(".".join(parts[:2]), "") + module.__name__


def _refusal(argument: str, expected: str, got: str, advice: str = "") -> ValueError:
    return refusal(argument, expected, one_line(got, 240), advice, shown_by=str)
