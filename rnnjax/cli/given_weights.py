"""Weights of PyTorch or Keras with sequences, as a program to diagnose."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import rnnjax
from rnnjax.cli import sequences
from rnnjax.cli.model_file import Program
from rnnjax.cli.sequences import Sequences
from rnnjax.errors import ConfigError
from rnnjax.lazy import np

_OF = {"torch": ("prefix",), "keras": ("layer", "reset_after")}


def read(arguments: Namespace) -> tuple[Program, str]:
    """Return the program of a command line, and its loss in words.

    Raises:
        ConfigError: weights, options or sequences do not fit.
        ValueError: as `rnnjax.from_torch` and `from_keras` do.
    """
    weights = rnnjax.importers.files.named(arguments.source)
    if arguments.data is None:
        raise ConfigError("data", "expected --data FILE.npz with the sequences, got none")
    cell, params = _network(arguments, weights)
    has_readout = arguments.readout is not None
    given = sequences.read(Path(arguments.data), cell.n_x, cell.n_y if has_readout else None)
    if has_readout and given.y is None:
        raise ConfigError("readout", f"expected targets y in {arguments.data}, got none")
    loss, aim = _aim(cell, given)
    return Program(loss, params, _examples(given, params), Path(arguments.source).stem), aim


def _network(arguments: Namespace, weights: Any) -> tuple[Any, Any]:
    framework = arguments.framework or _framework(weights)
    for other, options in _OF.items():
        for option in options:
            if other != framework and getattr(arguments, option) is not None:
                flag = f"--{option.replace('_', '-')}"
                raise ConfigError(option, f"expected no {flag} for weights of {framework}, got one")
    activation = arguments.activation
    if activation is not None:
        activation = rnnjax.activation_named(activation)
    if framework == "torch":
        return rnnjax.from_torch(
            weights,
            prefix=arguments.prefix,
            readout=arguments.readout,
            nonlinearity=activation,
        )
    behind = arguments.reset_after
    return rnnjax.from_keras(
        weights,
        layers=arguments.layer,
        readout=arguments.readout,
        activation=activation,
        reset_after=None if behind is None else behind == "yes",
    )


def _framework(weights: Any) -> str:
    found = [
        framework
        for framework, part in (("torch", "weight_hh"), ("keras", "recurrent_kernel"))
        if any(part in name for name in weights)
    ]
    if len(found) == 1:
        return found[0]
    message = "expected names such as weight_hh_l0 (torch) or recurrent_kernel (keras)"
    both = ", both: give --framework" if found else ""
    raise ConfigError("weights", f"{message}, got {rnnjax.importers.files.listed(weights)}{both}")


def _aim(cell: Any, given: Sequences) -> tuple[Any, str]:
    aims = rnnjax.diagnosis.aims
    if given.y is None:
        message = "no targets: a fixed unit vector is carried back from the last step"
        return aims.transport(cell), message
    step_loss = rnnjax.losses.cross_entropy if given.has_labels else aims.mean_squared_error
    name = "cross entropy of labels" if given.has_labels else "mean squared error"
    if given.of_every_step:
        return aims.every_step(cell, step_loss), f"{name}, mean over all steps"
    return aims.last_step(cell, step_loss), f"{name} at the last step"


def _examples(given: Sequences, params: Any) -> dict[str, Any]:
    """Return the examples in the dtype of the parameters.

    Raises:
        ConfigError: a number leaves the range of that dtype.
    """
    dtype = params.V.dtype
    found = {"x": _held("x", given.x, dtype), "mask": _weights(given, dtype)}
    if given.y is not None:
        found["y"] = given.y.astype(np.int32) if given.has_labels else _held("y", given.y, dtype)
    return found


def _held(name: str, array: Any, dtype: Any) -> Any:
    with np.errstate(over="ignore"):
        found = array.astype(dtype)
    lost = np.isfinite(array) & ~np.isfinite(found)
    if np.any(lost):
        raise ConfigError(name, f"expected numbers that {dtype} holds, got {array[lost][0]:g}")
    return found


def _weights(given: Sequences, dtype: Any) -> Any:
    """Return the mask, relative to the largest weight of each example if a loss has weights."""
    if not given.of_every_step:
        return (given.mask != 0).astype(dtype)
    # Losses are means by weight: divided in float64, no weight or sum of weights is too large.
    with np.errstate(under="ignore"):
        relative = given.mask / given.mask.max(axis=1, keepdims=True)
    least = np.finfo(dtype).tiny
    lost = np.argwhere((given.mask != 0) & (relative < least))
    if lost.size:
        example, step = lost[0].tolist()
        message = f"expected weights of 0 or at least {least:.1e} of the largest of their example"
        got = f"{given.mask[example, step]:g} in example {example}"
        raise ConfigError("mask", f"{message}, got {got}")
    return relative.astype(dtype)
