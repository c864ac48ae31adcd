"""A sweep as it was asked for: validated, planned, and handed on as plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError, shown
from rnnjax.sweep.axis import Axis
from rnnjax.sweep.config import Config, parse_config
from rnnjax.sweep.experiment import PRECISIONS, Experiment
from rnnjax.sweep.manifest import SCHEMA, config_hash_of
from rnnjax.sweep.plan import Plan, make_plan


@dataclass(frozen=True)
class Request:
    """A sweep that was asked for, validated and planned.

    Args:
        experiment: the experiment.
        config: its config.
        plan: its plan.
        precision: ``"float32"`` or ``"float64"``.
    """

    experiment: Experiment
    config: Config
    plan: Plan
    precision: str

    @property
    def spec(self) -> dict[str, Any]:
        """What the store of this sweep keeps of it."""
        contents = {
            "schema": SCHEMA,
            "experiment": self.experiment.name,
            "config": self.config.json,
            "precision": self.precision,
            "code": self.experiment.code.record,
        }
        groups = [
            {"id": g.id, "static": g.static, "first": g.first, "n_lanes": g.n_lanes}
            for g in self.plan.groups
        ]
        return {**contents, "config_hash": config_hash_of(contents), "groups": groups}


def request_of(experiment: Experiment, data: dict[str, Any], precision: str) -> Request:
    """Validate and plan a config that was read.

    Raises:
        ConfigError: naming the first key that is wrong.
    """
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ConfigError("precision", f'expected "float32" or "float64", got {shown(precision)}')
    config = parse_config(experiment.setting, data)
    for axis in config.axes:
        if precision == "float32" and axis.kind == "traced":
            _check_apart(axis)
    return Request(experiment, config, make_plan(experiment, config, precision), precision)


def _check_apart(axis: Axis) -> None:
    """Raise ConfigError for two points of a traced axis that would be computed at one number."""
    seen: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for point in zip(*axis.fields.values(), strict=True):
        rounded = tuple(float(np.float32(v)) if isinstance(v, float) else v for v in point)
        if rounded in seen:
            one, other = (shown(p[0] if len(p) == 1 else p) for p in (seen[rounded], point))
            message = f"expected values that float32 tells apart, got {one} and {other}"
            raise ConfigError(f"axes.{axis.name}", message)
        seen[rounded] = point
