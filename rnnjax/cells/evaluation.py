"""Modules of flax in evaluation mode.

What behaves differently in training and in evaluation (dropout, normalisation by batch statistics)
is switched by fields, or by arguments of the call, that have one of a few names. Only switches that
are True, False or None are set: a field of the same name with another value is something else.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from flax import linen, nnx
from flax.core import FrozenDict

SWITCHES = {
    "deterministic": True,
    "use_running_average": True,
    "train": False,
    "training": False,
    "is_training": False,
}


def of_linen(value: Any) -> Any:
    """Return a linen module in evaluation mode, and with a hash.

    The same is done to modules in its fields. Lists and dicts in fields become tuples and frozen
    dicts, as they do in a module that is bound; other values are returned unchanged.
    """
    if isinstance(value, linen.Module):
        return _module(value)
    if type(value) in (list, tuple):
        return tuple(of_linen(part) for part in value)
    if isinstance(value, Mapping):
        return FrozenDict({name: of_linen(part) for name, part in value.items()})
    return value


def _module(module: Any) -> Any:
    names = {f.name for f in dataclasses.fields(module)} - {"parent", "name"}
    given = {name: getattr(module, name) for name in names}
    made = {n: SWITCHES[n] if _is_switch(n, v) else of_linen(v) for n, v in given.items()}
    changed = {name: v for name, v in made.items() if v is not given[name]}
    return module.clone(**changed) if changed else module


def of_nnx(module: nnx.Module) -> nnx.Module:
    """Return a copy of an nnx module in evaluation mode."""
    copied = nnx.clone(module)
    for _, part in nnx.iter_modules(copied):
        for name, switch in SWITCHES.items():
            if name in vars(part) and _is_switch(name, vars(part)[name]):
                setattr(part, name, switch)
    return copied


def switches_of_call(function: Callable[..., Any]) -> dict[str, bool]:
    """Return the arguments of a call that switch to evaluation, with their values."""
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a function without a signature
        return {}
    return {name: switch for name, switch in SWITCHES.items() if name in names}


def _is_switch(name: str, value: Any) -> bool:
    return name in SWITCHES and (value is None or isinstance(value, bool))
