"""What an experiment measures where it does not declare it: found by tracing `measure`.

A result with the name of a variable of `rnnjax.variables` has its dims and unit; any other
has dims of its own, ``name_0``, ``name_1``, ... Every dim is numbered from 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError, shown
from rnnjax.lazy import jax
from rnnjax.sweep.config import Config
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.options import fixed_options
from rnnjax.sweep.setting import register
from rnnjax.variables import VARIABLES, Variable

MAX_VALUES = 1_000_000_000
_KINDS = frozenset("biuf")  # of the dtypes that a cube holds


def declared(
    experiment: Experiment, config: Config, precision: str
) -> tuple[dict[str, np.ndarray], dict[str, Variable]]:
    """The inner dimensions and the variables of a sweep.

    Args:
        experiment: the experiment.
        config: its config.
        precision: ``"float32"`` or ``"float64"``.

    Raises:
        ConfigError: `measure` fails, or returns what `results` refuses.
    """
    register(experiment.setting)
    values = {name: value for axis in config.axes for name, value in axis.at(0).items()}
    with fixed_options(precision):
        return _named(_traced(experiment, config, values))


def _traced(experiment: Experiment, config: Config, values: dict[str, Any]) -> Mapping[str, Any]:
    """The shapes and dtypes of the results at these values of the fields of axes."""
    traced = {
        name: _number(value)
        for axis in config.axes
        if axis.kind == "traced"
        for name, value in axis.at(0).items()
    }

    def cell(traced: dict[str, Any]) -> Any:
        setting = config.setting(values | traced)
        shared = None if experiment.shared is None else experiment.shared(setting)
        shared_results(shared)
        return results(experiment.measured(setting, shared), experiment.name)

    try:
        shapes: Mapping[str, Any] = jax.eval_shape(cell, traced)
    except ConfigError:
        raise
    except Exception as error:
        message = str(error).partition("\n")[0]
        raise ConfigError("measure", f"fails: {type(error).__name__}: {message}") from error
    return shapes


def results(values: Any, name: str) -> dict[str, Any]:
    """What `measure` returned as a dict; a single array has the name of the experiment.

    Raises:
        ConfigError: it is no dict of arrays of numbers, an array is empty, or an integer does not
            fit the integers of jax, which would wrap it.
    """
    values = dict(values) if isinstance(values, Mapping) else {name: values}
    for key, value in values.items():
        if isinstance(value, bool | int | float | complex):  # of static fields alone
            value = values[key] = np.asarray(value)
        kind = getattr(getattr(value, "dtype", None), "kind", None)
        # bfloat16 and int4 have the kind V: neither NumPy nor netCDF has such numbers.
        if not isinstance(key, str) or kind not in _KINDS:
            message = f"expected a dict of arrays of real numbers, got {key!r}: {_kind(value)}"
            raise ConfigError("measure", message)
        if 0 in value.shape:
            message = f"expected arrays that are not empty, got {key!r} of shape {value.shape}"
            raise ConfigError("measure", message)
        if math.prod(value.shape) > MAX_VALUES:
            message = f"expected at most {MAX_VALUES} values, got {key!r} of shape {value.shape}"
            raise ConfigError("measure", message)
        _check_fits("measure", repr(key), value)
    if not values:
        raise ConfigError("measure", "expected a dict of arrays, got an empty one")
    return values


def shared_results(values: Any) -> tuple[list[Any], Any]:
    """What `shared` returned, as leaves and their structure.

    Raises:
        ConfigError: a leaf is no array, or an integer does not fit the integers of jax.
    """
    leaves, structure = jax.tree.flatten(values)
    for leaf in leaves:
        _check_fits("shared", "integers", np.asarray(leaf) if isinstance(leaf, int) else leaf)
        try:
            jax.numpy.asarray(leaf)
        except (TypeError, ValueError, OverflowError):
            message = f"expected arrays of numbers, got {shown(leaf)}"
            raise ConfigError("shared", message) from None
    return leaves, structure


def _check_fits(key: str, what: str, value: Any) -> None:
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "iu":
        return
    limits = np.iinfo(jax.dtypes.canonicalize_dtype(value.dtype))
    entries = np.asarray(value)
    outside = entries[(entries < limits.min) | (entries > limits.max)]
    if outside.size:
        wider = "" if limits.bits == 64 else '; precision="float64" has int64'
        message = f"expected {what} to fit {limits.dtype}, got {outside[0]}{wider}"
        raise ConfigError(key, message)


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
