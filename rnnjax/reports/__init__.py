"""What a diagnosis of the recurrences of a program shows: findings, text, figure and page.

Names are loaded when they are first used, so that a report is read and drawn without JAX.
"""

from importlib import import_module
from typing import Any

_LOADED_LATER = {
    "THRESHOLDS": "thresholds",
    "Comparison": "comparison",
    "Finding": "finding",
    "Reading": "readings",
    "Remedy": "remedy",
    "Report": "report",
    "Severity": "finding",
}

__all__ = [*_LOADED_LATER]


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATER:
        return getattr(import_module(f"rnnjax.reports.{_LOADED_LATER[name]}"), name)
    raise AttributeError(f"module 'rnnjax.reports' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
