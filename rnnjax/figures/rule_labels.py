"""The words of learning rules in figures and claims, from their names in configs."""

from __future__ import annotations

import re
from typing import Any

from rnnjax import names
from rnnjax.figures.looks import BLACK, BLUE, GREEN, PINK, SKY, VERMILION, Look

_WORDS = {
    "EProp": "e-prop",
    "ForwardDeltaX": "delta-x, forward",
    "KFRTRL": "KF-RTRL",
    "KeRNL": "KeRNL",
    "ReverseKFRTRL": "reverse KF-RTRL",
    "SlopelessDeltaX": "delta-x, behind the slope",
    "StaleDeltaX": "delta-x, stale",
}
_MARKS = {
    "BPTT": (VERMILION, "o"),
    "EProp": (BLUE, "^"),
    "NodePerturbation": (PINK, "x"),
    "RTRL": (BLACK, "s"),
    "UORO": (GREEN, "D"),
}
_PART = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]*")


def rule_label(name: str) -> str:
    """Writes the words of a rule.

    Args:
        name: of the rule as in configs, with values of its fields (see `rnnjax.names`). Of these,
            numbers and the feedback are named.

    Example:
        >>> rule_label("BPTT(window=10)"), rule_label("SnAp"), rule_label("NodePerturbation")
        ('BPTT, window 10', 'SnAp-1', 'node perturbation')
        >>> rule_label("EProp(autapse=False, feedback=random)")
        'e-prop, random feedback'
    """
    call = names.parsed(name)
    if call.name == "SnAp":
        return f"SnAp-{call.fields.get('n', 1)}"
    texts = (_field_text(field, value) for field, value in call.fields.items())
    return ", ".join([_words(call.name), *filter(None, texts)])


def rule_look(name: str, **look: Any) -> Look:
    """Constructs the look of a rule; SnAp-n is dashed, with a marker by n.

    Args:
        name: of the rule as in configs.
        look: what takes the place of the look's own, such as the label and the size.

    Example:
        >>> rule_look("UORO").marker, rule_look("SnAp(n=5)").dashes
        ('D', '--')
    """
    call = names.parsed(name)
    if call.name in _MARKS:
        colour, marker = _MARKS[call.name]
        return Look(**{"label": rule_label(name), "colour": colour, "marker": marker, **look})
    marker = "<>v*"[call.fields.get("n", 1) % 4]
    own = {"label": rule_label(name), "colour": SKY, "marker": marker, "dashes": "--"}
    return Look(**{**own, **look})


def _words(name: str) -> str:
    """Words for the parts of a name; abbreviations stay as they are."""
    parts = _PART.findall(name)
    return _WORDS.get(name, " ".join(part if part.isupper() else part.lower() for part in parts))


def _field_text(field: str, value: Any) -> str:
    if isinstance(value, names.Word) and field == "feedback":
        return f"{value} feedback"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{field} {value:g}" if number else ""
