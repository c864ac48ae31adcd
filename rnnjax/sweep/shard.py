"""From the values of a group to the dataset of its shard, and what in them broke a promise."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnjax.lazy import xr
from rnnjax.sweep.cube import LANE
from rnnjax.sweep.plan import Group, Plan
from rnnjax.sweep.status import flag_attributes, status_name, status_of

EXAMPLES = 20  # failed cells of a group that its receipt names


def shard(
    plan: Plan, group: Group, values: dict[str, np.ndarray], attributes: dict[str, str]
) -> xr.Dataset:
    """The dataset of one group: every variable with its status, over ``lane`` and inner dims.

    Args:
        plan: the plan.
        group: the group.
        values: every variable, of shape (n_lanes, inner dims).
        attributes: the provenance.
    """
    data: dict[str, Any] = {}
    for name, variable in plan.variables.items():
        dims, array = (LANE, *variable.dims), values[name]
        meaning = {"long_name": variable.long_name, "units": variable.units}
        data[name] = (dims, array, meaning)
        data[status_name(name)] = (dims, status_of(array, variable.infinite), flag_attributes())
    lanes = {name: (LANE, axis) for name, axis in plan.lane_values(group.lanes).items()}
    return xr.Dataset(data, lanes | plan.coordinates, attributes)


def failed_cells(plan: Plan, group: Group, values: dict[str, np.ndarray]) -> dict[str, Any]:
    """The cells of a group that broke a promise of their variables to be finite.

    Args:
        plan: the plan.
        group: the group.
        values: every variable, of shape (n_lanes, inner dims).

    Returns:
        "number", and "examples": the labels and the reason of the first few.
    """
    promised = [name for name, variable in plan.variables.items() if variable.finite]
    broken = {
        name: ~np.isfinite(values[name]).reshape(group.n_lanes, -1).all(axis=1) for name in promised
    }
    lost = np.flatnonzero(np.any([*broken.values(), np.zeros(group.n_lanes, bool)], axis=0))
    labels = plan.lane_values(group.lanes)
    examples = [
        {
            "cell": group.static | {name: axis[i].item() for name, axis in labels.items()},
            "reason": "not finite: " + ", ".join(name for name in promised if broken[name][i]),
        }
        for i in lost[:EXAMPLES].tolist()
    ]
    return {"number": len(lost), "examples": examples}
