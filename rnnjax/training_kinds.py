"""What a training takes: cell, task, rule, probe, by their methods."""

from typing import Any

from rnnjax.ranges import Kind


def _has(value: Any, *names: str) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, n, None)) for n in names)


def _is_rule(value: Any) -> bool:
    return callable(value) and _has(value, "init")


def _is_probe(value: Any) -> bool:
    return value is None or (callable(value) and not isinstance(value, type))


def _are_rules(value: Any) -> bool:
    return value is None or (hasattr(value, "values") and all(map(_is_rule, value.values())))


CELL = Kind(
    lambda value: _has(value, "init", "step", "readout"),
    "a cell, such as rnnjax.Vanilla(2, 3, 1)",
    static=False,
)
TASK = Kind(
    lambda value: _has(value, "sample", "loss"),
    "a task, such as rnnjax.tasks.Adding(20)",
    static=False,
)
RULE = Kind(
    _is_rule, 'a rule, such as rnnjax.BPTT(); rnnjax.rules.named("BPTT") makes one', static=False
)
RULES_OR_NONE = Kind(_are_rules, "rules by name", static=False)
PROBE_OR_NONE = Kind(
    _is_probe, "a function (cell, loss, params, batch) -> dict of arrays", static=False
)
