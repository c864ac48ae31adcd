"""Sweeps from Python: an experiment by name, or any function of a setting.

    cube = rnnjax.sweep.run("gradient_norms", gain=np.linspace(0.5, 3, 31), seed=range(8))
    cube = rnnjax.sweep.run(my_measure, gain=[0.9, 1.1], seed=range(4), n_h=64)

The programs and the bits are those of the command line. Nothing is written unless a folder is
given, and neither ``os.environ`` nor ``jax.config`` changes. A process computes on the devices that
jax has; to use two cores of a processor, set ``JAX_NUM_CPU_DEVICES=2`` before jax is imported.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from pydantic import create_model

from rnnjax.errors import ConfigError, shown
from rnnjax.lazy import jax, xr
from rnnjax.sweep.config import parse_config
from rnnjax.sweep.experiment import Experiment, load
from rnnjax.sweep.given import config_of, devices_of, folder_of
from rnnjax.sweep.overlay import lay_over
from rnnjax.sweep.request import request_of
from rnnjax.sweep.running import computed_here
from rnnjax.sweep.setting import RESERVED, Setting, Traced, item_type


@dataclass(frozen=True)
class Zipped:
    """Values of fields that vary together along one axis; made by `zipped`."""

    fields: Mapping[str, Sequence[Any]]


def zipped(**fields: Sequence[Any]) -> Zipped:
    """Fields that vary together: ``run(f, case=zipped(task=["a", "b"], length=[10, 20]))``."""
    return Zipped(fields)


def run(
    what: str | Path | Callable[..., Any],
    /,
    *,
    shared: Callable[[Any], Any] | None = None,
    config: str | Path | Mapping[str, Any] | None = "standard",
    out: str | Path | None = None,
    precision: str | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: bool = True,
    **fields: Any,
) -> xr.Dataset:
    """Run a sweep and return its cube.

    Args:
        what: the name of an experiment, its file, or a function of a setting that returns a dict of
            arrays. The setting of a function has the fields that are given here: floats and
            ``seed`` are traced, everything else is static. A function whose first argument is
            annotated with a class of settings takes that class.
        shared: for a function: setting -> what cells share, the second argument of the function.
        config: the config that fields are laid over: "standard" and "quick" are the TOML files
            beside the experiment, a path names another one, a mapping has its keys, None is empty.
            A function has no standard one.
        out: a folder for the results; none by default. The sweep of an experiment is resumed there.
            That of a function needs a new folder: nothing tells whether the function has changed.
        precision: "float32" or "float64"; by default that of the experiment, and "float64" where
            jax has ``jax_enable_x64``.
        devices: the devices to compute on; all by default. The bits do not depend on them.
        progress: whether to show progress on standard error, a bar in terminals and notebooks.
        **fields: values of the setting: one value, or several (a list, range, tuple or 1-d array)
            as an axis, or `zipped` fields; and ``chunk``, ``chunks_a_shard``.

    Returns:
        The cube: the axes, then the inner dims, with a status beside each variable.

    Raises:
        ConfigError: a field or value that cannot be used.
        StoreError: a folder that holds another sweep, or cannot be written.

    Example:
        >>> cube = run(lambda s: {"square": s.x**2}, x=[1.0, 2.0], progress=False)
        >>> cube["square"].values.tolist()
        [1.0, 4.0]
    """
    folder, devices = folder_of(out), devices_of(devices)
    _check_fields(fields)
    experiment, data = _found(what, shared, config, fields)
    for name, value in fields.items():
        _lay_over(experiment.setting, data, name, value)
    precision = _precision(experiment) if precision is None else precision
    request = request_of(experiment, data, precision)
    return computed_here(request, folder, devices, progress)


def _check_fields(fields: Mapping[str, Any]) -> None:
    """Raise ConfigError for axes beside the fields: what one sets, the other would overwrite."""
    for name, value in fields.items():
        if name == "axes" and not isinstance(value, Zipped):
            ways = 'gain=[1.0, 2.0], or config={"axes": {"gain": [1.0, 2.0]}}'
            raise ConfigError(
                name, f"expected each axis as its field, as in {ways}, got {shown(value)}"
            )
        if not name.isidentifier():
            raise ConfigError(name, "expected the name of a field: letters, digits and underscores")


def _found(
    what: Any, shared: Any, config: Any, fields: Mapping[str, Any]
) -> tuple[Experiment, dict[str, Any]]:
    """The experiment, and the config that fields are laid over."""
    if callable(what):
        return _of_function(what, shared, fields), config_of(None, config)
    if shared is not None:
        raise ConfigError("shared", "expected None, because an experiment has its own")
    experiment = load(str(what))
    return experiment, config_of(experiment, config)


def _precision(experiment: Experiment) -> str:
    jax = sys.modules.get("jax")
    wide = jax is not None and jax.config.values.get("jax_enable_x64")
    return "float64" if wide else experiment.precision


def _of_function(function: Any, shared: Any, fields: Mapping[str, Any]) -> Experiment:
    """The experiment that measures with a function."""
    _check_takes("measure", function, ("setting",) if shared is None else ("setting", "shared"))
    if shared is not None:
        _check_takes("shared", shared, ("setting",))
    setting = _annotated(function) or _setting_of(fields)
    name = getattr(function, "__name__", type(function).__name__).strip("<>")
    path = Path(getattr(getattr(function, "__code__", None), "co_filename", ""))
    return Experiment(name, setting, function, shared, path=path)


def _check_takes(name: str, function: Any, arguments: tuple[str, ...]) -> None:
    """Raise ConfigError for a function that does not take its arguments by position."""
    if not callable(function):
        raise ConfigError(name, f"expected a function of a setting, got {shown(function)}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # of a function that is not written in Python
    try:
        signature.bind(*arguments)
    except TypeError:
        values = "; its values are attributes, as in setting.seed"
        message = f"expected a function of ({', '.join(arguments)}), got one of {signature}{values}"
        raise ConfigError(name, message) from None


def _annotated(function: Any) -> type[Setting] | None:
    """The class of settings that a function declares its first argument to be."""
    try:
        hints = get_type_hints(function)
        first = next(iter(inspect.signature(function).parameters))
    except (NameError, TypeError, ValueError, StopIteration):
        return None
    hint = hints.get(first)
    return hint if isinstance(hint, type) and issubclass(hint, Setting) else None


def _setting_of(fields: Mapping[str, Any]) -> type[Setting]:
    """A class of settings with these fields, whose types follow from their values."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        inner = value.fields if isinstance(value, Zipped) else {name: value}
        for field, values in inner.items():
            if field not in RESERVED:
                found[field] = _field_of(field, _plain(values))
    return create_model("Setting", __base__=Setting, **found)


