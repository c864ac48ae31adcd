"""Datasets as a diagnosis returns them, made from chosen rates, shares and exponents."""

import math
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

FLOORS = {"float32": -149, "bfloat16": -133, "float16": -24}  # log2 of the smallest number
CEILINGS = {"float32": 128, "bfloat16": 128, "float16": 16}


@dataclass(frozen=True)
class Layer:
    """What is chosen of one layer; the curves follow from it."""

    name: str = "Net/RNN_0"
    T: int = 100
    n: int = 24
    rate: float = -0.03  # nat a step, backward
    forward_rate: float = -0.04
    start: float = -1.0  # ln|dL/dh_T|
    wobble: float = 0.2  # of the log norms, over examples and lags
    activation: str = "tanh"
    flat: float = 0.0  # share of units that are flat nearly always
    dead: float = 0.0
    shut: float = 0.0
    keep: bool = True
    exponents: tuple = (-0.08, -0.15, -0.3)
    error: float = 0.01
    lengths: tuple = ()  # last_step of the examples; () for T in each
    state: str = "c float32(12), h float32(12)"
    forward_nan: tuple = ()  # (example, step)
    backward_nan: tuple = ()
    measured_window: int = 0  # greatest window; 0 for T


def dataset(*layers, n_examples=6, title="a model", seed=0):
    rng = np.random.default_rng(seed)
    T = max(layer.T for layer in layers)
    n = max(layer.n for layer in layers)
    coords = {
        "layer": [layer.name for layer in layers],
        "example": np.arange(n_examples),
        "lag": np.arange(T + 1),
        "step": np.arange(1, T + 1),
        "unit": np.arange(n),
        "window": np.arange(1, T + 1),
        "exponent": np.arange(1, 4),
        "span": [4, 16, 64],
        "direction": np.arange(1, 4),
    }
    parts = [_layer(layer, n_examples, rng, coords) for layer in layers]
    variables = {
        name: (("layer", *dims), np.stack([part[name][1] for part in parts]))
        for name, (dims, _) in parts[0].items()
    }
    variables["loss"] = (("example",), 0.5 + 0.1 * rng.random(n_examples))
    variables["log_norm_gradient"] = (("example",), rng.normal(0.3, 0.5, n_examples))
    made = xr.Dataset(variables, coords)
    for name in made.data_vars:
        made[name].attrs = {"long_name": name.replace("_", " "), "units": "1"}
    made.attrs = {
        "title": title,
        "rnnjax_version": "0.1.0",
        "jax_version": "0.10.2",
        "n_examples": n_examples,
        "n_closer": n_examples,
        "date": "2026-11-29",
        "dtype": "float32",
        "seconds": 1.5,
        "unmeasured": [],
    }
    return made


def _layer(layer, n_examples, rng, coords):
    lags, steps = coords["lag"], coords["step"]
    last = np.array(layer.lengths or [layer.T] * n_examples)
    curves = layer.start + layer.rate * lags + _walk(rng, layer.wobble, (n_examples, len(lags)))
    curves = np.where(lags[None] <= last[:, None], curves, np.nan)
    logs = np.where(lags[None] < last[:, None], curves, np.nan) - 0.5
    shares = np.exp(logs - np.nanmax(logs, axis=1, keepdims=True))
    shares /= np.nansum(shares, axis=1, keepdims=True)
    window = np.where(steps[None] <= last[:, None], np.nancumsum(shares, axis=1)[:, :-1], np.nan)
    if layer.measured_window:
        window[:, layer.measured_window :] = np.nan
    forward = layer.forward_rate * steps + _walk(rng, 0.1, (n_examples, len(steps)))
    forward = np.where(steps[None] <= layer.T, forward, np.nan)
    if layer.backward_nan:
        example, step = layer.backward_nan
        curves[example, last[example] - step :] = np.nan
    out = {
        "line": ((), f"model.py:{len(layer.name)}"),
        "length": ((), layer.T),
        "size": ((), layer.n),
        "reversed": ((), False),
        "state": ((), layer.state),
        "last_step": (("example",), last),
        "log_norm_by_lag": (("example", "lag"), curves),
        "log_norm_forward": (("example", "step"), forward),
        "log_norm_weight_gradient_by_lag": (("example", "lag"), logs),
        "weight_gradient_share": (("example", "lag"), np.where(np.isnan(logs), np.nan, shares)),
        "window_cosine": (("example", "window"), window**0.25),
        "window_norm_share": (("example", "window"), window),
    }
    for name, floor in FLOORS.items():
        out[f"zero_lag_{name}"] = (("example",), _first(curves < floor * math.log(2)))
        over = _first(curves > CEILINGS[name] * math.log(2))
        out[f"overflow_lag_{name}"] = (("example",), over)
    return out | _units(layer, rng, len(coords["unit"])) | _dynamics(layer, n_examples)


