"""Modules of flax in evaluation mode.

What behaves differently in training and in evaluation (dropout, normalisation by batch statistics)
is switched by fields, or by arguments of the call, that have one of a few names. Only switches that
are True, False or None are set: a field of the same name with another value is something else.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from flax import linen, nnx

SWITCHES = {
    "deterministic": True,
    "use_running_average": True,
    "train": False,
    "training": False,
    "is_training": False,
}


def of_linen(value: Any) -> Any:
    """Return a linen module, or a container of modules, in evaluation mode; others unchanged."""
    if isinstance(value, linen.Module):
        fields = [name for name in vars(type(value))["__dataclass_fields__"] if name != "parent"]
        given = {name: getattr(value, name) for name in fields if name != "name"}
        switches = {name for name, v in given.items() if _is_switch(name, v)}
        made = {n: SWITCHES[n] if n in switches else of_linen(v) for n, v in given.items()}
        changed = {name: v for name, v in made.items() if v is not given[name]}
        same: Any = value
        return same.clone(**changed) if changed else value
    if type(value) in (list, tuple):
        parts = [of_linen(part) for part in value]
        is_same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if is_same else type(value)(parts)
    if isinstance(value, Mapping):
        items = {name: of_linen(part) for name, part in value.items()}
        kind: Any = type(value)
        return kind(items) if any(items[k] is not value[k] for k in items) else value
    return value


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