def _field_of(name: str, values: Any) -> tuple[Any, Any]:
    """The type and the default of a field, from one value of it or a list of them."""
    several = values if isinstance(values, list) and values else [values]
    kinds = {type(value) for value in several}
    kind: Any = float if kinds == {int, float} else next(iter(kinds)) if len(kinds) == 1 else None
    if kind is list:
        kind = tuple[float, ...]
        several = [tuple(value) for value in several]
    if kind not in (bool, int, float, str, tuple[float, ...]):
        message = "expected numbers, text or truth values, all of one type"
        raise ConfigError(name, f"{message}, got {shown(several[0])}")
    traced = kind is int and name.endswith("seed")
    default = float(several[0]) if kind is float else several[0]
    return (Traced[int] if traced else kind), default


def _lay_over(setting: type[Setting], data: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, Zipped):
        fields = {field: _plain(values) for field, values in value.fields.items()}
        lay_over(data, f"axes.{name}", fields)
        return
    plain = _plain(value)
    known = name in setting.model_fields
    nested = known and item_type(setting.model_fields[name].annotation) is object
    is_axis = isinstance(plain, list) and known
    if is_axis and nested and plain and not isinstance(plain[0], list):
        is_axis = not _takes(setting, name, plain)
    lay_over(data, f"axes.{name}" if is_axis else name, plain)


def _takes(setting: type[Setting], name: str, value: Any) -> bool:
    """Whether a list is one value of a field, such as a tuple."""
    try:
        parse_config(setting, {name: value})
    except ConfigError:
        return False
    return True


def _plain(value: Any) -> Any:
    """Lists, numbers and text, from arrays, ranges and tuples."""
    if hasattr(value, "tolist"):
        return np.asarray(value).tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    return value
