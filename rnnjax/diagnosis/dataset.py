"""The rows of a diagnosis as one dataset, its variables in docs/howto/diagnose.md.

Layers differ in length and size: what a layer does not have is NaN, -1 in integer variables and ""
in texts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rnnjax.diagnosis.spectrum import SPANS
from rnnjax.diagnosis.transport import FORMATS

Rows = Mapping[str, NDArray]


class Variable(NamedTuple):
    """A variable by layer: its other dimensions, unit and meaning."""

    dims: tuple[str, ...]
    units: str
    long_name: str


_NAT = "nat"
_BY_EXAMPLE = {
    "log_norm_by_lag": (("lag",), _NAT, "ln |dL/dh| carried back from the last step"),
    "log_norm_by_step": (("step",), _NAT, "ln |dL/dh_t| of the whole loss"),
    "last_step": ((), "steps", "last step at which the loss enters the layer"),
    "log_norm_forward": (("step",), _NAT, "ln of the gain of dh_t/dh_0"),
    "non_finite_forward_step": ((), "step", "first step whose state is not finite"),
    "non_finite_backward_step": ((), "step", "last step whose gradient is not finite"),
    "non_finite_forward_at": ((), "", "operation at which a state stops being finite"),
    "non_finite_backward_at": ((), "", "operation at which a gradient stops being finite"),
    "log_norm_weight_gradient_by_lag": (("lag",), _NAT, "ln |c|, the weight gradient by use"),
    "weight_gradient_share": (("lag",), "1", "share of the weight gradient by step of use"),
    "window_cosine": (("window",), "1", "cosine of the truncated and the whole gradient"),
    "window_norm_share": (("window",), "1", "norm of the truncated over the whole gradient"),
    **{f"zero_lag_{f.name}": ((), "steps", f"first lag that is 0 in {f.name}") for f in FORMATS},
    **{
        f"overflow_lag_{f.name}": ((), "steps", f"first lag that overflows in {f.name}")
        for f in FORMATS
    },
}
BY_EXAMPLE = {name: Variable(*declared) for name, declared in _BY_EXAMPLE.items()}
_ALONE = {
    "flat_share": (("unit",), "1", "share of steps with a slope below 0.001"),
    "dead": (("unit",), "", "relu whose slope is 0 at all steps"),
    "activation": (("unit",), "", "activation of the unit"),
    "gate_shut_share": (("unit",), "1", "share of steps with a keep gate below 0.05"),
    "gate_open_share": (("unit",), "1", "share of steps with a keep gate above 0.95"),
    "gate_mean": (("unit",), "1", "mean of the keep gate"),
    "exponents": (("exponent",), "nat/step", "Lyapunov exponents driven by the data"),
    "exponents_error": (("exponent",), "nat/step", "standard error of the exponents"),
    "dimension": ((), "1", "Kaplan-Yorke dimension"),
    "linear": ((), "", "step that is linear in the state where the sequences lead"),
    "state_growth": ((), "nat/step", "rate at which the state grows late in the sequence"),
    "log_singular_values": (("span", "direction"), _NAT, "ln of singular values of dh_T/dh_{T-s}"),
    "length": ((), "steps", "number of steps"),
    "size": ((), "1", "numbers in the state"),
    "line": ((), "", "source line"),
    "reversed": ((), "", "runs from the last element to the first"),
    "state": ((), "", "leaves of the carry"),
}
ALONE = {name: Variable(*declared) for name, declared in _ALONE.items()}
_COORDINATES = {
    "lag": ("steps", "steps before the last one", 0),
    "step": ("steps", "step", 1),
    "window": ("steps", "truncation window", 1),
    "unit": ("1", "unit", 0),
    "exponent": ("1", "number of the exponent", 1),
    "direction": ("1", "number of the direction", 1),
}


def dataset_of(layers: Mapping[str, Rows], program: Rows, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return the measurements of all layers as one dataset.

    Args:
      layers: by name of layer the rows: those of `BY_EXAMPLE` with a leading axis of examples,
        of which a row may have measured only the first few.
      program: ``loss`` and ``log_norm_gradient``, one number an example.
      attrs: of the dataset.
    """
    n_examples = len(program["loss"])
    names = list(layers)
    variables: dict[str, Any] = {}
    sizes = {"example": n_examples} | _sizes(layers)
    for name, declared in {**BY_EXAMPLE, **ALONE}.items():
        rows = [np.asarray(layers[layer][name]) for layer in names]
        dims = _dims(name)
        filled = _stacked(rows, tuple(sizes[dim] for dim in dims))
        attributes = {"long_name": declared.long_name, "units": declared.units}
        variables[name] = (("layer", *dims), filled, attributes)
    for name, long_name in (("loss", "loss"), ("log_norm_gradient", "ln |dL/dparams|")):
        units = _NAT if name.startswith("log") else "1"
        variables[name] = ("example", program[name], {"long_name": long_name, "units": units})
    data = xr.Dataset(variables, {"layer": names, "example": np.arange(n_examples)}, attrs)
    return data.assign_coords(span=list(SPANS), **_coordinates(data))


def _coordinates(data: xr.Dataset) -> dict[str, Any]:
    return {
        dim: (dim, np.arange(data.sizes[dim]) + start, {"units": units, "long_name": long_name})
        for dim, (units, long_name, start) in _COORDINATES.items()
    }


def _dims(name: str) -> tuple[str, ...]:
    """Return the dimensions of a variable beside that of layers."""
    return ("example", *BY_EXAMPLE[name].dims) if name in BY_EXAMPLE else ALONE[name].dims


def _sizes(layers: Mapping[str, Rows]) -> dict[str, int]:
    """Return the largest size of each dimension: a layer has not as many units as state entries."""
    sizes: dict[str, int] = {}
    for rows in layers.values():
        for name in (*BY_EXAMPLE, *ALONE):
            for dim, size in zip(_dims(name), np.shape(rows[name]), strict=True):
                sizes[dim] = max(sizes.get(dim, 0), size)
    return {dim: size for dim, size in sizes.items() if dim != "example"}


def _stacked(rows: Sequence[NDArray], shape: tuple[int, ...]) -> NDArray:
    """Return arrays side by side along a new first axis, each filled up to a shape."""
    is_text = rows[0].dtype.kind in "OUS"
    dtype = np.dtype(object) if is_text else np.result_type(*rows)
    whole = np.full((len(rows), *shape), "" if is_text else _missing(dtype), dtype)
    for i, row in enumerate(rows):
        there: Any = (i, *(slice(n) for n in row.shape))
        whole[there] = row
    return whole.astype(str) if is_text else whole


def _missing(dtype: np.dtype) -> Any:
    return {"b": False, "i": -1}.get(dtype.kind, np.nan)