def _units(layer, rng, n_max):
    unit = np.arange(n_max)
    has = unit < layer.n
    flat = np.where(unit < round(layer.flat * layer.n), 0.97, 0.3 * rng.random(n_max))
    relu = layer.activation == "relu"
    dead = relu & (unit < round(layer.dead * layer.n))
    shut = np.where(unit < round(layer.shut * layer.n), 0.99, 0.02)
    gate = has & layer.keep
    return {
        "activation": (("unit",), np.where(has, layer.activation, "")),
        "flat_share": (("unit",), np.where(has, flat, np.nan)),
        "dead": (("unit",), dead & has),
        "gate_shut_share": (("unit",), np.where(gate, shut, np.nan)),
        "gate_open_share": (("unit",), np.where(gate, 0.3 * (1 - shut), np.nan)),
        "gate_mean": (("unit",), np.where(gate, 0.9 - 0.85 * (shut > 0.5), np.nan)),
    }


def _dynamics(layer, n_examples):
    exponents = np.array(layer.exponents, dtype=float)
    spans = np.array([4, 16, 64])
    places = {"forward": layer.forward_nan, "backward": layer.backward_nan}
    out = {
        "exponents": (("exponent",), exponents),
        "exponents_error": (("exponent",), np.full(3, layer.error)),
        "dimension": ((), _dimension(exponents)),
        "log_singular_values": (("span", "direction"), spans[:, None] * exponents),
    }
    for way, place in places.items():
        steps, at = np.full(n_examples, -1), np.full(n_examples, "", dtype="U40")
        if place:
            steps[place[0]], at[place[0]] = place[1], "log, model.py:33"
        out[f"non_finite_{way}_step"] = (("example",), steps)
        out[f"non_finite_{way}_at"] = (("example",), at)
    return out


def _dimension(exponents):
    """Kaplan-Yorke: j + (sum of the first j) / |next|, j the last with a sum of at least 0."""
    sums = np.cumsum(exponents)
    if sums[-1] >= 0:
        return np.nan
    j = int((sums >= 0).sum())
    return j + (sums[j - 1] if j else 0.0) / -exponents[j]


def _walk(rng, size, shape):
    """Correlated noise that begins at 0 and stays of order `size`."""
    noise = np.zeros(shape)
    for k in range(1, shape[1]):
        noise[:, k] = 0.9 * noise[:, k - 1] + 0.3 * size * rng.normal(size=shape[0])
    return noise


def _first(flags):
    return np.where(flags.any(axis=1), flags.argmax(axis=1), -1)


HEALTHY = Layer()
SICK = {
    "vanishing": replace(HEALTHY, rate=-1.5, forward_rate=-1.4, exponents=(-1.4, -1.6, -2.0)),
    "exploding": replace(HEALTHY, rate=0.2, forward_rate=0.2),
    "overflowing": replace(HEALTHY, rate=1.2, forward_rate=1.2),
    "dead": replace(HEALTHY, activation="relu", dead=0.5, keep=False),
    "saturated": replace(HEALTHY, flat=0.75),
    "shut": replace(HEALTHY, shut=0.75),
    "chaotic": replace(HEALTHY, exponents=(0.11, 0.02, -0.4)),
    "not finite": replace(HEALTHY, forward_nan=(2, 40), backward_nan=(4, 30)),
    "too long": replace(HEALTHY, T=400, rate=-0.4, forward_rate=-0.4),
}


def healthy(**changes):
    return dataset(replace(HEALTHY, **changes))


def sick(name):
    return dataset(SICK[name])


def two_layers():
    """Layers that differ in T and n, the second with sequences of different lengths."""
    return dataset(
        HEALTHY,
        Layer("Net/RNN_1", T=60, n=10, lengths=(60, 60, 50, 45, 30, 20), keep=False),
        title="two layers",
    )
