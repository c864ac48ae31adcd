"""The colours and marks of kinds of learning rules, by what their gradient leaves out."""

from rnnjax import names
from rnnjax.figures.looks import Look

RULE_KINDS = {
    Look("exact", "#000000", "o"): ("BPTT", "RTRL", "SnAp(n=2)"),
    Look("truncated BPTT, state carried", "#23408f", "s"): ("TruncatedBPTT",),
    Look("exact with a decay", "#56b4e9", "h"): ("DiscountedRTRL",),
    Look("unbiased, random", "#2f9e77", "^"): (
        "UORO",
        "KFRTRL",
        "ReverseKFRTRL",
        "NodePerturbation",
    ),
    Look("learned model of the future", "#c2478f", "D"): ("KeRNL", "DNI"),
    Look("within the unit", "#e08a1e", "v"): ("SnAp", "EProp", "RFLO"),
}
"""The rules of each kind; one with values of its fields is named in full where they matter."""


def rule_kind(name: str) -> Look:
    """Finds the look of the kind of a rule.

    Args:
        name: of the rule as in configs, with values of its fields (see `rnnjax.names`).

    Raises:
        KeyError: the rule belongs to no kind.

    Example:
        >>> rule_kind("SnAp").label, rule_kind("SnAp(n=2)").label
        ('within the unit', 'exact')
    """
    known = {rule: look for look, rules in RULE_KINDS.items() for rule in rules}
    return known.get(name) or known[names.parsed(name).name]
