"""What an experiment measures where it does not declare it: found by tracing `measure`.

A result with the name of a variable of `rnnjax.variables` has its dims and unit; any other
has dims of its own, ``name_0``, ``name_1``, ... Every dim is numbered from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError, shown
from rnnjax.lazy import jax
from rnnjax.sweep.config import Config
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.setting import register
from rnnjax.variables import VARIABLES, Variable


def declared(
    experiment: Experiment, config: Config
) -> tuple[dict[str, np.ndarray], dict[str, Variable]]:
    """The inner dimensions and the variables of a sweep.

    Raises:
        ConfigError: `measure` fails, or does not return a dict of arrays.
    """
    register(experiment.setting)
    values = {name: value for axis in config.axes for name, value in axis.at(0).items()}
    traced = {
        name: _number(value)
        for axis in config.axes
        if axis.kind == "traced"
        for name, value in axis.at(0).items()
    }

    def cell(traced: dict[str, Any]) -> Any:
        setting = config.setting(values | traced)
        shared = None if experiment.shared is None else experiment.shared(setting)
        return experiment.measured(setting, shared)

    try:
        shapes = jax.eval_shape(cell, traced)
    except Exception as error:
        message = str(error).partition("\n")[0]
        raise ConfigError("measure", f"fails: {type(error).__name__}: {message}") from error
    return _named(results(shapes, experiment.name))


def results(values: Any, name: str) -> dict[str, Any]:
    """What `measure` returned as a dict; a single array has the name of the experiment.

    Raises:
        ConfigError: it is no dict of arrays of numbers.
    """
    values = dict(values) if isinstance(values, Mapping) else {name: values}
    for key, value in values.items():
        if isinstance(value, bool | int | float):  # of static fields alone
            value = values[key] = np.asarray(value)
        dtype = getattr(value, "dtype", None)
        if not isinstance(key, str) or dtype is None or dtype.kind not in "biufV":
            message = f"expected a dict of arrays of real numbers, got {key!r}: {_kind(value)}"
            raise ConfigError("measure", message)
    if not values:
        raise ConfigError("measure", "expected a dict of arrays, got an empty one")
    return values


def _kind(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    return shown(type(value).__name__) if dtype is None else f"an array of {dtype}"


def _named(shapes: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Variable]]:
    coordinates: dict[str, np.ndarray] = {}
    variables: dict[str, Variable] = {}
    for name, value in shapes.items():
        known = VARIABLES.get(name)
        own = Variable(tuple(f"{name}_{i}" for i in range(value.ndim)), name)
        fits = known is not None and len(known.dims) == value.ndim
        for variable in (known, own) if fits else (own,):
            sizes = dict(zip(variable.dims, value.shape, strict=True))  # type: ignore[union-attr]
            if all(len(coordinates.get(dim, range(n))) == n for dim, n in sizes.items()):
                coordinates |= {dim: np.arange(n) for dim, n in sizes.items()}
                variables[name] = variable  # type: ignore[assignment]
                break
    return coordinates, variables


def _number(value: Any) -> Any:
    dtype = jax.dtypes.canonicalize_dtype(np.asarray(value).dtype)
    return jax.ShapeDtypeStruct((), dtype)
