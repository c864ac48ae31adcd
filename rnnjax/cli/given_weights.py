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
    """Return the examples in the dtype of the parameters."""
    dtype = params.V.dtype
    found = {"x": given.x.astype(dtype), "mask": given.mask.astype(dtype)}
    if given.y is not None:
        found["y"] = given.y.astype(np.int32 if given.has_labels else dtype)
    return found
