"""What a person has after training, cell, head and embedding, made into a `TrainedCell`."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from rnnjax.cells import evaluation, nnx_parts, tree_shapes
from rnnjax.cells import trained_checks as checks
from rnnjax.cells.trained import TrainedCell, assembled
from rnnjax.cells.trained_checks import TOKEN, Like, named, refused
from rnnjax.cells.trained_parts import (
    FunctionPart,
    LinenPart,
    TrainedParams,
    divided,
    plain_dict,
)
from rnnjax.errors import shown

_PART = "(module, variables), an nnx module, a function, (function, parameters) or None"


def network(cell: Any, n_x: int | None, readout: Any, embed: Any) -> TrainedCell:
    """Return the cell of a trained network.

    Args:
      cell: an nnx cell, or (linen cell, variables).
      n_x: inputs; None to read them off the parameters, or for one token a step.
      readout: the head, see `rnnjax.from_linen`.
      embed: the embedding, see `rnnjax.from_linen`.

    Raises:
      ValueError: an argument does not fit; the message has one line.
    """
    given = {"cell": cell, "embed": embed, "readout": readout}
    parts, params, constants = _taken_apart({k: v for k, v in given.items() if v is not None})
    x = _input(embed or cell, parts, params, constants, n_x)
    d = checks.embedded(parts.get("embed"), params, constants, x)
    module = cell[0] if isinstance(cell, tuple) else cell
    _check_axes(module, d, "x" if embed is None else "embed")
    _check_linen_variables(parts, params, constants, x, d)
    return assembled(parts, params, constants, x, named(module))


def _taken_apart(
    given: dict[str, Any],
) -> tuple[dict[str, Any], TrainedParams, TrainedParams]:
    """Return the parts, their parameters and their constants."""
    checks.check_untied({slot: v[1] for slot, v in given.items() if isinstance(v, tuple) and v[1:]})
    owners = {slot: _owner(value) for slot, value in given.items()}
    modules = {slot: module for slot, module in owners.items() if module is not None}
    parts: dict[str, Any] = {}
    params, constants = TrainedParams(), TrainedParams()
    if modules:
        graph, params, constants = nnx_parts.split(modules)
        parts = {
            slot: nnx_parts.NNXPart(graph, slot, getattr(given[slot], "__name__", "__call__"))
            for slot in modules
        }
    for slot in given.keys() - modules.keys():
        part, own, fixed = _of_no_graph(slot, given[slot])
        parts[slot] = part
        params = params._replace(**{slot: own})
        constants = constants._replace(**{slot: fixed})
    return parts, params, constants


def _owner(value: Any) -> nnx.Module | None:
    """Return the nnx module of a part: itself, or that of its method."""
    owner = value.__self__ if inspect.ismethod(value) else value
    return owner if isinstance(owner, nnx.Module) else None


def _of_no_graph(slot: str, value: Any) -> tuple[Any, Any, Any]:
    """Return a part that is no nnx module, its parameters and its constants."""
    function, *own = value if isinstance(value, tuple) else (value,)
    if len(own) > 1 or not callable(function) or isinstance(function, type):
        is_class = isinstance(function, type)
        got = f"the class {named(function)}" if is_class else shown(value)
        raise refused(slot, _PART, got, "; make one of it" if is_class else "")
    if isinstance(function, linen.Module):
        return _linen_part(slot, function, own)
    if isinstance(function, nnx.Module):
        raise refused(slot, _PART, f"{named(function)} with parameters", "; pass it alone")
    try:
        hash(function)
    except TypeError:
        advice = "; pass (function, parameters)"
        raise refused(slot, "a function that has a hash", shown(function), advice) from None
    arrays = jax.tree.map(jnp.asarray, own[0]) if own else {}
    return FunctionPart(function, slot, bool(own)), arrays, {}


def _linen_part(slot: str, module: linen.Module, own: list[Any]) -> tuple[Any, Any, Any]:
    argument = "params" if slot == "cell" else slot
    if module.scope is not None:
        advice = "; take it apart: module, variables = bound.unbind()"
        argument = "module" if slot == "cell" else slot
        raise refused(argument, _PART, f"a bound {named(module)}", advice)
    if not own:
        advice = "; pass it with its variables: (module, variables)"
        raise refused(slot, _PART, named(module), advice)
    variables = _collections(argument, module, own[0])
    trained = jax.tree.map(jnp.asarray, variables.pop("params"))
    constants, fixed = divided(variables)
    return LinenPart(evaluation.of_linen(module), slot, fixed), trained, constants


def _collections(argument: str, module: linen.Module, given: Any) -> dict[str, Any]:
    """Return the variables of a linen module by collection; parameters may come alone."""
    if not isinstance(given, Mapping):
        expected = f"the variables of {named(module)}, as its init returns them"
        advice = "; pass its params" if hasattr(given, "params") else ""
        raise refused(argument, expected, shown(type(given).__name__), advice)
    plain = plain_dict(given)
    collections = plain if "params" in plain else {"params": plain}
    for leaf in jax.tree.leaves(collections):
        if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
            raise refused(argument, "arrays", shown(leaf))
    return {name: variables for name, variables in collections.items() if name != "intermediates"}


def _input(first: Any, parts: dict[str, Any], params: Any, constants: Any, n_x: int | None) -> Like:
    """Return shape and dtype of an input of the first part."""
    embed = parts.get("embed")
    if embed is not None and n_x is None and checks.takes(embed, params, constants, TOKEN):
        return TOKEN
    n = n_x if n_x is not None else _size(first, embed or parts["cell"], params)
    numbers = Like((n,), jnp.result_type(float))
    tokens = Like((n,), TOKEN.dtype)
    if embed is None or checks.takes(embed, params, constants, numbers):
        return numbers
    return tokens if checks.takes(embed, params, constants, tokens) else numbers


def _size(given: Any, part: Any, params: TrainedParams) -> int:
    """Return the number of inputs of a part: what the module says, or what its parameters fit.

    Where parameters fit none, it is the one that they are closest to, and are told apart from.
    """
    found: set[int] = set()
    if isinstance(part, LinenPart):
        fits = _fits(part, tree_shapes.by_name(getattr(params, part.slot)))
        best = max(fits.values(), default=0)
        found = {n for n, fit in fits.items() if fit == best}
        found = found if best == 1 or not found else {max(found)}
    elif isinstance(n := getattr(_owner(given), "in_features", None), int):
        found = {n}
    if len(found) != 1:
        raise refused("n_x", f"the number of inputs of {part.slot}", "None")
    return found.pop()


def _fits(part: LinenPart, got: tree_shapes.Shapes) -> dict[int, float]:
    """Return the share of arrays that a module draws as they are, by number of inputs."""

    def fit(n: int) -> float:
        try:
            drawn = jax.eval_shape(part.draw, Like((n,), jnp.result_type(float)))
        except Exception:
            return 0.0
        wanted = tree_shapes.by_name(drawn.get("params", {}))
        same = sum(wanted.get(name) == shape for name, shape in got.items())
        return same / len(wanted.keys() | got.keys())

    return {n: fit(n) for n in sorted({n for shape in got.values() for n in shape})}


def _check_axes(module: Any, d: Like, argument: str) -> None:
    """Check that the cell is given as many axes of features as it takes.

    Further leading axes would be those of a batch of states, which are no state of one sequence.
    """
    try:
        n_axes = int(getattr(module, "num_feature_axes", 1))
    except NotImplementedError:  # of a class that does not say
        n_axes = 1
    if len(d.shape) != n_axes:
        expected = f"{n_axes} axes of features, as {named(module)} takes them"
        advice = "; reshape, sum or concatenate in a function, embed=function"
        raise refused(argument, expected, str(d.shape), advice)


def _check_linen_variables(
    parts: dict[str, Any], params: Any, constants: Any, x: Like, d: Like
) -> None:
    """Check names and shapes of the variables of the linen modules before the output."""
    for slot, value in (("embed", x), ("cell", d)):
        part = parts.get(slot)
        if isinstance(part, LinenPart):
            argument = "params" if slot == "cell" else slot
            checks.check_variables(argument, part, part.variables(params, constants), value)
